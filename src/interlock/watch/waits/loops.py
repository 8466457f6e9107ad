"""A coroutine handed to a loop from outside: `run_coroutine_threadsafe(...).result()`."""

import sys

from interlock.core.explain.places import place_of_wait
from interlock.watch import private
from interlock.watch.idle import loop_of_frames, running_loop_of
from interlock.watch.living import living
from interlock.watch.reach import ANY
from interlock.watch.waits import Meaning

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import FunctionType
    from typing import Any

    from interlock.watch.view import Someone, View

GIVES = ("set_result", "set_exception", "cancel")


def of_threadsafe(future: "Any", view: "View", waiting: "Someone") -> Meaning | None:
    """A future of `concurrent.futures` that a task of asyncio's, or another future of it, is to set."""
    if "asyncio" not in sys.modules:
        return None
    source, loop = source_of(future)
    name = "a coroutine"
    if loop is None:
        loop, coroutine = loop_to_take(future, loops())
        if loop is None:
            return None
        name = _coroutine_name(coroutine)
    task = view.of_task(source)
    if source is not None and hasattr(source, "get_coro"):
        name = f"task {source.get_name()}"
    meaning = Meaning(f"the result of {name}", target=future, gives=GIVES)
    thread = thread_of_loop(loop, view)
    if loop.is_closed():
        meaning.lines.append("its loop is closed: it never runs there")
        meaning.dead = True
    elif thread is None:
        meaning.lines.append("its loop is not running: nobody runs it until somebody does")
        meaning.also.append((ANY, ("run_forever", "run_until_complete")))
        meaning.also += [(runner, ("run",)) for runner in _runners_of(loop)]
        meaning.dead = True
    elif thread is waiting:
        meaning.lines.append("its loop runs in this very thread, and cannot go on before this call returns")
        meaning.givers.append(waiting)
        meaning.gives = ()
    else:
        meaning.lines.append(f"its loop runs in {thread.name}" + at(thread))
        meaning.givers.append(thread)
    if task is not None and thread is not waiting:
        meaning.givers.append(task)
        inner = view.meaning(task)
        if inner is not None:
            meaning.lines.append(f"{task.name} {inner.verb} {inner.what}" + at(task))
    return meaning


def _runners_of(loop: "Any") -> "list[Any]":
    kind = getattr(sys.modules.get("asyncio.runners"), "Runner", None)
    if kind is None:
        return []
    return [each for each in living(kind) if private.loop_of_runner(each) is loop]


def at(someone: "Someone") -> str:
    """Where it is, as the end of a sentence."""
    where = place_of_wait(someone.frames)
    return "" if where is None else f", at {where}"


def closure_of(function: object) -> "dict[str, Any]":
    """The variables that a function takes from the one it was made in."""
    code = getattr(function, "__code__", None)
    found: dict[str, Any] = {}
    for name, cell in zip(getattr(code, "co_freevars", ()), getattr(function, "__closure__", None) or (), strict=False):
        try:
            found[name] = cell.cell_contents
        except ValueError:
            continue
    return found


def source_of(future: "Any") -> "tuple[Any, Any]":
    """`asyncio.futures._chain_future` leaves a callback on the future that is to be set; it knows who sets it."""
    for callback in private.callbacks_when_done(future):
        names = closure_of(callback)
        source = names.get("source")
        if source is not None and hasattr(source, "get_loop"):
            return source, source.get_loop()
    return None, None


def loop_to_take(future: "Any", among: "list[Any]") -> "tuple[Any, Any]":
    """The loop in whose queue the call stands that will make a task of it, and the coroutine."""
    for loop in among:
        for callback, _ in private.calls_ready(loop):
            names = closure_of(callback)
            if names.get("future") is future:
                return loop, names.get("coro")
    return None, None


def _coroutine_name(coroutine: object) -> str:
    name = getattr(coroutine, "__qualname__", None)
    return f"coroutine {name}" if isinstance(name, str) else "a coroutine"


def loops() -> "list[Any]":
    """Every loop of asyncio's own that there is."""
    asyncio = sys.modules.get("asyncio.base_events")
    kind = getattr(asyncio, "BaseEventLoop", None)
    if kind is None:
        return []
    return [each for each in living(kind) if private.shows_its_work(each)]


def running_loop(someone: "Someone") -> "Any":
    """asyncio's own loop that runs in this thread, whatever it does just now; None where none does."""
    return running_loop_of(someone.frames)


def thread_of_loop(loop: "Any", view: "View") -> "Someone | None":
    """The thread in which it runs now."""
    ident = private.ident_of_loop(loop)
    for someone in view.people:
        if not someone.is_task and ident is not None and someone.ident == ident:
            return someone
    return None


def has_work(loop: "Any") -> bool:
    """Whether something will go on in this loop without anybody's help: a timer, a socket, a signal."""
    from interlock.core.tasks.owner_watch import LoopWatch
    from interlock.watch.idle import TimerOfOurs

    ours = (LoopWatch, TimerOfOurs)
    return bool(
        private.calls_ready(loop)
        or private.calls_of_signals(loop)
        or any(type(callback) not in ours for callback, _ in private.calls_scheduled(loop))
        or private.files_of_program(loop)
    )


def callbacks_of(loop: "Any") -> "list[FunctionType | Any]":
    """What this loop may call by itself, with what it hands on."""
    calls = [
        *private.calls_ready(loop),
        *private.calls_scheduled(loop),
        *private.calls_of_files(loop),
        *private.calls_of_signals(loop),
    ]
    return [each for callback, arguments in calls for each in (callback, *arguments)]


def idle_loop(someone: "Someone") -> "Any":
    """The loop that waits in this thread for something to happen."""
    return loop_of_frames(someone.frames)
