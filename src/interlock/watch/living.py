"""The objects of a type that there are, without asking any of them."""

import gc

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


def living(*kinds: type) -> "list[Any]":
    """Return every object of one of these types, or of a type derived from it, that the garbage collector knows.

    They are told by their type. `isinstance` would ask each other object for its `__class__`, which may be a property
    of the program's.
    """
    return [each for each in gc.get_objects() if issubclass(type(each), kinds)]
