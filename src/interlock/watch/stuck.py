"""Whose wait can end no more, although others live: cycles through futures, queues, tasks, permits, and dead givers.

A party is *stuck* when nobody who lives and is not stuck itself could end its wait: neither by being who it waits for,
nor by what its code could do (`watch/reach.py`). That set is found by taking parties out until nothing changes. What
may end by itself, by time or from outside, is never in it.

A party may be stuck on purpose: one that sleeps until Ctrl-C, a worker of a pool without work. So a stuck party is told
only where there is evidence that somebody was to end its wait and no longer can:

- it is on a cycle of stuck parties, each of which waits for what the next would have to give, or gives further on in
  the code in which it stands;
- or the party that would have given it has ended, by an exception or a signal;
- or it waits for what nobody waits for who has nothing to do: room in a queue, its join, a barrier, a latch; or, being
  the main thread or somebody for whom that waits, for an item. Then only the code of the living tells, so nothing is
  said while there is a thread that Python does not know: it could call back;
- or it waits for somebody of whom that is so.

What is found is a suspicion, never an error that is raised. `watch/stall.py` tells it when it has stood unchanged.
"""

import os
import sys
import threading
from collections.abc import Iterable

from interlock.core.kernel.private import starting_threads
from interlock.watch import ended, private
from interlock.watch.idle import is_idle
from interlock.watch.instructions import is_program_file
from interlock.watch.reach import Reach, hung_in, rest_of
from interlock.watch.waits import Meaning
from interlock.watch.waits.loops import callbacks_of, running_loop

TYPE_CHECKING = False
if TYPE_CHECKING:
    from interlock.watch.ended import Ended
    from interlock.watch.view import Someone, View


class Stuck:
    """``people``: those who are stuck, with evidence. ``cycle``: the shortest cycle among them, or []."""

    def __init__(self, people: "list[Someone]", cycle: "list[Someone]") -> None:
        self.people = people
        self.cycle = cycle


def find(view: "View", polling: bool = False, least: float = 0.0, patience: float = 0.0) -> Stuck:
    """Who is stuck at this moment. ``polling``: those count, too, who come back to a timed wait again and again.
    ``least``: seconds; whose wait has not lasted that long goes on, as far as anybody can tell. ``patience``: seconds;
    one that waits alone is looked at when it has waited for that long, and then now and then; 0 for never."""
    return _Search(view, polling, least, patience).result()


def could_be_helped(view: "View", waiting: "Iterable[Someone | None]", helpers: set[int]) -> bool:
    """Whether one of these waits could be ended by a thread of ``helpers``, idents, or by a task in one of them.

    True, too, where nobody can tell.
    """
    return _Search(view).could_be_helped(waiting, helpers)


class _Search:
    def __init__(self, view: "View", polling: bool = False, least: float = 0.0, patience: float = 0.0) -> None:
        self.view = view
        self.patience = patience
        self.people = [each for each in view.people if each.party is None or not each.party.ended]
        self.meanings: dict[int, Meaning] = {}
        busy = {each.ident for each in self.people if not each.is_task and _is_busy(each)}
        for someone in self.people:
            if someone.wait is None and someone.is_task and someone.ident in busy:
                continue  # what it awaits may just have come
            waits = someone.wait is None or _is_parked(someone) or (polling and id(someone) in view.polls)
            if waits and (someone.wait is None or view.seconds(someone.wait) >= least):
                meaning = view.meaning(someone)
                if meaning is not None and not meaning.outside:
                    self.meanings[id(someone)] = meaning
        coroutines = [each.task.get_coro() for each in self.people if hasattr(each.task, "get_coro")]
        self._alive: Reach = Reach(id(getattr(each, "inside", each)) for each in coroutines)
        self._living: set[int] = set()  # whose code is in it
        self._reaches: dict[int, Reach] = {}
        self.threads = {each.ident: each for each in self.people if not each.is_task}

    def result(self) -> Stuck:
        if any(each.is_task for each in self.people if id(each) in self.meanings):
            _look_for_tasks({id(each.awaits or each.wait) for each in self.people if each.is_task})
        stuck = {id(each): each for each in self.people if id(each) in self.meanings}
        # What the living could do is read only where there is something to be told if they could do nothing.
        if not self._evidence(stuck)[0]:
            return Stuck([], [])
        stuck = self._without_helped(stuck)
        found, edges = self._evidence(stuck)
        return Stuck(found, _from_the_first([stuck[key] for key in _shortest_cycle(edges)]))

    def could_be_helped(self, waiting: "Iterable[Someone | None]", helpers: set[int]) -> bool:
        alive = [each for each in self.people if each.ident in helpers]
        if {each.ident for each in alive} != helpers:
            return True
        idle = {each.ident for each in alive if not each.is_task and is_idle(each.frames)}
        alive = [each for each in alive if each.ident not in idle]
        if not alive:
            return False
        self._read(alive)
        living = {id(each) for each in alive}
        for someone in waiting:
            meaning = self.meanings.get(id(someone))
            if meaning is None or self._is_helped(meaning, living):
                return True
            # A lock inside of an event that was made before ours came is released by the library's code, which is not
            # read.
            if any(self._alive.has_in_hands(target) for target, _ in meaning.ways()):
                return True
        return False

    def _evidence(self, stuck: "dict[int, Someone]") -> "tuple[list[Someone], dict[int, set[int]]]":
        """Those of them of whom something is to be told, and who waits for whom."""
        edges = self._edges(stuck)
        grounded = {key for key, someone in stuck.items() if self._has_dead_giver(someone)}
        for members in _cycles(edges):
            grounded |= members
        grounded |= self._left_alone(stuck)
        # The parties that wait for one of them.
        grew = bool(grounded)
        while grew:
            grew = False
            for key, following in edges.items():
                if key not in grounded and following & grounded:
                    grounded.add(key)
                    grew = True
        return [each for key, each in stuck.items() if key in grounded and not self.meanings[key].idle], edges

    def _without_helped(self, stuck: "dict[int, Someone]") -> "dict[int, Someone]":
        """Those whose wait nobody could end who is not among them."""
        stuck = dict(stuck)
        while True:
            alive = [each for each in self.people if id(each) not in stuck and not self._has_ended(each)]
            alive = [each for each in alive if self._can_run(each, stuck)]
            self._read(alive)
            living = {id(each) for each in alive}
            helped = [key for key in stuck if self._is_helped(self.meanings[key], living)]
            helped += self._under_timeouts(stuck)
            if not helped:
                return stuck
            for key in helped:
                del stuck[key]

    def _read(self, alive: "list[Someone]") -> None:
        """What they could do: their code, what their loops may call, what the interpreter may."""
        roots: list[object] = [] if self._living else [*hung_in(), *starting_threads()]
        for each in alive:
            if id(each) not in self._living:
                self._living.add(id(each))
                roots += each.frames
                loop = None if each.is_task else running_loop(each)
                if loop is not None:
                    self._alive.add_given(callbacks_of(loop))
        self._living.add(0)
        if roots:
            self._alive.add(*roots)

    def _has_ended(self, someone: "Someone") -> bool:
        """The main thread, through with the program and waiting for the others."""
        from interlock.watch.waits.frames import frame_in

        return not someone.is_task and frame_in(someone.frames[:4], "threading", "_shutdown") is not None

    def _can_run(self, someone: "Someone", stuck: "dict[int, Someone]") -> bool:
        """A task runs only where its loop's thread does: one that is parked in a call stops all its tasks."""
        if not someone.is_task:
            return True
        thread = self.threads.get(someone.ident)
        return thread is None or id(thread) not in stuck or self.meanings[id(thread)].idle

    def _under_timeouts(self, stuck: "dict[int, Someone]") -> list[int]:
        """The tasks that a task with a timeout waits for: it cancels them when its time is up."""
        found: set[int] = set()
        pending = [each for each in self.people if each.is_task and id(each) not in stuck]
        pending = [each for each in pending if (meaning := self.view.meaning(each)) is not None and meaning.limited]
        while pending:
            meaning = self.view.meaning(pending.pop())
            for giver in meaning.givers if meaning is not None else ():
                if giver.is_task and id(giver) in stuck and id(giver) not in found:
                    found.add(id(giver))
                    pending.append(giver)
        return list(found)

    def _is_helped(self, meaning: Meaning, living: set[int]) -> bool:
        if any(id(giver) in living for giver in meaning.givers):
            return True
        return any(self._alive.could(target, names) for target, names in meaning.ways()) or any(
            self._alive.has_in_hands(each) for each in meaning.in_hands
        )

    def _edges(self, stuck: "dict[int, Someone]") -> dict[int, set[int]]:
        """For each the stuck parties that would have to give, or are about to: the code in which they stand does so
        further on."""
        about_to: dict[tuple[int, str], set[int]] = {}
        for key, someone in stuck.items():
            for frame in someone.frames:
                if is_program_file(frame.f_code.co_filename):
                    for name, touch in rest_of(frame):
                        about_to.setdefault((id(touch.target), name), set()).add(key)
        edges = {}
        for key in stuck:
            meaning = self.meanings[key]
            edges[key] = {id(giver) for giver in meaning.givers if id(giver) in stuck}
            for target, names in meaning.ways():
                if target is not None:
                    edges[key].update(*(about_to.get((id(target), name), ()) for name in names))
        return edges

    def _has_dead_giver(self, someone: "Someone") -> bool:
        meaning = self.meanings[id(someone)]
        if meaning.dead:
            return True
        # One of many who take and give alike has ended: the others may have nothing to do, and be right to wait.
        return any(dead_givers(way) and not (way.calm and self._gives_alike(someone, way)) for way in meaning.alone())

    def _left_alone(self, stuck: "dict[int, Someone]") -> set[int]:
        """Those who do not wait so for want of work."""
        due = [key for key, each in stuck.items() if not each.is_task and self._is_due(each)]
        if not due:
            return set()
        wanted: set[int] = set()  # the main thread, and for whom it waits
        pending = [key for key, each in stuck.items() if not each.is_task and each.ident == _MAIN]
        while pending:
            key = pending.pop()
            if key not in wanted and key in stuck:
                wanted.add(key)
                pending += [id(giver) for giver in self.meanings[key].givers]
        meanings = self.meanings
        found = {key for key in due if meanings[key].needed or (meanings[key].next and key in wanted)}
        return set() if found and _others_may_call() else found

    def _is_due(self, someone: "Someone") -> bool:
        """Reading all code takes a while, so it is done at the beginning of a wait, and then now and then."""
        if someone.wait is None or not self.patience:
            return False
        times = self.view.seconds(someone.wait) / self.patience
        return times >= 1 and (times < 16 or times % 64 < 4)

    def _gives_alike(self, someone: "Someone", meaning: Meaning) -> bool:
        """Whether the code in which it stands gives, too, what it waits for."""
        codes = {frame.f_code for frame in someone.frames}
        reach = Reach(whole=True).add(*someone.frames)
        return any(
            touch.code in codes and touch.target is meaning.target
            for name in meaning.gives
            for touch in reach.touches.get(name, ())
        )


_MAIN = threading.main_thread().ident


def _others_may_call() -> bool:
    """Whether there is a thread of which Python knows nothing, or nobody can tell."""
    try:
        return len(os.listdir("/proc/self/task")) > len(sys._current_frames())
    except OSError:
        return True


def _is_busy(someone: "Someone") -> bool:
    """Whether it runs a loop of asyncio's that has calls to make."""
    loop = running_loop(someone)
    return loop is not None and bool(private.calls_ready(loop))


_looked: set[int] = set()


def _look_for_tasks(waits: set[int]) -> None:
    """Look for tasks that have ended, where other tasks wait than at the last look: it means to look at everything."""
    global _looked
    if waits != _looked:
        _looked = waits
        ended.look_for_tasks()


def dead_givers(meaning: Meaning) -> "list[Ended]":
    """Those who have ended by an exception and could have ended this wait."""
    ways = [way for way in meaning.alone() if way.target is not None and way.gives]
    return [each for each in ended.parties() if any(each.could_give(way.target, way.gives) is not None for way in ways)]


def _from_the_first(cycle: "list[Someone]") -> "list[Someone]":
    """A cycle has no beginning; so that it reads the same each time it gets one."""
    first = min(range(len(cycle)), key=lambda i: cycle[i].name, default=0)
    return cycle[first:] + cycle[:first]


def _is_parked(someone: "Someone") -> bool:
    wait = someone.wait
    return wait is not None and wait.parked and not wait.timed


def _cycles(edges: dict[int, set[int]]) -> Iterable[set[int]]:
    """The strongly connected sets of more than one, and those who wait for themselves."""
    for start in edges:
        forward = _reachable(start, edges)
        if start in forward:
            yield {each for each in forward if start in _reachable(each, edges)} | {start}


def _reachable(start: int, edges: dict[int, set[int]]) -> set[int]:
    found: set[int] = set()
    pending = list(edges.get(start, ()))
    while pending:
        key = pending.pop()
        if key not in found:
            found.add(key)
            pending += edges.get(key, ())
    return found


def _shortest_cycle(edges: dict[int, set[int]]) -> list[int]:
    """The shortest of at least two; where there is none, one who waits for itself; else []."""
    best: list[int] = []
    for start in edges:
        ways = [[start]]
        seen: set[int] = {start}
        while ways:
            way = ways.pop(0)
            if best and len(way) >= len(best):
                break
            if len(way) > 1 and start in edges.get(way[-1], ()):
                best = way
                break
            for following in edges.get(way[-1], ()):
                if following not in seen:
                    seen.add(following)
                    ways.append([*way, following])
    return best or next(([key] for key, following in edges.items() if key in following), [])
