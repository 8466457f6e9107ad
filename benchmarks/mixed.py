"""Threads with tasks, and tasks of several loops: what only interlock and aiologic have one object for."""

import asyncio
import functools
import threading
from typing import Any

from benchmarks.figures import Figure, can_pin, wall
from benchmarks.libraries import ASYNC_EVENT, ASYNC_LOCK, ASYNC_PERMITS, EVENT, LOCK, PERMITS, Make
from benchmarks.threads import beside, given, measures

BOTH = ("interlock", "aiologic")
LOOPS = 4
TASKS = 2


def both(for_threads: dict[str, Make], for_tasks: dict[str, Make], *arguments: Any) -> dict[str, Make]:
    """Makes an object and gives its methods for a thread; those for a task are taken of the same object."""
    return {
        library: functools.partial(two_spellings, for_threads[library], for_tasks[library], arguments)
        for library in BOTH
        if library in for_threads
    }


def two_spellings(for_threads: Make, for_tasks: Make, arguments: tuple[Any, ...]) -> tuple[Any, Any]:
    """One of each: a pair is passed through by thread and task in opposite directions, each waiting on its own."""
    return for_threads(*arguments), for_tasks(*arguments)


def thread_and_task_permits(made: Make, count: int) -> float:
    """A thread and a task of another thread's loop pass a permit back and forth."""
    times = max(1, count // 2)
    (take, give_to_thread), (take_async, give_to_task) = made()

    async def answer() -> None:
        for _ in range(times):
            await take_async()
            give_to_thread()

    def ask() -> None:
        for _ in range(times):
            give_to_task()
            take()

    return beside(lambda: asyncio.run(answer()), ask) * count / (2 * times)


def thread_and_task_events(made: Make, count: int) -> float:
    times = max(1, count // 2)
    (wait, set_for_thread, clear), (wait_async, set_for_task, clear_async) = made()

    async def answer() -> None:
        for _ in range(times):
            await wait_async()
            clear_async()
            set_for_thread()

    def ask() -> None:
        for _ in range(times):
            set_for_task()
            wait()
            clear()

    return beside(lambda: asyncio.run(answer()), ask) * count / (2 * times)


def two_loops_permits(permits: Make, count: int) -> float:
    """Two tasks, each in a loop and thread of its own."""
    times = max(1, count // 2)
    (take_ping, give_ping), (take_pong, give_pong) = permits(), permits()

    async def answer() -> None:
        for _ in range(times):
            await take_ping()
            give_pong()

    async def ask() -> None:
        for _ in range(times):
            give_ping()
            await take_pong()

    return beside(lambda: asyncio.run(answer()), lambda: asyncio.run(ask())) * count / (2 * times)


def many_loops_fight(guards: Make, threads: int, count: int) -> float:
    """`LOOPS` loops of `TASKS` tasks, and some threads, in a loop around one lock; each yields while it holds it."""
    guard = guards()
    times = max(1, count // (LOOPS * TASKS + threads))
    gate = threading.Barrier(LOOPS + threads + 1)

    async def fight() -> None:
        for _ in range(times):
            async with guard:
                await asyncio.sleep(0)

    async def all_tasks() -> None:
        gate.wait()
        await asyncio.gather(*[fight() for _ in range(TASKS)])

    def fight_in_thread() -> None:
        gate.wait()
        for _ in range(times):
            with guard:
                pass

    parties = [threading.Thread(target=lambda: asyncio.run(all_tasks())) for _ in range(LOOPS)]
    parties += [threading.Thread(target=fight_in_thread) for _ in range(threads)]
    for thread in parties:
        thread.start()
    gate.wait()
    began = wall()
    for thread in parties:
        thread.join()
    return (wall() - began) * count / (times * (LOOPS * TASKS + threads))


def figures() -> list[Figure]:
    found = []
    guards = {library: LOCK[library] for library in BOTH if library in LOCK and library in ASYNC_LOCK}
    permits = given({library: ASYNC_PERMITS[library] for library in BOTH if library in ASYNC_PERMITS}, 0)
    for pinned in (True, False) if can_pin() else (False,):
        where = ", one CPU" if pinned else ""

        def add(operation: str, situation: str, party: str, measured: Any) -> None:
            found.append(Figure(operation, situation + where, party, measured, pinned=pinned))  # noqa: B023

        add(
            "Semaphore, hand-off",
            "ping-pong",
            "thread ↔ task",
            measures(thread_and_task_permits, both(PERMITS, ASYNC_PERMITS, 0)),
        )
        add("Event, hand-off", "ping-pong", "thread ↔ task", measures(thread_and_task_events, both(EVENT, ASYNC_EVENT)))
        add("Semaphore, hand-off", "ping-pong", "tasks of two loops", measures(two_loops_permits, permits))
        add(
            "Lock, async with",
            "contended, others run inside",
            f"tasks of {LOOPS} loops",
            measures(many_loops_fight, guards, 0),
        )
        add(
            "Lock, with and async with",
            "contended, others run inside",
            f"2 threads, tasks of {LOOPS} loops",
            measures(many_loops_fight, guards, 2),
        )
    return found
