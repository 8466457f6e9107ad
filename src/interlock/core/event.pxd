from interlock.core.waiting cimport Primitive, Waiter


cdef class Event(Primitive):
    cdef bint flag
