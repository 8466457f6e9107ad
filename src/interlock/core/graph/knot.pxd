# For which of its alternatives one waits for another; or because a task needs the thread of its loop.
cdef enum:
    BY_THREAD = -1

# Where an edge leads that leads to nobody: to an owner that can never come back.
cdef enum:
    LOST = -1


cdef struct Edge:
    int start          # a step of the walk
    int alternative    # 0 where it waits for one thing; BY_THREAD
    int end            # a step, or LOST
    bint kept          # of the knot that was found


cdef struct Knot:
    int size           # how many steps there are; the first is the party that asks
    int *needs         # of each: for how many things it waits, of which one is enough; 0: for none
    bint *stuck
    bint *reaches
    Edge *edges
    int count
    int room


cdef bint begin_knot(Knot *knot, int size) noexcept
cdef bint add_edge(Knot *knot, int start, int alternative, int end) noexcept
cdef bint tie(Knot *knot) noexcept
cdef bint is_stuck(Knot *knot, int step) noexcept
cdef bint mark_reach(Knot *knot) noexcept
cdef int first_edge(Knot *knot, int step, int alternative) noexcept
cdef void keep_edges(Knot *knot) noexcept
cdef void end_knot(Knot *knot) noexcept
