"""`interlock.dump`: who waits for what, for people."""

import os
import signal
import sys
import time
from collections.abc import Callable

from interlock.core.explain.order import called
from interlock.core.explain.places import Place, preload
from interlock.core.graph.waitgraph import Wait, holders, owners, party_of
from interlock.core.kernel.primitive import Primitive
from interlock.core.kernel.probe import made_by
from interlock.core.primitives.barrier import Barrier
from interlock.core.primitives.condition import Condition
from interlock.core.primitives.event import Event
from interlock.core.primitives.join import Join
from interlock.core.primitives.latch import Latch
from interlock.core.primitives.lock import Lock
from interlock.core.primitives.semaphore import Semaphore
from interlock.core.primitives.waitqueue import WaitQueue
from interlock.watch import deeds, elsewhere, ended
from interlock.watch.stuck import dead_givers
from interlock.watch.view import Cycle, Someone, View
from interlock.watch.waits import Meaning
from interlock.watch.waits.handlers import handler_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import FrameType
    from typing import TextIO

MOST = 100  # blocks under one heading
MOST_ALIKE = 3  # blocks of which only the names differ; more are one
MOST_NAMES = 3  # of those who are one block
MOST_HELD = 20  # primitives in one block
_OF_MANY = {"has": "have", "waits": "wait", "sleeps": "sleep"}
# What the code of a party that has ended does with a primitive.
_DEEDS = {
    **dict.fromkeys(("put", "put_nowait"), "its code puts into {}"),
    **dict.fromkeys(("get", "get_nowait"), "its code gets from {}"),
    **dict.fromkeys(("acquire", "__enter__"), "its code takes {}"),
    **dict.fromkeys(("notify", "notify_all"), "its code notifies {}"),
    "release": "its code releases {}",
    "task_done": "its code calls task_done() of {}",
    "set": "its code sets {}",
    "wait": "its code waits for {}",
    "count_down": "its code counts {} down",
}
LONG = 1.0  # seconds; a wait that lasts longer stands before the others


def write(file: "TextIO | None") -> None:
    """Print the dump."""
    _write(dump_text(View().find_held()), file)


def write_on_signal(signum: int, file: "TextIO | None") -> None:
    """Print it whenever a signal comes."""
    preload()
    signal.signal(signum, Dumper(lambda text: _write(text, file)))


class Dumper:
    """A signal handler that prints a dump. ``write``: where its text goes.

    One that comes while another prints has the other print once more: a key that is held down must not go on for ever
    inside itself.
    """

    harmless_to_waits = True  # it prints, and nobody who waits is helped: see core/graph/waitgraph.py

    def __init__(self, write: Callable[[str], object]) -> None:
        self._print = write
        self._printing = False
        self._again = False

    def __call__(self, signum: int, frame: "FrameType | None") -> None:
        self._again = True
        while self._again and not self._printing:
            self._printing = True
            self._again = False
            try:
                self._print(dump_text(View().find_held()))
            finally:
                self._printing = False


def _write(text: str, file: "TextIO | None") -> None:
    stream = file if file is not None else sys.stderr
    if stream is None:
        return
    try:
        stream.write(text)
        stream.flush()
    except RuntimeError:
        # A signal handler that came while the program was printing: past its buffers.
        try:
            os.write(stream.fileno(), text.encode(stream.encoding or "utf-8", "backslashreplace"))
        except OSError:
            return
    except UnicodeEncodeError:
        stream.write(text.encode("ascii", "backslashreplace").decode("ascii"))
        stream.flush()


# --- the text -----------------------------------------------------------------------------------------------------


def dump_text(view: View, *titles: str) -> str:
    """The dump. ``titles``: the first lines, where there is more to say than how many wait."""
    ended.look_for_tasks()
    lines = [f"interlock: {title}" for title in titles or (_heading(view),)]
    told: set[int] = set()

    def section(heading: str, people: list[Someone], most_alike: int | None = None) -> None:
        fresh = [someone for someone in people if id(someone) not in told]
        if fresh:
            lines.extend(["", heading])
        groups = _alike(fresh, view, MOST_ALIKE if most_alike is None else most_alike)
        for group in groups[:MOST]:
            lines.extend(_block(group, view))
        if len(groups) > MOST:
            lines.append(f"  and {sum(map(len, groups[MOST:])):,} more")
        told.update(map(id, fresh))

    for cycle in view.cycles:
        section(_cycle_heading(cycle), cycle.members, MOST)
    members = view.through
    if members:
        section(f"CYCLE: {' -> '.join(each.name for each in [*members, members[0]])}", members, MOST)
    waiting = sorted(
        (each for each in view.people if each.wait is not None), key=lambda each: -view.seconds(_wait_of(each))
    )
    section(f"WAITING for more than {LONG:g} s", [w for w in waiting if view.seconds(_wait_of(w)) > LONG])
    section("WAITING", waiting)
    section("WAITING", [each for each in view.people if _is_waiting(each, view)])
    section("WAITING FOR THE OUTSIDE, OR FOR WORK", [each for each in view.people if view.meaning(each) is not None])
    section("NOT WAITING", view.people)
    lines += _told_ended()
    return "\n".join(lines) + "\n"


def _is_waiting(someone: Someone, view: View) -> bool:
    meaning = view.meaning(someone)
    return meaning is not None and not meaning.outside and not meaning.idle


def _told_ended() -> list[str]:
    parties = ended.parties()
    return ["", ENDED, *told_of(parties)] if parties else []


ENDED = "ENDED BY AN EXCEPTION"


def told_of(parties: list[ended.Ended], most: int = MOST_HELD) -> list[str]:
    """Those who have ended, in lines; those together of whom the same is to be told. ``most``: lines about what one of
    them had done."""
    lines = []
    alike: dict[object, list[ended.Ended]] = {}
    for each in parties:
        alike.setdefault(_account_of(each), []).append(each)
    for each, *others in alike.values():
        more = f" and {len(others):,} more" if others else ""
        lines.append(f"  {'task ' if each.is_task else ''}{each.name}{more}")
        lines += _sentence(f"ended by {each.what}", "at", each.place)
        past = past_of(each)
        lines += [f"      {line}" for line in past[:most]]
        if len(past) > most:
            lines.append(f"      and {_count(len(past) - most, 'line', 'lines')} more of what it had done")
    return lines


def _account_of(party: ended.Ended) -> object:
    done = [(each.verb, each.primitive, each.times, str(each.place)) for each in party.done]
    held = [(name, str(place)) for name, place in [*party.held, *party.kept]]
    return party.is_task, party.what.replace(party.name, ""), str(party.place), *done, *held


def past_of(party: ended.Ended) -> list[str]:
    """What a party that has ended had done and held, and what its code does besides."""
    now = time.monotonic_ns()
    lines = [f"held {name} then, taken at {place}" for name, place in party.held]
    lines += [f"has not given back {name}, taken at {place}" for name, place in party.kept]
    lines += [f"had {each.said(each.primitive, now)}" for each in party.done]
    known = {str(each.place) for each in party.done} | {str(place) for _, place in [*party.held, *party.kept]}
    for name, thing, place in [] if party.is_main else party.did():  # from the main module all code can be reached
        if str(place) not in known:
            lines.append(f"{_DEEDS[name].format(name_of(thing))}, at {place}")
    return lines


MOST_LATELY = 6  # parties that have done something to one primitive


def lately(meaning: Meaning, view: View) -> list[str]:
    """Who has done what to the primitives that are waited for, the last first; not those who wait there themselves."""
    lines = []
    for way in meaning.alone():
        if not isinstance(way.target, Primitive):
            continue
        name = name_of(way.target) if meaning.choices else deeds.IT
        by_party: dict[int, list[deeds.Done]] = {}
        for each in deeds.to(way.target, name):
            if not view.waits_at(each.party, way.target):
                by_party.setdefault(each.party, []).append(each)
        for party, done in list(by_party.items())[:MOST_LATELY]:
            said = ", and ".join(each.said(name, view.now) for each in done)
            lines.append(f"{done[0].name} {said}{_what_became_of(party, view)}")
        if len(by_party) > MOST_LATELY:
            lines.append(f"and {_count(len(by_party) - MOST_LATELY, 'more has', 'more have')} used {name}")
    return lines


def _what_became_of(party: int, view: View) -> str:
    for each in ended.parties():
        if each.party == party:
            return f"; it has ended by {each.what}" + ("" if each.place is None else f", at {each.place}")
    found = party_of(party)
    if found is not None and found.lost_in_fork:
        return "; it did not come along when this process was forked"
    return "; it has ended" if view.has_ended(party) else ""


def _wait_of(someone: Someone) -> Wait:
    assert someone.wait is not None
    return someone.wait


def _heading(view: View) -> str:
    waiting = sum(someone.wait is not None for someone in view.people)
    return f"{_count(len(view.people), 'party', 'parties')}, {waiting} waiting"


def _cycle_heading(cycle: Cycle) -> str:
    names = [member.name for member in cycle.members]
    return f"CYCLE: {' -> '.join([*names, names[0]])}" + ("" if cycle.certain else _uncertainty(cycle))


def _uncertainty(cycle: Cycle) -> str:
    for member in cycle.members:
        for wait in [] if member.wait is None else member.wait.alternatives or [member.wait]:
            if isinstance(wait.at, Lock) and not owners(wait):
                return f"\n  not certain: {name_of(wait.at)} was taken with acquire(), so any party may release it"
    return ""


def _alike(people: list[Someone], view: View, most: int) -> list[list[Someone]]:
    """Those together of whom the same is to be told, where they are more than ``most``."""
    groups: dict[object, list[Someone]] = {}
    for each in people:
        _, *lines = _block([each], view, how_long=False)
        groups.setdefault((each.is_task, _has_ended(each), *lines), []).append(each)
    return [
        part for group in groups.values() for part in ([group] if len(group) > most else [[each] for each in group])
    ]


def _has_ended(someone: Someone) -> bool:
    return someone.party is not None and someone.party.ended


def _names(group: list[Someone]) -> str:
    kind = "" if not group[0].is_task else "task " if len(group) == 1 else "tasks "
    gone = " (ended)" if _has_ended(group[0]) else ""
    more = f" and {len(group) - MOST_NAMES:,} more" if len(group) > MOST_NAMES else ""
    return f"{kind}{', '.join(each.name for each in group[:MOST_NAMES])}{more}{gone}"


def _block(group: list[Someone], view: View, how_long: bool = True) -> list[str]:
    """What is to be told of one, or of several of whom it is the same, the one who has waited longest first.

    Without ``how_long`` it is the same for two who came at different times.
    """
    from interlock.watch.names import is_internal

    someone, many = group[0], len(group) > 1
    lines = [f"  {_names(group)}"]
    meaning = view.meaning(someone)
    if meaning is not None:
        wait = someone.wait
        if wait is None:
            verb, space, rest = meaning.verb.partition(" ")
            if many:
                verb = _OF_MANY.get(verb, verb)
            about = "" if meaning.verb == "sleeps" and (many or not how_long) else meaning.what  # not until one time
            what = f"{verb}{space}{rest} {about}".rstrip()
        else:
            ends = " with a timeout" if wait.timed else ""
            seconds = f"{view.seconds(wait) if how_long else 0:.1f} s{ends}"
            what = f"have waited for {meaning.what}" if many else f"has waited {seconds} for {meaning.what}"
            if many:
                what += f", {seconds} at longest"
            if wait.at is not wait.began:
                what += f", after {name_of(wait.began)} was notified"
        lines += _sentence(what, "at", someone.place)
        poll = view.polls.get(id(someone))
        polling = [] if poll is None else [str(poll)]
        lines += [f"      {line}" for line in [*polling, *meaning.lines, *lately(meaning, view), *_dead(meaning, view)]]
        mistake = None if wait is None else mistake_of(wait, view)
        if mistake is not None:
            lines += _sentence(mistake[0], "taken at", mistake[1])
    elif someone.place is not None:
        lines += _sentence("are" if many else "is", "at", someone.place)
    elif someone.is_task and someone.task is not None:
        lines.append("      run" if many else "      runs")
    cut = handler_of(someone.frames)
    if cut is not None:
        lines.append(f"      {cut}")
    holds = [(held, place) for held, place in someone.holds if view.is_wanted(held) or not is_internal(made_by(held))]
    for held, place in holds[:MOST_HELD]:
        lines += _sentence(f"holds {name_of(held)}", "taken at", place)
    if len(holds) > MOST_HELD:
        lines.append(f"      holds {len(holds) - MOST_HELD:,} more")
    return lines


def mistake_of(wait: Wait, view: View) -> tuple[str, Place] | None:
    """Who took what this wait is for by `await lock.acquire()`, in words, and where."""
    if id(wait.at) not in view.mistakes:
        return None
    taken_at, task = view.mistakes[id(wait.at)]
    who = "a task" if task is None else f"task {task}"
    return f"{who} took it and ended by a TypeError: acquire() is not awaited", taken_at


def _dead(meaning: Meaning, view: View) -> list[str]:
    """Those who could have ended this wait and are no more."""
    lines = []
    told = {
        each.party for way in meaning.alone() if isinstance(way.target, Primitive) for each in deeds.to(way.target, "")
    }
    for each in dead_givers(meaning)[:5]:
        where = next(filter(None, [each.could_give(way.target, way.gives) for way in meaning.alone() if way.gives]))
        place = "" if each.place is None else f" at {each.place}"
        of_what = "it has ended" if each.party in told else f"it ended by {each.what}{place}"
        lines.append(f"{each.name} could have, at {where}: {of_what}")
    return lines


def _sentence(what: str, where: str, place: Place | None) -> list[str]:
    if place is None:
        return [f"      {what}"]
    text = f"      {what} {where} {place}" if what in ("is", "are") else f"      {what}, {where} {place}"
    return [text, f"          {place.text}"] if place.text else [text]


def name_of(primitive: Primitive) -> str:
    """What to call a primitive: by its name, or after the line that made it."""
    if isinstance(primitive, Join):
        return f"the end of {primitive.thread.name}"
    kind = type(primitive).__name__
    if primitive.name is not None:
        return f"{kind} {primitive.name!r}"
    made = called(primitive)
    if made is None:
        return f"{kind} at {id(primitive):#x}"
    name = _name_beside_others(primitive)
    return made if name is None else made.replace(" of ", f" {name} of ", 1)


def _name_beside_others(primitive: Primitive) -> str | None:
    """What a line calls this that makes several things, as in `a, b = Lock(), Lock()`."""
    maker = made_by(primitive)
    if maker is None or maker.line is None:
        return None
    try:
        import linecache

        from interlock.watch.names import Names

        if linecache.getline(maker.code.co_filename, maker.line).count("(") < 2:
            return None
        return Names().made(maker)
    except Exception:
        return None  # the program may have a module of that name


def is_own(primitive: Primitive) -> bool:
    """Whether it is the program's, and not one that `threading` made for itself."""
    from interlock.watch.names import is_machinery  # which imports more than a program under `interlock run` should see

    return not is_machinery(made_by(primitive))


def what_is_missing(wait: Wait) -> str:
    """What would have to happen for this wait to end."""
    at = wait.at
    if isinstance(at, Barrier):
        return f"{at.n_waiting} of {at.parties} have arrived"
    if isinstance(at, Latch):
        return f"{_count(at.count, 'count-down is', 'count-downs are')} missing"
    if isinstance(at, Semaphore):
        free = at._value  # read once: it changes meanwhile
        return f"only {free} free" if free else "no permit is free"
    if elsewhere.is_remote(at):
        last = elsewhere.told(at)
        return "" if last is None else str(last)
    if isinstance(at, Event):
        return "nobody has set it since this wait began"
    if isinstance(at, Condition):
        # Others that waited longer may have been notified meanwhile.
        return "no notify() has reached this wait"
    if isinstance(at, WaitQueue):
        return "no unpark() has reached this wait"
    if isinstance(at, Join):
        return ""
    who = holders(at)
    if not who:
        return ""
    names = ", ".join(party.name for party in who[:3]) + (f" and {len(who) - 3} more" if len(who) > 3 else "")
    return f"held by {names}"


def _count(number: int, one: str, many: str) -> str:
    return f"{number} {one if number == 1 else many}"
