"""A context of `multiprocessing` whose locks survive a killed process."""

import multiprocessing
from collections.abc import Callable
from multiprocessing.reduction import ForkingPickler
from typing import Any

from interlock.machine.barrier import Barrier
from interlock.machine.condition import Condition
from interlock.machine.event import Event
from interlock.machine.lock import Lock
from interlock.machine.queue import Queue
from interlock.machine.rlock import RLock
from interlock.machine.semaphore import BoundedSemaphore, Semaphore


class MachineQueue(Queue):
    """`Queue` with what `multiprocessing`'s has beyond that. No thread feeds it: what was put is in it."""

    _closed = False

    def _pickle(self, item: object) -> bytes:
        return bytes(ForkingPickler.dumps(item))

    def put(self, item: object, block: bool = True, timeout: float | None = None) -> None:
        """`Queue.put`. Raises ValueError after `close`."""
        if self._closed:
            raise ValueError(f"Queue {self!r} is closed")
        super().put(item, block, timeout)

    def put_nowait(self, item: object) -> None:
        """`put` without waiting."""
        self.put(item, False)

    def close(self) -> None:
        """This process puts no more."""
        self._closed = True

    def join_thread(self) -> None:
        """There is none."""

    def cancel_join_thread(self) -> None:
        """There is none."""


def context(method: str | None = None) -> Any:
    """What `multiprocessing.get_context` gives, with the primitives of this module in place of its own.

    ``method``: how it starts processes: fork, spawn, forkserver; None means the default.

    Returns a context whose ``Lock``, ``RLock``, ``Semaphore``, ``BoundedSemaphore``, ``Event``, ``Condition``,
    ``Barrier``, ``Queue`` and ``JoinableQueue`` are ours. All else is its own, and what it makes for itself (pools,
    managers) too. Raises ValueError where there is no such method.
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

        def Queue(self, maxsize: int = 0) -> MachineQueue:
            return MachineQueue(maxsize)

        def JoinableQueue(self, maxsize: int = 0) -> MachineQueue:
            return MachineQueue(maxsize)

        def get_context(self, method: str | None = None) -> Any:
            """For what it makes for itself: without ours."""
            return base if method is None else base.get_context(method)

    return MachineContext()
