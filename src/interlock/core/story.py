"""What a DeadlockError says: the story of a circle, for somebody who is tired.

Who holds what, and where it was taken; who waits for what, and where; and the one thing to do about it.
"""

import sys

import cython
from cython.cimports.interlock.core.condition import Condition
from cython.cimports.interlock.core.join import Join
from cython.cimports.interlock.core.party import meet
from cython.cimports.interlock.core.rwlock import RWLock
from cython.cimports.interlock.core.waiting import Primitive, Waiter
from cython.cimports.interlock.core.waitgraph import Wait

from interlock.core.places import frames_of, place_of_hold, place_of_wait


class Chapter:
    """One party of a circle: what it holds, what it waits for, and where."""

    def __init__(self, wait: Wait, held: Primitive, frames: list):
        self.party = wait.party
        self.held = held
        self.awaited = wait.at
        self.began = wait.began
        self.taken_at = place_of_hold(frames, held)
        self.waits_at = place_of_wait(frames)


def tell_cycle(circle: list) -> str:
    """The story of a circle, whose first wait is that of the caller."""
    current = sys._current_frames()
    chapters = []
    before: Wait = circle[-1]
    for each in circle:
        wait: Wait = each
        chapters.append(Chapter(wait, before.at, frames_of(wait.party, current)))
        before = wait
    names = Names(chapters)
    lines = [headline(chapters, names)]
    for chapter in chapters:
        lines += ["", *paragraph(chapter, names)]
    lines += ["", advice(chapters, names)]
    return "\n".join(lines)


class Names:
    """What the primitives of a story are called: by name, or as the lines that use them call them."""

    def __init__(self, chapters: list):
        self.names = {}
        for chapter in chapters:
            self.learn(chapter.held, chapter.taken_at)
        for chapter in chapters:
            self.learn(chapter.awaited, chapter.waits_at if chapter.began is chapter.awaited else None)

    def learn(self, primitive, place):
        key = id(primitive)
        if primitive.name is not None or isinstance(primitive, Join):
            self.names[key] = call(primitive)
        elif place is not None and place.what is not None:
            self.names.setdefault(key, f"{type(primitive).__name__} {place.what}")

    def of(self, primitive) -> str:
        return self.names.get(id(primitive)) or call(primitive)


def call(primitive) -> str:
    if isinstance(primitive, Join):
        return f"the end of {cython.cast(Join, primitive).thread.name}"
    name = primitive.name
    kind = type(primitive).__name__
    return f"{kind} at {id(primitive):#x}" if name is None else f"{kind} {name!r}"


def headline(chapters: list, names: Names) -> str:
    if len(chapters) == 1:
        return f"this wait would never end: {chapters[0].party.name} waits for what it holds itself"
    many = {2: "two", 3: "three", 4: "four"}.get(len(chapters), str(len(chapters)))
    return f"this wait would never end: {many} wait for each other in a circle"


def paragraph(chapter: Chapter, names: Names) -> list:
    who = chapter.party.name + (" (here)" if chapter.party is meet() else "")
    lines = [who]
    if isinstance(chapter.held, Join):
        lines.append(f"    has to end before the one that joins it goes on")
    else:
        lines += sentence(f"holds {names.of(chapter.held)}", "taken at", chapter.taken_at)
    if isinstance(chapter.awaited, Join):
        what = f"waits for {names.of(chapter.awaited)}"
    elif chapter.began is not chapter.awaited:
        what = f"waits to get {names.of(chapter.awaited)} back after {names.of(chapter.began)} was notified"
    else:
        what = f"waits for {names.of(chapter.awaited)}"
    return lines + sentence(what, "at", chapter.waits_at)


def sentence(what: str, where: str, place) -> list:
    if place is None:
        return [f"    {what}"]
    lines = [f"    {what}, {where} {place}"]
    if place.text:
        lines.append(f"        {place.text}")
    return lines


def advice(chapters: list, names: Names) -> str:
    held = [names.of(chapter.held) for chapter in chapters if not isinstance(chapter.held, Join)]
    if any(isinstance(chapter.awaited, Join) for chapter in chapters):
        return f"Leave {listed(held)} before join()."
    if len(chapters) == 1:
        if isinstance(chapters[0].awaited, RWLock):
            return "Leave it before taking it again."
        return "Leave it before taking it again, or make it an RLock, which its owner may take again."
    if any(chapter.began is not chapter.awaited for chapter in chapters):
        return "A wait at a condition gives up its own lock and no other: hold no other lock there."
    if len(set(held)) == 1:
        return f"Take {held[0]} in one way only."
    both = "Both" if len(chapters) == 2 else "They"
    return f"{both} take {listed(sorted(set(held)))}: take them in one order everywhere."


def listed(names: list) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
