"""When and where the report is printed, and that what it says is what happened."""

import os
import pty
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from launch import INTERLOCK, ending, python, report_of, start

USES_A_LOCK = "import threading\nlock = threading.Lock()\nwith lock:\n    pass\n"


def run(tmp_path: Path, program: str, **settings: object) -> str:
    """The report about a program that prints nothing."""
    (tmp_path / "prog.py").write_text(program)
    ended = python(*INTERLOCK, "run", "prog.py", cwd=tmp_path, **settings)
    assert (ended.status, ended.out) == (0, "")
    return report_of(ended)


# --- what it says -------------------------------------------------------------------------------------------------


def test_counts_what_asyncio_uses(tmp_path: Path) -> None:
    report = run(
        tmp_path,
        """\
import asyncio
async def main():
    lock = asyncio.Lock()
    limit = asyncio.Semaphore(1)
    event = asyncio.Event()
    condition = asyncio.Condition()
    async def work():
        await event.wait()
        async with limit:
            await asyncio.sleep(0)
        async with lock:
            pass
    tasks = [asyncio.create_task(work()) for _ in range(3)]
    while len(event.waiters) < 3:
        await asyncio.sleep(0)
    event.set()
    await asyncio.gather(*tasks)
    async with condition:
        pass
asyncio.run(main())
""",
    )
    counted = re.findall(r"^(\w+) +(condition|event|lock|limit) +(\d+) +(\S+)", report, re.MULTILINE)
    assert sorted(counted) == [
        ("Condition", "condition", "1", "-"),
        ("Event", "event", "3", "3"),
        ("Lock", "lock", "3", "-"),
        ("Semaphore", "limit", "3", "2"),
    ]


def test_counts(tmp_path: Path) -> None:
    report = run(
        tmp_path,
        """\
import threading
lock = threading.Lock()
locks = [threading.RLock() for _ in range(3)]
places = threading.Semaphore(4)
unused = threading.Lock()
for _ in range(1000):
    with lock:
        pass
for each in locks:
    with each:
        each.acquire(timeout=1)
        each.release()
places.acquire()
assert not lock.acquire(False) if lock.acquire() else None
""",
    )
    assert report.splitlines()[1:] == [
        "interlock: 5 primitives acquired 1,008 times; nobody had to wait",
        "",
        "KIND       NAME OR LINE  ACQUIRED  WAITED  TOTAL WAIT  LONGEST",
        "Lock       lock             1,001       -           -        -",
        "RLock      locks[] ×3           6       -           -        -",
        "Semaphore  places               1       -           -        -",
        "",
        "Not listed: 1 that nobody acquired.",
    ]


def test_a_wait(tmp_path: Path) -> None:
    report = run(
        tmp_path,
        """\
import threading, time
lock = threading.Lock()
lock.acquire()
thread = threading.Thread(target=lock.acquire)
thread.start()
while not lock.waiters:
    time.sleep(0.001)
lock.release()
thread.join()
""",
    )
    lines = report.splitlines()
    assert re.fullmatch(
        r"interlock: 1 primitive acquired 2 times; somebody had to wait 1 time, \S+ \S+ in all", lines[1]
    )
    assert re.fullmatch(r"Lock  lock +2  1  \(50%\) +\S+ [µm]?s  +\S+ [µm]?s", lines[4])
    assert lines[5] == ""


def test_threads_themselves_are_not_listed(tmp_path: Path) -> None:
    report = run(tmp_path, "import threading\nfor _ in range(3):\n    threading.Thread(target=int).start()\n")
    assert report == "\ninterlock: the program used no primitives\n"


def test_names_and_lines_of_the_library(tmp_path: Path) -> None:
    report = run(
        tmp_path,
        "import queue, interlock; from concurrent.futures import Future\n"
        "queue.Queue().put(1); Future().set_result(1)\n"
        "with interlock.Lock(name='till'): pass\n"
        "with interlock.Lock(): pass",
    )
    rows = {tuple(line.split()[:2]) for line in report.splitlines() if line.startswith(("Lock ", "Future "))}
    assert rows == {
        ("Future", "result"),
        ("Lock", "till"),
        ("Lock", "prog.py:4"),
    }


def test_paths_are_relative_to_where_it_was_started(tmp_path: Path) -> None:
    program = "import os, threading\nwith threading.Lock():\n    pass\nos.chdir('/')"
    assert " prog.py:2 " in run(tmp_path, program)


def test_quiet_does_not_count(tmp_path: Path) -> None:
    (tmp_path / "prog.py").write_text(
        f"{USES_A_LOCK}\nfrom interlock.core.kernel.probe import stop_counting\nprint(stop_counting())"
    )
    assert python(*INTERLOCK, "run", "--quiet", "prog.py", cwd=tmp_path).out == "[]\n"


# --- where it goes ------------------------------------------------------------------------------------------------


def test_it_is_the_last_word(tmp_path: Path) -> None:
    (tmp_path / "prog.py").write_text(
        USES_A_LOCK + "import atexit, sys\n"
        "atexit.register(lambda: print('at exit'))\n"
        "threading.Thread(target=lambda: (threading.main_thread().join(), print('thread'))).start()\n"
        "sys.stderr.write('unfinished line')\n"
        "print('main')\n"
    )
    ended = python(*INTERLOCK, "run", "prog.py", cwd=tmp_path, stderr=subprocess.STDOUT)
    before, _, report = ended.out.partition("\ninterlock: ")
    assert before == "main\nthread\nat exit\nunfinished line"  # as python flushes them: stdout, then stderr
    assert report.startswith("1 primitive acquired 1 time;")


def test_what_is_used_at_exit_counts(tmp_path: Path) -> None:
    assert "acquired 2 times" in run(tmp_path, f"import atexit\n{USES_A_LOCK}\natexit.register(lock.acquire)")


def test_nobody_reads_it(tmp_path: Path) -> None:
    # As in `2>&1 | head`: neither the report nor python's own flush at the end may change the exit code.
    (tmp_path / "prog.py").write_text(f"{USES_A_LOCK}print('x')\nraise SystemExit(3)")
    ours, theirs = os.pipe()
    os.close(ours)
    try:
        ended = python(*INTERLOCK, "run", "prog.py", cwd=tmp_path, stderr=theirs)
    finally:
        os.close(theirs)
    assert (ended.status, ended.out) == (3, "x\n")


def test_nobody_reads_the_program_either(tmp_path: Path) -> None:
    (tmp_path / "prog.py").write_text("print('x')")
    endings = []
    for command in ["prog.py"], [*INTERLOCK, "run", "--quiet", "prog.py"], [*INTERLOCK, "run", "prog.py"]:
        ours, theirs = os.pipe()
        os.close(ours)
        try:
            endings.append(python(*command, cwd=tmp_path, stdout=theirs))
        finally:
            os.close(theirs)
    alone, quiet, told = endings
    assert quiet == alone
    assert told.status == alone.status
    # Python's complaint about its last flush comes after everything else.
    assert told.err == "\ninterlock: the program used no primitives\n" + alone.err


def test_there_is_no_stderr(tmp_path: Path) -> None:
    (tmp_path / "prog.py").write_text(f"{USES_A_LOCK}print('x')")
    command = [sys.executable, *INTERLOCK, "run", "prog.py"]
    shell = ["sh", "-c", '"$@" 2>&-', "sh", *command]
    ended = python("-c", f"import subprocess, sys; sys.exit(subprocess.run({shell!r}).returncode)", cwd=tmp_path)
    assert (ended.status, ended.out, ended.err) == (0, "x\n", "")


def test_a_forked_child_that_lives_longer_says_nothing(tmp_path: Path) -> None:
    wait_for_the_parent = "if os.fork() == 0:\n    os.close(other)\n    os.read(mine, 1)\n"
    report = run(tmp_path, f"{USES_A_LOCK}import os\nmine, other = os.pipe()\n{wait_for_the_parent}")
    assert report.startswith("\ninterlock: 1 primitive acquired 1 time;")


@pytest.mark.parametrize("options", [(), ("--record", "it.rec")])
def test_interrupted(tmp_path: Path, options: tuple[str, ...]) -> None:
    (tmp_path / "prog.py").write_text(f"{USES_A_LOCK}import sys\nprint('ready', flush=True)\nsys.stdin.read()\n")
    with start(*INTERLOCK, "run", *options, "prog.py", cwd=tmp_path) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"ready\n"
        process.send_signal(signal.SIGINT)
        interrupted = ending(process)
    err = interrupted.err
    assert interrupted.status == -signal.SIGINT
    assert err.count("Traceback") == 1
    assert "KeyboardInterrupt\n\ninterlock: 1 primitive acquired 1 time;" in err
    assert "interlock/" not in err


# --- how it looks -------------------------------------------------------------------------------------------------


def on_a_terminal(tmp_path: Path, **environment: str) -> str:
    (tmp_path / "prog.py").write_text(USES_A_LOCK)
    ours, theirs = pty.openpty()
    try:
        python(*INTERLOCK, "run", "prog.py", cwd=tmp_path, stderr=theirs, environment={"TERM": "xterm", **environment})
        return os.read(ours, 100_000).decode()
    finally:
        os.close(theirs)
        os.close(ours)


def test_colour_on_a_terminal(tmp_path: Path) -> None:
    assert "\x1b[1minterlock: " in on_a_terminal(tmp_path, NO_COLOR="")


@pytest.mark.parametrize("environment", [{"NO_COLOR": "1"}, {"TERM": "dumb"}])
def test_no_colour_where_it_is_not_wanted(tmp_path: Path, environment: dict[str, str]) -> None:
    text = on_a_terminal(tmp_path, **environment)
    assert "interlock: 1 primitive" in text
    assert "\x1b" not in text


def test_no_colour_in_a_pipe(tmp_path: Path) -> None:
    assert "\x1b" not in run(tmp_path, USES_A_LOCK)


def test_a_poor_encoding(tmp_path: Path) -> None:
    program = "import interlock\nfor _ in 1, 2:\n    with interlock.Lock(name='Schlo\\xdf'): pass"
    assert "Schlo\\xdf x2" in run(tmp_path, program, environment={"PYTHONIOENCODING": "ascii"})
