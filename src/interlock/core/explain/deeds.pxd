# For order.py alone: what has been done to a primitive, as plain memory.

cdef extern from *:
    """
    typedef struct {
        PyObject *code;             /* owned, as `name`; either may be NULL */
        PyObject *name;
        unsigned long long party;
        long long time;             /* monotonic nanoseconds, of the last one */
        long long times;
        int offset;
        int happening;
    } interlock_deed;

    static void interlock_begin_deed(interlock_deed *deed, PyObject *code, PyObject *name) {
        deed->code = code == Py_None ? NULL : Py_NewRef(code);
        deed->name = name == Py_None ? NULL : Py_NewRef(name);
    }
    static void interlock_drop_deed(interlock_deed *deed) {
        Py_XDECREF(deed->code);
        Py_XDECREF(deed->name);
    }
    """
    ctypedef struct interlock_deed:
        void *code
        void *name
        unsigned long long party
        long long time
        long long times
        int offset
        int happening
    void interlock_begin_deed(interlock_deed *deed, object code, object name) noexcept
    void interlock_drop_deed(interlock_deed *deed) noexcept

cimport cython

from interlock.core.kernel.probe cimport Happening


@cython.final
cdef class Deed:
    # Written once.
    cdef readonly unsigned long long party
    cdef readonly str name
    cdef readonly int happening
    cdef readonly object code
    cdef readonly int offset
    cdef readonly long long times
    cdef readonly long long time


# Refers to code and names alone. All under its own critical section.
@cython.final
@cython.no_gc
cdef class Deeds:
    cdef int count
    cdef int room
    cdef interlock_deed *deeds

    cdef bint again(
        self, unsigned long long party, Happening happening, void *code, int offset, long long now
    ) noexcept
    cdef bint note(self, Happening happening, unsigned long long me) except -1
    cdef list read(self)
