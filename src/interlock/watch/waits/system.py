"""What the kernel says of a thread in a system call, of a descriptor, of a process. Linux; elsewhere: nothing."""

import os
import platform
import struct
import sys

from interlock.core.kernel.private import listed_thread

_NUMBERS = {
    "x86_64": {
        0: "read", 1: "write", 7: "poll", 17: "pread64", 19: "readv", 20: "writev", 23: "select", 34: "pause",
        35: "nanosleep", 42: "connect", 43: "accept", 44: "sendto", 45: "recvfrom", 46: "sendmsg", 47: "recvmsg",
        61: "wait4", 72: "fcntl", 73: "flock", 128: "rt_sigtimedwait", 130: "rt_sigsuspend", 202: "futex",
        230: "clock_nanosleep", 232: "epoll_wait", 247: "waitid", 270: "pselect6", 271: "ppoll", 281: "epoll_pwait",
        288: "accept4", 441: "epoll_pwait2",
    },
    "aarch64": {
        63: "read", 64: "write", 65: "readv", 66: "writev", 67: "pread64", 25: "fcntl", 32: "flock", 72: "pselect6",
        73: "ppoll", 22: "epoll_pwait", 98: "futex", 101: "nanosleep", 115: "clock_nanosleep", 137: "rt_sigtimedwait",
        133: "rt_sigsuspend", 202: "accept", 203: "connect", 206: "sendto", 207: "recvfrom", 211: "sendmsg",
        212: "recvmsg", 242: "accept4", 260: "wait4", 95: "waitid", 441: "epoll_pwait2",
    },
}  # fmt: skip
_CALLS = _NUMBERS.get(platform.machine(), {})
_STATES = {"R": "running", "S": "sleeping", "D": "waiting for a disk", "T": "stopped", "t": "stopped by a debugger",
           "Z": "ended, and nobody has asked for its exit code yet", "X": "ended", "I": "idle"}  # fmt: skip
_FIONREAD, _F_GETPIPE_SZ = 0x541B, 1032


def call_of_thread(ident: int) -> tuple[str, int] | None:
    """The system call in which a thread of this process is, and its first argument. None where it is in none, or
    nobody can tell."""
    thread = listed_thread(ident)
    native = getattr(thread, "native_id", None)
    return None if native is None else _call_of(f"/proc/self/task/{native}/syscall")


def call_of_process(pid: int) -> "list[tuple[str, int]]":
    """The system calls in which the threads of a process are."""
    try:
        threads = os.listdir(f"/proc/{pid}/task")
    except OSError:
        return []
    found = [_call_of(f"/proc/{pid}/task/{thread}/syscall") for thread in threads]
    return [each for each in found if each is not None]


def _call_of(file: str) -> tuple[str, int] | None:
    try:
        with open(file) as source:
            words = source.read().split()
    except OSError:
        return None
    if len(words) < 2 or not words[0].isdigit() or int(words[0]) not in _CALLS:
        return None
    return _CALLS[int(words[0])], int(words[1], 16)


def descriptor(number: int, pid: int | None = None) -> str:
    """What a descriptor stands for: ``socket to 10.0.0.1:5432``, ``pipe:[123]``, a file. "" where nobody can tell."""
    try:
        link = os.readlink(f"/proc/{pid or 'self'}/fd/{number}")
    except OSError:
        return ""
    if not link.startswith("socket:") or pid is not None:
        return link
    return _socket(number) or "a socket"


def _socket(number: int) -> str:
    import socket

    try:
        with socket.socket(fileno=os.dup(number)) as copy:
            try:
                return f"socket to {_address(copy.getpeername())}"
            except OSError:
                return f"socket at {_address(copy.getsockname())}"
    except OSError:
        return ""


def _address(found: object) -> str:
    if isinstance(found, tuple) and len(found) >= 2:
        return f"{found[0]}:{found[1]}"
    if isinstance(found, bytes):
        found = found.decode(errors="replace")
    return str(found) or "an address without a name"


def bytes_in(number: int) -> tuple[int, int] | None:
    """How many bytes stand in a pipe, and how many it holds."""
    if not sys.platform.startswith("linux"):
        return None
    import fcntl

    try:
        inside = struct.unpack("i", fcntl.ioctl(number, _FIONREAD, b"\0\0\0\0"))[0]
        return inside, fcntl.fcntl(number, _F_GETPIPE_SZ)
    except OSError:
        return None


def holders_of(link: str) -> set[int]:
    """The processes that have this pipe (``pipe:[123]``) open, as far as they may be asked."""
    found: set[int] = set()
    try:
        processes = [each for each in os.listdir("/proc") if each.isdigit()]
    except OSError:
        return found
    for each in processes:
        try:
            if any(os.readlink(f"/proc/{each}/fd/{number}") == link for number in os.listdir(f"/proc/{each}/fd")):
                found.add(int(each))
        except OSError:
            continue  # it has ended, or is somebody else's
    return found


def is_full(number: int) -> bool:
    """Whether a pipe has no room for one more write of a page."""
    found = bytes_in(number)
    return found is not None and found[0] + 4096 > found[1]


def state_of(pid: int) -> str:
    """What a process is doing, in a word or two."""
    try:
        with open(f"/proc/{pid}/stat") as file:
            letter = file.read().rpartition(")")[2].split()[0]
    except (OSError, IndexError):
        return "gone"
    return _STATES.get(letter, letter)
