from interlock.core.kernel.party cimport Party
from interlock.core.kernel.probe cimport Observed
from interlock.core.kernel.waiter cimport ThreadWaiter, Waiter


# How often a party that waits for an owner asks whether that can still come: half of the second in which it is to know.
cdef long long LOOK_AGAIN_NS


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
    cdef bint is_kept_by(self, unsigned long long id) noexcept
    cdef bint only_by(self, Party owner) except -1
    cdef Primitive leads_to(self)
    cdef object kick(self)
    cdef bint take_now(self, long want) except -1
    cdef bint take_past(self, long want) except -1
    cdef void mark_entered(self, unsigned long long me) noexcept
    cdef Party lost_owner(self, Waiter waiter)
    cdef int check_block(self, Waiter waiter) except -1
    cdef list cases(self)

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
    cdef list queued_in(self, Primitive line)
    cdef tuple blocked(self)
    cdef str describe(self, str state, str more)


cdef object serve_survivor(Primitive queue, Waiter waiter)
