"""A task's waiter: how a task stands in the same queue as threads, and what it sleeps in meanwhile.

A task that has to wait is one more kind of waiter, with the life that `core/kernel/waiter.py` describes, except that
it is never WOKEN (it gets a hand-off always, as asyncio promises strict order) and has one state more:

    GRANTED    out of the queue      -> TAKEN: by its own task, which runs again
                                     -> CANCELLED: by its own task, cancelled or destroyed, or by code that finds that
                                        its loop has been closed: the grant is passed on
    TAKEN      out of the queue      final; nothing can be passed on any more

Its parker is a bed, what its library lets a task wait for, which only the thread of its loop may touch. So an unpark
from a step of the same loop wakes the sleeper directly, and one from anywhere else (another thread, a signal handler
that may have interrupted the loop in its `select`) sends a `Delivery` to the loop. A delivery that is thrown away
unseen, because the loop is closed before it comes to it, passes the grant on in its finalizer.
"""

import cython
from cython.cimports.interlock.core.kernel.control import now
from cython.cimports.interlock.core.kernel.primitive import Primitive
from cython.cimports.interlock.core.kernel.private import has_plain_queue, put_into_queue, queue_of
from cython.cimports.interlock.core.kernel.probe import Observed
from cython.cimports.interlock.core.kernel.spare import interlock_keep_spares
from cython.cimports.interlock.core.kernel.timeouts import NEVER
from cython.cimports.interlock.core.kernel.waiter import Waiter
from cython.cimports.interlock.core.tasks.task import Library, TaskParty, calling_task, is_in_step_of

# Set when a task first sleeps: its library has been imported by then.
CancelledError = cython.declare(object, None)
Future = cython.declare(object, None)
trio = cython.declare(object, None)
wait_task_rescheduled = cython.declare(object, None)
trio_scope = cython.declare(object, None)
trio_time = cython.declare(object, None)

_on_cured: object = None  # told of tasks that another thread has woken
curing = cython.declare(cython.bint, False)  # whether anybody is

ATTEMPTS = cython.declare(cython.int, 100)  # more than signals can interrupt one call of a loop's


class TaskWaiter(Waiter):
    """A blocked task."""

    def __cinit__(self):
        self.is_task = True

    def __call__(self, raise_cancel: object = None) -> object:
        """Time is up: called by asyncio's timer. The task was cancelled: called by trio, with an argument."""
        if raise_cancel is None:
            return self.rouse()
        self.sleeper = None
        return trio.Abort.SUCCEEDED

    def ask(self):
        party: TaskParty = self.party
        question: Question = Question.__new__(Question)
        question.waiter = self
        loop = party.its_loop()
        try:
            if party.library == Library.TRIO:
                queue_of(loop).run_sync_soon(question)
            else:
                loop.call_soon_threadsafe(question)
        except (RuntimeError, AttributeError):
            pass  # its loop has ended

    def rouse(self):
        """Make the task run again, to see what has come. Nothing where it runs already. In the loop's thread."""
        sleeper = self.sleeper
        if sleeper is None:
            return
        self.sleeper = None
        if cython.cast(TaskParty, self.party).library == Library.TRIO:
            trio.reschedule(sleeper)
        else:
            cython.cast(AsyncioBed, sleeper).wake()

    def unpark(self, by: Observed) -> cython.bint:
        here: cython.bint = False
        try:
            # Without a sleeper it is about to sleep: this is a signal handler or a finalizer in the middle of its step.
            here = self.sleeper is not None and is_in_step_of(self.party)
            if here:
                self.unparked = True
                self.rouse()
        except BaseException as error:
            self.interruption = error  # a signal handler's, while the library ran
        if here:
            return True
        return self.unpark_there(cython.cast(Primitive, by))

    def unpark_there(self, by: Primitive) -> cython.bint:
        """Send a delivery to the loop. A signal handler may raise in the middle of that, and then nobody knows
        whether it went off: so it is sent again, and a second one finds nothing to do."""
        party: TaskParty = self.party
        delivery: Delivery = Delivery.__new__(Delivery)
        delivery.waiter = self
        delivery.primitive = by
        loop = party.its_loop()
        for _ in range(0 if loop is None else ATTEMPTS):
            try:
                if party.library == Library.TRIO:
                    queue_of(loop).run_sync_soon(delivery)
                else:
                    loop.call_soon_threadsafe(delivery)
                    if loop.is_closed():
                        break  # it may have been emptied between its look and what it appended
                    if curing:
                        tell_cured(by, loop)
                return True
            except BaseException as error:
                # RuntimeError is how both say that there is no such loop any more, trio by one of its own.
                if isinstance(error, RuntimeError) and (
                    type(error) is not RuntimeError if party.library == Library.TRIO else loop.is_closed()
                ):
                    break
                self.interruption = error
        delivery.waiter = None
        return False


def call_when_woken_from_afar(function: object) -> None:
    """Have ``function(primitive, loop)`` called when a thread, or another loop, has woken a task of ``loop``, a loop of
    asyncio's. None ends that. It is called by who has woken the task, and must not raise."""
    global _on_cured, curing
    _on_cured = function
    curing = function is not None


def tell_cured(by: Primitive, loop) -> cython.void:
    listener = _on_cured
    if listener is not None:
        listener(by, loop)


class Delivery:
    """An unpark on its way to the thread of the waiter's loop."""

    def __call__(self) -> None:
        waiter: TaskWaiter = self.waiter
        self.waiter = None
        if waiter is None:
            return
        waiter.unparked = True
        sleeper = waiter.sleeper
        if type(sleeper) is AsyncioBed:
            waiter.sleeper = None
            cython.cast(AsyncioBed, sleeper).wake_here()
        else:
            waiter.rouse()

    def __del__(self):
        waiter: TaskWaiter = self.waiter
        if waiter is not None:
            self.waiter = None
            self.primitive.withdraw(waiter)


class Question:
    """Has a waiting task look whether its owner can still come. In the thread of its loop."""

    def __call__(self) -> None:
        waiter: TaskWaiter = self.waiter
        if waiter is not None:
            waiter.look_again = True
            waiter.rouse()


def new_task_waiter(want: cython.long) -> TaskWaiter:
    waiter: TaskWaiter = TaskWaiter.__new__(TaskWaiter)
    waiter.party = calling_task()
    waiter.want = want
    return waiter


# --- beds ----------------------------------------------------------------------------------------------------


class AsyncioBed:
    """What a task of asyncio sleeps in, once.

    A task awaits a Future, which has the loop make a Handle in order to call the task back. This is both, as far as
    asyncio looks: a Future without a result and with one callback, and a Handle, which is put into the loop's queue
    as it is where that is known to make no difference.
    """

    # The Future.

    @property
    def __class__(self) -> type:
        # For `isinstance`: anyio leaves a task alone whose future is done, which has been woken and is about to run.
        return Future

    def get_loop(self) -> object:
        return self.loop

    def add_done_callback(self, callback: object, *, context: object) -> None:
        self.wakeup = callback
        self.context = context
        if self.over:
            self.schedule()  # a signal handler was quicker

    def done(self) -> bool:
        return self.over

    def cancelled(self) -> bool:
        return self.cancelling

    def cancel(self, msg: object = None) -> bool:
        if self.over or self.waiter is None:
            return False
        self.cancelling = True
        self.message = msg
        self.waiter.rouse()
        return True

    def result(self) -> None:
        if self.cancelling:
            raise CancelledError() if self.message is None else CancelledError(self.message)

    # The Handle.

    @property
    def _callback(self) -> object:
        return self.wakeup

    @property
    def _source_traceback(self) -> None:
        return None

    def _run(self) -> None:
        self.expected = False
        try:
            self.run_task()
        except (SystemExit, KeyboardInterrupt):
            raise
        except BaseException as error:
            message = f"Exception in callback {self.wakeup!r}"
            self.loop.call_exception_handler({"message": message, "exception": error})

    def run_in_context(self) -> None:
        """What a Handle of the loop's own calls, which has entered the context."""
        if self.scheduled:
            self.scheduled = False
            self.wakeup(self)

    def wake(self):
        """Let the task run again, after what the loop has to do before that."""
        self.over = True
        self.waiter = None
        if self.wakeup is not None:
            self.schedule()

    def wake_here(self):
        """Let the task run again now: the loop has just come to that, and is in no task's step."""
        self.over = True
        self.waiter = None
        if self.wakeup is not None:
            self.scheduled = True
            self.run_task()

    def schedule(self):
        self.scheduled = True
        if self.expected:
            return  # it is in the loop's queue already
        loop = self.loop
        if self.queue_is_plain():
            put_into_queue(loop, self)
            return
        # A signal handler may raise in the middle, and then nobody knows whether it is under way: a second one finds
        # nothing to do.
        raised = None
        for _ in range(ATTEMPTS):
            try:
                loop.call_soon(self.run_in_context, context=self.context)
                break
            except BaseException as error:
                raised = error
                if loop.is_closed():
                    break
        if raised is not None:
            raise raised

    def queue_is_plain(self) -> cython.bint:
        party: TaskParty = self.party
        if not party.queue_known:
            party.queue_plain = has_plain_queue(self.loop)
            party.queue_known = True
        return party.queue_plain

    def expect(self):
        """Take a place in the loop's queue for a wake-up that is likely to come before its turn does.

        If it does not, the turn passes, and the task is scheduled when it comes.
        """
        if not self.expected and self.wakeup is not None and self.queue_is_plain():
            self.expected = True
            put_into_queue(self.loop, self)

    def run_task(self):
        if self.scheduled:
            self.scheduled = False
            self.context.run(self.wakeup, self)


def new_asyncio_bed(waiter: TaskWaiter, loop) -> AsyncioBed:
    if CancelledError is None:
        find_asyncio()
    bed: AsyncioBed = AsyncioBed.__new__(AsyncioBed)
    bed._asyncio_future_blocking = True
    bed.party = waiter.party
    bed.loop = loop
    bed.waiter = waiter
    return bed


def expect_all(queue: Primitive):
    """Many tasks stand in a queue whose head will soon be served, and each will serve the next.

    Those of the calling task's loop take their places in that loop's queue now. So one round of the loop sees all of
    them through, where each would else have had to wait for the round after that of the one before it.
    """
    party: TaskParty = calling_task()
    if party.library != Library.ASYNCIO:
        return
    loop = party.its_loop()
    for waiter in queue.queued():
        if not isinstance(waiter, TaskWaiter):
            continue
        other: TaskParty = cython.cast(TaskWaiter, waiter).party
        if other.its_loop() is loop:
            bed = cython.cast(TaskWaiter, waiter).sleeper
            if type(bed) is AsyncioBed:
                cython.cast(AsyncioBed, bed).expect()


class TrioBed:
    """What a task of trio sleeps in: a trap, and around it a scope where there is a deadline or it must stay asleep
    though cancelled. trio has no timer for others to use."""

    def lie_down(self, waiter: TaskWaiter, deadline: cython.longlong, shielded: cython.bint):
        if trio is None:
            find_trio_trap()
        if deadline != NEVER:
            self.scope = trio_scope(deadline=trio_time() + max(0, deadline - now()) * 1e-9)
            self.scope.__enter__()
        elif shielded:
            self.scope = trio_scope(shield=True)
            self.scope.__enter__()
        try:
            self.trap = wait_task_rescheduled(waiter)
            return self.trap.send(None)
        except BaseException as error:
            # A signal handler's: the scope must not stay entered.
            if self.scope is not None:
                self.scope.__exit__(type(error), error, error.__traceback__)
            raise

    def rise(self, sent, error):
        """Leave both. Returns what was raised and is not ours: the cancellation by our own scope is."""
        try:
            if error is None:
                self.trap.send(sent)
            else:
                self.trap.throw(error)
        except StopIteration:
            pass
        except BaseException as raised:
            error = raised
        scope = self.scope
        if scope is not None:
            try:
                if error is None:
                    scope.__exit__(None, None, None)
                elif scope.__exit__(type(error), error, error.__traceback__):
                    error = None
            except BaseException as raised:
                error = raised
        return error


def find_asyncio():
    global CancelledError, Future
    from asyncio import CancelledError as found
    from asyncio import Future as found_future

    Future = found_future
    CancelledError = found


def find_trio_trap():
    global trio, wait_task_rescheduled, trio_scope, trio_time
    from trio import CancelScope, current_time, lowlevel

    wait_task_rescheduled = lowlevel.wait_task_rescheduled
    trio_scope = CancelScope
    trio_time = current_time
    trio = lowlevel


interlock_keep_spares(TaskWaiter)
interlock_keep_spares(AsyncioBed)
