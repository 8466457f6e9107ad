"""What a DeadlockError says: the story of a cycle, for somebody who is tired.

Who holds what, and where it was taken; who waits for what, and where; and the one thing to do about it.
"""

import sys

import cython
from cython.cimports.interlock.core.graph.waitgraph import Wait
from cython.cimports.interlock.core.kernel.party import Party, meet
from cython.cimports.interlock.core.kernel.primitive import Primitive
from cython.cimports.interlock.core.primitives.join import Join
from cython.cimports.interlock.core.primitives.remote import Remote
from cython.cimports.interlock.core.primitives.rwlock import RWLock
from cython.cimports.interlock.core.tasks.task import TaskParty, caller

from interlock.core.explain.places import (
    calls_it,
    frames_of,
    frames_of_task,
    is_installed,
    is_standard_library,
    known_as,
    place_of_hold,
    place_of_wait,
)
from interlock.core.kernel.probe import made_by


class _Chapter:
    """One party of a cycle: what it holds, what it waits for, and where.

    `held` is None for a thread that keeps the task before it from running; `awaited` is None for that task. `taken_by`:
    the name of a task that has taken it for its thread, or None.
    """

    def __init__(self, wait: Wait, before: Wait, frames: list):
        self.party = wait.party
        self.frames = frames
        self.held = what_of(before) if holds(before, wait.party) else None
        self.kept = None if self.held is not None else before.party
        self.awaited = what_of(wait)
        self.began = self.awaited if wait.began is wait.at else wait.began
        self.taken_at = None if self.held is None else place_of_hold(frames, self.held)
        self.taken_by = None
        if self.held is not None and self.taken_at is None and wait.party is meet():
            self.taken_at, self.taken_by = find_in_tasks(self.held)
        self.waits_at = place_of_wait(frames)
        self.is_own = self.awaited is not None and is_own(self.awaited, frames)


def is_own(primitive, frames: list) -> cython.bint:
    """Whether the program has made this, as far as can be told, and might make something else in its place."""
    maker = made_by(primitive)
    if maker is not None and (maker.outer_code is not None or is_foreign(maker.code.co_filename)):
        return False
    return not frames or (not is_foreign(frames[0].f_code.co_filename) and calls_it(frames[0], primitive))


def is_foreign(file: str) -> cython.bint:
    return is_standard_library(file) or is_installed(file)


def find_in_tasks(primitive) -> tuple:
    """Where a task of the loop that runs here has entered this using a plain `with`, and the name of that task."""
    asyncio = sys.modules.get("asyncio")
    try:
        for task in asyncio.all_tasks():
            place = place_of_hold(frames_of_task(task), primitive)
            if place is not None:
                return place, task.get_name()
    except (AttributeError, RuntimeError):
        pass  # no loop runs here
    return None, None


def what_of(wait: Wait):
    """What is waited for. Between machines each wait has an object of its own; who holds is told of their board."""
    if isinstance(wait.at, Remote) and cython.cast(Remote, wait.at).board is not None:
        return cython.cast(Remote, wait.at).board
    return wait.at


def holds(wait: Wait, owner: Party) -> cython.bint:
    if wait.at is None:
        return False
    what: Primitive = what_of(wait)
    return isinstance(what, Join) or owner.id in what.held_by()


def tell_cycle(cycle: list) -> str:
    """The story of a cycle, whose first wait is that of the caller."""
    current = sys._current_frames()
    chapters = []
    before: Wait = cycle[-1]
    for each in cycle:
        wait: Wait = each
        chapters.append(_Chapter(wait, before, frames_of(wait.party, current)))
        before = wait
    for chapter, following in zip(chapters, [*chapters[1:], chapters[0]], strict=True):
        if following.kept is not None:
            chapter.awaited = None
    names = _Names(chapters)
    lines = [_headline(chapters, names)]
    for chapter in chapters:
        lines += ["", *_paragraph(chapter, names)]
    lines += ["", _advice(chapters, names)]
    return "\n".join(lines)


class _Names:
    """What the primitives of a story are called: by name, or as the lines that use them call them."""

    def __init__(self, chapters: list):
        self.names = {}
        self.twins = {}
        for chapter in chapters:
            if chapter.held is not None:
                self.learn(chapter.held, chapter.taken_at, chapter.frames)
        for chapter in chapters:
            if chapter.awaited is not None:
                place = chapter.waits_at if chapter.began is chapter.awaited else None
                self.learn(chapter.awaited, place, chapter.frames)
        # Several that one line calls by one name, `first` say, are told apart.
        taken: dict = {}
        for key, name in self.names.items():
            taken.setdefault(name, []).append(key)
        for name, keys in taken.items():
            if len(keys) > 1:
                for i, key in enumerate(keys):
                    self.twins[key] = f"{name} ({i + 1})"

    def learn(self, primitive, place, frames: list):
        key = id(primitive)
        if primitive.name is not None or isinstance(primitive, Join):
            self.names[key] = _call(primitive)
        elif place is not None and place.what is not None and key not in self.names:
            # A name of one function's says less than what its module or object calls it.
            what = place.what
            if what.isidentifier():
                what = known_as(frames, primitive) or what
            self.names[key] = f"{type(primitive).__name__} {what}"

    def of(self, primitive) -> str:
        key = id(primitive)
        return self.twins.get(key) or self.names.get(key) or _call(primitive)


def _call(primitive) -> str:
    if isinstance(primitive, Join):
        return f"the end of {cython.cast(Join, primitive).thread.name}"
    name = primitive.name
    kind = type(primitive).__name__
    return f"{kind} at {id(primitive):#x}" if name is None else f"{kind} {name!r}"


def _headline(chapters: list, names: _Names) -> str:
    if len(chapters) == 1 and chapters[0].taken_by is not None:
        return (
            f"this wait would never end: {chapters[0].taken_by} holds {names.of(chapters[0].held)} in this same "
            "thread, and cannot leave it before this call returns"
        )
    if len(chapters) == 1:
        return f"this wait would never end: {chapters[0].party.name} waits for what it holds itself"
    for chapter in chapters:
        if chapter.kept is not None and chapter.party is meet():
            return (
                "this wait would never end: it would stop the loop in which "
                f"{chapter.kept.name} runs, and {chapter.kept.name} is needed to end it"
            )
    many = {2: "two", 3: "three", 4: "four"}.get(len(chapters), str(len(chapters)))
    return f"this wait would never end: {many} wait for each other in a cycle"


def _paragraph(chapter: _Chapter, names: _Names) -> list:
    kind = "task " if isinstance(chapter.party, TaskParty) else ""
    here = " (here)" if chapter.party is meet() or chapter.party is caller() else ""
    lines = [kind + chapter.party.name + here]
    if chapter.held is None:
        lines.append(f"    runs the loop of {chapter.kept.name}")
    elif isinstance(chapter.held, Join):
        lines.append("    has to end before the one that joins it goes on")
    else:
        by = "" if chapter.taken_by is None else f"by task {chapter.taken_by} "
        lines += _sentence(f"holds {names.of(chapter.held)}", f"taken {by}at", chapter.taken_at)
    if chapter.awaited is None:
        return lines + _sentence("cannot go on while the thread of its loop is blocked", "it is at", chapter.waits_at)
    if isinstance(chapter.awaited, Join):
        what = f"waits for {names.of(chapter.awaited)}"
    elif chapter.began is not chapter.awaited:
        what = f"waits to get {names.of(chapter.awaited)} back after {names.of(chapter.began)} was notified"
    else:
        what = f"waits for {names.of(chapter.awaited)}"
    return lines + _sentence(what, "at", chapter.waits_at)


def _sentence(what: str, where: str, place) -> list:
    if place is None:
        return [f"    {what}"]
    lines = [f"    {what}, {where} {place}"]
    if place.text:
        lines.append(f"        {place.text}")
    return lines


def _advice(chapters: list, names: _Names) -> str:
    held = [
        names.of(chapter.held)
        for chapter in chapters
        if chapter.held is not None and not isinstance(chapter.held, Join)
    ]
    if any(chapter.taken_by is not None for chapter in chapters):
        return (
            "A plain 'with' holds a lock for the whole thread, and over an 'await' that can stop the loop: use "
            "'async with'."
        )
    if any(chapter.kept is not None for chapter in chapters):
        return (
            "A call that blocks stops the loop and all its tasks. Use 'async with' there, or let another thread call: "
            "await asyncio.to_thread(...)."
        )
    if any(isinstance(chapter.awaited, Join) for chapter in chapters):
        return f"Leave {_listed(held)} before join()."
    if len(chapters) == 1:
        if not chapters[0].is_own:
            return "The lock belongs to a library: release it before calling code that acquires it again."
        if isinstance(chapters[0].awaited, RWLock):
            return "Release it before acquiring it again."
        return "Release it before acquiring it again, or use an RLock, which its owner may acquire again."
    if any(chapter.began is not chapter.awaited for chapter in chapters):
        return "A wait on a condition releases only the lock of the condition: hold no other lock during it."
    if len(set(held)) == 1:
        return f"Take {held[0]} in one way only."
    both = "Both" if len(chapters) == 2 else "They"
    return f"{both} take {_listed(sorted(set(held)))}: take them in one order everywhere."


def _listed(names: list) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


# --- a knot: where parties of it select ------------------------------------------------------------------------------


class _Member:
    """One party of a knot: what it holds that others there wait for, and what it waits for: one is enough."""

    def __init__(self, party: Party, frames: list):
        self.party = party
        self.frames = frames
        self.held = []
        self.awaited = []
        self.lost = []
        self.kept_by = None  # the thread without which it cannot go on
        self.waits_at = place_of_wait(frames)


def tell_knot(edges: list) -> str:
    """The story of a knot (`core/graph/knot.py`): for each edge the wait, the whole wait, and for whom."""
    current = sys._current_frames()
    members: dict = {}
    for way, _, _ in edges:
        party = cython.cast(Wait, way).party
        if party not in members:
            members[party] = _Member(party, frames_of(party, current))
    for way, _, following in edges:
        wait: Wait = way
        member = members[wait.party]
        if wait.at is None or not holds(wait, following):
            member.kept_by = following
            continue
        member.awaited.append(wait.at)
        if following not in members:
            member.lost.append((wait.at, following))
        elif wait.at not in members[following].held:
            members[following].held.append(wait.at)
    names = _Names([])
    for member in members.values():
        for primitive in (*member.held, *member.awaited):
            names.learn(primitive, place_of_hold(member.frames, primitive), member.frames)
            if primitive.name is None and id(primitive) not in names.names:
                what = known_as(member.frames, primitive)
                if what is not None:
                    names.names[id(primitive)] = f"{type(primitive).__name__} {what}"
    lines = [_knot_headline(list(members.values()), names)]
    for member in members.values():
        lines += ["", *_knot_paragraph(member, names)]
    held = sorted({names.of(primitive) for member in members.values() for primitive in member.held})
    lines += ["", f"Take {_listed(held)} in one order everywhere, or give select what can still happen: a timeout."]
    return "\n".join(lines)


def _knot_headline(members: list, names: _Names) -> str:
    if len(members) == 1:
        return f"this wait would never end: {members[0].party.name} waits for what it holds itself, and nothing else"
    many = {2: "two", 3: "three", 4: "four"}.get(len(members), str(len(members)))
    return f"this wait would never end: {many} wait for each other, and nothing that is selected from can happen"


def _knot_paragraph(member: _Member, names: _Names) -> list:
    kind = "task " if isinstance(member.party, TaskParty) else ""
    here = " (here)" if member.party is meet() or member.party is caller() else ""
    lines = [kind + member.party.name + here]
    for primitive in member.held:
        lines += _sentence(f"holds {names.of(primitive)}", "taken at", place_of_hold(member.frames, primitive))
    for primitive, owner in member.lost:
        lines.append(f"    {names.of(primitive)} was never released by {owner.name}, which has ended")
    if member.kept_by is not None:
        return lines + _sentence(
            f"cannot go on while {member.kept_by.name} is blocked, which runs its loop", "it is at", member.waits_at
        )
    return lines + _sentence(
        f"waits for {' or '.join(dict.fromkeys([names.of(each) for each in member.awaited]))}", "at", member.waits_at
    )
