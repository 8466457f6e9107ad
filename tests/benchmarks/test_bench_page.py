"""The page of the benchmarks, on made-up results and as it stands in docs/."""

import re
from pathlib import Path

import pytest

from benchmarks import goals, matrix, page, reasons, results
from benchmarks.figures import Figure
from benchmarks.libraries import installed

ROOT = Path(__file__).parents[2]
MACHINE = {
    "processor": "a processor",
    "cpus": 2,
    "system": "a system",
    "python": "CPython 3.13.1",
    "compiler": "a compiler",
    "switch_interval_ms": 5.0,
    "load_when_it_began": 0.1,
    "interlock": "0.1.0",
    "versions": {"aiologic": "0.17", "trio": ""},
}


def made_up() -> results.Results:
    """Every goal of the list has its figure, and every one is just held; each table has something to show."""
    figures: dict[str, Figure] = {}
    for part in matrix.PARTS:
        for figure in matrix.figures(part):
            figure.samples = {library: [2.0, 1.0, 3.0] for library in figure.measures}
            figures[figure.name] = figure
    limited: set[str] = set()  # several goals of one figure: the strictest counts
    for goal in goals.GOALS:
        if goal.figure in figures:
            held = goal.limit * 2 if goal.to else goal.limit
            others = [held, *figures[goal.figure].samples["interlock"]] if goal.figure in limited else [held]
            figures[goal.figure].samples["interlock"] = [min(others)] * 3
            limited.add(goal.figure)
    return results.Results("full", "2026-01-31", 600.0, MACHINE, [*figures.values()])


def test_every_figure_stands_in_exactly_one_table() -> None:
    for figure in made_up().figures:
        tables = [title for title, choose in page.TABLES if choose(figure)]
        assert len(tables) == 1, f"{figure.name}: {tables}"


def test_the_page_says_what_holds() -> None:
    made = made_up()
    text = page.text(made, ["threads.svg"])
    assert "| Semaphore, with / uncontended / thread | ≤ 0.10 of threading | 0.100 (0.083–0.150) | holds |" in text
    assert "| processor | a processor, 2 CPUs |" in text
    assert "aiologic 0.17" in text
    assert "trio ," not in text
    assert "![Ratios to threading, with quartiles](benchmarks/threads.svg)" in text
    for figure in made.figures:
        assert f"| {figure.name} |" in text


def test_the_page_says_what_is_missed_and_why(monkeypatch: pytest.MonkeyPatch) -> None:
    made = made_up()
    for figure in made.figures:
        if figure.name in ("import / time", "Lock() / construction"):
            figure.samples["interlock"] = [1_000.0] * 3
    because = reasons.Reason(("import / *",), "it reads a large file.")
    monkeypatch.setattr(page, "REASONS", [because])
    text = page.text(made, [])
    assert "| import / time | ≤ 25.0 ms | 1,000 ms (1,000–1,000) | **missed** |" in text
    assert "- import / time: it reads a large file.\n" in text
    assert re.search(r"\| Lock\(\) / construction \| ≤ 1.00 of threading \| .* \| \*\*missed\*\* \|", text)
    assert re.search(r"- .*Lock\(\) / construction.*: the reason is not known yet\.", text)


def test_the_page_is_made_of_its_results_and_nothing_else() -> None:
    text = results.to_json(made_up())
    assert page.text(results.from_json(text), []) == page.text(made_up(), [])


@pytest.mark.skipif(not installed("matplotlib"), reason="matplotlib comes with the bench extra")
def test_the_page_with_its_pictures(tmp_path: Path) -> None:
    page.write(made_up(), tmp_path)
    text = (tmp_path / "benchmarks.md").read_text(encoding="utf-8")
    shown = re.findall(r"!\[.+\]\((.+)\)", text)
    assert shown == [f"benchmarks/{name}.svg" for name in page.CAPTIONS]
    for name in shown:
        assert (tmp_path / name).read_text(encoding="utf-8").startswith("<?xml")
    kept = results.from_json((tmp_path / "benchmarks" / "results.json").read_text(encoding="utf-8"))
    assert kept.kind == "full"
    first = {name: (tmp_path / name).read_bytes() for name in shown}
    page.write(made_up(), tmp_path)
    assert {name: (tmp_path / name).read_bytes() for name in shown} == first


def test_the_page_in_docs_is_the_one_that_its_results_make() -> None:
    """`python -m benchmarks --from docs/benchmarks/results.json --page` makes it anew."""
    kept = results.from_json((ROOT / "docs" / "benchmarks" / "results.json").read_text(encoding="utf-8"))
    drawn = [f"{name}.svg" for name in page.CAPTIONS]
    assert (ROOT / "docs" / "benchmarks.md").read_text(encoding="utf-8") == page.text(kept, drawn)
    assert sorted(path.name for path in (ROOT / "docs" / "benchmarks").iterdir()) == sorted(["results.json", *drawn])
    assert kept.kind == "full", "the page is made by `make bench`"


def test_every_goal_was_measured_for_the_page_in_docs() -> None:
    kept = results.from_json((ROOT / "docs" / "benchmarks" / "results.json").read_text(encoding="utf-8"))
    assert {one.goal for one in kept.verdicts} >= set(goals.GOALS)
