"""Latch: a gate that opens once."""

import pytest
from parties import Parties, blocked, unchanged

from interlock import Latch


def test_counts_down_to_zero() -> None:
    latch = Latch(3)
    assert latch.count == 3
    assert latch.wait(0) is False
    assert latch.count_down() is None
    assert latch.count == 2
    assert latch.wait(0.01) is False
    latch.count_down(n=2)
    assert latch.count == 0
    assert latch.wait() is True
    assert latch.wait(0) is True


def test_opens_for_all(parties: Parties) -> None:
    latch = Latch(2)
    waiting = [party.begin(latch.wait) for party in parties(3)]
    blocked(latch, 3)
    latch.count_down()
    assert len(latch.waiters) == 3
    assert not any(outcome.done for outcome in waiting)
    latch.count_down()
    assert latch.waiters == ()
    assert [outcome.result() for outcome in waiting] == [True] * 3


def test_opens_for_one_with_a_timeout(parties: Parties) -> None:
    latch = Latch(1)
    waiting = parties.one().begin(latch.wait, 1000)
    blocked(latch, 1)
    latch.count_down()
    assert waiting.result() is True


def test_a_count_of_zero_is_open() -> None:
    latch = Latch(0)
    assert latch.wait() is True
    assert latch.count == 0


def test_never_shut_again() -> None:
    latch = Latch(1)
    latch.count_down()
    with unchanged(latch), pytest.raises(ValueError, match="only 0 left"):
        latch.count_down()
    assert latch.wait(0) is True


@pytest.mark.parametrize("n", [0, -1])
def test_less_than_one(n: int) -> None:
    latch = Latch(1)
    with unchanged(latch), pytest.raises(ValueError, match="n must be one or more"):
        latch.count_down(n)


def test_more_than_are_missing(parties: Parties) -> None:
    latch = Latch(2)
    waiting = parties.one().begin(latch.wait)
    blocked(latch, 1)
    with unchanged(latch), pytest.raises(ValueError, match="cannot count down by 3: only 2 left"):
        latch.count_down(3)
    latch.count_down(2)
    assert waiting.result() is True


def test_a_negative_count_is_refused() -> None:
    with pytest.raises(ValueError, match="count must be 0 or more"):
        Latch(-1)


def test_a_count_is_needed() -> None:
    with pytest.raises(TypeError):
        Latch()  # type: ignore[call-arg]


def test_count_is_for_reading_only() -> None:
    with pytest.raises(AttributeError):
        Latch(1).count = 5  # type: ignore[misc]


def test_repr(parties: Parties) -> None:
    latch = Latch(2, name="workers up")
    where = f"interlock.Latch at {id(latch):#x}"
    waiting = parties.one().begin(latch.wait)
    blocked(latch, 1)
    assert repr(latch) == f"<{where}: count=2 name='workers up' waiting=1>"
    latch.count_down(2)
    assert repr(latch) == f"<{where}: count=0 name='workers up'>"
    waiting.result()
