from interlock.core.kernel.native cimport interlock_has_context, interlock_id_of, interlock_thread
from interlock.core.kernel.party cimport KNOWN_MASK, Party, known, meet

cdef enum Library:
    ASYNCIO
    TRIO

# Set in the id of every task, and of no thread.
cdef unsigned long long TASK_BIT


cdef class TaskParty(Party):
    # Written once.
    cdef Library library
    cdef object task_ref      # weak
    cdef object key           # the address of the task
    # Under the party's critical section. Weak: asyncio's loop, or trio's runner.
    cdef object loop_ref
    # Only ever goes from False to True.
    cdef bint destroyed
    # Belong to the thread of its loop: whether the loop's queue of handles may be appended to, once that is known.
    cdef bint queue_known
    cdef bint queue_plain

    # When its task was destroyed; 0: not yet.
    cdef long long destroyed_at
    # When its loop was last known to be open; a lost or torn value costs a second question.
    cdef long long seen_open

    cdef bint is_run_by(self, Party thread) except -1
    cdef object its_loop(self)
    cdef bint is_done(self) except -1
    cdef bint loop_is_closed(self) except -1


cdef unsigned long long caller_in_context(void *thread) except 0

# The id of who calls: its party has been met.
cdef inline unsigned long long caller_id() except 0:
    cdef void *thread = interlock_thread()
    # Most threads never touch a context variable, and then there is no task either.
    if interlock_has_context(thread):
        return caller_in_context(thread)
    cdef unsigned long long me = interlock_id_of(thread)
    if known[me & KNOWN_MASK] != me:
        meet()
    return me

# The party that calls: a task or a thread.
cdef Party caller()
# The task that calls. Raises RuntimeError where none does.
cdef TaskParty calling_task()
cdef bint is_in_step_of(TaskParty party) except -1
cdef TaskParty meet_task(object task, Library library, object loop)
cdef TaskParty find_task()
cdef object look_for_libraries()
cdef object running_loop()
# Whether the program has imported trio: only then is it worth asking whether one of its tasks calls.
cdef bint trio_found
cdef bint is_in_trio() except -1

# Likewise. Who calls is asked first: that is how the libraries are found.
cdef inline bint calls_in_trio() except -1:
    return caller_id() != 0 and trio_found and is_in_trio()

cdef object before_in_trio()
cdef object checkpoint_in_trio()
cdef object after_in_trio()
cdef object running_trio_task()
cdef object no_loop()

cdef dict met
cdef dict modules
cdef object weakly(object loop)
# Whether this is the id of a task whose object is no more, or is being taken apart.
cdef bint is_destroyed_task(unsigned long long id) except -1
