cimport cython
from interlock.core.kernel.probe cimport Happening
from libc.stdint cimport uint8_t, uint16_t, uint32_t as u32, uint64_t as u64

cdef extern from "kernel.h" nogil:
    cdef enum:
        LOCK, RLOCK, SEMAPHORE, BOUNDED, EVENT, CONDITION, BARRIER, RWLOCK, LATCH, QUEUE
        ENTER, HOLD, READING, TASK, TIMED, STRICT, JOINING, LAST
        TAKEN, LATE, SIGNAL, FULL, SPOILED, ACTING, CYCLIC, SHUT_DOWN
        SHUT, DROP, PICKLED, PAGE, RING_PAGES
        PARKED, GRANTED, HOLDING, CANCELLED
    u64 ID_MASK, PERMITS, READ, ABANDONED, ENTERED, QUEUED, NEVER, PASSING

    cdef struct slot:
        u32 gen, pid, tid
        u64 start
        char program[32]
        char thread[32]
        u32 wait

    cdef struct record:
        u32 kind, turn, head, holds, lock, serial, asked
        u64 word, bound, count, task
        u32 died_pid
        u64 died_when
        u32 pages, guard, owed, paid

    cdef struct ring:
        u64 lost
        u32 ready, shut

    cdef struct node:
        u32 word, at, want, flags, next, fifo, holding
        u64 owner, ticket, since, watch

    ctypedef struct Waiting "struct wait":
        u32 record, node, flags, want
        u64 deadline, since, begun
        u32 cycle
        u32 cycle_records[16]
        u64 cycle_ids[16]
        int noticed
        u32 member, sort, fifo
        u64 size, room
        const char *data
        char *got

    cdef struct me:
        u64 id
        u32 tid
        slot *slot

    cdef struct process:
        u32 pid, forks

    me *ilk_me() noexcept nogil
    void ilk_use(void *) noexcept
    record *record_at(u32) noexcept
    node *node_at(u32) noexcept
    u64 load(u64 *) noexcept
    u32 load_u32 "load"(u32 *) noexcept
    void store(u64 *, u64) noexcept
    void store_u32 "store"(u32 *, u32) noexcept
    u64 now() noexcept
    bint is_dead(u64) noexcept
    bint is_gone(u64) noexcept
    bint has_name(record *) noexcept
    void name_of(record *, char *) noexcept
    void program_of_death(record *, char *) noexcept
    void note_place(me *, u32, u32, const char *) noexcept
    bint place_of(slot *, u32, u32, char *) noexcept
    slot *slot_of(u64) noexcept
    int any_step(me *, Waiting *, int) noexcept
    int any_leave(me *, Waiting *) noexcept
    int guard_lock(me *, record *, u64) noexcept
    int guard_try(me *, record *) noexcept
    void guard_unlock(me *, record *) noexcept
    void serve(record *) noexcept
    bint lock_try(me *, record *, u64) noexcept
    bint lock_untie(me *, record *, u64) noexcept
    void lock_release(me *, record *, int) noexcept
    bint lock_free_outside(me *, record *, int) noexcept
    bint permits_try(record *) noexcept
    bint permits_add(record *) noexcept
    void permits_release(record *, u64) noexcept
    u64 permits_give(me *, record *, u64) noexcept
    u64 permits_held(record *, u64) noexcept
    void permits_release_outside(record *, u32) noexcept
    void leave_holds_outside(me *, record *, u64) noexcept
    bint is_held(node *) noexcept
    bint reader_release(me *, record *) noexcept
    bint reads_itself(me *, record *) noexcept
    void writer_release(me *, record *, int) noexcept
    bint event_try_set(record *) noexcept
    void event_clear(record *) noexcept
    void turn_set(record *) noexcept
    int event_step(me *, Waiting *, int) noexcept
    int latch_try(record *, u64) noexcept
    int latch_down(record *, u64) noexcept
    int condition_step(me *, Waiting *, int) noexcept
    int condition_give_up(me *, Waiting *) noexcept
    bint condition_drop(me *, Waiting *) noexcept
    void condition_notify(record *, u32) noexcept
    int barrier_step(me *, Waiting *, int, int) noexcept
    int barrier_finish(record *, Waiting *, int) noexcept
    bint barrier_withdraw(me *, record *, Waiting *) noexcept
    void barrier_break(record *) noexcept
    bint barrier_break_outside(record *, u64) noexcept
    void barrier_reset(record *) noexcept
    ring *ring_of(record *) noexcept
    u64 capacity_of(record *) noexcept
    u64 room_for(u64) noexcept
    u64 unfinished(record *) noexcept
    u32 queue_items(record *) noexcept
    node *member_of(record *, u64) noexcept
    int queue_try(me *, Waiting *) noexcept
    bint queue_finish(me *, record *, u64) noexcept
    bint queue_task_done(me *, record *) noexcept
    bint queue_finish_outside(me *, record *, u64) noexcept
    bint queue_task_done_outside(me *, record *) noexcept
    void queue_shut(record *, u32) noexcept
    void queue_reap(record *) noexcept
    void free_node(node *) noexcept
    bint has(node *) noexcept
    void take_letter(node *, u64) noexcept


cdef void *process_address() noexcept


cdef class Shared:
    cdef record *r
    cdef u32 serial
    cdef uint16_t index
    cdef uint8_t kind
    cdef uint8_t direct # Lock: no subclass has methods that `with` must call
    cdef object board # what stands for it in recordings, made when it is first watched
    cdef object __weakref__

    cdef object open(self, u32 kind, object name, u64 bound, Shared lock)
    cdef object take_back(self, Waiting *w, me *i)
    cdef object refuse(self, int step, Waiting *w)
    cdef bint drive(self, Waiting *w) except -1
    cdef str cycle(self, Waiting *w)
    cdef bint enter_guard(self, me *i) except -1
    cdef list all_waiters(self)
    cdef object tell(self, Happening happening, long long waited)
    cdef object note_taken(self, me *i)
    cdef object make_board(self)
    cdef object note_holder(self, int more)
    cdef bint drive_on(self, Waiting *w) except -1
    cdef bint get_at_once(self, Waiting *w) except -1
    cdef str describe(self, str state, str more)


@cython.final
cdef class Asking:
    cdef Shared shared
    cdef u64 mine
    cdef int acts
    cdef u64 told_at
    cdef object data
    cdef Waiting w
    cdef bint is_ours(self) except -1


# The calling thread, with a slot.
cdef me *caller() except NULL
cdef object enrol_caller()
cdef object name_slot(me *i)
cdef bint is_private() except -1
cdef u64 deadline_in(double seconds) noexcept
cdef double seconds_of(object timeout) except? 7
cdef u64 lock_deadline(bint blocking, object timeout) except? 7
cdef u64 deadline_after(object timeout) except? 7
cdef object party_of(u64 id, u64 since)
cdef object died_of(record *r)
cdef object name_in(record *r, str errors)
cdef bint is_past(u32 kind, u32 turn, u32 want)
cdef object drain()
cdef bint close(u32 index, u32 serial) except -1
cdef bint note_all_inherited() except -1
cdef tuple named(object first, object second, object name, object default)
