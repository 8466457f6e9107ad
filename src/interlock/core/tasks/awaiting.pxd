cimport cython
from interlock.core.tasks.task cimport TaskParty
from interlock.core.tasks.task_waiter cimport TaskWaiter
from interlock.core.kernel.primitive cimport Primitive
from interlock.core.kernel.waiter cimport Waiter


cdef enum CallState:
    OVER       # also while it runs, and what nobody has begun to make
    NEW
    SLEEPING
    CHECKING   # in a task of trio: in the first half of a checkpoint, and nothing has been taken yet
    RESTING    # likewise, in the second: what it wanted it has


@cython.final
cdef class Call:
    cdef CallState state
    cdef bint awaited         # by a coroutine, which closes it when it goes
    cdef bint shielded
    cdef bint entering        # `async with`
    cdef long want
    cdef double seconds       # timeout, from when it is awaited; less than 0: none
    cdef long long deadline
    cdef long long began      # while the probe is on
    cdef Primitive primitive
    cdef TaskWaiter waiter    # once there is one
    cdef object bed           # while SLEEPING: asyncio's timer if there is a deadline, or the TrioBed
    cdef object half          # while CHECKING or RESTING: trio's coroutine for that
    cdef object result        # while RESTING: what it returns then

    cdef object advance(self, object sent, object error)
    cdef object rise(self, object sent, object error)
    cdef object begin(self)
    cdef object check(self)
    cdef object begin_in_trio(self)
    cdef object go_on(self, CallState before, object sent, object error)
    cdef object give_back(self)
    cdef object end(self, object error)
    cdef object abandon(self)
    cdef object let_others_run(self)
    cdef str call_name(self)
    cdef object sleep(self)
    cdef object sleep_in_trio(self, TaskParty party)
    cdef bint time_is_up(self) noexcept
    cdef long long waited(self) noexcept


cdef Call new_call(Primitive primitive, TaskWaiter waiter)
cdef Call acquire_call(Primitive primitive, long want, double seconds)
cdef Call enter_call(Primitive primitive, long want)
cdef Call in_line(Primitive primitive, TaskWaiter waiter, long long deadline)
cdef Call park(TaskWaiter waiter, long long deadline)
cdef Call shielded_park(TaskWaiter waiter)


@cython.final
cdef class Done:
    pass


# What an asynchronous call that is done already returns to be awaited. There is one.
cdef Done DONE

cdef object resume(object coroutine, object sent, int *over)
cdef bint is_unfinished(object coroutine) noexcept
cdef bint finish(object coroutine) except -1
cdef object stop_or(object result, CallState state)
cdef object as_error(object kind, object value, object traceback)
cdef str named_as(str call_name, str attribute)
cdef str described(str call_name, CallState state, object address)
