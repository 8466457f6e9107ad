"""Runs one suite of CPython's with the drop-in installed before anything else is imported.

    python run_cpython_suite.py SUITE PATTERN REPORT

SUITE is a module or package of `test`, PATTERN says which of its tests to run (as `fnmatch` has it), REPORT is a
file to write what happened into, as JSON. Programs that a test hands to another interpreter get the drop-in too.
"""

import interlock
from interlock.dropin import ASYNCIO_NAMES, NAMES, install

install(asyncio=True)

import faulthandler  # noqa: E402
import fnmatch  # noqa: E402
import importlib  # noqa: E402
import json  # noqa: E402
import pkgutil  # noqa: E402
import sys  # noqa: E402
import unittest  # noqa: E402
from collections.abc import Iterator  # noqa: E402
from pathlib import Path  # noqa: E402
from typing import Any  # noqa: E402

from test.support import script_helper  # noqa: E402

# Less than a test here may take: so a hang ends in a dump of this process and not of the one that waits for it.
PATIENCE = 900.0  # seconds

ROOT = str(Path(interlock.__file__).parents[1])
# Isolated interpreters get no PYTHONPATH.
INSTALLING = f"import sys; sys.path.insert(0, {ROOT!r}); import interlock.dropin; interlock.dropin.install()\n"
run_interpreter = script_helper.run_python_until_end
programs = 0


def run_interpreter_installed(*arguments: str, **environment: str) -> object:
    global programs
    words = list(arguments)
    if "-c" in words:
        programs += 1
        words[words.index("-c") + 1] = INSTALLING + words[words.index("-c") + 1]
    return run_interpreter(*words, **environment)


def test_cases(suite: unittest.TestSuite) -> Iterator[unittest.TestCase]:
    for test in suite:
        if isinstance(test, unittest.TestSuite):
            yield from test_cases(test)
        else:
            yield test


def put_in_queues(suite: Any) -> None:
    """The suite for `queue` imports that anew, without and with what is in C: it is to find ours in both."""
    names = {kind.__name__: kind for kind in (interlock.Queue, interlock.LifoQueue, interlock.PriorityQueue)}
    names |= {"Empty": interlock.Empty, "Full": interlock.Full, "ShutDown": interlock.ShutDown}
    names |= {"SimpleQueue": interlock.SimpleQueue, "_PySimpleQueue": interlock.SimpleQueue}
    for module in (suite.py_queue, suite.c_queue):
        for name, ours in names.items():
            if hasattr(module, name):
                setattr(module, name, ours)


def is_for_here(name: str) -> bool:
    """Not one that says of itself that it is for another system."""
    try:
        importlib.import_module(name)
    except unittest.SkipTest:
        return False
    return True


def load(name: str, pattern: str) -> list[unittest.TestCase]:
    suite = importlib.import_module(name)
    if name == "test.test_queue":
        put_in_queues(suite)
    names = [name]
    if hasattr(suite, "__path__"):
        modules = [module.name for module in pkgutil.iter_modules(suite.__path__)]
        names = [f"{name}.{module}" for module in modules if module.startswith("test_")]
        names = [each for each in names if is_for_here(each)]
    loader = unittest.TestLoader()
    loaded = loader.loadTestsFromNames(names)
    if loader.errors:
        raise ImportError("\n".join(loader.errors))
    return [test for test in test_cases(loaded) if fnmatch.fnmatch(test.id(), pattern)]


def main() -> None:
    name, pattern, report = sys.argv[1:]
    script_helper.run_python_until_end = run_interpreter_installed
    faulthandler.dump_traceback_later(PATIENCE, exit=True)
    tests = load(name, pattern)
    # Before they run: unittest drops a test that it has run.
    ids = [test.id() for test in tests]
    result = unittest.TextTestRunner(verbosity=2).run(unittest.TestSuite(tests))
    failed: dict[str, str] = {}
    for test, trace in result.failures + result.errors:
        # A subtest counts for its test.
        failed.setdefault(getattr(test, "test_case", test).id(), trace)
    happened = {
        "run": ids,
        "skipped": {test.id(): reason for test, reason in result.skipped},
        "failed": failed,
        "programs": programs,
        "still installed": all(name.stands_for() is name.ours for name in [*NAMES, *ASYNCIO_NAMES]),
    }
    Path(report).write_text(json.dumps(happened))


# Not in the children that multiprocessing spawns.
if __name__ == "__main__":
    main()
