"""Who comes first, and who may pass whom.

A party that is blocked and has waited 1 ms is due: it is given what comes free directly (hand-off), and whoever
comes after that finds it taken. Before that it is told to come and compete, and a newcomer may be faster
(barging). With `RWLock`, and with tasks, everybody is due at once.
"""

import time
from collections.abc import Iterator
from typing import Any

import pytest
from cases import GATES, LOCKS, WAKE_UPS, Case, LockCase, OfWriters, case_id
from parties import PATIENCE, Parties, become_due, blocked, needs_signals, unchanged, with_handler

from interlock import Condition, Lock, RWLock, Semaphore, WaitQueue

every_lock = pytest.mark.parametrize("make_case", LOCKS, ids=case_id)


def attempts() -> Iterator[int]:
    """For what may happen and need not: as often as there is patience for."""
    deadline = time.monotonic() + PATIENCE
    i = 0
    while time.monotonic() < deadline:
        yield i
        i += 1


# --- first come, first served -----------------------------------------------------------------------------------


@pytest.mark.parametrize("make_case", [*LOCKS, *WAKE_UPS], ids=case_id)
@pytest.mark.parametrize("due", [False, True], ids=["at once", "due"])
@pytest.mark.every_kind_of_party
def test_one_by_one_in_the_order_in_which_they_came(make_case: type[Case], due: bool, parties: Parties) -> None:
    case = make_case()
    a, *others = parties(6)
    case.shut(a)
    waiting = case.line_up(others)
    if due:
        become_due()
    party = a
    for i, outcome in enumerate(waiting):
        case.open(party)
        assert outcome.result() is True
        assert case.primitive.waiters == tuple(other.identity for other in others[i + 1 :])
        assert not any(later.done for later in waiting[i + 1 :])
        if make_case in LOCKS:
            party = outcome.party


@pytest.mark.parametrize("make_case", GATES, ids=case_id)
@pytest.mark.every_kind_of_party
def test_all_at_once_where_it_is_open_for_all(make_case: type[Case], parties: Parties) -> None:
    case = make_case()
    a, *others = parties(6)
    case.shut(a)
    waiting = case.line_up(others)
    case.open(a)
    assert case.primitive.waiters == ()
    assert all(outcome.result() for outcome in waiting)


def test_of_several_wake_ups_at_once_the_first_go_to_the_first(parties: Parties) -> None:
    queue, condition, semaphore = WaitQueue(), Condition(), Semaphore(0)
    for primitive, wait, wake in (
        (queue, queue.park, lambda: queue.unpark(3)),
        (condition, condition.wait, lambda: condition.notify(3)),
        (semaphore, semaphore.acquire, lambda: semaphore.release(3)),
    ):
        a, *others = parties(6)
        for i, party in enumerate(others):
            if primitive is condition:
                party.do(condition.acquire)
            party.begin(wait)
            blocked(primitive, i + 1)
            if primitive is condition:
                party.begin(condition.release)
        if primitive is condition:
            a.do(condition.acquire)
        a.do(wake)
        if primitive is condition:
            a.do(condition.release)
        blocked(primitive, 2)
        assert primitive.waiters == (others[3].identity, others[4].identity)
        if primitive is condition:
            a.do(condition.acquire)
        a.do(wake)
        if primitive is condition:
            a.do(condition.release)


# --- hand-off and barging ---------------------------------------------------------------------------------------


@every_lock
def test_who_has_waited_long_is_given_the_lock_directly(make_case: type[LockCase], parties: Parties) -> None:
    case = make_case()
    a, b = parties(2)
    case.shut(a)
    waiting = case.line_up([b])
    become_due()

    def release_and_look() -> tuple[bool, Any, Any]:
        (case.side if isinstance(case, OfWriters) else case.primitive).release()
        # At no moment was it free.
        return case.try_to_acquire(), case.primitive.waiters, getattr(case.primitive, "owner", b.identity)

    assert a.do(release_and_look) == (False, (), b.identity)
    assert waiting[0].result() is True


@every_lock
def test_the_releaser_does_not_get_it_back_past_who_has_waited_long(
    make_case: type[LockCase], parties: Parties
) -> None:
    """A loop that releases and acquires at once, the classic way to starve others, waits for its turn."""
    case = make_case()
    a, b = parties(2)
    case.shut(a)
    waiting = case.line_up([b])
    become_due()
    case.open(a)
    again = case.begin(a)
    blocked(case.primitive, 1)
    assert waiting[0].result() is True
    case.open(b)
    assert again.result() is True


@pytest.mark.parametrize("make_case", [kind for kind in LOCKS if kind is not OfWriters], ids=case_id)
def test_a_newcomer_may_be_faster_than_one_who_has_just_come(make_case: type[LockCase], parties: Parties) -> None:
    """Else every release would wait for a thread to be scheduled. The one who was passed keeps its place."""
    a, b, c = parties(3)
    for _ in attempts():
        case = make_case()
        case.shut(a)
        waiting = case.line_up([b, c])

        def release_and_try() -> tuple[bool, Any]:
            case.primitive.release()  # noqa: B023  (called in this very round)
            return case.try_to_acquire(), case.primitive.waiters  # noqa: B023

        barged, waiters = a.do(release_and_try)
        if barged:
            assert waiters == (b.identity, c.identity)
            case.let_through(a, waiting)
            return
        # `b` had waited too long, or was faster.
        assert waiting[0].result() is True
        case.let_through(b, waiting[1:])
    pytest.fail("no newcomer was ever faster")


@needs_signals
def test_one_who_is_on_its_way_is_not_given_the_lock_before_it_comes(parties: Parties) -> None:
    """It would lie there until the scheduler gets round to that thread. Until it comes others may be faster."""
    a, b = parties(2)
    for _ in attempts():
        lock = Lock()
        a.do(lock.acquire)
        seen = []

        def while_it_is_on_its_way() -> None:
            a.do(lock.release)  # noqa: B023  (called in this very round)
            if not lock.locked():  # noqa: B023  (else it had waited too long)
                assert b.do(lock.acquire, False) is True  # noqa: B023
                become_due()
                b.do(lock.release)  # noqa: B023
                seen.append(lock.locked())  # noqa: B023

        assert with_handler(lock.acquire, lock, while_it_is_on_its_way).result() is True
        lock.release()
        if seen:
            assert seen == [False]
            return
    pytest.fail("it had always waited too long")


@needs_signals
def test_one_who_comes_serves_those_behind_it(parties: Parties) -> None:
    """There is enough for both. The second need not be told to come, too, and be passed by others until it does."""
    a, b = parties(2)
    seen = 0
    for _ in attempts():
        semaphore = Semaphore(0)
        told = False
        waiting = []

        def tell_the_first_to_come() -> None:
            nonlocal told
            waiting.append(b.begin(semaphore.acquire))  # noqa: B023  (called in this very round)
            blocked(semaphore, 2)  # noqa: B023
            a.do(semaphore.release, 2)  # noqa: B023
            told = semaphore._value == 2  # noqa: B023  (else it had waited too long)

        def come_and_try_once_more() -> tuple[bool, bool]:
            return semaphore.acquire(), semaphore.acquire(False)  # noqa: B023

        acquired, passed = with_handler(come_and_try_once_more, semaphore, tell_the_first_to_come).result()
        assert acquired is True
        if told:
            assert passed is False
            seen += 1
        if passed:
            semaphore.release()
        assert waiting[0].result() is True
        if seen == 20:
            return
    assert seen, "it had always waited too long"


def test_rwlock_has_no_barging(parties: Parties) -> None:
    """Not even with one who has come this very moment."""
    lock = RWLock()
    a, b = parties(2)
    for _ in range(20):
        side, other = lock.write(), lock.write()
        a.do(side.acquire)
        waiting = b.begin(other.acquire)
        blocked(lock, 1)

        def release_and_try() -> tuple[bool, Any]:
            side.release()  # noqa: B023  (called in this very round)
            return lock.write().acquire(False), lock.owner

        assert a.do(release_and_try) == (False, b.identity)
        assert waiting.result() is True
        b.do(other.release)


def test_passed_again_and_again_it_gets_there_all_the_same(parties: Parties) -> None:
    """Others do nothing but take and release; the one who waits is let in by force of waiting."""
    lock = Lock()
    a, b, c = parties(3)
    over: list[bool] = []

    def hog() -> None:
        while not over:
            lock.acquire()
            lock.release()

    hogs = [a.begin(hog), b.begin(hog)]
    for _ in range(20):
        assert c.do(lock.acquire) is True
        assert lock.owner is c.identity
        c.do(lock.release)
    over.append(True)
    for outcome in hogs:
        outcome.result()


def test_whoever_waits_in_a_conditions_lock_is_not_starved_by_notified_ones(parties: Parties) -> None:
    """Notified waiters line up behind those who wait for the lock."""
    condition = Condition()
    lock = condition._lock
    a, b, c = parties(3)
    a.do(condition.acquire)
    notified = a.begin(condition.wait)
    blocked(condition, 1)
    b.do(condition.acquire)
    waiting = c.begin(condition.acquire)
    blocked(lock, 1)
    b.do(condition.notify)
    assert lock.waiters == (c.identity, a.identity)
    b.do(condition.release)
    assert waiting.result() is True
    assert not notified.done
    c.do(condition.release)
    assert notified.result() is True


# --- a semaphore with requests of different size ----------------------------------------------------------------


def test_small_newcomers_do_not_pass_a_big_request(parties: Parties) -> None:
    """Though there are permits for them, and not for it: else it might wait for ever."""
    semaphore = Semaphore(2)
    a, b, c = parties(3)
    big = a.begin(semaphore.acquire, permits=5)
    blocked(semaphore, 1)
    with unchanged(semaphore):
        assert b.do(semaphore.acquire, False) is False
        assert b.do(semaphore.acquire, timeout=0.01) is False
        assert b.do(semaphore.acquire, False, permits=2) is False
    small = b.begin(semaphore.acquire)
    blocked(semaphore, 2)
    smaller = c.begin_enter(semaphore)
    blocked(semaphore, 3)
    assert semaphore.waiters == (a.identity, b.identity, c.identity)
    semaphore.release(2)
    assert semaphore._value == 4
    assert len(semaphore.waiters) == 3
    semaphore.release(1)
    assert big.result() is True
    blocked(semaphore, 2)
    semaphore.release()
    assert small.result() is True
    assert not smaller.done
    semaphore.release()
    assert smaller.result() is True


def test_one_release_serves_as_many_as_it_is_enough_for(parties: Parties) -> None:
    semaphore = Semaphore(0)
    waiting = []
    for i, (party, permits) in enumerate(zip(parties(4), (2, 1, 3, 1), strict=True)):
        waiting.append(party.begin(semaphore.acquire, permits=permits))
        blocked(semaphore, i + 1)
    become_due()
    semaphore.release(5)
    # 2 and 1 are served; the 3 that come next are not there, and the last does not pass.
    assert semaphore.waiters == tuple(outcome.party.identity for outcome in waiting[2:])
    assert semaphore._value == 2
    assert (waiting[0].result(), waiting[1].result()) == (True, True)
    semaphore.release(1)
    assert waiting[2].result() is True
    assert semaphore.waiters == (waiting[3].party.identity,)
    semaphore.release(1)
    assert waiting[3].result() is True
    assert semaphore._value == 0


def test_what_a_woken_one_leaves_over_goes_on_to_the_next(parties: Parties) -> None:
    """None of them is due, so the first is woken only, and it is on him to serve the rest."""
    semaphore = Semaphore(0)
    for _ in range(20):
        waiting = [party.begin(semaphore.acquire, permits=n + 1) for n, party in enumerate(parties(3))]
        blocked(semaphore, 3)
        semaphore.release(6)
        assert [outcome.result() for outcome in waiting] == [True] * 3
        assert semaphore._value == 0


@needs_signals
def test_what_an_interrupted_one_was_given_goes_to_as_many_as_it_is_enough_for(parties: Parties) -> None:
    semaphore = Semaphore(0)
    waiting: list[Any] = []

    def others_come() -> None:
        for i, party in enumerate(parties(3)):
            waiting.append(party.begin(semaphore.acquire))
            blocked(semaphore, i + 2)

    def serve() -> None:
        become_due()
        semaphore.release(2)

    parties.main.interrupted(semaphore.acquire, permits=2, at=semaphore, then=others_come, first=serve)
    assert (waiting[0].result(), waiting[1].result()) == (True, True)
    blocked(semaphore, 1)
    semaphore.release()
    assert waiting[2].result() is True


# --- neither readers nor writers starve -------------------------------------------------------------------------


def test_readers_that_overlap_do_not_starve_a_writer(parties: Parties) -> None:
    lock = RWLock()
    a, b, c = parties(3)
    over: list[bool] = []

    def read() -> None:
        while not over:
            with lock.read():
                pass

    reading = [a.begin(read), b.begin(read)]
    for _ in range(20):
        side = lock.write()
        assert c.do(side.acquire) is True
        c.do(side.release)
    over.append(True)
    for outcome in reading:
        outcome.result()


def test_writers_do_not_starve_a_reader(parties: Parties) -> None:
    lock = RWLock()
    a, b, c = parties(3)
    over: list[bool] = []

    def write() -> None:
        while not over:
            with lock.write():
                pass

    writing = [a.begin(write), b.begin(write)]
    for _ in range(20):
        side = lock.read()
        assert c.do(side.acquire) is True
        c.do(side.release)
    over.append(True)
    for outcome in writing:
        outcome.result()
