"""Forking with the drop-in installed."""

import ast
import os
import subprocess
import sys
from pathlib import Path

import pytest

import interlock

PROGRAMS = Path(__file__).with_name("fork_programs.py")
HELPERS = {"in_child"}
NAMES = [
    definition.name
    for definition in ast.parse(PROGRAMS.read_text(encoding="utf-8")).body
    if isinstance(definition, ast.FunctionDef) and definition.name not in HELPERS
]

needs_fork = pytest.mark.skipif(not hasattr(os, "fork"), reason="no os.fork() on this system")


@needs_fork
@pytest.mark.parametrize("name", NAMES)
def test_fork(name: str) -> None:
    paths = [Path(interlock.__file__).parents[1], PROGRAMS.parents[1]]
    process = subprocess.run(
        [sys.executable, "-W", "ignore::DeprecationWarning", PROGRAMS, name],
        env=os.environ | {"PYTHONPATH": os.pathsep.join(map(str, paths))},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    assert process.returncode == 0, process.stdout
    assert "Error" not in process.stdout
    assert "Exception ignored" not in process.stdout


def test_reinitializing_an_event_lets_nobody_down() -> None:
    """What the standard library calls in the child is harmless in the parent."""
    event = interlock.Event()
    event._at_fork_reinit()
    assert not event.is_set()
    event.set()
    event._at_fork_reinit()
    assert event.wait()
