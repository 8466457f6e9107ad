"""The tests' own parties: what goes wrong in one must reach the test."""

import contextlib
import weakref

import parties as helper
import pytest
from parties import Parties, blocked, needs_signals, unchanged

from interlock import Event, Lock


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(helper, "PATIENCE", 0.05)


def test_calls_are_made_by_the_party_in_order(parties: Parties) -> None:
    a, b = parties(2)
    made: list[str] = []
    begun = [a.begin(made.append, word) for word in "xyz"]
    assert [outcome.result() for outcome in begun] == [None] * 3
    assert made == ["x", "y", "z"]
    assert (a.thread.name, b.thread.name) == ("a", "b")


def test_what_a_call_raises_is_raised_in_the_test(parties: Parties) -> None:
    a = parties.one()
    with pytest.raises(ZeroDivisionError):
        a.do(lambda: 1 / 0)
    assert type(a.begin(lambda: 1 / 0).error()) is ZeroDivisionError
    assert a.do(int) == 0


def test_what_nobody_asked_for_is_raised_in_the_end() -> None:
    parties = Parties()
    parties.one().begin(lambda: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        parties.end()


def test_a_call_that_is_over_keeps_nothing_alive(parties: Parties) -> None:
    """Its outcome is known before the party has come to forget it."""
    a = parties.one()
    begin, forget = Event(), Event()
    lock = Lock()
    reference = weakref.ref(lock)

    def use(lock: Lock) -> None:
        begin.wait()

    outcome = a.begin(use, lock)
    outcome.future.add_done_callback(lambda _: forget.wait() and None)  # called by the party
    begin.set()
    outcome.result()
    a.outcomes.clear()
    try:
        del outcome, lock
        assert reference() is None
    finally:
        forget.set()


@pytest.mark.usefixtures("impatient")
def test_a_call_that_hangs_fails_with_all_stacks(parties: Parties) -> None:
    lock = Lock()
    lock.acquire()
    waiting = parties.one().begin(lock.acquire)
    with pytest.raises(pytest.fail.Exception, match=r"hangs(.|\n)*test_a_call_that_hangs"):
        waiting.result()
    with pytest.raises(pytest.fail.Exception, match="hangs"):
        parties.end()
    lock.release()
    assert waiting.result() is True


@pytest.mark.usefixtures("impatient")
def test_nobody_blocked_fails_with_all_stacks() -> None:
    with pytest.raises(pytest.fail.Exception, match=r"1 waiting at <unlocked(.|\n)*test_nobody_blocked"):
        blocked(Lock(), 1)


def test_a_change_is_seen() -> None:
    lock = Lock()
    with pytest.raises(AssertionError), unchanged(lock):
        lock.acquire()


@needs_signals
def test_an_interruption_that_does_not_come_out_fails(parties: Parties) -> None:
    event = Event()

    def swallow() -> None:
        with contextlib.suppress(helper.Interrupted):
            event.wait()

    with pytest.raises(pytest.fail.Exception, match="DID NOT RAISE"):
        parties.main.interrupted(swallow, at=event)
