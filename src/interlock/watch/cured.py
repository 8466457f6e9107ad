"""Cured in silence: where our object does what asyncio's own would not have done, `interlock run` says so once.

asyncio's primitives are not for other threads: `event.set()` makes the task ready and does not wake a loop that sleeps
in another thread. So the task goes on when something else happens to wake that loop, or never. Ours wakes it, and
the program works for as long as it runs under interlock. That has to be said, or it is a trap.
"""

import _thread
import sys
from collections.abc import Callable

from interlock.core.explain.places import is_ours, place_of_wait
from interlock.core.kernel.private import thread_of_loop
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
        frames = []
        frame: FrameType | None = sys._getframe(1)
        while frame is not None:
            if not is_ours(frame):
                frames.append(frame)
            frame = frame.f_back
        where = place_of_wait(frames)
        key = (where and where.file, where and where.line)
        if key in told:
            return
        told.add(key)
        tell(_text(kind, str(where), "" if where is None else where.text))

    call_when_woken_from_afar(woken)


def _asyncio_name(primitive: "Primitive") -> str | None:
    """What asyncio calls such a thing; None where it is none of asyncio's names."""
    for each in type(primitive).__mro__:
        if each.__module__ in ("interlock.aio", "asyncio.locks", "asyncio.queues") and each.__name__ in _CALLS:
            return each.__name__
    return None


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
