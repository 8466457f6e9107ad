from interlock.core.kernel.primitive cimport Primitive
from interlock.core.kernel.waiter cimport Waiter


cdef class Event(Primitive):
    cdef bint flag
