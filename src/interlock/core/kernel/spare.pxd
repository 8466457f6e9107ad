# Objects of a type that is made and dropped at every turn, kept for the next who needs one. Cython's own directive for
# that is not seen in a .pxd. Without the GIL the allocator keeps them itself, for each thread.

cdef extern from *:
    """
    #ifndef Py_GIL_DISABLED
    #define INTERLOCK_SPARES 16
    static struct interlock_spares {
        PyTypeObject *type;
        int count;
        PyObject *kept[INTERLOCK_SPARES];
    } interlock_spare[4];

    static inline struct interlock_spares *interlock_spares_of(PyTypeObject *type) {
        struct interlock_spares *spares = interlock_spare;
        while (spares->type != type) {
            spares++;
        }
        return spares;
    }

    static PyObject *interlock_spare_alloc(PyTypeObject *type, Py_ssize_t items) {
        struct interlock_spares *spares = interlock_spares_of(type);
        if (spares->count == 0) {
            return PyType_GenericAlloc(type, items);
        }
        PyObject *object = spares->kept[--spares->count];
        memset(object + 1, 0, type->tp_basicsize - sizeof(PyObject));
        (void) PyObject_Init(object, type);
        PyObject_GC_Track(object);
        return object;
    }

    static void interlock_spare_free(void *object) {
        struct interlock_spares *spares = interlock_spares_of(Py_TYPE((PyObject *) object));
        /* A finalizer runs once in the life of an object, and its header says for ever that it has. */
        if (spares->count < INTERLOCK_SPARES && !PyObject_GC_IsFinalized((PyObject *) object)) {
            spares->kept[spares->count++] = (PyObject *) object;
        }
        else {
            PyObject_GC_Del(object);
        }
    }
    #endif

    /* `type` is final and tracked by the collector. */
    static void interlock_keep_spares(PyObject *type) {
    #ifndef Py_GIL_DISABLED
        struct interlock_spares *spares = interlock_spares_of(NULL);
        spares->type = (PyTypeObject *) type;
        spares->type->tp_alloc = interlock_spare_alloc;
        spares->type->tp_free = interlock_spare_free;
    #endif
    }
    """
    void interlock_keep_spares(object type) noexcept
