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

    /* What this thread was told last, if that still holds; 0 otherwise. */
    static inline unsigned long long interlock_told_id(void *state) {
        PyThreadState *thread = (PyThreadState *) state;
        return interlock_told.thread == thread->id && interlock_told.version == thread->context_ver ? interlock_told.id : 0;
    }
    #define interlock_told_party() (interlock_told.party)

    static inline void interlock_tell(unsigned long long id, void *party) {
        PyThreadState *thread = interlock_thread_state();
        interlock_told.thread = thread->id;
        interlock_told.version = thread->context_ver;
        interlock_told.id = id;
        interlock_told.party = party;
    }

    #define interlock_runs_in(which) (interlock_thread_state()->context == (PyObject *) (which))
    """
    unsigned long long interlock_next_task() noexcept nogil
    unsigned long long interlock_told_id(void *thread) noexcept nogil
    void *interlock_told_party() noexcept nogil
    void interlock_tell(unsigned long long id, void *party) noexcept nogil
    bint interlock_runs_in(object context) noexcept
