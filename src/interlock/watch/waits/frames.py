"""Reading frames: which function of a library a party is in, and with what."""

import sys
from types import CodeType

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import FrameType
    from typing import Any


def code_of(module: str, *path: str) -> CodeType | None:
    """The code of a function of a module's, where that module is loaded: ``code_of("queue", "Queue", "get")``."""
    found: object = sys.modules.get(module)
    for name in path:
        found = getattr(found, name, None)
    found = getattr(found, "__wrapped__", found)
    code = getattr(getattr(found, "__func__", found), "__code__", None)
    return code if isinstance(code, CodeType) else None


def frame_in(frames: "list[FrameType]", module: str, *path: str) -> "FrameType | None":
    """The innermost frame that is in this function, or None."""
    code = code_of(module, *path)
    if code is not None:
        for frame in frames:
            if frame.f_code is code:
                return frame
    return None


def simple(value: object) -> str:
    """A value in few words, without running code of its class."""
    if value is None or type(value) in (bool, int, float, complex):
        return repr(value)
    if type(value) in (str, bytes):
        text = repr(value)
        return text if len(text) <= 30 else text[:26] + "..." + text[-1]
    if type(value) in (list, tuple, dict, set, frozenset) and not value:
        return repr(value)
    return f"<{type(value).__name__}>"


def call_text(function: object, args: "tuple[Any, ...]" = (), keywords: "dict[str, Any] | None" = None) -> str:
    """A call as the source may have it."""
    if not keywords and len(args) <= 1:  # mostly, and while a recording is made, for each job
        return f"{function_name(function)}({simple(args[0]) if args else ''})"
    parts = [simple(each) for each in args[:4]] + (["..."] if len(args) > 4 else [])
    parts += [f"{name}={simple(value)}" for name, value in list((keywords or {}).items())[:4]]
    return f"{function_name(function)}({', '.join(parts)})"


def function_name(function: object) -> str:
    """What a function is called."""
    name = getattr(function, "__qualname__", None)
    if name is None:
        inner = getattr(function, "func", None)  # functools.partial
        if inner is not None:
            return function_name(inner)
    name = name or getattr(function, "__name__", None)
    return name.replace("<locals>.", "") if isinstance(name, str) else type(function).__name__
