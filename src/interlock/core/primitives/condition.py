"""Condition: wait, under a lock, for somebody else to say that things have changed.

A waiter stands first in the condition's queue and then, notified, in the lock's:

    queue        state     meaning
    condition    PARKED    not notified yet
    lock         PARKED    notified; the lock is not free yet
    lock         WOKEN     notified; on its way to compete for the lock
    none         GRANTED   notified and holds the lock

`notify` moves waiters from the first queue to the second without waking them (requeue): they would only run into
the lock that the notifier holds. Both queues change hands inside the critical section of both objects, so "notified
or timed out" is decided in one place: the waiter is found in one queue or it is not.

The lock is held again whenever `wait` ends, by an exception too: what a signal handler raises is kept until the lock
is back, since the code around `wait` relies on it. If such a party had been notified, the notification goes to the
next.

Here is the face, and how threads wait over a lock of ours. The queue stands in `core/primitives/condition_queue.py`;
tasks, and locks that are not ours, have files of their own.
"""

import warnings

import cython
from cython.cimports.interlock.core.kernel.arguments import checked_name, whole
from cython.cimports.interlock.core.kernel.construct import interlock_construct_directly
from cython.cimports.interlock.core.kernel.control import Operation, controlling, now, point, unwinding
from cython.cimports.interlock.core.kernel.native import interlock_thread_id
from cython.cimports.interlock.core.kernel.probe import Happening, happened, made, probing
from cython.cimports.interlock.core.kernel.public_name import interlock_keep_name
from cython.cimports.interlock.core.kernel.spare import interlock_keep_spares
from cython.cimports.interlock.core.kernel.timeouts import NEVER, deadline_after, deadline_in, wait_seconds
from cython.cimports.interlock.core.kernel.wait import begin_wait, count_timeout, end_wait, judge_wait, judged
from cython.cimports.interlock.core.kernel.waiter import ThreadWaiter, new_waiter_of
from cython.cimports.interlock.core.primitives.condition_foreign import wait_foreign
from cython.cimports.interlock.core.primitives.condition_queue import ConditionQueue
from cython.cimports.interlock.core.primitives.mutex import Mutex
from cython.cimports.interlock.core.primitives.rlock import RLock
from cython.cimports.interlock.core.primitives.within import within
from cython.cimports.interlock.core.tasks.awaiting import DONE
from cython.cimports.interlock.core.tasks.task import after_in_trio, before_in_trio, caller_id, calls_in_trio

from interlock.core.kernel.deadlock import DeadlockError
from interlock.core.primitives.condition_foreign import wait_foreign_async
from interlock.core.primitives.condition_tasks import wait_requeued_async

renamed = cython.declare(object, None)  # interlock.aio's Condition
standing_in = cython.declare(object, None)  # the drop-in's Condition
renamed_lock = cython.declare(object, None)  # its Lock, which that has for its own


class Condition(ConditionQueue):
    """Condition(lock=None, *, name=None)\n--\n\n\
    A condition variable. Threads and tasks that hold its lock wait until another one notifies them.

    ``lock``: any object with ``acquire`` and ``release``; by default a new `RLock`. ``with condition:`` acquires and
    releases the lock. ``name``: shown by reports and ``repr``.
    """

    def __init__(self, lock: object = None, *, name: str | None = None):
        if self.lock is not None:
            raise RuntimeError("a condition can be initialized only once: a thread may be waiting for its lock")
        if name is not None:
            self.label = checked_name(name)
        if probing:
            made(self)
        if lock is None:
            own: Mutex
            if renamed is not None and isinstance(self, renamed):
                own = renamed_lock.__new__(renamed_lock)
            else:
                own = RLock.__new__(RLock)
            # All three are None else; it is the counting of references to None that takes the time here.
            if name is not None or probing:
                own.label = self.label
                own.record = self.record
                own.origin = self.origin
            self.lock = own
            self.mutex = own
        else:
            if isinstance(lock, str):
                # As `threading` does it, with AttributeError.
                raise AttributeError(f"lock is a lock, not {lock!r}: a name is given as name={lock!r}")
            # What has neither is no lock, and AttributeError says so now.
            lock.acquire, lock.release  # noqa: B018
            self.lock = lock
            if isinstance(lock, Mutex) and cython.cast(Mutex, lock).plain():
                self.mutex = cython.cast(Mutex, lock)

    def __enter__(self) -> object:
        """Acquire the lock, waiting as long as it takes."""
        if not is_ours(self):
            taken = self.acquire()
            self.mark_entered(interlock_thread_id())
            return taken
        if self.mutex is None:
            return self.lock.__enter__()
        return self.mutex.enter()

    def __exit__(self, exc_type: object = None, exc_value: object = None, traceback: object = None) -> object:
        if not is_ours(self):
            self.release()
        elif exc_value is not None and self.has_lost(exc_value):
            return None
        elif self.mutex is None:
            return self.lock.__exit__(exc_type, exc_value, traceback)
        else:
            self.mutex.leave()

    def __aenter__(self) -> object:
        """Acquire the lock for the calling task, waiting as long as it takes. The result of ``await`` is None."""
        if not is_plain(self):
            return enter_overridden(self)
        return self.lock.__aenter__() if self.mutex is None else self.mutex.enter_async()

    def __aexit__(self, exc_type: object = None, exc_value: object = None, traceback: object = None) -> object:
        if not is_plain(self):
            self.release()
        elif exc_value is not None and self.has_lost(exc_value):
            pass  # as in __exit__
        elif self.mutex is None:
            return self.lock.__aexit__(exc_type, exc_value, traceback)
        else:
            return self.mutex.leave_async()
        return DONE

    def has_lost(self, error) -> cython.bint:
        """Whether `wait` could not get the lock back. The caller is to hear that, and nothing is to be released."""
        if self.mutex is None or not isinstance(error, DeadlockError):
            return False
        if getattr(error, "not_regained", None) != id(self.mutex):
            return False
        holder: cython.ulonglong
        with cython.critical_section(self.mutex):
            holder = self.mutex.holder
        return holder != interlock_thread_id() and holder != caller_id()

    # Described by the arguments of our own locks; another's gets what it is given.
    @cython.embedsignature(False)
    def acquire(self, *args: object, **kwargs: object) -> object:
        """acquire($self, /, blocking=True, timeout=-1)\n--\n\nAcquire the lock: by its own ``acquire``."""
        return self.lock.acquire(*args, **kwargs)

    @cython.embedsignature(False)
    def acquire_async(self, *args: object, **kwargs: object) -> object:
        """acquire_async($self, /, timeout=None)\n--\n\nAcquire the lock for the calling task, by its own
        ``acquire_async``.
        """
        return self.lock.acquire_async(*args, **kwargs)

    def release(self) -> None:
        """Release the lock: its own ``release``."""
        self.lock.release()

    def locked(self) -> bool:
        """Whether anyone holds the lock."""
        return self.lock.locked()

    def within(self, timeout: object) -> object:
        """Return a context manager that acquires the lock, or raises TimeoutError after ``timeout`` seconds."""
        return within(self, timeout)

    @property
    def owner(self) -> object:
        """The thread or task that holds the lock. None if the lock is free or does not know its owner."""
        return getattr(self.lock, "owner", None)

    def wait(self, timeout: object = None) -> bool:
        """Release the lock, block until notified, and acquire the lock again.

        ``timeout``: how many seconds to wait for the notification at most; None means no limit, 0 or less means not to
        wait. Acquiring the lock again may take longer.

        Returns True, or False if no notification came in that time. Raises RuntimeError if the caller does not hold the
        lock.
        """
        if self.mutex is not None and not self.mutex._is_owned():
            raise RuntimeError("cannot wait on un-acquired lock")
        return self.wait_until(deadline_after(timeout))

    def wait_for(self, predicate: object, timeout: object = None) -> object:
        """Wait until ``predicate()`` is true. It is called with the lock held.

        ``timeout``: how many seconds to wait at most in all; None means no limit.

        Returns the last result of the predicate. It is false only if the time is up.
        """
        result = predicate()
        if result:
            return result
        deadline: cython.longlong = deadline_after(timeout)
        while True:
            self.wait_until(deadline)
            result = predicate()
            if result or now() >= deadline:
                return result

    async def wait_async(self, timeout: object = None) -> bool:
        """`wait` for tasks: ``await condition.wait_async()``. Arguments, result and errors are those of `wait`.

        If the task is cancelled, it acquires the lock again before the cancellation is raised.
        """
        seconds: cython.double = wait_seconds(timeout)
        deadline: cython.longlong = NEVER if seconds < 0 else deadline_in(seconds)
        if self.mutex is None:
            return await wait_foreign_async(self, deadline)
        return await wait_requeued_async(self, self.mutex, deadline)

    async def wait_for_async(self, predicate: object, timeout: object = None) -> object:
        """`wait_for` for tasks: ``await condition.wait_for_async(predicate)``. The predicate is not awaited."""
        in_trio: cython.bint = calls_in_trio()
        if in_trio:
            await before_in_trio()
        result = predicate()
        if result:
            if in_trio:
                await after_in_trio()
            return result
        seconds: cython.double = wait_seconds(timeout)
        deadline: cython.longlong = NEVER if seconds < 0 else deadline_in(seconds)
        while True:
            if self.mutex is None:
                await wait_foreign_async(self, deadline)
            else:
                await wait_requeued_async(self, self.mutex, deadline)
            result = predicate()
            if result or now() >= deadline:
                return result

    def notify(self, n: object = 1) -> None:
        """Wake the first ``n`` waiting threads and tasks. They continue once the lock is free.

        Raises RuntimeError if the caller does not hold the lock.
        """
        if controlling:
            point(Operation.NOTIFY, self)
        if self.pass_on(whole(n)) == 0:
            raise RuntimeError("cannot notify on un-acquired lock")
        if probing:
            happened(Happening.NOTIFIED, self, 0, 0)

    def notify_all(self) -> None:
        """Wake all waiting threads and tasks. They continue one after the other, as each gets the lock."""
        self.notify(1 << 30)

    def notifyAll(self) -> None:
        """The old name of `notify_all`."""
        warnings.warn("notifyAll() is deprecated, use notify_all() instead", DeprecationWarning, stacklevel=1)
        self.notify_all()

    def __repr__(self):
        return self.describe("", f"lock={self.lock!r}")

    def wait_until(self, deadline: cython.longlong) -> cython.bint:
        return wait_foreign(self, deadline) if self.mutex is None else self.wait_requeued(deadline)

    def wait_requeued(self, deadline: cython.longlong) -> cython.bint:
        mutex: Mutex = self.mutex
        if judged and deadline == NEVER:
            judge_wait()
        waiter: ThreadWaiter = new_waiter_of(mutex.sync_caller(), 0)
        begin_wait(waiter, self, deadline)
        try:
            notified: cython.bint = self.wait_seen(mutex, waiter, deadline)
            if not notified:
                count_timeout(waiter)
            return notified
        finally:
            end_wait(waiter)

    def wait_seen(self, mutex: Mutex, waiter: ThreadWaiter, deadline: cython.longlong) -> cython.bint:
        error = self.lie_down(mutex, waiter)
        began: cython.longlong = now()
        unparked: cython.bint = False
        notified: cython.bint = False
        granted: cython.bint = False
        again: cython.bint = True
        while again:
            try:
                unparked = error is None and waiter.park(deadline)
                again = unparked
            except BaseException as raised:
                error = raised
                unparked = again = False
            with cython.critical_section(self, mutex):
                notified = waiter.queue is not self
                # Unparked and not notified: in the child of a handler that forked.
                again = again and not notified
                if not notified and not again:
                    # Nobody is about to unpark it: only a notified waiter can be granted.
                    self.remove(waiter)
                    if mutex.fits(waiter) and mutex.may_barge():
                        mutex.grant(waiter)
                        granted = True
                    else:
                        mutex.push(waiter)
        if not granted:
            error = self.retake(mutex, waiter, unparked, error)
        if probing:
            happened(Happening.REQUEUED, mutex, waiter.mover, 0 if granted else now() - waiter.since)
            self.tell_over(notified, error, began)
        if error is not None:
            if notified:
                self.pass_on(1)
            raise error
        return notified

    def retake(self, mutex: Mutex, waiter: ThreadWaiter, unparked: cython.bint, error):
        """Get the lock back, come what may. Returns `error`, or the first that a signal handler raises.

        Raises DeadlockError where the lock can never be had back.
        """
        while True:
            try:
                mutex.check_block(waiter)
            except BaseException as raised:
                if waiter.refused or unwinding():
                    self.give_up(mutex, waiter, raised)
                    raise
                if error is None:
                    error = raised
            try:
                mutex.await_turn(waiter, NEVER, unparked)
                return error
            except BaseException as raised:
                if waiter.refused or unwinding():
                    self.give_up(mutex, waiter, raised)
                    raise
                unparked = False
                if error is None:
                    error = raised


def is_plain(condition: Condition) -> cython.bint:
    return is_ours(condition) or type(condition) is renamed


def is_ours(condition: Condition) -> cython.bint:
    return type(condition) is Condition or type(condition) is standing_in


async def enter_overridden(condition: Condition) -> None:
    """What a subclass has made of `acquire_async` (aio's: `acquire`) counts."""
    if renamed is not None and isinstance(condition, renamed):
        await condition.acquire()
    else:
        await condition.acquire_async()
    condition.mark_entered(caller_id())


def rename(subclass: type, lock: type) -> None:
    """Let `subclass` count as the class itself: it gives other names to the methods and overrides nothing. Its own
    locks are of the class `lock`."""
    global renamed, renamed_lock
    renamed = subclass
    renamed_lock = lock


def stand_in(subclass: type) -> None:
    """Let `subclass`, which overrides nothing that `with` calls, count as the class itself for threads."""
    global standing_in
    standing_in = subclass


interlock_construct_directly(Condition)
interlock_keep_spares(Condition)
interlock_keep_name(Condition, b"interlock.core.condition.Condition")
