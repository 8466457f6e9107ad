"""A thread that waits for what comes from outside: a socket, a file, time, a child, a key."""

import time

from interlock.watch.instructions import is_program_file
from interlock.watch.reach import value_at
from interlock.watch.waits import Meaning, pipes, system
from interlock.watch.waits.loops import has_work, idle_loop

TYPE_CHECKING = False
if TYPE_CHECKING:
    from interlock.watch.view import Someone, View

_WITH_DESCRIPTOR = {
    "read": "data from", "pread64": "data from", "readv": "data from", "recvfrom": "data from", "recvmsg": "data from",
    "write": "room in", "writev": "room in", "sendto": "room in", "sendmsg": "room in", "accept": "a connection at",
    "accept4": "a connection at", "connect": "a connection by", "flock": "the lock of", "fcntl": "the lock of",
}  # fmt: skip
_OTHERS = {
    "poll": "data from outside", "ppoll": "data from outside", "select": "data from outside",
    "pselect6": "data from outside",
    "epoll_wait": "data from outside", "epoll_pwait": "data from outside", "epoll_pwait2": "data from outside",
    "wait4": "a child process to end", "waitid": "a child process to end", "pause": "a signal",
    "rt_sigtimedwait": "a signal", "rt_sigsuspend": "a signal", "openat": "the opening of a file",
}  # fmt: skip
_MOST = 3  # files in a line
_SLEEPS = ("nanosleep", "clock_nanosleep")


def adapter(someone: "Someone", view: "View") -> Meaning | None:
    """A thread that is in a system call which the kernel will end."""
    if someone.is_task or someone.wait is not None:
        return None
    loop = idle_loop(someone)
    if loop is not None:
        if has_work(loop):
            return Meaning("the next thing to do in its loop", outside=True, idle=True)
        gives = ("call_soon_threadsafe", "run_coroutine_threadsafe", "call_soon", "call_later", "stop")
        return Meaning("something to do in its loop", idle=True, gives=gives)
    call = system.call_of_thread(someone.ident)
    if call is None:
        return None
    name, number = call
    if name in _SLEEPS:
        return Meaning(_until(system.end_of_sleep(someone.ident)), outside=True, verb="sleeps")
    between = _of_processes(someone)
    if between is not None:
        return between
    if name in _WITH_DESCRIPTOR:
        what = system.descriptor(number)
        if not what:
            return None
        meaning = Meaning(f"{_WITH_DESCRIPTOR[name]} {what}", outside=True)
        if what.startswith("pipe:") and name in ("write", "writev"):
            pipes.say_full(meaning, what, number)
        return meaning
    if name in _OTHERS:
        return _first_of(someone.ident) or Meaning(_OTHERS[name], outside=True)
    return None


def _until(end: float | None) -> str:
    """`until 22:10:05, 3.2 s more`."""
    if end is None:
        return ""
    more = max(0.0, end - time.monotonic())
    try:
        clock = time.strftime("%H:%M:%S", time.localtime(time.time() + more))
    except (OverflowError, ValueError, OSError):
        return ""
    return f"until {clock}, {more:.1f} s more"


def _first_of(ident: int) -> Meaning | None:
    """One that waits for the first of several files."""
    numbers, timed = system.watched_by_thread(ident)
    files = list(filter(None, map(system.descriptor, numbers)))
    if not numbers and timed:
        return Meaning("", outside=True, verb="sleeps")
    if not files:
        return None
    what = f"data from {files[0]}" if len(files) == 1 else f"the first of {len(files)}: {', '.join(files[:_MOST])}"
    if len(files) > _MOST:
        what += f" and {len(files) - _MOST} more"
    return Meaning(what, outside=True, lines=["with a timeout"] if timed else ())


def _of_processes(someone: "Someone") -> Meaning | None:
    """A primitive of `multiprocessing`, which any process may release."""
    inside = [type(frame.f_locals.get("self")) for frame in someone.frames[:4]]
    inside = [kind for kind in inside if kind.__module__ == "multiprocessing.synchronize"]
    if inside:
        return Meaning(f"{inside[-1].__name__} of multiprocessing", outside=True)
    frame = someone.frames[0] if someone.frames else None
    if frame is not None and is_program_file(frame.f_code.co_filename):
        kind = type(value_at(frame))
        if kind.__module__ in ("multiprocessing.synchronize", "_multiprocessing"):
            return Meaning(f"{kind.__name__} of multiprocessing", outside=True)
    return None
