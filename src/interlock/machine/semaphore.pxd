from interlock.machine.kernel cimport Shared, u32, u64, Waiting


cdef class Semaphore(Shared):
    cdef bint bounded
    cdef bint take(self, u32 flags, u32 want, u64 deadline) except -1
    cdef object start(self, object name, object value)
    cdef long checked(self, object permits) except -1
    cdef object give(self, u64 count, bint held)
    cdef u32 unpaid(self)


cdef class BoundedSemaphore(Semaphore):
    pass
