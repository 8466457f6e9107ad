"""The matrix: every name in it stands for something that runs. Nothing here asserts a time."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from benchmarks import costs, floor, goals, growth, libraries, matrix, results, run, single, threads
from benchmarks.figures import OURS, Figure, can_pin, once, one_cpu

ROOT = Path(__file__).parents[2]
# Figures that name implementations which may not be installed here have fewer of them; `interlock` is in each.
SMALL = {
    "growth": lambda: growth.figures(threads=(1, 3), tasks=(1, 7)),
}


def small(part: str) -> list[Figure]:
    return SMALL[part]() if part in SMALL else matrix.figures(part)


@pytest.fixture(scope="module")
def with_floor(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    kept = tmp_path_factory.mktemp("floor")
    floor.compile_into(kept)
    module = floor.load(kept)
    yield kept
    if module is not None:
        sys.modules.pop(floor.MODULE, None)


@pytest.mark.parametrize("part", matrix.PARTS)
def test_each_measurement_runs(part: str, with_floor: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(threads, "SECONDS", 0.01)
    monkeypatch.setattr(costs, "OBJECTS", 10)
    monkeypatch.setattr(costs, "WAITING", 10)
    measured = small(part)
    assert measured
    for figure in measured:
        assert OURS in figure.measures, figure.name
        for library in figure.measures:
            with one_cpu(figure.pinned):
                sample = once(figure, library, min(figure.count or 2, 2))
            # The cost of a recording is a difference, and the cost of an import that is there already may be none.
            assert isinstance(sample, float), f"{figure.name}, {library}: {sample!r}"


def test_figures_have_names_of_their_own() -> None:
    names = [figure.name for part in matrix.PARTS for figure in matrix.figures(part)]
    assert len(names) == len(set(names))


def test_every_goal_has_its_figure() -> None:
    figures = {figure.name: figure for part in matrix.PARTS for figure in matrix.figures(part)}
    for goal in goals.GOALS:
        if "one CPU" in goal.figure and not can_pin():
            continue
        if goal.figure.startswith("import / memory") and sys.platform != "linux":
            continue
        figure = figures[goal.figure]
        if goal.to and libraries.installed(goal.to.partition(" / ")[0].partition(",")[0]):
            assert goal.to in figure.measures or goal.to in figures, goal


def test_the_matrix_has_all_situations_and_parties() -> None:
    figures = [figure for part in matrix.PARTS for figure in matrix.figures(part)]
    parties = {figure.party for figure in figures}
    assert {"thread", "4 threads", "asyncio task", "thread ↔ task", "tasks of two loops"} <= parties
    situations = {figure.situation for figure in figures}
    assert {
        "uncontended",
        "contended",
        "work inside",
        "work outside",
        "contended, work inside",
        "contended, work outside",
        "ping-pong",
        "construction",
    } <= situations
    if can_pin():
        assert {"ping-pong, one CPU", "contended, one CPU"} <= situations
    assert {figure.size for figure in figures} == {0, 1, 10, 100, 500, 1_000, 10_000}


def test_a_table_without_what_is_not_installed() -> None:
    table = libraries.there({"interlock": object, "no_such_library": object, "_thread.lock": object})
    assert [*table] == ["interlock", "_thread.lock"]


def test_a_library_is_imported_when_it_is_first_used() -> None:
    program = (
        "import sys; sys.path.insert(0, '.'); from benchmarks import matrix, single\n"
        "matrix.figures('asyncio tasks'); assert 'trio' not in sys.modules\n"
        "single.measure_of(next(s for s in single.THREADS), 'interlock'); assert 'asyncio' not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", program], cwd=ROOT, check=True, timeout=60)


def test_the_floor_is_compiled_as_the_core_is(with_floor: Path) -> None:
    module = floor.load(with_floor)
    assert module is not None
    empty = module.Empty()
    with empty:
        pass
    assert type(module.Empty.acquire).__name__ == "method_descriptor"
    assert not hasattr(empty, "__dict__")


def test_what_is_measured_here_is_what_pyperf_is_asked_for() -> None:
    names = [single.name_of(one, library) for one, library in single.measured_here()]
    assert len(names) == len(set(names))
    assert {one.name for one in single.SINGLES} == {one.name for one, _ in single.measured_here()}


def command(*arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONDONTWRITEBYTECODE": "1"}
    return subprocess.run(
        [sys.executable, "-m", "benchmarks", *arguments],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        encoding="utf-8",
        timeout=100,
    )


def test_a_quick_run_of_some_figures(tmp_path: Path) -> None:
    kept = tmp_path / "quick.json"
    result = command("--quick", "--json", str(kept), "Latch", "deadlock 4")
    assert result.returncode == 0, result.stderr
    document = json.loads(kept.read_text(encoding="utf-8"))
    assert {(one["operation"], one["situation"]) for one in document["figures"]} == {
        ("Latch(0), wait", "uncontended"),
        ("Latch", "memory, with all its parts"),
        ("Latch", "size of the object itself"),
        ("deadlock check", "a chain of 4"),
        ("deadlock check", "a chain of 64"),
    }
    assert document["kind"] == "quick"
    assert [one["figure"] for one in document["verdicts"]] == [
        "Latch / size of the object itself",
        "deadlock check / a chain of 4",
    ]
    assert "Latch / size of the object itself" in result.stdout
    assert "costs: deadlock check / a chain of 4" in result.stderr
    again = command("--from", str(kept), "--json", "-")
    assert again.stdout == kept.read_text(encoding="utf-8")


def test_the_exit_code_says_what_is_missed_only_when_asked(tmp_path: Path) -> None:
    kept = tmp_path / "some.json"
    figure = Figure("import", "time", "", {}, unit="ms", samples={OURS: [1_000.0]})
    machine = {"python": "3", "cpus": 1, "processor": "p", "system": "s"}
    kept.write_text(results.to_json(results.Results("quick", "2026-01-31", 1.0, machine, [figure])), encoding="utf-8")
    assert command("--from", str(kept), "--json", "-").returncode == 0
    assert command("--from", str(kept), "--json", "-", "--check").returncode == 1


def test_part_of_a_run_makes_no_page() -> None:
    result = command("--page", "--quick")
    assert result.returncode == 2
    assert "whole run" in result.stderr


@pytest.mark.skipif(not libraries.installed("pyperf"), reason="pyperf comes with the bench extra")
def test_single_operations_by_pyperf(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run, "KEPT", tmp_path)
    monkeypatch.setattr(run, "PASSES", 2)
    (figure,) = run.by_pyperf(["Latch(0)"])
    assert len(figure.samples[OURS]) == 2 * run.VALUES
    assert sorted(path.name for path in tmp_path.iterdir()) == ["pyperf-1.json", "pyperf-2.json"]
