"""`interlock run --record` and `interlock report`: what is written, what is read again, what goes wrong."""

import io
import json
import re
import sys
import types
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from launch import INTERLOCK, python, report_of

import interlock.watch
from interlock.cli import main, reading
from interlock.watch.recording import Recording
from interlock.watch.summary import Summary

PROGRAM = """\
import sys, threading
class Shop:
    def __init__(self):
        self.orders = threading.Lock()
        self.closing = threading.Event()
    def serve(self):
        with self.orders:
            self.closing.wait()
shop = Shop()
worker = threading.Thread(target=shop.serve, name="worker")
worker.start()
while not shop.orders.locked() or not shop.closing.waiters:
    pass
shop.closing.set()
with shop.orders:
    print("closed", *sys.argv[1:])
worker.join()
"""


@pytest.fixture
def prog(tmp_path: Path) -> Path:
    (tmp_path / "prog.py").write_text(PROGRAM)
    return tmp_path


@pytest.fixture
def file(prog: Path) -> Path:
    """A recording of PROGRAM."""
    assert python(*INTERLOCK, "run", "--record", "it.rec", "prog.py", cwd=prog).status == 0
    return prog / "it.rec"


@pytest.fixture
def page(monkeypatch: pytest.MonkeyPatch) -> None:
    """A timeline page that is easy to read."""
    module: Any = types.ModuleType("interlock.watch.timeline")
    module.render = lambda document: json.dumps(document)
    monkeypatch.setitem(sys.modules, module.__name__, module)
    monkeypatch.setattr(interlock.watch, "timeline", module, raising=False)


# --- run ----------------------------------------------------------------------------------------------------------


def test_record(prog: Path) -> None:
    told = python(*INTERLOCK, "run", "--record", "it.rec", "prog.py", "--record", "x", cwd=prog)
    assert (told.status, told.out) == (0, "closed --record x\n")
    last = report_of(told).splitlines()[-1]
    assert re.fullmatch(rf"Recorded \d+ events in {prog}/it.rec: interlock report {prog}/it.rec", last)
    assert "Shop.closing" in told.err  # the report of the counts comes as ever
    made = Recording.load(prog / "it.rec")
    assert made.title == "prog.py --record x"
    assert {"Shop.orders", "Shop.closing"} <= {primitive.name for primitive in made.primitives}
    assert {"MainThread", "worker"} == {party.name for party in made.parties}
    assert "prog.py:7 in Shop.serve" in made.places


ENDS = """\
import queue, threading
jobs = queue.Queue()
def produce():
    for number in range(2):
        while jobs.empty() and not jobs.waiters:
            pass
        jobs.put(number)
    raise ConnectionError("gone")
threading.excepthook = lambda arguments: None
producer = threading.Thread(target=produce, name="producer")
producer.start()
for _ in range(2):
    jobs.get()
producer.join()
"""


def test_who_ended_by_an_exception_is_in_it(prog: Path) -> None:
    (prog / "ends.py").write_text(ENDS)
    assert python(*INTERLOCK, "run", "--quiet", "--record", "it.rec", "ends.py", cwd=prog).status == 0
    (ended,) = Recording.load(prog / "it.rec").ended
    assert ended[:4] == ("producer", "thread", "ConnectionError: gone", "ends.py:8 in produce")
    (had,) = ended.had
    assert had.startswith("had put into Queue of ends.py:2, 2 times, the last time ")
    told = python(*INTERLOCK, "report", "it.rec", cwd=prog).out
    assert f"\nEnded by an exception\n  producer: ConnectionError: gone, at ends.py:8 in produce\n      {had}\n" in told
    data = json.loads(python(*INTERLOCK, "report", "--json", "it.rec", cwd=prog).out)
    assert data["ended"] == [ended._asdict()]


def test_a_finding_says_what_was_to_be_done_to_a_queue(prog: Path) -> None:
    (prog / "ends.py").write_text(ENDS)
    assert python(*INTERLOCK, "run", "--quiet", "--record", "it.rec", "ends.py", cwd=prog).status == 0
    summary = Summary(Recording.load(prog / "it.rec"))
    assert summary._about(summary.story.primitives[0], summary.story.waits) == "get from Queue jobs (ends.py:2)"


def test_quiet(prog: Path) -> None:
    told = python(*INTERLOCK, "run", "--quiet", "--record", "it.rec", "prog.py", cwd=prog)
    assert (told.status, told.out, told.err) == (0, "closed\n", "")
    assert len(Recording.load(prog / "it.rec")) > 5


def test_the_exit_code_is_the_programs(prog: Path) -> None:
    (prog / "fail.py").write_text("import os, sys, threading\nos.chdir('/')\nthreading.Lock().acquire()\nsys.exit(7)")
    assert python(*INTERLOCK, "run", "--record", "it.rec", "fail.py", cwd=prog).status == 7
    assert len(Recording.load(prog / "it.rec")) == 1


def test_a_file_that_cannot_be_written_is_told_before_the_program_runs(prog: Path) -> None:
    for option in "--record", "--timeline":
        told = python(*INTERLOCK, "run", option, "no/it", "prog.py", cwd=prog)
        assert (told.status, told.out) == (2, "")
        assert told.err == f"interlock: cannot write {prog}/no/it: No such file or directory\n"


def test_a_file_that_becomes_unwritable_does_not_change_the_end(prog: Path) -> None:
    program = "import os, sys\nos.mkdir('it.rec')\nprint('done')\nsys.exit(3)"
    (prog / "mean.py").write_text(program)
    told = python(*INTERLOCK, "run", "--record", "it.rec", "mean.py", cwd=prog)
    assert (told.status, told.out) == (3, "done\n")
    assert told.err.count(f"interlock: could not write {prog}/it.rec: Is a directory\n") == 1
    assert "Traceback" not in told.err


@pytest.mark.parametrize("option", ["--record", "--timeline"])
def test_a_full_disk_is_told_with_the_file(prog: Path, option: str) -> None:
    told = python(*INTERLOCK, "run", "--quiet", option, "/dev/full", "prog.py", cwd=prog)
    assert (told.status, told.out) == (0, "closed\n")
    assert told.err == "interlock: could not write /dev/full: No space left on device\n"
    assert Path("/dev/full").is_char_device()


def test_what_was_there_is_replaced_when_the_new_one_is_whole(prog: Path) -> None:
    (prog / "it.rec").write_text("old")
    (prog / "it.rec").chmod(0o640)
    (prog / "link.rec").symlink_to("it.rec")
    (prog / "look.py").write_text("print(open('it.rec').read())\n" + PROGRAM)
    told = python(*INTERLOCK, "run", "--record", "link.rec", "--timeline", "t.html", "look.py", cwd=prog)
    assert told.out == "old\nclosed\n"
    assert (prog / "link.rec").is_symlink()
    assert (prog / "it.rec").stat().st_mode & 0o777 == 0o640
    assert len(Recording.load(prog / "it.rec")) > 5
    assert sorted(path.name for path in prog.iterdir()) == ["it.rec", "link.rec", "look.py", "prog.py", "t.html"]


def test_events(prog: Path) -> None:
    (prog / "many.py").write_text("import threading\nlock = threading.Lock()\nfor _ in range(3000):\n  with lock: pass")
    told = python(*INTERLOCK, "run", "--record", "it.rec", "--events", "1000", "many.py", cwd=prog)
    made = Recording.load(prog / "it.rec")
    assert 0 < len(made) <= 1020
    assert made.dropped == 6000 - len(made)
    assert f"Recorded {len(made):,} events, {made.dropped:,} dropped in " in told.err


@pytest.mark.parametrize(
    ("end", "status"),
    [
        ("os.kill(os.getpid(), signal.SIGTERM)", -15),
        ("os._exit(4)", 4),
        ("threading.Thread(target=os._exit, args=(4,)).start(); threading.Event().wait()", 4),
        ("raise ValueError", 1),
    ],
)
def test_however_it_ends(prog: Path, end: str, status: int) -> None:
    (prog / "end.py").write_text(f"import os, signal\n{PROGRAM}{end}\n")
    told = python(*INTERLOCK, "run", "--record", "it.rec", "--timeline", "t.html", "end.py", cwd=prog)
    assert told.status == status
    assert told.err.count("\nRecorded ") == told.err.count("\nTimeline of ") == 1
    assert len(Recording.load(prog / "it.rec")) > 5
    assert not (prog / "it.rec.part").exists()
    assert python(*INTERLOCK, "report", "it.rec", cwd=prog).err == ""


KILLED = """\
import os, signal, threading, time
class Shop:
    def __init__(self):
        self.orders = threading.Lock()
        self.closing = threading.Event()
    def serve(self):
        with self.orders:
            self.closing.wait()
shop = Shop()
threading.Thread(target=shop.serve, name="worker", daemon=True).start()
before = os.path.getsize("it.rec.part")
while os.path.getsize("it.rec.part") == before: time.sleep(0.01)
os.kill(os.getpid(), signal.SIGKILL)
"""


def test_killed(prog: Path) -> None:
    """What was recorded about a second before is there, with its names."""
    (prog / "killed.py").write_text(KILLED)
    assert python(*INTERLOCK, "run", "--record", "it.rec", "killed.py", cwd=prog).status == -9
    assert not (prog / "it.rec").exists()
    told = python(*INTERLOCK, "report", "it.rec", cwd=prog)
    assert (told.status, told.err) == (0, "")
    assert "ended before it was written" in told.out
    assert "Shop.closing (killed.py:5): worker waits still" in told.out
    made = Recording.load(prog / "it.rec")
    assert made.title == "killed.py"
    assert "killed.py:8 in Shop.serve" in made.places
    assert {"Shop.orders", "Shop.closing"} <= {primitive.name for primitive in made.primitives}
    # The next run that is whole takes its place.
    python(*INTERLOCK, "run", "--record", "it.rec", "prog.py", cwd=prog)
    assert Recording.load(prog / "it.rec").title == "prog.py"
    assert not (prog / "it.rec.part").exists()


def test_killed_where_there_was_another(file: Path) -> None:
    """What was there is whole, and is not taken for the run that was killed."""
    prog = file.parent
    (prog / "killed.py").write_text(KILLED)
    assert python(*INTERLOCK, "run", "--record", "it.rec", "killed.py", cwd=prog).status == -9
    assert Recording.load(file).title == "prog.py"
    told = python(*INTERLOCK, "report", "it.rec", cwd=prog)
    assert told.err == "interlock: it.rec: a later run has not written it, or not yet: this is the run before it\n"
    left = python(*INTERLOCK, "report", "it.rec.part", cwd=prog)
    assert "ended before it was written" in left.out


def test_killed_before_anything_happened(prog: Path) -> None:
    (prog / "killed.py").write_text("import os, signal; os.kill(os.getpid(), signal.SIGKILL)")
    assert python(*INTERLOCK, "run", "--record", "it.rec", "killed.py", cwd=prog).status == -9
    told = python(*INTERLOCK, "report", "it.rec", cwd=prog)
    assert (told.status, told.out) == (1, "")
    assert told.err == "interlock: it.rec: the program ended before it was written, and before anything else was\n"


def test_what_cannot_be_run_leaves_no_file(prog: Path) -> None:
    assert python(*INTERLOCK, "run", "--record", "it.rec", "missing.py", cwd=prog).status == 2
    assert not list(prog.glob("it.rec*"))


@pytest.mark.parametrize("module", ["ast", "json", "struct", "linecache", "bisect"])
def test_a_module_of_the_programs_own_is_not_taken_for_pythons(prog: Path, module: str) -> None:
    """It stands beside the program, which does not import it: nor may we."""
    (prog / f"{module}.py").write_text("print('wrong one')")
    program = "import sys; kept = sys.path.pop(0)\n" + PROGRAM + "sys.path.insert(0, kept)\n"
    (prog / "prog.py").write_text(program)
    told = python(*INTERLOCK, "run", "--record", "it.rec", "prog.py", cwd=prog)
    assert (told.status, told.out) == (0, "closed\n")
    assert "Shop.orders" in told.err
    assert len(Recording.load(prog / "it.rec")) > 5


def test_a_program_that_spoils_what_we_need_still_ends_with_a_report(prog: Path) -> None:
    (prog / "spoil.py").write_text("import sys, types\nsys.modules['ast'] = types.ModuleType('ast')\n" + PROGRAM)
    told = python(*INTERLOCK, "run", "spoil.py", cwd=prog)
    assert (told.status, told.out) == (0, "closed\n")
    assert "spoil.py:6" in report_of(told)


def test_a_forked_child_writes_nothing(prog: Path) -> None:
    (prog / "fork.py").write_text(
        "import os, sys, threading\n"
        "lock = threading.Lock()\n"
        "child = os.fork()\n"
        "with lock: pass\n"
        "if child: os.waitpid(child, 0)\n"
        "print('end', flush=True)\n"
    )
    told = python(*INTERLOCK, "run", "--record", "it.rec", "fork.py", cwd=prog)
    assert (told.status, told.out) == (0, "end\nend\n")
    assert len(Recording.load(prog / "it.rec")) == 2


def test_names_in_the_report_that_a_run_ends_with(prog: Path) -> None:
    (prog / "names.py").write_text(
        "import queue, threading\n"
        "class Pool:\n"
        "    def __init__(self): self.lock = threading.Lock()\n"
        "for pool in Pool(), Pool():\n"
        "    with pool.lock: pass\n"
        "jobs = queue.Queue()\n"
        "jobs.put(1)\n"
        "with threading.Lock(): pass\n"
    )
    report = report_of(python(*INTERLOCK, "run", "names.py", cwd=prog))
    rows = [line.split()[:3] for line in report.splitlines() if line.startswith("Lock ")]
    assert sorted(rows) == [["Lock", "Pool.lock", "×2"], ["Lock", "names.py:8", "1"]]


# --- report -------------------------------------------------------------------------------------------------------


def test_report(file: Path) -> None:
    told = python(*INTERLOCK, "report", "it.rec", cwd=file.parent)
    assert (told.status, told.err) == (0, "")
    assert told.out == Summary(Recording.load(file)).text()
    assert told.out.startswith("interlock: ")
    assert "Event  Shop.closing" in told.out


def test_json(file: Path) -> None:
    told = python(*INTERLOCK, "report", "--json", file, cwd=file.parent)
    assert (told.status, told.err) == (0, "")
    assert json.loads(told.out) == Summary(Recording.load(file)).data()


@pytest.mark.usefixtures("page")
def test_files(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    trace, html = str(file.parent / "t.json"), str(file.parent / "t.html")
    main(["report", str(file), "--perfetto", trace, "--timeline", html])
    out, err = capsys.readouterr()
    assert out == ""
    assert err == f"Wrote {trace}: open it in ui.perfetto.dev\nWrote {html}: open it in a browser\n"
    assert json.loads(Path(trace).read_text())["traceEvents"]
    assert json.loads(Path(html).read_text())["title"] == "prog.py"
    main(["report", str(file), "--perfetto", trace, "--json"])
    assert json.loads(capsys.readouterr().out)["title"] == "prog.py"


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        ("missing", "missing: No such file or directory"),
        (".", ".: Is a directory"),
        ("prog.py", "prog.py: not a recording of interlock"),
        ("it.rec --perfetto no/it", "no/it: No such file or directory"),
    ],
)
def test_one_clear_line(file: Path, arguments: str, complaint: str) -> None:
    told = python(*INTERLOCK, "report", *arguments.split(), cwd=file.parent)
    assert (told.status, told.out, told.err) == (1, "", f"interlock: {complaint}\n")


def test_of_a_damaged_file_what_is_whole_is_shown(file: Path) -> None:
    (file.parent / "half.rec").write_bytes(file.read_bytes()[:-9])
    told = python(*INTERLOCK, "report", "half.rec", cwd=file.parent)
    assert told.status == 1
    assert told.err == "interlock: half.rec: damaged, it does not end as it should: no event is lost\n"
    assert "Shop.closing" in told.out


def test_where_the_encoding_has_no_micro_sign(file: Path) -> None:
    told = python(*INTERLOCK, "report", "it.rec", cwd=file.parent, environment={"PYTHONIOENCODING": "ascii"})
    assert (told.status, told.err) == (0, "")
    assert told.out.isascii()


# --- on a terminal ------------------------------------------------------------------------------------------------


class Terminal(io.StringIO):
    encoding = "utf-8"

    def isatty(self) -> bool:
        return True


@pytest.fixture
def shown(file: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[], str]:
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "120")
    monkeypatch.delenv("NO_COLOR", raising=False)

    def show() -> str:
        terminal = Terminal()
        reading.show(Summary(Recording.load(file)), terminal)
        return terminal.getvalue()

    return show


def test_rich_on_a_terminal(shown: Callable[[], str], monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("rich")
    text = shown()
    assert "\x1b[" in text
    plain = re.sub(r"\x1b\[[0-9;]*m", "", text)
    for part in "Primitives", "Who waited", "Who made them wait", "Shop.closing", "No event was dropped.", "───":
        assert part in plain
    monkeypatch.setenv("NO_COLOR", "1")
    assert not re.search(r"\x1b\[[0-9;]*3[0-9]m", shown())


def test_what_a_row_is_about_never_shrinks_to_nothing(
    file: Path, monkeypatch: pytest.MonkeyPatch, shown: Callable[[], str]
) -> None:
    pytest.importorskip("rich")
    for columns in 60, 80, 100:
        monkeypatch.setenv("COLUMNS", str(columns))
        plain = re.sub(r"\x1b\[[0-9;]*m", "", shown())
        lines = plain.splitlines()
        assert max(map(len, lines)) <= columns
        for part in "Shop.closing", "Shop.orders", "prog.py:8 in Shop.serve", "prog.py:15":
            assert part in plain, f"{columns} columns:\n{plain}"
        assert ("Not shown, for want of width: " in plain) == (columns < 100)
    assert "PARTIES" in plain


def test_plain_where_rich_is_not_installed(
    shown: Callable[[], str], file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in "rich.console", "rich.table", "rich.text":
        monkeypatch.setitem(sys.modules, name, None)
    assert shown() == Summary(Recording.load(file)).text()


def test_progress_is_shown_once_it_has_taken_a_second(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 100.0
    monkeypatch.setattr(reading.time, "monotonic", lambda: now)
    terminal = Terminal()
    progress = reading.Progress(terminal)
    things = range(40_000)
    assert list(progress("reading", things, len(things))) == list(things)
    assert terminal.getvalue() == ""
    now += 2
    assert list(progress("reading", things, len(things))) == list(things)
    progress.clear()
    assert terminal.getvalue() == "\rreading: 0%\rreading: 40%\rreading: 81%\r" + " " * 12 + "\r"
    assert reading.Progress(io.StringIO())("reading", things, 3) is things
    assert reading.Progress(None)("reading", things, 3) is things
