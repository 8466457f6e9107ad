from interlock.core.kernel.probe cimport Observed, Sink
from interlock.core.kernel.primitive cimport Primitive


# Where a primitive comes from: the node of the order graph for what was made by one line, and for itself alone.
cdef class Origin:
    cdef object line          # shared by all that this line made
    cdef readonly str name    # what to call the primitive
    cdef object __weakref__


cdef class Edge:
    cdef readonly tuple names
    cdef readonly tuple first
    cdef readonly tuple then
    cdef readonly object guards


cdef class Held:
    cdef Primitive what
    cdef unsigned long long holder
    cdef Origin origin
    cdef object order         # as in `within_order`, or None
    cdef bint exclusive
    cdef object code          # where it was taken
    cdef object offset


cdef class OrderSink(Sink):
    cdef bint apart           # edges lie between the objects themselves
    cdef dict held            # party id -> [Held], changed by that party alone
    # Under the guard.
    cdef object guard
    cdef dict after           # node -> {node that was taken while it was held: Edge}
    cdef int edges
    cdef set reported
    cdef dict lines           # key -> node
    cdef object report
    cdef Origin origin_of(self, Observed what)
    cdef list held_now(self, unsigned long long id)
    cdef object look(self, Held before, Primitive what, Origin origin, object hint, list held)


cdef object innermost_frame()
cdef bint holds(Primitive what, unsigned long long id)
