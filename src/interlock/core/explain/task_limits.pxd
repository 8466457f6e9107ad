cdef class TaskLimits:
    # The address of a loop -> what was read of it.
    cdef dict of_loops
    cdef bint ends_in_asyncio(self, object task, object loop) except -1


cdef tuple limits_of(object loop)
cdef object released_by(object callback, object args=*)
cdef object attribute_of(object owner, str name)
cdef bint has_timeout(object task) except -1
cdef bint ends_in_trio(object task) except -1
