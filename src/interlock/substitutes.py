"""What the drop-in puts in the place of `threading`'s classes: interlock's, as far as programs look into `threading`'s.

`threading` and `queue` write these in Python, so programs hang attributes on them, put a function of their own over
one object's method, and look at private names. `interlock.Event` and the others pay for none of that. What the
standard library writes in C (locks, `queue.SimpleQueue`) has neither attributes nor private names: there `interlock`'s
own stand.
"""

from collections import deque

from interlock.core.primitives import condition as _condition
from interlock.core.primitives import semaphore as _semaphore
from interlock.core.primitives.barrier import Barrier as _Barrier
from interlock.core.primitives.event import Event as _Event
from interlock.core.primitives.lock import Lock
from interlock.core.primitives.priority_queue import PriorityQueue as _PriorityQueue
from interlock.core.primitives.queue import LifoQueue as _LifoQueue
from interlock.core.primitives.queue import Queue as _Queue

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType
    from typing import Any, TypeVar

    _T = TypeVar("_T")


class Inside:
    """What `_cond` is to those who look: a condition that guards nothing, and tells who waits.

    A change of `_flag` or `_value` under it wakes at once those it lets through, so there is nothing to notify.
    """

    def __init__(self, outside: "Any", wait: "Callable[[float | None], bool]") -> None:
        self._outside = outside
        self._wait = wait
        self._lock = Lock()
        self.acquire = self._lock.acquire
        self.release = self._lock.release

    @property
    def _waiters(self) -> "deque[Any]":
        return deque(self._outside.waiters)

    def __enter__(self) -> bool:
        return self._lock.__enter__()

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, traceback: "TracebackType | None"
    ) -> None:
        self._lock.release()

    def wait(self, timeout: float | None = None) -> bool:
        """Let go of the lock until there is what one waits for out there, or ``timeout`` seconds are over."""
        if not self._lock.locked():
            raise RuntimeError("cannot wait on un-acquired lock")
        self._lock.release()
        try:
            return self._wait(timeout)
        finally:
            self._lock.acquire()

    def notify(self, n: int = 1) -> None:
        """Nothing is to be done."""

    notify_all = notify


class Event(_Event):
    """Event(*, name=None): `threading.Event`."""

    @property
    def _flag(self) -> bool:
        return self.is_set()

    @_flag.setter
    def _flag(self, flag: bool) -> None:
        if flag:
            self.set()
        else:
            self.clear()

    @property
    def _cond(self) -> Inside:
        inside: Inside = vars(self).setdefault(" inside", Inside(self, self.wait))
        return inside


class Condition(_condition.Condition):
    """Condition(lock=None, *, name=None): `threading.Condition`."""

    def wait_for(self, predicate: "Callable[[], _T]", timeout: float | None = None) -> "_T":
        """Wait until ``predicate()`` is true, by `wait`: that may be a function of the program's."""
        if type(self).wait is _condition.Condition.wait and "wait" not in vars(self):
            return super().wait_for(predicate, timeout)
        from time import monotonic

        end = None if timeout is None else monotonic() + timeout
        result = predicate()
        while not result:
            left = None if end is None else end - monotonic()
            if left is not None and left <= 0:
                break
            self.wait(left)
            result = predicate()
        return result

    @property
    def _waiters(self) -> "deque[Any]":
        return deque(self.waiters)


def _inside_of_semaphore(semaphore: "Any") -> Inside:
    def wait(timeout: float | None) -> bool:
        taken: bool = semaphore.acquire(timeout=timeout)
        if taken:
            semaphore.release()
        return taken

    inside: Inside = vars(semaphore).setdefault(" inside", Inside(semaphore, wait))
    return inside


class Semaphore(_semaphore.Semaphore):
    """Semaphore(value=1, *, name=None): `threading.Semaphore`."""

    @property
    def _cond(self) -> Inside:
        return _inside_of_semaphore(self)


class BoundedSemaphore(_semaphore.BoundedSemaphore):
    """BoundedSemaphore(value=1, *, name=None): `threading.BoundedSemaphore`."""

    @property
    def _cond(self) -> Inside:
        return _inside_of_semaphore(self)

    @property
    def _initial_value(self) -> int:
        return self._most


class Barrier(_Barrier):
    """Barrier(parties, action=None, timeout=None, *, name=None): `threading.Barrier`."""

    @property
    def _cond(self) -> Inside:
        inside: Inside = vars(self).setdefault(" inside", Inside(self, lambda timeout: not self.broken))
        return inside


class Queue(_Queue["Any"]):
    """Queue(maxsize=0, *, name=None): `queue.Queue`."""

    # By `put` and `get`: they may be a subclass's, or functions of the program's.

    def put_nowait(self, item: object) -> None:
        """Put an item in, or raise `queue.Full`."""
        self.put(item, block=False)

    def get_nowait(self) -> object:
        """Remove and return an item, or raise `queue.Empty`."""
        return self.get(block=False)


# The core's class first: it is the one whose objects these are.
class LifoQueue(_LifoQueue["Any"], Queue):
    """LifoQueue(maxsize=0, *, name=None): `queue.LifoQueue`."""


class PriorityQueue(_PriorityQueue["Any"], Queue):
    """PriorityQueue(maxsize=0, *, name=None): `queue.PriorityQueue`."""


_condition.stand_in(Condition)
_semaphore.stand_in(Semaphore, BoundedSemaphore)
