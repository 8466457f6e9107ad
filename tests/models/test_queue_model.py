"""Queue, LifoQueue and PriorityQueue do what their model does: see `machine.py`.

A putter that can still be interrupted is given its place before it puts: `pending`. Meanwhile others may put, and a
getter finds nothing of it. Of two that have their places, each in a thread or a loop of its own, either may be faster.
Everybody else is served in order.
"""

from functools import partial
from typing import Any

import hypothesis.strategies as st
import pytest
from hypothesis import HealthCheck, settings
from hypothesis.stateful import run_state_machine_as_test
from models.machine import FOREVER, INTERRUPTED, MAIN, NOT_AT_ALL, Call, Machine, Model, waiting_call

from interlock import Empty, Full, LifoQueue, PriorityQueue, Queue

SIZE = 2
OVERTAKEN = "overtaken"


class QueueModel(Model):
    barging = True
    later = (OVERTAKEN,)

    def __init__(self) -> None:
        super().__init__()
        self.items: list[int] = []
        self.getters: list[str] = []
        self.putters: list[tuple[str, int]] = []
        self.pending: list[tuple[str, int]] = []
        self.handed: dict[str, int] = {}

    def pop(self) -> int:
        return self.items.pop(0)

    def give_back(self, item: int) -> None:
        self.items.insert(0, item)

    def get(self, who: str, patience: float | None) -> None:
        if self.items:
            self.results[who] = self.pop()
        elif patience == NOT_AT_ALL:
            self.results[who] = Empty
        else:
            self.getters.append(who)

    def put(self, who: str, item: int, patience: float | None) -> None:
        if len(self.items) + len(self.pending) < SIZE and not self.putters:
            self.items.append(item)
            self.results[who] = None
        elif patience == NOT_AT_ALL:
            self.results[who] = Full
        else:
            self.putters.append((who, item))

    def serve(self, late: Any = False) -> None:
        if not late:
            for who, item in self.pending:
                self.items.append(item)
                self.results[who] = None
            self.pending = []
        while True:
            if self.getters and self.items:
                who = self.getters.pop(0)
                self.results[who] = self.handed[who] = self.pop()
            elif self.putters and len(self.items) + len(self.pending) < SIZE:
                who, item = self.putters.pop(0)
                if late and (who in self.tasks or who == MAIN or self.always_pending):
                    self.pending.append((who, item))
                else:
                    self.items.append(item)
                    self.results[who] = None
            else:
                break
        if late == OVERTAKEN:
            self.pending.reverse()

    always_pending = False

    def expire(self, who: str) -> None:
        if who in self.getters:
            self.getters.remove(who)
            self.results[who] = Empty
        elif any(who == one for one, _ in self.putters):
            self.putters = [entry for entry in self.putters if entry[0] != who]
            self.results[who] = Full

    def interrupt(self, who: str, after_all: bool) -> None:
        if who in self.blocked() or any(who == one for one, _ in self.pending):
            self.getters = [one for one in self.getters if one != who]
            self.putters = [entry for entry in self.putters if entry[0] != who]
            self.pending = [entry for entry in self.pending if entry[0] != who]
            self.results[who] = INTERRUPTED
        elif after_all and who in self.handed and self.results.get(who) == self.handed[who]:
            self.give_back(self.handed.pop(who))
            self.results[who] = INTERRUPTED

    def blocked(self) -> list[str]:
        return self.getters + [who for who, _ in self.putters]

    def state(self) -> Any:
        return self.items


class LifoModel(QueueModel):
    def pop(self) -> int:
        return self.items.pop()


class PriorityModel(QueueModel):
    always_pending = True  # whoever makes room compares nothing

    def pop(self) -> int:
        self.items.sort()
        return self.items.pop(0)

    def state(self) -> Any:
        return sorted(self.items)


class QueueMachine(Machine):
    Model = QueueModel
    calls = st.one_of(waiting_call("get"), waiting_call("put", st.integers(0, 9)))
    calls_that_wait = st.one_of(
        st.tuples(st.just("get"), st.just(FOREVER)), st.tuples(st.just("put"), st.integers(0, 9), st.just(FOREVER))
    )

    def make(self) -> Any:
        return Queue(SIZE)

    def state(self) -> Any:
        return self.primitive._items()

    def can_be_served(self) -> bool:
        q = self.primitive
        return bool(q.getters and q.qsize()) or bool(q.putters and not q.full())

    def let_somebody_through(self) -> tuple[str, Call]:
        return MAIN, ("put", 5, NOT_AT_ALL) if self.primitive.getters else ("get", NOT_AT_ALL)

    def get(self, who: str, patience: float | None) -> Any:
        return partial(self.primitive.get, timeout=patience)

    def put(self, who: str, item: int, patience: float | None) -> Any:
        return partial(self.primitive.put, item, timeout=patience)


class LifoMachine(QueueMachine):
    Model = LifoModel

    def make(self) -> Any:
        return LifoQueue(SIZE)


class PriorityMachine(QueueMachine):
    Model = PriorityModel

    def make(self) -> Any:
        return PriorityQueue(SIZE)

    def state(self) -> Any:
        return sorted(self.primitive._items())


@pytest.mark.parametrize("kind", ["threads", "asyncio and trio", "mixed"])
@pytest.mark.parametrize("machine", [QueueMachine, LifoMachine, PriorityMachine])
def test_does_what_its_model_does(machine: type[Machine], kind: str) -> None:
    run_state_machine_as_test(
        type(f"{machine.__name__}: {kind}", (machine,), {"kind": kind}),
        settings=settings(
            max_examples=25, stateful_step_count=20, deadline=None, suppress_health_check=[HealthCheck.too_slow]
        ),
    )
