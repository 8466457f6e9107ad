"""The threads that were started before the search: what they have a hand in, and what they are called.

Nobody switches them, so what waits for one of them says nothing about the program. Where all of ours wait, it is a
deadlock only if none of these could end a wait: what each could still do is read from its code (`watch/reach.py`). One
that has just come by a job may have it where nobody sees it. So that is asked only while none of them computes; until
then they may do anything. A wrong "yes" costs an answer, a wrong "no" would be a false deadlock.
"""

import contextlib
import functools
import threading
import time
from collections.abc import Callable, Iterator
from sys import _current_frames, _getframe
from typing import Any

from interlock.explore.account import Teller, is_through
from interlock.explore.engine.baton import Baton
from interlock.watch.idle import is_idle
from interlock.watch.stuck import could_be_helped
from interlock.watch.view import View

# What only looks on while tests run. All other threads that are there before a search may have a part in it.
_ONLOOKERS = {"interlock", "pytest_timeout", "xdist", "execnet", "tqdm", "pydevd", "_pydevd_bundle", "debugpy"}
_STARTED = "_interlock_started"  # where such a thread was started: file and line
_GLANCE = 0.02  # seconds
_sleep = time.sleep


class Earlier:
    """Those of one search. The calling thread is not one of them."""

    def __init__(self, baton: Baton, teller: Teller) -> None:
        self.baton = baton
        self.teller = teller
        self._threads: list[threading.Thread] = [
            each
            for each in threading.enumerate()
            if each is not threading.current_thread() and not _packages_of(each) & _ONLOOKERS
        ]
        self._threads = self._alive()
        # What each had computed as the schedule began, and when somebody last asked; whether somebody has in this
        # schedule; whether they could not help the last time.
        self._first: dict[int, float] = {}
        self._spent: dict[int, float] = {}
        self._asked: bool = False
        self._sure: bool = False

    def begin(self) -> None:
        """Before each schedule."""
        self._first = self._computed()
        self._asked = False

    def have_moved(self) -> bool:
        """Whether one of them has computed since the schedule began, or has something to do."""
        threads = self._first.keys()
        at_rest = all(is_idle(each.frames) for each in View().people if each.ident in threads and not each.is_task)
        return self._first != self._computed() or not at_rest

    def could_help(self) -> bool:
        """Nobody of ours can go on: whether one of these threads could change that."""
        before, self._spent = self._spent, self._computed()
        if not self._spent:
            return False
        may_look = self._asked or self._sure
        self._asked, self._sure = True, False
        for _ in range(3):  # one of them may come back for a moment as we read
            if (before != self._spent and not (may_look and self._are_parked())) or self._could_end_a_wait():
                break
            before, self._spent = self._spent, self._computed()
            if before == self._spent:
                self._sure = True
                break
        return not self._sure

    def tell(self) -> list[str]:
        """Who they are, where each comes from, and what to do about it: a line, or none."""
        told = []
        for each in self._alive():
            file, line, words = _origin_of(each, self.teller.is_program)
            told.append(f"{each.name}, {words} {self.teller.short(file)}:{line}" if words else each.name)
        if not told:
            return []
        what = "this thread was" if len(told) == 1 else "these threads were"
        return [
            f"{what} started before the search, by a fixture or by an import, and cannot be switched: "
            f"{'; '.join(told)}. Create the pool or the thread in the test, so that each schedule starts its own"
        ]

    def _alive(self) -> list[threading.Thread]:
        """Those that still run."""
        if not self._threads:
            return []
        # A thread that Python did not start is listed for ever, as alive, before 3.13. Its ident may be another's then.
        running = _current_frames().keys() - {strand.ident for strand in self.baton.strands}
        return [each for each in self._threads if each.is_alive() and each.ident in running]

    def _computed(self) -> dict[int, float]:
        """The seconds that each has computed, by ident. Where nobody can tell it is another number each time."""
        spent = {each.ident: cpu_of(each.ident) for each in self._alive() if each.ident is not None}
        return {ident: seconds if seconds >= 0 else -time.perf_counter() for ident, seconds in spent.items()}

    def _are_parked(self) -> bool:
        """Whether none computes, or waits for a processor, or for the GIL: we let it go meanwhile."""
        before = self._computed()
        _sleep(_GLANCE)
        self._spent = self._computed()
        return before == self._spent and all(sleeps(each.native_id or 0) for each in self._alive())

    def _could_end_a_wait(self) -> bool:
        view = View()
        found = {each.party.id: each for each in view.people if each.party is not None}
        # Who waits for one of ours to end is helped where that one is.
        waiting = [
            found.get(strand.party)
            for strand in self.baton.strands
            if not strand.ended and strand.awaited in (None, strand) and not is_through(strand)
        ]
        return could_be_helped(view, waiting, set(self._spent))


def _packages_of(thread: Any) -> set[str]:
    """The packages of what a thread runs: of its function, and of its class."""
    functions = (getattr(thread, "_target", None), getattr(thread, "function", None), type(thread))  # a Timer's
    return {str(getattr(each, "__module__", "")).partition(".")[0] for each in functions}


def _origin_of(thread: Any, is_program: Callable[[str], bool]) -> tuple[str, int, str]:
    """A line of the program that a thread comes from, and in words how; no words: this is not known."""
    if _STARTED in thread.__dict__:
        return (*thread.__dict__[_STARTED], "started at")
    code = getattr(getattr(thread, "_target", None), "__code__", None)
    if code is not None and is_program(code.co_filename):
        return (code.co_filename, code.co_firstlineno, "which runs")
    return ("", 0, "")


@contextlib.contextmanager
def noting_starts(is_program: Callable[[str], bool]) -> Iterator[None]:
    """Threads that are started meanwhile, before a search, remember at which line of the program they were."""
    there = threading.Thread.start

    @functools.wraps(there)
    def start(self: threading.Thread) -> None:
        frame: Any = _getframe(1)
        while frame is not None and not is_program(frame.f_code.co_filename):
            frame = frame.f_back
        if frame is not None:
            self.__dict__[_STARTED] = (frame.f_code.co_filename, frame.f_lineno)
        there(self)

    threading.Thread.start = start  # type: ignore[method-assign]
    try:
        yield
    finally:
        threading.Thread.start = there  # type: ignore[method-assign]


def sleeps(native_id: int) -> bool:
    """Whether a thread sleeps, as the system sees it; True where it does not say."""
    try:
        with open(f"/proc/self/task/{native_id}/stat", "rb") as file:
            return file.read().rpartition(b")")[2].split()[0] in (b"S", b"D")
    except (OSError, IndexError):
        return True


def cpu_of(ident: int) -> float:
    """Seconds that a thread has computed."""
    try:
        return time.clock_gettime(time.pthread_getcpuclockid(ident))
    except (AttributeError, OSError):
        return -1.0
