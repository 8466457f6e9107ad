"""What a party's code could still do: which methods of which objects it names.

Whether a wait can still end depends on the living: could one of them set this event, put into this queue, come to this
barrier? Nobody can know that of a program. But code that never names `set` does not set an event. So the code of a
party is read, that of its frames and of all that they name, in the program's own files, and what it names is noted:
a method together with the object it is looked up on, or with `UNKNOWN` where only running the code would tell. What is
`UNKNOWN` may be anything. So an answer "yes" may be wrong; "no" is meant to be right, but for code that hides what it
does: `ctypes`, a name put together at run time, C code that calls back. Code of the standard library and of installed
packages is not read: what it calls back are functions of the program's, which it was given, and those are read where
they are seen.

Nothing is run for it: names are looked up without descriptors or `__getattr__`.
"""

import builtins
import functools
import gc
import os
import sys
import types
from collections.abc import Iterable, Iterator

from interlock.core.explain.places import Place, is_installed, is_library

TYPE_CHECKING = False
if TYPE_CHECKING:
    from dis import Instruction
    from types import CodeType, FrameType
    from typing import Any


class _Unknown:
    def __repr__(self) -> str:
        return "UNKNOWN"


UNKNOWN = _Unknown()
MOST_CODE = 3000  # code objects; past that a party could do anything
MOST_OBJECTS = 20_000  # that are looked at from one frame of a library's
MOST_ELEMENTS = 200  # of a container that are looked at

_LOADS_LOCAL = {"LOAD_FAST", "LOAD_FAST_CHECK", "LOAD_FAST_BORROW", "LOAD_FAST_AND_CLEAR"}
_LOADS_TWO = {"LOAD_FAST_LOAD_FAST", "LOAD_FAST_BORROW_LOAD_FAST_BORROW"}
_LOADS_CELL = {"LOAD_DEREF", "LOAD_CLASSDEREF", "LOAD_FROM_DICT_OR_DEREF", "LOAD_CLOSURE"}
_LOADS_NAME = {"LOAD_NAME", "LOAD_GLOBAL", "LOAD_FROM_DICT_OR_GLOBALS"}
_LOADS_ATTRIBUTE = {"LOAD_ATTR", "LOAD_METHOD"}
_STORES = {"STORE_FAST", "STORE_NAME", "STORE_DEREF"}
_STORES_TWO = {"STORE_FAST_STORE_FAST", "STORE_FAST_LOAD_FAST"}
_ENTERS = {"BEFORE_WITH", "BEFORE_ASYNC_WITH", "LOAD_SPECIAL"}
_MAKERS = ("__init__", "__new__", "__post_init__", "__attrs_post_init__")
_BUILTINS = vars(builtins)
_LEAVES = (int, float, complex, bool, str, bytes, bytearray, type(None), type(...), types.CodeType, types.ModuleType)
_CALLED = (
    types.FunctionType,
    types.MethodType,
    types.BuiltinMethodType,
    types.MethodWrapperType,
    functools.partial,
    types.CoroutineType,
    types.GeneratorType,
    types.AsyncGeneratorType,
)
_KEEPS_VALUE = {"CACHE", "RESUME", "NOP", "EXTENDED_ARG", "PRECALL", "COPY", "KW_NAMES", "NOT_TAKEN"}
_CALLEE_AFTER_NULL = sys.version_info < (3, 13)  # where PUSH_NULL stands before what is called


class Touch:
    """A place in the code that names an attribute. ``target``: of what, or UNKNOWN."""

    __slots__ = ("code", "line", "offset", "target")

    def __init__(self, target: object, code: "CodeType", line: int, offset: int) -> None:
        self.target: object = target
        self.code: CodeType = code
        self.line: int = line
        self.offset: int = offset

    @property
    def place(self) -> Place:
        return Place(self.code.co_filename, self.line, self.code.co_name)


class Reach:
    """What some code could do. ``anything``: it calls what cannot be known, or there is too much of it."""

    def __init__(self) -> None:
        self._roots: list[object] = []  # frames, and what may be called
        self._stored: set[str] = set()  # attributes and globals that this code gives new values
        self._clear()

    def _clear(self) -> None:
        self.anything: bool = False
        self.touches: dict[str, list[Touch]] = {}
        self._relied_on: set[str] = set()  # attributes and globals whose value was taken for what it will be
        self._seen: set[tuple[int, int]] = set()
        self._pending: list[tuple[CodeType, dict[str, Any], dict[str, Any]]] = []
        self._kept: list[object] = []  # what `_seen` names by its id

    def could(self, target: object, names: Iterable[str]) -> bool:
        """Whether it could look up one of these attributes on ``target``."""
        return self.anything or any(
            touch.target is UNKNOWN or touch.target is target for name in names for touch in self.touches.get(name, ())
        )

    def certain(self, target: object, names: Iterable[str]) -> Touch | None:
        """The first place that looks one of these attributes up on ``target`` and nothing else."""
        for name in names:
            for touch in self.touches.get(name, ()):
                if touch.target is target:
                    return touch
        return None

    # --- what to read -------------------------------------------------------------------------------------------

    def add(self, *roots: object) -> "Reach":
        """Add what this code could do: frames, with all that they have yet to call, and what may be called one day."""
        self._roots += roots
        while True:
            self._clear()
            for root in self._roots:
                if isinstance(root, types.FrameType):
                    self._add_frame(root)
                else:
                    self.add_value(root)
            self._read()
            # What this code itself changes may be something else by the time it is used.
            if not self._relied_on & self._stored:
                return self

    def add_given_too(self, values: list[object]) -> "Reach":
        """Add what a library has in its hands: see `add_given`."""
        self.add_given(values)
        self._read()
        return self

    def _add_frame(self, frame: "FrameType") -> None:
        names = _locals_of(frame)
        if _is_program(frame.f_code):
            self._add_code(frame.f_code, names, frame.f_globals)
        else:
            self.add_given(list(names.values()))

    def add_given(self, values: list[object]) -> None:
        """What code of a library has in its hands. It does what it was made to do, and calls what it was given of the
        program's: functions, and methods of objects, that can be reached from there."""
        pending, seen = list(values), set()
        while pending:
            value = pending.pop()
            if id(value) in seen or type(value) in _LEAVES:
                continue
            seen.add(id(value))
            if len(seen) > MOST_OBJECTS:
                self.anything = True
                return
            kind = type(value)
            if kind in _CALLED or isinstance(value, type) or _is_program_class(kind):
                self.add_value(value)
            elif not isinstance(value, (types.ModuleType, types.CodeType, types.FrameType)):
                pending += gc.get_referents(value)

    def add_value(self, value: object, depth: int = 2) -> None:
        """A value that the code has in its hands: a function may be called, an object's methods, too."""
        kind = type(value)
        if kind is types.FunctionType:
            self._add_function(value, {})
        elif kind is types.MethodType:
            function = value.__func__  # type: ignore[attr-defined]
            if type(function) is types.FunctionType:
                self._add_function(function, _first_argument(function, value.__self__))  # type: ignore[attr-defined]
            else:
                self.add_value(function, depth)
        elif kind is types.BuiltinMethodType or kind is types.MethodWrapperType:
            # `event.set` handed on: it is called as good as here.
            self._touch(value.__name__, value.__self__, None, 0)  # type: ignore[attr-defined]
        elif kind is functools.partial:
            for each in (value.func, *value.args, *value.keywords.values()):  # type: ignore[attr-defined]
                self.add_value(each, depth)
        elif kind in (types.CoroutineType, types.GeneratorType, types.AsyncGeneratorType):
            for name in ("cr_frame", "gi_frame", "ag_frame"):
                frame = getattr(value, name, None)
                if frame is not None and _is_program(frame.f_code):
                    self._add_code(frame.f_code, _locals_of(frame), frame.f_globals)
        elif isinstance(value, type):
            if _is_program_class(value):
                self._add_class(value, UNKNOWN)
        elif depth and kind in (list, tuple, set, frozenset, dict):
            elements = list(value.values()) if kind is dict else list(value)  # type: ignore[attr-defined,call-overload]
            if len(elements) > MOST_ELEMENTS:
                self.anything = True
            for each in elements[:MOST_ELEMENTS]:
                self.add_value(each, depth - 1)
        elif _is_program_class(kind):
            self._add_class(kind, value)

    def _add_class(self, kind: type, instance: object) -> None:
        if self._is_new(kind, instance):
            for base in kind.__mro__:
                if _is_program_class(base):
                    for member in list(vars(base).values()):
                        self._add_member(member, instance)

    def _add_member(self, member: object, instance: object) -> None:
        if isinstance(member, (staticmethod, classmethod)):
            member = member.__func__
            instance = UNKNOWN
        elif isinstance(member, property):
            for each in (member.fget, member.fset, member.fdel):
                if type(each) is types.FunctionType:
                    self._add_function(each, _first_argument(each, instance))
            return
        if type(member) is types.FunctionType:
            self._add_function(member, _first_argument(member, instance))

    def _add_function(self, function: "Any", names: "dict[str, Any]") -> None:
        code = function.__code__
        if not _is_program(code):
            inner = getattr(function, "__wrapped__", None)
            if inner is not None:
                self.add_value(inner)
            return
        known = dict(names)
        for name, cell in zip(code.co_freevars, function.__closure__ or (), strict=False):
            try:
                known[name] = cell.cell_contents
            except ValueError:
                continue  # not set yet
        self._add_code(code, known, function.__globals__)

    def _add_code(self, code: "CodeType", names: "dict[str, Any]", module_names: "dict[str, Any]") -> None:
        if not self._is_new(code, names.get(code.co_varnames[0]) if code.co_argcount else None):
            return
        if len(self._seen) > MOST_CODE:
            self.anything = True
            return
        changing = _stored_in_loops(code)
        self._pending.append((code, {name: names[name] for name in names if name not in changing}, module_names))

    def _is_new(self, what: object, owner: object) -> bool:
        key = (id(what), id(owner))
        if key in self._seen:
            return False
        self._seen.add(key)
        self._kept += (what, owner)
        return True

    # --- reading ------------------------------------------------------------------------------------------------

    def _read(self) -> None:
        while self._pending and not self.anything:
            self._read_code(*self._pending.pop())
        self._pending.clear()

    def _read_code(self, code: "CodeType", names: "dict[str, Any]", module_names: "dict[str, Any]") -> None:
        value: object = UNKNOWN  # what was loaded last, until it is known what for
        line = code.co_firstlineno
        callee = False  # what is loaded next is called
        for each in _instructions(code):
            if each.starts_line is not None:
                found = getattr(each, "line_number", each.starts_line)
                line = found if type(found) is int else line
            operation = each.opname
            if operation in _KEEPS_VALUE:
                continue
            if operation == "PUSH_NULL":
                callee = _CALLEE_AFTER_NULL
                if not callee and value is UNKNOWN:
                    self.anything = True  # it calls what is not known
                continue
            if operation in _LOADS_ATTRIBUTE:
                value = self._attribute(value, each.argval, code, line, each.offset)
                continue
            if operation == "STORE_ATTR":
                if code.co_name not in _MAKERS:
                    self._stored.add(each.argval)
                value = UNKNOWN
                continue
            # No attribute of it is wanted, but the thing itself: to call it, hand it on, keep it.
            self.add_value(value)
            if operation in _LOADS_LOCAL or operation in _LOADS_CELL:
                value = names.get(each.argval, UNKNOWN)
            elif operation in _LOADS_TWO:
                self.add_value(names.get(each.argval[0], UNKNOWN))
                value = names.get(each.argval[1], UNKNOWN)
            elif operation in _LOADS_NAME:
                value = self._look_up(each.argval, code, names, module_names)
            else:
                if operation in _ENTERS:
                    self._touch("__enter__", value, code, line)
                elif operation == "STORE_GLOBAL":
                    self._stored.add(each.argval)
                elif operation == "LOAD_CONST":
                    self._add_constant(each.argval, code, line, names, module_names)
                value = UNKNOWN
                continue
            if callee and value is UNKNOWN:
                self.anything = True  # likewise
            callee = False
        self.add_value(value)

    def _add_constant(
        self,
        constant: object,
        code: "CodeType",
        line: int,
        names: "dict[str, Any]",
        module_names: "dict[str, Any]",
    ) -> None:
        if isinstance(constant, types.CodeType):
            # A function made inside this one: its own names are found as this one's are.
            self._add_code(constant, names, module_names)
        elif isinstance(constant, str) and constant.isidentifier():
            self._touch(constant, UNKNOWN, code, line)  # for `getattr`

    def _attribute(self, owner: object, name: str, code: "CodeType", line: int, offset: int) -> object:
        self._touch(name, owner, code, line, offset)
        if owner is UNKNOWN:
            for function in program_functions().get(name, ()):
                self._add_function(function, {})
            return UNKNOWN
        if name in self._stored:
            return UNKNOWN
        self._relied_on.add(name)
        return attribute_of(owner, name)

    def _look_up(self, name: str, code: "CodeType", names: "dict[str, Any]", module_names: "dict[str, Any]") -> object:
        if name in names:
            return names[name]
        if name in self._stored or name in _stored_in_loops(code):
            return UNKNOWN
        self._relied_on.add(name)
        return module_names[name] if name in module_names else _BUILTINS.get(name, UNKNOWN)

    def _touch(self, name: str, target: object, code: "CodeType | None", line: int, offset: int = 0) -> None:
        self.touches.setdefault(name, []).append(Touch(target, code or _NOWHERE, line, offset))


class _Method:
    """Stands for a method of a class in C."""


_NOWHERE = compile("", "<handed on>", "exec")


def attribute_of(owner: object, name: str) -> object:
    """What ``owner.name`` is, without running anybody's code; UNKNOWN where that does not do."""
    if isinstance(owner, types.ModuleType):
        return vars(owner).get(name, UNKNOWN)
    names: object
    try:
        names = object.__getattribute__(owner, "__dict__")
    except AttributeError:
        names = None
    if isinstance(names, (dict, types.MappingProxyType)) and name in names:
        return names[name]
    kinds = type.__getattribute__(owner, "__mro__") if isinstance(owner, type) else type(owner).__mro__
    for kind in kinds:
        if name in vars(kind):
            found = vars(kind)[name]
            if isinstance(owner, type):
                return found.__func__ if isinstance(found, (staticmethod, classmethod)) else found
            if isinstance(found, types.FunctionType):
                return types.MethodType(found, owner)
            if isinstance(found, types.MemberDescriptorType):
                try:
                    return found.__get__(owner)
                except AttributeError:
                    return UNKNOWN
            if isinstance(found, (types.MethodDescriptorType, types.WrapperDescriptorType)):
                return _Method
            if isinstance(found, classmethod):
                return types.MethodType(found.__func__, type(owner))
            if isinstance(found, staticmethod):
                return found.__func__
            return UNKNOWN if hasattr(type(found), "__get__") else found
    return UNKNOWN


def rest_of(frame: "FrameType") -> list[tuple[str, Touch]]:
    """What the code of this frame, without what it calls, does after the instruction that it is at.

    Nothing where it is in a loop: what comes next there need not come for the sake of what came before.
    """
    code = frame.f_code
    for each in _instructions(code):
        if _jumps_back(each) and each.argval <= frame.f_lasti <= each.offset:
            return []
    reach = Reach()
    reach._read_code(code, _locals_of(frame), frame.f_globals)
    return [
        (name, touch)
        for name, touches in reach.touches.items()
        for touch in touches
        if touch.code is code and touch.offset > frame.f_lasti
    ]


def _instructions(code: "CodeType") -> "Iterator[Instruction]":
    """Imported when something is to be read: a program that only runs goes without."""
    import dis

    return dis.get_instructions(code)


def _jumps_back(instruction: "Instruction") -> bool:
    """An `await` has a small loop of its own, which is none of the program's."""
    name = instruction.opname
    return "JUMP_BACKWARD" in name and "NO_INTERRUPT" not in name


@functools.lru_cache(maxsize=2_000)
def _stored_in_loops(code: "CodeType") -> frozenset[str]:
    """The names to which a loop in this code gives new values."""
    stores: list[tuple[int, str]] = []
    found: set[str] = set()
    for each in _instructions(code):
        if each.opname in _STORES:
            stores.append((each.offset, each.argval))
        elif each.opname in _STORES_TWO:
            stores += [(each.offset, name) for name in each.argval]
        elif _jumps_back(each):
            found.update(name for offset, name in stores if offset >= each.argval)
    return frozenset(found)


def _locals_of(frame: "FrameType") -> "dict[str, Any]":
    try:
        return dict(frame.f_locals)
    except Exception:
        return {}  # a frame that is on its way


def _first_argument(function: "Any", instance: object) -> "dict[str, Any]":
    code = function.__code__
    return {code.co_varnames[0]: instance} if instance is not UNKNOWN and code.co_argcount else {}


def _is_program(code: "CodeType") -> bool:
    return is_program_file(code.co_filename)


@functools.lru_cache(maxsize=10_000)
def is_program_file(file: str) -> bool:
    """Whether it is the program's own, and not of the standard library or an installed package."""
    return not (file.startswith("<frozen ") or is_library(file) or is_installed(file) or _is_interlock(file))


_OURS = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "")


def _is_interlock(file: str) -> bool:
    # What is compiled says where it stood when it was built.
    return file.startswith(_OURS) or os.path.join("interlock", "core", "") in file


def _is_program_class(kind: type) -> bool:
    if not kind.__flags__ & 1 << 9:  # a class in C
        return False
    module = sys.modules.get(kind.__module__)
    file = getattr(module, "__file__", None)
    return kind.__module__ == "__main__" or (isinstance(file, str) and is_program_file(file))


_functions: dict[str, list[types.FunctionType]] = {}
_indexed = (0, 0)


def program_functions() -> dict[str, list[types.FunctionType]]:
    """Every function and method of the program's modules, by its name."""
    global _functions, _indexed
    modules = [module for module in list(sys.modules.values()) if _is_program_module(module)]
    size = (len(modules), sum(len(vars(module)) for module in modules))
    if size != _indexed:
        found: dict[str, list[types.FunctionType]] = {}
        for module in modules:
            for name, value in _functions_in(list(vars(module).items()), module.__name__):
                found.setdefault(name, []).append(value)
        _functions, _indexed = found, size
    return _functions


def _is_program_module(module: object) -> bool:
    if not isinstance(module, types.ModuleType):
        return False
    file = module.__dict__.get("__file__")
    return module.__name__ == "__main__" or (isinstance(file, str) and is_program_file(file))


def _functions_in(items: "list[tuple[str, Any]]", module: str) -> "Iterator[tuple[str, types.FunctionType]]":
    for name, value in items:
        if isinstance(value, (staticmethod, classmethod)):
            value = value.__func__
        if type(value) is types.FunctionType:
            yield name, value
        elif isinstance(value, type) and value.__module__ == module:
            yield from _functions_in(list(vars(value).items()), module)
