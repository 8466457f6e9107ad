"""Data races: an update that is lost because two threads change one thing with nothing between them.

A thread reads an attribute (or a global, or an item of a list or dict); another changes it; the first then writes what
it has made of the old value. The change is lost. It is told only where this very order was run, and where the first
thread did nothing between its read and its write that could have put the two in order: no operation of any primitive,
no sleep, no join. So no other schedule is argued about, and nothing of it can be said of what is done under a lock: the
lock would have had to be let go between. What is not told: a flag that one sets and others only read; what two set to
the same constant; and an update whose halves stand in two functions.

Nothing of the program's is kept alive meanwhile: what the program drops is to be gone, as it is without us. So what was
read is known by the way from the frame to it and by its address, and both must still lead to it when it is written.

What an instruction touches is known from the code before it: `self.n`, `boxes[0].n`, no more than names, attributes
that stand in the object itself, and items by a constant or a variable. What is not that simple is passed over.
"""

import dis
import linecache
from threading import local
from types import CodeType, FrameType, MemberDescriptorType, WrapperDescriptorType
from typing import Any

from interlock.core.explain.places import locals_of
from interlock.explore.engine.baton import Baton, Strand

# How a value on the stack was come by: ("name", x), ("global", x), ("constant", v), ("attribute", of, x),
# ("item", of, key); None: not known.
Way = Any
# An instruction that reads (False) or writes (True): of what, which attribute or item, and what is written.
Access = tuple[bool, Way, Way, Way]
_NOTHING = object()


def accesses(code: CodeType) -> dict[int, Access]:
    """The instructions of a code that read or write what others may see, by their offsets."""
    found: dict[int, Access] = {}
    stack: list[Way] = []

    def pop(count: int = 1) -> Way:
        value = None
        for _ in range(count):
            value = stack.pop() if stack else None
        return value

    for each in dis.get_instructions(code):
        name, arg, value = each.opname, each.arg or 0, each.argval
        if each.is_jump_target:
            stack.clear()
        if name.startswith(("LOAD_FAST", "STORE_FAST")):
            names = value if isinstance(value, tuple) else (value,)
            # STORE_FAST_LOAD_FAST and the like do two things.
            for verb, variable in zip(
                (word for word in name.split("_") if word in ("LOAD", "STORE")), names, strict=False
            ):
                if verb == "LOAD":
                    stack.append(("name", variable))
                else:
                    pop()
                    stack[:] = [None if _mentions(way, variable) else way for way in stack]
        elif name in ("LOAD_DEREF", "LOAD_CLASSDEREF"):
            stack.append(("name", value))
        elif name in ("LOAD_CONST", "LOAD_SMALL_INT", "RETURN_CONST"):
            stack.append(("constant", value))
        elif name == "LOAD_GLOBAL":
            if arg & 1:
                stack.append(None)
            found[each.offset] = (False, None, value, None)
            stack.append(("global", value))
            if arg & 1 and "+ NULL" in each.argrepr:
                stack[-2:] = [stack[-1], None]  # from 3.13 on the NULL lies on top
        elif name == "STORE_GLOBAL":
            found[each.offset] = (True, None, value, pop())
        elif name in ("LOAD_ATTR", "LOAD_METHOD"):
            of = pop()
            if of is not None:
                found[each.offset] = (False, of, ("constant", value), None)
            if name == "LOAD_METHOD" or each.argrepr.startswith("NULL|self") or "NULL|self" in each.argrepr:
                stack += [None, None]
            else:
                stack.append(None if of is None else ("attribute", of, value))
        elif name == "STORE_ATTR":
            of, written = pop(), pop()
            if of is not None:
                found[each.offset] = (True, of, ("constant", value), written)
        elif name == "BINARY_SUBSCR" or (name == "BINARY_OP" and each.argrepr == "[]"):
            key, of = pop(), pop()
            if of is not None and key is not None:
                found[each.offset] = (False, of, ("item", key), None)
                stack.append(("item", of, key))
            else:
                stack.append(None)
        elif name == "STORE_SUBSCR":
            key, of, written = pop(), pop(), pop()
            if of is not None and key is not None:
                found[each.offset] = (True, of, ("item", key), written)
        elif name == "COPY":
            stack.append(stack[-arg] if arg <= len(stack) else None)
        elif name == "SWAP":
            if arg <= len(stack):
                stack[-arg], stack[-1] = stack[-1], stack[-arg]
            else:
                stack.clear()
        elif name in ("CALL", "CALL_KW"):
            pop(arg + (3 if name == "CALL_KW" else 2))
            stack.append(None)
        elif name in ("BINARY_OP", "COMPARE_OP", "IS_OP", "CONTAINS_OP"):
            pop(2)
            stack.append(None)
        elif name == "PUSH_NULL":
            stack.append(None)
        elif name.startswith(("POP_JUMP", "POP_TOP")):
            pop()
        elif name not in ("PRECALL", "KW_NAMES", "NOP", "RESUME", "CACHE", "EXTENDED_ARG", "NOT_TAKEN"):
            stack.clear()  # whatever lies there now, none of it is known
    return found


def _mentions(way: Way, name: str) -> bool:
    return type(way) is tuple and (way == ("name", name) or any(_mentions(each, name) for each in way[1:]))


class Races:
    """Sees what the strands read and write. ``found``: the first lost update of this schedule, or None.

    ``found`` is a tuple: the words, the strand, and how many switches and entries of the story there were by then.
    """

    def __init__(self, baton: Baton, short: Any, name: Any) -> None:
        self.baton = baton
        self.short = short
        self.name = name
        self.found: tuple[Any, ...] | None = None
        self._accesses: dict[int, tuple[CodeType, dict[int, Access]]] = {}  # by the code's id, as in points.py
        # By strand: after how many operations of its own, and what it has read since: by address and key the way
        # there, the frame, the line, and who has changed it since.
        self._read: dict[int, tuple[int, dict[Any, list[Any]]]] = {}
        self._calls: dict[int, int] = {}  # by a frame's address: which call has it
        self._count = 0

    def begin(self) -> None:
        """Before each schedule."""
        self.found = None
        self._read.clear()
        self._calls.clear()

    def called(self, frame: FrameType) -> None:
        """The calling strand has begun a function of the program."""
        self._count += 1
        self._calls[id(frame)] = self._count

    def seen(self, frame: FrameType, offset: int) -> None:
        """The calling strand is about to run this instruction, and nobody else before it has."""
        if self.found is not None:
            return
        code = frame.f_code
        known = self._accesses.get(id(code))
        if known is None:
            known = self._accesses[id(code)] = (code, accesses(code))
        access = known[1].get(offset)
        if access is None or not self.baton.is_strand():
            return
        self.baton.hush(1)
        try:
            self._seen(frame, access)
        finally:
            self.baton.hush(-1)

    def _seen(self, frame: FrameType, access: Access) -> None:
        writes, way, what, written = access
        if way is None:
            of: Any = frame.f_globals
            key: Any = what
            if not writes and key not in of:
                return
        else:
            of = self._value(way, frame)
            key = what[1] if what[0] == "constant" else self._value(what[1], frame)
            if of is _NOTHING or key is _NOTHING:
                return
            if what[0] == "item":
                if type(of) not in (dict, list) or type(key) not in (int, str):
                    return
            elif not _is_plain(of, key):
                return
        strand = self.baton.own_strand()
        mine = self._own(strand)
        identity = (id(of), key)
        if not writes:
            mine[identity] = [way, self._calls.get(id(frame)), frame.f_lineno, None]
            return
        place = (self.name(strand.number), frame.f_code, frame.f_lineno)
        read = mine.pop(identity, None)
        if read is not None and read[1] == self._calls.get(id(frame)) and read[3] is not None:
            other, constant = read[3]
            same = written is not None and written[0] == "constant" and written == constant
            if not same and (frame.f_globals if read[0] is None else self._value(read[0], frame)) is of:
                self._tell(strand, of, what, key, read[2], other, place)
                return
        for each in self.baton.strands:
            if each is not strand and not each.ended and each.number in self._read:
                theirs = self._own(each).get(identity)
                if theirs is not None and theirs[3] is None:
                    theirs[3] = (place, written)

    def _own(self, strand: Strand) -> dict[Any, list[Any]]:
        """What a strand has read since its last operation that is more than a step of its own code."""
        known = self._read.get(strand.number)
        if known is None or known[0] != strand.operations:
            known = self._read[strand.number] = (strand.operations, {})
        return known[1]

    def _value(self, way: Way, frame: FrameType) -> Any:
        """What a way leads to, found without running any code of the program's."""
        if way is None:
            return _NOTHING
        kind = way[0]
        if kind == "constant":
            return way[1]
        if kind == "name":
            return locals_of(frame).get(way[1], _NOTHING)
        if kind == "global":
            return frame.f_globals.get(way[1], _NOTHING)
        of = self._value(way[1], frame)
        if of is _NOTHING:
            return of
        if kind == "attribute":
            return _attribute(of, way[2])
        key = self._value(way[2], frame)
        try:
            if type(of) in (dict, list, tuple) and type(key) in (int, str):
                return of[key]
        except (LookupError, TypeError):
            pass
        return _NOTHING

    def _tell(
        self, strand: Strand, of: object, what: Way, key: object, read_at: int, other: tuple[Any, ...], now: Any
    ) -> None:
        if isinstance(of, dict) and isinstance(what, str):
            called = f"the global {key}"
        elif what[0] == "item":
            called = f"item {key!r} of a {type(of).__name__}"
        elif isinstance(of, type):
            called = f"{of.__qualname__}.{key}"
        else:
            called = f"{type(of).__qualname__}.{key}"
        me, code, line = now
        them, their_code, their_line = other
        rows = [
            f"{called} is changed by two threads, with nothing that puts them in order, and one change is lost:",
            f"  {me} reads it at {self._line(code, read_at)}",
            f"  {them} changes it at {self._line(their_code, their_line)}",
            f"  {me} writes what it has made of the old value at {self._line(code, line)}",
        ]
        trace = self.baton.trace
        self.found = ("\n".join(rows), strand, self.baton.switches, 0 if trace is None else len(trace))

    def _line(self, code: CodeType, line: int) -> str:
        text = linecache.getline(code.co_filename, line).strip()
        return f"{self.short(code.co_filename)}:{line}" + (f"\n      {text}" if text else "")


def _is_plain(of: Any, name: str) -> bool:
    """Whether an attribute is kept in the object itself (or its slots), and nobody computes it."""
    kind = type(of)
    found = _in_classes(kind, name)
    if not _keeps_its_own(kind):
        return False
    if found is not _NOTHING and hasattr(type(found), "__set__"):
        return type(found) is MemberDescriptorType
    return isinstance(of, type) or type(getattr(of, "__dict__", None)) is dict


def _keeps_its_own(kind: type) -> bool:
    """A `threading.local` has other attributes in each thread, and a proxy those of another object."""
    ways = (_in_classes(kind, each) for each in ("__getattribute__", "__setattr__"))
    return all(type(each) is WrapperDescriptorType for each in ways) and not issubclass(kind, local)


def _in_classes(kind: type, name: str) -> Any:
    for each in kind.__mro__:
        if name in each.__dict__:
            return each.__dict__[name]
    return _NOTHING


def _attribute(of: Any, name: str) -> Any:
    if isinstance(of, type):
        return of.__dict__.get(name, _NOTHING)
    if not _keeps_its_own(type(of)):
        return _NOTHING
    found = _in_classes(type(of), name)
    if type(found) is MemberDescriptorType:
        return getattr(of, name, _NOTHING)
    if found is not _NOTHING and hasattr(type(found), "__set__"):
        return _NOTHING
    try:
        inside = object.__getattribute__(of, "__dict__")
    except AttributeError:
        return _NOTHING
    return inside.get(name, found if not hasattr(type(found), "__get__") else _NOTHING)
