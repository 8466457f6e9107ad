"""Every way in which a thread can be blocked, and what ends it."""

import threading
from typing import Any

from parties import ThreadParty

from interlock import Barrier, BoundedSemaphore, Condition, Event, Latch, Lock, RLock, RWLock, Semaphore, WaitQueue

AGES = 100_000.0  # seconds; a timed wait that no test sees the end of


class Way:
    """One way: the primitive, the call that blocks there, and what another party does to block it and to let it go."""

    timed = True  # there is a form with a timeout
    untimed = True  # and one without
    # What is let through: "one" party at a time, in order; or "all" who wait.
    lets_through = "one"
    # Whoever has got through lets the next one through when he leaves.
    passes_on = False
    # Any party can open it, so a signal handler of the blocked party can.
    opens_itself = True

    def __init__(self) -> None:
        self.primitive = self.make()

    @property
    def at(self) -> Any:
        """The primitive whose `waiters` name the blocked party."""
        return self.primitive

    def make(self) -> Any:
        raise NotImplementedError

    def shut(self) -> None:
        """Block whoever comes; called by another party."""

    def open(self) -> None:
        """Let the first who waits through, or all; called by the party that has shut it, or by any."""
        raise NotImplementedError

    def through(self, timeout: float | None) -> None:
        """Wait, get through and leave the primitive as it was before. Called by the party that blocks."""
        raise NotImplementedError


class ByAcquire(Way):
    passes_on = True

    def shut(self) -> None:
        assert self.primitive.acquire(False)

    def open(self) -> None:
        self.primitive.release()

    def through(self, timeout: float | None) -> None:
        if timeout is None:
            assert self.primitive.acquire() is True
        else:
            assert self.primitive.acquire(timeout=timeout) is True
        self.primitive.release()


class ByWith(ByAcquire):
    timed = False
    opens_itself = False

    def shut(self) -> None:
        self.primitive.__enter__()

    def open(self) -> None:
        self.primitive.__exit__(None, None, None)

    def through(self, timeout: float | None) -> None:
        with self.primitive as entered:
            assert entered is True


class Within(ByAcquire):
    untimed = False

    def through(self, timeout: float | None) -> None:
        with self.primitive.within(timeout) as entered:
            assert entered is True


class LockByAcquire(ByAcquire):
    make = Lock


class LockByWith(ByWith):
    make = Lock


class LockWithin(Within):
    make = Lock


class RLockByAcquire(ByAcquire):
    make = RLock
    opens_itself = False


class RLockByWith(ByWith):
    make = RLock


class RLockWithin(Within):
    make = RLock
    opens_itself = False


class SemaphoreByAcquire(ByAcquire):
    make = Semaphore


class SemaphoreByWith(ByWith):
    make = Semaphore
    opens_itself = True


class SemaphoreWithin(Within):
    make = Semaphore


class ManyPermits(ByAcquire):
    def make(self) -> Any:
        return Semaphore(3)

    def shut(self) -> None:
        assert self.primitive.acquire(permits=2)

    def open(self) -> None:
        self.primitive.release(2)

    def through(self, timeout: float | None) -> None:
        assert self.primitive.acquire(timeout=timeout, permits=2) is True
        self.primitive.release(2)


class BoundedSemaphoreByAcquire(ByAcquire):
    make = BoundedSemaphore


class BoundedSemaphoreByWith(ByWith):
    make = BoundedSemaphore
    opens_itself = True


class ConditionsLock(ByAcquire):
    """The lock of a condition, acquired through the condition."""

    opens_itself = False

    @property
    def at(self) -> Any:
        return self.primitive._lock

    make = Condition


class ConditionsLockByWith(ByWith):
    make = Condition

    @property
    def at(self) -> Any:
        return self.primitive._lock


class ForWriting(Way):
    passes_on = True
    opens_itself = False
    make = RWLock

    def __init__(self) -> None:
        super().__init__()
        self.other = self.primitive.write()

    def side(self) -> Any:
        return self.primitive.write()

    def shut(self) -> None:
        assert self.other.acquire(False)

    def open(self) -> None:
        self.other.release()

    def through(self, timeout: float | None) -> None:
        side = self.side()
        assert side.acquire(timeout=timeout) is True
        side.release()


class ForWritingByWith(ForWriting):
    timed = False

    def through(self, timeout: float | None) -> None:
        with self.side() as entered:
            assert entered is True


class ForWritingWithin(ForWriting):
    untimed = False

    def through(self, timeout: float | None) -> None:
        with self.side().within(timeout) as entered:
            assert entered is True


class ForReading(ForWriting):
    lets_through = "all"

    def side(self) -> Any:
        return self.primitive.read()


class ForReadingByWith(ForWritingByWith):
    lets_through = "all"

    def side(self) -> Any:
        return self.primitive.read()


class ForReadingWithin(ForWritingWithin):
    lets_through = "all"

    def side(self) -> Any:
        return self.primitive.read()


class EventWait(Way):
    lets_through = "all"
    make = Event

    def open(self) -> None:
        self.primitive.set()

    def through(self, timeout: float | None) -> None:
        assert self.primitive.wait(timeout) is True


class LatchWait(Way):
    lets_through = "all"

    def make(self) -> Any:
        return Latch(1)

    def open(self) -> None:
        if self.primitive.count:
            self.primitive.count_down()

    def through(self, timeout: float | None) -> None:
        assert self.primitive.wait(timeout) is True


class Park(Way):
    make = WaitQueue

    def open(self) -> None:
        self.primitive.unpark()

    def through(self, timeout: float | None) -> None:
        assert self.primitive.park(timeout) is True


class ConditionWait(Way):
    """`wait` with the condition's own lock."""

    def make(self) -> Any:
        return Condition()

    def open(self) -> None:
        with self.primitive:
            self.primitive.notify()

    def through(self, timeout: float | None) -> None:
        with self.primitive:
            try:
                assert self.primitive.wait(timeout) is True
            finally:
                assert self.primitive._is_owned()


class ConditionWaitWithLock(ConditionWait):
    def make(self) -> Any:
        return Condition(Lock())


class ConditionWaitWithForeignLock(ConditionWait):
    def make(self) -> Any:
        return Condition(threading.Lock())  # type: ignore[arg-type]


class ConditionWaitWithForeignRLock(ConditionWait):
    def make(self) -> Any:
        return Condition(threading.RLock())  # type: ignore[arg-type]


class ConditionWaitFor(ConditionWait):
    def __init__(self) -> None:
        super().__init__()
        self.news = 0

    def open(self) -> None:
        with self.primitive:
            self.news += 1
            self.primitive.notify()

    def through(self, timeout: float | None) -> None:
        with self.primitive:
            try:
                assert self.primitive.wait_for(lambda: self.news > 0, timeout) is True
                self.news -= 1
            finally:
                assert self.primitive._is_owned()


class BarrierWait(Way):
    lets_through = "all"
    opens_itself = False

    def make(self) -> Any:
        return Barrier(2)

    def open(self) -> None:
        """Be the one that is missing."""
        assert self.primitive.wait(AGES) == 1

    def through(self, timeout: float | None) -> None:
        assert self.primitive.wait(timeout) == 0


LOCKS = [
    LockByAcquire, LockByWith, LockWithin, RLockByAcquire, RLockByWith, RLockWithin,
    SemaphoreByAcquire, SemaphoreByWith, SemaphoreWithin, ManyPermits,
    BoundedSemaphoreByAcquire, BoundedSemaphoreByWith, ConditionsLock, ConditionsLockByWith,
    ForWriting, ForWritingByWith, ForWritingWithin,
]  # fmt: skip
CONDITIONS = [
    ConditionWait, ConditionWaitWithLock, ConditionWaitWithForeignLock, ConditionWaitWithForeignRLock, ConditionWaitFor
]  # fmt: skip
READERS = [ForReading, ForReadingByWith, ForReadingWithin]
GATES = [*READERS, EventWait, LatchWait, Park, *CONDITIONS]
ALL = [*LOCKS, *GATES, BarrierWait]


def begin(party: ThreadParty, way: Way, timeout: float | None = None) -> Any:
    """Make a party block in this way."""
    if timeout is None and not way.untimed:
        timeout = AGES
    return party.begin(way.through, timeout)
