"""How what lies between machines is seen in this process: see `core/primitives/remote.py`.

Who holds it elsewhere is asked of the engine while somebody waits here (`Session.ask_who`), and stands on the board
with the moment of the answer: dumps say how long ago it was so. Recordings are told the same, as holds of a party that
is not of this process (`watch/elsewhere.py`).
"""

from __future__ import annotations

import _thread
import json
import os
import socket
import time
import weakref
from collections import deque
from dataclasses import dataclass

from interlock import Event
from interlock.cluster.engine import ALL, Answer, Engine
from interlock.core.primitives import remote
from interlock.core.primitives.remote import Remote

KEPT = 10_000  # changes of holders, for recordings


@dataclass(frozen=True, slots=True)
class Told:
    """What the engine has said of a name. ``at``: monotonic nanoseconds. ``host``: "" where no one party holds it."""

    at: int
    kind: str
    capacity: int
    used: int
    waiting: int
    value: int
    host: str
    pid: int
    label: str
    thread: str
    where: str

    @property
    def holder(self) -> str:
        """Who holds it, as its name in reports."""
        return f"{self.label} on host {self.host}" if self.host else ""

    @property
    def is_here(self) -> bool:
        return self.host == socket.gethostname() and self.pid == os.getpid()

    def __str__(self) -> str:
        """What of it somebody who waits wants to know, or ""."""
        ago = f"{max(0, time.monotonic_ns() - self.at) / 1e9:.1f} s ago"
        if self.host:
            process = f"pid {self.pid}, this process" if self.is_here else f"pid {self.pid}"
            return f"held by {self.label} ({process}) on host {self.host}, {self.thread} at {self.where}, {ago}"
        if self.kind in ("lock", "rlock", "semaphore", "rwlock"):
            if not self.used:
                return f"held by nobody {ago}"
            if self.kind == "semaphore":
                return f"{self.used} of {self.capacity} permits were held {ago}"
            return f"{self.used} readers held it {ago}" if self.used < ALL else ""
        if self.kind == "barrier":
            return f"{self.waiting} of {self.capacity} had arrived {ago}"
        if self.kind == "latch":
            return f"{self.value} of {self.capacity} count-downs were missing {ago}"
        return ""


def told(answer: Answer) -> Told | None:
    """What `read` has answered. None where nobody uses the name."""
    if not answer:
        return None
    kind, capacity, used, waiting, value, process, party = answer
    session = json.loads(process or "{}")
    caller = json.loads(party or "{}")
    return Told(
        at=time.monotonic_ns(),
        kind=kind,
        capacity=capacity,
        used=used,
        waiting=waiting,
        value=value,
        host=session.get("host", ""),
        pid=session.get("pid", 0),
        label=session.get("label", "?"),
        thread=caller.get("thread", "?"),
        where=caller.get("where", "?"),
    )


# --- boards ---------------------------------------------------------------------------------------------------------


class Seen(Remote):
    """A board, or a wait at one. Reports go by the name of the class, and by that of its family.

    ``of``: the board of a wait. ``told``: of a board, what the engine has said last while somebody waited.
    """

    of: Seen | None = None
    told: Told | None = None

    def last(self) -> Told | None:
        board = self.of or self
        return board.told


class Lock(Seen, remote.Lock):
    pass


class RLock(Seen, remote.RLock):
    pass


class Semaphore(Seen, remote.Semaphore):
    pass


class RWLock(Seen, remote.RWLock):
    pass


class Latch(Seen, remote.Latch):
    pass


class Barrier(Seen, remote.Barrier):
    pass


class Condition(Seen, remote.Condition):
    pass


KINDS: dict[str, type[Seen]] = {
    "lock": Lock,
    "rlock": RLock,
    "semaphore": Semaphore,
    "rwlock": RWLock,
    "latch": Latch,
    "barrier": Barrier,
    "condition": Condition,
}

# One board for a name, however many handles there are: by url, options, prefix, kind and name.
_boards: weakref.WeakValueDictionary[tuple[str, ...], Seen] = weakref.WeakValueDictionary()
_guard = _thread.allocate_lock()

# From when on who held what, as far as it was seen: monotonic nanoseconds, class and name of the board, holder ("":
# nobody elsewhere).
changes: deque[tuple[int, str, str, str]] = deque(maxlen=KEPT)


def board_of(engine: Engine, kind: str, name: str) -> Seen | None:
    """The board of a name; None for an event, whose waits look like those of any other."""
    shown = KINDS.get(kind)
    if shown is None:
        return None
    settings = engine.settings
    # Options may lead to another server, or database: what is not surely the same is not taken for it.
    key = (settings.url, repr(sorted(settings.options.items(), key=str)), settings.prefix, kind, name)
    with _guard:
        found = _boards.get(key)
        if found is None:
            found = _boards[key] = shown(called(engine.shown, name))
    return found


def called(url: str, name: str) -> str:
    return f"{name} on {url.partition(':')[0]}"


def wait_at(board: Seen | None, url: str, name: str) -> Event:
    """What a party waits for until the engine has granted."""
    if board is None:
        return Event(name=called(url, name))
    wait = type(board)(board.name or "", board)
    wait.of = board
    return wait


def note(board: Seen, now: Told | None) -> None:
    """The engine has said who holds it; None: it is ours."""
    with _guard:
        before, board.told = board.told, now
        was = before.holder if before is not None and not before.is_here else ""
        then = now.holder if now is not None and not now.is_here else ""
        if was != then:
            changes.append((time.monotonic_ns(), type(board).__name__, board.name or "", then))


def forked() -> None:
    """In a child: what the parent holds is held by nobody here, though a thread of the same id goes on."""
    global _guard
    _guard = _thread.allocate_lock()
    changes.clear()
    for board in list(_boards.values()):
        board.lost()
        board.told = None
