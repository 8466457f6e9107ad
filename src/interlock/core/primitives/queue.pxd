from interlock.core.primitives.queue_base cimport QueueBase


cdef class QueueFace(QueueBase):
    cdef tuple checked_batch(self, object items)
    cdef tuple in_order(self, tuple batch)


cdef class SimpleQueue(QueueFace):
    pass


cdef class Queue(QueueFace):
    cdef object start(self, object maxsize, object name)
    cdef object set_limit(self, object maxsize)


cdef class LifoQueue(Queue):
    pass


cdef double checked_seconds(object timeout) except? -2
cdef long long checked_deadline(bint block, object timeout) except -1
cdef Py_ssize_t checked_number(object n) except -1
cdef bint has_hooks(object kind) except -1
