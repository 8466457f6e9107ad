from interlock.machine.kernel cimport Shared, u64


cdef class Event(Shared):
    cdef bint take(self, u64 deadline) except -1
