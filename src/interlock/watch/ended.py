"""Who has ended, and of what: threads that an exception ended, processes that a signal killed.

That is what cannot be found out later. Kept of a thread: its name, the exception as text, the line, and what its code
could have given: which methods it named on which objects, those by weak references. No object of the program's is kept
alive by it. The last `MOST` are kept.
"""

import sys
import threading
import time
import weakref
from collections import deque
from collections.abc import Iterable

from interlock.core.explain.places import Place
from interlock.dropin import spec_told
from interlock.watch import private

TYPE_CHECKING = False
if TYPE_CHECKING:
    from importlib.machinery import ModuleSpec
    from types import ModuleType, TracebackType
    from typing import Any

MOST = 20


class Ended:
    """A thread or task that an exception ended.

    Attributes: ``name``, ``what`` (the exception, as a traceback's last line has it), ``place``, ``at`` (monotonic
    nanoseconds), ``ident`` of the thread.
    """

    def __init__(self, name: str, ident: int, error: BaseException, place: Place | None) -> None:
        self.name = name
        self.ident = ident
        self.what: str = describe(error)
        self.place = place
        self.at: int = time.monotonic_ns()
        self._named: list[tuple[str, weakref.ref[Any], Place]] = []

    def could_give(self, target: object, names: Iterable[str]) -> Place | None:
        """The line of its code that names one of these methods on ``target``, or None."""
        wanted = set(names)
        for name, reference, place in self._named:
            if name in wanted and reference() is target:
                return place
        return None

    def learn(self, trace: "TracebackType | None") -> None:
        """Note what the code could have given whose frames this traceback has."""
        from interlock.watch.reach import UNKNOWN, Reach

        frames = []
        while trace is not None:
            frames.append(trace.tb_frame)
            trace = trace.tb_next
        for name, touches in Reach().add(*frames).touches.items():
            for touch in touches:
                if touch.target is not UNKNOWN:
                    try:
                        self._named.append((name, weakref.ref(touch.target), touch.place))
                    except TypeError:
                        continue


def describe(error: BaseException) -> str:
    """``ZeroDivisionError: division by zero``."""
    try:
        text = str(error)
    except Exception:
        text = ""
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


_ended: deque[Ended] = deque(maxlen=MOST)
_killed: deque[tuple[int, str, int]] = deque(maxlen=MOST)


def threads() -> list[Ended]:
    """The last threads that an exception ended, the oldest first."""
    return list(_ended)


def killed_processes() -> list[tuple[int, str, int]]:
    """The last children that a signal killed: pid, name, and the signal's number, negative."""
    return list(_killed)


def watch() -> None:
    """Take note from now on. `threading.excepthook` is asked as before."""
    before = threading.excepthook

    def note(args: "Any") -> None:
        note_thread(args)
        before(args)

    note.__name__ = "excepthook"
    threading.excepthook = note
    if _STARTS_PROCESSES in sys.modules:
        _watch_processes()
    else:
        sys.meta_path.insert(0, _Finder())


def note_thread(args: "Any") -> None:
    """A thread is about to end by an exception."""
    try:
        error = args.exc_value
        if error is None or args.exc_type is SystemExit:
            return
        thread = args.thread
        name = thread.name if thread is not None else f"thread {threading.get_ident()}"
        place = _innermost(args.exc_traceback)
        found = Ended(name, threading.get_ident(), error, place)
        found.learn(args.exc_traceback)
        _ended.append(found)
    except Exception:
        return  # what the program's own hook is to say comes first


def _innermost(trace: "TracebackType | None") -> Place | None:
    from interlock.watch.reach import is_program_file

    best = None
    while trace is not None:
        code = trace.tb_frame.f_code
        if best is None or is_program_file(code.co_filename):
            best = Place(code.co_filename, trace.tb_lineno, code.co_name)
        trace = trace.tb_next
    return best


class _Finder:
    """In `sys.meta_path` until the program imports what starts its processes. It finds what the others find."""

    def find_spec(self, name: str, path: object = None, target: "ModuleType | None" = None) -> "ModuleSpec | None":
        if name != _STARTS_PROCESSES:
            return None
        sys.meta_path.remove(self)
        return spec_told(self, _watch_processes, name, path, target)


_STARTS_PROCESSES = "multiprocessing.popen_fork"


def _watch_processes() -> None:
    """Take note of children of `multiprocessing` that a signal kills: called once its module is there."""
    module = sys.modules[_STARTS_PROCESSES]
    poll = module.Popen.poll

    def noted(self: "Any", *args: "Any", **keywords: "Any") -> "Any":
        was = self.returncode
        code = poll(self, *args, **keywords)
        if was is None and code is not None and code < 0:
            _killed.append((self.pid, _name_of_process(self), code))
        return code

    noted.__name__ = "poll"
    module.Popen.poll = noted


def _name_of_process(popen: object) -> str:
    for child in private.children():
        if private.popen_of(child) is popen:
            return str(child.name)
    return "a worker"
