/* The queue: a ring of entries in shared memory, and those who get, put and join.

   The room of a ring lies beside its record: an **entry** is 32 bytes and the item after it, rounded up; positions only
   grow, and [first, end) is in use.

       WRITING  being put, not in the queue yet
       READY    in the queue
       TAKEN    in the queue, and `owner` works at it (`with queue.hold()`); when that dies it is READY again, and RETURNED
       DONE     gone; its room is free again once all before it are DONE

   A **member** is a node HOLDING for each thread that has got something: `want` is how many items it got and has not
   called `task_done` for, `holding` how many entries it has TAKEN.

   What commits, and what a kill at each point leaves. `ready`, `cursor`, `first`, `holding` are caches.

       put    1 entry and item are written after `end`            nothing
              2 `end` is moved, the entry is WRITING              `rebuild` makes it DONE: nothing was put
              3 the entry is READY, and the first getter who      put; the getter is awake, or who is behind it watches it
                sleeps is woken: one system call
       get    1 the item is copied out                            nothing
              2 intent; the member's `want` grows                 `settle_intent` takes it back: the entry is READY still
              3 the entry is DONE, and a putter is woken          got, and lost with its consumer: `lost`
       hold   1 the entry's owner is written                      nothing
              2 the entry is TAKEN                                READY again when the owner is found dead
       leave  1 the entry is DONE                                 done
       done   1 the member's `want` shrinks; joiners are woken    done
       reap   1 entries TAKEN by the dead become READY, each by itself, woken for as if put
              2 intent; `lost` grows                              `settle_intent` takes it back: the member is HOLDING still
              3 the member is IDLE                                told, once
       shut   1 all who wait are woken, and come for the guard    they find nothing and sleep again
              2 `shut` is set                                     they find it

   Nobody watches who gives: so whoever is to be told is awake before the store that it is told of, or is woken by the same
   system call. A getter may go past the line for less than DUE, as with locks. */

#ifndef INTERLOCK_QUEUE_H
#define INTERLOCK_QUEUE_H

#include "waiting.h"

enum { NOTHING = 0, WRITING, READY, TAKEN_OUT, DONE };
enum { PICKLED = 1, RETURNED = 2 };
enum { SHUT = 1, DROP = 2, MEMBERLESS = -10, RING_DEFAULT = 1024 };

static inline u64 room_for(u64 size) {
    return sizeof(struct entry) + ((size + 31) & ~31ull);
}

static inline u64 capacity_of(struct record *r) {
    return (u64) r->pages * PAGE - sizeof(struct ring);
}

static inline struct entry *entry_at(struct record *r, u64 at) {
    return (struct entry *) ((char *) (ring_of(r) + 1) + at % capacity_of(r));
}

/* The next after that at `at`. In a group's arena others may have written anything: never past the end. */
static inline u64 after_entry(struct record *r, u64 at) {
    u64 end = load(&ring_of(r)->end), size = entry_at(r, at)->size;
    return size > capacity_of(r) || room_for(size) > end - at ? end : at + room_for(size);
}

static void copy_in(struct record *r, u64 at, const char *data, u64 size) {
    u64 capacity = capacity_of(r), from = at % capacity, first = size < capacity - from ? size : capacity - from;
    char *room = (char *) (ring_of(r) + 1);
    memcpy(room + from, data, first);
    memcpy(room, data + first, size - first);
}

static void copy_out(struct record *r, u64 at, char *data, u64 size) {
    u64 capacity = capacity_of(r), from = at % capacity, first = size < capacity - from ? size : capacity - from;
    const char *room = (const char *) (ring_of(r) + 1);
    if (size == 0) {
        return;
    }
    memcpy(data, room + from, first);
    memcpy(data + first, room, size - first);
}

/* The room up to `end` has memory when this returns: a full file is an error, not a SIGBUS. */
static int touch_ring(struct record *r, u64 end) {
    struct ring *ring = ring_of(r);
    u64 whole = (u64) r->pages * PAGE, wanted = end + sizeof(struct ring) < whole ? end + sizeof(struct ring) : whole;
    while (ring->touched < wanted) {
        u64 step = wanted - ring->touched < 16 * PAGE ? 16 * PAGE : (wanted - ring->touched + PAGE - 1) & ~(u64) (PAGE - 1);
        step = step < whole - ring->touched ? step : whole - ring->touched;
        if (madvise((char *) ring + ring->touched, step, 23 /* MADV_POPULATE_WRITE */) != 0 && errno != EINVAL) {
            return 0;
        }
        ring->touched += step;
    }
    return 1;
}

/* How many items would be lost with it: in it, or held. Reads only, so that it may be called without the guard. */
static u32 queue_items(struct record *r) {
    struct ring *ring = ring_of(r);
    u32 count = 0;
    for (u64 at = load(&ring->first), end = load(&ring->end); at < end; at = after_entry(r, at)) {
        u32 state = load(&entry_at(r, at)->state);
        count += state == READY || state == TAKEN_OUT;
    }
    return count;
}

static inline u32 maxsize_of(struct record *r) {
    return (u32) r->bound;
}

/* --- who waits ---------------------------------------------------------------------------------------------------- */

static inline int is_waiting(struct node *n) {
    u32 word = load(&n->word);
    return word != IDLE && !(word & CANCELLED) && !is_dead(n->owner);
}

/* The first getter (or putter) in the line who lives; `asleep`: and has not been woken yet. */
static struct node *first_of(struct record *r, u32 reading, int asleep) {
    for (u32 index = r->head; index != 0; index = node_at(index)->next) {
        struct node *n = node_at(index);
        if ((n->flags & READING) == reading && is_waiting(n) && !(asleep && (load(&n->word) & WOKEN))) {
            return n;
        }
    }
    return NULL;
}

/* The state of an entry changes, and `woken` (or nobody) is woken by the same stroke. */
static void commit_entry(struct entry *e, u32 state, struct node *woken) {
    if (woken == NULL) {
        store(&e->state, state);
        return;
    }
    or_in(&woken->word, WOKEN);
    if (ilk->mutant == 1) {
        store(&e->state, state);
        futex_wake(&woken->word, 1);
    } else {
        futex_change(&woken->word, 1, &e->state, FUTEX_OP_SET, state);
    }
    mail_to(woken);
}

/* Joiners look, now and before anything else happens: they come for the guard. */
static void tell_joiners(struct record *r) {
    u32 seen = load(&r->turn) & 3;
    if (seen == 0) {
        return;
    }
    futex_change(&r->turn, INT_MAX, &r->turn, FUTEX_OP_ADD, 4 - seen);
    if (seen & 2) {
        wake_tasks(r);
    }
}

/* In the queue, with somebody who holds it, or got and not done. */
static u64 unfinished(struct record *r) {
    u64 count = ring_of(r)->ready;
    for (u32 index = r->holds; index != 0; index = node_at(index)->next) {
        count += (u64) node_at(index)->want + node_at(index)->holding;
    }
    return count;
}

/* Where `first` goes once the entry at `gone` is DONE. */
static u64 first_without(struct record *r, u64 gone) {
    struct ring *ring = ring_of(r);
    u64 at = ring->first;
    while (at < ring->end && (at == gone || load(&entry_at(r, at)->state) == DONE)) {
        at = after_entry(r, at);
    }
    return at;
}

static inline int has_room(struct record *r, u64 first, u32 ready, u64 room) {
    return ring_of(r)->end - first + room <= capacity_of(r) && (maxsize_of(r) == 0 || ready < maxsize_of(r));
}

/* The putter to be woken when there are `ready` items and the ring begins at `first`. */
static struct node *putter_for(struct record *r, u64 first, u32 ready) {
    struct node *n = first_of(r, 0, 0);
    return n != NULL && !(load(&n->word) & WOKEN) && has_room(r, first, ready, (u64) n->want * 32) ? n : NULL;
}

/* Whether there will be nothing more for `mine`. What another has TAKEN may come back. */
static int is_over_for(struct record *r, u64 mine) {
    u32 shut = ring_of(r)->shut;
    if (shut == 0 || (shut & DROP)) {
        return shut != 0;
    }
    for (u32 index = r->holds; index != 0; index = node_at(index)->next) {
        if (node_at(index)->holding != 0 && node_at(index)->owner != mine) {
            return 0;
        }
    }
    return 1;
}

/* Who is shut out, or could have what there is, is awake; the head watches whom it should. */
static void queue_serve(struct record *r) {
    struct ring *ring = ring_of(r);
    u32 ready = ring->ready, putters = 0;
    for (u32 index = r->head; index != 0;) {
        struct node *n = node_at(index);
        index = n->next;
        if (!is_waiting(n)) {
            dequeue(r, n);
            free_node(n);
            continue;
        }
        int due = n->flags & READING ? ready > 0 || is_over_for(r, n->owner)
                                     : putters == 0 && (ring->shut || has_room(r, ring->first, ring->ready, (u64) n->want * 32));
        ready -= (n->flags & READING) && ready > 0;
        putters += !(n->flags & READING);
        if (due && !(load(&n->word) & WOKEN)) {
            rouse(n, WOKEN);
        }
    }
    struct node *head = r->head != 0 ? node_at(r->head) : NULL;
    if (head != NULL && !(head->flags & TASK) && !(load(&head->word) & WOKEN) && head->watch != watched_by_head(r)) {
        rouse(head, WOKEN);
    }
}

/* --- the dead ----------------------------------------------------------------------------------------------------- */

/* After `shutdown(immediate=True)` nothing is in it. */
static void queue_drop(struct record *r) {
    struct ring *ring = ring_of(r);
    if (ring->ready != 0) {
        tell_joiners(r);
    }
    for (u64 at = ring->first; at < ring->end; at = after_entry(r, at)) {
        if (load(&entry_at(r, at)->state) == READY) {
            store(&entry_at(r, at)->state, DONE);
            ring->ready -= 1;
        }
    }
    ring->first = first_without(r, NEVER);
}

static void queue_reap(struct record *r) {
    struct ring *ring = ring_of(r);
    for (u32 index = r->holds; index != 0;) {
        struct node *n = node_at(index);
        index = n->next;
        if (!is_dead(n->owner)) {
            continue;
        }
        if (n->holding != 0 || n->want != 0) {
            note_death(r, n->owner);
            tell_joiners(r);
        }
        for (u64 at = ring->first; at < ring->end && n->holding != 0; at = after_entry(r, at)) {
            struct entry *e = entry_at(r, at);
            if (load(&e->state) == TAKEN_OUT && e->owner == n->owner) {
                e->sort |= RETURNED;
                ring->cursor = at < ring->cursor ? at : ring->cursor;
                commit_entry(e, READY, first_of(r, READING, 1));
                ring->ready += 1;
                n->holding -= 1;
            }
        }
        if (n->want != 0) {
            r->intent_before = ring->lost;
            r->intent_kind = LOSE;
            fence();
            store(&r->intent, index_of(n));
            store(&ring->lost, ring->lost + n->want);
            store(&n->word, IDLE);
            store(&r->intent, 0);
        } else {
            store(&n->word, IDLE);
        }
        unlink_hold(r, n);
        store(&n->at, 0);
    }
    if (ring->shut & DROP) {
        queue_drop(r);
    }
}

/* Whether the entry of a `get` that was cut off has gone. */
static int queue_got(struct record *r, struct node *n) {
    (void) n;
    return load(&entry_at(r, r->intent_before)->state) == DONE;
}

static void queue_rebuild(struct record *r, int why) {
    struct ring *ring = ring_of(r);
    for (u32 index = r->holds; index != 0; index = node_at(index)->next) {
        node_at(index)->holding = 0;
    }
    ring->ready = 0;
    for (u64 at = ring->first; at < ring->end; at = after_entry(r, at)) {
        struct entry *e = entry_at(r, at);
        u32 state = load(&e->state), index = r->holds;
        while (state == TAKEN_OUT && index != 0 && node_at(index)->owner != e->owner) {
            index = node_at(index)->next;
        }
        if (state == TAKEN_OUT && index != 0) {
            node_at(index)->holding += 1;
        } else if (state == TAKEN_OUT || state == READY) {
            store(&e->state, READY);
            ring->ready += 1;
        } else {
            store(&e->state, DONE);
        }
    }
    ring->first = ring->cursor = first_without(r, NEVER);
    r->version += 1;
    if (why != MUTANT) {
        tell_joiners(r);
    }
    if (ring->shut & DROP) {
        queue_drop(r);
    }
}

/* --- put, get, hold ----------------------------------------------------------------------------------------------- */

/* Whether the caller may pass the line: who is first in it has just come, or there is enough for all before it. */
static int may_pass(struct record *r, u32 reading, struct node *mine, u32 enough) {
    struct node *first = first_of(r, reading, 0);
    if (first == NULL || first == mine) {
        return 1;
    }
    if (mine == NULL && !(first->flags & TASK) && now() - first->since < DUE) {
        return 1;
    }
    u32 ahead = 0;
    for (u32 index = r->head; index != 0 && ahead < enough; index = node_at(index)->next) {
        struct node *n = node_at(index);
        if (n == mine) {
            break;
        }
        ahead += (n->flags & READING) == reading && is_waiting(n);
    }
    return ahead < enough;
}

/* Returns TAKEN, FULL, SHUT_DOWN, or 0: not now. */
static int queue_put(struct me *me, struct record *r, struct wait *w, struct node *mine) {
    struct ring *ring = ring_of(r);
    u64 room = room_for(w->size), at = ring->end;
    if (ring->shut) {
        return SHUT_DOWN;
    }
    if (!has_room(r, ring->first, ring->ready, room) || !may_pass(r, 0, mine, 0)) {
        return 0;
    }
    if (!touch_ring(r, at + room)) {
        return FULL;
    }
    struct entry *e = entry_at(r, at);
    store(&e->state, WRITING);
    e->sort = w->sort;
    e->size = w->size;
    e->owner = me->id;
    copy_in(r, at + sizeof(struct entry), w->data, w->size);
    store(&ring->end, at + room);
    commit_entry(e, READY, first_of(r, READING, 1));
    store(&ring->ready, ring->ready + 1);
    return TAKEN;
}

static struct node *member_of(struct record *r, u64 id) {
    for (u32 index = r->holds; index != 0; index = node_at(index)->next) {
        if (node_at(index)->owner == id) {
            return node_at(index);
        }
    }
    return NULL;
}

/* The same, and MEMBERLESS: the caller has to bring a node for one. */
static int queue_get(struct me *me, struct record *r, struct wait *w, struct node *mine) {
    struct ring *ring = ring_of(r);
    struct node *member = member_of(r, me->id);
    if (ring->ready == 0 || member == NULL) {
        queue_reap(r); /* also because members come and go with their threads */
    }
    if (ring->ready == 0) {
        return is_over_for(r, me->id) ? SHUT_DOWN : 0;
    }
    if (!may_pass(r, READING, mine, ring->ready)) {
        return 0;
    }
    u64 at = ring->cursor > ring->first ? ring->cursor : ring->first;
    while (at < ring->end && load(&entry_at(r, at)->state) != READY) {
        at = after_entry(r, at);
    }
    if (at >= ring->end) {
        ring->ready = 0; /* of a group: somebody has written there */
        return 0;
    }
    struct entry *e = entry_at(r, at);
    u64 size = e->size <= capacity_of(r) ? e->size : 0;
    if (member == NULL && w->member == 0) {
        return MEMBERLESS;
    }
    if (size > w->room && (w->got = malloc(size)) == NULL) {
        return FULL;
    }
    copy_out(r, at + sizeof(struct entry), w->got, size);
    w->size = size;
    w->sort = e->sort;
    if (member == NULL) {
        tell_joiners(r); /* they do not watch it yet */
        member = node_at(w->member);
        w->member = 0;
        store(&member->at, number_of(r));
        store(&member->word, HOLDING);
        link_hold(r, member);
    }
    u64 first = first_without(r, at);
    struct node *putter = putter_for(r, w->flags & HOLD ? ring->first : first, ring->ready - 1);
    if (w->flags & HOLD) {
        r->version += member->holding == 0; /* who waits watches it from now on */
        member->holding += 1;
        member->since = now();
        e->owner = me->id;
        fence();
        commit_entry(e, TAKEN_OUT, putter);
        w->begun = at;
    } else {
        r->intent_before = at;
        r->intent_want = member->want;
        r->intent_kind = GOT;
        fence();
        store(&r->intent, index_of(member));
        store(&member->want, member->want + 1);
        commit_entry(e, DONE, putter);
        store(&r->intent, 0);
        ring->first = first;
    }
    member->ticket = (w->sort & RETURNED) != 0; /* what it got last was left by somebody who died */
    store(&ring->ready, ring->ready - 1);
    ring->cursor = after_entry(r, at);
    return TAKEN;
}

/* In the guard: the block of a `hold` has been left. Returns whether it was the caller's. */
static int queue_finish(struct me *me, struct record *r, u64 at) {
    struct ring *ring = ring_of(r);
    struct node *member = member_of(r, me->id);
    if (at < ring->first || at >= ring->end || member == NULL) {
        return 0;
    }
    struct entry *e = entry_at(r, at);
    if (load(&e->state) != TAKEN_OUT || e->owner != me->id) {
        return 0;
    }
    u64 first = first_without(r, at);
    if (unfinished(r) == 1) {
        tell_joiners(r);
    }
    for (u32 index = ring->shut ? r->head : 0; index != 0; index = node_at(index)->next) {
        rouse(node_at(index), WOKEN);
    }
    commit_entry(e, DONE, putter_for(r, first, ring->ready));
    member->holding -= 1;
    ring->first = first;
    queue_serve(r);
    return 1;
}

/* Past the guard: as `queue_finish`. Whoever is in it next counts anew. */
static int queue_finish_outside(struct me *me, struct record *r, u64 at) {
    struct entry *e = entry_at(r, at);
    if (at < load(&ring_of(r)->first) || at >= load(&ring_of(r)->end) || load(&e->state) != TAKEN_OUT || e->owner != me->id) {
        return 0;
    }
    store(&e->state, DONE);
    rouse_all(r);
    return 1;
}

/* Past the guard: one of the caller's own items is done. */
static int queue_task_done_outside(struct me *me, struct record *r) {
    u32 number = number_of(r), chunks = load(&ilk->arena->chunks);
    for (u32 index = 1; index < chunks * CHUNK; index++) {
        struct node *n = node_at(index);
        if (!is_node(index) || load(&n->at) != number || n->owner != me->id || !(load(&n->word) & HOLDING)) {
            continue;
        }
        u32 want = load(&n->want);
        while (want != 0 && !cas(&n->want, &want, want - 1)) {
        }
        if (want != 0) {
            rouse_all(r);
            return 1;
        }
    }
    return 0;
}

/* In the guard: one of the caller's items is done, or else one of anybody's. Returns 0: there is none. */
static int queue_task_done(struct me *me, struct record *r) {
    struct node *n = member_of(r, me->id);
    if (n == NULL || n->want == 0) {
        u32 index = r->holds;
        while (index != 0 && (node_at(index)->want == 0 || is_dead(node_at(index)->owner))) {
            index = node_at(index)->next;
        }
        if (index == 0) {
            return 0;
        }
        n = node_at(index);
    }
    if (unfinished(r) == 1) {
        tell_joiners(r);
    }
    add_in(&n->want, -1u); /* its owner may do the same past the guard */
    return 1;
}

/* In the guard. */
static void queue_shut(struct record *r, u32 how) {
    for (u32 index = r->head; index != 0; index = node_at(index)->next) {
        rouse(node_at(index), WOKEN);
    }
    or_in(&ring_of(r)->shut, how);
    if (how & DROP) {
        queue_drop(r);
    }
}

/* --- waiting ------------------------------------------------------------------------------------------------------ */

static int queue_leave(struct me *me, struct wait *w) {
    if (w->member != 0) {
        store(&node_at(w->member)->word, IDLE);
        w->member = 0;
    }
    if (w->flags & JOINING && w->node != 0) {
        free_node(node_at(w->node));
        w->node = 0;
    }
    return withdraw(me, w);
}

/* The nodes of a wait that is over, in the guard. */
static void end_of_wait(struct record *r, struct wait *w, int done) {
    if (done == 0 || done == MEMBERLESS) {
        return;
    }
    if (w->node != 0) {
        if (load(&node_at(w->node)->at) != 0) {
            dequeue(r, node_at(w->node));
        }
        free_node(node_at(w->node));
        w->node = 0;
    }
    if (w->member != 0) {
        store(&node_at(w->member)->word, IDLE);
        w->member = 0;
    }
}

/* The first try, at once or not. Returns as queue_get does, 0 also where somebody else is in the guard. */
static int queue_try(struct me *me, struct wait *w) {
    struct record *r = record_at(w->record);
    if (!guard_try(me, r)) {
        return 0;
    }
    int done = w->flags & READING ? queue_get(me, r, w, NULL) : queue_put(me, r, w, NULL);
    if (done != 0 && r->head != 0) {
        queue_serve(r);
    }
    guard_unlock(me, r);
    return done == MEMBERLESS ? 0 : done;
}

/* `begun`: how many were lost when the caller was told last. */
static int join_step(struct me *me, struct wait *w, int sliced) {
    struct record *r = record_at(w->record);
    struct watch watch;
    for (;;) {
        int rc = guard_for_step(me, r, w->deadline == 0 ? now() + SLICE : w->deadline);
        if (rc != 0) {
            return rc == EINTR ? SIGNAL : LATE;
        }
        queue_reap(r);
        u64 lost = ring_of(r)->lost;
        int done = lost > w->begun ? SPOILED : unfinished(r) == 0 ? TAKEN : 0;
        if (done || w->node == 0) {
            queue_serve(r);
            guard_unlock(me, r);
            if (done) {
                w->begun = lost;
                queue_leave(me, w);
                return done;
            }
            if ((w->node = wait_node(me, w, w->flags, 0)) == 0) {
                return FULL;
            }
            struct node *n = node_at(w->node);
            n->since = w->since = now();
            store(&n->word, PARKED);
            store(&n->at, number_of(r));
            continue;
        }
        struct node *n = node_at(w->node);
        and_in(&n->word, ~(u32) WOKEN);
        u32 turn = or_in(&r->turn, w->flags & TASK ? 2 : 1) | (w->flags & TASK ? 2 : 1);
        watch.count = watch.more = 0;
        for (u32 index = r->holds; index != 0; index = node_at(index)->next) {
            add_watch(&watch, node_at(index)->owner, me->id);
        }
        guard_unlock(me, r);
        if (w->flags & TASK) {
            return SIGNAL;
        }
        me->slot->wait = w->node;
        rc = park(me, n, &r->turn, turn, &watch, w->deadline, sliced);
        me->slot->wait = 0;
        if (rc != 0) {
            return rc == EINTR ? SIGNAL : LATE;
        }
    }
}

static int queue_step(struct me *me, struct wait *w, int sliced) {
    struct record *r = record_at(w->record);
    struct watch watch;
    if (w->flags & JOINING) {
        return join_step(me, w, sliced);
    }
    for (;;) {
        struct node *n = w->node != 0 ? node_at(w->node) : NULL;
        int queued = n != NULL && load(&n->at) != 0;
        int rc = guard_for_step(me, r, w->deadline == 0 ? now() + SLICE : w->deadline);
        if (rc != 0) {
            return rc == EINTR ? SIGNAL : LATE;
        }
        int done = w->flags & READING ? queue_get(me, r, w, queued ? n : NULL) : queue_put(me, r, w, queued ? n : NULL);
        if (done == 0 && (w->deadline == 0 || (w->flags & TASK)) && has_gone(r)) {
            guard_unlock(me, r);
            continue; /* whoever died since is one more step */
        }
        if (done == 0 && w->deadline != 0 && n != NULL) {
            if (!queued) {
                n->since = w->since = now();
                n->ticket = r->tickets++;
                store(&n->word, PARKED);
                store(&n->at, number_of(r));
                enqueue(r, n);
            }
            and_in(&n->word, ~(u32) WOKEN);
            choose_watch(r, n, &watch);
        }
        end_of_wait(r, w, done);
        if (done != 0 || r->head != 0) {
            queue_serve(r);
        }
        guard_unlock(me, r);
        if (done == MEMBERLESS) {
            if ((w->member = new_node(me, 0, 0)) == 0) {
                return FULL;
            }
            continue;
        }
        if (done != 0 || w->deadline == 0) {
            return done == 0 ? LATE : done;
        }
        if (n == NULL) {
            w->node = wait_node(me, w, w->flags | (w->deadline == NEVER || (w->flags & TASK) ? 0 : TIMED), w->flags & READING ? 0 : (u32) (room_for(w->size) / 32));
            if (w->node == 0) {
                return FULL;
            }
            continue;
        }
        if (w->flags & TASK) {
            return SIGNAL;
        }
        store(&me->slot->wait, w->node);
        rc = park(me, n, NULL, 0, &watch, w->deadline, sliced);
        store(&me->slot->wait, 0);
        if (rc != 0) {
            return rc == EINTR ? SIGNAL : LATE;
        }
    }
}

#endif
