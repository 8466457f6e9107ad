cimport cython


cdef class Party:
    # Written once, before anyone else can see the party.
    cdef readonly unsigned long long id
    cdef unsigned long long thread   # id of the thread state it runs in: for a thread, its own
    cdef readonly unsigned long ident
    cdef void *thread_key     # the address of its Thread; to compare with, no reference
    cdef void *end            # an `interlock_end`, shared with the thread; NULL: not known
    # Written under the party's own critical section.
    cdef object thread_ref
    cdef str last_name
    cdef object wait          # its innermost Waiter that `begin_wait` has shown to others, or None
    cdef readonly unsigned long timeouts  # how many of its waits have ended because their time was up
    # What the watcher of the order of locks keeps about it, or None: under the party's critical section.
    cdef object hands
    # Guarded by the guard of the graph: the last walk that came here.
    cdef unsigned long long walk
    # Written by the one thread of a forked child; only ever goes from False to True.
    cdef readonly bint lost_in_fork
    # Written once: it ended, so long ago that no more than its id is left, or its thread goes on as another.
    cdef bint forgotten
    cdef object __weakref__

    cdef object known_as(self)
    cdef str call_name(self)
    cdef void note_name(self) noexcept
    cdef void remember_name(self, str name) noexcept
    cdef object forget_wait(self)
    cdef bint is_gone(self) noexcept
    cdef bint has_ended(self) except -1
    cdef str fate(self)


@cython.final
cdef class Leaving:
    cdef unsigned long long id


cdef object set_on_leaving(object function)


# Direct-mapped cache of thread ids that have a Party: known[id & KNOWN_MASK] == id means yes. A lost
# or torn entry costs a second look-up and no more.
cdef enum:
    KNOWN_MASK = 255

cdef unsigned long long known[256]

# id -> Party: of every thread that has been met and lives, and of the last thousand that ended, oldest
# first (a lock may still name them). Single operations on a dictionary are atomic with or without the GIL.
cdef dict living
cdef dict departed
# ident -> Party, the last one with that ident: of threads that live, and for a while of those that ended.
cdef dict by_ident

# How many forks lie between this process and the one that imported the module.
cdef unsigned int forks

# Whether this process has ever begun to fork. In the child some destructors run before our hook does: those of what the
# lost threads had for themselves. So from then on code that asks who was lost compares process ids.
cdef bint forking
cdef int process
cdef bint in_new_child() noexcept
cdef bint is_lost(Party party) noexcept

# The thread that handles signals.
cdef unsigned long main_ident

cdef Party meet()
cdef object enrol(Party party)
cdef Party party_by_id(unsigned long long id)
cdef object find_thread(unsigned long ident)
cdef object retire(Party party)
cdef object sweep()
cdef object renew(unsigned long long id)
