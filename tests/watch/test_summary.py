"""The summary: numbers, sentences, and how they are laid out."""

import json

import pytest
from made import CONTENDED, MS, recording

from interlock.watch.document import document
from interlock.watch.summary import Summary


def test_whole() -> None:
    assert Summary(recording(CONTENDED)).text() == "\n".join(
        [
            "interlock: 13 events in 15.0 ms, 3 threads, 3 primitives; 2 waits, 19.0 ms in all",
            "",
            "1. Lock orders (Lock.orders.py:1): 2 parties waited 19.0 ms in all, 89% of it while shop.py:7 held it "
            "(10.0 ms at longest).",
            "",
            "Primitives",
            "KIND  NAME    ACQUIRED   WAITED  TOTAL WAIT  LONGEST      P99     HELD  LONGEST  PARTIES",
            "Lock  orders         3  2 (66%)     19.0 ms  10.0 ms  10.0 ms  13.0 ms  10.0 ms        3",
            "Lock  quick          1        -           -        -        -        -        -        1",
            "",
            "Who waited",
            "LINE       FOR     WAITS  TOTAL WAIT  LONGEST  PARTIES",
            "shop.py:9  orders      2     19.0 ms  10.0 ms        2",
            "",
            "Who made them wait",
            "LINE       BY              THEIR WAIT  HOLDS     HELD  LONGEST",
            "shop.py:7  holding orders     17.0 ms      1  10.0 ms  10.0 ms",
            "shop.py:9  holding orders     2.00 ms      2  3.00 ms  2.00 ms",
            "",
            "No event was dropped.",
            "",
        ]
    )


def test_data() -> None:
    data = json.loads(json.dumps(Summary(recording(CONTENDED)).data()))
    assert data["primitives"][0] == {
        "name": "orders",
        "kind": "Lock",
        "place": "Lock.orders.py:1",
        "acquired": 3,
        "waited": 2,
        "contended": 0.6667,
        "wait_total": 19 * MS,
        "wait_longest": 10 * MS,
        "wait_p99": 10 * MS,
        "hold_total": 13 * MS,
        "hold_longest": 10 * MS,
        "parties": 3,
    }
    assert data["findings"][0] | {"sentence": ""} == {
        "name": "orders",
        "kind": "Lock",
        "place": "Lock.orders.py:1",
        "wait_total": 19 * MS,
        "parties": ["ben", "cy"],
        "cause": "shop.py:7",
        "share": 0.8947,
        "sentence": "",
    }
    assert (data["dropped"], data["waited"][0]["acquired"]) == (0, 2)


def test_nothing_happened() -> None:
    text = Summary(recording("0 ann acquired Lock.a")).text()
    assert "Nobody waited for anything." in text
    assert "Who waited" not in text


def test_a_trifle() -> None:
    text = Summary(recording("0 ann waiting Event.a\n0.09 ann granted Event.a")).text()
    assert "None of the waiting is worth a look." in text


def test_what_was_dropped_is_said() -> None:
    text = Summary(recording(CONTENDED, dropped=1204, complete_from=5 * MS)).text()
    assert "\n1,204 older events dropped: all is known of the last 10.0 ms only.\n" in text
    assert document(recording(CONTENDED, dropped=3))["dropped"] == 3


def test_p99() -> None:
    story = "".join(f"{n} ann waiting Event.a\n{n + n / 1000} ann granted Event.a\n" for n in range(1, 201))
    row = Summary(recording(story)).rows[0]
    assert (row.wait_longest, row.wait_p99) == (200_000, 198_000)


@pytest.mark.parametrize(
    ("kind", "end"),
    [
        ("Event", "100% of it for x:2 to set it."),
        ("Condition", "100% of it for x:2 to notify it."),
        ("Barrier", "100% of it for x:2 to arrive."),
        ("Latch", "100% of it for x:2 to count it down."),
        ("WaitQueue", "100% of it for x:2 to unpark it."),
        ("Queue", "100% of it for x:2 to put or get."),
        ("Semaphore", "100% of it for x:2 to release it."),
        ("TheirOwn", "100% of it for x:2 to wake them."),
    ],
)
def test_who_was_to_wake(kind: str, end: str) -> None:
    story = f"0 ann waiting {kind}.a x:1\n9 ben woke {kind}.a x:2 ann\n9 ann granted {kind}.a x:1"
    [finding] = Summary(recording(story)).findings
    assert finding.sentence == f"{kind} a ({kind}.a.py:1): ann waited 9.00 ms in all, {end}"


def test_what_was_to_be_done_to_a_queue() -> None:
    story = """
        0 ann waiting  Queue.a x:1
        0 ben waiting  Queue.a x:3
        9 cy  woke     Queue.a x:2 ann
        9 ann granted  Queue.a x:1 - 9
        2 ben granted  Queue.a x:3 - 2
    """
    made = recording(story)
    made.calls = {made.places.index("x:1"): "get", made.places.index("x:2"): "put_nowait"}
    [finding] = Summary(made).findings
    assert finding.sentence.startswith("get from Queue a (Queue.a.py:1): 2 parties waited ")
    assert finding.sentence.endswith(" of it for x:2 to put.")
    made.calls[made.places.index("x:3")] = "put"
    [finding] = Summary(made).findings
    assert finding.sentence.startswith("get from and put into Queue a (Queue.a.py:1): ")


def test_a_wait_that_has_not_ended() -> None:
    [finding] = Summary(recording("0 ann waiting Event.a x:1", duration=9)).findings
    assert finding.sentence == "Event a (Event.a.py:1): ann waits still, 9.00 ms in all."


def test_a_wait_that_has_not_ended_stands_first() -> None:
    """Whatever waited longer: it may never end."""
    story = """
        0   ann  acquired  Lock.slow  x:1
        0   ben  waiting   Lock.slow  x:2
        80  ann  released  Lock.slow  x:1
        80  ben  granted   Lock.slow  x:2
        81  cy   waiting   Event.go   x:3
        82  cy   granted   Event.go   x:3
        90  cy   waiting   Event.go   x:3
        90  dan  waiting   Event.go   x:3
    """
    summary = Summary(recording(story, duration=100))
    assert [finding.sentence.partition(":")[0] for finding in summary.findings] == [
        "Event go (Event.go.py",
        "Lock slow (Lock.slow.py",
    ]
    assert summary.findings[0].sentence.endswith(
        "2 parties waited 21.0 ms in all; 2 waits had not ended when the recording ended."
    )
    assert [summary.story.waits[finding.worst_wait].party for finding in summary.findings] == [2, 1]


def test_where_events_are_missing_it_is_not_said_that_nobody_waited() -> None:
    text = Summary(recording("0 ann acquired Lock.a", dropped=5)).text()
    assert "obody" not in text
    assert "No wait was kept." in text


def test_a_guard_is_worse_than_a_signal_that_waited_three_times_as_long() -> None:
    story = """
        0   ann  acquired  Lock.guard
        0   ben  waiting   Lock.guard
        0   cy   waiting   Event.signal
        10  ann  released  Lock.guard
        10  ben  granted   Lock.guard
        30  cy   granted   Event.signal
    """
    summary = Summary(recording(story))
    names = [summary.story.primitives[finding.primitive].name for finding in summary.findings]
    assert names == ["guard", "signal"]
    # The table is in the order of the numbers in it.
    assert [summary.story.primitives[row.primitive].name for row in summary.rows] == ["signal", "guard"]


def test_at_most_three_findings_and_twenty_rows() -> None:
    story = "".join(f"{n} p{n} waiting Event.e{n}\n" for n in range(23))
    summary = Summary(recording(story, duration=100))
    assert len(summary.findings) == 3
    assert summary.text().count("and 3 more rows") == 2  # primitives, and lines that waited


def test_names_cannot_steer_the_terminal() -> None:
    made = recording("0 ann waiting Event.a", duration=9)
    made.primitives[0] = made.primitives[0]._replace(name="a\x1b[31m\nb" + "c" * 99)
    assert "\x1b" not in Summary(made).text()


# --- the document of the page -------------------------------------------------------------------------------------


def test_document() -> None:
    made = document(recording(CONTENDED))
    assert made == json.loads(json.dumps(made))
    assert made["duration"] == 15 * MS
    assert made["parties"][0] == {"name": "ann", "kind": "thread", "group": ""}
    assert made["primitives"][0] == {"name": "orders", "kind": "Lock", "place": "Lock.orders.py:1"}
    assert made["holds"][0] == [0, 0, 0, 10 * MS, 0, 0]
    assert made["waits"][1] == [0, 2, 2 * MS, 12 * MS, 1, 0, 1, 12 * MS, 0, 0]
    assert made["marks"] == [[14 * MS, 2, 1, "set", 2]]
    assert [row["primitive"] for row in made["summary"]] == [0, 2]  # the event was neither acquired nor waited for
    assert made["summary"][0]["worst_wait"] == 1
    assert made["findings"][0].startswith("Lock orders ")
    assert made["links"] == [[0, 1]]
    assert made["holders"] == [[9 * MS, 0], [8 * MS, 1]]
    assert "objects" not in made
    assert set(made["summary"][0]) == {
        "primitive",
        "acquired",
        "contended",
        "wait_total",
        "wait_longest",
        "wait_p99",
        "hold_total",
        "hold_longest",
        "parties",
        "worst_wait",
    }
