"""What the primitives cost tasks, beside asyncio's, anyio's and aiologic's in the same run.

    python benchmarks/tasks.py [--fast] [--json]

Every figure is a ratio on this interpreter, taken in rounds in which all are measured in turn, so that a machine that
speeds up or slows down does so for all. What counts is the median of the rounds' ratios. Where all happens in one
loop, which never waits, it is the processor's time that is taken, without the share of an empty `for`.

The events of anyio and of aiologic are set once, so nothing is handed back and forth with them: those columns are
empty. anyio's Lock and Semaphore are asked not to yield on the fast path, as the others do not.
"""

import argparse
import asyncio
import json
import os
import platform
import statistics
import sys
import sysconfig
import threading
import time
from collections.abc import Awaitable, Callable
from typing import Any

import aiologic
import anyio

import interlock

LIBRARIES = ("interlock", "asyncio", "anyio", "aiologic")
Measure = Callable[[int], Awaitable[float]]  # how often; returns seconds in all


async def nothing(number: int) -> float:
    began = time.thread_time()
    for _ in range(number):
        pass
    return time.thread_time() - began


def entering(guard: Any) -> Measure:
    async def measure(number: int) -> float:
        began = time.thread_time()
        for _ in range(number):
            async with guard:
                pass
        return time.thread_time() - began

    return measure


def waiting(wait: Callable[[], Awaitable[Any]]) -> Measure:
    async def measure(number: int) -> float:
        began = time.thread_time()
        for _ in range(number):
            await wait()
        return time.thread_time() - began

    return measure


def is_set(event: Any) -> Any:
    event.set()
    return event


def passing_permits(ping: Any, pong: Any, name: str) -> Measure:
    async def measure(number: int) -> float:
        take_ping, take_pong = getattr(ping, name), getattr(pong, name)

        async def answer() -> None:
            for _ in range(number):
                await take_ping()
                pong.release()

        began = time.thread_time()
        other = asyncio.create_task(answer())
        for _ in range(number):
            ping.release()
            await take_pong()
        took = time.thread_time() - began
        await other
        return took / 2

    return measure


def passing_events(ping: Any, pong: Any, name: str) -> Measure:
    async def measure(number: int) -> float:
        wait_ping, wait_pong = getattr(ping, name), getattr(pong, name)

        async def answer() -> None:
            for _ in range(number):
                await wait_ping()
                ping.clear()
                pong.set()

        began = time.thread_time()
        other = asyncio.create_task(answer())
        for _ in range(number):
            ping.set()
            await wait_pong()
            pong.clear()
        took = time.thread_time() - began
        await other
        return took / 2

    return measure


class Operation:
    """``goal``: the most that our time may be of asyncio's. ``make``: for each library, what measures it."""

    def __init__(self, name: str, goal: float, make: dict[str, Callable[[], Measure]], number: int = 20_000) -> None:
        self.name = name
        self.goal = goal
        self.make = make
        self.number = number


OPERATIONS = [
    Operation(
        "async with Lock",
        0.40,
        {
            "interlock": lambda: entering(interlock.Lock()),
            "asyncio": lambda: entering(asyncio.Lock()),
            "anyio": lambda: entering(anyio.Lock(fast_acquire=True)),
            "aiologic": lambda: entering(aiologic.Lock()),
        },
    ),
    Operation(
        "async with Semaphore",
        0.28,
        {
            "interlock": lambda: entering(interlock.Semaphore()),
            "asyncio": lambda: entering(asyncio.Semaphore()),
            "anyio": lambda: entering(anyio.Semaphore(1, fast_acquire=True)),
            "aiologic": lambda: entering(aiologic.Semaphore(1)),
        },
    ),
    Operation(
        "async with Condition",
        0.45,
        {
            "interlock": lambda: entering(interlock.Condition()),
            "asyncio": lambda: entering(asyncio.Condition()),
            "anyio": lambda: entering(anyio.Condition()),
            "aiologic": lambda: entering(aiologic.Condition()),
        },
    ),
    Operation(
        "Event.wait_async when set",
        0.60,
        {
            "interlock": lambda: waiting(is_set(interlock.Event()).wait_async),
            "asyncio": lambda: waiting(is_set(asyncio.Event()).wait),
            "anyio": lambda: waiting(is_set(anyio.Event()).wait),
            "aiologic": lambda: waiting(awaited(is_set(aiologic.Event()))),
        },
    ),
    Operation(
        "Semaphore, task to task",
        0.85,
        {
            "interlock": lambda: passing_permits(interlock.Semaphore(0), interlock.Semaphore(0), "acquire_async"),
            "asyncio": lambda: passing_permits(asyncio.Semaphore(0), asyncio.Semaphore(0), "acquire"),
            "anyio": lambda: passing_permits(anyio.Semaphore(0), anyio.Semaphore(0), "acquire"),
            "aiologic": lambda: passing_permits(aiologic.Semaphore(0), aiologic.Semaphore(0), "async_acquire"),
        },
        5_000,
    ),
    Operation(
        "Event, task to task",
        0.85,
        {
            "interlock": lambda: passing_events(interlock.Event(), interlock.Event(), "wait_async"),
            "asyncio": lambda: passing_events(asyncio.Event(), asyncio.Event(), "wait"),
        },
        5_000,
    ),
]


def awaited(event: Any) -> Callable[[], Awaitable[Any]]:
    """An object that is awaited itself, in the form of the others."""
    return lambda: event


def measured(operation: Operation, rounds: int) -> tuple[dict[str, float], float]:
    """Medians of the nanoseconds of each library, and of the rounds' ratios of ours to asyncio's."""

    async def main() -> list[dict[str, float]]:
        measures = {library: make() for library, make in operation.make.items()}
        empty = min([await nothing(operation.number) for _ in range(rounds)])
        taken = []
        for _ in range(rounds):
            times = {library: await measure(operation.number) for library, measure in measures.items()}
            taken.append({library: (time - empty) / operation.number * 1e9 for library, time in times.items()})
        return taken

    taken = asyncio.run(main())
    medians = {library: statistics.median(times[library] for times in taken) for library in operation.make}
    return medians, statistics.median(times["interlock"] / times["asyncio"] for times in taken)


# --- between a thread and a task ----------------------------------------------------------------------------------


def thread_to_task(library: str, exchanges: int) -> float:
    """Nanoseconds for one hand-off of a thread and a task of another thread's loop, there or back."""
    if library == "interlock":
        ours = interlock.Semaphore(0), interlock.Semaphore(0)
        ping, pong = ours
        take_async, take = ping.acquire_async, pong.acquire
    else:
        theirs = aiologic.Semaphore(0), aiologic.Semaphore(0)
        ping, pong = theirs
        take_async, take = ping.async_acquire, pong.green_acquire

    async def answer() -> None:
        for _ in range(exchanges):
            await take_async()
            pong.release()

    other = threading.Thread(target=lambda: asyncio.run(answer()))
    other.start()
    began = time.perf_counter()
    for _ in range(exchanges):
        ping.release()
        take()
    took = time.perf_counter() - began
    other.join()
    return took / (2 * exchanges) * 1e9


def handed_over(rounds: int, exchanges: int) -> tuple[float, float, float]:
    """Medians of ours and aiologic's, and of the rounds' ratios."""
    pairs = [(thread_to_task("interlock", exchanges), thread_to_task("aiologic", exchanges)) for _ in range(rounds)]
    ours, theirs = (statistics.median(column) for column in zip(*pairs, strict=True))
    return ours, theirs, statistics.median(a / b for a, b in pairs)


def main() -> int:
    parser = argparse.ArgumentParser(description="What interlock's primitives cost tasks, as ratios to asyncio's.")
    parser.add_argument("--fast", action="store_true", help="fewer rounds: seconds instead of half a minute")
    parser.add_argument("--json", action="store_true", help="print one JSON document instead of a table")
    options = parser.parse_args()
    rounds = 7 if options.fast else 40
    rows: list[dict[str, Any]] = []
    for operation in OPERATIONS:
        times, ratio = measured(operation, rounds)
        rows.append(
            {
                "operation": operation.name,
                "ns": times,
                "beside": "asyncio",
                "ratio": ratio,
                "goal": operation.goal,
            }
        )
    ours, theirs, ratio = handed_over(5 if options.fast else 15, 2_000)
    rows.append(
        {
            "operation": "Semaphore, thread to task",
            "ns": {"interlock": ours, "aiologic": theirs},
            "beside": "aiologic",
            "ratio": ratio,
            "goal": 1.0,
        }
    )
    machine = {
        "python": platform.python_version(),
        "free_threaded": bool(sysconfig.get_config_var("Py_GIL_DISABLED")),
        "cpus": os.cpu_count(),
        "machine": platform.machine(),
        "system": platform.system(),
    }
    if options.json:
        print(json.dumps({"machine": machine, "ratios": rows}, indent=2))
        return 0
    print(f"Python {machine['python']}, {machine['cpus']} CPUs, {machine['machine']}, {machine['system']}")
    print(f"{'operation':26}" + "".join(f"{library:>11}" for library in LIBRARIES) + "   ratio to        goal")
    for row in rows:
        cells = "".join(f"{row['ns'][library]:8.0f} ns" if library in row["ns"] else " " * 11 for library in LIBRARIES)
        verdict = f"<= {row['goal']:.2f} {'holds' if row['ratio'] <= row['goal'] else 'MISSED'}"
        print(f"{row['operation']:26}{cells}  {row['ratio']:6.3f} {row['beside']:8}  {verdict}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
