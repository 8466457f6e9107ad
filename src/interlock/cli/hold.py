"""`interlock hold`: run a command while holding a lock between processes or machines.

What is held is named by the first argument: `redis://host/0 NAME` on an engine (`cluster_hold.py`), else a name on this
machine (`machine_hold.py`). Either gives a `Hold`; the rest is here: the command is started when it is held, gets the
signals that we get, and is ended when the hold is lost. If we are killed, so is it: on Linux the kernel does that.
"""

import os
import signal
import subprocess
import sys
import time
from argparse import Namespace
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import NoReturn, Protocol

from interlock import Event

NOT_GOT = 75  # EX_TEMPFAIL
LOST = 76  # EX_PROTOCOL: the lock was lost while the command ran
BAD_USE = 2
CANNOT = 1
PR_SET_PDEATHSIG = 1  # of <sys/prctl.h>

FORWARDED = ("SIGINT", "SIGTERM", "SIGHUP", "SIGQUIT", "SIGUSR1", "SIGUSR2", "SIGCONT", "SIGWINCH")
ENDING = ("SIGTERM", "SIGHUP", "SIGQUIT")
# Those a terminal sends to the whole foreground group, so to the command too.
BY_TERMINAL = ("SIGINT", "SIGQUIT", "SIGWINCH")


class Hold(Protocol):
    """What is to be held. `acquire` may be interrupted by an exception and then leaves nothing behind."""

    def acquire(self, timeout: float | None) -> bool:
        """Take it, within ``timeout`` seconds where that is not None."""

    def environment(self) -> dict[str, str]:
        """What the command finds in its environment."""

    def on_lost(self, tell: Event) -> None:
        """Set ``tell`` when it is lost."""

    def release(self) -> bool:
        """Give it back. Returns False where it was lost before."""


class _Ended(BaseException):
    """A signal came that ends us, while we wait."""


def hold(request: Namespace) -> NoReturn:
    """Do it, and exit with the command's code, or 75 (not acquired), 76 (lost)."""
    if "://" in request.target:
        from interlock.cli.cluster_hold import open_hold
    else:
        from interlock.cli.machine_hold import open_hold
    target = open_hold(request)
    try:
        with _ended_by_signals():
            got = target.acquire(request.timeout)
    except _Ended as ended:
        _exit_as(-ended.args[0])
    except KeyboardInterrupt:
        _exit_as(-signal.SIGINT)
    if not got:
        within = f" within {request.timeout:g} s" if request.timeout else ""
        print(f"interlock: could not get the lock{within}: {request.shown}", file=sys.stderr)
        sys.exit(request.conflict_code)
    code = _run(target, request)
    if not target.release():
        print(f"interlock: the lock was lost while the command ran: {request.shown}", file=sys.stderr)
        code = LOST
    _exit_as(code)


@contextmanager
def _ended_by_signals() -> Iterator[None]:
    def end(number: int, frame: FrameType | None) -> None:
        raise _Ended(number)

    before = {name: signal.signal(getattr(signal, name), end) for name in ENDING if _not_ignored(name)}
    try:
        yield
    finally:
        for name, handler in before.items():
            signal.signal(getattr(signal, name), handler)


def _not_ignored(name: str) -> bool:
    return hasattr(signal, name) and signal.getsignal(getattr(signal, name)) is not signal.SIG_IGN


def _run(target: Hold, request: Namespace) -> int:
    """Start the command and wait for its end; end it where the hold is lost."""
    lost = Event()
    target.on_lost(lost)
    at_terminal = _in_foreground()
    came: list[int] = []
    child: subprocess.Popen[bytes] | None = None

    def forward(number: int, frame: FrameType | None) -> None:
        if child is None:
            came.append(number)
        else:
            _send(child, number, at_terminal)

    before = {}
    for name in FORWARDED:
        if _not_ignored(name):
            ours = (lambda number, frame: None) if at_terminal and name in BY_TERMINAL else forward
            before[name] = signal.signal(getattr(signal, name), ours)
    added = target.environment()  # which may also take something out
    try:
        try:
            child = subprocess.Popen(
                request.command,
                env=os.environ | added,
                # At a terminal it stays in the foreground group; else it gets one, so that all of it can be ended.
                process_group=None if at_terminal else 0,
                preexec_fn=_ends_with_us(),
            )
        except OSError as error:
            print(f"interlock: cannot run {request.command[0]}: {error.strerror}", file=sys.stderr)
            return 127 if isinstance(error, FileNotFoundError) else 126
        for number in came:
            _send(child, number, at_terminal)
        return _wait(child, lost, at_terminal, request)
    finally:
        for name, handler in before.items():
            signal.signal(getattr(signal, name), handler)


def _ends_with_us() -> Callable[[], None] | None:
    """What the new process calls before it becomes the command, so that it does not outlive us and run on unheld.

    Even KILL ends us both. Not what the command has started itself: that is the command's to end.
    """
    if sys.platform != "linux":
        return None
    import ctypes

    prctl, keeper = ctypes.CDLL(None).prctl, os.getpid()  # found now: nothing is imported between fork and exec

    def ask_kernel() -> None:
        prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != keeper:  # it ended before the call: nobody sends the signal
            os._exit(1)

    return ask_kernel


def _wait(child: "subprocess.Popen[bytes]", lost: Event, at_terminal: bool, request: Namespace) -> int:
    over = Event()
    codes: list[int] = []

    def watch() -> None:
        codes.append(child.wait())
        over.set()
        lost.set()

    import threading

    threading.Thread(target=watch, name="interlock-hold", daemon=True).start()
    lost.wait()
    if not over.is_set():
        print(f"interlock: lost the lock: {request.shown}; the command gets SIGTERM", file=sys.stderr)
        _send(child, signal.SIGTERM, at_terminal)
        if not over.wait(request.kill_after):
            _send(child, signal.SIGKILL, at_terminal)
        over.wait()
    return codes[0]


def _send(child: "subprocess.Popen[bytes]", number: int, at_terminal: bool) -> None:
    try:
        if at_terminal:
            os.kill(child.pid, number)
        else:
            os.killpg(child.pid, number)
    except ProcessLookupError:
        pass  # it has ended by itself


def _in_foreground() -> bool:
    try:
        return os.isatty(0) and os.tcgetpgrp(0) == os.getpgrp()
    except OSError:
        return False


def _exit_as(code: int) -> NoReturn:
    """Exit as a shell would say that a command ended: 128 and its number for a signal."""
    sys.stdout.flush()
    sys.exit(128 - code if code < 0 else code)


def refuse(message: str, code: int = CANNOT) -> NoReturn:
    """Say why nothing was done."""
    print(f"interlock: {message}", file=sys.stderr)
    sys.exit(code)


def since(seconds: float) -> str:
    """How long ago that was, for people."""
    ago = max(0.0, time.time() - seconds)
    if ago < 60:
        return f"{ago:.1f} s"
    if ago < 3600:
        return f"{ago / 60:.0f} min"
    return f"{ago / 3600:.1f} h"
