# What lies in a queue: a ring of references in memory of its own, or a heap in the same memory. Nothing here runs anybody's
# code, makes an object or lets the last reference to one go, so all of it may be called in a critical section.
#
#   ring   slots[start], and on from there, round the end   the oldest first; the `back` first ones were given back
#   heap   slots[0] up to slots[count - back]               as `heapq` has it; behind it `back` items in no order yet
#
# An item that is given back by a getter which never came for it was put in before all that lie in the ring now, since the
# ring was empty then; among several of that kind `turns` tells which was handed out first.

cdef extern from *:
    """
    #include <string.h>

    typedef struct {
        PyObject **slots;
        unsigned long long *turns;
        unsigned int start, count, capacity, back;
    } interlock_items;

    #define INTERLOCK_KEPT 512  /* so many slots an empty queue keeps for the next time */

    static inline PyObject **interlock_slot(interlock_items *items, unsigned int index) {
        return items->slots + ((items->start + index) & (items->capacity - 1));
    }

    /* Room for `more`. 0: no memory. */
    static int interlock_items_grow(interlock_items *items, size_t more) {
        size_t capacity = items->capacity ? items->capacity : 8;
        PyObject **slots;
        unsigned int first;
        while (capacity < items->count + more) {
            capacity *= 2;
        }
        if (capacity > 0x80000000u || (slots = (PyObject **) PyMem_RawMalloc(capacity * sizeof(PyObject *))) == NULL) {
            return 0;
        }
        first = items->capacity - items->start;
        if (first > items->count) {
            first = items->count;
        }
        if (items->count != 0) {
            memcpy(slots, items->slots + items->start, first * sizeof(PyObject *));
            memcpy(slots + first, items->slots, (items->count - first) * sizeof(PyObject *));
        }
        PyMem_RawFree(items->slots);
        items->slots = slots;
        items->start = 0;
        items->capacity = (unsigned int) capacity;
        return 1;
    }

    static inline int interlock_items_fit(interlock_items *items, size_t more) {
        return items->count + more <= items->capacity || interlock_items_grow(items, more);
    }

    /* There is room. */
    static inline void interlock_items_push(interlock_items *items, PyObject *item) {
        *interlock_slot(items, items->count) = Py_NewRef(item);
        items->count++;
    }

    static inline void interlock_items_emptied(interlock_items *items) {
        if (items->capacity > INTERLOCK_KEPT) {
            PyMem_RawFree(items->slots);
            items->slots = NULL;
            items->capacity = 0;
        }
        items->start = 0;
    }

    /* There is one. */
    static inline PyObject *interlock_items_pop_first(interlock_items *items) {
        PyObject *item = items->slots[items->start];
        items->start = (items->start + 1) & (items->capacity - 1);
        items->count--;
        if (items->back != 0) {
            items->back--;
            if (items->turns != NULL) {
                memmove(items->turns, items->turns + 1, items->back * sizeof(*items->turns));
            }
        }
        if (items->count == 0) {
            interlock_items_emptied(items);
        }
        return item;
    }

    static inline PyObject *interlock_items_pop_last(interlock_items *items) {
        PyObject *item = *interlock_slot(items, --items->count);
        if (items->back > items->count) {
            items->back = items->count;
        }
        if (items->count == 0) {
            interlock_items_emptied(items);
        }
        return item;
    }

    /* Into its place among those that were given back. 0: no memory. */
    static int interlock_items_put_back(interlock_items *items, PyObject *item, unsigned long long turn) {
        unsigned int place = items->back, i;
        unsigned long long *turns;
        if (!interlock_items_fit(items, 1)
            || (turns = (unsigned long long *) PyMem_RawRealloc(items->turns, (items->back + 1) * sizeof(*turns))) == NULL) {
            return 0;
        }
        items->turns = turns;
        items->start = (items->start - 1) & (items->capacity - 1);
        items->count++;
        while (place > 0 && turns[place - 1] > turn) {
            turns[place] = turns[place - 1];
            place--;
        }
        turns[place] = turn;
        items->back++;
        for (i = 0; i < place; i++) {
            *interlock_slot(items, i) = *interlock_slot(items, i + 1);
        }
        *interlock_slot(items, place) = Py_NewRef(item);
        return 1;
    }

    static inline PyObject *interlock_items_at(interlock_items *items, unsigned int index) {
        return Py_NewRef(*interlock_slot(items, index));
    }

    /* Takes all away. What `taken` holds has to be given up with `interlock_items_free`. */
    static inline void interlock_items_take(interlock_items *items, interlock_items *taken) {
        *taken = *items;
        memset(items, 0, sizeof(*items));
    }

    /* Outside every critical section. */
    static void interlock_items_free(interlock_items *items) {
        interlock_items gone;
        interlock_items_take(items, &gone);
        while (gone.count != 0) {
            Py_DECREF(interlock_items_pop_first(&gone));
        }
        PyMem_RawFree(gone.slots);
        PyMem_RawFree(gone.turns);
    }

    /* The collector is to see what lies in a queue. All classes of queues have their references where the first has them. */
    static traverseproc interlock_cython_traverse;
    static inquiry interlock_cython_clear;
    static size_t interlock_items_offset;

    static int interlock_queue_traverse(PyObject *self, visitproc visit, void *arg) {
        interlock_items *items = (interlock_items *) ((char *) self + interlock_items_offset);
        unsigned int i;
        for (i = 0; i < items->count; i++) {
            Py_VISIT(*interlock_slot(items, i));
        }
        return interlock_cython_traverse(self, visit, arg);
    }

    static int interlock_queue_clear(PyObject *self) {
        interlock_items_free((interlock_items *) ((char *) self + interlock_items_offset));
        return interlock_cython_clear(self);
    }

    static void interlock_show_items(PyObject *type, PyObject *example, interlock_items *its_items) {
        if (interlock_cython_traverse == NULL) {
            interlock_items_offset = (size_t) ((char *) its_items - (char *) example);
            interlock_cython_traverse = ((PyTypeObject *) type)->tp_traverse;
            interlock_cython_clear = ((PyTypeObject *) type)->tp_clear;
        }
        ((PyTypeObject *) type)->tp_traverse = interlock_queue_traverse;
        ((PyTypeObject *) type)->tp_clear = interlock_queue_clear;
    }

    /* --- the heap ------------------------------------------------------------------------------------------------ */

    static inline int interlock_order_kind(PyObject *item) {
        return PyLong_CheckExact(item) || PyFloat_CheckExact(item) ? 1 : PyUnicode_CheckExact(item) ? 2
            : PyBytes_CheckExact(item) ? 3 : 0;
    }

    /* Whether a < b, where nobody's code has to run to know that; else -1. */
    static int interlock_less(PyObject *a, PyObject *b) {
        int kind = interlock_order_kind(a), equal;
        Py_ssize_t i;
        if (kind != 0 && kind == interlock_order_kind(b)) {
            return PyObject_RichCompareBool(a, b, Py_LT);
        }
        if (!PyTuple_CheckExact(a) || !PyTuple_CheckExact(b)) {
            return -1;
        }
        for (i = 0; i < PyTuple_GET_SIZE(a) && i < PyTuple_GET_SIZE(b); i++) {
            PyObject *x = PyTuple_GET_ITEM(a, i), *y = PyTuple_GET_ITEM(b, i);
            if (x == y) {
                continue;
            }
            kind = interlock_order_kind(x);
            if (kind == 0 || kind != interlock_order_kind(y)) {
                return -1;
            }
            equal = PyObject_RichCompareBool(x, y, Py_EQ);
            if (equal < 0) {
                return -1;
            }
            if (!equal) {
                return PyObject_RichCompareBool(x, y, Py_LT);
            }
        }
        return PyTuple_GET_SIZE(a) < PyTuple_GET_SIZE(b);
    }

    /* A path is the slots that move: each takes what the next one has, and the last takes the item that finds its place.
       Returns how many there are beside the first, or -1 where somebody's code has to run. */

    /* From slot `at`, which is free, up to the place of `item`. */
    static int interlock_heap_up(interlock_items *items, unsigned int at, PyObject *item, unsigned int *path) {
        int length = 0, less;
        path[0] = at;
        while (at > 0) {
            at = (at - 1) / 2;
            less = interlock_less(item, items->slots[at]);
            if (less < 0) {
                return -1;
            }
            if (!less) {
                break;
            }
            path[++length] = at;
        }
        return length;
    }

    /* From slot 0, which is free, down to the place of the item behind the first `size`, as heapq goes: to the ground, and up again from there. */
    static int interlock_heap_down(interlock_items *items, unsigned int size, unsigned int *path) {
        PyObject *last = items->slots[size];
        unsigned int at = 0;
        int length = 0, less;
        path[0] = 0;
        while (2 * at + 1 < size) {
            at = 2 * at + 1;
            if (at + 1 < size) {
                less = interlock_less(items->slots[at], items->slots[at + 1]);
                if (less < 0) {
                    return -1;
                }
                at += !less;
            }
            path[++length] = at;
        }
        while (length > 0) {
            less = interlock_less(last, items->slots[path[length]]);
            if (less < 0) {
                return -1;
            }
            if (!less) {
                break;
            }
            length--;
        }
        return length;
    }

    static inline void interlock_heap_move(interlock_items *items, unsigned int *path, int length, PyObject *item) {
        int i;
        for (i = 0; i < length; i++) {
            items->slots[path[i]] = items->slots[path[i + 1]];
        }
        items->slots[path[length]] = item;
    }

    /* A new item goes along `path`, which begins behind the heap; nothing lies there in no order. There is room. */
    static inline void interlock_heap_add(interlock_items *items, unsigned int *path, int length, PyObject *item) {
        items->count++;
        interlock_heap_move(items, path, length, Py_NewRef(item));
    }

    /* The first of those without an order goes along `path`, which begins where it is. */
    static inline void interlock_heap_settle(interlock_items *items, unsigned int *path, int length) {
        items->back--;
        interlock_heap_move(items, path, length, items->slots[path[0]]);
    }

    /* The least goes; the last of the heap goes along `path`. Nothing lies behind the heap in no order. */
    static inline PyObject *interlock_heap_pop(interlock_items *items, unsigned int *path, int length) {
        PyObject *least = items->slots[0], *last = items->slots[--items->count];
        if (items->count == 0) {
            interlock_items_emptied(items);
        }
        else {
            interlock_heap_move(items, path, length, last);
        }
        return least;
    }

    /* The heap is what `rest` is, a list of some of the items that lie in it now. It gives up its references to the others. */
    static inline void interlock_heap_become(interlock_items *items, PyObject *rest) {
        unsigned int i;
        items->count = (unsigned int) PyList_GET_SIZE(rest);
        items->back = 0;
        for (i = 0; i < items->count; i++) {
            items->slots[i] = PyList_GET_ITEM(rest, i);
        }
        if (items->count == 0) {
            interlock_items_emptied(items);
        }
    }

    /* One goes whose place among the others has not been looked for: the first of them. */
    static inline PyObject *interlock_heap_pop_loose(interlock_items *items) {
        unsigned int place = items->count - items->back;
        PyObject *item = items->slots[place];
        items->count--;
        items->back--;
        memmove(items->slots + place, items->slots + place + 1, items->back * sizeof(PyObject *));
        if (items->count == 0) {
            interlock_items_emptied(items);
        }
        return item;
    }
    """
    ctypedef struct interlock_items:
        unsigned int count
        unsigned int back
    bint interlock_items_fit(interlock_items *items, size_t more) noexcept
    void interlock_items_push(interlock_items *items, object item) noexcept
    object interlock_items_pop_first(interlock_items *items)
    object interlock_items_pop_last(interlock_items *items)
    bint interlock_items_put_back(interlock_items *items, object item, unsigned long long turn) noexcept
    object interlock_items_at(interlock_items *items, unsigned int index)
    void interlock_items_take(interlock_items *items, interlock_items *taken) noexcept
    void interlock_items_free(interlock_items *items) noexcept
    void interlock_show_items(object type, object example, interlock_items *its_items) noexcept
    int interlock_heap_up(interlock_items *items, unsigned int at, object item, unsigned int *path) noexcept
    int interlock_heap_down(interlock_items *items, unsigned int size, unsigned int *path) noexcept
    void interlock_heap_add(interlock_items *items, unsigned int *path, int length, object item) noexcept
    void interlock_heap_settle(interlock_items *items, unsigned int *path, int length) noexcept
    object interlock_heap_pop(interlock_items *items, unsigned int *path, int length)
    object interlock_heap_pop_loose(interlock_items *items)
    void interlock_heap_become(interlock_items *items, list rest) noexcept
