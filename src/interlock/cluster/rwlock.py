"""RWLock: any number of readers or one writer, over all machines, in strict order."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from interlock.cluster.calling import in_task, in_thread
from interlock.cluster.client import Remote
from interlock.cluster.engine import ALL
from interlock.cluster.permits import Permits, Shared, limit_of

if TYPE_CHECKING:
    from interlock.cluster.client import Cluster


class Side(Permits):
    """One side of an RWLock, which is held like a lock."""

    kind = "rwlock"

    def __init__(self, cluster: Cluster, name: str, **options: Any) -> None:
        super().__init__(cluster, name, ALL, **options)

    def acquire(self, blocking: bool = True, timeout: float | None = None) -> bool:
        """Acquire it. Returns False after ``timeout`` seconds, or at once if it is held and ``blocking`` is false."""
        return in_thread(self.acquiring(self.each, *limit_of(timeout, blocking))) is not None

    async def acquire_async(self, timeout: float | None = None) -> bool:
        """The same for tasks. ``timeout``: in seconds; 0 means not to wait, None means no limit."""
        return await in_task(self.acquiring(self.each, *limit_of(timeout))) is not None

    def release(self) -> None:
        """Release it. Raises `NotHeld` if this process does not hold it, and `LeaseLost` if it was lost."""
        in_thread(self.releasing())

    async def release_async(self) -> None:
        """The same for tasks. It does not block the event loop."""
        await in_task(self.releasing())


class ReadSide(Side):
    each = 1


class WriteSide(Side):
    each = ALL


class RWLock(Shared):
    """A lock for many readers or one writer on all machines. It is served in the order of arrival.

    ``lease``, ``on_lost``, ``cancel_on_loss``: see `interlock.cluster.permits.Permits`.
    """

    kind = "rwlock"

    def __init__(self, cluster: Cluster, name: str, **options: Any) -> None:
        super().__init__(cluster, name, ALL, options.get("lease"))
        self._read = ReadSide(cluster, name, **options)
        self._write = WriteSide(cluster, name, **options)

    def read(self) -> ReadSide:
        """Return the side of a reader: ``with lock.read():``, ``async with lock.read().within(2.0):``."""
        return self._read

    def write(self) -> WriteSide:
        """Return the side of a writer."""
        return self._write

    def locked(self) -> bool:
        """Whether any party reads or writes. Asks the engine."""
        return bool(in_thread(self.reading())[2])

    @property
    def readers(self) -> int:
        """How many read sides are held. Asks the engine."""
        used: int = in_thread(self.reading())[2]
        return 0 if used == ALL else used

    @property
    def owner(self) -> Remote | None:
        """The holder of the write side, on any machine. Asks the engine. A task calls `look_async` instead."""
        writers = [holder for holder in self.look().holders if holder.units == ALL]
        return writers[0] if writers else None
