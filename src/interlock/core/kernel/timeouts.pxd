cdef long long NEVER   # the deadline of a wait without a timeout

cdef double seconds_of(object timeout) except? -1
cdef long long deadline_in(double seconds) except -1
cdef long long lock_deadline(bint blocking, object timeout) except -1
cdef double lock_seconds(object timeout) except? -2
cdef double wait_seconds(object timeout) except? -2
cdef long long deadline_after(object timeout) except -1
