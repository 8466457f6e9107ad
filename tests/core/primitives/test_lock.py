"""Lock: one party at a time."""

import pytest
from parties import Parties, blocked, unchanged

from interlock import Lock


def test_starts_unlocked() -> None:
    lock = Lock()
    assert lock.locked() is False
    assert lock.owner is None
    assert lock.waiters == ()


def test_acquire_and_release(parties: Parties) -> None:
    lock = Lock()
    a = parties.one()
    assert a.do(lock.acquire) is True
    assert lock.locked() is True
    assert lock.owner is a.identity
    assert a.do(lock.release) is None
    assert lock.locked() is False
    assert lock.owner is None


def test_not_blocking(parties: Parties) -> None:
    lock = Lock()
    a, b = parties(2)
    assert a.do(lock.acquire, False) is True
    with unchanged(lock):
        assert b.do(lock.acquire, blocking=False) is False
        assert a.do(lock.acquire, False) is False  # not re-entrant


def test_timed_out(parties: Parties) -> None:
    lock = Lock()
    a, b = parties(2)
    a.do(lock.acquire)
    with unchanged(lock):
        assert b.do(lock.acquire, timeout=0.01) is False
        assert b.do(lock.acquire, True, 0) is False


def test_a_timed_acquire_gets_a_lock_that_comes_free(parties: Parties) -> None:
    lock = Lock()
    a, b = parties(2)
    a.do(lock.acquire)
    waiting = b.begin(lock.acquire, timeout=1000)
    blocked(lock, 1)
    a.do(lock.release)
    assert waiting.result() is True
    assert lock.owner is b.identity


def test_blocks_until_released(parties: Parties) -> None:
    lock = Lock()
    a, b = parties(2)
    a.do(lock.acquire)
    waiting = b.begin(lock.acquire)
    blocked(lock, 1)
    assert lock.waiters == (b.identity,)
    assert lock.owner is a.identity
    assert not waiting.done
    a.do(lock.release)
    assert waiting.result() is True
    assert lock.owner is b.identity
    assert lock.waiters == ()


def test_one_release_lets_one_in(parties: Parties) -> None:
    lock = Lock()
    a, *others = parties(4)
    a.do(lock.acquire)
    waiting = [party.begin(lock.acquire) for party in others]
    blocked(lock, 3)
    a.do(lock.release)
    blocked(lock, 2)
    owner = next(party for party in others if party.identity is lock.owner)
    assert [outcome.done for outcome in waiting].count(True) <= 1
    owner.do(lock.release)
    blocked(lock, 1)
    lock.release()
    blocked(lock, 0)
    assert [outcome.result() for outcome in waiting] == [True] * 3
    assert lock.locked()


def test_released_by_another_party(parties: Parties) -> None:
    lock = Lock()
    a, b = parties(2)
    a.do(lock.acquire)
    b.do(lock.release)
    assert not lock.locked()


@pytest.mark.threads_only("a task of trio that takes it twice is told")
def test_released_by_another_party_while_the_owner_waits(parties: Parties) -> None:
    lock = Lock()
    a, b = parties(2)
    a.do(lock.acquire)
    waiting = a.begin(lock.acquire)
    blocked(lock, 1)
    b.do(lock.release)
    assert waiting.result() is True
    assert lock.owner is a.identity


def test_release_of_an_unlocked_lock() -> None:
    lock = Lock()
    with unchanged(lock), pytest.raises(RuntimeError, match="release unlocked lock"):
        lock.release()


def test_with(parties: Parties) -> None:
    lock = Lock()
    a = parties.one()
    assert a.enter(lock) is True
    assert lock.owner is a.identity
    a.leave(lock)
    assert not lock.locked()
    with pytest.raises(ZeroDivisionError), lock:
        _ = 1 / 0
    assert not lock.locked()


def test_with_waits(parties: Parties) -> None:
    lock = Lock()
    a, b = parties(2)
    a.enter(lock)
    entering = b.begin_enter(lock)
    blocked(lock, 1)
    a.leave(lock)
    assert entering.result() is True
    assert lock.owner is b.identity


@pytest.mark.parametrize("waits", [False, True], ids=["at once", "after waiting"])
def test_entered_with_with_any_party_can_leave(parties: Parties, waits: bool) -> None:
    lock = Lock(name="till")
    a, b, c = parties(3)
    if waits:
        b.do(lock.acquire)
        entering = a.begin_enter(lock)
        blocked(lock, 1)
        b.do(lock.release)
        entering.result()
    else:
        a.enter(lock)
    waiting = c.begin(lock.acquire)
    blocked(lock, 1)
    b.leave(lock)
    assert waiting.result() is True
    c.do(lock.release)
    assert not lock.locked()


def test_entered_with_with_and_released_inside(parties: Parties) -> None:
    lock = Lock()
    a, b = parties(2)
    a.enter(lock)
    a.do(lock.release)
    assert not lock.locked()
    # Whoever comes next is not bound by how the lock was held before.
    a.do(lock.acquire)
    b.do(lock.release)
    with pytest.raises(RuntimeError, match="release unlocked lock"):
        a.leave(lock)


def test_taken_with_acquire_after_a_with_any_party_may_release_it(parties: Parties) -> None:
    lock = Lock()
    a, b, c = parties(3)
    a.enter(lock)
    waiting = b.begin(lock.acquire)
    blocked(lock, 1)
    a.leave(lock)
    waiting.result()
    c.do(lock.release)
    assert not lock.locked()


def test_repr(parties: Parties) -> None:
    lock = Lock(name="orders")
    a, b = parties(2)
    where = f"interlock.Lock object at {id(lock):#x} name='orders'"
    assert repr(lock) == f"<unlocked {where}>"
    a.do(lock.acquire)
    assert repr(lock) == f"<locked {where} owner=a>"
    waiting = b.begin(lock.acquire)
    blocked(lock, 1)
    assert repr(lock) == f"<locked {where} owner=a waiting=1>"
    a.do(lock.release)
    waiting.result()


def test_private_names_of_the_standard_library(parties: Parties) -> None:
    lock = Lock()
    a, b = parties(2)
    assert lock._is_owned() is False
    a.do(lock.acquire)
    # As `threading.Condition` reckons for a lock that does not know its owner: held by anybody is held.
    assert a.do(lock._is_owned) is True
    assert b.do(lock._is_owned) is True
    a.do(lock.release)
    a.enter(lock)
    assert a.do(lock._is_owned) is True
    assert b.do(lock._is_owned) is True
    lock._at_fork_reinit()
    assert not lock.locked()
