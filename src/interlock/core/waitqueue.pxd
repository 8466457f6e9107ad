from interlock.core.waiting cimport Primitive, Waiter


cdef class WaitQueue(Primitive):
    cdef long wakes    # handed out in the running critical section; 0 outside one
