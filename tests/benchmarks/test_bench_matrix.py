"""The matrix: every name in it stands for something that runs. Nothing here asserts a time."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks import goals, libraries, matrix, results, run, single
from benchmarks.figures import OURS, Figure, can_pin

ROOT = Path(__file__).parents[2]


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


def test_a_part_is_measured_anew_for_the_page_only() -> None:
    refused = subprocess.run(
        [sys.executable, "-m", "benchmarks", "--again", "queues"], cwd=ROOT, capture_output=True, encoding="utf-8"
    )
    assert refused.returncode == 2
    assert "add --page" in refused.stderr


def test_what_is_measured_anew_replaces_what_was(monkeypatch: pytest.MonkeyPatch) -> None:
    def figure(operation: str, sample: float) -> Figure:
        return Figure(operation, "", "", {}, samples={OURS: [sample]})

    monkeypatch.setattr(run, "of_part", lambda *_: iter([figure("b", 2.0), figure("c", 3.0)]))
    before = results.Results("full", "2026-01-31", 600.0, {"cpus": 2}, [figure("a", 0.0), figure("b", 0.0)])
    after = run.again(before, "queues")
    assert {one.name: one.samples[OURS] for one in after.figures} == {"a": [0.0], "b": [2.0], "c": [3.0]}
    assert [*after.machine["anew"]] == ["queues"]
    assert before.machine == {"cpus": 2}
