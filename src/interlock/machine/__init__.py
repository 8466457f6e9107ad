"""Synchronization between the processes of one machine: by name or inherited, and never wedged by a killed process."""

import sys

if sys.platform == "linux":
    from interlock.machine.barrier import Barrier, BrokenBarrierError
    from interlock.machine.condition import Condition
    from interlock.machine.context import context
    from interlock.machine.event import Event
    from interlock.machine.kernel import Died, Party
    from interlock.machine.latch import Latch
    from interlock.machine.lock import Lock
    from interlock.machine.queue import ItemsLost, Queue
    from interlock.machine.rlock import RLock
    from interlock.machine.rwlock import RWLock
    from interlock.machine.semaphore import BoundedSemaphore, Semaphore
else:

    def __getattr__(name: str) -> object:
        """The import works everywhere; who makes something is told what is missing."""
        if name not in __all__:
            raise AttributeError(name)

        def missing(*args: object, **kwargs: object) -> object:
            raise OSError(f"interlock.machine.{name} needs Linux: {sys.platform} does not tell who has died")

        return missing


__all__ = [
    "Barrier",
    "BoundedSemaphore",
    "BrokenBarrierError",
    "Condition",
    "Died",
    "Event",
    "ItemsLost",
    "Latch",
    "Lock",
    "Party",
    "Queue",
    "RLock",
    "RWLock",
    "Semaphore",
    "context",
]
