from interlock.core.kernel.waiter cimport Waiter
from interlock.core.primitives.event cimport Event


cdef class Remote(Event):
    # Written once.
    cdef Remote board
    # Written by the party that takes or gives up; read by the graph, which looks twice.
    cdef unsigned long long holder
    cdef void pass_for(self, Remote board)


cdef class Lock(Remote):
    pass


cdef class RLock(Remote):
    pass


cdef class Semaphore(Remote):
    pass


cdef class RWLock(Remote):
    pass


cdef class Latch(Remote):
    pass


cdef class Barrier(Remote):
    pass


cdef class Condition(Remote):
    pass
