"""What `interlock ps` prints: whole in a pipe, and fitting on a terminal, which is a real pty here."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from interlock.cli.screen import Column, cells, cut, printable, table

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="a pty is of POSIX")

COLUMNS = (
    Column("NAME"),
    Column("WHO"),
    Column("FOR", right=True, drop=1),
    Column("TOKEN", right=True, drop=2),
)
LONG = "config/with/a/long/name/that/goes/on/and/on"
ROWS = [("orders", "worker[1]", "1.20 s", "17"), (LONG, "someone-with-a-name[23456]", "812 ms", "1795746658513331")]


class TestTable:
    def test_without_a_limit_nothing_is_cut(self):
        head, first, second = table(COLUMNS, ROWS, None)
        assert head.split() == ["NAME", "WHO", "FOR", "TOKEN"]
        assert first.split() == ["orders", "worker[1]", "1.20", "s", "17"]
        assert second.split() == [LONG, "someone-with-a-name[23456]", "812", "ms", "1795746658513331"]

    @pytest.mark.parametrize("width", [*range(1, 120)])
    def test_no_line_is_wider_than_the_terminal(self, width):
        assert max(map(cells, table(COLUMNS, ROWS, width))) <= width

    @pytest.mark.parametrize(("width", "titles"), [(120, "NAME WHO FOR TOKEN"), (50, "NAME WHO FOR"), (34, "NAME WHO")])
    def test_what_may_be_missing_goes_first(self, width, titles):
        head, _, second = table(COLUMNS, ROWS, width)
        assert head.split() == titles.split()
        assert second.startswith("config/w")

    def test_a_number_is_never_cut(self):
        for width in range(24, 120):
            head, first, second = table(COLUMNS, ROWS, width)
            assert ("1.20 s" in first) is ("812 ms" in second) is ("FOR" in head)
            assert ("1795746658513331" in second) is ("TOKEN" in head)

    def test_a_very_long_name_leaves_the_other_columns(self):
        head, line = table(COLUMNS, [("n" * 400, "w[1]", "1.20 s", "17")], 80)
        assert head.split() == ["NAME", "WHO", "FOR", "TOKEN"]
        assert line.split()[1:] == ["w[1]", "1.20", "s", "17"]

    def test_a_column_that_nobody_fills_is_not_shown(self):
        head, _ = table(COLUMNS, [("a", "b", "", "17")], None)
        assert head.split() == ["NAME", "WHO", "TOKEN"]

    def test_what_others_have_chosen_does_not_steer_the_terminal(self):
        assert printable("a\x1b[2Jb\nc\u202ed") == "a?[2Jb?c?d"
        assert table(COLUMNS, [("a\x1b[2J", "b", "", "")], 80)[1].split() == ["a?[2J", "b"]

    def test_wide_characters_take_two_cells(self):
        assert (cells("注文"), cells("e\u0301"), cells("abc")) == (4, 1, 3)
        assert cells(cut("注文を受ける", 7)) <= 7
        assert all(cells(line) <= 20 for line in table(COLUMNS, [("注文" * 30, "誰か[1]", "1 s", "17")], 20))


HELD = """
import runpy, socket, sys, threading
socket.gethostname = lambda: "host-a"
import interlock.cluster
cluster = interlock.cluster.connect("memory://", label="nightly-report-worker", prefix="shop")
lock, limit = cluster.Lock("orders"), cluster.Semaphore("api", 5)
lock.acquire(); limit.acquire()
for _ in range(15):
    threading.Thread(target=lambda: lock.acquire(timeout=1000), daemon=True).start()
while len(lock.waiters) < 15: pass
sys.argv = ["interlock", *sys.argv[1:]]
runpy.run_module("interlock", run_name="__main__")
"""


@pytest.fixture
def terminals() -> Iterator[Any]:
    from terminal import Terminal

    made: list[Terminal] = []

    def make(*words: str, columns: int = 80, lines: int = 24) -> Terminal:
        made.append(Terminal(sys.executable, "-c", HELD, *words, columns=columns, lines=lines))
        return made[-1]

    yield make
    for each in made:
        each.close()


PS = ["ps", "memory://", "--prefix", "shop"]


class TestEngines:
    @pytest.mark.parametrize("columns", [80, 60, 40, 132])
    def test_no_line_is_wrapped(self, terminals, columns):
        there = terminals(*PS, columns=columns)
        assert there.end() == 0
        assert max(map(cells, there.written)) <= columns
        head, *lines = there.written
        assert head.split()[:3] == ["NAME", "KIND", "WHO"]
        assert ("TOKEN" in head) is (columns == 132)
        assert ("HOST" in head) is (columns >= 60)
        assert ("FOR" in head) is (columns >= 60)
        assert any("5 others" in line for line in lines), "ten are listed"

    def test_a_name_that_was_asked_for_lists_all(self, terminals):
        there = terminals(*PS, "orders")
        assert there.end() == 0
        assert sum("waits" in line for line in there.written) == 15

    def test_in_a_pipe_nothing_is_cut(self):
        done = subprocess.run(
            [sys.executable, "-c", HELD, *PS], capture_output=True, text=True, timeout=60, check=True,
            env={**os.environ, "COLUMNS": "20"},
        )  # fmt: skip
        head, *lines = done.stdout.splitlines()
        assert head.split() == ["NAME", "KIND", "WHO", "HOST", "STATE", "FOR", "LEASE", "LEFT", "TOKEN"]
        assert sum("waits" in line for line in lines) == 15
        assert any("nightly-report-worker[" in line for line in lines)
        assert "\x1b" not in done.stdout

    def test_watch_draws_in_place_and_follows_the_size(self, terminals):
        there = terminals(*PS, "--watch", columns=80, lines=12)
        screen = there.next_look()
        assert len(screen) <= 12
        assert screen[-2] == "and 4 more lines"
        assert max(map(cells, screen)) <= 80
        there.resize(40, 8)
        screen = there.next_look()
        assert len(screen) <= 8
        assert max(map(cells, screen)) <= 40
        there.resize(132, 40)
        screen = there.next_look()
        assert "TOKEN" in screen[0]
        assert "more lines" not in "".join(screen)
        assert there.interrupt() == 130
        assert "Traceback" not in "".join(there.written)

    def test_watch_in_a_pipe_ends_with_its_reader(self):
        watching = subprocess.Popen(
            [sys.executable, "-c", HELD, *PS, "--watch"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        assert watching.stdout is not None
        assert watching.stderr is not None
        assert watching.stdout.readline().startswith("NAME")
        watching.stdout.close()
        assert watching.wait(60) == 0
        with watching.stderr:
            assert watching.stderr.read() == ""

    def test_a_terminal_without_letters_of_ours(self, monkeypatch):
        done = subprocess.run(
            [sys.executable, "-c", HELD, *PS], capture_output=True, timeout=60, check=True,
            env={**os.environ, "PYTHONIOENCODING": "ascii"},
        )  # fmt: skip
        assert done.stdout.isascii()


@pytest.mark.skipif(sys.platform != "linux", reason="interlock.machine is of Linux")
class TestMachine:
    HELD = """
import runpy, sys, threading
from interlock import machine
lock = machine.Lock("orders-of-the-shop-in-the-north")
event = machine.Event("ready")
with lock:
    waiting = [threading.Thread(target=lambda: lock.acquire(timeout=1000), daemon=True, name=f"worker-{i}-of-many")
               for i in range(3)]
    for each in waiting: each.start()
    while len(lock.waiters) < 3: pass
    sys.argv = ["interlock", *sys.argv[1:]]
    runpy.run_module("interlock", run_name="__main__")
"""

    @pytest.fixture(autouse=True)
    def folder(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        tmp_path.chmod(0o700)
        monkeypatch.setenv("INTERLOCK_MACHINE_DIR", str(tmp_path))

    @pytest.mark.parametrize("columns", [80, 40])
    def test_no_line_is_wrapped(self, columns):
        from terminal import Terminal

        there = Terminal(sys.executable, "-c", self.HELD, "ps", columns=columns)
        try:
            assert there.end() == 0
            assert max(map(cells, there.written)) <= columns
            assert there.written[0].split()[:3] == ["NAME", "KIND", "VALUE"]
            assert sum("waits" in line for line in there.written) == 3
            assert sum("holds" in line for line in there.written) == 1
        finally:
            there.close()

    def test_watch(self):
        from terminal import Terminal

        there = Terminal(sys.executable, "-c", self.HELD, "ps", "--watch")
        try:
            assert "orders-of-the-s" in "".join(there.next_look())
            assert there.interrupt() == 130
        finally:
            there.close()

    def test_a_name_that_nobody_uses(self):
        done = subprocess.run(
            [sys.executable, "-m", "interlock", "ps", "redis:/h"],
            capture_output=True,
            text=True,
            timeout=60,
            check=True,
        )
        assert done.stdout == "nothing named 'redis:/h' is open on this machine\n"

    @pytest.mark.parametrize(
        ("words", "said"),
        [
            (["ps", "--deadlocks"], "--deadlocks needs the URL of an engine"),
            (["ps", "one", "two"], "'one' is not the URL of an engine"),
        ],
    )
    def test_bad_use(self, words, said):
        done = subprocess.run(
            [sys.executable, "-m", "interlock", *words], capture_output=True, text=True, timeout=60, check=False
        )
        assert done.returncode == 2
        assert said in done.stderr
