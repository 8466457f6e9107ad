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

cdef long long NEVER   # the deadline of a wait without a timeout


cdef class Waiter:
    # All of this is guarded by the critical section of the primitive in whose queue the waiter is, except
    # `wake`, which belongs to the one party that is about to unpark it.
    cdef Waiter next
    cdef void *prev            # borrowed: a queued waiter is kept alive by its predecessor's `next`
    cdef Primitive queue       # None when in none
    cdef Primitive notifier    # of a task: the condition that has moved it to the queue it is in
    cdef Waiter wake
    cdef long long since       # when it joined the queue it is in, monotonic nanoseconds
    cdef WaiterState state
    # Written once, by the party that blocks.
    cdef Party party
    cdef long want             # what it asks for, in the primitive's own terms
    # The wait as others see it in the graph: see `begin_wait`. Written before they can see it.
    cdef Party host            # whose wait it is: who blocks
    cdef Primitive at          # where it began
    cdef Waiter outer          # the wait of the same party in which this one began: a signal handler waits
    cdef bint timed            # it ends by itself as long as it stands where it began
    # Written by its own party: a signal handler runs in its wait, and may do anything.
    cdef bint handling
    cdef long long shown       # since when, monotonic nanoseconds
    # Guarded by the graph's guard: this wait was refused, and its party is about to leave it.
    cdef bint refused
    # Written in the critical section of both queues, by the party that moves it from one to the other; 0: nobody has.
    cdef unsigned long long mover
    cdef bint strict           # a task: it is served in the order of arrival, and not told to come and compete
    # What a signal handler raised in the middle of `unpark`. Belongs to the one who unparks.
    cdef object interruption
    # A task's: its owner may have ended, and it is to look again. In the thread of its loop.
    cdef bint look_again
    cdef bint unpark(self, Primitive by) noexcept
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
cdef void begin_wait(Waiter waiter, Primitive at, long long deadline) noexcept
cdef object set_on_wait(object function)
cdef void tell_wait() noexcept
cdef void end_wait(Waiter waiter) noexcept
cdef ThreadWaiter new_waiter_of(Party party, long want)


cdef class Primitive(Observed):
    cdef object __weakref__
    cdef Waiter head           # owns the chain of waiters through their `next`
    cdef void *tail            # borrowed
    cdef unsigned int forked   # the value of `forks` for which the queue holds

    # What a primitive says about itself. Called in its critical section.
    cdef bint fits(self, Waiter waiter) noexcept
    cdef void grant(self, Waiter waiter) noexcept
    cdef void take_back(self, Waiter waiter) noexcept
    cdef bint due(self, Waiter waiter) noexcept
    cdef Waiter runs_again(self, Waiter waiter)
    cdef Waiter expire(self, Waiter waiter)
    cdef int owners(self, Waiter waiter, unsigned long long *ids, int room) noexcept
    cdef int holders(self, unsigned long long *ids, int room) noexcept
    cdef Waiter leave_line(self, Waiter waiter)
    # Called outside it.
    cdef list held_by(self)
    cdef list gives_up_before(self, Waiter waiter)
    cdef bint has_owners(self) noexcept
    cdef Primitive leads_to(self)
    cdef object kick(self)
    cdef bint take_now(self, long want) except -1
    cdef bint take_past(self, long want) except -1
    cdef void mark_entered(self, unsigned long long me) noexcept
    cdef int check_block(self, Waiter waiter) except -1

    # The queue. Called in the critical section.
    cdef void push(self, Waiter waiter) noexcept
    cdef void remove(self, Waiter waiter) noexcept
    cdef bint may_barge(self) noexcept
    cdef Waiter serve(self, Waiter arrived)
    cdef Waiter grant_all(self)
    cdef void forget_lost(self) noexcept

    # Waiting. Called outside it.
    cdef bint block(self, ThreadWaiter waiter, long long deadline) except -1
    cdef bint take_or_join(self, Waiter waiter) noexcept
    cdef bint wait_in_line(self, ThreadWaiter waiter, long long deadline) except -1
    cdef bint await_turn(self, ThreadWaiter waiter, long long deadline, bint unparked) except -1
    cdef object withdraw(self, Waiter waiter)
    cdef Waiter pass_over(self, Waiter waiter)
    cdef Waiter pass_over_notified(self, Primitive mutex, Waiter waiter)
    cdef object wake(self, Waiter first)
    cdef list queued(self)
    cdef tuple blocked(self)
    cdef str describe(self, str state, str more)


cdef object refuse_positional(object made, tuple args)
cdef str checked_name(object name)
cdef long long deadline_in(double seconds) except -1
cdef long whole(object number) except? -1
cdef double seconds_of(object timeout) except? -1
cdef double lock_seconds(object timeout) except? -2
cdef double wait_seconds(object timeout) except? -2
cdef long long lock_deadline(bint blocking, object timeout) except -1
cdef long long deadline_after(object timeout) except -1
cdef int refuse_orphan(Primitive primitive, Waiter waiter, Party owner) except -1
