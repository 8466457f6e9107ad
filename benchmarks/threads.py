"""Threads that hand something back and forth, wait together, or fight for one thing.

Each measure makes its own primitives and threads, and times only what lies between the start and the last hand-off.
What it gives back is for each hand-off, round or operation, times `count`.
"""

import _thread
import functools
import threading
import time
from collections.abc import Callable
from typing import Any

from benchmarks.figures import Figure, Measure, can_pin, wall
from benchmarks.libraries import BARRIER, CONDITION, EVENT, LOCK, PERMITS, RLOCK, SEMAPHORE, SIGNAL, Make
from benchmarks.single import work

PARTIES = 4
SLEEPERS = 64
SECONDS = 1.0  # in which shares are counted


def beside(other: Callable[[], object], measured: Callable[[], object]) -> float:
    """Seconds that `measured` takes in this thread while `other` runs in another."""
    thread = threading.Thread(target=other)
    thread.start()
    began = wall()
    measured()
    took = wall() - began
    thread.join()
    return took


def passing_permits(permits: Make, count: int) -> float:
    """Two threads pass a permit back and forth."""
    times = max(1, count // 2)
    (take_ping, give_ping), (take_pong, give_pong) = permits(), permits()

    def answer() -> None:
        for _ in range(times):
            take_ping()
            give_pong()

    def ask() -> None:
        for _ in range(times):
            give_ping()
            take_pong()

    return beside(answer, ask) * count / (2 * times)


def passing_locks(signal: Make, count: int) -> float:
    """The same with locks that one takes and the other gives."""

    def taken() -> tuple[Any, Any]:
        take, give = signal()
        take()
        return take, give

    return passing_permits(taken, count)


def passing_events(event: Make, count: int) -> float:
    times = max(1, count // 2)
    (wait_ping, set_ping, clear_ping), (wait_pong, set_pong, clear_pong) = event(), event()

    def answer() -> None:
        for _ in range(times):
            wait_ping()
            clear_ping()
            set_pong()

    def ask() -> None:
        for _ in range(times):
            set_ping()
            wait_pong()
            clear_pong()

    return beside(answer, ask) * count / (2 * times)


def passing_turns(condition: Make, count: int) -> float:
    """Two threads take turns, under one condition."""
    times = max(1, count // 2)
    guard, wait, notify, _ = condition()
    turn = 0

    def play(mine: int) -> None:
        nonlocal turn
        for _ in range(times):
            with guard:
                while turn != mine:
                    wait()
                turn = 1 - mine
                notify()

    return beside(functools.partial(play, 1), functools.partial(play, 0)) * count / (2 * times)


def meeting(barrier: Make, count: int) -> float:
    """One round of a barrier of `PARTIES` threads."""
    wait = barrier(PARTIES)

    def come() -> None:
        for _ in range(count):
            wait()

    others = [threading.Thread(target=come) for _ in range(PARTIES - 1)]
    for thread in others:
        thread.start()
    began = wall()
    come()
    took = wall() - began
    for thread in others:
        thread.join()
    return took


def notifying_all(condition: Make, count: int, sleepers: int = SLEEPERS) -> float:
    """From `notify_all` until all have woken and wait again."""
    guard, wait, _, notify_all = condition()
    all_wait = _thread.allocate_lock()
    all_wait.acquire()
    waiting = 0
    over = False

    def sleep() -> None:
        nonlocal waiting
        with guard:
            while not over:
                waiting += 1
                if waiting == sleepers:
                    all_wait.release()
                wait()

    threads = [threading.Thread(target=sleep) for _ in range(sleepers)]
    for thread in threads:
        thread.start()
    all_wait.acquire()
    began = wall()
    for _ in range(count):
        with guard:
            waiting = 0
            notify_all()
        all_wait.acquire()
    took = wall() - began
    with guard:
        over = True
        notify_all()
    for thread in threads:
        thread.join()
    return took


# --- contention ---------------------------------------------------------------------------------------------------


def nothing() -> None:
    pass


def blocking_work() -> None:
    """Lets the GIL go, as a call to the system does."""
    time.sleep(0)


class Job:
    """``inside``, ``outside``: what is done while holding it, and between."""

    def __init__(self, situation: str, inside: Callable[[], object], outside: Callable[[], object]) -> None:
        self.situation = situation
        self.inside = inside
        self.outside = outside

    def run(self, guard: Any, times: int) -> None:
        inside, outside = self.inside, self.outside
        if inside is nothing and outside is nothing:
            for _ in range(times):
                with guard:
                    pass
        elif outside is nothing:
            for _ in range(times):
                with guard:
                    inside()
        else:
            for _ in range(times):
                with guard:
                    pass
                outside()


JOBS = [
    Job("contended", nothing, nothing),
    Job("contended, work inside", work, nothing),
    Job("contended, work outside", nothing, work),
    Job("contended, blocking work inside", blocking_work, nothing),
]


def fighting(guards: Make, job: Job, count: int) -> float:
    """`PARTIES` threads in a loop around one of them."""
    guard = guards()
    times = max(1, count // PARTIES)
    gate = threading.Barrier(PARTIES + 1)

    def fight() -> None:
        gate.wait()
        job.run(guard, times)

    threads = [threading.Thread(target=fight) for _ in range(PARTIES)]
    for thread in threads:
        thread.start()
    gate.wait()
    began = wall()
    for thread in threads:
        thread.join()
    return (wall() - began) * count / (times * PARTIES)


def smallest_share(guards: Make, _count: int) -> float:
    """What the thread with the fewest turns had, of its fair share, in `SECONDS`."""
    guard = guards()
    turns = [0] * PARTIES
    gate = threading.Barrier(PARTIES + 1)
    over = False

    def fight(mine: int) -> None:
        own = 0
        gate.wait()
        while not over:
            with guard:
                own += 1
        turns[mine] = own

    threads = [threading.Thread(target=fight, args=(mine,)) for mine in range(PARTIES)]
    for thread in threads:
        thread.start()
    gate.wait()
    time.sleep(SECONDS)
    over = True
    for thread in threads:
        thread.join()
    return min(turns) * PARTIES / max(1, sum(turns))


# --- the figures --------------------------------------------------------------------------------------------------


def measures(function: Callable[..., float], table: dict[str, Make], *arguments: Any) -> dict[str, Measure]:
    return {library: functools.partial(function, make, *arguments) for library, make in table.items()}


def given(table: dict[str, Make], *arguments: Any) -> dict[str, Make]:
    """The same table, of things that are made with these arguments."""
    return {library: functools.partial(make, *arguments) for library, make in table.items()}


def figures() -> list[Figure]:
    found = []
    for pinned in (True, False) if can_pin() else (False,):
        where = ", one CPU" if pinned else ""
        for operation, function, table in (
            ("Semaphore, hand-off", passing_permits, given(PERMITS, 0)),
            ("Event, hand-off", passing_events, EVENT),
            ("Condition, hand-off", passing_turns, CONDITION),
            ("Lock as a signal, hand-off", passing_locks, SIGNAL),
        ):
            made = measures(function, table)
            if operation.startswith("Semaphore"):
                # What two of the system's own cost: what lies below all of them.
                made["_thread.lock"] = functools.partial(passing_locks, SIGNAL["_thread.lock"])
            found.append(Figure(operation, f"ping-pong{where}", "thread", made, pinned=pinned))
        found.append(
            Figure("Barrier(4), round", f"4 threads{where}", "thread", measures(meeting, BARRIER), pinned=pinned)
        )
        found.append(
            Figure(
                "Condition, notify_all",
                f"64 threads wait{where}",
                "thread",
                # multiprocessing's gives up where so many come back before it has counted them.
                measures(notifying_all, {k: v for k, v in CONDITION.items() if k != "multiprocessing"}),
                pinned=pinned,
            )
        )
        for job in JOBS:
            tables = {"Lock": LOCK}
            if not pinned:
                tables |= {"RLock": RLOCK, "Semaphore": given(SEMAPHORE, 1)}
            for primitive, table in tables.items():
                found.append(
                    Figure(
                        f"{primitive}, with",
                        job.situation + where,
                        "4 threads",
                        measures(fighting, table, job),
                        pinned=pinned,
                    )
                )
        found.append(
            Figure(
                "Lock, smallest share",
                f"contended for a second{where}",
                "4 threads",
                measures(smallest_share, {k: LOCK[k] for k in ("interlock", "threading") if k in LOCK}),
                unit="of a fair share",
                pinned=pinned,
                count=1,
                long=True,
            )
        )
    return found
