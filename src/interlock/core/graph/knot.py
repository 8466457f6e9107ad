"""A knot: what a cycle is where some of its parties wait for one of several things.

A party that selects goes on as soon as one of its alternatives happens. So it is stuck only where each of them waits
for somebody who is stuck; anybody else, where one of its owners is. A task is stuck, too, where the thread of its loop
is. The knot of a party is the largest set in which everybody is stuck by others of the set, and from everybody a way
leads back to that party: what lies elsewhere is not for it to end, and may be opened there.

The set is found by taking out those that do not belong, until nothing changes. Here are only numbers;
`core/graph/waitgraph.py` reads who waits for whom. No Python code runs in any of this.
"""

import cython
from cython.cimports.cpython.mem import PyMem_RawFree, PyMem_RawMalloc, PyMem_RawRealloc


def begin_knot(knot: cython.pointer(Knot), size: cython.int) -> cython.bint:
    """False without memory. In any case to be ended."""
    knot.size = size
    knot.edges = cython.NULL
    knot.count = knot.room = 0
    knot.needs = cython.cast(cython.p_int, PyMem_RawMalloc(size * cython.sizeof(cython.int)))
    knot.stuck = cython.cast(cython.pointer(cython.bint), PyMem_RawMalloc(size * cython.sizeof(cython.bint)))
    knot.reaches = cython.cast(cython.pointer(cython.bint), PyMem_RawMalloc(size * cython.sizeof(cython.bint)))
    return knot.needs != cython.NULL and knot.stuck != cython.NULL and knot.reaches != cython.NULL


def end_knot(knot: cython.pointer(Knot)) -> cython.void:
    PyMem_RawFree(knot.needs)
    PyMem_RawFree(knot.stuck)
    PyMem_RawFree(knot.reaches)
    PyMem_RawFree(knot.edges)


def add_edge(knot: cython.pointer(Knot), start: cython.int, alternative: cython.int, end: cython.int) -> cython.bint:
    """False without memory."""
    if knot.count == knot.room:
        room: cython.int = 2 * knot.room + 16
        edges: cython.pointer(Edge) = cython.cast(
            cython.pointer(Edge), PyMem_RawRealloc(knot.edges, room * cython.sizeof(Edge))
        )
        if edges == cython.NULL:
            return False
        knot.edges = edges
        knot.room = room
    edge: cython.pointer(Edge) = knot.edges + knot.count
    edge.start = start
    edge.alternative = alternative
    edge.end = end
    edge.kept = False
    knot.count += 1
    return True


def tie(knot: cython.pointer(Knot)) -> cython.bint:
    """Whether the first step is in a knot. Then one edge is kept for each thing that one of the knot waits for."""
    changed: cython.bint = True
    for step in range(knot.size):
        knot.stuck[step] = True
    while changed:
        changed = False
        for step in range(knot.size):
            if knot.stuck[step] and not is_stuck(knot, step):
                knot.stuck[step] = False
                changed = True
        if not changed:
            changed = mark_reach(knot)
    if knot.stuck[0]:
        keep_edges(knot)
    return knot.stuck[0]


def is_stuck(knot: cython.pointer(Knot), step: cython.int) -> cython.bint:
    if first_edge(knot, step, BY_THREAD) >= 0:
        return True
    for alternative in range(knot.needs[step]):
        if first_edge(knot, step, alternative) < 0:
            return False
    return knot.needs[step] != 0


def first_edge(knot: cython.pointer(Knot), step: cython.int, alternative: cython.int) -> cython.int:
    """The first edge by which this alternative is stuck, or -1."""
    i: cython.int
    for i in range(knot.count):
        edge: cython.pointer(Edge) = knot.edges + i
        if edge.start == step and edge.alternative == alternative and (edge.end == LOST or knot.stuck[edge.end]):
            return i
    return -1


def mark_reach(knot: cython.pointer(Knot)) -> cython.bint:
    """Take out those from whom no way leads to the first step. Whether there were any."""
    i: cython.int
    changed: cython.bint = True
    for step in range(knot.size):
        knot.reaches[step] = step == 0
    while changed:
        changed = False
        for i in range(knot.count):
            edge: cython.pointer(Edge) = knot.edges + i
            if (
                edge.end != LOST
                and not knot.reaches[edge.start]
                and knot.reaches[edge.end]
                and knot.stuck[edge.start]
                and knot.stuck[edge.end]
            ):
                knot.reaches[edge.start] = changed = True
    changed = False
    for step in range(knot.size):
        if knot.stuck[step] and not knot.reaches[step]:
            knot.stuck[step] = False
            changed = True
    return changed


def keep_edges(knot: cython.pointer(Knot)) -> cython.void:
    for step in range(knot.size):
        if not knot.stuck[step]:
            continue
        whole: cython.bint = knot.needs[step] != 0
        for alternative in range(knot.needs[step]):
            whole = whole and first_edge(knot, step, alternative) >= 0
        if not whole:
            knot.edges[first_edge(knot, step, BY_THREAD)].kept = True
            continue
        for alternative in range(knot.needs[step]):
            knot.edges[first_edge(knot, step, alternative)].kept = True
