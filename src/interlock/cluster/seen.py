"""How what lies between machines is seen in this process: see `core/primitives/remote.py`."""

from __future__ import annotations

import _thread
import weakref

from interlock import Event
from interlock.core.primitives.remote import Barrier, Condition, Latch, Lock, Remote, RLock, RWLock, Semaphore

KINDS: dict[str, type[Remote]] = {
    "lock": Lock,
    "rlock": RLock,
    "semaphore": Semaphore,
    "rwlock": RWLock,
    "latch": Latch,
    "barrier": Barrier,
    "condition": Condition,
}

# One board for a name, however many handles there are: by url, prefix, kind and name.
_boards: weakref.WeakValueDictionary[tuple[str, str, str, str], Remote] = weakref.WeakValueDictionary()
_guard = _thread.allocate_lock()


def board_of(url: str, prefix: str, kind: str, name: str) -> Remote | None:
    """The board of a name; None for an event, whose waits look like those of any other."""
    shown = KINDS.get(kind)
    if shown is None:
        return None
    with _guard:
        found = _boards.get((url, prefix, kind, name))
        if found is None:
            found = _boards[url, prefix, kind, name] = shown(called(url, name))
    return found


def called(url: str, name: str) -> str:
    return f"{name} on {url.partition(':')[0]}"


def wait_at(board: Remote | None, url: str, name: str) -> Event:
    """What a party waits for until the engine has granted."""
    return Event(name=called(url, name)) if board is None else type(board)(board.name or "", board)
