"""Every few instructions of every operation, and the two kernels that must be found out: see tests/machine/sweep.py."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

SWEEP = Path(__file__).parents[2] / "machine" / "sweep.py"
sys.path.insert(0, str(SWEEP.parent))

from sweep import KILLED, SCENES  # noqa: E402

STRIDE = os.environ.get("SWEEP_STRIDE", "307")  # a prime. 29 takes half an hour, 1 is every instruction and takes hours
# With the links made anew in every guard, each look of a waiter sends the others to look again. So a victim that stands
# among them has no last instruction; nothing new comes after so many.
LAST = "30000"


def sweep(folder: Path, *arguments: str, **environment: str) -> dict[str, object]:
    ran = subprocess.run(
        [sys.executable, str(SWEEP), *arguments],
        env=os.environ | {"INTERLOCK_MACHINE_DIR": str(folder)} | environment,
        capture_output=True,
        encoding="utf-8",
        check=False,
    )
    if ran.returncode == 77:
        pytest.skip(f"no single steps: {ran.stdout.strip()}")
    assert ran.returncode == 0, ran.stderr
    result: dict[str, object] = json.loads(ran.stdout)
    return result


@pytest.mark.timeout(7200 if STRIDE == "1" else 1200)
@pytest.mark.parametrize("operation", KILLED)
def test_nobody_is_stuck(tmp_path: Path, operation: str) -> None:
    assert sweep(tmp_path, operation, STRIDE)["stuck"] == []


@pytest.mark.timeout(7200 if STRIDE == "1" else 1200)
@pytest.mark.parametrize("operation", SCENES)
def test_nobody_is_stuck_after_a_death_while_the_links_are_made_anew(tmp_path: Path, operation: str) -> None:
    assert sweep(tmp_path, operation, STRIDE, LAST, INTERLOCK_MACHINE_MUTANT="3")["stuck"] == []


@pytest.mark.timeout(7200 if STRIDE == "1" else 1200)
@pytest.mark.parametrize("operation", SCENES)
def test_a_stopped_one_costs_nobody_a_timeout_or_ctrl_c(tmp_path: Path, operation: str) -> None:
    assert sweep(tmp_path, f"stopped:{operation}", STRIDE)["stuck"] == []


@pytest.mark.timeout(7200 if STRIDE == "1" else 1200)
@pytest.mark.parametrize("operation", SCENES)
def test_a_child_forked_meanwhile_is_as_new(tmp_path: Path, operation: str) -> None:
    assert sweep(tmp_path, f"forked:{operation}", str(4 * int(STRIDE) - 3))["stuck"] == []


@pytest.mark.timeout(1200)
def test_a_grant_in_two_steps_is_found(tmp_path: Path) -> None:
    assert sweep(tmp_path, "give", "5", "1000000", "0.6", INTERLOCK_MACHINE_MUTANT="1", INTERLOCK_SWEEP_PATIENCE="1")[
        "stuck"
    ]


@pytest.mark.timeout(1200)
def test_an_item_put_in_two_steps_is_found(tmp_path: Path) -> None:
    assert sweep(tmp_path, "put", "5", "1000000", "0.6", INTERLOCK_MACHINE_MUTANT="1", INTERLOCK_SWEEP_PATIENCE="1")[
        "stuck"
    ]


@pytest.mark.timeout(1200)
def test_a_kernel_that_watches_nobody_is_found(tmp_path: Path) -> None:
    assert sweep(tmp_path, "release", "11", INTERLOCK_MACHINE_MUTANT="2", INTERLOCK_SWEEP_PATIENCE="1")["stuck"]
