"""What a recording tells, also where events are missing or a little out of order."""

import random
from typing import Any

import pytest
from made import CONTENDED, MS, recording

from interlock.watch.document import document
from interlock.watch.recording import Primitive
from interlock.watch.story import Story


def holds(text: str, **attributes: Any) -> list[tuple[str, float, float]]:
    """Who held something from when to when, in milliseconds; negative where it went on."""
    story = Story(recording(text, **attributes))
    parties = story.recording.parties
    return [
        (parties[hold.party].name, hold.start / MS, -hold.end / MS if hold.open else hold.end / MS)
        for hold in story.holds
    ]


def waits(text: str, **attributes: Any) -> list[tuple[str, str, float, float, int, str, str]]:
    """Who waited for what from when to when, how it ended, who woke him, and who held it."""
    story = Story(recording(text, **attributes))
    names = [*(party.name for party in story.recording.parties), ""]
    return [
        (
            names[wait.party],
            story.primitives[wait.primitive].name,
            wait.start / MS,
            wait.end / MS,
            wait.outcome,
            names[wait.waker],
            names[wait.holder],
        )
        for wait in story.waits
    ]


def test_a_contended_lock() -> None:
    assert holds(CONTENDED) == [("ann", 0, 10), ("ben", 10, 12), ("cy", 12, 13), ("ann", 15, 15)]
    assert waits(CONTENDED) == [
        ("ben", "orders", 1, 10, 0, "ann", "ann"),
        ("cy", "orders", 2, 12, 0, "ben", "ann"),
    ]
    story = Story(recording(CONTENDED))
    [mark] = story.marks
    assert (mark.time, mark.kind) == (14 * MS, "set")
    # cy waited 8 ms for the line of ann and 2 ms for that of ben; ben 9 ms for that of ann.
    blamed = {story.recording.places[place]: ns / MS for (_, place), ns in story.blamed.items()}
    assert blamed == {"shop.py:7": 17, "shop.py:9": 2}


def test_outcomes() -> None:
    text = """
        0   ann  acquired   Lock.a  x:1
        1   ben  waiting    Lock.a  x:2
        3   ben  timed_out  Lock.a  x:2  -  2
        4   ben  waiting    Lock.a  x:2
        5   ben  cancelled  Lock.a  x:2  -  1
        6   ben  waiting    Lock.a  x:2
    """
    assert [wait[2:5] for wait in waits(text, duration=20)] == [(1, 3, 1), (4, 5, 2), (6, 20, 3)]
    assert holds(text, duration=20) == [("ann", 0, -20)]


def test_re_entrant() -> None:
    text = """
        0  ann  acquired  RLock.a
        1  ann  acquired  RLock.a
        2  ann  released  RLock.a
        3  ann  released  RLock.a
        4  ben  acquired  RLock.a
        5  ben  released  RLock.a
    """
    assert holds(text) == [("ann", 0, 3), ("ben", 4, 5)]


def test_released_by_another_party() -> None:
    text = """
        0  ann  acquired  Lock.a
        3  ben  released  Lock.a
        4  ann  acquired  Lock.a
        5  ann  released  Lock.a
    """
    assert holds(text) == [("ann", 0, 3), ("ann", 4, 5)]


def test_a_release_that_was_written_down_late() -> None:
    """Without the GIL the next owner may be faster with its event than the one that released."""
    text = """
        0  ann  acquired  Lock.a
        3  ben  acquired  Lock.a
        4  ann  released  Lock.a
        9  ben  released  Lock.a
    """
    assert holds(text) == [("ann", 0, 3), ("ben", 3, 9)]
    assert holds(text.replace("Lock", "RLock")) == [("ann", 0, 3), ("ben", 3, 9)]


def test_held_before_the_recording_began() -> None:
    assert holds("5 ann released Lock.a") == [("ann", 0, 5)]
    assert holds("5 ann released Lock.a", complete_from=3 * MS) == [("ann", 3, 5)]
    assert holds("5 ann released Lock.a\n6 ann released Lock.a") == [("ann", 0, 5)]


def test_a_wait_whose_beginning_is_missing() -> None:
    assert waits("5 ann granted Lock.a - - 2")[0][2:4] == (3, 5)
    assert waits("5 ann granted Lock.a - - 9")[0][2:4] == (0, 5)


def test_a_wake_up_of_an_earlier_wait_does_not_count() -> None:
    text = """
        1  ben  woke       Event.a  -  ann
        2  ann  waiting    Event.a
        3  ann  timed_out  Event.a
    """
    assert waits(text) == [("ann", "a", 2, 3, 1, "", "")]


CONDITION = """
    0   ann  acquired  RLock.lock   x:1
    0   ann  acquired  RLock.lock   x:2
    1   ann  let_go    RLock.lock   x:3
    1   ann  waiting   Condition.c  x:3
    5   ben  acquired  RLock.lock   x:8
    7   ben  notified  Condition.c  x:9
    10  ben  woke      RLock.lock   x:8  ann
    10  ben  released  RLock.lock   x:8
    11  ann  requeued  RLock.lock   x:3  ben  4
    11  ann  granted   Condition.c  x:3  -  10
    12  ann  released  RLock.lock   x:1
    13  ann  released  RLock.lock   x:2
"""


def test_a_condition_is_waited_for_and_then_its_lock() -> None:
    assert waits(CONDITION) == [
        ("ann", "c", 1, 7, 0, "ben", ""),
        ("ann", "lock", 7, 11, 0, "ben", "ben"),
    ]
    # As deep as before.
    assert holds(CONDITION) == [("ann", 0, 1), ("ben", 5, 10), ("ann", 11, 13)]
    story = Story(recording(CONDITION))
    assert {story.recording.places[place]: ns / MS for (_, place), ns in story.blamed.items()} == {"x:9": 6, "x:8": 3}


def test_a_condition_that_timed_out() -> None:
    text = """
        0   ann  acquired   Lock.lock    x:1
        1   ann  let_go     Lock.lock    x:3
        1   ann  waiting    Condition.c  x:3
        4   ben  acquired   Lock.lock    x:8
        9   ben  woke       Lock.lock    x:8  ann
        9   ben  released   Lock.lock    x:8
        9   ann  requeued   Lock.lock    x:3  -  3
        9   ann  timed_out  Condition.c  x:3  -  8
    """
    assert waits(text, duration=10) == [("ann", "c", 1, 6, 1, "", ""), ("ann", "lock", 6, 9, 0, "ben", "ben")]
    assert holds(text, duration=10)[-1] == ("ann", 9, -10)


def test_a_task_that_blocks_its_thread_is_woken_as_that_thread() -> None:
    text = """
        0   ben    acquired   Lock.lock    x:1
        1   task1  waiting    Lock.lock    x:2  main
        3   ben    woke       Lock.lock    x:1  main
        3   ben    released   Lock.lock    x:1
        3   task1  granted    Lock.lock    x:2  -  2
    """
    assert waits(text) == [("task1", "lock", 1, 3, 0, "ben", "ben")]
    assert waits(
        CONDITION.replace("waiting   Condition.c  x:3", "waiting   Condition.c  x:3  main").replace(
            "x:8  ann", "x:8  main"
        )
    ) == waits(CONDITION)


def test_a_wait_that_another_ends() -> None:
    text = """
        1   task1  waiting    Event.e    x:2
        3   main   cancelled  Event.e    x:9  task1  2
    """
    assert waits(text) == [("task1", "e", 1, 3, 2, "", "")]


def test_permits_are_held() -> None:
    text = """
        0  ann  acquired  Semaphore.s  x:1
        1  ben  acquired  Semaphore.s  x:2
        2  cy   waiting   Semaphore.s  x:3
        4  ben  woke      Semaphore.s  x:2  cy
        4  ben  released  Semaphore.s  x:2
        4  cy   granted   Semaphore.s  x:3  -  2
        6  cy   released  Semaphore.s  x:3
        7  ann  released  Semaphore.s  x:1
        7  dan  released  Semaphore.s  x:1
    """
    assert holds(text) == [("ann", 0, 7), ("ben", 1, 4), ("cy", 4, 6)]
    story = Story(recording(text))
    # Two held it all the time: each is to blame for half.
    assert {story.recording.places[place]: ns / MS for (_, place), ns in story.blamed.items()} == {"x:1": 1, "x:2": 1}


def test_permits_that_are_passed_on_are_not_held() -> None:
    text = """
        0  ann  waiting   Semaphore.s  x:1
        4  ben  woke      Semaphore.s  x:2  ann
        4  ben  released  Semaphore.s  x:2
        4  ann  granted   Semaphore.s  x:1  -  4
        5  ben  released  Semaphore.s  x:2
    """
    story = Story(recording(text))
    assert story.holds == []
    assert [(mark.kind, mark.time / MS) for mark in story.marks] == [("release", 4), ("release", 5)]
    assert {story.recording.places[place]: ns / MS for (_, place), ns in story.blamed.items()} == {"x:2": 4}


def test_readers_hold_together() -> None:
    text = """
        0  ann  acquired  RWLock.a
        1  ben  acquired  RWLock.a
        2  ann  acquired  RWLock.a
        3  ann  released  RWLock.a
        4  ann  released  RWLock.a
    """
    assert holds(text, duration=9) == [("ann", 0, 4), ("ben", 1, -9)]


@pytest.mark.parametrize("number", [16, 17])
def test_many_of_one_name(number: int) -> None:
    made = recording("\n".join(f"{time} ann acquired Lock.l{time}" for time in range(number)))
    made.primitives = [Primitive("locks[]", "Lock", "Lock", "x.py:1", True)] * number
    names = [primitive.name for primitive in Story(made).primitives]
    assert names == ([f"locks[] #{which}" for which in range(1, 17)] if number == 16 else ["locks[] ×17"])


def test_what_threading_makes_for_itself_is_hidden() -> None:
    made = recording("0 ann waiting Event.a\n1 ann granted Event.a\n2 ann acquired Lock.b")
    made.primitives[0] = made.primitives[0]._replace(own=False)
    story = Story(made)
    assert ([primitive.name for primitive in story.primitives], story.hidden, story.waits) == (["b"], 1, [])


# --- who held it ----------------------------------------------------------------------------------------------------


def blame(text: str, **attributes: Any) -> list[tuple[str, float, int, str]]:
    """For each wait: who held it longest, for how many milliseconds, how many others did, and at which line."""
    story = Story(recording(text, **attributes))
    names = [*(party.name for party in story.recording.parties), ""]
    places = [*story.recording.places, ""]
    return [(names[wait.holder], wait.held / MS, wait.others, places[wait.holder_place]) for wait in story.waits]


def test_the_holder_is_the_party_that_held_longest_in_all_its_turns() -> None:
    """ben has the longest turn, ann the most of the time."""
    text = """
        0   ann  acquired  Lock.a  x:1
        1   cy   waiting   Lock.a  x:9
        4   ann  released  Lock.a
        4   ben  acquired  Lock.a  x:2
        9   ben  released  Lock.a
        9   ann  acquired  Lock.a  x:3
        13  ann  released  Lock.a
        13  dan  acquired  Lock.a  x:4
        14  dan  released  Lock.a
        14  cy   granted   Lock.a  x:9  -  13
    """
    assert blame(text) == [("ann", 7, 2, "x:3")]


def test_a_holder_among_hundreds_of_turns_is_found() -> None:
    turns = "".join(f"{n} p{n % 7} acquired Lock.a x:1\n{n + 0.5} p{n % 7} released Lock.a\n" for n in range(1, 400))
    text = f"0 cy waiting Lock.a x:9\n{turns}400 ann acquired Lock.a x:2\n900 ann released Lock.a"
    text += "\n900 cy granted Lock.a x:9"
    assert blame(text) == [("ann", 500, 7, "x:2")]


def test_holders_are_those_of_a_plain_count() -> None:
    """Against the plain way: each wait with each hold, of a lock and of permits, in runs of chance."""
    for seed in range(60):
        chance = random.Random(seed)
        family = chance.choice(["Lock", "Semaphore"])
        events = []
        for party in range(5):
            time = chance.randrange(20)
            for _ in range(12):
                begin, got = time, time + chance.randrange(30)
                time = got + chance.randrange(12)
                events += [(begin, party, "waiting", "-"), (got, party, "granted", str(got - begin))]
                events.append((time, party, "released", "-"))
        text = "\n".join(f"{t} p{p} {what} {family}.a x:{p} - {took}" for t, p, what, took in sorted(events))
        story = Story(recording(text))
        for wait in story.waits:
            held: dict[int, int] = {}
            for party in {hold.party for hold in story.holds} - {wait.party}:
                its = [(max(h.start, wait.start), min(h.end, wait.end)) for h in story.holds if h.party == party]
                ms = {at for start, end in its for at in range(start // MS, end // MS)}
                if ms:
                    held[party] = len(ms) * MS
            assert (wait.held, wait.others) == (max(held.values(), default=0), max(0, len(held) - 1)), (seed, wait)
            assert held.get(wait.holder, 0) == wait.held


def test_two_permits_of_one_party_count_once() -> None:
    text = """
        0   ann  acquired  Semaphore.a  x:1
        0   ann  acquired  Semaphore.a  x:1
        0   ben  waiting   Semaphore.a  x:2
        6   ann  released  Semaphore.a
        6   ann  released  Semaphore.a
        10  ben  granted   Semaphore.a  x:2  -  10
        11  ben  released  Semaphore.a
    """
    assert blame(text) == [("ann", 6, 0, "x:1")]


def test_what_another_object_of_the_same_name_did_is_not_blamed() -> None:
    """Very many locks of one name are one row; who held one of them is told by that one alone."""
    text = "".join(f"0 p{n} acquired Lock.l{n} x:1\n" for n in range(20))
    text += "1 cy waiting Lock.l3 x:2\n5 p3 released Lock.l3\n5 cy granted Lock.l3 x:2 - 4"
    made = recording(text, duration=50)
    made.primitives = [primitive._replace(name="l", place="x:0") for primitive in made.primitives]
    story = Story(made)
    [wait] = story.waits
    assert (made.parties[wait.holder].name, wait.others, wait.object) == ("p3", 0, 3)
    objects = document(made)["objects"]
    assert objects["waits"] == [3]
    assert sorted(objects["holds"]) == sorted([*range(20), 3])
