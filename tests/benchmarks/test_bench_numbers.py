"""The arithmetic of the benchmarks, and the verdicts that are made of it, on made-up samples."""

import json
import math

import pytest

from benchmarks import figures, goals, results, spread, table
from benchmarks.figures import Figure
from benchmarks.goals import Goal


def figure(name: str, unit: str = "ns", **samples: list[float]) -> Figure:
    operation, situation, party = name.split(" / ")
    return Figure(operation, situation, party, {}, unit=unit, samples=samples)


def test_median_and_quartiles() -> None:
    assert spread.spread([5.0, 1.0, 4.0, 2.0, 3.0]) == (2.0, 3.0, 4.0)
    assert spread.spread([1.0, 2.0]) == (1.25, 1.5, 1.75)
    assert spread.spread([7.0]) == (7.0, 7.0, 7.0)


def test_no_samples_have_no_median() -> None:
    with pytest.raises(ValueError, match="no samples"):
        spread.spread([])


def test_ratios_are_taken_round_by_round() -> None:
    # The machine became twice as slow in the second round: for both.
    assert spread.ratios([10.0, 20.0], [40.0, 80.0]) == [0.25, 0.25]
    assert (
        figure("A / b / c", interlock=[10.0, 20.0, 10.0], threading=[40.0, 80.0, 20.0]).ratio("threading").median
        == 0.25
    )


def test_rounds_that_do_not_match_are_an_error() -> None:
    with pytest.raises(ValueError, match="2 rounds of ours, 1 of theirs"):
        spread.ratios([1.0, 2.0], [1.0])


@pytest.mark.parametrize(
    ("value", "kept"), [(123456.0, 123500.0), (0.0012345, 0.001234), (0.0, 0.0), (-12.3456, -12.35)]
)
def test_samples_are_kept_with_four_digits(value: float, kept: float) -> None:
    assert spread.rounded(value) == kept


def test_the_median_decides() -> None:
    goal = Goal(2, "A / b / c", 0.5, "threading")
    measured = {"A / b / c": figure("A / b / c", interlock=[1.0, 1.0, 9.0], threading=[2.0, 2.0, 2.0])}
    one = goals.verdict(goal, measured)
    assert one is not None
    assert one.holds
    assert one.measured.median == 0.5
    assert one.measured.high > 0.5
    just_over = {"A / b / c": figure("A / b / c", interlock=[1.01], threading=[2.0])}
    assert not goals.verdict(goal, just_over).holds  # type: ignore[union-attr]


def test_a_goal_for_the_value_itself() -> None:
    measured = {"A / b / c": figure("A / b / c", "ms", interlock=[24.0, 26.0, 25.0])}
    assert goals.verdict(Goal(6, "A / b / c", 25), measured).holds  # type: ignore[union-attr]
    assert not goals.verdict(Goal(6, "A / b / c", 24.9), measured).holds  # type: ignore[union-attr]


def test_a_goal_that_is_to_be_reached() -> None:
    measured = {"A / b / c": figure("A / b / c", "share", interlock=[0.3, 0.2, 0.4])}
    assert goals.verdict(Goal(6, "A / b / c", 0.25, least=True), measured).holds  # type: ignore[union-attr]
    assert not goals.verdict(Goal(6, "A / b / c", 0.35, least=True), measured).holds  # type: ignore[union-attr]


def test_a_goal_beside_another_figure_of_ours() -> None:
    measured = {
        "A / many / c": figure("A / many / c", interlock=[30.0, 30.0]),
        "A / few / c": figure("A / few / c", interlock=[10.0, 15.0]),
    }
    one = goals.verdict(Goal(6, "A / many / c", 1.5, "A / few / c"), measured)
    assert one is not None
    assert one.measured.median == 2.5
    assert not one.holds


def test_what_was_not_measured_has_no_verdict() -> None:
    measured = {"A / b / c": figure("A / b / c", interlock=[1.0])}
    assert goals.verdict(Goal(6, "another", 1.0), measured) is None
    assert goals.verdict(Goal(6, "A / b / c", 1.0, "threading"), measured) is None


@pytest.mark.parametrize(
    ("ours", "holds", "even"),
    [
        ([0.9, 0.9, 0.9], True, False),
        ([0.97, 1.02, 1.04], True, True),  # its lower quartile is below 1
        ([1.01, 1.02, 1.04], False, False),
        ([0.5, 1.2, 1.3], False, False),  # far apart, but by more than even
    ],
)
def test_no_slower_than(ours: list[float], holds: bool, even: bool) -> None:
    one = goals.not_slower(figure("A / b / c", interlock=ours, threading=[1.0] * 3), "threading")
    assert (one.holds, one.even) == (holds, even)


def test_all_that_is_timed_beside_the_standard_library_must_not_be_slower() -> None:
    found = goals.verdicts(
        [
            figure("A / b / c", interlock=[2.0], threading=[1.0], asyncio=[4.0]),
            figure("A / memory / c", "bytes", interlock=[2.0], threading=[1.0]),
            figure("A / b / d", threading=[1.0]),
        ]
    )
    assert [(one.goal.figure, one.goal.to, one.holds) for one in found] == [
        ("A / b / c", "threading", False),
        ("A / b / c", "asyncio", True),
    ]


def test_rounds_are_measured_in_turn() -> None:
    order = []

    def measure(name: str, takes: float) -> figures.Measure:
        def one(count: int) -> float:
            order.append(name)
            return takes * count

        return one

    both = Figure("A", "b", "c", {"interlock": measure("ours", 1e-9), "threading": measure("theirs", 4e-9)}, count=5)
    figures.in_turn(both, rounds=3, seconds=1.0)
    assert order == ["ours", "theirs", "theirs", "ours", "ours", "theirs"]
    assert both.samples == {"interlock": [1.0] * 3, "threading": [4.0] * 3}


def test_a_long_figure_has_fewer_rounds() -> None:
    slow = Figure("A", "b", "c", {"interlock": lambda count: count}, unit="s", count=1, long=True)
    figures.in_turn(slow, rounds=9, seconds=1.0)
    assert len(slow.samples["interlock"]) == 3
    figures.in_turn(slow, rounds=2, seconds=1.0)
    assert len(slow.samples["interlock"]) == 2


@pytest.mark.parametrize("each", [1e-8, 1e-5, 0.3])
def test_the_count_fits_the_time_of_a_round(each: float) -> None:
    count = figures.fitting_count(lambda count: count * each, 0.1)
    assert count == max(1, round(0.1 / each))


def test_samples_that_are_no_times_are_taken_as_they_are() -> None:
    memory = Figure("A", "memory", "", {"interlock": lambda count: 112.0}, unit="bytes")
    figures.in_turn(memory, rounds=2, seconds=1.0)
    assert memory.samples == {"interlock": [112.0, 112.0]}


@pytest.mark.parametrize(
    ("name", "words", "is_wanted"),
    [
        ("Lock, with / contended / 4 threads", [], True),
        ("Lock, with / contended / 4 threads", ["Lock threads"], True),
        ("Lock, with / contended / 4 threads", ["Semaphore", "contended"], True),
        ("Lock, with / contended / 4 threads", ["Lock tasks"], False),
    ],
)
def test_words_choose_figures(name: str, words: list[str], is_wanted: bool) -> None:
    assert figures.wanted(name, words) == is_wanted


@pytest.mark.parametrize(
    ("value", "unit", "text"),
    [
        (0.0, "ns", "0 ns"),
        (17.26, "ns", "17.3 ns"),
        (999.0, "ns", "999 ns"),
        (1_234.0, "ns", "1.23 µs"),
        (43_210_000.0, "ns", "43.2 ms"),
        (5e9, "ns", "5.00 s"),
        (1_538.0, "bytes", "1,538 bytes"),
    ],
)
def test_amounts(value: float, unit: str, text: str) -> None:
    assert table.amount(value, unit) == text


def test_a_spread_is_written_in_the_unit_of_its_median() -> None:
    assert table.amount_spread(spread.Spread(900.0, 1_000.0, 2_500.0), "ns") == "1.00 µs (0.90–2.50)"
    assert table.ratio_spread(spread.Spread(0.05, 0.5, 1.25)) == "0.500 (0.050–1.25)"


def made_up() -> results.Results:
    return results.Results(
        "quick",
        "2026-01-31",
        61.4,
        {"python": "CPython 3.13.1", "cpus": 2, "processor": "a processor", "system": "a system"},
        [
            figure(
                "Lock, with / uncontended / thread",
                interlock=[50.0, 60.0],
                threading=[100.0, 100.0],
                empty=[40.0, 40.0],
            ),
            figure("import / time / ", "ms", interlock=[30.0, 31.0]),
        ],
    )


def test_the_shape_of_the_json() -> None:
    document = json.loads(results.to_json(made_up()))
    assert document["schema"] == 1
    assert (document["kind"], document["date"], document["seconds"]) == ("quick", "2026-01-31", 61)
    assert document["figures"][0] == {
        "operation": "Lock, with",
        "situation": "uncontended",
        "party": "thread",
        "unit": "ns",
        "pinned": False,
        "size": 0,
        "samples": {"interlock": [50.0, 60.0], "threading": [100.0, 100.0], "empty": [40.0, 40.0]},
    }
    assert document["ratios"][0] == {
        "figure": "Lock, with / uncontended / thread",
        "to": "threading",
        "low": 0.525,
        "median": 0.55,
        "high": 0.575,
    }
    assert document["verdicts"][0] == {
        "issue": 2,
        "figure": "Lock, with / uncontended / thread",
        "to": "threading",
        "limit": 0.55,
        "least": False,
        "low": 0.525,
        "median": 0.55,
        "high": 0.575,
        "unit": "",
        "holds": True,
        "even": False,
    }
    assert [one["figure"] for one in document["verdicts"] if not one["holds"]] == ["import / time"]
    assert document["missed"] == 1


def test_results_come_back_from_their_json() -> None:
    text = results.to_json(made_up())
    assert results.to_json(results.from_json(text)) == text


def test_another_schema_is_refused() -> None:
    text = results.to_json(made_up()).replace('"schema": 1', '"schema": 2')
    with pytest.raises(ValueError, match="schema 2"):
        results.from_json(text)


def test_the_table_says_for_each_goal_who_set_it_and_whether_it_holds() -> None:
    lines = [" ".join(line.split()) for line in table.lines(made_up())]
    assert (
        "Lock, with / uncontended / thread 55.0 ns 0.550 (0.525–0.575) of threading, 1.38 (1.31–1.44) of empty" in lines
    )
    assert "holds 0.550 (0.525–0.575) ≤ 0.55 of threading (issue 2) Lock, with / uncontended / thread" in lines
    assert "MISSED 30.5 ms (30.2–30.8) ≤ 25.0 ms (issue 6) import / time" in lines
    assert lines[-1] == "2 of 3 goals hold; 61 s"


def test_quartiles_lie_around_the_median() -> None:
    samples = [math.sin(number) + 2 for number in range(50)]
    low, median, high = spread.spread(samples)
    assert min(samples) < low < median < high < max(samples)
