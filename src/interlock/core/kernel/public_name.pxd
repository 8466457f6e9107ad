# The module that a public class says it is of. People have it in pickles (by which a class is named and found) and in
# what they have printed, so it does not change with the room in which the class is written: it is the one of 0.1.

cdef extern from *:
    """
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
        return failed;
    }
    """
    int interlock_keep_name(object type, const char *name) except -1
