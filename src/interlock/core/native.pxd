# What CPython offers in C and Cython has no declaration for. Inline C, no module of its own.

cdef extern from *:
    """
    #if PY_VERSION_HEX >= 0x030d0000
      /* Unique in the process and never used again, unlike the ident of a thread. */
      #define interlock_thread_id() (PyThreadState_GetUnchecked()->id)
      static inline long long interlock_now(void) {
          PyTime_t now;
          (void) PyTime_MonotonicRaw(&now);
          return (long long) now;
      }
    #else
      #define interlock_thread_id() (_PyThreadState_UncheckedGet()->id)
      #define interlock_now() ((long long) _PyTime_GetMonotonicClock())
    #endif
    #ifdef _WIN32
      #define interlock_pid() 0
    #else
      #include <unistd.h>
      #define interlock_pid() ((int) getpid())
    #endif
    """
    unsigned long long interlock_thread_id() noexcept nogil
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
    void PyThread_release_lock(PyThread_type_lock lock) noexcept
