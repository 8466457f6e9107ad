from interlock.machine.kernel cimport Shared, me, u64, Waiting


cdef class Lock(Shared):
    cdef object recover
    cdef bint direct
    # Whose coroutine is closed while it waits in a condition leaves so many blocks of `async with` right after that, and
    # has nothing to release. The next task to come for the lock makes it 0.
    cdef unsigned long long let_go

    cdef bint has_let_go(self, object exc_type)
    cdef object look_at_class(self)
    cdef bint take(self, u64 entered, u64 deadline) except -1
    cdef object recovered(self, me *i)
    cdef object give(self, bint leaving)
    cdef object give_in_guard(self, me *i, u64 owner, bint keep)
