"""What the primitives cost, beside the standard library's in the same run.

    python benchmarks/core.py [--fast] [--json]

Then what a recording costs: nanoseconds more for each event than with none under way, in the same run.

Every figure of the first kind is a ratio to `threading` on this interpreter. A and B are measured in turn, so that a
machine that speeds up or slows down does so for both. Of a single operation the best round counts (everything that
disturbs makes it slower); of a hand-off the median of the rounds' ratios (there the scheduler is part of the thing).
"""

import argparse
import json
import os
import platform
import queue
import statistics
import sys
import sysconfig
import threading
import time
import timeit
from collections.abc import Callable

import interlock

# (operation, statement, how to make its object, goal)
OPERATIONS: list[tuple[str, str, Callable[..., object], float | None]] = [
    ("Lock with", "with o: pass", lambda library: library.Lock(), 0.55),
    ("Lock acquire+release", "o.acquire(); o.release()", lambda library: library.Lock(), 0.55),
    ("RLock with", "with o: pass", lambda library: library.RLock(), 0.60),
    ("RLock acquire+release", "o.acquire(); o.release()", lambda library: library.RLock(), None),
    ("Semaphore with", "with o: pass", lambda library: library.Semaphore(), 0.10),
    ("BoundedSemaphore with", "with o: pass", lambda library: library.BoundedSemaphore(), 0.10),
    ("Condition with+notify", "with o: o.notify()", lambda library: library.Condition(), 0.40),
    ("Event set+clear", "o.set(); o.clear()", lambda library: library.Event(), 0.06),
    ("Event.wait when set", "o.wait()", lambda library: set_event(library.Event()), 0.08),
    ("Barrier(1).wait", "o.wait()", lambda library: library.Barrier(1), 0.08),
]

# (operation, statement, events that it makes, how to make its object); what calls a function makes a frame each time.
RECORDED: list[tuple[str, str, int, Callable[[], object]]] = [
    ("Lock with", "with o: pass", 2, lambda: interlock.Lock()),
    ("Lock acquire+release", "o.acquire(); o.release()", 2, lambda: interlock.Lock()),
    ("Lock with, in a function", "o()", 2, lambda: function_with(interlock.Lock())),
    ("Semaphore with", "with o: pass", 2, lambda: interlock.Semaphore()),
    ("Event set+clear", "o.set(); o.clear()", 2, lambda: interlock.Event()),
    ("Queue put+get", "o.put(1); o.get()", 6, lambda: installed_queue()),
]
RECORDED_GOAL = 120  # ns for each event, on the machine that the README names

SIZES = {
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
SIZE_GOAL = 160


def set_event(event: threading.Event) -> threading.Event:
    event.set()
    return event


def function_with(lock: interlock.Lock) -> Callable[[], None]:
    def function() -> None:
        with lock:
            pass

    return function


def installed_queue() -> "queue.Queue[int]":
    """Its lines are the standard library's, so the recorder looks for the caller behind them."""
    with interlock.install():
        return queue.Queue()


def recorded(statement: str, events: int, make: Callable[[], object], rounds: int, number: int) -> float:
    """Nanoseconds for each event: the best round with a recording less the best without."""
    timer = timeit.Timer(statement, globals={"o": make()}, timer=time.perf_counter)
    best = [float("inf"), float("inf")]
    for _ in range(rounds):
        best[0] = min(best[0], timer.timeit(number) / number * 1e9)
        with interlock.record():
            best[1] = min(best[1], timer.timeit(number) / number * 1e9)
    return (best[1] - best[0]) / events


def single(statement: str, make: Callable[..., object], rounds: int, number: int) -> tuple[float, float]:
    """Nanoseconds of ours and of theirs: the best round of each."""
    timers = [
        timeit.Timer(statement, globals={"o": make(library)}, timer=time.perf_counter)
        for library in (interlock, threading)
    ]
    best = [float("inf"), float("inf")]
    for _ in range(rounds):
        for which, timer in enumerate(timers):
            best[which] = min(best[which], timer.timeit(number) / number * 1e9)
    return best[0], best[1]


def ping_pong(library: object, exchanges: int) -> float:
    """Nanoseconds for one hand-off of two threads that pass a permit back and forth."""
    ping, pong = library.Semaphore(0), library.Semaphore(0)  # type: ignore[attr-defined]

    def answer() -> None:
        for _ in range(exchanges):
            ping.acquire()
            pong.release()

    other = threading.Thread(target=answer)
    other.start()
    began = time.perf_counter()
    for _ in range(exchanges):
        ping.release()
        pong.acquire()
    took = time.perf_counter() - began
    other.join()
    return took / (2 * exchanges) * 1e9


def pinned_ping_pong(rounds: int, exchanges: int) -> tuple[float, float, float]:
    """Medians of ours and theirs, and of the rounds' ratios, on one CPU where the system can pin."""
    allowed = os.sched_getaffinity(0) if hasattr(os, "sched_setaffinity") else None
    if allowed is not None:
        os.sched_setaffinity(0, {max(allowed)})
    try:
        pairs = [(ping_pong(interlock, exchanges), ping_pong(threading, exchanges)) for _ in range(rounds)]
    finally:
        if allowed is not None:
            os.sched_setaffinity(0, allowed)
    ours, theirs = (statistics.median(column) for column in zip(*pairs, strict=True))
    return ours, theirs, statistics.median(a / b for a, b in pairs)


def main() -> int:
    parser = argparse.ArgumentParser(description="What interlock's primitives cost, as ratios to threading's.")
    parser.add_argument("--fast", action="store_true", help="fewer rounds: seconds instead of half a minute")
    parser.add_argument("--json", action="store_true", help="print one JSON document instead of a table")
    options = parser.parse_args()
    rounds = 7 if options.fast else 40
    rows = []
    for name, statement, make, goal in OPERATIONS:
        ours, theirs = single(statement, make, rounds, 50_000)
        rows.append({"operation": name, "ours_ns": ours, "threading_ns": theirs, "ratio": ours / theirs, "goal": goal})
    ours, theirs, ratio = pinned_ping_pong(5 if options.fast else 15, 5_000)
    rows.append(
        {
            "operation": "Semaphore ping-pong, one CPU",
            "ours_ns": ours,
            "threading_ns": theirs,
            "ratio": ratio,
            "goal": 0.65,
        }
    )
    sizes = {name: sys.getsizeof(getattr(interlock, name)(*arguments)) for name, arguments in SIZES.items()}
    recording = [
        {"operation": name, "ns_per_event": recorded(statement, events, make, rounds, 20_000), "goal": RECORDED_GOAL}
        for name, statement, events, make in RECORDED
    ]
    machine = {
        "python": platform.python_version(),
        "free_threaded": bool(sysconfig.get_config_var("Py_GIL_DISABLED")),
        "cpus": os.cpu_count(),
        "machine": platform.machine(),
        "system": platform.system(),
    }
    if options.json:
        print(json.dumps({"machine": machine, "ratios": rows, "recording": recording, "bytes": sizes}, indent=2))
        return 0
    print(f"Python {machine['python']}, {machine['cpus']} CPUs, {machine['machine']}, {machine['system']}")
    print(f"{'operation':30} {'ours':>9} {'threading':>10} {'ratio':>6}  goal")
    for row in rows:
        goal, ratio = row["goal"], row["ratio"]
        verdict = "" if goal is None else f"<= {goal:.2f} {'holds' if ratio <= goal else 'MISSED'}"
        print(f"{row['operation']:30} {row['ours_ns']:6.0f} ns {row['threading_ns']:7.0f} ns {ratio:6.3f}  {verdict}")
    for row in recording:
        verdict = "holds" if row["ns_per_event"] <= RECORDED_GOAL else "MISSED"
        name = f"recording, {row['operation']}"
        print(f"{name:35} {row['ns_per_event']:4.0f} ns an event  <= {RECORDED_GOAL} {verdict}")
    largest = max(sizes, key=lambda name: sizes[name])
    verdict = "holds" if sizes[largest] <= SIZE_GOAL else "MISSED"
    print(f"largest primitive: {largest}, {sizes[largest]} bytes  <= {SIZE_GOAL} {verdict}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
