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
    cdef bint is_task        # whether a task waits for it, or a thread
    cdef bint watches        # it waits for owners alone, and for ever: its party looks now and then whether they live
    cdef tuple chosen_from
    cdef object timeout      # as the program wrote it
    cdef long long deadline
    # None once it is over. Both are written under the critical section, by its own party.
    cdef Waiter sleeper      # whose party chooses; it stands in the queue of the choice
    cdef list lined_up       # the cases, in the order of the alternatives, as far as they have been lined up
    cdef bint decide(self, int decision) noexcept
    cdef int decision(self) noexcept
    cdef bint line_up_all(self) except -1
    cdef bint line_up(self, int index) except -1
    cdef object show(self, long long deadline)
    cdef long long until(self) noexcept
    cdef object look(self, bint unparked)
    cdef tuple end(self)
    cdef object finish(self, int index)
    cdef object withdraw_all(self, Case but)
    cdef object over(self)
    cdef object close(self)
    cdef object leave_others(self, Case case)
    cdef void tell_end(self, Case granted) noexcept


@cython.final
cdef class Case(Waiter):
    cdef Choice choice
    cdef Alternative alternative
    cdef int index
    cdef bint stands         # it was put into the queue of its alternative
    cdef Side side


cdef list nothing
cdef object unclaim(Case case)
cdef tuple checked(tuple alternatives)
cdef object attempt(Alternative alternative, bint is_task)
cdef Party party_for(Alternative alternative, bint is_task)
cdef object begin(tuple chosen_from, object timeout, bint is_task)
cdef object leave(Choice choice, tuple chosen_from)
cdef str late(tuple chosen_from, object timeout)
cdef object shown(Alternative alternative, object result)
cdef object forget_outside(tuple chosen_from)
cdef object try_all(tuple chosen_from, bint is_task)
cdef Choice new_choice(tuple chosen_from, object timeout, bint is_task)
cdef object refuse_open(Alternative alternative)
