"""A queue: what is in it, who puts and who takes, and who of them is no more."""

import gc

from interlock.core.explain.order import called
from interlock.core.primitives.condition import Condition
from interlock.core.primitives.queue_base import QueueBase
from interlock.watch import private
from interlock.watch.instructions import is_program_file
from interlock.watch.waits import Meaning
from interlock.watch.waits.frames import frame_in

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import FrameType
    from typing import Any

    from interlock.watch.view import Someone, View

GET, PUT, JOIN = "get", "put", "join"
GIVES = {
    GET: ("put", "put_nowait", "put_async", "put_many", "put_many_async", "putting", "shutdown", "close", "_put"),
    PUT: (
        "get",
        "get_nowait",
        "get_async",
        "get_many",
        "get_many_async",
        "getting",
        "shutdown",
        "queue",
        "maxsize",
        "_get",
    ),
    JOIN: ("task_done", "shutdown", "all_tasks_done", "unfinished_tasks"),
}
VERBS = {GET: "an item of", PUT: "room in", JOIN: "all jobs of"}
_WANTS = {0: GET, 1: PUT, 2: PUT, 3: JOIN}  # `Want` of core/primitives/queue_base.pxd
_METHODS = (("get", GET), ("put", PUT), ("join", JOIN))


def adapter(someone: "Someone", view: "View") -> Meaning | None:
    """A party in `get`, `put` or `join` of a queue of `queue`'s, of `asyncio`'s, or of ours."""
    found = _ours(someone) or _of_frames(someone)
    if found is None:
        return None
    queue, what = found
    return of_queue(queue, what, someone, view)


def _ours(someone: "Someone") -> "tuple[Any, str] | None":
    wait = someone.wait
    if wait is None:
        return None
    at = wait.at
    if isinstance(at, QueueBase):
        return (at, _WANTS[wait.want]) if wait.want in _WANTS else None
    if isinstance(wait.began, Condition):
        queue = _opened(wait.began)
        if queue is not None:
            if queue.not_empty is wait.began:
                return queue, GET
            return queue, (PUT if queue.not_full is wait.began else JOIN)
    return None


def _opened(condition: Condition) -> "Any":
    """The queue that waits at this condition since the program has looked into it."""
    for holder in gc.get_referrers(condition):
        if type(holder).__name__ == "Opened":
            return next((each for each in gc.get_referents(holder) if isinstance(each, QueueBase)), None)
    return None


def _of_frames(someone: "Someone") -> "tuple[Any, str] | None":
    for module, kind in (("queue", "Queue"), ("asyncio.queues", "Queue"), ("queue", "_PySimpleQueue")):
        for method, what in _METHODS:
            frame = frame_in(someone.frames[:3], module, kind, method)
            if frame is not None:
                return frame.f_locals["self"], what
    return None


def of_queue(queue: "Any", what: str, someone: "Someone", view: "View") -> Meaning:
    """The words for it."""
    meaning = Meaning(f"{VERBS[what]} {name_of_queue(queue, someone)}", target=queue, gives=GIVES[what])
    meaning.calm = meaning.next = what == GET
    meaning.needed = what != GET
    meaning.lines.append(_state(queue, what))
    return meaning


def name_of_queue(queue: "Any", someone: "Someone") -> str:
    """The kind of a queue, and what the program calls it."""
    kind = type(queue).__name__
    name = getattr(queue, "name", None)
    if isinstance(name, str):
        return f"{kind} {name!r}"
    place = someone.place
    if place is not None and place.what and is_program_file(place.file):
        return f"{kind} {place.what}"
    name = _name_in(someone.frames, queue)
    if name:
        return f"{kind} {name}"
    return (called(queue) if isinstance(queue, QueueBase) else None) or f"{kind} at {id(queue):#x}"


def _name_in(frames: "list[FrameType]", value: object) -> str | None:
    """What the innermost line of the program that has a name for it calls it."""
    for frame in frames:
        if is_program_file(frame.f_code.co_filename):
            for names in (frame.f_locals, frame.f_globals):
                for name, found in list(names.items()):
                    if found is value:
                        return name
    return None


def _state(queue: "Any", what: str) -> str:
    size = queue.qsize()
    if what == GET:
        return "it is empty" if size == 0 else f"{size} in it"
    if what == PUT:
        limit = private.room_of_queue(queue)
        return f"it is full: {size} of {limit}"
    unfinished = private.unfinished_of(queue)
    taken = unfinished - size
    return (
        f"{unfinished} unfinished: {size} still in it, {taken} taken out without task_done()"
        if taken > 0
        else f"{unfinished} unfinished, all of them still in it"
    )
