from interlock.machine.kernel cimport Shared


cdef class Latch(Shared):
    pass
