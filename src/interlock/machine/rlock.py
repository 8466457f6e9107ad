"""RLock between processes: its owner may take it again, and must give it back as often.

The word is a Lock's, always ENTERED. How often, and by which task of the owner's thread (0: by the thread), stands
beside it, written by the owner alone. A new owner begins at 1, so a death needs no repair.
"""

import cython
from cython.cimports.interlock.core.kernel.probe import Happening, probing
from cython.cimports.interlock.machine.kernel import (
    ABANDONED,
    ENTER,
    ENTERED,
    ID_MASK,
    NEVER,
    RLOCK,
    Waiting,
    caller,
    deadline_after,
    ilk_use,
    load,
    lock_deadline,
    lock_try,
    lock_untie,
    me,
    process_address,
    store,
    u32,
    u64,
)
from cython.cimports.interlock.machine.lock import Lock, closings

from interlock.machine import tasks

NO_TIMEOUT = cython.declare(object, -1)

ilk_use(process_address())


class RLock(Lock):
    """RLock(name=None, *, recover=None)\n--\n\n\
    A re-entrant lock between processes. Its owner, a thread or a task, may acquire it again. Otherwise like `Lock`.
    """

    def __init__(self, name: str | None = None, *, recover: object = None):
        if recover is not None and not callable(recover):
            raise TypeError(f"recover must be callable, not {type(recover).__name__}")
        self.recover = recover
        self.open(RLOCK, name, 0, None)

    def __enter__(self) -> bool:
        """Acquire the lock, waiting as long as it takes. Returns True."""
        return self.take_as(0, NEVER)

    def __exit__(self, exc_type: object = None, exc_value: object = None, traceback: object = None) -> None:
        self.give_as(0)

    def acquire(self, blocking: cython.bint = True, timeout: object = -1) -> bool:
        """Acquire the lock. Its owner does not wait. Arguments, result and errors are those of `Lock.acquire`."""
        deadline: u64 = NEVER
        if not blocking or timeout is not NO_TIMEOUT:
            deadline = lock_deadline(blocking, timeout)
        return self.take_as(0, deadline)

    def release(self) -> None:
        """Undo one `acquire`. Raises RuntimeError if the caller does not own the lock."""
        self.give_as(0)

    async def __aexit__(self, exc_type: object = None, exc_value: object = None, traceback: object = None) -> None:
        self.give_as(tasks.current())

    def _enter(self, timeout: object) -> bool:
        return self.take_as(0, deadline_after(timeout))

    def _try(self, flags: u32, want: u32) -> bool:
        i = caller()
        if closings:
            tasks.came_for(self.index, self.serial)
        task: u64 = tasks.current()
        if self.is_mine(i, task):
            store(cython.address(self.r.count), self.r.count + 1)
            return True
        if not lock_try(i, self.r, ENTERED):
            return False
        store(cython.address(self.r.task), task)
        store(cython.address(self.r.count), 1)
        return True

    def _taken(self) -> None:
        if closings:
            tasks.came_for(self.index, self.serial)
        store(cython.address(self.r.task), tasks.current())
        store(cython.address(self.r.count), 1)
        if load(cython.address(self.r.word)) & ABANDONED:
            self.recovered(caller())

    def release_async(self) -> None:
        """Undo one `acquire_async` of the calling task."""
        self.give_as(tasks.current())

    def enter(self) -> cython.bint:
        return self.take_as(0, NEVER)

    def leave(self):
        self.give_as(0)

    def _is_owned(self) -> bool:
        return self.is_mine(caller(), 0)

    def _recursion_count(self) -> int:
        return self.r.count if self.is_mine(caller(), 0) else 0

    def is_mine(self, i: cython.pointer(me), task: u64) -> cython.bint:
        return load(cython.address(self.r.word)) & ID_MASK == i.id and load(cython.address(self.r.task)) == task

    def take_as(self, task: u64, deadline: u64) -> cython.bint:
        i = caller()
        if closings:
            tasks.came_for(self.index, self.serial)
        if self.is_mine(i, task):
            store(cython.address(self.r.count), self.r.count + 1)
            return True
        if lock_try(i, self.r, ENTERED):
            if probing:
                self.tell(Happening.ACQUIRED, 0)
                self.note_taken(i)
        else:
            w: Waiting
            w.record = self.index
            w.node = 0
            w.flags = ENTER
            w.want = 1
            w.deadline = deadline
            w.noticed = 0
            if not self.drive(cython.address(w)):
                return False
        store(cython.address(self.r.task), task)
        store(cython.address(self.r.count), 1)
        if load(cython.address(self.r.word)) & ABANDONED:
            self.recovered(i)
        return True

    def give_as(self, task: u64):
        if closings and self.has_nothing():
            return
        i = caller()
        if not self.is_mine(i, task):
            raise RuntimeError(f"cannot release un-acquired lock: {self!r}")
        if self.r.count > 1:
            store(cython.address(self.r.count), self.r.count - 1)
            return
        store(cython.address(self.r.count), 0)
        store(cython.address(self.r.task), 0)
        if probing:
            self.tell(Happening.RELEASED, 0)
        if not lock_untie(i, self.r, ENTERED):
            self.give_in_guard(i, i.id, False)
