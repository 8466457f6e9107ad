"""What holds for every primitive."""

import copy
import gc
import inspect
import pickle
import re
import subprocess
import sys
import threading
import weakref
from collections.abc import Callable
from typing import Any

import pytest
from cases import ALL, GATES, LOCKS, WAKE_UPS, Case, LockCase, OfBarrier, case_id
from parties import Outcome, Parties, become_due, blocked, needs_signals, unchanged

import interlock
from interlock import Barrier, BoundedSemaphore, Condition, Event, Latch, Lock, RLock, RWLock, Semaphore, WaitQueue

MAKE: dict[type, Callable[..., Any]] = {
    Lock: Lock,
    RLock: RLock,
    Semaphore: Semaphore,
    BoundedSemaphore: BoundedSemaphore,
    Event: Event,
    Condition: Condition,
    Barrier: lambda **kwargs: Barrier(2, **kwargs),
    RWLock: RWLock,
    Latch: lambda **kwargs: Latch(1, **kwargs),
    WaitQueue: WaitQueue,
}
every_kind = pytest.mark.parametrize("kind", MAKE, ids=lambda kind: kind.__name__)
every_case = pytest.mark.parametrize("make_case", ALL, ids=case_id)
# Those that `with` acquires and releases.
MANAGERS = [Lock, RLock, Semaphore, BoundedSemaphore, Condition]
every_manager = pytest.mark.parametrize("kind", MANAGERS, ids=lambda kind: kind.__name__)


# --- name and repr ----------------------------------------------------------------------------------------------


# What 0.1 has put into pickles and logs: it stays, wherever a class is written.
MODULES = {
    "interlock.core.lock": ["Lock"],
    "interlock.core.rlock": ["RLock"],
    "interlock.core.semaphore": ["Semaphore", "BoundedSemaphore"],
    "interlock.core.event": ["Event"],
    "interlock.core.condition": ["Condition"],
    "interlock.core.barrier": ["Barrier"],
    "interlock.core.rwlock": ["RWLock"],
    "interlock.core.latch": ["Latch"],
    "interlock.core.waitqueue": ["WaitQueue"],
    "interlock.core.party": ["Party"],
    "interlock": ["DeadlockError"],
}


@pytest.mark.parametrize(("module", "name"), [(module, name) for module, names in MODULES.items() for name in names])
def test_the_module_that_a_class_names_is_the_one_of_0_1(module: str, name: str) -> None:
    kind = getattr(interlock, name)
    assert repr(kind) == f"<class '{module}.{name}'>"
    assert pickle.dumps(kind, protocol=0) == f"c{module}\n{name}\np0\n.".encode()
    # In a process that has not imported interlock yet.
    load = f"import pickle; print(pickle.loads(b'c{module}\\n{name}\\np0\\n.').__name__)"
    assert (
        subprocess.run([sys.executable, "-c", load], capture_output=True, text=True, check=True).stdout == f"{name}\n"
    )


@every_kind
def test_name(kind: type) -> None:
    make = MAKE[kind]
    assert make().name is None
    assert make(name=None).name is None
    assert make(name="orders").name == "orders"
    with pytest.raises(AttributeError):
        make().name = "later"
    for wrong in (5, b"orders", object()):
        with pytest.raises(TypeError, match=r"name\b.*\bstr\b"):
            make(name=wrong)


@pytest.mark.parametrize(
    "make",
    [
        lambda: Lock("orders"),  # type: ignore[call-arg]
        lambda: Semaphore(1, "orders"),  # type: ignore[call-arg]
        lambda: BoundedSemaphore(1, "orders"),  # type: ignore[call-arg]
        lambda: Event("orders"),  # type: ignore[call-arg]
        lambda: Condition(None, "orders"),  # type: ignore[call-arg]
        lambda: Barrier(1, None, None, "orders"),  # type: ignore[call-arg]
        lambda: RWLock("orders"),  # type: ignore[call-arg]
        lambda: Latch(1, "orders"),  # type: ignore[call-arg]
        lambda: WaitQueue("orders"),  # type: ignore[call-arg]
    ],
)
def test_name_comes_by_keyword_only(make: Callable[[], Any]) -> None:
    with pytest.raises(TypeError):
        make()


@pytest.mark.skipif(sys.version_info >= (3, 15), reason="an RLock takes no more arguments")
def test_an_rlock_ignores_what_it_is_given() -> None:
    """As `threading.RLock` always has; it means to stop in 3.15."""
    for arguments in (("orders",), (1, 2)):
        with pytest.warns(DeprecationWarning, match="Passing arguments to RLock"):
            assert RLock(*arguments).name is None


@every_kind
def test_repr(kind: type) -> None:
    primitive = MAKE[kind](name='a "name"')
    assert re.fullmatch(
        rf"<(unlocked )?interlock\.{kind.__name__}( object)? at {id(primitive):#x}.* name='a \"name\"'.*>",
        repr(primitive),
    )
    assert "name=" not in repr(MAKE[kind]())
    assert "waiting" not in repr(primitive)


@every_case
def test_repr_says_how_many_wait(make_case: type[Case], parties: Parties) -> None:
    case = make_case()
    a, *others = parties(4)
    case.shut(a)
    waiting = case.line_up(others)
    assert ("waiters=3/100" if make_case is OfBarrier else "waiting=3") in repr(case.primitive)
    case.let_through(a, waiting)
    assert "waiting" not in repr(case.primitive)


@every_kind
def test_repr_of_a_subclass_names_the_subclass(kind: type) -> None:
    class Mine(kind):  # type: ignore[misc, valid-type]
        pass

    arguments = {Barrier: (2,), Latch: (1,)}.get(kind, ())
    assert re.match(
        rf"<(unlocked )?{__name__}\.test_repr_of_a_subclass\S*\.Mine( object)? at 0x", repr(Mine(*arguments))
    )


# --- objects of Python ------------------------------------------------------------------------------------------


@every_kind
def test_small(kind: type) -> None:
    assert sys.getsizeof(MAKE[kind]()) <= 160


@every_kind
def test_pickling_and_copying_are_refused(kind: type) -> None:
    primitive = MAKE[kind](name="orders")
    attempts: list[Callable[[], Any]] = [
        lambda protocol=protocol: pickle.dumps(primitive, protocol) for protocol in range(pickle.HIGHEST_PROTOCOL + 1)
    ]
    attempts += [lambda: copy.copy(primitive), lambda: copy.deepcopy(primitive), lambda: copy.deepcopy([primitive])]
    for attempt in attempts:
        with pytest.raises(TypeError, match=rf"cannot pickle <interlock\.{kind.__name__}.*'orders'.*__getstate__"):
            attempt()


@every_kind
def test_weakly_referencable(kind: type) -> None:
    primitive = MAKE[kind]()
    gone: list[Any] = []
    reference = weakref.ref(primitive, gone.append)
    assert reference() is primitive
    assert {primitive: 1}[primitive] == 1  # hashable, and equal to itself alone
    assert primitive != MAKE[kind]()
    del primitive
    # At once, without the garbage collector: nothing in it points back to it.
    assert reference() is None
    assert gone == [reference]


@every_kind
def test_part_of_a_cycle(kind: type) -> None:
    class Mine(kind):  # type: ignore[misc, valid-type]
        pass

    arguments = {Barrier: (2,), Latch: (1,)}.get(kind, ())
    primitive = Mine(*arguments)
    primitive.myself = primitive
    reference = weakref.ref(primitive)
    del primitive
    gc.collect()
    assert reference() is None


def test_cycles_through_what_users_hand_in() -> None:
    class Table:
        def __init__(self) -> None:
            self.barrier = Barrier(2, action=self.turn)
            self.condition = Condition(self)  # type: ignore[arg-type]

        def turn(self) -> None:
            pass

        def acquire(self) -> bool:
            return True

        def release(self) -> None:
            pass

    reference = weakref.ref(Table())
    gc.collect()
    assert reference() is None


@every_kind
def test_a_subclass_with_a_constructor_of_its_own(kind: type) -> None:
    arguments = {Barrier: (2,), Latch: (1,)}.get(kind, ())

    class Mine(kind):  # type: ignore[misc, valid-type]
        def __init__(self, number: int, *, word: str) -> None:
            super().__init__(*arguments, name=word)
            self.number = number

    mine = Mine(5, word="mine")
    assert (mine.number, mine.name) == (5, "mine")
    assert isinstance(mine, kind)


@pytest.mark.parametrize(
    "make_case",
    ALL,
    ids=case_id,
)
def test_nothing_is_left_of_those_who_waited(make_case: type[Case], parties: Parties) -> None:
    """Freed without the garbage collector: no waiter still points to the primitive, and none is still in it."""
    case = make_case()
    a, b, c, d = parties(4)
    case.shut(a)
    waiting = case.line_up([b, c])
    if make_case is not OfBarrier:
        assert case.begin(d, timeout=0.001).result() is False
    case.let_through(a, waiting)
    reference = weakref.ref(case.primitive)
    # The threads live on; what the test itself knows of the primitive goes.
    for party in (a, b, c, d):
        party.do(int)
        party.outcomes.clear()
    del case, waiting
    # An error that was raised points to itself through its traceback.
    if make_case is OfBarrier:
        gc.collect()
    assert reference() is None


# --- the same names as `threading` ------------------------------------------------------------------------------

OBSOLETE = {"acquire_lock", "release_lock", "locked_lock"}  # never documented
NAMESAKES = ["Lock", "RLock", "Semaphore", "BoundedSemaphore", "Event", "Condition", "Barrier"]


@pytest.mark.parametrize("name", NAMESAKES)
def test_has_every_public_name_that_threadings_has(name: str) -> None:
    arguments = {"Barrier": (2,)}.get(name, ())
    theirs = getattr(threading, name)(*arguments)
    missing = {public for public in dir(theirs) if not public.startswith("_")} - set(dir(getattr(interlock, name)))
    assert missing <= OBSOLETE


@pytest.mark.parametrize("name", NAMESAKES)
def test_takes_the_arguments_that_threadings_takes(name: str) -> None:
    """As far as `threading` tells: the signatures of what is written in C are not known everywhere."""
    theirs, ours = getattr(threading, name), getattr(interlock, name)
    for method, call in inspect.getmembers(theirs, inspect.isfunction):
        if method.startswith("_") or (method, name) == ("acquire", "Condition"):
            continue
        expected = [(p.name, p.default) for p in inspect.signature(call).parameters.values() if p.name != "self"]
        parameters = inspect.signature(getattr(ours, method)).parameters.values()
        assert [(p.name, p.default) for p in parameters if p.name != "self"][: len(expected)] == expected, method


# --- with -------------------------------------------------------------------------------------------------------


@every_manager
def test_with_honours_what_a_subclass_has_made_of_acquire_and_release(kind: type) -> None:
    calls = []

    class Mine(kind):  # type: ignore[misc, valid-type]
        def acquire(self, *args: Any, **kwargs: Any) -> Any:
            calls.append(("acquire", args, kwargs))
            return super().acquire(*args, **kwargs)

        def release(self) -> None:
            calls.append(("release",))
            super().release()

    mine = Mine()
    with mine:
        calls.append("inside")
    assert calls == [("acquire", (), {}), "inside", ("release",)]
    calls.clear()
    with mine.within(5):
        calls.append("inside")
    assert calls == [("acquire", (), {"timeout": 5}), "inside", ("release",)]


@every_manager
def test_within(kind: type, parties: Parties) -> None:
    lock = kind()
    a, b = parties(2)
    manager = lock.within(1000)
    for _ in range(2):  # it can be used again
        assert a.enter(manager) is True
        assert b.do(lock.acquire, False) is False
        a.leave(manager)
        assert b.do(lock.acquire, False) is True
        b.do(lock.release)


@every_manager
def test_within_raises_when_time_is_up_and_never_enters_unheld(kind: type, parties: Parties) -> None:
    lock = kind(name="orders")
    a, b = parties(2)
    a.do(lock.acquire)
    entered = []

    def enter(timeout: float) -> None:
        with lock.within(timeout):
            entered.append(timeout)

    for timeout in (0.01, 0, 0.0):
        with unchanged(lock), pytest.raises(TimeoutError, match=rf"not acquired within {timeout} s: .*'orders'"):
            b.do(enter, timeout)
    assert entered == []
    a.do(lock.release)
    b.do(enter, 0)
    assert entered == [0]


@every_manager
def test_within_leaves_after_an_error(kind: type) -> None:
    lock = kind()
    with unchanged(lock), pytest.raises(ZeroDivisionError), lock.within(1):
        _ = 1 / 0


@every_manager
def test_within_needs_a_number_of_seconds(kind: type, parties: Parties) -> None:
    lock = kind()
    for wrong in (None, "1", [], object()):
        with pytest.raises(TypeError, match="timeout must be a number of seconds"):
            lock.within(wrong)
    for negative in (-1, -0.5, float("nan"), float("-inf")):
        with pytest.raises(ValueError, match="timeout must be 0 or more seconds"):
            lock.within(negative)
    with unchanged(lock), pytest.raises(OverflowError), lock.within(1e100):
        pass


@pytest.mark.parametrize("way", ["with", "within"])
@pytest.mark.parametrize(
    "make",
    [Lock, type("LockSubclass", (Lock,), {}), lambda: Condition(Lock())],
    ids=["Lock", "subclass of Lock", "Condition"],
)
def test_a_lock_that_was_entered_is_freed_by_whoever_releases_it(
    make: Callable[[], Any], way: str, parties: Parties
) -> None:
    primitive = make()
    lock = primitive._lock if isinstance(primitive, Condition) else primitive
    a, b = parties(2)
    manager = primitive.within(1000) if way == "within" else primitive
    a.enter(manager)
    waiting = b.begin(lock.acquire)
    blocked(lock, 1)
    parties.one().do(lock.release)
    assert waiting.result() is True
    b.do(lock.release)
    with unchanged(lock), pytest.raises(RuntimeError, match="unlocked"):
        a.leave(manager)


# --- waiting: as if the party had never come --------------------------------------------------------------------


@every_case
@pytest.mark.every_kind_of_party
def test_waiters_are_in_the_order_in_which_they_came(make_case: type[Case], parties: Parties) -> None:
    case = make_case()
    a, *others = parties(12)
    case.shut(a)
    assert case.primitive.waiters == ()
    waiting = case.line_up(others)
    assert case.primitive.waiters == tuple(party.identity for party in others)
    assert not any(outcome.done for outcome in waiting)
    case.let_through(a, waiting)
    assert case.primitive.waiters == ()


@pytest.mark.parametrize("make_case", [case for case in ALL if case is not OfBarrier], ids=case_id)
@pytest.mark.parametrize("timeout", [0.01, 0.0, 1e-9])
def test_timed_out(make_case: type[Case], timeout: float, parties: Parties) -> None:
    case = make_case()
    a, b = parties(2)
    case.shut(a)
    with unchanged(case.primitive):
        for _ in range(3):
            assert case.begin(b, timeout=timeout).result() is False


@pytest.mark.parametrize("make_case", [case for case in ALL if case is not OfBarrier], ids=case_id)
@pytest.mark.parametrize("place", [0, 1, 2], ids=["the first", "one in the middle", "the last"])
@pytest.mark.every_kind_of_party
def test_timed_out_among_others(make_case: type[Case], place: int, parties: Parties) -> None:
    """The others stay, in order, and each gets through."""
    case = make_case()
    a, b, c, impatient = parties(4)
    case.shut(a)
    waiting = case.line_up([b, c][:place])
    giving_up = case.begin(impatient, timeout=0.02)
    giving_up.blocked_or_over(case.primitive)
    waiting.append(case.begin(c)) if place == 1 else None
    waiting += [] if place else [case.begin(b)]
    assert giving_up.result() is False
    blocked(case.primitive, len(waiting))
    assert case.primitive.waiters == tuple(outcome.party.identity for outcome in waiting)
    case.let_through(a, waiting)


@needs_signals
@every_case
def test_interrupted(make_case: type[Case], parties: Parties) -> None:
    case = make_case()
    a = parties.one()
    case.shut(a)
    with unchanged(case.primitive):
        case.interrupted(parties.main)
        case.interrupted(parties.main, timeout=1000)
    # And it can wait once more, and get through.
    case.let_through(a, case.line_up(parties(1)))


@needs_signals
@every_case
def test_interrupted_among_others(make_case: type[Case], parties: Parties) -> None:
    case = make_case()
    a, b, c = parties(3)
    case.shut(a)
    waiting = case.line_up([b])
    case.interrupted(parties.main, then=lambda: waiting.extend(case.line_up([c])))
    assert case.primitive.waiters == (b.identity, c.identity)
    case.let_through(a, waiting)


@needs_signals
@pytest.mark.parametrize("make_case", [*LOCKS, *WAKE_UPS, *GATES], ids=case_id)
@pytest.mark.parametrize("due", [False, True], ids=["at once", "due"])
def test_interrupted_after_it_was_let_through(make_case: type[Case], due: bool, parties: Parties) -> None:
    """What was given to a party that is about to leave is not lost: the next in line gets it."""
    case = make_case()
    a, b = parties(2)
    case.shut(a)
    waiting: list[Outcome] = []

    def open_it() -> None:
        if due:
            become_due()
        case.open(a)

    case.interrupted(parties.main, then=lambda: waiting.extend(case.line_up([b])), first=open_it)
    assert waiting[0].result() is True
    assert case.primitive.waiters == ()


@needs_signals
@pytest.mark.parametrize("make_case", [*LOCKS, *GATES], ids=case_id)
@pytest.mark.parametrize("due", [False, True], ids=["at once", "due"])
def test_interrupted_after_it_was_let_through_with_nobody_behind(
    make_case: type[Case], due: bool, parties: Parties
) -> None:
    """Nobody gets it then: it is as open as if nobody had waited."""
    case = make_case()
    a, b = parties(2)
    case.shut(a)

    def open_it() -> None:
        if due:
            become_due()
        case.open(a)

    case.interrupted(parties.main, first=open_it)
    assert "unlocked" in repr(case.primitive) or getattr(case.primitive, "_value", 1) == 1
    assert case.primitive.waiters == ()
    assert case.begin(b, timeout=0).result() is True


@every_case
def test_an_error_in_the_arguments(make_case: type[Case], parties: Parties) -> None:
    case = make_case()
    a, b = parties(2)
    case.shut(a)
    for wrong, error in (("soon", TypeError), ([], TypeError), (1e100, OverflowError), (float("nan"), ValueError)):
        with unchanged(case.primitive), pytest.raises(error):
            case.begin(b, timeout=wrong).result()
    with unchanged(case.primitive), pytest.raises(TypeError):
        case.begin(b, patience=5).result()


# --- excluding one another --------------------------------------------------------------------------------------


@pytest.mark.parametrize("make_case", LOCKS, ids=case_id)
def test_one_at_a_time(make_case: type[LockCase], parties: Parties) -> None:
    """Parties that come with and without patience: never two inside, and in the end nobody is left."""
    case = make_case()
    inside: list[int] = []
    entered = [0] * 4

    def run(me: int) -> None:
        call = case.call()
        for i in range(150):
            patience = ({}, {"timeout": 1000}, {"timeout": 0.0001}, {"timeout": 0})[(i + me) % 4]
            if call(**patience):
                inside.append(me)
                assert inside == [me]
                entered[me] += 1
                inside.remove(me)
                leave(case)

    work = [party.begin(run, me) for me, party in enumerate(parties(4))]
    for outcome in work:
        outcome.result()
    assert min(entered) >= 75
    assert case.primitive.waiters == ()
    assert case.try_to_acquire() is True


def leave(case: LockCase) -> None:
    """In the calling thread, which is inside."""
    (case.side if hasattr(case, "side") else case.primitive).release()
