/* Who takes part: the process, its threads, and who of the others is dead. */

#ifndef INTERLOCK_PARTY_H
#define INTERLOCK_PARTY_H

#include "native.h"
#include <linux/futex.h>

/* What a thread knows about itself. */
struct me {
    u64 id;   /* 0: takes no part yet */
    u32 tid;
    u32 chunks; /* of nodes: the first */
    struct slot *slot;
    struct robust_list_head *robust;
};

/* What the process knows: one for all modules that include this. */
struct process {
    struct arena *arena;
    struct slot *slots;
    struct record *records;
    struct node *nodes;
    struct opens *opens;
    char *rings;
    struct me *(*me)(void);
    u32 pid;
    u32 forks;
    u64 start;
    char program[TEXT];
    char folder[256];
    int stranger;  /* forked into another namespace of process ids: takes no part */
    int proc;      /* /proc shows the processes of this namespace */
    int waitv;     /* futex_waitv works */
    int cpus;
    int mutant;    /* of the tests: 1 grants in two steps, 2 watches nobody: both must be found. 3 rebuilds in every guard */
    void (*mail)(struct process *, struct node *, u32, u64);
};

static struct process *ilk;

#define record_at(index) (&ilk->records[index])
#define node_at(index) (&ilk->nodes[index])
#define index_of(node) ((u32) ((node) - ilk->nodes))
#define number_of(record) ((u32) ((record) - ilk->records))
#define slot_of(id) (&ilk->slots[((id) & 0xffff) - 1])
#define gen_of(id) ((u32) ((id) >> 16))
#define life_of(slot) ((u32 *) (slot))

static inline int is_id(u64 id) {
    return (id & 0xffff) != 0 && (id & 0xffff) <= SLOTS;
}

static inline int is_over(u32 life) {
    return (life & FUTEX_OWNER_DIED) != 0 || (life & FUTEX_TID_MASK) == 0;
}

/* The one with this id will never run again. While its slot is being taken by the next it may seem alive: whoever takes it
   raises the generation and then wakes all who sleep there. */
static inline int is_dead(u64 id) {
    if (!is_id(id)) {
        return 1;
    }
    struct slot *slot = slot_of(id);
    return is_over(load(life_of(slot))) || load(&slot->gen) != gen_of(id);
}

/* The same, for who would rely on it for long: it asks the system where the kernel may have told nobody. A thread that is
   not the main one and calls exec has the id of the main one by the time at which the kernel looks for it in its words, and
   so leaves them as they were. Who finds that out writes there what the kernel would have. */
static __attribute__((noinline, cold)) int is_gone(u64 id) {
    if (is_dead(id)) {
        return 1;
    }
    struct slot *slot = slot_of(id);
    u32 pid = load(&slot->pid), tid = load(&slot->tid), life = load(life_of(slot));
    if (pid == tid || load(&slot->gen) != gen_of(id) || syscall(SYS_tgkill, pid, tid, 0) == 0 || errno != ESRCH) {
        return is_dead(id);
    }
    while ((life & FUTEX_TID_MASK) == tid && !is_dead(id)) {
        if (cas(life_of(slot), &life, life | FUTEX_OWNER_DIED)) {
            futex_wake(life_of(slot), INT_MAX);
        }
    }
    return is_dead(id);
}

/* Whether nobody is told when this one calls exec. */
static inline int may_vanish(u64 id) {
    struct slot *slot = slot_of(id);
    return load(&slot->pid) != load(&slot->tid);
}

/* `text`: the line where the caller has taken a record, NULL: it is not known. */
static void note_place(struct me *me, u32 record, u32 serial, const char *text) {
    struct place *found = NULL;
    for (int i = 0; i < PLACES; i++) {
        if (me->slot->places[i].record == record) {
            found = &me->slot->places[i];
        }
    }
    if (found == NULL && text == NULL) {
        return;
    }
    if (found == NULL) {
        found = &me->slot->places[me->slot->next_place++ % PLACES];
    }
    store(&found->record, 0);
    if (text != NULL) {
        found->serial = serial;
        strncpy(found->text, text, PLACE - 1);
        fence();
        store(&found->record, record);
    }
}

/* Copies it to `text`, of PLACE bytes. Returns 0: it is not known. */
static int place_of(struct slot *slot, u32 record, u32 serial, char *text) {
    for (int i = 0; i < PLACES; i++) {
        struct place *found = &slot->places[i];
        if (load(&found->record) == record && found->serial == serial) {
            memcpy(text, found->text, PLACE);
            text[PLACE - 1] = 0;
            return load(&found->record) == record;
        }
    }
    return 0;
}

/* What the kernel looks at when this thread dies, besides the mutexes it holds: it marks the word if the thread's id is
   in it, and wakes one sleeper if nobody's is. */
static inline void pend(struct me *me, u32 *word) {
    *(void *volatile *) &me->robust->list_op_pending = (void *) ((char *) word - me->robust->futex_offset);
    fence();
}

static inline void unpend(struct me *me) {
    fence();
    *(void *volatile *) &me->robust->list_op_pending = NULL;
}

/* The kernel wakes one. That one wakes the others, before it does anything else. */
static inline void spread_death(struct slot *slot) {
    u32 life = load(life_of(slot));
    if ((life & FUTEX_OWNER_DIED) != 0 && (life & FUTEX_WAITERS) != 0) {
        futex_wake(life_of(slot), INT_MAX);
        cas(life_of(slot), &life, life & ~(u32) FUTEX_WAITERS); /* unless somebody lives there by now, who is watched */
    }
}

#endif
