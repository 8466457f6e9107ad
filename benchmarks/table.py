"""Results as text for a terminal."""

from collections.abc import Iterator

from benchmarks.figures import OURS, Figure
from benchmarks.goals import Verdict
from benchmarks.results import Results
from benchmarks.spread import Spread


def number(value: float) -> str:
    """Three digits that count, and never an exponent."""
    if value == 0:
        return "0"
    size = abs(value)
    return f"{value:,.0f}" if size >= 100 else f"{value:.1f}" if size >= 10 else f"{value:.2f}"


def amount(value: float, unit: str) -> str:
    """A time in the unit that suits it; anything else in its own."""
    if unit != "ns":
        return f"{number(value)} {unit}"
    for name, in_ns in (("s", 1e9), ("ms", 1e6), ("µs", 1e3)):
        if value >= in_ns:
            return f"{number(value / in_ns)} {name}"
    return f"{number(value)} ns"


def ratio(value: float) -> str:
    return f"{value:.3f}" if value < 1 else f"{value:.2f}"


def ratio_spread(spread: Spread) -> str:
    return f"{ratio(spread.median)} ({ratio(spread.low)}–{ratio(spread.high)})"


def amount_spread(spread: Spread, unit: str) -> str:
    low, high = (number_in(quartile, spread.median, unit) for quartile in (spread.low, spread.high))
    return f"{amount(spread.median, unit)} ({low}–{high})"


def number_in(value: float, like: float, unit: str) -> str:
    """`value` in the unit in which `like` is written, without it."""
    if unit == "ns":
        for in_ns in (1e9, 1e6, 1e3):
            if like >= in_ns:
                return number(value / in_ns)
    return number(value)


def measured(verdict: Verdict) -> str:
    if verdict.goal.to:
        return ratio_spread(verdict.measured)
    return amount_spread(verdict.measured, verdict.unit)


def goal(verdict: Verdict) -> str:
    sign = "≥" if verdict.goal.least else "≤"
    if not verdict.goal.to:
        return f"{sign} {amount(verdict.goal.limit, verdict.unit)}"
    to = verdict.goal.to if " / " not in verdict.goal.to else f"with {verdict.goal.to.split(' / ')[1].split()[0]}"
    return f"{sign} {verdict.goal.limit:.2f} of {to}"


def holds(verdict: Verdict) -> str:
    return "holds, even" if verdict.even else "holds" if verdict.holds else "MISSED"


def columns(figures: list[Figure]) -> list[str]:
    """The implementations of these figures, ours first, then in the order in which they first occur."""
    found = dict.fromkeys([OURS])
    for figure in figures:
        found.update(dict.fromkeys(figure.samples))
    return [*found]


def lines(results: Results) -> Iterator[str]:
    machine = results.machine
    yield f"{machine['python']}, {machine['cpus']} CPUs, {machine['processor']}, {machine['system']}"
    width = max((len(figure.name) for figure in results.figures), default=0)
    for figure in results.figures:
        if OURS not in figure.samples:
            continue
        ours = amount(figure.of(OURS).median, figure.unit)
        others = [f"{ratio_spread(figure.ratio(other))} of {other}" for other in figure.samples if other != OURS]
        yield f"{figure.name:{width}}  {ours:>9}  {', '.join(others)}".rstrip()
    yield ""
    for verdict in results.verdicts:
        said = f"{measured(verdict)}  {goal(verdict)}  (issue {verdict.goal.issue})"
        yield f"{holds(verdict):11}  {said:60}  {verdict.goal.figure}"
    yield ""
    count = len(results.verdicts)
    yield f"{count - len(results.missed)} of {count} goals hold; {results.seconds:.0f} s"
