# The slots that make a compiled class as quick to await as a coroutine of the interpreter's own: Cython knows `__await__`
# and `__next__`, but not how to be sent to without a method call, nor how to return a value without making an exception.

cdef extern from *:
    """
    /* What `resume` does with a coroutine: the next thing to yield, or, with *over set, what it returns. NULL: raised. */
    typedef PyObject *(*interlock_resume)(PyObject *coroutine, PyObject *sent, int *over);
    static interlock_resume interlock_resume_it;

    static PySendResult interlock_am_send(PyObject *self, PyObject *sent, PyObject **result) {
        int over = 0;
        *result = interlock_resume_it(self, sent, &over);
        return *result == NULL ? PYGEN_ERROR : over ? PYGEN_RETURN : PYGEN_NEXT;
    }

    #if PY_VERSION_HEX >= 0x030c0000
    static PyObject *interlock_stop_true, *interlock_stop_false;
    #endif

    /* Sets the StopIteration that carries `value`, which is not None. */
    static void interlock_stop(PyObject *value) {
    #if PY_VERSION_HEX >= 0x030c0000
        /* Made once, as long as nobody has written on it: whoever awaits takes the value out and forgets the rest. */
        PyObject *stop = value == Py_True ? interlock_stop_true : value == Py_False ? interlock_stop_false : NULL;
        if (stop != NULL && ((PyBaseExceptionObject *) stop)->traceback == NULL
            && ((PyBaseExceptionObject *) stop)->context == NULL) {
            PyErr_SetRaisedException(Py_NewRef(stop));
            return;
        }
        stop = PyObject_CallOneArg(PyExc_StopIteration, value);
        if (stop != NULL) {
            PyErr_SetRaisedException(stop);
        }
    #else
        /* The interpreter takes a value that is no exception and no tuple as it is. */
        if (PyTuple_Check(value) || PyExceptionInstance_Check(value)) {
            PyObject *stop = PyObject_CallOneArg(PyExc_StopIteration, value);
            if (stop != NULL) {
                PyErr_SetObject(PyExc_StopIteration, stop);
                Py_DECREF(stop);
            }
        }
        else {
            PyErr_SetObject(PyExc_StopIteration, value);
        }
    #endif
    }

    static PyObject *interlock_iternext(PyObject *self) {
        int over = 0;
        PyObject *result = interlock_resume_it(self, Py_None, &over);
        if (result != NULL && over) {
            if (result != Py_None) {
                interlock_stop(result);
            }
            Py_CLEAR(result);
        }
        return result;
    }

    /* One that goes without ever having been resumed is warned about. Cython's own finalizers would cost every one. */
    typedef int (*interlock_is_new)(PyObject *coroutine);
    typedef int (*interlock_complain)(PyObject *coroutine);
    static interlock_is_new interlock_is_it_new;
    static interlock_complain interlock_complain_of_it;
    static destructor interlock_cython_dealloc;

    static void interlock_finalize(PyObject *self) {
        if (interlock_is_it_new(self)) {
            PyObject *kind, *value, *traceback;
            PyErr_Fetch(&kind, &value, &traceback);
            if (interlock_complain_of_it(self) < 0) {
                PyErr_WriteUnraisable(self);
            }
            PyErr_Restore(kind, value, traceback);
        }
    }

    static void interlock_dealloc(PyObject *self) {
        if (!interlock_is_it_new(self) || PyObject_CallFinalizerFromDealloc(self) == 0) {
            interlock_cython_dealloc(self);
        }
    }

    static int interlock_coroutines_setup(interlock_resume resume, interlock_is_new is_new, interlock_complain complain) {
        interlock_resume_it = resume;
        interlock_is_it_new = is_new;
        interlock_complain_of_it = complain;
    #if PY_VERSION_HEX >= 0x030c0000
        interlock_stop_true = PyObject_CallOneArg(PyExc_StopIteration, Py_True);
        interlock_stop_false = PyObject_CallOneArg(PyExc_StopIteration, Py_False);
        return interlock_stop_true != NULL && interlock_stop_false != NULL;
    #else
        return 1;
    #endif
    }

    /* `type` and its base each have a structure of their own, or share one. */
    static void interlock_make_coroutine(PyObject *type) {
        ((PyTypeObject *) type)->tp_as_async->am_send = interlock_am_send;
        ((PyTypeObject *) type)->tp_iternext = interlock_iternext;
        interlock_cython_dealloc = ((PyTypeObject *) type)->tp_dealloc;
        ((PyTypeObject *) type)->tp_dealloc = interlock_dealloc;
        ((PyTypeObject *) type)->tp_finalize = interlock_finalize;
        PyType_Modified((PyTypeObject *) type);
    }
    """
    ctypedef object (*interlock_resume)(object coroutine, object sent, int *over)
    ctypedef bint (*interlock_is_new)(object coroutine) noexcept
    ctypedef bint (*interlock_complain)(object coroutine) except -1
    bint interlock_coroutines_setup(
        interlock_resume resume, interlock_is_new is_new, interlock_complain complain
    ) noexcept
    void interlock_make_coroutine(object type) noexcept
