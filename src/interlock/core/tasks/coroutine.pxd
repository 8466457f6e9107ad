# The slots that make a compiled class as quick to await as a coroutine of the interpreter's own: Cython knows `__await__`
# and `__next__`, but not how to be sent to without a method call, nor how to return a value without making an exception.

cdef extern from *:
    """
    /* What `resume` does with a coroutine: the next thing to yield, or, with *over set, what it returns; 2: it was asked
       for by `__await__`, and not by hand. NULL: raised. */
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
    static void interlock_stop(PyObject *value, int awaited) {
    #if PY_VERSION_HEX >= 0x030c0000
        PyObject **kept = NULL;
    #ifndef Py_GIL_DISABLED
        /* `await` calls us too, takes the value out and drops the rest, so one is kept for it: to make one costs a third
           of a call that need not wait. It must be nobody else's, and as new: a debugger may have seen it. */
        if (awaited) {
            kept = value == Py_True ? &interlock_stop_true : value == Py_False ? &interlock_stop_false : NULL;
        }
        if (kept != NULL && *kept != NULL && Py_REFCNT(*kept) == 1) {
            PyBaseExceptionObject *stop = (PyBaseExceptionObject *) *kept;
            if (stop->traceback == NULL && stop->context == NULL && stop->cause == NULL && stop->dict == NULL
                && ((PyStopIterationObject *) stop)->value == value) {
                PyErr_SetRaisedException(Py_NewRef(*kept));
                return;
            }
        }
    #endif
        PyObject *stop = PyObject_CallOneArg(PyExc_StopIteration, value);
        if (stop != NULL) {
            if (kept != NULL) {
                Py_XSETREF(*kept, Py_NewRef(stop));
            }
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
                interlock_stop(result, over == 2);
            }
            Py_CLEAR(result);
        }
        return result;
    }

    /* One that goes before it is over has to be finished. Cython's own finalizers would cost every one. */
    typedef int (*interlock_is_unfinished)(PyObject *coroutine);
    typedef int (*interlock_finish)(PyObject *coroutine);
    static interlock_is_unfinished interlock_is_it_unfinished;
    static interlock_finish interlock_finish_it;
    static destructor interlock_cython_dealloc;

    static void interlock_finalize(PyObject *self) {
        if (interlock_is_it_unfinished(self)) {
            PyObject *kind, *value, *traceback;
            PyErr_Fetch(&kind, &value, &traceback);
            if (interlock_finish_it(self) < 0) {
                PyErr_WriteUnraisable(self);
            }
            PyErr_Restore(kind, value, traceback);
        }
    }

    static void interlock_dealloc(PyObject *self) {
        if (!interlock_is_it_unfinished(self) || PyObject_CallFinalizerFromDealloc(self) == 0) {
            interlock_cython_dealloc(self);
        }
    }

    static void interlock_coroutines_setup(interlock_resume resume, interlock_is_unfinished is_unfinished, interlock_finish finish) {
        interlock_resume_it = resume;
        interlock_is_it_unfinished = is_unfinished;
        interlock_finish_it = finish;
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
    ctypedef bint (*interlock_is_unfinished)(object coroutine) noexcept
    ctypedef bint (*interlock_finish)(object coroutine) except -1
    void interlock_coroutines_setup(
        interlock_resume resume, interlock_is_unfinished is_unfinished, interlock_finish finish
    ) noexcept
    void interlock_make_coroutine(object type) noexcept
