"""A call that blocks in a loop's own thread for what only that loop can give: refused at once.

`run_coroutine_threadsafe(...).result()` is for other threads. In the thread of the loop it stops the loop that is to
run the coroutine, so it never returns. That is certain, and DeadlockError is raised in the call.
"""

import signal
import sys
import threading

from interlock.core.explain.places import Place, place_of_wait
from interlock.core.graph.waitgraph import may_help
from interlock.core.kernel.deadlock import DeadlockError
from interlock.core.kernel.private import asker_for_running_loop
from interlock.watch.waits.frames import code_of
from interlock.watch.waits.loops import loop_to_take, source_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import FrameType
    from typing import Any


def judge() -> None:
    """Called by a thread that is about to wait without a timeout. Raises DeadlockError where it would stop the very
    loop that is to end its wait."""
    events = sys.modules.get("asyncio.events")
    loop: Any = None if events is None else asker_for_running_loop(events)()
    if loop is None:
        return
    future = _future_of_caller()
    if future is None or (threading.current_thread() is threading.main_thread() and _may_be_interrupted()):
        return
    source, of_loop = source_of(future)
    coroutine = None
    if of_loop is None:
        of_loop, coroutine = loop_to_take(future, [loop])
    if of_loop is loop:
        raise DeadlockError(_story(source, coroutine))


def _future_of_caller() -> "Any":
    result = code_of("concurrent.futures._base", "Future", "result")
    exception = code_of("concurrent.futures._base", "Future", "exception")
    frame: FrameType | None = sys._getframe(2)
    for _ in range(3):
        if frame is None:
            return None
        if frame.f_code is result or frame.f_code is exception:
            return frame.f_locals["self"] if frame.f_locals.get("timeout") is None else None
        frame = frame.f_back
    return None


def _may_be_interrupted() -> bool:
    return any(may_help(signal.getsignal(number)) for number in signal.valid_signals() if number != signal.SIGINT)


def _story(source: "Any", coroutine: object) -> str:
    frames = []
    frame: FrameType | None = sys._getframe(3)
    while frame is not None:
        frames.append(frame)
        frame = frame.f_back
    where = place_of_wait(frames)
    if source is not None and hasattr(source, "get_coro"):
        name, coroutine = f"task {source.get_name()}", source.get_coro()
    else:
        name = f"coroutine {getattr(coroutine, '__qualname__', 'unknown')}"
    lines = [f"this wait would never end: it would stop the loop that is to run {name}", ""]
    lines.append(f"{threading.current_thread().name} (here)")
    lines.append("    runs the loop")
    lines.append(f"    waits for the result of {name}" + ("" if where is None else f", at {where}"))
    if where is not None and where.text:
        lines.append(f"        {where.text}")
    begins = _place_of(coroutine)
    if begins is not None:
        lines += ["", name, f"    runs in that loop, and begins at {begins}"]
    lines += ["", "In the loop's own thread, await it: result = await coroutine. Or let another thread call: "]
    lines[-1] += "await asyncio.to_thread(...)."
    return "\n".join(lines)


def _place_of(coroutine: object) -> Place | None:
    code = getattr(coroutine, "cr_code", None)
    return None if code is None else Place(code.co_filename, code.co_firstlineno, code.co_name)
