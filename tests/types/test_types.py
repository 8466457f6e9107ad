"""The types that a user's checker sees."""

import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

PROGRAM = Path(__file__).with_name("program.py")
DROPIN = Path(__file__).with_name("dropin_program.py")
ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("program", [PROGRAM, DROPIN], ids=lambda path: path.stem)
def test_the_program_runs(program: Path) -> None:
    result = subprocess.run([sys.executable, program], capture_output=True, text=True, timeout=100, check=False)
    assert (result.returncode, result.stderr) == (0, "")


@pytest.mark.parametrize("program", [PROGRAM, DROPIN], ids=lambda path: path.stem)
def test_mypy_strict_has_nothing_to_say(tmp_path: Path, program: Path) -> None:
    if find_spec("mypy") is None:
        pytest.skip("needs mypy: make check")
    command = [sys.executable, "-m", "mypy", "--strict", "--cache-dir", str(tmp_path), "--config-file=", str(program)]
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
