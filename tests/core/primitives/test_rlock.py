"""RLock: one party at a time, as often as it likes."""

import threading

import pytest
from parties import Parties, become_due, blocked, needs_signals, unchanged

from interlock import RLock


def test_starts_unlocked() -> None:
    lock = RLock()
    assert lock.locked() is False
    assert lock.owner is None
    assert lock._recursion_count() == 0


def test_its_owner_may_acquire_it_again_and_releases_it_as_often(parties: Parties) -> None:
    lock = RLock()
    a, b = parties(2)
    for _ in range(3):
        assert a.do(lock.acquire) is True
    for _ in range(2):
        a.do(lock.release)
        assert lock.owner is a.identity
        assert b.do(lock.acquire, False) is False
    a.do(lock.release)
    assert lock.owner is None
    assert b.do(lock.acquire, False) is True


def test_with_and_acquire_mix(parties: Parties) -> None:
    lock = RLock()
    a = parties.one()
    assert a.enter(lock) is True
    assert a.enter(lock) is True
    assert a.do(lock.acquire, timeout=0.01) is True
    a.leave(lock)
    a.do(lock.release)
    assert lock.owner is a.identity
    a.leave(lock)
    assert not lock.locked()


def test_blocks_until_the_last_release(parties: Parties) -> None:
    lock = RLock()
    a, b = parties(2)
    a.do(lock.acquire)
    a.do(lock.acquire)
    waiting = b.begin(lock.acquire)
    blocked(lock, 1)
    a.do(lock.release)
    assert lock.waiters == (b.identity,)
    assert not waiting.done
    a.do(lock.release)
    assert waiting.result() is True
    assert lock.owner is b.identity
    # Got after waiting, it is held once.
    b.do(lock.release)
    assert not lock.locked()


def test_its_owner_gets_it_again_past_those_who_wait(parties: Parties) -> None:
    lock = RLock()
    a, b = parties(2)
    a.do(lock.acquire)
    waiting = b.begin(lock.acquire)
    blocked(lock, 1)
    become_due()
    assert a.do(lock.acquire) is True
    a.do(lock.release)
    assert lock.owner is a.identity
    a.do(lock.release)
    assert waiting.result() is True


def test_not_blocking_and_timed_out(parties: Parties) -> None:
    lock = RLock()
    a, b = parties(2)
    a.do(lock.acquire)
    with unchanged(lock):
        assert b.do(lock.acquire, False) is False
        assert b.do(lock.acquire, timeout=0.01) is False
    a.do(lock.release)
    assert not lock.locked()


def test_release_by_anyone_else(parties: Parties) -> None:
    lock = RLock()
    a, b = parties(2)
    with unchanged(lock), pytest.raises(RuntimeError, match="cannot release un-acquired lock"):
        a.do(lock.release)
    a.do(lock.acquire)
    for wrong in (lock.release, lambda: lock.__exit__(None, None, None), lock._release_save):
        with unchanged(lock), pytest.raises(RuntimeError, match="cannot release un-acquired lock"):
            b.do(wrong)
    a.do(lock.release)
    with pytest.raises(RuntimeError, match="cannot release un-acquired lock"):
        a.do(lock.release)
    assert not lock.locked()


def test_release_by_one_who_waits_for_it(parties: Parties) -> None:
    """Waiting is not holding, also in the instant in which it may turn into it."""
    lock = RLock()
    a, b, c = parties(3)
    a.do(lock.acquire)
    waiting = b.begin(lock.acquire)
    blocked(lock, 1)
    become_due()
    a.do(lock.release)
    for party in (a, c):
        with pytest.raises(RuntimeError):
            party.do(lock.release)
    assert waiting.result() is True
    assert lock.owner is b.identity


def test_with_releases_after_an_error() -> None:
    lock = RLock()
    with pytest.raises(ZeroDivisionError), lock, lock:
        _ = 1 / 0
    assert not lock.locked()


def test_repr(parties: Parties) -> None:
    lock = RLock(name="tree")
    a = parties.one()
    where = f"interlock.RLock object at {id(lock):#x} name='tree'"
    assert repr(lock) == f"<unlocked {where}>"
    a.do(lock.acquire)
    a.do(lock.acquire)
    assert repr(lock) == f"<locked {where} owner=a count=2>"


# --- the private names of `threading.RLock` ---------------------------------------------------------------------


def test_is_owned_and_recursion_count(parties: Parties) -> None:
    lock = RLock()
    a, b = parties(2)
    assert a.do(lock._is_owned) is False
    for depth in (1, 2):
        a.do(lock.acquire)
        assert a.do(lock._is_owned) is True
        assert a.do(lock._recursion_count) == depth
        assert b.do(lock._is_owned) is False
        assert b.do(lock._recursion_count) == 0


@pytest.mark.threads_only("_acquire_restore blocks")
def test_release_save_and_acquire_restore(parties: Parties) -> None:
    lock = RLock()
    a, b = parties(2)
    for _ in range(3):
        a.do(lock.acquire)
    waiting = b.begin(lock.acquire)
    blocked(lock, 1)
    state = a.do(lock._release_save)
    assert waiting.result() is True
    restoring = a.begin(lock._acquire_restore, state)
    blocked(lock, 1)
    b.do(lock.release)
    restoring.result()
    assert a.do(lock._recursion_count) == 3
    for _ in range(3):
        a.do(lock.release)
    assert not lock.locked()


@pytest.mark.threads_only("threading's condition blocks")
def test_a_condition_of_the_standard_library_runs_on_it(parties: Parties) -> None:
    lock = RLock()
    condition = threading.Condition(lock)
    a, b = parties(2)
    a.do(lock.acquire)
    a.do(lock.acquire)
    waiting = a.begin(condition.wait)
    # Until `a` waits it holds the lock, which it gives up entirely.
    b.do(lock.acquire)
    b.do(condition.notify)
    b.do(lock.release)
    assert waiting.result() is True
    assert a.do(lock._recursion_count) == 2


def test_at_fork_reinit(parties: Parties) -> None:
    lock = RLock()
    a, b = parties(2)
    a.do(lock.acquire)
    a.do(lock.acquire)
    lock._at_fork_reinit()
    assert not lock.locked()
    assert b.do(lock.acquire, False) is True
    assert b.do(lock._recursion_count) == 1


@needs_signals
def test_a_signal_handler_may_enter_what_the_interrupted_code_holds(parties: Parties) -> None:
    """What re-entrance is worth most for: the handler runs in the very thread that holds the lock."""
    lock, other = RLock(), RLock()
    a = parties.one()
    a.do(other.acquire)
    seen = []

    def handle() -> None:
        with lock:
            seen.append(lock._recursion_count())

    with lock:
        parties.main.interrupted(other.acquire, at=other, first=handle)
        assert lock._recursion_count() == 1
    assert seen == [2]
