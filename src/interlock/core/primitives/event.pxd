from interlock.core.kernel.waiting cimport Primitive, Waiter


cdef class Event(Primitive):
    cdef bint flag
