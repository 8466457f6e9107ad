from interlock.core.primitives.mutex cimport Mutex


cdef class RLock(Mutex):
    pass


# Functions and not methods: called directly, not through the type, and so compiled into their callers.
cdef bint take(RLock lock, long long deadline) except -1
cdef bint take_probed(RLock lock, unsigned long long me, long long deadline) except -1
cdef bint give(RLock lock) except -1
cdef bint give_as(RLock lock, unsigned long long me) except -1
cdef object enter_async(RLock lock)
cdef object refuse_arguments(tuple args)
cdef bint is_plain(RLock lock) noexcept
