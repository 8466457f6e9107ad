from interlock.core.awaiting cimport TaskWaiter
from interlock.core.mutex cimport Mutex
from interlock.core.waiting cimport Primitive, ThreadWaiter, Waiter


cdef class Condition(Primitive):
    # Both written once. `mutex` is the lock if it is exactly one of ours, else None.
    cdef object lock
    cdef Mutex mutex
    cdef bint anybodys   # interlock.aio's: who holds the lock is not asked, only whether somebody does
    cdef bint wait_until(self, long long deadline) except -1
    cdef bint wait_requeued(self, long long deadline) except -1
    cdef bint wait_seen(self, Mutex mutex, ThreadWaiter waiter, long long deadline) except -1
    cdef bint wait_foreign(self, long long deadline) except -1
    cdef object lie_down(self, Mutex mutex, Waiter waiter)
    cdef object retake(self, Mutex mutex, ThreadWaiter waiter, bint unparked, object error)
    cdef int pass_on(self, long n) except -1
    cdef bint owned_foreign(self) except -1
    cdef bint wake_up(self, Mutex mutex, TaskWaiter waiter) noexcept
    cdef object drop(self, Mutex mutex, TaskWaiter waiter)
    cdef void move_first(self, Primitive mutex, unsigned long long by) noexcept
    cdef bint owned_for_async(self) except -1
    cdef void notify_foreign(self, long n) noexcept
    cdef bint acquired_in_c(self) except -1
    cdef bint surely_not_taken(self, object owned, bint in_c) except -1


cdef bint taken(Mutex mutex, TaskWaiter waiter) noexcept
cdef bint is_plain(Condition condition) noexcept
cdef bint by_handler(object error) except -1
