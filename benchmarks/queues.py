"""Queues beside those of others, in one run: `python -m benchmarks.queues`. Ratios: below 1 is faster than theirs.

All on one processor, whose time is measured: what else runs on the machine hardly counts. Each figure is the median of
several rounds, in which all take turns.
"""

import asyncio
import importlib
import os
import queue
import statistics
import sys
import threading
import time
import tracemalloc
from collections.abc import Callable
from typing import Any

import interlock
from interlock import Event, Queue, SimpleQueue, select

ROUNDS = 7


def available(name: str) -> Any:
    try:
        return importlib.import_module(name)
    except ImportError:
        return None


janus, culsans, aiologic, anyio = (available(name) for name in ("janus", "culsans", "aiologic", "anyio"))
c_queue: Any = available("_queue")


def take_turns(measures: dict[str, Callable[[], float]]) -> dict[str, float]:
    """The median of each, in nanoseconds."""
    found: dict[str, list[float]] = {name: [] for name in measures}
    for _ in range(ROUNDS):
        for name, measure in measures.items():
            found[name].append(measure())
    return {name: statistics.median(times) for name, times in found.items()}


def show(title: str, figures: dict[str, float], goals: dict[str, float]) -> None:
    ours = figures.pop("interlock")
    print(f"{title}: {ours:,.0f} ns")
    for name, figure in figures.items():
        goal = f"  (goal {goals[name]})" if name in goals else ""
        print(f"    {ours / figure:6.3f} of {name}, {figure:,.0f} ns{goal}")


# --- alone -------------------------------------------------------------------------------------------------------


def put_and_get(line: Any, times: int = 20_000) -> float:
    put, get = line.put, line.get
    start = time.process_time_ns()
    for _ in range(times):
        put(1)
        get()
    return (time.process_time_ns() - start) / times


async def put_and_get_async(put: Any, get: Any, times: int = 5_000) -> float:
    start = time.process_time_ns()
    for _ in range(times):
        await put(1)
        await get()
    return (time.process_time_ns() - start) / times


def in_asyncio(make: Callable[[], tuple[Any, Any]]) -> float:
    async def main() -> float:
        return await put_and_get_async(*make())

    return asyncio.run(main())


def of_asyncio(make: Callable[[], Any], put: str = "put", get: str = "get") -> Callable[[], float]:
    def ends() -> tuple[Any, Any]:
        line = make()
        return getattr(line, put), getattr(line, get)

    return lambda: in_asyncio(ends)


def streams() -> tuple[Any, Any]:
    send, receive = anyio.create_memory_object_stream(10)
    return send.send, receive.receive


def alone() -> None:
    threads: dict[str, Callable[[], float]] = {
        "interlock": lambda: put_and_get(Queue()),
        "queue.Queue": lambda: put_and_get(queue.Queue()),
        "_queue.SimpleQueue": lambda: put_and_get(c_queue.SimpleQueue()),
    }
    if janus:
        threads["janus"] = lambda: put_and_get(janus.Queue().sync_q)
    if culsans:
        threads["culsans"] = lambda: put_and_get(culsans.Queue().sync_q)
    if aiologic:
        threads["aiologic"] = lambda: put_and_get(green(aiologic.Queue()))
    show("put + get, thread", take_turns(threads), {"queue.Queue": 0.12, "_queue.SimpleQueue": 1.6})
    tasks: dict[str, Callable[[], float]] = {
        "interlock": of_asyncio(Queue, "put_async", "get_async"),
        "asyncio.Queue": of_asyncio(asyncio.Queue),
    }
    if janus:
        tasks["janus"] = of_asyncio(lambda: janus.Queue().async_q)
    if culsans:
        tasks["culsans"] = of_asyncio(lambda: culsans.Queue().async_q)
    if anyio:
        tasks["anyio"] = lambda: in_asyncio(streams)
    show("await put + get, asyncio task", take_turns(tasks), {"asyncio.Queue": 0.45})


class green:
    """aiologic's, spelled as all."""

    def __init__(self, line: Any) -> None:
        self.put, self.get = line.green_put, line.green_get


# --- passing to and fro ------------------------------------------------------------------------------------------


def ping_pong(there: Any, back: Any, times: int = 1_000) -> float:
    def answer() -> None:
        for _ in range(times):
            back.put(there.get())

    thread = threading.Thread(target=answer)
    thread.start()
    start = time.process_time_ns()
    for _ in range(times):
        there.put(1)
        back.get()
    taken = time.process_time_ns() - start
    thread.join()
    return taken / times / 2


def with_task(make: Callable[[], Any], times: int = 1_000) -> float:
    """A thread passes to a task, and the task back. ``make()``: the four ends, in a running loop."""
    ready = threading.Event()
    ends: list[Any] = []

    async def main() -> None:
        ends.extend(make())
        ready.set()
        _, get_there, put_back, _ = ends
        for _ in range(times):
            await put_back(await get_there())

    thread = threading.Thread(target=lambda: asyncio.run(main()))
    thread.start()
    ready.wait()
    put_there, _, _, get_back = ends
    start = time.process_time_ns()
    for _ in range(times):
        put_there(1)
        get_back()
    taken = time.process_time_ns() - start
    thread.join()
    return taken / times / 2


def our_ends() -> Any:
    there: Queue[int] = Queue()
    back: Queue[int] = Queue()
    return there.put, there.get_async, back.put_async, back.get


def their_ends(module: Any) -> Callable[[], Any]:
    def make() -> Any:
        there, back = module.Queue(), module.Queue()
        return there.sync_q.put, there.async_q.get, back.async_q.put, back.sync_q.get

    return make


def many(make: Callable[[int], Any], items: int = 2_000) -> float:
    """Four producers and four consumers."""
    line = make(16)

    def produce() -> None:
        for n in range(items):
            line.put(n)

    def consume() -> None:
        for _ in range(items):
            line.get()

    threads = [threading.Thread(target=target) for target in (produce, consume) for _ in range(4)]
    start = time.process_time_ns()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return (time.process_time_ns() - start) / items / 4


def passing() -> None:
    pairs: dict[str, Callable[[], float]] = {
        "interlock": lambda: ping_pong(Queue(), Queue()),
        "queue.Queue": lambda: ping_pong(queue.Queue(), queue.Queue()),
        "_queue.SimpleQueue": lambda: ping_pong(c_queue.SimpleQueue(), c_queue.SimpleQueue()),
    }
    show("hand-off, thread to thread", take_turns(pairs), {"queue.Queue": 0.60})
    mixed: dict[str, Callable[[], float]] = {"interlock": lambda: with_task(our_ends)}
    for module in (janus, culsans):
        if module:
            mixed[module.__name__] = lambda module=module: with_task(their_ends(module))  # type: ignore[misc]
    show("hand-off, thread to task and back", take_turns(mixed), {"janus": 0.5, "culsans": 0.5})
    crowds: dict[str, Callable[[], float]] = {
        "interlock": lambda: many(Queue),
        "queue.Queue": lambda: many(queue.Queue),
    }
    show("4 producers, 4 consumers", take_turns(crowds), {"queue.Queue": 0.5})


def crowd(waiting: int, rounds: int = 200) -> float:
    """A put, while so many tasks wait."""

    async def main() -> float:
        line: Queue[int] = Queue()
        tasks = [asyncio.create_task(line.get_async()) for _ in range(waiting + rounds)]
        while len(line.getters) < len(tasks):
            await asyncio.sleep(0)
        start = time.process_time_ns()
        for n in range(rounds):
            line.put(n)
        taken = time.process_time_ns() - start
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        return taken / rounds

    return asyncio.run(main())


# --- select, memory ----------------------------------------------------------------------------------------------


def four_events(times: int = 10_000) -> tuple[float, float, float]:
    events = [Event() for _ in range(4)]
    events[2].set()
    alternatives = [event.waiting() for event in events]
    one = events[2]
    start = time.process_time_ns()
    for _ in range(times):
        one.wait()
    wait = time.process_time_ns()
    for _ in range(times):
        select(*alternatives)
    kept = time.process_time_ns()
    for _ in range(times):
        select(events[0].waiting(), events[1].waiting(), events[2].waiting(), events[3].waiting())
    made = time.process_time_ns()
    return (wait - start) / times, (kept - wait) / times, (made - kept) / times


def size_of(make: Callable[[], Any]) -> float:
    make()
    tracemalloc.start()
    before = tracemalloc.get_traced_memory()[0]
    kept = [make() for _ in range(1000)]
    taken = tracemalloc.get_traced_memory()[0] - before
    tracemalloc.stop()
    return taken / len(kept)


def main() -> None:
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    print(f"interlock {interlock.__version__}, Python {sys.version.split()[0]}")
    alone()
    passing()
    few, many_waiting = (statistics.median([crowd(n) for _ in range(ROUNDS)]) for n in (10, 10_000))
    print(f"put with 10,000 tasks waiting: {many_waiting / few:.2f} of that with 10 waiting")
    wait, kept, made = (
        statistics.median(figures) for figures in zip(*[four_events() for _ in range(ROUNDS)], strict=True)
    )
    print(
        f"select over 4 events, one set: {kept / wait:.1f} × Event.wait; "
        f"with the alternatives made anew {made / wait:.1f} ×"
    )
    for name, make in (
        ("interlock.Queue", Queue),
        ("interlock.SimpleQueue", SimpleQueue),
        ("queue.Queue", queue.Queue),
    ):
        print(f"an empty {name}: {size_of(make):,.0f} bytes")


if __name__ == "__main__":
    main()
