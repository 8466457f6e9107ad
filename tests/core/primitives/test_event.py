"""Event: a flag to wait for."""

import threading

import pytest
from parties import Parties, blocked, needs_signals

from interlock import Event


def test_starts_clear() -> None:
    event = Event()
    assert event.is_set() is False
    assert event.wait(0) is False
    assert event.wait(timeout=0.01) is False


def test_set_and_clear() -> None:
    event = Event()
    assert event.set() is None
    assert event.is_set() is True
    assert event.wait() is True
    assert event.wait(0) is True
    event.set()  # twice is once
    assert event.is_set() is True
    assert event.clear() is None
    assert event.is_set() is False
    event.clear()
    assert event.wait(0) is False


def test_set_wakes_all(parties: Parties) -> None:
    event = Event()
    waiting = [party.begin(event.wait) for party in parties(3)]
    blocked(event, 3)
    assert not any(outcome.done for outcome in waiting)
    event.set()
    assert event.waiters == ()
    assert [outcome.result() for outcome in waiting] == [True] * 3


def test_a_timed_wait_sees_it_set(parties: Parties) -> None:
    event = Event()
    waiting = parties.one().begin(event.wait, 1000)
    blocked(event, 1)
    event.set()
    assert waiting.result() is True


def test_set_and_cleared_at_once_has_been_seen(parties: Parties) -> None:
    """Who waited when it was set does not go back to waiting, however late he runs."""
    event = Event()
    waiting = [party.begin(event.wait) for party in parties(5)]
    blocked(event, 5)
    event.set()
    event.clear()
    assert event.waiters == ()
    assert [outcome.result() for outcome in waiting] == [True] * 5
    assert event.wait(0) is False


def test_set_between_two_waits(parties: Parties) -> None:
    event = Event()
    a, b = parties(2)
    first = a.begin(event.wait)
    blocked(event, 1)
    event.set()
    event.clear()
    second = b.begin(event.wait)
    assert first.result() is True
    blocked(event, 1)
    assert event.waiters == (b.identity,)
    event.set()
    assert second.result() is True


def test_one_who_gives_up_leaves_the_others(parties: Parties) -> None:
    event = Event()
    a, b, c = parties(3)
    first = a.begin(event.wait)
    blocked(event, 1)
    second = b.begin(event.wait, 0.01)
    third = c.begin(event.wait)
    assert second.result() is False
    blocked(event, 2)
    event.set()
    assert (first.result(), third.result()) == (True, True)


@needs_signals
def test_set_by_a_signal_handler(parties: Parties) -> None:
    """The handler runs inside the very `wait` that it ends."""
    event = Event()
    a = parties.one()
    waiting = None

    def also() -> None:
        nonlocal waiting
        waiting = a.begin(event.wait)
        blocked(event, 2)

    parties.main.interrupted(event.wait, at=event, then=also, first=event.set)
    assert event.is_set()
    assert waiting is not None
    assert waiting.result() is True


def test_set_while_its_arguments_are_looked_at(parties: Parties) -> None:
    """The flag is looked at once more before the party blocks."""
    event = Event()

    class LongTime:
        def __index__(self) -> int:
            event.set()
            return 1000

    assert parties.one().do(event.wait, LongTime()) is True


def test_old_names() -> None:
    event = Event()
    event.set()
    with pytest.warns(DeprecationWarning, match="is_set"):
        assert event.isSet() is True
    assert event._flag is True


def test_repr(parties: Parties) -> None:
    event = Event(name="ready")
    where = f"interlock.Event at {id(event):#x}"
    assert repr(event) == f"<{where}: unset name='ready'>"
    waiting = parties.one().begin(event.wait)
    blocked(event, 1)
    assert repr(event) == f"<{where}: unset name='ready' waiting=1>"
    event.set()
    assert repr(event) == f"<{where}: set name='ready'>"
    waiting.result()


def test_repr_looks_like_the_standard_librarys() -> None:
    theirs, ours = threading.Event(), Event()
    for event in (theirs, ours):
        event.set()
    assert repr(ours).replace(f"{id(ours):#x}", "") == (
        repr(theirs).replace(f"{id(theirs):#x}", "").replace("threading", "interlock")
    )


@pytest.mark.parametrize("rounds", [200])
@pytest.mark.threads_only("what the parties run blocks; for tasks see tests/core/tasks")
def test_ping_pong(parties: Parties, rounds: int) -> None:
    """Two parties that take turns by two events: a wake-up that is lost stops them."""
    ping, pong = Event(), Event()
    a, b = parties(2)

    def serve() -> None:
        for _ in range(rounds):
            pong.wait()
            pong.clear()
            ping.set()

    def play() -> None:
        for _ in range(rounds):
            pong.set()
            ping.wait()
            ping.clear()

    games = [a.begin(serve), b.begin(play)]
    for game in games:
        game.result()
