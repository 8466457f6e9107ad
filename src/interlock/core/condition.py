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
else of `acquire`) the waiter is granted by `notify` directly and then takes the lock as any caller would. What a signal
handler raises out of that leaves one question, whether the lock was taken: the handler may have come just before or
just after. To try again where it was would block for ever; so

    the lock was taken   because                                                then
    yes                  it says so: `_is_owned`, or who holds a lock of ours   leave with it
    no                   it says so; or it is taken by a function of C, which   try again, however often
                         raises only where it has not taken it
    perhaps              it is taken by Python code and cannot say              leave: `threading` always does

What the lock itself raises comes out of `wait` at once. It is told from what handlers raise by the traceback, which
shows the handler; a handler written in C is believed only what is no `Exception`.
"""

import _signal  # not `signal`, whose `getsignal` is Python code, in which a handler could run
import functools
import types
import warnings

import cython
from cython.cimports.interlock.core.awaiting import DONE, TaskWaiter, keep_watch, new_task_waiter, park, shielded_park
from cython.cimports.interlock.core.construct import interlock_construct_directly
from cython.cimports.interlock.core.lock import Lock
from cython.cimports.interlock.core.mutex import Mutex
from cython.cimports.interlock.core.native import interlock_now, interlock_thread_id
from cython.cimports.interlock.core.probe import Happening, happened, made, probing
from cython.cimports.interlock.core.rlock import RLock
from cython.cimports.interlock.core.task import caller_id
from cython.cimports.interlock.core.waiting import (
    CANCELLED,
    GRANTED,
    NEVER,
    PARKED,
    TAKEN,
    Primitive,
    ThreadWaiter,
    Waiter,
    begin_wait,
    checked_name,
    deadline_after,
    deadline_in,
    end_wait,
    new_waiter,
    new_waiter_of,
    wait_seconds,
    whole,
)
from cython.cimports.interlock.core.within import within

from interlock.core.waiting import DeadlockError

renamed = cython.declare(object, None)  # interlock.aio's Condition
renamed_lock = cython.declare(object, None)  # its Lock, which that has for its own
FUNCTION_OF_C = cython.declare(object, types.BuiltinMethodType)


class Condition(Primitive):
    """Condition(lock=None, *, name=None)\n--\n\n\
    Lets parties wait, under a lock, until another notifies them.

    ``lock``: any object with ``acquire`` and ``release``; an `RLock` of its own where none is given. ``with
    condition:`` holds that lock. ``name``: what reports and ``repr`` call it.
    """

    def __init__(self, lock: object = None, *, name: str | None = None):
        if self.lock is not None:
            raise RuntimeError("a condition is initialized once: somebody may be waiting on its lock")
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
            # What has neither is no lock, and AttributeError says so now.
            lock.acquire, lock.release  # noqa: B018
            self.lock = lock
            if isinstance(lock, Mutex) and cython.cast(Mutex, lock).plain():
                self.mutex = cython.cast(Mutex, lock)
        self.anybodys = renamed is not None and isinstance(self, renamed) and isinstance(self.mutex, Lock)

    def __enter__(self) -> object:
        """Acquire the lock, waiting for ever."""
        if type(self) is not Condition:
            taken = self.acquire()
            self.mark_entered(interlock_thread_id())
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

    def __aenter__(self) -> object:
        """Acquire the lock for the calling task, waiting for ever. Awaited, it returns None."""
        if not is_plain(self):
            return enter_overridden(self)
        return self.lock.__aenter__() if self.mutex is None else self.mutex.enter_async()

    def __aexit__(self, exc_type: object = None, exc_value: object = None, traceback: object = None) -> object:
        if not is_plain(self):
            self.release()
        elif isinstance(exc_value, DeadlockError) and not self._is_owned():
            pass  # as in __exit__
        elif self.mutex is None:
            return self.lock.__aexit__(exc_type, exc_value, traceback)
        else:
            return self.mutex.leave_async()
        return DONE

    def acquire(self, *args: object, **kwargs: object) -> object:
        """Acquire the lock: its own ``acquire``, with its arguments."""
        return self.lock.acquire(*args, **kwargs)

    def acquire_async(self, *args: object, **kwargs: object) -> object:
        """Acquire the lock for the calling task: its own ``acquire_async``, with its arguments."""
        return self.lock.acquire_async(*args, **kwargs)

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

    async def wait_async(self, timeout: object = None) -> bool:
        """`wait`, for a task: ``await condition.wait_async()``. Takes, returns and raises what `wait` does.

        A task that is cancelled here has the lock again when the cancellation comes out.
        """
        seconds: cython.double = wait_seconds(timeout)
        deadline: cython.longlong = NEVER if seconds < 0 else deadline_in(seconds)
        if self.mutex is None:
            return await wait_foreign_async(self, deadline)
        return await wait_requeued_async(self, self.mutex, deadline)

    async def wait_for_async(self, predicate: object, timeout: object = None) -> object:
        """`wait_for`, for a task: ``await condition.wait_for_async(predicate)``. It is called and not awaited."""
        result = predicate()
        if result:
            return result
        seconds: cython.double = wait_seconds(timeout)
        deadline: cython.longlong = NEVER if seconds < 0 else deadline_in(seconds)
        while True:
            if self.mutex is None:
                await wait_foreign_async(self, deadline)
            else:
                await wait_requeued_async(self, self.mutex, deadline)
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

    def leads_to(self) -> Primitive:
        return self if self.mutex is None else self.mutex

    def mark_entered(self, me: cython.ulonglong) -> cython.void:
        if isinstance(self.lock, Mutex):
            cython.cast(Mutex, self.lock).mark_entered(me)

    # With a lock of ours.

    def wait_requeued(self, deadline: cython.longlong) -> cython.bint:
        mutex: Mutex = self.mutex
        waiter: ThreadWaiter = new_waiter_of(mutex.sync_caller(), 0)
        begin_wait(waiter, self, deadline)
        try:
            return self.wait_seen(mutex, waiter, deadline)
        finally:
            end_wait(waiter)

    def wait_seen(self, mutex: Mutex, waiter: ThreadWaiter, deadline: cython.longlong) -> cython.bint:
        error = self.lie_down(mutex, waiter)
        began: cython.longlong = interlock_now()
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

    def lie_down(self, mutex: Mutex, waiter: Waiter):
        """Give up the lock and join the queue, at once. Raises where the lock is not held.

        A thread that goes to sleep wakes the next owner as it does: `waiter`, if a thread's, is to be parked at once.

        Returns what a signal handler raised while the next owner was woken, or None: by then the caller has no lock.
        """
        me: cython.ulonglong = caller_id()
        chain: Waiter = None
        own: cython.bint
        with cython.critical_section(self, mutex):
            own = mutex.is_own(me)
            if own:
                waiter.want = mutex.let_go()
            elif self.anybodys and mutex.holder != 0:
                # `asyncio.wait_for` makes a task of the wait, in which it was not entered. So it comes back as one
                # that any party may release.
                own = True
                mutex.let_go()
                waiter.want = 0
            if own:
                self.forget_lost()
                self.push(waiter)
                if mutex.head is not None:
                    chain = mutex.serve(None)
        if not own:
            raise RuntimeError("cannot wait on un-acquired lock")
        error = None
        if (
            isinstance(chain, ThreadWaiter)
            and chain.wake is None
            and isinstance(waiter, ThreadWaiter)
            and not probing  # that one was woken is told before it is
        ):
            cython.cast(ThreadWaiter, waiter).owed = cython.cast(ThreadWaiter, chain)
        elif chain is not None:
            try:
                mutex.wake(chain)
            except BaseException as raised:
                error = raised
        if probing:
            happened(Happening.LET_GO, mutex, 0, 0)
            happened(Happening.WAITING, self, waiter.party.id, 0)
        return error

    def retake(self, mutex: Mutex, waiter: ThreadWaiter, unparked: cython.bint, error):
        """Get the lock back, come what may. Returns `error`, or the first that a signal handler raises.

        Raises DeadlockError where the lock can never be had back.
        """
        while True:
            try:
                mutex.check_block(waiter)
            except BaseException as raised:
                if waiter.refused:
                    mutex.withdraw(waiter)
                    mutex.kick()
                    if probing:
                        happened(Happening.CANCELLED, self, 0, interlock_now() - waiter.since)
                    raise
                if error is None:
                    error = raised
            try:
                mutex.await_turn(waiter, NEVER, unparked)
                return error
            except BaseException as raised:
                if waiter.refused:
                    mutex.withdraw(waiter)
                    mutex.kick()
                    if probing:
                        happened(Happening.CANCELLED, self, 0, interlock_now() - waiter.since)
                    raise
                unparked = False
                if error is None:
                    error = raised

    # For a task.

    def wake_up(self, mutex: Mutex, waiter: TaskWaiter) -> cython.bint:
        """It runs again: whether it was notified. If not, it goes for the lock now."""
        with cython.critical_section(self, mutex):
            notified: cython.bint = waiter.queue is not self
            if not notified:
                self.remove(waiter)
                if mutex.head is None and mutex.fits(waiter):
                    mutex.grant(waiter)
                    waiter.state = GRANTED
                else:
                    mutex.push(waiter)
        return notified

    def drop(self, mutex: Mutex, waiter: TaskWaiter):
        """It never runs again. A notification that it had received goes to the next."""
        waiting: cython.bint
        with cython.critical_section(self, mutex):
            waiting = waiter.queue is self
            if waiting:
                self.remove(waiter)
                waiter.state = CANCELLED
        if not waiting:
            mutex.withdraw(waiter)
        if probing:
            happened(Happening.CANCELLED, self, waiter.party.id, interlock_now() - waiter.since)

    def pass_over_notified(self, mutex: Primitive, waiter: Waiter) -> Waiter:
        """It never comes back for the lock: the next is notified in its stead, whoever holds the lock now."""
        chain: Waiter
        with cython.critical_section(self, mutex):
            # Unless it has the lock, or has gone already. The caller has a reference of its own to us.
            if waiter.notifier is self:
                waiter.notifier = None
                self.forget_lost()
                if self.head is not None:
                    self.move_first(mutex, waiter.mover)
            chain = mutex.leave_line(waiter)
        return chain

    def move_first(self, mutex: Primitive, by: cython.ulonglong) -> cython.void:
        """Notify the first, for the party `by`. Inside the critical section of both."""
        first: Waiter = self.head
        self.remove(first)
        first.mover = by
        mutex.push(first)
        if first.strict:
            first.notifier = self

    def leave_line(self, waiter: Waiter) -> Waiter:
        """With a lock that is not ours a waiter is granted its notification, which goes to the next."""
        next_one: Waiter = None
        if waiter.state == GRANTED:
            self.forget_lost()
            if self.head is not None:
                next_one = self.head
                self.remove(next_one)
                next_one.state = GRANTED
        elif waiter.state == PARKED:
            self.remove(waiter)
        if waiter.state != TAKEN:
            waiter.state = CANCELLED
        return next_one

    def owned_for_async(self) -> cython.bint:
        """`owned_foreign`, where the lock's `acquire` may be asynchronous."""
        owned = getattr(self.lock, "_is_owned", None)
        return self.lock.locked() if owned is None else owned()

    def pass_on(self, n: cython.long) -> cython.int:
        """Notify up to `n` waiters. 0: the caller does not hold the lock."""
        mutex: Mutex = self.mutex
        own: cython.bint
        if mutex is not None:
            me: cython.ulonglong = caller_id()
            with cython.critical_section(self, mutex):
                own = mutex.is_own(me) or (self.anybodys and mutex.holder != 0)
                if own and self.head is not None:
                    self.forget_lost()
                    while n > 0 and self.head is not None:
                        self.move_first(mutex, me)
                        n -= 1
            return own
        if not self.owned_foreign():
            return 0
        self.notify_foreign(n)
        return 1

    # With a lock that is not ours.

    def notify_foreign(self, n: cython.long) -> cython.void:
        first: Waiter = None
        last: Waiter = None
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

    def owned_foreign(self) -> cython.bint:
        """Whether the caller holds the lock, as far as it lets one know."""
        owned = getattr(self.lock, "_is_owned", None)
        if owned is not None:
            return owned()
        if hasattr(self.lock, "__aenter__") and not hasattr(self.lock, "__enter__"):
            return self.lock.locked()  # asyncio's: to acquire it is to await
        if self.lock.acquire(False):
            self.lock.release()
            return False
        return True

    def wait_foreign(self, deadline: cython.longlong) -> cython.bint:
        if not self.owned_foreign():
            raise RuntimeError("cannot wait on un-acquired lock")
        # Looked up while the lock is held: looking up may be Python code, in which a handler can run.
        owned = getattr(self.lock, "_is_owned", None)
        in_c: cython.bint = self.acquired_in_c()
        waiter: ThreadWaiter = new_waiter(0)
        begin_wait(waiter, self, deadline)
        with cython.critical_section(self):
            self.forget_lost()
            self.push(waiter)
        # A subclass of our Lock does not say in its state that it was entered.
        entered: cython.bint = isinstance(self.lock, Mutex) and cython.cast(Mutex, self.lock).count != 0
        try:
            state = self._release_save()
        except BaseException:
            end_wait(waiter)
            self.withdraw(waiter)
            raise
        began: cython.longlong = interlock_now()
        if probing:
            happened(Happening.WAITING, self, waiter.party.id, 0)

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
        end_wait(waiter)
        again: cython.bint = True
        while again:
            again = False
            try:
                self._acquire_restore(state)
            except BaseException as raised:
                again = by_handler(raised)
                if error is None or not again:
                    error = raised
                again = again and self.surely_not_taken(owned, in_c)
        if entered:
            self.mark_entered(interlock_thread_id())
        if probing:
            happened(
                Happening.CANCELLED if error is not None else Happening.GRANTED if notified else Happening.TIMED_OUT,
                self,
                0,
                interlock_now() - began,
            )
        if error is not None:
            if notified:
                self.notify_foreign(1)
            raise error
        return notified

    def acquired_in_c(self) -> cython.bint:
        """Whether a function of C acquires the lock after `wait`: one that raises has not taken it."""
        if type(self)._acquire_restore is not Condition._acquire_restore:
            return False
        restore = getattr(self.lock, "_acquire_restore", None)
        return type(self.lock.acquire if restore is None else restore) is FUNCTION_OF_C

    def surely_not_taken(self, owned: object, in_c: cython.bint) -> cython.bint:
        """A signal handler has raised out of acquiring the lock. False: it was taken, or may have been."""
        mutex: Mutex
        if isinstance(self.lock, Mutex) and type(self.lock)._is_owned is Mutex._is_owned:
            # Not by asking it: a Lock that anyone took with `acquire` is said to be everybody's.
            mutex = self.lock
            me: cython.ulonglong = caller_id()
            with cython.critical_section(mutex):
                return mutex.holder != me and mutex.holder != interlock_thread_id()
        while owned is not None:
            try:
                return not owned()
            except BaseException as raised:
                if not by_handler(raised):
                    return False
        return in_c


def by_handler(error) -> cython.bint:
    """Whether a signal handler raised this, and not what was called."""
    if not isinstance(error, Exception):
        return True
    codes = []
    for number in range(1, _signal.NSIG):
        handler = _signal.getsignal(number)
        while isinstance(handler, functools.partial):
            handler = handler.func
        # A function, a method, or an object that can be called.
        code = getattr(handler, "__code__", None)
        codes.append(getattr(type(handler).__call__, "__code__", None) if code is None else code)
    traceback = error.__traceback__
    while traceback is not None:
        for code in codes:
            if traceback.tb_frame.f_code is code:
                return True
        traceback = traceback.tb_next
    return False


# --- for tasks -----------------------------------------------------------------------------------------------


async def wait_requeued_async(condition: Condition, mutex: Mutex, deadline: cython.longlong) -> bool:
    """`wait_requeued`, where parking is awaiting. One way out is new: the task is destroyed while it waits, and then
    nobody wants the lock back; a notification it had received goes on."""
    waiter: TaskWaiter = new_task_waiter(0)
    begin_wait(waiter, condition, deadline)
    try:
        error = condition.lie_down(mutex, waiter)
        began: cython.longlong = interlock_now()
        try:
            if error is None:
                await park(waiter, deadline)
        except GeneratorExit:
            condition.drop(mutex, waiter)
            raise
        except BaseException as raised:
            error = raised
        notified: cython.bint = condition.wake_up(mutex, waiter)
        at_once: cython.bint = not notified and waiter.state == GRANTED
        while not taken(mutex, waiter):
            try:
                mutex.check_block(waiter)
            except BaseException:
                mutex.withdraw(waiter)
                mutex.kick()
                if probing:
                    happened(Happening.CANCELLED, condition, 0, interlock_now() - began)
                raise
            keep_watch(waiter.party)
            try:
                await shielded_park(waiter)
            except GeneratorExit:
                condition.drop(mutex, waiter)
                raise
            except BaseException as raised:
                error = raised  # the last one, as asyncio does
        if probing:
            happened(Happening.REQUEUED, mutex, waiter.mover, 0 if at_once else interlock_now() - waiter.since)
            happened(
                Happening.CANCELLED if error is not None else Happening.GRANTED if notified else Happening.TIMED_OUT,
                condition,
                0,
                interlock_now() - began,
            )
        if error is not None:
            if notified:
                condition.pass_on(1)
            raise error
        return notified
    finally:
        end_wait(waiter)


def taken(mutex: Mutex, waiter: TaskWaiter) -> cython.bint:
    """Whether the waiter has been granted the lock: then its task has it from now on."""
    with cython.critical_section(mutex):
        if waiter.state == GRANTED:
            waiter.state = TAKEN
            waiter.notifier = None
    return waiter.state == TAKEN


async def wait_foreign_async(condition: Condition, deadline: cython.longlong) -> bool:
    """`wait_foreign`, over a lock that can be acquired without blocking the loop."""
    lock = condition.lock
    if not hasattr(lock, "acquire_async") and not hasattr(lock, "__aenter__"):
        raise TypeError(f"a task cannot wait on a condition over {lock!r}: taking that blocks the whole loop")
    if not condition.owned_for_async():
        raise RuntimeError("cannot wait on un-acquired lock")
    waiter: TaskWaiter = new_task_waiter(0)
    begin_wait(waiter, condition, deadline)
    with cython.critical_section(condition):
        condition.forget_lost()
        condition.push(waiter)
    mutex: Mutex = lock if isinstance(lock, Mutex) else None
    depth: cython.ulong = 1 if mutex is None else mutex.count
    try:
        if hasattr(lock, "_release_save"):
            lock._release_save()
        else:
            lock.release()
    except BaseException:
        end_wait(waiter)
        condition.withdraw(waiter)
        raise
    began: cython.longlong = interlock_now()
    if probing:
        happened(Happening.WAITING, condition, waiter.party.id, 0)
    error = None
    try:
        await park(waiter, deadline)
    except GeneratorExit:
        condition.withdraw(waiter)
        if probing:
            happened(Happening.CANCELLED, condition, waiter.party.id, interlock_now() - began)
        raise
    except BaseException as raised:
        error = raised
    finally:
        end_wait(waiter)
    notified: cython.bint
    with cython.critical_section(condition):
        notified = waiter.state == GRANTED
        if notified:
            waiter.state = TAKEN
        else:
            condition.remove(waiter)
            waiter.state = CANCELLED
    while True:
        try:
            await (lock.acquire_async() if hasattr(lock, "acquire_async") else lock.acquire())
            break
        except GeneratorExit:
            if notified:
                condition.notify_foreign(1)
            raise
        except BaseException as raised:
            if isinstance(raised, Exception):
                raise  # the lock's own business
            error = raised
    if mutex is not None:
        with cython.critical_section(mutex):
            if mutex.holder == waiter.party.id:
                mutex.count = depth
    if probing:
        happened(
            Happening.CANCELLED if error is not None else Happening.GRANTED if notified else Happening.TIMED_OUT,
            condition,
            0,
            interlock_now() - began,
        )
    if error is not None:
        if notified:
            condition.pass_on(1)
        raise error
    return notified


def is_plain(condition: Condition) -> cython.bint:
    return type(condition) is Condition or type(condition) is renamed


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


interlock_construct_directly(Condition)
