"""Everything at once, for a moment: see storm.py. For minutes: tests/slow/machine."""

import json
import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from interlock import machine

from .conftest import PATIENCE

STORM = Path(__file__).with_name("storm.py")


@pytest.mark.parametrize(
    "kernel", ["", "INTERLOCK_MACHINE_MUTANT=3", "INTERLOCK_MACHINE_OLD_KERNEL=1"], ids=["", "rebuilding", "old-kernel"]
)
def test_storm(kernel: str) -> None:
    """Also with the links made anew in every guard, so that kills hit that; and as before Linux 5.16."""
    storm(2.0, dict([kernel.split("=")]) if kernel else {})


def storm(seconds: float, environment: dict[str, str]) -> None:
    ran = subprocess.run(
        [sys.executable, str(STORM), str(seconds)],
        env=os.environ | environment,
        capture_output=True,
        encoding="utf-8",
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
    result = json.loads(ran.stdout)
    assert result["wrong"] == [], ran.stderr


def test_the_file_is_removed_while_it_is_used(tmp_path: Path) -> None:
    """Who is inside goes on; who comes is told, and so is what travels between the two."""
    folder = tmp_path / "arena"
    folder.mkdir(mode=0o700)
    program = f"""
import multiprocessing, os, pickle, threading, warnings
from interlock import machine
lock, named = machine.Lock(), machine.Lock("a name")
for file in os.listdir({str(folder)!r}): os.unlink(os.path.join({str(folder)!r}, file))
with lock, named: pass
def other():
    with lock: os._exit(0)
if os.fork() == 0: other()
print("child", os.waitstatus_to_exitcode(os.wait()[1]))
with warnings.catch_warnings(record=True) as told:
    warnings.simplefilter("always")
    machine.Lock("b"), machine.Lock("c")
print(len(told), "was removed while this process uses it" in str(told[0].message))
if __name__ == "__main__":
    process = multiprocessing.get_context("spawn").Process(target=print, args=(lock,))
    process.start(); process.join(); print("spawned", process.exitcode)
"""
    (tmp_path / "program.py").write_text(program)
    ran = subprocess.run(
        [sys.executable, str(tmp_path / "program.py")],
        env=os.environ | {"INTERLOCK_MACHINE_DIR": str(folder)},
        capture_output=True,
        encoding="utf-8",
        timeout=PATIENCE,
        check=False,
    )
    assert ran.stdout.startswith("child 0\n1 True\n"), ran
    assert ran.stdout.endswith("spawned 1\n"), ran
    assert "the Lock that was sent is gone" in ran.stderr


def test_what_a_thread_held_when_it_ended_comes_back() -> None:
    queue = machine.Queue()
    queue.put("item")
    thread = threading.Thread(target=lambda: queue.hold().__enter__())
    thread.start()
    thread.join()
    assert queue.get(timeout=PATIENCE) == "item"
