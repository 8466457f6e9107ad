"""A terminal, as `interlock ps` finds it: a pty with a size, and what stands on it after all that was written."""

import fcntl
import os
import pty
import re
import select
import signal
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Callable

PATIENCE = 60.0  # seconds


class Terminal:
    """A program on a pty. It knows the few sequences that `interlock ps` writes, and wraps as a terminal does."""

    def __init__(self, *command: str, columns: int = 80, lines: int = 24) -> None:
        ours, theirs = pty.openpty()
        self.fd = ours
        self.resize(columns, lines)
        self.process = subprocess.Popen(
            command, stdin=theirs, stdout=theirs, stderr=theirs, start_new_session=True,
            env={**os.environ, "TERM": "xterm", "COLUMNS": "", "LINES": ""},
            preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),
        )  # fmt: skip
        os.close(theirs)
        self.raw = b""

    def resize(self, columns: int, lines: int) -> None:
        self.columns, self.lines = columns, lines
        fcntl.ioctl(self.fd, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))

    def read(self, timeout: float) -> bool:
        """Take what has been written. False at its end."""
        if select.select([self.fd], [], [], timeout)[0]:
            try:
                more = os.read(self.fd, 65536)
            except OSError:  # the other end was closed
                return False
            self.raw += more
            return bool(more)
        return True

    @property
    def written(self) -> list[str]:
        """All lines that were ever written, without what steers."""
        text = self.raw.decode(errors="replace").replace("\r\n", "\n")
        return re.sub(r"\x1b\[[0-9;]*[A-Za-z]", "", text).split("\n")

    @property
    def screen(self) -> list[str]:
        """What the latest look has left: from the last time that the cursor went home."""
        text = self.raw.decode(errors="replace").replace("\r\n", "\n")
        last = text.rpartition("\x1b[H")[2]
        return re.sub(r"\x1b\[[0-9;]*[A-Za-z]", "", last).split("\n")

    def wait_for(self, what: Callable[[], object], why: str) -> None:
        deadline = time.monotonic() + PATIENCE
        while not what():
            assert time.monotonic() < deadline, f"not within {PATIENCE} s: {why}; written: {self.raw[-2000:]!r}"
            if not self.read(0.1):
                assert what(), f"it ended before: {why}; written: {self.raw[-2000:]!r}"

    def looks(self) -> int:
        """How many looks are complete."""
        return self.raw.count(b"\x1b[J")

    def next_look(self) -> list[str]:
        """Wait for one that began after this call, and for its end."""
        goal = self.looks() + 2
        self.wait_for(lambda: self.looks() >= goal, "another look")
        return self.screen

    def interrupt(self) -> int:
        """Press Ctrl-C. Returns the exit code."""
        os.write(self.fd, b"\x03")
        return self.end()

    def end(self) -> int:
        """Wait for the end of the program, and take what it still writes."""
        deadline = time.monotonic() + PATIENCE
        while self.read(0.1) and time.monotonic() < deadline and self.process.poll() is None:
            pass
        code = self.process.wait(PATIENCE)
        while select.select([self.fd], [], [], 0)[0] and self.read(0):
            pass
        return code

    def close(self) -> None:
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGKILL)
            self.process.wait(PATIENCE)
        os.close(self.fd)


INTERLOCK = [sys.executable, "-m", "interlock"]
