cimport cython
from interlock.core.kernel.control cimport Controller
from interlock.core.kernel.maker cimport Maker

cdef enum Happening:
    ACQUIRED      # got what it asked for without waiting
    WAITING       # began to wait; `other`: by which id those who wake know it
    GRANTED       # got it after waiting
    TIMED_OUT     # left when its deadline passed
    CANCELLED     # left because it was interrupted; `other`: who, where it is not the caller
    RELEASED
    WOKE          # this party unparked another
    NOTIFIED
    REQUEUED      # has a lock back that it had let go; `waited`: how long it stood in its queue; `other` put it there
    SET
    CLEARED
    ARRIVED
    TRIPPED
    BROKEN
    COUNTED_DOWN
    LET_GO        # a lock, however deep it was held, for as long as a condition is waited for

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
    cdef void made(self, Observed what, Maker maker)
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
cdef object control(Controller controller)
# The sink that things are handed to now, or None.
cdef Sink active()


# What a recorder tells of a primitive: one for all of which it would tell the same. Written once.
@cython.final
cdef class Entry:
    cdef readonly str kind
    cdef readonly str label
    cdef readonly Maker maker     # None: made before anybody watched
    cdef readonly bint inner      # the lock that a condition has made for itself
    cdef readonly object giver    # the code that ends waits for it, where that is known, or None
    cdef readonly object type     # of which it is


# What a recorder keeps about one primitive, and the tally that a counter may keep beside it. It goes with the primitive.
@cython.final
cdef class Record:
    cdef Entry entry              # written once
    cdef Tally tally              # under the critical section of the primitive
    # Under the critical section of the recorder; read without it, when the worst is a second look.
    cdef unsigned int number      # 0: there are no more
    cdef unsigned int serial      # of the recording that knows it by this number
    cdef unsigned int purges      # how often that had forgotten numbers, when this one was known last


@cython.final
cdef class Tally:
    # The key: written once. The rest is written under the tally's critical section.
    cdef readonly str kind
    cdef readonly object name
    cdef readonly object file
    cdef readonly object line
    cdef readonly object outer
    cdef readonly Maker maker
    cdef unsigned int counter     # whose it is
    cdef unsigned int version     # of the class of its primitives; 0: not known
    cdef readonly long long made
    cdef readonly long long acquired
    cdef readonly long long waited
    cdef readonly long long waited_ns
    cdef readonly long long longest_ns


cdef bint counts(Happening happening) noexcept


@cython.final
cdef class Counter(Sink):
    # Written once.
    cdef unsigned int serial
    cdef dict tallies
    cdef Tally tally(self, Observed what, Maker maker)
    cdef Tally tally_made(self, Observed what, Maker maker)
    cdef void count(self, Tally tally, Happening happening, long long waited) noexcept
