from interlock.machine.kernel cimport me, u64
from interlock.machine.lock cimport Lock


cdef class RLock(Lock):
    cdef bint is_mine(self, me *i, u64 task) noexcept
    cdef bint take_as(self, u64 task, u64 deadline) except -1
    cdef object give_as(self, u64 task)
