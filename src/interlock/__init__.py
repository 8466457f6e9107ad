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
from interlock.watch.dump import dump, dump_on_signal
from interlock.watch.order import LockOrderWarning, watch_order
from interlock.watch.snapshot import snapshot

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
    "LockOrderWarning",
    "Party",
    "RLock",
    "RWLock",
    "Semaphore",
    "WaitQueue",
    "dump",
    "dump_on_signal",
    "install",
    "snapshot",
    "uninstall",
    "watch_order",
]
