"""Everybody at one moment: who runs where, who waits for what and for how long, who holds what and since which line."""

import sys
import threading
import time
from collections.abc import Iterable

from interlock.core.explain import order
from interlock.core.explain.places import (
    Place,
    awaited_by_mistake,
    frames_of,
    frames_of_task,
    is_ours,
    place_of_hold,
    place_of_wait,
)
from interlock.core.graph.waitgraph import Wait, holders, is_certain_edge, keeper, parties, task_of, waits
from interlock.core.graph.waitgraph import primitives as every_primitive
from interlock.core.kernel import private
from interlock.core.kernel.party import Party
from interlock.core.kernel.primitive import Primitive
from interlock.core.primitives.condition import Condition
from interlock.core.primitives.join import Join
from interlock.watch.idle import tasks_of
from interlock.watch.polling import Poll
from interlock.watch.waits import Meaning, meaning_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import FrameType


class Someone:
    """A party, or a thread that has not met any primitive yet.

    Attributes: ``party`` (None for such a thread or task), ``ident``, ``name``, ``place`` (where it is; None where
    nobody can tell), ``wait`` (None: it runs), ``awaits`` (a task's: the future of asyncio's for which it waits, or
    None), ``holds`` (each primitive, and where it was taken or None).
    """

    def __init__(
        self, party: Party | None, ident: int, name: str, frames: "list[FrameType]", task: object | None = None
    ) -> None:
        self.party = party
        self.is_task: bool = task is not None or (party is not None and keeper(party) is not None)
        self.task: object = task
        self.awaits: object = private.awaited_by(task)
        self.ident = ident
        self.name = name
        self.frames = frames
        # Who waits for a module that another thread imports is in the import system, which has no lines.
        own = [frame for frame in frames if not frame.f_code.co_filename.startswith("<frozen ")]
        self.place: Place | None = place_of_wait(own or frames)
        self.wait: Wait | None = None
        self.holds: list[tuple[Primitive, Place | None]] = []

    @property
    def is_waiting_for_ever(self) -> bool:
        return self.wait is not None and self.wait.parked and not self.wait.timed


class Cycle:
    """Parties each of which waits for the next, and the last for the first.

    ``certain``: whether nobody else could help, as far as locks go. A Lock taken with ``acquire`` may be released by
    any party.
    """

    def __init__(self, members: list[Someone]) -> None:
        self.members = members
        self.certain: bool = all(
            member.party is not None
            and following.party is not None
            and is_certain_edge(member.party, member.wait, following.party)
            for member, following in zip(members, [*members[1:], members[0]], strict=True)
        )


class View:
    """Everybody, as ``people``, and those of them who wait in ``cycles``. ``now``: monotonic nanoseconds.

    What they hold is known where somebody waits for it or the order of locks is watched; of everything only after
    `find_held`, which looks at every object there is.
    """

    def __init__(self) -> None:
        self.mistakes: dict[int, tuple[Place, str | None]] = {}  # locks that tasks took by `await lock.acquire()`
        frames = sys._current_frames()
        # Not this very frame, which holds them: all that the program has in its frames would live until a collection.
        frames[threading.get_ident()] = sys._getframe(1)
        self.now: int = time.monotonic_ns()
        self.people: list[Someone] = _everybody(frames)
        found = {each.party.id: each for each in self.people if each.party is not None}
        self._found = found
        self._tasks = {id(each.task): each for each in self.people if each.task is not None}
        self.polls: dict[int, Poll] = {}  # who comes back to a timed wait, where somebody has followed that
        self.through: list[Someone] = []  # a cycle through more than locks, where somebody has looked for one
        self._meanings: dict[int, Meaning | None] = {}
        primitives: dict[int, Primitive] = {}
        self._wanted: set[int] = set()  # of those the ones that somebody waits for at this moment
        for wait in waits():
            someone = found.get(wait.party.id)
            if someone is not None:
                someone.wait = wait
                primitives.update({id(each.at): each.at for each in wait.alternatives or [wait]})
                self._wanted.update(id(each.at) for each in wait.alternatives or [wait])
                if isinstance(wait.began, Condition) and isinstance(wait.began._lock, Primitive):
                    primitives[id(wait.began._lock)] = wait.began._lock
        watcher = order.active
        for someone in found.values():
            if watcher is not None and someone.party is not None:
                someone.holds += watcher.locks_of(someone.party.id)
        for primitive in primitives.values():
            self._add_holders(primitive)
        self.cycles: list[Cycle] = [Cycle(members) for members in _cycles(found)]

    def meaning(self, someone: Someone) -> "Meaning | None":
        """What it waits for, as far as anybody can tell; None where it runs."""
        key = id(someone)
        if key not in self._meanings:
            self._meanings[key] = None  # two tasks that await each other
            self._meanings[key] = meaning_of(someone, self)
        return self._meanings[key]

    def of_task(self, task: object) -> Someone | None:
        """The one who is this task of asyncio's."""
        return None if task is None else self._tasks.get(id(task))

    def someones(self, parties: "Iterable[Party]") -> list[Someone]:
        """Those of them who are here."""
        return [self._found[party.id] for party in parties if party.id in self._found]

    def waits_at(self, party: int, primitive: Primitive) -> bool:
        """Whether the party with this id waits for this primitive."""
        someone = self._found.get(party)
        if someone is None or someone.wait is None:
            return False
        return any(each.at is primitive for each in someone.wait.alternatives or [someone.wait])

    def is_wanted(self, primitive: Primitive) -> bool:
        """Whether anybody here waits for this primitive."""
        return id(primitive) in self._wanted

    def has_ended(self, party: int) -> bool:
        """Whether the party with this id is no more."""
        someone = self._found.get(party)
        return someone is None or someone.party is None or someone.party.ended

    def seconds(self, wait: Wait) -> float:
        """For how long it has lasted."""
        return max(0, self.now - wait.since) / 1e9

    def find_held(self) -> "View":
        """Find out what everybody holds, also where nobody waits for it. Returns the view itself."""
        for primitive in every_primitive():
            self._add_holders(primitive, ended=False)
        return self.find_mistakes()

    def find_mistakes(self) -> "View":
        """Find the locks that tasks took by `await lock.acquire()`, among all objects. Returns the view itself."""
        self.mistakes = {id(taken): (place, task) for taken, place, task in awaited_by_mistake()}
        return self

    def _add_holders(self, primitive: Primitive, ended: bool = True) -> None:
        """``ended``: also parties that are no more, as it matters where somebody waits for them."""
        for party in [] if isinstance(primitive, Join) else holders(primitive):
            holder = self._found.get(party.id) or (self._add_ended(party, self._found) if ended else None)
            if holder is not None and all(held is not primitive for held, _ in holder.holds):
                holder.holds.append((primitive, place_of_hold(holder.frames, primitive)))

    def _add_ended(self, party: Party, found: dict[int, Someone]) -> Someone:
        someone = Someone(party, party.ident, party.name, [])
        found[party.id] = someone
        self.people.append(someone)
        return someone


def _everybody(frames: "dict[int, FrameType]") -> list[Someone]:
    people = []
    known = set()
    tasks = set()
    for party in parties():
        known.add(party.ident)
        task = task_of(party)
        tasks.add(id(task))
        people.append(Someone(party, party.ident, party.name, frames_of(party, frames), task))
    for ident, frame in frames.items():
        if ident in helpers:
            continue
        outward = list(_outward(frame))
        if ident not in known:
            thread = private.listed_thread(ident)
            name = f"thread {ident}" if thread is None else thread.name
            people.append(Someone(None, ident, name, outward))
        for task in tasks_of(outward):
            if id(task) not in tasks:
                people.append(Someone(None, ident, task.get_name(), frames_of_task(task), task))
    return people


def _outward(frame: "FrameType | None") -> "Iterable[FrameType]":
    while frame is not None:
        if not is_ours(frame):
            yield frame
        frame = frame.f_back


def _cycles(found: dict[int, Someone]) -> list[list[Someone]]:
    """Each cycle once, beginning with the party that was met first."""
    cycles = []
    gone_through: set[int] = set()
    blocked = _blocked(found)
    for start in sorted(found):
        way: list[int] = []
        pending = [(start, 0)]
        while pending:
            key, depth = pending.pop()
            del way[depth:]
            if key in way:
                members = way[way.index(key) :]
                if not gone_through.intersection(members):
                    cycles.append([found[member] for member in members])
                    gone_through.update(members)
                continue
            if key in gone_through:
                continue
            way.append(key)
            someone = found.get(key)
            for holding in blocked.get(key, ()):
                pending += [(party, depth + 1) for party in holding]
            thread = None if someone is None or someone.party is None else keeper(someone.party)
            if thread is not None:
                pending.append((thread.id, depth + 1))
        gone_through.update(way)
    return cycles


def _blocked(found: dict[int, Someone]) -> dict[int, list[set[int]]]:
    """Who waits, and for each thing of which one is enough, who holds it. Not a party that selects from what somebody
    holds who runs."""
    blocked = {
        key: [{party.id for party in holders(each.at)} for each in someone.wait.alternatives or [someone.wait]]
        for key, someone in found.items()
        if someone.wait is not None and someone.is_waiting_for_ever
    }
    while True:
        stuck = set(blocked)
        free = [key for key, ways in blocked.items() if len(ways) > 1 and not all(way & stuck for way in ways)]
        if not free:
            return blocked
        for key in free:
            del blocked[key]


# Idents of threads of our own, which look at the others.
helpers: set[int] = set()
