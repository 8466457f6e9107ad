"""WaitQueue: the queue by itself."""

import threading

import pytest
from parties import Parties, blocked, needs_signals, unchanged

from interlock import WaitQueue


def test_starts_empty_and_is_true_all_the_same() -> None:
    queue = WaitQueue()
    assert queue.waiters == ()
    assert len(queue) == 0
    # `if queue:` asks whether there is one, as with every other primitive.
    assert bool(queue) is True


def test_unpark_wakes_the_first(parties: Parties) -> None:
    queue = WaitQueue()
    a, b = parties(2)
    first = a.begin(queue.park)
    blocked(queue, 1)
    second = b.begin(queue.park)
    blocked(queue, 2)
    assert len(queue) == 2
    assert queue.unpark() == 1
    assert queue.waiters == (b.identity,)
    assert first.result() is True
    assert not second.done
    assert queue.unpark(1) == 1
    assert second.result() is True


def test_unpark_n(parties: Parties) -> None:
    queue = WaitQueue()
    waiting = []
    for i, party in enumerate(parties(4)):
        waiting.append(party.begin(queue.park))
        blocked(queue, i + 1)
    assert queue.unpark(0) == 0
    assert len(queue) == 4
    assert queue.unpark(n=3) == 3
    assert [outcome.result() for outcome in waiting[:3]] == [True] * 3
    assert queue.waiters == (waiting[3].party.identity,)
    assert queue.unpark(3) == 1
    assert waiting[3].result() is True


def test_unpark_all(parties: Parties) -> None:
    queue = WaitQueue()
    assert queue.unpark_all() == 0
    waiting = [party.begin(queue.park) for party in parties(3)]
    blocked(queue, 3)
    assert queue.unpark_all() == 3
    assert queue.waiters == ()
    assert [outcome.result() for outcome in waiting] == [True] * 3


def test_an_unpark_with_nobody_there_is_not_remembered() -> None:
    queue = WaitQueue()
    assert queue.unpark() == 0
    assert queue.unpark(5) == 0
    assert queue.unpark_all() == 0
    assert queue.park(0.01) is False


def test_a_negative_n() -> None:
    with pytest.raises(ValueError, match="n must be 0 or more"):
        WaitQueue().unpark(-1)


def test_park_with_a_timeout(parties: Parties) -> None:
    queue = WaitQueue()
    with unchanged(queue):
        assert queue.park(0) is False
        assert queue.park(timeout=-1) is False
        assert queue.park(0.01) is False
    waiting = parties.one().begin(queue.park, 1000)
    blocked(queue, 1)
    queue.unpark()
    assert waiting.result() is True


# --- unless -----------------------------------------------------------------------------------------------------


def test_unless_is_asked_once_with_the_caller_in_the_queue() -> None:
    queue = WaitQueue()
    seen = []

    def unless() -> str:
        seen.append(queue.waiters)
        return "true enough"

    assert queue.park(unless=unless) is True
    assert seen == [(threading.main_thread(),)]
    assert queue.waiters == ()


def test_unless_is_false(parties: Parties) -> None:
    queue = WaitQueue()
    assert queue.park(0.01, unless=lambda: False) is False
    waiting = parties.one().begin(queue.park, unless=lambda: 0)
    blocked(queue, 1)
    queue.unpark()
    assert waiting.result() is True


def test_unless_raises(parties: Parties) -> None:
    queue = WaitQueue()
    a = parties.one()
    waiting = a.begin(queue.park)
    blocked(queue, 1)
    with unchanged(queue), pytest.raises(ZeroDivisionError):
        queue.park(unless=lambda: 1 / 0)
    with unchanged(queue), pytest.raises(TypeError):
        queue.park(unless=5)
    queue.unpark()
    assert waiting.result() is True


def test_unless_is_true_for_one_in_the_middle(parties: Parties) -> None:
    queue = WaitQueue()
    a, b = parties(2)
    first = a.begin(queue.park)
    blocked(queue, 1)
    second = None

    def unless() -> bool:
        nonlocal second
        second = b.begin(queue.park)
        blocked(queue, 3)
        return True

    assert queue.park(unless=unless) is True
    assert queue.waiters == (a.identity, b.identity)
    queue.unpark(2)
    assert first.result() is True
    assert second is not None
    assert second.result() is True


def test_woken_while_unless_runs(parties: Parties) -> None:
    """The change that `unless` did not see yet is the one whose unpark is already under way."""
    queue = WaitQueue()
    assert queue.park(unless=lambda: queue.unpark() == 0) is True
    assert queue.waiters == ()


def test_woken_while_unless_runs_and_is_true(parties: Parties) -> None:
    """Both were the same news: the wake-up is used up, and goes to nobody else."""
    queue = WaitQueue()
    a = parties.one()
    waiting = None

    def unless() -> bool:
        nonlocal waiting
        waiting = a.begin(queue.park)
        blocked(queue, 2)
        return queue.unpark() == 1

    assert queue.park(unless=unless) is True
    assert queue.waiters == (a.identity,)
    assert waiting is not None
    assert not waiting.done
    queue.unpark()
    assert waiting.result() is True


def test_woken_while_unless_runs_and_raises(parties: Parties) -> None:
    """The wake-up goes to the next."""
    queue = WaitQueue()
    a = parties.one()
    waiting = None

    def unless() -> bool:
        nonlocal waiting
        waiting = a.begin(queue.park)
        blocked(queue, 2)
        assert queue.unpark() == 1
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        queue.park(unless=unless)
    assert waiting is not None
    assert waiting.result() is True
    assert queue.waiters == ()


@needs_signals
def test_interrupted_with_nobody_behind_the_wake_up_is_dropped(parties: Parties) -> None:
    queue = WaitQueue()
    parties.main.interrupted(queue.park, at=queue, first=queue.unpark)
    assert queue.waiters == ()
    assert queue.park(0.01) is False


@pytest.mark.threads_only("what the parties run blocks; for tasks see tests/core/tasks")
def test_a_primitive_made_of_it(parties: Parties) -> None:
    """What it is for: a bounded buffer of one, with the state on the user's side."""
    changed = WaitQueue()
    full: list[int] = []
    taken = []

    def put(item: int) -> None:
        while full:
            changed.park(unless=lambda: not full)
        full.append(item)
        changed.unpark_all()

    def take() -> None:
        while not full:
            changed.park(unless=lambda: full)
        taken.append(full.pop())
        changed.unpark_all()

    a, b = parties(2)
    work = [a.begin(lambda: [put(i) for i in range(200)]), b.begin(lambda: [take() for _ in range(200)])]
    for outcome in work:
        outcome.result()
    assert taken == list(range(200))


def test_repr(parties: Parties) -> None:
    queue = WaitQueue(name="changed")
    where = f"interlock.WaitQueue at {id(queue):#x} name='changed'"
    assert repr(queue) == f"<{where}>"
    waiting = parties.one().begin(queue.park)
    blocked(queue, 1)
    assert repr(queue) == f"<{where} waiting=1>"
    queue.unpark()
    waiting.result()
