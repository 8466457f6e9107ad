cimport cython

@cython.final
cdef class Within:
    cdef object target
    cdef object timeout


cdef Within within(object target, object timeout)


# party id -> the order of the lock that it is taking. Each party changes its own.
cdef dict hints


@cython.final
cdef class InOrder:
    cdef object target
    cdef object order


cdef object restore(object me, object before)
cdef InOrder within_order(object target, object order)
