from interlock.machine.kernel cimport Shared, me, u64, Waiting


cdef class Barrier(Shared):
    cdef object action
    cdef object timeout
    cdef object ended(self, int step, Waiting *w)
    cdef object leave(self, me *i, Waiting *w)
    cdef object act(self, me *i, Waiting *w)
    cdef object finish(self, me *i, Waiting *w, bint well)
    cdef object come(self, object timeout)
    cdef u64 tell_arrival(self) except? 0
    cdef object tell_end(self, u64 since, object error)
