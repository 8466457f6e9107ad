"""The recorder: what is written down, what is dropped, and what may happen in the middle of it."""

import asyncio
import gc
import os
import struct
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from time import monotonic_ns, sleep
from typing import Any

import pytest
from parties import Parties, blocked, needs_signals

import interlock
from interlock.core.kernel.probe import start_counting, stop_counting
from interlock.core.record.recorder import HAPPENINGS, LAYOUT, Recorder, start_recording, stop_recording

IN_CHUNK = 340  # events: see src/interlock/core/record/ring.pxd


class Seen:
    """What was recorded in a `with recorded() as seen:` block, when it has ended."""

    taken: Any

    def rows(self) -> list[tuple[int, str, str, str, int]]:
        """By time: time, what happened, the name of the party, that of the primitive, the line of the caller."""
        rows = []
        for time, party, _, _, code, primitive, spot in self._events():
            entry = self.taken.entries[primitive]
            line = self._line(code, spot >> 8)
            rows.append((time, HAPPENINGS[spot & 0xFF], self.taken.parties[party][0], entry.label, line))
        return rows

    def happened(self, name: str | None = None) -> list[str]:
        return [what for _, what, _, primitive, _ in self.rows() if name is None or primitive == name]

    def others(self) -> list[tuple[str, str, str]]:
        """What involves two parties: what happened, to whom, and by whom (or the other way round)."""
        names = {id: name for id, (name, _, _) in self.taken.parties.items()}
        return [
            (HAPPENINGS[spot & 0xFF], names[party], names.get(other, "?"))
            for _, party, other, _, _, _, spot in self._events()
            if other and other != party
        ]

    def _events(self) -> list[tuple[int, ...]]:
        return sorted(struct.iter_unpack(LAYOUT, self.taken.events), key=lambda event: event[0])

    def _line(self, code: int, offset: int) -> int:
        for start, end, line in self.taken.codes[code].co_lines():
            if start <= offset < end:
                return int(line or 0)
        raise AssertionError(offset)


@contextmanager
def recorded(events: int = 100_000) -> Iterator[Seen]:
    seen = Seen()
    token = start_recording(events)
    try:
        yield seen
    finally:
        seen.taken = stop_recording(token)


# --- what is written down -----------------------------------------------------------------------------------------


def twice(make: Callable[[], Any]) -> Callable[[], None]:
    def use() -> None:
        with make(), make():
            pass

    return use


LOCK = interlock.Lock(name="it")
RLOCK = interlock.RLock(name="it")
SEMAPHORE = interlock.Semaphore(2, name="it")
RWLOCK = interlock.RWLock(name="it")
EVENT = interlock.Event(name="it")
CONDITION = interlock.Condition(interlock.Lock(name="its lock"), name="it")
LATCH = interlock.Latch(1000, name="it")
BARRIER = interlock.Barrier(1, name="it")


def wait_in_vain() -> None:
    with CONDITION:
        CONDITION.wait(0)


@pytest.mark.parametrize(
    ("use", "happened"),
    [
        (lambda: LOCK.acquire() and LOCK.release(), "acquired released"),
        (lambda: LOCK.acquire(blocking=False) and LOCK.release(), "acquired released"),
        (twice(lambda: RLOCK), "acquired acquired released released"),
        (twice(lambda: SEMAPHORE), "acquired acquired released released"),
        (twice(lambda: RWLOCK.read()), "acquired acquired released released"),
        (lambda: (EVENT.set(), EVENT.wait(), EVENT.clear()), "set acquired cleared"),
        (lambda: (EVENT.clear(), EVENT.wait(0.000_001)), "cleared waiting timed out"),
        (wait_in_vain, "waiting timed out"),
        (lambda: LATCH.count_down(), "counted down"),
        (lambda: BARRIER.wait(), "tripped acquired"),
        (lambda: (BARRIER.abort(), BARRIER.reset()), "broken"),
    ],
)
def test_what_happened(use: Callable[[], object], happened: str) -> None:
    with recorded() as seen:
        use()
    assert " ".join(seen.happened("it")) == happened


def test_the_line_of_the_caller() -> None:
    def work() -> None:
        LOCK.acquire()
        LOCK.release()

    with recorded() as seen:
        work()
        with LOCK:
            pass
    first = work.__code__.co_firstlineno
    assert [line - first for *_, line in seen.rows()] == [1, 2, 6, 6]


def test_the_line_is_outside_the_standard_library() -> None:
    import queue

    with interlock.install():
        jobs: queue.Queue[int] = queue.Queue()
    with recorded() as seen:
        here = sys._getframe().f_lineno
        jobs.put(1)
        jobs.get()
    assert {line - here for *_, line in seen.rows()} == {1, 2}


def test_who_waited_and_who_woke(parties: Parties) -> None:
    a, b = parties(2)
    lock = interlock.Lock(name="lock")
    with recorded() as seen:
        a.do(lock.acquire)
        waiting = b.begin(lock.acquire)
        blocked(lock, 1)
        a.do(lock.release)
        waiting.result()
        b.do(lock.release)
    assert [(what, party) for _, what, party, _, _ in seen.rows()] == [
        ("acquired", "a"),
        ("waiting", "b"),
        ("woke", "a"),
        ("released", "a"),
        ("granted", "b"),
        ("released", "b"),
    ]
    assert seen.others() == [("woke", "a", "b")]


def test_a_notified_party_says_who_moved_it(parties: Parties) -> None:
    a, b = parties(2)
    condition = interlock.Condition(interlock.Lock(name="lock"), name="condition")

    def wait() -> None:
        with condition:
            condition.wait()

    def notify() -> None:
        with condition:
            condition.notify()

    with recorded() as seen:
        waiting = a.begin(wait)
        blocked(condition, 1)
        b.do(notify)
        waiting.result()
    assert seen.happened("condition") == ["waiting", "notified", "granted"]
    assert seen.others() == [("woke", "b", "a"), ("requeued", "a", "b")]
    of_a = [what for _, what, party, name, _ in seen.rows() if (party, name) == ("a", "lock")]
    assert of_a == ["acquired", "let go", "requeued", "released"]


@needs_signals
def test_an_interrupted_wait_is_cancelled(parties: Parties) -> None:
    event = interlock.Event(name="event")
    with recorded() as seen:
        parties.main.interrupted(event.wait, at=event)
    assert seen.happened("event") == ["waiting", "cancelled"]


def test_entries_know_what_made_them() -> None:
    class Mine(interlock.Lock):
        def __init__(self) -> None:
            super().__init__(name="mine")

    before = interlock.Lock(name="before")
    with recorded() as seen:
        here = sys._getframe().f_lineno
        condition = interlock.Condition(name="condition")
        mine = Mine()
        for each in (condition, mine, before):
            with each:
                pass
    condition_lock, lock, old = seen.taken.entries.values()
    assert (condition_lock.kind, condition_lock.inner, condition_lock.maker.line) == ("RLock", True, here + 1)
    assert (lock.kind, lock.family, lock.inner, lock.maker.line) == ("Mine", "Lock", False, here + 2)
    assert (old.label, old.maker) == ("before", None)


def test_recorders_are_not_made() -> None:
    with pytest.raises(TypeError, match="start_recording"):
        Recorder()


# --- how much -----------------------------------------------------------------------------------------------------


def test_the_youngest_are_kept() -> None:
    room = 10 * IN_CHUNK
    with recorded(room) as seen:
        for _ in range(20_000):
            EVENT.set()
    times = [time for time, *_ in seen.rows()]
    assert len(times) + seen.taken.dropped == 20_000
    assert room - IN_CHUNK <= len(times) <= room + IN_CHUNK
    assert seen.taken.complete_from <= min(times)


def test_nothing_is_dropped_while_there_is_room() -> None:
    with recorded(20_000 + IN_CHUNK) as seen:
        for _ in range(20_000):
            EVENT.set()
    assert (len(seen.rows()), seen.taken.dropped, seen.taken.complete_from) == (20_000, 0, 0)


def test_threads_that_have_ended_share_what_they_leave() -> None:
    """300 threads with 4 events each need the room of 1,200 events, not 300 chunks.

    `join` returns before the system's thread has ended and left its chunk, so some threads have one at the same time.
    """

    def use() -> None:
        for _ in range(4):
            EVENT.set()

    with recorded(30 * IN_CHUNK) as seen:
        for number in range(300):
            thread = threading.Thread(target=use, name=f"thread {number}")
            thread.start()
            thread.join()
    assert seen.taken.dropped == 0
    rows = [party for _, what, party, _, _ in seen.rows() if what == "set"]
    assert len(rows) == 1_200
    assert {f"thread {number}" for number in range(300)} == set(rows)


def test_entries_of_primitives_that_are_gone_are_dropped() -> None:
    with recorded(2_000) as seen:
        for _ in range(140_000):
            interlock.Event().set()
    assert len(seen.taken.entries) < 140_000 - 65_536
    assert set(seen.happened()) == {"set"}


def test_what_lives_keeps_its_number_while_others_come_and_go() -> None:
    """Also when it is named by few of the events, and when by none for a while: then it has another."""
    long, rare = interlock.Event(name="long"), interlock.Event(name="rare")
    with recorded(20_000) as seen:
        rare.set()
        for turn in range(300_000):
            interlock.Event().set()
            if turn % 1_000 == 0:
                long.set()
        rare.set()
    named = [number for number, entry in seen.taken.entries.items() if entry.label is not None]
    assert len(named) == 2
    assert len(seen.taken.entries) < 2 * 65_536
    assert seen.happened("rare") == ["set"]
    assert 18 <= len(seen.happened("long")) <= 21  # whole chunks are dropped


def test_what_is_told_of_many_is_kept_once() -> None:
    with recorded() as seen:
        for _ in range(1_000):
            interlock.Event().set()
    assert len(seen.taken.entries) == 1_000
    assert len(set(seen.taken.entries.values())) <= 2  # CPython may come to call it by another instruction


def test_off_is_off() -> None:
    with recorded() as seen:
        EVENT.set()
    EVENT.set()
    with recorded() as later:
        pass
    assert seen.happened() == ["set"]
    assert later.happened() == []


def test_a_recording_in_a_recording() -> None:
    with recorded() as outer:
        EVENT.set()
        with recorded() as inner:
            EVENT.clear()
        EVENT.wait(0)
    began, ended = inner.taken.began, inner.taken.ended
    assert outer.happened() == ["set", "cleared", "waiting", "timed out"]
    assert [what for time, what, *_ in inner.rows() if began <= time <= ended] == ["cleared"]


def test_counting_what_was_made_before() -> None:
    first, second = interlock.Lock(name="first"), interlock.Lock(name="second")
    start_counting()
    with first:
        pass
    with recorded(), first, second:
        pass
    with first, second:
        pass
    tallies = {tally.name: (tally.acquired, tally.file, tally.maker) for tally in stop_counting()}
    assert tallies == {"first": (3, None, None), "second": (2, None, None)}


def test_counting_goes_on_under_a_recording() -> None:
    start_counting()
    lock = interlock.Lock(name="counted")
    with lock:
        pass
    with recorded() as seen:
        later = interlock.Lock(name="counted later")
        with lock, later:
            pass
    with lock, later:
        pass
    tallies = {tally.name: tally.acquired for tally in stop_counting()}
    assert tallies == {"counted": 3, "counted later": 2}
    assert seen.happened("counted") == ["acquired", "released"]


# --- in the middle of it ------------------------------------------------------------------------------------------


def test_a_destructor_may_record() -> None:
    """Each frame object that a recording makes may set off a collection, and that a destructor which records."""
    done = 0

    class Cyclic:
        def __init__(self) -> None:
            self.me = self

        def __del__(self) -> None:
            nonlocal done
            EVENT.clear()
            done += 1

    def call() -> None:
        Cyclic()
        EVENT.set()

    threshold = gc.get_threshold()
    gc.collect()
    try:
        with recorded() as seen:
            gc.set_threshold(3)
            for _ in range(5_000):
                call()
            gc.set_threshold(*threshold)
            gc.collect()
    finally:
        gc.set_threshold(*threshold)
    what = seen.happened("it")
    assert (what.count("set"), what.count("cleared")) == (5_000, 5_000)
    assert done == 5_000


@needs_signals
def test_a_signal_handler_may_record() -> None:
    import signal

    handled = 0

    def handle(number: int, frame: object) -> None:
        nonlocal handled
        handled += 1
        with recorded():
            EVENT.clear()

    before = signal.signal(signal.SIGUSR1, handle)
    try:
        with recorded() as seen:
            for number in range(5_000):
                EVENT.set()
                if number % 100 == 0:
                    signal.raise_signal(signal.SIGUSR1)
    finally:
        signal.signal(signal.SIGUSR1, before)
    what = seen.happened("it")
    assert (what.count("set"), what.count("cleared")) == (5_000, handled)
    assert handled == 50


def test_read_while_written(parties: Parties) -> None:
    a, b = parties(2)
    stop = threading.Event()

    def write() -> int:
        made = 0
        while not stop.is_set():
            EVENT.set()
            made += 1
        return made

    with recorded(50 * IN_CHUNK) as seen:
        writing = [each.begin(write) for each in (a, b)]
        for _ in range(30):
            with recorded() as inner:
                pass
            assert set(inner.happened()) <= {"set"}
        stop.set()
        made = sum(each.result() for each in writing)
    assert len(seen.rows()) + seen.taken.dropped == made


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_forked_child_records_nothing() -> None:
    read, write = os.pipe()
    with recorded() as seen:
        EVENT.set()
        child = os.fork()
        if child == 0:
            EVENT.clear()
            token = start_recording()
            EVENT.set()
            taken = stop_recording(token)
            # What it begins itself, it gets.
            os.write(write, b"%d" % (len(taken.events) // 48))
            os._exit(0)
        os.close(write)
        with open(read, "rb") as pipe:
            told = pipe.read()
        assert os.waitpid(child, 0)[1] == 0
        EVENT.set()
    assert told == b"1"
    assert seen.happened() == ["set", "set"]


# --- tasks --------------------------------------------------------------------------------------------------------


def in_a_task(name: str, *calls: Callable[[], Any]) -> Any:
    async def run() -> None:
        for call in calls:
            result = call()
            if hasattr(result, "__await__"):
                await result

    return asyncio.create_task(run(), name=name)


def test_in_a_task_the_party_is_the_task() -> None:
    lock = interlock.Lock(name="lock")

    async def main() -> None:
        async with lock:
            waiting = in_a_task("late", lock.acquire_async, lock.release)
            while not lock.waiters:
                await asyncio.sleep(0)
        await waiting
        with lock:
            pass

    with recorded() as seen:
        asyncio.run(main())
    main_task = next(party for _, _, party, _, _ in seen.rows())
    assert main_task.startswith("Task-")
    assert [(what, "main" if party == main_task else party) for _, what, party, _, _ in seen.rows()] == [
        ("acquired", "main"),
        ("waiting", "late"),
        ("woke", "main"),
        ("released", "main"),
        ("granted", "late"),
        ("released", "late"),
        ("acquired", "main"),
        ("released", "main"),
    ]
    assert seen.others() == [("woke", main_task, "late")]
    kinds = {name: is_task for name, is_task, _ in seen.taken.parties.values()}
    assert kinds == {"MainThread": False, main_task: True, "late": True}


def test_a_task_that_is_cancelled_or_destroyed() -> None:
    event = interlock.Event(name="event")

    async def main() -> None:
        cancelled = in_a_task("cancelled", event.wait_async)
        destroyed = event.wait_async().__await__()
        assert destroyed.send(None) is not None
        await asyncio.sleep(0)
        cancelled.cancel()
        await asyncio.wait([cancelled])
        destroyed.close()

    with recorded() as seen:
        asyncio.run(main())
    assert seen.happened("event") == ["waiting", "waiting", "cancelled", "cancelled"]


def test_a_condition_of_tasks() -> None:
    condition = interlock.Condition(interlock.Lock(name="lock"), name="condition")

    async def wait(timeout: float | None) -> None:
        async with condition:
            await condition.wait_async(timeout)

    async def main() -> None:
        waiting = asyncio.create_task(wait(None), name="waiter")
        while not condition.waiters:
            await asyncio.sleep(0)
        async with condition:
            condition.notify()
        await waiting
        await asyncio.create_task(wait(0.000_1), name="late")

    with recorded() as seen:
        asyncio.run(main())
    assert seen.happened("condition") == ["waiting", "notified", "granted", "waiting", "timed out"]
    for party in "waiter", "late":
        of_it = [what for _, what, who, name, _ in seen.rows() if (who, name) == (party, "lock")]
        assert of_it == ["acquired", "let go", "requeued", "released"]


def test_the_event_by_which_numbers_are_forgotten_keeps_its_own() -> None:
    """Every so many primitives those are forgotten that no event names: not the one that is about to be named."""
    kept = 65_536
    with recorded(2 * IN_CHUNK) as seen:
        for _ in range(kept - 40):
            with interlock.Lock():
                pass
        for n in range(80):
            with interlock.Lock(name=f"late {n}"):
                pass
    assert len(seen.taken.entries) < kept
    assert {name for _, _, _, name, _ in seen.rows() if name is not None} == {f"late {n}" for n in range(80)}


def test_the_times_of_events_are_those_of_the_clock() -> None:
    """A thread asks the system for the time once in a while, and counts the processor's ticks in between."""
    lock = interlock.Lock(name="lock")
    asked: list[tuple[int, int]] = []
    with recorded() as seen:
        end = monotonic_ns() + 60_000_000
        while monotonic_ns() < end:
            before = monotonic_ns()
            lock.acquire()
            asked.append((before, monotonic_ns()))
            lock.release()
            if len(asked) % 1000 == 0:
                sleep(0.005)
    times = [at for at, what, *_ in seen.rows() if what == "acquired"]
    assert len(times) == min(len(asked), len(times)) >= 100
    near = 50_000  # nanoseconds: what a clock is adjusted by in a millisecond is less than one
    for (before, after), at in zip(asked[-len(times) :], times, strict=True):
        assert before - near <= at <= after + near
    assert times == sorted(times)
