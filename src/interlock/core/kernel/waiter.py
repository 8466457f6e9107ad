"""A waiter: the queue node of one blocked party, and what its thread parks on.

Its life:

    PARKED     in the queue          -> WOKEN, GRANTED: by the party that serves the queue, which owes it one unpark
                                     -> CANCELLED: by its own party, on timeout or interrupt
    WOKEN      head of the queue     -> GRANTED, CANCELLED: by its own party
                                     -> PARKED: by its own party, which came too late; only after the unpark
                                        has been consumed, so never more than one is under way
    GRANTED    out of the queue      -> CANCELLED: by its own party, interrupted: it passes the grant on
    CANCELLED  out of the queue      final

A task's waiter is never WOKEN, and has one state more: see `core/tasks/task_waiter.py`. No other state occurs: a waiter
is queued once (twice in a condition, which moves it while it is PARKED), only the head is ever WOKEN since newcomers
join at the tail, and every change is made inside the critical section of the primitive in whose queue the waiter is:
see `primitive.py`, which knows what a waiter may stand in. A waiter only has a place for it.
"""

import cython
from cython.cimports.cpython.exc import PyErr_CheckSignals
from cython.cimports.cpython.pythread import PyThread_get_thread_ident
from cython.cimports.interlock.core.kernel.control import controlling, now, park, unparked
from cython.cimports.interlock.core.kernel.native import (
    PY_LOCK_ACQUIRED,
    PY_LOCK_INTR,
    PyLockStatus,
    PyThread_acquire_lock,
    PyThread_acquire_lock_timed,
    PyThread_allocate_lock,
    PyThread_free_lock,
    PyThread_release_lock,
    PyThread_type_lock,
)
from cython.cimports.interlock.core.kernel.party import Party, forks, main_ident, meet
from cython.cimports.interlock.core.kernel.probe import Observed
from cython.cimports.interlock.core.kernel.timeouts import NEVER

SIGNAL_GAP_US = cython.declare(cython.longlong, 50_000)


class Waiter:
    """The queue node of one blocked party. What it parks on is for a subclass to say."""

    def __dealloc__(self):
        # A queue that goes with its primitive: one after the other, not one inside the other.
        after: Waiter = self.next
        self.next = None
        while after is not None:
            following: Waiter = after.next
            after.next = None
            after = following

    def claim(self) -> cython.bint:
        """Whether its party still wants what it waits for here; if so, nowhere else from now on. Whoever serves it
        asks, in the critical section, and grants it what it wants."""
        return True

    def ask(self):
        """Have a party that is no thread look again whether its owner can still come."""

    def unpark(self, by: Observed) -> cython.bint:
        """Wake the party. False where that can't be done any more, and the grant must go to another."""
        return False


class ThreadWaiter(Waiter):
    """A blocked thread. Its parker is a lock of CPython's, taken when made, so that the next taker blocks."""

    def __cinit__(self):
        self.parker = PyThread_allocate_lock()
        if self.parker == cython.NULL:
            raise MemoryError
        PyThread_acquire_lock(self.parker, 0)

    def __dealloc__(self):
        if self.parker != cython.NULL:
            PyThread_free_lock(self.parker)

    def unpark(self, by: Observed) -> cython.bint:
        PyThread_release_lock(self.parker)
        if controlling:
            unparked(self)
        return True

    def handle_signals(self) -> cython.int:
        self.handling = True
        try:
            PyErr_CheckSignals()
        finally:
            self.handling = False
        return 0

    def park(self, deadline: cython.longlong) -> cython.bint:
        """Block until unparked (True) or until `deadline` has passed (False).

        Raises what a signal handler raises; the waiter stays where it is. True also in the child of a handler
        that forked: who was to unpark it may not have come along, so it has to look for itself.

        A waiter that is `owed` an unpark gets it first, when the GIL is free already. One who is woken while we still
        have it wakes up twice, for the unpark and for the GIL: nearly half of what a hand-off by `wait` costs.
        """
        if controlling:
            outcome: cython.int = park(self, deadline)
            if outcome != 2:
                return outcome == 1
        parker: PyThread_type_lock = self.parker
        process: cython.uint = forks
        status: PyLockStatus
        left: cython.longlong
        owed: ThreadWaiter = self.owed
        others: PyThread_type_lock = cython.NULL
        if owed is not None:
            self.owed = None
            if PyThread_get_thread_ident() == main_ident:
                # Before a signal handler can run: it may take its time, or raise.
                PyThread_release_lock(owed.parker)
            else:
                others = owed.parker
        while True:
            left = -1
            if deadline != NEVER:
                left = max(0, deadline - now() + 999) // 1000
            if PyThread_get_thread_ident() == main_ident:
                # A signal that comes between here and the system call interrupts nothing and would wait as long as
                # we do. POSIX has no wait that closes this gap for a signal which any thread may take, so the one
                # thread that runs handlers looks again now and then. `threading` waits for ever.
                self.handle_signals()
                if forks != process:
                    return self.in_child()
                left = SIGNAL_GAP_US if left < 0 else min(left, SIGNAL_GAP_US)
            with cython.nogil:
                if others != cython.NULL:
                    PyThread_release_lock(others)
                    others = cython.NULL
                status = PyThread_acquire_lock_timed(parker, left, 1)
            if status == PY_LOCK_ACQUIRED:
                return True
            if status == PY_LOCK_INTR:
                self.handle_signals()
                if forks != process:
                    return self.in_child()
            elif now() >= deadline:
                return False

    def in_child(self) -> cython.bint:
        """It may have been unparked when those before it were forgotten: that counts as consumed."""
        PyThread_acquire_lock(self.parker, 0)
        return True


def new_waiter(want: cython.long) -> ThreadWaiter:
    return new_waiter_of(meet(), want)


def new_waiter_of(party: Party, want: cython.long) -> ThreadWaiter:
    """`party`: the calling thread, or the task that blocks this thread with it."""
    waiter: ThreadWaiter = ThreadWaiter.__new__(ThreadWaiter)
    waiter.party = party
    waiter.want = want
    return waiter
