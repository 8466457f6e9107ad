"""A queue that the program looks into: the algorithm of `queue.Queue`, under a lock, with the program's own hooks.

A queue is opened when somebody asks for its `mutex`, its `queue` or one of its conditions, and from the start where its
class has `_init`, `_put`, `_get` or `_qsize` of its own. It stays open: what was given out may be used at any time.
The order is that of a condition: first come, first notified. What runs under the lock is the program's code, so of an
open queue nothing may be called in a signal handler or a finalizer that must not wait, as with `queue.Queue`.

`unfinished`, `limit` and `shut` stay in the queue itself and are guarded by `mutex` from then on. A getter that was
handed an item before and does not want it leaves it in `items`; `absorb` takes it from there.
"""

from _collections import deque

import cython
from cython.cimports.interlock.core.kernel.control import now
from cython.cimports.interlock.core.kernel.native import interlock_thread_id
from cython.cimports.interlock.core.kernel.timeouts import NEVER
from cython.cimports.interlock.core.kernel.waiter import Waiter
from cython.cimports.interlock.core.primitives.condition import Condition
from cython.cimports.interlock.core.primitives.items import (
    interlock_items,
    interlock_items_free,
    interlock_items_pop_first,
    interlock_items_take,
)
from cython.cimports.interlock.core.primitives.lock import Lock
from cython.cimports.interlock.core.primitives.queue_base import Outcome, QueueBase, Want


@cython.cfunc
def mark_inside(lock: Lock) -> cython.void:
    """Say of a `with` of ours, just entered, that no other party leaves it: its frame is not to be seen.

    The program's hooks run in it, and may take the same lock again.
    """
    with cython.critical_section(lock):
        if lock.holder == interlock_thread_id():
            lock.count = 2  # see lock.py


class Opened:
    """The inside of an open queue."""

    def __cinit__(self, queue: QueueBase):
        # Not left to `new_opened`: the methods look into the queue, and there is none in what `__new__` makes alone.
        self.of = queue

    def waiters(self) -> tuple:
        return (*self.not_empty.waiters, *self.not_full.waiters, *self.all_tasks_done.waiters)

    def qsize(self) -> int:
        with self.mutex:
            mark_inside(self.mutex)
            return self.of._qsize()

    def pause(self, condition: Condition, deadline: cython.longlong) -> cython.bint:
        """Wait for a notification. False: the time is up."""
        if deadline == NEVER:
            condition.wait()
            return True
        left: cython.longlong = deadline - now() if deadline != 0 else 0
        if left <= 0:
            return False
        condition.wait(left * 1e-9)
        return True

    def get(self, deadline: cython.longlong) -> object:
        of: QueueBase = self.of
        with self.mutex:
            mark_inside(self.mutex)
            while not of._qsize():
                if of.shut:
                    of.refuse(Outcome.SHUT, Want.GET)
                if not self.pause(self.not_empty, deadline):
                    of.refuse(Outcome.HELD_UP, Want.GET)
            item = of._get()
            self.not_full.notify()
        return item

    async def get_async(self, deadline: cython.longlong) -> object:
        of: QueueBase = self.of
        async with self.mutex:
            while not of._qsize():
                if of.shut:
                    of.refuse(Outcome.SHUT, Want.GET)
                if deadline != NEVER and (deadline == 0 or deadline <= now()):
                    of.refuse(Outcome.HELD_UP, Want.GET)
                await self.not_empty.wait_async(None if deadline == NEVER else (deadline - now()) * 1e-9)
            item = of._get()
            self.not_full.notify()
        return item

    def get_more(self, most: cython.Py_ssize_t) -> list:
        """As many as there are now, and no more than `most`."""
        of: QueueBase = self.of
        found: list = []
        with self.mutex:
            mark_inside(self.mutex)
            while len(found) < most and of._qsize():
                found.append(of._get())
                self.not_full.notify()
        return found

    def put(self, want: cython.int, payload: object, deadline: cython.longlong) -> None:
        of: QueueBase = self.of
        batch: tuple = payload if want == Want.PUT_MANY else (payload,)
        with self.mutex:
            mark_inside(self.mutex)
            while self.is_full(len(batch)):
                if not self.pause(self.not_full, deadline):
                    of.refuse(Outcome.HELD_UP, Want.PUT)
            self.put_in(batch)

    async def put_async(self, want: cython.int, payload: object, deadline: cython.longlong) -> None:
        of: QueueBase = self.of
        batch: tuple = payload if want == Want.PUT_MANY else (payload,)
        async with self.mutex:
            while self.is_full(len(batch)):
                if deadline != NEVER and (deadline == 0 or deadline <= now()):
                    of.refuse(Outcome.HELD_UP, Want.PUT)
                await self.not_full.wait_async(None if deadline == NEVER else (deadline - now()) * 1e-9)
            self.put_in(batch)

    def is_full(self, more: cython.Py_ssize_t) -> cython.bint:
        """Whether so many have to wait. With the lock."""
        of: QueueBase = self.of
        if of.shut:
            of.refuse(Outcome.SHUT, Want.PUT)
        return of.limit != 0 and of._qsize() + more > of.limit

    def put_in(self, batch: tuple) -> None:
        of: QueueBase = self.of
        for item in batch:
            of._put(item)
            of.unfinished += 1
            self.not_empty.notify()

    def join(self, deadline: cython.longlong) -> bool:
        with self.mutex:
            while self.of.unfinished != 0:
                if not self.pause(self.all_tasks_done, deadline):
                    return False
        return True

    async def join_async(self, deadline: cython.longlong) -> bool:
        async with self.mutex:
            while self.of.unfinished != 0:
                if deadline != NEVER and (deadline == 0 or deadline <= now()):
                    return False
                await self.all_tasks_done.wait_async(None if deadline == NEVER else (deadline - now()) * 1e-9)
        return True

    def task_done(self) -> None:
        with self.mutex:
            if self.of.unfinished <= 0:
                raise ValueError("task_done() called too many times")
            self.of.unfinished -= 1
            if self.of.unfinished == 0:
                self.all_tasks_done.notify_all()

    def shutdown(self, immediate: cython.bint) -> None:
        of: QueueBase = self.of
        with self.mutex:
            mark_inside(self.mutex)
            of.shut = True
            if immediate:
                while of._qsize():
                    of._get()
                    if of.unfinished > 0:
                        of.unfinished -= 1
                self.all_tasks_done.notify_all()
            self.not_empty.notify_all()
            self.not_full.notify_all()

    def absorb(self) -> None:
        """Take in what was handed out before the queue was opened and has come back."""
        with cython.critical_section(self.of):
            some: cython.bint = self.of.items.count != 0
        if some:
            with self.mutex:
                self.take_in()

    def take_in(self) -> None:
        """All that lies in the closed queue. With the lock."""
        of: QueueBase = self.of
        taken: interlock_items
        found: list = []
        with cython.critical_section(of):
            interlock_items_take(cython.address(of.items), cython.address(taken))
        while taken.count != 0:
            found.append(interlock_items_pop_first(cython.address(taken)))
        interlock_items_free(cython.address(taken))
        if isinstance(self.container, deque):
            self.container.extendleft(reversed(found))
        elif of.lifo:
            self.container[:0] = found
        else:
            for item in found:
                of._put(item)
        self.not_empty.notify(len(found))


def new_opened(queue: QueueBase) -> Opened:
    opened: Opened = Opened.__new__(Opened, queue)
    mutex = Lock()
    opened.mutex = mutex
    opened.not_empty = Condition(mutex)
    opened.not_full = Condition(mutex)
    opened.all_tasks_done = Condition(mutex)
    return opened


def open_up(queue: QueueBase) -> Opened:
    """The inside of this queue, which is open from now on."""
    if queue.open is not None:
        return queue.open
    opened: Opened = new_opened(queue)
    chain: Waiter = None
    first: cython.bint
    opened.container = queue._container()
    with opened.mutex:
        with cython.critical_section(queue):
            first = queue.open is None
            if first:
                queue.open = opened
                queue.changes += 1
                chain = queue.evict()
        if first:
            if chain is not None:
                queue.wake(chain)
            opened.take_in()
    return queue.open
