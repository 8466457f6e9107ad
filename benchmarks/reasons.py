"""Why a goal is missed: what a profiler said, for the page. Kept by hand; only what is missed is printed.

After a change here `python -m benchmarks --from docs/benchmarks/results.json --page` writes the page anew.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Reason:
    """``figures``: the names of those that this is about; ``*`` stands for anything."""

    figures: tuple[str, ...]
    why: str


# Of a figure that several are about, the first is printed.
REASONS = [
    Reason(
        ("Lock() / construction",),
        "a lock that knows its owner, its queue and its name, can be subclassed and may stand in a cycle of "
        "references, is an object of 112 bytes that the garbage collector tracks; `threading.Lock` is a function that "
        "makes one that is not tracked, around a semaphore of the system. `perf` finds a third of our time in putting "
        "the object on the collector's list and taking it off, which CPython does once for each level of the class.",
    ),
    Reason(
        ("Condition() / construction",),
        "it is two objects, itself and its lock, and both are on the collector's list. What is left beyond that is "
        "reference counts of None, which every empty field holds before 3.12.",
    ),
    Reason(
        ("Lock as a signal, *",),
        "`threading.Lock` is the floor here: it is the system's semaphore and nothing else. Of our time `perf` finds "
        "81 % in the kernel and 5 % in interlock. The rest of the difference: who waits for an owner wakes up twice a "
        "second to see whether that can still come, so the kernel sets a timer for each wait (4 %).",
    ),
    Reason(
        ("*, hand-off / ping-pong* / thread",),
        "80 % of a hand-off is the kernel's, for us and for `threading`. The one who is woken wakes up twice: for the "
        "hand-off, and for the GIL, which the other still holds in the call that wakes. Letting go of the GIL in that "
        "call was turned down: a `release` that somebody waits for would cost a thread its turn.",
    ),
    Reason(
        ("Event, * wait when set / *",),
        "half of the time is the interpreter's own for the call and the `await` (see the floor).",
    ),
    Reason(
        ("*, hand-off / ping-pong / asyncio task",),
        "`callgrind` finds three quarters of a hand-off in the loop itself (the queue of handles, `select`, the step "
        "of the task); a hand-off written by hand with a bare future is 0.83 of asyncio's.",
    ),
    Reason(
        ("*, wake * / 1 wait / asyncio tasks", "*, wake * / 10 wait / asyncio tasks"),
        "with one that waits nearly all is the loop's (`callgrind`: 136,000 instructions for an event and a task that "
        "is made, waits and is woken once with asyncio's, 150,000 with ours). Ours looks up which task calls, once for "
        "each step, and remembers each new task as a party; where many wait the rest is quicker by more than that.",
    ),
    Reason(
        ("*, wake * / asyncio tasks",),
        "besides what the loop does for each task, ours makes a waiter and looks up which task calls.",
    ),
    Reason(
        ("*, cancel in the middle / *",),
        "nearly all is asyncio's cancellation of a task, and asyncio searches its queue for the one that leaves, which "
        "is quick where few wait. `callgrind` counts 65,000 instructions with asyncio's semaphore, 72,000 with ours: "
        "half of the difference is a new task remembered as a party, a third the traceback that each compiled function "
        "adds to a cancellation which passes through it.",
    ),
    Reason(
        ("*, async with / 8 tasks, * / asyncio tasks", "*, pass through / *"),
        "every turn goes through the loop, which is most of it; ours looks up besides which task calls.",
    ),
    Reason(
        ("*, blocking work inside* / 4 threads", "* / threads", "Condition, notify_all / 64 threads wait*"),
        "the threads sleep and wake in an order that the system's scheduler makes, so rounds differ by more than the "
        "libraries do: see the quartiles.",
    ),
    Reason(
        ("*with / uncontended / *",),
        "nearly all is the interpreter's own: see the floor, a class that does nothing.",
    ),
    Reason(
        ("with lock / interlock run --record / whole program",),
        "a program that does nothing but take and release a lock records an event every 150 ns. `perf` finds 40 % of "
        "its time in the interpreter, 19 % in reading the clock, and the rest in the caller's frame, in counting, in "
        "watching the order and in the ring.",
    ),
    Reason(
        ("* / a recording, for each event / thread",),
        "an event costs what its line costs to find: the frame of the caller, and of its caller where that is the "
        "standard library's.",
    ),
]
