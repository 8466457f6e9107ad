"""A context of `multiprocessing` whose locks survive a killed process."""

import multiprocessing
from collections.abc import Callable
from typing import Any

from interlock.machine.barrier import Barrier
from interlock.machine.condition import Condition
from interlock.machine.event import Event
from interlock.machine.lock import Lock
from interlock.machine.rlock import RLock
from interlock.machine.semaphore import BoundedSemaphore, Semaphore


def context(method: str | None = None) -> Any:
    """What `multiprocessing.get_context` gives, with the primitives of this module in place of its own.

    ``method``: how it starts processes: fork, spawn, forkserver; None means the default.

    Returns a context whose ``Lock``, ``RLock``, ``Semaphore``, ``BoundedSemaphore``, ``Event``, ``Condition`` and
    ``Barrier`` are ours. All else is its own, and what it makes for itself (queues, pools) too. Raises ValueError where
    there is no such method.
    """
    base = multiprocessing.get_context(method)

    class MachineContext(type(base)):  # type: ignore[misc]
        def Lock(self) -> Lock:
            return Lock()

        def RLock(self) -> RLock:
            return RLock()

        def Semaphore(self, value: int = 1) -> Semaphore:
            return Semaphore(value)

        def BoundedSemaphore(self, value: int = 1) -> BoundedSemaphore:
            return BoundedSemaphore(value)

        def Event(self) -> Event:
            return Event()

        def Condition(self, lock: Any = None) -> Condition:
            return Condition(lock)

        def Barrier(
            self, parties: int, action: Callable[[], object] | None = None, timeout: float | None = None
        ) -> Barrier:
            return Barrier(parties, action, timeout)

        def get_context(self, method: str | None = None) -> Any:
            """For what it makes for itself: without ours."""
            return base if method is None else base.get_context(method)

    return MachineContext()
