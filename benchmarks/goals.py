"""What the figures should be, which issue said so, and whether they are.

Of a figure that has a goal it is the median that counts: of the rounds' ratios, or of the samples. Beyond the goals in
the list, no figure in nanoseconds may be slower than `threading`'s or asyncio's. Where that is missed by less than
`EVEN` and the lower quartile is below 1, the rounds do not tell the two apart, and it counts as held.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from benchmarks.figures import OURS, Figure
from benchmarks.spread import Spread, ratios, spread

EVEN = 1.05


@dataclass(frozen=True)
class Goal:
    """``figure``: its name. ``to``: whose figure ours is divided by; a name of another figure of ours; or "" for the
    value itself. ``least``: the limit is what it must reach, and not the most that it may be.
    """

    issue: int
    figure: str
    limit: float
    to: str = ""
    least: bool = False


@dataclass(frozen=True)
class Verdict:
    goal: Goal
    measured: Spread
    unit: str
    holds: bool
    even: bool = False  # held only because the rounds do not tell the two apart


THREAD = "uncontended / thread"
TASK = "uncontended / asyncio task"
CORE, TASKS, STUCK, SEE, MEASURED, BELIEVED, QUEUES = 2, 3, 4, 5, 6, 11, 13
WATCHED, RECORDED = "interlock run / whole program", "interlock run --record / whole program"
WHOLE_PROGRAMS = (
    "with lock",
    "with condition, notify",
    "queue.Queue, put + get",
    "queue.Queue to a thread",
    "ThreadPoolExecutor.map",
    "asyncio, queues and locks",
)
GOALS = [
    Goal(CORE, f"Lock, with / {THREAD}", 0.55, "threading"),
    Goal(CORE, f"Lock, acquire + release / {THREAD}", 0.55, "threading"),
    Goal(CORE, f"RLock, with / {THREAD}", 0.60, "threading"),
    Goal(CORE, f"Semaphore, with / {THREAD}", 0.10, "threading"),
    Goal(CORE, f"BoundedSemaphore, with / {THREAD}", 0.10, "threading"),
    Goal(CORE, f"Condition, with + notify / {THREAD}", 0.40, "threading"),
    Goal(CORE, f"Event, set + clear / {THREAD}", 0.06, "threading"),
    Goal(CORE, f"Event, wait when set / {THREAD}", 0.08, "threading"),
    Goal(CORE, f"Barrier(1), wait / {THREAD}", 0.08, "threading"),
    Goal(CORE, "Semaphore, hand-off / ping-pong, one CPU / thread", 0.65, "threading"),
    *[
        Goal(CORE, f"{name} / size of the object itself", 160)
        for name in (
            "Lock",
            "RLock",
            "Semaphore",
            "BoundedSemaphore",
            "Event",
            "Condition",
            "Barrier",
            "RWLock",
            "Latch",
            "WaitQueue",
        )
    ],
    Goal(TASKS, f"Lock, async with / {TASK}", 0.40, "asyncio"),
    Goal(TASKS, f"Semaphore, async with / {TASK}", 0.28, "asyncio"),
    Goal(TASKS, f"Condition, async with / {TASK}", 0.45, "asyncio"),
    Goal(TASKS, f"Event, await wait when set / {TASK}", 0.60, "asyncio"),
    Goal(TASKS, "Semaphore, hand-off / ping-pong / asyncio task", 0.85, "asyncio"),
    Goal(TASKS, "Event, hand-off / ping-pong / asyncio task", 0.85, "asyncio"),
    Goal(TASKS, "Semaphore, hand-off / ping-pong / thread ↔ task", 1.00, "aiologic"),
    Goal(STUCK, "deadlock check / a chain of 4", 1_000),
    *[
        Goal(SEE, f"{operation} / a recording, for each event / thread", 120)
        for operation in (
            "Lock, with",
            "Lock, acquire + release",
            "Lock, with, in a function",
            "Semaphore, with",
            "Event, set + clear",
            "queue.Queue, put + get",
        )
    ],
    Goal(MEASURED, "Barrier(4), round / 4 threads, one CPU / thread", 0.60, "threading"),
    Goal(MEASURED, "Condition, notify_all / 64 threads wait, one CPU / thread", 0.50, "threading"),
    Goal(MEASURED, "Lock, with / contended / 4 threads", 0.60, "threading"),
    Goal(MEASURED, "Lock, smallest share / contended for a second / 4 threads", 0.25, least=True),
    Goal(MEASURED, "Semaphore() / construction", 0.15, "threading"),
    Goal(MEASURED, "Event() / construction", 0.15, "threading"),
    Goal(MEASURED, "Condition() / construction", 0.15, "threading"),
    Goal(MEASURED, "Barrier(4) / construction", 0.15, "threading"),
    # Flat: a queue that has to be searched is a hundred times as slow where a hundred times as many wait.
    Goal(
        MEASURED,
        "Semaphore, cancel in the middle / 10,000 wait / asyncio tasks",
        1.50,
        "Semaphore, cancel in the middle / 100 wait / asyncio tasks",
    ),
    *[Goal(BELIEVED, f"{program} / {WATCHED}", 1.10, "plain Python") for program in WHOLE_PROGRAMS],
    *[Goal(BELIEVED, f"{program} / {RECORDED}", 1.60, "plain Python") for program in WHOLE_PROGRAMS],
    Goal(QUEUES, "Queue, put + get / never full or empty, one CPU / thread", 0.12, "queue.Queue"),
    Goal(QUEUES, "Queue, put + get / never full or empty, one CPU / thread", 1.60, "_queue.SimpleQueue"),
    Goal(QUEUES, "Queue, await put + get / never full or empty, one CPU / asyncio task", 0.45, "asyncio"),
    Goal(QUEUES, "Queue, hand-off / ping-pong, one CPU / thread", 0.60, "queue.Queue"),
    Goal(QUEUES, "Queue, hand-off / ping-pong, one CPU / thread ↔ task", 0.50, "janus"),
    Goal(QUEUES, "Queue, hand-off / ping-pong, one CPU / thread ↔ task", 0.50, "culsans"),
    Goal(QUEUES, "Queue, put + get / 4 producers, 4 consumers, one CPU / threads", 0.50, "queue.Queue"),
    Goal(
        QUEUES,
        "Queue, put / 10,000 wait, one CPU / asyncio tasks",
        1.50,
        "Queue, put / 10 wait, one CPU / asyncio tasks",
    ),
    Goal(QUEUES, "select / 4 events, one is set, one CPU / thread", 4.00, "interlock.Event, wait"),
    Goal(QUEUES, "Queue / memory, with all its parts", 200),
    Goal(MEASURED, "import / time", 25),
    Goal(MEASURED, "import / memory of its own", 2),
]
NOT_SLOWER_THAN = ("threading", "asyncio")


def verdict(goal: Goal, figures: dict[str, Figure]) -> Verdict | None:
    """None where it was not measured."""
    figure = figures.get(goal.figure)
    if figure is None or OURS not in figure.samples:
        return None
    ours = figure.samples[OURS]
    if not goal.to:
        measured, unit = spread(ours), figure.unit
    elif goal.to in figure.samples:
        measured, unit = figure.ratio(goal.to), ""
    elif goal.to in figures:
        measured, unit = spread(ratios(ours, figures[goal.to].samples[OURS])), ""
    else:
        return None
    holds = measured.median >= goal.limit if goal.least else measured.median <= goal.limit
    return Verdict(goal, measured, unit, holds)


def not_slower(figure: Figure, other: str) -> Verdict:
    measured = figure.ratio(other)
    even = measured.low < 1.0 < measured.median <= EVEN
    return Verdict(Goal(MEASURED, figure.name, 1.0, other), measured, "", measured.median <= 1.0 or even, even)


def verdicts(figures: Sequence[Figure]) -> list[Verdict]:
    """Of the list, in its order; then of all that is to be no slower, in the order of the matrix."""
    by_name = {figure.name: figure for figure in figures}
    found = [verdict(goal, by_name) for goal in GOALS]
    found += [
        not_slower(figure, other)
        for figure in figures
        if figure.unit == "ns" and OURS in figure.samples
        for other in NOT_SLOWER_THAN
        if other in figure.samples
    ]
    return [one for one in found if one is not None]
