cimport cython
from interlock.core.kernel.party cimport Party
from interlock.core.kernel.primitive cimport Primitive
from interlock.core.kernel.waiter cimport Waiter
from interlock.core.primitives.alternative cimport Alternative
from interlock.core.primitives.rwlock cimport Side

# What a choice comes to beside the index of an alternative.
cdef enum:
    UNDECIDED = -1
    NONE = -2


@cython.final
cdef class Choice(Primitive):
    cdef int word            # UNDECIDED, an index, or NONE: see claim.pxd
    cdef Waiter sleeper      # whose party chooses; it stands in the queue of the choice
    cdef list cases          # in the order of the alternatives, as far as they have been lined up
    cdef tuple chosen_from
    cdef bint line_up(self, Alternative alternative, Party party, bint is_task) except -1
    cdef bint decide(self, int decision) noexcept
    cdef int decision(self) noexcept
    cdef bint line_up_all(self, bint is_task) except -1
    cdef object withdraw_all(self, int but)
    cdef object over(self)
    cdef object finish(self, int index)
    cdef object give_up(self)


@cython.final
cdef class Case(Waiter):
    cdef Choice choice
    cdef Alternative alternative
    cdef int index
    cdef bint lined_up
    cdef Side side


cdef tuple checked(tuple alternatives)
cdef object attempt(Alternative alternative, bint is_task)
cdef Party party_for(Alternative alternative, bint is_task)
cdef str late(tuple chosen_from, object timeout)
cdef object shown(Alternative alternative, object result)
cdef object forget_outside(tuple chosen_from)
cdef object try_all(tuple chosen_from, bint is_task)
cdef Choice new_choice(Waiter sleeper, tuple chosen_from)
cdef object refuse_open(Alternative alternative)
