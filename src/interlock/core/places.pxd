cdef bint is_it(object found, object primitive)
