"""Barrier: as many parties as it takes go on together."""

import threading
import time
from typing import Any

import pytest
from parties import Outcome, Parties, become_due, blocked, needs_signals, unchanged, wait_until

import interlock
from interlock import Barrier


def fill(barrier: Barrier, parties: Parties, n: int, **timeout: Any) -> list[Outcome]:
    """Return when `n` new parties wait, having come one after the other."""
    waiting = []
    for party in parties(n):
        before = barrier.n_waiting
        waiting.append(party.begin(barrier.wait, **timeout))
        wait_until(lambda before=before: barrier.n_waiting == before + 1, f"one more at {barrier!r}")
    return waiting


def arrive(barrier: Barrier, parties: Parties, *timeout: Any) -> int:
    """One more new party comes; what its `wait` returns or raises. Not this thread: it must not hang."""
    index: int = parties.one().do(barrier.wait, *timeout)
    return index


def broken(outcome: Outcome) -> bool:
    return type(outcome.error()) is threading.BrokenBarrierError


def test_starts_empty() -> None:
    barrier = Barrier(3)
    assert barrier.parties == 3
    assert barrier.n_waiting == 0
    assert barrier.broken is False
    assert interlock.BrokenBarrierError is threading.BrokenBarrierError


def test_lets_all_go_when_all_have_come(parties: Parties) -> None:
    barrier = Barrier(3)
    waiting = fill(barrier, parties, 2)
    assert barrier.waiters == tuple(outcome.party.identity for outcome in waiting)
    assert not any(outcome.done for outcome in waiting)
    last = arrive(barrier, parties)
    assert sorted([last, *(outcome.result() for outcome in waiting)]) == [0, 1, 2]
    assert barrier.n_waiting == 0
    assert barrier.waiters == ()


@pytest.mark.threads_only("what the parties run blocks; for tasks see tests/core/tasks")
def test_generation_after_generation(parties: Parties) -> None:
    barrier = Barrier(3)
    rounds = range(100)
    came: list[list[int]] = [[] for _ in rounds]
    indices: list[list[int]] = [[] for _ in rounds]

    def run() -> None:
        for i in rounds:
            came[i].append(1)
            index = barrier.wait()
            assert len(came[i]) == 3
            indices[i].append(index)

    work = [party.begin(run) for party in parties(3)]
    for outcome in work:
        outcome.result()
    assert [sorted(round_) for round_ in indices] == [[0, 1, 2] for _ in rounds]


def test_of_one() -> None:
    calls: list[int] = []
    barrier = Barrier(1, action=lambda: calls.append(1))
    assert barrier.wait() == 0
    assert barrier.wait(0) == 0
    assert calls == [1, 1]


@pytest.mark.parametrize("n", [0, -1])
def test_fewer_than_one_party(n: int) -> None:
    with pytest.raises(ValueError, match="parties must be >= 1"):
        Barrier(n)


def test_as_many_as_it_takes_twice_over(parties: Parties) -> None:
    """Who comes when the generation is full belongs to the next."""
    barrier = Barrier(2)
    waiting = [party.begin(barrier.wait) for party in parties(6)]
    assert sorted(outcome.result() for outcome in waiting) == [0, 0, 0, 1, 1, 1]
    assert barrier.n_waiting == 0


# --- the action -------------------------------------------------------------------------------------------------


def test_the_action_runs_once_before_anybody_leaves(parties: Parties) -> None:
    waiting: list[Outcome] = []
    seen = []

    def action() -> None:
        seen.append(([outcome.done for outcome in waiting], barrier.n_waiting))

    barrier = Barrier(3, action)
    waiting += fill(barrier, parties, 2)
    last = parties.one()
    assert last.do(barrier.wait) in range(3)
    assert seen == [([False, False], 3)]
    for outcome in waiting:
        outcome.result()
    assert barrier.n_waiting == 0


@pytest.mark.threads_only("asks for the thread")
def test_the_action_runs_in_one_of_the_parties(parties: Parties) -> None:
    ran_in = []
    barrier = Barrier(2, action=lambda: ran_in.append(threading.current_thread()))
    (first,) = fill(barrier, parties, 1)
    last = parties.one()
    last.do(barrier.wait)
    first.result()
    assert ran_in == [last.identity]


def test_an_action_that_raises_breaks_the_barrier(parties: Parties) -> None:
    barrier = Barrier(3, action=lambda: 1 / 0)
    waiting = fill(barrier, parties, 2)
    with pytest.raises(ZeroDivisionError):
        arrive(barrier, parties)
    assert all(broken(outcome) for outcome in waiting)
    assert barrier.broken is True
    assert barrier.n_waiting == 0
    with pytest.raises(threading.BrokenBarrierError):
        arrive(barrier, parties)


def begin_action(barrier: Barrier, parties: Parties, n: int) -> list[Outcome]:
    """Return when all `n` have come and the last of them is in the action."""
    waiting = fill(barrier, parties, n - 1)
    waiting.append(parties.one().begin(barrier.wait))
    wait_until(lambda: barrier.n_waiting == n, "the action runs")
    return waiting


@pytest.mark.threads_only("the action blocks its thread")
def test_who_comes_while_the_action_runs_belongs_to_the_next_generation(parties: Parties) -> None:
    go_on = threading.Event()
    barrier = Barrier(2, action=go_on.wait)
    first = begin_action(barrier, parties, 2)
    late = [party.begin(barrier.wait) for party in parties(2)]
    blocked(barrier, 3)
    assert barrier.n_waiting == 2
    go_on.set()
    assert sorted(outcome.result() for outcome in first) == [0, 1]
    assert sorted(outcome.result() for outcome in late) == [0, 1]


@pytest.mark.threads_only("the action blocks its thread")
def test_time_does_not_run_out_while_the_action_runs(parties: Parties) -> None:
    """All have come; that the action takes long is nobody's fault."""
    a, b = parties(2)
    # On a slow machine the time may be up before all have come. Then with more of it.
    for timeout in (0.02, 0.2, 2.0):
        go_on = threading.Event()
        barrier = Barrier(2, action=go_on.wait)
        first = a.begin(barrier.wait, timeout)
        first.blocked_or_over(barrier)
        last = b.begin(barrier.wait, timeout)
        wait_until(lambda barrier=barrier: barrier.n_waiting == 2 or barrier.broken, "the action runs")
        if not barrier.broken:
            break
        assert broken(first)
        assert broken(last)
    time.sleep(2 * timeout)
    assert not first.done
    assert not barrier.broken
    go_on.set()
    assert (first.result(), last.result()) == (0, 1)


@pytest.mark.threads_only("the action blocks its thread")
def test_the_action_cannot_wait_for_the_barrier_that_waits_for_it(parties: Parties) -> None:
    barrier = Barrier(2, action=lambda: barrier.wait())
    waiting = fill(barrier, parties, 1)
    with pytest.raises(RuntimeError, match="cannot wait for the barrier that waits for it"):
        arrive(barrier, parties)
    assert broken(waiting[0])
    assert barrier.broken


@pytest.mark.parametrize("how", ["abort", "reset"])
@pytest.mark.threads_only("the action blocks its thread")
def test_abort_and_reset_while_the_action_runs(how: str, parties: Parties) -> None:
    go_on = threading.Event()
    barrier = Barrier(2, action=go_on.wait)
    first = begin_action(barrier, parties, 2)
    getattr(barrier, how)()
    # The one who waits knows at once; the one in the action when that has ended.
    assert broken(first[0])
    go_on.set()
    assert broken(first[1])
    assert barrier.broken is (how == "abort")
    if how == "reset":
        again = fill(barrier, parties, 1)
        assert arrive(barrier, parties) == 1
        assert again[0].result() == 0


@pytest.mark.threads_only("the action blocks its thread")
def test_abort_while_the_action_runs_reaches_those_who_came_late(parties: Parties) -> None:
    go_on = threading.Event()
    barrier = Barrier(2, action=go_on.wait)
    first = begin_action(barrier, parties, 2)
    late = parties.one().begin(barrier.wait)
    blocked(barrier, 2)
    barrier.abort()
    go_on.set()
    assert all(broken(outcome) for outcome in [*first, late])


@pytest.mark.threads_only("the action blocks its thread")
def test_an_action_that_raises_reaches_those_who_came_late(parties: Parties) -> None:
    go_on = threading.Event()

    def action() -> None:
        go_on.wait()
        raise ZeroDivisionError

    barrier = Barrier(2, action)
    first = begin_action(barrier, parties, 2)
    late = parties.one().begin(barrier.wait)
    blocked(barrier, 2)
    go_on.set()
    assert type(first[1].error()) is ZeroDivisionError
    assert broken(first[0])
    assert broken(late)


@pytest.mark.threads_only("the action blocks its thread")
def test_reset_while_the_action_runs_lets_the_late_ones_fill_it_anew(parties: Parties) -> None:
    go_on = threading.Event()
    barrier = Barrier(2, action=go_on.wait)
    first = begin_action(barrier, parties, 2)
    late = [party.begin(barrier.wait) for party in parties(2)]
    blocked(barrier, 3)
    barrier.reset()
    go_on.set()
    assert all(broken(outcome) for outcome in first)
    assert {outcome.result() for outcome in late} == {0, 1}


@pytest.mark.threads_only("the action blocks its thread")
def test_reset_while_the_action_runs_and_filled_anew_while_it_still_runs(parties: Parties) -> None:
    """Each action lets its own generation go, and no other."""
    gates = [threading.Event(), threading.Event()]
    runs = iter(gates)
    barrier = Barrier(2, action=lambda: next(runs).wait())
    first = begin_action(barrier, parties, 2)
    barrier.reset()
    second = begin_action(barrier, parties, 2)
    gates[0].set()
    assert all(broken(outcome) for outcome in first)
    assert not any(outcome.done for outcome in second)
    assert barrier.n_waiting == 2
    gates[1].set()
    assert [outcome.result() for outcome in second] == [0, 1]


# --- broken -----------------------------------------------------------------------------------------------------


def test_a_timeout_breaks_it_for_all(parties: Parties) -> None:
    barrier = Barrier(3)
    waiting = fill(barrier, parties, 1)
    with pytest.raises(threading.BrokenBarrierError):
        arrive(barrier, parties, 0.01)
    assert broken(waiting[0])
    assert barrier.broken is True
    assert barrier.n_waiting == 0
    assert barrier.waiters == ()
    with unchanged(barrier), pytest.raises(threading.BrokenBarrierError):
        arrive(barrier, parties)


@pytest.mark.parametrize("timeout", [0, -1])
def test_no_time_at_all_breaks_it_too(timeout: float, parties: Parties) -> None:
    barrier = Barrier(2)
    with pytest.raises(threading.BrokenBarrierError):
        arrive(barrier, parties, timeout)
    assert barrier.broken


def test_no_time_at_all_is_enough_for_the_last(parties: Parties) -> None:
    barrier = Barrier(2)
    waiting = fill(barrier, parties, 1)
    assert arrive(barrier, parties, 0) == 1
    assert waiting[0].result() == 0


def test_its_own_timeout(parties: Parties) -> None:
    barrier = Barrier(2, timeout=0.01)
    with pytest.raises(threading.BrokenBarrierError):
        arrive(barrier, parties)
    barrier.reset()
    # The call's own timeout counts instead.
    waiting = fill(barrier, parties, 1, timeout=1000)
    assert arrive(barrier, parties) == 1
    assert waiting[0].result() == 0


def test_abort(parties: Parties) -> None:
    barrier = Barrier(3)
    waiting = fill(barrier, parties, 2)
    assert barrier.abort() is None
    assert barrier.broken is True
    assert barrier.n_waiting == 0
    assert all(broken(outcome) for outcome in waiting)
    with pytest.raises(threading.BrokenBarrierError):
        arrive(barrier, parties)
    barrier.abort()
    assert barrier.broken is True


def test_reset_while_parties_wait(parties: Parties) -> None:
    barrier = Barrier(3)
    waiting = fill(barrier, parties, 2)
    assert barrier.reset() is None
    assert barrier.broken is False
    assert barrier.n_waiting == 0
    assert all(broken(outcome) for outcome in waiting)
    again = fill(barrier, parties, 2)
    arrive(barrier, parties)
    assert {outcome.result() for outcome in again} == {0, 1}


def test_reset_of_an_empty_barrier(parties: Parties) -> None:
    barrier = Barrier(2)
    with unchanged(barrier):
        barrier.reset()
    waiting = fill(barrier, parties, 1)
    arrive(barrier, parties)
    assert waiting[0].result() == 0


def test_reset_mends_a_broken_one(parties: Parties) -> None:
    barrier = Barrier(2)
    barrier.abort()
    barrier.reset()
    assert barrier.broken is False
    waiting = fill(barrier, parties, 1)
    assert arrive(barrier, parties) == 1
    assert waiting[0].result() == 0


def test_an_error_that_is_the_callers_own_breaks_nothing(parties: Parties) -> None:
    barrier = Barrier(3)
    waiting = fill(barrier, parties, 1)
    with unchanged(barrier), pytest.raises(TypeError):
        arrive(barrier, parties, "soon")
    waiting += fill(barrier, parties, 1)
    arrive(barrier, parties)
    assert {outcome.result() for outcome in waiting} == {0, 1}


# --- interrupted ------------------------------------------------------------------------------------------------


@needs_signals
def test_interrupted_it_leaves_as_if_it_had_never_come(parties: Parties) -> None:
    """As in `threading`: the barrier is not broken, and waits for somebody else instead."""
    barrier = Barrier(3)
    waiting = fill(barrier, parties, 1)
    with unchanged(barrier):
        parties.main.interrupted(barrier.wait, at=barrier)
        parties.main.interrupted(barrier.wait, 1000, at=barrier)
    waiting += fill(barrier, parties, 1)
    arrive(barrier, parties)
    assert {outcome.result() for outcome in waiting} == {0, 1}


@needs_signals
def test_interrupted_after_all_had_come(parties: Parties) -> None:
    """The others go on, with the numbers they were given."""
    barrier = Barrier(2)
    b = parties.one()
    last = None

    def come_last() -> None:
        nonlocal last
        last = b.begin(barrier.wait)
        assert last.result() == 1

    parties.main.interrupted(barrier.wait, at=barrier, first=come_last)
    assert not barrier.broken
    assert barrier.n_waiting == 0
    waiting = fill(barrier, parties, 1)
    b.do(barrier.wait)
    assert waiting[0].result() == 0


@needs_signals
def test_interrupted_while_the_action_runs(parties: Parties) -> None:
    """One who has come and one who came late: neither spoils the generation."""
    go_on = threading.Event()
    barrier = Barrier(2, action=go_on.wait)
    b = parties.one()
    last = None

    def come_last() -> None:
        nonlocal last
        last = b.begin(barrier.wait)
        wait_until(lambda: barrier.n_waiting == 2, "the action runs")

    parties.main.interrupted(barrier.wait, at=barrier, first=come_last)
    parties.main.interrupted(barrier.wait, at=barrier)  # late
    assert barrier.waiters == ()
    go_on.set()
    assert last is not None
    assert last.result() == 1
    assert barrier.n_waiting == 0
    assert not barrier.broken
    waiting = fill(barrier, parties, 1)
    b.do(barrier.wait)
    assert waiting[0].result() == 0


@needs_signals
def test_interrupted_out_of_the_middle_the_numbers_stay_distinct(parties: Parties) -> None:
    barrier = Barrier(4)
    waiting = fill(barrier, parties, 1)
    others: list[Outcome] = []
    parties.main.interrupted(barrier.wait, at=barrier, then=lambda: others.extend(fill(barrier, parties, 1)))
    waiting += others + fill(barrier, parties, 1)
    last = arrive(barrier, parties)
    assert sorted([last, *(outcome.result() for outcome in waiting)]) == [0, 1, 2, 3]


@needs_signals
def test_broken_by_the_handler_that_interrupts(parties: Parties) -> None:
    barrier = Barrier(2)
    parties.main.interrupted(barrier.wait, at=barrier, first=barrier.abort)
    assert barrier.broken
    assert barrier.n_waiting == 0


# --- the rest ---------------------------------------------------------------------------------------------------


def test_the_numbers_are_those_of_arrival(parties: Parties) -> None:
    barrier = Barrier(4)
    waiting = fill(barrier, parties, 3)
    become_due()
    assert arrive(barrier, parties) == 3
    assert [outcome.result() for outcome in waiting] == [0, 1, 2]


def test_what_it_is_made_of_is_for_reading_only() -> None:
    barrier = Barrier(2)
    for name in ("parties", "n_waiting", "broken"):
        with pytest.raises(AttributeError):
            setattr(barrier, name, 1)


def test_repr(parties: Parties) -> None:
    barrier = Barrier(2, name="start")
    where = f"interlock.Barrier at {id(barrier):#x}"
    assert repr(barrier) == f"<{where}: waiters=0/2 name='start'>"
    waiting = fill(barrier, parties, 1)
    assert repr(barrier) == f"<{where}: waiters=1/2 name='start'>"
    barrier.abort()
    assert repr(barrier) == f"<{where}: broken name='start'>"
    assert broken(waiting[0])
