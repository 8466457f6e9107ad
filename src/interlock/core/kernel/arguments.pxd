cdef object refuse_positional(object made, tuple args)
cdef str checked_name(object name)
cdef long whole(object number) except? -1
