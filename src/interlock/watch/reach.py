"""What the code of those who live could still do: which methods of which objects it names.

Whether a wait can still end depends on the living: could one of them set this event, put into this queue, come to this
barrier? Nobody can know that of a program. But code that never names `set` does not set an event. So the code of the
living is read, that of their frames and of all that they name, and what it names is noted: a method together with the
object it is looked up on, or with `UNKNOWN` where only running the code would tell. What is `UNKNOWN` may be anything.
So an answer "yes" may be wrong; "no" is meant to be right, but for code that hides what it does from everybody, as one
in C that keeps a function for later.

Code of the standard library and of installed packages is not read. What it does to the program it does by functions and
objects that it was given: so whatever can be reached from a library's object in somebody's hands counts as in use. What
the program has hung into the interpreter (signal handlers, `sys.stdout`, finalizers) anybody may set off.

Nothing is run for it: names are looked up without descriptors or `__getattr__`.
"""

import builtins
import functools
import gc
import operator
import sys
import types
import weakref
from collections import deque
from collections.abc import Iterable, Iterator

from interlock.core.explain.places import Place, is_installed
from interlock.core.kernel.primitive import Primitive
from interlock.watch import instructions as steps
from interlock.watch import private
from interlock.watch.instructions import Step, is_program_file, steps_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import CodeType, FrameType
    from typing import Any


class _Unknown:
    def __repr__(self) -> str:
        return "UNKNOWN"


UNKNOWN = _Unknown()
ANY = object()  # stands for a target of which it does not matter which it is
MOST_CODE = 3000  # readings of code objects; past that somebody could do anything
MOST_OBJECTS = 20_000  # that are looked at in a library's hands, or in a container

_MAKERS = ("__init__", "__new__", "__post_init__", "__attrs_post_init__")
_BUILTINS = vars(builtins)
_LEAVES = (
    int,
    float,
    complex,
    bool,
    str,
    bytes,
    bytearray,
    type(None),
    type(...),
    type(NotImplemented),
    range,
    slice,
    memoryview,
    types.CodeType,
    types.ModuleType,
    types.FrameType,
    types.TracebackType,
)
_LEAF_KINDS = frozenset(_LEAVES)
_FUNCTIONS = (types.FunctionType, types.MethodType, types.BuiltinMethodType, types.MethodWrapperType, functools.partial)
_STARTED = (types.CoroutineType, types.GeneratorType, types.AsyncGeneratorType)
_CONTAINERS = (list, tuple, set, frozenset, deque)
_CALLERS = (operator.methodcaller, operator.attrgetter)
# What finds names that are put together at run time.
_FINDS_ANYTHING = frozenset(("exec", "eval", "globals", "locals", "vars", "__import__", "import_module"))
_FINDS_BY_NAME = frozenset(("getattr", "attrgetter", "methodcaller"))
# Methods that Python calls without their names, for an operator or from a function in C.
_OPERATORS = """
add radd iadd sub rsub isub mul rmul imul truediv rtruediv itruediv floordiv rfloordiv ifloordiv mod rmod imod
pow rpow ipow lshift rlshift ilshift rshift rrshift irshift and rand iand or ror ior xor rxor ixor matmul
rmatmul imatmul neg pos invert abs lt le gt ge eq ne hash bool len length_hint contains getitem setitem
delitem missing iter next reversed aiter anext str repr format bytes int float index round await
"""
_IMPLICIT = frozenset(f"__{name}__" for name in _OPERATORS.split())
_ENTERS = ("__enter__", "__exit__", "__aenter__", "__aexit__")
# What instances of these have in hands is called by a thread or task whose own frames are read.
_KEEPERS = (
    ("threading", "Thread"),
    ("concurrent.futures._base", "Executor"),
    ("asyncio.events", "AbstractEventLoop"),
    ("asyncio.tasks", "Task"),
)
# Classes of these modules hand on what they are given to a function of the program's, and do nothing with it.
_HAND_ON = ("collections", "weakref", "types", "functools", "builtins", "threading", "concurrent", "asyncio", "sched",
            "contextlib", "contextvars", "queue", "itertools", "operator")  # fmt: skip
_COROUTINE = 0x80  # `inspect.CO_COROUTINE`
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


class _Given:
    """What a library has in its hands."""

    def __init__(self, values: list[object]) -> None:
        self.values = values


class Reach:
    """What some code could do. ``anything``: it calls what cannot be known, or there is too much of it.

    ``driven``: ids of coroutines that are none of that code's, though it may have them in hands: a task runs each.
    ``whole``: what frames have done counts, too, and not only what they may do yet.
    """

    def __init__(self, driven: Iterable[int] = (), whole: bool = False) -> None:
        self._driven = frozenset(driven)
        self._whole = whole
        self._roots: list[object] = []  # frames, what may be called, and what a library was given
        self._stored: set[str] = set()  # attributes and globals that this code gives new values
        self._functions: dict[str, list[types.FunctionType]] | None = None  # the program's
        self._clear()

    def _clear(self) -> None:
        self.anything: bool = False
        self.touches: dict[str, list[Touch]] = {}
        self._in_use: set[int] = set()  # what a library has in its hands
        self._relied_on: set[str] = set()  # attributes and globals whose value was taken for what it will be
        self._seen: set[object] = set()
        self._looked_at: set[tuple[int, bool]] = set()
        self._implicit: bool = False  # whether what Python calls without a name is in it
        self._pending: list[tuple[CodeType, dict[str, Any], dict[str, Any], int, dict[str, Any]]] = []
        self._kept: list[object] = []  # what `_seen` names by its id

    def could(self, target: object, names: Iterable[str]) -> bool:
        """Whether it could look up one of these attributes on ``target``."""
        if self.anything or id(target) in self._in_use:
            return True
        return any(
            target is ANY or touch.target is UNKNOWN or touch.target is target
            for name in names
            for touch in self.touches.get(name, ())
        )

    def in_hands(self) -> "list[Any]":
        """What this code keeps in containers and hands on: what it may mean by a value that is not known."""
        return self._kept

    def has_in_hands(self, value: object) -> bool:
        """Whether it names this object at all."""
        return self.anything or not {(id(value), False), (id(value), True)}.isdisjoint(self._looked_at)

    # --- what to read -------------------------------------------------------------------------------------------

    def add(self, *roots: object) -> "Reach":
        """Add what this code could do: frames, with all that they have yet to call, and what may be called one day."""
        self._roots += roots
        for root in roots:
            self._add_root(root)
        self._read()
        # What some of this code changes may be something else by the time another part of it uses it.
        while self._relied_on & self._stored:
            self._clear()
            for root in self._roots:
                self._add_root(root)
            self._read()
        return self

    def add_given(self, values: list[object]) -> "Reach":
        """Add what a library has in its hands."""
        return self.add(_Given(values))

    def _add_root(self, root: object) -> None:
        if isinstance(root, _Given):
            self._look_at(root.values, False)
        elif isinstance(root, types.FrameType):
            last = root.f_lasti  # before its names: a name that it changes meanwhile is one that changes further on
            names = _locals_of(root)
            file = root.f_code.co_filename
            if is_program_file(file):
                self._add_code(root.f_code, names, root.f_globals, last)
            elif is_installed(file):
                self._look_at([*names.values(), *_variables(root.f_globals)], True)
            else:
                # What a Thread is to call it calls in its own frame, and nowhere else.
                for value in names.values():
                    self._look_at(_parts(value) if _is_keeper(value) else (value,), False)
        else:
            self.add_value(root)

    def _look_at(self, values: "Iterable[Any]", by_library: bool) -> None:
        """What can be called from there: functions of the program's, methods of its objects. ``by_library``: what
        is found is in use."""
        pending = [(value, by_library) for value in values]
        while pending and not self.anything:
            value, used = pending.pop()
            kind = type(value)
            if kind in _LEAF_KINDS:
                continue
            if used:
                self._in_use.add(id(value))
            if (id(value), used) in self._looked_at:
                continue
            self._looked_at.add((id(value), used))
            self._kept.append(value)
            if len(self._looked_at) > MOST_OBJECTS:
                self.anything = True
            elif id(value) in self._driven:
                continue
            elif kind in _FUNCTIONS or kind in _STARTED or kind in _CALLERS:
                self._add_callable(value)
            elif issubclass(kind, type):
                if is_program_class(value):
                    self._add_class(value, UNKNOWN)
            elif is_program_class(kind):
                self._add_class(kind, value)
            elif issubclass(kind, weakref.ref):
                pending.append((weakref.ref.__call__(value), used))
                function = private.function_of_weak_method(value)
                if function is not None:
                    pending.append((weakref.ref.__call__(function), used))
            elif not _is_keeper(value):
                parts = _parts(value)
                if len(parts) > MOST_OBJECTS:
                    self.anything = not set(map(type, parts)) <= _LEAF_KINDS
                    continue
                used = used or _is_library_class(kind)
                pending += [(part, used) for part in parts]

    def add_value(self, value: object) -> None:
        """A value that the code has in its hands: a function may be called, an object's methods, too."""
        if not _is_nothing(value):
            self._look_at((value,), False)

    def _add_callable(self, value: "Any") -> None:
        kind = type(value)
        if kind is types.FunctionType:
            self._add_function(value, {})
        elif kind is types.MethodType:
            function = value.__func__
            if type(function) is types.FunctionType and is_program_file(function.__code__.co_filename):
                self._add_function(function, _first_argument(function, value.__self__))
            else:
                self._look_at((function, value.__self__), False)
                self._touch(getattr(function, "__name__", ""), value.__self__, None, 0)
        elif kind is types.BuiltinMethodType or kind is types.MethodWrapperType:
            # `event.set` handed on: it is called as good as here.
            self._touch(value.__name__, value.__self__, None, 0)
            if value.__name__ in _FINDS_ANYTHING:
                self.anything = True
        elif kind is functools.partial:
            self._look_at((value.func, *value.args, *value.keywords.values()), False)
        elif kind in _CALLERS:
            for name in value.__reduce__()[1]:
                for part in name.split(".") if type(name) is str else ():
                    self._touch(part, UNKNOWN, None, 0)
        else:
            for attribute in ("cr_frame", "gi_frame", "ag_frame"):
                frame = getattr(value, attribute, None)
                if frame is None:
                    continue
                last = frame.f_lasti
                if is_program_file(frame.f_code.co_filename):
                    self._add_code(frame.f_code, _locals_of(frame), frame.f_globals, last)
                else:
                    self._look_at(_locals_of(frame).values(), False)
            for attribute in ("cr_await", "gi_yieldfrom", "ag_await"):
                self._look_at((getattr(value, attribute, None),), False)

    def _add_class(self, kind: type, instance: object) -> None:
        if self._is_new((kind, instance)):
            for base in [*kind.__mro__, *type.mro(type(kind))]:
                if is_program_class(base):
                    for member in list(vars(base).values()):
                        self._add_member(member, instance)

    def _add_member(self, member: object, instance: object) -> None:
        if isinstance(member, (staticmethod, classmethod)):
            self._add_member(member.__func__, UNKNOWN)
        elif isinstance(member, property):
            for each in (member.fget, member.fset, member.fdel):
                self._add_member(each, instance)
        elif type(member) is types.FunctionType:
            self._add_function(member, _first_argument(member, instance))
        elif member is not instance and not isinstance(member, (type, Primitive)):
            self.add_value(member)  # a descriptor, a table of functions

    def _add_function(self, function: "Any", names: "dict[str, Any]") -> None:
        code = function.__code__
        known = dict(names)
        for name, cell in zip(code.co_freevars, function.__closure__ or (), strict=False):
            try:
                known[name] = cell.cell_contents
            except ValueError:
                continue  # not set yet
        if is_program_file(code.co_filename):
            self._add_code(code, known, function.__globals__, -1)
            return
        # A library's: a decorator's has what it decorates.
        self._look_at((*known.values(), getattr(function, "__wrapped__", None)), False)
        logging = sys.modules.get("logging")
        if logging is not None and function.__globals__ is vars(logging):
            self._look_at((logging.root,), False)

    def _add_code(self, code: "CodeType", names: "dict[str, Any]", module_names: "dict[str, Any]", last: int) -> None:
        """``last``: the offset of the instruction at which it is, -1 where it has not begun."""
        changing = steps_of(code).changing(last)
        known = {name: value for name, value in names.items() if name not in changing}
        cells = code.co_freevars if last < 0 else (*code.co_freevars, *code.co_cellvars)
        self._stored.update(f"cell {name}" for name in changing.intersection(cells))
        if code.co_name == "<module>":
            self._stored |= changing
            known = {}  # they are the module's own
        # What has ended would have gone on with the values that it had then.
        rest = {name: names[name] for name in changing if name in names} if self._whole and last >= 0 else {}
        if not self._is_new((code, *((name, _kept(value)) for name, value in [*known.items(), *rest.items()]))):
            return
        if len(self._seen) > MOST_CODE:
            self.anything = True
            return
        self._pending.append((code, known, module_names, last, rest))

    def _is_new(self, what: tuple[object, ...]) -> bool:
        key = tuple([(id(each[0]), id(each[1])) if type(each) is tuple else id(each) for each in what])
        if key in self._seen:
            return False
        self._seen.add(key)
        self._kept.append(what)
        return True

    def _add_named(self, names: Iterable[str]) -> None:
        """Every function of the program's of one of these names."""
        if self._functions is None:
            self._functions = program_functions()
        for name in names:
            for function in self._functions.get(name, ()):
                self._add_function(function, {})

    def _add_implicit(self) -> None:
        if not self._implicit:
            self._implicit = True
            self._add_named(_IMPLICIT)

    # --- reading ------------------------------------------------------------------------------------------------

    def _read(self) -> None:
        while self._pending and not self.anything:
            self._read_code(*self._pending.pop())
        self._pending.clear()

    def _read_code(
        self,
        code: "CodeType",
        names: "dict[str, Any]",
        module_names: "dict[str, Any]",
        last: int = -1,
        rest: "dict[str, Any] | None" = None,
    ) -> None:
        """``rest``: what names stand for after the instruction at ``last``, until they get another value."""
        value: object = UNKNOWN  # what was loaded last, until it is known what for
        imported: object = UNKNOWN  # the module
        fixed = False  # whether that is what a name stands for from now on
        callee = False  # what is loaded next is called
        by_name = False  # `getattr` has been loaded, and no name for it yet
        names = dict(names)
        known = steps_of(code)
        for step in known.steps:
            what = step.what
            if rest and step.offset > last:
                names.update(rest)
                rest = None
            if step.offset < last and not self._whole:
                if known.is_past(step, last):
                    value, callee, by_name, fixed = UNKNOWN, False, False, False
                    continue
                if _is_coroutine_function(value):
                    value = _Read  # it has been called, and what runs since then is a task, or in a library's hands
            if what is steps.NULL:
                callee = _CALLEE_AFTER_NULL
                if not callee and value is UNKNOWN:
                    self.anything = True  # it calls what is not known
                continue
            if what is steps.ATTRIBUTE:
                value = self._attribute(value, step, code)
                by_name = by_name or step.value in _FINDS_BY_NAME
                self.anything = self.anything or step.value == "import_module"
                continue
            if what is steps.SET:
                self._set_attribute(value, step, code)
                value = UNKNOWN
                continue
            if what is steps.IMPORT:
                value = imported = self._import(step.value, module_names)
                fixed = True
                continue
            if what is steps.IMPORT_FROM:
                value = UNKNOWN if imported is UNKNOWN else attribute_of(imported, step.value)
                fixed = True
                continue
            if what in (steps.STORE, steps.STORE_CELL):
                if fixed and value is not UNKNOWN:
                    names[step.value] = value
                elif self._whole and step.offset > last >= 0:
                    names.pop(step.value, None)
            fixed = False
            # No attribute of it is wanted, but the thing itself: to call it, hand it on, keep it.
            self.add_value(value)
            if what is steps.LOCAL:
                value = names.get(step.value, UNKNOWN)
            elif what is steps.CELL:
                value = self._look_up_cell(step.value, names)
            elif what is steps.NAME:
                value = self._look_up(step.value, code, names, module_names)
                by_name = by_name or step.value in _FINDS_BY_NAME
                if value is open:
                    self._touch("open", builtins, code, step.line, step.offset)
                if type(value) is types.BuiltinMethodType or type(value) is type:
                    self._add_implicit()
            elif what is steps.MAKE:
                value, fixed = _Read, True
            elif what is steps.BUILD:
                value = _BUILTINS.get("__build_class__")
            elif what is steps.SUPER:
                value = self._attribute(UNKNOWN, step, code)
                continue
            else:
                if what is steps.ENTER:
                    self._touch("__enter__", value, code, step.line)
                    if value is UNKNOWN:
                        self._add_named(_ENTERS)
                elif what in (steps.OPERATE, steps.ITERATE):
                    self._add_implicit()
                elif what is steps.STORE_GLOBAL:
                    self._stored.add(step.value)
                elif what is steps.CONSTANT:
                    by_name = by_name and type(step.value) is not str
                    self._add_constant(step, code, names, module_names)
                elif what is steps.CALL:
                    if by_name and code.co_name not in ("__getattr__", "__getattribute__"):
                        self.anything = True  # by a name that is not known
                    by_name = False
                value = UNKNOWN
                continue
            if (callee or step.called) and value is UNKNOWN:
                self.anything = True  # likewise
            callee = False
        self.add_value(value)

    def _add_constant(
        self, step: Step, code: "CodeType", names: "dict[str, Any]", module_names: "dict[str, Any]"
    ) -> None:
        constant = step.value
        if isinstance(constant, types.CodeType):
            # A function made inside this one: its own names are found as this one's are.
            self._add_code(constant, names, module_names, -1)
        elif isinstance(constant, str) and constant.isidentifier():
            self._touch(constant, UNKNOWN, code, step.line)  # for `getattr`

    def _import(self, wanted: "Any", module_names: "dict[str, Any]") -> object:
        """The module. One that is not there yet could do anything."""
        name, level, has_names = wanted
        if level:
            package = str(module_names.get("__package__") or "").split(".")
            name = ".".join([*package[: len(package) - level + 1], *([name] if name else [])])
        if name not in sys.modules:
            self.anything = self.anything or name.partition(".")[0] not in sys.stdlib_module_names
            return UNKNOWN
        return sys.modules.get(name if has_names else name.partition(".")[0], UNKNOWN)

    def _attribute(self, owner: object, step: Step, code: "CodeType") -> object:
        name = step.value
        if _is_nothing(owner):
            self._touch(name, UNKNOWN, code, step.line, step.offset)
            self._add_named((name,))
            return UNKNOWN
        # A class has it for its instances; what has no such attribute passes it on to another object.
        hidden = issubclass(type(owner), type) or not _has(owner, name)
        self._touch(name, UNKNOWN if hidden else owner, code, step.line, step.offset)
        kind = type(owner)
        plain = kind is types.ModuleType or issubclass(kind, (type, Primitive))
        if not plain and (hidden or not is_program_class(kind)):
            self.add_value(owner)
        if name in self._stored:
            return UNKNOWN
        self._relied_on.add(name)
        found = attribute_of(owner, name)
        if found is UNKNOWN and not hidden:
            self._add_member(_of_class(kind, name), owner)
        return found

    def _set_attribute(self, owner: object, step: Step, code: "CodeType") -> None:
        if code.co_name not in _MAKERS:
            self._stored.add(step.value)
        if owner is UNKNOWN:
            self._add_named((step.value, "__setattr__", "__delattr__"))
            return
        kind = type(owner)
        for name in (step.value, "__setattr__", "__delattr__"):
            member = _of_class(kind, name)
            if not isinstance(member, (types.WrapperDescriptorType, types.MemberDescriptorType, *_LEAVES)):
                self._add_member(member, owner)

    def _look_up(self, name: str, code: "CodeType", names: "dict[str, Any]", module_names: "dict[str, Any]") -> object:
        if name in names:
            return names[name]
        if name in self._stored:
            return UNKNOWN
        self._relied_on.add(name)
        return module_names[name] if name in module_names else _BUILTINS.get(name, UNKNOWN)

    def _look_up_cell(self, name: str, names: "dict[str, Any]") -> object:
        key = f"cell {name}"
        if key in self._stored:
            return UNKNOWN
        self._relied_on.add(key)
        return names.get(name, UNKNOWN)

    def _touch(self, name: str, target: object, code: "CodeType | None", line: int, offset: int = 0) -> None:
        self.touches.setdefault(name, []).append(Touch(target, code or _NOWHERE, line, offset))


def _is_coroutine_function(value: object) -> bool:
    return type(value) is types.FunctionType and bool(value.__code__.co_flags & _COROUTINE)


class _Method:
    """Stands for a method of a class in C."""


class _Read:
    """Stands for a function that this code makes, and that has been read with it."""


def _is_nothing(value: object) -> bool:
    return value is UNKNOWN or value is _Method or value is _Read


_NOWHERE = compile("", "<handed on>", "exec")


def _parts(value: object) -> list[object]:
    """What an object has in it, one level deep."""
    kind = type(value)
    if kind in _CONTAINERS:
        return list(value)  # type: ignore[call-overload,no-any-return]
    if kind is dict:
        return [*value.keys(), *value.values()]  # type: ignore[attr-defined]
    return gc.get_referents(value)


def _variables(names: "dict[str, Any]") -> list[object]:
    """Of a module's names those that stand for objects, and not for functions or classes."""
    return [value for value in list(names.values()) if type(value) not in _FUNCTIONS and not isinstance(value, type)]


def _is_keeper(value: "Any") -> bool:
    if type(value).__module__.startswith("interlock."):
        return not issubclass(type(value), Primitive)
    for module, name in _KEEPERS:
        kind = getattr(sys.modules.get(module), name, None)
        if kind is not None and issubclass(type(value), kind):
            # A thread that has not begun yet may.
            return name != "Thread" or private.has_begun(value)
    return False


def _is_library_class(kind: type) -> bool:
    """Whether its instances act by themselves."""
    return bool(kind.__flags__ & 1 << 9) and kind.__module__.partition(".")[0] not in _HAND_ON


def names_of(owner: object) -> object:
    """What stands in an object itself, without running anybody's code; None where it has none."""
    try:
        found: object = object.__getattribute__(owner, "__dict__")
    except Exception:
        return None
    return found


def _has(owner: object, name: str) -> bool:
    """Whether an object has this attribute, without asking its code."""
    if isinstance(owner, types.ModuleType):
        return name in vars(owner)
    names = names_of(owner)
    return (isinstance(names, dict) and name in names) or _of_class(type(owner), name) is not UNKNOWN


def _of_class(kind: type, name: str) -> object:
    for base in kind.__mro__:
        if name in vars(base):
            return vars(base)[name]
    return UNKNOWN


def attribute_of(owner: object, name: str) -> object:
    """What ``owner.name`` is, without running anybody's code; UNKNOWN where that does not do."""
    if isinstance(owner, types.ModuleType):
        return vars(owner).get(name, UNKNOWN)
    names = names_of(owner)
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
    if steps_of(code).is_in_loop(frame.f_lasti):
        return []
    reach = Reach()
    reach._read_code(code, _locals_of(frame), frame.f_globals, -1)
    return [
        (name, touch)
        for name, touches in reach.touches.items()
        for touch in touches
        if touch.code is code and touch.offset > frame.f_lasti
    ]


def value_at(frame: "FrameType") -> object:
    """The object whose method this frame calls, or that its `with` enters; UNKNOWN where that is not to be seen."""
    reach = Reach()
    reach._read_code(frame.f_code, _locals_of(frame), frame.f_globals, -1)
    found: object = UNKNOWN
    for name, touches in reach.touches.items():
        for touch in touches:
            if touch.code is frame.f_code and touch.line == frame.f_lineno and name in ("acquire", "__enter__"):
                found = touch.target
    return found


def hung_in() -> list[object]:
    """What the program has hung into the interpreter, so that it is called from anywhere."""
    import signal
    import threading

    handlers = [signal.getsignal(number) for number in signal.valid_signals()]
    found: list[object] = [
        each for each in handlers if callable(each) and not getattr(each, "harmless_to_waits", False)
    ]
    found += [sys.stdout, sys.stderr, sys.stdin, sys.excepthook, sys.unraisablehook, sys.displayhook]
    found += [threading.excepthook, *gc.callbacks, *sys.path_hooks]
    # pytest's import hook knows all of pytest, and compiles.
    found += [each for each in sys.meta_path if type(each).__module__ != "_pytest.assertion.rewrite"]
    found += [each for each in (builtins.__import__, builtins.print) if type(each) is not types.BuiltinMethodType]
    found += [part for each in private.finalizers() for part in (each.func, each.args, each.kwargs)]
    found += program_functions().get("__del__", ())
    return found


def _kept(value: object) -> object:
    """A number or text is as good as another."""
    kind = type(value)
    return kind if kind in _LEAF_KINDS else value


def _locals_of(frame: "FrameType") -> "dict[str, Any]":
    try:
        return dict(frame.f_locals)
    except Exception:
        return {}  # a frame that is on its way


def _first_argument(function: "Any", instance: object) -> "dict[str, Any]":
    code = function.__code__
    return {code.co_varnames[0]: instance} if instance is not UNKNOWN and code.co_argcount else {}


def is_program_class(kind: type) -> bool:
    """Whether it is written in Python, and not in the standard library."""
    if not kind.__flags__ & 1 << 9:  # a class in C
        return False
    module = sys.modules.get(kind.__module__)
    file = getattr(module, "__file__", None)
    return kind.__module__ == "__main__" or (isinstance(file, str) and is_program_file(file))


def program_functions() -> dict[str, list[types.FunctionType]]:
    """Every function and method of the program's modules, by its name."""
    found: dict[str, list[types.FunctionType]] = {}
    for module in list(sys.modules.values()):
        if _is_program_module(module):
            for name, value in _functions_in(list(vars(module).items()), module.__name__):
                found.setdefault(name, []).append(value)
    return found


def _is_program_module(module: object) -> bool:
    if not isinstance(module, types.ModuleType):
        return False
    file = module.__dict__.get("__file__")
    return module.__name__ == "__main__" or (isinstance(file, str) and is_program_file(file))


def _functions_in(items: "list[tuple[str, Any]]", module: str) -> "Iterator[tuple[str, types.FunctionType]]":
    for name, value in items:
        if isinstance(value, (staticmethod, classmethod)):
            value = value.__func__
        inner: list[object] = [value]
        if isinstance(value, property):
            inner = [value.fget, value.fset, value.fdel]
        elif hasattr(type(value), "__get__") and type(value) is not types.FunctionType:
            # A cached_property, or a descriptor of the program's.
            inner = [
                getattr(value, "func", None),
                *(vars(type(value)).values() if is_program_class(type(value)) else ()),
            ]
        for each in inner:
            if type(each) is types.FunctionType:
                yield name, each
        if isinstance(value, type) and value.__module__ == module:
            yield from _functions_in(list(vars(value).items()), module)
