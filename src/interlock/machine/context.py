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

# The calls of `multiprocessing` differ from those of `threading`: `block=`, None for ever, less than 0 not at all, and
# a timeout of a call that does not block counts for nothing.


def _waiting(block: bool, timeout: float | None) -> tuple[bool, float]:
    if not block:
        return False, -1
    return (True, -1) if timeout is None else (True, max(0.0, timeout))


class MachineLock(Lock):
    """`Lock` with the calls of `multiprocessing`'s."""

    _direct = True  # `with` need not come by `acquire`: nothing differs there

    def acquire(self, block: bool = True, timeout: float | None = None) -> bool:
        """Acquire it. ``timeout``: how many seconds to wait at most; None means no limit."""
        return super().acquire(*_waiting(block, timeout))


class MachineRLock(RLock):
    """`RLock` with the calls of `multiprocessing`'s."""

    def acquire(self, block: bool = True, timeout: float | None = None) -> bool:
        """Acquire it. ``timeout``: how many seconds to wait at most; None means no limit."""
        return super().acquire(*_waiting(block, timeout))


class MachineSemaphore(Semaphore):
    """`Semaphore` with the calls of `multiprocessing`'s."""

    def acquire(self, block: bool = True, timeout: float | None = None, *, permits: int = 1) -> bool:
        """Acquire a permit. ``timeout``: how many seconds to wait at most; None means no limit."""
        return super().acquire(block, timeout if block else None, permits=permits)

    def get_value(self) -> int:
        """How many permits there are."""
        return self._value


class MachineBoundedSemaphore(BoundedSemaphore):
    """`BoundedSemaphore` with the calls of `multiprocessing`'s."""

    def acquire(self, block: bool = True, timeout: float | None = None, *, permits: int = 1) -> bool:
        """Acquire a permit. ``timeout``: how many seconds to wait at most; None means no limit."""
        return super().acquire(block, timeout if block else None, permits=permits)

    def get_value(self) -> int:
        """How many permits there are."""
        return self._value


class MachineCondition(Condition):
    """`Condition` with the calls of `multiprocessing`'s."""

    def __init__(self, lock: Lock | None = None) -> None:
        super().__init__(MachineRLock() if lock is None else lock)

    def acquire(self, block: bool = True, timeout: float | None = None) -> bool:
        """Acquire the lock. ``timeout``: how many seconds to wait at most; None means no limit."""
        lock: Any = self._extra()
        if isinstance(lock, MachineLock | MachineRLock):  # it has the same calls
            return bool(lock.acquire(block, timeout))
        return super().acquire(*_waiting(block, timeout))


class MachineQueue(Queue):
    """`Queue` with the methods of `multiprocessing.Queue`. There is no feeder thread: `put` itself puts the item."""

    _closed = False

    def _pickle(self, item: object) -> bytes:
        return bytes(ForkingPickler.dumps(item))

    def _check_open(self) -> None:
        if self._closed:
            raise ValueError(f"Queue {self!r} is closed")

    def put(self, item: object, block: bool = True, timeout: float | None = None) -> None:
        """`Queue.put`. Raises ValueError after `close`."""
        self._check_open()
        super().put(item, block, max(0.0, timeout) if block and timeout is not None else None)

    def get(self, block: bool = True, timeout: float | None = None) -> Any:
        """`Queue.get`. Raises ValueError after `close`."""
        self._check_open()
        return super().get(block, max(0.0, timeout) if block and timeout is not None else None)

    def put_nowait(self, item: object) -> None:
        """`put` without waiting."""
        self.put(item, False)

    def get_nowait(self) -> Any:
        """`get` without waiting."""
        return self.get(False)

    def close(self) -> None:
        """This process no longer uses the queue."""
        self._closed = True

    def join_thread(self) -> None:
        """There is none."""

    def cancel_join_thread(self) -> None:
        """There is none."""


def context(method: str | None = None) -> Any:
    """Return a context like that of `multiprocessing.get_context`, with the primitives of this module.

    ``method``: how processes are started: fork, spawn or forkserver; None means the default.

    Returns a context whose ``Lock``, ``RLock``, ``Semaphore``, ``BoundedSemaphore``, ``Event``, ``Condition``,
    ``Barrier``, ``Queue`` and ``JoinableQueue`` are those of interlock. All else is that of `multiprocessing`, and
    so is what it creates for itself (in pools and managers). Raises ValueError if there is no such method.
    """
    base = multiprocessing.get_context(method)

    class MachineContext(type(base)):  # type: ignore[misc]
        def Lock(self) -> MachineLock:
            return MachineLock()

        def RLock(self) -> MachineRLock:
            return MachineRLock()

        def Semaphore(self, value: int = 1) -> MachineSemaphore:
            return MachineSemaphore(value)

        def BoundedSemaphore(self, value: int = 1) -> MachineBoundedSemaphore:
            return MachineBoundedSemaphore(value)

        def Event(self) -> Event:
            return Event()

        def Condition(self, lock: Any = None) -> MachineCondition:
            return MachineCondition(lock)

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
