"""A condition's queue, and how a waiter leaves it: what all that wait in a condition share.

Over a lock of ours, `notify` moves a waiter to the lock's queue; over any other it grants it the notification. Which
of the two, `mutex` says. How the parties wait stands beside this: in `condition.py` (threads, over a lock of ours),
`condition_tasks.py` (tasks, over a lock of ours) and `condition_foreign.py` (both, over any other).
"""

import cython
from cython.cimports.interlock.core.kernel.control import Operation, controlling, now, point
from cython.cimports.interlock.core.kernel.native import interlock_thread_id
from cython.cimports.interlock.core.kernel.primitive import Primitive
from cython.cimports.interlock.core.kernel.probe import Happening, happened, probing
from cython.cimports.interlock.core.kernel.waiter import CANCELLED, GRANTED, PARKED, TAKEN, ThreadWaiter, Waiter
from cython.cimports.interlock.core.primitives.mutex import Mutex
from cython.cimports.interlock.core.tasks.task import TASK_BIT, caller_id
from cython.cimports.interlock.core.tasks.task_waiter import expect_all


class ConditionQueue(Primitive):
    """The queue of a condition, and its lock. Not to be used by itself."""

    def leads_to(self) -> Primitive:
        return self if self.mutex is None else self.mutex

    def mark_entered(self, me: cython.ulonglong) -> cython.void:
        if isinstance(self.lock, Mutex):
            cython.cast(Mutex, self.lock).mark_entered(me)

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

    def lie_down(self, mutex: Mutex, waiter: Waiter):
        """Give up the lock and join the queue, at once. Raises where the lock is not held.

        A thread that goes to sleep wakes the next owner as it does: `waiter`, if a thread's, is to be parked at once.

        Returns what a signal handler raised while the next owner was woken, or None: by then the caller has no lock.
        """
        if controlling:
            point(Operation.WAIT, self)
        me: cython.ulonglong = caller_id()
        chain: Waiter = None
        own: cython.bint
        with cython.critical_section(self, mutex):
            own = mutex.is_own(me)
            if own:
                waiter.want = mutex.let_go()
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

    def give_up(self, mutex: Mutex, waiter: Waiter, error):
        """It stands in the queue of the lock, which it can never have back. `error` says so."""
        error.not_regained = id(mutex)
        mutex.withdraw(waiter)
        mutex.kick()
        if probing:
            happened(Happening.CANCELLED, self, 0, now() - waiter.since)

    def tell_over(self, notified: cython.bint, error, began: cython.longlong) -> cython.void:
        """To the probe: how the caller's wait has ended, which began at `began`."""
        happening: Happening = Happening.GRANTED if notified else Happening.TIMED_OUT
        if error is not None:
            happening = Happening.CANCELLED
        happened(happening, self, 0, now() - began)

    def pass_on(self, n: cython.long) -> cython.int:
        """Notify up to `n` waiters. 0: the caller does not hold the lock."""
        mutex: Mutex = self.mutex
        own: cython.bint
        far: cython.bint = False
        if mutex is not None:
            me: cython.ulonglong = caller_id()
            moved: cython.long = 0
            with cython.critical_section(self, mutex):
                own = mutex.is_own(me)
                if own and self.head is not None:
                    self.forget_lost()
                    while moved < n and self.head is not None:
                        far = far or (me > TASK_BIT and self.head.party.thread != interlock_thread_id())
                        self.move_first(mutex, me)
                        moved += 1
            if moved > 1 and me > TASK_BIT:
                expect_all(mutex)
            if far:
                # Should a task's loop be closed before it has left the lock, nobody would tell who is asleep in the
                # lock's queue. So the first looks for itself from now on, and passes on what it finds.
                mutex.kick()
            return own
        if not self.owned_foreign():
            return 0
        self.notify_foreign(n)
        return 1

    def move_first(self, mutex: Primitive, by: cython.ulonglong) -> cython.void:
        """Notify the first, for the party `by`. Inside the critical section of both."""
        first: Waiter = self.head
        self.remove(first)
        first.mover = by
        mutex.push(first)
        if first.is_task:
            first.notifier = self

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

    def pass_over_notified(self, mutex: Primitive, waiter: Waiter) -> Waiter:
        """It never comes back for the lock: the next is notified in its stead, no matter who holds the lock now."""
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
