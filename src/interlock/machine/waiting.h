/* Nodes, the queue of a record, what is granted to whom, and how a thread sleeps. All but `park` runs in the guard.

   Every transition has one committing store, and every wake is the same system call as the store that it tells of.

   I1  The head of a queue watches the owner(s), or is awake, or is a task (which looks by itself, see mailbox.py).
   I2  Every other waiter watches the one before it, or is awake, or is a task.
   So a death wakes somebody who will look. `serve` keeps both: it is called after every change. */

#ifndef INTERLOCK_WAITING_H
#define INTERLOCK_WAITING_H

#include "guard.h"

#define DUE 1000000ull /* ns: who has waited so long is handed the lock; see core for the reasoning */
#define WATCHES_HOLDERS (1ull << 62)
#define PASSING 0xffffull /* nobody's id: free, and on its way to a task */
enum { WATCHED = 60, CYCLE = 16 };

enum outcome { TAKEN = 1, LATE = 0, SIGNAL = -1, FULL = -2, SPOILED = -3, ACTING = -4, CYCLIC = -5, SHUT_DOWN = -6 };

struct watch {
    int count;
    int more; /* than can be watched */
    u64 ids[WATCHED];
};

struct wait {
    u32 record;
    u32 node;
    u32 flags;
    u32 want;
    u64 deadline; /* NEVER; 0: do not wait */
    u64 since;
    u64 begun;   /* Event: how often it had been set; Barrier: the round */
    u32 cycle;  /* CYCLIC: how many records and owners, the last of whom is the caller */
    u32 cycle_records[CYCLE];
    u64 cycle_ids[CYCLE];
    int noticed; /* Condition: 0 waits, 1 was notified, 2 timed out */
    u32 member;  /* Queue: a node for its member, until it is one */
    u32 fifo;    /* of a task's loop */
    u32 sort;    /* Queue: of the item put or got */
    u64 size;
    const char *data; /* Queue: the item put */
    char *got;        /* Queue: the item got; in memory of its own where it is larger than `room` */
    u64 room;
};

static void queue_serve(struct record *r);
static void queue_reap(struct record *r);
static void queue_rebuild(struct record *r, int why);
static int queue_got(struct record *r, struct node *n);

/* --- words: what fits, and what the word becomes ------------------------------------------------------------------ */

static inline int is_exclusive(u32 kind) {
    return kind == LOCK || kind == RLOCK;
}

static void note_death(struct record *r, u64 id) {
    struct slot *slot = slot_of(id);
    struct timespec t;
    clock_gettime(CLOCK_REALTIME, &t);
    u32 number = add_in(&ilk->arena->death, 1) + 1;
    struct death *death = &ilk->arena->deaths[number % DEATHS];
    int is_last = load(&slot->gen) == gen_of(id), is_before = !is_last && slot->gen_before == gen_of(id);
    r->died_pid = is_last ? slot->pid : is_before ? slot->pid_before : 0;
    r->died = 0;
    store(&death->number, 0);
    if (r->died_pid != 0) {
        memcpy(death->program, is_last ? slot->program : slot->program_before, TEXT - 5);
        fence();
        store(&death->number, number);
        r->died = number;
    }
    r->died_when = (u64) t.tv_sec * 1000000000ull + (u64) t.tv_nsec;
}

/* Copies to `text` what ran there, "" where that is no longer known. */
static __attribute__((unused)) void program_of_death(struct record *r, char *text) {
    u32 number = load(&r->died);
    struct death *death = &ilk->arena->deaths[number % DEATHS];
    memcpy(text, death->program, TEXT - 4);
    fence();
    text[number != 0 && load(&death->number) == number ? TEXT - 5 : 0] = 0;
}

/* The word after `n` has taken what it wants, without QUEUED; NO: it does not fit. */
static u64 fits(struct record *r, struct node *n, u64 word) {
    u64 owner = word & ID_MASK, entered = n->flags & ENTER ? ENTERED : 0, abandoned = word & ABANDONED;
    switch (r->kind) {
    case SEMAPHORE:
    case BOUNDED:
        return (word & PERMITS) >= n->want ? (word & PERMITS) - n->want : NO;
    case RWLOCK:
        if (word & READ) {
            return n->flags & READING ? (word & ~QUEUED) + 1 : NO;
        }
        if (owner != 0) {
            if (!is_dead(owner)) {
                return NO;
            }
            note_death(r, owner);
            abandoned = ABANDONED;
        }
        return (n->flags & READING ? READ | 1 : n->owner | entered) | abandoned;
    default:
        if (owner != 0 && owner != PASSING) {
            if (!is_dead(owner)) {
                return NO;
            }
            note_death(r, owner);
            abandoned = ABANDONED;
        }
        return n->owner | entered | abandoned;
    }
}

static inline int is_node(u32 index) {
    return index % CHUNK != 0;
}

/* --- links -------------------------------------------------------------------------------------------------------- */

static void enqueue(struct record *r, struct node *n) {
    u32 index = index_of(n);
    n->next = 0;
    n->prev = r->tail;
    if (r->tail != 0) {
        node_at(r->tail)->next = index;
    } else {
        r->head = index;
    }
    r->tail = index;
}

static inline void mail_to(struct node *n) {
    if (n->flags & TASK) {
        ilk->mail(ilk, n, index_of(n), 0);
    }
}

static void rouse(struct node *n, u32 bits) {
    futex_change(&n->word, 1, &n->word, FUTEX_OP_OR, bits);
    mail_to(n);
}

/* A task is granted by letter: its loop makes the word show it where the one who wrote has not done so yet, or never
   will. So no death comes between the two. Returns whether the task was still there. */
static int grant_by_letter(struct node *n, u32 bits) {
    ilk->mail(ilk, n, index_of(n), n->since);
    u32 word = load(&n->word);
    while ((word & PARKED) && !(word & (GRANTED | CANCELLED)) && !cas(&n->word, &word, word | bits)) {
    }
    return !(word & CANCELLED);
}

/* The loop has got the letter. */
static inline void take_letter(struct node *n, u64 granted) {
    u32 word = PARKED;
    if (granted != 0 && n->since == granted && load(&n->at) != 0) {
        cas(&n->word, &word, PARKED | GRANTED | (n->flags & HOLD ? HOLDING : 0));
    }
}

static void unlink_node(struct record *r, struct node *n) {
    u32 next = n->next, prev = n->prev;
    if (prev != 0) {
        node_at(prev)->next = next;
    } else if (r->head == index_of(n)) {
        r->head = next;
    }
    if (next != 0) {
        node_at(next)->prev = prev;
    } else if (r->tail == index_of(n)) {
        r->tail = prev;
    }
    n->next = n->prev = 0;
}

/* Out of the queue. The one behind it watches from now on the one before it; the new head is looked after by `serve`. */
static void dequeue(struct record *r, struct node *n) {
    u32 next = n->next, prev = n->prev;
    unlink_node(r, n);
    if (next != 0 && prev != 0 && r->kind != CONDITION) {
        struct node *behind = node_at(next);
        if (behind->watch != node_at(prev)->owner && (load(&behind->word) & ~PARKED) == 0) {
            rouse(behind, WOKEN);
        }
    }
}

static inline void free_node(struct node *n) {
    store(&n->word, IDLE);
    store(&n->at, 0);
}

static void link_hold(struct record *r, struct node *n) {
    n->next = r->holds;
    n->prev = 0;
    if (r->holds != 0) {
        node_at(r->holds)->prev = index_of(n);
    }
    r->holds = index_of(n);
    r->version += 1;
}

static void unlink_hold(struct record *r, struct node *n) {
    if (n->prev != 0) {
        node_at(n->prev)->next = n->next;
    } else {
        r->holds = n->next;
    }
    if (n->next != 0) {
        node_at(n->next)->prev = n->prev;
    }
    n->next = n->prev = 0;
}

static inline struct ring *ring_of(struct record *r) {
    return (struct ring *) (ilk->rings + (u64) r->ring * PAGE);
}

static inline int is_hold(u32 word) {
    return (word & HOLDING) != 0 && (word & CANCELLED) == 0;
}

/* How much of a hold was given back past the guard. */
static inline u32 left_of(u32 word) {
    return word >> LEFT_BITS;
}

/* For who looks: not all of it was. */
static inline int is_held(struct node *n) {
    u32 word = load(&n->word), left = left_of(word);
    return is_hold(word) && (left == 0 || left < n->want);
}

/* A hold of permits: how many of the record's bound are with it. */
static inline u32 held_by(struct node *n) {
    return n->want - n->holding;
}

/* --- intents ------------------------------------------------------------------------------------------------------ */

/* The word becomes `after`, and the node is to be changed next: that commits both. Nothing but the guard can change the
   word meanwhile: a lock belongs to somebody, permits are QUEUED. */
static inline void intend(struct record *r, struct node *n, u32 kind, u64 after) {
    r->intent_before = load(&r->word);
    r->intent_kind = kind;
    fence();
    store(&r->intent, index_of(n));
    store(&r->word, after);
}

static inline void fulfil(struct record *r) {
    store(&r->intent, 0);
}

/* Somebody died between: did the node come to show it? */
static void settle_intent(struct record *r) {
    u32 index = load(&r->intent);
    if (index == 0) {
        return;
    }
    if (r->kind == QUEUE) {
        struct node *n = node_at(index);
        if (r->intent_kind == GOT && !queue_got(r, n)) {
            store(&n->want, r->intent_want);
        } else if (r->intent_kind == LOSE && (load(&n->word) & HOLDING)) {
            store(&ring_of(r)->lost, r->intent_before);
        }
        store(&r->intent, 0);
        return;
    }
    if (r->intent_kind == PAY) {
        if (load(&r->paid) != r->intent_want) {
            store(&r->word, r->intent_before);
        }
        store(&r->intent, 0);
        return;
    }
    /* A letter may be on its way: from here on it does not count. */
    u32 word = r->intent_kind == TAKE ? or_in(&node_at(index)->word, UNSURE) : load(&node_at(index)->word);
    word &= ~(u32) UNSURE; /* of one who died here before */
    int done = r->intent_kind == TAKE   ? !(word & CANCELLED) && (word == IDLE || (word & (GRANTED | HOLDING)) != 0)
               : r->intent_kind == GIVE ? !(word & HOLDING)
               : r->intent_kind == PART ? node_at(index)->want == r->intent_want
                                        : node_at(index)->holding == r->intent_want;
    if (!done) {
        store(&r->word, r->intent_before);
    }
    if (r->intent_kind == TAKE && (done || !(node_at(index)->flags & TASK))) {
        and_in(&node_at(index)->word, ~(u32) UNSURE);
    }
    store(&r->intent, 0);
}

/* --- granting ----------------------------------------------------------------------------------------------------- */

/* Gives `n`, which stands in the queue of `q` (the record's, or that of a condition of its), what it waits for. Returns
   whether it was still there. From the system call on its owner may run, and leave. `asleep`: the caller wakes it as it
   leaves the guard. That is for an owner that watches the caller: a death before the wake wakes it too. */
static int grant_as(struct record *r, struct record *q, struct node *n, u64 after, int asleep) {
    u32 bits = GRANTED | (n->flags & HOLD ? HOLDING : 0);
    int holds = (n->flags & HOLD) != 0;
    int there = 1;
    intend(r, n, TAKE, is_exclusive(r->kind) ? after : after | QUEUED);
    if (n->flags & TASK) {
        there = grant_by_letter(n, bits);
    } else if (asleep) {
        or_in(&n->word, bits);
    } else if (ilk->mutant == 1) {
        or_in(&n->word, bits);
        futex_wake(&n->word, 1);
    } else {
        futex_change(&n->word, 1, &n->word, FUTEX_OP_OR, bits);
    }
    if (!there || (load(&n->word) & CANCELLED)) {
        store(&r->word, r->intent_before);
        store(&r->intent, 0);
        dequeue(q, n);
        free_node(n);
        return 0;
    }
    fulfil(r);
    dequeue(q, n);
    if (holds) {
        link_hold(r, n);
    } else {
        store(&n->at, 0);
    }
    return 1;
}

static inline int grant(struct record *r, struct record *q, struct node *n, u64 after) {
    return grant_as(r, q, n, after, 0);
}

/* Gives back the holds of the dead, and what was given back past the guard. Permits are not lost with a killed holder, and
   a dead reader keeps nobody out. */
static int reap_holds(struct record *r) {
    int reaped = 0;
    for (u32 index = r->holds; index != 0;) {
        struct node *n = node_at(index);
        u32 left = left_of(load(&n->word));
        index = n->next;
        if (!is_dead(n->owner) && left == n->holding) {
            continue;
        }
        u64 word = load(&r->word);
        if (!is_dead(n->owner) && left < n->want) {
            r->intent_want = left;
            intend(r, n, PARTED, (word + left - n->holding) | QUEUED);
            store(&n->holding, left);
            fulfil(r);
            reaped = 1;
            continue;
        }
        if (r->kind == RWLOCK) {
            word = (word & PERMITS) > 1 ? word - 1 : word & (QUEUED | ABANDONED);
        } else if (r->kind != BARRIER) {
            word += held_by(n);
        }
        intend(r, n, GIVE, word | QUEUED);
        store(&n->word, IDLE);
        fulfil(r);
        unlink_hold(r, n);
        store(&n->at, 0);
        reaped = 1;
    }
    return reaped;
}

/* Semaphore: the word gets what was released past the guard. */
static void pay(struct record *r) {
    u32 owed = load(&r->owed), paid = load(&r->paid);
    if (owed == paid) {
        return;
    }
    u64 word = or_in(&r->word, QUEUED) | QUEUED;
    r->intent_before = word;
    r->intent_want = owed;
    r->intent_kind = PAY;
    fence();
    store(&r->intent, 1);
    store(&r->word, word + (u32) (owed - paid));
    store(&r->paid, owed);
    store(&r->intent, 0);
}

/* The first who waits and lives; who has left or died is taken out. */
static struct node *first_live(struct record *r) {
    while (r->head != 0) {
        struct node *n = node_at(r->head);
        u32 word = load(&n->word);
        if (!(word & CANCELLED) && word != IDLE && !(n->flags & TASK ? is_gone(n->owner) : is_dead(n->owner))) {
            return n;
        }
        dequeue(r, n);
        free_node(n);
    }
    return NULL;
}

static inline u64 watched_by_head(struct record *r) {
    u64 word = load(&r->word);
    if (is_exclusive(r->kind)) {
        return word & ID_MASK;
    }
    if (r->kind == RWLOCK && !(word & READ)) {
        return word & ID_MASK;
    }
    return r->holds != 0 ? WATCHES_HOLDERS | r->version : 0;
}

/* Called after every change: whoever is first gets what fits, or is awake, or watches whom it should. */
static void serve(struct record *r) {
    if (r->kind == QUEUE) {
        queue_serve(r);
        return;
    }
    for (;;) {
        struct node *head = first_live(r);
        if (head == NULL) {
            if (!r->asked) {
                and_in(&r->word, ~QUEUED);
            }
            return;
        }
        or_in(&r->word, QUEUED);
        if (load(&head->word) & GRANTED) {
            return; /* somebody died while it granted; the new owner is awake */
        }
        u64 word = load(&r->word);
        if (is_exclusive(r->kind) && !(head->flags & TASK)) {
            u64 owner = word & ID_MASK;
            if (!(load(&head->word) & WOKEN) && (is_dead(owner) || head->watch != owner)) {
                rouse(head, WOKEN);
            }
            return;
        }
        u64 after = fits(r, head, word);
        if (after == NO && reap_holds(r)) {
            continue;
        }
        if (after == NO) {
            if (!(head->flags & TASK) && !(load(&head->word) & WOKEN) && head->watch != watched_by_head(r)) {
                rouse(head, WOKEN);
            }
            return;
        }
        if (is_exclusive(r->kind)) {
            /* Free, and a newcomer may be taking it. */
            if (!cas(&r->word, &word, PASSING | QUEUED | (after & ABANDONED))) {
                continue;
            }
        }
        grant(r, r, head, after | (head->next != 0 ? QUEUED : 0));
    }
}

/* Whether the caller reads. Only it can give that back, so nobody changes it meanwhile. */
static __attribute__((cold)) int reads_itself(struct me *me, struct record *r) {
    u32 number = number_of(r);
    for (u32 chunk = me->chunks; chunk != 0; chunk = ((struct chunk_head *) node_at((chunk - 1) * CHUNK))->next) {
        for (u32 index = (chunk - 1) * CHUNK + 1; index < chunk * CHUNK; index++) {
            struct node *n = node_at(index);
            if (load(&n->at) == number && n->owner == me->id && is_held(n)) {
                return 1;
            }
        }
    }
    return 0;
}

/* Takes for the caller's own node, queued or not, if it fits. */
static int take(struct me *me, struct record *r, struct node *n, int queued) {
    struct node *head = first_live(r);
    if ((queued || !is_exclusive(r->kind)) && head != NULL && head != n) {
        /* A lock that is free may be had past the queue, whose head is awake then. A thread that reads is let in again: a
           writer at the head waits for it. */
        if (r->kind != RWLOCK || !(n->flags & READING) || (n->flags & (TASK | LAST)) || !reads_itself(me, r)) {
            return 0;
        }
    }
    for (;;) {
        u64 word = is_exclusive(r->kind) ? load(&r->word) : or_in(&r->word, QUEUED) | QUEUED;
        u64 after = fits(r, n, word);
        if (after == NO && !is_exclusive(r->kind) && reap_holds(r)) {
            continue;
        }
        if (after == NO) {
            return 0;
        }
        if (r->asked || (r->head != 0 && !(r->head == index_of(n) && n->next == 0))) {
            after |= QUEUED;
        }
        if (is_exclusive(r->kind)) {
            if (!cas(&r->word, &word, after)) {
                continue;
            }
        } else if (n->flags & HOLD) {
            if (!queued) {
                store(&n->at, number_of(r));
            }
            intend(r, n, TAKE, after | QUEUED);
            store(&n->word, HOLDING);
            fulfil(r);
        } else {
            store(&r->word, after);
        }
        if (queued) {
            dequeue(r, n);
        }
        if (n->flags & HOLD) {
            link_hold(r, n);
        } else {
            free_node(n);
        }
        serve(r);
        return 1;
    }
}

/* In the guard: whether somebody who holds it has gone, and the kernel has not told. For who does not sleep now, and so
   would not find out. */
static __attribute__((noinline, cold)) int has_gone(struct record *r) {
    u64 word = load(&r->word);
    int found = (is_exclusive(r->kind) || (r->kind == RWLOCK && !(word & READ))) && is_id(word & ID_MASK) &&
                !is_dead(word & ID_MASK) && is_gone(word & ID_MASK);
    for (u32 index = r->holds; index != 0; index = node_at(index)->next) {
        found |= !is_dead(node_at(index)->owner) && is_gone(node_at(index)->owner);
    }
    return found;
}

static void barrier_break(struct record *r);

/* --- after a death in the guard, or a change past it -------------------------------------------------------------- */

/* Whether it watches whom it should: see I1 and I2. */
static int watches_well(struct record *r, struct node *n) {
    if (r->kind == BARRIER) {
        return 1;
    }
    if (n->prev != 0) {
        return n->watch == node_at(n->prev)->owner;
    }
    return n->watch == (r->kind == CONDITION ? 0 : watched_by_head(r));
}

static void rebuild_queue(struct record *r, int why) {
    u32 number = number_of(r), chunks = load(&ilk->arena->chunks), spoilt = 0;
    r->head = r->tail = r->holds = 0;
    if (r->kind == BARRIER) {
        r->count = 0; /* for others it is another's: the holder of an RLock, or who releases past the guard, changes it now */
    }
    for (u32 index = 1; index < chunks * CHUNK; index++) {
        struct node *n = node_at(index);
        if (!is_node(index) || load(&n->at) != number) {
            continue;
        }
        u32 word = load(&n->word);
        if (is_hold(word)) {
            link_hold(r, n);
        } else if (r->kind == EVENT || r->kind == LATCH || (n->flags & JOINING)) {
            continue; /* on no list */
        } else if (word == IDLE || word == NEW || (word & CANCELLED) ||
                   (r->kind == BARRIER && n->want != load(&r->turn) >> 1)) {
            if (word == NEW || (word & CANCELLED)) {
                store(&n->word, IDLE);
            }
            store(&n->at, 0);
        } else if (word & GRANTED) {
            store(&n->at, 0);
        } else {
            u32 behind = r->tail;
            while (behind != 0 && node_at(behind)->ticket > n->ticket) {
                behind = node_at(behind)->prev;
            }
            n->prev = behind;
            n->next = behind != 0 ? node_at(behind)->next : r->head;
            *(behind != 0 ? &node_at(behind)->next : &r->head) = index;
            *(n->next != 0 ? &node_at(n->next)->prev : &r->tail) = index;
            if (r->kind == BARRIER) {
                r->count += 1;
            }
            spoilt |= word & SPOILT;
        }
    }
    if (r->kind == LATCH && (load(&r->turn) & 1)) {
        store(&r->word, 0);
    }
    if (r->kind == SEMAPHORE) {
        pay(r);
    }
    if (r->kind == SEMAPHORE || r->kind == BOUNDED || r->kind == RWLOCK) {
        reap_holds(r);
    }
    if (r->kind != BARRIER && r->kind != EVENT && r->kind != CONDITION && r->kind != LATCH && r->kind != QUEUE) {
        if (r->head != 0 || r->asked) {
            or_in(&r->word, QUEUED);
        } else {
            and_in(&r->word, ~QUEUED); /* from here on its owner may release it without the guard */
        }
    }
    if (spoilt) {
        barrier_break(r);
    }
    if (r->kind == QUEUE) {
        queue_rebuild(r, why);
    }
    /* What the one who died was about to do nobody knows: all look. Without a death (the mutant of the tests) that would
       have two wake each other for ever. */
    for (u32 index = r->head; index != 0; index = node_at(index)->next) {
        if (why != MUTANT || !watches_well(r, node_at(index))) {
            rouse(node_at(index), WOKEN);
        }
    }
}

static void rebuild(struct record *guarded, int why) {
    settle_intent(guarded);
    u32 condition = is_exclusive(guarded->kind) ? guarded->lock : 0;
    for (u32 index = condition; index != 0; index = (u32) record_at(index)->bound) {
        guarded->asked |= record_at(index)->asked != 0;
    }
    rebuild_queue(guarded, why);
    for (u32 index = condition; index != 0; index = (u32) record_at(index)->bound) {
        rebuild_queue(record_at(index), why);
    }
}

/* --- the owner's side of a wait ----------------------------------------------------------------------------------- */

static void add_watch(struct watch *w, u64 id, u64 mine) {
    if (id == mine || !is_id(id)) {
        return;
    }
    if (w->count == WATCHED) {
        w->more = 1;
        return;
    }
    w->ids[w->count++] = id;
}

static void watch_holds(struct record *r, struct watch *w, u64 mine) {
    for (u32 index = r->holds; index != 0; index = node_at(index)->next) {
        if (r->kind != QUEUE || node_at(index)->holding != 0) {
            add_watch(w, node_at(index)->owner, mine);
        }
    }
}

/* Whom the owner of `n`, which is queued at `r`, has to watch. */
static void choose_watch(struct record *r, struct node *n, struct watch *w) {
    w->count = w->more = 0;
    while (n->prev != 0 && is_dead(node_at(n->prev)->owner)) {
        struct node *dead = node_at(n->prev); /* who watched it would never sleep again */
        unlink_node(r, dead);
        free_node(dead);
    }
    if (n->prev != 0) {
        n->watch = node_at(n->prev)->owner;
        add_watch(w, n->watch, n->owner);
        return;
    }
    if (r->kind == CONDITION) {
        n->watch = 0;
        return;
    }
    n->watch = watched_by_head(r);
    if (n->watch & WATCHES_HOLDERS) {
        watch_holds(r, w, n->owner);
    } else {
        add_watch(w, n->watch, n->owner);
    }
}

/* Sleeps until `n` is no longer just PARKED, `turn` (if given) no longer `expected`, one of those watched has died, a
   signal has come, or time is up. Returns 0 (look), ETIMEDOUT or EINTR. */
static int park(struct me *me, struct node *n, u32 *turn, u32 expected, struct watch *w, u64 deadline, int sliced) {
    struct ilk_waitv words[2 + 2 * WATCHED];
    u32 count = 0;
    int watched = ilk->mutant == 2 ? 0 : w->count;
    int vanishing = 0;
    u64 until = deadline;
    words[count++] = (struct ilk_waitv){PARKED, (u64) (uintptr_t) &n->word, FUTEX_32, 0};
    if (turn != NULL) {
        words[count++] = (struct ilk_waitv){expected, (u64) (uintptr_t) turn, FUTEX_32, 0};
    }
    for (int i = 0; i < watched; i++) {
        struct slot *slot = slot_of(w->ids[i]);
        u32 life = load(life_of(slot));
        while (!is_over(life) && !(life & FUTEX_WAITERS) && !cas(life_of(slot), &life, life | FUTEX_WAITERS)) {
        }
        if (is_over(life) || load(&slot->gen) != gen_of(w->ids[i]) || is_gone(w->ids[i])) {
            spread_death(slot);
            return 0;
        }
        vanishing |= may_vanish(w->ids[i]);
        words[count++] = (struct ilk_waitv){life | FUTEX_WAITERS, (u64) (uintptr_t) life_of(slot), FUTEX_32, 0};
        words[count++] = (struct ilk_waitv){gen_of(w->ids[i]), (u64) (uintptr_t) &slot->gen, FUTEX_32, 0};
    }
    /* One only can be pending: who watches more looks by itself, should the one that the kernel woke have died too. */
    if (sliced || w->more || watched > 1 || vanishing || !ilk->waitv) {
        u64 slice = now() + (sliced || w->more || !ilk->waitv ? SLICE : watched > 1 ? 5 * SLICE : 20 * SLICE);
        until = slice < deadline ? slice : deadline;
    }
    if (watched > 0) {
        pend(me, life_of(slot_of(w->ids[0])));
    }
    int rc;
    if (count == 1) {
        rc = futex_wait(&n->word, PARKED, until);
    } else if (ilk->waitv) {
        rc = futex_waitv(words, count, until);
    } else {
        /* An older kernel: the word that will be written, and the others every slice. */
        rc = turn != NULL ? futex_wait(turn, expected, until) : futex_wait(&n->word, PARKED, until);
    }
    for (int i = 0; i < watched; i++) {
        spread_death(slot_of(w->ids[i]));
    }
    if (watched > 0) {
        unpend(me);
    }
    if (rc == ETIMEDOUT && until != deadline) {
        return sliced ? EINTR : 0;
    }
    return rc == ETIMEDOUT || rc == EINTR ? rc : 0;
}

/* --- the names of the arena ---------------------------------------------------------------------------------------- */

static inline int has_name(struct record *r) {
    return r->kind != REST && r->name[0] != 0;
}

/* Copies it to `text`, of NAME bytes. */
static void name_of(struct record *r, char *text) {
    u32 more = load(&r->more);
    memset(text, 0, NAME);
    memcpy(text, r->name, SHORT_NAME);
    if (more != 0 && more < RECORDS) {
        memcpy(text + SHORT_NAME, record_at(more)->rest, NAME - SHORT_NAME - 1);
    } else {
        text[SHORT_NAME - 1] = 0;
    }
}

static u32 bucket_for(const char *name) {
    u32 hash = 2166136261u;
    for (; *name; name++) {
        hash = (hash ^ (unsigned char) *name) * 16777619u;
    }
    return hash % BUCKETS;
}

static u32 *bucket_of(struct arena *a, struct record *r) {
    char name[NAME];
    name_of(r, name);
    return &a->buckets[bucket_for(name)];
}

static void rebuild_buckets(struct arena *a) {
    u32 records = load(&a->records);
    memset(a->buckets, 0, sizeof a->buckets);
    for (u32 index = 1; index < records; index++) {
        struct record *r = record_at(index);
        if (load(&r->kind) != FREE && has_name(r)) {
            u32 *bucket = bucket_of(a, r);
            r->next_same = *bucket;
            *bucket = index;
        }
    }
}

/* --- nodes -------------------------------------------------------------------------------------------------------- */

/* Makes one more of `used`, whose memory is there when this returns: a full file is an error, not a SIGBUS. */
static u32 grow(u32 *used, u32 most, void *table, size_t size) {
    for (;;) {
        u32 index = load(used);
        if (index >= most) {
            return 0;
        }
        char *at = (char *) table + (size_t) index * size;
        uintptr_t page = (uintptr_t) at & ~(uintptr_t) 4095;
        if (madvise((void *) page, (size_t) ((uintptr_t) at + size - page), 23 /* MADV_POPULATE_WRITE */) != 0 &&
            errno != EINVAL) {
            return 0;
        }
        if (cas(used, &index, index + 1)) {
            return index;
        }
    }
}

/* What a dead party has left at a record. Returns 0: it stays there, since somebody has been in the guard for so long. */
static int drop_node(struct me *me, struct node *n) {
    for (;;) {
        u32 at = load(&n->at);
        if (at == 0 || at >= load(&ilk->arena->records)) {
            break;
        }
        struct record *r = record_at(at);
        struct record *g = guard_of(r);
        u64 patience = now() + DUE;
        int rc;
        while ((rc = guard_lock(me, g, patience)) == EINTR) {
        }
        if (rc != 0) {
            return 0;
        }
        if (load(&n->at) == at) {
            u32 word = load(&n->word);
            if (r->kind == EVENT || r->kind == LATCH || r->kind == FREE || (n->flags & JOINING)) {
                free_node(n);
            } else if (is_hold(word) && r->kind == QUEUE) {
                queue_reap(r);
            } else if (is_hold(word)) {
                reap_holds(r);
            } else {
                dequeue(r, n);
                free_node(n);
            }
            if (r->kind != EVENT && r->kind != LATCH && r->kind != FREE && r->kind != CONDITION && r->kind != BARRIER) {
                serve(r);
            }
        }
        guard_unlock(me, g);
        if (load(&n->at) == at) {
            break; /* a stranger */
        }
    }
    free_node(n);
    return 1;
}

/* A node of the caller's own. Returns its index, 0: there is no memory. Outside every guard. */
static u32 new_node(struct me *me, u32 flags, u32 want) {
    struct arena *a = ilk->arena;
    for (u32 chunk = me->chunks; chunk != 0; chunk = ((struct chunk_head *) node_at((chunk - 1) * CHUNK))->next) {
        for (u32 index = (chunk - 1) * CHUNK + 1; index < chunk * CHUNK; index++) {
            struct node *n = node_at(index);
            if (load(&n->word) == IDLE && load(&n->at) == 0) {
                n->owner = me->id;
                n->flags = flags;
                n->want = want;
                n->next = n->prev = 0;
                n->watch = 0;
                n->holding = 0;
                n->ticket = 0;
                store(&n->word, NEW);
                return index;
            }
        }
    }
    u32 found = 0, chunks = load(&a->chunks);
    for (u32 chunk = 0; chunk < chunks && found == 0; chunk++) {
        struct chunk_head *head = (struct chunk_head *) node_at(chunk * CHUNK);
        u64 owner = load(&head->owner);
        if (is_dead(owner) && cas(&head->owner, &owner, me->id)) {
            found = chunk + 1;
            for (u32 index = chunk * CHUNK + 1; index < (chunk + 1) * CHUNK && found != 0; index++) {
                if (!drop_node(me, node_at(index))) {
                    store(&head->owner, owner); /* the dead one's, for whoever comes later */
                    found = 0;
                }
            }
        }
    }
    if (found == 0) {
        u32 chunk = grow(&a->chunks, CHUNKS, ilk->nodes, CHUNK * sizeof(struct node));
        if (chunk == 0) {
            return 0;
        }
        u64 nobody = 0;
        struct chunk_head *head = (struct chunk_head *) node_at(chunk * CHUNK);
        if (!cas(&head->owner, &nobody, me->id)) {
            return new_node(me, flags, want);
        }
        found = chunk + 1;
    }
    ((struct chunk_head *) node_at((found - 1) * CHUNK))->next = me->chunks;
    me->chunks = found;
    return new_node(me, flags, want);
}

/* For a wait. */
static u32 wait_node(struct me *me, struct wait *w, u32 flags, u32 want) {
    u32 index = new_node(me, flags, want);
    if (index != 0) {
        node_at(index)->fifo = flags & TASK ? w->fifo : 0;
    }
    return index;
}

/* Something was changed past the guard: all who are queued at `r` look. They come for the guard, and sleep on it if need
   be; whoever is in it first makes the links anew. */
static void rouse_all(struct record *r) {
    u32 number = number_of(r), chunks = load(&ilk->arena->chunks);
    store(&guard_of(r)->stale, 1);
    for (u32 index = 1; index < chunks * CHUNK; index++) {
        if (is_node(index) && load(&node_at(index)->at) == number && (load(&node_at(index)->word) & PARKED)) {
            rouse(node_at(index), WOKEN);
        }
    }
}

/* Whether the owner of `n` has been granted what it waits for; its wait is over then. */
static inline int has(struct node *n) {
    if (!(load(&n->word) & GRANTED)) {
        return 0;
    }
    and_in(&n->word, HOLDING | -(u32) LEFT); /* unless another has given the hold back already */
    return 1;
}

static int closes_cycle(struct me *me, struct wait *w);

/* For one step of a wait: no longer than a slice, since the caller has to look at signals, nor shorter than whoever is
   inside needs if it is not stopped. Returns 0: inside; EINTR; ETIMEDOUT. */
static int guard_for_step(struct me *me, struct record *guarded, u64 deadline) {
    if (guard_try(me, guarded)) {
        return 0;
    }
    u64 begun = now(), until = deadline < begun + DUE ? begun + DUE : deadline < begun + SLICE ? deadline : begun + SLICE;
    int rc = guard_lock(me, guarded, until);
    return rc == 0 ? 0 : rc == EINTR || until < deadline ? EINTR : ETIMEDOUT;
}

/* One step of a wait in the queue of a record: until it has what it wants, time is up, or signals are to be looked at. */
static int wait_step(struct me *me, struct wait *w, int sliced) {
    struct record *r = record_at(w->record);
    struct record *g = guard_of(r);
    struct watch watch;
    if (w->node == 0 && (w->node = wait_node(me, w, w->flags | (w->deadline == NEVER || (w->flags & TASK) ? 0 : TIMED), w->want)) == 0) {
        return FULL;
    }
    struct node *n = node_at(w->node);
    for (;;) {
        if (has(n)) {
            return TAKEN;
        }
        int rc = guard_for_step(me, g, w->deadline == 0 ? now() + SLICE : w->deadline);
        if (rc != 0) {
            return rc == EINTR ? SIGNAL : LATE;
        }
        if (has(n)) {
            guard_unlock(me, g);
            return TAKEN;
        }
        int queued = load(&n->at) != 0;
        if (take(me, r, n, queued)) {
            guard_unlock(me, g);
            return TAKEN;
        }
        if ((w->deadline == 0 || (w->flags & TASK)) && has_gone(r) && take(me, r, n, queued)) {
            guard_unlock(me, g);
            return TAKEN;
        }
        if (w->deadline == 0 && !queued) {
            serve(r); /* QUEUED may have been set only to look */
            guard_unlock(me, g);
            return LATE;
        }
        if (!queued) {
            n->since = w->since = now();
            n->ticket = r->tickets++;
            store(&n->word, PARKED);
            store(&n->at, number_of(r));
            enqueue(r, n);
            or_in(&r->word, QUEUED);
            if (take(me, r, n, 1)) { /* it was released before QUEUED could be seen */
                guard_unlock(me, g);
                return TAKEN;
            }
        }
        and_in(&n->word, ~(u32) WOKEN);
        choose_watch(r, n, &watch);
        if (!queued) {
            serve(r);
        }
        guard_unlock(me, g);
        if (w->flags & TASK) {
            return SIGNAL; /* its loop sleeps for it */
        }
        store(&me->slot->wait, w->node);
        if (w->deadline == NEVER && closes_cycle(me, w)) {
            return CYCLIC;
        }
        rc = park(me, n, NULL, 0, &watch, w->deadline, sliced);
        store(&me->slot->wait, 0);
        if (has(n)) {
            return TAKEN;
        }
        if (rc != 0) {
            return rc == EINTR ? SIGNAL : LATE;
        }
    }
}

/* Leaves. Returns whether it had been granted before: then the caller has it, and may have to give it back. */
static int withdraw(struct me *me, struct wait *w) {
    if (w->node == 0) {
        return 0;
    }
    struct node *n = node_at(w->node);
    u32 word = load(&n->word);
    if (word == NEW) {
        store(&n->word, IDLE);
        w->node = 0;
        return 0;
    }
    do {
        if (word & GRANTED) {
            and_in(&n->word, HOLDING | -(u32) LEFT);
            return 1;
        }
    } while (!cas(&n->word, &word, (word & ~(u32) WOKEN) | CANCELLED));
    u32 at = load(&n->at);
    w->node = 0;
    if (at == 0) {
        free_node(n);
        return 0;
    }
    struct record *r = record_at(at), *g = guard_of(r);
    u64 patience = now() + 2 * SLICE;
    int rc;
    while ((rc = guard_lock(me, g, patience)) == EINTR) {
    }
    if (rc != 0) {
        rouse_all(r); /* somebody is stopped inside: the node stays behind, and those who wait come to look */
        return 0;
    }
    if (load(&n->at) == at && (load(&n->word) & CANCELLED)) {
        dequeue(r, n);
        free_node(n);
        if (r->kind != CONDITION) {
            serve(r);
        }
    }
    guard_unlock(me, g);
    return 0;
}

#endif
