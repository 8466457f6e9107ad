"""Runs the parts, each in a process of its own, and collects what they say."""

import datetime
import json
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from benchmarks import KEPT, ROOT, floor, machine
from benchmarks.figures import Figure, wanted
from benchmarks.matrix import PARTS, SINGLE, restored
from benchmarks.results import Results
from benchmarks.single import SINGLES, measured_here, name_of
from benchmarks.spread import rounded

# (rounds, seconds for each sample)
FULL = {"growth": (5, 0.0), "costs": (5, 0.1), "whole programs": (5, 0.0)}
FULL_OTHERS = (9, 0.1)
QUICK = {"growth": (2, 0.0), "costs": (2, 0.02), "whole programs": (1, 0.0)}
QUICK_OTHERS = (4, 0.008)
PASSES = 3  # of pyperf over all single operations; with `VALUES` each
VALUES = 3
PYPERF = ["--processes", "1", "--values", str(VALUES), "--warmups", "1", "--min-time", "0.02"]
PATIENCE = 600  # seconds for one part


def say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def quick(words: list[str]) -> Results:
    began, machine_then = time.monotonic(), machine.describe()
    figures = [figure for part in PARTS for figure in of_part(part, *QUICK.get(part, QUICK_OTHERS), words)]
    return made("quick", machine_then, began, figures)


def full(words: list[str]) -> Results:
    began, machine_then = time.monotonic(), machine.describe()
    figures = [*by_pyperf(words)]
    for part in PARTS:
        if part not in SINGLE:
            figures += of_part(part, *FULL.get(part, FULL_OTHERS), words)
    return made("full", machine_then, began, figures)


def again(results: Results, part: str) -> Results:
    """One part measured anew; the rest is as it was. The page says so, with the date."""
    measured = {figure.name: figure for figure in of_part(part, *FULL.get(part, FULL_OTHERS), [])}
    kept = [measured.pop(figure.name, figure) for figure in results.figures]
    anew = {**results.machine.get("anew", {}), part: datetime.date.today().isoformat()}
    figures = [*kept, *measured.values()]
    return Results(results.kind, results.date, results.seconds, {**results.machine, "anew": anew}, figures)


def made(kind: str, machine_then: dict[str, object], began: float, figures: list[Figure]) -> Results:
    return Results(kind, datetime.date.today().isoformat(), time.monotonic() - began, machine_then, figures)


def of_part(part: str, rounds: int, seconds: float, words: list[str]) -> Iterator[Figure]:
    command = [sys.executable, "-m", "benchmarks.matrix", part, str(rounds), str(seconds), *words]
    began = time.monotonic()
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            for line in process.stdout:
                figure = restored(json.loads(line))
                say(f"[{time.monotonic() - began:5.1f} s] {part}: {figure.name}")
                yield figure
                if time.monotonic() - began > PATIENCE:
                    raise SystemExit(f"{part} takes too long")
        except BaseException:
            process.kill()
            raise
    if process.returncode != 0:
        raise SystemExit(f"{part}: exit code {process.returncode}")


def chosen(words: list[str]) -> Iterator[Figure]:
    for single in SINGLES:
        if wanted(single.name, words):
            yield Figure(single.operation, single.situation, single.party, {})


def by_pyperf(words: list[str]) -> Iterator[Figure]:
    """Single operations. Everything is measured `PASSES` times over; sample by sample, what is divided was taken in
    the same pass."""
    import pyperf

    figures = {figure.name: figure for figure in chosen(words)}
    of = {
        name_of(single, library): (figures[single.name], library)
        for single, library in measured_here()
        if single.name in figures
    }
    for turn in range(PASSES if of else 0):
        kept = KEPT / f"pyperf-{turn + 1}.json"
        kept.unlink(missing_ok=True)
        more = ["--calibrated", str(KEPT / "pyperf-1.json")] if turn > 0 else []
        run_pyperf(kept, f"pyperf, pass {turn + 1} of {PASSES}", len(of), words, more)
        for benchmark in pyperf.BenchmarkSuite.load(str(kept)).get_benchmarks():
            figure, library = of[benchmark.get_name()]
            figure.samples.setdefault(library, []).extend(rounded(value * 1e9) for value in benchmark.get_values())
    yield from figures.values()


def run_pyperf(kept: Path, what: str, number: int, words: list[str], more: list[str]) -> None:
    command = [
        sys.executable,
        "-m",
        "benchmarks.single",
        *PYPERF,
        "--output",
        str(kept),
        "--only",
        json.dumps(words),
        *more,
    ]
    done = 0
    began = time.monotonic()
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        for line in process.stdout:
            if ": Mean +- std dev:" in line or line.rstrip().endswith((" ns", " us", " ms")):
                done += 1
                say(f"[{time.monotonic() - began:5.1f} s] {what}: {done} of {number}: {line.strip()}")
    if process.returncode != 0:
        raise SystemExit(f"{what}: exit code {process.returncode}")


def prepare() -> None:
    KEPT.mkdir(parents=True, exist_ok=True)
    floor.compile_into()
