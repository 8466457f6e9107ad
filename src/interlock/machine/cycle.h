/* Whether a wait closes a cycle for certain, across processes. Reads only; takes no guard of a record.

   An edge is a wait without a timeout for what only its owner can give back: a lock that was ENTERED. All parties of a cycle
   but the caller are asleep in their waits. The walk is made twice: a wait has a ticket that no other has, so what is the
   same both times was so at once in between, and none of them can have gone on since, as each waits for the next.

   Uncertain, and so not told: a main thread of a process that catches other signals than those for Ctrl-C and the like. A
   handler may end its wait.

   Of several who close a cycle together one is told: under the guard of the arena it takes back that it waits. */

#ifndef INTERLOCK_CYCLE_H
#define INTERLOCK_CYCLE_H

#include "waiting.h"

struct edge {
    u32 record, node;
    u64 owner, ticket;
};

/* Who alone can give it back; 0: nobody, or it is not certain. */
static u64 sole_owner(struct record *r) {
    u64 word = load(&r->word);
    if (!(is_exclusive(r->kind) || r->kind == RWLOCK) || (word & READ) || !(word & ENTERED)) {
        return 0;
    }
    return is_dead(word & ID_MASK) ? 0 : word & ID_MASK;
}

/* Returns how many edges the cycle through the caller has, 0: there is none. */
static int walk(struct me *me, u32 wanted, struct edge *edges) {
    u32 at = wanted;
    for (int count = 0; count < CYCLE; count++) {
        u64 owner = sole_owner(record_at(at));
        edges[count] = (struct edge){at, 0, owner, 0};
        if (owner == 0) {
            return 0;
        }
        if (owner == me->id) {
            return count + 1;
        }
        u32 index = load(&slot_of(owner)->wait);
        struct node *n = node_at(index);
        if (index == 0 || n->owner != owner || (n->flags & (TIMED | TASK)) || load(&n->word) != PARKED) {
            return 0;
        }
        edges[count].node = index;
        edges[count].ticket = n->ticket;
        at = load(&n->at);
        if (at == 0 || at >= load(&ilk->arena->records)) {
            return 0;
        }
    }
    return 0;
}

static int catches_signals(u32 pid) {
    char path[40], text[4096], *at;
    if (!ilk->proc) {
        return 1; /* another's status would be read */
    }
    snprintf(path, sizeof path, "/proc/%u/status", pid);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        return 1;
    }
    ssize_t size = read(fd, text, sizeof text - 1);
    close(fd);
    text[size > 0 ? size : 0] = 0;
    if ((at = strstr(text, "SigCgt:")) == NULL) {
        return 1;
    }
    u64 caught = strtoull(at + 7, NULL, 16), harmless = 3ull << 31; /* glibc's own */
    const int numbers[] = {SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGILL, SIGTRAP, SIGABRT, SIGBUS, SIGFPE, SIGSEGV};
    for (unsigned i = 0; i < sizeof numbers / sizeof numbers[0]; i++) {
        harmless |= 1ull << (numbers[i] - 1);
    }
    return (caught & ~harmless) != 0;
}

static int same_walk(struct me *me, u32 wanted, struct edge *before, int count) {
    struct edge again[CYCLE];
    return walk(me, wanted, again) == count && memcmp(before, again, (size_t) count * sizeof(struct edge)) == 0;
}

static int closes_cycle(struct me *me, struct wait *w) {
    struct edge edges[CYCLE];
    int count = walk(me, w->record, edges), died, certain = 1;
    if (count == 0 || !same_walk(me, w->record, edges, count)) {
        return 0;
    }
    for (int i = 0; i < count && certain; i++) {
        struct slot *slot = slot_of(edges[i].owner);
        certain = slot->tid != slot->pid || !catches_signals(slot->pid);
    }
    if (!certain || lock_word(me, &ilk->arena->guard, now() + SLICE, &died) != 0) {
        return 0;
    }
    if (died) {
        rebuild_buckets(ilk->arena);
    }
    certain = same_walk(me, w->record, edges, count);
    if (certain) {
        store(&me->slot->wait, 0);
        w->cycle = (u32) count;
        for (int i = 0; i < count; i++) {
            w->cycle_records[i] = edges[i].record;
            w->cycle_ids[i] = edges[i].owner;
        }
    }
    unlock_word(me, &ilk->arena->guard);
    return certain;
}

#endif
