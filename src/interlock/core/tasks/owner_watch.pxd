cimport cython
from interlock.core.tasks.task cimport TaskParty
from interlock.core.tasks.task_waiter cimport TaskWaiter


@cython.final
cdef class LoopWatch:
    cdef object loop
    cdef object key
    cdef object __weakref__
    cdef bint look(self) except -1
    cdef bint asks(self, TaskWaiter waiter) except -1


# The address of a loop of which a task waits for an owner -> a weak reference to its LoopWatch. Single operations on a
# dictionary are atomic.
cdef dict watches
cdef object keep_watch(TaskParty party)
