"""Every way to be blocked, for the tests that say the same of all of them."""

import threading
from collections.abc import Sequence
from typing import Any

from parties import MainParty, Outcome, ThreadParty, blocked

from interlock import Barrier, BoundedSemaphore, Condition, Event, Latch, Lock, RLock, RWLock, Semaphore, WaitQueue


class Case:
    """One primitive and one way to be blocked there."""

    def __init__(self) -> None:
        self.primitive: Any = self.make()

    def make(self) -> Any:
        raise NotImplementedError

    def call(self) -> Any:
        """A function that blocks. It takes `timeout`."""
        raise NotImplementedError

    def shut(self, party: ThreadParty) -> None:
        """Let `party` see to it that whoever comes is blocked."""

    def open(self, party: ThreadParty) -> None:
        """Let `party`, the one that shut it, let through who is blocked: the first, or all."""
        raise NotImplementedError

    def let_through(self, party: ThreadParty, waiting: Sequence[Outcome]) -> None:
        """Let `party` open until everybody in `waiting`, given in order, has got through in this order."""
        raise NotImplementedError

    def begin(self, party: ThreadParty, **timeout: Any) -> Outcome:
        """Let `party` begin to wait."""
        return party.begin(self.call(), **timeout)

    def line_up(self, parties: Sequence[ThreadParty]) -> list[Outcome]:
        """Return when all wait, having come in this order."""
        before = len(self.primitive.waiters)
        waiting = []
        for i, party in enumerate(parties):
            waiting.append(self.begin(party))
            blocked(self.primitive, before + i + 1)
        return waiting

    def interrupted(self, main: MainParty, **more: Any) -> None:
        """Let the main party wait and interrupt it."""
        main.interrupted(self.call(), at=self.primitive, **more)


# --- one at a time: whoever has got through shuts it for the next -----------------------------------------------


class LockCase(Case):
    def shut(self, party: ThreadParty) -> None:
        party.do(self.primitive.acquire)

    def open(self, party: ThreadParty) -> None:
        party.do(self.primitive.release)

    def call(self) -> Any:
        return self.primitive.acquire

    def try_to_acquire(self) -> bool:
        """For the calling thread, without waiting."""
        got: bool = self.primitive.acquire(False)
        return got

    def let_through(self, party: ThreadParty, waiting: Sequence[Outcome]) -> None:
        for outcome in waiting:
            self.open(party)
            assert outcome.result() is True
            party = outcome.party
        self.open(party)


class OfLock(LockCase):
    make = Lock


class OfRLock(LockCase):
    make = RLock


class OfConditionsLock(LockCase):
    """Who enters a condition stands in the queue of its lock."""

    def make(self) -> Any:
        self.condition = Condition()
        return self.condition._lock

    def call(self) -> Any:
        return self.condition.acquire


class OfSemaphore(LockCase):
    make = Semaphore


class OfBoundedSemaphore(LockCase):
    make = BoundedSemaphore


class OfWriters(LockCase):
    make = RWLock

    def take(self, **arguments: Any) -> bool:
        side = self.primitive.write()
        got: bool = side.acquire(**arguments)
        if got:
            self.side = side
        return got

    async def take_async(self, timeout: float | None = None) -> bool:
        side = self.primitive.write()
        got: bool = await side.acquire_async(timeout)
        if got:
            self.side = side
        return got

    def shut(self, party: ThreadParty) -> None:
        party.do(self.take)

    def open(self, party: ThreadParty) -> None:
        party.do(self.side.release)

    def call(self) -> Any:
        return self.take

    def try_to_acquire(self) -> bool:
        return self.take(blocking=False)


# --- one wake-up for one ----------------------------------------------------------------------------------------


class WakeUpCase(Case):
    def let_through(self, party: ThreadParty, waiting: Sequence[Outcome]) -> None:
        for outcome in waiting:
            self.open(party)
            assert outcome.result() is True


class OfWaitQueue(WakeUpCase):
    make = WaitQueue

    def open(self, party: ThreadParty) -> None:
        assert party.do(self.primitive.unpark) == 1

    def call(self) -> Any:
        return self.primitive.park


class OfCondition(WakeUpCase):
    make_lock: Any = None

    def make(self) -> Any:
        return Condition(self.make_lock and self.make_lock())

    def open(self, party: ThreadParty) -> None:
        party.do(self.primitive.acquire)
        party.do(self.primitive.notify)
        party.do(self.primitive.release)

    def wait(self, **timeout: Any) -> bool:
        with self.primitive:
            got: bool = self.primitive.wait(**timeout)
            return got

    async def wait_async(self, **timeout: Any) -> bool:
        async with self.primitive:
            got: bool = await self.primitive.wait_async(**timeout)
            return got

    def call(self) -> Any:
        return self.wait


class OfConditionWithLock(OfCondition):
    make_lock = Lock


class Foreign(Lock):
    """A subclass may have made something else of `acquire`: to a condition it is not one of ours."""


class OfConditionWithForeignLock(OfCondition):
    make_lock = Foreign


# --- open or shut for all ---------------------------------------------------------------------------------------


class GateCase(Case):
    def let_through(self, party: ThreadParty, waiting: Sequence[Outcome]) -> None:
        self.open(party)
        for outcome in waiting:
            assert outcome.result() is True


class OfReaders(GateCase):
    """Readers that wait for a writer, and leave as soon as they are in."""

    def make(self) -> Any:
        lock = RWLock()
        self.side = lock.write()
        return lock

    def shut(self, party: ThreadParty) -> None:
        party.do(self.side.acquire)

    def open(self, party: ThreadParty) -> None:
        party.do(self.side.release)

    def read(self, **arguments: Any) -> bool:
        side = self.primitive.read()
        got: bool = side.acquire(**arguments)
        if got:
            side.release()
        return got

    async def read_async(self, timeout: float | None = None) -> bool:
        side = self.primitive.read()
        got: bool = await side.acquire_async(timeout)
        if got:
            side.release()
        return got

    def call(self) -> Any:
        return self.read


class OfEvent(GateCase):
    make = Event

    def open(self, party: ThreadParty) -> None:
        party.do(self.primitive.set)

    def call(self) -> Any:
        return self.primitive.wait


class OfLatch(GateCase):
    def make(self) -> Any:
        return Latch(2)

    def open(self, party: ThreadParty) -> None:
        party.do(self.primitive.count_down, 2)

    def call(self) -> Any:
        return self.primitive.wait


class OfBarrier(Case):
    """It differs: who waits is let go with an error, and one whose time is up breaks it."""

    def make(self) -> Any:
        return Barrier(100)

    def open(self, party: ThreadParty) -> None:
        party.do(self.primitive.reset)

    def call(self) -> Any:
        return self.primitive.wait

    def let_through(self, party: ThreadParty, waiting: Sequence[Outcome]) -> None:
        self.open(party)
        for outcome in waiting:
            assert type(outcome.error()) is threading.BrokenBarrierError


LOCKS: list[type[LockCase]] = [OfLock, OfRLock, OfConditionsLock, OfSemaphore, OfBoundedSemaphore, OfWriters]
WAKE_UPS: list[type[Case]] = [OfWaitQueue, OfCondition, OfConditionWithLock, OfConditionWithForeignLock]
GATES: list[type[Case]] = [OfReaders, OfEvent, OfLatch]
ALL: list[type[Case]] = [*LOCKS, *WAKE_UPS, *GATES, OfBarrier]


def case_id(kind: type[Case]) -> str:
    return kind.__name__.removeprefix("Of")
