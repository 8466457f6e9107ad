"""The primitives between processes do what the models of `tests/models` do: each thread is a party here too."""

import os
import threading
from typing import Any, ClassVar

import pytest
from models.machine import MAIN, Machine
from models.test_models import (
    BarrierMachine,
    BarrierModel,
    BoundedSemaphoreMachine,
    EventMachine,
    LatchMachine,
    LockMachine,
    LockModel,
    RLockMachine,
    RLockModel,
    SemaphoreMachine,
    run_machine,
)

from interlock import machine


class Between(Machine):
    """Who holds and who waits is told as a `Party` of some process."""

    patience: ClassVar[Any] = Machine.patience

    def name_of(self, thread: Any) -> str | None:
        if thread is None:
            return None
        assert thread.pid == os.getpid()
        return MAIN if thread.thread == threading.main_thread().name else str(thread.thread)


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


MACHINES = [
    LockBetween, RLockBetween, SemaphoreBetween, BoundedSemaphoreBetween, EventBetween, LatchBetween, BarrierBetween,
]  # fmt: skip


@pytest.mark.parametrize("between", MACHINES)
def test_does_what_its_model_does(between: type[Machine]) -> None:
    run_machine(between, "threads", int(os.environ.get("MODEL_EXAMPLES", "12")))
