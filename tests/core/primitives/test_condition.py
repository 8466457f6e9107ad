"""Condition: wait, under a lock, for somebody else to say that things have changed."""

import threading
from collections.abc import Callable
from typing import Any

import pytest
from parties import Outcome, Parties, ThreadParty, become_due, blocked, needs_signals, unchanged, wait_until

from interlock import Condition, Lock, RLock


class UsersLock:
    """The least that a condition asks of a lock."""

    for_threads = True

    def __init__(self) -> None:
        self.inner = threading.Lock()

    def acquire(self, *args: Any, **kwargs: Any) -> bool:
        return self.inner.acquire(*args, **kwargs)

    def release(self) -> None:
        self.inner.release()

    def __enter__(self) -> str:
        self.acquire()
        return "the user's own"

    def __exit__(self, *error: object) -> str:
        self.release()
        return ""


class LockSubclass(Lock):
    pass


class RLockSubclass(RLock):
    pass


OURS: list[Callable[[], Any]] = [lambda: None, RLock, Lock]
FOREIGN: list[Callable[[], Any]] = [threading.Lock, threading.RLock, UsersLock, LockSubclass, RLockSubclass]
OURS_IDS = ["default", "RLock", "Lock"]
FOREIGN_IDS = ["threading.Lock", "threading.RLock", "user's", "Lock subclass", "RLock subclass"]

ours = pytest.mark.parametrize("make_lock", OURS, ids=OURS_IDS)
foreign = pytest.mark.parametrize("make_lock", FOREIGN, ids=FOREIGN_IDS)
every = pytest.mark.parametrize("make_lock", OURS + FOREIGN, ids=OURS_IDS + FOREIGN_IDS)


def begin_wait(condition: Condition, party: ThreadParty, **timeout: Any) -> Outcome:
    """Return when `party` is blocked in `wait`, with the condition's lock free."""
    party.do(condition.acquire)
    n = len(condition.waiters)
    waiting = party.begin(condition.wait, **timeout)
    blocked(condition, n + 1)
    return waiting


def begin_wait_and_release(condition: Condition, party: ThreadParty) -> Outcome:
    """The same, and the party releases the lock as soon as it is back."""
    waiting = begin_wait(condition, party)
    party.begin(condition.release)
    return waiting


def notify(condition: Condition, party: ThreadParty, n: int = 1) -> None:
    """Let `party`, which does not hold the lock, notify `n` waiters."""
    party.do(condition.acquire)
    party.do(condition.notify, n)
    party.do(condition.release)


# --- its lock ---------------------------------------------------------------------------------------------------


def test_its_own_lock_is_an_rlock(parties: Parties) -> None:
    condition = Condition()
    a, b = parties(2)
    assert type(condition._lock) is RLock
    assert condition.owner is None
    assert condition.locked() is False
    assert a.do(condition.acquire) is True
    assert a.do(condition.acquire, False) is True
    assert condition.owner is a.identity
    assert condition.locked() is True
    assert b.do(condition.acquire, timeout=0.01) is False
    assert b.do(condition.acquire, blocking=False) is False
    a.do(condition.release)
    assert condition.owner is a.identity
    a.do(condition.release)
    assert condition.owner is None


@every
def test_with_holds_the_lock(make_lock: Any, parties: Parties) -> None:
    lock = make_lock()
    condition = Condition(lock)
    if lock is not None:
        assert condition._lock is lock
    a, b = parties(2)
    assert a.enter(condition)
    assert b.do(condition.acquire, False) is False
    assert a.do(condition._is_owned) is True
    a.leave(condition)
    assert b.do(condition.acquire, False) is True
    b.do(condition.release)


def test_with_gives_what_the_lock_gives() -> None:
    with Condition(UsersLock()) as entered:  # type: ignore[arg-type]
        assert entered == "the user's own"
    with Condition() as entered:
        assert entered is True


def test_two_conditions_on_one_lock(parties: Parties) -> None:
    lock = Lock()
    full, empty = Condition(lock), Condition(lock)
    a, b, c = parties(3)
    first = begin_wait(full, a)
    second = begin_wait(empty, b)
    notify(full, c)
    assert first.result() is True
    assert empty.waiters == (b.identity,)
    a.do(empty.notify)
    a.do(lock.release)
    assert second.result() is True


def test_owner_of_a_lock_that_does_not_tell() -> None:
    condition = Condition(threading.Lock())
    with condition:
        assert condition.owner is None


# --- not held ---------------------------------------------------------------------------------------------------


@every
def test_wait_and_notify_need_the_lock(make_lock: Any) -> None:
    condition = Condition(make_lock())
    with unchanged(condition):
        with pytest.raises(RuntimeError, match="cannot wait on un-acquired lock"):
            condition.wait()
        with pytest.raises(RuntimeError, match="cannot wait on un-acquired lock"):
            condition.wait(0.01)
        with pytest.raises(RuntimeError, match="cannot wait on un-acquired lock"):
            condition.wait_for(lambda: False)
        with pytest.raises(RuntimeError, match="cannot notify on un-acquired lock"):
            condition.notify()
        with pytest.raises(RuntimeError, match="cannot notify on un-acquired lock"):
            condition.notify_all()


@pytest.mark.parametrize("make_lock", [lambda: None, RLock, threading.RLock, RLockSubclass])
def test_held_by_another(make_lock: Any, parties: Parties) -> None:
    condition = Condition(make_lock())
    a, b, c = parties(3)
    waiting = begin_wait(condition, c)
    a.do(condition.acquire)
    for wrong in (condition.wait, condition.notify, condition.notify_all):
        with unchanged(condition), pytest.raises(RuntimeError, match="un-acquired lock"):
            b.do(wrong)
    a.do(condition.notify)
    a.do(condition.release)
    waiting.result()


# --- wait and notify --------------------------------------------------------------------------------------------


@every
def test_notify_wakes_the_first(make_lock: Any, parties: Parties) -> None:
    condition = Condition(make_lock())
    a, b, c = parties(3)
    first, second = begin_wait(condition, a), begin_wait(condition, b)
    assert condition.waiters == (a.identity, b.identity)
    c.do(condition.acquire)
    assert c.do(condition.notify) is None
    # Told, and out of the condition; not back yet, since `c` has the lock.
    assert condition.waiters == (b.identity,)
    assert not first.done
    c.do(condition.release)
    assert first.result() is True
    assert not second.done
    # `a` has the lock again.
    assert c.do(condition.acquire, False) is False
    a.do(condition.notify)
    a.do(condition.release)
    assert second.result() is True
    b.do(condition.release)


@every
def test_notify_n(make_lock: Any, parties: Parties) -> None:
    condition = Condition(make_lock())
    *waiters, d = parties(4)
    waiting = [begin_wait_and_release(condition, party) for party in waiters]
    d.do(condition.acquire)
    d.do(condition.notify, 2)
    assert condition.waiters == (waiters[2].identity,)
    d.do(condition.release)
    assert [outcome.result() for outcome in waiting[:2]] == [True, True]
    assert not waiting[2].done
    d.do(condition.acquire)
    d.do(condition.notify, n=5)  # more than there are
    assert condition.waiters == ()
    d.do(condition.release)
    assert waiting[2].result() is True


@every
def test_notify_none(make_lock: Any, parties: Parties) -> None:
    condition = Condition(make_lock())
    a, b = parties(2)
    waiting = begin_wait(condition, a)
    b.do(condition.acquire)
    with unchanged(condition):
        b.do(condition.notify, 0)
        b.do(condition.notify, -1)
    b.do(condition.notify)
    b.do(condition.release)
    waiting.result()


@every
def test_notify_all(make_lock: Any, parties: Parties) -> None:
    condition = Condition(make_lock())
    *waiters, d = parties(4)
    waiting = [begin_wait_and_release(condition, party) for party in waiters]
    d.do(condition.acquire)
    d.do(condition.notify_all)
    assert condition.waiters == ()
    assert not any(outcome.done for outcome in waiting)
    d.do(condition.release)
    # They come back one after the other, each with the lock.
    assert [outcome.result() for outcome in waiting] == [True] * 3


@every
def test_a_notify_with_nobody_there_is_not_remembered(make_lock: Any, parties: Parties) -> None:
    condition = Condition(make_lock())
    a = parties.one()
    a.do(condition.acquire)
    a.do(condition.notify)
    a.do(condition.notify_all)
    assert a.do(condition.wait, 0.01) is False
    a.do(condition.release)


@every
def test_a_wait_that_times_out(make_lock: Any, parties: Parties) -> None:
    condition = Condition(make_lock())
    a, b = parties(2)
    a.do(condition.acquire)
    with unchanged(condition):
        for timeout in (0.01, 0, -1):
            assert a.do(condition.wait, timeout) is False
            # The lock is back.
            assert b.do(condition.acquire, False) is False
    a.do(condition.release)
    assert b.do(condition.acquire, False) is True
    b.do(condition.release)


@every
def test_a_timed_wait_that_is_notified(make_lock: Any, parties: Parties) -> None:
    condition = Condition(make_lock())
    a, b = parties(2)
    waiting = begin_wait(condition, a, timeout=1000)
    notify(condition, b)
    assert waiting.result() is True
    a.do(condition.release)


@every
def test_one_who_gives_up_takes_no_notification_along(make_lock: Any, parties: Parties) -> None:
    condition = Condition(make_lock())
    a, b, c = parties(3)
    first = begin_wait_and_release(condition, a)
    b.do(condition.acquire)
    second = b.begin(condition.wait, 0.02)
    # Joins while `b` still waits, or after, and then `b` has the lock until it releases that: both are right.
    c.begin(condition.acquire)
    third = c.begin(condition.wait)
    c.begin(condition.release)
    assert second.result() is False
    b.do(condition.release)
    blocked(condition, 2)
    assert condition.waiters == (a.identity, c.identity)
    notify(condition, b, 2)
    assert first.result() is True
    assert third.result() is True


@pytest.mark.parametrize("make_lock", [lambda: None, RLock, threading.RLock, RLockSubclass])
def test_wait_gives_up_the_lock_entirely_and_restores_its_depth(make_lock: Any, parties: Parties) -> None:
    condition = Condition(make_lock())
    a, b = parties(2)
    for _ in range(3):
        a.do(condition.acquire)
    waiting = a.begin(condition.wait)
    blocked(condition, 1)
    assert b.do(condition.acquire, False) is True
    b.do(condition.notify)
    b.do(condition.release)
    assert waiting.result() is True
    for _ in range(3):
        assert b.do(condition.acquire, False) is False
        a.do(condition.release)
    assert b.do(condition.acquire, False) is True
    b.do(condition.release)


def lock_goes_to(party: ThreadParty, waiter: ThreadParty, condition: Condition, timeout: float) -> Outcome:
    """Let `waiter`, which holds the lock, begin to wait; `party` has the lock then and is the first to have it."""
    acquiring = party.begin(condition.acquire)
    blocked(condition._lock, 1)
    become_due()
    waiting = waiter.begin(condition.wait, timeout)
    assert acquiring.result() is True
    assert condition.owner is party.identity
    return waiting


@pytest.mark.parametrize("way", ["notified", "timed out", "timed out, then waited for the lock"])
def test_a_lock_entered_with_with_is_so_again_after_wait(way: str, parties: Parties) -> None:
    lock = Lock()
    condition = Condition(lock)
    a, b = parties(2)
    a.enter(condition)
    if way == "timed out":
        assert a.do(condition.wait, 0.001) is False
    else:
        waiting = lock_goes_to(b, a, condition, 1000 if way == "notified" else 0.001)
        if way == "notified":
            b.do(condition.notify)
        else:
            blocked(lock, 1)
        b.do(lock.release)
        assert waiting.result() is (way == "notified")
    assert lock.owner is a.identity
    a.leave(condition)
    assert not lock.locked()


@ours
def test_notify_moves_the_waiter_to_the_lock_without_waking_it(make_lock: Any, parties: Parties) -> None:
    condition = Condition(make_lock())
    lock = condition._lock
    a, b, c, d = parties(4)
    first = begin_wait(condition, a)
    second = begin_wait(condition, b)
    c.do(condition.acquire)
    waiting = d.begin(lock.acquire)
    blocked(lock, 1)
    c.do(condition.notify_all)
    # Behind whoever waited for the lock before.
    assert lock.waiters == (d.identity, a.identity, b.identity)
    assert condition.waiters == ()
    assert not first.done
    become_due()
    c.do(lock.release)
    assert lock.owner is d.identity
    assert waiting.result() is True
    d.do(lock.release)
    assert lock.owner is a.identity
    assert first.result() is True
    a.do(lock.release)
    assert lock.owner is b.identity
    assert second.result() is True
    b.do(lock.release)
    assert not lock.locked()


@foreign
def test_with_a_foreign_lock_the_notified_one_comes_for_the_lock_itself(make_lock: Any, parties: Parties) -> None:
    condition = Condition(make_lock())
    a, b = parties(2)
    waiting = begin_wait(condition, a)
    b.do(condition.acquire)
    b.do(condition.notify)
    assert condition.waiters == ()
    assert not waiting.done
    b.do(condition.release)
    assert waiting.result() is True
    a.do(condition.release)


@ours
def test_a_wait_that_times_out_while_the_lock_is_taken(make_lock: Any, parties: Parties) -> None:
    """It waits in the lock's queue then, and says False once it has the lock."""
    condition = Condition(make_lock())
    lock = condition._lock
    a, b = parties(2)
    a.do(condition.acquire)
    waiting = lock_goes_to(b, a, condition, 0.001)
    blocked(lock, 1)
    assert lock.waiters == (a.identity,)
    assert condition.waiters == ()
    # Too late for `a`: the time was up.
    b.do(condition.notify)
    b.do(lock.release)
    assert waiting.result() is False
    assert lock.owner is a.identity
    a.do(lock.release)


@ours
def test_waiting_hands_the_lock_to_who_waits_for_it(make_lock: Any, parties: Parties) -> None:
    condition = Condition(make_lock())
    a, b = parties(2)
    a.do(condition.acquire)
    waiting = lock_goes_to(b, a, condition, 1000)
    blocked(condition, 1)
    b.do(condition.notify)
    b.do(condition.release)
    assert waiting.result() is True
    a.do(condition.release)


# --- interrupted ------------------------------------------------------------------------------------------------


@needs_signals
@every
def test_interrupted_it_has_the_lock_again(make_lock: Any, parties: Parties) -> None:
    condition = Condition(make_lock())
    a = parties.one()
    with condition, unchanged(condition):
        parties.main.interrupted(condition.wait, at=condition)
        parties.main.interrupted(condition.wait, 1000, at=condition)
        assert a.do(condition.acquire, False) is False
    assert a.do(condition.acquire, False) is True
    a.do(condition.release)


@needs_signals
@ours
def test_interrupted_while_the_lock_is_taken_it_waits_for_the_lock(make_lock: Any, parties: Parties) -> None:
    """The code around `wait` relies on the lock; what the handler raised is kept until it is back."""
    condition = Condition(make_lock())
    lock = condition._lock
    a = parties.one()
    released = None

    def take_the_lock() -> None:
        a.do(lock.acquire)

    def release_it_later() -> None:
        nonlocal released

        def release() -> None:
            blocked(lock, 1)
            lock.release()

        released = a.begin(release)

    with condition:
        parties.main.interrupted(condition.wait, at=condition, then=take_the_lock, first=release_it_later)
        assert lock.owner is parties.main.identity
    assert released is not None
    assert lock.waiters == ()


@needs_signals
@every
def test_interrupted_after_it_was_notified_the_next_is(make_lock: Any, parties: Parties) -> None:
    condition = Condition(make_lock())
    a, b = parties(2)
    waiting = None

    def come_second() -> None:
        nonlocal waiting
        waiting = begin_wait(condition, a)

    with condition:
        parties.main.interrupted(condition.wait, at=condition, then=come_second, first=lambda: notify(condition, b))
        # Still with the lock; so `a`, though notified, is not back.
        assert condition.waiters == ()
        assert waiting is not None
        assert not waiting.done
    assert waiting.result() is True
    a.do(condition.release)


@needs_signals
@ours
def test_interrupted_after_it_was_notified_with_nobody_behind(make_lock: Any, parties: Parties) -> None:
    condition = Condition(make_lock())
    b = parties.one()

    def notify_one_who_is_due() -> None:
        b.do(condition.acquire)
        b.do(condition.notify)
        become_due()
        b.do(condition.release)

    with condition:
        parties.main.interrupted(condition.wait, at=condition, first=notify_one_who_is_due)
        assert condition.waiters == ()
        assert condition.wait(0.01) is False


# --- wait_for ---------------------------------------------------------------------------------------------------


@every
def test_wait_for(make_lock: Any, parties: Parties) -> None:
    condition = Condition(make_lock())
    a, b = parties(2)
    box: list[str] = []
    asked = []

    def predicate() -> list[str]:
        asked.append(len(box))
        return box

    a.do(condition.acquire)
    waiting = a.begin(condition.wait_for, predicate)
    for item in ("", "x"):
        blocked(condition, 1)
        b.do(condition.acquire)
        if item:
            box.append(item)
        b.do(condition.notify)
        b.do(condition.release)
    # What the predicate returned, not only its truth.
    assert waiting.result() is box
    assert asked == [0, 0, 1]
    a.do(condition.release)


def test_wait_for_what_is_true_already() -> None:
    condition = Condition()
    with condition:
        assert condition.wait_for(lambda: 42) == 42
        assert condition.wait_for(lambda: 42, timeout=0) == 42


@every
@pytest.mark.threads_only("what the parties run blocks; for tasks see tests/core/tasks")
def test_wait_for_that_times_out(make_lock: Any, parties: Parties) -> None:
    condition = Condition(make_lock())
    a, b = parties(2)
    asked = []

    def predicate() -> tuple[()]:
        asked.append(b.do(condition.acquire, False))
        return ()

    a.do(condition.acquire)
    with unchanged(condition):
        assert a.do(condition.wait_for, predicate, 0.01) == ()
        assert a.do(condition.wait_for, predicate, timeout=0) == ()
    # Asked with the lock held, before and after each wait.
    assert asked == [False] * 4
    a.do(condition.release)


@pytest.mark.threads_only("what the parties run blocks; for tasks see tests/core/tasks")
def test_the_time_of_wait_for_is_for_all_its_waits(parties: Parties) -> None:
    """Notified again and again in vain, it still ends."""
    condition = Condition()
    a, b = parties(2)
    a.do(condition.acquire)
    waiting = a.begin(condition.wait_for, lambda: False, 0.25)

    def notify_until_it_ends() -> None:
        while not waiting.done:
            if condition.acquire(False):
                condition.notify()
                condition.release()

    notifying = b.begin(notify_until_it_ends)
    assert waiting.result() is False
    notifying.result()
    a.do(condition.release)


def test_wait_for_the_longest_time_there_is(parties: Parties) -> None:
    condition = Condition()
    a, b = parties(2)
    box: list[int] = []
    a.do(condition.acquire)
    waiting = a.begin(condition.wait_for, lambda: list(box), threading.TIMEOUT_MAX)
    blocked(condition, 1)
    notify(condition, b)
    wait_until(lambda: condition.waiters or waiting.done, "the wait goes on or, wrongly, ends")
    assert not waiting.done
    box.append(1)
    notify(condition, b)
    assert waiting.result() == [1]


@every
def test_a_predicate_that_raises(make_lock: Any, parties: Parties) -> None:
    condition = Condition(make_lock())
    a, b = parties(2)
    a.do(condition.acquire)
    with unchanged(condition), pytest.raises(ZeroDivisionError):
        a.do(condition.wait_for, lambda: 1 / 0)
    assert b.do(condition.acquire, False) is False
    a.do(condition.release)


# --- locks that are not ours ------------------------------------------------------------------------------------


def test_a_lock_that_refuses_to_be_released() -> None:
    class Stuck(UsersLock):
        def release(self) -> None:
            raise ZeroDivisionError

        def _is_owned(self) -> bool:
            return True

    condition = Condition(Stuck())  # type: ignore[arg-type]
    with unchanged(condition), pytest.raises(ZeroDivisionError):
        condition.wait()


def test_a_lock_with_its_own_idea_of_ownership(parties: Parties) -> None:
    """`_is_owned`, `_release_save` and `_acquire_restore` are used where a lock has them."""
    calls = []

    class Polite(UsersLock):
        def _is_owned(self) -> bool:
            calls.append("is owned")
            return self.inner.locked()

        def _release_save(self) -> str:
            calls.append("release and save")
            self.release()
            return "state"

        def _acquire_restore(self, state: str) -> None:
            calls.append(f"acquire and restore {state}")
            self.acquire()

    condition = Condition(Polite())  # type: ignore[arg-type]
    with condition:
        assert condition.wait(0.01) is False
    # How often it is asked does not matter.
    assert [call for call, before in zip(calls, ["", *calls], strict=False) if call != before] == [
        "is owned", "release and save", "acquire and restore state"
    ]  # fmt: skip


def test_a_subclass_of_our_lock_keeps_its_say(parties: Parties) -> None:
    calls = []

    class Loud(Lock):
        def acquire(self, *args: Any, **kwargs: Any) -> bool:
            calls.append("acquire")
            return super().acquire(*args, **kwargs)

        def release(self) -> None:
            calls.append("release")
            super().release()

    condition = Condition(Loud())
    with condition:
        condition.wait(0.001)
    assert calls == ["acquire", "release", "acquire", "release"]


@pytest.mark.parametrize("no_lock", [5, "lock", object(), []])
def test_what_is_no_lock_is_refused(no_lock: Any) -> None:
    with pytest.raises(AttributeError):
        threading.Condition(no_lock)
    with pytest.raises(AttributeError):
        Condition(no_lock)


def test_a_subclass_entered_with_with_is_left_by_whoever_releases_it(parties: Parties) -> None:
    class Mine(Condition):
        pass

    condition = Mine(Lock())
    a, b = parties(2)
    a.enter(condition)
    b.do(condition.release)
    assert not condition.locked()


def test_a_subclass_of_our_lock_entered_with_with_is_so_again_after_wait(parties: Parties) -> None:
    condition = Condition(LockSubclass())
    a = parties.one()
    a.enter(condition)
    assert a.do(condition.wait, 0.001) is False
    assert condition.owner is a.identity
    a.leave(condition)
    assert not condition.locked()


# --- the rest ---------------------------------------------------------------------------------------------------


def test_notify_all_by_its_old_name(parties: Parties) -> None:
    condition = Condition()
    a, b, c = parties(3)
    waiting = [begin_wait_and_release(condition, party) for party in (a, b)]
    c.do(condition.acquire)
    with pytest.warns(DeprecationWarning, match="notify_all"):
        c.do(condition.notifyAll)
    c.do(condition.release)
    assert [outcome.result() for outcome in waiting] == [True, True]


def test_within(parties: Parties) -> None:
    condition = Condition()
    a, b = parties(2)
    a.do(condition.acquire)
    with pytest.raises(TimeoutError):
        b.enter(condition.within(0.01))
    a.do(condition.release)
    with condition.within(1):
        assert condition.owner is parties.main.identity
    assert condition.owner is None


@every
@pytest.mark.threads_only("what the parties run blocks; for tasks see tests/core/tasks")
def test_a_queue_of_items(make_lock: Any, parties: Parties) -> None:
    """Everything that is put is taken once, in order, by parties that wait for one another."""
    condition = Condition(make_lock())
    items: list[int] = []
    taken: list[int] = []
    n = 150

    def put(first: int) -> None:
        for i in range(n):
            with condition:
                condition.wait_for(lambda: len(items) < 3)
                items.append(first + i)
                condition.notify_all()

    def take() -> None:
        for _ in range(n):
            with condition:
                condition.wait_for(lambda: items)
                taken.append(items.pop(0))
                condition.notify_all()

    a, b, c, d = parties(4)
    work = [a.begin(put, 0), b.begin(put, 1000), c.begin(take), d.begin(take)]
    for outcome in work:
        outcome.result()
    assert [i for i in taken if i < 1000] == list(range(n))
    assert [i for i in taken if i >= 1000] == list(range(1000, 1000 + n))


def test_repr(parties: Parties) -> None:
    condition = Condition(name="jobs")
    where = f"interlock.Condition at {id(condition):#x}"
    # The lock of its own has its name.
    assert repr(condition) == f"<{where}: lock={condition._lock!r} name='jobs'>"
    assert "name='jobs'" in repr(condition._lock)
    a, b = parties(2)
    waiting = begin_wait(condition, a)
    assert repr(condition) == f"<{where}: lock={condition._lock!r} name='jobs' waiting=1>"
    notify(condition, b)
    waiting.result()
    a.do(condition.release)
