"""`interlock explore` as a command: what it calls, what the program may do with its streams, and what is printed."""

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

HAS_TWO_THREADS = """\
import threading

def run(*functions):
    threads = [threading.Thread(target=each) for each in functions]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
"""


@pytest.fixture
def explore(tmp_path):
    def call(source: str, *arguments: str, **options) -> subprocess.CompletedProcess[str]:
        (tmp_path / "prog.py").write_text(HAS_TWO_THREADS + source, encoding="utf-8")
        options.setdefault("input", "")
        return subprocess.run(
            [sys.executable, "-m", "interlock", "explore", *arguments],
            cwd=tmp_path,
            capture_output=True,
            encoding="utf-8",
            timeout=100,
            **options,
        )

    return call


TAKES_ARGUMENTS = """
import sys
one, other = threading.Lock(), threading.Lock()

def takes(first, then):
    def work():
        with first, then:
            pass
    return work

assert len(sys.argv) > 2
run(takes(one, other), takes(other, one) if "--badly" in sys.argv else takes(one, other))
"""


@pytest.mark.parametrize(
    "arguments", [["2", "--badly"], ["--", "-n", "--badly"], ["--files", "pro*", "--limit", "3000", "a b", "--badly"]]
)
def test_the_last_line_runs_the_schedule_again_with_all_that_the_program_got(explore, arguments):
    ran = explore(TAKES_ARGUMENTS, "prog.py", *arguments)
    assert ran.returncode == 1, ran.stderr
    again = shlex.split(re.search("^replay: (.*)$", ran.stdout, re.M)[1])
    assert again[:2] == ["interlock", "explore"]
    replayed = explore(TAKES_ARGUMENTS, *again[2:])
    assert replayed.returncode == 1, replayed.stderr
    assert replayed.stdout.split("\n", 1)[1] == ran.stdout.split("\n", 1)[1]


def test_each_schedule_reads_the_same_from_stdin(explore):
    source = """
import sys
read = []
run(lambda: read.extend(sys.stdin), lambda: None)
assert read == ["one\\n", "two\\n"], read
assert input("no more? ") if False else True
"""
    ran = explore(source, "-n", "20", "prog.py", input="one\ntwo\n")
    assert (ran.returncode, ran.stderr) == (0, "")


def test_a_program_that_waits_for_its_input_is_not_conclusive(explore):
    """And the interpreter, which has a thread that still waits, ends well."""
    ours, theirs = os.pipe()
    try:
        ran = explore("run(lambda: input('who? '))", "prog.py", input=None, stdin=ours)
    finally:
        os.close(ours)
        os.close(theirs)
    assert (ran.returncode, ran.stderr) == (3, "")
    assert "blocks at prog.py:9" in ran.stdout


def test_standard_streams_have_all_that_files_have(explore):
    source = """
import sys

def test():
    for stream in sys.stdout, sys.stderr:
        stream.buffer.write(b"bytes")
        stream.reconfigure(line_buffering=True)
        stream.flush()
        assert stream.encoding and stream.fileno() > 0 and not stream.isatty()
    run(lambda: print("hello"), lambda: sys.stdout.writelines(["a", "b"]))
    sys.stdout.close()
"""
    ran = explore(source, "-n", "20", "prog.py")
    assert ran.returncode == 0, ran.stdout
    assert "hello" not in ran.stdout


def test_what_is_to_be_called_at_exit_is_not_called(explore):
    source = """
import atexit
from atexit import register

class Kept:
    alive = 0
    def __init__(self):
        Kept.alive += 1
    def __del__(self):
        Kept.alive -= 1
    def bye(self):
        print("bye")

def test():
    assert Kept.alive < 3
    atexit.register(Kept().bye)
    run(lambda: register(Kept().bye), lambda: None)
"""
    ran = explore(source, "-n", "20", "prog.py")
    assert (ran.returncode, ran.stderr) == (0, "")
    assert "bye" not in ran.stdout


def test_what_a_program_wrote_that_exits_is_shown(explore):
    source = """
import unittest

class Case(unittest.TestCase):
    def test(self):
        n = 0
        def add():
            nonlocal n
            before = n
            n = before + 1
        run(add, add)
        self.assertEqual(n, 2)

unittest.main()
"""
    ran = explore(source, "prog.py")
    assert ran.returncode == 1, ran.stderr
    assert "SystemExit" in ran.stdout
    assert "it wrote:\n  F\n" in ran.stdout
    assert "AssertionError: 1 != 2" in ran.stdout


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ("import no_such_module\ndef test(): pass", "No module named 'no_such_module'"),
        ("raise SystemExit('not now')\ndef test(): pass", "not now"),
        ("def test(): pass\ntest = 3", "test is no function"),
        ("def test(one): pass", "test() takes arguments"),
    ],
)
def test_a_file_that_cannot_be_called_is_no_finding(explore, source, words):
    ran = explore(source, "prog.py")
    assert (ran.returncode, ran.stdout) == (2, "")
    assert words in ran.stderr
    assert "site-packages" not in ran.stderr
    assert "exploring.py" not in ran.stderr


def test_any_object_that_can_be_called_may_be_a_test(explore):
    source = """
class Twice:
    def __init__(self, function):
        self.function = function
    def __call__(self):
        self.function()
        self.function()

@Twice
def test():
    run(lambda: None, lambda: None)
"""
    assert explore(source, "-n", "20", "prog.py").returncode == 0


def test_where_nothing_could_be_switched_it_is_said(explore):
    ran = explore("class Tests: pass", "-n", "20", "prog.py")
    assert ran.returncode == 0
    assert "nothing could be switched" in ran.stdout


def test_sentences_are_not_wider_than_a_terminal(explore):
    ran = explore("def test(): run(threading.Lock().acquire, lambda: None)", "--all", "--at=sync", "prog.py")
    assert ran.returncode == 0, ran.stdout
    assert "holds" in ran.stdout
    assert max(map(len, ran.stdout.splitlines())) <= 80


STATE = """
class State:
    n = 0

    def add(self):
        n = self.n
        self.n = n + 1
"""
MAIN = """
from prog import run

from .state import State

state = State()
run(state.add, state.add)
assert state.n == 2
"""


def test_a_module_in_a_package_is_replayed_by_its_name(explore, tmp_path):
    package = Path(tmp_path, "app")
    package.mkdir()
    for name, text in (("__init__", ""), ("state", STATE), ("__main__", MAIN)):
        (package / f"{name}.py").write_text(text)
    ran = explore("", "-m", "app")
    assert ran.returncode == 1, ran.stderr
    assert "app/state.py:" in ran.stdout
    again = shlex.split(re.search("^replay: (.*)$", ran.stdout, re.M)[1])
    assert again[2:4] == ["-m", "app"]
    assert explore("", *again[2:]).returncode == 1
