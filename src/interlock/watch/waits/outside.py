"""A thread that waits for what comes from outside: a socket, a file, time, a child, a key."""

from interlock.watch.waits import Meaning, system
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
    "rt_sigtimedwait": "a signal", "rt_sigsuspend": "a signal",
}  # fmt: skip
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
        return Meaning("", outside=True, verb="sleeps")
    if name in _WITH_DESCRIPTOR:
        what = system.descriptor(number)
        if not what:
            return None
        meaning = Meaning(f"{_WITH_DESCRIPTOR[name]} {what}", outside=True)
        if what.startswith("pipe:") and name in ("write", "writev"):
            meaning.lines += _full_pipe(what, number)
        return meaning
    if name in _OTHERS:
        return Meaning(_OTHERS[name], outside=True)
    return None


def _full_pipe(link: str, number: int) -> list[str]:
    import os

    ends = []
    try:
        for each in os.listdir("/proc/self/fd"):
            if int(each) != number and system.descriptor(int(each)) == link:
                ends.append(each)
    except OSError:
        return []
    lines = ["the pipe is full"]
    if ends:
        lines.append(f"its other end is open in this very process, as descriptor {', '.join(ends)}: read from it first")
    return lines
