from interlock.machine.kernel cimport Shared, me, u64, Waiting

cdef bint closings
cdef object note_closing()


cdef class Lock(Shared):
    cdef object recover

    cdef bint enter(self) except -1
    cdef object leave(self)
    cdef bint has_nothing(self) except -1
    cdef object look_at_class(self)
    cdef bint take(self, u64 entered, u64 deadline) except -1
    cdef object recovered(self, me *i)
    cdef object give(self, bint leaving)
    cdef object give_in_guard(self, me *i, u64 owner, bint keep)
