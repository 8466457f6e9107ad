# What CPython offers in C and Cython has no declaration for. Inline C, no module of its own.

cdef extern from *:
    """
    #if PY_VERSION_HEX >= 0x030d0000
      #define interlock_thread_state() (PyThreadState_GetUnchecked())
      static inline long long interlock_now(void) {
          PyTime_t now;
          (void) PyTime_MonotonicRaw(&now);
          return (long long) now;
      }
    #else
      #define interlock_thread_state() (_PyThreadState_UncheckedGet())
      #define interlock_now() ((long long) _PyTime_GetMonotonicClock())
    #endif
    /* Unique in the process and never used again, unlike the ident of a thread. */
    #define interlock_thread_id() (interlock_thread_state()->id)
    /* Whether this thread has ever had a context of `contextvars`. A step of a task always runs in one. */
    #define interlock_has_context() (interlock_thread_state()->context != NULL)
    /* Grows with each context that this thread enters or leaves. */
    #define interlock_context_version() (interlock_thread_state()->context_ver)
    #ifdef _WIN32
      #define interlock_pid() 0
    #else
      #include <unistd.h>
      #define interlock_pid() ((int) getpid())
    #endif
    """
    unsigned long long interlock_thread_id() noexcept nogil
    bint interlock_has_context() noexcept nogil
    unsigned long long interlock_context_version() noexcept nogil
    int interlock_pid() noexcept nogil
    # Monotonic nanoseconds.
    long long interlock_now() noexcept nogil

# A lock of CPython's own, which a signal can interrupt.
cdef extern from "pythread.h":
    ctypedef void *PyThread_type_lock
    ctypedef enum PyLockStatus:
        PY_LOCK_FAILURE
        PY_LOCK_ACQUIRED
        PY_LOCK_INTR
    PyThread_type_lock PyThread_allocate_lock() noexcept
    void PyThread_free_lock(PyThread_type_lock lock) noexcept
    int PyThread_acquire_lock(PyThread_type_lock lock, int wait) noexcept
    # Microseconds; less than 0 waits for ever.
    PyLockStatus PyThread_acquire_lock_timed(PyThread_type_lock lock, long long micros, int interruptible) noexcept nogil
    void PyThread_release_lock(PyThread_type_lock lock) noexcept nogil
