cimport cython

from interlock.core.party cimport Party
from interlock.core.waiting cimport Primitive, Waiter


cdef class Side:
    # `lock` is written once. The rest is guarded by the lock's critical section.
    cdef RWLock lock
    cdef Party party      # who holds this side through this object; None: nobody does
    cdef bint take(self, long long deadline) except -1
    cdef bint take_slow(self, Party me, bint writing, long long deadline) except -1
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
    cdef long reading                # how many holds readers have
    cdef ReadSide holds              # those of them whose party runs already
    cdef void hold(self, ReadSide side) noexcept
    cdef void unhold(self, ReadSide side) noexcept
    cdef bint reads(self, Party party) noexcept
    cdef str conflict(self, Party party, bint writing)
