cimport cython

from interlock.core.explain.deeds cimport Deeds
from interlock.core.explain.seen cimport interlock_hold
from interlock.core.kernel.maker cimport Maker
from interlock.core.kernel.primitive cimport Primitive
from interlock.core.kernel.probe cimport Happening, Observed, Sink


# What is taken one in another: the primitives of one line, or among those of one line a single one.
cdef class Node:
    # What stands for it in the table of pairs; 0: never there. Written under the guard of the sink.
    cdef unsigned int serial


@cython.final
cdef class Line(Node):
    # Written once.
    cdef unsigned int sink      # the watch to which it belongs
    cdef str where              # None: made before anybody watched
    cdef str kind               # of the first that was made here
    cdef unsigned int version   # of that class; 0: not known
    cdef bint internal          # the standard library has made it for itself


# Refers to nothing that could refer back to it: the collector need not look.
@cython.final
@cython.no_gc
cdef class Origin(Node):
    # Written once.
    cdef Line line
    cdef str kind
    cdef str label
    cdef unsigned long long address
    # Under the critical section of the origin, at the first take: a weak reference to the lock (a condition gives its
    # origin to the lock that it has made), and whether one at a time has it.
    cdef object lock
    cdef bint exclusive
    # Under the critical section of the origin; None before the first: what has been done to a primitive without owners.
    cdef Deeds deeds

    cdef object its_lock(self)


@cython.final
cdef class Edge:
    # Written once.
    cdef readonly int number
    cdef readonly tuple names
    cdef readonly tuple first
    cdef readonly tuple then
    # Under the critical section of the edge; only ever becomes less.
    cdef readonly object guards


@cython.final
cdef class Held:
    cdef Primitive what
    cdef unsigned long long holder
    cdef Origin origin
    cdef object order         # as in `within_order`, or None
    cdef object code          # where it was taken
    cdef int offset


# One for each party and turn of a watch. Written by its party alone, under its own critical section; read by others under that.
@cython.final
cdef class Hands:
    cdef unsigned int turn      # written once
    cdef int count
    cdef int room
    cdef interlock_hold *holds
    cdef list done_to         # the origins of what the party has done something to, the last ones

    cdef int find(self, Origin origin) noexcept
    cdef bint has(self, Origin origin) noexcept
    cdef bint has_still(self, Origin origin) except -1
    cdef object add(self, Origin origin, unsigned long long holder, object order)
    cdef object remove(self, int index)
    cdef list copy(self)


@cython.final
cdef class OrderSink(Sink):
    # Written once.
    cdef unsigned int serial
    cdef bint apart           # edges lie between the objects themselves
    cdef object report
    cdef unsigned long long *seen
    cdef unsigned int turn    # anew whenever it watches again
    # Under the guard; looked up without it.
    cdef object guard
    cdef dict after           # node -> {node that was taken while it was held: Edge}
    cdef int edges
    cdef int refused
    cdef set reported
    cdef dict lines           # key -> Line
    cdef list of_late         # `Hands` of parties, when nobody watches any more

    cdef Hands hands_of_caller(self, unsigned long long me)
    cdef Origin origin_of(self, Observed what)
    cdef Line line_of(self, Maker maker, Observed what)
    cdef bint is_news(self, Hands hands, Origin origin) except -1
    cdef int look_closer(self, Hands hands, Primitive what, Origin origin, unsigned long long me) except -1
    cdef object let_go(self, Hands hands, list held)
    cdef int look(self, Held before, Origin origin, object hint, list held) except -1
    cdef object note(self, Node first, Node then)
    cdef object forget_dead(self)
    cdef object take_hands(self)
    cdef object taken(self, Hands hands, Primitive what, unsigned long long me)
    cdef object given(self, Hands hands, Primitive what)
    cdef object done(self, Happening happening, Primitive what)


cdef bint holds(Primitive what, unsigned long long id)
