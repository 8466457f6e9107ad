# What a thread keeps about who called last, and the counter of task ids. For task.py alone: both exist once in each
# module that cimports this file.

cdef extern from *:
    """
    #ifdef _MSC_VER
      #include <windows.h>
      #define INTERLOCK_THREAD_LOCAL __declspec(thread)
      #define interlock_count_up(p) ((unsigned long long) InterlockedIncrement64((volatile LONG64 *) (p)))
    #else
      #define INTERLOCK_THREAD_LOCAL __thread
      #define interlock_count_up(p) (__atomic_add_fetch((p), 1, __ATOMIC_RELAXED))
    #endif

    /* Holds for one thread state (one system thread may carry several) and one count of contexts. `party` is borrowed:
       it is that of a task which runs, so somebody keeps both. */
    static INTERLOCK_THREAD_LOCAL struct {
        unsigned long long thread, version, id;
        void *party;
    } interlock_told;

    static unsigned long long interlock_tasks_met;
    #define interlock_next_task() interlock_count_up(&interlock_tasks_met)

    #define interlock_told_now() \\
        (interlock_told.thread == interlock_thread_id() && interlock_told.version == interlock_context_version())
    #define interlock_told_id() (interlock_told.id)
    #define interlock_told_party() (interlock_told.party)

    static inline void interlock_tell(unsigned long long id, void *party) {
        interlock_told.thread = interlock_thread_id();
        interlock_told.version = interlock_context_version();
        interlock_told.id = id;
        interlock_told.party = party;
    }

    #define interlock_runs_in(which) (interlock_thread_state()->context == (PyObject *) (which))
    """
    unsigned long long interlock_next_task() noexcept nogil
    bint interlock_told_now() noexcept nogil
    unsigned long long interlock_told_id() noexcept nogil
    void *interlock_told_party() noexcept nogil
    void interlock_tell(unsigned long long id, void *party) noexcept nogil
    bint interlock_runs_in(object context) noexcept
