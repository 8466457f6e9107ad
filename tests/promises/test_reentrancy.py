"""What never blocks can be called at any moment: by a signal handler, a `__del__`, a weakref callback.

`release`, `set`, `notify`, `acquire(False)`, `repr` and the like are called in a storm, on the very primitives that
all threads are busy with: by a signal handler that interrupts the main thread every tenth of a millisecond, also while
it is blocked; and by finalizers that the garbage collector calls at every allocation. A call that waits for what the
interrupted one holds would hang at once. The accounts are compared at the end: what one has put, another has got.

Each storm rages for half or a quarter of `STRESS_SECONDS` in a process of its own: see `own_process.py`.
"""

import gc
import os
import random
import signal
import sys
import threading
import time
import traceback
import weakref
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, NoReturn

import pytest
from parties import needs_signals
from promises.own_process import SECONDS, in_own_process

from interlock import (
    Barrier,
    BoundedSemaphore,
    BrokenBarrierError,
    Condition,
    DeadlockError,
    Empty,
    Event,
    Full,
    Latch,
    LifoQueue,
    Lock,
    PriorityQueue,
    Queue,
    RLock,
    RWLock,
    Semaphore,
    WaitQueue,
    select,
)

SHORT = 0.0005  # seconds; a timeout that sometimes passes and sometimes does not


class Tally(list[None]):
    """A count. Adding is one operation: no other thread and no handler gets in between."""

    def add(self, n: int = 1) -> None:
        self.extend((None,) * n)

    @property
    def total(self) -> int:
        return len(self)


class Target:
    """What a storm is about: a primitive, what threads do with it, and what strikes them meanwhile."""

    def __init__(self, by_signal: bool):
        # Whether strikes come by themselves, or only as long as a thread runs.
        self.by_signal = by_signal

    def work(self) -> None:
        """One round of what a thread does. It may block."""
        raise NotImplementedError

    def strike(self) -> None:
        """What interrupts it. It never blocks."""
        raise NotImplementedError

    def patience(self) -> float | None:
        """A timeout for what only a strike ends."""
        if self.by_signal and threading.current_thread() is threading.main_thread():
            return random.choice([None, None, 1000.0, SHORT])
        return SHORT

    def look(self, primitive: Any) -> None:
        repr(primitive)
        assert isinstance(primitive.waiters, tuple)

    def end(self) -> None:
        """Let everybody go home."""

    def check(self) -> None:
        """Compare the accounts. Nobody is busy any more."""
        raise NotImplementedError


class OfLock(Target):
    def __init__(self, by_signal: bool):
        super().__init__(by_signal)
        self.lock = Lock(name="contended")
        self.inside: object = None
        # Held from the start, and released by strikes for whoever waits.
        self.gate = Lock(name="gate")
        self.gate.acquire()
        self.passed = Tally()
        self.opened = Tally()

    def enter(self) -> None:
        me = object()
        assert self.inside is None
        self.inside = me
        for _ in range(random.randrange(20)):
            assert self.inside is me
        self.inside = None

    def work(self) -> None:
        form = random.randrange(5)
        if form == 0:
            with self.lock:
                self.enter()
        elif form == 1:
            try:
                with self.lock.within(SHORT):
                    self.enter()
            except TimeoutError:
                pass
        elif form == 2:
            patience = self.patience()
            if self.gate.acquire(timeout=-1 if patience is None else patience):
                self.passed.add()
        elif self.lock.acquire(timeout=-1 if form == 3 else SHORT):
            self.enter()
            self.lock.release()

    def strike(self) -> None:
        if self.lock.acquire(False):
            self.enter()
            self.lock.release()
        try:
            self.gate.release()
        except RuntimeError:
            pass  # nobody has closed it since
        else:
            self.opened.add()
        self.look(self.lock)
        self.look(self.gate)

    def check(self) -> None:
        assert not self.lock.locked()
        assert self.lock.waiters == self.gate.waiters == ()
        # The first to hold the gate came before all tallies.
        assert 1 + self.passed.total - self.opened.total == self.gate.locked()


class OfRLock(Target):
    def __init__(self, by_signal: bool):
        super().__init__(by_signal)
        self.lock = RLock()

    def work(self) -> None:
        depth = 0
        for _ in range(random.randrange(1, 4)):
            if random.random() < 0.5:
                depth += self.lock.acquire()
            else:
                depth += self.lock.acquire(timeout=SHORT)
            assert self.lock._recursion_count() == depth
        for _ in range(depth):
            self.lock.release()

    def strike(self) -> None:
        if self.lock.acquire(False):
            with self.lock:
                # Not `current_thread()`: the thread may still be starting, and a dummy would be invented for it.
                assert self.lock.owner.ident == threading.get_ident()
            self.lock.release()
        self.look(self.lock)

    def check(self) -> None:
        assert not self.lock.locked()
        assert self.lock.waiters == ()


class OfSemaphore(Target):
    make = Semaphore

    def __init__(self, by_signal: bool):
        super().__init__(by_signal)
        self.semaphore = self.make(4)
        self.permits = deque(range(4))  # taking one that is not there raises
        self.kept: deque[int] = deque()

    def work(self) -> None:
        n = random.choice([1, 1, 2])
        if self.semaphore.acquire(timeout=random.choice([None, SHORT]), permits=n):
            taken = [self.permits.popleft() for _ in range(n)]
            self.permits.extend(taken)
            self.semaphore.release(n)

    def strike(self) -> None:
        # A permit that one strike takes, another gives back.
        try:
            taken = self.kept.popleft()
        except IndexError:
            if self.semaphore.acquire(False):
                self.kept.append(self.permits.popleft())
        else:
            self.permits.append(taken)
            self.semaphore.release()
        self.look(self.semaphore)

    def end(self) -> None:
        for _ in range(len(self.kept)):
            self.permits.append(self.kept.popleft())
            self.semaphore.release()

    def check(self) -> None:
        self.end()
        assert self.semaphore.waiters == ()
        assert self.semaphore._value == 4
        assert sorted(self.permits) == [0, 1, 2, 3]


class OfBoundedSemaphore(OfSemaphore):
    make = BoundedSemaphore


class OfEvent(Target):
    def __init__(self, by_signal: bool):
        super().__init__(by_signal)
        self.event = Event()

    def work(self) -> None:
        self.event.clear()
        timeout = self.patience()
        assert self.event.wait(timeout) or timeout == SHORT

    def strike(self) -> None:
        self.event.set()
        self.look(self.event)

    def check(self) -> None:
        assert self.event.waiters == ()
        self.event.set()
        assert self.event.wait()


class OfCondition(Target):
    def make_lock(self) -> Any:
        return RLock()

    def __init__(self, by_signal: bool):
        super().__init__(by_signal)
        self.lock = self.make_lock()
        self.condition = Condition(self.lock)
        self.items: deque[None] = deque()
        self.put = Tally()
        self.taken = Tally()

    def work(self) -> None:
        with self.condition:
            if random.random() < 0.5:
                there = self.condition.wait_for(lambda: bool(self.items), self.patience())
            else:
                while not (there := bool(self.items)):
                    if not self.condition.wait(self.patience()):
                        break
            assert self.condition._is_owned()
            if there:
                self.items.popleft()
                self.taken.add()

    def strike(self) -> None:
        if self.condition.acquire(False):
            if len(self.items) < 10:
                self.items.append(None)
                self.put.add()
            self.condition.notify(random.choice([1, 1, 2, 100]))
            self.condition.release()
        self.look(self.condition)
        self.look(self.lock)

    def check(self) -> None:
        assert self.condition.waiters == self.lock.waiters == ()
        assert not self.lock.locked()
        assert self.put.total == self.taken.total + len(self.items)


class OfConditionWithLock(OfCondition):
    def make_lock(self) -> Any:
        return Lock()


class OfBarrier(Target):
    """Three parties: the main thread and two others. A generation is passed by all of them or by none."""

    def __init__(self, by_signal: bool):
        super().__init__(by_signal)
        self.barrier = Barrier(3, lambda: None)
        self.passed: dict[str, Tally] = {}
        self.over = False

    def work(self) -> None:
        mine = self.passed.setdefault(threading.current_thread().name, Tally())
        try:
            # No timeout: others break the barrier, at the latest `end`.
            index = self.barrier.wait()
        except BrokenBarrierError:
            if self.barrier.broken and not self.over:
                self.barrier.reset()
        else:
            assert index in (0, 1, 2)
            mine.add()

    def strike(self) -> None:
        assert self.barrier.n_waiting in (0, 1, 2, 3)
        chance = random.random()
        if chance < 0.02:
            self.barrier.reset()
        elif chance < 0.04:
            self.barrier.abort()
        self.look(self.barrier)

    def end(self) -> None:
        self.over = True
        self.barrier.abort()

    def check(self) -> None:
        assert self.barrier.waiters == ()
        passed = [tally.total for tally in self.passed.values()]
        assert len(passed) == 3
        assert len(set(passed)) == 1, passed


class OfRWLock(Target):
    def __init__(self, by_signal: bool):
        super().__init__(by_signal)
        self.lock = RWLock()
        self.readers: deque[None] = deque()
        self.writer: object = None

    def read(self) -> None:
        self.readers.append(None)
        assert self.writer is None
        self.readers.popleft()

    def write(self) -> None:
        me = object()
        assert self.writer is None
        self.writer = me
        for _ in range(random.randrange(20)):
            assert not self.readers
            assert self.writer is me
        self.writer = None

    def work(self) -> None:
        form = random.randrange(4)
        if form == 0:
            with self.lock.read():
                self.read()
                with self.lock.read():
                    self.read()
        elif form == 1:
            with self.lock.write():
                self.write()
        else:
            side, inside = (self.lock.read(), self.read) if form == 2 else (self.lock.write(), self.write)
            if side.acquire(timeout=SHORT):
                inside()
                side.release()

    def strike(self) -> None:
        for side, inside in ((self.lock.read(), self.read), (self.lock.write(), self.write)):
            try:
                if side.acquire(False):
                    inside()
                    side.release()
            except DeadlockError:
                pass  # the thread that was struck is in the way itself
            repr(side)
        assert self.lock.readers >= 0
        self.look(self.lock)

    def check(self) -> None:
        assert self.lock.waiters == ()
        assert not self.lock.locked()
        assert self.lock.readers == 0
        with self.lock.write():
            pass


class OfLatch(Target):
    COUNT = 3

    def __init__(self, by_signal: bool):
        super().__init__(by_signal)
        self.latches = [Latch(self.COUNT)]
        self.counted = Tally()

    def work(self) -> None:
        latch = self.latches[-1]
        if latch.wait(self.patience()):
            assert latch.count == 0
            if threading.current_thread() is threading.main_thread():
                self.latches.append(Latch(self.COUNT))
            else:
                time.sleep(0)  # let the main thread make the next

    def strike(self) -> None:
        latch = self.latches[-1]
        try:
            latch.count_down()
        except ValueError:
            assert latch.count == 0
        else:
            self.counted.add()
        self.look(latch)

    def check(self) -> None:
        assert all(latch.waiters == () for latch in self.latches)
        assert self.counted.total == sum(self.COUNT - latch.count for latch in self.latches)


class StrikesWhenItGoes:
    """Something false. What happens when the last reference to it is dropped, happens inside the call that drops it."""

    def __init__(self, strike: Callable[[], None]):
        self.strike = strike

    def __bool__(self) -> bool:
        return False

    def __del__(self) -> None:
        self.strike()


class OfWaitQueue(Target):
    def __init__(self, by_signal: bool):
        super().__init__(by_signal)
        self.queue = WaitQueue()
        self.woken = Tally()
        self.waked = Tally()

    def work(self) -> None:
        unless = None
        if random.random() < 0.3:
            # It joins the queue, is perhaps woken by the strike that follows, and only then parks.
            def unless() -> object:
                return StrikesWhenItGoes(self.strike)

        if self.queue.park(self.patience(), unless=unless):
            self.woken.add()

    def strike(self) -> None:
        self.waked.add(self.queue.unpark(random.choice([1, 2])) if random.random() < 0.9 else self.queue.unpark_all())
        assert len(self.queue) >= 0
        self.look(self.queue)

    def check(self) -> None:
        assert self.queue.waiters == ()
        assert self.woken.total == self.waked.total


class Coin:
    """Compares in Python: a strike may come in the middle."""

    def __init__(self, number: int):
        self.number = number

    def __lt__(self, other: "Coin") -> bool:
        return self.number < other.number


class OfQueue(Target):
    """Coins that go round. A strike keeps one, or gives one back."""

    make: Any = Queue

    def __init__(self, by_signal: bool):
        super().__init__(by_signal)
        self.queue = self.make(3)
        self.never = Event()
        self.coins = [Coin(number) for number in range(5)]
        self.queue.put_many(self.coins[:3])
        self.kept = deque(self.coins[3:])

    def get(self) -> Any:
        form = random.randrange(3)
        if form == 0:
            return self.queue.get_nowait()
        if form == 1:
            return self.queue.get(timeout=SHORT)
        return select(self.never.waiting(), self.queue.getting(), timeout=SHORT)[1]

    def put(self, coin: Coin) -> None:
        form = random.randrange(3)
        if form == 0:
            self.queue.put_nowait(coin)
        elif form == 1:
            self.queue.put(coin, timeout=SHORT)
        else:
            select(self.never.waiting(), self.queue.putting(coin), timeout=SHORT)

    def work(self) -> None:
        try:
            coin = self.get()
        except (Empty, TimeoutError):
            return
        try:
            self.put(coin)
        except (Full, TimeoutError):
            self.kept.append(coin)

    def strike(self) -> None:
        try:
            coin = self.kept.popleft()
        except IndexError:
            try:
                self.kept.append(self.queue.get_nowait())
            except Empty:
                pass
        else:
            try:
                self.queue.put_nowait(coin)
            except Full:
                self.kept.append(coin)
        self.look(self.queue)

    def check(self) -> None:
        assert self.queue.waiters == self.never.waiters == ()
        left = [*self.kept]
        while not self.queue.empty():
            left.append(self.queue.get_nowait())
        assert sorted(coin.number for coin in left) == [0, 1, 2, 3, 4]
        self.queue.shutdown()


class OfLifoQueue(OfQueue):
    make = LifoQueue


class OfPriorityQueue(OfQueue):
    make = PriorityQueue


TARGETS = {
    kind.__name__: kind
    for kind in (
        OfLock, OfRLock, OfSemaphore, OfBoundedSemaphore, OfEvent, OfCondition, OfConditionWithLock, OfBarrier,
        OfRWLock, OfLatch, OfWaitQueue, OfQueue, OfLifoQueue, OfPriorityQueue,
    )
}  # fmt: skip


class OfStrikesThatFail(OfLock):
    """Whoever is struck is left holding the lock that the others want."""

    def __init__(self, by_signal: bool):
        super().__init__(by_signal)
        self.struck = Tally()

    def strike(self) -> None:
        self.struck.add()
        if self.struck.total > 20 and self.lock.acquire(False):
            raise ArithmeticError("this strike has failed")


KINDS = TARGETS | {"OfStrikesThatFail": OfStrikesThatFail}


def end_with(error: BaseException) -> NoReturn:
    """End the process with the first error. What was interrupted is left half done, so others may wait for ever."""
    os.write(2, "".join(traceback.format_exception(error)).encode())
    os._exit(1)


class StruckWhileItStarts(threading.Thread):
    """As a finalizer may strike it: `threading` does not list it yet, and `current_thread()` gives it a dummy."""

    def __init__(self, strike: Callable[[], None], target: Callable[[], None], name: str):
        super().__init__(target=target, name=name)
        self.strike = strike

    def _set_ident(self) -> None:  # runs in the new thread
        self.strike()
        super()._set_ident()  # type: ignore[misc]
        self.strike()


class Storm:
    """Two threads and the main thread are busy with a target, and are struck meanwhile."""

    def __init__(self, target: Target, seconds: float):
        self.target = target
        self.seconds = seconds
        self.strikes = Tally()
        self.rounds = Tally()
        self.deep = threading.local()
        self.over = False

    def strike(self) -> None:
        # A strike can be struck itself, but not deeper than the stack reaches.
        depth = getattr(self.deep, "depth", 0)
        if depth > 3 or self.over:
            return
        self.deep.depth = depth + 1
        try:
            self.target.strike()
        except BaseException as error:  # what a finalizer raises nobody sees
            end_with(error)
        self.deep.depth = depth
        self.strikes.add()

    def rage(self, around_each_round: Callable[[], object]) -> None:
        def work() -> None:
            try:
                around_each_round()
                self.target.work()
            except BaseException as error:
                end_with(error)

        def busy() -> None:
            while not self.over:
                work()
                self.rounds.add()

        threads = [StruckWhileItStarts(self.strike, target=busy, name=f"busy {n}") for n in range(2)]
        for thread in threads:
            thread.start()
        began = time.monotonic()
        while not self.over:
            work()
            passed = time.monotonic() - began
            if passed > self.seconds / 2:
                sys.setswitchinterval(1e-6)
            self.over = passed > self.seconds
        self.target.end()
        for thread in threads:
            thread.join()

    def report(self) -> None:
        self.target.check()
        assert self.strikes.total > 10
        assert self.rounds.total > 10
        print(f"{self.strikes.total} strikes, {self.rounds.total} rounds")


@contextmanager
def signals(strike: Callable[[], None]) -> Iterator[None]:
    signal.signal(signal.SIGALRM, lambda number, frame: strike())
    signal.setitimer(signal.ITIMER_REAL, 0.000_1, 0.000_1)
    yield
    signal.setitimer(signal.ITIMER_REAL, 0)


def signal_storm(kind: str) -> None:
    storm = Storm(KINDS[kind](by_signal=True), SECONDS / 2)
    with signals(storm.strike):
        storm.rage(lambda: None)
    storm.report()


class Garbage:
    """A cycle, so that only the collector ends it; at a moment of its choice."""

    def __init__(self) -> None:
        self.itself = self


class Finalized(Garbage):
    def __init__(self, strike: Callable[[], None]):
        super().__init__()
        self.strike = strike

    def __del__(self) -> None:
        self.strike()


def collector_storm(kind: str) -> None:
    storm = Storm(KINDS[kind](by_signal=False), SECONDS / 4)
    # A callback is called only if its reference outlives what it refers to.
    references: deque[weakref.ref[Garbage]] = deque(maxlen=1000)

    def leave_garbage() -> None:
        Finalized(storm.strike)
        references.append(weakref.ref(Garbage(), lambda _: storm.strike()))

    gc.collect()
    gc.freeze()
    gc.set_threshold(1)
    storm.rage(leave_garbage)
    gc.set_threshold(700)
    gc.collect()
    storm.report()


@needs_signals
@pytest.mark.parametrize("kind", TARGETS)
def test_a_storm_of_signals(kind: str) -> None:
    in_own_process(signal_storm, kind)


@pytest.mark.parametrize("kind", TARGETS)
def test_a_storm_of_finalizers(kind: str) -> None:
    """`__del__` and weakref callbacks."""
    in_own_process(collector_storm, kind)


@pytest.mark.parametrize("storm", [collector_storm, pytest.param(signal_storm, marks=needs_signals)])
def test_a_strike_that_fails_ends_its_storm(storm: Callable[[str], None]) -> None:
    """It may leave anything locked. What it says must come out, and not the stacks of those who wait for that."""
    with pytest.raises(pytest.fail.Exception, match="ArithmeticError: this strike has failed"):
        in_own_process(storm, "OfStrikesThatFail")
