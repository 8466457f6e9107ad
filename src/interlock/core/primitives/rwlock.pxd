cimport cython

from interlock.core.kernel.party cimport Party
from interlock.core.kernel.primitive cimport Primitive
from interlock.core.kernel.waiter cimport Waiter


cdef enum SideState:
    IDLE
    TAKING    # its party is in take()
    HELD


cdef class Side:
    # `lock` is written once. The rest is guarded by the lock's critical section.
    cdef RWLock lock
    cdef SideState state
    cdef Party party      # who takes or holds it; None while it is IDLE
    cdef Waiter waiter    # while it is TAKING and its party waits
    cdef bint take(self, long long deadline) except -1
    cdef bint claim(self, Party me, bint at_once) except -1
    cdef bint take_slow(self, long long deadline) except -1
    cdef long want(self) noexcept
    cdef bint is_reading_already(self) except -1
    cdef object queued(self, Waiter waiter)
    cdef object settle(self, bint taken)
    cdef void idle(self) noexcept
    cdef RWLock its_lock(self)
    cdef bint leave(self) except -1


@cython.final
cdef class ReadSide(Side):
    cdef ReadSide next
    cdef void *prev       # borrowed: a hold is kept alive by its predecessor's `next`


@cython.final
cdef class WriteSide(Side):
    pass


cdef class RWLock(Primitive):
    cdef unsigned long long holder   # id of the party that writes; 0: nobody does
    cdef long read_holds              # how many holds readers have
    cdef ReadSide holds              # the sides of those who read, and of those who are about to
    cdef void hold(self, ReadSide side) noexcept
    cdef void unhold(self, ReadSide side) noexcept
    cdef bint reads(self, Party party) noexcept
    cdef bint is_read_by(self, unsigned long long id) noexcept
    cdef str conflict(self, Party party, bint writing)


cdef bint may_leave(Waiter waiter) noexcept
