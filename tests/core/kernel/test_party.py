"""Who calls: what `owner` and `waiters` name, and what becomes of what a thread held when it ended."""

import _thread
import re
import threading
from collections.abc import Callable
from typing import Any

import pytest
from parties import PATIENCE, Parties, ThreadParty, blocked, fail_with_stacks, unchanged, wait_until

import interlock
from interlock import Condition, DeadlockError, Event, Lock, Party, RLock, RWLock
from interlock.core.tasks.task import current_party


class RawThread:
    """A thread that `threading` does not know of."""

    def __init__(self, target: Callable[[], object]):
        self.over = threading.Lock()
        self.over.acquire()
        self.error: BaseException | None = None

        def run() -> None:
            try:
                target()
            except BaseException as error:
                self.error = error
            finally:
                self.over.release()

        self.ident = _thread.start_new_thread(run, ())

    def join(self) -> None:
        if not self.over.acquire(timeout=PATIENCE):
            fail_with_stacks("a raw thread does not end")
        if self.error is not None:
            raise self.error


# --- names ------------------------------------------------------------------------------------------------------


def test_the_main_thread() -> None:
    lock = Lock()
    with lock:
        assert lock.owner is threading.main_thread()
        assert "owner=MainThread" in repr(lock)


def test_owner_and_waiters_are_threads(parties: Parties) -> None:
    lock = RLock()
    a, b = parties(2)
    a.do(lock.acquire)
    waiting = b.begin(lock.acquire)
    blocked(lock, 1)
    assert lock.owner is a.thread
    assert lock.waiters == (b.thread,)
    a.do(lock.release)
    waiting.result()


def test_a_thread_that_is_renamed(parties: Parties) -> None:
    lock = Lock()
    a = parties.one()
    a.do(lock.acquire)
    assert "owner=a" in repr(lock)
    a.thread.name = "the one in charge"
    assert lock.owner is a.thread
    assert "owner=the one in charge" in repr(lock)


def test_a_thread_that_is_still_starting() -> None:
    """`threading` lists it only after it runs; what it does in between must name it all the same."""
    lock = Lock()
    seen = []

    class Early(threading.Thread):
        def _set_native_id(self) -> None:  # runs in the new thread, before `threading` lists it
            with lock:
                seen.append(lock.owner)
            super()._set_native_id()  # type: ignore[misc]

    thread = Early()
    thread.start()
    thread.join()
    assert seen[0] is thread or isinstance(seen[0], Party)
    assert threading.active_count() == len(threading.enumerate())


def test_a_raw_thread_is_a_party() -> None:
    lock, gate = Lock(), Event()

    def run() -> None:
        with lock:
            gate.wait()

    thread = RawThread(run)
    blocked(gate, 1)
    party = lock.owner
    assert type(party) is Party
    assert gate.waiters == (party,)
    assert party.ident == thread.ident
    assert party.name == f"thread {thread.ident}"
    assert party.ended is False
    assert party.lost_in_fork is False
    assert repr(party) == f"<interlock.Party 'thread {thread.ident}' ident={thread.ident}>"
    assert f"owner=thread {thread.ident}" in repr(lock)
    # Being asked about it has not made `threading` invent a Thread for it.
    assert thread.ident not in {known.ident for known in threading.enumerate()}
    gate.set()
    thread.join()
    wait_until(lambda: party.ended, "the thread has ended")
    assert re.fullmatch(r"<interlock\.Party 'thread \d+' ident=\d+ ended>", repr(party))


def test_a_raw_thread_that_threading_comes_to_know() -> None:
    lock, gate = Lock(), Event()
    known = []

    def run() -> None:
        with lock:
            known.append(lock.owner)
            known.append(threading.current_thread())
            gate.wait()

    thread = RawThread(run)
    blocked(gate, 1)
    assert type(known[0]) is Party
    assert lock.owner is known[1]
    gate.set()
    thread.join()


def test_parties_are_met_not_made() -> None:
    with pytest.raises(TypeError, match="cannot create"):
        Party()
    assert interlock.Party is Party


# --- a thread that ended ----------------------------------------------------------------------------------------


def end(party: ThreadParty) -> None:
    """Return when the thread has ended for certain: `Thread.join` may return an instant before."""
    who = party.do(current_party)
    party.end()
    wait_until(lambda: who.ended, f"{who!r} has ended")


def run_to_its_end(target: Callable[[], object], name: str | None = None) -> threading.Thread:
    """Run a thread that ends for certain before this returns."""
    who: list[Party] = []

    def run() -> None:
        who.append(current_party())
        target()

    thread = threading.Thread(target=run, name=name)
    thread.start()
    thread.join()
    wait_until(lambda: who[0].ended, f"{who[0]!r} has ended")
    return thread


def hold_by_acquire(lock: Any, party: ThreadParty) -> None:
    party.do(lock.acquire)


def hold_by_with(lock: Any, party: ThreadParty) -> None:
    party.enter(lock)


def hold_by_writing(lock: Any, party: ThreadParty) -> None:
    party.enter(lock.write())


def hold_by_reading(lock: Any, party: ThreadParty) -> None:
    party.enter(lock.read())


LEFT_FOR_EVER: dict[str, tuple[Any, Any, Any]] = {
    # name: (make, hold, the method that blocks)
    "RLock": (RLock, hold_by_acquire, lambda lock: lock.acquire),
    "RLock, with": (RLock, hold_by_with, lambda lock: lock.__enter__),
    "Condition": (Condition, hold_by_with, lambda lock: lock.__enter__),
    "written": (RWLock, hold_by_writing, lambda lock: lock.read().acquire),
    "written, to write": (RWLock, hold_by_writing, lambda lock: lock.write().acquire),
    "read": (RWLock, hold_by_reading, lambda lock: lock.write().__enter__),
}
left_for_ever = pytest.mark.parametrize(("make", "hold", "blocking"), LEFT_FOR_EVER.values(), ids=LEFT_FOR_EVER.keys())


@left_for_ever
def test_what_an_ended_thread_holds_is_refused(make: Any, hold: Any, blocking: Any, parties: Parties) -> None:
    lock = make(name="orders")
    a, b = parties(2)
    hold(lock, a)
    end(a)
    with unchanged(lock), pytest.raises(DeadlockError, match=r"'orders'.*has ended.*: a can never release it"):
        b.do(blocking(lock))
    with unchanged(lock), pytest.raises(RuntimeError):  # what users catch already
        b.do(blocking(lock))


@left_for_ever
def test_a_timed_wait_for_it_just_times_out(make: Any, hold: Any, blocking: Any, parties: Parties) -> None:
    """Somebody may be about to mend it; and who has a timeout is not stuck."""
    lock = make()
    a, b = parties(2)
    hold(lock, a)
    end(a)
    acquire = lock.write().acquire if make is RWLock else lock.acquire
    with unchanged(lock):
        assert b.do(acquire, timeout=0.01) is False
        assert b.do(acquire, False) is False


@pytest.mark.parametrize("hold", [hold_by_acquire, hold_by_with])
def test_a_lock_is_not_refused(hold: Any, parties: Parties) -> None:
    """Another party may release it: a lock used as a signal outlives the thread that took it, also by a `with`."""
    lock = Lock()
    a, b, c = parties(3)
    hold(lock, a)
    end(a)
    assert b.do(lock.acquire, timeout=0.01) is False
    assert b.do(lock.acquire, False) is False
    waiting = b.begin(lock.acquire)
    blocked(lock, 1)
    c.do(lock.release)
    assert waiting.result() is True


def test_a_lock_given_back_before_the_end(parties: Parties) -> None:
    for make in (Lock, RLock):
        lock = make()
        a, b = parties(2)
        a.enter(lock)
        a.leave(lock)
        end(a)
        assert b.do(lock.acquire) is True


def test_what_an_ended_thread_reads_other_readers_may_read(parties: Parties) -> None:
    lock = RWLock()
    a, b = parties(2)
    a.enter(lock.read())
    end(a)
    assert b.do(lock.read().acquire) is True
    assert lock.readers == 2


def test_a_reader_behind_a_writer_that_gives_up_is_not_refused(parties: Parties) -> None:
    """The writer waits in vain, and only for a while; the reader behind it gets in then. No false report."""
    lock = RWLock()
    a, b, c = parties(3)
    a.enter(lock.read())
    end(a)
    writing = b.begin(lock.write().acquire, timeout=0.1)
    writing.blocked_or_over(lock)
    assert c.do(lock.read().acquire) is True
    assert writing.result() is False


def test_its_owner_is_still_named(parties: Parties) -> None:
    lock = RLock()
    a = parties.one()
    a.do(lock.acquire)
    end(a)
    assert lock.owner is a.thread  # as long as somebody has the Thread
    assert "owner=a count=1" in repr(lock)


def test_its_owner_is_named_when_the_thread_object_is_gone() -> None:
    lock = RLock()
    run_to_its_end(lock.acquire, name="forgetful")
    party = lock.owner
    assert type(party) is Party
    assert party.name == "forgetful"
    assert party.ended is True
    assert re.fullmatch(r"<interlock\.Party 'forgetful' ident=\d+ ended>", repr(party))
    assert "owner=forgetful" in repr(lock)


def test_a_raw_thread_that_ended(parties: Parties) -> None:
    lock = RLock()
    thread = RawThread(lock.acquire)
    thread.join()
    wait_until(lambda: lock.owner.ended, "the thread has ended")
    with pytest.raises(DeadlockError, match=f"thread {thread.ident} can never release it"):
        parties.one().do(lock.acquire)


def test_a_new_thread_with_the_same_ident_is_not_the_old_one() -> None:
    """The system gives the ident of a thread that has ended to the next; a lock must not take that for its owner."""
    rlock, lock, rwlock = RLock(), Lock(), RWLock()
    side = rwlock.write()

    def take() -> None:
        rlock.acquire()
        lock.__enter__()
        side.acquire()

    dead = run_to_its_end(take)
    outcome: dict[str, object] = {}

    def look() -> None:
        if threading.get_ident() != dead.ident:
            return
        outcome["is owned"] = rlock._is_owned(), lock._is_owned()
        outcome["owner of the lock"] = lock.owner is dead
        outcome["again"] = rlock.acquire(False)
        outcome["count"] = rlock._recursion_count()
        outcome["owner"] = rlock.owner is dead
        for release in (rlock.release, side.release):
            try:
                release()
            except RuntimeError:
                pass
            else:
                outcome["released"] = release
        lock.release()  # any party may
        outcome["locked"] = lock.locked()
        try:
            rlock.acquire()
        except DeadlockError:
            outcome["refused"] = True

    for _ in range(1000):
        thread = threading.Thread(target=look)
        thread.start()
        thread.join()
        if outcome:
            break
    else:
        pytest.skip("this system does not give an ident out again")
    assert outcome == {
        "is owned": (False, True),  # a Lock, which any party may release: whether it is locked
        "owner of the lock": True,
        "again": False,
        "count": 0,
        "owner": True,
        "locked": False,
        "refused": True,
    }


def test_the_ident_of_an_ended_thread_names_the_new_one(parties: Parties) -> None:
    """The other way round: who is alive is not called by the name of the dead."""
    lock = Lock()
    names = []

    def look() -> None:
        with lock:
            names.append((lock.owner is threading.current_thread(), lock.owner.name))

    for i in range(20):
        thread = threading.Thread(target=look, name=f"number {i}")
        thread.start()
        thread.join()
    assert names == [(True, f"number {i}") for i in range(20)]


@pytest.mark.parametrize("later", [1100])
def test_many_threads_later(later: int, parties: Parties) -> None:
    """Long after, with more threads ended since than are remembered, it is refused all the same."""
    lock, other = RLock(), RLock()
    run_to_its_end(lock.acquire, name="long ago")

    def use() -> None:
        with other:
            pass

    for _ in range(later):
        raw = RawThread(use)
        raw.join()
    assert lock.locked()
    assert lock.owner.ended is True
    with pytest.raises(DeadlockError):
        parties.one().do(lock.acquire)
    assert lock.waiters == ()
