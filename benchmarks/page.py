"""docs/benchmarks.md: written from the results alone, so that whoever has those can write it again."""

from collections.abc import Callable, Iterator
from fnmatch import fnmatchcase
from pathlib import Path

from benchmarks import ROOT, pictures
from benchmarks.figures import OURS, Figure
from benchmarks.goals import EVEN, GOALS, Verdict
from benchmarks.reasons import REASONS
from benchmarks.results import Results, to_json
from benchmarks.single import FLOOR
from benchmarks.table import amount_spread, columns, goal, holds, measured, ratio_spread

DOCS = ROOT / "docs"
PAGE = "benchmarks.md"
BESIDE = "benchmarks"  # the directory of what the page shows
DATA = "results.json"

HEAD = """\
# Measured

What interlock's primitives cost, beside `threading`, `asyncio`, [aiologic](https://github.com/x42005e1f/aiologic),
[anyio](https://github.com/agronholm/anyio), [trio](https://github.com/python-trio/trio) and `multiprocessing` in the
same run. `make bench` writes this page, in {seconds:.0f} seconds this time; `make bench-quick` prints the same ratios
in less than 90. All that is printed here is computed from [{data}]({beside}/{data}).

Every number has its spread beside it: *median (lower quartile–upper quartile)*. A ratio is ours divided by the
other's, round by round: below 1 we are faster.
"""

METHOD = """\
## How it is measured

- **Single operations** by [pyperf](https://pyperf.readthedocs.io): each in a process of its own, with a calibrated
  loop, {passes} times over all of them (A B C … A B C …). A statement stands {times} times in the loop. Nothing waits
  there, so it is the processor's time that is taken.
- **Hand-offs, contention and growth** in rounds in turn (A B B A …); the ratio of each round, then their median and
  quartiles. A machine that speeds up or slows down does so for both.
- **One CPU** means that all threads are pinned to one processor: what is left is the cost of passing on, without the
  system's choice of where to run whom. Threads in growing queues are measured so, too.
- **The floors.** *{floor}* is a class that does nothing, compiled as the core is: what the interpreter itself costs.
  *_thread.lock* is the bare lock of CPython: what the operating system costs.
- **Each kind of party in a process of its own**, which imports only what is measured there. Where both asyncio and trio
  have been imported, interlock has to ask both who calls, which costs a task about a microsecond for each wait.
- anyio's Lock and Semaphore are asked not to yield where they need not wait, as the others do not; trio's always do.
  The garbage collector does not run while growth is measured.
- **Whole programs** in processes of their own, pinned to one CPU: the processor's time of all threads of the program,
  without the start of the interpreter. *The drop-in alone* is `interlock.install(asyncio=True)` before the program, and
  nothing that looks on.
- **Memory** as Python's allocators count it. That of an import is what the process has beyond one that imports nothing:
  of its own, and with the pages of the compiled files, which all processes that import them share.
"""


def write(results: Results, docs: Path = DOCS) -> None:
    beside = docs / BESIDE
    drawn = pictures.draw(results, beside)
    (beside / DATA).write_text(to_json(results), encoding="utf-8")
    (docs / PAGE).write_text(text(results, drawn), encoding="utf-8")


def text(results: Results, drawn: list[str]) -> str:
    return "\n".join([HEAD.format(seconds=results.seconds, data=DATA, beside=BESIDE), *sections(results, drawn)])


def sections(results: Results, drawn: list[str]) -> Iterator[str]:
    of_issues = [one for one in results.verdicts if one.goal in GOALS]
    others = [one for one in results.verdicts if one.goal not in GOALS]
    yield "## Goals\n"
    count = len(results.verdicts)
    yield f"{count - len(results.missed)} of {count} hold.\n"
    yield verdict_table(of_issues)
    slower = [one for one in others if not one.holds]
    hold, even = len(others) - len(slower), sum(one.even for one in others)
    yield f"""\
Beyond these, issue 6 wants nothing to be slower than `threading` or `asyncio` anywhere below, and of {len(others)}
comparisons {hold} hold. Where the median is above 1 by less than {EVEN - 1:.0%} and the lower quartile below 1, the
rounds do not tell the two apart: {even} of those that hold are even in this sense.
"""
    if slower:
        yield verdict_table(slower)
    missed = results.missed
    if missed:
        yield "### Why\n"
        yield "".join(reasons(missed))
    yield "## The machine\n"
    yield machine_table(results)
    yield "## Pictures\n"
    for name in drawn:
        yield f"![{CAPTIONS[Path(name).stem]}]({BESIDE}/{name})\n"
    for title, choose in TABLES:
        figures = [figure for figure in results.figures if choose(figure)]
        if figures:
            yield f"## {title}\n"
            yield figure_table(figures)
    yield METHOD.format(passes="several", times="ten", floor=FLOOR).rstrip()
    yield ""


CAPTIONS = {
    "threads": "Ratios to threading, with quartiles",
    "tasks": "Ratios to asyncio, with quartiles",
    "growth": "Time for each waiter over how many wait",
}


def reasons(missed: list[Verdict]) -> Iterator[str]:
    """What is known about each miss: once for all that it is about."""
    left = [one.goal.figure for one in missed]
    for reason in REASONS:
        about = [name for name in left if any(fnmatchcase(name, pattern) for pattern in reason.figures)]
        if about:
            yield f"- {'; '.join(dict.fromkeys(about))}: {reason.why}\n"
            left = [name for name in left if name not in about]
    if left:
        yield f"- {'; '.join(dict.fromkeys(left))}: not looked into yet.\n"


def row(cells: list[str]) -> str:
    return "| " + " | ".join(cells) + " |\n"


def verdict_table(verdicts: list[Verdict]) -> str:
    head = row(["figure", "goal", "measured", "", "issue"]) + "|---|---|---|---|---|\n"
    return head + "".join(
        row([one.goal.figure, goal(one), measured(one), bold(holds(one)), str(one.goal.issue)]) for one in verdicts
    )


def bold(said: str) -> str:
    return f"**{said.lower()}**" if said == "MISSED" else said


def machine_table(results: Results) -> str:
    machine = results.machine
    versions = ", ".join(f"{name} {version}" for name, version in machine["versions"].items() if version)
    lines = {
        "processor": f"{machine['processor']}, {machine['cpus']} CPUs",
        "system": machine["system"],
        "interpreter": f"{machine['python']} ({machine['compiler']})",
        "switch interval": f"{machine['switch_interval_ms']:g} ms",
        "measured": f"interlock {machine['interlock']}, {versions}",
        "date": results.date,
        "load average when it began": f"{machine['load_when_it_began']:g}",
    }
    return "| | |\n|---|---|\n" + "".join(row([name, value]) for name, value in lines.items())


def figure_table(figures: list[Figure]) -> str:
    """Our times, and those of the others with our ratio to them."""
    shown = columns(figures)
    head = row(["", *shown]) + "|---" * (len(shown) + 1) + "|\n"
    return head + "".join(
        row([figure.name, *[cell(figure, library) for library in shown]])
        for figure in figures
        if OURS in figure.samples
    )


def cell(figure: Figure, library: str) -> str:
    if library not in figure.samples:
        return ""
    own = amount_spread(figure.of(library), figure.unit)
    return own if library == OURS else f"{own}; {ratio_spread(figure.ratio(library))}"


def single(figure: Figure) -> bool:
    return figure.situation in ("uncontended", "work inside", "work outside")


TABLES: list[tuple[str, Callable[[Figure], bool]]] = [
    ("Single operations of threads", lambda figure: single(figure) and figure.party == "thread"),
    ("Making one and throwing it away", lambda figure: figure.situation == "construction"),
    ("Single operations of asyncio's tasks", lambda figure: single(figure) and figure.party == "asyncio task"),
    ("Single operations of trio's tasks", lambda figure: single(figure) and figure.party == "trio task"),
    (
        "Threads together",
        lambda figure: (
            not single(figure)
            and not figure.size
            and figure.party in ("thread", "threads", "4 threads")
            and "recording" not in figure.situation
        ),
    ),
    (
        "Tasks of asyncio together",
        lambda figure: (
            not single(figure)
            and not figure.size
            and figure.party in ("asyncio task", "asyncio tasks")
            and figure.unit == "ns"
        ),
    ),
    (
        "Tasks of trio together",
        lambda figure: not single(figure) and figure.party in ("trio task", "trio tasks"),
    ),
    ("Threads with tasks, and many loops", lambda figure: "↔" in figure.party or "loops" in figure.party),
    ("Growth: time for each waiter", lambda figure: figure.size > 0),
    ("Whole programs", lambda figure: figure.party == "whole program"),
    ("Memory", lambda figure: figure.unit == "bytes"),
    ("Import", lambda figure: figure.operation == "import"),
    ("The deadlock check of a party that is about to block", lambda figure: figure.operation == "deadlock check"),
    ("What a recording adds", lambda figure: "recording" in figure.situation),
]
