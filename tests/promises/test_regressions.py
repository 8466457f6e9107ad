"""Every bug that was found and fixed leaves a test here, named after what went wrong."""

import builtins
import contextlib
import contextvars
import gc
import importlib
import inspect
import os
import pkgutil
import subprocess
import sys
import threading
from collections.abc import Callable
from typing import Any

import pytest
from parties import Outcome, Parties, become_due, blocked, needs_signals, wait_until, with_handler
from promises.children import Child, in_child, needs_fork
from promises.own_process import in_own_process

import interlock
from interlock import (
    Barrier,
    BoundedSemaphore,
    Condition,
    DeadlockError,
    Event,
    Latch,
    Lock,
    Party,
    RLock,
    RWLock,
    Semaphore,
    WaitQueue,
)
from interlock.core.kernel.probe import start_counting, stop_counting
from interlock.core.tasks.task import current_party

MAIN = threading.main_thread()
HUGE = 2**70
AGES = 100_000.0  # seconds; a timed wait that no test sees the end of

# That a child of a process with threads must be careful is known here.
forks = pytest.mark.filterwarnings("ignore:.*multi-threaded.*:DeprecationWarning")


# --- deadlines ----------------------------------------------------------------------------------------------------


def test_the_longest_timeout_does_not_overflow(parties: Parties) -> None:
    """A waits for news with TIMEOUT_MAX. News comes, but not what A waits for: it has to wait on.

    Now and TIMEOUT_MAX together are more nanoseconds than fit into 64 bits: the deadline was long past.
    """
    condition = Condition()
    news: list[bool] = []
    asked = 0

    def predicate() -> bool:
        nonlocal asked
        asked += 1
        return bool(news)

    def wait() -> Any:
        with condition:
            return condition.wait_for(predicate, timeout=threading.TIMEOUT_MAX)

    waiting = parties.one().begin(wait)
    blocked(condition, 1)
    with condition:
        condition.notify()
    wait_until(lambda: asked == 2 and (condition.waiters or waiting.done), "the predicate is asked again")
    assert not waiting.done
    with condition:
        news.append(True)
        condition.notify()
    assert waiting.result() is True


# --- a grant that is taken back -----------------------------------------------------------------------------------


@needs_signals
def test_one_who_leaves_with_a_grant_does_not_free_the_lock_of_another(parties: Parties) -> None:
    """A hands the lock to Main, whom a signal handler is about to interrupt. Before Main can give it back, A releases
    it once more, for Main, and B takes it. Main then gave back what was B's."""
    lock = Lock()
    a, b = parties(2)
    a.do(lock.acquire)

    def passes_from_hand_to_hand() -> None:
        a.do(lock.release)
        assert lock.owner is MAIN
        a.do(lock.release)
        assert b.do(lock.acquire, False) is True

    parties.main.interrupted(lock.acquire, at=lock, then=become_due, first=passes_from_hand_to_hand)
    assert lock.owner is b.identity
    assert lock.acquire(False) is False
    b.do(lock.release)
    assert not lock.locked()


@needs_signals
def test_one_who_leaves_with_a_grant_keeps_what_its_handler_took(parties: Parties) -> None:
    """An RLock is handed to Main; a signal handler enters it once more, which is Main's right, and raises. Main gave
    back both its grant and what the handler had taken."""
    lock = RLock()
    a = parties.one()
    a.do(lock.acquire)

    def enters() -> None:
        a.do(lock.release)
        assert lock.owner is MAIN
        assert lock.acquire(False) is True

    parties.main.interrupted(lock.acquire, at=lock, then=become_due, first=enters)
    assert lock.owner is MAIN
    assert a.do(lock.acquire, False) is False
    lock.release()
    assert not lock.locked()


@needs_signals
def test_a_bounded_semaphore_never_passes_its_bound(parties: Parties) -> None:
    """The one permit goes to Main, whom a signal handler is about to interrupt. A release too many fills the semaphore
    up before Main can give its permit back: then there were two."""
    semaphore = BoundedSemaphore(1)
    semaphore.acquire()

    def release_too_often() -> None:
        semaphore.release()
        assert semaphore._value == 0  # it is Main's
        semaphore.release()

    parties.main.interrupted(semaphore.acquire, at=semaphore, then=become_due, first=release_too_often)
    assert semaphore._value == 1
    assert [semaphore.acquire(False) for _ in range(2)] == [True, False]


# --- one side of an RWLock used twice at a time -------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["read", "write"])
def test_two_threads_that_share_a_side_are_told(kind: str, parties: Parties) -> None:
    """A and B block with the same side. Let in, both entered it in the list of holds, which then led round and round:
    the next search of the list never ended, with the GIL held."""
    lock = RWLock()
    side = getattr(lock, kind)()
    with lock.write():
        waits = [party.begin(side.acquire) for party in parties(2)]
        wait_until(lambda: len(lock.waiters) + sum(wait.done for wait in waits) == 2, "each is blocked or told")
        assert len(lock.waiters) == 1
    error = next(filter(None, [wait.error() for wait in waits]))
    assert isinstance(error, RuntimeError)
    assert "is in use" in str(error)
    holder = next(wait for wait in waits if wait.error() is None)
    assert holder.result() is True
    assert lock.readers == (kind == "read")
    assert lock.write().acquire(False) is False
    holder.party.do(side.release)
    assert lock.write().acquire(False) is True


@needs_signals
@pytest.mark.parametrize("kind", ["read", "write"])
def test_a_signal_handler_that_uses_a_side_that_is_being_taken_is_told(kind: str, parties: Parties) -> None:
    """Main blocks with a side and a signal handler uses that same side. It was let in twice, as one hold."""
    lock = RWLock()
    side = getattr(lock, kind)()
    writing = lock.write()
    a = parties.one()
    a.do(writing.acquire)

    def use_it() -> None:
        for call in (lambda: side.acquire(False), lambda: side.acquire(timeout=0.01), side.release):
            with pytest.raises(RuntimeError, match=r"in use|does not hold"):
                call()

    parties.main.interrupted(side.acquire, at=lock, first=use_it)
    a.do(writing.release)
    assert side.acquire() is True
    side.release()
    assert not lock.locked()


# --- objects made or initialized in another way than meant --------------------------------------------------------


def use_sides_of_no_lock() -> None:
    for made in (RWLock().read(), RWLock().write()):
        kind: Any = type(made)
        uses: list[Callable[[Any], object]] = [
            repr,
            lambda side: side.acquire(False),
            lambda side: side.acquire(),
            lambda side: side.release(),
            lambda side: side.within(1).__enter__(),
            lambda side: side.__enter__(),
            lambda side: side.__exit__(None, None, None),
            lambda side: side.__reduce__(),
        ]
        for use in uses:
            with pytest.raises(TypeError):
                use(kind.__new__(kind))


def test_a_side_of_no_lock_is_an_error_and_no_crash() -> None:
    """`__new__` goes past the constructor that refuses: there is no lock behind such a side."""
    in_own_process(use_sides_of_no_lock)


def test_a_condition_is_initialized_once(parties: Parties) -> None:
    """A waits with the condition's lock. A second `__init__` with another lock, and A had no lock to come back to."""
    condition = Condition()
    lock = condition._lock

    def wait() -> tuple[bool, bool]:
        with condition:
            return condition.wait(), condition._is_owned()

    waiting = parties.one().begin(wait)
    blocked(condition, 1)
    with condition:
        condition.notify()
        with pytest.raises(RuntimeError, match="initialized only once"):
            condition.__init__(threading.Lock())  # type: ignore[misc]
        assert condition._lock is lock
    assert waiting.result() == (True, True)


def poke_at_what_was_never_initialized() -> None:
    # Nothing here blocks: the first argument is what says whether, or for how long.
    arguments: list[tuple[Any, ...]] = [(), (0,), (False, -1), (0, -HUGE), (None, None, None), ((),)]
    for module in pkgutil.walk_packages(importlib.import_module("interlock.core").__path__, "interlock.core."):
        kinds = vars(importlib.import_module(module.name)).values()
        for kind in [kind for kind in kinds if inspect.isclass(kind) and kind.__module__.startswith("interlock")]:
            for name in dir(kind):
                for given in arguments:
                    if given or name not in ("acquire", "wait", "park", "get", "__enter__"):
                        # What kind of error is for the tests of what is used as it is meant.
                        with contextlib.suppress(Exception):
                            thing: Any = kind.__new__(kind)
                            getattr(thing, name)(*given)


def test_what_was_never_initialized_is_an_error_and_no_crash() -> None:
    """`__new__` alone makes an object of most classes; whatever is done with it must not crash."""
    in_own_process(poke_at_what_was_never_initialized)


# --- false reports ------------------------------------------------------------------------------------------------


@needs_signals
def test_a_reader_behind_a_timed_writer_is_not_refused(parties: Parties) -> None:
    """A thread has ended with a read hold, and behind that a writer waits, who will give up. A reader that came then
    was told that it would wait for ever."""
    lock = RWLock()
    gone, reader = parties(2)
    side = lock.read()
    party = gone.do(current_party)
    gone.do(side.acquire)
    gone.end()
    wait_until(lambda: party.ended, "the thread has ended")
    waits: list[Outcome] = []

    def a_reader_comes() -> None:
        waits.append(reader.begin(lock.read().acquire))
        wait_until(lambda: len(lock.waiters) == 2 or waits[0].done, "the reader waits, or has been refused")

    # The interruption stands for the timeout: the writer leaves as soon as the reader is there.
    parties.main.interrupted(lock.write().acquire, timeout=AGES, at=lock, then=a_reader_comes)
    assert waits[0].result() is True
    with pytest.raises(DeadlockError):
        lock.write().acquire()  # this one would wait for ever


class AtTheEnd:
    """Calls something when the thread that has kept it ends: later than anything else that a thread does."""

    def __init__(self, call: Callable[[], object]):
        self.call = call

    def __del__(self) -> None:
        self.call()


thread_local = threading.local()
context_variable: contextvars.ContextVar[AtTheEnd] = contextvars.ContextVar("at the end")


def keep_in_thread_local(what: AtTheEnd) -> None:
    thread_local.kept = what


keeps = pytest.mark.parametrize(
    "keep",
    [pytest.param(keep_in_thread_local, id="thread local"), pytest.param(context_variable.set, id="context variable")],
)


@keeps
def test_a_lock_that_an_ending_thread_still_releases_is_waited_for(keep: Callable[[AtTheEnd], object]) -> None:
    """A thread ends holding a lock; a destructor that runs as it is torn down waits for somebody to come for the lock
    and releases it. Who came was told that the thread had ended."""
    lock = RLock()
    ending = threading.Event()
    refused = threading.Event()

    def release_when_wanted() -> None:
        ending.set()
        wait_until(lambda: lock.waiters or refused.is_set(), "somebody wants the lock")
        lock.release()

    def live() -> None:
        lock.acquire()
        keep(AtTheEnd(release_when_wanted))

    thread = threading.Thread(target=live)
    thread.start()
    wait_until(ending.is_set, "the thread ends")
    try:
        assert lock.acquire() is True
    except DeadlockError:
        refused.set()
        raise
    finally:
        thread.join()
    lock.release()


# --- parties ------------------------------------------------------------------------------------------------------


@keeps
def test_parties_first_met_at_the_end_of_their_threads_do_not_accumulate(keep: Callable[[AtTheEnd], object]) -> None:
    """A thread takes its first lock in a destructor that runs as it is torn down. Nobody noticed its end then, and
    each such thread was remembered for ever."""
    lock = Lock()

    def take_it() -> None:
        with lock:
            pass

    def live() -> None:
        keep(AtTheEnd(take_it))

    def not_ended() -> int:
        return sum(isinstance(thing, Party) and not thing.ended for thing in gc.get_objects())

    current_party()
    before = not_ended()
    for _ in range(100):
        thread = threading.Thread(target=live)
        thread.start()
        thread.join()
    wait_until(lambda: not_ended() <= before, "the end of every thread is noticed")


class NameTakesALock(threading.Thread):
    lock = Lock()

    @property
    def name(self) -> str:
        with self.lock:
            return "taken"

    @name.setter
    def name(self, name: str) -> None:
        pass


class NameRaises(threading.Thread):
    @property
    def name(self) -> str:
        raise ValueError("no name")

    @name.setter
    def name(self, name: str) -> None:
        pass


@pytest.mark.parametrize("kind", [NameTakesALock, NameRaises])
def test_the_name_of_a_thread_may_be_anybodys_code(kind: type[threading.Thread]) -> None:
    """At a thread's first lock its name was asked for. A name that takes a lock was asked for again, without end;
    one that raises made `acquire` raise."""
    lock = Lock()
    outcomes: list[Any] = []

    def live() -> None:
        try:
            with lock as entered:
                outcomes.append((entered, lock.owner))
        except BaseException as error:
            outcomes.append(error)

    thread = kind(target=live)
    thread.start()
    thread.join()
    assert outcomes == [(True, thread)]
    assert not lock.locked()


class AsksTooEarly(threading.Thread):
    """Somebody asks who it is while it is still starting, as a finalizer may. `threading` invents a dummy then."""

    def __init__(self, when: str, lock: Lock, target: Callable[[], object]):
        super().__init__(target=target)
        self.when = when
        self.lock = lock

    def ask(self) -> None:
        kind = type(threading.current_thread())
        assert kind is not type(self)
        with self.lock:
            assert self.lock.owner.ident == threading.get_ident()

    def _set_ident(self) -> None:  # runs in the new thread, before `threading` lists it
        if self.when == "before it has an ident":
            self.ask()
        super()._set_ident()  # type: ignore[misc]
        if self.when == "before it is listed":
            self.ask()


@pytest.mark.parametrize("when", ["before it has an ident", "before it is listed"])
def test_a_thread_that_was_taken_for_a_dummy_is_still_the_owner(when: str) -> None:
    """The dummy was remembered as what the party is known as. It went when the thread was listed, and `owner` was a
    nameless party as long as the thread lived."""
    lock = Lock()
    owners: list[Any] = []

    def live() -> None:
        with lock:
            owners.append(lock.owner)
            owners.append(repr(lock))

    thread = AsksTooEarly(when, lock, live)
    thread.start()
    thread.join()
    assert owners[0] is thread
    assert f"owner={thread.name}" in owners[1]


# --- forked children ----------------------------------------------------------------------------------------------


@needs_fork
@forks
def test_one_who_is_not_in_the_child_does_not_keep_permits_from_others(parties: Parties) -> None:
    """A waits for more permits than there are. In a child, where A is not, `acquire(False)` still stood behind A."""
    semaphore = Semaphore(1)
    waiting = parties.one().begin(semaphore.acquire, permits=5)
    blocked(semaphore, 1)

    def check() -> None:
        assert [semaphore.acquire(False) for _ in range(2)] == [True, False]

    in_child(check)
    semaphore.release(4)
    assert waiting.result() is True


@needs_fork
@needs_signals
@forks
@pytest.mark.parametrize("make_lock", [Lock, RLock])
def test_one_who_forks_behind_a_lost_owner_is_told(make_lock: Any, parties: Parties) -> None:
    """Main is blocked behind B, and its signal handler forks just after the lock has been handed to B, who is not in
    the child: there Main waited for ever."""
    lock = make_lock()
    child = Child()
    a, b = parties(2)
    a.do(lock.acquire)
    waiting = b.begin(lock.acquire)
    blocked(lock, 1)

    def handler() -> None:
        become_due()
        a.do(lock.release)
        assert waiting.result() is True
        if not child.fork():
            b.begin(lock.release)

    def check() -> None:
        with pytest.raises(DeadlockError):
            outcome.result()

    outcome = with_handler(lock.acquire, lock, handler)
    if child.pid == 0:
        child.finish(check)
    child.join()
    assert outcome.result() is True
    lock.release()


@needs_fork
@needs_signals
@forks
def test_one_who_forks_behind_one_who_is_woken_is_served(parties: Parties) -> None:
    """A and Main are notified and the lock is free; A has been woken to compete for it, but Main's signal handler
    forks before A is there. In the child A never comes, and nobody served Main."""
    condition = Condition()
    child = Child()
    a = parties.one()

    def wait() -> bool:
        with condition:
            return condition.wait()

    def handler() -> None:
        interval = sys.getswitchinterval()
        sys.setswitchinterval(1000)  # A does not run before the fork
        with condition:
            condition.notify_all()
        # Held now: this took longer than a millisecond, and the lock has been handed to A. Then all of it once more.
        if not condition.locked():
            child.fork()
        sys.setswitchinterval(interval)

    def check() -> None:
        assert outcome.result() is True
        assert not condition.locked()

    while not child.pid:
        waiting = a.begin(wait)
        blocked(condition, 1)
        outcome = with_handler(wait, condition, handler)
        if child.pid == 0:
            child.finish(check)
        check()
        assert waiting.result() is True
    child.join()


@needs_fork
@needs_signals
@forks
def test_a_reader_who_was_let_in_and_forks_still_reads_in_the_child(parties: Parties) -> None:
    """Main is let in to read, and before it knows, its signal handler forks. The child did not count Main among those
    who read: a writer got in beside it."""
    lock = RWLock()
    child = Child()
    a = parties.one()
    writing, reading = lock.write(), lock.read()
    a.do(writing.acquire)

    def handler() -> None:
        a.do(writing.release)
        if child.fork():
            assert lock.readers == 1

    def check() -> None:
        assert outcome.result() is True
        assert lock.readers == 1
        reading.release()
        assert lock.readers == 0
        assert not lock.locked()

    outcome = with_handler(reading.acquire, lock, handler)
    if child.pid == 0:
        child.finish(check)
    child.join()
    check()


# --- arguments ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("state", "error"),
    [(("x", 0), TypeError), ((0, 0), ValueError), ((-1, 0), OverflowError), ((2**70, 0), OverflowError)],
)
def test_a_state_that_cannot_be_restored_leaves_the_lock_free(state: Any, error: type[Exception]) -> None:
    """The state was looked at when the lock had been taken: it stayed taken, or was held zero times over."""
    lock = RLock()
    with pytest.raises(error):
        lock._acquire_restore(state)
    assert not lock.locked()
    lock._acquire_restore((2, 0))
    lock.release()
    assert lock.locked()
    lock.release()
    assert not lock.locked()


@pytest.mark.parametrize(
    ("call", "error"),
    [
        (lambda: Semaphore(-1), ValueError),
        (lambda: Semaphore(2**63), OverflowError),
        (lambda: Semaphore(HUGE), OverflowError),
        (lambda: Semaphore("a"), TypeError),  # type: ignore[arg-type]
        (lambda: Semaphore(None), TypeError),  # type: ignore[arg-type]
        (lambda: Semaphore(1).release(0), ValueError),
        (lambda: Semaphore(1).release(-1), ValueError),
        (lambda: Semaphore(1).release(2**63 - 1), ValueError),
        (lambda: Semaphore(1).release(HUGE), OverflowError),
        (lambda: Semaphore(1).acquire(False, permits=0), ValueError),
        (lambda: Semaphore(1).acquire(False, permits=-HUGE), OverflowError),
        (lambda: Semaphore(1).acquire(False, permits=HUGE), OverflowError),
        (lambda: BoundedSemaphore(1).acquire(permits=2), ValueError),
        (lambda: Latch(-1), ValueError),
        (lambda: Latch(HUGE), OverflowError),
        (lambda: Latch(3).count_down(-1), ValueError),
        (lambda: Latch(3).count_down(HUGE), OverflowError),
        (lambda: Barrier(0), ValueError),
        (lambda: Barrier(-1), ValueError),
        (lambda: Barrier(HUGE), OverflowError),
        (lambda: WaitQueue().unpark(HUGE), OverflowError),
        (lambda: Lock().acquire(timeout=float("inf")), OverflowError),
        (lambda: Lock().acquire(timeout=1e300), OverflowError),
        (lambda: Lock().acquire(timeout=float("nan")), ValueError),
        (lambda: Lock().acquire(timeout=-2), ValueError),
        (lambda: Event().wait(float("inf")), OverflowError),
        (lambda: Event().wait(float("nan")), ValueError),
    ],
)
def test_absurd_numbers_are_errors(call: Callable[[], object], error: type[Exception]) -> None:
    with pytest.raises(error):
        call()


@pytest.mark.parametrize("n", [HUGE, -HUGE])
def test_an_absurd_number_to_notify_is_an_error(n: int) -> None:
    condition = Condition()
    with condition, pytest.raises(OverflowError):
        condition.notify(n)
    assert not condition.locked()


# --- the probe ----------------------------------------------------------------------------------------------------


class NamelessKind(type):
    """Classes made with it raise where the counting asks for their name; only in the test, for `help` asks too."""

    raising = False

    @property
    def __name__(cls) -> str:  # type: ignore[override]
        if NamelessKind.raising:
            raise ValueError("no name")
        return "NamelessLock"


class NamelessLock(Lock, metaclass=NamelessKind):
    pass


def test_what_the_probe_raises_does_not_tear_an_operation_in_two(
    parties: Parties, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The counting raised between the change of state and what follows from it: the lock was taken and `acquire`
    raised; `release` freed it and woke nobody."""
    reported: list[BaseException | None] = []
    monkeypatch.setattr(sys, "unraisablehook", lambda unraisable: reported.append(unraisable.exc_value))
    monkeypatch.setattr(NamelessKind, "raising", True)
    lock = NamelessLock()
    start_counting()
    try:
        assert lock.acquire() is True
        assert lock.locked()
        waiting = parties.one().begin(lock.acquire)
        blocked(lock, 1)
        lock.release()
        assert waiting.result() is True
    finally:
        stop_counting()
    assert reported
    assert all(isinstance(error, ValueError) for error in reported)


# --- many holds ---------------------------------------------------------------------------------------------------


def abandon_holds(n: int) -> None:
    lock = RWLock()
    for _ in range(n):
        lock.read().acquire()
    assert lock.readers == n
    kept = [lock]
    del lock

    def free() -> None:
        kept.clear()
        gc.collect()

    threading.stack_size(256 * 1024)
    thread = threading.Thread(target=free)
    thread.start()
    thread.join()


def test_many_abandoned_holds_do_not_overflow_the_stack() -> None:
    """Each hold keeps the next. When the lock goes, so does the first, and in its destructor the next, and so on."""
    in_own_process(abandon_holds, 20_000)


# --- the end of the interpreter -----------------------------------------------------------------------------------


class UsesThemAtTheEnd:
    """Goes when the interpreter takes its modules apart, and has at hand all that it needs then."""

    def __init__(self, where: str):
        self.where = where
        self.lock, self.event, self.rwlock = Lock(), Event(), RWLock()
        self.write, self.anything, self.repr = os.write, BaseException, repr

    def __del__(self) -> None:
        said = "fine"
        try:
            self.lock.acquire(False)
            self.lock.release()
            self.event.set()
            side = self.rwlock.read()
            side.acquire(False)
            side.release()
        except self.anything as error:
            said = self.repr(error)
        self.write(1, f"{self.where}: {said}\n".encode())


def leave_things_for_the_end() -> None:
    builtins.left = UsesThemAtTheEnd("builtins")  # type: ignore[attr-defined]
    sys.left = UsesThemAtTheEnd("sys")  # type: ignore[attr-defined]
    interlock.core.kernel.party.left = UsesThemAtTheEnd("party")  # type: ignore[attr-defined]


def test_what_destructors_do_while_the_interpreter_ends_works() -> None:
    """Modules, ours too, are being taken apart then, and destructors that come late still use our locks."""
    said = in_own_process(leave_things_for_the_end).splitlines()
    assert said
    assert [line for line in said if not line.endswith(": fine")] == []


@pytest.mark.parametrize("kind", ["Lock", "RLock", "Semaphore", "Condition"])
def test_a_program_that_ends_holding_a_lock_ends_quietly(kind: str) -> None:
    """What notices the end of a thread notices that of the main thread too, when hardly anything else is left."""
    program = f"import interlock; lock = interlock.{kind}(); lock.acquire()"
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=100)
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, "", "")
