"""Arguments: what `threading` accepts, and its errors.

Each call is made twice, to the class of `threading` that this interpreter has and to ours, and has to come to
the same: what is returned, or the type of what is raised. Where it does not, it is `OnPurpose`, with the reason.
"""

import math
import sys
import threading
from collections.abc import Callable
from decimal import Decimal
from fractions import Fraction
from typing import Any, NamedTuple

import pytest
from parties import Parties, blocked, unchanged, wait_until

import interlock
from interlock import Barrier, Event, Latch, RWLock, WaitQueue


class Index:
    """As good as the int 0 where `operator.index` is asked."""

    def __index__(self) -> int:
        return 0


class Float:
    """As good as 0.0 where `float` is asked, and no number otherwise."""

    def __float__(self) -> float:
        return 0.0


class MyInt(int):
    pass


DEFAULT = object()  # the argument is not given
SOON = 0.005

TIMEOUTS: dict[str, Any] = {
    "default": DEFAULT,
    "None": None,
    "True": True,
    "False": False,
    "0": 0,
    "1": 1,
    "-1": -1,
    "-100": -100,
    "0.0": 0.0,
    "-0.0": -0.0,
    "soon": SOON,
    "1e-12": 1e-12,
    "3600.5": 3600.5,
    "-0.5": -0.5,
    "-1.0": -1.0,
    "-1e-12": -1e-12,
    "1e100": 1e100,
    "inf": math.inf,
    "-inf": -math.inf,
    "nan": math.nan,
    "TIMEOUT_MAX": threading.TIMEOUT_MAX,
    "int(TIMEOUT_MAX)": int(threading.TIMEOUT_MAX),
    "TIMEOUT_MAX + 1": threading.TIMEOUT_MAX + 1,
    "2**63": 2**63,
    "-2**63": -(2**63),
    "10**400": 10**400,
    "MyInt(0)": MyInt(0),
    "'1'": "1",
    "b'1'": b"1",
    "[]": [],
    "1j": 1j,
    "Index": Index(),
    "Float": Float(),
    "Fraction(1, 200)": Fraction(1, 200),
    "Fraction(-2)": Fraction(-2),
    "Decimal('0.005')": Decimal("0.005"),
    "Decimal(-2)": Decimal(-2),
}
BLOCKING: dict[str, Any] = {
    "default": DEFAULT,
    "True": True,
    "False": False,
    "1": 1,
    "0": 0,
    "-1": -1,
    "None": None,
    "0.0": 0.0,
    "0.5": 0.5,
    "''": "",
    "'no'": "no",
    "[]": [],
    "2**31": 2**31,
    "2**70": 2**70,
    "object": object(),
}
WAIT_LONG = {"True", "1", "3600.5", "TIMEOUT_MAX", "int(TIMEOUT_MAX)"}
OF_A_LOCK = {"Lock", "RLock", "Condition"}
WAIT_FOR_EVER = {kind: {"default", "-1", "-1.0"} for kind in OF_A_LOCK}
WAIT_FOR_EVER |= {kind: {"default", "None"} for kind in ("Semaphore", "BoundedSemaphore")}
OUT_OF_RANGE = {"1e100", "inf", "TIMEOUT_MAX + 1", "2**63", "10**400"}
NO_NUMBERS = {"nan", "'1'", "b'1'", "[]", "1j"}
NUMBERS_BY_FLOAT_ONLY = {"Float", "Fraction(1, 200)", "Fraction(-2)", "Decimal('0.005')", "Decimal(-2)"}


def outcome(call: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    """What a call returns, or the type of what it raises."""
    try:
        return call(*args, **kwargs)
    except Exception as error:
        return type(error)


def given(**arguments: Any) -> dict[str, Any]:
    return {name: value for name, value in arguments.items() if value is not DEFAULT}


class OnPurpose(NamedTuple):
    """A difference that is meant."""

    ours: Any
    because: str


def parametrized(kinds: list[str], names: dict[str, Any]) -> Any:
    """Every kind with every argument."""
    return pytest.mark.parametrize(("kind", "name"), [(kind, name) for kind in kinds for name in names])


# --- acquire ----------------------------------------------------------------------------------------------------


def acquire_on_purpose(kind: str, state: str, blocking: str, timeout: str) -> OnPurpose | None:
    if kind in OF_A_LOCK:
        if sys.version_info < (3, 12) and (blocking not in ("default", "True", "False", "1", "0", "-1")):
            return OnPurpose(DEFAULT, "3.11 wants a C int for blocking; later versions, and ours, any truth value")
    elif state == "held" and BLOCKING[blocking]:
        if timeout == "nan":
            return OnPurpose(ValueError, "threading never returns: no comparison with NaN ends its loop")
        if timeout == "Index":
            return OnPurpose(False, "a lock of threading takes it; here it is added to a float first")
        if timeout == "Fraction(-2)":
            return OnPurpose(TypeError, "threading compares it with 0 and never converts it")
    return None


ACQUIRING = ["Lock", "RLock", "Semaphore", "BoundedSemaphore", "Condition"]


def make_both(kind: str) -> tuple[Any, Any]:
    return getattr(threading, kind)(), getattr(interlock, kind)()


@parametrized(ACQUIRING, TIMEOUTS)
def test_acquire(kind: str, name: str, parties: Parties) -> None:
    holder, caller = parties(2)
    found, expected = {}, {}
    for state in ("free", "held"):
        for blocking, value in BLOCKING.items():
            arguments = given(blocking=value, timeout=TIMEOUTS[name])
            if state == "held" and value and name in WAIT_LONG | WAIT_FOR_EVER[kind]:
                continue  # the next test
            key = (state, blocking)
            theirs, ours = make_both(kind)
            purpose = acquire_on_purpose(kind, state, blocking, name)
            if purpose is None:
                if state == "held":
                    holder.do(theirs.acquire)
                expected[key] = caller.do(outcome, theirs.acquire, **arguments)
            elif purpose.ours is not DEFAULT:
                expected[key] = purpose.ours
            if state == "held":
                holder.do(ours.acquire)
            found[key] = caller.do(outcome, ours.acquire, **arguments)
            assert ours.waiters == () if kind != "Condition" else ours._lock.waiters == ()
            if key not in expected:
                # As with the truth value itself.
                truth = given(blocking=bool(value), timeout=TIMEOUTS[name])
                expected[key] = caller.do(outcome, make_held(kind, state, holder).acquire, **truth)
    assert found == expected


def make_held(kind: str, state: str, holder: Any) -> Any:
    ours = make_both(kind)[1]
    if state == "held":
        holder.do(ours.acquire)
    return ours


@pytest.mark.parametrize("kind", ACQUIRING)
def test_acquire_that_waits(kind: str, parties: Parties) -> None:
    """For these, the one before is not asked: it would wait too long, or for ever."""
    holder, caller = parties(2)
    for timeout in sorted(WAIT_LONG | WAIT_FOR_EVER[kind]):
        for blocking in (DEFAULT, True, 1):
            ours = make_held(kind, "held", holder)
            waiting = caller.begin(ours.acquire, **given(blocking=blocking, timeout=TIMEOUTS[timeout]))
            blocked(ours._lock if kind == "Condition" else ours, 1)
            holder.do(ours.release)
            assert waiting.result() is True


@pytest.mark.parametrize("kind", ACQUIRING)
def test_acquire_by_position_and_by_name(kind: str, parties: Parties) -> None:
    holder, caller = parties(2)
    theirs, ours = make_both(kind)
    for lock in (theirs, ours):
        holder.do(lock.acquire)
    calls: list[tuple[tuple[Any, ...], dict[str, Any]]] = [
        ((True, SOON), {}),
        ((True,), {"timeout": SOON}),
        ((False,), {}),
        ((False, None), {}),
        ((False, -1), {}),
        ((False, SOON), {}),
        ((), {"blocking": False, "timeout": SOON}),
        ((True, SOON, 1), {}),
        ((), {"block": True}),
        ((True,), {"blocking": True}),
        ((), {"wait": 1}),
    ]
    for args, kwargs in calls:
        expected = caller.do(outcome, theirs.acquire, *args, **kwargs)
        assert caller.do(outcome, ours.acquire, *args, **kwargs) == expected, (args, kwargs)


# --- wait -------------------------------------------------------------------------------------------------------

# Those with which a wait that nobody ends comes to an end soon.
END = {name: timeout for name, timeout in TIMEOUTS.items() if name not in WAIT_LONG | {"default", "None"}}
WAITING = ["Event.wait", "Condition.wait", "Condition.wait_for", "Barrier.wait", "Barrier(timeout)"]


def waiting_call(module: Any, kind: str, timeout: Any) -> Any:
    """What a wait comes to that nobody ends."""
    if kind == "Event.wait":
        return outcome(module.Event().wait, **given(timeout=timeout))
    if kind == "Barrier.wait":
        return outcome(module.Barrier(2).wait, **given(timeout=timeout))
    if kind == "Barrier(timeout)":
        return outcome(lambda: module.Barrier(2, **given(timeout=timeout)).wait())
    condition = module.Condition()
    with condition:
        if kind == "Condition.wait":
            return outcome(condition.wait, **given(timeout=timeout))
        return outcome(condition.wait_for, lambda: 0, **given(timeout=timeout))


def wait_on_purpose(kind: str, timeout: str) -> OnPurpose | None:
    if timeout == "nan":
        return OnPurpose(ValueError, "threading takes NaN for 0, or never returns: no comparison ends its loop")
    if timeout in ("Fraction(-2)", "Decimal(-2)"):
        return OnPurpose(TypeError, "threading compares it with 0 and never converts it")
    if timeout == "Index":
        ours = threading.BrokenBarrierError if kind.startswith("Barrier") else 0
        return OnPurpose(ours, "a lock of threading takes it; here it is compared with an int first")
    return None


@parametrized(WAITING, END)
def test_wait(kind: str, name: str, parties: Parties) -> None:
    caller = parties.one()
    purpose = wait_on_purpose(kind, name)
    expected = purpose.ours if purpose else caller.do(waiting_call, threading, kind, TIMEOUTS[name])
    assert caller.do(waiting_call, interlock, kind, TIMEOUTS[name]) == expected


@pytest.mark.parametrize("name", sorted(TIMEOUTS.keys() - END.keys()))
def test_wait_that_waits(name: str, parties: Parties) -> None:
    arguments = given(timeout=TIMEOUTS[name])
    caller = parties.one()
    event, latch, queue, barrier = Event(), Latch(1), WaitQueue(), Barrier(2)
    for primitive, wait, end, result in (
        (event, event.wait, event.set, True),
        (latch, latch.wait, latch.count_down, True),
        (queue, queue.park, queue.unpark, True),
        (barrier, barrier.wait, barrier.wait, 0),
    ):
        waiting = caller.begin(wait, **arguments)
        blocked(primitive, 1)
        end()
        assert waiting.result() == result


@parametrized(WAITING, TIMEOUTS)
def test_no_need_to_wait(kind: str, name: str, parties: Parties) -> None:
    """Then `threading` does not look at the timeout, whatever it is. A barrier is not made with NaN."""
    caller = parties.one()
    arguments = given(timeout=TIMEOUTS[name])

    def call(module: Any) -> Any:
        if kind == "Event.wait":
            event = module.Event()
            event.set()
            return outcome(event.wait, **arguments)
        if kind == "Condition.wait":
            # Somebody who does not hold the lock.
            return outcome(module.Condition().wait, **arguments)
        if kind == "Condition.wait_for":
            return outcome(module.Condition().wait_for, lambda: "true", **arguments)
        if kind == "Barrier.wait":
            return outcome(module.Barrier(1).wait, **arguments)
        return outcome(lambda: module.Barrier(1, **arguments).wait())

    ours, theirs = caller.do(call, interlock), caller.do(call, threading)
    if (kind, name) == ("Barrier(timeout)", "nan"):
        assert (ours, theirs) == (ValueError, 0)
    else:
        assert ours == theirs


# What has no namesake takes what `Event.wait` takes.
OF_OUR_OWN: dict[str, Callable[[], Callable[..., Any]]] = {
    "Latch.wait": lambda: Latch(1).wait,
    "WaitQueue.park": lambda: WaitQueue().park,
}


@pytest.mark.parametrize("kind", OF_OUR_OWN)
@pytest.mark.parametrize("name", END)
def test_wait_of_what_has_no_namesake(kind: str, name: str, parties: Parties) -> None:
    caller = parties.one()
    expected = caller.do(waiting_call, interlock, "Event.wait", TIMEOUTS[name])
    assert caller.do(outcome, OF_OUR_OWN[kind](), timeout=TIMEOUTS[name]) == expected


@pytest.mark.parametrize("name", END)
def test_acquire_of_a_side(name: str, parties: Parties) -> None:
    """As `Semaphore.acquire`."""
    holder, caller = parties(2)
    lock = RWLock()
    holder.enter(lock.write())
    expected = caller.do(outcome, make_held("Semaphore", "held", holder).acquire, timeout=TIMEOUTS[name])
    for make in (lock.read, lock.write):
        with unchanged(lock):
            assert caller.do(outcome, make().acquire, timeout=TIMEOUTS[name]) == expected
            assert caller.do(outcome, make().acquire, False, timeout=TIMEOUTS[name]) is ValueError


# --- numbers ----------------------------------------------------------------------------------------------------

NUMBERS: dict[str, Any] = {
    "True": True,
    "False": False,
    "0": 0,
    "1": 1,
    "2": 2,
    "-1": -1,
    "MyInt(2)": MyInt(2),
    "1.0": 1.0,
    "2.5": 2.5,
    "-0.5": -0.5,
    "nan": math.nan,
    "inf": math.inf,
    "maxsize": sys.maxsize,
    "maxsize + 1": sys.maxsize + 1,
    "10**30": 10**30,
    "-10**30": -(10**30),
    "'1'": "1",
    "None": None,
    "[]": [],
    "Float": Float(),
}

COUNTING = [
    "Semaphore(value)",
    "BoundedSemaphore(value)",
    "Barrier(parties)",
    "Semaphore.release",
    "BoundedSemaphore.release",
    "Condition.notify",
]


def counting_call(module: Any, kind: str, number: Any, parties: Parties) -> Any:
    """What the call comes to and, where it succeeds, what is there afterwards."""
    name, _, method = kind.partition(".")
    if not method:
        name = kind.partition("(")[0]
        made = outcome(getattr(module, name), number)
        if isinstance(made, type):
            return made
        return "made", made.parties if name == "Barrier" else made._value
    if method == "release":
        semaphore = getattr(module, name)(5)
        for _ in range(3):
            semaphore.acquire()
        return outcome(semaphore.release, number), semaphore._value
    condition = module.Condition()

    def wait() -> None:
        with condition:
            condition.wait()

    def waiting() -> int:
        return len(condition._waiters if module is threading else condition.waiters)

    begun = []
    for i, party in enumerate(parties(3)):
        begun.append(party.begin(wait))
        wait_until(lambda i=i: waiting() == i + 1, f"{i + 1} waiting")
    with condition:
        result = outcome(condition.notify, number)
        left = waiting()
        condition.notify_all()
    for each in begun:
        each.result()
    return result, left


def count_on_purpose(kind: str, name: str) -> OnPurpose | None:
    """In short: a count is a whole number that fits into a C long."""
    ours: Any = {
        "2.5": TypeError,
        "nan": ValueError,
        "inf": OverflowError,
        "maxsize + 1": OverflowError,
        "10**30": OverflowError,
        "-10**30": OverflowError,
    }.get(name)
    if kind == "Condition.notify":
        return ours and OnPurpose((ours, 3), "threading notifies three for 2.5; who means all says notify_all")
    if kind.endswith("release"):
        if name == "maxsize":
            ours = ValueError  # it is 2 already
        because = "threading goes on with half a permit, and 3.11 adds first, raises then, and counts up to maxsize"
        if name == "1.0":
            return OnPurpose((None, 3), because) if sys.version_info < (3, 12) else None
        return ours and OnPurpose((ours, 2), because)
    if name == "-10**30":
        ours = ValueError
    if kind.startswith("Barrier") and sys.version_info < (3, 13):
        ours = NO_BARRIER.get(name, ours)
    return ours and OnPurpose(ours, "threading goes on with half a permit, and never finds 0; or does not look at all")


# What threading refuses since 3.13.
NO_BARRIER: dict[str, Any] = {
    **dict.fromkeys(["False", "0", "-1", "-0.5"], ValueError),
    **dict.fromkeys(["'1'", "None", "[]", "Float"], TypeError),
}


@parametrized(COUNTING, NUMBERS)
def test_count(kind: str, name: str, parties: Parties) -> None:
    purpose = count_on_purpose(kind, name)
    expected = purpose.ours if purpose else counting_call(threading, kind, NUMBERS[name], parties)
    assert counting_call(interlock, kind, NUMBERS[name], parties) == expected
