"""Threads that end by a DeadlockError of the same lines: shown once, and the others counted, for the report."""

import os
import sys
import threading

from interlock.core.kernel.maker import is_of_library
from interlock.errors import DeadlockError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import TracebackType

_CORE = os.path.join("interlock", "core", "")  # compiled: the files are named as they were compiled
_Lines = tuple[tuple[str, int], ...]


class Repeats:
    """Stands before `threading.excepthook`, the program's own or python's."""

    def __init__(self) -> None:
        self.times: dict[_Lines, int] = {}

    def watch(self) -> None:
        self._show = threading.excepthook
        threading.excepthook = self

    def __call__(self, arguments: threading.ExceptHookArgs, /) -> None:
        if issubclass(arguments.exc_type, DeadlockError):
            lines = _lines_of(arguments.exc_traceback)
            self.times[lines] = self.times.get(lines, 0) + 1
            if self.times[lines] > 1:
                return
        self._show(arguments)

    def sentences(self, directory: str) -> list[str]:
        """What has not been shown, a line for each."""
        from interlock.watch.words import count

        found = []
        for lines, times in self.times.items():
            if times > 1:
                own = [each for each in lines if not is_of_library(each[0]) and _CORE not in each[0]]
                file, line = (own or lines or [("?", 0)])[-1]
                place = f"{file.removeprefix(directory).lstrip('/') if directory else file}:{line}"
                more = count(times - 1, "more thread", "more threads")
                found.append(f"Not shown: {more} ended by a DeadlockError at {place}, by the lines of the one above.")
        return found


def _lines_of(traceback: "TracebackType | None") -> _Lines:
    lines = []
    while traceback is not None:
        lines.append((sys.intern(traceback.tb_frame.f_code.co_filename), traceback.tb_lineno))
        traceback = traceback.tb_next
    return tuple(lines)
