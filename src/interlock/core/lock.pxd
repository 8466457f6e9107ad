from interlock.core.mutex cimport Mutex


cdef class Lock(Mutex):
    cdef bint take(self, unsigned long count, long long deadline) except -1
