"""Nothing is left over: a million operations later there is as much of everything as before.

What is counted, in a process of its own: the objects that the collector tracks, by type; blocks and bytes of memory,
those of C included; and the references to whatever takes part.
"""

import asyncio
import gc
import io
import os
import signal
import sys
import threading
import time
import tracemalloc
import weakref
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from itertools import repeat
from typing import Any

import pytest
from parties import Parties, ThreadParty, blocked, needs_signals
from promises.own_process import in_own_process
from promises.ways import AGES, ALL, Way

import interlock
from interlock import (
    Barrier,
    BoundedSemaphore,
    BrokenBarrierError,
    Condition,
    Empty,
    Event,
    Full,
    Latch,
    LifoQueue,
    Lock,
    PriorityQueue,
    Queue,
    RLock,
    RWLock,
    Semaphore,
    WaitQueue,
    select,
)
from interlock.core.kernel.probe import start_counting, stop_counting
from interlock.core.primitives.join import Join
from interlock.core.tasks.task import current_party

MAIN = threading.main_thread()


def resident() -> int:
    """Bytes of memory in use, C's included; 0 where the system does not say."""
    try:
        with open("/proc/self/statm") as statm:
            return int(statm.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except OSError:
        return 0


def objects() -> Counter[str]:
    gc.collect()
    return Counter(type(thing).__name__ for thing in gc.get_objects())


def memory() -> tuple[int, int, int]:
    gc.collect()
    return sys.getallocatedblocks(), tracemalloc.get_traced_memory()[0], resident()


def assert_nothing_left(work: Callable[[], object], times: int, trace: bool = True, **watched: Any) -> None:
    """Do `work` a number of times and fail if there is more of anything than before.

    The slack is for caches and for other threads' comings and goings. It is far below `times`, so one object, block
    or reference that stays behind each time is found. A leak is there each time that one looks; a table that has
    grown is not. `trace`: look at each allocation of C, which is slow.
    """
    gc.freeze()  # what is there now is neither looked at nor counted
    slack = times // 5
    for _ in repeat(None, slack):  # what is made once is made now
        work()
    for last_try in (False, False, True):
        if trace:
            tracemalloc.start()
        # What is kept to compare must not count itself: taken last before the work, and first after it.
        references = {name: sys.getrefcount(thing) for name, thing in watched.items()}
        objects_before = objects()
        before = memory()
        for _ in repeat(None, times):
            work()
        after = memory()
        more = {f"objects of type {kind}": n for kind, n in (objects() - objects_before).items() if n > slack}
        for name, n in references.items():
            if sys.getrefcount(watched[name]) - n > slack:
                more[f"references to {name}"] = sys.getrefcount(watched[name]) - n
        for now, then, allowed, what in zip(
            after, before, (slack, 16 * slack, 4_000_000), ("blocks", "bytes traced", "bytes resident"), strict=True
        ):
            if now - then > allowed:
                more[what] = now - then
        tracemalloc.stop()
        if not more:
            return
        assert not last_try, f"left after {times} times: {more}"


# --- a million operations -----------------------------------------------------------------------------------------


def looked_at(*properties: object) -> None:
    pass


def use_lock(lock: Any) -> None:
    lock.acquire()
    lock.acquire(False)
    lock.acquire(timeout=0)
    looked_at(lock.locked(), lock.owner, lock.waiters, lock.name)
    if isinstance(lock, RLock):
        lock.release()
        lock.release()
    lock.release()
    with lock:
        repr(lock)
    with lock.within(1):
        pass
    with suppress(RuntimeError):
        lock.release()


def use_semaphore(semaphore: Any) -> None:
    semaphore.acquire()
    semaphore.acquire(permits=2)
    semaphore.acquire(False)
    semaphore.acquire(timeout=0)
    looked_at(repr(semaphore), semaphore.waiters)
    semaphore.release(3)
    with semaphore:
        pass
    with semaphore.within(1):
        pass
    with suppress(ValueError):
        semaphore.release(0)


def use_event(event: Any) -> None:
    event.clear()
    event.wait(0)
    looked_at(event.is_set(), event.waiters)
    event.set()
    event.wait()
    event.wait(1)
    repr(event)


def use_condition(condition: Any) -> None:
    with condition:
        condition.wait(0)
        condition.wait_for(lambda: True)
        condition.wait_for(lambda: False, timeout=0)
        condition.notify()
        condition.notify_all()
        looked_at(repr(condition), condition.waiters, condition.owner)
    condition.acquire()
    condition.release()
    with suppress(RuntimeError):
        condition.notify()


def use_barrier(barrier: Any) -> None:
    barrier.wait()
    barrier.wait(1)
    looked_at(barrier.n_waiting, barrier.broken, barrier.parties, barrier.waiters, repr(barrier))
    barrier.abort()
    with suppress(BrokenBarrierError):
        barrier.wait()
    barrier.reset()


def use_rwlock(lock: Any) -> None:
    with lock.read(), lock.read():
        looked_at(lock.write, lock.readers, lock.waiters)
    with lock.write():
        looked_at(lock.owner, repr(lock))
    side = lock.write()
    side.acquire(False)
    with suppress(RuntimeError):
        lock.read().acquire(timeout=0)
    side.release()
    side.acquire(timeout=1)
    side.release()


def use_latch(latch: Any) -> None:
    # It can be used once, so there are many; `latch` is the one that stays open.
    latch.wait()
    latch.wait(0)
    fresh = Latch(2)
    fresh.wait(0)
    fresh.count_down()
    looked_at(repr(fresh), fresh.count, fresh.waiters)
    fresh.count_down()
    fresh.wait()
    with suppress(ValueError):
        fresh.count_down()


def use_wait_queue(queue: Any) -> None:
    queue.park(0)
    queue.park(unless=lambda: True)
    queue.park(0, unless=lambda: False)
    queue.unpark()
    queue.unpark_all()
    looked_at(repr(queue), len(queue), queue.waiters)
    with suppress(ZeroDivisionError):
        queue.park(unless=lambda: 1 / 0)


def use_queue(queue: Any) -> None:
    queue.put(1)
    queue.put_nowait(2)
    queue.put_many([3, 4])
    with suppress(Full):
        queue.put(5, timeout=0)
    queue.get()
    queue.get_many(2)
    queue.get_nowait()
    with suppress(Empty):
        queue.get(timeout=0)
    with suppress(TimeoutError):
        select(queue.getting(), timeout=0)
    select(queue.putting(1), queue.getting())
    select(queue.getting())
    looked_at(repr(queue), queue.waiters, queue.qsize())


def make_and_drop(primitive: Any) -> None:
    kind = type(primitive)
    kind(**({"parties": 1} if kind is Barrier else {"count": 1} if kind is Latch else {}), name="made")


USES: dict[str, tuple[Callable[[], Any], Callable[[Any], None], int]] = {
    # how it is made, how it is used, how many operations that is
    "Lock": (lambda: Lock(name="watched"), use_lock, 14),
    "RLock": (lambda: RLock(name="watched"), use_lock, 14),
    "Semaphore": (lambda: Semaphore(3, name="watched"), use_semaphore, 11),
    "BoundedSemaphore": (lambda: BoundedSemaphore(3, name="watched"), use_semaphore, 11),
    "Event": (lambda: Event(name="watched"), use_event, 8),
    "Condition": (lambda: Condition(name="watched"), use_condition, 13),
    "Condition with a Lock": (lambda: Condition(Lock(), name="watched"), use_condition, 13),
    "Condition with a foreign lock": (lambda: Condition(threading.Lock(), name="watched"), use_condition, 13),  # type: ignore[arg-type]
    "Barrier": (lambda: Barrier(1, lambda: None, name="watched"), use_barrier, 10),
    "RWLock": (lambda: RWLock(name="watched"), use_rwlock, 14),
    "Latch": (lambda: Latch(0, name="watched"), use_latch, 10),
    "WaitQueue": (lambda: WaitQueue(name="watched"), use_wait_queue, 9),
    "Queue": (lambda: Queue(4, name="watched"), use_queue, 15),
    "LifoQueue": (lambda: LifoQueue(4, name="watched"), use_queue, 15),
    "PriorityQueue": (lambda: PriorityQueue(4, name="watched"), use_queue, 15),
}


def operate(kind: str, times: int) -> None:
    make, use, operations = USES[kind]
    primitive = make()
    watched = {"primitive": primitive, "name": primitive.name, "thread": MAIN, "party": current_party()}

    def work() -> None:
        use(primitive)
        make_and_drop(primitive)

    assert_nothing_left(work, times // (operations + 1), trace=False, **watched)


@pytest.mark.parametrize("kind", USES)
def test_operations(kind: str) -> None:
    in_own_process(operate, kind, 100_000)


# --- waits --------------------------------------------------------------------------------------------------------


class Waits:
    """The main thread waits in one way, again and again."""

    def __init__(self, kind: type[Way]):
        self.way: Any = kind()
        self.timeout = None if kind.untimed else AGES
        self.other = ThreadParty("other")
        self.other.do(self.way.shut)
        self.watched = {
            "primitive": self.way.primitive,
            "at": self.way.at,
            "main": current_party(),
            "other": self.other.do(current_party),
            "thread": self.other.thread,
        }

    def time_out(self) -> None:
        try:
            self.way.through(0.000_01)
        except (AssertionError, TimeoutError):
            pass
        except BrokenBarrierError:
            self.way.primitive.reset()

    def be_interrupted(self) -> None:
        signal.setitimer(signal.ITIMER_REAL, 0.000_1, 0.000_1)
        with suppress(Interruption):
            self.way.through(self.timeout)
        signal.setitimer(signal.ITIMER_REAL, 0)

    def on_alarm(self, number: int, frame: Any) -> None:
        if MAIN in self.way.at.waiters:
            raise Interruption

    def get_through(self) -> None:
        opening = self.other.begin(self.open)
        self.way.through(self.timeout)
        opening.result()
        self.other.do(self.shut_again)
        self.other.outcomes.clear()

    def open(self) -> None:
        while MAIN not in self.way.at.waiters:
            time.sleep(0)
        self.way.open()

    def shut_again(self) -> None:
        if isinstance(self.way.primitive, Event):
            self.way.primitive.clear()
        elif isinstance(self.way.primitive, Latch):
            self.way.primitive = self.way.make()
        else:
            self.way.shut()

    def end(self) -> None:
        self.other.end()
        assert self.way.at.waiters == ()
        assert [thing for thing in gc.get_objects() if type(thing).__name__ == "ThreadWaiter"] == []


class Interruption(BaseException):
    pass


def wait_in_every_way(end: str) -> None:
    for kind in ALL:
        if end == "time_out" and not kind.timed:
            continue
        print(kind.__name__)
        waits = Waits(kind)
        signal.signal(signal.SIGALRM, waits.on_alarm)
        assert_nothing_left(getattr(waits, end), 250, **waits.watched)
        waits.end()


def test_waits_that_time_out() -> None:
    in_own_process(wait_in_every_way, "time_out")


@needs_signals
def test_waits_that_are_interrupted() -> None:
    in_own_process(wait_in_every_way, "be_interrupted")


def test_waits_that_get_through() -> None:
    in_own_process(wait_in_every_way, "get_through")


def look_who_waits() -> None:
    for kind in ALL:
        print(kind.__name__)
        way = kind()
        first, other = ThreadParty("first"), ThreadParty("other")
        party = first.do(current_party)
        other.do(way.shut)
        waiting = first.begin(way.through, None if way.untimed else AGES)
        blocked(way.at, 1)

        def look(way: Way = way) -> None:
            assert len(way.at.waiters) == 1
            repr(way.at)
            repr(way.primitive)

        assert_nothing_left(look, 500, primitive=way.primitive, at=way.at, party=party, thread=first.thread)
        other.do(way.open)
        waiting.result()
        first.end()
        other.end()


def test_looking_who_waits() -> None:
    in_own_process(look_who_waits)


# --- threads that have ended --------------------------------------------------------------------------------------


def live_and_end(threads: int) -> None:
    lock, rlock, event, rwlock = Lock(), RLock(), Event(), RWLock()

    def live() -> None:
        with lock, rlock:
            event.wait(0)
            rlock.acquire(False)  # held beyond its end
        with rwlock.read():
            pass

    def one_more() -> None:
        nonlocal rlock
        thread = threading.Thread(target=live, name="mayfly")
        thread.start()
        thread.join()
        rlock = RLock()

    for _ in range(3_000):
        one_more()
    assert_nothing_left(one_more, threads, trace=False, lock=lock, event=event, rwlock=rwlock)
    # Some that have ended are kept for those whose lock still names them; however many there were.
    assert objects()["Party"] <= 2_000


def test_threads_that_have_ended() -> None:
    in_own_process(live_and_end, 2_000)


# --- cycles -------------------------------------------------------------------------------------------------------


class Anything:
    """Something to refer to a primitive, and to be referred to by it."""


def subclass_with_itself(kind: type, *arguments: Any) -> Any:
    made = type(kind.__name__, (kind,), {})(*arguments)
    made.itself = made
    return made


def condition_and_lock() -> Any:
    lock = subclass_with_itself(Lock)
    lock.condition = Condition(lock)
    return lock


def barrier_and_action() -> Any:
    class Game(Anything):
        def __init__(self) -> None:
            self.barrier = Barrier(2, self.action)

        def action(self) -> None:
            pass

    return Game().barrier


def condition_and_within() -> Any:
    condition = subclass_with_itself(Condition)
    del condition.itself
    condition.within_a_second = condition.within(1)
    return condition


def rwlock_that_is_read() -> Any:
    """A hold that nobody gives back refers to the lock, and the lock to the hold."""
    lock = RWLock()
    lock.read().acquire()
    lock.read().acquire()
    return lock


def rwlock_and_side() -> Any:
    lock = subclass_with_itself(RWLock)
    del lock.itself
    lock.sides = [lock.read(), lock.write()]
    return lock


CYCLES: dict[str, Callable[[], Any]] = {
    "Lock": lambda: subclass_with_itself(Lock),
    "RLock": lambda: subclass_with_itself(RLock),
    "Semaphore": lambda: subclass_with_itself(Semaphore),
    "BoundedSemaphore": lambda: subclass_with_itself(BoundedSemaphore),
    "Event": lambda: subclass_with_itself(Event),
    "Condition": lambda: subclass_with_itself(Condition),
    "Barrier": lambda: subclass_with_itself(Barrier, 1),
    "RWLock": lambda: subclass_with_itself(RWLock),
    "Latch": lambda: subclass_with_itself(Latch, 1),
    "WaitQueue": lambda: subclass_with_itself(WaitQueue),
    "Queue": lambda: subclass_with_itself(Queue),
    "condition and lock": condition_and_lock,
    "condition and within": condition_and_within,
    "barrier and action": barrier_and_action,
    "held reads": rwlock_that_is_read,
    "rwlock and sides": rwlock_and_side,
}


@pytest.mark.parametrize("cycle", CYCLES)
def test_cycles_are_collected(cycle: str) -> None:
    made = CYCLES[cycle]()
    reference = weakref.ref(made)
    assert reference() is made
    del made
    gc.collect()
    assert reference() is None


@pytest.mark.parametrize("kind", ALL)
def test_a_cycle_is_collected_after_waits(kind: type[Way], parties: Parties) -> None:
    way = kind()
    way.itself = way  # type: ignore[attr-defined]
    wait_once(way, parties)
    reference = weakref.ref(way.primitive)
    del way
    gc.collect()
    assert reference() is None


@pytest.mark.parametrize("kind", ALL)
def test_a_wait_leaves_no_cycle_behind(kind: type[Way], parties: Parties) -> None:
    """What has waited, timed out and been interrupted is gone as soon as nobody refers to it, without the collector."""
    way = kind()
    wait_once(way, parties)
    reference = weakref.ref(way.primitive)
    gc.collect()
    gc.disable()
    try:
        del way
        assert reference() is None
    finally:
        gc.enable()


def wait_once(way: Way, parties: Parties) -> None:
    """One wait of each outcome."""
    other = parties.one()
    other.do(way.shut)
    if way.timed:
        try:
            way.through(0.001)
        except (AssertionError, TimeoutError, BrokenBarrierError) as error:
            error.__traceback__ = error.__context__ = None
        if isinstance(way.primitive, Barrier):
            way.primitive.reset()
    parties.main.interrupted(way.through, None if way.untimed else AGES, at=way.at)
    opening = other.begin(open_when_blocked, way)
    way.through(None if way.untimed else AGES)
    opening.result()
    other.outcomes.clear()


def open_when_blocked(way: Way) -> None:
    blocked(way.at, 1)
    way.open()


@pytest.mark.parametrize("n", [1, 100])
def test_a_party_is_not_kept_by_where_it_has_waited(n: int) -> None:
    """A thread that has ended is not kept alive by the primitives that it has used."""
    primitives = [Lock(), RLock(), Semaphore(), Event()]

    def use() -> None:
        for primitive in primitives:
            with_timeout = primitive.wait if isinstance(primitive, Event) else primitive.acquire
            with_timeout(timeout=0.001)

    threads = [threading.Thread(target=use) for _ in range(n)]
    for thread in threads:
        thread.start()
        thread.join()
    references = [weakref.ref(thread) for thread in threads]
    threads.clear()
    del thread
    gc.collect()
    assert [reference() for reference in references] == [None] * n


# --- what a thread, a task or a recording has to do with ------------------------------------------------------------


class Worker(threading.Thread):
    """The program's own kind of thread, with what it has made."""


@contextmanager
def without_collector() -> Iterator[None]:
    gc.collect()
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


@pytest.mark.parametrize("timeout", [None, 10.0])
def test_a_thread_that_was_joined_goes_at_once(timeout: float | None) -> None:
    with interlock.install(), without_collector():
        thread = Worker(target=lambda: None)
        thread.start()
        thread.join(timeout)
        reference = weakref.ref(thread)
        del thread
        assert reference() is None


def test_a_thread_whose_join_was_interrupted_goes_at_once(parties: Parties) -> None:
    over = threading.Event()
    with interlock.install(), without_collector():
        thread = Worker(target=over.wait)
        thread.start()
        join = Join(thread)
        with pytest.raises(ZeroDivisionError), join:
            raise ZeroDivisionError
        assert join.waiters == ()
        with join:  # and again
            assert len(join.waiters) == 1
        over.set()
        thread.join()
        reference = weakref.ref(thread)
        del thread, join
        assert reference() is None


@pytest.mark.parametrize("look", [lambda: interlock.dump(io.StringIO()), interlock.snapshot], ids=["dump", "snapshot"])
def test_a_look_at_who_waits_keeps_nothing(look: Callable[[], object]) -> None:
    lock = Lock()

    def work(mine: object) -> None:
        with lock:
            pass

    with without_collector():
        mine = Worker()
        with lock:
            thread = Worker(target=work, args=(mine,))
            thread.start()
            blocked(lock, 1)
            look()
        thread.join()
        references = [weakref.ref(mine), weakref.ref(thread)]
        del mine, thread
        assert [reference() for reference in references] == [None, None]


def test_a_join_that_is_refused_keeps_nothing() -> None:
    entered = threading.Event()
    lock = Lock()

    def wait_for_lock() -> None:
        entered.set()
        with lock:
            pass

    with interlock.install(), without_collector():
        thread = Worker(target=wait_for_lock)
        with lock:
            thread.start()
            assert entered.wait(10)
            blocked(lock, 1)
            try:
                thread.join()
            except interlock.DeadlockError as error:
                error.__traceback__ = None  # it shows the frames, and those the thread
            else:
                pytest.fail("not refused")
        thread.join()
        reference = weakref.ref(thread)
        del thread
        assert reference() is None


class SlotLoop:
    """Somebody's own loop, to which there is no weak reference."""

    __slots__ = ("_loop", "seen")

    def __init__(self, seen: Anything) -> None:
        self._loop = asyncio.new_event_loop()
        self.seen = seen

    def __getattr__(self, name: str) -> Any:
        return getattr(self._loop, name)


def test_a_loop_goes_with_its_tasks() -> None:
    """Parties are remembered for longer than tasks live."""
    lock = Lock()

    async def take() -> Any:
        await lock.acquire_async()
        return current_party()

    seen = Anything()
    loop = SlotLoop(seen)
    asyncio.set_event_loop(loop._loop)
    asyncio.events._set_running_loop(loop)  # type: ignore[arg-type]
    coroutine = take()
    task: Any = asyncio.Task(coroutine, loop=loop)  # type: ignore[arg-type]
    loop._ready[0]._run()
    asyncio.events._set_running_loop(None)
    asyncio.set_event_loop(None)
    party = task.result()
    assert party.loop is loop  # type: ignore[attr-defined]
    loop.close()
    reference = weakref.ref(seen)
    del loop, task, coroutine, seen
    gc.collect()
    assert reference() is None
    assert party.loop is None  # type: ignore[attr-defined]


@pytest.mark.parametrize("watch", ["count", "record", "order"])
def test_what_was_watched_is_not_kept_when_that_is_over(watch: str) -> None:
    """Neither a primitive nor the code that made it."""
    space: dict[str, Any] = {"Lock": Lock}
    exec("def make():\n    return Lock()\ndef use(lock):\n    lock.acquire()\n    with Lock(): pass", space)
    if watch == "count":
        start_counting()
        space["lock"] = space["make"]()
        space["use"](space["lock"])
        stop_counting()
    elif watch == "record":
        with interlock.record():
            space["lock"] = space["make"]()
            space["use"](space["lock"])
    else:
        with interlock.watch_order(lambda finding: None):
            space["lock"] = space["make"]()
            space["use"](space["lock"])
    references = [weakref.ref(space["lock"]), weakref.ref(space["make"].__code__), weakref.ref(space["use"].__code__)]
    space.clear()
    gc.collect()
    assert [reference() for reference in references] == [None] * 3
