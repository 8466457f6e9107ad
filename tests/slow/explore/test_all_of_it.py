"""The corpus at length: every bug from ten seeds, every mended twin in each mode, and nothing that stays behind."""

import gc
import os
import re
import resource
import statistics
import subprocess
import sys
from pathlib import Path

import pytest

from interlock.explore.explorer import Explorer
from tests.explore.test_corpus import BUGS, TWINS, load

# What is promised is 2,000 schedules and 20 processes: EXPLORE_AT_LENGTH=1, five minutes.
AT_LENGTH = os.environ.get("EXPLORE_AT_LENGTH") == "1"
SCHEDULES, PROCESSES = (2_000, 20) if AT_LENGTH else (400, 3)


def search(path, at, schedules, seed=0):
    explorer = Explorer(load(path), at=at, seed=seed)
    with explorer:
        return explorer.search(schedules, None)


@pytest.mark.parametrize("path", BUGS, ids=lambda path: path.stem)
def test_a_bug_is_found_from_each_seed(path):
    after = []
    for seed in range(10):
        found = search(path, "lines", 200, seed)
        assert found.failed, f"not found from seed {seed}"
        after.append(found.found_after)
    assert statistics.median(after) <= 60


@pytest.mark.timeout(600)
@pytest.mark.parametrize("at", ["sync", "lines", "bytecodes"])
@pytest.mark.parametrize("path", TWINS, ids=lambda path: path.stem)
def test_a_mended_twin_keeps_quiet_for_long(path, at):
    found = search(path, at, SCHEDULES)
    assert found.kind is None, found.story


@pytest.mark.timeout(600)
@pytest.mark.parametrize("path", BUGS, ids=lambda path: path.stem)
def test_a_replay_is_the_same_in_fresh_processes(path):
    first = explore_in_a_process(path)
    token = re.search(r"--replay (\S+)", first)[1]
    for _ in range(PROCESSES):
        assert explore_in_a_process(path, "--replay", token) == first


def explore_in_a_process(path, *options):
    command = [sys.executable, "-m", "interlock", "explore", str(path), *options]
    ran = subprocess.run(command, capture_output=True, encoding="utf-8", timeout=100)
    assert ran.returncode == 1, ran.stderr
    return ran.stdout.partition("\n")[2]


@pytest.mark.timeout(600)
def test_ten_thousand_schedules_leave_nothing():
    path = next(path for path in TWINS if path.stem == "missed_notify_ok")
    search(path, "sync", 500)
    gc.collect()
    threads, objects = (
        len(os.listdir("/proc/self/task")) if Path("/proc/self/task").exists() else 0,
        len(gc.get_objects()),
    )
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    search(path, "sync", 10_000)
    gc.collect()
    assert len(gc.get_objects()) - objects < 2_000
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - memory < 50_000
    if threads:
        assert len(os.listdir("/proc/self/task")) <= threads + 1
