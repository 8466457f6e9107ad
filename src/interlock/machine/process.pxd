# Included by kernel.py alone: there is one of it in a process.

from libc.stdint cimport uint32_t as u32, uint64_t as u64
from interlock.machine.kernel cimport me

cdef extern from "process.h" nogil:
    cdef struct arena:
        u32 chunks, records, slots, guard
        u64 id

    ctypedef struct uses "struct uses":
        pass

    cdef struct found:
        u32 index, serial, kind, lock
        u64 bound

    ctypedef struct process "struct process":
        u32 pid, forks
        u64 start
        char folder[256]
        arena *arena

    process this_process
    size_t ARENA_SIZE
    int BUSY, STRANGER
    int allocate_arena(int) noexcept
    bint is_file(int, u64, u64) noexcept
    bint has_life(arena *) noexcept
    me *introduce() noexcept
    int enrol() noexcept
    int open_record(me *, const char *, u32, u64, u32, found *) noexcept
    int reopen_record(me *, u32, u32, u32, found *) noexcept
    void stand_for(u32, u32) noexcept
    int stand_down(u32, u32) noexcept
    void expect_heir() noexcept
    void inherit() noexcept
    int note_inherited() noexcept
    void expect_none() noexcept
    u32 inherited
    void find_uses(uses *) noexcept
    bint is_left_behind(uses *, u32) noexcept
    arena *map_arena(int) noexcept
    void stamp_arena(arena *, const char *, u64, u64) noexcept
    int check_stamp(arena *, const char *, u64) noexcept
    void unmap_arena(arena *) noexcept
    void use_arena(arena *) noexcept
    void begin_process(const char *) noexcept
