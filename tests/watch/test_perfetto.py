"""The trace obeys the rules of Chrome's trace format, as far as Perfetto relies on them."""

import json
from collections import defaultdict
from typing import Any

import pytest
from made import CONTENDED, MS, recording
from test_story import CONDITION

from interlock.watch.perfetto import trace
from interlock.watch.recording import Recording

FIELDS = {
    "M": {"name", "pid", "tid", "args"},
    "X": {"name", "cat", "ts", "dur", "pid", "tid", "args"},
    "b": {"name", "cat", "id", "ts", "pid", "tid", "args"},
    "e": {"name", "cat", "id", "ts", "pid", "tid"},
    "s": {"name", "cat", "id", "ts", "pid", "tid"},
    "f": {"name", "cat", "id", "ts", "pid", "tid", "bp"},
    "i": {"name", "cat", "ts", "pid", "tid", "s", "args"},
}


def check(made: dict[str, Any]) -> list[dict[str, Any]]:
    """Fail where the rules are not obeyed. Returns the events."""
    events: list[dict[str, Any]] = json.loads(json.dumps(made, allow_nan=False))["traceEvents"]
    slices: dict[tuple[int, int], list[tuple[float, float]]] = defaultdict(list)
    named: set[tuple[int, int]] = set()
    for event in events:
        assert set(event) - {"ph"} == FIELDS[event["ph"]], event
        assert [type(event[field]) for field in ("pid", "tid", "name")] == [int, int, str], event
        assert event["name"], event
        if event["ph"] == "M":
            assert set(event["args"]) in ({"name"}, {"sort_index"}), event
            named.add((event["pid"], event["tid"]))
        else:
            assert event["ts"] >= 0, event
        if event["ph"] == "X":
            assert event["dur"] >= 0, event
            slices[event["pid"], event["tid"]].append((event["ts"], event["ts"] + event["dur"]))
    assert {(event["pid"], event["tid"]) for event in events} <= named
    for some in slices.values():
        check_nesting(sorted(some, key=lambda span: (span[0], -span[1])))
    check_pairs(events, "b", "e", same_track=True)
    for left, right in check_pairs(events, "s", "f", same_track=False):
        for end in left, right:
            track = slices[end["pid"], end["tid"]]
            assert any(start <= end["ts"] <= stop for start, stop in track), f"an arrow that hits no slice: {end}"
        assert right["bp"] == "e"
    return events


def check_nesting(spans: list[tuple[float, float]]) -> None:
    """Slices of a track lie in each other or apart."""
    around: list[float] = []
    for start, end in spans:
        while around and around[-1] <= start + 1e-6:
            around.pop()
        assert not around or end <= around[-1] + 1e-6, (start, end, around)
        around.append(end)


def check_pairs(
    events: list[dict[str, Any]], first: str, last: str, *, same_track: bool
) -> list[tuple[dict[str, Any], dict[str, Any]]]:
    def by_id(phase: str) -> dict[tuple[str, int], dict[str, Any]]:
        some = [event for event in events if event["ph"] == phase]
        found = {(event["cat"], event["id"]): event for event in some}
        assert len(found) == len(some), "an id is used twice"
        return found

    starts, ends = by_id(first), by_id(last)
    assert starts.keys() == ends.keys()
    pairs = [(starts[id], ends[id]) for id in starts]
    for start, end in pairs:
        assert start["ts"] <= end["ts"]
        assert start["name"] == end["name"]
        if same_track:
            assert (start["pid"], start["tid"]) == (end["pid"], end["tid"])
    return pairs


BROADCAST = """
    0    ann    waiting  Event.go  x:1
    0    ben    waiting  Event.go  x:1
    1    task1  waiting  Event.go  x:2
    5    cy     woke     Event.go  x:3  ann
    5    cy     woke     Event.go  x:3  ben
    5    cy     woke     Event.go  x:3  task1
    5    cy     set      Event.go  x:3
    5    cy     waiting  Latch.l   x:4
    6    ann    granted  Event.go  x:1
    6    ben    granted  Event.go  x:1
    6    task1  granted  Event.go  x:2
"""


@pytest.mark.parametrize(
    "made",
    [
        recording(CONTENDED),
        recording(CONDITION),
        recording(BROADCAST),
        recording("0 ann waiting Lock.a\n0 ann granted Lock.a\n0 ben woke Lock.a x:1 ann", duration=1),
        recording("0 ann acquired Lock.a"),
        Recording(),
    ],
    ids=["lock", "condition", "broadcast", "no time", "one event", "empty"],
)
def test_rules(made: Recording) -> None:
    check(trace(made))


def test_what_is_in_it() -> None:
    events = check(trace(recording(CONTENDED)))
    [wait] = [event for event in events if event["ph"] == "X" and event["ts"] == 2_000.0]
    assert (wait["name"], wait["dur"]) == ("wait for orders", 10_000.0)
    assert wait["args"] == {
        "outcome": "got it",
        "line": "shop.py:9",
        "held by": "ann, 80% of it, and 1 other",
        "holder's line": "shop.py:7",
        "woken by": "ben",
    }
    assert sorted(event["ts"] for event in events if event["ph"] == "b") == [0.0, 10_000.0, 12_000.0, 15_000.0]
    assert [event["name"] for event in events if event["ph"] == "i"] == ["set done"]
    arrows = [event for event in events if event["ph"] in "sf"]
    assert [event["tid"] for event in arrows] == [1, 2, 2, 3]  # ann to ben, ben to cy
    names = [event["args"]["name"] for event in events if event["name"] == "thread_name"]
    assert names == ["ann", "ben", "cy"]


def test_tasks_have_tracks_of_their_own() -> None:
    events = check(trace(recording(BROADCAST)))
    processes = {event["pid"]: event["args"]["name"] for event in events if event["name"] == "process_name"}
    assert processes == {1: "threads of made up", 2: "tasks of loop"}
    assert {event["pid"] for event in events if event["name"] == "thread_name"} == {1, 2}


def test_what_was_dropped_is_said() -> None:
    assert trace(recording(CONTENDED, dropped=7))["otherData"]["dropped events"] == "7"


def test_nanoseconds_survive() -> None:
    made = recording("0 ann acquired Lock.a\n1 ann released Lock.a")
    made.columns["time"][1] = 12 * MS + 345_678
    [end] = [event for event in check(trace(made)) if event["ph"] == "e"]
    assert end["ts"] == 12_345.678
