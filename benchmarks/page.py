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

This page shows what the primitives of interlock cost. `threading`, `asyncio`,
[aiologic](https://github.com/x42005e1f/aiologic), [anyio](https://github.com/agronholm/anyio),
[trio](https://github.com/python-trio/trio) and `multiprocessing` are measured in the same run. `make bench` writes this
page. It took {seconds:.0f} seconds this time. `make bench-quick` prints the same ratios in less than 90 seconds. Every
figure on this page is computed from [{data}]({beside}/{data}).

Every figure is a median with its quartiles: *median (lower quartile–upper quartile)*. A ratio is the time of interlock
divided by the time of the other library, computed for each round. Below 1, interlock is faster.
"""

METHOD = """\
## How it is measured

- **Single operations** are measured by [pyperf](https://pyperf.readthedocs.io), each in its own process. The whole
  list is measured {passes} times (A B C … A B C …). Each loop contains the statement {times} times, and pyperf
  calibrates the number of iterations. No operation has to wait, so the figures are processor time.
- **Hand-offs, contention and growth** are measured in rounds that alternate between the libraries (A B B A …). Each
  round gives one ratio. The page shows the median and the quartiles of these ratios. If the machine becomes faster or
  slower, this affects both libraries.
- **One CPU** means that all threads are pinned to one processor. The figure is then the cost of the hand-off, without
  the effect of where the system runs each thread. Growing queues of threads are measured in this way too.
- **The floors.** *{floor}* is a class that does nothing, compiled like the core. It shows the cost of the
  interpreter. *_thread.lock* is the plain lock of CPython. It shows the cost of the operating system.
- **Threads, tasks of asyncio and tasks of trio** are measured in separate processes. Each imports only what is
  measured there. If both asyncio and trio have been imported, interlock has to ask both of them which task calls.
  This costs a task about a microsecond for each wait.
- The Lock and the Semaphore of anyio are set not to yield when they need not wait, because the others do not yield.
  Those of trio always yield. The garbage collector is off while growth is measured.
- **Whole programs** run in their own processes, pinned to one CPU. The figure is the processor time of all threads,
  without the start of the interpreter. *The drop-in alone* is `interlock.install(asyncio=True)` before the program,
  with nothing that observes it.
- **Memory** is counted by Python's allocators. The memory of an import is the difference to a process that imports
  nothing. It is shown twice: the memory of the process itself, and the same with the pages of the compiled files,
  which all processes that import them share.
"""


def write(results: Results, docs: Path = DOCS) -> None:
    beside = docs / BESIDE
    drawn = pictures.draw(results, beside)
    (beside / DATA).write_text(to_json(results), encoding="utf-8")
    (docs / PAGE).write_text(text(results, drawn), encoding="utf-8")


def text(results: Results, drawn: list[str]) -> str:
    return "\n".join([HEAD.format(seconds=results.seconds, data=DATA, beside=BESIDE), *sections(results, drawn)])


def sections(results: Results, drawn: list[str]) -> Iterator[str]:
    listed = [one for one in results.verdicts if one.goal in GOALS]
    others = [one for one in results.verdicts if one.goal not in GOALS]
    yield "## Goals\n"
    count = len(results.verdicts)
    yield f"{count - len(results.missed)} of {count} goals are met.\n"
    yield verdict_table(listed)
    slower = [one for one in others if not one.holds]
    hold, even = len(others) - len(slower), sum(one.even for one in others)
    yield f"""\
In addition, no operation below should be slower than that of `threading` or `asyncio`. This holds for {hold} of
{len(others)} comparisons. A comparison also holds if its median is above 1 by less than {EVEN - 1:.0%} and its lower
quartile is below 1, because such rounds do not show which one is faster. This is so for {even} of those that hold.
"""
    if slower:
        yield verdict_table(slower)
    missed = results.missed
    if missed:
        yield "### Why goals are missed\n"
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
        yield f"- {'; '.join(dict.fromkeys(left))}: the reason is not known yet.\n"


def row(cells: list[str]) -> str:
    return "| " + " | ".join(cells) + " |\n"


def verdict_table(verdicts: list[Verdict]) -> str:
    head = row(["figure", "goal", "measured", ""]) + "|---|---|---|---|\n"
    return head + "".join(row([one.goal.figure, goal(one), measured(one), bold(holds(one))]) for one in verdicts)


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
    for part, date in machine.get("anew", {}).items():
        lines[f"measured anew: {part}"] = date
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


def of_queues(figure: Figure) -> bool:
    return figure.operation.startswith(("Queue", "select"))


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
            and not of_queues(figure)
            and not figure.size
            and figure.party in ("thread", "threads", "4 threads")
            and "recording" not in figure.situation
        ),
    ),
    (
        "Tasks of asyncio together",
        lambda figure: (
            not single(figure)
            and not of_queues(figure)
            and not figure.size
            and figure.party in ("asyncio task", "asyncio tasks")
            and figure.unit == "ns"
        ),
    ),
    (
        "Tasks of trio together",
        lambda figure: not single(figure) and figure.party in ("trio task", "trio tasks"),
    ),
    (
        "Threads with tasks, and many loops",
        lambda figure: not of_queues(figure) and ("↔" in figure.party or "loops" in figure.party),
    ),
    ("Queues, and several things at once", of_queues),
    ("Growth: time for each waiter", lambda figure: figure.size > 0 and not of_queues(figure)),
    ("Whole programs", lambda figure: figure.party == "whole program"),
    ("Memory", lambda figure: figure.unit == "bytes" and not of_queues(figure)),
    ("Import", lambda figure: figure.operation == "import"),
    ("The deadlock check of a party that is about to block", lambda figure: figure.operation == "deadlock check"),
    ("What a recording adds", lambda figure: "recording" in figure.situation),
]
