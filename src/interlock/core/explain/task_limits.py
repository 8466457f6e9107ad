"""The limits of a task: what will end its wait though nobody lets it in, and so makes a cycle through it no deadlock.

A timeout that is given to one of our own calls is known to its waiter. asyncio and trio put theirs around a task, and
end its wait by cancelling it. Counted are those of the task itself: `asyncio.timeout`, `asyncio.wait_for` and a timer
that calls `task.cancel`; scopes with a deadline that the task itself has entered, in trio and in anyio; and a
cancellation that has been asked for and not reached the task yet.

Not counted is what stands around several tasks together, a timeout around `gather`, a task group or a nursery: by then
the program means to give up on all that work, and a cycle inside it is a deadlock all the same. Nor can it be known
who else may cancel a task one day.

Nobody's code is run to find out, where that can be avoided: attributes are looked up in the dictionaries. The libraries
keep these things in private places; where they are not found, the wait counts as one that ends.
"""

import functools
import gc
import math

import cython
from cython.cimports.interlock.core.explain.places import attribute
from cython.cimports.interlock.core.kernel import private
from cython.cimports.interlock.core.tasks.task import Library, TaskParty

from interlock.core.kernel.private import RELEASE_WAITER, TASK_OF_TIMEOUT, TIMER_OF_TIMEOUT


class TaskLimits:
    """The limits of all tasks, as they are found. To be asked within one moment: what it has read, it keeps."""

    def __cinit__(self):
        self.of_loops = {}

    def ends(self, party: TaskParty) -> bool:
        """Whether the wait in which this task is, or is about to be, will end by itself, or may."""
        task = party.task_ref()
        loop = party.its_loop()
        if task is None or loop is None:
            return False  # then it is for others to say what has become of it
        try:
            if party.library == Library.TRIO:
                return ends_in_trio(task)
            return self.ends_in_asyncio(task, loop)
        except Exception:
            return True  # a timer was set while we looked, or this is a version that we do not know

    def ends_in_asyncio(self, task, loop) -> cython.bint:
        awaited = private.awaited_by(task)
        if awaited is not None and awaited.done():
            return True  # cancelled, or told to look: it is about to run
        if private.is_to_be_cancelled(task):
            return True
        key = id(loop)
        found = self.of_loops.get(key)
        if found is None:
            # The loop is kept: its address must stay its own.
            found = self.of_loops[key] = (loop, *limits_of(loop))
        _, tasks, futures = found
        if tasks is None:
            return has_timeout(task)
        if id(task) in tasks:
            return True
        # Up to Python 3.11 `wait_for` makes a task of its own of what it waits for, and waits for that and a timer.
        for callback in private.callbacks_of(task):
            released = released_by(callback)
            if released is not None and (released.done() or id(released) in futures):
                return True
        return False


def limits_of(loop) -> tuple:
    """The ids of the tasks that a timer of this loop will cancel, and of the futures of `wait_for`; None: not known."""
    tasks = set()
    futures = set()
    calls = private.calls_to_come(loop)
    if calls is None:
        return None, None
    for callback, arguments in calls:
        released = released_by(callback, arguments)
        if released is not None:
            futures.add(id(released))
            continue
        while isinstance(callback, functools.partial):
            callback = callback.func
        target = getattr(callback, "__self__", None)
        if target is None:
            continue
        if getattr(callback, "__name__", None) == "cancel":
            tasks.add(id(target))
        for name in TASK_OF_TIMEOUT:
            found = attribute_of(target, name)
            if found is not None:
                tasks.add(id(found))
    return tasks, futures


def released_by(callback, args=None):
    """The future for which `wait_for` waits, where this is the callback by which that ends."""
    if isinstance(callback, functools.partial):
        args = callback.args
        callback = callback.func
    if getattr(callback, "__name__", None) == RELEASE_WAITER and args:
        return args[0]
    return None


def attribute_of(owner, name: str):
    """None where there is none, or it is something that would run code."""
    if isinstance(owner, type):
        return None
    found = attribute(owner, name)
    return found if hasattr(found, "cancel") else None


def has_timeout(task) -> cython.bint:
    """Whether one of asyncio's timeouts holds this task, where its loop does not show its timers."""
    for each in gc.get_referrers(task):
        names = each if isinstance(each, dict) else getattr(each, "__dict__", None)
        if isinstance(names, dict):
            for name in TIMER_OF_TIMEOUT:
                if names.get(name) is not None and any(names.get(whose) is task for whose in TASK_OF_TIMEOUT):
                    return True
    return False


def ends_in_trio(task) -> cython.bint:
    if private.is_cancelled_in_trio(task):
        return True
    for scope in private.scopes_of(task):
        if scope.deadline != math.inf:
            return True
        if scope.shield:
            break
    return False
