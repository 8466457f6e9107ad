from interlock.core.primitives.mutex cimport Mutex
from interlock.core.kernel.primitive cimport Primitive
from interlock.core.kernel.waiter cimport Waiter


cdef class ConditionQueue(Primitive):
    # All written once. `mutex` is the lock if it is exactly one of ours, else None.
    cdef object lock
    cdef Mutex mutex
    cdef object lie_down(self, Mutex mutex, Waiter waiter)
    cdef object give_up(self, Mutex mutex, Waiter waiter, object error)
    cdef void tell_over(self, bint notified, object error, long long began) noexcept
    cdef int pass_on(self, long n) except -1
    cdef void move_first(self, Primitive mutex, unsigned long long by) noexcept
    cdef void notify_foreign(self, long n) noexcept
    cdef bint owned_foreign(self) except -1
