"""The line that made a primitive, where the counting or the recording of a run has kept it."""

from interlock.core.explain.places import Place
from interlock.core.kernel.maker import is_of_library
from interlock.core.kernel.primitive import Primitive
from interlock.core.kernel.probe import made_by


def place_made(primitive: object) -> Place | None:
    """The program's line that made it, or None."""
    if not isinstance(primitive, Primitive):
        return None
    maker = made_by(primitive)
    if maker is None:
        return None
    if maker.outer_code is not None:
        return Place(maker.outer_code.co_filename, maker.outer_line or 0, maker.outer_code.co_name)
    if is_of_library(maker.code.co_filename):
        return None
    return Place(maker.code.co_filename, maker.line or 0, maker.code.co_name)
