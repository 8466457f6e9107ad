"""Where interlock speaks: the stderr that the process was started with, whatever the program makes of it later.

pytest's capture puts a file over descriptor 2, a test puts a list into `sys.stderr`, a program closes both. So the
descriptor is duplicated before the program runs: under a high number, since a program may count on the lowest free one,
and not for what it starts. A program may still close every number it can think of, and open a file of its own under
ours: so before each word we look whether it is the same file still.

A forked child gives the duplicate back at once. It may go on as a daemon, and a program that reads our stderr waits
until the last copy is closed. It then prints to its own descriptor 2, unless that has become a file, which may be any
file of the program; and it says which process it is.
"""

import os
import stat
import sys

from interlock.watch.words import in_ascii

_HIGH = range(250, 200, -1)


class Voice:
    """Says things on stderr. ``process``: the id of the one that was started."""

    def __init__(self) -> None:
        self.process: int = os.getpid()
        stderr = sys.stderr
        self.encoding = getattr(stderr, "encoding", None) or "utf-8"
        self.descriptor = None if stderr is None else _duplicate(2)
        self.file: tuple[int, int] | None = None if self.descriptor is None else _file_of(self.descriptor)
        if hasattr(os, "register_at_fork"):
            os.register_at_fork(after_in_child=self._in_child)

    def say(self, text: str) -> None:
        """Print at once, past all buffers. Never raises."""
        if os.getpid() != self.process:
            text = _in_the_name_of_child(text)
        try:
            self._write(self._encode(text))
        except (OSError, ValueError):
            return  # closed, or nobody reads it: nowhere to say anything

    def may_colour(self) -> bool:
        """Whether somebody looks at it who wants colours."""
        if os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb":
            return False
        number = self._number()
        return number is not None and os.isatty(number)

    def _number(self) -> int | None:
        if self.descriptor is not None:
            return self.descriptor if _file_of(self.descriptor) == self.file else None
        if os.getpid() == self.process or sys.__stderr__ is None:
            return None
        return 2 if _file_of(2) == self.file or not _is_plain(2) else None

    def _write(self, data: bytes) -> None:
        # Past the buffers: what could not be written would stay there, fail again when python flushes them for the last
        # time, and change the exit code.
        number = self._number()
        while data and number is not None:
            try:
                data = data[os.write(number, data) :]
            except BlockingIOError:
                _wait_until_read(number)

    def _encode(self, text: str) -> bytes:
        try:
            return text.encode(self.encoding)
        except UnicodeEncodeError:
            return in_ascii(text).encode(self.encoding, "backslashreplace")

    def _in_child(self) -> None:
        number, self.descriptor = self._number(), None
        self.file = _file_of(2)
        if number is not None:
            try:
                os.close(number)
            except OSError:
                return


def _duplicate(descriptor: int) -> int | None:
    for number in _HIGH:
        if _file_of(number) is None:
            try:
                return os.dup2(descriptor, number, inheritable=False)
            except OSError:
                break  # the limit is lower
    try:
        return os.dup(descriptor)
    except OSError:
        return None


def _file_of(descriptor: int) -> tuple[int, int] | None:
    try:
        status = os.fstat(descriptor)
    except OSError:
        return None
    return status.st_dev, status.st_ino


def _is_plain(descriptor: int) -> bool:
    """Whether it is a file, or nothing at all."""
    try:
        return stat.S_ISREG(os.fstat(descriptor).st_mode)
    except OSError:
        return True


def _wait_until_read(descriptor: int) -> None:
    """Somebody at the other end has made it a descriptor that does not block."""
    import select

    select.select([], [descriptor], [], 1.0)


def _in_the_name_of_child(text: str) -> str:
    """What a forked child says begins with its name and pid."""
    processes = sys.modules.get("multiprocessing.process")
    try:
        name = processes.current_process().name if processes is not None else ""
    except Exception:
        name = ""
    if name in ("", "MainProcess"):
        name = "forked child"
    beginning = len(text) - len(text.lstrip("\n"))
    return f"{text[:beginning]}{name} (pid {os.getpid()}): {text[beginning:]}"
