"""A figure of the matrix, and how its implementations are measured in turn."""

import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from benchmarks.spread import Spread, ratios, rounded, spread

OURS = "interlock"
Measure = Callable[[int], float]  # how often; returns seconds in all, or for all


@dataclass
class Figure:
    """One line of the matrix. ``measures``: for each implementation, what measures it.

    ``unit``: of the samples: "ns" for each time, or what `measures` return as it is ("KiB", "share" …).
    ``count``: how often in a round, where that is not to be found out. ``long``: it takes so long that a
    third of the rounds has to do.
    ``size``: how many wait, where that is what the figure is about.
    """

    operation: str
    situation: str
    party: str
    measures: dict[str, Measure] = field(repr=False)
    unit: str = "ns"
    pinned: bool = False
    count: int = 0
    long: bool = False
    size: int = 0
    samples: dict[str, list[float]] = field(default_factory=dict)

    @property
    def name(self) -> str:
        return " / ".join(part for part in (self.operation, self.situation, self.party) if part)

    def of(self, implementation: str) -> Spread:
        return spread(self.samples[implementation])

    def ratio(self, to: str, of: str = OURS) -> Spread:
        return spread(ratios(self.samples[of], self.samples[to]))


def wanted(name: str, words: list[str]) -> bool:
    """Whether all parts, separated by spaces, of one of the words occur in the name. Without words, yes."""
    return not words or any(all(part in name for part in word.split()) for word in words)


def once(figure: Figure, implementation: str, count: int) -> float:
    """One sample."""
    took = figure.measures[implementation](count)
    return rounded(took / count * 1e9 if figure.unit == "ns" else took)


def fitting_count(measure: Measure, seconds: float) -> int:
    """How often, so that a round takes about so many seconds."""
    measure(1)  # what is imported and compiled when it is first used is no part of it
    count = 1
    while True:
        took = measure(count)
        if took >= seconds / 4 or count >= 10_000_000:
            return max(1, round(count * seconds / max(took, 1e-9)))
        count *= 4 if took > seconds / 64 else 10


def in_turn(figure: Figure, rounds: int, seconds: float) -> None:
    """Measure A B A B …: a machine that speeds up or slows down does so for all."""
    with one_cpu(figure.pinned):
        counts = {
            name: figure.count or (fitting_count(measure, seconds) if figure.unit == "ns" else 1)
            for name, measure in figure.measures.items()
        }
        figure.samples = {name: [] for name in figure.measures}
        for turn in range(max(2, rounds // 3) if figure.long else rounds):
            # Whoever is measured first in one round is last in the next.
            for name in [*figure.measures][:: 1 if turn % 2 == 0 else -1]:
                figure.samples[name].append(once(figure, name, counts[name]))


@contextmanager
def one_cpu(pinned: bool = True) -> Iterator[None]:
    """Let this process and the threads that it starts run on one CPU, where the system can say so."""
    if not pinned or not hasattr(os, "sched_setaffinity"):
        yield
        return
    allowed = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {max(allowed)})
    try:
        yield
    finally:
        os.sched_setaffinity(0, allowed)


def can_pin() -> bool:
    return hasattr(os, "sched_setaffinity")


wall = time.perf_counter
# Where all happens in one thread that never waits, its own time is taken: whoever else is on the machine is left out.
own = time.thread_time
