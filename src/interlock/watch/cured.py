"""Cured in silence: where our object does what asyncio's own would not have done, `interlock run` says so once.

asyncio's primitives are not for other threads: `event.set()` makes the task ready and does not wake a loop that sleeps
in another thread. So the task goes on when something else happens to wake that loop, or never. Ours wakes it, and
the program works for as long as it runs under interlock. That has to be said, or it is a trap.

Up to Python 3.12, asyncio's Condition also loses a notification whose task is cancelled before it has the lock back.
Ours hands it to the next that waits.
"""

import _thread
import sys
from collections.abc import Callable

from interlock.core.explain.places import Place, is_ours, place_of_wait
from interlock.core.kernel.private import thread_of_loop
from interlock.core.primitives.condition_tasks import call_when_passed_on
from interlock.core.tasks.task_waiter import call_when_woken_from_afar

TYPE_CHECKING = False
if TYPE_CHECKING:
    from asyncio import AbstractEventLoop
    from types import FrameType

    from interlock.core.kernel.primitive import Primitive

_CALLS = {
    "Event": "set",
    "Lock": "release",
    "Condition": "notify",
    "Semaphore": "release",
    "BoundedSemaphore": "release",
    "Queue": "put_nowait",
    "LifoQueue": "put_nowait",
    "PriorityQueue": "put_nowait",
}


def start(tell: Callable[[str], object]) -> None:
    """Watch from now on. ``tell`` is called with a text, once for each line of the program's."""
    told: set[object] = set()

    def woken(primitive: "Primitive", loop: "AbstractEventLoop") -> None:
        kind = _asyncio_name(primitive)
        if kind is None or thread_of_loop(loop) in (None, _thread.get_ident()):
            return
        where = place_of_wait(_frames_of_caller())
        key = (where and where.file, where and where.line)
        if key in told:
            return
        told.add(key)
        tell(_text(kind, str(where), "" if where is None else where.text))

    def passed_on(condition: "Primitive") -> None:
        if _asyncio_name(condition) is None:
            return
        where = place_of_wait(_frames_of_task())
        key = ("notification", where and where.file, where and where.line)
        if key not in told:
            told.add(key)
            tell(_text_of_lost(condition, where))

    call_when_woken_from_afar(woken)
    if sys.version_info < (3, 13):
        call_when_passed_on(passed_on)


def _frames_of_caller() -> "list[FrameType]":
    frames = []
    frame: FrameType | None = sys._getframe(2)
    while frame is not None:
        if not is_ours(frame):
            frames.append(frame)
        frame = frame.f_back
    return frames


def _asyncio_name(primitive: "Primitive") -> str | None:
    """What asyncio calls such a thing; None where it is none of asyncio's names."""
    for each in type(primitive).__mro__:
        if each.__module__ in ("interlock.aio", "asyncio.locks", "asyncio.queues") and each.__name__ in _CALLS:
            return each.__name__
    return None


def _frames_of_task() -> "list[FrameType]":
    """Of the task that runs. Where an exception is thrown into it, what awaits is on no stack."""
    task = sys.modules["asyncio"].current_task()
    awaited = None if task is None else task.get_coro()
    frames: list[FrameType] = []
    while awaited is not None:
        frame = getattr(awaited, "cr_frame", None) or getattr(awaited, "gi_frame", None)
        if frame is not None and not is_ours(frame):
            frames.insert(0, frame)
        awaited = getattr(awaited, "cr_await", None) or getattr(awaited, "gi_yieldfrom", None)
    return frames


def _text_of_lost(condition: "Primitive", where: "Place | None") -> str:
    """A notified task was cancelled."""
    from interlock.watch import deeds

    lines = [f"the task that asyncio.Condition.notify() had woken was cancelled, at {where}"]
    if where is not None and where.text:
        lines.append(f"    {where.text}")
    notified = next((each.place for each in deeds.to(condition, deeds.IT) if each.verb.startswith("notified")), None)
    version = "{}.{}".format(*sys.version_info[:2])
    at = "" if notified is None else f" at {notified}"
    lines += [
        "    It works here because interlock notifies the next one that waits in its place. asyncio's own Condition in",
        f"    Python {version} loses the notification: the others would sleep until somebody notifies again, or for",
        f"    ever. Use notify_all(){at}, or notify again where wait() was cancelled.",
    ]
    return "\n".join(lines)


def _text(kind: str, where: str, line: str) -> str:
    call = _CALLS[kind]
    lines = [f"asyncio.{kind}.{call} is called by another thread than its loop's, at {where}"]
    if line:
        lines.append(f"    {line}")
    lines.append(
        f"    It works here because interlock wakes the loop. asyncio's own {kind} does not: the task that waits\n"
        "    would sleep on until something else wakes its loop, or for ever."
    )
    lines.append(f"    Use loop.call_soon_threadsafe(...), or an interlock.{kind}, which threads and tasks may share.")
    return "\n".join(lines)
