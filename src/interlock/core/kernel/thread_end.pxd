# Learning that a thread has ended, for certain: the system says so when it takes the thread's own storage away, after
# the interpreter is done with the thread and all its destructors have run. Nothing the interpreter offers comes so late
# (the dictionary of a thread state goes before the context, and code runs in between).
#
# An `interlock_end` is shared by the thread and its parties and freed by the last of them; no GIL is needed.
# For party.py alone: the key below exists once in each module that cimports this file.

cdef extern from *:
    """
    #include <stdlib.h>
    #ifdef _WIN32
      #include <windows.h>
      typedef volatile LONG interlock_int;
      #define interlock_add(p, n) (InterlockedExchangeAdd((p), (n)) + (n))
    #else
      #include <pthread.h>
      typedef int interlock_int;
      #define interlock_add(p, n) __atomic_add_fetch((p), (n), __ATOMIC_ACQ_REL)
    #endif

    typedef struct { interlock_int users; interlock_int ended; } interlock_end;

    static void interlock_end_release(interlock_end *end) {
        if (end != NULL && interlock_add(&end->users, -1) == 0) {
            free(end);
        }
    }

    #ifdef _WIN32
      static DWORD interlock_end_key;
      static void WINAPI interlock_end_of_thread(void *end) {
          if (end != NULL) {
              interlock_add(&((interlock_end *) end)->ended, 1);
              interlock_end_release((interlock_end *) end);
          }
      }
      static int interlock_end_setup(void) {
          interlock_end_key = FlsAlloc(interlock_end_of_thread);
          return interlock_end_key != FLS_OUT_OF_INDEXES;
      }
      #define interlock_end_get() ((interlock_end *) FlsGetValue(interlock_end_key))
      #define interlock_end_put(end) (FlsSetValue(interlock_end_key, (end)) != 0)
    #else
      static pthread_key_t interlock_end_key;
      static void interlock_end_of_thread(void *end) {
          interlock_add(&((interlock_end *) end)->ended, 1);
          interlock_end_release((interlock_end *) end);
      }
      static int interlock_end_setup(void) {
          return pthread_key_create(&interlock_end_key, interlock_end_of_thread) == 0;
      }
      #define interlock_end_get() ((interlock_end *) pthread_getspecific(interlock_end_key))
      #define interlock_end_put(end) (pthread_setspecific(interlock_end_key, (end)) == 0)
    #endif

    /* The end of the calling thread, one user more; NULL without memory. */
    static interlock_end *interlock_end_share(void) {
        interlock_end *end = interlock_end_get();
        if (end == NULL) {
            end = (interlock_end *) calloc(1, sizeof(*end));
            if (end == NULL) {
                return NULL;
            }
            end->users = 1;
            if (!interlock_end_put(end)) {
                free(end);
                return NULL;
            }
        }
        interlock_add(&end->users, 1);
        return end;
    }

    #define interlock_end_reached(end) (interlock_add(&(end)->ended, 0) != 0)
    """
    ctypedef struct interlock_end:
        pass
    bint interlock_end_setup() noexcept
    interlock_end *interlock_end_share() noexcept
    void interlock_end_release(interlock_end *end) noexcept
    bint interlock_end_reached(interlock_end *end) noexcept
