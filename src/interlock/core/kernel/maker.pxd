cimport cython


@cython.final
cdef class Maker:
    # Written once.
    cdef readonly object code
    cdef readonly int offset
    cdef readonly object line
    cdef readonly object outer_code
    cdef readonly int outer_offset
    cdef readonly object outer_line
    cdef readonly object first_code
    cdef readonly object first_line
    # What those who look on keep about what is made here: theirs alone, under the critical section of the maker.
    cdef object tally
    cdef object node


cdef Maker maker_of(type kind)
cdef object forget_makers()
cdef bint is_library(object file)
cdef int traits_of(object code) except -1
# Whether the code belongs to the standard library, the interpreter or us.
cdef bint is_in_library(object code) except -1
