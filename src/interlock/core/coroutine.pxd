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

    static int interlock_coroutines_setup(interlock_resume resume) {
        interlock_resume_it = resume;
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
        PyType_Modified((PyTypeObject *) type);
    }
    """
    ctypedef object (*interlock_resume)(object coroutine, object sent, int *over)
    bint interlock_coroutines_setup(interlock_resume resume) noexcept
    void interlock_make_coroutine(object type) noexcept
