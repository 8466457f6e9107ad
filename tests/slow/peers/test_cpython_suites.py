"""CPython's own suites for what is built on locks pass with the drop-in installed."""

import fnmatch
import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import pytest

import interlock

RUNNER = Path(__file__).with_name("run_cpython_suite.py")


class Suite(NamedTuple):
    name: str
    pattern: str
    programs: bool  # it has tests that run programs in another interpreter, with the drop-in


SUITES = [
    Suite("test.test_threading", "*", True),
    Suite("test.test_queue", "*", False),
    Suite("test.test_concurrent_futures", "*", True),
    Suite("test.test_socketserver", "*", False),
    Suite("test.test_logging", "*", True),
    # In parts: all of it takes minutes.
    Suite("test.test_asyncio", "*[.]test_asyncio[.]test_[a-d]*", False),
    Suite("test.test_asyncio", "*[.]test_asyncio[.]test_[e-r]*", False),
    Suite("test.test_asyncio", "*[.]test_asyncio[.]test_s*", False),
    Suite("test.test_asyncio", "*[.]test_asyncio[.]test_[t-z]*", False),
]


class Excluded(NamedTuple):
    test: str
    since: tuple[int, int]  # the first and the last Python that has this test
    until: tuple[int, int]
    reason: str


EVER = (3, 99)

# Excluded tests run too, and each must fail where it exists: one that passes, or is gone, leaves this list.
EXCLUDED = [
    Excluded(
        "test.test_threading.MiscTestCase.test__all__",
        (3, 11),
        EVER,
        "compares the __module__ of every class in threading with 'threading'; ours say where they come from",
    ),
    Excluded(
        "test.test_threading.ThreadTests.test_disallow_instantiation",
        (3, 11),
        (3, 12),
        "asserts that the private type of a lock cannot be called: Lock is a function there; ours is the type",
    ),
    Excluded(
        "test.test_threading.ThreadTests.test_lock_no_subclass",
        (3, 13),
        EVER,
        "asserts that Lock, a class since 3.13, refuses subclasses: so it is built in C; ours allows them",
    ),
    Excluded(
        "test.test_threading.ThreadTests.test_import_from_another_thread",
        (3, 11),
        EVER,
        "subprocess: its program asserts that nothing has imported threading yet, and install() has",
    ),
    Excluded(
        "test.test_asyncio.test_locks.EventTests.test_repr",
        (3, 11),
        EVER,
        "appends to the private _waiters, a deque there, and expects to find that in repr()",
    ),
    Excluded(
        "test.test_asyncio.test_locks.ConditionTests.test_repr",
        (3, 11),
        EVER,
        "appends to the private _waiters, a deque there, and expects to find that in repr()",
    ),
    Excluded(
        "test.test_asyncio.test_locks.SemaphoreTests.test_repr",
        (3, 11),
        EVER,
        "appends to the private _waiters, a deque there, and expects to find that in repr()",
    ),
    Excluded(
        "test.test_asyncio.test_locks.EventTests.test_clear_with_waiters",
        (3, 11),
        EVER,
        "counts the private _waiters: there those who were woken stay in it until they run, here they leave at once",
    ),
    Excluded(
        "test.test_asyncio.test_locks.LockTests.test_cancel_race",
        (3, 11),
        EVER,
        "asks the first of the private _waiters, a future there, whether it was cancelled()",
    ),
    Excluded(
        "test.test_asyncio.test_locks.SemaphoreTests.test_acquire_fifo_order_4",
        (3, 13),
        EVER,
        "reads the private _value: there one takes its permit when it runs again, here it is given that by release()",
    ),
    Excluded(
        "test.test_asyncio.test_locks.ConditionTests.test_ambiguous_loops",
        (3, 11),
        EVER,
        "wants another loop refused; ours serve any loop, so it waits for itself, and is told so",
    ),
    Excluded(
        "test.test_asyncio.test_locks.ConditionTests.test_notify",
        (3, 11),
        EVER,
        "counts rounds of the loop: there notify wakes all, here each gets the lock from the one before, a round later",
    ),
    Excluded(
        "test.test_asyncio.test_queues.QueueGetTests.test_get_with_putters",
        (3, 11),
        EVER,
        "appends to the private _putters, a deque there",
    ),
]


def excluded_here(suite: Suite) -> set[str]:
    return {
        excluded.test
        for excluded in EXCLUDED
        if fnmatch.fnmatch(excluded.test, f"{suite.name}.*")
        and fnmatch.fnmatch(excluded.test, suite.pattern)
        and excluded.since <= sys.version_info[:2] <= excluded.until
    }


def has_suite(name: str) -> bool:
    try:
        return importlib.util.find_spec(name) is not None
    except ModuleNotFoundError:
        return False


@pytest.mark.timeout(1000)
@pytest.mark.parametrize("suite", SUITES, ids=lambda suite: f"{suite.name.removeprefix('test.')}-{suite.pattern}")
def test_suite(suite: Suite, tmp_path: Path) -> None:
    if not has_suite(suite.name):
        pytest.skip(f"this Python {sys.version.split()[0]} was installed without CPython's {suite.name}")
    report = tmp_path / "report.json"
    process = subprocess.run(
        [sys.executable, RUNNER, suite.name, suite.pattern, report],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(Path(interlock.__file__).parents[1])},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        check=False,
    )
    assert process.returncode == 0, process.stdout
    happened = json.loads(report.read_text())
    excluded = excluded_here(suite)
    passed = set(happened["run"]) - set(happened["failed"]) - set(happened["skipped"])
    print(
        f"{suite.name} {suite.pattern}: {len(passed)} passed, {len(excluded)} excluded, "
        f"{len(happened['skipped'])} skipped by itself, {happened['programs']} programs run: {happened['skipped']}"
    )
    unexpected = [trace for test, trace in happened["failed"].items() if test not in excluded]
    assert not unexpected, "\n\n".join(unexpected)
    assert excluded == set(happened["failed"]), "the list of exclusions is out of date"
    assert passed
    assert not suite.programs or happened["programs"] > 0
    assert happened["still installed"]
