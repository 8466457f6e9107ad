"""Files that are whole or not there: written beside their name, and put there at the end.

So a program that fails half-way, or is killed, leaves the file as it was. What is no plain file (a terminal, a pipe,
`/dev/null`) cannot be replaced, and is written to.
"""

import os
import stat

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import TracebackType
    from typing import IO


class Replaced:
    """A context manager that gives a file open for writing bytes, and puts it at ``file`` when the block has ended.

    Where the block raises, ``file`` stays as it was. Raises OSError, which names ``file`` and not the one beside it.
    """

    def __init__(self, file: "str | os.PathLike[str]") -> None:
        self.name: str = os.fspath(file)
        self._target = os.path.realpath(self.name)  # a link goes on pointing where it does
        self._beside: str | None = None
        self._out: IO[bytes] | None = None

    def __enter__(self) -> "IO[bytes]":
        try:
            old = _status(self._target)
            if old is not None and not stat.S_ISREG(old.st_mode):
                self._out = open(self._target, "wb")
                return self._out
            if old is not None:
                with open(self._target, "r+b"):
                    pass  # what must not be written to is not replaced either
            self._beside = f"{self._target}.{os.getpid()}.new"
            _remove(self._beside)
            self._out = open(self._beside, "xb")
            if old is not None:
                os.chmod(self._beside, stat.S_IMODE(old.st_mode))
            return self._out
        except OSError as error:
            self._drop()
            raise self._named(error) from error

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, traceback: "TracebackType | None"
    ) -> None:
        assert self._out is not None
        try:
            self._out.close()
            if kind is None and self._beside is not None:
                os.replace(self._beside, self._target)
                self._beside = None
        except OSError as error:
            raise self._named(error) from error
        finally:
            self._drop()
        if isinstance(value, OSError) and value.filename is None:
            raise self._named(value) from value

    def _named(self, error: OSError) -> OSError:
        return type(error)(error.errno, error.strerror or str(error), self.name)

    def _drop(self) -> None:
        if self._beside is not None:
            _remove(self._beside)
            self._beside = None


def check_writable(file: str) -> None:
    """Raise OSError where `Replaced` would."""
    old = _status(file)
    if old is not None and not stat.S_ISREG(old.st_mode) and not stat.S_ISDIR(old.st_mode):
        return  # to open a pipe would be to wait for its reader
    replaced = Replaced(file)
    replaced.__enter__().close()
    replaced._drop()


def _status(file: str) -> os.stat_result | None:
    try:
        return os.stat(file)
    except FileNotFoundError:
        return None


def _remove(file: str) -> None:
    try:
        os.remove(file)
    except OSError:
        return
