"""Code objects in few words: what `reach.py` has to know of their instructions, whatever the version of Python.

Read once for each code object and kept. `dis` is imported when something is to be read: a program that only runs goes
without.
"""

import functools
import os

from interlock.core.explain.places import is_installed, is_standard_library

TYPE_CHECKING = False
if TYPE_CHECKING:
    from dis import Instruction
    from types import CodeType
    from typing import Any

# What a step does. One that is none of these leaves a value of which nothing is known.
LOCAL, CELL, NAME, CONSTANT = "local", "cell", "name", "constant"
ATTRIBUTE, SUPER, SET, IMPORT, IMPORT_FROM = "attribute", "super", "set", "import", "import from"
STORE, STORE_CELL, STORE_GLOBAL, STORE_NAME = "store", "store cell", "store global", "store name"
MAKE, BUILD, ENTER, ITERATE, OPERATE = "make a function", "build a class", "enter", "iterate", "operate"
CALL, NULL, OTHER = "call", "null", "other"

_STEPS = {
    **dict.fromkeys(("LOAD_FAST", "LOAD_FAST_CHECK", "LOAD_FAST_BORROW", "LOAD_FAST_AND_CLEAR"), LOCAL),
    **dict.fromkeys(("LOAD_DEREF", "LOAD_CLASSDEREF", "LOAD_FROM_DICT_OR_DEREF", "LOAD_CLOSURE"), CELL),
    **dict.fromkeys(("LOAD_NAME", "LOAD_GLOBAL", "LOAD_FROM_DICT_OR_GLOBALS"), NAME),
    **dict.fromkeys(("LOAD_CONST", "RETURN_CONST"), CONSTANT),
    **dict.fromkeys(("LOAD_ATTR", "LOAD_METHOD"), ATTRIBUTE),
    "LOAD_SUPER_ATTR": SUPER,
    **dict.fromkeys(("STORE_ATTR", "DELETE_ATTR"), SET),
    "IMPORT_NAME": IMPORT,
    "IMPORT_FROM": IMPORT_FROM,
    "STORE_FAST": STORE,
    "STORE_DEREF": STORE_CELL,
    "STORE_GLOBAL": STORE_GLOBAL,
    "STORE_NAME": STORE_NAME,
    **dict.fromkeys(("BEFORE_WITH", "BEFORE_ASYNC_WITH", "LOAD_SPECIAL"), ENTER),
    **dict.fromkeys(
        ("BINARY_OP", "COMPARE_OP", "CONTAINS_OP", "BINARY_SUBSCR", "STORE_SUBSCR", "DELETE_SUBSCR", "BINARY_SLICE",
         "STORE_SLICE", "FORMAT_VALUE", "FORMAT_SIMPLE", "FORMAT_WITH_SPEC", "UNARY_NEGATIVE", "UNARY_NOT",
         "UNARY_INVERT", "UNPACK_SEQUENCE"), OPERATE,
    ),
    **dict.fromkeys(("CALL", "CALL_FUNCTION_EX", "CALL_KW"), CALL),
    **dict.fromkeys(("GET_ITER", "GET_AITER", "GET_YIELD_FROM_ITER"), ITERATE),
    "PUSH_NULL": NULL,
    "MAKE_FUNCTION": MAKE,
    "LOAD_BUILD_CLASS": BUILD,
}  # fmt: skip
_TWO = {
    **dict.fromkeys(("LOAD_FAST_LOAD_FAST", "LOAD_FAST_BORROW_LOAD_FAST_BORROW"), (LOCAL, LOCAL)),
    "STORE_FAST_STORE_FAST": (STORE, STORE),
    "STORE_FAST_LOAD_FAST": (STORE, LOCAL),
}
_KEEPS_VALUE = {
    "CACHE",
    "RESUME",
    "NOP",
    "EXTENDED_ARG",
    "PRECALL",
    "COPY",
    "KW_NAMES",
    "NOT_TAKEN",
    "SET_FUNCTION_ATTRIBUTE",
}


_Span = tuple[int, int, int, int]  # line, column, end line, end column


class Step:
    """``what`` it does, and with which name or value: of an import the module, the level, and whether names of it are
    wanted. ``called``: what it loads is called next. ``span``: the expression that it stands for, or None."""

    __slots__ = ("called", "line", "offset", "span", "value", "what")

    def __init__(
        self, what: str, value: object, line: int, offset: int, span: _Span | None, called: bool = False
    ) -> None:
        self.span: _Span | None = span
        self.what: str = what
        self.value: Any = value
        self.line: int = line
        self.offset: int = offset
        self.called: bool = called


class Steps:
    """``steps`` in order; ``loops``: first and last offset of each loop."""

    def __init__(self, code: "CodeType") -> None:
        import dis

        self.steps: list[Step] = []
        self.loops: list[tuple[int, int]] = []
        self._stores: list[tuple[int, str]] = []
        self._kept: dict[int, list[_Span] | None] = {}
        line = code.co_firstlineno
        for each in dis.get_instructions(code):
            if each.starts_line is not None:
                found = getattr(each, "line_number", each.starts_line)
                line = found if type(found) is int else line
            place = each.positions
            span: Any = None
            if place is not None and None not in place:
                span = (place.lineno, place.col_offset, place.end_lineno, place.end_col_offset)
            if _jumps_back(each):
                self.loops.append((each.argval, each.offset))
            elif each.opname in _TWO:
                for what, name in zip(_TWO[each.opname], each.argval, strict=True):
                    self._add(Step(what, name, line, each.offset, span))
            elif each.opname not in _KEEPS_VALUE:
                called = each.opname == "LOAD_GLOBAL" and bool((each.arg or 0) & 1)
                what, value = _STEPS.get(each.opname, OTHER), each.argval
                if what is IMPORT:
                    level, names = (step.value for step in self.steps[-2:])
                    value = (value, level, bool(names))
                self._add(Step(what, value, line, each.offset, span, called))

    def _add(self, step: Step) -> None:
        self.steps.append(step)
        if step.what in (STORE, STORE_CELL, STORE_NAME):
            assert isinstance(step.value, str)
            self._stores.append((step.offset, step.value))

    def changing(self, last: int) -> set[str]:
        """The names to which this code gives new values after the instruction at ``last``, or may in a loop."""
        return {
            name
            for offset, name in self._stores
            if offset > last or any(begin <= offset <= end for begin, end in self.loops)
        }

    def is_past(self, step: Step, last: int) -> bool:
        """Whether it will not be done again, nor what it has loaded be used, by a frame that is at ``last``."""
        if step.offset >= last or any(begin <= step.offset and end >= last for begin, end in self.loops):
            return False
        if last not in self._kept:
            self._kept[last] = self._still_used(last)
        kept = self._kept[last]
        return kept is not None and (step.span is None or not any(_is_inside(step.span, each) for each in kept))

    def _still_used(self, last: int) -> list[_Span] | None:
        """The expressions that are under way at ``last``, those of a `with` or `for` that may be, too; None where
        that is not known."""
        # While it calls a function in Python, a frame is at the end of the call's inline cache.
        here = next((step.span for step in reversed(self.steps) if step.offset <= last), None)
        if here is None:
            return None
        around = [step.span for step in self.steps if step.span is not None and _is_inside(here, step.span)]
        return around + [
            step.span
            for step in self.steps
            if step.what in (ENTER, ITERATE) and step.span is not None and step.offset < last
        ]

    def is_in_loop(self, offset: int) -> bool:
        return any(begin <= offset <= end for begin, end in self.loops)


def _is_inside(inner: _Span, outer: _Span) -> bool:
    return outer[:2] <= inner[:2] and inner[2:] <= outer[2:]


@functools.lru_cache(maxsize=5_000)
def steps_of(code: "CodeType") -> Steps:
    """Its steps."""
    return Steps(code)


def _jumps_back(instruction: "Instruction") -> bool:
    """An `await` has a small loop of its own, which is none of the program's."""
    name = instruction.opname
    return "JUMP_BACKWARD" in name and "NO_INTERRUPT" not in name


@functools.lru_cache(maxsize=10_000)
def is_program_file(file: str) -> bool:
    """Whether it is the program's own, and not of the standard library or an installed package."""
    return not (file.startswith("<frozen ") or is_standard_library(file) or is_installed(file) or _is_interlock(file))


_OURS = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "")


def _is_interlock(file: str) -> bool:
    # What is compiled says where it stood when it was built.
    return file.startswith(_OURS) or os.path.join("interlock", "core", "") in file
