"""A task that awaits: another task, several, a future that somebody is to set, a socket, time."""

import gc
import sys
import weakref
from types import FrameType

from interlock.core.kernel.private import awaited_by, callbacks_of
from interlock.watch import private
from interlock.watch.waits import Meaning, system
from interlock.watch.waits.frames import frame_in
from interlock.watch.waits.loops import closure_of, has_work, thread_of_loop

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from interlock.watch.view import Someone, View

GIVES = ("set_result", "set_exception", "cancel")
_FEEDS = ("call_soon_threadsafe", "create_task", "call_soon", "call_later", "stop")  # gives a loop something to do
# What waits in a file of asyncio's with one of these names waits for the outside.
_OUTSIDE = (
    "streams",
    "selector_events",
    "base_events",
    "base_subprocess",
    "sslproto",
    "unix_events",
    "proactor_events",
)


def adapter(someone: "Someone", view: "View") -> Meaning | None:
    """A task of asyncio's at an `await` that is none of our primitives'."""
    task: Any = someone.task
    if task is None:
        return None
    awaited = awaited_by(task)
    if awaited is None or awaited.done():
        return None  # it is about to run
    frame = frame_in(someone.frames[:2], "asyncio.tasks", "sleep")
    if frame is not None:
        return Meaning(f"{_seconds(frame.f_locals.get('delay'))}", outside=True, verb="sleeps")
    meaning = of_awaited(awaited, someone, view)
    if _is_limited(task, awaited):
        meaning.outside = meaning.limited = True
        meaning.lines.append("a timeout ends that wait")
    elif meaning.target is awaited and meaning.gives is GIVES:
        del awaited
        if is_held_by_nobody(task):
            meaning.lines.append("nothing else refers to it: nobody can set it")
            meaning.also.append((task, ("cancel",)))
            meaning.target, meaning.gives = None, ()
            meaning.dead = not _is_on_purpose(task, view)
            if not has_work(task.get_loop()):
                # It may be meant to wait in a loop to which others give something to do.
                meaning.also.append((task.get_loop(), _FEEDS))
                meaning.in_hands.append(sys.modules["asyncio"].run_coroutine_threadsafe)
    return meaning


def _is_on_purpose(task: "Any", view: "View") -> bool:
    """Whether it may be meant to wait for ever, in a loop that has something else to do: `await asyncio.Future()`, for
    which there is no name, or the main task of a server."""
    future, loop = awaited_by(task), task.get_loop()
    if not has_work(loop):
        return False
    coroutine, named = task.get_coro(), False
    while coroutine is not None:
        frame = getattr(coroutine, "cr_frame", None)
        named = named or (frame is not None and any(value is future for value in frame.f_locals.values()))
        coroutine = getattr(coroutine, "cr_await", None)
    if not named:
        return True
    thread = thread_of_loop(loop, view)
    frames = [] if thread is None else thread.frames
    main = frame_in(frames, "asyncio.base_events", "BaseEventLoop", "run_until_complete")
    return main is not None and main.f_locals.get("future") is task and _listens(loop)


def _listens(loop: "Any") -> bool:
    kind = getattr(sys.modules.get("asyncio.base_events"), "Server", ())
    return any(isinstance(each, kind) for _, arguments in private.calls_of_files(loop) for each in arguments)


def _seconds(delay: object) -> str:
    return f"for {delay:g} s" if type(delay) in (int, float) else "for a while"


def of_awaited(awaited: "Any", someone: "Someone", view: "View") -> Meaning:
    """What a task waits for, by the future that it awaits."""
    several = _waited_together(someone.frames) or _in_group(someone.frames)
    if several is None:
        several = [each for each in private.futures_gathered(awaited) if not each.done()] or None
    if several is not None:
        return _of_several(several, someone, view)
    inner = _shielded(awaited) or _waited_with_timeout(someone.frames)
    if inner is not None and inner is not awaited:
        return of_awaited(inner, someone, view)
    if hasattr(awaited, "get_coro"):
        return _of_task(awaited, view)
    source = _source_of(awaited)
    if source is not None:
        from interlock.watch.waits.futures import of_future

        return of_future(source, view, someone)
    outside = _outside(someone.frames)
    if outside is not None:
        return Meaning(outside, outside=True)
    meaning = Meaning("a future", target=awaited, gives=GIVES)
    return meaning


def ends_outside(frames: list[FrameType]) -> bool:
    """Whether time or the outside ends this wait."""
    return frame_in(frames[:2], "asyncio.tasks", "sleep") is not None or _outside(frames) is not None


def awaited_together(awaited: "Any", frames: list[FrameType]) -> "list[Any]":
    """The futures that are awaited at once: one, or those of `gather`, `wait`, a group."""
    several = _waited_together(frames) or _in_group(frames)
    several = several or [each for each in private.futures_gathered(awaited) if not each.done()]
    return several or [_shielded(awaited) or _waited_with_timeout(frames) or awaited]


def source_of_awaited(awaited: "Any") -> "Any":
    """The future of `concurrent.futures` that sets this one, or None."""
    return _source_of(awaited)


def _of_task(task: "Any", view: "View") -> Meaning:
    other = view.of_task(task)
    meaning = Meaning(f"task {task.get_name()}", target=task, gives=("cancel",))
    if other is not None:
        meaning.givers.append(other)
    return meaning


def _of_several(several: "list[Any]", someone: "Someone", view: "View") -> Meaning:
    # Often out of a set: in the order of names, so that two reports of the same wait read alike.
    several = sorted(several, key=lambda each: each.get_name() if hasattr(each, "get_name") else "")
    parts = [_of_task(each, view) if hasattr(each, "get_coro") else None for each in several]
    names = [part.what if part is not None else "a future" for part in parts]
    meaning = Meaning(_listed(names), target=several[0] if len(several) == 1 else None, gives=GIVES)
    for each, part in zip(several, parts, strict=True):
        if part is not None:
            meaning.givers += part.givers
        else:
            source = _source_of(each)
            if source is not None:
                from interlock.watch.waits.futures import of_future

                meaning.givers += of_future(source, view, someone).givers
    if any(part is not None for part in parts):
        meaning.gives = ("cancel",) if all(part is not None for part in parts) else GIVES
    return meaning


def _listed(names: list[str]) -> str:
    if len(names) > 4:
        names = [*names[:3], f"{len(names) - 3} more"]
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


def _waited_together(frames: list[FrameType]) -> "list[Any] | None":
    frame = frame_in(frames[:2], "asyncio.tasks", "_wait")
    if frame is None:
        return None
    return [each for each in list(frame.f_locals["fs"]) if not each.done()] or None


def _in_group(frames: list[FrameType]) -> "list[Any] | None":
    frame = frame_in(frames[:2], "asyncio.taskgroups", "TaskGroup", "__aexit__") or frame_in(
        frames[:2], "asyncio.taskgroups", "TaskGroup", "_aexit"
    )
    return (
        None
        if frame is None
        else [each for each in private.tasks_in_group(frame.f_locals["self"]) if not each.done()] or None
    )


def _waited_with_timeout(frames: list[FrameType]) -> "Any":
    """`wait_for` of 3.11 awaits a future of its own."""
    frame = frame_in(frames[:2], "asyncio.tasks", "wait_for")
    inner = None if frame is None else frame.f_locals.get("fut")
    return inner if inner is not None and hasattr(inner, "add_done_callback") and not inner.done() else None


def _shielded(awaited: "Any") -> "Any":
    """`shield`: the outer future is set by a callback of the inner one, and tells it when it is done itself."""
    for callback in callbacks_of(awaited):
        names = closure_of(callback)
        inner = names.get("inner")
        if inner is not None and hasattr(inner, "add_done_callback"):
            return inner
    return None


def _source_of(awaited: "Any") -> "Any":
    """`wrap_future`: the future of `concurrent.futures` that sets this one."""
    for callback in callbacks_of(awaited):
        source = closure_of(callback).get("source")
        if source is not None and private.condition_of(source) is not None:
            return source
    return None


def _outside(frames: list[FrameType]) -> str | None:
    for frame in frames:
        module = frame.f_globals.get("__name__", "")
        if not module.startswith("asyncio."):
            return None
        if module.partition(".")[2] in _OUTSIDE:
            transport = private.transport_of_stream(frame.f_locals.get("self"))
            other = None if transport is None else _other_end(transport)
            return f"data from {other}" if other else f"the outside, in asyncio's {frame.f_code.co_name}"
    return None


def _other_end(transport: "Any") -> str:
    """The socket that a stream of asyncio's reads from."""
    found = transport.get_extra_info("socket")
    return "" if found is None or found.fileno() < 0 else system.descriptor(found.fileno())


def _is_limited(task: "Any", awaited: "Any") -> bool:
    """Whether a timer of the loop knows this task or this future: then it ends the wait."""
    wanted = (task, awaited)
    for callback, arguments in private.calls_scheduled(task.get_loop()):
        owner = getattr(callback, "__self__", None)
        known = [*arguments, owner, private.task_of_timeout(owner), *closure_of(callback).values()]
        if any(each is one for each in known for one in wanted if each is not None):
            return True
    return False


def is_held_by_nobody(task: "Any") -> bool:
    """Whether only this task refers to the future that it awaits, so that nobody can set it.

    Every reference has to be accounted for: what is in C need not tell the garbage collector what it keeps.
    """
    future = awaited_by(task)
    if weakref.getweakrefcount(future):
        return False
    own: list[object] = [task]
    dictionaries = set()
    coroutine = task.get_coro()
    while coroutine is not None:
        own.append(coroutine)
        frame = getattr(coroutine, "cr_frame", None)
        if frame is not None:
            own.append(frame)
            dictionaries.add(id(frame.f_locals))
        coroutine = getattr(coroutine, "cr_await", None)
    mine = {id(each) for each in own}
    accounted = 1  # by this function
    for holder in gc.get_referrers(future):
        if type(holder) is FrameType:
            if holder is sys._getframe():
                continue
            if id(holder) not in mine:
                return False
        elif type(holder) is dict and id(holder) not in dictionaries:
            if not any(_is_ours(each) and vars(each) is holder for each in gc.get_referrers(holder)):
                return False
        elif not (id(holder) in mine or id(holder) in dictionaries or _is_ours(holder)):
            return False
        accounted += _times(holder, future)
    return sys.getrefcount(future) - 1 <= accounted


def _times(holder: object, future: object) -> int:
    """How often it refers to it. A function of its own: what an expression shares with its function has a cell."""
    return sum(each is future for each in gc.get_referents(holder))


def _is_ours(holder: object) -> bool:
    return type(holder).__module__.startswith("interlock.watch.")
