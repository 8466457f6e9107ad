"""The text of the report, from made-up tallies."""

import re
from types import SimpleNamespace
from typing import Any

import pytest

from interlock.cli.report import report
from interlock.watch.words import in_ascii

HERE = "/home/ann/shop"
LIBRARY = "/usr/lib/python3.11"
MICROSECOND, MILLISECOND, SECOND = 1_000, 1_000_000, 1_000_000_000


def tally(kind: str = "Lock", name: str | None = None, **details: Any) -> Any:
    fields = {"file": f"{HERE}/prog.py", "line": 3, "outer": None, "made": 1, "acquired": 1} | details
    return SimpleNamespace(**{"kind": kind, "name": name, "waited": 0, "waited_ns": 0, "longest_ns": 0} | fields)


def waited(times: int, total: int, **details: Any) -> dict[str, Any]:
    return {"acquired": times, "waited": times, "waited_ns": total, "longest_ns": total, **details}


def told(*tallies: Any, colour: bool = False) -> str:
    text = report(tallies, HERE, colour=colour, library=LIBRARY, machinery=f"{LIBRARY}/threading.py")
    assert text.startswith("\n")
    assert text.endswith("\n")
    return text[1:-1]


def rows(*tallies: Any) -> list[list[str]]:
    """The cells of the table, without its titles."""
    table = told(*tallies).split("\n\n")[1].splitlines()
    return [line.split("  ", 1)[:1] + line.split("  ", 1)[1].split() for line in table[1:]]


def label(*tallies: Any) -> list[str]:
    table = told(*tallies).split("\n\n")[1].splitlines()
    at, end = table[0].index("NAME OR LINE"), table[0].index("ACQUIRED") - 2
    return [line[at:end].rstrip() for line in table[1:]]


def test_whole() -> None:
    text = told(
        tally(name="orders", acquired=1204, waited=37, waited_ns=1_234_567_890, longest_ns=51_000_000),
        tally("Condition", line=12, made=3, acquired=100),
        tally("Semaphore", name="places", line=20, acquired=8, waited=8, waited_ns=450_000, longest_ns=99_950),
        tally("Event", file=f"{LIBRARY}/threading.py", line=900, made=5, acquired=5, waited=5),
        tally(line=99, made=2, acquired=0),
    )
    assert text == "\n".join(
        [
            "interlock: 5 primitives acquired 1,312 times; somebody had to wait 45 times, 1.24 s in all",
            "",
            "KIND       NAME OR LINE   ACQUIRED     WAITED  TOTAL WAIT  LONGEST",
            "Lock       orders            1,204  37   (3%)      1.23 s  51.0 ms",
            "Semaphore  places                8   8 (100%)      450 µs   100 µs",
            "Condition  prog.py:12 ×3       100          -           -        -",
            "",
            "Not listed: 2 that nobody acquired and 5 that threading made for itself.",
            "",
            "Most contended: Lock orders (prog.py:3), 1.23 s in all.",
            "Next step: do less while holding it, or split what it guards.",
        ]
    )


def test_nothing_made() -> None:
    assert told() == "interlock: the program used no primitives"


def test_nothing_acquired() -> None:
    text = told(tally(acquired=0, made=3), tally("Event", file=f"{LIBRARY}/threading.py", acquired=9))
    assert text == "interlock: the program has not acquired any of its 3 primitives, and nobody had to wait"
    assert told(tally(acquired=0)) == ("interlock: the program has not acquired its primitive, and nobody had to wait")
    assert told() == "interlock: the program used no primitives"


def still(party: str, seconds: float | None) -> Any:
    nanoseconds = None if seconds is None else int(seconds * SECOND)
    return SimpleNamespace(
        party=party, what="Event ready: nobody has set it", where="a.py:3 in f", mistake="", nanoseconds=nanoseconds
    )


def test_waits_that_have_not_ended_stand_first() -> None:
    waits = [still("worker", 61), still("task Task-1", None)]
    tallies = [tally(acquired=3), tally("Event", name="ready", acquired=0, waited=1, waited_ns=61 * SECOND)]
    text = report(tallies, HERE, library=LIBRARY, machinery="", still=waits)
    assert text.splitlines()[1:8] == [
        "interlock: 2 primitives acquired 3 times; somebody had to wait 1 time, 61.0 s in all; 2 waits have not ended",
        "",
        "STILL WAITING  AT           SO FAR",
        "worker         a.py:3 in f  61.0 s",
        "    for Event ready: nobody has set it",
        "task Task-1    a.py:3 in f       -",
        "    for Event ready: nobody has set it",
    ]


def test_only_waits_that_have_not_ended() -> None:
    text = report([], HERE, still=[still("worker", 1)] * 12)
    assert text.startswith("\ninterlock: 12 waits have not ended\n\nSTILL WAITING")
    assert text.endswith("\nand 2 more\n")
    assert "used no" not in text


def test_what_was_not_seen_stands_last() -> None:
    assert report([tally()], HERE, unseen=["Not seen: it."]).endswith("\n\nNot seen: it.\n")
    assert report([], HERE, unseen=["Not seen: it."]).endswith("\n\nNot seen: it.\n")


def test_two_that_one_line_made() -> None:
    def named(name: str | None, **details: Any) -> str:
        made = [tally(maker=1, **details), tally(maker=2, acquired=4, **details)]
        names = iter([name, "b" if name else None])
        return report(made, HERE, library=LIBRARY, machinery="", called=lambda tally: next(names))

    assert re.findall(r"^Lock +(\S+(?: ×\d)?) +(\d+)", named("a"), re.MULTILINE) == [("b", "4"), ("a", "1")]
    assert re.findall(r"^Lock +(\S+(?: ×\d)?) +(\d+)", named("b"), re.MULTILINE) == [("b ×2", "5")]
    assert re.findall(r"^Lock +(\S+(?: ×\d)?) +(\d+)", named(None), re.MULTILINE) == [("prog.py:3 ×2", "5")]


def test_nobody_waited() -> None:
    text = told(tally(acquired=1))
    assert text.splitlines()[0] == "interlock: 1 primitive acquired 1 time; nobody had to wait"
    assert len(text.splitlines()) == 4  # no advice, nothing unlisted


def test_waiting_in_vain_is_use() -> None:
    [row] = rows(tally(acquired=0, waited=2, waited_ns=3 * SECOND, longest_ns=2 * SECOND))
    assert row == ["Lock", "prog.py:3", "0", "2", "3.00", "s", "2.00", "s"]


# --- order --------------------------------------------------------------------------------------------------------


def test_most_waited_for_first_then_most_acquired() -> None:
    assert label(
        tally(name="idle", acquired=1),
        tally(name="busy", acquired=9),
        tally(name="slow", **waited(1, SECOND)),
        tally(name="b", acquired=5),
        tally(name="a", acquired=5),
        tally(name="slower", **waited(1, 2 * SECOND)),
    ) == ["slower", "slow", "busy", "a", "b", "idle"]


def test_at_most_twenty_rows() -> None:
    many = [tally(name=f"lock {number:02}", acquired=100 - number) for number in range(23)]
    assert label(*many) == [f"lock {number:02}" for number in range(20)]
    assert "\n\nand 3 more rows: none of which had to be waited for\n" in told(*many) + "\n"
    slow = [tally(name=f"lock {number:02}", **waited(1, MILLISECOND)) for number in range(21)]
    assert "\n\nand 1 more row: 1.00 ms of waiting in all\n" in told(*slow)


# --- numbers ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("nanoseconds", "text"),
    [
        (0, "0.00 µs"),
        (40, "0.04 µs"),
        (1_000, "1.00 µs"),
        (9_994, "9.99 µs"),
        (9_996, "10.0 µs"),
        (99_940, "99.9 µs"),
        (99_960, "100 µs"),
        (999_400, "999 µs"),
        (999_600, "1.00 ms"),
        (12_345_678, "12.3 ms"),
        (999_600_000, "1.00 s"),
        (83 * SECOND, "83.0 s"),
        (5_025 * SECOND, "5,025 s"),
    ],
)
def test_durations(nanoseconds: int, text: str) -> None:
    assert told(tally(**waited(1, nanoseconds))).splitlines()[3].endswith("  " + text)


@pytest.mark.parametrize(
    ("acquired", "times", "share"),
    [(10, 9, "(90%)"), (3, 2, "(66%)"), (1000, 1, "(<1%)"), (1000, 999, "(99%)"), (5, 5, "(100%)")],
)
def test_share(acquired: int, times: int, share: str) -> None:
    assert rows(tally(acquired=acquired, waited=times, waited_ns=5))[0][3:5] == [str(times), share]


# --- names --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("file", "place"),
    [
        (f"{HERE}/a/b.py", "a/b.py:3"),
        ("/elsewhere/b.py", "/elsewhere/b.py:3"),
        (f"{HERE}per/b.py", f"{HERE}per/b.py:3"),
        (f"{LIBRARY}/queue.py", "queue.py:3"),
        (f"{LIBRARY}/concurrent/futures/thread.py", "concurrent/futures/thread.py:3"),
        (f"{HERE}/.venv/lib/python3.11/site-packages/lib/pool.py", "lib/pool.py:3"),
        ("/usr/lib/python3/dist-packages/lib/pool.py", "lib/pool.py:3"),
        ("<string>", "<string>:3"),
        ("relative.py", "relative.py:3"),
        ("/" + "x" * 60 + "/b.py", "…" + "x" * 42 + "/b.py:3"),
        (None, "made before the program"),
    ],
)
def test_places(file: str | None, place: str) -> None:
    assert label(tally(file=file)) == [place]


def test_everything_is_inside_the_root() -> None:
    assert "  /a/b.py:3  " in report([tally(file="/a/b.py")], "/", library=LIBRARY, machinery="")
    assert "  /a/b.py:3  " in report([tally(file="/a/b.py")], "", library=LIBRARY, machinery="")


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("my lock", "my lock"),
        ("a\nb\x1b[31m", "a?b?[31m"),
        ("", ""),
        ("Schloß", "Schloß"),
        ("n" * 60, "n" * 47 + "…"),
    ],
)
def test_names(name: str, shown: str) -> None:
    assert label(tally(name=name)) == [shown]


def test_many_of_one_name_or_line() -> None:
    assert label(tally(made=1200), tally(name="pool", made=2, acquired=0, waited=1)) == ["prog.py:3 ×1,200", "pool ×2"]


def test_one_name_for_several_lines() -> None:
    assert label(tally(name="x", line=1), tally(name="x", line=2), tally("Event", name="x", line=3)) == [
        "x",
        "x (prog.py:1)",
        "x (prog.py:2)",
    ]


# --- advice -------------------------------------------------------------------------------------------------------


def advice(*tallies: Any) -> list[str]:
    return told(*tallies).splitlines()[-2:]


def test_a_lock_before_what_waits_by_its_nature() -> None:
    ready = tally("Event", name="ready", **waited(1, 9 * SECOND))
    assert advice(ready, tally("RLock", **waited(1, SECOND)), tally("Lock", **waited(1, MILLISECOND))) == [
        "Most contended: RLock prog.py:3, 1.00 s in all.",
        "Next step: do less while holding it, or split what it guards.",
    ]
    assert advice(ready, tally()) == [
        "Longest waited for: Event ready (prog.py:3), 9.00 s in all.",
        "Next step: look at what happens before its set().",
    ]


def test_no_advice_about_a_trifle() -> None:
    trifle = tally(name="x", **waited(9, MILLISECOND - 1))
    assert told(trifle).splitlines()[-2:] == ["", "None of this waiting is worth a look."]
    assert "\x1b[33m" not in told(trifle, colour=True)
    sentence, _ = advice(trifle, tally("Event", **waited(1, MILLISECOND)))
    assert sentence.startswith("Longest waited for: Event ")


@pytest.mark.parametrize(
    ("kind", "word"),
    [
        ("Semaphore", "permits"),
        ("BoundedSemaphore", "permits"),
        ("RWLock", "write()"),
        ("Condition", "notify()"),
        ("Barrier", "last one"),
        ("Latch", "count_down()"),
        ("WaitQueue", "unpark()"),
        ("TheirOwnLock", "while others wait"),
    ],
)
def test_each_kind_has_its_advice(kind: str, word: str) -> None:
    sentence, step = advice(tally(kind, **waited(1, SECOND)))
    assert f": {kind} prog.py:3, " in sentence
    assert word in step


def test_advice_says_the_line_once() -> None:
    sentence, _ = advice(tally(name="x", line=1, **waited(1, SECOND)), tally(name="x", line=2))
    assert sentence == "Most contended: Lock x (prog.py:1), 1.00 s in all."


# --- how it looks -------------------------------------------------------------------------------------------------


def test_colour_only_on_request() -> None:
    tallies = tally(name="slow", **waited(1, SECOND)), tally()
    assert "\x1b" not in told(*tallies)
    painted = told(*tallies, colour=True)
    assert painted.count("\x1b[33m") == 1
    assert painted.count("\x1b[0m") == painted.count("\x1b[1m") + 1
    for code in "\x1b[0m", "\x1b[1m", "\x1b[33m":
        painted = painted.replace(code, "")
    assert painted == told(*tallies)
    assert told(colour=True) == "\x1b[1minterlock: the program used no primitives\x1b[0m"


def test_no_line_ends_in_blanks() -> None:
    assert all(line == line.rstrip() for line in told(tally(**waited(1, SECOND)), tally()).splitlines())


def test_ascii() -> None:
    text = in_ascii(told(tally(made=2, **waited(1, 5_000)), tally(file="/" + "x" * 80)))
    assert text.isascii()
    assert "prog.py:3 x2" in text
    assert "5.00 us" in text
