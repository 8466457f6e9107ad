from interlock.core.kernel.party cimport Party
from interlock.core.kernel.primitive cimport Primitive
from interlock.core.kernel.waiter cimport Waiter


cdef class Mutex(Primitive):
    cdef unsigned long long holder   # id of the party that holds it; 0: free
    cdef unsigned long count         # how many releases only that party makes, as far as is known
    cdef bint plain(self) noexcept
    cdef Party sync_caller(self)
    cdef bint is_own(self, unsigned long long me) noexcept
    cdef unsigned long let_go(self) noexcept
    cdef bint enter(self) except -1
    cdef bint leave(self) except -1
    cdef object enter_async(self)
    cdef object leave_async(self)
    cdef object refuse_release(self)
