"""Queue, LifoQueue and SimpleQueue: `queue`'s, for threads and tasks on one object.

The states stand in `primitives/queue_base.py`, what happens when a program looks inside in `primitives/queue_open.py`,
`PriorityQueue` in a file of its own.
"""

from _collections import deque

import cython
from cython.cimports.interlock.core.kernel.arguments import checked_name, refuse_name, refuse_positional, whole
from cython.cimports.interlock.core.kernel.construct import interlock_construct_directly
from cython.cimports.interlock.core.kernel.probe import Happening, happened, made, probing
from cython.cimports.interlock.core.kernel.public_name import interlock_tell_signature
from cython.cimports.interlock.core.kernel.timeouts import NEVER, deadline_in, seconds_of
from cython.cimports.interlock.core.kernel.waiter import Waiter
from cython.cimports.interlock.core.primitives.alternative import Kind, alternative
from cython.cimports.interlock.core.primitives.items import interlock_items_at
from cython.cimports.interlock.core.primitives.queue_base import (
    Mark,
    Outcome,
    QueueBase,
    Want,
    get_slowly,
    join_slowly,
    put_slowly,
)
from cython.cimports.interlock.core.primitives.queue_call import QueueCall, new_queue_call
from cython.cimports.interlock.core.primitives.queue_open import new_opened, open_up


def checked_seconds(timeout) -> cython.double:
    """A timeout of None (wait for ever: -1) or of seconds, 0 or more."""
    if timeout is None:
        return -1
    seconds: cython.double = seconds_of(timeout)
    if seconds < 0:
        raise ValueError("'timeout' must be a non-negative number")
    return seconds


def checked_deadline(block: cython.bint, timeout) -> cython.longlong:
    if not block:
        return 0
    return NEVER if timeout is None else deadline_in(checked_seconds(timeout))


class QueueFace(QueueBase):
    """The methods that all queues have."""

    def qsize(self) -> int:
        """The number of items in the queue now."""
        if self.open is not None:
            return self.open.qsize()
        with cython.critical_section(self):
            return self.items.count

    def empty(self) -> bool:
        """Whether the queue has no item now."""
        return self.qsize() == 0

    def get(self, block: cython.bint = True, timeout: object = None) -> object:
        """Remove and return an item, waiting until there is one.

        ``block``: whether to wait. ``timeout``: how many seconds to wait at most, 0 or more; None means no limit.

        Raises `queue.Empty` if there was no item in that time, `ShutDown` if the queue is shut down and empty, and
        ValueError for a negative timeout.
        """
        if timeout is not None and block:
            checked_seconds(timeout)
        item = self.get_now()
        if type(item) is Mark:
            return get_slowly(self, checked_deadline(block, timeout))
        return item

    def get_nowait(self) -> object:
        """Remove and return an item, or raise `queue.Empty`. Safe in signal handlers, ``__del__`` and weakref
        callbacks.
        """
        item = self.get_now()
        if type(item) is Mark:
            return get_slowly(self, 0)
        return item

    def get_async(self, timeout: object = None) -> object:
        """`get` for tasks: ``await queue.get_async()``. Does nothing until awaited.

        ``timeout``: how many seconds to wait at most; 0 means not to wait, None means no limit. A task that is
        cancelled here has taken no item.

        The result of ``await`` is the item. Raises what `get` raises.
        """
        return new_queue_call(self, Want.GET, None, -1 if timeout is None else checked_seconds(timeout))

    def get_many(self, n: object, block: cython.bint = True, timeout: object = None) -> list:
        """Remove and return up to ``n`` items in one step, waiting until there is at least one.

        ``n``: 1 or more. ``block``, ``timeout``: as for `get`. Returns a list of one or more items. Raises what `get`
        raises.
        """
        most: cython.Py_ssize_t = checked_number(n)
        deadline: cython.longlong = checked_deadline(block, timeout)
        found: list = self.more(most)
        if len(found) == 0:
            found = [get_slowly(self, deadline)]
            found += self.more(most - 1)
        return found

    def get_many_async(self, n: object, timeout: object = None) -> object:
        """`get_many` for tasks: ``await queue.get_many_async(n)``."""
        call: QueueCall = new_queue_call(self, Want.GET, None, checked_seconds(timeout))
        call.most = checked_number(n)
        return call

    def put(self, item: object, block: cython.bint = True, timeout: object = None) -> None:
        """Put an item in, waiting until there is room.

        ``block``: whether to wait. ``timeout``: how many seconds to wait at most, 0 or more; None means no limit.

        Raises `queue.Full` if there was no room in that time, `ShutDown` if the queue is shut down, and ValueError for
        a negative timeout.
        """
        if timeout is not None and block:
            checked_seconds(timeout)
        if self.put_now(item) != Outcome.DONE:
            put_slowly(self, Want.PUT, item, checked_deadline(block, timeout))

    def put_nowait(self, item: object) -> None:
        """Put an item in, or raise `queue.Full`. Safe in signal handlers, ``__del__`` and weakref callbacks."""
        if self.put_now(item) != Outcome.DONE:
            put_slowly(self, Want.PUT, item, 0)

    def put_async(self, item: object, timeout: object = None) -> object:
        """`put` for tasks: ``await queue.put_async(item)``. Does nothing until awaited.

        ``timeout``: how many seconds to wait at most; 0 means not to wait, None means no limit. A task that is
        cancelled here has put nothing.

        The result of ``await`` is None. Raises what `put` raises.
        """
        return new_queue_call(self, Want.PUT, item, -1 if timeout is None else checked_seconds(timeout))

    def put_many(self, items: object, block: cython.bint = True, timeout: object = None) -> None:
        """Put several items in, in one step, waiting until there is room for all of them.

        ``items``: an iterable. ``block``, ``timeout``: as for `put`. Raises what `put` raises, and ValueError for more
        items than the queue can hold. No item is put then.
        """
        deadline: cython.longlong = checked_deadline(block, timeout)
        batch: tuple = self.checked_batch(items)
        if len(batch) != 0:
            put_slowly(self, Want.PUT_MANY, batch, deadline)

    def put_many_async(self, items: object, timeout: object = None) -> object:
        """`put_many` for tasks: ``await queue.put_many_async(items)``."""
        return new_queue_call(self, Want.PUT_MANY, self.checked_batch(items), checked_seconds(timeout))

    def checked_batch(self, items) -> tuple:
        batch: tuple = self.in_order(tuple(items))
        if self.limit != 0 and len(batch) > self.limit:
            raise ValueError(f"cannot put {len(batch)} items at once: {self!r} holds {self.limit}")
        return batch

    def in_order(self, batch: tuple) -> tuple:
        """The items of a batch as they are to be put."""
        return batch

    def __repr__(self):
        return self.describe("", f"size={self.qsize()}")

    def getting(self) -> object:
        """For `select`: removes an item. The value is the item."""
        return alternative(Kind.GETTING, self, Want.GET, None)

    def putting(self, item: object) -> object:
        """For `select`: puts ``item`` in."""
        return alternative(Kind.PUTTING, self, Want.PUT, item)

    # As `queue`'s: Queue[int] is a type for annotations.
    __class_getitem__ = classmethod(type(list[int]))

    def _items(self) -> list:
        """The items as they lie there now, for code that peeks."""
        if self.open is not None:
            return list(self.open.container)
        while True:
            with cython.critical_section(self):
                count: cython.Py_ssize_t = self.items.count
            found: list = [None] * count
            with cython.critical_section(self):
                if self.items.count == count:
                    for i in range(count):
                        found[i] = interlock_items_at(cython.address(self.items), i)
                    return found

    def _at_fork_reinit(self) -> None:
        with cython.critical_section(self):
            self.forget_lost()


def checked_number(n) -> cython.Py_ssize_t:
    most: cython.long = whole(n)
    if most < 1:
        raise ValueError(f"n must be one or more, not {n}")
    return most


class SimpleQueue(QueueFace):
    """SimpleQueue(*, name=None)\n--\n\n\
    An unbounded first-in, first-out queue. Like `queue.SimpleQueue`, and for tasks too. `put` never waits.

    ``name``: shown by reports and ``repr``.
    """

    def __init__(self, *args: object, name: str | None = None):
        if args:
            refuse_positional(self, args)
        if name is not None:
            self.label = checked_name(name)
        if probing:
            made(self)

    def _container(self) -> object:
        return deque()


class Queue(QueueFace):
    """Queue(maxsize=0, *, name=None)\n--\n\n\
    A first-in, first-out queue. Like `queue.Queue`, and for tasks too.

    ``maxsize``: how many items it can hold; 0 or less means any number. ``name``: shown by reports and ``repr``.
    """

    def __init__(self, maxsize: object = 0, *, name: str | None = None):
        self.start(maxsize, name)

    def start(self, maxsize, name):
        self.set_limit(maxsize)
        if name is not None:
            self.label = checked_name(name)
        if probing:
            made(self)
        kind = type(self)
        if kind is not Queue and kind is not LifoQueue and has_hooks(kind):
            if self.open is None:
                self.open = new_opened(self)
            self._init(maxsize)

    def set_limit(self, maxsize):
        limit: cython.long = 0
        if isinstance(maxsize, str):
            refuse_name("maxsize is a number", maxsize)
        if maxsize > 0:
            # As `queue.Queue` compares: 1.5 is room for two. More than fits into a long is no bound.
            limit = min(-int(-maxsize // 1), 1 << 62)
        chain: Waiter
        with cython.critical_section(self):
            before = self.bound
            self.bound = maxsize
            self.limit = limit
            chain = self.serve(None)
        del before
        if chain is not None:
            self.wake(chain)

    @property
    def maxsize(self) -> object:
        """How many items the queue can hold; 0 or less means any number. It can be changed."""
        return self.bound

    @maxsize.setter
    def maxsize(self, maxsize: object) -> None:
        self.set_limit(maxsize)

    def full(self) -> bool:
        """Whether `put` would have to wait now."""
        if self.open is not None:
            return self.limit != 0 and self.open.qsize() >= self.limit
        with cython.critical_section(self):
            return not self.has_room(1)

    def task_done(self) -> None:
        """Tell the queue that an item which was removed has been processed. When all items are, `join` returns.

        Raises ValueError if it is called more often than items were put.
        """
        if self.open is not None:
            self.open.task_done()
            return
        chain: Waiter = None
        over: cython.bint
        with cython.critical_section(self):
            over = self.unfinished <= 0
            if not over:
                self.unfinished -= 1
                if self.unfinished == 0 and self.joiners_line is not None:
                    chain = self.serve(None)
        if over:
            raise ValueError("task_done() called too many times")
        if chain is not None:
            self.wake(chain)
        if probing:
            happened(Happening.COUNTED_DOWN, self, 0, 0)

    def join(self) -> None:
        """Block until every item that was put has been processed. See `task_done`."""
        join_slowly(self, NEVER)

    def join_async(self) -> object:
        """`join` for tasks: ``await queue.join_async()``."""
        return new_queue_call(self, Want.JOIN, None, -1)

    def shutdown(self, immediate: cython.bint = False) -> None:
        """Shut the queue down. Later calls of `put` raise `ShutDown`, and so does `get` once the queue is empty.

        ``immediate``: drop the remaining items. They count as processed, and waiting calls raise `ShutDown` at once.
        """
        if self.open is not None:
            self.open.shutdown(immediate)
        else:
            self.shut_down(immediate)
            if self.open is not None:
                self.open.shutdown(immediate)  # somebody has opened it meanwhile

    @property
    def is_shutdown(self) -> bool:
        """Whether the queue has been shut down."""
        return self.shut

    @property
    def putters(self) -> tuple:
        """The threads and tasks that wait for room, in the order in which they arrived."""
        if self.open is not None:
            return self.open.not_full.waiters
        with cython.critical_section(self):
            putting = self.putters_line
        return () if putting is None else tuple(self.parties_in(putting))

    def __aiter__(self) -> "Queue":
        return self

    def __anext__(self) -> object:
        call: QueueCall = new_queue_call(self, Want.GET, None, -1)
        call.iterating = True
        return call

    def __repr__(self):
        words = f"size={self.qsize()}" if self.limit == 0 else f"size={self.qsize()}/{self.bound}"
        return self.describe("", f"{words} shut down" if self.shut else words)

    # What programs do with `queue.Queue` beyond its methods. To ask for one of these opens the queue.

    @property
    def mutex(self) -> object:
        """The lock that an opened queue holds for every operation."""
        return open_up(self).mutex

    @property
    def not_empty(self) -> object:
        """The condition on which the getters of an opened queue wait."""
        return open_up(self).not_empty

    @property
    def not_full(self) -> object:
        """The condition on which the putters of an opened queue wait."""
        return open_up(self).not_full

    @property
    def all_tasks_done(self) -> object:
        """The condition on which calls of `join` of an opened queue wait."""
        return open_up(self).all_tasks_done

    @property
    def queue(self) -> object:
        """The container of the items of an opened queue."""
        return open_up(self).container

    @queue.setter
    def queue(self, container: object) -> None:
        open_up(self).container = container

    @property
    def unfinished_tasks(self) -> int:
        """How many items were put and have not been processed."""
        with cython.critical_section(self):
            return self.unfinished

    @unfinished_tasks.setter
    def unfinished_tasks(self, number: object) -> None:
        left: cython.long = whole(number)
        chain: Waiter
        with cython.critical_section(self):
            self.unfinished = left
            chain = self.serve(None)
        if chain is not None:
            self.wake(chain)

    # For subclasses: how an open queue keeps its items. Called with the lock held.

    def _container(self) -> object:
        return deque()

    def _init(self, maxsize: object) -> None:
        self.queue = self._container()

    def _qsize(self) -> int:
        return len(self.queue)

    def _put(self, item: object) -> None:
        self.queue.append(item)

    def _get(self) -> object:
        return self.queue.popleft()


class LifoQueue(Queue):
    """LifoQueue(maxsize=0, *, name=None)\n--\n\n\
    A last-in, first-out queue. Like `queue.LifoQueue`, and for tasks too.

    ``maxsize``: how many items it can hold; 0 or less means any number. ``name``: shown by reports and ``repr``.
    """

    def __init__(self, maxsize: object = 0, *, name: str | None = None):
        self.lifo = True
        self.start(maxsize, name)

    def _container(self) -> object:
        return []

    def _get(self) -> object:
        return self.queue.pop()


def has_hooks(kind) -> cython.bint:
    """Whether a subclass keeps its items in a way of its own."""
    if kind.__module__ == "interlock.aio":
        return False
    ours = next(each for each in kind.__mro__ if each.__module__.startswith("interlock.core."))
    return any(getattr(kind, name) is not getattr(ours, name) for name in ("_init", "_qsize", "_put", "_get"))


interlock_construct_directly(SimpleQueue)
interlock_construct_directly(Queue)
interlock_construct_directly(LifoQueue)


interlock_tell_signature(SimpleQueue)
interlock_tell_signature(Queue)
interlock_tell_signature(LifoQueue)
