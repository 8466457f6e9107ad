from interlock.core.kernel.probe cimport Happening
from interlock.machine.kernel cimport Shared, me, u64, Waiting
from interlock.machine.lock cimport Lock


cdef class Condition(Shared):
    cdef Lock lock
    cdef bint reentrant
    cdef bint plain
    cdef object look_at_lock(self)
    cdef object check_owner(self, me *i, str doing)
    cdef object pass_on(self, me *i)
    cdef u64 tell_wait(self) except? 0
    cdef object tell_back(self, u64 since, Happening outcome)


cdef Happening outcome_of(int noticed) noexcept
