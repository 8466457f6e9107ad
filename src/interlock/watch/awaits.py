"""What tasks of asyncio's await that is none of our primitives, written down while a recording is under way.

asyncio tells nobody that a task waits. So each coroutine that becomes a task is put into a `Watched`, which hands on
what the task sends it and sees what comes back: a future, which the task then awaits. What only time or the outside
can end (`sleep`, a socket) is not written down, nor what our own primitives write down themselves.
"""

import _thread
import sys
import time
import weakref
from collections.abc import Coroutine

from interlock.core.record.recorder import Awaited, note_await
from interlock.dropin import call_with_asyncio
from interlock.watch import jobs

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import CodeType, FrameType
    from typing import Any


class Task(Awaited):
    """Another task, or several."""


class Future(Awaited):
    """A future that somebody is to set."""


class _Wait:
    def __init__(self, what: Awaited, code: "CodeType", offset: int) -> None:
        self.what = what
        self.code = code
        self.offset = offset
        self.began: int = time.monotonic_ns()
        self.party: int = note_await(what, True, 0, 0, code, offset)


_guard = _thread.RLock()  # the real one; a destructor may come between
# Guarded by it. The waits for each task: who they are that its end lets go on.
_waits_for: "weakref.WeakKeyDictionary[Any, list[_Wait]]" = weakref.WeakKeyDictionary()


class Watched(Coroutine):  # type: ignore[type-arg]
    """A coroutine, for all that its task can tell."""

    def __init__(self, coroutine: "Any") -> None:
        self.inside = coroutine
        self._wait: _Wait | None = None

    def send(self, value: "Any") -> "Any":
        return self._step(self.inside.send, value)

    def throw(self, *error: "Any") -> "Any":
        return self._step(self.inside.throw, *error)

    def _step(self, step: "Any", *values: "Any") -> "Any":
        wait, self._wait = self._wait, None
        if wait is not None:
            note_await(wait.what, False, 0, time.monotonic_ns() - wait.began, wait.code, wait.offset)
        try:
            awaited = step(*values)
        except BaseException:
            _tell_waiting(self.inside)
            raise
        if awaited is not None:
            self._wait = _wait_for(awaited, self.inside)
        return awaited

    def close(self) -> None:
        self.inside.close()

    def __await__(self) -> "Any":
        return self.inside.__await__()

    def __getattr__(self, name: str) -> "Any":
        return getattr(self.inside, name)  # `cr_frame` and its like

    def __repr__(self) -> str:
        return repr(self.inside)


def watch() -> None:
    """Watch the tasks that are made from now on."""
    call_with_asyncio(_start)


def _start() -> None:
    from asyncio.base_events import BaseEventLoop

    create = BaseEventLoop.create_task

    def create_task(self: BaseEventLoop, coro: "Any", **keywords: "Any") -> "Any":
        # What is no coroutine asyncio is to refuse in its own words.
        return create(self, Watched(coro) if hasattr(coro, "cr_frame") else coro, **keywords)

    BaseEventLoop.create_task = create_task  # type: ignore[method-assign]


def _wait_for(awaited: "Any", coroutine: "Any") -> _Wait | None:
    frames: list[FrameType] = []
    inner = coroutine
    while inner is not None:
        if type(inner).__module__.startswith(("_cython", "interlock.")):
            return None  # one of our primitives
        frame = getattr(inner, "cr_frame", None) or getattr(inner, "gi_frame", None)
        if frame is not None:
            frames.append(frame)
        inner = getattr(inner, "cr_await", None) or getattr(inner, "gi_yieldfrom", None)
    if not frames:
        return None
    from interlock.watch.waits.tasks import ends_outside

    innermost = list(reversed(frames))
    if ends_outside(innermost):
        return None
    what = _named(awaited, innermost)
    place = _of_program(innermost)
    wait = _Wait(what, place.f_code, place.f_lasti)
    if isinstance(what, Task):
        with _guard:
            for each in _tasks_of(awaited, innermost):
                _waits_for.setdefault(each, []).append(wait)
    return wait


def _of_program(frames: "list[FrameType]") -> "FrameType":
    from interlock.watch.instructions import is_program_file

    return next((frame for frame in frames if is_program_file(frame.f_code.co_filename)), frames[0])


def _tasks_of(awaited: "Any", frames: "list[FrameType]") -> "list[Any]":
    from interlock.watch.waits.tasks import awaited_together

    return [each for each in awaited_together(awaited, frames) if hasattr(each, "get_coro")]


def _named(awaited: "Any", frames: "list[FrameType]") -> Awaited:
    names = [each.get_name() for each in _tasks_of(awaited, frames)]
    if len(names) > 3:
        names = [*names[:2], f"{len(names) - 2} more"]
    if names:
        return Task(f"await {', '.join(names)}")
    from interlock.watch.waits.tasks import source_of_awaited

    source = source_of_awaited(awaited)
    return Future("await a future" if source is None else jobs.called(source))


def _tell_waiting(coroutine: "Any") -> None:
    """The task of this coroutine ends: what waits for it continues because of that."""
    asyncio = sys.modules["asyncio"]
    task = asyncio.current_task()
    with _guard:
        waits = _waits_for.pop(task, ())
    for wait in waits:
        code = getattr(coroutine, "cr_code", None)
        if code is not None and wait.party:
            note_await(wait.what, False, wait.party, 0, code, -1)
