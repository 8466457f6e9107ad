from interlock.core.mutex cimport Mutex


cdef class RLock(Mutex):
    cdef bint take(self, long long deadline) except -1
