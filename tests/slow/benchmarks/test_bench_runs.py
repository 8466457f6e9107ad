"""Everything in the matrix runs, with as little to do as can be. Nothing here asserts a time."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from benchmarks import costs, floor, growth, libraries, matrix, run, threads
from benchmarks.figures import OURS, Figure, once, one_cpu

ROOT = Path(__file__).parents[3]
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
    for module in floor.SOURCES:
        floor.load(kept, module)
    yield kept
    for module in floor.SOURCES:
        sys.modules.pop(module, None)


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


def test_the_floor_is_compiled_as_the_core_is(with_floor: Path) -> None:
    module = floor.load(with_floor)
    assert module is not None
    empty = module.Empty()
    with empty:
        pass
    assert type(module.Empty.acquire).__name__ == "method_descriptor"
    assert not hasattr(empty, "__dict__")


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


@pytest.mark.skipif(not libraries.installed("pyperf"), reason="pyperf comes with the bench extra")
def test_single_operations_by_pyperf(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run, "KEPT", tmp_path)
    monkeypatch.setattr(run, "PASSES", 2)
    (figure,) = run.by_pyperf(["Latch(0)"])
    assert len(figure.samples[OURS]) == 2 * run.VALUES
    assert sorted(path.name for path in tmp_path.iterdir()) == ["pyperf-1.json", "pyperf-2.json"]
