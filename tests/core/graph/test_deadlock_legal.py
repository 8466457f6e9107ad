"""Legal programs that look like deadlocks, run many times under random timing: not one report.

Each is a function that plays one round with a source of random delays. It looks like a deadlock because parties hold
what others wait for while they wait themselves; and it is none because somebody can still move.
"""

import asyncio
import contextlib
import itertools
import os
import random
import signal
import threading
import time
from collections.abc import Callable, Coroutine
from typing import Any

import pytest
import trio
from parties import PATIENCE, fail_with_stacks, needs_signals

import interlock
from interlock import Barrier, Condition, Event, Lock, RLock, RWLock, Semaphore

ROUNDS = max(300, int(float(os.environ.get("STRESS_SECONDS", "0")) * 20))  # of each program; more where time is given

Delay = Callable[[], None]
Program = Callable[[Delay], None]


def together(*targets: Callable[[], object]) -> None:
    """Run each in a thread of its own, until all have ended. Raises what any of them raised."""
    errors: list[BaseException] = []

    def run(target: Callable[[], object]) -> None:
        try:
            target()
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=run, args=(target,), daemon=True) for target in targets]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE)
        if thread.is_alive():
            fail_with_stacks("a legal program hangs")
    if errors:
        raise errors[0]


# --- threads ------------------------------------------------------------------------------------------------------


def a_lock_as_a_signal(delay: Delay) -> None:
    """The one who takes it twice is let through by another, who waits for a lock of the first."""
    signal_lock, data = Lock(), Lock()

    def waiter() -> None:
        signal_lock.acquire()
        delay()
        signal_lock.acquire()  # held by this thread itself
        with data:
            delay()

    def signaller() -> None:
        with data:
            delay()
        while not signal_lock.waiters:
            delay()
        signal_lock.release()

    together(waiter, signaller)


def two_signals_in_a_ring(delay: Delay) -> None:
    """Each holds what the other waits for; a third lets both go."""
    left, right = Lock(), Lock()
    both = Barrier(2)

    def one(mine: Lock, other: Lock) -> None:
        mine.acquire()
        both.wait()
        other.acquire()

    def helper() -> None:
        while not (left.waiters and right.waiters):
            delay()
        left.release()
        delay()
        right.release()

    together(lambda: one(left, right), lambda: one(right, left), helper)


def a_timed_wait_backs_off(delay: Delay) -> None:
    first, second = Lock(), RLock()

    def forward() -> None:
        with first:
            delay()
            with second:
                delay()

    def backward() -> None:
        while True:
            with second:
                delay()
                if first.acquire(timeout=0.0005):
                    first.release()
                    return

    together(forward, backward, forward)


def within_backs_off(delay: Delay) -> None:
    first, second = RLock(), Lock()

    def forward() -> None:
        with first:
            delay()
            with second:
                delay()

    def backward() -> None:
        while True:
            try:
                with second, first.within(0.0005):
                    return
            except TimeoutError:
                delay()

    together(forward, backward)


def a_try_backs_off(delay: Delay) -> None:
    first, second = Lock(), Lock()

    def forward() -> None:
        with first:
            delay()
            with second:
                delay()

    def backward() -> None:
        while True:
            with second:
                delay()
                if first.acquire(blocking=False):
                    first.release()
                    return
            delay()

    together(forward, backward, backward)


def a_third_releases(delay: Delay) -> None:
    """A waits for a Lock that B has taken with `acquire`, B for one that A entered; C releases B's for B."""
    entered, given = Lock(), Lock()
    ready = Event()

    def a() -> None:
        with entered:
            ready.wait()
            given.acquire()
            given.release()

    def b() -> None:
        given.acquire()
        ready.set()
        with entered:
            delay()

    def c() -> None:
        while not (given.locked() and given.waiters):
            delay()
        delay()
        given.release()

    together(a, b, c)


def two_conditions_of_one_lock(delay: Delay) -> None:
    lock = RLock()
    full, empty = Condition(lock), Condition(lock)
    items: list[int] = []

    def producer() -> None:
        for number in range(3):
            with empty:
                while items:
                    empty.wait()
                items.append(number)
                delay()
                full.notify()

    def consumer() -> None:
        for _ in range(3):
            with full:
                while not items:
                    full.wait()
                items.pop()
                delay()
                empty.notify()

    together(producer, consumer)


def a_condition_under_another_lock(delay: Delay) -> None:
    """The waiter holds a lock while it waits, and the notifier wants that one: after it has notified."""
    outer, condition = RLock(), Condition()
    state: list[str] = []

    def waiter() -> None:
        with outer, condition:
            state.append("waits")
            while "notified" not in state:
                condition.wait()

    def notifier() -> None:
        while not state:
            delay()
        with condition:
            state.append("notified")
            condition.notify()
        with outer:
            delay()

    together(waiter, notifier)


def readers_again_past_a_writer(delay: Delay) -> None:
    lock, inner = RWLock(), Lock()

    def reader() -> None:
        with lock.read():
            delay()
            with lock.read(), inner:
                delay()

    def writer() -> None:
        with lock.write():
            delay()
            with inner:
                delay()

    together(reader, writer, reader, writer)


def a_timed_writer_between_readers(delay: Delay) -> None:
    """A reader behind a writer that gives up, while the reader before it wants what the second reader holds."""
    lock, data = RWLock(), Lock()
    reading = Event()

    def first() -> None:
        with lock.read():
            reading.set()
            delay()
            with data:
                delay()

    def writer() -> None:
        reading.wait()
        side = lock.write()
        if side.acquire(timeout=0.0005):
            side.release()

    def second() -> None:
        reading.wait()
        with data:
            delay()
            with lock.read():
                delay()

    together(first, writer, second)


def a_semaphore_is_released_by_anybody(delay: Delay) -> None:
    permit, lock = Semaphore(0), Lock()

    def holder() -> None:
        with lock:
            permit.acquire()

    def giver() -> None:
        delay()
        permit.release()
        with lock:
            delay()

    together(holder, giver)


def a_barrier_under_locks(delay: Delay) -> None:
    """Each holds a lock of its own in the barrier, and takes the other's afterwards, when it is free."""
    locks, barrier = [Lock(), RLock()], Barrier(2)

    def one(mine: int) -> None:
        with locks[mine]:
            delay()
            barrier.wait()
        with locks[1 - mine]:
            delay()

    together(lambda: one(0), lambda: one(1))


def philosophers_in_order(delay: Delay) -> None:
    forks = [RLock() for _ in range(4)]

    def philosopher(seat: int) -> None:
        low, high = sorted((seat, (seat + 1) % 4))
        with forks[low]:
            delay()
            with forks[high]:
                delay()

    together(*(lambda seat=seat: philosopher(seat) for seat in range(4)))  # type: ignore[misc]


def two_orders_under_one_lock(delay: Delay) -> None:
    gate, a, b = Lock(), Lock(), RLock()

    def one() -> None:
        with gate, a, b:
            delay()

    def other() -> None:
        with gate, b, a:
            delay()

    together(one, other, one)


def hand_over_hand(delay: Delay) -> None:
    chain = [Lock() for _ in range(5)]

    def walk() -> None:
        chain[0].acquire()
        for left, right in itertools.pairwise(chain):
            right.acquire()
            delay()
            left.release()
        chain[-1].release()

    together(walk, walk, walk)


def a_join_under_a_lock(delay: Delay) -> None:
    """The thread that is joined wants the lock of the one that joins it, but not for ever."""
    lock = Lock()

    def joined() -> None:
        delay()
        if lock.acquire(timeout=0.0005):
            lock.release()

    def joiner() -> None:
        thread = threading.Thread(target=joined)
        thread.start()
        with lock:
            delay()
            thread.join()

    with interlock.install():
        together(joiner)


def a_join_with_a_timeout(delay: Delay) -> None:
    lock = Lock()

    def joined() -> None:
        with lock:
            delay()

    def joiner() -> None:
        thread = threading.Thread(target=joined)
        thread.start()
        with lock:
            delay()
            thread.join(0.0005)
        thread.join()

    with interlock.install():
        together(joiner)


def joined_threads_and_their_successors(delay: Delay) -> None:
    """Threads end while they are joined, and others get their idents: those wait for what the joiner holds."""
    lock = RLock()

    def next_one() -> None:
        with lock:
            delay()

    def joiner() -> None:
        threads = []
        with lock:
            short = threading.Thread(target=delay)
            short.start()
            threads += [threading.Thread(target=next_one) for _ in range(3)]
            for thread in threads:
                thread.start()
            short.join()
        for thread in threads:
            thread.join()

    with interlock.install():
        together(joiner)


def an_event_from_a_third(delay: Delay) -> None:
    lock, event = Lock(), Event()

    def holder() -> None:
        with lock:
            event.wait()

    def follower() -> None:
        with lock:
            delay()

    def third() -> None:
        delay()
        event.set()

    together(holder, follower, third)


def short_lives(delay: Delay) -> None:
    """Threads that end right after they have released are no owners that have ended."""
    lock = RLock()

    def one() -> None:
        with lock, lock:
            delay()

    together(one, one, one, one)


# --- tasks --------------------------------------------------------------------------------------------------------


def in_loops(*mains: Callable[[], Coroutine[Any, Any, object]]) -> None:
    """Run each in a loop of its own, in a thread of its own."""
    together(*(lambda main=main: asyncio.run(main()) for main in mains))  # type: ignore[misc]


async def some_time(delay: Delay) -> None:
    delay()
    await asyncio.sleep(0)


def tasks_that_back_off(delay: Delay) -> None:
    first, second = Lock(), RLock()

    async def forward() -> None:
        async with first:
            await some_time(delay)
            async with second:
                await some_time(delay)

    async def backward() -> None:
        while True:
            async with second:
                await some_time(delay)
                if await first.acquire_async(timeout=0.0005):
                    first.release()
                    return
            await some_time(delay)

    async def main() -> None:
        await asyncio.gather(forward(), backward(), forward())

    in_loops(main)


def a_task_of_another_loop_goes_on(delay: Delay) -> None:
    """A call that blocks the loop's thread, for what a task of another loop holds: that loop runs."""
    lock = Lock()

    async def holder() -> None:
        for _ in range(3):
            async with lock:
                await some_time(delay)

    async def blocker() -> None:
        for _ in range(3):
            with lock:
                delay()

    in_loops(holder, blocker)


def a_thread_holds_what_a_loop_blocks_for(delay: Delay) -> None:
    lock = RLock()
    held = Event()

    def thread() -> None:
        with lock:
            held.set()
            delay()

    async def main() -> None:
        await held.wait_async()
        with lock:
            delay()

    together(thread, lambda: asyncio.run(main()))


def both_ways_to_enter(delay: Delay) -> None:
    lock = RLock()

    async def one() -> None:
        async with lock:
            with lock:
                delay()
            await some_time(delay)
            async with lock:
                delay()

    async def main() -> None:
        await asyncio.gather(one(), one(), one())

    in_loops(main, main)


def a_loop_goes_on_in_another_thread(delay: Delay) -> None:
    """Its task holds a lock that its first thread waits for; another thread runs the loop on, and so the task."""
    lock = Lock()
    loop = asyncio.new_event_loop()
    tasks = []

    async def holder() -> None:
        async with lock:
            await asyncio.sleep(0.0005)

    async def begin() -> None:
        tasks.append(asyncio.ensure_future(holder()))
        while not lock.locked():
            await asyncio.sleep(0)

    def go_on() -> None:
        delay()
        loop.run_until_complete(tasks[0])

    def first() -> None:
        loop.run_until_complete(begin())
        other = threading.Thread(target=go_on)
        other.start()
        with lock:
            delay()
        other.join()

    together(first)
    loop.close()


def a_task_signals_a_thread(delay: Delay) -> None:
    """A lock taken by a task is released by a thread, which waits for a lock that the task's loop holds up."""
    flag, data = Lock(), Lock()

    async def main() -> None:
        await flag.acquire_async()
        with data:
            flag.acquire()  # blocks the loop; the thread releases it

    def thread() -> None:
        while not flag.waiters:
            delay()
        flag.release()
        with data:
            delay()

    together(lambda: asyncio.run(main()), thread)


# --- tasks under a timeout of their library's ---------------------------------------------------------------------


def cross(first: Any, second: Any, both: asyncio.Barrier) -> Coroutine[Any, Any, None]:
    """Two of these in two orders are a deadlock, where neither gives up."""

    async def take() -> None:
        async with first:
            await both.wait()
            async with second:
                pass

    return take()


async def one_gives_up(
    hurried: Callable[[Any, Any, asyncio.Barrier], Coroutine[Any, Any, None]], *expected: type[BaseException]
) -> None:
    first, second, both = Lock(), RLock(), asyncio.Barrier(2)
    results = await asyncio.gather(hurried(first, second, both), cross(second, first, both), return_exceptions=True)
    assert results[1] is None, results
    assert results[0] is None or isinstance(results[0], expected), results


def a_timeout_of_asyncio(delay: Delay) -> None:
    async def hurried(first: Any, second: Any, both: asyncio.Barrier) -> None:
        async with first:
            await both.wait()
            async with asyncio.timeout(0.000_5):
                async with second:
                    pass

    asyncio.run(one_gives_up(hurried, TimeoutError))


def a_timeout_of_asyncio_around_it_all(delay: Delay) -> None:
    async def hurried(first: Any, second: Any, both: asyncio.Barrier) -> None:
        await asyncio.wait_for(cross(first, second, both), 0.000_5)

    asyncio.run(one_gives_up(hurried, TimeoutError))


def wait_for_an_acquire(delay: Delay) -> None:
    """asyncio's way to try for some time: also for what the task has itself."""

    async def main() -> None:
        lock = Lock()
        async with lock:
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(lock.acquire_async(), 0.000_5)

    asyncio.run(main())


def a_timer_that_cancels(delay: Delay) -> None:
    async def hurried(first: Any, second: Any, both: asyncio.Barrier) -> None:
        task = asyncio.current_task()
        assert task is not None
        asyncio.get_running_loop().call_later(0.000_5, task.cancel)
        await cross(first, second, both)

    asyncio.run(one_gives_up(hurried, asyncio.CancelledError))


def a_cancellation_on_its_way(delay: Delay) -> None:
    """One is cancelled, and has not run yet when the other comes to wait for it."""

    async def main() -> None:
        first, second = Lock(), RLock()

        async def cancelled() -> None:
            async with first, second:
                pass

        async with second:
            task = asyncio.create_task(cancelled())
            while not second.waiters:
                await asyncio.sleep(0)
            task.cancel()
            async with first:
                pass

    asyncio.run(main())


def a_scope_of_trio(delay: Delay) -> None:
    async def main() -> None:
        lock = Lock()
        with lock:  # the thread: who has it himself is told, as by trio
            with trio.move_on_after(0.000_5) as scope:
                async with lock:
                    pass
            assert scope.cancelled_caught

    trio.run(main)


def a_cancelled_scope_of_trio(delay: Delay) -> None:
    async def main() -> None:
        first, second = Lock(), RLock()

        async def cancelled(task_status: Any = trio.TASK_STATUS_IGNORED) -> None:
            with trio.CancelScope() as scope:
                async with first:
                    task_status.started(scope)
                    async with second:
                        pass

        async with trio.open_nursery() as nursery, second:
            scope = await nursery.start(cancelled)
            while not second.waiters:
                await trio.sleep(0)
            scope.cancel()
            async with first:
                pass

    trio.run(main)


def a_writer_that_gives_up(delay: Delay) -> None:
    """A reader behind a writer seems to wait for the readers before it; but the writer has a timeout of asyncio's."""

    async def main() -> None:
        data, lock = RWLock(), Lock()

        async def writer() -> None:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(0.000_5), data.write():
                    pass

        async def second() -> None:
            async with lock, data.read():
                pass

        async with asyncio.TaskGroup() as group, data.read():
            group.create_task(writer())
            while not data.waiters:
                await asyncio.sleep(0)
            group.create_task(second())
            while len(data.waiters) == 1:
                await asyncio.sleep(0)
            async with lock:
                pass

    asyncio.run(main())


PROGRAMS: list[Program] = [
    a_lock_as_a_signal,
    two_signals_in_a_ring,
    a_timed_wait_backs_off,
    within_backs_off,
    a_try_backs_off,
    a_third_releases,
    two_conditions_of_one_lock,
    a_condition_under_another_lock,
    readers_again_past_a_writer,
    a_timed_writer_between_readers,
    a_semaphore_is_released_by_anybody,
    a_barrier_under_locks,
    philosophers_in_order,
    two_orders_under_one_lock,
    hand_over_hand,
    a_join_under_a_lock,
    a_join_with_a_timeout,
    joined_threads_and_their_successors,
    an_event_from_a_third,
    short_lives,
    tasks_that_back_off,
    a_task_of_another_loop_goes_on,
    a_thread_holds_what_a_loop_blocks_for,
    both_ways_to_enter,
    a_loop_goes_on_in_another_thread,
    a_task_signals_a_thread,
    a_timeout_of_asyncio,
    a_timeout_of_asyncio_around_it_all,
    wait_for_an_acquire,
    a_timer_that_cancels,
    a_cancellation_on_its_way,
    a_scope_of_trio,
    a_cancelled_scope_of_trio,
    a_writer_that_gives_up,
]


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda program: program.__name__)
def test_not_one_report(program: Program) -> None:
    chance = random.Random()

    def delay() -> None:
        kind = chance.randrange(8)
        if kind < 4:
            for _ in range(chance.randrange(60)):
                pass
        elif kind < 7:
            time.sleep(0)
        else:
            time.sleep(chance.random() * 0.000_2)

    for _ in range(ROUNDS):
        program(delay)


@needs_signals
def test_a_handler_that_ends_a_wait() -> None:
    """The main thread waits with an alarm set, whose handler raises: what looks like a cycle ends by itself."""
    first, second = RLock(), RLock()

    class TimeIsUp(Exception):
        pass

    def alarm(number: int, frame: object) -> None:
        raise TimeIsUp

    def other() -> None:
        with second:
            held.set()
            with first:
                pass

    before = signal.signal(signal.SIGALRM, alarm)
    try:
        for _ in range(30):
            held = Event()
            with first:
                thread = threading.Thread(target=other)
                thread.start()
                held.wait()
                signal.setitimer(signal.ITIMER_REAL, 0.005)
                with pytest.raises(TimeIsUp):
                    second.acquire()
            thread.join()
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
