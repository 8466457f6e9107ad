"""Threads with nothing to do: a loop without a timer or anything to read or write, a thread of a pool without work.

They wait like a thread that is parked, and only another thread could wake them; but not in one of our primitives. Who
does so is read from the frames. Where a library keeps such things elsewhere in another version, its threads count as
awake.
"""

import sys
from collections.abc import Callable

from interlock.core.primitives.outside import has_nothing_to_do
from interlock.core.tasks.owner_watch import LoopWatch

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
    """The tasks of asyncio's loop that runs in the thread with these frames."""
    try:
        loop = loop_of_frames(frames)
        asyncio = sys.modules.get("asyncio")
        return [] if loop is None or asyncio is None else list(asyncio.all_tasks(loop))
    except (AttributeError, RuntimeError):
        return []


def loop_of_frames(frames: "list[FrameType]") -> "Any":
    """asyncio's own loop that waits for something to happen in the thread with these frames, or None."""
    for frame in frames[1:3]:
        if frames[0].f_code.co_name == "select" and frame.f_code.co_name == "_run_once":
            loop = frame.f_locals["self"]
            return loop if hasattr(loop, "_selector") else None
    return None


def _is_idle_loop(loop: "Any") -> bool:
    ours = (LoopWatch, TimerOfOurs)
    timers = [timer for timer in loop._scheduled if not timer._cancelled and type(timer._callback) not in ours]
    # One file is the loop's own, by which threads wake it. Signals come through it, too.
    return (
        not loop._ready
        and not timers
        and len(loop._selector.get_map()) <= 1
        and not getattr(loop, "_signal_handlers", None)
    )


def _runner_of_frames(frames: "list[FrameType]") -> "Any":
    if len(frames) < 2 or frames[0].f_code.co_name != "get_events":
        return None
    return frames[1].f_locals.get("runner") if frames[0].f_globals["__name__"].startswith("trio._core._io_") else None


def _is_idle_runner(runner: "Any") -> bool:
    # Nothing is asked that trio answers by tidying up: this is another thread than its own.
    scopes = [scope for deadline, _, scope in list(runner.deadlines._heap) if deadline == scope._registered_deadline]
    io = runner.io_manager.statistics()
    return (
        not runner.runq
        and not runner.entry_queue.queue
        # `int` is our own question whether the loop is still there.
        and all(job[0] is int for job in list(runner.entry_queue.idempotent_queue))
        and all(task.name == _LOOK_AGAIN for scope in scopes for task in list(scope._cancel_status._tasks))
        # One task is trio's own, which waits for calls from other threads.
        and io.tasks_waiting_read <= 1
        and io.tasks_waiting_write == 0
    )


def _is_idle_worker(frame: "FrameType") -> bool:
    module, function = frame.f_globals["__name__"], frame.f_code.co_name
    if (module, function) == ("concurrent.futures.thread", "_worker"):
        return bool(frame.f_locals["work_queue"].empty())
    if (module, function) == ("trio._core._thread_cache", "_work"):
        return frame.f_locals["self"]._job is None
    if (module, function) == ("threading", "run"):
        return has_nothing_to_do(frame.f_locals.get("self"))
    return False
