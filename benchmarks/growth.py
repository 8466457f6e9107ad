"""Queues that grow: what waking, cancelling and passing through costs when 1 to 10,000 wait."""

import _thread
import asyncio
import functools
import gc
import threading
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from benchmarks.figures import Figure, can_pin, own, wall
from benchmarks.libraries import ASYNC_ONCE, ASYNC_PERMITS, ASYNC_SEMAPHORE, EVENT, PERMITS, Make, under

THREADS = (1, 10, 100, 500)
TASKS = (1, 10, 100, 1_000, 10_000)
STACK = 256 * 1024  # of a thread that only waits
BESIDE = ("interlock", "threading", "asyncio", "aiologic")  # anyio and trio queue as asyncio does
CANCELLED = 50  # how many are cancelled in the middle of a queue, at the most


def with_threads(size: int, wait: Callable[[], object], wake: Callable[[], object]) -> float:
    """Seconds from the first wake-up until all threads have returned from `wait`; that they end is not in it."""
    here = 0
    woken = 0
    guard = _thread.allocate_lock()
    all_here, all_woken, end = (_thread.allocate_lock() for _ in range(3))
    for lock in (all_here, all_woken, end):
        lock.acquire()

    def sleep() -> None:
        nonlocal here, woken
        with guard:
            here += 1
            if here == size:
                all_here.release()
        wait()
        with guard:
            woken += 1
            if woken == size:
                all_woken.release()
        with end:
            pass

    before = threading.stack_size(STACK)
    try:
        threads = [threading.Thread(target=sleep) for _ in range(size)]
        for thread in threads:
            thread.start()
    finally:
        threading.stack_size(before)
    all_here.acquire()
    time.sleep(0.01 + size / 50_000)  # most are in the queue now; who is not will find its turn there
    began = wall()
    wake()
    all_woken.acquire()
    took = wall() - began
    end.release()
    for thread in threads:
        thread.join()
    return took


@contextmanager
def no_collection() -> Iterator[None]:
    """When the garbage collector looks through ten thousand tasks is chance, and nobody's queue has made it do so."""
    gc.collect()
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


def wake_threads_one_by_one(permits: Make, size: int, count: int) -> float:
    took = 0.0
    for _ in range(count):
        take, give = permits(0)

        def wake(give: Callable[[], object] = give) -> None:
            for _ in range(size):
                give()

        took += with_threads(size, take, wake)
    return took / size


def wake_all_threads(event: Make, size: int, count: int) -> float:
    took = 0.0
    for _ in range(count):
        wait, set_all, _ = event()
        took += with_threads(size, wait, set_all)
    return took / size


async def all_waiting(size: int, wait: Callable[[], Awaitable[Any]]) -> list["asyncio.Task[Any]"]:
    """So many tasks, all of them in the queue."""

    async def sleep() -> None:
        await wait()

    tasks = [asyncio.create_task(sleep()) for _ in range(size)]
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    return tasks


def wake_tasks_one_by_one(permits: Make, size: int, count: int) -> float:
    async def main() -> float:
        took = 0.0
        for _ in range(count):
            take, give = permits(0)
            tasks = await all_waiting(size, take)
            began = own()
            for _ in range(size):
                give()
            for task in tasks:
                await task
            took += own() - began
        return took

    return asyncio.run(main()) / size


def wake_all_tasks(event: Make, size: int, count: int) -> float:
    async def main() -> float:
        took = 0.0
        for _ in range(count):
            wait, set_all = event()
            tasks = await all_waiting(size, wait)
            began = own()
            set_all()
            for task in tasks:
                await task
            took += own() - began
        return took

    return asyncio.run(main()) / size


def through_a_semaphore(semaphore: Make, size: int, count: int) -> float:
    """So many tasks queue for ten permits; each lets the others run while it has one."""

    async def main() -> float:
        took = 0.0
        for _ in range(count):
            limit = semaphore(10)

            async def enter(limit: Any = limit) -> None:
                async with limit:
                    await asyncio.sleep(0)

            tasks = [asyncio.create_task(enter()) for _ in range(size)]
            began = own()
            for task in tasks:
                await task
            took += own() - began
        return took

    return asyncio.run(main()) / size


def cancel_in_the_middle(permits: Make, size: int, count: int) -> float:
    """One after the other, until each has ended; then the rest all at once, which is not measured."""

    async def main() -> float:
        took = 0.0
        for _ in range(count):
            take, _give = permits(0)
            tasks = await all_waiting(size, take)
            first = max(0, (size - CANCELLED) // 2)
            middle = tasks[first : first + CANCELLED]
            began = own()
            for task in middle:
                task.cancel()
                await asyncio.wait([task])
            took += (own() - began) / len(middle)
            # Last first: that is quick with any queue, or the rest would take minutes with a slow one.
            for task in reversed(tasks):
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
        return took

    return asyncio.run(main())


def measured(function: Callable[[Make, int, int], float], make: Make, size: int, count: int) -> float:
    with no_collection():
        return function(make, size, count)


def growing(
    operation: str,
    party: str,
    function: Callable[[Make, int, int], float],
    table: dict[str, Make],
    sizes: Sequence[int],
) -> list[Figure]:
    # On two, where the system runs whom decides more than the queue does.
    pinned = party == "threads" and can_pin()
    return [
        Figure(
            operation,
            f"{size:,} wait" + (", one CPU" if pinned else ""),
            party,
            {name: functools.partial(measured, function, make, size) for name, make in table.items() if name in BESIDE},
            # Small queues are built several times over in a sample, so that there is something to time.
            count=max(1, (8 if party == "threads" else 200) // size),
            size=size,
            pinned=pinned,
        )
        for size in sizes
    ]


def figures(threads: Sequence[int] = THREADS, tasks: Sequence[int] = TASKS) -> list[Figure]:
    permits, events = under("asyncio", ASYNC_PERMITS), under("asyncio", ASYNC_ONCE)
    limits = under("asyncio", ASYNC_SEMAPHORE)
    return [
        *growing("Semaphore, wake one by one", "threads", wake_threads_one_by_one, PERMITS, threads),
        *growing("Event, wake all", "threads", wake_all_threads, EVENT, threads),
        *growing("Semaphore, wake one by one", "asyncio tasks", wake_tasks_one_by_one, permits, tasks),
        *growing("Event, wake all", "asyncio tasks", wake_all_tasks, events, tasks),
        *growing("Semaphore(10), pass through", "asyncio tasks", through_a_semaphore, limits, tasks),
        *growing("Semaphore, cancel in the middle", "asyncio tasks", cancel_in_the_middle, permits, tasks),
    ]
