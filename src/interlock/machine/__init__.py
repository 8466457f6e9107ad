"""Synchronization between the processes of one machine: by name or inherited, and never wedged by a killed process."""

from interlock.machine.barrier import Barrier, BrokenBarrierError
from interlock.machine.condition import Condition
from interlock.machine.context import context
from interlock.machine.event import Event
from interlock.machine.kernel import Died, Party
from interlock.machine.latch import Latch
from interlock.machine.lock import Lock
from interlock.machine.rlock import RLock
from interlock.machine.rwlock import RWLock
from interlock.machine.semaphore import BoundedSemaphore, Semaphore

__all__ = [
    "Barrier",
    "BoundedSemaphore",
    "BrokenBarrierError",
    "Condition",
    "Died",
    "Event",
    "Latch",
    "Lock",
    "Party",
    "RLock",
    "RWLock",
    "Semaphore",
    "context",
]
