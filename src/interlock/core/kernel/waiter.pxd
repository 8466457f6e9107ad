cimport cython
from interlock.core.kernel.native cimport PyThread_type_lock
from interlock.core.kernel.party cimport Party
from interlock.core.kernel.probe cimport Observed

cdef enum WaiterState:
    PARKED      # in a queue, blocked or about to be
    WOKEN       # head of its queue, unparked, on its way to compete; nothing has been given to it
    GRANTED     # out of the queue, and what it waited for is its own
    CANCELLED   # out of the queue with nothing
    TAKEN       # a task's: it has run again, with what it was granted


cdef class Waiter:
    # All of this is guarded by the critical section of the primitive in whose queue the waiter is, except
    # `wake`, which belongs to the one party that is about to unpark it.
    cdef Waiter next
    cdef void *prev            # borrowed: a queued waiter is kept alive by its predecessor's `next`
    cdef Observed queue        # the primitive in whose queue it is, or None
    cdef Observed notifier     # of a task: the condition that has moved it to the queue it is in
    cdef Waiter wake
    cdef long long since       # when it joined the queue it is in, monotonic nanoseconds
    cdef WaiterState state
    # Written once, by the party that blocks.
    cdef Party party
    cdef long want             # what it asks for, in the primitive's own terms
    # The wait as others see it in the graph: see `wait.py`. Written before they can see it.
    cdef Party host            # whose wait it is: who blocks
    cdef Observed at           # the primitive where it began
    cdef Waiter outer          # the wait of the same party in which this one began: a signal handler waits
    cdef bint timed            # it ends by itself as long as it stands where it began
    # Written by its own party: a signal handler runs in its wait, and may do anything.
    cdef bint handling
    cdef long long shown       # since when, monotonic nanoseconds
    # Guarded by the graph's guard: this wait was refused, and its party is about to leave it.
    cdef bint refused
    # Written in the critical section of both queues, by the party that moves it from one to the other; 0: nobody has.
    cdef unsigned long long mover
    cdef bint is_task          # it is served in the order of arrival, and not told to come and compete
    # Of a choice among several (`primitives/select.py`), whose party may leave the queue for another.
    cdef bint optional
    # Likewise: for which owner it waits that can never come back, as far as its own party has found out; else 0.
    cdef unsigned long long lost
    # What a signal handler raised in the middle of `unpark`. Belongs to the one who unparks.
    cdef object interruption
    # A thread's that is controlled: the party that is parked here. Written by the controller.
    cdef void *controlled
    # A task's: its owner may have ended, and it is to look again. In the thread of its loop.
    cdef bint look_again
    # At a queue: the item that it brings, or was handed; and which of all that were handed out it is.
    cdef object payload
    cdef unsigned long long turn
    cdef bint claim(self) noexcept
    cdef bint unpark(self, Observed by) noexcept
    cdef object ask(self)


@cython.final
cdef class ThreadWaiter(Waiter):
    cdef PyThread_type_lock parker
    # Who is still owed an unpark by this waiter's own party, which gives it as it parks. Belongs to that thread.
    cdef ThreadWaiter owed
    cdef int handle_signals(self) except -1
    cdef bint park(self, long long deadline) except -1
    cdef bint in_child(self) noexcept


cdef ThreadWaiter new_waiter(long want)
cdef ThreadWaiter new_waiter_of(Party party, long want)
