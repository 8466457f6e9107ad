cdef object refuse_positional(object made, tuple args)
cdef object refuse_name(str what, object given)
cdef str checked_name(object name)
cdef long whole(object number) except? -1
