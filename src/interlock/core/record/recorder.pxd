cimport cython

from interlock.core.kernel.maker cimport Maker
from interlock.core.kernel.probe cimport Counter, Entry, Happening, Observed, Record, Sink, Tally
from interlock.core.record.ring cimport interlock_slot


@cython.final
cdef class Recorder(Sink):
    # Written once, before any other party can see it. A late caller, of a recording that is over, finds that out when it comes
    # to write: `serial` is not the ring's any more.
    cdef unsigned int serial
    cdef Counter counter          # whose place was taken, and who is to go on counting; or None
    cdef Sink before              # to be put back
    cdef dict told                # what an `Entry` says -> that entry
    cdef dict codes               # address -> (code object, whether it is the library's)
    cdef dict parties             # id -> (Party, id of the thread in which it was met)
    # Under the critical section of the recorder: the entry that a number stands for.
    cdef list young               # of `first` and those after it
    cdef unsigned int first
    cdef dict old                 # of what few older ones are still named
    # Twice how often numbers have been forgotten; odd while that is going on, and the section may be suspended then. Read
    # without, after a claim.
    cdef unsigned int purges
    # When there are so many young ones, look which are still named; a lost value costs a second look.
    cdef Py_ssize_t purge_at

    cdef unsigned long long happened_at(
        self, Happening happening, Observed what, unsigned long long other, long long waited, object code, int offset
    ) except? 0
    cdef void write(
        self,
        Observed what,
        Record mine,
        long long time,
        unsigned long long party,
        unsigned long long other,
        long long waited,
        void *code,
        unsigned int spot,
    ) noexcept
    cdef Entry entry_of(self, type kind, str label, Maker maker, bint inner)
    cdef Record numbered(self, Observed what, object record)
    cdef bint knows(self, unsigned int number) except -1
    cdef int purge(self) except -1
    cdef dict entries_from(self, unsigned int number)
    cdef int find_caller(self, unsigned int serial, void **caller, int *offset) except -1
    cdef int know_party(self, unsigned int serial, unsigned long long id) except -1


cdef class Awaited(Observed):
    pass


@cython.final
cdef class Taken:
    cdef readonly bytes events
    cdef readonly long long began
    cdef readonly long long ended
    cdef readonly unsigned long long dropped
    cdef readonly long long complete_from
    cdef readonly dict entries
    cdef readonly dict codes
    cdef readonly dict parties


cdef object begin(unsigned long long events)
cdef object put_back()
cdef Taken take(long long began, long long ended)
cdef object take_names(Taken taken)
cdef object forget()
