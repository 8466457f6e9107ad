"""The same steps give the same answers on every engine, and its invariants hold after each step of the reference.

Steps are drawn at random: two or three sessions of different leases, a few names of every kind, time that passes, and
calls that are sent again. What the sessions are told in their inboxes is compared too.
"""

import json
from typing import Any

import pytest
import subjects
from hypothesis import given, settings
from hypothesis import strategies as st

from interlock.cluster.engine import ALL
from interlock.cluster.machine import PERMITS

LEASES = {"aa": 10_000_000, "bb": 3_000_000, "cc": 60_000_000}
NAMES = {
    "lock": ("lock", 1),
    "lock 2": ("rlock", 1),
    "sem": ("semaphore", 3),
    "rw": ("rwlock", ALL),
    "event": ("event", 0),
    "latch": ("latch", 3),
    "barrier": ("barrier", 2),
    "größe": ("barrier", 3),
}
PASSES = [1, 1000, 1_000_000, 2_999_999, 4_000_000, 61_000_000]
WHAT = {"event": ["set", "clear"], "latch": ["down"], "barrier": ["abort", "reset", "pass"]}

steps = st.lists(
    st.tuples(st.sampled_from(["enter", "leave", "beat", "signal", "park", "notify", "wake", "pass", "again", "odd"]),
              st.integers(0, 2), st.integers(0, 7), st.integers(0, 7)),
    max_size=60,
)  # fmt: skip


class Script:
    """Makes steps of what was drawn."""

    def __init__(self, subject: Any) -> None:
        self.subject = subject
        self.numbers = 0
        self.waiters: list[tuple[str, str]] = []
        self.log: list[Any] = []
        self.last: tuple[Any, ...] = ("look", "")

    def number(self) -> int:
        self.numbers += 1
        return self.numbers

    def do(self, *step: Any) -> Any:
        self.last = step
        answer = self.subject.step(*step)
        self.log.append((step, self.plain(step[0], answer), self.subject.told(sorted(LEASES))))
        return answer

    def plain(self, op: str, answer: Any) -> Any:
        if op == "look":
            return json.loads(answer[0])
        if op == "beat" and answer[0] == "known":
            return answer[:2] + sorted(tuple(answer[i : i + 3]) for i in range(2, len(answer), 3))
        return answer

    def draw(self, kind: str, a: int, b: int, c: int) -> None:
        session = sorted(LEASES)[a]
        name = list(NAMES)[b]
        shape = NAMES[name]
        mine = [waiter for who, waiter in self.waiters if who == session]
        waiter = mine[-1 - c % len(mine)] if mine else f"{session}:0"
        if kind == "enter":
            waiter = f"{session}:{self.number()}"
            self.waiters.append((session, waiter))
            units = {"semaphore": 1 + c % 3, "rwlock": ALL if c % 2 else 1, "barrier": 1 + c % 2}.get(shape[0], 1)
            units = 0 if shape[0] in ("event", "latch") else units
            self.do("enter", session, waiter, name, *shape, units, int(c < 6), json.dumps({"thread": f"é {c}"}))
        elif kind == "leave":
            self.do("leave", session, waiter, *mine[: c % 2])
        elif kind == "beat":
            if self.do("beat", session, c % 2)[0] == "lost":
                self.do("open", session, LEASES[session], '{"host": "x y"}')
        elif kind == "signal":
            gates = [name for name in NAMES if NAMES[name][0] in WHAT]
            name = gates[b % len(gates)]
            what = WHAT[NAMES[name][0]]
            self.do("signal", session, str(self.number()), "", name, *NAMES[name], what[c % len(what)], 1 + c % 2)
        elif kind == "park":
            lock = ["lock", "lock 2"][b % 2]
            new = f"{session}:{self.number()}"
            self.waiters.append((session, new))
            self.do("park", session, new, f"news {b % 2}", waiter, lock, *NAMES[lock], "{}")
        elif kind == "notify":
            self.do("notify", session, str(self.number()), str(self.numbers - 3), f"news {b % 2}", waiter, 1 + c % 3)
        elif kind == "wake":
            self.do("wake", session, str(self.number()), "", waiter)
        elif kind == "pass":
            self.subject.now += PASSES[b % len(PASSES)]
            self.do("read", name)
        elif kind == "again":
            self.do(*self.last)
        elif c == 0:
            self.do("close", session)
        elif c == 1:
            self.do("forget", name)
        elif c == 2:
            self.do("hello", f"life {b}", 2_000_000, b * 300_000)
        elif c == 3:
            self.do("enter", session, f"{session}:{self.number()}", name, "semaphore", 7, 1, 1, "{}")
        else:
            self.do("look", name if c == 4 else "")


def check(machine: Any) -> None:
    """What holds after every step: see the head of machine.py."""
    everywhere: dict[str, tuple[str, bool]] = {}
    for name, record in machine.records.items():
        assert record.used == sum(held.units for held in record.holders.values()) <= max(record.capacity, 0)
        for waiter in record.holders:
            assert waiter not in everywhere
            everywhere[waiter] = (name, True)
        for waiter in record.queue:
            assert waiter not in everywhere
            everywhere[waiter] = (name, False)
        if record.kind in PERMITS and record.queue:
            head = next(iter(record.queue.values()))
            session = machine.sessions.get(head.session)
            dead = session is None or session.deadline <= machine.now
            assert dead or machine.quiet > machine.now or head.units > record.capacity - record.used
    for session in machine.sessions.values():
        for waiter, (name, token) in session.mine.items():
            if waiter in everywhere:
                assert everywhere.pop(waiter) == (name, token > 0)
            else:
                record = machine.records.get(name)
                assert token != 0
                assert record is None or record.kind not in PERMITS
    assert not everywhere


def run(make: Any, drawn: list[Any], engine: Any = None, checked: bool = False) -> list[Any]:
    subject = make(engine)
    try:
        script = Script(subject)
        for session, lease in LEASES.items():
            script.do("open", session, lease, json.dumps({"label": session}))
        for each in drawn:
            script.draw(*each)
            if checked:
                check(subject.machine)
        script.do("look", "")
        return script.log
    finally:
        subject.end()


@given(steps)
@settings(max_examples=200)
def test_invariants_of_the_reference(drawn: list[Any]) -> None:
    tokens: dict[str, int] = {}
    for step, answer, told in run(subjects.Reference, drawn, checked=True):
        if step[0] == "enter" and answer[0] == "granted" and step[4] in PERMITS and step[2] not in tokens:
            assert answer[1] > max(tokens.values(), default=0) or step[3] not in tokens
            tokens[step[2]] = answer[1]
        assert len(told) == len(set(told))


def test_the_same_answers(engine: Any) -> None:
    if engine.kind == "memory":
        pytest.skip("this is what the others are compared with")
    if engine.kind == "etcd":
        pytest.skip("its clock cannot be set: see below")

    @given(steps)
    @settings(max_examples=150)
    def compare(drawn: list[Any]) -> None:
        expected = run(subjects.Reference, drawn)
        found = run(subjects.SUBJECTS[engine.kind], drawn, engine)
        for ours, theirs in zip(expected, found, strict=True):
            assert theirs == ours

    compare()


def is_token(thing: Any) -> bool:
    return isinstance(thing, int) and thing > 10_000 and thing != ALL


def timeless(log: list[Any]) -> list[Any]:
    """A log in which a token is only a token, and nothing says when."""

    def plain(thing: Any) -> Any:
        if isinstance(thing, (list, tuple)):
            return [plain(each) for each in thing]
        if isinstance(thing, dict):
            return {k: plain(v) for k, v in thing.items() if k not in ("now", "since", "left", "lease", "last")}
        return "a token" if is_token(thing) else thing

    return [
        (step[0], plain(["known", *answer[2:]] if step[0] == "beat" and answer[0] == "known" else answer))
        for step, answer, _ in log
    ]


def tokens_grow(log: list[Any]) -> None:
    last: dict[str, int] = {}
    waiters: set[str] = set()
    for step, answer, _ in log:
        if step[0] == "enter" and answer[0] == "granted" and step[4] in PERMITS and step[2] not in waiters:
            waiters.add(step[2])
            assert answer[1] > last.get(step[3], 0)
            last[step[3]] = answer[1]


def test_the_same_answers_by_other_means(engine: Any) -> None:
    """etcd, whose tokens and whose time are its own."""
    if engine.kind != "etcd":
        pytest.skip("the others run the machine itself")

    def without_time(drawn: list[Any]) -> list[Any]:
        return [each for each in drawn if each[0] != "pass" and not (each[0] == "odd" and each[3] == 2)]

    @given(steps)
    @settings(max_examples=100)
    def compare(drawn: list[Any]) -> None:
        expected = run(subjects.Reference, without_time(drawn))
        found = run(subjects.InEtcd, without_time(drawn), engine)
        for ours, theirs in zip(timeless(expected), timeless(found), strict=True):
            assert theirs == ours
        tokens_grow(found)

    compare()


def test_a_thousand_die_at_once_and_ten_are_swept_by_a_step() -> None:
    subject = subjects.Reference()
    for i in range(1000):
        subject.step("open", f"s{i}", 1_000_000, "{}")
        subject.step("enter", f"s{i}", f"s{i}:1", "lock", "lock", 1, 1, 1, "{}")
    subject.now += 999_999
    subject.step("open", "last", 1_000_000, "{}")
    subject.step("enter", "last", "last:1", "lock", "lock", 1, 1, 1, "{}")
    subject.now += 1
    before = len(subject.machine.sessions)
    subject.step("read", "lock")
    assert len(subject.machine.sessions) == before - 10
    # The holder was among them, and no dead head was granted anything.
    assert [waiter for _, waiter, _ in subject.told(["last"])] == ["last:1"]
