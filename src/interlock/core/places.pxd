cimport cython


@cython.final
cdef class Place:
    # Written once.
    cdef readonly str file
    cdef readonly int line
    cdef readonly str function
    cdef readonly str what


cdef bint is_it(object found, object primitive)
