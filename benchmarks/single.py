"""Single operations: what one costs that nobody disturbs.

`make bench` has pyperf measure them, in processes of their own with calibrated loops, several times over all of them
(A B C A B C …); this module is the program that pyperf runs. `make bench-quick` measures them here, in turn.

A statement stands ten times in the loop that is timed, so that the loop itself hardly counts. The time is the
processor's: nothing here waits.
"""

import argparse
import importlib
import json
import re
import textwrap
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from benchmarks import floor
from benchmarks.figures import Figure, Measure, own, wanted
from benchmarks.libraries import installed
from benchmarks.loops import LOOPS

TIMES = 10
FLOOR = "empty"


@dataclass(frozen=True)
class Single:
    """``lines``: for each implementation, how to make the object ``o``, and the statement that is measured."""

    operation: str
    situation: str
    party: str
    lines: dict[str, tuple[str, str]]

    @property
    def name(self) -> str:
        return Figure(self.operation, self.situation, self.party, {}).name


def like_threading(
    operation: str, made: str, statement: str, situation: str = "uncontended", **others: tuple[str, str]
) -> Single:
    """An operation which all that imitate `threading` spell as it does. ``made``: ``Barrier(1)``."""
    lines = {library: (f"{library}.{made}", statement) for library in ("interlock", "threading", "multiprocessing")}
    return Single(operation, situation, "thread", {**lines, **others, FLOOR: (f"{FLOOR}.Empty()", statement)})


WITH = "with o: pass"
PAIR = "o.acquire(); o.release()"
GREEN = "o.green_acquire(); o.green_release()"
RAW = "_thread.allocate_lock()"

THREADS = [
    like_threading("Lock, with", "Lock()", WITH, aiologic=("aiologic.Lock()", WITH), **{"_thread.lock": (RAW, WITH)}),
    like_threading(
        "Lock, acquire + release", "Lock()", PAIR, aiologic=("aiologic.Lock()", GREEN), **{"_thread.lock": (RAW, PAIR)}
    ),
    like_threading(
        "Lock, with", "Lock()", "with o: work()", "work inside", aiologic=("aiologic.Lock()", "with o: work()")
    ),
    like_threading(
        "Lock, with", "Lock()", f"{WITH}\nwork()", "work outside", aiologic=("aiologic.Lock()", f"{WITH}\nwork()")
    ),
    like_threading("RLock, with", "RLock()", WITH, aiologic=("aiologic.RLock()", WITH)),
    like_threading("RLock, acquire + release", "RLock()", PAIR, aiologic=("aiologic.RLock()", GREEN)),
    like_threading("RLock, with, held already", "RLock()", WITH, aiologic=("aiologic.RLock()", WITH)),
    like_threading("Semaphore, with", "Semaphore()", WITH, aiologic=("aiologic.Semaphore(1)", WITH)),
    like_threading("Semaphore, acquire + release", "Semaphore()", PAIR, aiologic=("aiologic.Semaphore(1)", GREEN)),
    like_threading(
        "BoundedSemaphore, with", "BoundedSemaphore()", WITH, aiologic=("aiologic.BoundedSemaphore(1)", WITH)
    ),
    like_threading(
        "Condition, with + notify",
        "Condition()",
        "with o: o.notify()",
        aiologic=("aiologic.Condition()", "with o: o.notify()"),
    ),
    like_threading(
        "Event, set + clear", "Event()", "o.set(); o.clear()", aiologic=("aiologic.REvent()", "o.set(); o.clear()")
    ),
    like_threading("Event, wait when set", "Event()", "o.wait()", aiologic=("aiologic.Event()", "o.wait()")),
    like_threading("Barrier(1), wait", "Barrier(1)", "o.wait()", aiologic=("aiologic.RBarrier(1)", "o.wait()")),
    Single(
        "RWLock, with read()",
        "uncontended",
        "thread",
        {"interlock": ("interlock.RWLock()", "with o.read(): pass"), FLOOR: (f"{FLOOR}.Empty()", WITH)},
    ),
    Single(
        "RWLock, with write()",
        "uncontended",
        "thread",
        {"interlock": ("interlock.RWLock()", "with o.write(): pass"), FLOOR: (f"{FLOOR}.Empty()", WITH)},
    ),
    Single(
        "Latch(0), wait",
        "uncontended",
        "thread",
        {"interlock": ("interlock.Latch(0)", "o.wait()"), FLOOR: (f"{FLOOR}.Empty()", "o.wait()")},
    ),
]


def construction(made: str, aiologics: str | None = None) -> Single:
    """Made and thrown away. ``o`` is the class; ``multiprocessing``'s functions make a semaphore of the system each."""
    name, arguments = re.fullmatch(r"(\w+)(\(.*\))", made).groups()  # type: ignore[union-attr]
    lines = {
        library: (f"{library}.{name}", f"o{arguments}") for library in ("interlock", "threading", "multiprocessing")
    }
    if name != "RLock":
        lines["asyncio"] = (f"asyncio.{name}", f"o{arguments}")
    if aiologics is not None:
        lines["aiologic"] = (f"aiologic.{aiologics}", "o(1)" if "Sem" in name else f"o{arguments}")
    if name == "Lock":
        lines["_thread.lock"] = ("_thread.allocate_lock", "o()")
    lines[FLOOR] = (f"{FLOOR}.Empty", "o()")
    return Single(f"{made}", "construction", "", lines)


CONSTRUCTION = [
    construction("Lock()", "Lock"),
    construction("RLock()", "RLock"),
    construction("Semaphore()", "Semaphore"),
    construction("BoundedSemaphore()", "BoundedSemaphore"),
    construction("Event()", "REvent"),
    construction("Condition()", "Condition"),
    construction("Barrier(4)", "RBarrier"),
]


def tasks(
    operation: str, primitive: str, statement: str, situation: str = "uncontended", arguments: str = "", **theirs: str
) -> list[Single]:
    """One figure for each loop. ``theirs``: the statements of others, or "" where they have nothing like it."""
    made = {
        "interlock": f"interlock.{primitive}({arguments})",
        "asyncio": f"asyncio.{primitive}({arguments})",
        "trio": f"trio.{primitive}({arguments})",
        "anyio": f"anyio.{primitive}({arguments})",
        "aiologic": f"aiologic.{primitive}({arguments})",
        FLOOR: f"{FLOOR}.Empty()",
    }
    if primitive == "Semaphore":
        made.update(
            trio="trio.Semaphore(1)", anyio="anyio.Semaphore(1, fast_acquire=True)", aiologic="aiologic.Semaphore(1)"
        )
    if primitive == "Lock":
        made["anyio"] = "anyio.Lock(fast_acquire=True)"
    if primitive == "Barrier":
        made["aiologic"] = "aiologic.RBarrier(1)"
    spelled = {
        "asyncio": ("interlock", "asyncio", "anyio", "aiologic", FLOOR),
        "trio": ("interlock", "trio", "anyio", "aiologic"),
    }
    lines = {library: (made[library], theirs.get(library, statement)) for library in made}
    return [
        Single(
            operation,
            situation,
            f"{loop} task",
            {library: lines[library] for library in spelled[loop] if lines[library][1]},
        )
        for loop in spelled
        if loop == "asyncio" or lines["trio"][1]
    ]


ENTER = "async with o: pass"
TASKS = [
    *tasks("Lock, async with", "Lock", ENTER),
    *tasks(
        "Lock, await acquire + release",
        "Lock",
        "await o.acquire(); o.release()",
        interlock="await o.acquire_async(); o.release()",
        aiologic="await o.async_acquire(); o.async_release()",
        empty="await o.nothing(); o.release()",
    ),
    *tasks("Lock, async with", "Lock", "async with o: work()", "work inside"),
    *tasks("Lock, async with", "Lock", f"{ENTER}\nwork()", "work outside"),
    *tasks("Semaphore, async with", "Semaphore", ENTER),
    *tasks("Condition, async with", "Condition", ENTER),
    *tasks("Condition, async with + notify", "Condition", "async with o: o.notify()"),
    *tasks(
        "Event, await wait when set",
        "Event",
        "await o.wait()",
        interlock="await o.wait_async()",
        aiologic="await o",
        empty="await o.nothing()",
    ),
    *tasks(
        "Barrier(1), await wait",
        "Barrier",
        "await o.wait()",
        arguments="1",
        interlock="await o.wait_async()",
        aiologic="await o",
        empty="await o.nothing()",
        anyio="",
        trio="",
    ),
]
SINGLES = [*THREADS, *CONSTRUCTION, *TASKS]


def work() -> int:
    """Something to do, of half a microsecond or so."""
    return sum(range(25))


def namespace(make: str) -> dict[str, Any] | None:
    """What the statement may name, or None where the library of that implementation is not there."""
    library = make.partition(".")[0]
    module = floor.load() if library == FLOOR else importlib.import_module(library) if installed(library) else None
    return None if module is None else {library: module, "work": work, "clock": own}


PREPARATIONS = {
    "Event, wait when set": "o.set()",
    "Event, await wait when set": "o.set()",
    "RLock, with, held already": "o.acquire()",
}


def measure_of(single: Single, library: str) -> Measure | None:
    """Measures a multiple of `TIMES`. The object and the loop are new each time."""
    make, statement = single.lines[library]
    names = namespace(make)
    if names is None:
        return None
    prepare = "pass" if library == FLOOR else PREPARATIONS.get(single.operation, "pass")
    if library == "aiologic" and prepare == "o.acquire()":
        prepare = "o.green_acquire()"
    loop = next((loop for loop in LOOPS if single.party.startswith(loop.name)), None)
    text = "\n".join(
        [
            f"{'async ' if loop else ''}def measure(count):",
            f"    o = {make}",
            f"    {prepare}",
            "    began = clock()",
            "    for _ in range(count):",
            textwrap.indent("\n".join([statement] * TIMES), " " * 8),
            "    return clock() - began",
        ]
    )
    exec(text, names)
    function: Callable[[int], Any] = names["measure"]
    if loop is None:
        return lambda count: float(function(max(1, count // TIMES)))
    return lambda count: float(loop.run(function, max(1, count // TIMES)))


def figures_of(*parties: str) -> list[Figure]:
    found = []
    for single in (single for single in SINGLES if single.party in parties):
        measures = {library: measure_of(single, library) for library in single.lines}
        there = {library: measure for library, measure in measures.items() if measure is not None}
        found.append(Figure(single.operation, single.situation, single.party, there))
    return found


def name_of(single: Single, library: str) -> str:
    """What pyperf calls it."""
    return f"{single.name} / {library}"


def measured_here() -> list[tuple[Single, str]]:
    """All that there is a library for."""
    return [
        (single, library)
        for single in SINGLES
        for library in single.lines
        if (floor.compiled().exists() if library == FLOOR else installed(library))
    ]


def timed(loops: int, single: Single, library: str) -> float:
    measure = measure_of(single, library)
    assert measure is not None
    return measure(loops * TIMES)


def main() -> None:
    import pyperf

    def pass_on(command: list[str], options: argparse.Namespace) -> None:
        command.extend(("--only", options.only))

    # A loop that has been calibrated once is as long in the next pass: that saves pyperf a process for each.
    calibrated: dict[str, int] = {}

    runner = pyperf.Runner(program_args=("-m", "benchmarks.single"), add_cmdline_args=pass_on)
    runner.argparser.add_argument("--only", default="[]")
    runner.argparser.add_argument("--calibrated", metavar="FILE", default=None)
    options = runner.parse_args()
    words = json.loads(options.only)
    if options.calibrated is not None:
        for benchmark in pyperf.BenchmarkSuite.load(options.calibrated).get_benchmarks():
            calibrated[benchmark.get_name()] = benchmark.get_loops()
    # A worker comes through here for one of them: nothing is made, and no library imported, before it is measured.
    for single, library in measured_here():
        if wanted(single.name, words):
            if not options.worker:
                options.loops = calibrated.get(name_of(single, library), 0)
            runner.bench_time_func(name_of(single, library), timed, single, library, inner_loops=TIMES)


if __name__ == "__main__":
    main()
