cimport cython
from interlock.core.kernel.primitive cimport Primitive

cdef enum Kind:
    WAITING      # for what stays as it is once it has happened
    PLAIN        # to be had by `acquire`
    GETTING
    PUTTING
    READING
    WRITING


@cython.final
cdef class Alternative:
    cdef Kind kind
    cdef Primitive target
    cdef long want
    cdef object payload      # what to put
    cdef object outside      # of what is no primitive: what to call when select is over, and what it returns


cdef Alternative alternative(Kind kind, Primitive target, long want, object payload)
