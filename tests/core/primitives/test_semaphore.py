"""Semaphore and BoundedSemaphore: a counter of permits."""

from typing import Any

import pytest
from parties import Parties, become_due, blocked, needs_signals, unchanged

from interlock import BoundedSemaphore, Semaphore

both = pytest.mark.parametrize("kind", [Semaphore, BoundedSemaphore])


@both
def test_starts_with_its_value(kind: Any) -> None:
    assert kind()._value == 1
    assert kind(0)._value == 0
    assert kind(value=7)._value == 7
    assert isinstance(kind(), Semaphore)


@both
def test_a_negative_start_is_refused(kind: Any) -> None:
    for value in (-1, -100):
        with pytest.raises(ValueError, match="semaphore initial value must be >= 0"):
            kind(value)


@both
def test_acquire_takes_one_until_there_is_none(kind: Any, parties: Parties) -> None:
    semaphore = kind(3)
    a, b = parties(2)
    for left in (2, 1, 0):
        assert a.do(semaphore.acquire) is True
        assert semaphore._value == left
    with unchanged(semaphore):
        assert b.do(semaphore.acquire, False) is False
        assert b.do(semaphore.acquire, blocking=False) is False
        assert b.do(semaphore.acquire, timeout=0.01) is False
        assert b.do(semaphore.acquire, timeout=0) is False
        assert b.do(semaphore.acquire, timeout=-5) is False


@both
def test_blocks_at_zero_until_released_by_anybody(kind: Any, parties: Parties) -> None:
    semaphore = kind(1)
    a, b, c = parties(3)
    a.do(semaphore.acquire)
    waiting = b.begin(semaphore.acquire)
    blocked(semaphore, 1)
    assert semaphore.waiters == (b.identity,)
    assert not waiting.done
    assert c.do(semaphore.release) is None
    assert waiting.result() is True
    assert semaphore._value == 0


@both
def test_one_release_lets_one_in(kind: Any, parties: Parties) -> None:
    semaphore = kind(2)
    a, *others = parties(4)
    a.do(semaphore.acquire, permits=2)
    waiting = [party.begin(semaphore.acquire) for party in others]
    for left in (2, 1):
        blocked(semaphore, left + 1)
        a.do(semaphore.release)
        blocked(semaphore, left)
        assert semaphore._value == 0 or not all(outcome.done for outcome in waiting)
    semaphore.release()
    assert [outcome.result() for outcome in waiting] == [True] * 3
    assert semaphore._value == 0


@both
def test_release_n_lets_n_in(kind: Any, parties: Parties) -> None:
    semaphore = kind(3)
    a, *others = parties(5)
    a.do(semaphore.acquire, permits=3)
    waiting = [party.begin(semaphore.acquire) for party in others]
    blocked(semaphore, 4)
    a.do(semaphore.release, 3)
    blocked(semaphore, 1)
    semaphore.release(n=1)
    assert [outcome.result() for outcome in waiting] == [True] * 4
    assert semaphore._value == 0


@both
def test_release_n_for_one_who_is_due_leaves_the_rest(kind: Any, parties: Parties) -> None:
    semaphore = kind(3)
    a, b = parties(2)
    a.do(semaphore.acquire, permits=3)
    waiting = b.begin(semaphore.acquire)
    blocked(semaphore, 1)
    become_due()
    a.do(semaphore.release, 3)
    assert semaphore._value == 2
    assert waiting.result() is True
    assert semaphore._value == 2


@both
@pytest.mark.parametrize("n", [0, -1, -100])
def test_release_of_less_than_one(kind: Any, n: int) -> None:
    semaphore = kind(1)
    semaphore.acquire()
    with unchanged(semaphore), pytest.raises(ValueError, match="n must be one or more"):
        semaphore.release(n)


def test_unbounded() -> None:
    semaphore = Semaphore(0)
    for _ in range(3):
        semaphore.release()
    semaphore.release(1000)
    assert semaphore._value == 1003
    for _ in range(1003):
        assert semaphore.acquire(False) is True
    assert semaphore.acquire(False) is False


def test_bounded_by_its_start_value(parties: Parties) -> None:
    semaphore = BoundedSemaphore(2)
    a = parties.one()
    with unchanged(semaphore), pytest.raises(ValueError, match="semaphore released too many times"):
        semaphore.release()
    a.do(semaphore.acquire)
    with unchanged(semaphore), pytest.raises(ValueError, match="semaphore released too many times"):
        a.do(semaphore.release, 2)
    a.do(semaphore.release)
    assert semaphore._value == 2


def test_bounded_by_zero() -> None:
    semaphore = BoundedSemaphore(0)
    with unchanged(semaphore), pytest.raises(ValueError, match="released too many times"):
        semaphore.release()


def test_bounded_by_zero_is_never_to_be_had() -> None:
    semaphore = BoundedSemaphore(0)
    with unchanged(semaphore):
        assert semaphore.acquire(False) is False
        assert semaphore.acquire(timeout=0.01) is False


def test_too_many_released_while_a_party_waits(parties: Parties) -> None:
    """The one who waits gets nothing out of a release that was refused."""
    semaphore = BoundedSemaphore(1)
    a, b = parties(2)
    a.do(semaphore.acquire)
    waiting = b.begin(semaphore.acquire)
    blocked(semaphore, 1)
    with unchanged(semaphore), pytest.raises(ValueError, match="released too many times"):
        a.do(semaphore.release, 2)
    a.do(semaphore.release)
    assert waiting.result() is True


@both
def test_with(kind: Any, parties: Parties) -> None:
    semaphore = kind(2)
    a, b = parties(2)
    assert a.enter(semaphore) is True
    assert a.enter(semaphore) is True
    entering = b.begin_enter(semaphore)
    blocked(semaphore, 1)
    a.leave(semaphore)
    assert entering.result() is True
    b.leave(semaphore)
    a.leave(semaphore)
    assert semaphore._value == 2
    with pytest.raises(ZeroDivisionError), semaphore:
        _ = 1 / 0
    assert semaphore._value == 2


@both
def test_a_timeout_needs_a_call_that_blocks(kind: Any) -> None:
    semaphore = kind(1)
    with unchanged(semaphore), pytest.raises(ValueError, match="can't specify timeout for non-blocking"):
        semaphore.acquire(False, timeout=1)


# --- several permits at once ------------------------------------------------------------------------------------


@both
def test_permits_are_taken_all_or_none(kind: Any, parties: Parties) -> None:
    semaphore = kind(5)
    a, b = parties(2)
    assert a.do(semaphore.acquire, permits=3) is True
    assert semaphore._value == 2
    with unchanged(semaphore):
        assert b.do(semaphore.acquire, False, permits=3) is False
        assert b.do(semaphore.acquire, timeout=0.01, permits=3) is False
    assert b.do(semaphore.acquire, False, permits=2) is True
    assert semaphore._value == 0


@both
def test_permits_that_are_missing_add_up(kind: Any, parties: Parties) -> None:
    semaphore = kind(3)
    a, b = parties(2)
    a.do(semaphore.acquire, permits=3)
    waiting = b.begin(semaphore.acquire, permits=3)
    blocked(semaphore, 1)
    for value in (1, 2):
        a.do(semaphore.release)
        assert semaphore._value == value
        assert semaphore.waiters == (b.identity,)
    a.do(semaphore.release)
    assert waiting.result() is True
    assert semaphore._value == 0


@both
def test_permits_come_by_name_only(kind: Any) -> None:
    with pytest.raises(TypeError):
        kind(5).acquire(True, None, 3)


@both
@pytest.mark.parametrize("permits", [0, -1])
def test_fewer_than_one_permit(kind: Any, permits: int) -> None:
    semaphore = kind(1)
    for blocking in (False, True):
        with unchanged(semaphore), pytest.raises(ValueError, match="permits must be one or more"):
            semaphore.acquire(blocking, permits=permits)


def test_more_permits_than_can_ever_be_there() -> None:
    semaphore = BoundedSemaphore(2)
    for blocking in (False, True):
        with unchanged(semaphore), pytest.raises(ValueError, match="permits must be 2 or fewer"):
            semaphore.acquire(blocking, permits=3)


def test_more_permits_than_there_were_at_the_start(parties: Parties) -> None:
    semaphore = Semaphore(1)
    a = parties.one()
    waiting = a.begin(semaphore.acquire, permits=3)
    blocked(semaphore, 1)
    semaphore.release(2)
    assert waiting.result() is True


def test_a_big_request_that_gives_up_frees_the_way_for_smaller_ones(parties: Parties) -> None:
    semaphore = Semaphore(2)
    a, b, c = parties(3)
    big = a.begin(semaphore.acquire, permits=5, timeout=0.05)
    big.blocked_or_over(semaphore)
    small = [b.begin(semaphore.acquire), c.begin(semaphore.acquire)]
    # Nobody releases anything: what is there is enough as soon as the first in line has gone.
    assert big.result() is False
    assert [outcome.result() for outcome in small] == [True, True]
    assert semaphore._value == 0


@needs_signals
def test_a_big_request_that_is_interrupted_frees_the_way(parties: Parties) -> None:
    semaphore = Semaphore(2)
    a = parties.one()
    small = None

    def come_second() -> None:
        nonlocal small
        small = a.begin(semaphore.acquire, permits=2)
        blocked(semaphore, 2)

    parties.main.interrupted(semaphore.acquire, permits=3, at=semaphore, then=come_second)
    assert small is not None
    assert small.result() is True
    assert semaphore._value == 0


@needs_signals
def test_permits_of_one_who_is_interrupted_go_back(parties: Parties) -> None:
    semaphore = Semaphore(1)

    def serve() -> None:
        become_due()
        semaphore.release(2)

    parties.main.interrupted(semaphore.acquire, permits=3, at=semaphore, first=serve)
    assert semaphore._value == 3


@both
def test_repr(kind: Any, parties: Parties) -> None:
    semaphore = kind(2, name="pool")
    a, b = parties(2)
    bound = "/2" if kind is BoundedSemaphore else ""
    where = f"interlock.{kind.__name__} at {id(semaphore):#x}"
    assert repr(semaphore) == f"<{where}: value=2{bound} name='pool'>"
    a.do(semaphore.acquire, permits=2)
    waiting = b.begin(semaphore.acquire)
    blocked(semaphore, 1)
    assert repr(semaphore) == f"<{where}: value=0{bound} name='pool' waiting=1>"
    a.do(semaphore.release)
    waiting.result()
