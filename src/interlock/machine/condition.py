"""Condition between processes: wait, with the lock let go, until somebody notifies.

It has a queue of its own, under the guard of its lock. `notify` only notes how many are to go; the next release of the
lock hands the lock to the first of them and moves the others into its queue, in one go, without waking them: they could
not run before. So what a holder notified and then did not live to release is let go by the next release.
"""

import cython
from cython.cimports.cpython.exc import PyErr_CheckSignals
from cython.cimports.interlock.core.kernel.arguments import whole
from cython.cimports.interlock.core.kernel.probe import Happening, probing
from cython.cimports.interlock.machine.kernel import (
    ABANDONED,
    CONDITION,
    ENTER,
    ENTERED,
    FULL,
    ID_MASK,
    LATE,
    TAKEN,
    Shared,
    Waiting,
    caller,
    condition_give_up,
    condition_notify,
    condition_step,
    deadline_after,
    guard_unlock,
    ilk_me,
    ilk_use,
    load,
    me,
    now,
    process_address,
    record,
    store,
    u32,
    u64,
)
from cython.cimports.interlock.machine.lock import Lock, note_closing
from cython.cimports.interlock.machine.rlock import RLock

from interlock.machine import tasks
from interlock.machine.within import Within

ilk_use(process_address())


def outcome_of(noticed: cython.int) -> Happening:
    return Happening.GRANTED if noticed == 1 else Happening.TIMED_OUT


class Condition(Shared):
    """Condition(lock=None, *, name=None)\n--\n\n\
    A condition between the processes of this machine. Like `threading.Condition`. ``Condition("name")`` also works.

    ``lock``: a `Lock` or `RLock` of this module; None creates an RLock, named ``"NAME.lock"`` if the condition has a
    name. ``name``: all processes that use the same name and lock share one condition.

    Raises ValueError if the name is in use for another kind of primitive or with another lock.
    """

    def __init__(self, lock: object = None, *, name: str | None = None):
        if isinstance(lock, str) and name is None:
            lock, name = None, lock
        if lock is None:
            lock = RLock(None if name is None else f"{name}.lock")
        if not isinstance(lock, Lock):
            raise TypeError(f"lock must be a Lock or RLock of interlock.machine, not {type(lock).__name__}")
        self.lock = lock
        self.look_at_lock()
        self.open(CONDITION, name, 0, self.lock)

    def __enter__(self) -> bool:
        """Acquire the lock, waiting as long as it takes. Returns True."""
        return self.lock.enter() if self.plain else self.lock.__enter__()

    def __exit__(self, exc_type: object = None, exc_value: object = None, traceback: object = None) -> None:
        if self.plain:
            self.lock.leave()
        else:
            self.lock.__exit__()

    def acquire(self, blocking: bool = True, timeout: float = -1) -> bool:
        """Acquire the lock, by its own `acquire`."""
        return self.lock.acquire(blocking, timeout)

    def release(self) -> None:
        """Release the lock, by its own `release`."""
        self.lock.release()

    def locked(self) -> bool:
        """Whether any party holds the lock."""
        return self.lock.locked()

    def within(self, timeout: float) -> Within:
        """Return a context manager that acquires the lock, or raises TimeoutError after ``timeout`` seconds."""
        return self.lock.within(timeout)

    @property
    def owner(self) -> object:
        """The `Party` that holds the lock, or None."""
        return self.lock.owner

    @property
    def abandoned(self) -> object:
        """For the holder of the lock, until it releases: the `Died` that held it before, or None."""
        return self.lock.abandoned

    def wait(self, timeout: object = None) -> bool:
        """Release the lock, wait until notified, and acquire the lock again.

        ``timeout``: how many seconds to wait for the notification at most; None means no limit.

        Returns True, or False if no notification came in that time. Raises RuntimeError if the caller does not hold the
        lock.
        """
        i = caller()
        self.check_owner(i, "wait on")
        mine: u64 = i.id
        held: cython.pointer(record) = self.lock.r
        depth: u64 = held.count
        task: u64 = held.task
        sliced: cython.int = i.tid == i.slot.pid
        step: cython.int
        error = None
        w: Waiting
        w.record = self.index
        w.node = 0
        w.flags = ENTER if load(cython.address(held.word)) & ENTERED else 0
        w.want = 1
        w.deadline = deadline_after(timeout)
        w.noticed = 0
        told: u64 = self.tell_wait() if probing else 0
        while True:
            with cython.nogil:
                step = condition_step(i, cython.address(w), sliced)
            if step == TAKEN:
                break
            if step == FULL:
                raise MemoryError("interlock.machine: no memory for another wait")
            if step != LATE:
                try:
                    PyErr_CheckSignals()
                except BaseException as raised:
                    error = raised
                if i.id != mine:
                    raise error or RuntimeError("a signal handler has forked, and the child does not hold the lock")
            if error is not None or step == LATE:
                with cython.nogil:
                    step = condition_give_up(i, cython.address(w))
                if step == TAKEN:
                    break
        if self.reentrant:
            store(cython.address(held.task), task)
            store(cython.address(held.count), depth)
        if told:
            self.tell_back(told, Happening.CANCELLED if error is not None else outcome_of(w.noticed))
        if error is not None:
            if w.noticed == 1:
                self.pass_on(i)
            raise error
        if load(cython.address(held.word)) & ABANDONED:
            self.lock.recovered(i)
        return w.noticed == 1

    def __aenter__(self) -> object:
        """Acquire the lock for the calling task, waiting as long as it takes."""
        return self.lock.__aenter__()

    def __aexit__(self, exc_type: object = None, exc_value: object = None, traceback: object = None) -> object:
        return self.lock.__aexit__(exc_type, exc_value, traceback)

    def acquire_async(self, timeout: object = None) -> object:
        """Acquire the lock for the calling task, by its own `acquire_async`."""
        return self.lock.acquire_async(timeout)

    async def wait_async(self, timeout: object = None) -> bool:
        """`wait` for the calling task, which holds the lock."""
        i = caller()
        self.check_owner(i, "wait on")
        held: cython.pointer(record) = self.lock.r
        depth: u64 = held.count
        task: u64 = held.task
        flags: u32 = ENTER if load(cython.address(held.word)) & ENTERED else 0
        told: u64 = self.tell_wait() if probing else 0
        try:
            noticed = await tasks.wait_in_condition(self, timeout, flags, depth if self.reentrant else 1)
        except GeneratorExit:
            if told:
                self.tell(Happening.CANCELLED, now() - told)
            raise
        if self.reentrant:
            store(cython.address(held.task), task)
            store(cython.address(held.count), depth)
        if told:
            self.tell_back(told, Happening.CANCELLED if isinstance(noticed, tuple) else outcome_of(noticed))
        if isinstance(noticed, tuple):
            if noticed[1] == 1:
                self.pass_on(i)
            raise noticed[0]
        if load(cython.address(held.word)) & ABANDONED:
            self.lock.recovered(i)
        return noticed == 1

    async def wait_for_async(self, predicate: object, timeout: object = None) -> object:
        """`wait_for` for the calling task."""
        result = predicate()
        end = deadline_after(timeout)
        while not result:
            left = None if timeout is None else max(0.0, (end - now()) / 1e9) if end > now() else 0.0
            if left == 0.0:
                break
            await self.wait_async(left)
            result = predicate()
        return result

    def _let_go(self, times: int, frames: object) -> None:
        """The coroutine with these frames is being closed, and does not hold the lock that it may release."""
        tasks.note_closing(self.lock.index, self.lock.serial, times, frames)
        note_closing()

    def _extra(self) -> object:
        return self.lock

    def _restore(self, extra: object) -> object:
        self.lock = extra
        self.look_at_lock()
        return extra

    def look_at_lock(self):
        """For a lock of a subclass, whose `__enter__` and `__exit__` may be its own: `with` calls these."""
        self.reentrant = isinstance(self.lock, RLock)
        self.plain = type(self.lock) is Lock or type(self.lock) is RLock

    def wait_for(self, predicate: object, timeout: object = None) -> object:
        """Wait until ``predicate()`` is true. Returns its last result. ``timeout``: in seconds; None means no limit."""
        result = predicate()
        end: u64 = deadline_after(timeout)
        while not result:
            if timeout is None:
                self.wait()
            else:
                left = 0 if end <= now() else (end - now()) / 1e9
                if left <= 0:
                    break
                self.wait(left)
            result = predicate()
        return result

    def notify(self, n: object = 1) -> None:
        """Wake the first ``n`` waiting parties. They continue once the lock is free.

        Raises RuntimeError if the caller does not hold the lock.
        """
        i = caller()
        self.check_owner(i, "notify on")
        count: cython.long = whole(n)
        if probing:
            self.tell(Happening.NOTIFIED, 0)
        if count > 0:
            self.enter_guard(i)
            condition_notify(self.r, cython.cast(u32, min(count, 0x7FFFFFFF)))
            guard_unlock(i, self.lock.r)

    def notify_all(self) -> None:
        """Wake all waiting parties. They continue one after the other, as each gets the lock."""
        self.notify(0x7FFFFFFF)

    def tell_wait(self) -> u64:
        """To whoever records. Returns since when the caller waits."""
        self.lock.tell(Happening.LET_GO, 0)
        self.tell(Happening.WAITING, 0)
        return now()

    def tell_back(self, since: u64, outcome: Happening):
        """The caller has the lock back."""
        if probing:
            self.tell(outcome, now() - since)
            self.lock.tell(Happening.REQUEUED, 0)
            self.lock.note_taken(ilk_me())

    def pass_on(self, i: cython.pointer(me)):
        """The caller, who has the lock back, was notified and raises: its notification is for the next one."""
        try:
            self.enter_guard(i)
        except BaseException:
            return  # somebody is stopped inside, and what is being raised already is as good
        condition_notify(self.r, 1)
        guard_unlock(i, self.lock.r)

    def __repr__(self):
        return self.describe("", f"lock={self.lock!r}")

    def check_owner(self, i: cython.pointer(me), doing: str):
        if load(cython.address(self.lock.r.word)) & ID_MASK != i.id:
            raise RuntimeError(f"cannot {doing} un-acquired lock: {self.lock!r}")
