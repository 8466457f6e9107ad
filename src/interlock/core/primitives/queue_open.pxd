cimport cython
from interlock.core.primitives.condition cimport Condition
from interlock.core.primitives.queue_base cimport QueueBase, Want


@cython.final
cdef class Opened:
    cdef QueueBase of
    cdef readonly object mutex
    cdef readonly Condition not_empty
    cdef readonly Condition not_full
    cdef readonly Condition all_tasks_done
    cdef public object container
    cdef bint is_full(self, Py_ssize_t more) except -1
    cdef bint pause(self, Condition condition, long long deadline) except -1


cdef Opened open_up(QueueBase queue)
cdef Opened new_opened(QueueBase queue)
