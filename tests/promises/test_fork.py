"""A forked child has one thread. Nobody else waits there, and what somebody else held is an error and not a hang."""

import asyncio
import os
import signal
import sys
import threading
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from parties import PATIENCE, Parties, ThreadParty, become_due, blocked, needs_signals, wait_until
from promises.children import Child, in_child, needs_fork
from promises.ways import (
    AGES,
    ALL,
    LOCKS,
    BarrierWait,
    ConditionsLock,
    ConditionsLockByWith,
    ForReading,
    ForReadingByWith,
    ForWriting,
    ForWritingByWith,
    LockByAcquire,
    LockByWith,
    RLockByAcquire,
    RLockByWith,
    Way,
)

from interlock import (
    Barrier,
    BoundedSemaphore,
    BrokenBarrierError,
    Condition,
    DeadlockError,
    Event,
    Latch,
    Lock,
    Queue,
    RLock,
    RWLock,
    Semaphore,
    WaitQueue,
    select,
)

pytestmark = [
    needs_fork,
    # That a child of a process with threads must be careful is what this file is about.
    pytest.mark.filterwarnings("ignore:.*multi-threaded.*:DeprecationWarning"),
]

MAIN = threading.main_thread()


def in_new_thread(call: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    """Make a call in a thread of its own, in whatever process this is."""
    party = ThreadParty("started in the child")
    result = party.do(call, *args, **kwargs)
    party.end()
    return result


# --- nobody waits -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ALL)
def test_nobody_waits_in_the_child(kind: type[Way], parties: Parties) -> None:
    way = kind()
    other, a, b = parties(3)
    other.do(way.shut)
    waits = [a.begin(way.through, AGES if way.timed else None)]
    blocked(way.at, 1)
    if kind is not BarrierWait:
        waits.append(b.begin(way.through, AGES if way.timed else None))
        blocked(way.at, 2)

    def check() -> None:
        assert way.at.waiters == ()
        assert way.primitive.waiters == ()
        assert "waiting=" not in repr(way.primitive)

    in_child(check)
    assert len(way.at.waiters) == len(waits)  # in the parent all goes on as before
    for i, wait in enumerate(waits):
        if i == 0 or not (way.passes_on or way.lets_through == "all"):
            other.do(way.open)
        wait.result()


@pytest.mark.parametrize("kind", [kind for kind in ALL if kind.opens_itself and kind.passes_on])
@pytest.mark.parametrize("due", [False, True])
def test_what_is_released_in_the_child_does_not_go_to_one_who_is_not_there(
    kind: type[Way], due: bool, parties: Parties
) -> None:
    way = kind()
    other, *rest = parties(3)
    other.do(way.shut)
    waits = [party.begin(way.through, AGES) for party in rest]
    blocked(way.at, 2)
    if due:
        become_due()

    def check() -> None:
        way.open()
        assert way.at.waiters == ()
        way.shut()  # does not block
        way.open()

    in_child(check)
    other.do(way.open)
    for wait in waits:
        wait.result()


@pytest.mark.parametrize("kind", ALL)
def test_everything_works_in_the_child(kind: type[Way], parties: Parties) -> None:
    """Threads that are not in the child have used the primitive in the parent; then two of the child use it."""
    way = kind()
    other, a = parties(2)
    other.do(way.shut)
    wait = a.begin(way.through, AGES if way.timed else None)
    blocked(way.at, 1)
    other.do(way.open)
    wait.result()

    def check() -> None:
        fresh = way if way.passes_on or way.lets_through == "one" else kind()
        holder, waiter = ThreadParty("holder"), ThreadParty("waiter")
        for _ in range(2):
            holder.do(fresh.shut)
            through = waiter.begin(fresh.through, AGES if fresh.timed else None)
            blocked(fresh.at, 1)
            assert fresh.at.waiters == (waiter.identity,)
            holder.do(fresh.open)
            through.result()
            if fresh.lets_through == "all":
                break
        holder.end()
        waiter.end()

    in_child(check)


# --- what a lost thread held --------------------------------------------------------------------------------------

OWNED = [
    LockByAcquire, LockByWith, RLockByAcquire, RLockByWith, ConditionsLock, ConditionsLockByWith,
    ForWriting, ForWritingByWith, ForReading, ForReadingByWith,
]  # fmt: skip


@pytest.mark.parametrize("queued", [False, True])
@pytest.mark.parametrize("kind", OWNED)
def test_what_a_lost_thread_holds_is_an_error(kind: type[Way], queued: bool, parties: Parties) -> None:
    way = kind()
    other, a = parties(2)
    other.thread.name = "the lost holder"
    other.do(way.shut)
    if queued:
        wait = a.begin(way.through, None)
        blocked(way.at, 1)

    def check() -> None:
        for _ in range(2):  # not only once
            with pytest.raises(DeadlockError, match="the lost holder") as error:
                way.through(None)
            assert isinstance(error.value, RuntimeError)
            assert way.at.waiters == ()
        with pytest.raises(DeadlockError, match="the lost holder"):
            in_new_thread(way.through, None)
        assert "the lost holder" in repr(way.primitive)

    in_child(check)
    other.do(way.open)
    if queued:
        wait.result()


def asks(primitive: Any) -> list[Any]:
    """What has `acquire` and `within`."""
    return [primitive.read(), primitive.write()] if isinstance(primitive, RWLock) else [primitive]


@pytest.mark.parametrize("kind", OWNED)
def test_what_a_lost_thread_holds_is_not_to_be_had(kind: type[Way], parties: Parties) -> None:
    way = kind()
    other = parties.one()
    other.do(way.shut)

    def check() -> None:
        for target in asks(way.primitive):
            assert target.acquire(False) is False
            assert target.acquire(timeout=0) is False
            assert target.acquire(timeout=0.01) is False
            with pytest.raises(TimeoutError), target.within(0.01):
                pass
        assert way.at.waiters == ()

    in_child(check)
    other.do(way.open)


def test_a_lock_of_a_lost_thread_can_be_released_for_it(parties: Parties) -> None:
    lock = Lock()
    parties.one().do(lock.acquire)

    def check() -> None:
        lock.release()
        assert lock.acquire(False)

    in_child(check)
    lock.release()


def test_permits_of_a_lost_thread_can_be_released_for_it(parties: Parties) -> None:
    semaphore = BoundedSemaphore(2)
    parties.one().do(semaphore.acquire, permits=2)

    def check() -> None:
        assert semaphore.acquire(timeout=0.01) is False
        semaphore.release(2)
        assert semaphore.acquire(permits=2)

    in_child(check)
    semaphore.release(2)


def test_getters_and_putters_that_are_lost_are_in_nobodys_way(parties: Parties) -> None:
    empty: Queue[int] = Queue()
    full: Queue[int] = Queue(1)
    full.put(1)
    a, b, c = parties(3)
    waiting = [a.begin(empty.get), b.begin(full.put, 2), c.begin(select, empty.getting(), full.putting(3))]
    blocked(empty, 2)
    blocked(full, 2)

    def check() -> None:
        assert empty.waiters == full.waiters == ()
        empty.put(5)
        assert empty.qsize() == 1
        assert empty.get_nowait() == 5
        assert full.get_nowait() == 1
        assert full.empty()
        full.put_nowait(4)
        assert in_new_thread(full.get_nowait) == 4

    in_child(check)
    empty.put_many([1, 2])
    for outcome in waiting[::2]:
        outcome.result()
    full.get()
    waiting[1].result()


def test_readers_that_are_lost_are_in_nobodys_way(parties: Parties) -> None:
    lock = RWLock()
    a, b, writer = parties(3)
    sides = [lock.read(), lock.read()]
    a.do(sides[0].acquire)
    b.do(sides[1].acquire)
    mine = lock.read()
    mine.acquire()
    waiting = writer.begin(lock.write().acquire)
    blocked(lock, 1)

    def check() -> None:
        assert lock.readers == 1
        assert lock.waiters == ()
        mine.release()
        assert (lock.readers, lock.locked()) == (0, False)
        with lock.write():
            assert lock.owner is threading.current_thread()
        with lock.read():
            assert in_new_thread(lock.read().acquire, False)

    in_child(check)
    mine.release()
    a.do(sides[0].release)
    b.do(sides[1].release)
    assert waiting.result() is True


# --- what the forking thread held ---------------------------------------------------------------------------------


@pytest.mark.parametrize("queued", [False, True])
@pytest.mark.parametrize("from_main", [True, False])
@pytest.mark.parametrize("kind", [kind for kind in LOCKS if kind.untimed])
def test_what_the_forking_thread_holds_it_still_holds(
    kind: type[Way], from_main: bool, queued: bool, parties: Parties
) -> None:
    way = kind()
    forker, a = parties(2)
    forks: Any = parties.main if from_main else forker
    forks.do(way.shut)
    if queued:
        wait = a.begin(way.through, None)
        blocked(way.at, 1)
        become_due()

    def check() -> None:
        owner = getattr(way.primitive, "owner", threading.current_thread())
        assert owner is threading.current_thread()
        way.open()
        assert way.at.waiters == ()
        way.shut()  # free, so this does not block
        way.open()
        in_new_thread(way.through, None)

    forks.do(in_child, check)
    forks.do(way.open)
    if queued:
        wait.result()


def test_an_rlock_is_held_as_deep_as_before() -> None:
    lock = RLock()
    for _ in range(3):
        lock.acquire()

    def check() -> None:
        for _ in range(3):
            assert in_new_thread(lock.acquire, False) is False
            lock.release()
        assert in_new_thread(lock.acquire, False) is True

    in_child(check)
    for _ in range(3):
        lock.release()


def test_what_the_main_thread_held_is_lost_where_another_forks(parties: Parties) -> None:
    forker = parties.one()
    locks = [Lock(), RLock()]
    rwlock = RWLock()

    def check() -> None:
        for lock in locks:
            with pytest.raises(DeadlockError, match="MainThread"):
                lock.acquire()
        with pytest.raises(DeadlockError, match="MainThread"):
            rwlock.read().acquire()

    with locks[0], locks[1], rwlock.write():
        forker.do(in_child, check)


# --- what is not owned --------------------------------------------------------------------------------------------


def test_an_event_can_be_set_for_those_who_come_in_the_child(parties: Parties) -> None:
    event = Event()
    waits = [party.begin(event.wait) for party in parties(2)]
    blocked(event, 2)

    def check() -> None:
        party = ThreadParty("in the child")
        wait = party.begin(event.wait)
        blocked(event, 1)
        event.set()
        assert wait.result() is True
        assert event.wait() is True

    in_child(check)
    assert not event.is_set()
    event.set()
    for wait in waits:
        assert wait.result() is True


@pytest.mark.parametrize("make_lock", [RLock, Lock, threading.Lock, threading.RLock])
def test_a_notification_goes_to_one_who_is_there(make_lock: Any, parties: Parties) -> None:
    condition = Condition(make_lock())

    def wait() -> bool:
        with condition:
            return condition.wait()

    waits = [party.begin(wait) for party in parties(2)]
    blocked(condition, 2)

    def check() -> None:
        party = ThreadParty("in the child")
        there = party.begin(wait)
        wait_until(lambda: party.identity in condition.waiters, "the party of the child waits")
        with condition:
            condition.notify()  # the two of the parent would have come first
        assert there.result() is True
        with condition:
            condition.notify_all()
            assert condition.wait(timeout=0.01) is False

    in_child(check)
    with condition:
        condition.notify_all()
    for notified in waits:
        assert notified.result() is True


@pytest.mark.parametrize("due", [False, True])
def test_the_lock_does_not_go_to_a_lost_thread_that_was_notified(due: bool, parties: Parties) -> None:
    condition = Condition()

    def wait() -> bool:
        with condition:
            return condition.wait()

    waits = [party.begin(wait) for party in parties(2)]
    blocked(condition, 2)
    with condition:
        condition.notify_all()
        assert len(condition._lock.waiters) == 2
        if due:
            become_due()

        def check() -> None:
            condition.release()
            assert condition.acquire(False)
            condition.release()
            assert in_new_thread(condition.acquire, False)

        in_child(check)
    for notified in waits:
        assert notified.result() is True


def test_a_barrier_counts_who_is_there(parties: Parties) -> None:
    barrier = Barrier(3)
    waits = [party.begin(barrier.wait) for party in parties(2)]
    blocked(barrier, 2)

    def check() -> None:
        assert (barrier.n_waiting, barrier.broken) == (0, False)
        a, b = ThreadParty("a"), ThreadParty("b")
        for _ in range(2):
            there = [a.begin(barrier.wait), b.begin(barrier.wait)]
            blocked(barrier, 2)
            assert barrier.wait() == 2
            assert sorted(wait.result() for wait in there) == [0, 1]

    in_child(check)
    assert barrier.wait() == 2
    assert sorted(wait.result() for wait in waits) == [0, 1]


@pytest.mark.parametrize("look_first", [False, True])
def test_a_barrier_whose_action_was_lost_is_broken(look_first: bool, parties: Parties) -> None:
    go_on = threading.Event()
    barrier = Barrier(2, go_on.wait)
    a, b, late = parties(3)
    waits = [a.begin(barrier.wait), b.begin(barrier.wait)]
    wait_until(lambda: barrier.n_waiting == 2, "the action runs")
    waits.append(late.begin(barrier.wait))
    blocked(barrier, 2)

    def check() -> None:
        if look_first:
            assert barrier.broken is True
        with pytest.raises(BrokenBarrierError):
            barrier.wait()
        assert barrier.broken is True
        go_on.set()
        barrier.reset()
        party = ThreadParty("in the child")
        there = party.begin(barrier.wait)
        blocked(barrier, 1)
        assert barrier.wait() == 1
        assert there.result() == 0

    in_child(check)
    go_on.set()
    assert sorted(wait.result() for wait in waits[:2]) == [0, 1]
    blocked(barrier, 1)  # the late one has come again, for the next generation
    assert barrier.wait() == 1
    assert waits[2].result() == 0


def test_an_action_can_fork(parties: Parties) -> None:
    child = Child()
    barrier = Barrier(2, child.fork)
    waiting = parties.one().begin(barrier.wait)
    blocked(barrier, 1)
    index = barrier.wait()
    if child.pid == 0:

        def check() -> None:
            assert index == 1
            assert (barrier.n_waiting, barrier.broken) == (0, False)
            barrier.abort()

        child.finish(check)
    child.join()
    assert (index, waiting.result()) == (1, 0)


def test_a_latch_opens_for_those_who_come_in_the_child(parties: Parties) -> None:
    latch = Latch(2)
    waits = [party.begin(latch.wait) for party in parties(2)]
    blocked(latch, 2)

    def check() -> None:
        assert latch.count == 2
        party = ThreadParty("in the child")
        there = party.begin(latch.wait)
        blocked(latch, 1)
        latch.count_down(2)
        assert there.result() is True
        assert latch.wait() is True

    in_child(check)
    assert latch.count == 2
    latch.count_down(2)
    for wait in waits:
        assert wait.result() is True


def test_a_wake_up_goes_to_one_who_is_there(parties: Parties) -> None:
    queue = WaitQueue()
    waits = [party.begin(queue.park) for party in parties(2)]
    blocked(queue, 2)

    def check() -> None:
        assert queue.unpark(1) == 0
        assert queue.unpark_all() == 0
        assert len(queue) == 0
        party = ThreadParty("in the child")
        there = party.begin(queue.park)
        wait_until(lambda: queue.waiters == (party.identity,), "the party of the child is parked")
        assert queue.unpark(5) == 1
        assert there.result() is True

    in_child(check)
    assert queue.unpark_all() == 2
    for wait in waits:
        assert wait.result() is True


@pytest.mark.parametrize("due", [False, True])
def test_permits_go_to_one_who_is_there(due: bool, parties: Parties) -> None:
    semaphore = Semaphore(0)
    waits = [party.begin(semaphore.acquire, permits=2) for party in parties(2)]
    blocked(semaphore, 2)
    if due:
        become_due()

    def check() -> None:
        semaphore.release()
        party = ThreadParty("in the child")
        assert party.do(semaphore.acquire) is True  # the two of the parent would have been before it
        there = party.begin(semaphore.acquire)
        blocked(semaphore, 1)
        semaphore.release()
        assert there.result() is True
        assert semaphore._value == 0

    in_child(check)
    semaphore.release(4)
    for wait in waits:
        assert wait.result() is True


# --- forked while blocked: a signal handler of a blocked thread forks ---------------------------------------------


class ForkWhileBlocked:
    """Blocks the main thread and has a signal handler of its fork. In the child the wait goes on."""

    def __init__(self, at: Any):
        self.at = at
        self.child = Child()
        self.sender = ThreadParty("who sends the signal")

    def run(
        self,
        call: Callable[..., Any],
        *args: Any,
        before: Callable[[], object] = lambda: None,
        in_handler: Callable[[], object] = lambda: None,
        check: Callable[[Callable[[], Any]], object],
        in_parent: Callable[[], object],
    ) -> None:
        """`before`: called by the handler before it forks. `in_handler`: by the handler in the child. `check`: in the
        child after the wait, with a function that returns what the call returned or raises what it raised.
        `in_parent`: by another thread in the parent, to let the main thread through there.
        """

        handling = False

        def handle(number: int, frame: Any) -> None:
            nonlocal handling
            if not handling:  # one that comes while `before` runs is one too many
                handling = True
                before()
                if self.child.fork():
                    try:
                        in_handler()
                    except BaseException as error:
                        self.child.finish(lambda error=error: throw(error))

        def send() -> None:
            wait_until(lambda: MAIN in self.at.waiters, "main waits")
            while self.child.pid is None:
                signal.pthread_kill(MAIN.ident or 0, signal.SIGUSR1)
                threading.Event().wait(0.005)
            in_parent()

        previous = signal.signal(signal.SIGUSR1, handle)
        sending = self.sender.begin(send)
        error: BaseException | None = None
        result = None
        try:
            result = call(*args)
        except BaseException as raised:
            error = raised

        def outcome() -> Any:
            if error is not None:
                raise error
            return result

        if self.child.pid == 0:
            self.child.finish(lambda: check(outcome))
        sending.result()
        signal.signal(signal.SIGUSR1, previous)
        self.sender.end()
        if self.child.pid:
            self.child.join()
        outcome()


def throw(error: BaseException) -> None:
    raise error


def opens_when_blocked(way: Way) -> None:
    def open_it() -> None:
        wait_until(lambda: way.at.waiters == (threading.main_thread(),), "main waits in the child")
        way.open()

    ThreadParty("opens it in the child").begin(open_it)


@needs_signals
@pytest.mark.parametrize(
    ("kind", "timeout"),
    [
        (kind, timeout)
        for kind in ALL
        if kind.opens_itself or kind is BarrierWait
        for timeout in (None, AGES)
        if (kind.untimed if timeout is None else kind.timed)
    ],
)
def test_a_blocked_thread_that_forks_waits_on_in_the_child(
    kind: type[Way], timeout: float | None, parties: Parties
) -> None:
    way = kind()
    other, behind = parties(2)
    # What a lost thread holds, nobody would open: the lock is held by the thread that forks, and others may release it.
    (parties.main if kind is LockByAcquire else other).do(way.shut)
    waits = []

    def stand_behind() -> None:
        if kind is not BarrierWait:
            waits.append(behind.begin(way.through, AGES if way.timed else None))
            blocked(way.at, 2)

    def in_parent() -> None:
        for _ in range(1 if way.passes_on or way.lets_through == "all" else 2):
            other.do(way.open)

    ForkWhileBlocked(way.at).run(
        way.through,
        timeout,
        before=stand_behind,
        in_handler=lambda: opens_when_blocked(way),
        check=lambda outcome: outcome(),
        in_parent=in_parent,
    )
    for wait in waits:
        wait.result()


@needs_signals
@pytest.mark.parametrize("kind", OWNED)
def test_a_blocked_thread_that_forks_learns_that_the_owner_is_lost(kind: type[Way], parties: Parties) -> None:
    way = kind()
    other = parties.one()
    other.thread.name = "the lost holder"
    other.do(way.shut)

    def check(outcome: Callable[[], Any]) -> None:
        with pytest.raises(DeadlockError, match="the lost holder"):
            outcome()
        assert way.at.waiters == ()

    ForkWhileBlocked(way.at).run(way.through, None, check=check, in_parent=lambda: other.do(way.open))


@needs_signals
@pytest.mark.parametrize("kind", [kind for kind in OWNED if kind.timed])
def test_a_blocked_thread_that_forks_keeps_its_deadline(kind: type[Way], parties: Parties) -> None:
    way = kind()
    other = parties.one()
    other.do(way.shut)

    def check(outcome: Callable[[], Any]) -> None:
        with pytest.raises(AssertionError):
            outcome()
        assert way.at.waiters == ()

    ForkWhileBlocked(way.at).run(way.through, 0.5, check=check, in_parent=lambda: other.do(way.open))


@needs_signals
@pytest.mark.parametrize("due", [False, True])
@pytest.mark.parametrize("kind", ALL)
def test_what_was_granted_before_the_fork_is_granted_in_the_child(kind: type[Way], due: bool, parties: Parties) -> None:
    """The handler sees to it that the wait is over, and then forks."""
    way = kind()
    other = parties.one()
    other.do(way.shut)

    def grant() -> None:
        if due:
            become_due()
        other.do(way.open)

    def check(outcome: Callable[[], Any]) -> None:
        outcome()
        assert way.at.waiters == ()
        if way.passes_on:
            way.shut()
            way.open()
        if isinstance(way.primitive, RWLock):
            assert way.primitive.readers == 0
            with way.primitive.write(), pytest.raises(DeadlockError):
                way.primitive.read().acquire()

    ForkWhileBlocked(way.at).run(
        way.through, AGES if way.timed else None, before=grant, check=check, in_parent=lambda: None
    )


@needs_signals
@pytest.mark.parametrize("make_lock", [RLock, Lock])
def test_one_who_was_notified_and_forks_learns_that_the_lock_is_lost(make_lock: Any, parties: Parties) -> None:
    lock = make_lock()
    condition = Condition(lock)
    other = parties.one()

    def wait() -> bool:
        with condition:
            return condition.wait()

    def notify_and_keep_the_lock() -> None:
        other.do(lock.__enter__)
        other.do(condition.notify)

    def check(outcome: Callable[[], Any]) -> None:
        with pytest.raises(DeadlockError):
            outcome()

    ForkWhileBlocked(condition).run(
        wait,
        before=notify_and_keep_the_lock,
        check=check,
        in_parent=lambda: other.do(lock.__exit__, None, None, None),
    )


@needs_signals
def test_one_who_waits_for_a_lost_action_learns_that_the_barrier_is_broken(parties: Parties) -> None:
    go_on = threading.Event()
    barrier = Barrier(2, go_on.wait)
    other = parties.one()
    waits = []

    def complete() -> None:
        waits.append(other.begin(barrier.wait))
        wait_until(lambda: barrier.n_waiting == 2, "the action runs")

    def check(outcome: Callable[[], Any]) -> None:
        with pytest.raises(BrokenBarrierError):
            outcome()

    ForkWhileBlocked(barrier).run(barrier.wait, before=complete, check=check, in_parent=go_on.set)
    assert waits[0].result() == 1


# --- more of it ---------------------------------------------------------------------------------------------------


def test_a_child_of_a_child(parties: Parties) -> None:
    lock = Lock()
    event = Event()
    semaphore = Semaphore(0)
    a, b, c = parties(3)
    a.do(lock.acquire)
    waits = [b.begin(event.wait), c.begin(semaphore.acquire)]
    blocked(event, 1)
    blocked(semaphore, 1)

    def check_child() -> None:
        # Its own threads are lost in turn.
        mine = RLock()
        holder = ThreadParty("holder of the child")
        waiters = [ThreadParty("waits in the child") for _ in range(2)]
        holder.do(mine.acquire)
        waiters[0].begin(event.wait)
        waiters[1].begin(mine.acquire)
        blocked(event, 1)
        blocked(mine, 1)
        in_child(check_grandchild, mine)
        assert event.waiters == (waiters[0].identity,)
        with pytest.raises(DeadlockError, match=r"\ba\b"):
            lock.acquire()

    def check_grandchild(mine: Any) -> None:
        assert event.waiters == mine.waiters == semaphore.waiters == ()
        with pytest.raises(DeadlockError, match="holder of the child"):
            mine.acquire()
        with pytest.raises(DeadlockError):
            lock.acquire()
        semaphore.release()
        assert semaphore.acquire(False)
        event.set()
        assert event.wait() is True

    in_child(check_child)
    event.set()
    semaphore.release()
    assert [wait.result() for wait in waits] == [True, True]


def test_what_is_made_in_the_child_works_there(parties: Parties) -> None:
    def check() -> None:
        for kind in ALL:
            way = kind()
            holder, waiter = ThreadParty("holder"), ThreadParty("waiter")
            holder.do(way.shut)
            through = waiter.begin(way.through, AGES if way.timed else None)
            blocked(way.at, 1)
            holder.do(way.open)
            through.result()

    in_child(check)


def test_fork_at_any_moment(parties: Parties) -> None:
    """Fork again and again while others are busy with everything: each child can say of everything what it is."""
    over = threading.Event()
    ways = [kind() for kind in LOCKS]

    def busy() -> None:
        while not over.is_set():
            for way in ways:
                way.through(AGES if way.timed else None)

    busy_ones = [party.begin(busy) for party in parties(4)]

    def check() -> None:
        for way in ways:
            assert way.at.waiters == ()
            for target in asks(way.primitive):
                held = target.acquire(False)
                if held:
                    target.release()
                elif hasattr(way.primitive, "owner") and way.at.owner is not None:
                    with pytest.raises(DeadlockError):
                        target.acquire()
            in_new_thread(repr, way.primitive)

    for _ in range(40):
        in_child(check)
    over.set()
    for busy_one in busy_ones:
        busy_one.result()


class ReleasesWhenItGoes:
    def __init__(self, semaphore: Semaphore):
        self.semaphore = semaphore

    def __del__(self) -> None:
        self.semaphore.release()


@pytest.mark.parametrize("due", [False, True])
def test_what_a_lost_thread_leaves_behind_is_cleared_away_without_loss(due: bool, parties: Parties) -> None:
    """What lies in the `threading.local` of a lost thread dies in the child, before anybody is told of the fork."""
    semaphore = Semaphore(0)
    local = threading.local()
    keeper, waiter = parties(2)
    keeper.do(lambda: setattr(local, "kept", ReleasesWhenItGoes(semaphore)))
    waiting = waiter.begin(semaphore.acquire)
    blocked(semaphore, 1)
    if due:
        become_due()

    def check() -> None:
        assert semaphore.waiters == ()
        assert semaphore.acquire(False) is True

    in_child(check)
    semaphore.release()
    assert waiting.result() is True
    keeper.do(lambda: delattr(local, "kept"))


# --- tasks --------------------------------------------------------------------------------------------------------


class PausedLoop:
    """A loop that does not run while the process forks, and goes on in the child. Its tasks come along."""

    def __init__(self) -> None:
        self.loop = asyncio.new_event_loop()
        self.process = os.getpid()
        self.tasks: list[asyncio.Task[Any]] = []

    def begin(self, call: Callable[[], Awaitable[Any]], at: Any) -> None:
        """Let a task call and wait `at` a primitive."""

        async def make_it() -> Any:
            return await call()

        self.tasks.append(self.loop.create_task(make_it()))
        before = len(at.waiters)
        while len(at.waiters) == before:
            self.loop.run_until_complete(asyncio.sleep(0))

    def finish(self) -> list[Any]:
        """Let them go on to their ends."""

        async def gather() -> list[Any]:
            return await asyncio.wait_for(asyncio.gather(*self.tasks), PATIENCE)

        try:
            return self.loop.run_until_complete(gather())
        finally:
            if os.getpid() == self.process:  # its selector is one with that of the parent
                self.loop.close()


def test_a_task_that_stood_behind_a_lost_thread_is_next(parties: Parties) -> None:
    """It stood at the head of the queue, nobody was before it, and nobody told it."""
    semaphore = Semaphore(2)
    first = parties.one().begin(semaphore.acquire, permits=5)
    blocked(semaphore, 1)
    loop = PausedLoop()
    for _ in range(3):
        loop.begin(semaphore.acquire_async, semaphore)

    def check() -> None:
        assert semaphore.waiters == (loop.tasks[2],)
        semaphore.release()
        assert loop.finish() == [True] * 3

    in_child(check)
    semaphore.release(6)
    assert first.result() is True
    assert loop.finish() == [True] * 3


def test_a_task_that_waited_for_lost_readers_writes(parties: Parties) -> None:
    lock = RWLock()
    a, b = parties(2)
    holds = [a, lock.read()], [b, lock.read()]
    for party, side in holds:
        party.do(side.acquire)
    loop = PausedLoop()
    loop.begin(lock.write().acquire_async, lock)

    def check() -> None:
        assert lock.owner is loop.tasks[0]
        assert loop.finish() == [True]

    in_child(check)
    for party, side in holds:
        party.do(side.release)
    assert loop.finish() == [True]


def test_a_task_behind_one_whose_action_was_lost_learns_that_the_barrier_is_broken(parties: Parties) -> None:
    acting, go_on = threading.Event(), threading.Event()

    def act() -> None:
        acting.set()
        assert go_on.wait(PATIENCE)

    barrier = Barrier(2, act)
    loop = PausedLoop()
    loop.begin(barrier.wait_async, barrier)
    last = parties.one().begin(barrier.wait)
    assert acting.wait(PATIENCE)

    def check() -> None:
        with pytest.raises(BrokenBarrierError):
            loop.finish()

    in_child(check)
    go_on.set()
    assert last.result() == 1
    assert loop.finish() == [0]


@pytest.mark.parametrize("make_lock", [Lock, RLock])
@pytest.mark.parametrize("behind", [True, False])
def test_a_lock_that_a_lost_thread_was_to_come_for_is_free(make_lock: Any, behind: bool, parties: Parties) -> None:
    """A was told to come and compete for it, and is not there. A task behind A was told nothing, and one that came
    later stood behind that one, or was told that the lock was not to be had."""
    condition = Condition(make_lock())
    child = Child()
    a = parties.one()

    def wait() -> bool:
        with condition:
            return condition.wait()

    async def wait_async() -> bool:
        async with condition:
            return await condition.wait_async()

    async def try_it() -> bool:
        return await condition.acquire_async(0)

    interval = sys.getswitchinterval()
    while child.pid is None:
        waiting = a.begin(wait)
        blocked(condition, 1)
        loop = PausedLoop()
        if behind:
            loop.begin(wait_async, condition)
        sys.setswitchinterval(1000)  # A does not run before the fork
        with condition:
            condition.notify_all()
        # Held now: this took longer than a millisecond, and the lock has been handed to A. Then all of it once more.
        if not condition.locked():
            child.fork()
        sys.setswitchinterval(interval)
        if child.pid == 0:

            def check(loop: PausedLoop = loop) -> None:
                if behind:
                    assert loop.finish() == [True]
                assert asyncio.run(try_it()) is True

            child.finish(check)
        if child.pid:
            child.join()
        assert loop.finish() == [True] * behind
        assert waiting.result() is True


def test_a_semaphore_waits_for_no_lost_task(parties: Parties) -> None:
    """Permits were on their way to a task that is not there; whoever came later let it go first."""
    semaphore = Semaphore(0)
    busy, go_on = threading.Event(), threading.Event()
    lost = asyncio.new_event_loop()

    async def wait() -> bool:
        return await semaphore.acquire_async()

    def keep_busy() -> None:
        busy.set()
        assert go_on.wait(PATIENCE)

    thread = threading.Thread(target=lost.run_until_complete, args=(wait(),))
    thread.start()
    blocked(semaphore, 1)
    lost.call_soon_threadsafe(keep_busy)
    assert busy.wait(PATIENCE)
    semaphore.release()

    async def take_it() -> None:
        semaphore.release()
        call = semaphore.acquire_async()
        with pytest.raises(StopIteration) as over:
            call.send(None)
        assert over.value.value is True

    in_child(lambda: asyncio.run(take_it()))
    go_on.set()
    thread.join()
    lost.close()


@needs_signals
def test_a_blocked_thread_whose_handler_forks_and_looks_is_next(parties: Parties) -> None:
    """Main stood behind a thread that is not in the child; whoever looked first cleared that one away, and then Main
    took it that nothing had changed."""
    semaphore = Semaphore(2)
    first = parties.one().begin(semaphore.acquire, permits=5)
    blocked(semaphore, 1)

    def look() -> None:
        assert semaphore.waiters == ()

    ForkWhileBlocked(semaphore).run(
        semaphore.acquire,
        in_handler=look,
        check=lambda outcome: outcome(),
        in_parent=lambda: semaphore.release(4),
    )
    assert first.result() is True
