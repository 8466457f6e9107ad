/* The kernel's side: futexes, the robust list, the clock. One place for all that is of one operating system. */

#ifndef INTERLOCK_NATIVE_H
#define INTERLOCK_NATIVE_H

#include "layout.h"
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/futex.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define load(p) __atomic_load_n(p, __ATOMIC_SEQ_CST)
#define store(p, v) __atomic_store_n(p, v, __ATOMIC_SEQ_CST)
#define cas(p, seen, to) __atomic_compare_exchange_n(p, seen, to, 0, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST)
#define or_in(p, v) __atomic_fetch_or(p, v, __ATOMIC_SEQ_CST)
#define and_in(p, v) __atomic_fetch_and(p, v, __ATOMIC_SEQ_CST)
#define add_in(p, v) __atomic_fetch_add(p, v, __ATOMIC_SEQ_CST)
#define fence() __atomic_signal_fence(__ATOMIC_SEQ_CST)

#define NEVER UINT64_MAX
#define SLICE 50000000ull     /* how long what cannot be watched waits before it looks again */

#ifndef SYS_futex_waitv
#define SYS_futex_waitv 449
#endif
struct ilk_waitv {
    u64 val, uaddr;
    u32 flags, reserved;
};

static inline u64 now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (u64) t.tv_sec * 1000000000ull + (u64) t.tv_nsec;
}

static inline struct timespec *as_timespec(u64 deadline, struct timespec *t) {
    if (deadline == NEVER) {
        return NULL;
    }
    t->tv_sec = (time_t) (deadline / 1000000000ull);
    t->tv_nsec = (long) (deadline % 1000000000ull);
    return t;
}

/* Returns 0 or an errno. `deadline` is absolute. */
static inline int futex_wait(u32 *word, u32 expected, u64 deadline) {
    struct timespec t;
    long rc = syscall(SYS_futex, word, FUTEX_WAIT_BITSET, expected, as_timespec(deadline, &t), NULL,
                      FUTEX_BITSET_MATCH_ANY);
    return rc < 0 ? errno : 0;
}

static inline void futex_wake(u32 *word, int how_many) {
    syscall(SYS_futex, word, FUTEX_WAKE, how_many, NULL, NULL, 0);
}

/* Changes `changed` and wakes who sleeps on `woken`: one system call, and no kill comes between. */
static inline void futex_change(u32 *woken, int how_many, u32 *changed, u32 operation, u32 argument) {
    u32 op = (operation << 28) | ((u32) FUTEX_OP_CMP_EQ << 24) | (argument << 12) | 0xfff;
    syscall(SYS_futex, woken, FUTEX_WAKE_OP, how_many, 0, changed, op);
}

/* The same, where the word changed is a guard that is let go: all who sleep on that are woken too. */
static inline void futex_leave(u32 *guard, u32 *woken) {
    /* Negative: with FUTEX_WAITERS. */
    u32 op = ((u32) FUTEX_OP_SET << 28) | ((u32) FUTEX_OP_CMP_LT << 24);
    syscall(SYS_futex, woken, FUTEX_WAKE_OP, 1, INT_MAX, guard, op);
}

static inline int futex_waitv(struct ilk_waitv *words, u32 count, u64 deadline) {
    struct timespec t;
    long rc = syscall(SYS_futex_waitv, words, count, 0, as_timespec(deadline, &t), CLOCK_MONOTONIC);
    return rc < 0 ? errno : 0;
}

#define HIDDEN UINT64_MAX

/* Which process, and which program in it: when it started, in ticks since the boot, and above that where its stack
   begins, which is another address after each exec (0: that is not for this user to see). 0: there is none, or it is a
   zombie. HIDDEN: it is not shown. */
static inline u64 start_of(u32 pid) {
    char path[40], text[1024];
    snprintf(path, sizeof path, "/proc/%u/stat", pid);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        return HIDDEN;
    }
    ssize_t size = read(fd, text, sizeof text - 1);
    close(fd);
    if (size <= 0) {
        return 0;
    }
    text[size] = 0;
    char *at = strrchr(text, ')');
    u64 start = 0, stack = 0;
    if (at == NULL || at[1] == 0 || at[2] == 'Z' || at[2] == 'X') {
        return 0;
    }
    at += 2;
    for (int field = 3; field < 28 && at != NULL; field++) {
        at = strchr(at, ' ');
        at = at == NULL ? NULL : at + 1;
        if (at != NULL && field == 21) {
            start = strtoull(at, NULL, 10);
        }
    }
    if (at != NULL) {
        stack = strtoull(at, NULL, 10) >> 4;
    }
    return (start & 0xffffffffffull) | (stack & 0xffffff) << 40;
}

static inline int is_same_start(u64 one, u64 other) {
    return ((one ^ other) & 0xffffffffffull) == 0 && (one >> 40 == other >> 40 || one >> 40 == 0 || other >> 40 == 0);
}

#endif
