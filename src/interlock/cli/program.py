"""Find a program as python finds it: a file, a directory or zip file with a `__main__.py`, or a module."""

import io
import os
import sys
from importlib.machinery import ModuleSpec, SourceFileLoader, SourcelessFileLoader
from types import CodeType, ModuleType

from interlock.cli.frames import of_program

Names = dict[str, object]  # what python lays into `__main__` for a program


class CannotStart(Exception):
    """There is no such program, or it is none. ``status``: what python itself would exit with. ``shown_by_python``: a
    syntax error, which python shows with its line and a caret; or None."""

    def __init__(self, message: str, status: int, shown_by_python: SyntaxError | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.shown_by_python = shown_by_python


class Program:
    """``argument``: its `sys.argv[0]`. ``path``: its `sys.path[0]`, None where it has none of its own."""

    argument: str
    path: str | None

    def load(self) -> tuple[CodeType, Names]:
        """Its code, and the names that the code finds. Raises CannotStart. May run code of the program."""
        raise NotImplementedError


def find_program(name: str) -> Program:
    """The program which `python name` would run."""
    if name == "-":
        return _Text("-", "<stdin>", None)
    file = _absolute(name)
    return _Container(name, file) if _can_be_imported_from(file) else _File(name, file)


def find_code(text: str) -> Program:
    """The program which `python -c text` would run."""
    return _Text("-c", "<string>", text)


def find_module(name: str) -> Program:
    """The program which `python -m name` would run."""
    return _Module(name)


class _Text(Program):
    """A program that stands in no file: ``text``, or what is on stdin where that is None. ``file``: what tracebacks
    call it."""

    def __init__(self, argument: str, file: str, text: str | None) -> None:
        self.argument = argument
        self.path = None if sys.flags.safe_path else ""
        self.file = file
        self.text = text

    def load(self) -> tuple[CodeType, Names]:
        try:
            source = sys.stdin.buffer.read() if self.text is None else self.text
            code = compile(source, self.file, "exec", dont_inherit=True)
        except SyntaxError as error:
            raise _not_python(error, self.file) from error
        except (OSError, AttributeError) as error:
            raise CannotStart(f"can't read stdin: {error}", 1) from error
        except (ValueError, OverflowError, RecursionError, MemoryError) as error:
            raise CannotStart(f"{self.file}: {type(error).__name__}: {error}", 1) from error
        return code, {"__spec__": None}


class _File(Program):
    def __init__(self, name: str, file: str) -> None:
        self.argument = name
        self.path = None if sys.flags.safe_path else os.path.dirname(os.path.realpath(file))
        self.file = file

    def load(self) -> tuple[CodeType, Names]:
        loader: SourceFileLoader | SourcelessFileLoader
        try:
            if self.file.endswith(".pyc"):
                loader = SourcelessFileLoader("__main__", self.file)
                code = loader.get_code("__main__")
            else:
                loader = SourceFileLoader("__main__", self.file)
                # Bytes: what encoding they have is for the compiler to find out.
                with io.open_code(self.file) as source:
                    code = compile(source.read(), self.file, "exec", dont_inherit=True)
        except OSError as error:
            reason = f"[Errno {error.errno}] {error.strerror}"
            raise CannotStart(f"can't open file {self.file!r}: {reason}", 2) from error
        except SyntaxError as error:
            raise _not_python(error, self.file) from error
        except (ImportError, EOFError, ValueError, OverflowError, RecursionError, MemoryError) as error:
            raise CannotStart(f"{self.file}: {type(error).__name__}: {error}", 1) from error
        assert code is not None
        return code, {"__file__": self.file, "__loader__": loader, "__spec__": None, "__cached__": None}


class _ByRunpy(Program):
    """Found by what `python -m` itself goes through, so that it finds the same modules and words the same errors."""

    def __init__(self, name: str) -> None:
        self.name = name
        # Here, as a file does without it, and before the program's directory comes first in `sys.path`.
        import runpy

        self.runpy: ModuleType = runpy  # what we use is undeclared; pdb uses it, too

    def find(self) -> tuple[str, ModuleSpec, CodeType]:
        raise NotImplementedError

    def load(self) -> tuple[CodeType, Names]:
        try:
            _, spec, code = self.find()
        except self.runpy._Error as error:
            raise CannotStart(str(error), 1) from error
        except SyntaxError as error:
            if of_program(error.__traceback__) is not None:
                raise  # the program runs already: a package of its own imports something broken
            raise _not_python(error, self.name) from error
        names: Names = {"__file__": spec.origin, "__loader__": spec.loader, "__package__": spec.parent}
        return code, names | {"__spec__": spec, "__cached__": spec.cached}


class _Container(_ByRunpy):
    def __init__(self, name: str, file: str) -> None:
        super().__init__(name)
        self.argument = name
        self.path = file

    def find(self) -> tuple[str, ModuleSpec, CodeType]:
        found: tuple[str, ModuleSpec, CodeType] = self.runpy._get_main_module_details(self.runpy._Error)
        return found


class _Module(_ByRunpy):
    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.argument = "-m"  # until the module is found
        self.path = None if sys.flags.safe_path else current_directory()

    def find(self) -> tuple[str, ModuleSpec, CodeType]:
        found: tuple[str, ModuleSpec, CodeType] = self.runpy._get_module_details(self.name, self.runpy._Error)
        sys.argv[0] = str(found[1].origin)
        return found


def _not_python(error: SyntaxError, name: str) -> CannotStart:
    line = f":{error.lineno}" if error.lineno else ""
    # With nothing to show, python does not even name the file.
    shown = error if error.text else None
    return CannotStart(f"{error.filename or name}{line}: {type(error).__name__}: {error.msg}", 1, shown)


def current_directory() -> str | None:
    """None where somebody has removed it."""
    try:
        return os.getcwd()
    except OSError:
        return None


def _absolute(name: str) -> str:
    """As python makes a `__file__` of it: without tidying up ("..", "//") as `os.path.abspath` does."""
    directory = current_directory() or ""
    return directory if name in ("", ".") else os.path.join(directory, name)


def _can_be_imported_from(path: str) -> bool:
    for hook in sys.path_hooks:
        try:
            hook(path)
        except ImportError:
            continue
        return True
    return False
