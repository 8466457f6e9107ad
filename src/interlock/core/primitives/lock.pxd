from interlock.core.primitives.mutex cimport Mutex


cdef class Lock(Mutex):
    pass


# Functions and not methods: called directly, not through the type, and so compiled into their callers.
cdef bint take_free(Lock lock, unsigned long long me, unsigned long count) noexcept
cdef bint take(Lock lock, unsigned long count, long long deadline) except -1
cdef bint take_probed(Lock lock, unsigned long count, long long deadline) except -1
cdef bint give(Lock lock) except -1
cdef object enter_async(Lock lock)
cdef bint is_plain(Lock lock) noexcept
