"""Threads that use one primitive at random, and accounts that must be right in the end.

Two threads, and a hundred. They ask with and without a timeout and without waiting. The main thread takes part, and a
signal handler keeps raising in it while it waits. The second half of each run switches threads as often as it can.
"""

import random
import signal
import sys
import threading
import time
from collections import Counter, deque
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from itertools import starmap
from typing import Any, ClassVar

import pytest
from parties import fail_with_stacks, needs_signals
from promises.own_process import SECONDS, in_own_process

from interlock import (
    Barrier,
    BoundedSemaphore,
    BrokenBarrierError,
    Condition,
    Event,
    Latch,
    Lock,
    RLock,
    RWLock,
    Semaphore,
    WaitQueue,
)

PATIENCE = 60.0  # seconds; only what hangs or is starved uses them up
INTERRUPTED = "interrupted"


class Interrupted(BaseException):
    pass


class Worker:
    """A thread's own: nobody else writes here."""

    def __init__(self, number: int):
        self.number = number
        self.random = random.Random(number)
        self.progress = 0
        self.counts: Counter[str] = Counter()
        self.armed = False  # whether a signal handler may raise now

    def attempt(self, call: Callable[..., Any], *arguments: Any) -> Any:
        """What `call` returns; or INTERRUPTED, where a signal handler has raised in it.

        In C from the call to the list, so what the call has returned is in the list, whatever the handler does next.
        """
        returned: list[Any] = []
        try:
            self.armed = True
            returned.extend(starmap(call, [arguments]))
            self.armed = False
        except Interrupted:
            self.counts[INTERRUPTED] += 1
        finally:
            self.armed = False
        return returned[0] if returned else INTERRUPTED

    def timeout(self) -> float | None:
        """None, or up to two milliseconds: about as long as it takes here to get something."""
        return None if self.random.random() < 0.5 else self.random.uniform(0, 0.002)

    def dawdle(self) -> None:
        """Now and then let others run."""
        if self.random.random() < 0.1:
            time.sleep(0)


class Workload:
    """What the workers do with one primitive."""

    over = False
    time_is_up: Callable[[], bool]

    def __init__(self, workers: int):
        """`workers`: how many there are beside the main thread."""

    def round(self, worker: Worker) -> None:
        """Do something. Whoever has got what he asked for has made progress."""
        raise NotImplementedError

    def main_round(self, worker: Worker) -> None:
        """The same for the main thread, which also says when it is over."""
        self.round(worker)
        self.over = self.time_is_up()

    def end(self) -> None:
        """Let those go home who wait for something that only others bring about. Called until all have gone."""

    def check(self, workers: list[Worker]) -> None:
        """Compare the accounts."""
        raise NotImplementedError


class Exclusive:
    """What a lock guards: it goes wrong if two are inside."""

    def __init__(self) -> None:
        self.inside: Worker | None = None
        self.total = 0

    def use(self, worker: Worker) -> None:
        assert self.inside is None
        self.inside = worker
        total = self.total
        worker.dawdle()
        self.total = total + 1
        assert self.inside is worker
        self.inside = None
        worker.progress += 1


class OfLock(Workload):
    make: ClassVar[Any] = Lock

    def __init__(self, workers: int):
        self.lock = self.make()
        self.guarded = Exclusive()

    def round(self, worker: Worker) -> None:
        form = worker.random.randrange(4)
        if form == 0:
            if self.lock.acquire(False):
                self.guarded.use(worker)
                self.lock.release()
        elif form == 1:
            if worker.attempt(self.lock.__enter__) is True:
                self.guarded.use(worker)
                self.lock.__exit__(None, None, None)
        elif form == 2 and worker.number:
            with self.lock:
                self.guarded.use(worker)
        else:
            timeout = worker.timeout()
            got = worker.attempt(self.lock.acquire, True, -1 if timeout is None else timeout)
            assert got is True or timeout is not None or got is INTERRUPTED
            if got is True:
                self.guarded.use(worker)
                self.lock.release()

    def check(self, workers: list[Worker]) -> None:
        assert self.guarded.total == sum(worker.progress for worker in workers)
        assert not self.lock.locked()
        assert self.lock.waiters == ()


class OfRLock(OfLock):
    make = RLock

    def round(self, worker: Worker) -> None:
        depth = 0
        for _ in range(worker.random.randrange(1, 4)):
            timeout = worker.timeout()
            if worker.attempt(self.lock.acquire, True, -1 if timeout is None else timeout) is True:
                depth += 1
        if depth:
            assert self.lock._recursion_count() == depth
            self.guarded.use(worker)
        for _ in range(depth):
            self.lock.release()


class OfSemaphore(Workload):
    make: ClassVar[Any] = Semaphore
    PERMITS = 5

    def __init__(self, workers: int):
        self.semaphore = self.make(self.PERMITS)
        self.permits = deque(range(self.PERMITS))  # to take one that is not there is an error

    def round(self, worker: Worker) -> None:
        n = worker.random.choice([1, 1, 1, 2, 3])
        timeout = worker.random.choice([worker.timeout(), 0])
        if worker.attempt(partial(self.semaphore.acquire, timeout=timeout, permits=n)) is True:
            taken = [self.permits.popleft() for _ in range(n)]
            worker.dawdle()
            self.permits.extend(taken)
            self.semaphore.release(n)
            worker.progress += 1

    def check(self, workers: list[Worker]) -> None:
        assert self.semaphore.waiters == ()
        assert self.semaphore._value == self.PERMITS
        assert sorted(self.permits) == list(range(self.PERMITS))


class OfBoundedSemaphore(OfSemaphore):
    make = BoundedSemaphore


class OfEvent(Workload):
    """One worker fires a starting gun and takes out the next. Whoever waits and is missed waits for ever."""

    def __init__(self, workers: int):
        self.gun = Event()
        self.fired = 0

    def round(self, worker: Worker) -> None:
        if worker.number == 1:
            worker.dawdle()
            fired, self.gun = self.gun, Event()
            fired.set()
            worker.progress += 1
        else:
            gun = self.gun
            if worker.attempt(gun.wait, worker.timeout()) is True:
                assert gun.is_set()
                worker.progress += 1

    def end(self) -> None:
        self.gun.set()

    def check(self, workers: list[Worker]) -> None:
        assert self.gun.waiters == ()


class OfEventToAndFro(Workload):
    """An event that is set and cleared at random. Whoever waits when it is set sees it, however soon it is cleared."""

    def __init__(self, workers: int):
        self.event = Event()

    def round(self, worker: Worker) -> None:
        if worker.number == 1:
            self.event.set()
            self.event.clear()
            worker.progress += 1
            time.sleep(0)
        elif worker.attempt(self.event.wait, worker.timeout()) is True:
            worker.progress += 1

    def end(self) -> None:
        self.event.set()

    def check(self, workers: list[Worker]) -> None:
        assert self.event.waiters == ()


class OfCondition(Workload):
    """Producers and consumers around a buffer with room for one, who notify one party only.

    Each worker has a share to do in every episode, and all meet when it is done. A notification that is lost, or goes
    to one who leaves without it, leaves somebody waiting who could go on: the episode never ends. So bystanders wait
    too; they give up, are interrupted, and hand on what they are told. They never take anything, which would hide it.
    """

    SHARE = 20

    def make_lock(self) -> Any:
        return RLock()

    def __init__(self, workers: int):
        self.lock = self.make_lock()
        self.not_empty = Condition(self.lock)
        self.not_full = Condition(self.lock)
        self.buffer: list[int] = []
        self.pairs = max(1, workers // 3)
        self.bystanders = workers - 2 * self.pairs
        self.meeting = threading.Barrier(workers + 1)

    def round(self, worker: Worker) -> None:
        self.meeting.wait(PATIENCE)
        if worker.number > 2 * self.pairs:
            self.stand_by(worker)
        elif worker.number % 2:
            self.produce(worker)
        else:
            self.consume(worker)
        self.meeting.wait(PATIENCE)
        # Only now does anyone look whether it is over, and by now the main thread has said so.

    def main_round(self, worker: Worker) -> None:
        self.meeting.wait(PATIENCE)
        self.stand_by(worker)
        self.over = self.time_is_up()
        self.meeting.wait(PATIENCE)

    def produce(self, worker: Worker) -> None:
        for _ in range(self.SHARE):
            with self.not_full:
                while self.buffer:
                    assert self.not_full.wait(worker.random.choice([None, None, 1000.0])) is True
                item = worker.counts["made"] * 1000 + worker.number
                self.buffer.append(item)
                worker.counts["made"] += 1
                worker.counts["sum"] += item
                self.not_empty.notify()
            worker.progress += 1

    def consume(self, worker: Worker) -> None:
        for _ in range(self.SHARE):
            with self.lock:
                if worker.random.random() < 0.5:
                    self.not_empty.wait_for(lambda: self.buffer)
                while not self.buffer:
                    assert self.not_empty.wait() is True
                worker.counts["sum"] -= self.buffer.pop()
                worker.counts["made"] -= 1
                assert not self.buffer
                self.not_full.notify()
            worker.progress += 1

    def stand_by(self, worker: Worker) -> None:
        for _ in range(self.SHARE):
            condition = worker.random.choice([self.not_empty, self.not_full])
            with self.lock:
                # Only in the main thread is a wait without a timeout sure to end.
                timeout = worker.timeout() if worker.number == 0 else worker.random.uniform(0, 0.002)
                told = worker.attempt(condition.wait, timeout)
                assert condition._is_owned()
                if told is True:
                    condition.notify()
            worker.progress += 1

    def check(self, workers: list[Worker]) -> None:
        assert self.buffer == []
        assert self.not_empty.waiters == self.not_full.waiters == getattr(self.lock, "waiters", ()) == ()
        assert not self.lock.locked()
        assert sum(worker.counts["made"] for worker in workers) == 0
        assert sum(worker.counts["sum"] for worker in workers) == 0


class OfConditionWithLock(OfCondition):
    def make_lock(self) -> Any:
        return Lock()


class OfConditionWithForeignLock(OfCondition):
    def make_lock(self) -> Any:
        return threading.Lock()


class OfBarrier(Workload):
    """All meet again and again, and somebody disturbs them. A generation is passed by all its parties or by none."""

    def __init__(self, workers: int):
        self.parties = workers + 1
        self.generation = 0
        self.barrier = Barrier(self.parties, self.trip)
        self.passed: list[list[tuple[int, int]]] = [[] for _ in range(self.parties)]
        self.disturber = threading.Thread(target=self.disturb, name="disturber", daemon=True)
        self.disturber.start()

    def trip(self) -> None:
        self.generation += 1

    def round(self, worker: Worker) -> None:
        timeout = worker.random.uniform(0, 0.01) if worker.random.random() < 0.2 / self.parties else None
        try:
            index = worker.attempt(self.barrier.wait, timeout)
        except BrokenBarrierError:
            while self.barrier.broken and not self.over:
                time.sleep(0.000_1)
        else:
            if index is not INTERRUPTED:
                # The next generation needs this party too, so this is the one that it has passed.
                self.passed[worker.number].append((self.generation, index))
                worker.progress += 1

    def disturb(self) -> None:
        chance = random.Random(0)
        while not self.over:
            if self.barrier.broken or chance.random() < 0.1:
                self.barrier.reset()
            elif chance.random() < 0.1:
                self.barrier.abort()
            assert 0 <= self.barrier.n_waiting <= self.parties
            time.sleep(0.002)

    def end(self) -> None:
        self.barrier.abort()

    def check(self, workers: list[Worker]) -> None:
        self.disturber.join()
        assert self.barrier.waiters == ()
        by_generation: dict[int, list[int]] = {}
        for passed in self.passed:
            for generation, index in passed:
                by_generation.setdefault(generation, []).append(index)
        short = [indices for indices in by_generation.values() if len(indices) != self.parties]
        # Only the main thread can be missing: interrupted when it had its number already.
        assert all(len(indices) == self.parties - 1 for indices in short), short
        assert len(short) <= workers[0].counts[INTERRUPTED]
        for indices in by_generation.values():
            assert len(set(indices)) == len(indices)
            assert set(indices) <= set(range(self.parties))


class OfRWLock(Workload):
    def __init__(self, workers: int):
        self.lock = RWLock()
        self.reading = [False] * (workers + 1)
        self.guarded = Exclusive()

    def round(self, worker: Worker) -> None:
        writing = worker.random.random() < 0.3
        side = self.lock.write() if writing else self.lock.read()
        timeout = worker.random.choice([worker.timeout(), 0])
        if worker.attempt(partial(side.acquire, timeout=timeout)) is not True:
            return
        if writing:
            assert not any(self.reading)
            self.guarded.use(worker)
            assert not any(self.reading)
            worker.counts["written"] += 1
        else:
            self.reading[worker.number] = True
            assert self.guarded.inside is None
            worker.dawdle()
            if worker.random.random() < 0.3:
                with self.lock.read():
                    assert self.lock.readers >= 2
            assert self.guarded.inside is None
            self.reading[worker.number] = False
            worker.progress += 1
        side.release()

    def check(self, workers: list[Worker]) -> None:
        assert self.guarded.total == sum(worker.counts["written"] for worker in workers)
        assert not self.lock.locked()
        assert self.lock.readers == 0
        assert self.lock.waiters == ()
        with self.lock.write():
            pass


class OfLatch(Workload):
    """Every worker counts each latch down once and waits until it is open: in step, as nobody can be left out."""

    def __init__(self, workers: int):
        self.workers = workers
        self.latches: dict[int, Latch] = {}

    def round(self, worker: Worker) -> None:
        number = worker.progress
        latch = self.latches.setdefault(number, Latch(self.workers))
        try:
            latch.count_down()
        except ValueError:
            assert self.over
        while not latch.wait(worker.timeout()):
            pass
        assert latch.count == 0
        self.latches.pop(number - 2, None)  # all have passed it
        worker.progress += 1

    def main_round(self, worker: Worker) -> None:
        for latch in list(self.latches.values()):
            if worker.attempt(latch.wait, worker.timeout()) is True:
                worker.progress += 1
        self.over = self.time_is_up()

    def end(self) -> None:
        for latch in list(self.latches.values()):
            with suppress(ValueError):  # it is open, or others have counted it down meanwhile
                latch.count_down(latch.count)

    def check(self, workers: list[Worker]) -> None:
        assert all(latch.waiters == () for latch in self.latches.values())
        reached = [worker.progress for worker in workers[1:]]
        assert max(reached) - min(reached) <= 2


class OfWaitQueue(Workload):
    """A semaphore made of a queue, as one would make it: who finds no permit parks, unless there is one by then."""

    PERMITS = 2

    def __init__(self, workers: int):
        self.queue = WaitQueue()
        self.permits = deque(range(self.PERMITS))

    def round(self, worker: Worker) -> None:
        while True:
            try:
                permit = self.permits.popleft()
                break
            except IndexError:
                park = partial(self.queue.park, worker.timeout(), unless=lambda: len(self.permits) > 0)
                if worker.attempt(park) is not True:
                    return
                # Who was told has to look again, or it is as if he had not been told.
        worker.dawdle()
        self.permits.append(permit)
        self.queue.unpark()
        worker.progress += 1

    def check(self, workers: list[Worker]) -> None:
        assert self.queue.waiters == ()
        assert sorted(self.permits) == list(range(self.PERMITS))


class OfWaitQueueAlone(Workload):
    """Some park, some unpark. Whoever was unparked has returned True, and nobody else has."""

    def __init__(self, workers: int):
        self.queue = WaitQueue()
        self.unparked_at_the_end = 0

    def round(self, worker: Worker) -> None:
        if worker.number % 2:
            worker.counts["unparked"] += self.queue.unpark(worker.random.choice([1, 1, 2]))
            worker.progress += 1
            time.sleep(0)
        elif worker.attempt(self.queue.park, worker.timeout()) is True:
            worker.counts["parked"] += 1
            worker.progress += 1

    def end(self) -> None:
        self.unparked_at_the_end += self.queue.unpark_all()

    def check(self, workers: list[Worker]) -> None:
        assert self.queue.waiters == ()
        unparked = sum(worker.counts["unparked"] for worker in workers) + self.unparked_at_the_end
        lost = unparked - sum(worker.counts["parked"] for worker in workers)
        # What an interrupted party was given goes to the next in the queue; where there is none, nowhere.
        assert 0 <= lost <= workers[0].counts[INTERRUPTED]


WORKLOADS = {
    kind.__name__: kind
    for kind in (
        OfLock, OfRLock, OfSemaphore, OfBoundedSemaphore, OfEvent, OfEventToAndFro, OfCondition, OfConditionWithLock,
        OfConditionWithForeignLock, OfBarrier, OfRWLock, OfLatch, OfWaitQueue, OfWaitQueueAlone,
    )
}  # fmt: skip


def work(kind: str, threads: int, seconds: float) -> None:
    workload = WORKLOADS[kind](threads)
    workers = [Worker(number) for number in range(threads + 1)]
    main = workers[0]
    errors: list[BaseException] = []
    began = time.monotonic()

    def on_alarm(number: int, frame: Any) -> None:
        # Not in what runs in between, such as a callback of the collector, which would swallow it.
        if main.armed and frame.f_code is Worker.attempt.__code__:
            main.armed = False
            raise Interrupted

    def live(worker: Worker) -> None:
        try:
            while not workload.over:
                workload.round(worker)
        except BaseException as error:
            errors.append(error)
            raise

    def time_is_up() -> bool:
        passed = time.monotonic() - began
        if passed > seconds / 2:
            sys.setswitchinterval(1e-6)
        if errors:
            return True
        starved = [worker.number for worker in workers[1:] if not worker.progress]
        if starved and passed > seconds + PATIENCE:
            fail_with_stacks(f"starved: {starved}")
        # On a busy machine the main thread may not have been in a wait yet when an alarm came.
        interrupted = main.counts[INTERRUPTED] > 0 or passed > seconds + PATIENCE
        return passed > seconds and not starved and interrupted

    workload.time_is_up = time_is_up
    lives = [
        threading.Thread(target=live, args=(worker,), name=f"worker {worker.number}", daemon=True)
        for worker in workers[1:]
    ]
    for life in lives:
        life.start()
    signal.signal(signal.SIGALRM, on_alarm)
    signal.setitimer(signal.ITIMER_REAL, 0.000_7, 0.000_7)
    while not workload.over:
        workload.main_round(main)
    signal.setitimer(signal.ITIMER_REAL, 0)
    for life in lives:
        deadline = time.monotonic() + PATIENCE
        while life.is_alive():
            workload.end()
            life.join(0.01)
            if time.monotonic() > deadline:
                fail_with_stacks(f"{life.name} does not end")
    if errors:
        raise errors[0]
    workload.check(workers)
    assert main.counts[INTERRUPTED] > 0
    progress = sorted(worker.progress for worker in workers[1:])
    print(f"{sum(progress)} rounds, {progress[0]} to {progress[-1]} each; {main.counts[INTERRUPTED]} interruptions")


@needs_signals
@pytest.mark.parametrize("kind", WORKLOADS)
def test_two_threads(kind: str) -> None:
    in_own_process(work, kind, 2, SECONDS / 4)


@needs_signals
@pytest.mark.parametrize("kind", WORKLOADS)
def test_a_hundred_threads(kind: str) -> None:
    in_own_process(work, kind, 100, SECONDS / 2)
