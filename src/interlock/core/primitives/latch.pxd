from interlock.core.kernel.waiting cimport Primitive, Waiter


cdef class Latch(Primitive):
    cdef long left
