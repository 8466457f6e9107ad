"""`interlock explore` finds what is wrong with each program in `examples/explore/`."""

import subprocess
import sys
from pathlib import Path

import pytest

EXPLORE = Path(__file__).resolve().parents[2] / "examples" / "explore"


@pytest.mark.parametrize("name", sorted(path.name for path in EXPLORE.glob("*.py")))
def test_the_bug_is_found(name: str) -> None:
    command = [sys.executable, "-m", "interlock", "explore", f"examples/explore/{name}"]
    ran = subprocess.run(command, cwd=EXPLORE.parents[1], capture_output=True, encoding="utf-8", timeout=100)
    assert ran.returncode == 1, ran.stderr
    assert "Deadlock: nobody can go on." in ran.stdout
    assert f"replay: interlock explore examples/explore/{name} --replay i2-" in ran.stdout
