from interlock.core.kernel.primitive cimport Primitive
from interlock.core.kernel.waiter cimport Waiter


cdef enum Phase:
    FILLING
    ACTING
    BROKEN
    DRAINING
    RESETTING


cdef enum Arrival:
    FIRST_LOOK       # there is no waiter yet: make one and come again
    JOINED           # in the queue of this generation
    JOINED_LATE      # in the queue, until the action of the last generation has run
    COMPLETE         # the last one; the others have been let go
    ARRIVAL_RAISED


cdef class Barrier(Primitive):
    cdef long size
    cdef object action
    cdef object timeout
    cdef Phase phase
    cdef bint drains                 # with asyncio's spelling; written once
    cdef int arrived                 # in the queue for this generation
    cdef int leaving                 # of those it drains: tasks that were let go, or turned away, and have not run yet
    cdef unsigned long generation    # how often it has tripped or been reset
    cdef unsigned long long actor    # id of the party that runs the action while ACTING, and that of its thread
    cdef unsigned long long actor_thread
    cdef Arrival arrive(self, Waiter waiter, unsigned long long me) except ARRIVAL_RAISED
    cdef Waiter end(self, long verdict)
    cdef object act(self, unsigned long generation)
    cdef object broken_by_time(self)
