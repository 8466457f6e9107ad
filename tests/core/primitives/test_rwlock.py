"""RWLock: many readers or one writer."""

import copy
import pickle

import pytest
from parties import Outcome, Parties, blocked, needs_signals, unchanged

from interlock import DeadlockError, RWLock


def test_starts_unlocked() -> None:
    lock = RWLock()
    assert lock.locked() is False
    assert lock.readers == 0
    assert lock.owner is None


def test_many_readers(parties: Parties) -> None:
    lock = RWLock()
    sides = []
    for n, party in enumerate(parties(3)):
        side = lock.read()
        assert party.enter(side) is True
        sides.append((party, side))
        assert lock.readers == n + 1
    assert lock.locked() is True
    assert lock.owner is None
    for party, side in sides:
        party.leave(side)
    assert lock.readers == 0
    assert lock.locked() is False


def test_one_writer(parties: Parties) -> None:
    lock = RWLock()
    a, b = parties(2)
    side = lock.write()
    assert a.enter(side) is True
    assert lock.owner is a.identity
    assert lock.readers == 0
    assert lock.locked() is True
    with unchanged(lock):
        assert b.do(lock.write().acquire, False) is False
        assert b.do(lock.read().acquire, False) is False
        assert b.do(lock.read().acquire, blocking=False) is False
        assert b.do(lock.write().acquire, timeout=0.01) is False
        assert b.do(lock.read().acquire, timeout=0) is False
        assert b.do(lock.read().acquire, timeout=-1) is False
    a.leave(side)
    assert lock.owner is None
    assert b.do(lock.write().acquire, False) is True


def test_a_writer_waits_for_all_readers(parties: Parties) -> None:
    lock = RWLock()
    a, b, c = parties(3)
    first, second = lock.read(), lock.read()
    a.enter(first)
    b.enter(second)
    with unchanged(lock):
        assert c.do(lock.write().acquire, False) is False
    writing = c.begin(lock.write().acquire)
    blocked(lock, 1)
    a.leave(first)
    assert lock.waiters == (c.identity,)
    assert lock.owner is None
    b.leave(second)
    assert writing.result() is True
    assert lock.owner is c.identity


def test_a_reader_waits_for_the_writer(parties: Parties) -> None:
    lock = RWLock()
    a, b = parties(2)
    side = lock.write()
    a.enter(side)
    reading = b.begin_enter(lock.read())
    blocked(lock, 1)
    assert lock.readers == 0
    a.leave(side)
    assert reading.result() is True
    assert lock.readers == 1
    assert lock.owner is None


def test_a_reader_may_read_again_also_past_a_waiting_writer(parties: Parties) -> None:
    lock = RWLock()
    a, b, c = parties(3)
    outer, inner, third = lock.read(), lock.read(), lock.read()
    a.enter(outer)
    writing = b.begin(lock.write().acquire)
    blocked(lock, 1)
    # It would wait for itself otherwise. A party that does not read yet stays behind the writer.
    assert a.enter(inner) is True
    assert lock.readers == 2
    with unchanged(lock):
        assert c.do(lock.read().acquire, False) is False
    a.leave(outer)
    assert a.enter(third) is True
    a.leave(inner)
    assert lock.readers == 1
    assert lock.waiters == (b.identity,)
    a.leave(third)
    assert writing.result() is True


def test_a_reader_that_has_left_does_not_read_past_a_writer(parties: Parties) -> None:
    lock = RWLock()
    a, b, c = parties(3)
    side, other = lock.read(), lock.read()
    a.enter(side)
    b.enter(other)
    a.leave(side)
    writing = c.begin(lock.write().acquire)
    blocked(lock, 1)
    with unchanged(lock):
        assert a.do(lock.read().acquire, False) is False
        assert a.do(lock.read().acquire, timeout=0.01) is False
    b.leave(other)
    assert writing.result() is True


def test_reading_many_times_and_leaving_in_any_order(parties: Parties) -> None:
    lock = RWLock()
    a, b = parties(2)
    sides = [lock.read() for _ in range(5)]
    for side in sides:
        a.enter(side)
    writing = b.begin(lock.write().acquire)
    blocked(lock, 1)
    for n, i in enumerate((2, 4, 0, 3)):
        a.leave(sides[i])
        assert lock.readers == 4 - n
        again = lock.read()
        assert a.do(again.acquire, False) is True  # still one who reads
        a.do(again.release)
    a.leave(sides[1])
    assert writing.result() is True


# --- refused ----------------------------------------------------------------------------------------------------


@pytest.mark.threads_only("what the parties run blocks; for tasks see tests/core/tasks")
def test_upgrading_is_refused(parties: Parties) -> None:
    lock = RWLock(name="map")
    a = parties.one()
    side = lock.read()
    a.enter(side)
    for call in (
        lambda: lock.write().acquire(),
        lambda: lock.write().acquire(False),
        lambda: lock.write().acquire(timeout=1),
        lambda: lock.write().__enter__(),
    ):
        with unchanged(lock), pytest.raises(DeadlockError, match=r"reads under .*'map'.* leave read\(\) first"):
            a.do(call)
    a.leave(side)
    assert a.do(lock.write().acquire, False) is True


def test_upgrading_among_other_readers_is_refused(parties: Parties) -> None:
    lock = RWLock()
    a, b = parties(2)
    a.enter(lock.read())
    b.enter(lock.read())
    with unchanged(lock), pytest.raises(DeadlockError, match="reads under"):
        a.do(lock.write().acquire)


@pytest.mark.threads_only("what the parties run blocks; for tasks see tests/core/tasks")
def test_a_writer_is_refused_both(parties: Parties) -> None:
    lock = RWLock(name="map")
    a = parties.one()
    a.enter(lock.write())
    for side in (lock.read, lock.write):
        with unchanged(lock), pytest.raises(DeadlockError, match=r"writes under .*'map'.* leave write\(\) first"):
            a.do(lambda side=side: side().acquire())


def test_a_refused_side_can_be_used_later(parties: Parties) -> None:
    lock = RWLock()
    a = parties.one()
    reading, writing = lock.read(), lock.write()
    a.enter(reading)
    with pytest.raises(DeadlockError):
        a.enter(writing)
    a.leave(reading)
    assert a.enter(writing) is True
    assert lock.owner is a.identity


def test_release_of_what_the_caller_does_not_hold(parties: Parties) -> None:
    lock = RWLock()
    a, b = parties(2)
    for make in (lock.read, lock.write):
        side = make()
        with unchanged(lock), pytest.raises(RuntimeError, match="cannot release what the caller does not hold"):
            a.do(side.release)
        a.do(side.acquire)
        with unchanged(lock), pytest.raises(RuntimeError, match="cannot release what the caller does not hold"):
            b.do(side.release)
        with unchanged(lock), pytest.raises(RuntimeError, match="cannot release what the caller does not hold"):
            a.do(make().release)  # another one than it was taken through
        a.do(side.release)
        with unchanged(lock), pytest.raises(RuntimeError, match="cannot release what the caller does not hold"):
            a.do(side.release)
    assert not lock.locked()


def test_a_side_can_be_used_again_but_not_while_it_is_held(parties: Parties) -> None:
    lock = RWLock()
    a, b = parties(2)
    side = lock.read()
    for party in (a, b, a):
        party.enter(side)
        party.leave(side)
    a.enter(side)
    for party in (a, b):
        with unchanged(lock), pytest.raises(RuntimeError, match=r"is in use: call read\(\)"):
            party.do(side.acquire)
    a.leave(side)


@pytest.mark.parametrize("make", [RWLock.read, RWLock.write])
def test_a_side_that_two_parties_wait_with(make: object, parties: Parties) -> None:
    """It stands for one hold, so one of them at most may get it."""
    lock = RWLock()
    a, b, c = parties(3)
    writing = lock.write()
    a.enter(writing)
    side = make(lock)  # type: ignore[operator]
    first = b.begin(side.acquire)
    blocked(lock, 1)
    with unchanged(lock), pytest.raises(RuntimeError, match="is in use"):
        c.do(side.acquire)
    a.leave(writing)
    assert first.result() is True
    b.do(side.release)
    assert not lock.locked()


def test_a_side_that_gave_up_can_be_used_again(parties: Parties) -> None:
    lock = RWLock()
    a, b = parties(2)
    writing = lock.write()
    a.enter(writing)
    for side in (lock.read(), lock.write()):
        assert b.do(side.acquire, timeout=0.001) is False
        assert b.do(side.acquire, False) is False
        with pytest.raises(RuntimeError, match="does not hold"):
            b.do(side.release)
    a.leave(writing)
    assert b.do(side.acquire, False) is True
    assert lock.owner is b.identity


def test_a_timeout_needs_a_call_that_blocks() -> None:
    lock = RWLock()
    for side in (lock.read(), lock.write()):
        with unchanged(lock), pytest.raises(ValueError, match="can't specify a timeout for a non-blocking call"):
            side.acquire(False, timeout=1)


def test_a_side_is_not_made_by_hand() -> None:
    for side in (RWLock().read(), RWLock().write()):
        with pytest.raises(TypeError, match=r"created by RWLock\.read\(\) or RWLock\.write\(\)"):
            type(side)()


# --- first come, first served -----------------------------------------------------------------------------------


def test_batches(parties: Parties) -> None:
    """Readers that stand next to each other go in together; none passes a writer, no writer passes them."""
    lock = RWLock()
    a, *others = parties(8)
    writing = lock.write()
    a.enter(writing)
    sides = []
    outcomes: list[Outcome] = []
    for n, (party, kind) in enumerate(zip(others, "rrwrrwr", strict=True)):
        side = lock.read() if kind == "r" else lock.write()
        sides.append(side)
        outcomes.append(party.begin(side.acquire))
        blocked(lock, n + 1)
    b, c, d, e, f, g, h = others

    def waiting() -> str:
        return "".join(party.name for party in others if party.identity in lock.waiters)

    a.leave(writing)
    assert (lock.readers, lock.owner, waiting()) == (2, None, "defgh")
    b.do(sides[0].release)
    assert (lock.readers, lock.owner, waiting()) == (1, None, "defgh")
    c.do(sides[1].release)
    assert (lock.readers, lock.owner, waiting()) == (0, d.identity, "efgh")
    d.do(sides[2].release)
    assert (lock.readers, lock.owner, waiting()) == (2, None, "gh")
    f.do(sides[4].release)
    e.do(sides[3].release)
    assert (lock.readers, lock.owner, waiting()) == (0, g.identity, "h")
    g.do(sides[5].release)
    assert (lock.readers, lock.owner, waiting()) == (1, None, "")
    h.do(sides[6].release)
    assert not lock.locked()
    assert all(outcome.result() for outcome in outcomes)


def test_a_writer_that_gives_up_frees_the_way_for_the_readers_behind_it(parties: Parties) -> None:
    lock = RWLock()
    a, b, c, d = parties(4)
    a.enter(lock.read())
    writing = b.begin(lock.write().acquire, timeout=0.05)
    writing.blocked_or_over(lock)
    reading = [c.begin(lock.read().acquire), d.begin(lock.read().acquire)]
    assert writing.result() is False
    assert [outcome.result() for outcome in reading] == [True, True]
    assert lock.readers == 3


@needs_signals
def test_a_writer_that_is_interrupted_frees_the_way(parties: Parties) -> None:
    lock = RWLock()
    a, b = parties(2)
    a.enter(lock.read())
    reading = None

    def come_second() -> None:
        nonlocal reading
        reading = b.begin(lock.read().acquire)
        blocked(lock, 2)

    parties.main.interrupted(lock.write().acquire, at=lock, then=come_second)
    assert reading is not None
    assert reading.result() is True
    assert lock.readers == 2


@needs_signals
@pytest.mark.parametrize("make", [RWLock.read, RWLock.write])
def test_interrupted_after_it_was_let_in(make: object, parties: Parties) -> None:
    lock = RWLock()
    a = parties.one()
    writing = lock.write()
    a.enter(writing)
    side = make(lock)  # type: ignore[operator]
    parties.main.interrupted(side.acquire, at=lock, first=lambda: a.leave(writing))
    assert not lock.locked()
    assert lock.waiters == ()
    # The side is free for another try.
    assert side.acquire(False) is True
    side.release()
    assert a.do(lock.write().acquire, False) is True


# --- the rest ---------------------------------------------------------------------------------------------------


def test_with_leaves_after_an_error() -> None:
    lock = RWLock()
    with pytest.raises(ZeroDivisionError), lock.write():
        _ = 1 / 0
    with pytest.raises(ZeroDivisionError), lock.read():
        _ = 1 / 0
    assert not lock.locked()


def test_within(parties: Parties) -> None:
    lock = RWLock()
    a, b = parties(2)
    with lock.read().within(1):
        assert lock.readers == 1
    with lock.write().within(1):
        assert lock.owner is parties.main.identity
    assert not lock.locked()
    a.enter(lock.write())
    for side in (lock.read(), lock.write()):
        with unchanged(lock), pytest.raises(TimeoutError):
            b.enter(side.within(0.01))


def test_the_lock_itself_is_no_context_manager() -> None:
    """`with lock:` does not say which side is meant."""
    with pytest.raises(TypeError), RWLock():  # type: ignore[attr-defined]
        pass


def test_readers_and_writers(parties: Parties) -> None:
    """A writer is alone; a reader sees no half-written pair."""
    lock = RWLock()
    pair = [0, 0]

    def write() -> None:
        for _ in range(100):
            with lock.write():
                pair[0] += 1
                assert lock.readers == 0
                pair[1] += 1

    def read() -> None:
        for _ in range(100):
            with lock.read():
                assert pair[0] == pair[1]
                with lock.read():
                    assert lock.owner is None

    a, b, c, d = parties(4)
    work = [a.begin(write), b.begin(write), c.begin(read), d.begin(read)]
    for outcome in work:
        outcome.result()
    assert pair == [200, 200]
    assert not lock.locked()


def test_repr(parties: Parties) -> None:
    lock = RWLock(name="map")
    a, b = parties(2)
    where = f"interlock.RWLock object at {id(lock):#x} name='map'"
    assert repr(lock) == f"<unlocked {where}>"
    reading, writing = lock.read(), lock.write()
    a.enter(reading)
    assert repr(lock) == f"<locked {where} readers=1>"
    assert repr(reading) == f"<read side held by a of {lock!r}>"
    waiting = b.begin(writing.acquire)
    blocked(lock, 1)
    assert repr(lock) == f"<locked {where} readers=1 waiting=1>"
    a.leave(reading)
    waiting.result()
    assert repr(lock) == f"<locked {where} owner=b>"
    assert repr(reading) == f"<read side of {lock!r}>"


def test_a_side_cannot_be_pickled_or_copied() -> None:
    for side in (RWLock().read(), RWLock().write()):
        for attempt in (pickle.dumps, copy.copy, copy.deepcopy):
            with pytest.raises(TypeError, match=r"cannot pickle <interlock\.RWLock"):
                attempt(side)
