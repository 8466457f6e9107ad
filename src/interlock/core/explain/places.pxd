cimport cython

cdef extern from *:
    """
    #include <frameobject.h>
    #if PY_VERSION_HEX >= 0x030d0000
      #define interlock_settle(frame) ((void) 0)
    #else
      #define interlock_settle(frame) PyFrame_LocalsToFast((PyFrameObject *) (frame), 0)
    #endif
    """
    void interlock_settle(object frame)


@cython.final
cdef class Place:
    # Written once.
    cdef readonly str file
    cdef readonly int line
    cdef readonly str function
    cdef readonly str what


cdef bint is_it(object found, object primitive)
cdef list suspended_frames(object task)
cdef Place place_in(object frame)
cdef Place hold_in(object frame, object primitive, bint by_with=*)
cdef bint may_have_changed(object node, object expression, object frame, object primitive) except -1
cdef bint is_in_with(object frame, object primitive) except -1
cdef object loop_of(object party)
cdef dict scopes_of(str file, dict module_globals)
cdef object collect(object node, list into, dict scopes)
cdef list nodes_of(object frame)
cdef tuple position(object frame)
cdef tuple position_of(object code, int offset, object line)
cdef int entered_by(object code, int offset, tuple where) except -1
cdef list items_entered(object node, object code, int offset, tuple here)
cdef list held_in_step(object frame, int offset, object line)
cdef tuple start(object node)
cdef tuple end(object node)
cdef str name_at(object frame)
cdef str named(object expression)
cdef object look_up(object node, object frame)
cdef object attribute(object owner, str name)

# (file, how many lines it has) -> what `scopes_of` returns. Single operations on a dictionary are atomic.
cdef dict parsed
