cimport cython

# What the calling party is about to do. LOOK changes nothing, so two of them may change places.
cdef enum Operation:
    ACQUIRE       # take it, waiting or not
    RELEASE
    LOOK          # only ask: is it set, is it locked
    SET
    CLEAR
    WAIT          # join a queue, letting a lock go where there is one
    NOTIFY
    ARRIVE        # come to a barrier, or count a latch down
    CHANGE        # anything else that others can see

# Read by every operation; written only by `set_controller`.
cdef bint controlling


cdef class Controller:
    # Whether the calling thread is one that it controls. All others are asked in those threads alone.
    cdef bint mine(self) noexcept
    # Before an operation. Raises where the schedule is over; not for what only lets go or wakes.
    cdef int point(self, Operation operation, object what) except -1
    # After something that others may have waited for. Never raises.
    cdef void after(self, object what) noexcept
    # Block until the parker of `waiter` is free (1: taken) or `deadline` has passed (0).
    cdef int park(self, object waiter, long long deadline) except -1
    # The parker of `waiter` has been released. From any thread.
    cdef void unparked(self, object waiter) noexcept
    cdef long long now(self) noexcept
    # A wait that can never end is about to be refused. Raises where the schedule ends here.
    cdef int refused(self, str words) except -1
    # The schedule is over, and the calling thread on its way out: what blocks raises, and nothing is retried.
    cdef bint unwinding(self) noexcept


cdef Controller active()
cdef object set_controller(Controller controller)

# For the calling thread, where it is controlled; nothing where it is not.
cdef int point(Operation operation, object what) except -1
cdef void after(object what) noexcept
cdef int refused(str words) except -1
cdef bint controls() noexcept
cdef bint unwinding() noexcept
# 1: unparked, 0: the deadline has passed, 2: this thread is not controlled.
cdef int park(object waiter, long long deadline) except -1
cdef void unparked(object waiter) noexcept
# Monotonic nanoseconds; of its own time where the calling thread is controlled.
cdef long long now() noexcept
