/* The guard of a record: held for microseconds, never across anything that may block.

       0                     free
       tid [| WAITERS]       that thread is inside
       OWNER_DIED [| ...]    one died inside: the next one makes links and word right (`rebuild`) before anything else

   It is on no list of the kernel's, only in `list_op_pending`, so a thread is in one guard at a time. Leaving it wakes all
   who sleep on it: had it woken one and that one been killed, the others would sleep on.

   Somebody may be stopped inside for hours (SIGSTOP, a debugger). Who must not wait for that changes one word that is truth
   (never a link), makes the record `stale` and wakes all who wait: the next one inside makes the links anew, as after a
   death. */

#ifndef INTERLOCK_GUARD_H
#define INTERLOCK_GUARD_H

#include "party.h"
#include <sched.h>

enum { DIED = 1, STALE = 2, MUTANT = 3 };
static void rebuild(struct record *guarded, int why);

static inline int try_word(struct me *me, u32 *guard, int *died) {
    u32 seen = 0;
    *died = 0;
    pend(me, guard);
    while ((seen & FUTEX_TID_MASK) == 0) {
        if (cas(guard, &seen, me->tid | (seen & FUTEX_WAITERS))) {
            *died = (seen & FUTEX_OWNER_DIED) != 0 ? DIED : ilk->mutant == 3 ? MUTANT : 0;
            return 1;
        }
    }
    unpend(me);
    return 0;
}

/* Returns 0, ETIMEDOUT or EINTR. */
static int lock_word(struct me *me, u32 *guard, u64 deadline, int *died) {
    for (int spin = ilk->cpus > 1 ? 30 : 1; spin > 0; spin--) {
        if (try_word(me, guard, died)) {
            return 0;
        }
#if defined(__x86_64__)
        __builtin_ia32_pause();
#endif
    }
    sched_yield(); /* on one CPU, this thread may have been woken by who is inside, and run in its place: that leaves now */
    for (;;) {
        if (try_word(me, guard, died)) {
            return 0;
        }
        u32 seen = load(guard);
        if ((seen & FUTEX_TID_MASK) == 0 || (!(seen & FUTEX_WAITERS) && !cas(guard, &seen, seen | FUTEX_WAITERS))) {
            continue;
        }
        pend(me, guard);  /* should this thread be killed after it alone was woken, the kernel wakes another */
        int rc = futex_wait(guard, seen | FUTEX_WAITERS, deadline);
        if (rc == ETIMEDOUT || rc == EINTR) {
            unpend(me);
            return rc;
        }
    }
}

static inline void unlock_word(struct me *me, u32 *guard) {
    u32 seen = me->tid;
    if (!cas(guard, &seen, 0)) {
        futex_change(guard, INT_MAX, guard, FUTEX_OP_SET, 0);
    }
    unpend(me);
}

/* The condition shares the guard of its lock. */
static inline struct record *guard_of(struct record *record) {
    return record->kind == CONDITION ? record_at(record->lock) : record;
}

static inline void enter(struct record *guarded, int died) {
    if (died != DIED && (load(&guarded->stale) || (guarded->kind == SEMAPHORE && load(&guarded->owed) != guarded->paid))) {
        store(&guarded->stale, 0);
        died = STALE;
    }
    if (died) {
        rebuild(guarded, died);
    }
}

static inline int guard_try(struct me *me, struct record *guarded) {
    int died;
    if (!try_word(me, &guarded->guard, &died)) {
        return 0;
    }
    enter(guarded, died);
    return 1;
}

static inline int guard_lock(struct me *me, struct record *guarded, u64 deadline) {
    int died;
    int rc = lock_word(me, &guarded->guard, deadline, &died);
    if (rc == 0) {
        enter(guarded, died);
    }
    return rc;
}

static inline void guard_unlock(struct me *me, struct record *guarded) {
    unlock_word(me, &guarded->guard);
}

/* Leaves the guard and wakes the owner of `node`, whose word has been changed before. */
static inline void guard_unlock_waking(struct me *me, struct record *guarded, struct node *node) {
    futex_leave(&guarded->guard, &node->word);
    unpend(me);
}

#endif
