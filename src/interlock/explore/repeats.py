"""Whether a schedule that has come to its limit goes round in a circle, or is only long.

From the limit on, what the program could still change is written down at each point: where each thread stands that
could go on, and what its variables lead to. Where all of it comes back a few times, and each of these threads has run
between, the program only looks, sleeps and looks again. What cannot be seen, as how far an iterator is or the tasks of
an event loop, could be what comes to an end, and so could the time, where it is asked for: then nothing is claimed.
"""

import dis
import random
import re
import sys
import threading
import types
from collections import deque
from collections.abc import Callable
from types import CodeType, FrameType
from typing import Any

from interlock.core.explain.places import locals_of
from interlock.core.kernel.primitive import Primitive
from interlock.explore.account import is_bottom
from interlock.explore.engine.baton import Baton
from interlock.watch.reach import is_program_class

POINTS = 400  # looked at, from the limit on
TIMES = 3  # that the same state was seen
_MANY = 200  # items of a container
_VALUES = (type(None), bool, int, float, complex, str, bytes)
_SAME = (types.BuiltinFunctionType, types.ModuleType, type(...), re.Pattern, property)


class _Unknown(Exception):
    """Something that may change where we do not see it."""


class Repeats:
    """One schedule, from its limit on."""

    def __init__(self, baton: Baton, is_program: Callable[[str], bool]) -> None:
        self.baton = baton
        self.is_program = is_program
        self.left = POINTS
        self.looks = baton.clock_reads
        self.seen: dict[Any, list[tuple[int, ...]]] = {}

    def verdict(self) -> str | None:
        """At a point: "endless", "limit", or None where it is not known yet."""
        self.left -= 1
        if self.left <= 0 or self.baton.clock_reads != self.looks:
            return "limit"
        going = [each for each in self.baton.strands if not each.ended and not (each.blocked and not each.timed)]
        try:
            who = tuple(each.number for each in going)
            state = (who, random.getstate(), tuple(self._stack(each.ident) for each in going))
            steps = self.seen.setdefault(state, [])
        except (_Unknown, TypeError):
            return "limit"
        now = tuple(each.steps for each in going)
        if not steps or all(before < after for before, after in zip(steps[-1], now, strict=True)):
            steps.append(now)
        return "endless" if len(steps) > TIMES else None

    def _stack(self, ident: int) -> tuple[Any, ...]:
        found: list[Any] = []
        frame: FrameType | None = sys._current_frames().get(ident)
        while frame is not None and not is_bottom(frame):
            code = frame.f_code
            if "asyncio" in code.co_filename and code.co_name == "run_forever":
                raise _Unknown
            if self.is_program(code.co_filename):
                if _is_in_for(code, frame.f_lasti):
                    raise _Unknown
                names = (locals_of(frame), _globals_of(code, frame.f_globals))
                found.append((id(code), frame.f_lasti, self._value(names, set())))
            frame = frame.f_back
        return tuple(found)

    def _value(self, value: Any, around: set[int]) -> Any:
        kind = type(value)
        if kind in _VALUES:
            return (kind.__name__, value)
        if isinstance(value, _SAME) or id(value) in around:
            return id(value)
        if isinstance(value, Primitive):
            return (id(value), repr(value))
        around.add(id(value))
        if kind in (list, tuple, deque, set, frozenset) and len(value) <= _MANY:
            return (id(value) * (kind is not tuple), tuple(self._value(each, around) for each in list(value)))
        if kind is dict and len(value) <= _MANY:
            items = [(self._value(key, around), self._value(each, around)) for key, each in list(value.items())]
            return ("dict", tuple(items))
        if kind is types.MethodType:
            return (self._value(value.__func__, around), self._value(value.__self__, around))
        if kind is types.FunctionType:
            if not self.is_program(value.__code__.co_filename):
                return id(value)
            cells = tuple(each.cell_contents for each in value.__closure__ or ())
            return (id(value), self._value((cells, _globals_of(value.__code__, value.__globals__)), around))
        if isinstance(value, threading.Thread):
            own = {name: each for name, each in vars(value).items() if not name.startswith("_")}
            return (id(value), self._value(own, around))
        if isinstance(value, type):
            known = is_program_class(value)
            return (id(value), self._value(dict(vars(value)) if known else None, around))
        if kind in (staticmethod, classmethod):
            return self._value(value.__func__, around)
        if all(is_program_class(each) for each in kind.__mro__[:-1]) and type(vars(kind).get("__slots__")) is not tuple:
            return (id(value), self._value(kind, around), self._value(getattr(value, "__dict__", None), around))
        if kind.__name__ == "getset_descriptor":
            return id(value)
        raise _Unknown


def _globals_of(code: CodeType, names: dict[str, Any]) -> dict[str, Any]:
    return {name: names[name] for name in code.co_names if name in names}


def _is_in_for(code: CodeType, offset: int) -> bool:
    """Whether an iterator lies on the stack: how far it is cannot be seen."""
    loops = [each for each in dis.get_instructions(code) if each.opname == "FOR_ITER"]
    return any(each.offset < offset < each.argval for each in loops)
