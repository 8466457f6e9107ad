"""Jobs of pools, by their own names: what a recording calls a future whose job a pool of threads was given.

The name is made when the job is submitted, of text alone, and only while a recording is under way: afterwards nobody
knows which job it was.
"""

import sys
import weakref

from interlock.core.kernel.primitive import Primitive
from interlock.core.kernel.probe import name_entry
from interlock.dropin import call_when_loaded
from interlock.watch import private
from interlock.watch.waits.futures import job_call, job_function

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_called: "weakref.WeakKeyDictionary[Any, str]" = weakref.WeakKeyDictionary()


def called(future: "Any") -> str:
    """What this future of `concurrent.futures` is called."""
    return _called.get(future, "result of a job")


def watch() -> None:
    """Name jobs from now on."""
    call_when_loaded("concurrent.futures.thread", lambda: private.call_when_submitted(_name))


def _name(future: "Any", pool: str, function: object, args: "tuple[Any, ...]", keywords: "dict[str, Any]") -> None:
    condition = private.condition_of(future)
    if isinstance(condition, Primitive):
        code = getattr(job_function(function), "__code__", None)
        name = f"result of job {job_call(function, args, keywords)} in pool {pool}"
        name_entry(condition, name, code)
        if "asyncio" in sys.modules:
            _called[future] = name  # a task may await it
