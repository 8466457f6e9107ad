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
        "a lock of interlock knows its owner, its queue and its name, can be subclassed, and may be part of a "
        "reference cycle. So it is an object of 112 bytes that the garbage collector tracks. `threading.Lock` is a "
        "function that creates a smaller object, which is not tracked, around a semaphore of the system. `perf` "
        "finds a third of our time in adding the object to the list of the collector and removing it. CPython does "
        "this once for each level of the class hierarchy.",
    ),
    Reason(
        ("Condition() / construction",),
        "it consists of two objects, itself and its lock, and the collector tracks both. The rest is reference "
        "counting of None, which every empty field holds before Python 3.12.",
    ),
    Reason(
        ("Lock as a signal, *",),
        "`threading.Lock` is the floor here: it is the semaphore of the system and nothing else. `perf` finds 81 % "
        "of our time in the kernel and 5 % in interlock. The rest of the difference is a timer (4 %): a thread that "
        "waits for an owner wakes up twice a second to check whether the owner still exists, so the kernel sets a "
        "timer for each wait.",
    ),
    Reason(
        ("Queue, hand-off / ping-pong, one CPU / thread ↔ task",),
        "`perf` finds 59 % of the time in the kernel, 27 % in the interpreter with the loop of asyncio, and 4 % in "
        "interlock. `strace` counts the system calls of the loop: a byte is sent to wake it, and `epoll_wait` and "
        "`recv` take it. janus and culsans wake the loop in the same way.",
    ),
    Reason(
        ("Queue, hand-off / ping-pong, one CPU / thread",),
        "`perf` finds 75 % of the time in the kernel, which lets the threads sleep and wake, and 2 % in interlock. "
        "`_queue.SimpleQueue` is written in C and is the floor here.",
    ),
    Reason(
        ("select / 4 events, one is set, *",),
        "`select` looks at the alternatives in their order, here at three events, and then forms its result.",
    ),
    Reason(
        ("*, hand-off / ping-pong* / thread",),
        "80 % of a hand-off is time in the kernel, with interlock and with `threading`. The woken thread wakes up "
        "twice: once for the hand-off, and once for the GIL, which the other thread still holds during the call "
        "that wakes. Rejected: to release the GIL in that call. Then a `release` with waiters would cost the "
        "releasing thread its turn.",
    ),
    Reason(
        ("Event, * wait when set / *",),
        "half of the time is the interpreter's, for the call and the `await` (see the floor).",
    ),
    Reason(
        ("*, hand-off / ping-pong / asyncio task",),
        "`callgrind` finds three quarters of a hand-off in the loop itself (the queue of handles, `select`, the "
        "step of the task). A hand-off written by hand with a plain future takes 0.83 of the time of asyncio.",
    ),
    Reason(
        ("*, wake * / 1 wait / asyncio tasks", "*, wake * / 10 wait / asyncio tasks"),
        "with one waiter nearly all of the time is the loop's. For an event, and a task that is created, waits and "
        "is woken once, `callgrind` counts 136,000 instructions with asyncio and 150,000 with interlock. interlock "
        "looks up the calling task once for each step, and registers each new task as a party. With many waiters, "
        "the rest is faster by more than that.",
    ),
    Reason(
        ("*, wake * / asyncio tasks",),
        "in addition to the work of the loop for each task, interlock creates a waiter and looks up the calling task.",
    ),
    Reason(
        ("*, cancel in the middle / *",),
        "nearly all of the time is asyncio's, for the cancellation of a task. asyncio searches its queue for the "
        "waiter that leaves, which is fast with few waiters. `callgrind` counts 65,000 instructions with the "
        "semaphore of asyncio and 72,000 with ours. Half of the difference is the registration of a new task as a "
        "party. A third is the traceback entry that each compiled function adds to a cancellation which passes "
        "through it.",
    ),
    Reason(
        ("*, async with / 8 tasks, * / asyncio tasks", "*, pass through / *"),
        "every hand-off goes through the loop, which is most of the time. In addition, interlock looks up the "
        "calling task.",
    ),
    Reason(
        ("*, blocking work inside* / 4 threads", "* / threads", "Condition, notify_all / 64 threads wait*"),
        "the scheduler of the system decides in which order the threads sleep and wake. So the rounds differ by "
        "more than the libraries do: see the quartiles.",
    ),
    Reason(
        ("*with / uncontended / *",),
        "nearly all of the time is the interpreter's: see the floor, a class that does nothing.",
    ),
    Reason(
        ("* / a recording, for each event / thread",),
        "most of the cost of an event is finding its line: the frame of the caller, and the frame of its caller if "
        "the first one belongs to the standard library.",
    ),
]
