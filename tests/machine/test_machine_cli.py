"""`interlock hold NAME`, `ps` and `clean`."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from interlock import machine

from .conftest import PATIENCE, until


def start(*arguments: str, **environment: str) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, "-m", "interlock", *arguments],
        env=os.environ | environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        encoding="utf-8",
    )


def run(*arguments: str, **environment: str) -> tuple[int, str, str]:
    process = start(*arguments, **environment)
    out, err = process.communicate(timeout=PATIENCE)
    return process.returncode, out, err


def test_hold_runs_a_command_and_has_its_code() -> None:
    code, out, err = run("hold", "job", "--", sys.executable, "-c", "print('ran'); raise SystemExit(7)")
    assert (code, out, err) == (7, "ran\n", "")


@pytest.mark.parametrize("options", [[], ["--shared"], ["--exclusive"], ["--semaphore", "1"]])
def test_hold_gives_up_in_time(options: list[str]) -> None:
    name = "busy" + "".join(options)
    held: machine.Lock | machine.BoundedSemaphore | machine.RWLock
    if not options:
        held = machine.Lock(name)
        held.acquire()
    elif "--semaphore" in options:
        held = machine.BoundedSemaphore(name, 1)
        held.acquire()
    else:
        held = machine.RWLock(name)
        held.write().acquire()
    assert run("hold", name, *options, "--timeout", "0", "--", "true")[0] == 75
    assert run("hold", name, *options, "--timeout", "0", "--conflict-code", "3", "--", "true")[0] == 3


def test_a_killed_hold_is_no_hold() -> None:
    process = start("hold", "left", "--", "sleep", "1000")
    lock = machine.Lock("left")
    until(lock.locked)
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children")
    until(lambda: children.read_text().split())
    (command,) = map(int, children.read_text().split())
    process.kill()
    process.communicate(timeout=PATIENCE)  # the command has ended too: it had the other ends of the pipes
    assert lock.acquire(timeout=PATIENCE)
    assert lock.abandoned is not None
    assert lock.abandoned.pid == process.pid
    lock.release()
    until(lambda: not Path(f"/proc/{command}/cmdline").exists() or not Path(f"/proc/{command}/cmdline").read_text())


def test_a_command_whose_holder_has_died_before_it_starts_does_not_start() -> None:
    """The holder is killed after the fork, before the new process has asked to end with it."""
    program = """
import os
from interlock.cli.hold import _ends_with_us
end_with_it, holder = _ends_with_us(), os.getpid()
if os.fork() == 0:
    while os.getppid() == holder: os.sched_yield()
    end_with_it()
    os.write(1, b"it runs")
os._exit(0)
"""
    told = subprocess.run([sys.executable, "-c", program], capture_output=True, timeout=PATIENCE, check=True)
    assert (told.stdout, told.stderr) == (b"", b"")


def test_ps_shows_who_holds_and_who_waits() -> None:
    lock = machine.Lock("shown")
    with lock:
        waiter = start("hold", "shown", "--", "true")
        until(lambda: lock.waiters)
        code, out, _ = run("ps", "shown")
        assert code == 0
        assert f"[{os.getpid()}]" in out
        assert f"[{waiter.pid}]" in out
        (record,) = json.loads(run("ps", "shown", "--json")[1])
        assert record["kind"] == "Lock"
        assert record["holders"][0]["pid"] == os.getpid()
        assert record["waiters"][0]["pid"] == waiter.pid
    waiter.communicate(timeout=PATIENCE)
    assert waiter.returncode == 0


def test_clean_leaves_what_is_in_use(tmp_path: Path) -> None:
    machine.Lock()
    code, _, err = run("clean")
    assert code == 1
    assert "is in use by" in err
    tmp_path.chmod(0o700)
    assert run("hold", "once", "--", "true", INTERLOCK_MACHINE_DIR=str(tmp_path))[0] == 0
    code, out, _ = run("clean", INTERLOCK_MACHINE_DIR=str(tmp_path))
    assert code == 0
    assert "removed" in out
    assert list(tmp_path.iterdir()) == []


def test_another_kind_is_told() -> None:
    event = machine.Event("taken")
    code, _, err = run("hold", "taken", "--", "true")
    assert code == 2
    assert "is open on this machine as Event, not as Lock" in err
    del event


def test_a_semaphore_without_permits_is_refused() -> None:
    code, out, err = run("hold", "none", "--semaphore", "0", "--", "true")
    assert (code, out) == (2, "")
    assert "1 or more permits, not 0" in err
