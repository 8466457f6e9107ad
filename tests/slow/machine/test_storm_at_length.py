"""The storm of tests/machine for minutes, and the ordinary tests in other circumstances."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parents[2] / "machine"
SECONDS = float(os.environ.get("STORM_SECONDS", "10"))


@pytest.mark.timeout(3 * SECONDS + 300)
@pytest.mark.parametrize("variable", ["", "INTERLOCK_MACHINE_MUTANT=3", "INTERLOCK_MACHINE_OLD_KERNEL=1"])
def test_storm(tmp_path: Path, variable: str) -> None:
    ran = subprocess.run(
        [sys.executable, str(HERE / "storm.py"), str(SECONDS)],
        env=os.environ | {"INTERLOCK_MACHINE_DIR": str(tmp_path)} | dict([variable.split("=")] if variable else []),
        capture_output=True,
        encoding="utf-8",
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
    print(ran.stdout)
    assert json.loads(ran.stdout)["wrong"] == [], ran.stderr


@pytest.mark.timeout(300)
@pytest.mark.parametrize("variable", ["INTERLOCK_MACHINE_MUTANT=3", "INTERLOCK_MACHINE_OLD_KERNEL=1"])
def test_primitives_so(variable: str, tmp_path: Path) -> None:
    """The ordinary tests, with the links made anew in every guard; and as before Linux 5.16."""
    # Where each look makes the links anew, and that sends all others to look, nobody sleeps.
    but = "not waits_for_ever_behind_a_dead_one_sleeps" if "MUTANT" in variable else ""
    files = ["test_primitives.py", "test_death.py", "test_queue.py", "test_tasks.py"]
    ran = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-n", "0", "-p", "no:cacheprovider", "-k", but]
        + [str(HERE / file) for file in files],
        env=os.environ | dict([variable.split("=")]) | {"TMPDIR": str(tmp_path)},
        capture_output=True,
        encoding="utf-8",
        check=False,
    )
    assert ran.returncode == 0, ran.stdout
