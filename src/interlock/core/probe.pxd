cimport cython

cdef enum Happening:
    ACQUIRED      # got what it asked for without waiting
    WAITING       # began to wait
    GRANTED       # got it after waiting
    TIMED_OUT     # left when its deadline passed
    CANCELLED     # left because it was interrupted
    RELEASED
    WOKE          # this party unparked another
    NOTIFIED
    REQUEUED
    SET
    CLEARED
    ARRIVED
    TRIPPED
    BROKEN
    COUNTED_DOWN

# Read by every operation; written only by start() and stop(), watch() and unwatch().
cdef bint probing


cdef class Observed:
    cdef str label
    # What the sink keeps about this primitive: written by the sink alone, None while nothing is probed.
    cdef object record
    # What the watcher keeps, likewise.
    cdef object origin


cdef class Sink:
    cdef int wanted(self, Observed what) except -1
    cdef void made(self, Observed what)
    cdef void happened(self, Happening happening, Observed what, unsigned long long other, long long waited)


# What a sink raises is reported as unraisable: it must not tear an operation in two.
cdef void made(Observed what) noexcept
cdef void happened(Happening happening, Observed what, unsigned long long other, long long waited) noexcept
# Before the fact: the caller is about to take `what`, and would wait for ever. What this raises, it gets.
cdef int wanted(Observed what) except -1
cdef void start(Sink to)
cdef void stop()
# A second sink, which watches beside the first: the one for the order of locks.
cdef void watch(Sink to)
cdef void unwatch()


@cython.final
cdef class Tally:
    # The key: written once. The rest is written under the tally's critical section.
    cdef readonly str kind
    cdef readonly object name
    cdef readonly object file
    cdef readonly object line
    cdef readonly long long made
    cdef readonly long long acquired
    cdef readonly long long waited
    cdef readonly long long waited_ns
    cdef readonly long long longest_ns


@cython.final
cdef class Counter(Sink):
    cdef dict tallies
    cdef Tally tally(self, Observed what, object frame)
