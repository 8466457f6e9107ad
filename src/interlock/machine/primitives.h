/* What each primitive does beyond waiting in its queue. */

#ifndef INTERLOCK_PRIMITIVES_H
#define INTERLOCK_PRIMITIVES_H

#include "waiting.h"

/* --- locks -------------------------------------------------------------------------------------------------------- */

static inline int lock_try(struct me *me, struct record *r, u64 entered) {
    u64 seen = 0;
    if (cas(&r->word, &seen, me->id | entered)) {
        return 1;
    }
    /* Free, and its head is on the way. */
    return seen == QUEUED && is_exclusive(r->kind) && cas(&r->word, &seen, me->id | entered | QUEUED);
}

static inline int lock_untie(struct me *me, struct record *r, u64 entered) {
    u64 seen = me->id | entered;
    return cas(&r->word, &seen, 0);
}

/* The notified go to the queue of the lock. Where that is empty, the first of them gets the lock with one stroke, so that
   a kill at any point finds either nobody gone or somebody awake. Returns whether the lock has been given. */
static int let_go_notified(struct record *r, u64 abandoned) {
    int given = 0;
    for (u32 index = r->lock; index != 0; index = (u32) record_at(index)->bound) {
        struct record *c = record_at(index);
        while (c->asked > 0) {
            struct node *n = first_live(c);
            if (n == NULL || n->ticket >= c->count) {
                c->asked = 0; /* some have left since; who came after the notification is not meant */
                break;
            }
            if (!given && first_live(r) == NULL) {
                given = grant(r, c, n, n->owner | (n->flags & ENTER ? ENTERED : 0) | abandoned | QUEUED);
                c->asked -= given;
                continue;
            }
            u64 before = node_at(r->tail)->owner;
            unlink_node(c, n);
            n->ticket = r->tickets++;
            store(&n->at, number_of(r));
            enqueue(r, n);
            or_in(&r->word, QUEUED);
            c->asked -= 1;
            if (n->prev != 0 && n->watch != before) {
                rouse(n, WOKEN);
            }
        }
    }
    r->asked = 0;
    return given;
}

/* Frees a lock, in its guard, and leaves the guard. `keep`: whoever is next is told of the death that this holder was
   told of. */
static void lock_release(struct me *me, struct record *r, int keep) {
    u64 word = load(&r->word), abandoned = keep ? word & ABANDONED : 0;
    int mine = (word & ID_MASK) == me->id;
    or_in(&r->word, QUEUED);
    r->count = 0;
    r->task = 0;
    if (r->asked && let_go_notified(r, abandoned)) {
        serve(r);
        guard_unlock(me, r);
        return;
    }
    for (;;) {
        struct node *head = first_live(r);
        if (head == NULL) {
            store(&r->word, abandoned);
            break;
        }
        if ((head->flags & (TASK | STRICT)) || now() - head->since >= DUE) {
            int asleep = mine && head->watch == me->id && !(head->flags & TASK);
            if (!grant_as(r, r, head,
                          head->owner | (head->flags & ENTER ? ENTERED : 0) | abandoned | (head->next != 0 ? QUEUED : 0),
                          asleep)) {
                continue;
            }
            serve(r);
            if (asleep) {
                guard_unlock_waking(me, r, head);
                return;
            }
            break;
        }
        if (!mine) {
            rouse(head, WOKEN); /* it does not watch the caller: so it is awake before the lock is free */
            store(&r->word, abandoned | QUEUED);
            break;
        }
        u32 seen = or_in(&head->word, WOKEN);
        if (seen & CANCELLED) {
            continue;
        }
        store(&r->word, abandoned | QUEUED);
        guard_unlock_waking(me, r, head);
        return;
    }
    guard_unlock(me, r);
}

/* Past the guard (somebody is stopped inside, and the caller must go on): free, all who wait look. Also for a writer. */
static int lock_free_outside(struct me *me, struct record *r, int keep) {
    u64 word = load(&r->word);
    do {
        if ((word & READ) || (word & ID_MASK) != me->id) {
            return 0;
        }
    } while (!cas(&r->word, &word, QUEUED | (keep ? word & ABANDONED : 0)));
    rouse_all(r);
    return 1;
}

/* --- permits ------------------------------------------------------------------------------------------------------ */

static inline int permits_try(struct record *r) {
    u64 word = load(&r->word);
    while (!(word & QUEUED) && (word & PERMITS) > 0) {
        if (cas(&r->word, &word, word - 1)) {
            return 1;
        }
    }
    return 0;
}

static inline int permits_add(struct record *r) {
    u64 word = load(&r->word);
    while (!(word & QUEUED) && (word & PERMITS) < PERMITS / 2) {
        if (cas(&r->word, &word, word + 1)) {
            return 1;
        }
    }
    return 0;
}

/* In the guard. `count` permits that nobody held: each stroke hands over to one waiter and uses up what it lacked. */
static void permits_release(struct record *r, u64 count) {
    or_in(&r->word, QUEUED);
    for (;;) {
        struct node *head = first_live(r);
        u64 permits = load(&r->word) & PERMITS;
        if (head == NULL) {
            store(&r->word, permits + count);
            return;
        }
        u64 lacks = head->want > permits ? head->want - permits : 0;
        if (lacks > count) {
            store(&r->word, (permits + count) | QUEUED);
            return;
        }
        if (grant(r, r, head, (permits + lacks - head->want) | QUEUED)) {
            count -= lacks;
            serve(r);
        }
    }
}

/* In the guard. Gives back `count` permits of holds: the caller's own first. Returns how many were not held by anybody. */
static u64 permits_give(struct me *me, struct record *r, u64 count) {
    or_in(&r->word, QUEUED);
    while (count > 0) {
        struct node *n = NULL;
        for (u32 index = r->holds; index != 0; index = node_at(index)->next) {
            if (node_at(index)->owner == me->id) {
                n = node_at(index);
                break;
            }
            n = node_at(index);
        }
        if (n == NULL) {
            break;
        }
        struct node *head = first_live(r);
        if (head != NULL && n->owner != me->id && !(head->flags & TASK)) {
            rouse(head, WOKEN); /* it does not watch the caller */
        }
        u64 word = load(&r->word);
        if (held_by(n) > count) {
            r->intent_want = n->want - (u32) count;
            intend(r, n, PART, (word + count) | QUEUED);
            store(&n->want, n->want - (u32) count);
            fulfil(r);
            count = 0;
        } else {
            count -= held_by(n);
            intend(r, n, GIVE, (word + held_by(n)) | QUEUED);
            and_in(&n->word, GRANTED); /* its owner may not have run yet */
            fulfil(r);
            unlink_hold(r, n);
            store(&n->at, 0);
        }
        serve(r);
    }
    serve(r);
    return count;
}

/* Past the guard. The first who waits is woken by the stroke that adds the permits. */
static void permits_release_outside(struct record *r, u32 count) {
    u32 number = number_of(r), chunks = load(&ilk->arena->chunks);
    struct node *first = NULL;
    for (u32 index = 1; index < chunks * CHUNK; index++) {
        struct node *n = node_at(index);
        if (is_node(index) && load(&n->at) == number && load(&n->word) == PARKED && !is_dead(n->owner) &&
            (first == NULL || n->ticket < first->ticket)) {
            first = n;
        }
    }
    if (first != NULL && count < 2048) {
        futex_change(&first->word, 1, &r->owed, FUTEX_OP_ADD, count);
    } else {
        add_in(&r->owed, count);
    }
    rouse_all(r);
}

/* Past the guard: `count` permits (or one reading) of holds are given back, of the caller's own first. Of one hold no more
   than there is room for in a word: 16 million. */
static void leave_holds_outside(struct me *me, struct record *r, u64 count) {
    u32 number = number_of(r), chunks = load(&ilk->arena->chunks);
    u64 missing = count;
    for (int own = 1; own >= (r->kind == RWLOCK); own--) {
        for (u32 index = 1; index < chunks * CHUNK && missing > 0; index++) {
            struct node *n = node_at(index);
            u32 word = is_node(index) && load(&n->at) == number ? load(&n->word) : 0, some = 0;
            while (is_hold(word) && (n->owner == me->id) == own && n->want > left_of(word)) {
                some = n->want - left_of(word) < missing ? n->want - left_of(word) : (u32) missing;
                some = some < MOST_LEFT - left_of(word) ? some : MOST_LEFT - left_of(word);
                if (some == 0 || cas(&n->word, &word, word + some * LEFT)) {
                    missing -= some;
                    break;
                }
            }
        }
    }
    if (missing != count) {
        rouse_all(r);
    }
}

/* By `owner`, or by all: 0. */
static u64 permits_held(struct record *r, u64 owner) {
    u64 held = 0;
    for (u32 index = r->holds; index != 0; index = node_at(index)->next) {
        held += owner == 0 || node_at(index)->owner == owner ? held_by(node_at(index)) : 0;
    }
    return held;
}

/* --- readers ------------------------------------------------------------------------------------------------------ */

/* In the guard. Returns whether the caller was reading. */
static int reader_release(struct me *me, struct record *r) {
    for (u32 index = r->holds; index != 0; index = node_at(index)->next) {
        struct node *n = node_at(index);
        if (n->owner != me->id) {
            continue;
        }
        u64 word = or_in(&r->word, QUEUED) | QUEUED;
        intend(r, n, GIVE, (word & PERMITS) > 1 ? word - 1 : word & (QUEUED | ABANDONED));
        and_in(&n->word, GRANTED);
        fulfil(r);
        unlink_hold(r, n);
        store(&n->at, 0);
        serve(r);
        return 1;
    }
    return 0;
}

/* In the guard. The head watches the caller, who is the writer. */
static void writer_release(struct me *me, struct record *r, int keep) {
    u64 word = or_in(&r->word, QUEUED);
    struct node *head = first_live(r);
    if (head != NULL && (word & ID_MASK) != me->id && !(head->flags & TASK)) {
        rouse(head, WOKEN);
    }
    store(&r->word, (keep ? word & ABANDONED : 0) | QUEUED);
    serve(r);
}

/* --- what is set once: events and latches ------------------------------------------------------------------------- */

static void wake_tasks(struct record *r) {
    u32 number = number_of(r), chunks = load(&ilk->arena->chunks);
    for (u32 index = 1; index < chunks * CHUNK; index++) {
        if (is_node(index) && load(&node_at(index)->at) == number && (node_at(index)->flags & TASK)) {
            rouse(node_at(index), WOKEN);
        }
    }
}

/* In the guard. One system call sets it and wakes all threads. */
static void turn_set(struct record *r) {
    u32 seen = load(&r->turn);
    if (seen & 1) {
        return;
    }
    futex_change(&r->turn, INT_MAX, &r->turn, FUTEX_OP_ADD, 9 - (seen & 6));
    if (seen & 4) {
        wake_tasks(r);
    }
}

/* Returns whether it is done, or needs the guard. */
static inline int event_try_set(struct record *r) {
    u32 seen = load(&r->turn);
    while (!(seen & 7)) {
        if (cas(&r->turn, &seen, seen + 9)) {
            return 1;
        }
    }
    return seen & 1;
}

static inline void event_clear(struct record *r) {
    u32 seen = load(&r->turn);
    while ((seen & 1) && !cas(&r->turn, &seen, seen & ~(u32) 1)) {
    }
}

/* Whoever waits for a turn watches nobody and is told by nothing else: one word, and the cheaper system call. */
static int park_at_turn(u32 *turn, u32 expected, u64 deadline, int sliced) {
    u64 slice = sliced ? now() + SLICE : NEVER;
    int rc = futex_wait(turn, expected, slice < deadline ? slice : deadline);
    return rc == ETIMEDOUT && slice < deadline ? EINTR : rc == ETIMEDOUT || rc == EINTR ? rc : 0;
}

static int event_step(struct me *me, struct wait *w, int sliced) {
    struct record *r = record_at(w->record);
    u32 seen = load(&r->turn);
    if (w->node == 0) {
        if (seen & 1) {
            return TAKEN;
        }
        if (w->deadline == 0) {
            return LATE;
        }
        if ((w->node = wait_node(me, w, w->flags, seen >> 3)) == 0) {
            return FULL;
        }
        w->begun = seen >> 3;
        node_at(w->node)->since = w->since = now();
        store(&node_at(w->node)->word, PARKED);
        store(&node_at(w->node)->at, number_of(r));
    }
    struct node *n = node_at(w->node);
    u32 bit = w->flags & TASK ? 4 : 2;
    for (;;) {
        seen = load(&r->turn);
        if ((seen & 1) || seen >> 3 != w->begun) {
            free_node(n);
            w->node = 0;
            return TAKEN;
        }
        if (!(seen & bit)) {
            int rc = guard_for_step(me, r, w->deadline);
            if (rc != 0) {
                return rc == EINTR ? SIGNAL : LATE;
            }
            seen = load(&r->turn);
            if (!(seen & 1)) {
                or_in(&r->turn, bit); /* only in the guard can it be set now */
            }
            guard_unlock(me, r);
            continue;
        }
        and_in(&n->word, ~(u32) WOKEN);
        if (w->flags & TASK) {
            return SIGNAL;
        }
        me->slot->wait = w->node;
        int rc = park_at_turn(&r->turn, seen, w->deadline, sliced);
        me->slot->wait = 0;
        if (rc != 0) {
            seen = load(&r->turn);
            if (!(seen & 1) && seen >> 3 == w->begun) {
                return rc == EINTR ? SIGNAL : LATE;
            }
        }
    }
}

/* Returns 0: done; 1: it needs the guard; -1: more than is left. */
static inline int latch_try(struct record *r, u64 count) {
    u64 word = load(&r->word);
    for (;;) {
        if (count > (word & PERMITS)) {
            return -1;
        }
        if ((word & QUEUED) || count == (word & PERMITS)) {
            return count == 0 ? 0 : 1;
        }
        if (cas(&r->word, &word, word - count)) {
            return 0;
        }
    }
}

/* In the guard. That it is open commits; the word follows. */
static int latch_down(struct record *r, u64 count) {
    u64 left = or_in(&r->word, QUEUED) & PERMITS;
    if (count == left && left != 0) {
        turn_set(r);
    }
    store(&r->word, count > left ? left : left - count);
    return count > left ? -1 : 0;
}

/* --- condition ---------------------------------------------------------------------------------------------------- */

/* Lets the lock go and waits. The caller holds it: entered or not, as `flags` says, so that it comes back alike. */
static int condition_step(struct me *me, struct wait *w, int sliced) {
    struct record *c = record_at(w->record), *r = record_at(c->lock);
    struct watch watch;
    if (w->node == 0 && (w->node = wait_node(me, w, w->flags | STRICT, 1)) == 0) {
        return FULL;
    }
    struct node *n = node_at(w->node);
    for (;;) {
        if (has(n)) {
            w->noticed = w->noticed == 0 ? 1 : w->noticed;
            return TAKEN;
        }
        int rc = guard_for_step(me, r, w->noticed == 0 ? w->deadline : NEVER);
        if (rc != 0) {
            return rc == EINTR ? SIGNAL : LATE;
        }
        if (has(n)) {
            guard_unlock(me, r);
            w->noticed = w->noticed == 0 ? 1 : w->noticed;
            return TAKEN;
        }
        u32 at = load(&n->at);
        if (at == 0) {
            n->since = w->since = now();
            n->ticket = c->tickets++;
            store(&n->word, PARKED);
            store(&n->at, number_of(c));
            enqueue(c, n);
            choose_watch(c, n, &watch);
            lock_release(me, r, 0); /* leaves the guard */
        } else {
            if (at == number_of(r)) {
                w->noticed = w->noticed == 0 ? 1 : w->noticed;
                if (take(me, r, n, 1)) {
                    guard_unlock(me, r);
                    return TAKEN;
                }
            }
            and_in(&n->word, ~(u32) WOKEN);
            choose_watch(record_at(at), n, &watch);
            guard_unlock(me, r);
        }
        if (w->flags & TASK) {
            return SIGNAL;
        }
        me->slot->wait = w->node;
        rc = park(me, n, NULL, 0, &watch, w->noticed == 0 ? w->deadline : NEVER, sliced);
        me->slot->wait = 0;
        if (rc != 0 && !(load(&n->word) & GRANTED)) {
            return rc == EINTR ? SIGNAL : LATE;
        }
    }
}

/* The wait is over without a notification: into the queue of the lock, unless one has come meanwhile. Returns TAKEN where
   the lock was never let go (somebody is stopped in the guard), SIGNAL where it is to be tried again, or 0. */
static int condition_give_up(struct me *me, struct wait *w) {
    struct record *c = record_at(w->record), *r = record_at(c->lock);
    struct node *n = node_at(w->node);
    if (w->noticed != 0) {
        return 0;
    }
    if (load(&n->word) == NEW) {
        store(&n->word, IDLE);
        w->node = 0;
        return TAKEN;
    }
    int rc = guard_for_step(me, r, NEVER);
    if (rc != 0) {
        return SIGNAL;
    }
    u32 word = load(&n->word);
    if (!(word & GRANTED)) {
        w->noticed = load(&n->at) == number_of(r) ? 1 : 2;
        if (w->noticed == 2) {
            unlink_node(c, n);
            n->ticket = r->tickets++;
            store(&n->at, number_of(r));
            enqueue(r, n);
            or_in(&r->word, QUEUED);
            serve(r);
        }
    }
    guard_unlock(me, r);
    return 0;
}

/* In the guard, by the holder; or by who has taken a notification along that it cannot use. */
static void condition_notify(struct record *c, u32 count) {
    struct record *r = record_at(c->lock);
    u32 waiting = 0;
    for (u32 index = c->head; index != 0; index = node_at(index)->next) {
        waiting += 1;
    }
    if (waiting == 0) {
        return;
    }
    c->count = c->tickets;
    c->asked = count > waiting - (c->asked < waiting ? c->asked : waiting) ? waiting : c->asked + count;
    r->asked = 1;
    or_in(&r->word, QUEUED); /* so that the release comes by */
}

/* The waiting task is destroyed, so nobody wants the lock back, and its notification is for the next one. Returns whether
   it had let the lock go. */
static __attribute__((cold)) int condition_drop(struct me *me, struct wait *w) {
    struct record *c = record_at(w->record), *r = record_at(c->lock);
    struct node *n = node_at(w->node);
    if (load(&n->word) == NEW) {
        store(&n->word, IDLE);
        w->node = 0;
        return 0;
    }
    u64 patience = now() + 2 * SLICE;
    int rc;
    while ((rc = guard_lock(me, r, patience)) == EINTR) {
    }
    if (rc != 0) { /* somebody is stopped inside */
        if (withdraw(me, w)) {
            lock_free_outside(me, r, 1);
        }
        return 1;
    }
    u32 word = load(&n->word), at = load(&n->at);
    int granted = (word & GRANTED) != 0;
    int notified = w->noticed == 1 || (w->noticed == 0 && (granted || at == number_of(r)));
    w->node = 0;
    if (!granted) {
        dequeue(record_at(at), n);
    }
    free_node(n);
    if (notified) {
        condition_notify(c, 1);
    }
    u64 seen = load(&r->word);
    while (!granted && c->asked && (seen & ID_MASK) == 0) { /* no holder, whose release would let them go */
        granted = cas(&r->word, &seen, me->id | QUEUED | (seen & ABANDONED));
    }
    if (granted) {
        lock_release(me, r, 1);
        return 1;
    }
    serve(r);
    guard_unlock(me, r);
    return 1;
}

/* --- barrier ------------------------------------------------------------------------------------------------------ */

/* In the guard. All who have come leave by it: one stroke ends the round. */
static void barrier_end(struct record *r, u32 operation, u32 argument) {
    for (u32 index = r->head; index != 0 && operation == FUTEX_OP_OR; index = node_at(index)->next) {
        or_in(&node_at(index)->word, SPOILT);
    }
    futex_change(&r->turn, INT_MAX, &r->turn, operation, argument);
    while (r->head != 0) {
        struct node *n = node_at(r->head);
        unlink_node(r, n);
        mail_to(n);
        store(&n->at, 0);
    }
    r->count = 0;
}

static void barrier_break(struct record *r) {
    barrier_end(r, FUTEX_OP_OR, 1);
}

/* Where the guard is not to be had (somebody is stopped inside) and time is up. The nodes stay where they are until the
   reset. Returns whether the round of the caller was not over. */
static int barrier_break_outside(struct record *r, u64 round) {
    u32 seen = load(&r->turn);
    do {
        if ((seen & 1) || seen >> 1 != round) {
            return seen >> 1 == round;
        }
    } while (!cas(&r->turn, &seen, seen | 1));
    futex_wake(&r->turn, INT_MAX);
    return 1;
}

/* In the guard. Those who wait are told that it is broken, and it is as new. */
static void barrier_reset(struct record *r) {
    for (u32 index = r->head; index != 0; index = node_at(index)->next) {
        or_in(&node_at(index)->word, SPOILT);
    }
    if (load(&r->turn) & 1) {
        barrier_end(r, FUTEX_OP_ADD, 1);
    } else if (r->head != 0) {
        barrier_end(r, FUTEX_OP_ADD, 2);
    }
}

static int barrier_has_dead(struct record *r) {
    for (u32 index = r->head; index != 0; index = node_at(index)->next) {
        if (is_dead(node_at(index)->owner)) {
            return 1;
        }
    }
    return 0;
}

/* Members that have died and had not come to this round. Who watched them would never sleep again. */
static void barrier_forget_dead(struct record *r) {
    for (u32 index = r->holds; index != 0;) {
        struct node *n = node_at(index);
        index = n->next;
        if (is_dead(n->owner)) {
            unlink_hold(r, n);
            free_node(n);
        }
    }
}

/* Joins the members, whom all who wait here watch. Returns whether the caller is new among them. */
static int barrier_join(struct me *me, struct record *r, struct node *spare) {
    for (u32 index = r->holds; index != 0; index = node_at(index)->next) {
        if (node_at(index)->owner == me->id) {
            return 0;
        }
    }
    store(&spare->at, number_of(r));
    store(&spare->word, HOLDING);
    link_hold(r, spare);
    return 1;
}

/* The first place that nobody has who has come: some may have left again. */
static u32 barrier_place(struct record *r) {
    u32 place = 0, index = r->head;
    while (index != 0) {
        if (node_at(index)->holding == place) {
            place += 1;
            index = r->head;
        } else {
            index = node_at(index)->next;
        }
    }
    return place;
}

/* The wait of the caller was cut off: as if it had never come. Returns whether its round was over. */
static int barrier_withdraw(struct me *me, struct record *r, struct wait *w) {
    struct node *n = node_at(w->node);
    u32 word = PARKED;
    int rc;
    if (w->begun == NEVER) {
        store(&n->word, IDLE);
        w->node = 0;
        return 0;
    }
    u64 patience = now() + 2 * SLICE;
    while ((rc = guard_lock(me, r, patience)) == EINTR) {
    }
    w->node = 0;
    if (rc != 0) {
        /* Somebody is stopped inside: the node stays behind, and whoever is in it next counts anew. */
        while (!cas(&n->word, &word, word | CANCELLED)) {
        }
        rouse_all(r);
        return 0;
    }
    int over = load(&n->at) == 0;
    if (!over) {
        unlink_node(r, n);
        r->count -= 1;
    }
    guard_unlock(me, r);
    free_node(n);
    return over;
}

/* `want` of the wait: its place in the round, when it returns. */
static int barrier_step(struct me *me, struct wait *w, int sliced, int action) {
    struct record *r = record_at(w->record);
    struct watch watch;
    u32 spare = 0;
    if (w->node == 0) {
        if ((w->node = wait_node(me, w, w->flags, 0)) == 0 || (spare = new_node(me, 0, 0)) == 0) {
            return FULL;
        }
        w->begun = NEVER;
    }
    struct node *n = node_at(w->node);
    for (;;) {
        u32 turn = load(&r->turn);
        if (w->begun != NEVER && ((turn & 1) || turn >> 1 != w->begun)) {
            int spoilt = (load(&n->word) & SPOILT) != 0 || turn >> 1 == w->begun;
            store(&n->word, IDLE);
            w->node = 0;
            return spoilt ? SPOILED : TAKEN;
        }
        int rc = guard_for_step(me, r, w->deadline);
        if (rc != 0) {
            if (w->begun == NEVER) {
                store(&n->word, IDLE);
                store(&node_at(spare)->word, IDLE);
                w->node = 0;
            }
            return rc == EINTR ? SIGNAL : LATE;
        }
        turn = load(&r->turn);
        if (barrier_has_dead(r)) {
            barrier_break(r);
            turn = load(&r->turn);
        }
        if (w->begun == NEVER) {
            if (turn & 1) {
                guard_unlock(me, r);
                store(&n->word, IDLE);
                store(&node_at(spare)->word, IDLE);
                w->node = 0;
                return SPOILED;
            }
            int joined = barrier_join(me, r, node_at(spare));
            if (!joined) {
                store(&node_at(spare)->word, IDLE);
            }
            spare = 0;
            int last = r->count + 1 == r->bound;
            for (u32 index = r->head; index != 0 && joined && !(last && !action); index = node_at(index)->next) {
                rouse(node_at(index), WOKEN); /* they do not watch the caller yet */
            }
            w->begun = turn >> 1;
            w->want = barrier_place(r);
            if (last && !action) {
                barrier_end(r, FUTEX_OP_ADD, 2);
                guard_unlock(me, r);
                store(&n->word, IDLE);
                w->node = 0;
                return TAKEN;
            }
            n->since = w->since = now();
            n->want = turn >> 1;
            n->holding = w->want;
            n->ticket = r->tickets++;
            store(&n->word, PARKED);
            store(&n->at, number_of(r));
            enqueue(r, n);
            r->count += 1;
            if (last) {
                n->flags |= RUNNING;
                guard_unlock(me, r);
                return ACTING;
            }
        }
        and_in(&n->word, ~(u32) WOKEN);
        watch.count = watch.more = 0;
        barrier_forget_dead(r);
        watch_holds(r, &watch, me->id);
        guard_unlock(me, r);
        if (turn & 1 || turn >> 1 != w->begun) {
            continue;
        }
        if (w->flags & TASK) {
            return SIGNAL;
        }
        me->slot->wait = w->node;
        rc = park(me, n, &r->turn, turn, &watch, w->deadline, sliced);
        me->slot->wait = 0;
        if (rc != 0 && load(&r->turn) == turn) {
            return rc == EINTR ? SIGNAL : LATE;
        }
    }
}

/* In the guard: the action of the last one has run; if it raised, or took too long for others, the round is spoilt. */
static int barrier_finish(struct record *r, struct wait *w, int well) {
    struct node *n = node_at(w->node);
    int spoilt = (load(&r->turn) & 1) != 0 || load(&r->turn) >> 1 != w->begun;
    if (!spoilt) {
        if (well) {
            barrier_end(r, FUTEX_OP_ADD, 2);
        } else {
            barrier_break(r);
        }
    }
    store(&n->word, IDLE);
    w->node = 0;
    return spoilt ? SPOILED : TAKEN;
}

#endif
