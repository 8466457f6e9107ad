cimport cython
from interlock.core.task cimport TaskParty
from interlock.core.waiting cimport Primitive, Waiter


@cython.final
cdef class TaskWaiter(Waiter):
    # These two belong to the thread in which the task's loop runs.
    cdef bint last_to_run  # written by the primitive, read by its own task: granted at once, to run after others
    cdef bint unparked     # for good: a task is unparked once, when it has been granted what it waits for
    cdef object sleeper    # while asleep: its AsyncioBed, or trio's task
    cdef object rouse(self)
    cdef bint unpark_there(self, Primitive by) noexcept


@cython.final
cdef class Question:
    cdef TaskWaiter waiter


@cython.final
cdef class LoopWatch:
    cdef object loop
    cdef object key
    cdef object __weakref__
    cdef bint look(self) except -1
    cdef bint asks(self, TaskWaiter waiter) except -1


# The address of a loop of which a task waits for an owner -> a weak reference to its LoopWatch. Single operations on a
# dictionary are atomic.
cdef dict watches
cdef object keep_watch(TaskParty party)
cdef TaskWaiter new_task_waiter(long want)


@cython.final
cdef class Delivery:
    cdef TaskWaiter waiter
    cdef Primitive primitive


cdef enum CallState:
    OVER       # also while it runs, and what nobody has begun to make
    NEW
    SLEEPING


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
    cdef object guard

    cdef object advance(self, object sent, object error)
    cdef object rise(self, object sent, object error)
    cdef object begin(self)
    cdef object end(self, object error)
    cdef object abandon(self)
    cdef object let_others_run(self)
    cdef str call_name(self)
    cdef object sleep(self)
    cdef object sleep_in_trio(self, TaskParty party)
    cdef bint time_is_up(self) noexcept
    cdef long long waited(self) noexcept


cdef Call new_call(Primitive primitive, TaskWaiter waiter)
cdef Call acquire(Primitive primitive, long want, double seconds)
cdef Call enter(Primitive primitive, long want)
cdef Call in_line(Primitive primitive, TaskWaiter waiter, long long deadline)
cdef Call park(TaskWaiter waiter, long long deadline)
cdef Call shielded_park(TaskWaiter waiter)


@cython.final
cdef class AsyncioBed:
    # All of it belongs to the thread of the loop. Nothing here outlives the sleep: who keeps it keeps the task.
    cdef public bint _asyncio_future_blocking
    cdef readonly bint _cancelled    # the Handle: it never is
    cdef bint over                   # the Future is done
    cdef bint scheduled              # the Handle has yet to run
    cdef bint cancelling
    cdef object message              # of the cancellation
    cdef object wakeup               # of the task
    cdef object context              # in which to call it
    cdef TaskParty party
    cdef object loop
    cdef TaskWaiter waiter           # until it is over
    cdef object wake(self)
    cdef object wake_here(self)
    cdef object schedule(self)
    cdef object run_task(self)


cdef AsyncioBed new_asyncio_bed(TaskWaiter waiter, object loop)


@cython.final
cdef class TrioBed:
    cdef object trap
    cdef object scope
    cdef object lie_down(self, TaskWaiter waiter, long long deadline, bint shielded)
    cdef object rise(self, object sent, object error)


@cython.final
cdef class Guard:
    cdef Primitive primitive
    cdef TaskWaiter waiter


cdef Guard guard(Primitive primitive, TaskWaiter waiter)


@cython.final
cdef class Done:
    pass


# What an asynchronous call that is done already returns to be awaited. There is one.
cdef Done DONE

cdef object resume(object coroutine, object sent, int *over)
cdef bint is_new(object coroutine) noexcept
cdef bint never_awaited(object coroutine) except -1
cdef object find_asyncio()
cdef bint has_plain_queue(object loop) except -1
cdef bint is_function_of(object function, object module) except -1
cdef object find_trio_trap()
cdef object stop_or(object result, CallState state)
cdef object as_error(object kind, object value, object traceback)
cdef str named_as(str call_name, str attribute)
cdef str described(str call_name, CallState state, object address)
