/* What stands in the shared file. Everything has a fixed width and nothing holds a pointer, but for glibc's own links in
   a robust mutex, which only the thread that holds it reads. The reasoning stands in docs/machine.md.

   A **slot** is one thread that takes part. `life` is a robust mutex that the thread locks once and never unlocks: when it
   ends, for whatever reason, the kernel writes FUTEX_OWNER_DIED there and wakes who sleeps on it. An **id** names a slot
   and its generation, and is never given out twice.

   A **record** is one primitive. A **node** is one wait of a party, or one hold of one: {at, word, ticket, owner}.
   Queues and lists of holds are caches: they can be made anew from the nodes. */

#ifndef INTERLOCK_LAYOUT_H
#define INTERLOCK_LAYOUT_H

#include <pthread.h>
#include <stddef.h>
#include <stdint.h>

typedef uint32_t u32;
typedef uint64_t u64;

#define ILK_MAGIC 0x6b6c6e69u
#define ILK_LAYOUT 4

enum { SLOTS = 8192, RECORDS = 65536, CHUNKS = 65536, SHEETS = 16384, BUCKETS = 4096, CHUNK = 8, TEXT = 32 };
enum { NAME = 96, SHORT_NAME = 32, DEATHS = 1024, HEIRS = 256 };

/* A word of a record. */
#define ID_MASK ((1ull << 48) - 1)
#define PERMITS 0xffffffffull
#define READ (1ull << 60)       /* RWLock: the low half counts readers */
#define ABANDONED (1ull << 61)  /* a holder died, and no later one has released it since */
#define ENTERED (1ull << 62)    /* with `with`: only its owner may leave it */
#define QUEUED (1ull << 63)     /* no operation may take the fast path */
#define NO (~0ull)

/* A word of a node. Bits, so that one FUTEX_WAKE_OP can add one and wake.

       IDLE       free, once `at` is 0 too
       NEW        being made by its owner
       PARKED     asleep or about to be; only exactly PARKED sleeps
       +WOKEN     look again
       +GRANTED   has what it asked for; the owner makes it IDLE, or HOLDING
       +CANCELLED left while somebody else was in the guard; whoever unlinks it makes it IDLE. CANCELLED before GRANTED:
                  the grant did not happen
       +SPOILT    its round of the barrier was reset
       HOLDING    a hold: of permits, of a reader; of a place among the members of a barrier
       +UNSURE    a task's: whoever granted it died before that showed, and it was taken back: no mail of that wait counts
       +n * LEFT  so many permits (or the reading) of the hold were given back while somebody else was in the guard; whoever
                  is in it next does the rest. The word belongs to one hold, so a count in it cannot hit the next one */
enum { IDLE = 0, PARKED = 1, WOKEN = 2, GRANTED = 4, HOLDING = 8, CANCELLED = 16, NEW = 32, SPOILT = 64, UNSURE = 128 };
enum { LEFT = 256, LEFT_BITS = 8, MOST_LEFT = (1 << 24) - 1 };

/* The flags of a node: what its wait is. */
enum {
    ENTER = 1,    /* by `with` */
    HOLD = 2,     /* leaves a hold */
    READING = 4,  /* RWLock */
    TASK = 8,     /* woken by a byte in its loop's FIFO as well */
    TIMED = 16,   /* ends by itself */
    STRICT = 32,  /* is handed what it waits for */
    RUNNING = 64, /* runs the action of the barrier */
    JOINING = 128, /* Queue: waits until nothing is unfinished; on no list */
    LAST = 256    /* RWLock: for a task: behind whoever waits. The tasks of a thread have one id; one that reads lets no
                     others in */
};

/* The last kind is no primitive: the rest of a name that is long. */
enum { FREE = 0, LOCK, RLOCK, SEMAPHORE, BOUNDED, EVENT, CONDITION, BARRIER, RWLOCK, LATCH, QUEUE, REST };

/* What `intent` says: the word of the record is right if its node shows this, and was `intent_before` if not. */
enum { TAKE = 1, GIVE = 2, PART = 3, GOT = 4, LOSE = 5, PAY = 6, PARTED = 7 };

/* The line where a thread took a record last. Whoever shows it makes sure that it holds that. */
enum { PLACES = 3, PLACE = 56 };
struct place {
    u32 record, serial;
    char text[PLACE];
};

struct slot {
    pthread_mutex_t life;
    u32 gen;
    u32 pid;
    u32 tid;
    u32 wait;  /* the node that it is blocked in, written by itself; a hint that readers check */
    u64 start; /* of the process */
    char program[TEXT];
    char thread[TEXT];
    u32 pid_before; /* who had the slot last, for who asks late */
    u32 gen_before;
    char program_before[TEXT];
    struct place places[PLACES]; /* written by itself, while it is watched */
    u32 next_place;
} __attribute__((aligned(64)));

struct record {
    u32 guard;
    u32 kind;
    u64 word;
    u32 turn; /* Event, Latch: set(1) thread waits(2) task waits(4) sets<<3; Barrier: broken(1) rounds<<1 */
    u32 head;
    u32 tail;
    u32 holds;
    union {
        struct {
            u64 tickets;
            u64 intent_before;
            u32 intent;
            u32 intent_kind;
            u32 intent_want;
            u32 version; /* raised when a hold joins */
            u64 bound;   /* permits, parties, count: what it was made with */
            union {
                u64 count; /* RLock: depth; Barrier: who has come; Condition: those with smaller tickets are asked */
                u32 owed;  /* Semaphore: how many permits were ever released past the guard; only grows */
                u32 ring;  /* Queue: where its items lie, in pages */
            };
            union {
                u64 task;  /* RLock: which task of its owner, 0: the thread */
                u32 paid;  /* Semaphore: how many of those the word has got */
                u32 pages; /* Queue: how much room there is for its items */
            };
            u32 lock;  /* Condition: the record of its lock; Lock: its first condition, whose `bound` is the next */
            u32 asked; /* Condition: how many the next release of the lock lets go; Lock: whether any */
        };
        char rest[NAME - SHORT_NAME]; /* REST: of the name, with its end */
    };
    u32 serial;
    u32 next_same; /* of those whose names share a bucket */
    u32 more;      /* the record where its name goes on, 0: it is whole here; REST: the record whose name it is */
    u32 stale;     /* something was changed past the guard: links are made anew */
    u64 died_when;
    u32 died_pid;
    u32 died;      /* the number of the death, by which the program is found */
    char name[SHORT_NAME];
} __attribute__((aligned(32)));

struct node {
    u32 word;
    u32 at;
    u64 owner;
    u64 ticket;
    u64 since;
    u64 watch; /* whom its owner watches while it sleeps */
    u32 want;
    u32 flags;
    u32 next;
    u32 prev;
    u32 fifo; /* of a task's loop */
    u32 holding; /* Queue: how many entries its owner has TAKEN; a hold of permits: how many LEFT ones the word has got */
};

/* The first node of a chunk is its head. */
struct chunk_head {
    u64 owner; /* whose nodes these are */
    u32 next;  /* of the same owner: its number + 1 */
    u32 unused[13];
};

/* The items of a Queue: see queue.h. It lies before the first entry. Positions only grow; what they mean is their rest by
   the room of the ring. */
struct ring {
    u64 first;   /* the oldest entry whose room is not free again */
    u64 end;     /* where the next one goes */
    u64 cursor;  /* none before it is READY */
    u64 touched; /* so many bytes have memory */
    u64 lost;    /* how many items were with somebody who died before `task_done` */
    u32 ready;   /* how many are READY */
    u32 shut;
    u32 unused[4];
};

struct entry {
    u32 state;
    u32 sort;
    u64 size; /* of the item, which follows */
    u64 owner;
    u64 unused;
};

enum { PAGE = 4096, RING_PAGES = 1 << 20 };

/* Which records a process has open, with their serials. */
enum { OPENS = 62 };
struct opens {
    u64 process; /* its pid, 0: free */
    u64 start;
    u64 entries[OPENS];
};

/* What a process ran that died while it held something. The oldest makes room for the newest. */
struct death {
    u32 number;
    char program[TEXT - 4];
};

/* A fork under way: what the parent had open is open to the child too, which has not noted that yet. */
struct heir {
    u64 since; /* 0: free; it ends by itself where no child has come to be */
    u64 start; /* of the parent */
    u32 parent;
    u32 child; /* 0: not known yet */
};

struct arena {
    u32 magic, layout, size_of_mutex, size_of_slot;
    u64 size;
    u64 pid_namespace;
    u64 id; /* no other has it */
    char boot[40];
    u32 guard;
    u32 ready;
    u32 slots, records, chunks, sheets;
    u32 serials;
    u32 buckets[BUCKETS];
    u32 next_slot;
    u32 death;
    struct death deaths[DEATHS];
    struct heir heirs[HEIRS];
} __attribute__((aligned(64)));

_Static_assert(sizeof(struct node) == 64 && sizeof(struct chunk_head) == 64, "a node is a line of the cache");
_Static_assert(sizeof(struct ring) == 64 && sizeof(struct entry) == 32, "an entry is not split by the end of the ring");
_Static_assert(sizeof(struct record) == 160 && sizeof(struct slot) <= 384, "the busy half of a record shares no line of the cache but with names");

#endif
