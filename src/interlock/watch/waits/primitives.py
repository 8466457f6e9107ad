"""Locks, permits, events, conditions, barriers: who holds, who could give, who is missing."""

from interlock.core.explain.places import place_of_hold
from interlock.core.graph.waitgraph import Wait, holders, owners
from interlock.core.kernel.primitive import Primitive
from interlock.core.primitives.barrier import Barrier
from interlock.core.primitives.condition import Condition
from interlock.core.primitives.event import Event
from interlock.core.primitives.join import Join
from interlock.core.primitives.latch import Latch
from interlock.core.primitives.semaphore import Semaphore
from interlock.core.primitives.waitqueue import WaitQueue
from interlock.watch.waits import Meaning

TYPE_CHECKING = False
if TYPE_CHECKING:
    from interlock.watch.view import Someone, View

_RELEASES = ("release", "release_read", "release_write", "__exit__")


def adapter(someone: "Someone", view: "View") -> Meaning | None:
    """A party that is parked in one of our primitives."""
    wait = someone.wait
    if wait is None:
        return None
    from interlock.watch.dump import name_of, what_is_missing

    at = wait.at
    meaning = Meaning(name_of(at), target=at)
    if isinstance(at, Join):
        meaning.givers = view.someones(owners(wait)) or _of_thread(at, view)
        if not meaning.givers:
            meaning.outside = True  # it is about to start, or to end
        return meaning
    missing = what_is_missing(wait)
    if missing:
        meaning.lines.append(missing)
    if isinstance(at, Barrier):
        meaning.gives = ("wait", "wait_async", "abort", "reset")
    elif isinstance(at, Latch):
        meaning.gives = ("count_down", "arrive_and_wait")
    elif isinstance(at, Semaphore):
        _say_permits(meaning, at, view)
    elif isinstance(at, Event):
        meaning.gives = ("set",)
    elif isinstance(at, Condition):
        meaning.gives = ("notify", "notify_all", "notifyAll")
    elif isinstance(at, WaitQueue):
        meaning.gives = ("unpark", "unpark_all")
    else:
        _say_holders(meaning, at, wait, view)
    meaning.needed = isinstance(at, (Barrier, Latch))
    meaning.calm = isinstance(at, (Condition, Event, Semaphore, WaitQueue))
    return meaning


def _of_thread(join: Join, view: "View") -> "list[Someone]":
    return [each for each in view.people if not each.is_task and each.ident == join.thread.ident]


def _say_holders(meaning: Meaning, at: Primitive, wait: Wait, view: "View") -> None:
    certain = owners(wait)
    meaning.givers = view.someones(certain or holders(at))
    if not certain:
        meaning.gives = _RELEASES[:-1]


def _say_permits(meaning: Meaning, at: Semaphore, view: "View") -> None:
    meaning.gives = ("release", "resize")
    holding = []
    for someone in view.people:
        place = place_of_hold(someone.frames, at)
        if place is not None:
            holding.append(someone)
            meaning.lines.append(f"{someone.name} has a permit, taken at {place}")
    meaning.givers = holding
    if holding and all(each.wait is not None and each.wait.at is at for each in holding):
        meaning.lines.append("those who have its permits wait for another one of it")
    del meaning.lines[12:]
