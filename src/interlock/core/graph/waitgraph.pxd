from interlock.core.kernel.party cimport Party
from interlock.core.kernel.primitive cimport Primitive
from interlock.core.kernel.waiter cimport Waiter

# A party that a walk has come to, with a reference to each object.
cdef struct Step:
    void *party
    void *waiter       # NULL: a task that does not wait, of a loop that may be stopped
    void *at           # at whose owners its wait ends
    int parent         # the step from which it was come to


cdef enum:
    NEAR = 16          # so much of a walk lies on the stack


cdef struct Walk:
    Step *steps        # `near_steps`, or memory of its own where they are too few
    int length
    int room
    unsigned long long *ids
    int ids_room
    Step near_steps[NEAR]
    unsigned long long near_ids[NEAR]


cdef object look_for(unsigned long long id)
cdef int refuse_cycle(Waiter waiter) except -1
cdef int find_cycle(Walk *walk, Waiter start) noexcept
cdef bint add(Walk *walk, Party party, int parent) noexcept
cdef int expand(Walk *walk, int index) noexcept
cdef bint grow_ids(Walk *walk, int room) noexcept
cdef bint holds_still(Walk *walk, int last, unsigned long long start) noexcept
cdef int owners_now(Primitive at, Waiter waiter, unsigned long long *ids, int room) noexcept
cdef void end_walk(Walk *walk) noexcept


cdef class Wait:
    cdef readonly Party party
    cdef readonly Waiter waiter
    cdef readonly Primitive at
    cdef readonly Primitive began
    cdef readonly bint timed
    cdef readonly bint parked
    cdef readonly long long since


cdef object find_limits()
cdef bint is_limited(object limits, Party party, Waiter waiter) except -1
cdef bint may_be_left_alone(object limits, Wait wait) except -1
cdef bint needs_thread(Party party, Party thread) except -1
cdef bint keeps(Party thread, Party task) except -1
cdef bint waits_for(Wait wait, Party owner) except -1
cdef Wait seen(Party party, Waiter waiter, Primitive at)
