"""The primitives between processes do what the models of `tests/models` do: each thread is a party here too.

Tasks are parties with a loop each: between processes a task is known by its thread.
"""

import itertools
import os
import threading
from collections import Counter
from functools import partial
from typing import Any, ClassVar

import hypothesis.strategies as st
import pytest
from models.machine import FOREVER, MAIN, NOT_AT_ALL, Call, Event, Machine, Model, waiting_call
from models.test_models import (
    BarrierMachine,
    BarrierModel,
    BoundedSemaphoreMachine,
    ConditionMachine,
    ConditionModel,
    EventMachine,
    How,
    LatchMachine,
    LockMachine,
    LockModel,
    RLockMachine,
    RLockModel,
    RWLockMachine,
    RWLockModel,
    SemaphoreMachine,
    run_machine,
)
from parties import KINDS, ThreadParty

from interlock import Empty, Full, machine

KINDS["a loop each"] = ("asyncio for a", "trio for b", "thread")


class Between(Machine):
    """Who holds and who waits is told as a `Party` of some process."""

    patience: ClassVar[Any] = Machine.patience

    def __init__(self) -> None:
        super().__init__()
        self.model.tasks_barge = True
        for name, party in self.parties.items():
            if not isinstance(party, ThreadParty):
                party.loop.thread.name = name

    def name_of(self, thread: Any) -> str | None:
        if thread is None:
            return None
        assert thread.pid == os.getpid()
        return MAIN if thread.thread == threading.main_thread().name else str(thread.thread)

    def is_at_rest(self) -> bool:
        # Who has come to the queue last may still be in the guard, about to let the lock go to one who waits. That
        # shows when it has left.
        return super().is_at_rest() and self.primitive._inside == 0 and super().is_at_rest()


class LockModelBetween(LockModel):
    """Who has entered it alone leaves it."""

    entered = False

    def grant(self, who: str, want: Any) -> bool:
        self.entered = want is True
        return super().grant(who, None)

    def enter(self, who: str, patience: float | None) -> None:
        self.ask(who, True, patience)

    def release(self, who: str) -> None:
        if self.holder is not None and self.entered and who != self.holder:
            self.results[who] = RuntimeError
        else:
            super().release(who)


class LockBetween(Between, LockMachine):
    Model = LockModelBetween
    make = machine.Lock


class RLockModelBetween(RLockModel):
    def state(self) -> Any:
        return self.holder


class RLockBetween(Between, RLockMachine):
    Model = RLockModelBetween
    make = machine.RLock

    def state(self) -> Any:
        return self.name_of(self.primitive.owner)


class SemaphoreBetween(Between, SemaphoreMachine):
    def make(self) -> Any:
        super().make()
        return machine.Semaphore(2)


class BoundedSemaphoreBetween(Between, BoundedSemaphoreMachine):
    def make(self) -> Any:
        super().make()
        return machine.BoundedSemaphore(2)


class EventBetween(Between, EventMachine):
    make = machine.Event


class LatchBetween(Between, LatchMachine):
    def make(self) -> Any:
        return machine.Latch(4)


class BarrierModelBetween(BarrierModel):
    """Which number each gets is not said, only that each gets another one."""

    def wait(self, who: str, patience: float | None) -> None:
        super().wait(who, patience)
        self.results = {who: True if isinstance(result, int) else result for who, result in self.results.items()}


class BarrierBetween(Between, BarrierMachine):
    Model = BarrierModelBetween

    def make(self) -> Any:
        return machine.Barrier(3)

    def come_to_rest(self) -> dict[str, Any]:
        results = super().come_to_rest()
        numbers = [result for result in results.values() if isinstance(result, int)]
        assert len(set(numbers)) == len(numbers)
        return {who: True if isinstance(result, int) else result for who, result in results.items()}

    def compare(self, events: list[Any], results: dict[str, Any]) -> None:
        super().compare(events, {who: True if isinstance(result, int) else result for who, result in results.items()})


class RWLockModelBetween(RWLockModel):
    """Whoever has it asks for more of it only without waiting; nobody is told that it waits for itself.

    A thread that reads is let in again past a writer who waits; a task is not.
    """

    def read(self, who: str, patience: float | None) -> None:
        if who in self.parties("read") and who not in self.tasks:
            self.results[who] = self.grant(who, "read")
        else:
            self.ask(who, "read", patience)

    def write(self, who: str, patience: float | None) -> None:
        self.ask(who, "write", patience)

    def interrupt(self, who: str, after_all: bool) -> None:
        Model.interrupt(self, who, after_all)


class RWLockBetween(Between, RWLockMachine):
    Model = RWLockModelBetween

    def make(self) -> Any:
        super().make()
        return machine.RWLock()

    def holds(self, who: str) -> bool:
        return any(holder == who for holder, _ in self.model.holds)  # type: ignore[attr-defined]

    def possible(self, calls: list[tuple[str, Call]]) -> list[tuple[str, Call]]:
        possible = super().possible(calls)
        return [(who, call) for who, call in possible if not (self.patience_of(call) != NOT_AT_ALL and self.holds(who))]

    def interrupt_main(self, mine: Call, others: list[tuple[str, Call]]) -> None:
        if not self.holds(MAIN):
            super().interrupt_main(mine, others)

    def release(self, who: str) -> How:
        mine = self.sides.get(who)
        return (mine.pop() if mine else self.primitive.read()).release


class ConditionModelBetween(ConditionModel):
    """Who was notified goes on when the lock is released, and may give up until then: the next one goes then."""

    asked = 0

    def wake(self, n: int) -> None:
        self.asked = min(self.asked + n, len(self.waiting))

    def let_go(self) -> None:
        asked, self.asked = self.asked, 0
        super().wake(asked)

    def grant(self, who: str, want: Any) -> Any:
        if want[1] == "signal":
            ConditionModel.wake(self, want[0])
            return None
        return super().grant(who, want)

    def release(self, who: str) -> None:
        super().release(who)
        if self.holder is None:
            self.let_go()

    def wait(self, who: str, patience: float | None) -> None:
        if self.holder == who:
            self.let_go()
        super().wait(who, patience)

    def come_back(self, who: str, result: Any) -> bool:
        came = super().come_back(who, result)
        self.asked = min(self.asked, len(self.waiting))
        return came


class ConditionBetween(Between, ConditionMachine):
    Model = ConditionModelBetween

    def make(self) -> Any:
        self.its_lock = machine.RLock()
        return machine.Condition(self.its_lock)

    @property
    def lock(self) -> Any:
        return self.its_lock

    def interrupt_main(self, mine: Call, others: list[tuple[str, Call]]) -> None:
        # Whom it has notified already gets the lock as it begins to wait, and nobody would release that.
        if not self.model.asked:
            super().interrupt_main(mine, others)

    def release(self, who: str) -> How:
        return self.its_lock.release


class QueueModel(Model):
    """Which of several items that are put at once comes first is not said: they are counted."""

    barging = True
    items = 0

    def fits(self, want: str) -> bool:
        return self.items < 2 if want == "put" else self.items > 0

    def ask(self, who: str, want: Any, patience: float | None) -> None:
        """Who puts does not stand behind those who get."""
        others = [entry for entry in self.queue if entry[1] != want]
        self.queue = [entry for entry in self.queue if entry[1] == want]
        super().ask(who, want, patience)
        self.queue = others + self.queue if want == "put" else self.queue + others

    def grant(self, who: str, want: Any) -> bool:
        self.items += 1 if want == "put" else -1
        return True

    def interrupt(self, who: str, after_all: bool) -> None:
        super().interrupt(who, False)  # it has got nothing

    def state(self) -> Any:
        return self.items

    def put(self, who: str, patience: float | None) -> None:
        self.ask(who, "put", patience)

    def get(self, who: str, patience: float | None) -> None:
        self.ask(who, "get", patience)


class QueueBetween(Between):
    Model = QueueModel
    calls_that_wait = st.sampled_from([("get", FOREVER), ("put", FOREVER)])
    calls = st.one_of(waiting_call("put"), waiting_call("get"))

    def make(self) -> Any:
        self.items: Counter[int] = Counter()
        self.number = itertools.count()
        self.wants: dict[str, int | None] = {}  # what it puts, or None: it gets
        return machine.Queue(2)

    def state(self) -> Any:
        return self.primitive.qsize()

    def can_be_served(self) -> bool:
        size = self.primitive.qsize()
        return any(size > 0 if self.wants[name] is None else size < 2 for name in self.queue())

    def let_somebody_through(self) -> tuple[str, Call]:
        puts = self.model.queue[0][1] == "put"
        return MAIN, ("get", NOT_AT_ALL) if puts else ("put", NOT_AT_ALL)

    def compare(self, events: list[Event], results: dict[str, Any]) -> None:
        for who, result in results.items():
            if result is None:
                self.items[self.wants[who]] += 1
                results[who] = True
            elif isinstance(result, int) and not isinstance(result, bool):
                self.items[result] -= 1
                results[who] = True
            elif result in (Full, Empty):
                results[who] = False
        super().compare(events, results)
        assert sum(self.items.values()) == self.primitive.qsize()
        assert set(self.items.values()) <= {0, 1}

    def put(self, who: str, patience: float | None) -> How:
        self.wants[who] = next(self.number)
        return partial(self.primitive.put, self.wants[who], patience != NOT_AT_ALL, patience or None)

    def put_by_task(self, who: str, patience: float | None) -> How:
        self.wants[who] = next(self.number)
        return partial(self.primitive.put_async, self.wants[who], timeout=patience)

    def get(self, who: str, patience: float | None) -> How:
        self.wants[who] = None
        return partial(self.primitive.get, patience != NOT_AT_ALL, patience or None)

    def get_by_task(self, who: str, patience: float | None) -> How:
        self.wants[who] = None
        return partial(self.primitive.get_async, timeout=patience)


MACHINES = [
    LockBetween, RLockBetween, SemaphoreBetween, BoundedSemaphoreBetween, EventBetween, LatchBetween, BarrierBetween,
    RWLockBetween, ConditionBetween, QueueBetween,
]  # fmt: skip


@pytest.mark.parametrize("kind", ["threads", "a loop each"])
@pytest.mark.parametrize("between", MACHINES)
def test_does_what_its_model_does(between: type[Machine], kind: str) -> None:
    run_machine(between, kind, int(os.environ.get("MODEL_EXAMPLES", "12")))
