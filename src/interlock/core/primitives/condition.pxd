from interlock.core.primitives.condition_queue cimport ConditionQueue
from interlock.core.primitives.mutex cimport Mutex
from interlock.core.kernel.waiter cimport ThreadWaiter


cdef class Condition(ConditionQueue):
    cdef bint has_lost(self, object error) except -1
    cdef bint wait_until(self, long long deadline) except -1
    cdef bint wait_requeued(self, long long deadline) except -1
    cdef bint wait_seen(self, Mutex mutex, ThreadWaiter waiter, long long deadline) except -1
    cdef object retake(self, Mutex mutex, ThreadWaiter waiter, bint unparked, object error)


cdef bint is_plain(Condition condition) noexcept
cdef bint is_ours(Condition condition) noexcept
