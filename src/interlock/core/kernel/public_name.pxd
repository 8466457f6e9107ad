# The module that a public class says it is of. People have it in pickles (by which a class is named and found) and in
# what they have printed, so it does not change with the room in which the class is written: it is the one of 0.1.
#
# And its signature. CPython describes the __init__ and the __new__ of every compiled class as (self, /, *args, **kwargs),
# which help() prints under each. Here they are described by the signature of the class. What they do stays what it was:
# the same functions, in new descriptors, which a subclass finds and calls as before.

cdef extern from *:
    """
    /* `name($self, /, blocking=True)`, an empty line and what help says, from the class's own `(blocking=True)`. It
       lives as long as the class: for ever. */
    static char *interlock_signature_of(PyObject *type, const char *name, const char *self, const char *says) {
        PyObject *text = PyObject_GetAttrString(type, "__text_signature__");
        const char *own = text != NULL && PyUnicode_Check(text) ? PyUnicode_AsUTF8(text) : NULL;
        char *made = NULL;
        size_t size;
        PyErr_Clear();
        if (own == NULL || own[0] != '(') {
            own = "()";
        }
        size = strlen(own) + strlen(name) + strlen(self) + strlen(says) + 16;
        made = (char *) PyMem_Malloc(size);
        if (made == NULL) {
            PyErr_NoMemory();
        }
        else {
            PyOS_snprintf(made, size, "%s(%s%s%s\\n--\\n\\n%s", name, self, own[1] == ')' ? "" : ", ", own + 1, says);
        }
        Py_XDECREF(text);
        return made;
    }

    static int interlock_tell_signature(PyObject *type) {
        PyObject *dict = ((PyTypeObject *) type)->tp_dict;
        PyObject *old = PyDict_GetItemString(dict, "__init__");
        PyObject *told;
        int failed = 0;
        if (old != NULL && Py_IS_TYPE(old, &PyWrapperDescr_Type)) {
            PyWrapperDescrObject *init = (PyWrapperDescrObject *) old;
            struct wrapperbase *base = (struct wrapperbase *) PyMem_Malloc(sizeof *base);
            if (base == NULL) {
                PyErr_NoMemory();
                return -1;
            }
            *base = *init->d_base;
            base->doc = interlock_signature_of(type, "__init__", "$self, /", "Takes the arguments of the class.");
            told = base->doc == NULL ? NULL : PyDescr_NewWrapper((PyTypeObject *) type, base, init->d_wrapped);
            failed = told == NULL || PyDict_SetItemString(dict, "__init__", told) < 0;
            Py_XDECREF(told);
        }
        old = PyDict_GetItemString(dict, "__new__");
        if (!failed && old != NULL && PyCFunction_CheckExact(old)) {
            PyMethodDef *method = (PyMethodDef *) PyMem_Malloc(sizeof *method);
            if (method == NULL) {
                PyErr_NoMemory();
                return -1;
            }
            *method = *((PyCFunctionObject *) old)->m_ml;
            method->ml_doc = interlock_signature_of(type, "__new__", "$type, /", "Create and return a new object.");
            told = method->ml_doc == NULL ? NULL : PyCFunction_NewEx(method, type, NULL);
            failed = told == NULL || PyDict_SetItemString(dict, "__new__", told) < 0;
            Py_XDECREF(told);
        }
        PyType_Modified((PyTypeObject *) type);
        return failed ? -1 : 0;
    }

    static int interlock_keep_name(PyObject *type, const char *name) {
        int failed = -1;
        PyObject *room = PyObject_GetAttrString(type, "__module__");
        PyObject *module = room == NULL ? NULL : PyImport_GetModule(room);
        PyObject *old = PyUnicode_FromStringAndSize(name, strrchr(name, '.') - name);
        if (module != NULL && old != NULL) {
            failed = PyObject_SetItem(PyImport_GetModuleDict(), old, module);
            ((PyTypeObject *) type)->tp_name = name;
        }
        Py_XDECREF(room);
        Py_XDECREF(module);
        Py_XDECREF(old);
        return failed < 0 ? failed : interlock_tell_signature(type);
    }
    """
    int interlock_keep_name(object type, const char *name) except -1
    int interlock_tell_signature(object type) except -1
