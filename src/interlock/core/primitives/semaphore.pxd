from interlock.core.kernel.primitive cimport Primitive
from interlock.core.kernel.waiter cimport Waiter


cdef class Semaphore(Primitive):
    cdef long value
    cdef long most     # what `value` may not pass
    cdef long coming   # tasks that were granted out of the queue, or behind such, and have not run since
    cdef object start(self, object value, object name)
    cdef long checked(self, object permits) except -1
    cdef bint is_plain(self) noexcept
    cdef bint take_free(self, long permits) noexcept
    cdef bint take(self, long permits, long long deadline) except -1
    cdef bint give(self, long permits) except -1


cdef class BoundedSemaphore(Semaphore):
    pass


cdef bint is_ours(Semaphore semaphore) noexcept
