from interlock.core.kernel.primitive cimport Primitive
from interlock.core.kernel.waiter cimport Waiter


cdef class Latch(Primitive):
    cdef long left
