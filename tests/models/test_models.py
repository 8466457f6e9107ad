"""What each primitive does, in a dozen lines of Python, and a few threads and tasks that see whether it does that."""

from collections.abc import Callable
from functools import partial
from typing import Any

import hypothesis.strategies as st
import pytest
from hypothesis import HealthCheck, settings
from hypothesis.stateful import run_state_machine_as_test
from models.machine import BRIEFLY, FOREVER, INTERRUPTED, MAIN, NOT_AT_ALL, Call, Machine, Model, call, waiting_call

from interlock import (
    Barrier,
    BoundedSemaphore,
    BrokenBarrierError,
    Condition,
    DeadlockError,
    Event,
    Latch,
    Lock,
    RLock,
    RWLock,
    Semaphore,
    WaitQueue,
)

How = Callable[[], Any]


def timeout(patience: float | None) -> float:
    return -1 if patience is None else patience


# --- Lock -----------------------------------------------------------------------------------------------------


class LockModel(Model):
    barging = True
    holder: str | None = None

    def fits(self, want: None) -> bool:
        return self.holder is None

    def grant(self, who: str, want: None) -> bool:
        self.holder = who
        return True

    def take_back(self, who: str) -> None:
        self.holder = None

    def state(self) -> Any:
        return self.holder

    def acquire(self, who: str, patience: float | None) -> None:
        self.ask(who, None, patience)

    def enter(self, who: str, patience: float | None) -> None:
        self.ask(who, None, patience)

    def release(self, who: str) -> None:
        """Any party may, however the lock was taken."""
        self.results[who] = RuntimeError if self.holder is None else None
        self.holder = None


class LockMachine(Machine):
    Model = LockModel
    make = Lock
    calls_that_wait = st.sampled_from([("acquire", FOREVER), ("enter", FOREVER)])
    calls = st.one_of(waiting_call("acquire"), call("release"), call("release"), calls_that_wait)

    def state(self) -> Any:
        return self.name_of(self.primitive.owner)

    def can_be_served(self) -> bool:
        return bool(self.primitive.waiters) and not self.primitive.locked()

    def possible(self, calls: list[tuple[str, Call]]) -> list[tuple[str, Call]]:
        """Nobody waits for itself."""
        possible = super().possible(calls)
        return [(who, call) for who, call in possible if self.patience_of(call) != FOREVER or who != self.model.holder]

    def interrupt_main(self, mine: Call, others: list[tuple[str, Call]]) -> None:
        if self.model.holder != MAIN:
            super().interrupt_main(mine, others)

    def let_somebody_through(self) -> tuple[str, Call]:
        return self.model.holder, ("release",)

    def acquire(self, who: str, patience: float | None) -> How:
        return partial(self.primitive.acquire, True, timeout(patience))

    def enter(self, who: str, patience: float | None) -> How:
        return self.primitive.__enter__

    def release(self, who: str) -> How:
        return self.primitive.release


# --- RLock ----------------------------------------------------------------------------------------------------


class RLockModel(Model):
    barging = True
    holder: str | None = None
    depth = 0

    def fits(self, want: None) -> bool:
        return self.holder is None

    def grant(self, who: str, want: None) -> bool:
        self.holder, self.depth = who, 1
        return True

    def take_back(self, who: str) -> None:
        self.holder, self.depth = None, 0

    def state(self) -> Any:
        return self.holder, self.depth

    def acquire(self, who: str, patience: float | None) -> None:
        if self.holder == who:
            self.depth += 1
            self.results[who] = True
        else:
            self.ask(who, None, patience)

    def release(self, who: str) -> None:
        self.results[who] = None if self.holder == who else RuntimeError
        if self.holder == who:
            self.depth -= 1
            self.holder = who if self.depth else None

    def interrupt(self, who: str, after_all: bool) -> None:
        # One who had the lock before did not wait.
        super().interrupt(who, after_all and self.depth == 1)


class RLockMachine(LockMachine):
    Model = RLockModel
    make = RLock
    calls_that_wait = st.just(("acquire", FOREVER))
    calls = st.one_of(waiting_call("acquire"), call("release"))

    def state(self) -> Any:
        count = repr(self.primitive).partition("count=")[2]
        return super().state(), int(count.split()[0].rstrip(">")) if count else 0


# --- Semaphore ------------------------------------------------------------------------------------------------


class SemaphoreModel(Model):
    barging = True
    value = 2
    most = 1_000_000

    def __init__(self) -> None:
        super().__init__()
        self.granted: dict[str, int] = {}

    def fits(self, want: int) -> bool:
        return self.value >= want

    def grant(self, who: str, want: int) -> bool:
        self.value -= want
        self.granted[who] = want
        return True

    def take_back(self, who: str) -> None:
        # A release that was one too many found room while `who` had its permits.
        self.value = min(self.value + self.granted[who], self.most)

    def state(self) -> Any:
        return self.value

    def acquire(self, who: str, permits: int, patience: float | None) -> None:
        if permits > self.most:
            self.results[who] = ValueError
        else:
            self.ask(who, permits, patience)

    def release(self, who: str, n: int) -> None:
        fits = self.value + n <= self.most
        self.value += n if fits else 0
        self.results[who] = None if fits else ValueError


class SemaphoreMachine(Machine):
    Model = SemaphoreModel
    permits = st.sampled_from([1, 1, 2, 3])
    calls_that_wait = st.tuples(st.just("acquire"), permits, st.just(FOREVER))
    calls = st.one_of(waiting_call("acquire", permits), call("release", permits))

    def make(self) -> Any:
        self.wants: dict[str, int] = {}
        return Semaphore(2)

    def state(self) -> Any:
        return self.primitive._value

    def can_be_served(self) -> bool:
        queue = self.queue()
        return bool(queue) and self.primitive._value >= self.wants[queue[0]]

    def let_somebody_through(self) -> tuple[str, Call]:
        return MAIN, ("release", 1)

    def acquire(self, who: str, permits: int, patience: float | None) -> How:
        self.wants[who] = permits
        return partial(self.primitive.acquire, timeout=patience, permits=permits)

    def release(self, who: str, n: int) -> How:
        return partial(self.primitive.release, n)


class BoundedSemaphoreModel(SemaphoreModel):
    most = 2


class BoundedSemaphoreMachine(SemaphoreMachine):
    Model = BoundedSemaphoreModel

    def make(self) -> Any:
        super().make()
        return BoundedSemaphore(2)


# --- Event ----------------------------------------------------------------------------------------------------


class EventModel(Model):
    flag = False

    def fits(self, want: None) -> bool:
        return self.flag

    def state(self) -> Any:
        return self.flag

    def wait(self, who: str, patience: float | None) -> None:
        self.ask(who, None, patience)

    def set(self, who: str) -> None:
        self.flag = True
        self.results[who] = None

    def clear(self, who: str) -> None:
        self.flag = False
        self.results[who] = None


class EventMachine(Machine):
    Model = EventModel
    make = Event
    calls_that_wait = st.just(("wait", FOREVER))
    calls = st.one_of(waiting_call("wait"), waiting_call("wait"), call("set"), call("clear"))

    def state(self) -> Any:
        return self.primitive.is_set()

    def let_somebody_through(self) -> tuple[str, Call]:
        return MAIN, ("set",)

    def wait(self, who: str, patience: float | None) -> How:
        return partial(self.primitive.wait, patience)

    def set(self, who: str) -> How:
        return self.primitive.set

    def clear(self, who: str) -> How:
        return self.primitive.clear


# --- Latch ----------------------------------------------------------------------------------------------------


class LatchModel(Model):
    left = 4

    def fits(self, want: None) -> bool:
        return self.left == 0

    def state(self) -> Any:
        return self.left

    def wait(self, who: str, patience: float | None) -> None:
        self.ask(who, None, patience)

    def count_down(self, who: str, n: int) -> None:
        self.results[who] = None if n <= self.left else ValueError
        self.left -= n if n <= self.left else 0


class LatchMachine(Machine):
    Model = LatchModel
    calls_that_wait = st.just(("wait", FOREVER))
    calls = st.one_of(waiting_call("wait"), waiting_call("wait"), call("count_down", st.sampled_from([1, 2])))

    def make(self) -> Any:
        return Latch(4)

    def state(self) -> Any:
        return self.primitive.count

    def let_somebody_through(self) -> tuple[str, Call]:
        return MAIN, ("count_down", 1)

    def wait(self, who: str, patience: float | None) -> How:
        return partial(self.primitive.wait, patience)

    def count_down(self, who: str, n: int) -> How:
        return partial(self.primitive.count_down, n)


# --- WaitQueue ------------------------------------------------------------------------------------------------


class WaitQueueModel(Model):
    wakes = 0

    def park(self, who: str, patience: float | None) -> None:
        self.ask(who, None, patience)

    def unpark(self, who: str, n: int) -> None:
        woken = self.queue[:n]
        self.queue = self.queue[n:]
        self.results.update({waiter: True for waiter, _ in woken})
        self.results[who] = len(woken)

    def take_back(self, who: str) -> None:
        self.unpark(who, 1)


class WaitQueueMachine(Machine):
    Model = WaitQueueModel
    make = WaitQueue
    calls_that_wait = st.just(("park", FOREVER))
    parks = call("park", st.sampled_from([FOREVER, FOREVER, BRIEFLY]))
    calls = st.one_of(parks, parks, call("unpark", st.sampled_from([0, 1, 2, 9])))

    def let_somebody_through(self) -> tuple[str, Call]:
        return MAIN, ("unpark", 1)

    def park(self, who: str, patience: float | None) -> How:
        return partial(self.primitive.park, patience)

    def unpark(self, who: str, n: int) -> How:
        return partial(self.primitive.unpark, n)


# --- Barrier --------------------------------------------------------------------------------------------------


class BarrierModel(Model):
    broken = False

    def state(self) -> Any:
        return len(self.queue), self.broken

    def wait(self, who: str, patience: float | None) -> None:
        if self.broken:
            self.results[who] = BrokenBarrierError
            return
        self.queue.append((who, None))
        if len(self.queue) == 3:
            self.results.update({who: index for index, (who, _) in enumerate(self.queue)})
            self.queue = []

    def end(self, broken: bool) -> None:
        self.results.update(dict.fromkeys(self.blocked(), BrokenBarrierError))
        self.queue = []
        self.broken = broken

    def abort(self, who: str) -> None:
        self.end(True)
        self.results[who] = None

    def reset(self, who: str) -> None:
        self.end(False)
        self.results[who] = None

    def expire(self, who: str) -> None:
        if who in self.blocked():
            self.end(True)

    def interrupt(self, who: str, after_all: bool) -> None:
        if not self.leave(who, INTERRUPTED) and after_all:
            self.results[who] = INTERRUPTED


class BarrierMachine(Machine):
    Model = BarrierModel
    calls_that_wait = st.just(("wait", FOREVER))
    calls = st.one_of(
        st.just(("wait", FOREVER)), st.sampled_from([("wait", FOREVER), ("wait", BRIEFLY), ("abort",), ("reset",)])
    )

    def make(self) -> Any:
        return Barrier(3)

    def state(self) -> Any:
        return self.primitive.n_waiting, self.primitive.broken

    def let_somebody_through(self) -> tuple[str, Call]:
        return MAIN, ("abort",)

    def wait(self, who: str, patience: float | None) -> How:
        return partial(self.primitive.wait, patience)

    def abort(self, who: str) -> How:
        return self.primitive.abort

    def reset(self, who: str) -> How:
        return self.primitive.reset


# --- RWLock ---------------------------------------------------------------------------------------------------


class RWLockModel(Model):
    def __init__(self) -> None:
        super().__init__()
        self.holds: list[tuple[str, str]] = []  # who, and what for

    def parties(self, want: str) -> list[str]:
        return [who for who, what in self.holds if what == want]

    def fits(self, want: str) -> bool:
        return not self.parties("write") and (want == "read" or not self.holds)

    def grant(self, who: str, want: str) -> bool:
        self.holds.append((who, want))
        return True

    def take_back(self, who: str) -> None:
        self.release(who)

    def state(self) -> Any:
        return self.parties("write"), len(self.parties("read"))

    def read(self, who: str, patience: float | None) -> None:
        if who in self.parties("write"):
            self.results[who] = DeadlockError
        elif who in self.parties("read"):
            self.results[who] = self.grant(who, "read")
        else:
            self.ask(who, "read", patience)

    def write(self, who: str, patience: float | None) -> None:
        if who in self.parties("write") + self.parties("read"):
            self.results[who] = DeadlockError
        else:
            self.ask(who, "write", patience)

    def release(self, who: str) -> None:
        """Give back what was had last."""
        mine = [hold for hold in self.holds if hold[0] == who]
        self.results[who] = None if mine else RuntimeError
        if mine:
            self.holds.remove(mine[-1])

    def interrupt(self, who: str, after_all: bool) -> None:
        # One who read before did not wait.
        super().interrupt(who, after_all and self.parties("read").count(who) <= 1)


class RWLockMachine(Machine):
    Model = RWLockModel
    calls_that_wait = st.sampled_from([("read", FOREVER), ("write", FOREVER)])
    calls = st.one_of(waiting_call("read"), waiting_call("write"), call("release"), call("release"))

    def make(self) -> Any:
        self.sides: dict[str, list[Any]] = {}
        self.asking: dict[str, Any] = {}
        return RWLock()

    def state(self) -> Any:
        owner = self.name_of(self.primitive.owner)
        return [owner] if owner else [], self.primitive.readers

    def let_somebody_through(self) -> tuple[str, Call]:
        return next(who for who, _ in self.model.holds), ("release",)  # type: ignore[attr-defined]

    def collect(self, who: str, result: Any) -> None:
        side = self.asking.pop(who, None)
        if side is not None and result is True:
            self.sides.setdefault(who, []).append(side)

    def read(self, who: str, patience: float | None) -> How:
        self.asking[who] = self.primitive.read()
        return partial(self.asking[who].acquire, timeout=patience)

    def write(self, who: str, patience: float | None) -> How:
        self.asking[who] = self.primitive.write()
        return partial(self.asking[who].acquire, timeout=patience)

    def release(self, who: str) -> How:
        mine = self.sides.get(who)
        return (mine.pop() if mine else self.primitive.read()).release


# --- Condition ------------------------------------------------------------------------------------------------


class OneOf:
    """Equal to each of the values."""

    def __init__(self, *values: object):
        self.values = values

    def __eq__(self, other: object) -> bool:
        return other in self.values

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return " or ".join(map(repr, self.values))


FALSE_OR_INTERRUPTED = OneOf(False, INTERRUPTED)


AFTER_ONE = "after one"


class ConditionModel(Model):
    """The queue is that of the lock. Who is in it wants the lock some levels deep, and to return something.

    One who only signals frees the lock again, so the next is told within the same step. It may be late like the first.
    """

    barging = True
    later = (AFTER_ONE,)

    def __init__(self) -> None:
        super().__init__()
        self.holder: str | None = None
        self.depth = 0
        self.waiting: list[tuple[str, int]] = []  # not notified yet, and how deep they had the lock
        self.notified: set[str] = set()  # of those who are in the queue

    def fits(self, want: Any) -> bool:
        return self.holder is None

    def grant(self, who: str, want: Any) -> Any:
        depth, result = want
        if result == "signal":
            self.wake(depth)
            return None
        self.holder, self.depth = who, depth
        if result == INTERRUPTED and who in self.notified:
            self.wake(1)
        self.notified.discard(who)
        return result

    def serve(self, late: Any = False) -> None:
        first = self.queue[0] if self.queue else None
        if first is None or first[1][1] != "signal" or not self.fits(first[1]):
            super().serve(bool(late))
        elif late == AFTER_ONE:
            del self.queue[0]
            self.results[first[0]] = self.grant(*first)
            self.serve(True)
        elif late and first[0] in self.tasks:
            self.woken = False  # it has the lock, and its loop has not come to its notification yet
        else:
            super().serve(late)

    def take_back(self, who: str) -> None:
        self.holder, self.depth = None, 0

    def state(self) -> Any:
        return self.holder

    def blocked(self) -> list[str]:
        return [who for who, _ in self.waiting] + super().blocked()

    def wake(self, n: int) -> None:
        for who, depth in self.waiting[:n]:
            self.queue.append((who, (depth, True)))
            self.notified.add(who)
        self.waiting = self.waiting[n:]

    def come_back(self, who: str, result: Any) -> bool:
        """Not notified, `who` comes for the lock. False if it was."""
        for waiter, depth in self.waiting:
            if waiter == who:
                self.waiting.remove((waiter, depth))
                self.ask(who, (depth, result), FOREVER)
                return True
        return False

    def acquire(self, who: str, patience: float | None) -> None:
        if self.holder == who:
            self.depth += 1
            self.results[who] = True
        else:
            self.ask(who, (1, True), patience)

    def release(self, who: str) -> None:
        self.results[who] = None if self.holder == who else RuntimeError
        if self.holder == who:
            self.depth -= 1
            self.holder = who if self.depth else None

    def wait(self, who: str, patience: float | None) -> None:
        if self.holder == who:
            self.waiting.append((who, self.depth))
            self.take_back(who)
        else:
            self.results[who] = RuntimeError

    def notify(self, who: str, n: int) -> None:
        self.results[who] = None if self.holder == who else RuntimeError
        if self.holder == who:
            self.wake(n)

    def signal(self, who: str, n: int, patience: float | None) -> None:
        """Acquire, notify and release."""
        if self.holder == who:
            self.wake(n)
            self.results[who] = None
        else:
            self.ask(who, (n, "signal"), patience)

    def expire(self, who: str) -> None:
        if not self.come_back(who, False) and who not in self.notified:
            self.leave(who, False)

    def interrupt(self, who: str, after_all: bool) -> None:
        if self.come_back(who, INTERRUPTED):
            return
        if who in self.notified:
            self.queue = [(one, (want[0], INTERRUPTED) if one == who else want) for one, want in self.queue]
        elif any(one == who and want[1] is False for one, want in self.queue):
            # Its time was up, and it comes for the lock. asyncio's cancellation comes out once it has that; in trio the
            # task is shielded until then, and is cancelled wherever it waits next.
            self.queue = [(one, (want[0], FALSE_OR_INTERRUPTED) if one == who else want) for one, want in self.queue]
        elif after_all and self.results.get(who) is True:
            self.results[who] = INTERRUPTED
            self.wake(1)


class ConditionMachine(Machine):
    Model = ConditionModel
    calls_that_wait = st.just(("wait", FOREVER))
    some = st.sampled_from([1, 1, 2, 9])
    calls = st.one_of(
        waiting_call("acquire"),
        call("release"),
        call("wait", st.sampled_from([FOREVER, FOREVER, BRIEFLY])),
        call("notify", some),
        call("signal", some, st.just(FOREVER)),
    )
    meanwhile = call("signal", some, st.just(FOREVER))

    def make(self) -> Any:
        return Condition(RLock())

    @property
    def lock(self) -> Any:
        return self.primitive._lock

    def state(self) -> Any:
        return self.name_of(self.primitive.owner)

    def queue(self) -> list[str]:
        return self.names(self.primitive.waiters) + self.names(self.lock.waiters)

    def can_be_served(self) -> bool:
        return bool(self.lock.waiters) and not self.lock.locked()

    def blocked_for_good(self) -> list[str]:
        """One who has waited briefly for a notification waits for the lock with all patience."""
        for_a_notification = self.names(self.primitive.waiters)
        return [who for who in for_a_notification if who not in self.brief] + [
            who for who in self.names(self.lock.waiters) if who not in self.brief or who in self.in_wait
        ]

    def let_somebody_through(self) -> tuple[str, Call]:
        holder = self.state()
        return (holder, ("release",)) if holder else (MAIN, ("signal", 9, NOT_AT_ALL))

    def interrupt_main(self, mine: Call, others: list[tuple[str, Call]]) -> None:
        self.step([(MAIN, ("acquire", NOT_AT_ALL))])
        # Whoever got the lock meanwhile would keep the main thread in its `wait`.
        if self.model.holder == MAIN and not self.model.queue:
            super().interrupt_main(mine, [] if self.model.waiting else others)

    def begin(self, who: str, call: Call) -> None:
        self.in_wait.discard(who)
        if call[0] == "wait":
            self.in_wait.add(who)
        super().begin(who, call)

    def __init__(self) -> None:
        super().__init__()
        self.in_wait: set[str] = set()

    def acquire(self, who: str, patience: float | None) -> How:
        return partial(self.lock.acquire, True, timeout(patience))

    def release(self, who: str) -> How:
        return self.primitive.release

    def wait(self, who: str, patience: float | None) -> How:
        return partial(self.primitive.wait, patience)

    def notify(self, who: str, n: int) -> How:
        return partial(self.primitive.notify, n)

    def signal(self, who: str, n: int, patience: float | None) -> How:
        def signal() -> None:
            with self.primitive:
                self.primitive.notify(n)

        return signal

    def signal_by_task(self, who: str, n: int, patience: float | None) -> How:
        async def signal() -> None:
            async with self.primitive:
                self.primitive.notify(n)

        return signal

    def can_be_cancelled(self, who: str) -> bool:
        """Of a call that takes the lock, the model knows no cancellation."""
        return who in self.in_wait and super().can_be_cancelled(who)


MACHINES = [
    LockMachine, RLockMachine, SemaphoreMachine, BoundedSemaphoreMachine, EventMachine, LatchMachine,
    WaitQueueMachine, BarrierMachine, RWLockMachine, ConditionMachine,
]  # fmt: skip


def test_a_waiter_may_be_late_after_one_who_only_signalled() -> None:
    """`a` waits briefly: `b` gets the lock and signals `c`, and `a` gives up and is back before `c` gets there."""
    machine = with_parties(ConditionMachine, "threads")()
    machine.party_maker.dismiss()
    model = machine.model
    assert isinstance(model, ConditionModel)
    model.queue, model.waiting, model.holder, model.depth = [("b", (1, "signal"))], [("c", 2)], "a", 1
    allowed = [after.seen() for after in machine.allowed(machine.events([("a", ("wait", BRIEFLY))]))]
    assert ({"b": None, "a": False}, ["c"], "a") in allowed
    assert ({"b": None}, ["c"], "a") not in allowed  # whoever has the lock has returned


def with_parties(machine: type[Machine], kind: str) -> type[Machine]:
    return type(f"{machine.__name__}: {kind}", (machine,), {"kind": kind})


KINDS = ["threads", "asyncio and trio", "mixed"]


def run_machine(machine: type[Machine], kind: str, examples: int) -> None:
    run_state_machine_as_test(
        with_parties(machine, kind),
        settings=settings(
            max_examples=examples, stateful_step_count=25, deadline=None, suppress_health_check=[HealthCheck.too_slow]
        ),
    )


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("machine", MACHINES)
def test_does_what_its_model_does(machine: type[Machine], kind: str) -> None:
    """A few examples; `tests/slow/models` has more."""
    run_machine(machine, kind, 12)
