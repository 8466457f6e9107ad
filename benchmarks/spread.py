"""Medians, quartiles and ratios: never one number alone."""

import statistics
from collections.abc import Sequence
from typing import NamedTuple


class Spread(NamedTuple):
    """The median of samples and the quartiles around it."""

    low: float
    median: float
    high: float


def spread(samples: Sequence[float]) -> Spread:
    """Quartiles as `statistics.quantiles` has them with the extremes included; of one sample, that sample."""
    if not samples:
        raise ValueError("no samples")
    if len(samples) == 1:
        return Spread(samples[0], samples[0], samples[0])
    low, median, high = statistics.quantiles(samples, n=4, method="inclusive")
    return Spread(low, median, high)


def ratios(ours: Sequence[float], theirs: Sequence[float]) -> list[float]:
    """Ours to theirs, round by round: what slowed a whole round down slowed both."""
    if len(ours) != len(theirs):
        raise ValueError(f"{len(ours)} rounds of ours, {len(theirs)} of theirs")
    return [a / b for a, b in zip(ours, theirs, strict=True)]


def rounded(value: float, digits: int = 4) -> float:
    """To that many significant digits: what is kept and what is printed are the same numbers."""
    return float(f"{value:.{digits}g}")
