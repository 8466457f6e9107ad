"""interlock's primitives with asyncio's spelling: `await lock.acquire()`, `await event.wait()`, `async with barrier`.

They take the place of asyncio's own (`interlock.install(asyncio=True)` puts them there), and are the same objects as
those of `interlock` but for the names of their methods: shared by any number of loops, and by trio. What is called and
not awaited there (`release`, `set`, `notify`, `count_down`) may be called from any thread here.

What a thread would block on is refused: a thread uses the objects of `interlock` itself, which have both spellings.
"""

from __future__ import annotations

import asyncio as _asyncio
import sys
from asyncio import BrokenBarrierError as _AsyncioBrokenBarrierError
from asyncio import QueueEmpty as _AsyncioQueueEmpty
from asyncio import QueueFull as _AsyncioQueueFull
from threading import BrokenBarrierError as _ThreadingBrokenBarrierError

from interlock.core.primitives import barrier as _barrier
from interlock.core.primitives import condition as _condition
from interlock.core.primitives import event as _event
from interlock.core.primitives import latch as _latch
from interlock.core.primitives import lock as _lock
from interlock.core.primitives import priority_queue as _priority_queue
from interlock.core.primitives import queue as _queue
from interlock.core.primitives import queue_base as _queue_base
from interlock.core.primitives import queue_errors as _queue_errors
from interlock.core.primitives import rlock as _rlock
from interlock.core.primitives import rwlock as _rwlock
from interlock.core.primitives import semaphore as _semaphore

TYPE_CHECKING = False
if TYPE_CHECKING:
    # Only for annotations, as in dropin.py. asyncio itself does without from Python 3.14 on.
    from collections.abc import Coroutine
    from types import TracebackType
    from typing import Any, Never, NoReturn, TypeVar

    _T = TypeVar("_T")
else:
    _T = "T"

__all__ = [
    "Barrier",
    "BoundedSemaphore",
    "BrokenBarrierError",
    "Condition",
    "Event",
    "Latch",
    "LifoQueue",
    "Lock",
    "PriorityQueue",
    "Queue",
    "QueueEmpty",
    "QueueFull",
    "QueueShutDown",
    "RLock",
    "RWLock",
    "Semaphore",
]


class BrokenBarrierError(_ThreadingBrokenBarrierError, _AsyncioBrokenBarrierError):
    """A barrier was broken or reset. It derives from the exceptions of this name in `asyncio` and `threading`."""


class QueueEmpty(_AsyncioQueueEmpty, _queue_errors.Empty):
    """There is no item in a queue. It derives from `asyncio.QueueEmpty` and `queue.Empty`."""


class QueueFull(_AsyncioQueueFull, _queue_errors.Full):
    """There is no room in a queue. It derives from `asyncio.QueueFull` and `queue.Full`."""


if sys.version_info >= (3, 13):

    class QueueShutDown(_asyncio.QueueShutDown, _queue_errors.ShutDown):
        """A queue has been shut down. Both asyncio's exception of this name and `queue.ShutDown`."""

else:

    class QueueShutDown(_queue_errors.ShutDown):
        """A queue has been shut down: `interlock.ShutDown`, too."""


class _Peeked:
    @property
    def _waiters(self) -> tuple[Any, ...]:
        """`waiters`, for code that peeks. Who has been given what it waited for is not among them any more."""
        return self.waiters  # type: ignore[attr-defined, no-any-return]


class _Awaited(_Peeked):
    """What is entered with `async with` only, and shows itself as asyncio's does."""

    def __enter__(self) -> NoReturn:
        raise TypeError(f"{type(self).__name__!r} object must be entered by 'async with'; for threads, use interlock's")

    def __exit__(
        self,
        exc_type: type[BaseException] | None = None,
        exc_value: BaseException | None = None,
        traceback: TracebackType | None = None,
    ) -> NoReturn:
        raise TypeError(f"{type(self).__name__!r} object must be left by 'async with'")


def _shown(primitive: Any, *state: str) -> str:
    kind = type(primitive)
    words = list(state)
    if primitive.waiters:
        words.append(f"waiters:{len(primitive.waiters)}")
    if primitive.name is not None:
        words.append(f"name={primitive.name!r}")
    return f"<{kind.__module__}.{kind.__qualname__} object at {id(primitive):#x} [{', '.join(words)}]>"


class Lock(_Awaited, _lock.Lock):
    """Lock(*, name=None): `asyncio.Lock`."""

    acquire = _lock.Lock.acquire_async  # type: ignore[assignment]

    def __init__(self, *given: Never, name: str | None = None) -> None:
        super().__init__(*given, name=name)

    @property
    def _locked(self) -> bool:
        return self.locked()

    def __repr__(self) -> str:
        return _shown(self, "locked" if self.locked() else "unlocked")


class RLock(_Awaited, _rlock.RLock):
    """RLock(*, name=None): a re-entrant lock. Its task may acquire it again, and must release it once for each time."""

    acquire = _rlock.RLock.acquire_async  # type: ignore[assignment]

    def __init__(self, *given: Never, name: str | None = None) -> None:
        super().__init__(*given, name=name)

    def __repr__(self) -> str:
        return _shown(self, "locked" if self.locked() else "unlocked")


class Event(_Peeked, _event.Event):
    """Event(*, name=None): `asyncio.Event`."""

    wait = _event.Event.wait_async  # type: ignore[assignment]

    def __init__(self, *given: Never, name: str | None = None) -> None:
        super().__init__(*given, name=name)

    @property
    def _value(self) -> bool:
        return self.is_set()

    @_value.setter
    def _value(self, value: bool) -> None:
        if value:
            self.set()
        else:
            self.clear()

    def __repr__(self) -> str:
        return _shown(self, "set" if self.is_set() else "unset")


class Condition(_Awaited, _condition.Condition):
    """Condition(lock=None, *, name=None): `asyncio.Condition`. Its default lock is a new `Lock`."""

    wait = _condition.Condition.wait_async  # type: ignore[assignment]
    wait_for = _condition.Condition.wait_for_async  # type: ignore[assignment]

    def __init__(self, lock: Any = None, *, name: str | None = None) -> None:
        super().__init__(lock, name=name)

    def acquire(self, timeout: float | None = None) -> Coroutine[Any, Any, bool]:  # type: ignore[override]
        """Acquire the lock: ``await condition.acquire()``. ``timeout``: in seconds, for a lock that accepts one."""
        lock: Any = self._lock
        # One of interlock's own blocks in `acquire`. Not so ours and asyncio's.
        blocks = hasattr(lock, "acquire_async") and not isinstance(lock, _Awaited)
        acquire: Any = lock.acquire_async if blocks else lock.acquire
        taken: Coroutine[Any, Any, bool] = acquire() if timeout is None else acquire(timeout)
        return taken

    def __repr__(self) -> str:
        return _shown(self, "locked" if self.locked() else "unlocked")


class _Counted:
    def locked(self) -> bool:
        """Whether `acquire` would have to wait."""
        return self._value == 0 or bool(self.waiters)  # type: ignore[attr-defined]

    def __repr__(self) -> str:
        return _shown(self, "locked") if self.locked() else _shown(self, "unlocked", f"value:{self._value}")  # type: ignore[attr-defined]


class Semaphore(_Awaited, _Counted, _semaphore.Semaphore):
    """Semaphore(value=1, *, name=None): `asyncio.Semaphore`."""

    acquire = _semaphore.Semaphore.acquire_async  # type: ignore[assignment]

    def __init__(self, value: int = 1, *, name: str | None = None) -> None:
        super().__init__(value, name=name)


class BoundedSemaphore(_Awaited, _Counted, _semaphore.BoundedSemaphore):
    """BoundedSemaphore(value=1, *, name=None): `asyncio.BoundedSemaphore`."""

    acquire = _semaphore.Semaphore.acquire_async  # type: ignore[assignment]

    def __init__(self, value: int = 1, *, name: str | None = None) -> None:
        super().__init__(value, name=name)

    @property
    def _bound_value(self) -> int:
        return self._most


class Barrier(_Peeked, _barrier.Barrier):
    """Barrier(parties, *, name=None): `asyncio.Barrier`."""

    def __init__(self, parties: int, *, name: str | None = None) -> None:
        super().__init__(parties, name=name)

    async def wait(self) -> int:  # type: ignore[override]
        """Wait until all parties have arrived. Returns a number, different for each. Raises BrokenBarrierError."""
        try:
            return await self.wait_async()
        except _ThreadingBrokenBarrierError:
            raise BrokenBarrierError("the barrier was broken or reset") from None

    async def reset(self) -> None:  # type: ignore[override]
        """Return the barrier to its initial state. Waiting tasks get BrokenBarrierError."""
        super().reset()

    async def abort(self) -> None:  # type: ignore[override]
        """Break the barrier. Present and later calls of `wait` raise BrokenBarrierError until `reset` is called."""
        super().abort()

    async def __aenter__(self) -> int:
        return await self.wait()

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc_value: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        return None

    def __repr__(self) -> str:
        kind = type(self)
        where = f"<{kind.__module__}.{kind.__qualname__} object at {id(self):#x}"
        name = "" if self.name is None else f", name={self.name!r}"
        if self.broken:
            return f"{where} [broken{name}]>"
        phase = {0: "filling", 1: "draining", -1: "resetting"}[self._state]
        return f"{where} [{phase}, waiters:{self.n_waiting}/{self.parties}{name}]>"


class Latch(_Peeked, _latch.Latch):
    """Latch(count, *, name=None): a gate that opens once ``count`` has been counted down to 0."""

    wait = _latch.Latch.wait_async  # type: ignore[assignment]


class _Within:
    """For ``async with`` only."""

    def __init__(self, within: Any) -> None:
        self._within = within

    def __aenter__(self) -> Any:
        return self._within.__aenter__()

    def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc_value: BaseException | None,
        traceback: TracebackType | None,
    ) -> Any:
        return self._within.__aexit__(exc_type, exc_value, traceback)


class Side:
    """The right to read or write an `RWLock`. ``async with`` acquires and releases it."""

    def __init__(self, side: _rwlock.Side) -> None:
        self._side = side

    def acquire(self, timeout: float | None = None) -> Coroutine[Any, Any, bool]:
        """Acquire this side: ``await side.acquire()``. The result is False if it was not free within ``timeout``
        seconds.
        """
        return self._side.acquire_async(timeout)

    def release(self) -> None:
        """Release this side."""
        self._side.release()

    def within(self, timeout: float) -> Any:
        """For ``async with``: acquires this side, or raises TimeoutError after ``timeout`` seconds."""
        return _Within(self._side.within(timeout))

    def __aenter__(self) -> Any:
        return self._side.__aenter__()

    def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc_value: BaseException | None,
        traceback: TracebackType | None,
    ) -> Any:
        return self._side.__aexit__(exc_type, exc_value, traceback)

    def __repr__(self) -> str:
        return repr(self._side)


class RWLock(_rwlock.RWLock):
    """RWLock(*, name=None): a read-write lock. Many tasks may read, or one may write, in the order of arrival."""

    def read(self) -> Side:  # type: ignore[override]
        """Return the side of a reader, not acquired yet."""
        return Side(super().read())

    def write(self) -> Side:  # type: ignore[override]
        """Return the side of a writer, not acquired yet."""
        return Side(super().write())


class _Queued:
    """A queue that shows itself as asyncio's does."""

    if TYPE_CHECKING:
        name: str | None
        maxsize: int
        unfinished_tasks: int
        is_shutdown: bool
        getters: tuple[Any, ...]
        putters: tuple[Any, ...]
        queue: Any

        def _items(self) -> list[Any]: ...

    # For subclasses that keep their items in a way of their own, and for code that peeks.

    @property
    def _queue(self) -> Any:
        return self.queue

    @_queue.setter
    def _queue(self, container: Any) -> None:
        self.queue = container

    @property
    def _maxsize(self) -> int:
        return self.maxsize

    @_maxsize.setter
    def _maxsize(self, maxsize: int) -> None:
        self.maxsize = maxsize

    @property
    def _getters(self) -> tuple[Any, ...]:
        return self.getters

    @property
    def _putters(self) -> tuple[Any, ...]:
        return self.putters

    @property
    def _unfinished_tasks(self) -> int:
        return self.unfinished_tasks

    @_unfinished_tasks.setter
    def _unfinished_tasks(self, number: int) -> None:
        self.unfinished_tasks = number

    def _format(self) -> str:
        words = [f"maxsize={self.maxsize!r}"]
        items = self._items()
        if items:
            words.append(f"_queue={items!r}")
        if self.getters:
            words.append(f"_getters[{len(self.getters)}]")
        if self.putters:
            words.append(f"_putters[{len(self.putters)}]")
        if self.unfinished_tasks:
            words.append(f"tasks={self.unfinished_tasks}")
        if self.is_shutdown:
            words.append("shutdown")
        if self.name is not None:
            words.append(f"name={self.name!r}")
        return " ".join(words)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} at {id(self):#x} {self._format()}>"

    def __str__(self) -> str:
        return f"<{type(self).__name__} {self._format()}>"


class Queue(_Peeked, _Queued, _queue.Queue[_T]):
    """Queue(maxsize=0, *, name=None): `asyncio.Queue`."""

    get = _queue.Queue.get_async  # type: ignore[assignment]
    put = _queue.Queue.put_async  # type: ignore[assignment]
    get_many = _queue.Queue.get_many_async  # type: ignore[assignment]
    put_many = _queue.Queue.put_many_async  # type: ignore[assignment]
    join = _queue.Queue.join_async  # type: ignore[assignment]


# The core's class first: it is the one whose objects these are.
class LifoQueue(_queue.LifoQueue[_T], Queue[_T]):
    """LifoQueue(maxsize=0, *, name=None): `asyncio.LifoQueue`."""


class PriorityQueue(_priority_queue.PriorityQueue[_T], Queue[_T]):
    """PriorityQueue(maxsize=0, *, name=None): `asyncio.PriorityQueue`."""


# `async with` looks whether a subclass has made something of its own of `acquire`; these have not.
_barrier.rename(Barrier)
_lock.rename(Lock)
_rlock.rename(RLock)
_condition.rename(Condition, Lock)
_semaphore.rename(Semaphore, BoundedSemaphore)
_queue_base.rename(_Queued, (QueueEmpty, QueueFull, QueueShutDown))
