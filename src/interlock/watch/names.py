"""What to call a primitive that has no name, and how to write down a line of the program.

A primitive is called after the assignment that made it: `Pool._lock` for `self._lock = Lock()` in class Pool, `lock`
for `lock = Lock()`. One that the standard library made for the program (the lock in a `queue.Queue`) is called after
both: `jobs.mutex` for `jobs = Queue()`. Where no source tells, it is called after its line. All of this is found out
when somebody reads a report, from the source as it is then.

This is imported at the end of `interlock run`. Nothing that it imports may make a named tuple: that evaluates a
string, and the interpreter would forget that the program was ended by Ctrl-C. (Hence no `linecache`.)
"""

import ast
import os
import threading
from types import CodeType

from interlock.core.kernel.maker import Maker, is_of_library
from interlock.core.kernel.probe import Tally

_SUBMITS = (
    "submit",
    "map",
    "apply",
    "apply_async",
    "map_async",
    "starmap",
    "starmap_async",
    "run_in_executor",
    "to_thread",
)
_WITHOUT_POOL = ("run_in_executor", "to_thread")
_LONGEST = 48  # characters of a name
_MACHINERY = threading.__file__
_ASKED_FOR = tuple(  # what these make is the program's
    os.path.join(os.path.dirname(os.path.dirname(__file__)), reach, "") for reach in ("cluster", "machine")
)

_Function = ast.FunctionDef | ast.AsyncFunctionDef
# Start line, start column, end line, end column; columns in bytes of UTF-8, None where not known.
_Span = tuple[int, int | None, int, int | None]


class Names:
    """Names and places.

    ``directory``: files in it are written relative to it. ``library``: so are those of the standard library to that.
    """

    def __init__(self, directory: str | None = None, library: str = os.path.dirname(threading.__file__)) -> None:
        self.directory: str = directory or ""
        self.library = library
        self._sources: dict[str, _Source | None] = {}

    def file(self, file: str) -> str:
        """A path, as short as it is clear."""
        for packages in "/site-packages/", "/dist-packages/":
            file = file.rpartition(packages)[2]
        for room in self.library, self.directory:
            inside = os.path.join(room, "")
            if inside != os.sep and file.startswith(inside):
                file = file[len(inside) :]
                break
        return file

    def line(self, code: CodeType, offset: int) -> str:
        """`file.py:34`."""
        return f"{self.file(code.co_filename)}:{_span(code, offset)[0]}"

    def place(self, code: CodeType, offset: int) -> str:
        """`file.py:34 in work`."""
        function = code.co_qualname.rpartition("<locals>.")[2]
        line = self.line(code, offset)
        return line if function == "<module>" else f"{line} in {function}"

    def made_at(self, maker: Maker) -> str:
        """The line of the program that made a primitive: outside the standard library where there is one."""
        if maker.outer_code is not None:
            return self.line(maker.outer_code, maker.outer_offset)
        return self.line(maker.code, maker.offset)

    def made(self, maker: Maker) -> str | None:
        """What the line that made a primitive calls it, or None."""
        inner = self._assigned(maker.code, maker.offset)
        if maker.outer_code is not None:
            outer = self._assigned(maker.outer_code, maker.outer_offset)
            if outer is not None:
                return outer if inner is None else f"{outer}.{inner.rpartition('.')[2]}"
        if inner is None:
            return None
        # `_lock` and `Handler.lock` are no names for what stands in somebody else's module.
        module = self._module(maker.code.co_filename)
        return _short(f"{module}.{inner}") if module else inner

    def job(self, maker: Maker) -> str:
        """What a future is for, as the line says that made it: ``result of job resize(page) in pool images``."""
        if maker.outer_code is None:
            return "result of a job"
        source = self._source(maker.outer_code.co_filename)
        call = None if source is None else source.find(_span(maker.outer_code, maker.outer_offset))
        if source is None or not isinstance(call, ast.Call):
            return "result of a job"
        name = call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")
        if name == "run_coroutine_threadsafe" and call.args:
            return _short(f"result of {ast.unparse(call.args[0])}")
        job = call.args[1:] if name == "run_in_executor" else call.args
        if name not in _SUBMITS or not job:
            made = source.assigned(_span(maker.outer_code, maker.outer_offset))
            return "result of a job" if made is None else f"result of {made}"
        rest = ", ".join(map(ast.unparse, [*job[1:], *call.keywords])) if name == "submit" else "..."
        text = _short(f"result of job {ast.unparse(job[0])}({rest})")
        if name in _WITHOUT_POOL or not isinstance(call.func, ast.Attribute):
            return f"{text} in a thread"
        return f"{text} in pool {source.spelled(call.func.value) or 'of no name'}"

    def call(self, code: CodeType, offset: int) -> str | None:
        """The name of the method that a line calls: ``get`` for `jobs.get()`."""
        source = self._source(code.co_filename)
        node = None if source is None else source.find(_span(code, offset))
        while isinstance(node, ast.Await):
            node = node.value
        return node.func.attr if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) else None

    def used(self, code: CodeType, offset: int) -> str | None:
        """What a line that uses a primitive calls it: `Pool._lock` for `with self._lock:`, also where that goes by a
        name of the function's own."""
        source = self._source(code.co_filename)
        return None if source is None else source.used(_span(code, offset))

    def is_local(self, code: CodeType, offset: int) -> bool:
        """Whether what `used` says is a name of one function's, which another line may know better."""
        source = self._source(code.co_filename)
        return source is not None and source.is_local(_span(code, offset))

    def _assigned(self, code: CodeType, offset: int) -> str | None:
        source = self._source(code.co_filename)
        return None if source is None else source.assigned(_span(code, offset))

    def _module(self, file: str) -> str:
        """The name of a module of the standard library or of an installed package; '' for one of the program's."""
        short = self.file(file)
        if os.path.isabs(short) or short == file or not short.endswith(".py"):
            return ""
        inside = os.path.join(self.library, "")
        packages = "/site-packages/" in file or "/dist-packages/" in file
        if not packages and not (file.startswith(inside) and short == file[len(inside) :]):
            return ""
        return short[:-3].removesuffix("/__init__").replace("/", ".")

    def _source(self, file: str) -> "_Source | None":
        if file not in self._sources:
            try:
                with open(file, "rb") as source:
                    self._sources[file] = _Source(ast.parse(source.read()))
            except (OSError, SyntaxError, ValueError, RecursionError):
                self._sources[file] = None
        return self._sources[file]


def is_machinery(maker: Maker | None) -> bool:
    """Whether a primitive is not the program's own: each Thread makes an Event to start by."""
    return maker is not None and maker.code.co_filename == _MACHINERY


_FUTURES = (("concurrent/futures/_base.py", "Future.__init__"), ("multiprocessing/pool.py", "ApplyResult.__init__"))


def is_future(maker: Maker | None) -> bool:
    """Whether a primitive is what stands behind a future: who waits for it waits for a job's result."""
    return maker is not None and any(
        maker.code.co_qualname == function and maker.code.co_filename.replace(os.sep, "/").endswith(file)
        for file, function in _FUTURES
    )


def is_internal(maker: Maker | None) -> bool:
    """Whether the standard library has made a primitive for itself. A future is the program's."""
    if maker is None or maker.code.co_filename.startswith(_ASKED_FOR):
        return False
    return is_of_library(maker.code.co_filename) and not is_future(maker)


def called(tally: Tally, names: Names) -> str | None:
    """What the line that made the primitives of a tally calls them, or None."""
    if tally.maker is None:
        return None
    return names.job(tally.maker) if is_future(tally.maker) else names.made(tally.maker)


def _span(code: CodeType, offset: int) -> _Span:
    """Where in its file an instruction stands."""
    if offset >= 0:
        for number, (line, end_line, column, end_column) in enumerate(code.co_positions()):
            if 2 * number == offset:
                if line is None:
                    break
                return line, column, end_line or line, end_column
    return code.co_firstlineno, None, code.co_firstlineno, None


class _Source:
    """A file's syntax tree, which knows the parents of its nodes."""

    def __init__(self, tree: ast.Module) -> None:
        self.parents: dict[ast.AST, ast.AST] = {}
        self.by_line: dict[int, list[ast.expr]] = {}
        self.withs: dict[_Span, ast.With | ast.AsyncWith] = {}
        for node in ast.walk(tree):
            for child in ast.iter_child_nodes(node):
                self.parents[child] = node
            if isinstance(node, ast.expr):
                self.by_line.setdefault(node.end_lineno or node.lineno, []).append(node)
            elif isinstance(node, ast.With | ast.AsyncWith):
                end_line = node.end_lineno or node.lineno
                self.withs[node.lineno, node.col_offset, end_line, node.end_col_offset] = node

    def find(self, span: _Span) -> ast.expr | None:
        """The expression that stands there; the only call that ends in that line where columns are not known."""
        line, column, end_line, end_column = span
        found = self.by_line.get(end_line, ())
        if column is None:
            calls = [node for node in found if isinstance(node, ast.Call)]
            return calls[0] if len(calls) == 1 else None
        fitting = [
            node
            for node in found
            if node.end_col_offset == end_column
            # The call of a method that begins on an earlier line is said to begin at the method's name.
            and (
                (node.lineno, node.col_offset) == (line, column) or (isinstance(node, ast.Call) and node.lineno < line)
            )
        ]
        return fitting[0] if fitting else None

    def assigned(self, span: _Span) -> str | None:
        node: ast.AST | None = self.find(span)
        within = ""
        position: list[int] = []
        while node is not None:
            parent = self.parents.get(node)
            match parent:
                case ast.Tuple() | ast.List():
                    position.append(parent.elts.index(node))  # type: ignore[arg-type]
                case ast.ListComp() | ast.SetComp() | ast.DictComp() | ast.GeneratorExp() | ast.Dict() | ast.Set():
                    within = "[]"
                case ast.NamedExpr() | ast.AnnAssign():
                    return self.name(parent.target, position, within)
                case ast.Assign():
                    return self.name(parent.targets[0], position, within)
                case ast.withitem():
                    target = parent.optional_vars
                    return None if target is None else self.name(target, position, within)
                case ast.expr() | ast.keyword():
                    if isinstance(parent, ast.Lambda):
                        return None
                case _:
                    return None
            node = parent
        return None

    def used(self, span: _Span) -> str | None:
        node = self.spoken_of(span)
        return None if node is None else self.spelled(node)

    def is_local(self, span: _Span) -> bool:
        node = self.spoken_of(span)
        return isinstance(node, ast.Name) and self.bound(node) is not None

    def spoken_of(self, span: _Span) -> ast.Name | ast.Attribute | ast.Subscript | None:
        """The expression for the primitive that a line uses. `pool.lock`, where it says `lock = pool.lock` before."""
        node = self.find(span)
        if span in self.withs and len(self.withs[span].items) == 1:  # as Python before 3.13 has it
            node = self.withs[span].items[0].context_expr
        while isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            node = node.func.value
        if isinstance(node, ast.Name):
            value = self.bound(node)
            if isinstance(value, ast.Attribute) or (isinstance(value, ast.Name) and self.bound(value) is None):
                return value
        return node if isinstance(node, ast.Name | ast.Attribute | ast.Subscript) else None

    def bound(self, node: ast.Name) -> ast.AST | None:
        """What the function around a name gives it: the value where it is assigned once and nothing else, or else the
        function itself; None where the name is not the function's own."""
        scope = self.scope(node)
        if not isinstance(scope, _Function):
            return None
        arguments = scope.args
        for each in ast.walk(arguments):
            if isinstance(each, ast.arg) and each.arg == node.id:
                return scope
        stores = []
        for each in ast.walk(scope):
            if isinstance(each, ast.Global | ast.Nonlocal) and node.id in each.names:
                return None
            if isinstance(each, ast.Name) and each.id == node.id and isinstance(each.ctx, ast.Store):
                stores.append(self.parents.get(each))
        if not stores:
            return None
        match stores:
            case [ast.Assign(targets=[ast.Name()], value=value)]:
                return value
        return scope

    def name(self, target: ast.expr, position: list[int], within: str) -> str | None:
        for index in reversed(position):
            if isinstance(target, ast.Tuple | ast.List) and index < len(target.elts):
                target = target.elts[index]
            else:
                within = "[]"
        if isinstance(target, ast.Name):
            scope = self.scope(target)
            owner = f"{scope.name}." if isinstance(scope, ast.ClassDef) else ""
            return _short(owner + target.id + within)
        if isinstance(target, ast.Attribute | ast.Subscript):
            spelled = self.spelled(target)
            return None if spelled is None else _short(spelled + within)
        return None

    def spelled(self, node: ast.expr) -> str | None:
        """As it stands there, with the class in place of `self`."""
        text = ast.unparse(node)
        root, dot, rest = text.partition(".")
        if dot:
            scope = self.scope(node)
            while scope is not None:
                above = self.scope(scope)
                if isinstance(scope, _Function) and isinstance(above, ast.ClassDef):
                    arguments = [*scope.args.posonlyargs, *scope.args.args]
                    if arguments and arguments[0].arg == root:
                        return _short(f"{above.name}.{rest}")
                scope = above
        return _short(text)

    def scope(self, node: ast.AST) -> ast.AST | None:
        """The innermost function or class around a node."""
        parent = self.parents.get(node)
        while parent is not None and not isinstance(parent, ast.ClassDef | _Function):
            parent = self.parents.get(parent)
        return parent


def _short(name: str) -> str:
    return name if len(name) <= _LONGEST else name[: _LONGEST - 1] + "…"
