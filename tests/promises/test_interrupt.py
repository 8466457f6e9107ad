"""Ctrl-C interrupts whoever is blocked, at once, and leaves the primitive as if he had never come.

The thread that runs the test is the one that blocks, for Ctrl-C reaches only the main thread. Another sends SIGINT as
soon as the primitive names the main thread among its `waiters`.
"""

import asyncio
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import pytest
from parties import PATIENCE, Outcome, Parties, ThreadParty, become_due, blocked, needs_signals, unchanged, wait_until
from promises.ways import AGES, ALL, CONDITIONS, GATES, LOCKS, READERS, EventWait, LatchWait, Park, Way

from interlock import Barrier, BrokenBarrierError, Condition, Event, Lock, RLock, RWLock, Semaphore, WaitQueue

pytestmark = needs_signals

MAIN = threading.main_thread()


def nothing() -> None:
    pass


class CtrlC:
    """Makes calls in the main thread and presses Ctrl-C while they are blocked."""

    def __init__(self) -> None:
        # Another than the parties that a test commands: those may be busy being blocked.
        self.presser = ThreadParty("who presses Ctrl-C")

    def during(
        self,
        call: Callable[..., Any],
        *args: Any,
        at: Any,
        then: Callable[[], object] = nothing,
        first: Callable[[], object] = nothing,
        after: Callable[[], object] = nothing,
        rescue: Callable[[], object] = nothing,
    ) -> None:
        """Make a call, press Ctrl-C when it is blocked, and fail unless KeyboardInterrupt comes out.

        `at`: the primitive where it blocks. `then`: called when it is blocked, before Ctrl-C is pressed. `first`:
        called by the handler in the instant before it raises: what is given to the party now is given to one who
        is about to leave. `after`: called once the handler has raised. `rescue`: ends a wait that Ctrl-C does not
        end. All but `first` are called by another thread.
        """
        over = threading.Event()
        answering = pressed = False

        def on_ctrl_c(number: int, frame: Any) -> None:
            nonlocal answering, pressed
            # One that comes while `first` runs is one too many; and what runs in between, such as a callback of the
            # collector, would swallow what is raised in it.
            if not answering and "promises" in frame.f_code.co_filename:
                answering = True
                first()
                pressed = True
                signal.default_int_handler(number, frame)

        def press() -> None:
            wait_until(lambda: over.is_set() or MAIN in at.waiters, f"main waits at {at!r}")
            then()
            deadline = time.monotonic() + PATIENCE
            # More than once: a signal in the instant before a thread blocks does not wake it.
            while not pressed and time.monotonic() < deadline:
                signal.pthread_kill(MAIN.ident or 0, signal.SIGINT)
                over.wait(0.005)
            if pressed:
                after()
            if not over.wait(PATIENCE):
                rescue()

        before = signal.signal(signal.SIGINT, on_ctrl_c)
        pressing = self.presser.begin(press)
        try:
            with pytest.raises(KeyboardInterrupt):
                call(*args)
        finally:
            over.set()
            try:
                pressing.result()
            finally:
                signal.signal(signal.SIGINT, before)


@pytest.fixture
def ctrl_c() -> Iterator[CtrlC]:
    presser = CtrlC()
    yield presser
    presser.presser.end()


def timeouts(kinds: list[type[Way]], *more: float) -> list[Any]:
    """Each way with each form it has: without a timeout, with one that no test sees the end of, and with `more`."""
    return [
        pytest.param(kind, timeout, id=f"{kind.__name__}-{timeout}")
        for kind in kinds
        for timeout in (None, AGES, *more)
        if (kind.untimed if timeout is None else kind.timed)
    ]


def any_timeout(way: Way) -> float | None:
    return None if way.untimed else AGES


def let_through(way: Way, opener: ThreadParty, *waits: Outcome) -> None:
    """Let the blocked parties through, first come first served."""
    for i, wait in enumerate(waits):
        if i == 0 or not (way.passes_on or way.lets_through == "all"):
            opener.do(way.open)
        wait.result()


# --- nothing was granted -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(("kind", "timeout"), timeouts(ALL))
def test_the_wait_ends_and_leaves_no_trace(
    kind: type[Way], timeout: float | None, parties: Parties, ctrl_c: CtrlC
) -> None:
    way = kind()
    other = parties.one()
    other.do(way.shut)
    with unchanged(way.primitive, way.at):
        ctrl_c.during(way.through, timeout, at=way.at, rescue=lambda: other.do(way.open))
    assert way.at.waiters == ()

    def open_it() -> None:
        blocked(way.at, 1)
        way.open()

    opening = other.begin(open_it)
    way.through(timeout)
    opening.result()
    assert way.at.waiters == ()


@pytest.mark.parametrize("kind", [*LOCKS, *GATES])
def test_those_before_and_behind_keep_their_places(kind: type[Way], parties: Parties, ctrl_c: CtrlC) -> None:
    way = kind()
    other, before, behind = parties(3)
    other.do(way.shut)
    waits = [before.begin(way.through, any_timeout(way))]
    blocked(way.at, 1)

    def one_more() -> None:
        waits.append(behind.begin(way.through, any_timeout(way)))
        blocked(way.at, 3)
        assert way.at.waiters == (before.identity, MAIN, behind.identity)

    ctrl_c.during(way.through, any_timeout(way), at=way.at, then=one_more)
    assert way.at.waiters == (before.identity, behind.identity)
    let_through(way, other, *waits)
    assert way.at.waiters == ()


class Front:
    """A party in front of others that asks for more than there is, where what there is would do for the others."""

    def __init__(self, holder: ThreadParty, what: str):
        self.primitive: Any
        if what == "permits":
            self.primitive = Semaphore(2)
            holder.do(self.primitive.acquire)
            self.ask = partial(self.primitive.acquire, permits=2)
            self.behind = [self.primitive.acquire]
        else:
            self.primitive = RWLock()
            holder.do(self.primitive.read().acquire)
            self.ask = self.primitive.write().acquire
            self.behind = [self.primitive.read().acquire, self.primitive.read().acquire]


@pytest.mark.parametrize("what", ["permits", "write"])
def test_who_is_interrupted_no_longer_holds_up_those_behind(what: str, parties: Parties, ctrl_c: CtrlC) -> None:
    """Nobody releases anything here: that the front leaves is what lets the others through."""
    holder, *rest = parties(3)
    front = Front(holder, what)
    waits = []

    def stand_behind() -> None:
        waits.extend(party.begin(call) for party, call in zip(rest, front.behind, strict=False))
        blocked(front.primitive, 1 + len(front.behind))

    ctrl_c.during(front.ask, at=front.primitive, then=stand_behind)
    assert [wait.result() for wait in waits] == [True] * len(front.behind)
    assert front.primitive.waiters == ()


@pytest.mark.parametrize("what", ["permits", "write"])
def test_who_times_out_no_longer_holds_up_those_behind(what: str, parties: Parties) -> None:
    holder, first, *rest = parties(4)
    front = Front(holder, what)
    leaving = first.begin(front.ask, timeout=0.3)
    leaving.blocked_or_over(front.primitive)
    # On a machine that stops for so long they come too late to stand behind anyone, and go through all the same.
    waits = [party.begin(call) for party, call in zip(rest, front.behind, strict=False)]
    assert leaving.result() is False
    assert [wait.result() for wait in waits] == [True] * len(front.behind)
    assert front.primitive.waiters == ()


@pytest.mark.parametrize(("kind", "timeout"), timeouts(ALL, 0.05))
def test_a_handler_that_returns_does_not_end_the_wait(kind: type[Way], timeout: float | None, parties: Parties) -> None:
    way = kind()
    other, sender = parties(2)
    other.do(way.shut)
    handled = 0
    over = threading.Event()

    def handle(number: int, frame: Any) -> None:
        nonlocal handled
        handled += 1

    def send() -> None:
        wait_until(lambda: over.is_set() or MAIN in way.at.waiters, "main waits")
        for number in range(1, 6):
            while handled < number and not over.is_set():
                signal.pthread_kill(MAIN.ident or 0, signal.SIGINT)
                over.wait(0.005)
        if timeout != 0.05:
            assert MAIN in way.at.waiters
            other.do(way.open)

    before = signal.signal(signal.SIGINT, handle)
    sending = sender.begin(send)
    try:
        if timeout == 0.05:
            with pytest.raises((AssertionError, TimeoutError, BrokenBarrierError)):
                way.through(timeout)
        else:
            way.through(timeout)
    finally:
        over.set()
        sending.result()
        signal.signal(signal.SIGINT, before)
    assert way.at.waiters == ()


# --- something was granted ----------------------------------------------------------------------------------------

OPENERS = [
    pytest.param(kind, by, due, id=f"{kind.__name__}-by {by}{'-due' if due else ''}")
    for kind in [*LOCKS, Park, *CONDITIONS]
    for by in ["another", "itself"]
    if by == "another" or kind.opens_itself
    for due in [False, True]
]


@pytest.mark.parametrize(("kind", "by", "due"), OPENERS)
def test_a_grant_to_one_who_leaves_goes_to_the_next(
    kind: type[Way], by: str, due: bool, parties: Parties, ctrl_c: CtrlC
) -> None:
    """The handler has the grant made, or makes it itself, and then raises: always after the grant, never before.

    One who is due is given it, one who is not is only told to come for it. Both must be passed on.
    """
    way = kind()
    other, next_one = parties(2)
    with unchanged(way.primitive, way.at):
        other.do(way.shut)
        waits = []

        def stand_behind() -> None:
            waits.append(next_one.begin(way.through, any_timeout(way)))
            blocked(way.at, 2)
            assert way.at.waiters == (MAIN, next_one.identity)

        def grant() -> None:
            if due:
                become_due()
            if by == "itself":
                way.open()
            else:
                other.do(way.open)

        ctrl_c.during(way.through, any_timeout(way), at=way.at, then=stand_behind, first=grant)
        waits[0].result()


@pytest.mark.parametrize("due", [False, True])
@pytest.mark.parametrize("kind", [*LOCKS, Park, *CONDITIONS])
def test_a_grant_to_the_only_one_is_not_lost(kind: type[Way], due: bool, parties: Parties, ctrl_c: CtrlC) -> None:
    way = kind()
    other = parties.one()
    with unchanged(way.primitive, way.at):
        other.do(way.shut)

        def grant() -> None:
            if due:
                become_due()
            other.do(way.open)

        ctrl_c.during(way.through, any_timeout(way), at=way.at, first=grant)
    if way.passes_on:  # a lock, and it is free
        other.do(way.shut)
        other.do(way.open)


@pytest.mark.parametrize("kind", [*READERS, EventWait, LatchWait])
def test_the_others_go_through_a_gate_all_the_same(kind: type[Way], parties: Parties, ctrl_c: CtrlC) -> None:
    way = kind()
    other, a, b = parties(3)
    other.do(way.shut)
    waits = [a.begin(way.through, any_timeout(way))]
    blocked(way.at, 1)

    def one_more() -> None:
        waits.append(b.begin(way.through, any_timeout(way)))
        blocked(way.at, 3)

    ctrl_c.during(way.through, any_timeout(way), at=way.at, then=one_more, first=lambda: other.do(way.open))
    for wait in waits:
        wait.result()
    assert way.at.waiters == ()
    way.through(AGES)  # nothing is left of the interrupted one's hold


def test_a_wake_up_that_comes_while_unless_raises_goes_to_the_next(parties: Parties) -> None:
    queue = WaitQueue()
    other, next_one = parties(2)
    waits = []

    def unless() -> bool:
        waits.append(next_one.begin(queue.park))
        blocked(queue, 2)
        assert other.do(queue.unpark) == 1
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        queue.park(unless=unless)
    assert waits[0].result() is True
    assert queue.waiters == ()


# --- conditions: the lock comes first -----------------------------------------------------------------------------


class OwnLock:
    """A lock of the user's. It says who is about to acquire it."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.coming: list[threading.Thread] = []
        self.came = 0

    def acquire(self, *args: Any) -> bool:
        self.coming.append(threading.current_thread())
        self.came += 1
        try:
            return self.lock.acquire(*args)
        finally:
            self.coming.remove(threading.current_thread())

    def release(self) -> None:
        self.lock.release()

    def __enter__(self) -> bool:
        return self.acquire()

    def __exit__(self, *args: object) -> None:
        self.release()

    @property
    def waiters(self) -> list[threading.Thread]:
        return self.coming


class OwnLockThatTells(OwnLock):
    """It says who holds it, too."""

    def __init__(self) -> None:
        super().__init__()
        self.lock: Any = threading.RLock()

    def _is_owned(self) -> bool:
        return bool(self.lock._is_owned())


TELLING_LOCKS = [RLock, Lock, OwnLock]  # they say who is about to acquire them


class Wait:
    """A `wait` in the main thread that is interrupted while somebody else holds the lock."""

    def __init__(self, lock: Any, timeout: float | None = None):
        self.lock = lock
        self.condition = Condition(lock)
        self.timeout = timeout
        self.left = False
        self.held = False  # whether it held the lock on leaving

    def __call__(self) -> None:
        with self.condition:
            try:
                self.condition.wait(self.timeout)
            finally:
                self.left = True
                self.held = self.condition.owner is MAIN if hasattr(self.lock, "owner") else self.condition._is_owned()

    def comes_for_the_lock(self) -> None:
        wait_until(lambda: self.left or MAIN in self.lock.waiters, "main comes for the lock")
        assert not self.left, "left without the lock"


def wait_once(condition: Condition) -> bool:
    with condition:
        return condition.wait()


@pytest.mark.parametrize("timeout", [None, AGES])
@pytest.mark.parametrize("make_lock", TELLING_LOCKS)
def test_who_was_not_notified_leaves_with_the_lock(
    make_lock: Any, timeout: float | None, parties: Parties, ctrl_c: CtrlC
) -> None:
    wait = Wait(make_lock(), timeout)
    holder, behind = parties(2)
    waits = []

    def take_the_lock() -> None:
        waits.append(behind.begin(wait_once, wait.condition))
        blocked(wait.condition, 2)
        holder.do(wait.condition.acquire)

    def give_it_back() -> None:
        wait.comes_for_the_lock()
        holder.do(wait.condition.release)

    ctrl_c.during(wait, at=wait.condition, then=take_the_lock, after=give_it_back)
    assert wait.held
    # Nobody was notified, so nobody is woken.
    assert wait.condition.waiters == (behind.identity,)
    with wait.condition:
        wait.condition.notify()
    assert waits[0].result() is True


@pytest.mark.parametrize("others", [0, 2])
@pytest.mark.parametrize("make_lock", [RLock, Lock, OwnLockThatTells])
def test_who_was_notified_leaves_with_the_lock_and_passes_the_notification_on(
    make_lock: Any, others: int, parties: Parties, ctrl_c: CtrlC
) -> None:
    wait = Wait(make_lock())
    holder, *rest = parties(1 + others)
    waits = []

    def notify_and_keep_the_lock() -> None:
        for party in rest:
            waits.append(party.begin(wait_once, wait.condition))
            blocked(wait.condition, 1 + len(waits))
        holder.do(wait.condition.acquire)
        holder.do(wait.condition.notify)
        wait.comes_for_the_lock()

    def give_it_back() -> None:
        wait.comes_for_the_lock()
        holder.do(wait.condition.release)

    ctrl_c.during(wait, at=wait.condition, then=notify_and_keep_the_lock, after=give_it_back)
    assert wait.held
    if others:
        # One notification wakes one party: the next in the queue.
        assert waits[0].result() is True
        assert wait.condition.waiters == (rest[1].identity,)
        with wait.condition:
            wait.condition.notify()
        assert waits[1].result() is True


class SubclassOfLock(Lock):
    def acquire(self, *args: Any, **kwargs: Any) -> bool:
        return super().acquire(*args, **kwargs)


class SubclassOfRLock(RLock):
    def _acquire_restore(self, state: Any) -> None:
        super()._acquire_restore(state)


class Raises:
    """A handler of SIGUSR1 that raises an error as often as it is wanted, and never later."""

    def __init__(self, error: type[BaseException]):
        self.error = error
        self.wanted = self.raised = 0

    def __call__(self, number: int, frame: Any) -> None:
        # Only here: what is raised in a callback that the collector calls, of a weak set say, is swallowed.
        if self.raised < self.wanted and frame.f_code.co_filename == __file__:
            self.raised += 1
            raise self.error

    def handle(self, number: int, frame: Any) -> None:
        self(number, frame)

    def once_more(self, wait: Wait) -> None:
        """Interrupt the main thread, which is to come for its lock."""
        self.wanted += 1
        deadline = time.monotonic() + PATIENCE
        # More than once: a signal in the instant before a thread blocks does not wake it.
        while self.raised < self.wanted and not wait.left and time.monotonic() <= deadline:
            signal.pthread_kill(MAIN.ident or 0, signal.SIGUSR1)
            time.sleep(0.001)

    @contextmanager
    def installed(self, handler: Any = None) -> Iterator[None]:
        before = signal.signal(signal.SIGUSR1, handler or self)
        try:
            yield
        finally:
            signal.signal(signal.SIGUSR1, before)


ERRORS = [KeyboardInterrupt, TimeoutError]


@pytest.mark.parametrize("error", ERRORS)
@pytest.mark.parametrize(
    "make_lock",
    # Not threading.RLock: what `wait` takes it with does not run handlers.
    [RLock, Lock, threading.Lock, OwnLockThatTells, SubclassOfLock, SubclassOfRLock],
)
def test_nothing_that_handlers_raise_gets_one_out_without_the_lock(
    make_lock: Any, error: type[BaseException], parties: Parties
) -> None:
    wait = Wait(make_lock())
    holder, behind, presser = parties(3)
    waits = []
    raises = Raises(error)

    def notify_and_keep_the_lock() -> None:
        blocked(wait.condition, 1)
        waits.append(behind.begin(wait_once, wait.condition))
        blocked(wait.condition, 2)
        holder.do(wait.condition.acquire)
        holder.do(wait.condition.notify)
        for _ in range(3):
            raises.once_more(wait)
            assert not wait.left, "left without the lock"
        holder.do(wait.condition.release)

    with raises.installed():
        pressing = presser.begin(notify_and_keep_the_lock)
        with pytest.raises(error):
            wait()
        pressing.result()
    assert raises.raised == 3
    assert wait.held
    assert waits[0].result() is True


@pytest.mark.parametrize("kind", ["function", "method", "partial"])  # an object that can be called: see above
def test_what_any_kind_of_handler_raises_is_no_error_of_the_lock(kind: str, parties: Parties) -> None:
    wait = Wait(threading.Lock())
    holder, presser = parties(2)
    raises = Raises(TimeoutError)

    def keep_the_lock() -> None:
        blocked(wait.condition, 1)
        holder.do(wait.condition.acquire)
        raises.once_more(wait)
        raises.once_more(wait)
        assert not wait.left, "left without the lock"
        holder.do(wait.condition.release)

    def handle(raises: Raises, number: int, frame: Any) -> None:
        raises(number, frame)

    handlers = {
        "function": lambda number, frame: raises(number, frame),
        "method": raises.handle,
        "partial": partial(handle, raises),
    }
    with raises.installed(handlers[kind]):
        pressing = presser.begin(keep_the_lock)
        with pytest.raises(TimeoutError):
            wait()
        pressing.result()
    assert wait.held


@pytest.mark.parametrize("error", ERRORS)
def test_an_interruption_while_a_lock_that_cannot_tell_is_acquired_comes_out(
    error: type[BaseException], parties: Parties
) -> None:
    """It may have been taken, and then to acquire it once more would block for ever."""
    wait = Wait(OwnLock())
    holder, behind, presser = parties(3)
    waits = []
    raises = Raises(error)

    def notify_and_keep_the_lock() -> None:
        blocked(wait.condition, 1)
        waits.append(behind.begin(wait_once, wait.condition))
        blocked(wait.condition, 2)
        holder.do(wait.condition.acquire)
        holder.do(wait.condition.notify)
        wait.comes_for_the_lock()
        raises.once_more(wait)

    wait.condition.acquire()
    with raises.installed():
        pressing = presser.begin(notify_and_keep_the_lock)
        with pytest.raises(error):
            wait.condition.wait()
        wait.left = True
        pressing.result()
    # The notification is passed on all the same.
    holder.do(wait.condition.release)
    assert waits[0].result() is True


class Interrupted:
    """A lock in which a signal comes in the instant after it was taken, when it is armed."""

    armed = False

    def acquire(self, *args: Any, **kwargs: Any) -> bool:
        taken: bool = super().acquire(*args, **kwargs)  # type: ignore[misc]
        if taken:
            self.interrupt()
        return taken

    def _acquire_restore(self, state: Any) -> None:
        super()._acquire_restore(state)  # type: ignore[misc]
        self.interrupt()

    def interrupt(self) -> None:
        if self.armed:
            self.armed = False
            signal.raise_signal(signal.SIGUSR1)


class InterruptedOwnLock(Interrupted, OwnLock):
    _acquire_restore: Any = property()  # it has none


class InterruptedOwnLockThatTells(Interrupted, OwnLockThatTells):
    _acquire_restore: Any = property()


class InterruptedLock(Interrupted, Lock):
    _acquire_restore: Any = property()


class InterruptedRLock(Interrupted, RLock):
    pass


@pytest.mark.parametrize("error", ERRORS)
@pytest.mark.parametrize(
    "make_lock", [InterruptedOwnLock, InterruptedOwnLockThatTells, InterruptedLock, InterruptedRLock]
)
def test_an_interruption_just_after_the_lock_was_taken_comes_out(
    make_lock: Any, error: type[BaseException], parties: Parties
) -> None:
    """The lock was acquired again, by the thread that held it already: it blocked for ever."""
    lock = make_lock()
    condition = Condition(lock)
    raises = Raises(error)
    with raises.installed():
        condition.acquire()
        raises.wanted = 1
        lock.armed = True
        with pytest.raises(error):
            condition.wait(0.001)
        assert not lock.armed
    assert parties.one().do(condition.acquire, False) is False
    condition.release()
    assert parties.one().do(condition.acquire, False) is True


class InterruptedRelease:
    """A lock in which a signal comes in the instant after it was released, when it is armed."""

    armed = False

    def release(self) -> None:
        super().release()  # type: ignore[misc]
        self.interrupt()

    def interrupt(self) -> None:
        if self.armed:
            self.armed = False
            signal.raise_signal(signal.SIGUSR1)


class InterruptedReleaseOfOwn(InterruptedRelease, OwnLock):
    pass


class InterruptedReleaseOfOwnThatTells(InterruptedRelease, OwnLockThatTells):
    pass


class InterruptedReleaseOfOwnThatCounts(InterruptedRelease, OwnLockThatTells):
    def _recursion_count(self) -> int:
        return self.depth()

    def depth(self) -> int:
        return int(repr(self.lock).partition("count=")[2].partition(" ")[0])

    def _release_save(self) -> Any:
        state = self.lock._release_save()
        self.interrupt()
        return state

    def _acquire_restore(self, state: Any) -> None:
        self.lock._acquire_restore(state)


class InterruptedReleaseOfLock(InterruptedRelease, Lock):
    pass


class InterruptedReleaseOfRLock(InterruptedRelease, RLock):
    def _release_save(self) -> Any:
        state = super()._release_save()
        self.interrupt()
        return state


@pytest.mark.parametrize("error", ERRORS)
@pytest.mark.parametrize(
    ("make_lock", "depth"),
    [
        (InterruptedReleaseOfOwnThatTells, 1),
        (InterruptedReleaseOfOwnThatCounts, 3),
        (InterruptedReleaseOfLock, 1),
        (InterruptedReleaseOfRLock, 1),
        (InterruptedReleaseOfRLock, 3),
    ],
)
def test_an_interruption_just_after_the_lock_was_released_comes_out_with_the_lock(
    make_lock: Any, depth: int, error: type[BaseException], parties: Parties
) -> None:
    """It came out without, and the code around `wait` went on with what another had taken meanwhile."""
    lock = make_lock()
    condition = Condition(lock)
    other = parties.one()
    raises = Raises(error)
    with raises.installed():
        for _ in range(depth):
            condition.acquire()
        raises.wanted = 1
        lock.armed = True
        with pytest.raises(error):
            condition.wait()
    assert condition.waiters == ()
    for _ in range(depth):
        assert other.do(condition.acquire, False) is False
        condition.release()
    assert other.do(condition.acquire, False) is True
    other.do(condition.release)


@pytest.mark.parametrize("error", ERRORS)
def test_an_interruption_while_a_lock_that_cannot_tell_is_released_comes_out(error: type[BaseException]) -> None:
    lock = InterruptedReleaseOfOwn()
    condition = Condition(lock)  # type: ignore[arg-type]
    raises = Raises(error)
    with raises.installed():
        condition.acquire()
        raises.wanted = 1
        lock.armed = True
        with pytest.raises(error):
            condition.wait()
    assert condition.waiters == ()


@pytest.mark.parametrize("error", ERRORS)
@pytest.mark.parametrize("make_lock", [Lock, RLock, SubclassOfLock, SubclassOfRLock])
def test_an_interruption_while_the_lock_goes_to_a_task_comes_out_with_the_lock(
    make_lock: Any, error: type[BaseException]
) -> None:
    """The handler runs while the loop of the task is told, in Python code of the loop, and nobody has the lock."""
    lock = make_lock()
    condition = Condition(lock)
    raises = Raises(error)
    had: list[Any] = []

    async def take_it() -> None:
        assert await lock.acquire_async() is True
        had.append(lock.owner)
        lock.release()

    loop = asyncio.new_event_loop()
    send = loop.call_soon_threadsafe

    def send_interrupted(*arguments: Any, **more: Any) -> Any:
        sent = send(*arguments, **more)
        if threading.current_thread() is MAIN:
            signal.raise_signal(signal.SIGUSR1)
        return sent

    with raises.installed():
        condition.acquire()
        thread = threading.Thread(target=loop.run_until_complete, args=(take_it(),))
        thread.start()
        blocked(lock, 1)
        raises.wanted = 1
        loop.call_soon_threadsafe = send_interrupted  # type: ignore[method-assign, assignment]
        with pytest.raises(error):
            condition.wait()
        assert had
        assert lock.owner is MAIN
        condition.release()
    thread.join()
    loop.close()
    assert not lock.locked()
    assert condition.waiters == ()


class TellsOfRelease(asyncio.Lock):
    """asyncio's lock does not say who has it, and `locked` tells enough."""

    armed = False

    def release(self) -> None:
        super().release()
        self.interrupt()

    def interrupt(self) -> None:
        if self.armed:
            self.armed = False
            signal.raise_signal(signal.SIGUSR1)


@pytest.mark.parametrize("error", ERRORS)
@pytest.mark.parametrize("make_lock", [InterruptedReleaseOfLock, InterruptedReleaseOfRLock, TellsOfRelease])
def test_a_task_that_is_interrupted_just_after_it_released_the_lock_has_it_again(
    make_lock: Any, error: type[BaseException]
) -> None:
    raises = Raises(error)
    seen: list[Any] = []

    async def main() -> None:
        lock = make_lock()
        condition = Condition(lock)

        async def another() -> None:
            async with condition:
                seen.append("another")

        async def wait() -> None:
            async with condition:
                following = asyncio.create_task(another())
                await asyncio.sleep(0)
                raises.wanted = 1
                lock.armed = True
                try:
                    await condition.wait_async()
                except error:
                    seen.append("interrupted")
                    assert lock.locked()
                    assert getattr(lock, "owner", asyncio.current_task()) is asyncio.current_task()
                await asyncio.sleep(0)
                assert condition.waiters == ()
            await following

        await asyncio.wait_for(wait(), PATIENCE)
        assert not lock.locked()

    with raises.installed():
        asyncio.run(main())
    assert seen == ["another", "interrupted"]


@pytest.mark.parametrize("error", ERRORS)
@pytest.mark.parametrize("make_lock", [Lock, RLock])
def test_a_task_that_is_interrupted_as_it_comes_for_the_lock_has_it_again(
    make_lock: Any, error: type[BaseException], parties: Parties
) -> None:
    """The handler runs in Python code of the loop, which is asked for a timer: the task has to look again now and then
    whether the owner can still come. It left without the lock, and its waiter stayed behind."""
    raises = Raises(error)
    holder = parties.one()
    condition = Condition(make_lock())
    seen: list[Any] = []

    async def main() -> None:
        loop = asyncio.get_running_loop()
        later = loop.call_later

        def interrupted(*arguments: Any, **more: Any) -> Any:
            signal.raise_signal(signal.SIGUSR1)
            return later(*arguments, **more)

        waiting = asyncio.create_task(wait())
        await asyncio.sleep(0)
        loop.call_later = interrupted  # type: ignore[method-assign, assignment]
        raises.wanted = 1
        holder.do(condition.acquire)
        waiting.cancel()
        while not raises.raised:
            await asyncio.sleep(0)
        loop.call_later = later  # type: ignore[method-assign]
        for _ in range(5):
            await asyncio.sleep(0)
        assert seen == []
        holder.do(condition.release)
        await waiting
        assert seen == [waiting]

    async def wait() -> None:
        async with condition:
            try:
                await condition.wait_async()
            except error:
                seen.append(condition.owner)

    with raises.installed():
        asyncio.run(asyncio.wait_for(main(), PATIENCE))
    assert not condition.locked()
    assert condition._lock.waiters == condition.waiters == ()


class LockThatRefuses(OwnLockThatTells):
    refusing = False

    def acquire(self, *args: Any) -> bool:
        if self.refusing and threading.current_thread() is MAIN:
            self.came += 1
            raise TimeoutError
        return super().acquire(*args)


def test_an_error_of_the_lock_comes_out_at_once_and_the_notification_is_passed_on(parties: Parties) -> None:
    lock = LockThatRefuses()
    condition = Condition(lock)
    a, b = parties(2)
    waits = []

    def notify() -> None:
        blocked(condition, 1)
        waits.append(b.begin(wait_once, condition))
        blocked(condition, 2)
        lock.refusing = True
        lock.came = 0
        with condition:
            condition.notify()

    condition.acquire()
    notifying = a.begin(notify)
    with pytest.raises(TimeoutError):
        condition.wait()
    notifying.result()
    assert waits[0].result() is True
    assert lock.came == 3  # a, b, and the main thread only once


@pytest.mark.parametrize("make_lock", [RLock, Lock])
def test_who_has_timed_out_leaves_with_the_lock_and_notifies_nobody(
    make_lock: Any, parties: Parties, ctrl_c: CtrlC
) -> None:
    wait = Wait(make_lock(), timeout=0.05)
    holder, other = parties(2)
    waiting = other.begin(wait_once, wait.condition)
    blocked(wait.condition, 1)

    def give_it_back() -> None:
        wait.comes_for_the_lock()
        holder.do(wait.condition.release)

    with wait.condition:
        # Whoever has stood there so long is given the lock as soon as `wait` releases it.
        holder_comes = holder.begin(wait.condition.acquire)
        blocked(wait.lock, 1)
        become_due()
        ctrl_c.during(wait.condition.wait, wait.timeout, at=wait.lock, after=give_it_back)
        assert wait.condition.owner is MAIN
        assert holder_comes.result() is True
        assert wait.condition.waiters == (other.identity,)
        wait.condition.notify()
    assert waiting.result() is True


# --- barriers: whoever is interrupted has never come ---------------------------------------------------------------


def test_an_interrupted_party_is_not_counted(parties: Parties, ctrl_c: CtrlC) -> None:
    barrier = Barrier(3)
    a, b = parties(2)
    waits = [a.begin(barrier.wait)]
    blocked(barrier, 1)
    with unchanged(barrier):
        ctrl_c.during(barrier.wait, at=barrier)
    assert (barrier.n_waiting, barrier.broken) == (1, False)

    waits.append(b.begin(barrier.wait))
    blocked(barrier, 2)
    assert barrier.wait() == 2
    assert [wait.result() for wait in waits] == [0, 1]


def test_the_first_of_a_generation_can_be_interrupted(parties: Parties, ctrl_c: CtrlC) -> None:
    barrier = Barrier(3)
    a, b = parties(2)
    waits = []

    def come() -> None:
        waits.append(a.begin(barrier.wait))
        blocked(barrier, 2)

    ctrl_c.during(barrier.wait, at=barrier, then=come)
    waits.append(b.begin(barrier.wait))
    blocked(barrier, 2)
    assert barrier.wait() == 2
    assert [wait.result() for wait in waits] == [0, 1]


@pytest.mark.parametrize("action", [None, nothing])
def test_a_generation_that_is_complete_goes_on_without_the_interrupted_party(
    action: Any, parties: Parties, ctrl_c: CtrlC
) -> None:
    barrier = Barrier(3, action)
    a, b = parties(2)
    waits = [a.begin(barrier.wait)]
    blocked(barrier, 1)

    def complete() -> None:
        waits.append(b.begin(barrier.wait))
        assert waits[1].result() == 2

    ctrl_c.during(barrier.wait, at=barrier, first=complete)
    assert waits[0].result() in (0, 1)
    assert (barrier.n_waiting, barrier.broken) == (0, False)


def test_one_who_waits_for_the_action_can_be_interrupted(parties: Parties, ctrl_c: CtrlC) -> None:
    go_on = threading.Event()
    barrier = Barrier(2, go_on.wait)
    a, b = parties(2)
    waits = [a.begin(barrier.wait), b.begin(barrier.wait)]
    wait_until(lambda: barrier.n_waiting == 2, "the action runs")

    # Late for this generation, and interrupted before the next begins.
    ctrl_c.during(barrier.wait, at=barrier)
    go_on.set()
    assert sorted(wait.result() for wait in waits) == [0, 1]
    assert (barrier.n_waiting, barrier.broken, barrier.waiters) == (0, False, ())

    # In line, and interrupted while the action runs.
    go_on.clear()
    waits = []

    def complete() -> None:
        waits.append(a.begin(barrier.wait))
        wait_until(lambda: barrier.n_waiting == 2, "the action runs")

    def end_the_action() -> None:
        go_on.set()
        assert waits[0].result() == 1

    ctrl_c.during(barrier.wait, at=barrier, then=complete, first=end_the_action)
    assert (barrier.n_waiting, barrier.broken, barrier.waiters) == (0, False, ())


def test_ctrl_c_in_the_action_breaks_the_barrier(parties: Parties, ctrl_c: CtrlC) -> None:
    never = Event()
    barrier = Barrier(2, never.wait)
    waiting = parties.one().begin(barrier.wait)
    blocked(barrier, 1)
    ctrl_c.during(barrier.wait, at=never)
    assert isinstance(waiting.error(), BrokenBarrierError)
    assert barrier.broken


# --- at once -------------------------------------------------------------------------------------------------------


def test_one_ctrl_c_is_enough(parties: Parties) -> None:
    """However early it comes: here as soon as the primitive says that the main thread is in its queue."""
    presser = parties.one()
    lock = Lock()
    lock.acquire()
    lost = 0

    def press() -> None:
        nonlocal lost
        wait_until(lambda: MAIN in lock.waiters, "main waits")
        signal.pthread_kill(MAIN.ident or 0, signal.SIGINT)
        deadline = time.monotonic() + PATIENCE
        while MAIN in lock.waiters:
            if time.monotonic() > deadline:
                lost += 1
                lock.release()
                return
            time.sleep(0.000_05)

    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        for _ in range(150):
            pressing = presser.begin(press)
            with pytest.raises(KeyboardInterrupt):
                lock.acquire()
            pressing.result()
            assert lost == 0
    finally:
        signal.signal(signal.SIGINT, before)
