"""Locks that are none of ours: of `functools.cached_property`, of `_thread`."""

import re

from interlock.core.explain.places import place_of_wait
from interlock.watch.instructions import is_program_file
from interlock.watch.reach import value_at
from interlock.watch.waits import Meaning, system
from interlock.watch.waits.frames import frame_in, function_name

TYPE_CHECKING = False
if TYPE_CHECKING:
    from interlock.watch.view import Someone, View

_OWNER = re.compile(r"<locked _thread.RLock object owner=(\d+)")


def adapter(someone: "Someone", view: "View") -> Meaning | None:
    """A thread that waits for a lock in C."""
    if someone.is_task or someone.wait is not None or not someone.frames:
        return None
    frame = frame_in(someone.frames[:1], "functools", "cached_property", "__get__")
    if frame is not None and system.call_of_thread(someone.ident) is not None:
        shared = frame.f_locals["self"]
        return _held(shared.lock, f"the value of cached property {function_name(shared.func)}", "computes it", view)
    frame = someone.frames[0]
    call = system.call_of_thread(someone.ident)
    if call is None or call[0] != "futex" or not is_program_file(frame.f_code.co_filename):
        return None
    lock = value_at(frame)
    kind = type(lock)
    if kind.__module__ != "_thread" or kind.__name__ not in ("lock", "RLock"):
        return None
    meaning = _held(lock, f"a {kind.__name__} of _thread", "holds it", view)
    if not meaning.givers:
        meaning.target, meaning.gives = lock, ("release", "release_lock", "__exit__")
    return meaning


def _held(lock: object, what: str, does: str, view: "View") -> Meaning:
    meaning = Meaning(what)
    owner = _OWNER.match(repr(lock))
    for other in view.people:
        if owner is not None and not other.is_task and other.ident == int(owner[1]):
            meaning.givers.append(other)
            where = place_of_wait(other.frames)
            meaning.lines.append(f"{other.name} {does}" + ("" if where is None else f", and is at {where}"))
    if owner is None or not meaning.givers:
        meaning.outside = owner is None and "RLock" in type(lock).__name__  # it is being handed over
    return meaning
