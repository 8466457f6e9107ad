"""Who made a primitive: the line, as one object for each place of a program, shared by all that is made there.

A program that makes a lock for each job makes them all in a few lines. So the frames are walked without asking for line
numbers, and a table says whether this place is known: then nothing is allocated but the key. The table keeps the code
objects that its keys are the addresses of, so no address in it can come to be another's. It is emptied when it is full,
and when nobody looks on any more: a place that comes again then is found anew, and is the same for all who compare.
"""

import os
import sys
import threading

import cython
from cython.cimports.cpython.bytes import PyBytes_FromStringAndSize
from cython.cimports.interlock.core.kernel.native import (
    interlock_code_of,
    interlock_frame,
    interlock_frame_below,
    interlock_lasti_of,
    interlock_line_of,
    interlock_version_of,
)

_LIBRARY = os.path.join(os.path.dirname(threading.__file__), "")
# Not by the file of this module: in a wheel all of the core is one.
_OURS = os.path.join(os.path.dirname(sys.modules["interlock.core"].__path__[0]), "")
_AIO = os.path.join(_OURS, "aio.py")

MOST = cython.declare(cython.Py_ssize_t, 4_096)  # of each table
IN_LIBRARY = cython.declare(cython.int, 1)
IN_AIO = cython.declare(cython.int, 2)  # interlock.aio's classes are made through Python frames of their own
IN_INIT = cython.declare(cython.int, 4)

# Single operations on a dictionary are atomic.
makers = cython.declare(dict, {})  # the addresses and offsets -> Maker
traits = cython.declare(dict, {})  # address of a code object -> (that object, what is known of it)
constructors = cython.declare(dict, {})  # version of a class -> the qualified names of its constructors


class Maker:
    """The line that made a primitive.

    Attributes: ``code``, ``offset`` into it and ``line`` of the innermost Python frame, and where that is in the
    standard library, ``outer_code``, ``outer_offset`` and ``outer_line`` of the innermost one outside it (a code of
    None where there is none). The `__init__` of a subclass makes nothing, whoever calls that does; ``first_code`` and
    ``first_line`` are those of the innermost frame all the same.
    """


def is_library(file) -> cython.bint:
    """Whether a source file belongs to the standard library, the interpreter or us: not to the program."""
    if file.startswith(("<frozen ", _OURS)):
        return True
    return file.startswith(_LIBRARY) and "/site-packages/" not in file and "/dist-packages/" not in file


def is_of_library(file: str) -> bool:
    """`is_library`, for Python."""
    return is_library(file)


def traits_of(code) -> cython.int:
    address: cython.size_t = cython.cast(cython.size_t, cython.cast(cython.p_void, code))
    known = traits.get(address)
    if known is None:
        file = code.co_filename
        found: cython.int = (
            (IN_LIBRARY if is_library(file) else 0)
            | (IN_AIO if file == _AIO else 0)
            | (IN_INIT if code.co_name == "__init__" else 0)
        )
        if len(traits) >= MOST:
            traits.clear()
        known = traits.setdefault(address, (code, found))
    return cython.cast(tuple, known)[1]


def is_in_library(code) -> cython.bint:
    return traits_of(code) & IN_LIBRARY


def constructors_of(kind: type):
    version: cython.uint = interlock_version_of(kind)
    found = None if version == 0 else constructors.get(version)
    if found is None:
        found = frozenset()
        if not kind.__module__.startswith("interlock.core."):
            found = frozenset(
                [
                    f"{each.__qualname__}.__init__"
                    for each in kind.__mro__
                    if not each.__module__.startswith("interlock.")
                ]
            )
        if version != 0:
            if len(constructors) >= MOST:
                constructors.clear()
            constructors[version] = found
    return found


def maker_of(kind: type) -> Maker:
    """Who makes an object of this kind now. None where C does, with no frame of Python's below it."""
    frame = interlock_frame()
    if frame is None:
        return None
    below = None
    first = interlock_code_of(frame)
    first_frame = frame
    code = first
    seen: cython.int = traits_of(code)
    while seen & IN_AIO:
        below = interlock_frame_below(frame)
        if below is None:
            break
        frame = below
        code = interlock_code_of(frame)
        seen = traits_of(code)
    if seen & IN_INIT:
        names = constructors_of(kind)
        while names and code.co_qualname in names:
            below = interlock_frame_below(frame)
            if below is None:
                break
            frame = below
            code = interlock_code_of(frame)
            seen = traits_of(code)
    outer_frame = None
    outer = None
    if seen & IN_LIBRARY:
        outer_frame = frame
        while outer_frame is not None:
            outer_frame = interlock_frame_below(outer_frame)
            if outer_frame is not None:
                outer = interlock_code_of(outer_frame)
                if not traits_of(outer) & IN_LIBRARY:
                    break
        if outer_frame is None:
            outer = None

    place: cython.size_t[6]
    place[0] = cython.cast(cython.size_t, cython.cast(cython.p_void, first))
    place[1] = cython.cast(cython.size_t, interlock_lasti_of(first_frame))
    place[2] = cython.cast(cython.size_t, cython.cast(cython.p_void, code))
    place[3] = cython.cast(cython.size_t, interlock_lasti_of(frame))
    place[4] = 0 if outer is None else cython.cast(cython.size_t, cython.cast(cython.p_void, outer))
    place[5] = 0 if outer is None else cython.cast(cython.size_t, interlock_lasti_of(outer_frame))
    key = PyBytes_FromStringAndSize(cython.cast(cython.p_char, place), cython.sizeof(place))
    found = makers.get(key)
    if found is not None:
        return found
    maker: Maker = Maker.__new__(Maker)
    maker.code = code
    maker.offset = interlock_lasti_of(frame)
    maker.line = interlock_line_of(frame)
    if outer is not None:
        maker.outer_code = outer
        maker.outer_offset = interlock_lasti_of(outer_frame)
        maker.outer_line = interlock_line_of(outer_frame)
    maker.first_code = first
    maker.first_line = interlock_line_of(first_frame)
    if len(makers) >= MOST:
        makers.clear()
    return makers.setdefault(key, maker)


def forget_makers():
    """Nobody looks on any more."""
    makers.clear()
    traits.clear()
    constructors.clear()
