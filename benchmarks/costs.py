"""What is no operation of its own: memory, import, the deadlock check, the recorder."""

import asyncio
import functools
import json
import os
import queue
import subprocess
import sys
import threading
import time
import timeit
import tracemalloc
from collections.abc import Awaitable, Callable
from typing import Any

import interlock
from benchmarks import floor
from benchmarks.figures import OURS, Figure, Measure, own
from benchmarks.libraries import ASYNC_PERMITS, Make, under
from benchmarks.loops import Asyncio

# --- memory -------------------------------------------------------------------------------------------------------

MADE = {
    "Lock": (),
    "RLock": (),
    "Semaphore": (),
    "BoundedSemaphore": (),
    "Event": (),
    "Condition": (),
    "Barrier": (2,),
    "RWLock": (),
    "Latch": (1,),
    "WaitQueue": (),
}
OBJECTS = 1_000
WAITING = 1_000


def size(name: str, _count: int) -> float:
    return sys.getsizeof(getattr(interlock, name)(*MADE[name]))


def bytes_each(module: Any, name: str, _count: int) -> float:
    """With all that belongs to it, as Python's allocators see it."""
    make, arguments = getattr(module, name), MADE[name]
    made: list[Any] = [None] * OBJECTS
    tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        for index in range(OBJECTS):
            made[index] = make(*arguments)
        return (tracemalloc.get_traced_memory()[0] - before) / OBJECTS
    finally:
        tracemalloc.stop()


def bytes_each_waiting(permits: Make | None, _count: int) -> float:
    """What a task that waits has besides: less the same task in a bare future. None: that future itself."""

    async def memory(wait: Callable[[], Awaitable[Any]]) -> float:
        async def sleep() -> None:
            await wait()

        before = tracemalloc.get_traced_memory()[0]
        tasks = [asyncio.create_task(sleep()) for _ in range(WAITING)]
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        taken = (tracemalloc.get_traced_memory()[0] - before) / WAITING
        for task in reversed(tasks):
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        return taken

    async def bare() -> None:
        await asyncio.get_running_loop().create_future()

    async def main() -> float:
        return await memory(bare) if permits is None else await memory(permits(0)[0])

    tracemalloc.start()
    try:
        return float(Asyncio().run(main))
    finally:
        tracemalloc.stop()


def memory_figures() -> list[Figure]:
    found = []
    for name in MADE:
        beside: dict[str, Measure] = {OURS: functools.partial(bytes_each, interlock, name)}
        for module in (threading, asyncio):
            if hasattr(module, name):
                beside[module.__name__] = functools.partial(bytes_each, module, name)
        found.append(Figure(name, "memory, with all its parts", "", beside, unit="bytes"))
        found.append(Figure(name, "size of the object itself", "", {OURS: functools.partial(size, name)}, unit="bytes"))
    waiting: dict[str, Measure] = {
        library: functools.partial(bytes_each_waiting, permits)
        for library, permits in under("asyncio", ASYNC_PERMITS).items()
    }
    waiting["a bare future"] = functools.partial(bytes_each_waiting, None)
    found.append(Figure("Semaphore", "memory of one that waits", "asyncio task", waiting, unit="bytes"))
    return found


# --- import -------------------------------------------------------------------------------------------------------

IMPORT = """
import sys, time
began = time.process_time()
{import_it}
took = time.process_time() - began
lines = open("/proc/self/status") if sys.platform == "linux" else ()
print([took * 1e3, *(int(line.split()[1]) / 1024 for line in lines if line.startswith("Rss"))])
"""
IN_MEMORY = ("RssAnon", "RssFile")


def child(import_it: str) -> list[float]:
    """Milliseconds of the processor that the import takes, then the memory of the process by kind, in MiB."""
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
    command = [sys.executable, "-c", IMPORT.format(import_it=import_it)]
    for _ in range(2 if import_it not in _warm else 1):  # compiled modules are to lie in their caches, as they do
        result = subprocess.run(command, env=environment, capture_output=True, text=True, check=True, timeout=60)
    _warm.add(import_it)
    return [float(number) for number in json.loads(result.stdout)]


_warm: set[str] = set()
IMPORTED = {"interlock": "import interlock", "threading": "import threading", "asyncio": "import asyncio"}


def import_time(import_it: str, _count: int) -> float:
    return child(import_it)[0]


def import_memory(import_it: str, which: int | None, _count: int) -> float:
    """Beyond that of an interpreter that imports nothing. ``which``: one kind, or None for all."""
    there, bare = child(import_it)[1:], child("pass")[1:]
    if which is None:
        return sum(there) - sum(bare)
    return there[which] - bare[which]


def import_figures() -> list[Figure]:
    def beside(measure: Callable[..., float], *more: Any) -> dict[str, Measure]:
        return {name: functools.partial(measure, line, *more) for name, line in IMPORTED.items()}

    found = [Figure("import", "time", "", beside(import_time), unit="ms")]
    if len(child("pass")) > 1:
        # /proc/self/status lists RssAnon, RssFile, RssShmem in this order.
        found.append(Figure("import", "memory of its own", "", beside(import_memory, 0), unit="MiB"))
        found.append(
            Figure("import", "memory, with pages of files shared by all", "", beside(import_memory, None), unit="MiB")
        )
    return found


# --- the deadlock check -------------------------------------------------------------------------------------------

LENGTHS = (1, 4, 16, 64)


def check(length: int, count: int) -> float:
    """The walk of a party that is about to block, at the end of a chain of so many that hold and wait.

    It alone is timed, by asking again and again; that it finds no cycle is the case that counts.
    """
    locks = [interlock.RLock() for _ in range(length)]
    end = threading.Event()

    def hold(mine: int, held: threading.Event) -> None:
        with locks[mine]:
            held.set()
            if mine == 0:
                end.wait()
            else:
                with locks[mine - 1]:
                    pass

    threads = []
    for mine in range(length):
        held = threading.Event()
        threads.append(threading.Thread(target=hold, args=(mine, held)))
        threads[-1].start()
        held.wait()
        while mine > 0 and not locks[mine - 1].waiters:
            time.sleep(0)
    walk = floor.load(module=floor.WALK)
    assert walk is not None, "not compiled: python -m benchmarks.floor"
    asking = walk.Check(locks[-1])
    try:
        began = own()
        asking.ask(count)
        return own() - began
    finally:
        asking.withdraw()
        end.set()
        for thread in threads:
            thread.join()


def check_figures() -> list[Figure]:
    return [
        Figure("deadlock check", f"a chain of {length}", "", {OURS: functools.partial(check, length)})
        for length in LENGTHS
    ]


# --- the recorder -------------------------------------------------------------------------------------------------


def function_with(lock: interlock.Lock) -> Callable[[], None]:
    """A frame each time, as where a program calls a function that locks."""

    def function() -> None:
        with lock:
            pass

    return function


def installed_queue() -> "queue.Queue[int]":
    """Its lines are the standard library's, so the recorder looks for the caller behind them."""
    with interlock.install():
        return queue.Queue()


# (operation, statement, events that it makes, how to make its object)
RECORDED: list[tuple[str, str, int, Callable[[], object]]] = [
    ("Lock, with", "with o: pass", 2, lambda: interlock.Lock()),
    ("Lock, acquire + release", "o.acquire(); o.release()", 2, lambda: interlock.Lock()),
    ("Lock, with, in a function", "o()", 2, lambda: function_with(interlock.Lock())),
    ("Semaphore, with", "with o: pass", 2, lambda: interlock.Semaphore()),
    ("Event, set + clear", "o.set(); o.clear()", 2, lambda: interlock.Event()),
    ("queue.Queue, put + get", "o.put(1); o.get()", 6, lambda: installed_queue()),
]


def recorded(statement: str, events: int, make: Callable[[], object], count: int) -> float:
    """Seconds that a recording adds to `count` events."""
    timer = timeit.Timer(statement, globals={"o": make()}, timer=own)
    number = max(1, count // events)
    without = min(timer.timeit(number) for _ in range(3))
    with interlock.record():
        during = min(timer.timeit(number) for _ in range(3))
    return (during - without) * count / (number * events)


def recorder_figures() -> list[Figure]:
    return [
        Figure(name, "a recording, for each event", "thread", {OURS: functools.partial(recorded, *how)}, count=50_000)
        for name, *how in RECORDED
    ]


def figures() -> list[Figure]:
    return [*memory_figures(), *import_figures(), *check_figures(), *recorder_figures()]
