from interlock.core.waiting cimport Primitive, ThreadWaiter, Waiter


cdef enum Phase:
    FILLING
    ACTING
    BROKEN


cdef class Barrier(Primitive):
    cdef long size
    cdef object action
    cdef object timeout
    cdef Phase phase
    cdef long arrived                # in the queue for this generation
    cdef unsigned long generation    # how often it has tripped or been reset
    cdef unsigned long long actor    # id of the party that runs the action while ACTING
    cdef Waiter end(self, long verdict)
    cdef object act(self, unsigned long generation)
    cdef long verdict(self, ThreadWaiter waiter, long long deadline) except? -9
