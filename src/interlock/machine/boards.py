"""What recordings and reports call a primitive between processes: one board for each object, made where it is watched.

Nobody waits in a board's queue: waits are recorded as of it, by the party that waits. See `core/primitives/remote.py`.

Who holds it in another process is looked up while somebody waits here and a recording is under way: when the wait
begins, every 50 ms, and no longer when it ends. In the recording these are holds of a party that is not of this process
(`watch/elsewhere.py`), from the first look that has seen it.
"""

import time
from _thread import allocate_lock
from collections import deque

from interlock.core.primitives import remote
from interlock.core.primitives.remote import Remote

KEPT = 10_000  # changes of holders, for recordings

# Reports go by the name of the class, and by that of its family. None is that of another reach: a lock of the process
# may have the same name.


class Lock(remote.Lock):
    """A lock between processes."""


class RLock(remote.RLock):
    """A re-entrant lock between processes."""


class Semaphore(remote.Semaphore):
    """A semaphore between processes."""


class BoundedSemaphore(remote.Semaphore):
    """A bounded semaphore between processes."""


class RWLock(remote.RWLock):
    """A readers-writer lock between processes."""


class Latch(remote.Latch):
    """A latch between processes."""


class Barrier(remote.Barrier):
    """A barrier between processes."""


class Condition(remote.Condition):
    """A condition between processes."""


class Event(Remote):
    """An event between processes."""


class Queue(Remote):
    """A queue between processes."""


BOARDS: dict[str, type[Remote]] = {
    kind.__name__: kind
    for kind in (Barrier, BoundedSemaphore, Condition, Event, Latch, Lock, Queue, RLock, RWLock, Semaphore)
}

_guard = allocate_lock()
_seen: dict[tuple[type[Remote], str], tuple[int, str]] = {}  # board -> how many wait here, who holds it elsewhere

# From when on who held what, as far as it was seen: monotonic nanoseconds, class and name of the board, holder ("":
# nobody elsewhere).
changes: deque[tuple[int, type[Remote], str, str]] = deque(maxlen=KEPT)


def note(board: Remote, who: str, more: int) -> None:
    """``who`` holds it elsewhere, while somebody waits here; ``more``: 1 one begins to wait, -1 one has ended."""
    key = type(board), board.name or ""
    with _guard:
        waiting, before = _seen.get(key, (0, ""))
        waiting += more
        if waiting <= 0:
            who = ""
            _seen.pop(key, None)
        else:
            _seen[key] = waiting, who
        if who != before:
            changes.append((time.monotonic_ns(), *key, who))


def forked() -> None:
    """In a child nobody waits."""
    global _guard
    _guard = allocate_lock()
    _seen.clear()
    changes.clear()
