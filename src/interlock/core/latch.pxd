from interlock.core.waiting cimport Primitive, Waiter


cdef class Latch(Primitive):
    cdef long left
