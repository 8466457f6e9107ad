"""Run every lesson in `examples/` as a program and check the facts of what it prints.

The order of the lines changes from run to run. A fact is what must be true in every order: a total,
"each item once", "this before that". To add a lesson, write a function that checks its lines and
register it with `@facts_of("the_lesson.py")`.
"""

import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
HELPERS = {"pace.py"}  # imported by the lessons, no lesson itself
LESSONS = sorted(path.name for path in EXAMPLES.glob("*.py") if path.name not in HELPERS)

Lines = list[str]
FACTS: dict[str, Callable[[Lines], None]] = {}


def facts_of(lesson: str) -> Callable[[Callable[[Lines], None]], Callable[[Lines], None]]:
    def register(check: Callable[[Lines], None]) -> Callable[[Lines], None]:
        FACTS[lesson] = check
        return check

    return register


def run_lesson(lesson: str, scale: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, str(EXAMPLES / lesson)],
        env={**os.environ, "INTERLOCK_SLEEP_SCALE": scale},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.mark.parametrize("scale", ["0", "0.05"])
@pytest.mark.parametrize("lesson", LESSONS)
def test_facts(lesson: str, scale: str) -> None:
    if lesson not in FACTS:
        pytest.fail(f"examples/{lesson} has no facts here: write them with @facts_of({lesson!r})")
    result = run_lesson(lesson, scale)
    assert (result.returncode, result.stderr) == (0, "")
    FACTS[lesson](result.stdout.splitlines())


def test_every_fact_has_its_lesson() -> None:
    assert sorted(FACTS) == LESSONS


def test_the_index_lists_every_lesson() -> None:
    index = (EXAMPLES / "README.md").read_text(encoding="utf-8")
    assert sorted(re.findall(r"^\| \[(\w+\.py)\]\(\1\) \|", index, re.MULTILINE)) == LESSONS


@pytest.mark.parametrize("scale", ["fast", "", "-1", "nan", "inf"])
def test_a_wrong_scale_is_a_clear_error(scale: str) -> None:
    result = run_lesson("lock_counter.py", scale)
    assert result.returncode == 1
    assert result.stdout == ""
    assert result.stderr == f"INTERLOCK_SLEEP_SCALE must be a number from 0 to 100, not {scale!r}\n"


# What the checks are made of. Each lesson's output is cut into its parts at the "-- title" lines;
# every line of a part has to be one that the check expects, so that a garbled line is a failure.


def parts_of(lines: Lines) -> list[Lines]:
    assert lines[0].startswith("-- ")
    parts: list[Lines] = []
    for line in lines:
        if line.startswith("-- "):
            parts.append([])
        else:
            parts[-1].append(line)
    return parts


def only_match(pattern: str, line: str) -> tuple[str, ...]:
    match = re.fullmatch(pattern, line)
    assert match, f"unexpected line: {line!r}"
    return match.groups()


def assert_before(lines: Lines, earlier: str, later: str) -> None:
    assert lines.index(earlier) < lines.index(later), f"{earlier!r} has to come before {later!r}"


# The facts.


def additions(lines: Lines) -> list[tuple[str, int, int]]:
    matches = [only_match(r"(ann|ben) read (\d+) and writes (\d+)", line) for line in lines]
    return [(who, int(seen), int(written)) for who, seen, written in matches]


@facts_of("lock_counter.py")
def check_lock_counter(lines: Lines) -> None:
    without, guarded = parts_of(lines)

    assert without.pop() == "without a lock: 10 additions made, counter is 5"
    each = [(number, number + 1) for number in range(5)]
    for name in ("ann", "ben"):
        assert [(seen, new) for who, seen, new in additions(without) if who == name] == each

    assert guarded.pop() == "with a lock: 10 additions made, counter is 10"
    made = additions(guarded)
    assert [(seen, new) for _, seen, new in made] == [(n, n + 1) for n in range(10)]
    assert sorted(who for who, _, _ in made) == ["ann"] * 5 + ["ben"] * 5


@facts_of("rlock_reentry.py")
def check_rlock_reentry(lines: Lines) -> None:
    assert parts_of(lines) == [  # one thread at a time, so there is one order only
        [
            "add(10): no lock, my own caller holds it",
            "plain lock: done is False, balance is 0",
        ],
        [
            "add(10): balance is 10",
            "add(20): balance is 30",
            "re-entrant lock: done is True, balance is 30",
        ],
        [
            "1 deep, another thread gets it: False",
            "2 deep, another thread gets it: False",
            "1 deep, another thread gets it: False",
            "0 deep, another thread gets it: True",
            "one release too many: RuntimeError",
        ],
    ]


@facts_of("semaphore_container.py")
def check_semaphore_container(lines: Lines) -> None:
    plain, producer_alone, consumer_alone, both = parts_of(lines)
    assert plain == ["5 places, yet 6 permits"]
    assert producer_alone == [
        *(f"put item {n}, {n} inside" for n in range(1, 6)),
        "container is full, skipping item 6",
        "container is full, skipping item 7",
    ]
    assert consumer_alone == [
        *(f"took item {n}, {5 - n} inside" for n in range(1, 6)),
        "container is empty, skipping",
        "container is empty, skipping",
    ]

    # Every line is printed inside the container's lock, so replaying them has to give the same.
    last_line = both.pop()
    inside: list[int] = []
    offered: list[int] = []
    takes = 0
    for line in both:
        if line == "container is empty, skipping":
            assert inside == []
            takes += 1
        elif line.startswith("took"):
            item, left = only_match(r"took item (\d+), (\d) inside", line)
            assert inside.pop(0) == int(item)
            assert len(inside) == int(left)
            takes += 1
        elif line.startswith("container is full"):
            (item,) = only_match(r"container is full, skipping item (\d+)", line)
            assert len(inside) == 5
            offered.append(int(item))
        else:
            item, left = only_match(r"put item (\d+), (\d) inside", line)
            inside.append(int(item))
            assert len(inside) == int(left) <= 5
            offered.append(int(item))
    assert offered == list(range(8, 20))
    assert takes == 12
    assert last_line == f"left inside: {inside}"


@facts_of("event_signal.py")
def check_event_signal(lines: Lines) -> None:
    flag, order, mail = parts_of(lines)
    assert flag == ["set three times: first wait True, after the clear False"]
    letters = ["sender: letter 1", "reader: letter 1", "sender: letter 2"]
    assert order == [
        *letters,
        "look_then_clear: unread [2], woken for it: False",
        *letters,
        "clear_then_look: unread [2], woken for it: True",
    ]

    (wakes,) = only_match(r"6 letters received in (\d) wakes", mail.pop())
    assert 1 <= int(wakes) <= 6  # one for each letter at most: no wake without a set
    sent = [f"sender: letter {n}" for n in range(1, 7)]
    received = [f"reader: letter {n}" for n in range(1, 7)]
    assert [line for line in mail if line.startswith("sender")] == sent
    assert [line for line in mail if not line.startswith("sender")] == received
    for earlier, later in zip(sent, received, strict=True):
        assert_before(mail, earlier, later)


@facts_of("condition_producer_consumer.py")
def check_condition_producer_consumer(lines: Lines) -> None:
    late, together = parts_of(lines)
    assert late == [
        "naive: notified is False, yet on the shelf: 1",
        "right: found is True",
    ]

    # Every line is printed inside the condition's lock, so replaying them has to give the same.
    assert together.pop() == "8 items made, left on the shelf: 0"
    shelf: list[int] = []
    made: list[int] = []
    used: list[int] = []
    for line in together:
        if line == "producer: shelf is full, waiting":
            assert len(shelf) == 3
            continue
        who, item, left = only_match(r"(producer|consumer): item (\d), (\d) on the shelf", line)
        if who == "producer":
            shelf.append(int(item))
            made.append(int(item))
        else:
            assert shelf.pop(0) == int(item)
            used.append(int(item))
        assert len(shelf) == int(left) <= 3
    assert made == used == list(range(1, 9))


@facts_of("barrier_players.py")
def check_barrier_players(lines: Lines) -> None:
    everybody = ["ann", "ben", "cat", "dan"]
    rounds, without_dan, after_reset = parts_of(lines)

    expected = []
    for number in (1, 2, 3):
        action = f"round {number}: all 4 are here"
        ready = [f"{player} is ready for round {number}" for player in everybody]
        plays = [f"{player} plays round {number}" for player in everybody]
        expected += [action, *ready, *plays]
        for line in ready:
            assert_before(rounds, line, action)
        for line in plays:
            assert_before(rounds, action, line)
            if number < 3:
                assert_before(rounds, line, f"round {number + 1}: all 4 are here")
    assert sorted(rounds) == sorted(expected)

    assert without_dan.pop() == "broken is True, rounds played: 3"
    ready = [f"{player} is ready" for player in everybody[:-1]]
    home = [f"{player} goes home: the barrier is broken" for player in everybody[:-1]]
    assert sorted(without_dan) == sorted(ready + home)
    for earlier, later in zip(ready, home, strict=True):
        assert_before(without_dan, earlier, later)

    assert after_reset.pop() == "broken is False, rounds played: 4"
    assert after_reset[0] == "round 4: all 4 are here"
    assert sorted(after_reset[1:]) == [f"{player} plays round 4" for player in everybody]


@facts_of("pool_limit.py")
def check_pool_limit(lines: Lines) -> None:
    (both,) = parts_of(lines)

    # Every line but the last is printed inside the book's lock, so replaying them has to give the same.
    (most,) = only_match(r"never more than ([12]) in use", both.pop())
    using: list[str] = []
    uses: list[str] = []
    counts = []
    for line in both:
        who, what, count = only_match(r"((?:thread|task) \w+) (connects|is done), (\d) in use", line)
        if what == "connects":
            assert who not in using
            using.append(who)
            uses.append(who)
        else:
            using.remove(who)
        assert len(using) == int(count) <= 2
        counts.append(int(count))
    assert using == []
    assert max(counts) == int(most)
    everybody = ["thread ann", "thread ben", "task cat", "task dan", "task eve"]
    assert sorted(uses) == sorted(everybody * 3)


@facts_of("worker_feeds_tasks.py")
def check_worker_feeds_tasks(lines: Lines) -> None:
    (together,) = parts_of(lines)
    assert together.pop() == "the clock went on: True"
    assert together.pop() == "8 items used, left on the shelf: 0"

    # Every other line is printed inside the condition's lock, so replaying them has to give the same.
    shelf: list[int] = []
    made: list[int] = []
    used: list[int] = []
    for line in together:
        who, item, left = only_match(r"(thread: made|task \w+: uses) item (\d), (\d) on the shelf", line)
        if who == "thread: made":
            shelf.append(int(item))
            made.append(int(item))
        else:
            assert shelf.pop(0) == int(item)
            used.append(int(item))
        assert len(shelf) == int(left) <= 3
    assert made == used == list(range(1, 9))


@facts_of("machine_worker_killed.py")
def killed_worker(lines: Lines) -> None:
    assert "died while it held the lock" in lines[0]
    assert lines[1:] == ["second: balance 101", "third: balance 102", "at the end: 102"]


@facts_of("machine_cron.py")
def no_overlap(lines: Lines) -> None:
    assert lines[0] == "first: running"
    assert lines[1].startswith("second: it runs already, in process ")
    assert lines[2:] == ["second ended with 75", "first ended with 0"]
