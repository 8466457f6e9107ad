cimport cython
from interlock.core.primitives.queue_base cimport QueueBase, Want
from interlock.core.tasks.awaiting cimport CallState
from interlock.core.tasks.task_waiter cimport TaskWaiter


@cython.final
cdef class QueueCall:
    cdef CallState state
    cdef bint awaited
    cdef bint iterating       # `async for`: shutdown ends it
    cdef bint checking        # `inner` is trio's checkpoint, and nothing has begun
    cdef unsigned char want
    cdef Py_ssize_t most      # get_many; 0: one item
    cdef double seconds
    cdef QueueBase queue
    cdef object payload
    cdef TaskWaiter waiter
    cdef object inner         # while SLEEPING: what it awaits

    cdef object advance(self, object sent, object error)
    cdef object begin(self)
    cdef object go_on(self, object sent, object error)
    cdef object ask_inside(self, long long deadline)
    cdef object finish(self, object item)
    cdef object refuse(self, int outcome)
    cdef str call_name(self)


cdef QueueCall new_queue_call(QueueBase queue, Want want, object payload, double seconds)
cdef object shut_down_error()
cdef object resume(object coroutine, object sent, int *over)
cdef bint is_unfinished(object coroutine) noexcept
cdef bint finish_call(object coroutine) except -1
