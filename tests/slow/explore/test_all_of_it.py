"""The corpus at length: every bug from ten seeds, every mended twin in each mode, and nothing that stays behind."""

import gc
import os
import resource
import statistics
from pathlib import Path

import pytest

from interlock.explore.explorer import Explorer
from tests.explore.test_corpus import BUGS, TWINS, load


def search(path, at, schedules, seed=0):
    explorer = Explorer(load(path), at=at, seed=seed)
    with explorer:
        return explorer.search(schedules, None)


@pytest.mark.parametrize("path", BUGS, ids=lambda path: path.stem)
def test_a_bug_is_found_from_each_seed(path):
    after = []
    for seed in range(10):
        # The number is geometric: with a median of 60, one seed in ten passes 200, and one in 100000 passes 1000.
        found = search(path, "lines", 1000, seed)
        assert found.failed, f"not found from seed {seed}"
        after.append(found.found_after)
    assert statistics.median(after) <= 60


@pytest.mark.timeout(600)
@pytest.mark.parametrize("at", ["sync", "lines", "bytecodes"])
@pytest.mark.parametrize("path", TWINS, ids=lambda path: path.stem)
def test_a_mended_twin_keeps_quiet_for_long(path, at):
    found = search(path, at, 500)
    assert found.kind is None, found.story


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
