"""Run a function of a test module in an interpreter of its own.

For what must not happen in the process that runs the tests: a storm of signals, a hundred threads that may hang,
a count of everything that is allocated. A hang there ends in the stacks of all threads, and fails one test only.

    def hammer(threads: int) -> None: ...      # at the top of a test module

    def test_hammer() -> None:
        in_own_process(hammer, 100)
"""

import faulthandler
import importlib
import json
import os
import subprocess
import sys
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

TESTS = Path(__file__).resolve().parents[1]

# How long each test that goes on for a while does so. Half a second finds what is badly wrong; `make test-all` asks for
# two; what is a little wrong is found by STRESS_SECONDS=600.
SECONDS = float(os.environ.get("STRESS_SECONDS", "0.5"))

# Nothing takes this long unless it hangs; the test itself is given up a little later (see `conftest.py`).
LIMIT = 80 + 2 * SECONDS


def in_own_process(function: Callable[..., None], *arguments: Any) -> str:
    """Call `function(*arguments)` in a new interpreter, and fail where it fails. Returns what it printed.

    The arguments are passed as JSON. Warnings are errors there too.
    """
    module = Path(sys.modules[function.__module__].__file__ or "").resolve()
    name = ".".join(module.relative_to(TESTS).with_suffix("").parts)
    process = subprocess.Popen(
        [sys.executable, "-X", "faulthandler", __file__, name, function.__name__, json.dumps(arguments)],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    with process:
        try:
            printed, _ = process.communicate(timeout=LIMIT + 15)
        except BaseException:
            process.kill()
            raise
    if process.returncode != 0:
        pytest.fail(
            f"{name}.{function.__name__}{arguments} ended with {process.returncode}:\n\n{printed}", pytrace=False
        )
    return printed


def main(module: str, function: str, arguments: str) -> None:
    # Before anything can hang. It is a thread of C that needs nothing of the interpreter.
    faulthandler.dump_traceback_later(LIMIT, exit=True)
    sys.path[0] = str(TESTS)
    call = getattr(importlib.import_module(module), function)
    warnings.simplefilter("error")
    call(*json.loads(arguments))


if __name__ == "__main__":
    main(*sys.argv[1:])
