cimport cython
from interlock.core.kernel.primitive cimport Primitive
from interlock.core.kernel.waiter cimport ThreadWaiter, Waiter
from interlock.core.primitives.items cimport interlock_items

# What a waiter of a queue wants; and what it finds there where it was granted something else.
cdef enum Want:
    GET
    PUT
    PUT_MANY     # its payload is a tuple
    JOIN
    REFUSED      # the queue is shut
    MOVED        # the queue was opened, and it is to ask there

cdef enum Outcome:
    DONE
    HELD_UP      # full, empty, unfinished
    SHUT
    OPENED       # to be asked of `open`


# Returned in the place of an item. There are three.
@cython.final
cdef class Mark:
    cdef Outcome outcome


cdef Mark EMPTY
cdef Mark NO_MORE
cdef Mark ELSEWHERE


# The putters or the joiners of a queue: all guarded by its critical section, and not by the line's own.
@cython.final
cdef class Line(Primitive):
    pass


cdef class QueueBase(Primitive):
    # The getters stand in the queue that every primitive has.
    cdef interlock_items items
    cdef object bound            # as the program wrote it
    cdef long limit              # how many items fit; 0: any number
    cdef long unfinished
    cdef Line putters_line          # None: nobody has waited yet
    cdef Line joiners_line
    cdef object open             # what takes over once the program looks inside; None until then
    cdef unsigned long long changes
    cdef unsigned int coming     # slots that were given to putters which have not run since
    cdef bint lifo
    cdef bint shut

    # In the critical section.
    cdef bint has_room(self, Py_ssize_t more) noexcept
    cdef Line line_of(self, Waiter waiter)
    cdef bint has_to_wait(self, Waiter waiter) noexcept
    cdef bint keeps_slot(self, Waiter waiter) noexcept
    cdef bint may_put(self, Waiter first) noexcept
    cdef Waiter evict(self)
    cdef bint put_all(self, Waiter waiter) noexcept
    cdef void put_batch(self, tuple batch) noexcept
    cdef object pop(self)
    cdef object hand_out(self)
    cdef bint take_in_again(self, object item, unsigned long long turn) noexcept

    # Outside it.
    cdef object get_now(self)
    cdef Outcome put_now(self, object item) except *
    cdef Outcome put_many_now(self, tuple batch) except *
    cdef Outcome put_what(self, Want want, object payload) except *
    cdef Outcome join_now(self) except *
    cdef bint line_up(self, Waiter waiter) except -1
    cdef object take_out(self, Waiter waiter)
    cdef Outcome finish_put(self, Waiter waiter) except *
    cdef Outcome fate(self, Waiter waiter) except *
    cdef list parties_in(self, Primitive line)
    cdef object refuse(self, Outcome outcome, Want want)
    cdef list more(self, Py_ssize_t most)
    cdef object shut_down(self, bint immediate)


cdef object _show_items()
cdef Mark mark(Outcome outcome)
cdef Py_ssize_t size_of(Waiter putter) noexcept
cdef object get_slowly(QueueBase queue, long long deadline)
cdef object put_slowly(QueueBase queue, Want want, object payload, long long deadline)
cdef object join_slowly(QueueBase queue, long long deadline)
