"""Kills at every so many instructions of each operation: see sweep.py. Every single one: tests/slow/machine."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from .sweep import KILLED

SWEEP = Path(__file__).with_name("sweep.py")
STRIDE = 997  # a prime: it does not beat with any loop
LONG = ("get_late", "hold")  # twice as many instructions as any other, and each point takes longer


def sweep(operation: str, *arguments: int, **environment: str) -> dict[str, object]:
    ran = subprocess.run(
        [sys.executable, str(SWEEP), operation, *map(str, arguments)],
        env=os.environ | environment,
        capture_output=True,
        encoding="utf-8",
        timeout=110,
        check=False,
    )
    if ran.returncode == 77:
        pytest.skip(f"no single steps: {ran.stdout.strip()}")
    assert ran.returncode == 0, ran.stderr
    result: dict[str, object] = json.loads(ran.stdout)
    return result


@pytest.mark.parametrize("operation", KILLED)
def test_nobody_is_stuck(operation: str) -> None:
    assert sweep(operation, 3 * STRIDE if operation in LONG else STRIDE)["stuck"] == []


@pytest.mark.parametrize("operation", ["release", "give", "arrive", "get"])
def test_a_stopped_one_costs_nobody_a_timeout(operation: str) -> None:
    assert sweep(f"stopped:{operation}", 2 * STRIDE)["stuck"] == []


@pytest.mark.parametrize("operation", ["acquire", "bounded", "wait", "get"])
def test_a_child_forked_meanwhile_is_as_new(operation: str) -> None:
    assert sweep(f"forked:{operation}", 3 * STRIDE)["stuck"] == []


def test_the_sweep_can_fail() -> None:
    """A kernel that watches nobody is found out."""
    assert sweep("release", 1, 1, INTERLOCK_MACHINE_MUTANT="2", INTERLOCK_SWEEP_PATIENCE="1")["stuck"]
