"""The types that a user's checker sees."""

import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

PROGRAM = Path(__file__).with_name("program.py")
ROOT = Path(__file__).parents[2]


def test_the_program_runs() -> None:
    result = subprocess.run([sys.executable, PROGRAM], capture_output=True, text=True, timeout=100, check=False)
    assert (result.returncode, result.stderr) == (0, "")


def test_mypy_strict_has_nothing_to_say(tmp_path: Path) -> None:
    if find_spec("mypy") is None:
        pytest.skip("needs mypy: make check")
    command = [sys.executable, "-m", "mypy", "--strict", "--cache-dir", str(tmp_path), "--config-file=", str(PROGRAM)]
    # As an installed package: no settings of this project.
    result = subprocess.run(
        command,
        capture_output=True,
        text=True,
        timeout=110,
        check=False,
        cwd=tmp_path,
        env={"MYPYPATH": str(ROOT / "src")},
    )
    assert result.returncode == 0, result.stdout + result.stderr


def test_every_class_is_in_the_program() -> None:
    import interlock

    text = PROGRAM.read_text(encoding="utf-8")
    for name in interlock.__all__:
        thing = getattr(interlock, name)
        if isinstance(thing, type) and not issubclass(thing, BaseException):
            assert f"interlock.{name}" in text, f"{PROGRAM.name} does not use {name}"
