from interlock.core.kernel.primitive cimport Primitive
from interlock.core.kernel.waiter cimport Waiter


# Whom a caller may pass. Tasks pass nobody: they are served strictly in order.
cdef enum Passing:
    NOBODY
    WHO_IS_COMING    # a task that was granted, or is behind such, and has not run since: the caller would not wait for it
    A_WOKEN_HEAD     # and those; a thread's right, called barging


cdef class Semaphore(Primitive):
    cdef long value
    cdef long most     # what `value` may not pass
    cdef long coming   # tasks that were granted out of the queue, or behind such, and have not run since
    cdef object start(self, object value, object name)
    cdef long checked(self, object permits) except -1
    cdef bint is_plain(self) noexcept
    cdef bint take_free(self, long permits, Passing passing) except -1
    cdef bint take(self, long permits, long long deadline) except -1
    cdef bint give(self, long permits) except -1


cdef class BoundedSemaphore(Semaphore):
    pass


cdef bint is_ours(Semaphore semaphore) noexcept
