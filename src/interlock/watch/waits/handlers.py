"""Signal handlers and finalizers that cut into a line."""

import itertools
import signal
import types

from interlock.core.explain.places import Place

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import FrameType


def handler_of(frames: "list[FrameType]") -> str | None:
    """What a party is in the middle of that was called in the midst of another line; None where it is in no such."""
    for frame, below in itertools.pairwise(frames):
        where = f"which cut into {Place(below.f_code.co_filename, below.f_lineno or 0, below.f_code.co_name)}"
        number = _signal_of(frame, below)
        if number is not None:
            return f"is in handler {frame.f_code.co_qualname} of {number}, {where}"
        if frame.f_code.co_name == "__del__" and frame.f_code.co_argcount == 1:
            kind = type(frame.f_locals.get(frame.f_code.co_varnames[0])).__name__
            return f"is in __del__ of {kind}, {where}"
    return None


def _signal_of(frame: "FrameType", below: "FrameType") -> str | None:
    """A handler is called with the signal's number and the frame that it cut into."""
    if frame.f_code.co_argcount < 2:
        return None
    names = frame.f_code.co_varnames[: frame.f_code.co_argcount]
    values = [frame.f_locals.get(name) for name in names]
    for number, other in itertools.pairwise(values):
        if isinstance(other, types.FrameType) and other is below and isinstance(number, int):
            try:
                return signal.Signals(number).name
            except ValueError:
                return f"signal {number}"
    return None
