cimport cython

@cython.final
cdef class Within:
    cdef object target
    cdef object timeout


cdef Within within(object target, object timeout)
