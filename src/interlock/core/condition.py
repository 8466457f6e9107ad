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

With a lock that is not one of ours (`threading`'s, a user's class, a subclass of ours that may have made something
else of `acquire`) the waiter is granted by `notify` directly and then takes the lock as any caller would.
"""

import warnings

import cython
from cython.cimports.interlock.core.lock import Lock
from cython.cimports.interlock.core.mutex import Mutex
from cython.cimports.interlock.core.native import interlock_now, interlock_thread_id
from cython.cimports.interlock.core.probe import Happening, happened, made, probing
from cython.cimports.interlock.core.rlock import RLock
from cython.cimports.interlock.core.waiting import (
    CANCELLED,
    GRANTED,
    NEVER,
    Primitive,
    ThreadWaiter,
    Waiter,
    checked_name,
    deadline_after,
    new_waiter,
    whole,
)
from cython.cimports.interlock.core.within import within

from interlock.core.waiting import DeadlockError


class Condition(Primitive):
    """Condition(lock=None, *, name=None)\n--\n\n\
    Lets parties wait, under a lock, until another notifies them.

    ``lock``: any object with ``acquire`` and ``release``; an `RLock` of its own where none is given. ``with
    condition:`` holds that lock. ``name``: what reports and ``repr`` call it.
    """

    def __init__(self, lock: object = None, *, name: str | None = None):
        if self.lock is not None:
            raise RuntimeError("a condition is initialized once: somebody may be waiting on its lock")
        self.label = checked_name(name)
        if probing:
            made(self)
        if lock is None:
            own: RLock = RLock.__new__(RLock)
            own.label = self.label
            own.record = self.record
            lock = own
        # What has neither is no lock, and AttributeError says so now.
        lock.acquire, lock.release  # noqa: B018
        self.lock = lock
        self.mutex = cython.cast(Mutex, lock) if type(lock) is Lock or type(lock) is RLock else None

    def __enter__(self) -> object:
        """Acquire the lock, waiting for ever."""
        if type(self) is not Condition:
            taken = self.acquire()
            self.mark_entered()
            return taken
        if self.mutex is None:
            return self.lock.__enter__()
        return self.mutex.enter()

    def __exit__(self, exc_type: object = None, exc_value: object = None, traceback: object = None) -> object:
        if type(self) is not Condition:
            self.release()
        elif isinstance(exc_value, DeadlockError) and not self._is_owned():
            # `wait` could not get the lock back. That is what the caller is to hear, and there is nothing to release.
            return None
        elif self.mutex is None:
            return self.lock.__exit__(exc_type, exc_value, traceback)
        else:
            self.mutex.leave()

    def acquire(self, *args: object, **kwargs: object) -> object:
        """Acquire the lock: its own ``acquire``, with its arguments."""
        return self.lock.acquire(*args, **kwargs)

    def release(self) -> None:
        """Release the lock: its own ``release``."""
        self.lock.release()

    def locked(self) -> bool:
        """Whether anyone holds the lock."""
        return self.lock.locked()

    def within(self, timeout: object) -> object:
        """A context manager that holds the lock, or raises TimeoutError after ``timeout`` seconds."""
        return within(self, timeout)

    @property
    def owner(self) -> object:
        """The party that holds the lock, or None; also None where the lock does not tell."""
        return getattr(self.lock, "owner", None)

    def wait(self, timeout: object = None) -> bool:
        """Release the lock, block until notified, and acquire the lock again.

        ``timeout``: for how many seconds to wait for the notification; None means for ever, 0 or less not at
        all. Acquiring the lock afterwards may take longer.

        Returns True, or False where no notification came in time. Raises RuntimeError where the caller does
        not hold the lock.
        """
        if self.mutex is not None and not self.mutex._is_owned():
            raise RuntimeError("cannot wait on un-acquired lock")
        return self.wait_until(deadline_after(timeout))

    def wait_for(self, predicate: object, timeout: object = None) -> object:
        """Wait until ``predicate()`` is true. It is called with the lock held.

        ``timeout``: for how many seconds at most, in all; None means for ever.

        Returns what the predicate returned last: true, or false where the time was up.
        """
        result = predicate()
        if result:
            return result
        deadline: cython.longlong = deadline_after(timeout)
        while True:
            self.wait_until(deadline)
            result = predicate()
            if result or interlock_now() >= deadline:
                return result

    def notify(self, n: object = 1) -> None:
        """Wake the first ``n`` waiters, as soon as the lock is free.

        Raises RuntimeError where the caller does not hold the lock.
        """
        if self.pass_on(whole(n)) == 0:
            raise RuntimeError("cannot notify on un-acquired lock")
        if probing:
            happened(Happening.NOTIFIED, self, 0, 0)

    def notify_all(self) -> None:
        """Wake all waiters, one after the other, as the lock comes free."""
        self.notify(1 << 30)

    def notifyAll(self) -> None:
        """The old name of `notify_all`."""
        warnings.warn("notifyAll() is deprecated, use notify_all() instead", DeprecationWarning, stacklevel=1)
        self.notify_all()

    def __repr__(self):
        return self.describe("", f"lock={self.lock!r}")

    # `threading` and code that peeks use these names.

    @property
    def _lock(self) -> object:
        return self.lock

    def _is_owned(self) -> bool:
        if self.mutex is None:
            return self.owned_foreign()
        return self.mutex._is_owned()

    def _release_save(self) -> object:
        save = getattr(self.lock, "_release_save", None)
        return self.lock.release() if save is None else save()

    def _acquire_restore(self, state: object) -> None:
        restore = getattr(self.lock, "_acquire_restore", None)
        if restore is None:
            self.lock.acquire()
        else:
            restore(state)

    def _at_fork_reinit(self) -> None:
        self.lock._at_fork_reinit()
        with cython.critical_section(self):
            self.forget_lost()

    def wait_until(self, deadline: cython.longlong) -> cython.bint:
        return self.wait_foreign(deadline) if self.mutex is None else self.wait_requeued(deadline)

    def mark_entered(self) -> cython.void:
        if isinstance(self.lock, Mutex):
            cython.cast(Mutex, self.lock).mark_entered()

    # With a lock of ours.

    def wait_requeued(self, deadline: cython.longlong) -> cython.bint:
        mutex: Mutex = self.mutex
        waiter: ThreadWaiter = new_waiter(0)
        chain: Waiter = None
        own: cython.bint
        with cython.critical_section(self, mutex):
            own = mutex.is_own()
            if own:
                waiter.want = mutex.let_go()
                self.forget_lost()
                self.push(waiter)
                if mutex.head is not None:
                    chain = mutex.serve(None)
        if not own:
            raise RuntimeError("cannot wait on un-acquired lock")
        began: cython.longlong = interlock_now()
        if chain is not None:
            mutex.wake(chain)
        if probing:
            happened(Happening.LET_GO, mutex, 0, 0)
            happened(Happening.WAITING, self, 0, 0)

        error = None
        unparked: cython.bint = False
        notified: cython.bint = False
        granted: cython.bint = False
        again: cython.bint = True
        while again:
            try:
                unparked = waiter.park(deadline)
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
            happened(Happening.REQUEUED, mutex, waiter.mover, 0 if granted else interlock_now() - waiter.since)
            happened(
                Happening.CANCELLED if error is not None else Happening.GRANTED if notified else Happening.TIMED_OUT,
                self,
                0,
                interlock_now() - began,
            )
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
            except BaseException:
                mutex.withdraw(waiter)
                if probing:
                    happened(Happening.CANCELLED, self, 0, interlock_now() - waiter.since)
                raise
            try:
                mutex.await_turn(waiter, NEVER, unparked)
                return error
            except BaseException as raised:
                unparked = False
                if error is None:
                    error = raised

    def pass_on(self, n: cython.long) -> cython.int:
        """Notify up to `n` waiters. 0: the caller does not hold the lock."""
        mutex: Mutex = self.mutex
        own: cython.bint
        first: Waiter = None
        last: Waiter = None
        if mutex is not None:
            with cython.critical_section(self, mutex):
                own = mutex.is_own()
                if own and self.head is not None:
                    self.forget_lost()
                    while n > 0 and self.head is not None:
                        first = self.head
                        self.remove(first)
                        first.mover = interlock_thread_id()
                        mutex.push(first)
                        n -= 1
            return own
        if not self.owned_foreign():
            return 0
        with cython.critical_section(self):
            self.forget_lost()
            while n > 0 and self.head is not None:
                waiter: Waiter = self.head
                self.remove(waiter)
                waiter.state = GRANTED
                if first is None:
                    first = waiter
                else:
                    last.wake = waiter
                last = waiter
                n -= 1
        if first is not None:
            self.wake(first)
        return 1

    # With a lock that is not ours.

    def owned_foreign(self) -> cython.bint:
        """Whether the caller holds the lock, as far as it lets one know."""
        owned = getattr(self.lock, "_is_owned", None)
        if owned is not None:
            return owned()
        if self.lock.acquire(False):
            self.lock.release()
            return False
        return True

    def wait_foreign(self, deadline: cython.longlong) -> cython.bint:
        if not self.owned_foreign():
            raise RuntimeError("cannot wait on un-acquired lock")
        waiter: ThreadWaiter = new_waiter(0)
        with cython.critical_section(self):
            self.forget_lost()
            self.push(waiter)
        # A subclass of our Lock does not say in its state that it was entered.
        entered: cython.bint = isinstance(self.lock, Mutex) and cython.cast(Mutex, self.lock).count != 0
        try:
            state = self._release_save()
        except BaseException:
            self.withdraw(waiter)
            raise
        began: cython.longlong = interlock_now()
        if probing:
            happened(Happening.WAITING, self, 0, 0)

        error = None
        notified: cython.bint = False
        try:
            notified = self.await_turn(waiter, deadline, False)
        except BaseException as raised:
            error = raised
            with cython.critical_section(self):
                notified = waiter.state == GRANTED
                if not notified:
                    self.remove(waiter)
                    waiter.state = CANCELLED
        while True:
            try:
                self._acquire_restore(state)
                if entered:
                    self.mark_entered()
                break
            except Exception:
                raise  # the lock's own business
            except BaseException as raised:  # Ctrl-C: not without the lock
                if error is None:
                    error = raised
        if probing:
            happened(
                Happening.CANCELLED if error is not None else Happening.GRANTED if notified else Happening.TIMED_OUT,
                self,
                0,
                interlock_now() - began,
            )
        if error is not None:
            if notified:
                self.pass_on(1)
            raise error
        return notified
