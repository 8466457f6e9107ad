"""Places: at which line a party waits, and at which line it took what it holds.

Nothing is noted while a program runs well. When somebody asks, the frames of the party's thread are there to be read:
the innermost line of the program is where it waits; and a frame that stands inside `with lock:` is where the lock was
taken. Which lock that is, the source says: the expression after `with` is looked up in the names of the frame.
Nobody's code is run for that, so a property or a call stays unknown; then so does the place.
"""

import builtins
import os
import sys
import threading
import types

import cython
from cython.cimports.cpython.ref import Py_REFCNT
from cython.cimports.interlock.core.kernel import private
from cython.cimports.interlock.core.kernel.party import Party
from cython.cimports.interlock.core.kernel.primitive import Primitive
from cython.cimports.interlock.core.primitives.condition import Condition
from cython.cimports.interlock.core.primitives.rwlock import Side
from cython.cimports.interlock.core.primitives.semaphore import Semaphore
from cython.cimports.interlock.core.tasks.task import TaskParty

# Each with its separator at the end, made here: what looks on comes by, and runs no Python code.
_LIBRARY = os.path.join(os.path.dirname(threading.__file__), "")
_CORE = os.path.join("interlock", "core", "")
_UNKNOWN: object = object()
MappingProxy = type(type.__dict__)
MemberDescriptor = type(type.__dict__["__basicsize__"])
_KINDS_OF_COROUTINE = (
    ("cr_running", "cr_frame", "cr_await"),
    ("gi_running", "gi_frame", "gi_yieldfrom"),
    ("ag_running", "ag_frame", "ag_await"),
)
COPIES_LOCALS = cython.declare(cython.bint, sys.version_info < (3, 13))
CO_OPTIMIZED = cython.declare(cython.int, 1)  # a function: its locals are no dictionary
_KEPT = 100  # parsed files
MOST_STEPS = cython.declare(cython.int, 10)  # of a traceback, at each end
parsed = {}


class Place:
    """A line of somebody's code.

    Attributes: ``file``, ``line``, ``function``, and ``text``, the line itself ('' where the file cannot be read);
    ``what``, the expression that names the primitive there, or None.
    """

    def __init__(self, file: str, line: int, function: str, what: str | None = None):
        self.file = file
        self.line = line
        self.function = function
        self.what = what

    @property
    def text(self) -> str:
        try:
            import linecache

            return linecache.getline(self.file, self.line).strip()
        except Exception:
            return ""  # the program may have a module of that name

    def __repr__(self):
        return f"<Place {self}>"

    def __str__(self):
        return f"{short(self.file)}:{self.line} in {self.function}"


def short(file: str) -> str:
    """The name of a file as a person would say it: relative to the working directory or to the library it is in."""
    for packages in ("/site-packages/", "/dist-packages/"):
        inside = file.rpartition(packages)[2]
        if inside != file:
            return inside
    try:
        here = os.getcwd()
    except OSError:
        here = os.sep
    for room in (_LIBRARY, here if here.endswith(os.sep) else here + os.sep):
        if file.startswith(room) and room != os.sep:
            return file[len(room) :]
    return file


def is_ours(frame) -> bool:
    name = frame.f_globals.get("__name__", "")
    if isinstance(name, str) and (name == "interlock" or name.startswith("interlock.")):
        return True
    # A coroutine of Cython's has a frame that says no more than this.
    return _CORE in frame.f_code.co_filename


def is_standard_library(file: str) -> bool:
    return file.startswith(_LIBRARY) and "site-packages" not in file


def is_installed(file: str) -> bool:
    return "/site-packages/" in file or "/dist-packages/" in file


def frames_of(party: Party, current: dict | None = None) -> list:
    """The frames in which this party is, innermost first, without interlock's own."""
    if party.is_gone():
        return []
    if isinstance(party, TaskParty):
        suspended = suspended_frames(party.known_as())
        if suspended is not None:
            return [frame for frame in suspended if not is_ours(frame)]
    frame = (sys._current_frames() if current is None else current).get(party.ident)
    frames = []
    while frame is not None:
        if not is_ours(frame):
            frames.append(frame)
        frame = frame.f_back
    return frames


def frames_of_task(task: object) -> list:
    """The frames of a task that waits, innermost first, without interlock's own. Empty where it runs."""
    return [frame for frame in suspended_frames(task) or [] if not is_ours(frame)]


def suspended_frames(task) -> list | None:
    """The frames of a task that stands at an `await`, innermost first; None where it runs."""
    awaited = task.get_coro() if hasattr(task, "get_coro") else getattr(task, "coro", None)
    frames = []
    while awaited is not None:
        for running, frame_name, next_name in _KINDS_OF_COROUTINE:
            frame = getattr(awaited, frame_name, None)
            if frame is not None:
                if getattr(awaited, running, False):
                    return None
                frames.append(frame)
                awaited = getattr(awaited, next_name, None)
                break
        else:
            break
    frames.reverse()
    return frames


def place_of_wait(frames: list) -> Place | None:
    """Where the party with these frames is: its innermost line in the program, else in an installed package."""
    for frame in frames:
        if not is_standard_library(frame.f_code.co_filename) and not is_installed(frame.f_code.co_filename):
            return place_in(frame)
    for frame in frames:
        if not is_standard_library(frame.f_code.co_filename):
            return place_in(frame)
    return place_in(frames[0]) if frames else None


def place_in(frame) -> Place:
    code = frame.f_code
    what = None
    try:
        what = name_at(frame)
    except Exception:
        pass  # source that has changed, or none
    return Place(code.co_filename, frame.f_lineno or code.co_firstlineno, code.co_name, what)


def place_of_hold(frames: list, primitive) -> Place | None:
    """Where the party with these frames took `primitive`, or None where that is not to be seen."""
    for frame in frames:
        try:
            place = hold_in(frame, primitive)
        except Exception:
            continue  # source that has changed, or names that are gone
        if place is not None:
            return place
    return None


def stands_in_with(party: Party, primitive) -> bool:
    """Whether this party stands inside a `with` of `primitive`, on its own stack: so nobody but it will leave that.

    False where that is not to be seen: there is no source, or the expression after `with` is somebody's code. A task
    that stands so at an `await`, of the loop that the party's thread runs, counts for the thread.
    """
    if any(is_in_with(frame, primitive) for frame in frames_of(party)):
        return True
    if isinstance(party, TaskParty):
        return False
    loop = loop_of(party)
    asyncio = sys.modules.get("asyncio")
    if loop is None or asyncio is None:
        return False
    try:
        tasks = asyncio.all_tasks(loop)
    except RuntimeError:
        return False  # they come and go: so it runs
    return any(is_in_with(frame, primitive) for task in tasks for frame in frames_of_task(task))


def is_in_with(frame, primitive) -> cython.bint:
    try:
        return hold_in(frame, primitive, True) is not None
    except Exception:
        return False  # source that has changed, or names that are gone


def loop_of(party):
    """asyncio's loop that runs in this thread, in whose step it is blocked; None where there is none."""
    frame = sys._current_frames().get(party.ident)
    while frame is not None:
        if frame.f_code.co_name == "run_forever" and frame.f_code.co_filename.endswith("base_events.py"):
            found = local(frame, "self")
            return None if found is _UNKNOWN else found
        frame = frame.f_back
    return None


def awaited_by_mistake() -> list:
    """What tasks took by `await lock.acquire()`, which raised: (primitive, `Place`, name of the task or None) each.

    `acquire` is for threads and returns True, so the task ends by a TypeError and the lock stays taken. It is found
    as long as somebody keeps that exception: the task that ended so does.
    """
    import gc

    things = gc.get_objects()
    found = []
    for error in things:
        # By its type: to look at what it says it is may be somebody's code.
        if issubclass(type(error), TypeError) and error.__traceback__ is not None:
            text = str(error)
            if "await" in text and "bool" in text:
                try:
                    found += mistakes_in(error, things)
                except Exception:
                    continue  # source that has changed, or names that are gone
    return found


def mistakes_in(error, things: list) -> list:
    import ast
    import linecache

    trace = error.__traceback__
    while trace.tb_next is not None:
        trace = trace.tb_next
    frame = trace.tb_frame
    found = []
    for node in nodes_of(frame):
        if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Attribute) or node.func.attr != "acquire":
            continue
        if not node.lineno <= trace.tb_lineno <= node.end_lineno:
            continue
        if "await" not in linecache.getline(frame.f_code.co_filename, node.lineno):
            continue
        taken = look_up(node.func.value, frame)
        if isinstance(taken, Primitive):
            place = Place(frame.f_code.co_filename, node.lineno, frame.f_code.co_name, named(node.func.value))
            found.append((taken, place, name_of_ended(error, things)))
    return found


def name_of_ended(error, things: list):
    """The name of the task of asyncio that has ended by this error."""
    kind = getattr(sys.modules.get("asyncio"), "Task", None)
    for each in things:
        if kind is not None and issubclass(type(each), kind) and private.error_of(each) is error:
            return each.get_name()
    return None


# --- the source ---------------------------------------------------------------------------------------------------


def scopes_of(file: str, module_globals: dict) -> dict:
    """(name, first line) of each code object in a file -> its nodes, without those of the ones inside it."""
    import ast
    import linecache

    lines = linecache.getlines(file, module_globals) or lines_of_command(file)
    key = (file, len(lines))
    found = parsed.get(key)
    if found is None:
        found = {}
        if lines:
            tree = ast.parse("".join(lines), file)
            collect(tree, found.setdefault(("<module>", 1), []), found)
        if len(parsed) > _KEPT:
            parsed.clear()
        parsed[key] = found
    return found


def lines_of_command(file: str) -> list:
    """The lines of `python -c PROGRAM`, which `linecache` knows from Python 3.13 on."""
    words = sys.orig_argv
    if file != "<string>" or "-c" not in words[:-1]:
        return []
    return words[words.index("-c") + 1].splitlines(keepends=True)


def is_of_command(code) -> cython.bint:
    """Whether this code is the program's of `python -c`, and not other code that calls itself `<string>`."""
    pending = [compile("".join(lines_of_command("<string>")), "<string>", "exec")]
    while pending:
        each = pending.pop()
        if each == code:
            return True
        pending += [inner for inner in each.co_consts if isinstance(inner, types.CodeType)]
    return False


def collect(node, into: list, scopes: dict):
    import ast

    pending = list(ast.iter_child_nodes(node))
    while pending:
        child = pending.pop()
        if isinstance(child, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            first = child.decorator_list[0].lineno if child.decorator_list else child.lineno
            collect(child, scopes.setdefault((child.name, first), []), scopes)
        elif not isinstance(child, ast.Lambda):
            if isinstance(child, (ast.With, ast.AsyncWith, ast.Call)):
                into.append(child)
            pending.extend(ast.iter_child_nodes(child))


def nodes_of(frame) -> list:
    code = frame.f_code
    if code.co_filename == "<string>" and lines_of_command("<string>") and not is_of_command(code):
        return []
    scopes = scopes_of(code.co_filename, frame.f_globals)
    name = code.co_name
    return scopes.get((name, 1 if name == "<module>" else code.co_firstlineno), [])


def position(frame) -> tuple:
    """Where the instruction that the frame is at begins in the source: line and column."""
    return position_of(frame.f_code, frame.f_lasti, frame.f_lineno)


def position_of(code, offset: cython.int, line) -> tuple:
    """``line``: the line of the instruction at this offset, where the code has no columns."""
    for number, (first, _, column, _) in enumerate(code.co_positions()):
        if number == offset // 2:
            return (first or line, 0 if column is None else column)
    return (line, 0)


def start(node) -> tuple:
    return (node.lineno, node.col_offset)


def end(node) -> tuple:
    return (node.end_lineno, node.end_col_offset)


def entered_by(code, offset: cython.int, where: tuple) -> cython.int:
    """How many items the `with` that begins there has begun to enter before the instruction at this offset.

    The one that it is at may be among them: whether it has that by now, the primitive itself knows.
    """
    import dis

    count = 0
    for instruction in dis.get_instructions(code):
        if instruction.offset >= offset:
            break
        enters = instruction.opname in ("BEFORE_WITH", "BEFORE_ASYNC_WITH") or (
            instruction.opname == "LOAD_SPECIAL" and "enter__" in instruction.argrepr  # from Python 3.14 on
        )
        if enters and (instruction.positions.lineno, instruction.positions.col_offset) == where:
            count += 1
    return count


def hold_in(frame, primitive, by_with: bool = False) -> Place | None:
    """Where this frame took `primitive`, or None. ``by_with``: only by a `with` that it stands in."""
    import ast

    here = position(frame)
    best = None
    for node in nodes_of(frame):
        if isinstance(node, ast.Call):
            is_acquire = isinstance(node.func, ast.Attribute) and node.func.attr == "acquire"
            if by_with or not is_acquire or end(node) > here:
                continue
            taken = [node.func.value]
        else:
            taken = items_entered(node, frame.f_code, frame.f_lasti, here)
        for expression in taken:
            if not is_it(look_up(expression, frame), primitive) or (
                by_with and may_have_changed(node, expression, frame, primitive)
            ):
                continue
            if best is None or start(expression) > start(best):
                best = expression
    if best is None:
        return None
    return Place(frame.f_code.co_filename, best.lineno, frame.f_code.co_name, named(best))


def may_have_changed(node, expression, frame, primitive) -> cython.bint:
    """Whether the code inside of this `with` gives another meaning to what stands behind `with`, or releases it.

    Then the `with` may have entered another than `primitive`, which is held in some way that is not to be seen.
    """
    import ast

    names = set()
    has_items: cython.bint = False
    for part in ast.walk(expression):
        if isinstance(part, (ast.Name, ast.Attribute)):
            names.add(part.id if isinstance(part, ast.Name) else part.attr)
        has_items = has_items or isinstance(part, ast.Subscript)
    entered = [item.context_expr for item in node.items].index(expression)
    inside = [*node.items[entered + 1 :], *node.body]
    if node.items[entered].optional_vars is not None:
        inside.append(node.items[entered].optional_vars)
    for part in [part for each in inside for part in ast.walk(each)]:
        if isinstance(getattr(part, "ctx", None), (ast.Store, ast.Del)):
            if isinstance(part, ast.Subscript):
                if has_items:
                    return True
            elif getattr(part, "id", None) in names or getattr(part, "attr", None) in names:
                return True
        elif isinstance(part, ast.Attribute) and part.attr == "release":
            if is_it(look_up(part.value, frame), primitive):
                return True
        elif getattr(part, "name", None) in names or getattr(part, "asname", None) in names:
            return True  # a function, a class, an import, an exception
    return False


def items_entered(node, code, offset: cython.int, here: tuple) -> list:
    """The expressions of the items of a `with` that have been entered, and not left, where the code is `here`."""
    if here >= end(node):
        return []
    if here == start(node):
        # `with a, b:` enters and leaves each of its items at its own beginning.
        return [item.context_expr for item in node.items[: entered_by(code, offset, here)]]
    return [item.context_expr for item in node.items if end(item.context_expr) <= here]


def held_in_trace(trace) -> list:
    """What was held by `with` when the exception of a traceback was raised, the outermost first: (primitive, `Place`)
    each, locks and permits."""
    steps = []
    seen = set()
    while trace is not None:
        code = trace.tb_frame.f_code
        if (code, trace.tb_lasti) not in seen and not is_standard_library(code.co_filename):
            seen.add((code, trace.tb_lasti))
            steps.append(trace)
        trace = trace.tb_next
    found = []
    for step in steps[:MOST_STEPS] + steps[max(MOST_STEPS, len(steps) - MOST_STEPS) :]:
        try:
            found += held_in_step(step.tb_frame, step.tb_lasti, step.tb_lineno)
        except Exception:
            continue  # source that has changed, or names that are gone
    return found


def held_in_step(frame, offset: cython.int, line) -> list:
    import ast

    code = frame.f_code
    here = position_of(code, offset, line)
    found = []
    for node in nodes_of(frame):
        if isinstance(node, ast.Call) or not start(node) <= here:
            continue
        for expression in items_entered(node, code, offset, here):
            taken = look_up(expression, frame)
            if isinstance(taken, Condition):
                taken = cython.cast(Condition, taken).lock
            elif isinstance(taken, Side):
                taken = cython.cast(Side, taken).lock
            if isinstance(taken, Semaphore) or (
                isinstance(taken, Primitive) and cython.cast(Primitive, taken).has_owners()
            ):
                if may_have_changed(node, expression, frame, taken):
                    continue
                found.append((taken, Place(code.co_filename, expression.lineno, code.co_name, named(expression))))
    return sorted(found, key=line_of_place)


def line_of_place(one) -> int:
    return one[1].line


def name_at(frame) -> str | None:
    """How the source calls the primitive whose method the frame is in."""
    import ast

    here = position(frame)
    for node in nodes_of(frame):
        if isinstance(node, ast.Call):
            if start(node) == here and isinstance(node.func, ast.Attribute):
                return named(node.func.value)
        else:
            for item in node.items:
                if start(item.context_expr) == here:
                    return named(item.context_expr)
    return None


def calls_it(frame, primitive) -> bool:
    """Whether the expression at which a frame waits stands for `primitive` itself, and not for what has it inside; also
    where that cannot be told."""
    import ast

    try:
        here = position(frame)
        for node in nodes_of(frame):
            if isinstance(node, ast.Call):
                if start(node) == here and isinstance(node.func, ast.Attribute):
                    found = look_up(node.func.value, frame)
                    return found is _UNKNOWN or is_it(found, primitive)
            else:
                for item in node.items:
                    if start(item.context_expr) == here:
                        found = look_up(item.context_expr, frame)
                        return found is _UNKNOWN or is_it(found, primitive)
    except Exception:
        pass  # source that has changed, or none
    return True


def known_as(frames: list, primitive) -> str | None:
    """What a module or an object calls this, as far as these frames know it: `guard` or `Pool.lock`; or None."""
    for frame in frames:
        for name, value in list(frame.f_globals.items()):
            if value is primitive and isinstance(name, str):
                return name
    for frame in frames:
        for owner in locals_of(frame).values():
            try:
                names = object.__getattribute__(owner, "__dict__")
            except (AttributeError, TypeError):
                continue
            if type(names) is dict:
                for name, value in list(names.items()):
                    if value is primitive and isinstance(name, str):
                        return f"{type(owner).__name__}.{name}"
    return None


def named(expression) -> str:
    """`accounts` for `accounts.write().within(2)`, too."""
    import ast

    while isinstance(expression, ast.Call) and isinstance(expression.func, ast.Attribute):
        expression = expression.func.value
    return ast.unparse(expression)


def look_up(node, frame):
    """What an expression stands for, without running anybody's code; _UNKNOWN where that does not do."""
    import ast

    if isinstance(node, ast.Name):
        found = local(frame, node.id)
        if found is not _UNKNOWN:
            return found
        for names in (frame.f_globals, vars(builtins)):
            if node.id in names:
                return names[node.id]
        return _UNKNOWN
    if isinstance(node, ast.Constant):
        return node.value
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub) and isinstance(node.operand, ast.Constant):
        return -node.operand.value
    if isinstance(node, ast.BinOp) and isinstance(node.op, (ast.Add, ast.Sub)):
        left, right = look_up(node.left, frame), look_up(node.right, frame)
        if type(left) is int and type(right) is int:
            return left + right if isinstance(node.op, ast.Add) else left - right
        return _UNKNOWN
    if isinstance(node, ast.Attribute):
        return attribute(look_up(node.value, frame), node.attr)
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
        # `lock.read()`, `lock.within(2)`: a way to take what it is called on.
        return look_up(node.func.value, frame)
    if isinstance(node, ast.NamedExpr):
        return look_up(node.target, frame)
    if isinstance(node, ast.Subscript):
        container = look_up(node.value, frame)
        key = look_up(node.slice, frame)
        if type(container) in (list, tuple, dict) and type(key) in (int, str):
            try:
                return container[key]
            except LookupError:
                return _UNKNOWN
    return _UNKNOWN


def local(frame, name: str):
    """A local variable of a frame, or _UNKNOWN."""
    return locals_of(frame).get(name, _UNKNOWN)


def locals_of(frame) -> dict:
    """The local variables of a frame, in a dict of the caller's own.

    Up to Python 3.12 a look at them leaves a copy of them all in the frame, which would keep what the program drops.
    So they are taken out of it, unless the program has the copy too. A frame that stands in a trace function (of a
    debugger, or of `explore`) would put that copy back over its variables, or delete them, when the function returns:
    so it does that at once, before anything has changed.
    """
    names = frame.f_locals
    if not COPIES_LOCALS:
        return dict(names)
    interlock_settle(frame)
    found = dict(names)
    code = frame.f_code
    if code.co_flags & CO_OPTIMIZED and type(names) is dict and Py_REFCNT(names) == 2:
        for name in code.co_varnames + code.co_cellvars + code.co_freevars:
            names.pop(name, None)  # what `exec` has put beside them stays
    return found


def attribute(owner, name: str):
    if owner is _UNKNOWN:
        return _UNKNOWN
    try:
        names = object.__getattribute__(owner, "__dict__")
    except AttributeError:
        names = {}
    if type(names) in (dict, MappingProxy) and name in names:
        return names[name]
    kinds = type.__getattribute__(owner, "__mro__") if isinstance(owner, type) else type(owner).__mro__
    for kind in kinds:
        if name in vars(kind):
            found = vars(kind)[name]
            if isinstance(found, MemberDescriptor):
                try:
                    return found.__get__(owner)
                except AttributeError:
                    return _UNKNOWN
            return found
    return _UNKNOWN


def is_it(found, primitive) -> cython.bint:
    if found is primitive:
        return True
    if isinstance(found, Condition):
        return cython.cast(Condition, found).lock is primitive
    if isinstance(found, Side):
        return cython.cast(Side, found).lock is primitive
    return False


def preload():
    """Have everything loaded that is needed here: a signal handler should not have to import."""
    import ast  # noqa: F401
    import linecache  # noqa: F401

    import interlock.core.explain.task_limits  # noqa: F401
