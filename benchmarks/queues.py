"""Queues beside those of others, and `select`.

All on one processor, whose time is taken, of all threads together: what else runs on the machine hardly counts.
"""

import asyncio
import functools
import importlib
import queue
import threading
import time
import tracemalloc
from collections.abc import Callable
from typing import Any

import interlock
from benchmarks.figures import OURS, Figure, Measure
from benchmarks.libraries import Make, there

# What the core has to be measured against: of CPython's own, the one in Python and the one in C.
QUEUE, IN_C = "queue.Queue", "_queue.SimpleQueue"
WAITING = 200  # tasks beside those that are measured, so that some are left
OBJECTS = 1000


def of(module: str, *path: str) -> Make:
    """Makes a queue of a library, which is imported when it is first used. Returns the end that is wanted."""

    def make(*arguments: Any) -> Any:
        made = getattr(importlib.import_module(module), path[0])(*arguments)
        for name in path[1:]:
            made = getattr(made, name)
        return made

    return make


class Green:
    """aiologic's, spelled as all."""

    def __init__(self, line: Any) -> None:
        self.put, self.get = line.green_put, line.green_get


def streams() -> tuple[Any, ...]:
    send, receive = importlib.import_module("anyio").create_memory_object_stream(10)
    return send.send, receive.receive, send.close, receive.close


# Put and get of a thread.
THREADS: dict[str, Make] = {
    OURS: of("interlock", "Queue"),
    QUEUE: of("queue", "Queue"),
    IN_C: of("_queue", "SimpleQueue"),
    "janus": of("janus", "Queue", "sync_q"),
    "culsans": of("culsans", "Queue", "sync_q"),
    "aiologic": lambda: Green(importlib.import_module("aiologic").Queue()),
}


def ends(make: Make, put: str = "put", get: str = "get") -> Make:
    def made() -> tuple[Any, Any]:
        line = make()
        return getattr(line, put), getattr(line, get)

    return made


# Put and get of a task, and what has to be called at the end.
TASKS: dict[str, Make] = {
    OURS: ends(of("interlock", "Queue"), "put_async", "get_async"),
    "asyncio": ends(asyncio.Queue),
    "janus": ends(of("janus", "Queue", "async_q")),
    "culsans": ends(of("culsans", "Queue", "async_q")),
    "anyio": streams,
}


# --- alone -------------------------------------------------------------------------------------------------------


def put_and_get(make: Make, count: int) -> float:
    line = make()
    put, get = line.put, line.get
    began = time.process_time()
    for _ in range(count):
        put(1)
        get()
    return time.process_time() - began


def put_and_get_async(make: Make, count: int) -> float:
    async def main() -> float:
        put, get, *ends = make()
        began = time.process_time()
        for _ in range(count):
            await put(1)
            await get()
        took = time.process_time() - began
        for end in ends:
            end()
        return took

    return asyncio.run(main())


# --- passing to and fro ------------------------------------------------------------------------------------------


def ping_pong(make: Make, count: int) -> float:
    """Two threads pass items to each other; ``count`` of them in all."""
    times = max(1, count // 2)
    to, back = make(), make()

    def answer() -> None:
        for _ in range(times):
            back.put(to.get())

    thread = threading.Thread(target=answer)
    thread.start()
    began = time.process_time()
    for _ in range(times):
        to.put(1)
        back.get()
    took = time.process_time() - began
    thread.join()
    return took * count / (2 * times)


def our_ends() -> tuple[Any, ...]:
    to: interlock.Queue[int] = interlock.Queue()
    back: interlock.Queue[int] = interlock.Queue()
    return to.put, to.get_async, back.put_async, back.get


def their_ends(library: str) -> tuple[Any, ...]:
    make = of(library, "Queue")
    to, back = make(), make()
    return to.sync_q.put, to.async_q.get, back.async_q.put, back.sync_q.get


BOTH: dict[str, Make] = {
    OURS: our_ends,
    "janus": functools.partial(their_ends, "janus"),
    "culsans": functools.partial(their_ends, "culsans"),
}


def with_task(make: Make, count: int) -> float:
    """A thread passes items to a task, which passes them back; ``count`` of them in all."""
    times = max(1, count // 2)
    ready = threading.Event()
    made: list[Any] = []

    async def main() -> None:
        made.extend(make())  # some want a running loop for it
        ready.set()
        _, get_there, put_back, _ = made
        for _ in range(times):
            await put_back(await get_there())

    thread = threading.Thread(target=lambda: asyncio.run(main()))
    thread.start()
    ready.wait()
    put_there, _, _, get_back = made
    began = time.process_time()
    for _ in range(times):
        put_there(1)
        get_back()
    took = time.process_time() - began
    thread.join()
    return took * count / (2 * times)


def many(make: Make, count: int) -> float:
    """Four producers and four consumers of a queue for 16; ``count`` items in all."""
    line = make(16)
    each = max(1, count // 4)

    def produce() -> None:
        for number in range(each):
            line.put(number)

    def consume() -> None:
        for _ in range(each):
            line.get()

    threads = [threading.Thread(target=target) for target in (produce, consume) for _ in range(4)]
    began = time.process_time()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return (time.process_time() - began) * count / (4 * each)


def put_to_waiting(waiting: int, count: int) -> float:
    """Puts, while so many tasks wait for an item."""

    async def main() -> float:
        line: interlock.Queue[int] = interlock.Queue()
        tasks = [asyncio.create_task(line.get_async()) for _ in range(waiting + count)]
        while len(line.getters) < len(tasks):
            await asyncio.sleep(0)
        began = time.process_time()
        for number in range(count):
            line.put(number)
        took = time.process_time() - began
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        return took

    return asyncio.run(main())


# --- select, memory ----------------------------------------------------------------------------------------------


def four_events() -> list[interlock.Event]:
    events = [interlock.Event() for _ in range(4)]
    events[2].set()
    return events


def select_one(count: int) -> float:
    alternatives = [event.waiting() for event in four_events()]
    select = interlock.select
    began = time.thread_time()
    for _ in range(count):
        select(*alternatives)
    return time.thread_time() - began


def wait_for_one(count: int) -> float:
    event = four_events()[2]
    began = time.thread_time()
    for _ in range(count):
        event.wait()
    return time.thread_time() - began


def size_of(make: Callable[[], Any], count: int) -> float:
    kept: list[Any] = [make()] * OBJECTS
    tracemalloc.start()
    before = tracemalloc.get_traced_memory()[0]
    for number in range(OBJECTS):
        kept[number] = make()
    taken = tracemalloc.get_traced_memory()[0] - before
    tracemalloc.stop()
    return taken / OBJECTS


def figures() -> list[Figure]:
    found = []

    def add(operation: str, situation: str, party: str, measures: dict[str, Measure], **more: Any) -> None:
        found.append(Figure(operation, f"{situation}, one CPU", party, measures, pinned=True, **more))

    def measured(function: Callable[..., float], table: dict[str, Make]) -> dict[str, Measure]:
        return {name: functools.partial(function, make) for name, make in there(table).items()}

    pairs = {name: THREADS[name] for name in (OURS, QUEUE, IN_C)}
    bounded = {OURS: interlock.Queue, QUEUE: queue.Queue}
    add("Queue, put + get", "never full or empty", "thread", measured(put_and_get, THREADS))
    add("Queue, await put + get", "never full or empty", "asyncio task", measured(put_and_get_async, TASKS))
    add("Queue, hand-off", "ping-pong", "thread", measured(ping_pong, pairs))
    add("Queue, hand-off", "ping-pong", "thread ↔ task", measured(with_task, BOTH))
    add("Queue, put + get", "4 producers, 4 consumers", "threads", measured(many, bounded))
    for size in (10, 10_000):
        waiting: dict[str, Measure] = {OURS: functools.partial(put_to_waiting, size)}
        add("Queue, put", f"{size:,} wait", "asyncio tasks", waiting, count=WAITING, long=True, size=size)
    selects: dict[str, Measure] = {OURS: select_one, "interlock.Event, wait": wait_for_one}
    add("select", "4 events, one is set", "thread", selects)
    sizes: dict[str, Measure] = {
        OURS: functools.partial(size_of, interlock.Queue),
        QUEUE: functools.partial(size_of, queue.Queue),
    }
    found.append(Figure("Queue", "memory, with all its parts", "", sizes, unit="bytes"))
    return found
