cimport cython
from interlock.core.kernel.control cimport Controller, Operation
from interlock.core.kernel.native cimport PyThread_type_lock
from interlock.core.primitives.mutex cimport Mutex

# What the chooser goes by. The numbers stand in no file.
cdef enum Strategy:
    DEFAULT       # the first option
    WALK          # any
    POS           # the pending operation with the highest of random priorities, drawn anew where operations race
    PCT           # the thread with the highest of random priorities, which sink at a few random decisions
    URW           # in proportion to how much each thread has left to do
    TREE          # what `tree.at` says

cdef enum State:
    READY         # could go on
    BLOCKED
    ENDED

# What a schedule is made of besides the operations of the core.
cdef enum More:
    LINE = 100    # a line of the program is about to run
    AFTER         # something that others may have waited for has happened
    STEP          # of an event loop
    BEGIN         # of a thread
    END           # of a thread
    PAUSE         # `sleep`, and looks at the clock


cdef class Worker:
    cdef PyThread_type_lock turn
    # Written by the holder of the baton, before the worker gets it.
    cdef Strand strand
    cdef readonly unsigned long ident
    cdef readonly object native_id
    cdef bint closing


cdef class Strand:
    cdef readonly int number
    cdef Worker worker
    cdef readonly object thread        # its `threading.Thread`, or None
    cdef readonly bint daemon
    cdef object body
    cdef readonly object start_place
    # All of this is the baton's: read and written by who holds it. `state` and `woken` also by an outside thread that
    # unparks it, and no more than once for each wait.
    cdef State state
    cdef bint begun
    cdef bint woken
    cdef bint timed_out
    cdef int operation
    cdef object what
    cdef long long deadline            # NEVER where it waits without one or does not wait
    cdef Strand target                 # whose end it waits for
    cdef long long ready_since
    cdef long last_step
    cdef long fired_step               # when a timer of its fired early, for the last time
    cdef double priority
    cdef readonly long steps
    cdef readonly long operations
    cdef int looks
    cdef int run_length
    cdef bint polling
    cdef int quiet                     # it runs code of ours, which is no part of the schedule
    cdef int refusals                  # how often it was told that the schedule is over
    cdef bint given_up
    cdef bint away                     # it blocks outside, and others go on meanwhile
    cdef readonly unsigned long long party
    cdef unsigned long thread_ident


@cython.final
cdef class Baton(Controller):
    cdef readonly list strands
    cdef list order                    # by rank
    cdef list idle_workers
    cdef Strand current                # None: nobody can go on, and `idle` waits for somebody outside
    cdef Strand idle
    cdef public object on_dropped
    cdef readonly Strand main
    cdef Worker main_worker
    cdef readonly bint running
    cdef readonly long schedule        # how many have been begun
    cdef bint broken_off               # somebody got `Abandon`
    # Locks by their addresses: see `meet`.
    cdef dict met                      # in this schedule
    cdef dict met_before               # in the last one
    cdef dict held_before              # locked when this schedule met them
    cdef dict old                      # met in two
    cdef dict left                     # left locked by one, and in no other yet
    # The clock, in nanoseconds.
    cdef readonly long long clock
    cdef int clock_looks
    cdef readonly long clock_reads
    cdef readonly long points
    cdef public long limit
    cdef public long long pause
    cdef readonly bint over
    cdef readonly object failure       # what has ended it: (kind, words, error, strand)
    cdef object interruption
    cdef readonly int outside
    cdef public bint in_order          # of an event loop's callbacks
    # Decisions: how many options there were, and which was taken.
    cdef unsigned short *options
    cdef unsigned short *choices
    cdef readonly int count
    cdef int room
    cdef unsigned short *plan
    cdef int planned
    cdef unsigned short *expected
    cdef int expecting
    cdef readonly int split_at         # the first decision whose options were not those expected; -1: none
    cdef int picks
    # Choices by what they were made of, which survives that earlier ones are left out: see `move`.
    cdef public dict guide
    cdef public list moves
    cdef int last_number
    cdef long last_steps
    cdef int occurrence
    # The strategy.
    cdef Strategy strategy
    cdef unsigned long long random
    cdef list sinking                  # decisions at which PCT lowers a priority
    cdef double lowest
    cdef dict expected_steps           # by start place
    cdef public object tree
    # The story.
    cdef public list trace
    cdef public bint switching         # lines and bytecodes are points
    cdef public object on_stuck
    cdef public object others
    cdef public object on_limit
    cdef public object on_end
    cdef public object place_now
    cdef readonly long switches
    # When it failed.
    cdef readonly long switches_then
    cdef readonly long traced_then

    cdef Strand me(self)
    cdef int step(self, Strand me, int operation, object what, bint raises) except -1
    cdef int leave(self, Strand me, int operation) except -1
    cdef Strand decide(self, Strand me, bint can)
    cdef int hand_over(self, Strand me, Strand to) except -1
    cdef int await_turn(self, Strand me, PyThread_type_lock given) except -1
    cdef bint plausible(self, Strand late)
    cdef int fire(self, Strand late, bint early) except -1
    cdef int choose(self, int n, int fresh) except -1
    cdef int choose_freely(self, int n, int fresh) except -1
    cdef tuple place_of(self, int number, long steps)
    cdef int guided(self, Strand me, list options) except -1
    cdef object tell_move(self, Strand me, object chosen, int choice)
    cdef int note(self, int n, int choice) except -1
    cdef bint block(self, Strand me, long long deadline) except -1
    cdef int wake(self, Strand strand) except -1
    cdef Strand nobody(self, Strand me)
    cdef Strand next_to_unwind(self, Strand me)
    cdef int count_point(self, Strand me, int operation, object what) except -1
    cdef double draw(self) noexcept
    cdef object candidates
    cdef object endless(self, Strand me)
    cdef object give_up(self, Strand me)
    cdef object stay_away(self, Strand me)
    cdef object finish(self, Strand me)
    cdef bint others_run(self)
    cdef bint is_outside(self, object waiter)
    cdef object meet(self, Mutex lock, object key)
    cdef object free_locks(self)
    cdef object forget(self)
    cdef object interrupt(self, object error)
    cdef Worker new_worker(self)
    cdef object run_strand(self, Strand strand)
    cdef Strand pass_on_from(self, Strand strand, Worker worker)
    cdef object yield_now(self, Strand me)
    cdef object fire_due(self)
    cdef object redraw(self, list options, Strand chosen)
    cdef list described(self, list options, Strand late)
    cdef double weight(self, object option) except -1
    cdef object tell_switch(self, Strand me, Strand to)
    cdef bint is_for_others(self)
    cdef bint await_outside(self, Strand me)
    cdef bint anybody(self)
    cdef object come_back(self, Strand me)


cdef bint lets_go(int operation) noexcept
cdef object _start_os_thread(object function, object arguments)
