cimport cython
from interlock.core.tasks.task cimport TaskParty
from interlock.core.kernel.primitive cimport Primitive
from interlock.core.kernel.waiter cimport Waiter


@cython.final
cdef class TaskWaiter(Waiter):
    # These two belong to the thread in which the task's loop runs.
    cdef bint last_to_run  # written by the primitive, read by its own task: granted at once, to run after others
    cdef bint unparked     # for good: a task is unparked once, when it has been granted what it waits for
    cdef object sleeper    # while asleep: its AsyncioBed, or trio's task
    cdef object rouse(self)
    cdef bint unpark_there(self, Primitive by) noexcept


@cython.final
cdef class Delivery:
    cdef TaskWaiter waiter
    cdef Primitive primitive


@cython.final
cdef class Question:
    cdef TaskWaiter waiter


cdef TaskWaiter new_task_waiter(long want)


@cython.final
cdef class AsyncioBed:
    # All of it belongs to the thread of the loop. Nothing here outlives the sleep: who keeps it keeps the task.
    cdef public bint _asyncio_future_blocking
    cdef readonly bint _cancelled    # the Handle: it never is
    cdef bint over                   # the Future is done
    cdef bint scheduled              # the Handle has yet to run
    cdef bint expected               # it is in the loop's queue, scheduled or not
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
    cdef object expect(self)
    cdef bint queue_is_plain(self) except -1
    cdef object run_task(self)


cdef object expect_all(Primitive queue)
cdef AsyncioBed new_asyncio_bed(TaskWaiter waiter, object loop)


@cython.final
cdef class TrioBed:
    cdef object trap
    cdef object scope
    cdef object lie_down(self, TaskWaiter waiter, long long deadline, bint shielded)
    cdef object rise(self, object sent, object error)


cdef object find_asyncio()
cdef object find_trio_trap()
cdef void tell_cured(Primitive by, object loop) noexcept
