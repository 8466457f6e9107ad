"""Threads with nothing to do: a loop without a timer or anything to read or write, a thread of a pool without work.

They wait like a thread that is parked, and only another thread could wake them; but not in one of our primitives. Who
does so is read from the frames. Where a library keeps such things elsewhere in another version, its threads count as
awake.
"""

import sys
from collections.abc import Callable

from interlock.core.tasks.owner_watch import LoopWatch
from interlock.watch import private

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import FrameType
    from typing import Any

_LOOK_AGAIN = "interlock.look_again"  # the task by which we look at trio's other tasks


class TimerOfOurs:
    """What a timer of a loop calls for us. It wakes nobody."""

    def __init__(self, function: Callable[[], object]) -> None:
        self._function = function

    def __call__(self) -> None:
        self._function()


def is_idle(frames: "list[FrameType]") -> bool:
    """Whether the thread with these frames, innermost first, waits for what only others can give it."""
    try:
        loop = loop_of_frames(frames)
        if loop is not None:
            return _is_idle_loop(loop)
        runner = _runner_of_frames(frames)
        if runner is not None:
            return _is_idle_runner(runner)
        return _is_idle_worker(frames[0]) if frames else False
    except (AttributeError, KeyError, RuntimeError, TypeError, ValueError):
        return False


def tasks_of(frames: "list[FrameType]") -> "list[Any]":
    """The tasks of asyncio's loop that runs in the thread with these frames, whatever it does just now."""
    try:
        loop = running_loop_of(frames)
        asyncio = sys.modules.get("asyncio")
        return [] if loop is None or asyncio is None else list(asyncio.all_tasks(loop))
    except (AttributeError, RuntimeError):
        return []


def running_loop_of(frames: "list[FrameType]") -> "Any":
    """asyncio's own loop that runs in the thread with these frames, or None."""
    for frame in frames:
        running = frame.f_code.co_name in ("_run_once", "run_forever")
        if running and frame.f_globals.get("__name__") == "asyncio.base_events":
            loop = frame.f_locals["self"]
            return loop if private.shows_its_work(loop) else None
    return None


def loop_of_frames(frames: "list[FrameType]") -> "Any":
    """asyncio's own loop that waits for something to happen in the thread with these frames, or None."""
    for frame in frames[1:3]:
        if frames[0].f_code.co_name == "select" and frame.f_code.co_name == "_run_once":
            loop = frame.f_locals["self"]
            return loop if private.shows_its_work(loop) else None
    return None


def _is_idle_loop(loop: "Any") -> bool:
    ours = (LoopWatch, TimerOfOurs)
    return (
        not private.calls_ready(loop)
        and all(type(callback) in ours for callback, _ in private.calls_scheduled(loop))
        and private.files_of_program(loop) == 0
        and not private.calls_of_signals(loop)
    )


def _runner_of_frames(frames: "list[FrameType]") -> "Any":
    if len(frames) < 2 or frames[0].f_code.co_name != "get_events":
        return None
    return frames[1].f_locals.get("runner") if frames[0].f_globals["__name__"].startswith("trio._core._io_") else None


def _is_idle_runner(runner: "Any") -> bool:
    scopes = private.scopes_with_deadline(runner)
    io = runner.io_manager.statistics()
    return (
        not runner.runq
        and not runner.entry_queue.queue
        # `int` is our own question whether the loop is still there.
        and all(job[0] is int for job in list(runner.entry_queue.idempotent_queue))
        and all(task.name == _LOOK_AGAIN for scope in scopes for task in private.tasks_in_scope(scope))
        # One task is trio's own, which waits for calls from other threads.
        and io.tasks_waiting_read <= 1
        and io.tasks_waiting_write == 0
    )


def _is_idle_worker(frame: "FrameType") -> bool:
    module, function = frame.f_globals["__name__"], frame.f_code.co_name
    if (module, function) == ("concurrent.futures.thread", "_worker"):
        return bool(frame.f_locals["work_queue"].empty())
    if (module, function) == ("trio._core._thread_cache", "_work"):
        return not private.has_job(frame.f_locals["self"])
    if (module, function) == ("threading", "run"):
        # Not imported for this: it imports `concurrent.futures`, which the program may not have done.
        outside = sys.modules.get("interlock.core.primitives.outside")
        return outside is not None and outside.has_nothing_to_do(frame.f_locals.get("self"))
    return False
