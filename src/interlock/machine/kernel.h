/* All of it. Each compiled module has its own copy of the functions and shares one `struct process`. */

#ifndef INTERLOCK_KERNEL_H
#define INTERLOCK_KERNEL_H

#include "primitives.h"
#include "cycle.h"
#include "queue.h"

static inline void ilk_use(void *process) {
    ilk = (struct process *) process;
}

static inline struct me *ilk_me(void) {
    return ilk->me();
}

/* One step of any wait, and how it is left. */
static inline int any_step(struct me *me, struct wait *w, int sliced) {
    switch (record_at(w->record)->kind) {
    case EVENT:
    case LATCH:
        return event_step(me, w, sliced);
    case CONDITION:
        return condition_step(me, w, sliced);
    case QUEUE:
        return queue_step(me, w, sliced);
    default:
        return wait_step(me, w, sliced);
    }
}

static inline int any_leave(struct me *me, struct wait *w) {
    struct record *r = record_at(w->record);
    if (r->kind == QUEUE) {
        return queue_leave(me, w);
    }
    if (r->kind != EVENT && r->kind != LATCH) {
        return withdraw(me, w);
    }
    if (w->node == 0) {
        return 0;
    }
    u32 turn = load(&r->turn);
    free_node(node_at(w->node));
    w->node = 0;
    return (turn & 1) || turn >> 3 != w->begun;
}

#endif
