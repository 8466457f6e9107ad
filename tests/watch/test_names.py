"""What a primitive is called that has no name: after the source of its line."""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import interlock
from interlock.core.kernel.probe import start_counting, stop_counting
from interlock.watch.names import Names, called


@pytest.fixture
def made(tmp_path: Path) -> Callable[[str], list[tuple[str, str | None, str]]]:
    """Runs a program; returns for each primitive that it makes the kind, what it is called, and its line."""

    def run(program: str) -> list[tuple[str, str | None, str]]:
        file = tmp_path / "prog.py"
        file.write_text("import queue, threading\nfrom interlock import *\n" + program)
        code = compile(file.read_text(), str(file), "exec")
        with interlock.install():
            start_counting()
            try:
                exec(code, {"__name__": "prog"})
            finally:
                tallies = stop_counting()
        names = Names(str(tmp_path))
        return [(tally.kind, called(tally, names), names.made_at(tally.maker)) for tally in tallies if tally.maker]

    return run


@pytest.mark.parametrize(
    ("line", "name"),
    [
        ("lock = Lock()", "lock"),
        ("lock: Lock = Lock()", "lock"),
        ("a = b = Lock()", "a"),
        ("a, (b, c) = 1, (2, Lock())", "c"),
        ("[a, b] = [Lock(), 1]", "a"),
        ("a = {}; a['x'] = Lock()", "a['x']"),
        ("import types; a = types.SimpleNamespace(); a.b = Lock()", "a.b"),
        ("locks = [Lock() for _ in range(3)]", "locks[]"),
        ("locks = {n: Lock() for n in range(3)}", "locks[]"),
        ("locks = [Lock(), 3]", "locks[]"),
        ("if (lock := Lock()): pass", "lock"),
        ("lock = None or Lock()", "lock"),
        ("lock = Lock() if 1 else None", "lock"),
        ("lock = (\n    Lock(\n    )\n)", "lock"),
        ("ä = 'ö' and Lock()", "ä"),
        ("with Lock() as x: pass", "x"),
        ("with Lock(): pass", None),
        ("Lock()", None),
        ("make = lambda: Lock()\nmake()", None),
        ("def make():\n    return Lock()\nlock = make()", None),
        ("def f():\n    lock = Lock()\nf()", "lock"),
        ("class Pool:\n    lock = Lock()", "Pool.lock"),
        ("class Pool:\n    def __init__(self):\n        self._lock = Lock()\nPool()", "Pool._lock"),
        (
            "class Pool:\n    def __init__(me, /):\n        me.a.b = Lock()\n    a = type\nPool.a = Pool\nPool()",
            "Pool.a.b",
        ),
        ("class Pool:\n    def __init__(self):\n        def f(): self.x = Lock()\n        f()\nPool()", "Pool.x"),
        ("class A:\n    class B:\n        def f(self):\n            self.x = Lock()\nA.B().f()", "B.x"),
        ("class Mine(Lock):\n    def __init__(self):\n        super().__init__()\nmine = Mine()", "mine"),
        ("lock = threading.Lock()", "lock"),
        ("x" * 60 + " = Lock()", "x" * 47 + "…"),
    ],
)
def test_after_the_assignment(
    made: Callable[[str], list[tuple[str, str | None, str]]], line: str, name: str | None
) -> None:
    assert {made_name for _, made_name, _ in made(line)} == {name}


def test_made_by_the_standard_library_for_the_program(made: Callable[[str], list[tuple[str, str | None, str]]]) -> None:
    made_by_it = made("from concurrent.futures import Future\njob = Future()\nFuture()")
    assert [each for each in made_by_it if each[0] == "Condition"] == [
        ("Condition", "result of job", "prog.py:4"),
        ("Condition", "result of a job", "prog.py:5"),
    ]
    assert made("jobs = queue.Queue()\nqueue.Queue()") == [("Queue", "jobs", "prog.py:3"), ("Queue", None, "prog.py:4")]


@pytest.mark.parametrize("program", ["exec('lock = Lock()')", "eval('Lock()')"])
def test_without_a_source(made: Callable[[str], list[tuple[str, str | None, str]]], program: str) -> None:
    assert made(program) == [("Lock", None, "<string>:1")]


def test_a_source_that_has_changed_since(tmp_path: Path) -> None:
    for changed in "this is not python (", "", "\0", "lock = 3\n":
        file = tmp_path / "prog.py"
        file.write_text("from interlock import Lock\nlock = Lock()\n")
        code = compile(file.read_text(), str(file), "exec")
        start_counting()
        exec(code, {})
        [tally] = stop_counting()
        file.write_text(changed)
        assert called(tally, Names()) is None


def used(program: str, tmp_path: Path) -> set[str]:
    """What a recording calls the primitives that were made before it began."""
    file = tmp_path / "prog.py"
    file.write_text(program)
    names: dict[str, Any] = {"old": interlock.Lock(), "rw": interlock.RWLock(), "others": [interlock.Lock()]}
    with interlock.record() as recording:
        exec(compile(program, str(file), "exec"), names)
    return {primitive.name.replace(str(file), "prog.py") for primitive in recording.primitives}


@pytest.mark.parametrize(
    ("line", "name"),
    [
        ("with old: pass", "old"),
        ("with (\n    old\n):\n    pass", "old"),
        ("old.acquire()\nold.release()", "old"),
        ("with old.within(3): pass", "old"),
        ("with rw.read(): pass", "rw"),
        ("rw.write().acquire()", "rw"),
        ("with others[0]: pass", "others[0]"),
        ("class A:\n    def f(self):\n        with self.x: pass\na = A(); a.x = old; a.f()", "A.x"),
        ("getattr(old, 'acquire')()", "used at prog.py:1"),
    ],
)
def test_after_the_first_use(tmp_path: Path, line: str, name: str) -> None:
    assert used(line, tmp_path) == {name}


def test_two_in_one_with_statement(tmp_path: Path) -> None:
    # Before 3.13 the positions do not tell which of the two it is.
    known = {"old", "others[0]"} if sys.version_info >= (3, 13) else {"used at prog.py:1"}
    assert used("with old, others[0]: pass", tmp_path) == known


def test_places(tmp_path: Path) -> None:
    file = tmp_path / "prog.py"
    program = (
        "def f():\n    class A:\n        def g(self):\n            lock.acquire()\n    A().g()\nf()\nlock.release()"
    )
    file.write_text(program)
    with interlock.record() as recording:
        exec(compile(program, str(file), "exec"), {"lock": interlock.Lock()})
    assert [place.replace(str(file), "prog.py") for place in recording.places] == ["prog.py:4 in A.g", "prog.py:7"]
