"""Runs CPython's tests of what `multiprocessing` synchronizes with, on the primitives of `interlock.machine`.

    python run_multiprocessing_suite.py METHOD REPORT

METHOD is how processes are started, REPORT is a file to write what happened into, as JSON. Children that are spawned
run this file too, up to `main`: they find the test classes here.
"""

import faulthandler
import json
import multiprocessing
import os
import signal
import sys
import time
import unittest
from collections.abc import Callable
from pathlib import Path
from typing import Any

from test import _test_multiprocessing as suite

from interlock import machine

PATIENCE = 500.0  # seconds; then every stack is printed
TESTED = ("_TestLock", "_TestSemaphore", "_TestCondition", "_TestEvent", "_TestBarrier", "_TestQueue")
OURS = ("Lock", "RLock", "Semaphore", "BoundedSemaphore", "Condition", "Event", "Barrier", "Queue", "JoinableQueue")


def no_sleepers(test: unittest.TestCase, condition: machine.Condition) -> None:
    """In place of what looks at the private counters of `multiprocessing.Condition`: the same fact, asked of ours."""
    assert condition.waiters == (), test


# These tests sleep for 0.1 s or 1 s and count on it that another process has got somewhere by then. On a busy machine
# it need not have: what they sleep for is waited for.


def reaches(test: unittest.TestCase, func: Callable[[], int], value: int) -> None:
    end = time.monotonic() + PATIENCE / 4
    while func() != value and time.monotonic() < end:
        time.sleep(0.01)
    assert func() == value, test


def returns(test: unittest.TestCase, value: int, func: Callable[..., int], *args: Any) -> None:
    reaches(test, lambda: func(*args), value)


def _test_wait_result(kind: type[unittest.TestCase], condition: machine.Condition, pid: int) -> None:
    with condition:
        condition.notify()
    while not condition.waiters:  # again
        time.sleep(0.01)
    os.kill(pid, signal.SIGINT)


def test_class(name: str, method: str) -> type[unittest.TestCase]:
    context = machine.context(method)
    members: dict[str, Any] = {kind: staticmethod(getattr(context, kind)) for kind in OURS}
    members["Process"] = context.Process
    members["__module__"] = __name__
    members["assertReturnsIfImplemented"] = returns
    if name == "_TestCondition":
        members["check_invariant"] = no_sleepers
        members["assertReachesEventually"] = reaches
        members["_test_wait_result"] = classmethod(_test_wait_result)
    bases = (getattr(suite, name), suite.ProcessesMixin, unittest.TestCase)
    return type(f"With{name}", bases, members)


# In a child there is no METHOD in argv; nothing is started from there.
for tested in TESTED:
    globals()[f"With{tested}"] = test_class(tested, multiprocessing.get_start_method())


def main() -> None:
    method, report = sys.argv[1:]
    multiprocessing.set_start_method(method, force=True)
    faulthandler.dump_traceback_later(PATIENCE, exit=True)
    tests = unittest.TestSuite()
    for tested in TESTED:
        kind = globals()[f"With{tested}"] = test_class(tested, method)
        tests.addTests(unittest.defaultTestLoader.loadTestsFromTestCase(kind))
    ids = [test.id() for test in tests]  # type: ignore[union-attr]
    result = unittest.TextTestRunner(verbosity=2).run(tests)
    happened = {
        "run": ids,
        "skipped": {test.id(): reason for test, reason in result.skipped},
        "failed": {test.id(): trace for test, trace in result.failures + result.errors},
    }
    Path(report).write_text(json.dumps(happened))


if __name__ == "__main__":
    main()
