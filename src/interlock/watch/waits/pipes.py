"""Pipes that wait for this process: a child that cannot write into one, or that reads from one and gets nothing.

A process that waits for a pipe is helped by whoever has that pipe open. Where that is this process alone, the wait is
for its own code: whoever has one of the pipe's files in hands, or reads and writes by numbers.
"""

import builtins
import io
import os

from interlock.watch.living import living
from interlock.watch.waits import Meaning, system

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_READS = (
    "read",
    "readv",
    "preadv",
    "close",
    "closerange",
    "dup",
    "dup2",
    "fdopen",
    "splice",
    "sendfile",
    "set_blocking",
)
_WRITES = ("write", "writev", "close", "closerange", "dup", "dup2", "fdopen", "splice", "sendfile")
_KILLS = ("kill", "killpg")
_FILE = ("read", "readline", "readlines", "read1", "readinto", "close", "detach", "buffer", "raw", "fileno",
         "write", "writelines", "flush", "recv", "send", "poll", "recv_bytes", "send_bytes")  # fmt: skip
_WRITING, _READING = ("write", "writev"), ("read", "readv")


def is_blocked_by_us(pid: int, number: int) -> bool:
    """Whether that process writes into the full pipe that is our descriptor ``number``, and only this process could
    read from it."""
    if not any(name in _WRITING for name, _ in system.call_of_process(pid)):
        return False
    return system.is_full(number) and system.holders_of(system.descriptor(number)) <= {pid, os.getpid()}


def is_starved_by_us(pid: int, number: int) -> bool:
    """Whether that process reads from the empty pipe that is our descriptor ``number``, does nothing else, and only
    this process could write into it."""
    link = system.descriptor(number)
    inside = system.bytes_in(number)
    calls = system.call_of_process(pid)
    if not link.startswith("pipe:") or inside is None or inside[0] or system.threads_of(pid) != 1 or len(calls) != 1:
        return False
    name, where = calls[0]
    return name in _READING and system.descriptor(where, pid) == link and system.holders_of(link) <= {pid, os.getpid()}


def let_go_by(meaning: Meaning, child: object, *files: object, reads: bool) -> None:
    """Only the code of this process can end this wait: what of it could. ``reads``: by reading, and not by writing."""
    meaning.outside, meaning.dead = False, True
    meaning.target, meaning.gives = child, ("communicate", "kill", "terminate", "send_signal", "__exit__")
    meaning.also.append((os, (_READS if reads else _WRITES) + _KILLS))
    meaning.also.append((builtins, ("open",)))
    meaning.in_hands += [each for each in files if each is not None]
    meaning.also += [(each, _FILE) for each in files if each is not None]


def say_full(meaning: Meaning, link: str, number: int) -> None:
    """A thread of this process writes into this pipe, which is our descriptor ``number``."""
    if not system.is_full(number):
        return
    meaning.lines.append("the pipe is full")
    here = _descriptors_of(link) - {number}
    others = system.holders_of(link) - {os.getpid()}
    if here and not others:
        meaning.lines.append(
            f"its other end is open in this very process alone, as descriptor {_listed(here)}: read from it first"
        )
        let_go_by(meaning, None, *_files_of(here), reads=True)
        meaning.dead = False  # it is told where it is a part of a cycle
    for pid in others if len(others) == 1 else ():
        for back, other in _pipes_from(pid):
            if other != link and is_blocked_by_us(pid, back):
                meaning.lines.append(
                    f"process {pid} is to read it, and cannot go on: it writes into {other}, which is full, and which "
                    "this process is to read. Use communicate()"
                )
                let_go_by(meaning, None, *_files_of({back}), reads=True)


def _pipes_from(pid: int) -> list[tuple[int, str]]:
    """Our descriptors of pipes that this process has open, too."""
    theirs = {link for link in system.descriptors(pid).values() if link.startswith("pipe:")}
    return [(number, link) for number, link in system.descriptors().items() if link in theirs]


def _descriptors_of(link: str) -> set[int]:
    return {number for number, each in system.descriptors().items() if each == link}


def _files_of(numbers: set[int]) -> "list[Any]":
    """The files of Python over these descriptors."""
    found = []
    for each in living(io.RawIOBase, io.BufferedIOBase, io.TextIOBase):
        try:
            if not each.closed and each.fileno() in numbers:
                found.append(each)
        except (OSError, ValueError, AttributeError):
            continue
    return found


def _listed(numbers: set[int]) -> str:
    return ", ".join(map(str, sorted(numbers)))
