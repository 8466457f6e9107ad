from interlock.machine.kernel cimport Shared, me, u32, u64, Waiting


cdef class RWLock(Shared):
    cdef object recover
    cdef bint take(self, u32 flags, u64 deadline) except -1
    cdef object recovered(self)
    cdef object give_read(self, me *i)
    cdef object give_write(self, me *i, bint keep)


cdef class Side:
    cdef readonly RWLock lock
    cdef bint reads
