from interlock.machine.kernel cimport Shared, me, Waiting
from interlock.machine.lock cimport Lock


cdef class Condition(Shared):
    cdef Lock lock
    cdef bint reentrant
    cdef object check_owner(self, me *i, str doing)
    cdef object pass_on(self, me *i)
