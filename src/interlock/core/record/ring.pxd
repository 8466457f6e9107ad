# Where the recorder keeps events: memory of its own, one writer each, no Python object in it. For recorder.py alone, since
# what is static here exists once in each module that cimports this file.
#
# A thread writes to the chunk in its slot and nobody else does. A chunk that is full goes to the end of one list; once
# there are as many chunks as allowed, the oldest full one is used again, and its events are counted as
# dropped. So what is left is about the same stretch of time for every thread. The chunk of a thread that has ended is
# continued by the next new one, which is why each event says whose it is.
#
#   chunk     in            written by          read
#   current   a slot        the slot's thread   up to `count`, which is published after the event is
#   full      the list      nobody              by the holder of the guard
#   orphan    the orphans   nobody              by the holder of the guard
#
# Chunks are made in batches: the system gives two megabytes at once for a fraction of what it takes for each page of them.
#
# The time of an event costs more than all the rest of it, where the system is asked for it. So a thread asks once in a
# while, and counts the ticks of the processor in between (`interlock_ring_now`).
#
# A chunk changes its place under `guard` alone, a lock that is held for a few instructions without any Python call: no
# signal handler, destructor or other thread state can come in between, and a thread that ends may take it without one.
# It holds for the process that made it: see `interlock_ring_in_child`.

cdef extern from *:
    """
    #include <stdlib.h>
    #include <string.h>
    #ifdef _WIN32
      #include <windows.h>
      #define INTERLOCK_OF_THREAD __declspec(thread)
      #define interlock_publish(p, n) InterlockedExchange((volatile LONG *) (p), (LONG) (n))
      #define interlock_read_published(p) ((unsigned) InterlockedOr((volatile LONG *) (p), 0))
      #define interlock_ring_process() 0
    #else
      #include <pthread.h>
      #include <unistd.h>
      #define interlock_ring_process() ((int) getpid())
      #define INTERLOCK_OF_THREAD __thread
      #define interlock_publish(p, n) __atomic_store_n((p), (n), __ATOMIC_RELEASE)
      #define interlock_read_published(p) __atomic_load_n((p), __ATOMIC_ACQUIRE)
    #endif

    #if defined(__linux__)
      #include <sys/mman.h>
      #define INTERLOCK_MAPS 1
    #else
      #define INTERLOCK_MAPS 0
    #endif
    #if defined(__linux__) && defined(__x86_64__)
      #include <stdio.h>
      #include <sys/prctl.h>
      #include <time.h>
      #include <x86intrin.h>
      #define INTERLOCK_TICKS 1
    #else
      #define INTERLOCK_TICKS 0
    #endif

    typedef struct {
        long long time;             /* monotonic nanoseconds */
        unsigned long long party;
        unsigned long long other;   /* as the probe gives them */
        long long waited;
        void *code;                 /* the caller's code object, which the recorder keeps alive; NULL: not known */
        unsigned int primitive;     /* the number of its entry */
        unsigned int spot;          /* the offset into the code in the upper 24 bits, what happened in the lower 8 */
    } interlock_event;

    #define INTERLOCK_IN_CHUNK 340  /* 16 KB */

    typedef struct interlock_chunk {
        struct interlock_chunk *next;
        unsigned int count;
        unsigned int saved;         /* of these, how many `interlock_ring_copy_news` has given out; under the guard */
        interlock_event events[INTERLOCK_IN_CHUNK];
    } interlock_chunk;

    #define INTERLOCK_CHUNK_BYTES 16384
    #define INTERLOCK_BATCH 128     /* chunks */

    #define INTERLOCK_CODES 128     /* a power of 2 */
    #define INTERLOCK_PARTIES 32

    /* What a thread has for itself. `next`, `prev` and `chunk` change under the guard; the rest is the thread's own. */
    typedef struct interlock_slot {
        struct interlock_slot *next;
        struct interlock_slot *prev;
        interlock_chunk *chunk;
        unsigned int serial;        /* of the recording that the rest belongs to */
        /* When the system was asked last, the ticks then, and how long a tick is: nanoseconds times 2^32, 0 where it is not
           known yet. When it was asked first, likewise. The youngest time that was given out. */
        long long asked, asked_first, youngest;
        unsigned long long ticks, ticks_first, tick;
        unsigned int claimed;       /* the number of a primitive that the next event will name */
        /* Code objects and parties that the recorder knows already: direct-mapped, a miss costs a look-up. The lowest bit
           of a code says that it is the library's. */
        size_t codes[INTERLOCK_CODES];
        unsigned long long parties[INTERLOCK_PARTIES];
    } interlock_slot;

    static INTERLOCK_OF_THREAD interlock_slot *interlock_own_slot;

    static struct {
        PyThread_type_lock guard;
        /* All of it under the guard; `serial` is read without, it only tells a late caller that it is late. */
        unsigned int serial;
        int process;
        interlock_slot *slots;
        interlock_chunk *full;      /* oldest first */
        interlock_chunk *last_full;
        interlock_chunk *orphans;
        interlock_chunk *spare;     /* made, and not in use; not among the `chunks` */
        size_t batch;               /* how many the next batch has */
        size_t chunks;
        size_t most;
        unsigned long long dropped;
        long long complete_from;    /* the time of the youngest event that was dropped */
        unsigned long long missed;  /* events that were dropped before they were given out as news */
        long long missed_until;     /* the time of the youngest of them */
    } interlock_ring;

    static int interlock_ticks_are_steady;  /* written once */
    static int interlock_maps;              /* likewise: chunks are whole pages */

    static void interlock_ring_lock(void) { PyThread_acquire_lock(interlock_ring.guard, 1); }
    static void interlock_ring_unlock(void) { PyThread_release_lock(interlock_ring.guard); }

    static void interlock_free_chunk(interlock_chunk *chunk) {
    #if INTERLOCK_MAPS
        if (interlock_maps) {
            (void) munmap(chunk, INTERLOCK_CHUNK_BYTES);
            return;
        }
    #endif
        free(chunk);
    }

    /* So many chunks, or one where there is no memory for that, linked; NULL without memory. */
    static interlock_chunk *interlock_make_chunks(size_t number) {
    #if INTERLOCK_MAPS
        if (interlock_maps) {
            size_t bytes = number * INTERLOCK_CHUNK_BYTES;
            char *memory = (char *) mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
            size_t at;
            if (memory == (char *) MAP_FAILED) {
                return number > 1 ? interlock_make_chunks(1) : NULL;
            }
            /* Whether that does anything or not: the memory is there. */
          #ifdef MADV_HUGEPAGE
            (void) madvise(memory, bytes, MADV_HUGEPAGE);
          #endif
          #ifdef MADV_POPULATE_WRITE
            (void) madvise(memory, bytes, MADV_POPULATE_WRITE);
          #endif
            for (at = 0; at < number; at++) {
                interlock_chunk *chunk = (interlock_chunk *) (memory + at * INTERLOCK_CHUNK_BYTES);
                chunk->next = at + 1 < number ? (interlock_chunk *) ((char *) chunk + INTERLOCK_CHUNK_BYTES) : NULL;
            }
            return (interlock_chunk *) memory;
        }
    #endif
        (void) number;
        interlock_chunk *chunk = (interlock_chunk *) malloc(sizeof(interlock_chunk));
        if (chunk != NULL) {
            chunk->next = NULL;
        }
        return chunk;
    }

    /* Under the guard: a chunk in memory of its own, or NULL. */
    static interlock_chunk *interlock_chunk_new(void) {
        interlock_chunk *chunk = interlock_ring.spare;
        if (chunk == NULL) {
            size_t number = interlock_ring.batch;
            if (interlock_ring.chunks + number > interlock_ring.most) {
                number = interlock_ring.most > interlock_ring.chunks ? interlock_ring.most - interlock_ring.chunks : 1;
            }
            chunk = interlock_make_chunks(number);
            /* A short recording takes little memory. */
            if (interlock_ring.batch < INTERLOCK_BATCH) {
                interlock_ring.batch *= 2;
            }
        }
        if (chunk != NULL) {
            interlock_ring.spare = chunk->next;
            interlock_ring.chunks++;
            chunk->count = chunk->saved = 0;
        }
        return chunk;
    }

    /* A thread has ended: by then no code of Python's can run in it. */
    static void interlock_slot_end(void *ended) {
        interlock_slot *slot = (interlock_slot *) ended;
        interlock_chunk *chunk;
        if (slot == NULL) {
            return;
        }
        interlock_own_slot = NULL;
        interlock_ring_lock();
        if (slot->next != NULL) {
            slot->next->prev = slot->prev;
        }
        if (slot->prev != NULL) {
            slot->prev->next = slot->next;
        }
        else {
            interlock_ring.slots = slot->next;
        }
        chunk = slot->chunk;
        if (chunk != NULL && slot->serial == interlock_ring.serial) {
            chunk->next = interlock_ring.orphans;
            interlock_ring.orphans = chunk;
        }
        else if (chunk != NULL) {
            interlock_ring.chunks--;
            interlock_free_chunk(chunk);
        }
        interlock_ring_unlock();
        free(slot);
    }

    #ifdef _WIN32
      static DWORD interlock_slot_key;
      static void WINAPI interlock_slot_end_winapi(void *slot) { interlock_slot_end(slot); }
      #define interlock_slot_key_make() ((interlock_slot_key = FlsAlloc(interlock_slot_end_winapi)) != FLS_OUT_OF_INDEXES)
      #define interlock_slot_key_set(slot) (FlsSetValue(interlock_slot_key, (slot)) != 0)
    #else
      static pthread_key_t interlock_slot_key;
      #define interlock_slot_key_make() (pthread_key_create(&interlock_slot_key, interlock_slot_end) == 0)
      #define interlock_slot_key_set(slot) (pthread_setspecific(interlock_slot_key, (slot)) == 0)
    #endif

    #if INTERLOCK_TICKS
      /* Whether the kernel itself takes its time from the processor's ticks, and lets us read them. */
      static int interlock_are_ticks_steady(void) {
          char name[8] = "";
          int allowed = 0;
          FILE *file = fopen("/sys/devices/system/clocksource/clocksource0/current_clocksource", "r");
          if (file != NULL) {
              if (fgets(name, sizeof(name), file) == NULL) {
                  name[0] = 0;
              }
              fclose(file);
          }
          return strcmp(name, "tsc\\n") == 0 && prctl(PR_GET_TSC, &allowed) == 0 && allowed == PR_TSC_ENABLE;
      }

      #define INTERLOCK_TICKS_COUNTED 2000000  /* then the system is asked again: after about a millisecond */
      #define INTERLOCK_TICKS_TO_ASK 1000      /* if it took more, the thread was interrupted */
      #define INTERLOCK_CALIBRATED 10000000    /* nanoseconds from the first time of asking */

      /* As `interlock_now`. */
      static long long interlock_ask_system(void) {
          struct timespec time;
          (void) clock_gettime(CLOCK_MONOTONIC, &time);
          return (long long) time.tv_sec * 1000000000 + time.tv_nsec;
      }

      static long long interlock_ask_time(interlock_slot *slot) {
          unsigned long long before = __rdtsc();
          long long time = interlock_ask_system();
          unsigned long long after = __rdtsc();
          if (after - before < INTERLOCK_TICKS_TO_ASK) {
              slot->asked = time;
              slot->ticks = before + (after - before) / 2;
              if (slot->ticks_first == 0) {
                  slot->asked_first = time;
                  slot->ticks_first = slot->ticks;
              }
              else if (time - slot->asked_first >= INTERLOCK_CALIBRATED) {
                  double ticks = (double) (slot->ticks - slot->ticks_first);
                  slot->tick = (unsigned long long) ((double) (time - slot->asked_first) * 4294967296.0 / ticks);
              }
          }
          if (time < slot->youngest) {
              time = slot->youngest;
          }
          slot->youngest = time;
          return time;
      }

      /* The time, in monotonic nanoseconds. What a thread is given never goes back. Between two questions to the system it
         may be wrong by as much as the clock is adjusted in a millisecond: by nanoseconds. */
      static inline long long interlock_ring_now(void) {
          interlock_slot *slot = interlock_own_slot;
          unsigned long long ticks;
          long long time;
          if (slot == NULL || !interlock_ticks_are_steady) {
              return interlock_ask_system();
          }
          ticks = __rdtsc() - slot->ticks;
          if (slot->tick == 0 || ticks >= INTERLOCK_TICKS_COUNTED) {
              return interlock_ask_time(slot);
          }
          time = slot->asked + (long long) (ticks * slot->tick >> 32);
          if (time < slot->youngest) {
              time = slot->youngest;
          }
          slot->youngest = time;
          return time;
      }
    #else
      #define interlock_ring_now() interlock_now()
    #endif

    static int interlock_ring_setup(void) {
    #if INTERLOCK_MAPS
        interlock_maps = sizeof(interlock_chunk) <= INTERLOCK_CHUNK_BYTES
            && INTERLOCK_CHUNK_BYTES % sysconf(_SC_PAGESIZE) == 0;
    #endif
    #if INTERLOCK_TICKS
        interlock_ticks_are_steady = interlock_are_ticks_steady();
    #endif
        interlock_ring.guard = PyThread_allocate_lock();
        return interlock_ring.guard != NULL && interlock_slot_key_make();
    }

    static void interlock_free_chunks(interlock_chunk *chunk) {
        while (chunk != NULL) {
            interlock_chunk *after = chunk->next;
            interlock_free_chunk(chunk);
            interlock_ring.chunks--;
            chunk = after;
        }
    }

    /* Forget all that is recorded. A chunk that a thread may still be writing to stays with it for its next recording. */
    static void interlock_ring_clear(void) {
        interlock_ring_lock();
        interlock_ring.serial++;
        interlock_free_chunks(interlock_ring.full);
        interlock_free_chunks(interlock_ring.orphans);
        while (interlock_ring.spare != NULL) {
            interlock_chunk *spare = interlock_ring.spare;
            interlock_ring.spare = spare->next;
            interlock_free_chunk(spare);
        }
        interlock_ring.full = interlock_ring.last_full = interlock_ring.orphans = NULL;
        interlock_ring_unlock();
    }

    static unsigned int interlock_ring_begin(unsigned long long events) {
        unsigned int serial;
        interlock_ring_clear();
        interlock_ring_lock();
        interlock_ring.most = (size_t) (events / INTERLOCK_IN_CHUNK);
        interlock_ring.batch = 1;
        interlock_ring.dropped = 0;
        interlock_ring.complete_from = 0;
        interlock_ring.missed = 0;
        interlock_ring.missed_until = 0;
        interlock_ring.process = interlock_ring_process();
        serial = ++interlock_ring.serial;
        interlock_ring_unlock();
        return serial;
    }

    /* In a forked child no other thread is there to write, or to give back the guard. What they had is left alone: one of
       them may have been changing it. */
    static void interlock_ring_in_child(void) {
        PyThread_type_lock guard = PyThread_allocate_lock();
        unsigned int serial = interlock_ring.serial;
        interlock_own_slot = NULL;
        (void) interlock_slot_key_set(NULL);
        memset(&interlock_ring, 0, sizeof(interlock_ring));
        interlock_ring.guard = guard;
        interlock_ring.serial = serial + 1;
    }

    /* Under the guard: a chunk with room in it, or NULL. */
    static interlock_chunk *interlock_chunk_with_room(void) {
        interlock_chunk *chunk = interlock_ring.orphans;
        if (chunk != NULL) {
            interlock_ring.orphans = chunk->next;
            return chunk;
        }
        if (interlock_ring.chunks < interlock_ring.most || interlock_ring.full == NULL) {
            chunk = interlock_chunk_new();
            if (chunk != NULL) {
                return chunk;
            }
        }
        chunk = interlock_ring.full;
        if (chunk != NULL) {
            long long youngest = chunk->events[chunk->count - 1].time;
            interlock_ring.full = chunk->next;
            if (interlock_ring.full == NULL) {
                interlock_ring.last_full = NULL;
            }
            interlock_ring.dropped += chunk->count;
            if (youngest > interlock_ring.complete_from) {
                interlock_ring.complete_from = youngest;
            }
            if (chunk->saved < chunk->count) {
                interlock_ring.missed += chunk->count - chunk->saved;
                if (youngest > interlock_ring.missed_until) {
                    interlock_ring.missed_until = youngest;
                }
            }
            chunk->count = chunk->saved = 0;
        }
        return chunk;
    }

    /* The slot of this thread, with room for an event; NULL where there is none. */
    static interlock_slot *interlock_slot_make_room(unsigned int serial) {
        interlock_slot *slot = interlock_own_slot;
        interlock_chunk *chunk;
        if (interlock_ring.process != interlock_ring_process()) {
            return NULL;  /* in a child, before our hook has run: the guard may be held by a thread that is not here */
        }
        if (slot == NULL) {
            slot = (interlock_slot *) calloc(1, sizeof(interlock_slot));
            if (slot == NULL) {
                return NULL;
            }
            if (!interlock_slot_key_set(slot)) {
                free(slot);
                return NULL;
            }
            interlock_ring_lock();
            slot->next = interlock_ring.slots;
            if (slot->next != NULL) {
                slot->next->prev = slot;
            }
            interlock_ring.slots = slot;
            interlock_ring_unlock();
            interlock_own_slot = slot;
        }
        interlock_ring_lock();
        if (serial == interlock_ring.serial) {
            chunk = slot->chunk;
            if (slot->serial != serial) {
                slot->serial = serial;
                memset(slot->codes, 0, sizeof(slot->codes));
                memset(slot->parties, 0, sizeof(slot->parties));
                if (chunk != NULL) {
                    chunk->count = chunk->saved = 0;
                }
            }
            else if (chunk != NULL && chunk->count == INTERLOCK_IN_CHUNK) {
                chunk->next = NULL;
                if (interlock_ring.last_full == NULL) {
                    interlock_ring.full = chunk;
                }
                else {
                    interlock_ring.last_full->next = chunk;
                }
                interlock_ring.last_full = chunk;
                chunk = slot->chunk = NULL;
            }
            if (chunk == NULL) {
                slot->chunk = interlock_chunk_with_room();
                if (slot->chunk == NULL) {
                    interlock_ring.dropped++;
                    slot = NULL;
                }
            }
        }
        else {
            slot = NULL;
        }
        interlock_ring_unlock();
        return slot;
    }

    static inline interlock_slot *interlock_slot_get(unsigned int serial) {
        interlock_slot *slot = interlock_own_slot;
        if (slot != NULL && slot->serial == serial && slot->chunk != NULL && slot->chunk->count < INTERLOCK_IN_CHUNK) {
            return slot;
        }
        return interlock_slot_make_room(serial);
    }

    /* Say which number the next event names, before it does. Who forgets numbers says so first and looks for claims then;
       the caller claims first, and looks then whether anybody forgets. So one of the two sees the other. With the GIL
       nobody comes between the claim and the event. */
    static inline void interlock_slot_claim(interlock_slot *slot, unsigned int number) {
        #ifdef Py_GIL_DISABLED
          __atomic_store_n(&slot->claimed, number, __ATOMIC_RELAXED);
          __atomic_thread_fence(__ATOMIC_SEQ_CST);
        #else
          (void) slot;
          (void) number;
        #endif
    }

    /* No Python call between interlock_slot_get() and here. */
    static inline void interlock_slot_write(interlock_slot *slot, long long time, unsigned long long party,
            unsigned long long other, long long waited, void *code, unsigned int primitive, unsigned int spot) {
        interlock_chunk *chunk = slot->chunk;
        unsigned int count = chunk->count;
        interlock_event *event = &chunk->events[count];
        event->time = time;
        event->party = party;
        event->other = other;
        event->waited = waited;
        event->code = code;
        event->primitive = primitive;
        event->spot = spot;
        interlock_publish(&chunk->count, count + 1);
    }

    #define interlock_code_place(slot, code) (&(slot)->codes[((size_t) (code) >> 5) & (INTERLOCK_CODES - 1)])
    #define interlock_party_place(slot, party) (&(slot)->parties[(party) & (INTERLOCK_PARTIES - 1)])

    #define INTERLOCK_FRAMES_UP 12  /* from a call of logging to the lock of a handler it is 7 */

    /* The innermost Python frame outside the library, or the innermost where there is none such near. 0: the recorder does
       not know one of the codes on the way. */
    static int interlock_find_caller(interlock_slot *slot, void **caller, int *offset) {
        PyFrameObject *frame = PyThreadState_GetFrame(PyThreadState_Get());
        int up;
        *caller = NULL;
        *offset = -1;
        for (up = 0; frame != NULL && up < INTERLOCK_FRAMES_UP; up++) {
            PyFrameObject *below;
            PyCodeObject *code = PyFrame_GetCode(frame);
            size_t known = *interlock_code_place(slot, code);
            if ((known & ~(size_t) 1) != (size_t) code) {
                Py_DECREF(code);
                Py_DECREF(frame);
                return 0;
            }
            if (up == 0 || !(known & 1)) {
                *caller = (void *) code;
                *offset = PyFrame_GetLasti(frame);
            }
            Py_DECREF(code);
            below = (known & 1) ? PyFrame_GetBack(frame) : NULL;
            Py_DECREF(frame);
            frame = below;
        }
        Py_XDECREF(frame);
        return 1;
    }

    /* Under the guard. Calls `visit` for each chunk of this recording with what can be read of it. */
    #define INTERLOCK_EACH_CHUNK(ring_serial, VISIT) \\
        for (chunk = interlock_ring.full; chunk != NULL; chunk = chunk->next) { VISIT } \\
        for (chunk = interlock_ring.orphans; chunk != NULL; chunk = chunk->next) { VISIT } \\
        for (slot = interlock_ring.slots; slot != NULL; slot = slot->next) { \\
            chunk = slot->serial == (ring_serial) ? slot->chunk : NULL; \\
            if (chunk != NULL) { VISIT } \\
        }

    /* All events, in memory that the caller frees; NULL where there are none or no memory. */
    static interlock_event *interlock_ring_copy(unsigned int serial, size_t *count, unsigned long long *dropped,
            long long *complete_from) {
        interlock_chunk *chunk;
        interlock_slot *slot;
        interlock_event *copy = NULL;
        size_t room = 0;
        *count = 0;
        interlock_ring_lock();
        *dropped = interlock_ring.dropped;
        *complete_from = interlock_ring.complete_from;
        if (serial == interlock_ring.serial) {
            INTERLOCK_EACH_CHUNK(serial, room += INTERLOCK_IN_CHUNK;)
            copy = room ? (interlock_event *) malloc(room * sizeof(interlock_event)) : NULL;
        }
        if (copy != NULL) {
            INTERLOCK_EACH_CHUNK(serial,
                unsigned int filled = interlock_read_published(&chunk->count);
                memcpy(copy + *count, chunk->events, filled * sizeof(interlock_event));
                *count += filled;
            )
        }
        interlock_ring_unlock();
        return copy;
    }

    /* The events that have not been given out so yet, or all again; the rest as above. `missed`: how many were dropped
       meanwhile that never will be, and `missed_until`, likewise. */
    static interlock_event *interlock_ring_copy_news(unsigned int serial, int all, size_t *count,
            unsigned long long *missed, long long *missed_until) {
        interlock_chunk *chunk;
        interlock_slot *slot;
        interlock_event *copy = NULL;
        size_t room = 0;
        *count = 0;
        *missed = 0;
        *missed_until = 0;
        interlock_ring_lock();
        if (serial == interlock_ring.serial) {
            INTERLOCK_EACH_CHUNK(serial, room += INTERLOCK_IN_CHUNK - (all ? 0 : chunk->saved);)
            copy = room ? (interlock_event *) malloc(room * sizeof(interlock_event)) : NULL;
        }
        if (copy != NULL) {
            INTERLOCK_EACH_CHUNK(serial,
                unsigned int filled = interlock_read_published(&chunk->count);
                unsigned int from = all ? 0 : chunk->saved;
                memcpy(copy + *count, chunk->events + from, (filled - from) * sizeof(interlock_event));
                *count += filled - from;
                chunk->saved = filled;
            )
            *missed = all ? interlock_ring.dropped : interlock_ring.missed;
            *missed_until = all ? interlock_ring.complete_from : interlock_ring.missed_until;
            interlock_ring.missed = 0;
        }
        interlock_ring_unlock();
        return copy;
    }

    /* `del list[:number]`, without an object for the slice. */
    #define interlock_forget_first(list, number) PyList_SetSlice((list), 0, (Py_ssize_t) (number), NULL)
    #define interlock_is_marked(used, number) ((used)[(number) >> 3] >> ((number) & 7) & 1)
    /* Mark the primitives below `numbers` that the events name: a bit for each. */
    static void interlock_ring_mark(unsigned int serial, unsigned char *used, size_t numbers) {
        interlock_chunk *chunk;
        interlock_slot *slot;
        interlock_ring_lock();
        #ifdef Py_GIL_DISABLED
          __atomic_thread_fence(__ATOMIC_SEQ_CST);
          for (slot = interlock_ring.slots; slot != NULL; slot = slot->next) {
              size_t number = __atomic_load_n(&slot->claimed, __ATOMIC_RELAXED);
              if (number < numbers) {
                  used[number >> 3] |= (unsigned char) (1 << (number & 7));
              }
          }
        #endif
        if (serial == interlock_ring.serial) {
            INTERLOCK_EACH_CHUNK(serial,
                unsigned int filled = interlock_read_published(&chunk->count);
                unsigned int at;
                for (at = 0; at < filled; at++) {
                    size_t number = chunk->events[at].primitive;
                    if (number < numbers) {
                        used[number >> 3] |= (unsigned char) (1 << (number & 7));
                    }
                }
            )
        }
        interlock_ring_unlock();
    }
    """
    int INTERLOCK_FRAMES_UP
    ctypedef struct interlock_event:
        pass
    ctypedef struct interlock_slot:
        pass
    bint interlock_ring_setup() noexcept
    unsigned int interlock_ring_begin(unsigned long long events) noexcept
    void interlock_ring_clear() noexcept
    void interlock_ring_in_child() noexcept
    interlock_slot *interlock_slot_get(unsigned int serial) noexcept
    long long interlock_ring_now() noexcept
    void interlock_slot_claim(interlock_slot *slot, unsigned int number) noexcept
    void interlock_slot_write(
        interlock_slot *slot,
        long long time,
        unsigned long long party,
        unsigned long long other,
        long long waited,
        void *code,
        unsigned int primitive,
        unsigned int spot,
    ) noexcept
    size_t *interlock_code_place(interlock_slot *slot, void *code) noexcept
    unsigned long long *interlock_party_place(interlock_slot *slot, unsigned long long party) noexcept
    bint interlock_find_caller(interlock_slot *slot, void **caller, int *offset) noexcept
    interlock_event *interlock_ring_copy(
        unsigned int serial, size_t *count, unsigned long long *dropped, long long *complete_from
    ) noexcept
    interlock_event *interlock_ring_copy_news(
        unsigned int serial, bint all, size_t *count, unsigned long long *missed, long long *missed_until
    ) noexcept
    void interlock_ring_mark(unsigned int serial, unsigned char *used, size_t numbers) noexcept
    int interlock_forget_first(object list, size_t number) except -1
    bint interlock_is_marked(unsigned char *used, size_t number) noexcept
