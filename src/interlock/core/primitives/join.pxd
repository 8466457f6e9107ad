from interlock.core.kernel.primitive cimport Primitive
from interlock.core.kernel.waiter cimport Waiter


cdef class Join(Primitive):
    # Written once.
    cdef readonly object thread
    cdef unsigned long ident
    # The id of its party; 0 until that has been met. Written under the guard of the graph.
    cdef unsigned long long target
    cdef Waiter waiter    # of the party that is inside; None: nobody is
    cdef object leave(self)
