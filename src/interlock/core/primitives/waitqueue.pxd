from interlock.core.kernel.primitive cimport Primitive
from interlock.core.kernel.waiter cimport Waiter


cdef class WaitQueue(Primitive):
    cdef long wakes    # handed out in the running critical section; 0 outside one
    cdef object line_up(self, Waiter waiter)
    cdef bint news(self, Waiter waiter, object unless) except -1
    cdef bint leave_now(self, Waiter waiter) noexcept
