from interlock.core.kernel.waiter cimport Waiter
from interlock.core.primitives.queue cimport Queue
from interlock.core.primitives.queue_base cimport Outcome

# The slots along which an item finds its place: see `interlock_heap_up`.
cdef struct Path:
    int length
    unsigned int slots[33]


cdef class PriorityQueue(Queue):
    cdef list more_at_once(self, Py_ssize_t most)
    cdef list more_of_copy(self, Py_ssize_t most)
    cdef void put_loose(self, object item) noexcept
    cdef Waiter popped(self)
    cdef Waiter put_done(self, bint reserved)
    cdef Outcome put_in_order(self, object item, bint reserved) except *
    cdef bint settle(self) except -1
    cdef object item_at(self, unsigned long long changes, unsigned int index)
    cdef bint way_up(self, unsigned long long changes, unsigned int at, object item, Path *path) except -1
    cdef bint way_down(self, unsigned long long changes, unsigned int size, Path *path) except -1
