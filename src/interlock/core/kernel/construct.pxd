# A class called without arguments. Before 3.14 compiled classes have no `tp_vectorcall`, so the interpreter packs such a
# call into an empty tuple first and goes round by `type.__call__`; that is a tenth of what making a lock costs. What is
# done here is what `type.__call__` does. A subclass does not inherit it.

cdef extern from *:
    """
    static PyObject *interlock_no_arguments;

    static PyObject *interlock_construct_with(PyObject *type, PyObject *const *args, Py_ssize_t count, PyObject *names) {
        PyObject *made = NULL, *named = NULL, *positional = PyTuple_New(count);
        Py_ssize_t i;
        if (positional == NULL) {
            return NULL;
        }
        for (i = 0; i < count; i++) {
            PyTuple_SET_ITEM(positional, i, Py_NewRef(args[i]));
        }
        if (names != NULL) {
            named = PyDict_New();
            if (named == NULL) {
                goto done;
            }
            for (i = 0; i < PyTuple_GET_SIZE(names); i++) {
                if (PyDict_SetItem(named, PyTuple_GET_ITEM(names, i), args[count + i]) < 0) {
                    goto done;
                }
            }
        }
        made = PyType_Type.tp_call(type, positional, named);
    done:
        Py_DECREF(positional);
        Py_XDECREF(named);
        return made;
    }

    static PyObject *interlock_construct(PyObject *type, PyObject *const *args, size_t nargsf, PyObject *names) {
        Py_ssize_t count = PyVectorcall_NARGS(nargsf);
        PyObject *made;
        if (count != 0 || names != NULL) {
            return interlock_construct_with(type, args, count, names);
        }
        made = ((PyTypeObject *) type)->tp_new((PyTypeObject *) type, interlock_no_arguments, NULL);
        if (made != NULL && ((PyTypeObject *) type)->tp_init(made, interlock_no_arguments, NULL) < 0) {
            Py_CLEAR(made);
        }
        return made;
    }

    static int interlock_construct_directly(PyObject *type) {
        if (interlock_no_arguments == NULL) {
            interlock_no_arguments = PyTuple_New(0);
            if (interlock_no_arguments == NULL) {
                return -1;
            }
        }
        if (((PyTypeObject *) type)->tp_vectorcall == NULL) {
            ((PyTypeObject *) type)->tp_vectorcall = interlock_construct;
        }
        return 0;
    }
    """
    int interlock_construct_directly(object type) except -1
