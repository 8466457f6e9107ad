"""Synchronization for Python: locks that work fast, know who holds them, and never hang in silence."""

from interlock.core.barrier import Barrier
from interlock.core.condition import Condition
from interlock.core.event import Event
from interlock.core.latch import Latch
from interlock.core.lock import Lock
from interlock.core.party import Party
from interlock.core.rlock import RLock
from interlock.core.rwlock import RWLock
from interlock.core.semaphore import BoundedSemaphore, Semaphore
from interlock.core.waitqueue import WaitQueue
from interlock.dropin import install, uninstall
from interlock.errors import BrokenBarrierError, DeadlockError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from interlock.watch.recording import Record

__version__ = "0.1.0"

__all__ = [
    "Barrier",
    "BoundedSemaphore",
    "BrokenBarrierError",
    "Condition",
    "DeadlockError",
    "Event",
    "Latch",
    "Lock",
    "Party",
    "RLock",
    "RWLock",
    "Semaphore",
    "WaitQueue",
    "install",
    "record",
    "uninstall",
]


def record(*, events: int = 1_000_000, title: str = "") -> "Record":
    """Record what happens inside the ``with`` block: ``with interlock.record() as recording:``.

    ``events``: how many to keep, the youngest (48 bytes each). ``title``: what pages and reports made of it are called.
    Where a recording is under way already, both get what happens. A forked child records nothing.

    Returns a context manager whose value is an `interlock.watch.recording.Recording`, filled when the block has ended.
    """
    # Not imported before it is wanted: whoever only wants a lock should not have to load what reads recordings.
    from interlock.watch.recording import Record

    return Record(events, title)
