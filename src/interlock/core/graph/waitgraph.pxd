from interlock.core.graph.knot cimport Knot
from interlock.core.kernel.party cimport Party
from interlock.core.kernel.primitive cimport Primitive
from interlock.core.kernel.waiter cimport Waiter

# A party that a walk has come to, with a reference to each object.
cdef struct Step:
    void *party
    void *waiter       # NULL: a task that does not wait, of a loop that may be stopped
    void *at           # at whose owners its wait ends
    void *cases        # where it selects, a list of waiters: one of these waits has to end; else NULL
    int parent         # the step from which it was come to


cdef enum:
    NEAR = 16          # so much of a walk lies on the stack


cdef struct Walk:
    Step *steps        # `near_steps`, or memory of its own where they are too few
    int length
    int room
    unsigned long long *ids
    int ids_room
    bint comes_round   # it has come back to its beginning by way of a party that selects
    Step near_steps[NEAR]
    unsigned long long near_ids[NEAR]


cdef object look_for(unsigned long long id)
cdef int refuse_cycle(Waiter waiter) except -1
cdef int find_cycle(Walk *walk, Waiter start) noexcept
cdef bint add(Walk *walk, Party party, int parent) noexcept
cdef int expand(Walk *walk, int index) noexcept
cdef bint grow_ids(Walk *walk, int already, int room) noexcept
cdef bint selects_on_the_way(Walk *walk, int index) noexcept
cdef bint find_knot(Walk *walk, Knot *knot) noexcept
cdef bint read_edges(Walk *walk, Knot *knot) noexcept
cdef bint is_knot_still(Walk *walk, Knot *knot) noexcept
cdef int alternatives_of(Step *step) noexcept
cdef unsigned long long lost_of(Step *step, int alternative) noexcept
cdef int ways(Walk *walk, int index, int alternative, int already) noexcept
cdef bint stands(Primitive at, Waiter waiter) noexcept
cdef bint is_in_line(Primitive at, Waiter waiter) noexcept
cdef bint waits_still(Walk *walk, int index) noexcept
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
    cdef readonly list alternatives
    cdef readonly long want


cdef object find_limits()
cdef bint is_limited(object limits, Party party, Waiter waiter) except -1
cdef bint may_be_left_alone(object limits, Wait wait) except -1
cdef bint needs_thread(Party party, Party thread) except -1
cdef bint keeps(Party thread, Party task) except -1
cdef bint waits_for(Wait wait, Party owner) except -1
cdef Wait seen(Party party, Waiter waiter, Primitive at)
cdef Wait case_of(Wait wait, Waiter case)
cdef int refuse(Waiter waiter, list edges, str telling, list found) except -1
cdef list edges_of_cycle(list cycle)
cdef list edges_of(Walk *walk, Knot *knot)
cdef bint are_certain(list edges) except -1
