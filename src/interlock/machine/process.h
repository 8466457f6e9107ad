/* What there is once in a process: the mapping, who its threads are, and which records it has open. Included by kernel.py
   alone. */

#ifndef INTERLOCK_PROCESS_H
#define INTERLOCK_PROCESS_H

#include "kernel.h"

static __thread struct me this_thread;
static struct process this_process;

/* What a thread that forks has left in the arena for its child, and what the child has found. */
struct expected {
    struct heir *heir;
    u64 since;
    int fd;
};
static __thread struct expected expected;
static struct expected ours;

/* Which records this process has open: how many objects stand for each. All of it but for the child's first moments is
   under a lock of kernel.py. It takes memory only as far as it is used. */
#define INHERITED (1u << 31) /* the parent had it open, and this process has not noted that yet */
struct standing {
    u32 serial, objects;
};
static struct standing standing[RECORDS];
static u32 most_standing; /* none behind it */
static u32 inherited;     /* how many are INHERITED */

static struct me *find_me(void) {
    return &this_thread;
}

/* --- the mail of tasks: bytes in the FIFO of their loop ------------------------------------------------------------ */

enum { MAILS = 64 };
struct mail {
    u64 start;
    u32 pid, fifo;
    int fd;
    dev_t device;
    ino_t inode;
};
static struct mail mails[MAILS];
static u32 next_mail;
static char mail_busy;

/* Whether its number still is that of the FIFO: the program may have closed all files, and opened others. */
static int is_file(int fd, dev_t device, ino_t inode) {
    struct stat found;
    return fstat(fd, &found) == 0 && found.st_dev == device && found.st_ino == inode;
}

static int is_mail(struct mail *mail) {
    return mail->pid != 0 && is_file(mail->fd, mail->device, mail->inode);
}

/* A reader too, so that no SIGPIPE comes. Not under a number of the standard files, where the program has closed those. */
static int open_mail(const char *path, struct stat *found) {
    int fd = open(path, O_RDWR | O_NONBLOCK | O_CLOEXEC | O_NOFOLLOW);
    if (fd >= 0 && fd < 3) {
        int low = fd;
        fd = fcntl(low, F_DUPFD_CLOEXEC, 3);
        close(low);
    }
    if (fd >= 0 && (fstat(fd, found) != 0 || !S_ISFIFO(found->st_mode))) {
        close(fd);
        fd = -1;
    }
    return fd;
}

struct letter {
    u64 granted; /* since when the wait lasted that has been granted, 0: look */
    u64 node;
};

/* In a guard. The number of the node goes to the loop of its task. Where that is full there is something to read anyway. */
static void send_mail(struct process *process, struct node *n, u32 index, u64 granted) {
    struct slot *slot = slot_of(n->owner);
    u32 pid = slot->pid, fifo = n->fifo;
    u64 start = slot->start;
    char path[sizeof process->folder + 48];
    int fd = -1;
    if (fifo == 0) {
        return;
    }
    while (__atomic_test_and_set(&mail_busy, __ATOMIC_ACQUIRE)) {
    }
    for (int i = 0; i < MAILS && fd < 0; i++) {
        if (mails[i].pid == pid && mails[i].fifo == fifo && mails[i].start == start && is_mail(&mails[i])) {
            fd = mails[i].fd;
        }
    }
    if (fd < 0) {
        snprintf(path, sizeof path, "%s/mail-%u-%u", process->folder, pid, fifo);
        struct stat found;
        fd = open_mail(path, &found);
        if (fd >= 0) {
            struct mail *mail = &mails[next_mail++ % MAILS];
            if (is_mail(mail)) {
                close(mail->fd);
            }
            *mail = (struct mail){start, pid, fifo, fd, found.st_dev, found.st_ino};
        }
    }
    if (fd >= 0) {
        struct letter letter = {granted, index};
        ssize_t sent = write(fd, &letter, sizeof letter);
        (void) sent;
    }
    __atomic_clear(&mail_busy, __ATOMIC_RELEASE);
}

/* --- threads ------------------------------------------------------------------------------------------------------ */

/* Which process this is. In a chroot or a namespace without its own /proc that is not known: 0. */
static void find_start(void) {
    char self[16] = "";
    if (this_process.start == 0) {
        this_process.proc = readlink("/proc/self", self, sizeof self - 1) > 0 && (u32) atoi(self) == this_process.pid;
        u64 start = this_process.proc ? start_of(this_process.pid) : 0;
        this_process.start = start == HIDDEN ? 0 : start;
    }
}

/* The child has no slot yet, holds nothing and waits for nothing. */
static void in_child(void) {
    struct stat namespace;
    if (this_thread.robust != NULL) {
        this_thread.robust->list_op_pending = NULL;
    }
    memset(&this_thread, 0, sizeof this_thread);
    this_process.pid = (u32) getpid();
    this_process.start = 0;
    this_process.forks += 1;
    mail_busy = 0;
    /* Numbers of threads mean nothing there: the kernel would take one of them for another. */
    this_process.stranger = this_process.arena != NULL && stat("/proc/self/ns/pid", &namespace) == 0 &&
                            namespace.st_ino != this_process.arena->pid_namespace;
    ours = expected;
    expected.heir = NULL;
    if (ours.heir != NULL && load(&ours.heir->since) == ours.since && !this_process.stranger) {
        store(&ours.heir->child, this_process.pid);
    }
    if (ours.heir != NULL && ours.fd >= 0) {
        close(ours.fd);
    }
}

static int prepare_slot(struct me *me, u32 index) {
    struct slot *slot = &ilk->slots[index];
    pthread_mutexattr_t attributes;
    if (madvise((void *) ((uintptr_t) slot & ~(uintptr_t) 4095), 8192, 23) != 0 && errno != EINVAL) {
        return 0;
    }
    pthread_mutexattr_init(&attributes);
    pthread_mutexattr_setpshared(&attributes, PTHREAD_PROCESS_SHARED);
    pthread_mutexattr_setrobust(&attributes, PTHREAD_MUTEX_ROBUST);
    int rc = pthread_mutex_init(&slot->life, &attributes);
    pthread_mutexattr_destroy(&attributes);
    return rc == 0;
}

enum { NO_ROOM = -1, OTHER_KIND = -2, OTHER_BOUND = -3, OTHER_LOCK = -4, GONE = -5, BUSY = -6, STRANGER = -7 };

/* What a thread needs to be in a guard. NULL: it must not be in one. */
static struct me *introduce(void) {
    struct me *me = &this_thread;
    size_t size;
    if (this_process.stranger) {
        return NULL;
    }
    if (me->robust == NULL) {
        me->tid = (u32) syscall(SYS_gettid);
        if (syscall(SYS_get_robust_list, 0, &me->robust, &size) != 0) {
            return NULL;
        }
    }
    return me;
}

/* The guard of the arena. Returns 0: somebody has been inside for a slice, or a signal has come: the caller looks at
   signals, and comes again. */
static int arena_lock(struct me *me) {
    int died;
    if (lock_word(me, &ilk->arena->guard, now() + SLICE, &died) != 0) {
        return 0;
    }
    if (died) {
        rebuild_buckets(ilk->arena);
    }
    return 1;
}

static void arena_unlock(struct me *me) {
    unlock_word(me, &ilk->arena->guard);
}

/* Gives the calling thread a slot. Returns 0, NO_ROOM (for it, or no memory) or BUSY. */
static int enrol(void) {
    struct me *me = introduce();
    struct arena *a = ilk->arena;
    if (me == NULL) {
        return this_process.stranger ? STRANGER : NO_ROOM;
    }
    if (me->id != 0) {
        return 0;
    }
    for (;;) {
        u32 used = load(&a->slots), first = load(&a->next_slot);
        if ((used & (used - 1)) == 0) { /* before there are twice as many: whose end was not told */
            for (u32 i = 0; i < used; i++) {
                is_gone((u64) (i + 1) | (u64) load(&ilk->slots[i].gen) << 16);
            }
        }
        for (u32 i = 0; i < used; i++) {
            u32 index = (first + i) % used;
            struct slot *slot = &ilk->slots[index];
            if (!is_over(load(life_of(slot)))) {
                continue;
            }
            int rc = pthread_mutex_trylock(&slot->life);
            if (rc == EOWNERDEAD) {
                pthread_mutex_consistent(&slot->life);
            } else if (rc != 0) {
                continue;
            }
            store(&a->next_slot, (index + 1) % used);
            slot->gen_before = slot->gen;
            slot->pid_before = slot->pid;
            memcpy(slot->program_before, slot->program, TEXT);
            slot->wait = 0;
            add_in(&slot->gen, 1);
            futex_wake(life_of(slot), INT_MAX); /* who watched the one before */
            find_start();
            slot->pid = this_process.pid;
            slot->tid = me->tid;
            slot->start = this_process.start;
            memcpy(slot->program, this_process.program, TEXT);
            slot->thread[0] = 0;
            memset(slot->places, 0, sizeof slot->places);
            me->slot = slot;
            me->chunks = 0;
            me->id = (u64) (index + 1) | (u64) slot->gen << 16;
            return 0;
        }
        int made = 1;
        if (!arena_lock(me)) {
            return BUSY;
        }
        if (load(&a->slots) == used) {
            made = used < SLOTS && prepare_slot(me, used);
            if (made) {
                store(&a->slots, used + 1);
            }
        }
        arena_unlock(me);
        if (!made) {
            return NO_ROOM;
        }
    }
}

/* --- records: under the guard of the arena ------------------------------------------------------------------------ */

static int process_lives(u64 pid, u64 start) {
    if (pid == this_process.pid) {
        return is_same_start(start, this_process.start);
    }
    if (pid == 0 || (kill((pid_t) pid, 0) != 0 && errno == ESRCH)) {
        return 0;
    }
    u64 found = start != 0 && this_process.proc ? start_of((u32) pid) : HIDDEN;
    return found == HIDDEN || (found != 0 && is_same_start(found, start));
}

#define CLOSED (1ull << 31) /* an entry: the process has closed it, and a child of its has yet to note that it is open */
#define AWAITED 60000000000ull /* ns: how long a child is waited for of which nothing is known */
#define UNSEEN UINT32_MAX           /* a heir: its parent could not open the file, so it has no lifeline */

static inline u64 entry_of(struct record *r) {
    return (u64) number_of(r) | (u64) r->serial << 32;
}

/* A file of its own for the arena: what it locks is unlocked when the last process has closed it. */
static int open_lifeline(void) {
    char path[sizeof this_process.folder + 32];
    snprintf(path, sizeof path, "%s/arena.%d", this_process.folder, ILK_LAYOUT);
    return open(path, O_RDWR | O_CLOEXEC | O_NOFOLLOW);
}

/* F_OFD_SETLK, or F_OFD_GETLK: is it free? The byte lies behind the end of the file. */
static int lifeline(int fd, int command, u32 index) {
    struct flock at = {.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = (1ll << 40) + index, .l_len = 1};
    return fcntl(fd, command, &at) == 0 && (command == F_OFD_SETLK || at.l_type == F_UNLCK);
}

/* The child says at its first step who it is. Until then it holds a lifeline: it may be killed before it comes to run. */
static int is_awaited(u32 index) {
    struct heir *heir = &ilk->arena->heirs[index];
    u64 since = load(&heir->since);
    u32 child = load(&heir->child);
    if (child == UNSEEN) {
        return since != 0 && now() - since < AWAITED;
    }
    if (since == 0 || child != 0) {
        return since != 0 && (child == this_process.pid || process_lives(child, 0));
    }
    int fd = open_lifeline(), holds = fd < 0 ? now() - since < AWAITED : !lifeline(fd, F_OFD_GETLK, index);
    if (fd >= 0) {
        close(fd);
    }
    return holds || (load(&heir->child) != 0 && load(&heir->since) == since);
}

/* Whether a child of that process has yet to note what it has inherited. */
static int has_heir(u64 pid, u64 start) {
    for (u32 i = 0; i < HEIRS; i++) {
        struct heir *heir = &ilk->arena->heirs[i];
        if (load(&heir->since) != 0 && heir->parent == pid && is_same_start(heir->start, start) && is_awaited(i)) {
            return 1;
        }
    }
    return 0;
}

/* Before a fork. Where there is no room the child has to be fast. */
static void expect_heir(void) {
    expected.heir = NULL;
    if (this_process.arena == NULL || this_process.stranger || most_standing == 0) {
        return;
    }
    find_start();
    expected.fd = open_lifeline();
    for (u32 i = 0; i < HEIRS && expected.heir == NULL; i++) {
        struct heir *heir = &ilk->arena->heirs[i];
        u64 since = load(&heir->since);
        if (!is_awaited(i) && (expected.fd < 0 || lifeline(expected.fd, F_OFD_SETLK, i)) &&
            load(&heir->since) == since) {
            expected.heir = heir;
            expected.since = now();
            store(&heir->since, 0);
            store(&heir->child, expected.fd < 0 ? UNSEEN : 0);
            heir->start = this_process.start;
            store(&heir->parent, this_process.pid);
            store(&heir->since, expected.since);
        }
    }
    if (expected.heir == NULL && expected.fd >= 0) {
        close(expected.fd);
    }
}

/* In the parent, after it. */
static void expect_none(void) {
    if (expected.heir != NULL && expected.fd >= 0) {
        close(expected.fd);
    }
    expected.heir = NULL;
}

static int is_used(struct opens *sheet) {
    return sheet->process != 0 && (process_lives(sheet->process, sheet->start) || has_heir(sheet->process, sheet->start));
}

/* Whether a process that lives has it open. */
static int is_open(struct record *r) {
    u32 sheets = load(&ilk->arena->sheets);
    u64 entry = entry_of(r);
    for (u32 i = 1; i < sheets; i++) {
        struct opens *sheet = &ilk->opens[i];
        if (sheet->process == 0) {
            continue;
        }
        for (int k = 0; k < OPENS; k++) {
            if ((sheet->entries[k] & ~CLOSED) != entry) {
                continue;
            }
            if (!is_used(sheet)) {
                sheet->process = 0; /* nothing there is anybody's */
                break;
            }
            if (!(sheet->entries[k] & CLOSED) || has_heir(sheet->process, sheet->start)) {
                return 1;
            }
            store(&sheet->entries[k], 0);
        }
    }
    return 0;
}

static inline u64 holder_of(struct record *r) {
    u64 word = load(&r->word), owner = word & ID_MASK;
    int has_one = is_exclusive(r->kind) || (r->kind == RWLOCK && !(word & READ));
    return has_one && owner != PASSING ? owner : 0;
}

/* Whether it stays: somebody has it open, or holds it and has dropped the object. */
static int is_in_use(struct record *r) {
    u64 owner = holder_of(r);
    return is_open(r) || (owner != 0 && !is_gone(owner));
}

static int note_open(u64 entry) {
    u32 sheets = load(&ilk->arena->sheets), found = 0;
    for (u32 i = 1; i < sheets; i++) {
        struct opens *sheet = &ilk->opens[i];
        if (sheet->process == this_process.pid && sheet->start == this_process.start) {
            for (int k = 0; k < OPENS; k++) {
                if (sheet->entries[k] == 0) {
                    store(&sheet->entries[k], entry);
                    return 1;
                }
            }
        }
    }
    for (u32 i = 1; i < sheets && found == 0; i++) {
        struct opens *sheet = &ilk->opens[i];
        found = !is_used(sheet) ? i : 0;
    }
    if (found == 0 && (found = grow(&ilk->arena->sheets, SHEETS, ilk->opens, sizeof(struct opens))) == 0) {
        return 0;
    }
    struct opens *sheet = &ilk->opens[found];
    store(&sheet->process, 0);
    memset(sheet->entries, 0, sizeof sheet->entries);
    sheet->start = this_process.start;
    sheet->entries[0] = entry;
    store(&sheet->process, this_process.pid);
    return 1;
}

static void note_closed(u64 entry) {
    u32 sheets = load(&ilk->arena->sheets);
    for (u32 i = 1; i < sheets; i++) {
        struct opens *sheet = &ilk->opens[i];
        if (sheet->process == this_process.pid && sheet->start == this_process.start) {
            for (int k = 0; k < OPENS; k++) {
                if (sheet->entries[k] == entry) {
                    store(&sheet->entries[k], has_heir(sheet->process, sheet->start) ? entry | CLOSED : 0);
                    return;
                }
            }
        }
    }
}

/* No node is left at a record that nobody has open. */
static void purge(struct record *r) {
    u32 number = number_of(r), chunks = load(&ilk->arena->chunks);
    for (u32 index = 1; index < chunks * CHUNK; index++) {
        struct node *n = node_at(index);
        if (is_node(index) && load(&n->at) == number) {
            free_node(n);
        }
    }
}

static void take_from_chain(u32 *link, u32 index, int by_name) {
    while (*link != 0 && *link < RECORDS) {
        struct record *r = record_at(*link);
        if (*link == index) {
            store(link, by_name ? r->next_same : (u32) r->bound);
            return;
        }
        link = by_name ? &r->next_same : (u32 *) &r->bound;
    }
}

/* Room for the items of a queue: what no queue has. Which those are say the records alone, so a kill leaves nothing to put
   right. Returns 0: there is none, or no memory. */
static int make_ring(struct record *r, u32 pages) {
    u32 records = load(&ilk->arena->records), at = 0;
    for (u32 index = 1; index < records && at + pages <= RING_PAGES; index++) {
        struct record *other = record_at(index);
        if (other != r && load(&other->kind) == QUEUE && other->ring < at + pages && at < other->ring + other->pages) {
            at = other->ring + other->pages;
            index = 0; /* from the start: it may meet another now */
        }
    }
    char *memory = ilk->rings + (u64) at * PAGE;
    if (at + pages > RING_PAGES || (madvise(memory, PAGE, 23) != 0 && errno != EINVAL)) {
        return 0;
    }
    memset(memory, 0, sizeof(struct ring));
    r->ring = at;
    r->pages = pages;
    return 1;
}

static void free_ring(struct record *r) {
    madvise(ilk->rings + (u64) r->ring * PAGE, (size_t) r->pages * PAGE, MADV_REMOVE);
}

static void free_record(struct record *r) {
    u32 index = number_of(r);
    if (has_name(r)) {
        take_from_chain(bucket_of(ilk->arena, r), index, 1);
    }
    if (r->kind == CONDITION && is_exclusive(record_at(r->lock)->kind)) {
        take_from_chain(&record_at(r->lock)->lock, index, 0);
    }
    purge(r);
    if (r->kind == QUEUE) {
        free_ring(r);
    }
    store(&r->kind, FREE);
}

/* Returns 0: there is no room for its items. */
static int init_record(struct record *r, u32 kind, u64 bound, u32 lock) {
    if (kind == QUEUE) {
        u32 pages = bound >> 32 ? (u32) (bound >> 32) : RING_DEFAULT;
        if (!make_ring(r, pages)) {
            return 0;
        }
        bound = (u32) bound | (u64) pages << 32;
    }
    r->word = kind == SEMAPHORE || kind == BOUNDED || kind == LATCH ? bound : 0;
    r->turn = kind == LATCH && bound == 0 ? 1 : 0;
    r->head = r->tail = r->holds = r->intent = r->version = r->asked = 0;
    r->tickets = 0;
    r->bound = bound;
    if (kind != QUEUE) {
        r->count = r->task = 0;
    }
    r->lock = lock;
    r->died_when = 0;
    r->died_pid = r->died = 0;
    r->stale = 0;
    store(&r->guard, 0);
    r->serial = add_in(&ilk->arena->serials, 1) + 1;
    if (kind == CONDITION) {
        r->bound = record_at(lock)->lock;
        fence();
        store(&record_at(lock)->lock, number_of(r));
    }
    return 1;
}

/* A REST belongs to a record that says so; where it was made for one that never came to be, it is free. */
static int is_free(u32 index) {
    struct record *r = record_at(index);
    u32 kind = load(&r->kind), of = kind == REST ? r->more : 0;
    return kind == FREE || (kind == REST && (of == 0 || of >= RECORDS || load(&record_at(of)->kind) == FREE ||
                                            record_at(of)->kind == REST || record_at(of)->more != index));
}

/* Which records are in use, as `is_in_use`, but of all at once. Reads only. */
struct uses {
    unsigned char bits[RECORDS / 8];
};

static inline int is_marked(struct uses *uses, u32 index) {
    return uses->bits[index / 8] >> index % 8 & 1;
}

static void find_uses(struct uses *uses) {
    u32 sheets = load(&ilk->arena->sheets), records = load(&ilk->arena->records);
    memset(uses, 0, records / 8 + 1); /* no more memory than is looked at */
    for (u32 i = 1; i < sheets; i++) {
        struct opens *sheet = &ilk->opens[i];
        int used = is_used(sheet), awaited = used && has_heir(sheet->process, sheet->start);
        for (int k = 0; k < OPENS && used; k++) {
            u64 entry = load(&sheet->entries[k]);
            u32 index = (u32) entry & ~(u32) CLOSED;
            if (index < records && (!(entry & CLOSED) || awaited) && record_at(index)->serial == entry >> 32) {
                uses->bits[index / 8] |= (unsigned char) (1 << index % 8);
            }
        }
    }
    for (u32 index = 1; index < records; index++) {
        u64 owner = holder_of(record_at(index));
        if (owner != 0 && !is_gone(owner)) {
            uses->bits[index / 8] |= (unsigned char) (1 << index % 8);
        }
    }
}

/* Whether it is kept where nobody uses it: by its name the next one learns of a holder that has died, or finds items. */
static int tells_the_next(struct record *r) {
    int is_lock = is_exclusive(r->kind) || r->kind == RWLOCK;
    return has_name(r) && (holder_of(r) != 0 || (is_lock && (load(&r->word) & ABANDONED)) ||
                           (r->kind == QUEUE && queue_items(r)));
}

/* Whether its users were all killed, or have ended without a word. */
static int is_left_behind(struct uses *uses, u32 index) {
    struct record *r = record_at(index);
    return r->kind != FREE && r->kind != REST && !is_marked(uses, index) && !tells_the_next(r);
}

/* Returns whether there was any. */
static int free_left_behind(void) {
    struct uses uses;
    u32 records = load(&ilk->arena->records), freed = 0;
    find_uses(&uses);
    for (int conditions = 1; conditions >= 0; conditions--) { /* before their locks */
        for (u32 index = 1; index < records; index++) {
            struct record *r = record_at(index);
            int has_conditions = is_exclusive(r->kind) && r->lock != 0;
            if ((r->kind == CONDITION) == conditions && !has_conditions && is_left_behind(&uses, index)) {
                free_record(r);
                freed += 1;
            }
        }
    }
    return freed != 0;
}

/* A record for a new purpose, not that one. Returns its number, 0: there is none. */
static u32 find_free(u32 but) {
    u32 records = load(&ilk->arena->records), index;
    for (index = 1; index < records && (index == but || !is_free(index)); index++) {
    }
    /* Before there are twice as many, and where there can be no more. */
    if (index == records && ((records & (records - 1)) == 0 || records == RECORDS) && free_left_behind()) {
        return find_free(but);
    }
    if (index == records && (index = grow(&ilk->arena->records, RECORDS, ilk->records, sizeof(struct record))) == 0) {
        return 0;
    }
    purge(record_at(index));
    return index;
}

/* Returns 0: there is no room for the rest of it. */
static int write_name(struct record *r, const char *name) {
    r->more = 0;
    memset(r->name, 0, SHORT_NAME);
    memcpy(r->name, name, strnlen(name, SHORT_NAME));
    if (strlen(name) < SHORT_NAME) {
        return 1;
    }
    u32 index = find_free(number_of(r));
    if (index == 0) {
        return 0;
    }
    struct record *rest = record_at(index);
    memset(rest, 0, sizeof *rest);
    strncpy(rest->rest, name + SHORT_NAME, NAME - SHORT_NAME - 1);
    rest->more = number_of(r);
    store(&rest->kind, REST);
    store(&r->more, index);
    return 1;
}

struct found {
    u32 index, serial, kind, lock;
    u64 bound;
};

/* Opens the record of that name, or makes it; `name` "": one without a name. Returns 0 or what is wrong. */
static int open_record(struct me *me, const char *name, u32 kind, u64 bound, u32 lock, struct found *f) {
    struct arena *a = ilk->arena;
    u32 *bucket = &a->buckets[bucket_for(name)];
    char called[NAME];
    struct record *r = NULL;
    int rc = 0;
    if (!arena_lock(me)) {
        return BUSY;
    }
    find_start();
    for (u32 index = name[0] ? *bucket : 0; index != 0 && r == NULL; index = record_at(index)->next_same) {
        name_of(record_at(index), called);
        r = strcmp(called, name) == 0 ? record_at(index) : NULL;
    }
    if (r != NULL && !is_in_use(r) && !(r->kind == QUEUE && queue_items(r))) {
        /* Its users have all ended. A lock whose holder died tells the next one. */
        u64 word = load(&r->word), owner = holder_of(r);
        int held = r->kind == kind && owner != 0;
        int abandoned = r->kind == kind && (is_exclusive(kind) || kind == RWLOCK) && (word & ABANDONED) != 0;
        if (held) {
            note_death(r, owner);
        }
        u64 when = r->died_when;
        u32 pid = r->died_pid, died = r->died;
        if (r->kind == CONDITION && is_exclusive(record_at(r->lock)->kind)) {
            take_from_chain(&record_at(r->lock)->lock, number_of(r), 0);
        }
        purge(r);
        if (r->kind == QUEUE) {
            free_ring(r);
        }
        if (r->kind == QUEUE || kind == QUEUE) {
            store(&r->kind, FREE); /* should this thread be killed now, nobody takes a ring half made for one */
        }
        if (!init_record(r, kind, bound, lock)) {
            free_record(r);
            arena_unlock(me);
            return NO_ROOM;
        }
        if (held || abandoned) {
            r->died_when = when;
            r->died_pid = pid;
            r->died = died;
            store(&r->word, ABANDONED);
        }
        store(&r->kind, kind);
    } else if (r != NULL) {
        rc = r->kind != kind ? OTHER_KIND
             : kind == CONDITION ? (r->lock != lock ? OTHER_LOCK : 0)
             : kind == QUEUE && bound >> 32 == 0 ? ((u32) r->bound != (u32) bound ? OTHER_BOUND : 0)
             : r->bound != bound                 ? OTHER_BOUND
                                 : 0;
    } else {
        u32 index = find_free(0);
        r = record_at(index);
        if (index != 0) {
            store(&r->kind, FREE);
        }
        if (index == 0 || !write_name(r, name) || !init_record(r, kind, bound, lock)) {
            arena_unlock(me);
            return NO_ROOM;
        }
        store(&r->kind, kind);
        if (name[0]) {
            r->next_same = *bucket;
            store(bucket, index);
        }
    }
    f->index = number_of(r);
    f->serial = r->serial;
    f->kind = r->kind;
    f->bound = r->bound;
    f->lock = r->lock;
    if (rc == 0 && !note_open(entry_of(r))) {
        rc = NO_ROOM;
    }
    arena_unlock(me);
    return rc;
}

/* Opens what another process has told of. */
static int reopen_record(struct me *me, u32 index, u32 serial, u32 kind, struct found *f) {
    int rc = GONE;
    if (!arena_lock(me)) {
        return BUSY;
    }
    find_start();
    if (index > 0 && index < load(&ilk->arena->records)) {
        struct record *r = record_at(index);
        if (r->kind == kind && r->serial == serial) {
            f->index = index;
            f->serial = serial;
            f->kind = kind;
            f->bound = r->bound;
            f->lock = r->lock;
            rc = note_open(entry_of(r)) ? 0 : NO_ROOM;
        }
    }
    arena_unlock(me);
    return rc;
}

static void free_unused(struct record *r) {
    if (!tells_the_next(r) && !is_in_use(r)) {
        free_record(r);
    }
}

/* Returns 0, or BUSY. */
static int close_record(struct me *me, u32 index, u32 serial) {
    if (!arena_lock(me)) {
        return BUSY;
    }
    struct record *r = record_at(index);
    if (r->serial == serial && r->kind != FREE) {
        note_closed(entry_of(r));
        free_unused(r);
    }
    arena_unlock(me);
    return 0;
}

/* --- which records are open here: under the lock of kernel.py ------------------------------------------------------ */

static void stand_for(u32 index, u32 serial) {
    struct standing *s = &standing[index];
    if (s->serial != serial) { /* what it stood for before is gone */
        inherited -= (s->objects & INHERITED) != 0;
        *s = (struct standing){serial, 0};
    }
    s->objects += 1;
    most_standing = index < most_standing ? most_standing : index + 1;
}

/* An object is gone. Returns 0, or BUSY. */
static int stand_down(u32 index, u32 serial) {
    struct standing *s = &standing[index];
    u32 objects = s->serial == serial ? s->objects & ~(u32) INHERITED : 0;
    struct me *me = introduce();
    if (objects > 1) {
        s->objects -= 1;
    } else if (objects == 1) {
        if (!(s->objects & INHERITED) && me != NULL && close_record(me, index, serial) == BUSY) {
            return BUSY;
        }
        inherited -= (s->objects & INHERITED) != 0;
        s->objects = 0;
    }
    return 0;
}

/* In a child: what the parent had open is open here too, and has to be noted. */
static void inherit(void) {
    inherited = 0;
    for (u32 index = 1; index < most_standing; index++) {
        if (standing[index].objects != 0) {
            standing[index].objects |= INHERITED;
            inherited += 1;
        }
    }
}

/* What the parent has closed meanwhile was kept for this child. Under the guard of the arena. */
static void end_heir(u64 parent, u64 start) {
    u32 sheets = load(&ilk->arena->sheets);
    store(&ours.heir->since, 0);
    ours.heir = NULL;
    for (u32 i = 1; i < sheets; i++) {
        struct opens *sheet = &ilk->opens[i];
        for (int k = 0; k < OPENS && sheet->process == parent && sheet->start == start; k++) {
            u64 entry = sheet->entries[k];
            if ((entry & CLOSED) && !has_heir(parent, start)) {
                struct record *r = record_at((u32) (entry & ~CLOSED));
                store(&sheet->entries[k], 0);
                if (r->kind != FREE && entry_of(r) == (entry & ~CLOSED)) {
                    free_unused(r);
                }
            }
        }
    }
}

/* Notes what is INHERITED. Returns 0, or BUSY. */
static int note_inherited(void) {
    struct me *me = introduce();
    struct found f;
    if (me == NULL) {
        return 0; /* a stranger here: it is told when it uses any of it */
    }
    for (u32 index = 1; index < most_standing && inherited > 0; index++) {
        struct standing *s = &standing[index];
        if (!(s->objects & INHERITED)) {
            continue;
        }
        int rc = reopen_record(me, index, s->serial, record_at(index)->kind, &f);
        if (rc == BUSY) {
            return BUSY;
        }
        s->objects = rc == 0 ? s->objects & ~(u32) INHERITED : 0;
        inherited -= 1;
    }
    if (ours.heir != NULL && load(&ours.heir->since) == ours.since) {
        if (!arena_lock(me)) {
            return BUSY;
        }
        end_heir(ours.heir->parent, ours.heir->start);
        arena_unlock(me);
    }
    return 0;
}

/* --- the file ----------------------------------------------------------------------------------------------------- */

static const size_t PLACE_SLOTS = 65536;
static const size_t PLACE_OPENS = PLACE_SLOTS + SLOTS * sizeof(struct slot);
static const size_t PLACE_RECORDS = PLACE_OPENS + SHEETS * sizeof(struct opens);
static const size_t PLACE_NODES = PLACE_RECORDS + RECORDS * sizeof(struct record);
static const size_t PLACE_RINGS = PLACE_NODES + (size_t) CHUNKS * CHUNK * sizeof(struct node);
static const size_t ARENA_SIZE = PLACE_RINGS + (size_t) RING_PAGES * PAGE;

_Static_assert(sizeof(struct arena) <= 65536 && (SLOTS * sizeof(struct slot) + RECORDS * sizeof(struct record)) % PAGE == 0 &&
                   SHEETS * sizeof(struct opens) % PAGE == 0 && CHUNKS * CHUNK * sizeof(struct node) % PAGE == 0,
               "rings are whole pages");
_Static_assert(sizeof(struct arena) <= 65536, "the head fits before the slots");

/* The memory of what is used before anything grows: a full disk is an error, not a SIGBUS. Returns 0 or an errno. */
static int allocate_arena(int fd) {
    const size_t places[] = {0, PLACE_SLOTS, PLACE_OPENS, PLACE_RECORDS, PLACE_NODES};
    int rc = ftruncate(fd, (off_t) ARENA_SIZE) != 0 ? errno : 0;
    for (int i = 0; i < 5 && rc == 0; i++) {
        rc = posix_fallocate(fd, (off_t) places[i], i == 0 ? (off_t) PLACE_SLOTS : PAGE);
    }
    return rc;
}

static struct arena *map_arena(int fd) {
    void *at = mmap(NULL, ARENA_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_NORESERVE, fd, 0);
    return at == MAP_FAILED ? NULL : (struct arena *) at;
}

static void stamp_arena(struct arena *a, const char *boot, u64 pid_namespace, u64 id) {
    a->id = id;
    a->magic = ILK_MAGIC;
    a->layout = ILK_LAYOUT;
    a->size_of_mutex = sizeof(pthread_mutex_t);
    a->size_of_slot = sizeof(struct slot);
    a->size = ARENA_SIZE;
    a->pid_namespace = pid_namespace;
    strncpy(a->boot, boot, sizeof a->boot - 1);
    a->records = a->chunks = a->sheets = 1;
    store(&a->ready, 1);
}

/* Returns 0, or which part of the stamp is another: 1 the layout, 2 the boot, 3 the namespace of process ids. */
static int check_stamp(struct arena *a, const char *boot, u64 pid_namespace) {
    if (a->magic != ILK_MAGIC || a->layout != ILK_LAYOUT || a->size_of_mutex != sizeof(pthread_mutex_t) ||
        a->size_of_slot != sizeof(struct slot) || a->size != ARENA_SIZE) {
        return 1;
    }
    return strncmp(a->boot, boot, sizeof a->boot - 1) != 0 ? 2 : a->pid_namespace != pid_namespace ? 3 : 0;
}

/* Whether a thread takes part in it. */
static int has_life(struct arena *a) {
    struct slot *slots = (struct slot *) ((char *) a + PLACE_SLOTS);
    u32 used = a->size_of_slot == sizeof(struct slot) ? load(&a->slots) : 0;
    for (u32 i = 0; i < used && i < SLOTS; i++) {
        if (!is_over(load(life_of(&slots[i])))) {
            return 1;
        }
    }
    return 0;
}

static void unmap_arena(struct arena *a) {
    munmap(a, ARENA_SIZE);
}

static void use_arena(struct arena *a) {
    this_process.slots = (struct slot *) ((char *) a + PLACE_SLOTS);
    this_process.opens = (struct opens *) ((char *) a + PLACE_OPENS);
    this_process.records = (struct record *) ((char *) a + PLACE_RECORDS);
    this_process.nodes = (struct node *) ((char *) a + PLACE_NODES);
    this_process.rings = (char *) a + PLACE_RINGS;
    this_process.arena = a;
}

static void begin_process(const char *program) {
    ilk = &this_process;
    this_process.me = find_me;
    this_process.mail = send_mail;
    this_process.pid = (u32) getpid();
    this_process.cpus = (int) sysconf(_SC_NPROCESSORS_ONLN);
    strncpy(this_process.program, program, TEXT - 1);
    struct ilk_waitv none;
    this_process.waitv = futex_waitv(&none, 0, NEVER) == EINVAL && getenv("INTERLOCK_MACHINE_OLD_KERNEL") == NULL;
    const char *mutant = getenv("INTERLOCK_MACHINE_MUTANT");
    this_process.mutant = mutant == NULL ? 0 : atoi(mutant);
    pthread_atfork(NULL, NULL, in_child);
}

#endif
