"""What the kernel says of a thread in a system call, of a descriptor, of a process. Linux; elsewhere: nothing."""

import os
import platform
import struct
import sys
from _thread import get_ident

from interlock.core.kernel.private import listed_thread

_NUMBERS = {
    "x86_64": {
        0: "read", 1: "write", 7: "poll", 17: "pread64", 19: "readv", 20: "writev", 23: "select", 34: "pause",
        35: "nanosleep", 42: "connect", 43: "accept", 44: "sendto", 45: "recvfrom", 46: "sendmsg", 47: "recvmsg",
        61: "wait4", 72: "fcntl", 73: "flock", 128: "rt_sigtimedwait", 130: "rt_sigsuspend", 202: "futex",
        230: "clock_nanosleep", 232: "epoll_wait", 247: "waitid", 270: "pselect6", 271: "ppoll", 281: "epoll_pwait",
        257: "openat", 288: "accept4", 441: "epoll_pwait2",
    },
    "aarch64": {
        63: "read", 64: "write", 65: "readv", 66: "writev", 67: "pread64", 25: "fcntl", 32: "flock", 72: "pselect6",
        73: "ppoll", 22: "epoll_pwait", 98: "futex", 101: "nanosleep", 115: "clock_nanosleep", 137: "rt_sigtimedwait",
        133: "rt_sigsuspend", 202: "accept", 203: "connect", 206: "sendto", 207: "recvfrom", 211: "sendmsg",
        212: "recvmsg", 242: "accept4", 260: "wait4", 95: "waitid", 441: "epoll_pwait2", 56: "openat",
    },
}  # fmt: skip
_CALLS = _NUMBERS.get(platform.machine(), {})
_STATES = {"R": "running", "S": "sleeping", "D": "waiting for a disk", "T": "stopped", "t": "stopped by a debugger",
           "Z": "ended, and nobody has asked for its exit code yet", "X": "ended", "I": "idle"}  # fmt: skip
_FIONREAD, _F_GETPIPE_SZ = 0x541B, 1032
_MONOTONIC, _ABSOLUTE = 1, 1  # CLOCK_MONOTONIC, TIMER_ABSTIME


def call_of_thread(ident: int) -> tuple[str, int] | None:
    """The system call in which a thread of this process is, and its first argument. None where it is in none, or
    nobody can tell."""
    file = _file_of_thread(ident)
    return None if file is None else _call_of(file)


def _file_of_thread(ident: int) -> str | None:
    native = getattr(listed_thread(ident), "native_id", None)
    if ident == get_ident():
        return None  # it asks
    return None if native is None else f"/proc/self/task/{native}/syscall"


def watched_by_thread(ident: int) -> "tuple[list[int], bool]":
    """The descriptors for the first of which a thread waits in `poll`, `select` or `epoll_wait`, and whether it does so
    with a timeout. Read from its own arguments, which are looked at twice: it may go on meanwhile."""
    file = _file_of_thread(ident)
    words = None if file is None else _words_of(file)
    if words is None:
        return [], False
    found, timed = _watched(_CALLS[words[0]], words[1:])
    return (found, timed) if _words_of(str(file)) == words else ([], False)


def _watched(name: str, words: list[int]) -> "tuple[list[int], bool]":
    if name in ("poll", "ppoll"):
        pairs = _memory(words[0], 8 * min(words[1], 1024))
        timed = words[2] & 0x80000000 == 0 if name == "poll" else words[2] != 0
        return [number for number, _, _ in struct.iter_unpack("ihh", pairs) if number >= 0], timed
    if name in ("select", "pselect6"):
        found = set()
        for address in words[1:4]:
            bits = _memory(address, (words[0] + 7) // 8) if address else b""
            found |= {n for n in range(min(words[0], 8 * len(bits))) if bits[n // 8] >> n % 8 & 1}
        return sorted(found), words[4] != 0
    if name.startswith("epoll"):
        timed = words[3] != 0 if name.endswith("2") else words[3] & 0x80000000 == 0
        return _watched_by_epoll(words[0]), timed
    return [], False


def _watched_by_epoll(number: int) -> list[int]:
    try:
        with open(f"/proc/self/fdinfo/{number}") as file:
            return sorted(int(line.split()[1]) for line in file if line.startswith("tfd:"))
    except (OSError, ValueError, IndexError):
        return []


def end_of_sleep(ident: int) -> float | None:
    """Until when a thread sleeps in `time.sleep`, monotonic seconds; None where nobody can tell."""
    file = _file_of_thread(ident)
    words = None if file is None else _words_of(file)
    if words is None or _CALLS[words[0]] != "clock_nanosleep" or words[1] != _MONOTONIC or words[2] != _ABSOLUTE:
        return None
    until = _memory(words[3], 16)
    if len(until) < 16 or _words_of(str(file)) != words:
        return None
    seconds, nanoseconds = struct.unpack("qq", until)
    return float(seconds + nanoseconds / 1e9)


def _memory(address: int, length: int) -> bytes:
    """Some of this process's memory; b"" where it has none there."""
    try:
        with open("/proc/self/mem", "rb", buffering=0) as memory:
            memory.seek(address)
            return memory.read(length) or b""
    except (OSError, ValueError, OverflowError):
        return b""


def call_of_process(pid: int) -> "list[tuple[str, int]]":
    """The system calls in which the threads of a process are."""
    try:
        threads = os.listdir(f"/proc/{pid}/task")
    except OSError:
        return []
    found = [_call_of(f"/proc/{pid}/task/{thread}/syscall") for thread in threads]
    return [each for each in found if each is not None]


def _call_of(file: str) -> tuple[str, int] | None:
    words = _words_of(file)
    return None if words is None else (_CALLS[words[0]], words[1])


def _words_of(file: str) -> list[int] | None:
    """The number of a known system call, and its six arguments."""
    try:
        with open(file) as source:
            words = source.read().split()
    except OSError:
        return None
    if len(words) < 7 or not words[0].isdigit() or int(words[0]) not in _CALLS:
        return None
    return [int(words[0]), *[int(word, 16) for word in words[1:7]]]


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


def descriptors(pid: int | None = None) -> dict[int, str]:
    """What each descriptor of a process stands for, as the kernel says it."""
    found: dict[int, str] = {}
    where = f"/proc/{pid or 'self'}/fd"
    try:
        for each in os.listdir(where):
            try:
                found[int(each)] = os.readlink(f"{where}/{each}")
            except OSError:
                continue  # closed meanwhile
    except OSError:
        return {}
    return found


def threads_of(pid: int) -> int:
    """How many threads a process has, 0 where nobody can tell."""
    try:
        return len(os.listdir(f"/proc/{pid}/task"))
    except OSError:
        return 0


def holders_of(link: str) -> set[int]:
    """The processes that have this pipe (``pipe:[123]``) open, as far as they may be asked."""
    found: set[int] = set()
    try:
        processes = [each for each in os.listdir("/proc") if each.isdigit()]
    except OSError:
        return found
    for each in processes:
        if link in descriptors(int(each)).values():
            found.add(int(each))
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
