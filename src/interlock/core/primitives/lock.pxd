from interlock.core.primitives.mutex cimport Mutex


cdef class Lock(Mutex):
    pass


# Functions and not methods: called directly, not through the type, and so compiled into their callers.
cdef bint take(Lock lock, unsigned long count, long long deadline) except -1
cdef bint take_probed(Lock lock, unsigned long count, long long deadline) except -1
cdef bint give(Lock lock, unsigned long long me) except -1
cdef object enter_async(Lock lock)
cdef bint give_otherwise(Lock lock, unsigned long long me, bint entered_by_task) except -1
cdef bint is_plain(Lock lock) noexcept
