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
    /* For who asks more than once: to find the thread state is a call, and a look at thread-local storage. */
    #define interlock_thread() ((void *) interlock_thread_state())
    #define interlock_id_of(thread) (((PyThreadState *) (thread))->id)
    #define interlock_set_id_of(thread, number) (((PyThreadState *) (thread))->id = (number))
    /* Whether this thread has ever had a context of `contextvars`. A step of a task always runs in one. */
    #define interlock_has_context(thread) (((PyThreadState *) (thread))->context != NULL)
    /* Another number as soon as anything about the class or its bases changes, and no other class has it; 0: not known. */
    #define interlock_version_of(type) (((PyTypeObject *) (type))->tp_version_tag)
    /* What a weak reference refers to, or None. */
    static inline PyObject *interlock_referent(PyObject *reference) {
        PyObject *referent;
    #if PY_VERSION_HEX >= 0x030d0000
        if (PyWeakref_GetRef(reference, &referent) == 0) {
            referent = Py_NewRef(Py_None);
        }
    #else
        referent = Py_XNewRef(PyWeakref_GetObject(reference));
    #endif
        return referent;
    }
    static inline PyObject *interlock_or_none(void *object) {
        return object == NULL ? Py_NewRef(Py_None) : (PyObject *) object;
    }
    /* The innermost Python frame, or None where C calls: for what is registered with `atexit`, say. */
    #define interlock_frame() interlock_or_none(PyThreadState_GetFrame(interlock_thread_state()))
    #define interlock_frame_below(frame) interlock_or_none(PyFrame_GetBack((PyFrameObject *) (frame)))
    #define interlock_code_of(frame) ((PyObject *) PyFrame_GetCode((PyFrameObject *) (frame)))
    #define interlock_lasti_of(frame) (PyFrame_GetLasti((PyFrameObject *) (frame)))
    static inline PyObject *interlock_line_of(PyObject *frame) {
        int line = PyFrame_GetLineNumber((PyFrameObject *) frame);
        return line > 0 ? PyLong_FromLong(line) : Py_NewRef(Py_None);
    }
    #ifdef _WIN32
      #define interlock_pid() 0
    #else
      #include <unistd.h>
      #define interlock_pid() ((int) getpid())
    #endif
    """
    unsigned long long interlock_thread_id() noexcept nogil
    void *interlock_thread() noexcept nogil
    unsigned long long interlock_id_of(void *thread) noexcept nogil
    void interlock_set_id_of(void *thread, unsigned long long id) noexcept nogil
    bint interlock_has_context(void *thread) noexcept nogil
    int interlock_pid() noexcept nogil
    unsigned int interlock_version_of(object type) noexcept
    object interlock_referent(object reference)
    object interlock_frame()
    object interlock_frame_below(object frame)
    object interlock_code_of(object frame)
    int interlock_lasti_of(object frame) noexcept
    object interlock_line_of(object frame)
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
