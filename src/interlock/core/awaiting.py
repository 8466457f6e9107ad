"""Waiting without blocking: how a task stands in the same queue as threads.

A task that has to wait is a `TaskWaiter`: one more kind of waiter, with the life that `core/waiting.py` describes,
except that it is never WOKEN (it gets a hand-off always, as asyncio promises strict order) and has one state more:

    GRANTED    out of the queue      -> TAKEN: by its own task, which runs again
                                     -> CANCELLED: by its own task, cancelled or destroyed, or by whoever finds that
                                        its loop has been closed: the grant is passed on
    TAKEN      out of the queue      final; nothing can be passed on any more

Its parker is what its library waits on, which only the thread of its loop may touch. So an unpark from a step of
the same loop wakes the sleeper directly, and one from anywhere else (another thread, a signal handler that may have
interrupted the loop in its `select`) sends a `Delivery` to the loop. A delivery that is thrown away unseen, because
the loop is closed before it comes to it, passes the grant on in its finalizer.

What an asynchronous method returns is a `Call`, a coroutine by hand: those that Cython makes of `async def` cost
1.2 of what asyncio's own hand-off does. `acquire` makes one that is a whole wait, as `Primitive.block` is for a
thread; `in_line` one for a waiter that is in the queue already (`wait_in_line`); `park` one that is the bare parking
(`ThreadWaiter.park`), for what has more to do in between. A call that need not wait returns `DONE`, or ends in its
first step.

A call does nothing before it is awaited. It ends in one of four ways: it returns, it raises what was thrown into it
(a cancellation), it is closed, or it is destroyed with its task; in the last three its waiter is withdrawn.
"""

import collections.abc
import warnings
import weakref

import cython
from cython.cimports.cpython.long import PyLong_FromVoidPtr
from cython.cimports.interlock.core.coroutine import interlock_coroutines_setup, interlock_make_coroutine
from cython.cimports.interlock.core.native import interlock_now
from cython.cimports.interlock.core.party import Party, living
from cython.cimports.interlock.core.probe import Happening, happened, probing, wanted
from cython.cimports.interlock.core.task import Library, TaskParty, calling_task, is_in_step_of
from cython.cimports.interlock.core.waiting import (
    CANCELLED,
    GRANTED,
    NEVER,
    TAKEN,
    Primitive,
    Waiter,
    begin_wait,
    deadline_in,
    end_wait,
)

from interlock.core.waiting import DeadlockError

# Set when a task first sleeps: its library has been imported by then.
Future = cython.declare(object, None)
trio = cython.declare(object, None)
wait_task_rescheduled = cython.declare(object, None)
trio_scope = cython.declare(object, None)
trio_time = cython.declare(object, None)

LOOK_AGAIN = cython.declare(cython.double, 0.5)  # seconds
watches = {}
ATTEMPTS = cython.declare(cython.int, 100)  # more than signals can interrupt one call of a loop's


# --- the waiter ----------------------------------------------------------------------------------------------


class TaskWaiter(Waiter):
    """A blocked task."""

    def __cinit__(self):
        self.strict = True

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
                loop.run_sync_soon(question)
            else:
                loop.call_soon_threadsafe(question)
        except (RuntimeError, AttributeError):
            pass  # its loop has ended

    def rouse(self):
        """Make the task run again, to see what has come. Nothing where it runs already. In the loop's thread."""
        sleeper = self.sleeper
        if sleeper is None:
            return
        if cython.cast(TaskParty, self.party).library == Library.TRIO:
            self.sleeper = None
            trio.reschedule(sleeper)
        elif not sleeper.done():
            sleeper.set_result(None)

    def unpark(self, by: Primitive) -> cython.bint:
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
        return self.unpark_there(by)

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
                    loop.run_sync_soon(delivery)
                else:
                    loop.call_soon_threadsafe(delivery)
                    if loop.is_closed():
                        break  # it may have been emptied between its look and what it appended
                return True
            except BaseException as error:
                # RuntimeError is how both say that there is no such loop any more; trio's has no other reason.
                if isinstance(error, RuntimeError) and (party.library == Library.TRIO or loop.is_closed()):
                    break
                self.interruption = error
        delivery.waiter = None
        return False


class Delivery:
    """An unpark on its way to the thread of the waiter's loop."""

    def __call__(self) -> None:
        waiter: TaskWaiter = self.waiter
        self.waiter = None
        if waiter is not None:
            waiter.unparked = True
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


class LoopWatch:
    """Asks twice a second, for the waiting tasks of one loop, whether their owners can still come.

    One timer for all of them, which stops when none of them waits: a timer for each would cost as much as its wait.
    """

    def __call__(self) -> None:
        """A look, by asyncio's timer."""
        if self.look():
            self.loop.call_later(LOOK_AGAIN, self)

    def look(self) -> cython.bint:
        """Whether to go on looking. In the thread of the loop."""
        waiting: cython.bint = False
        for each in list(living.values()):
            if isinstance(each, TaskParty) and cython.cast(TaskParty, each).its_loop() is self.loop:
                waiter = cython.cast(Party, each).wait
                if isinstance(waiter, TaskWaiter) and self.asks(waiter):
                    waiting = True
        if not waiting:
            watches.pop(self.key, None)
        return waiting

    def asks(self, waiter: TaskWaiter) -> cython.bint:
        """Have it look itself, where it has to. False: it does not wait for an owner."""
        at: Primitive = waiter.at.leads_to()
        queued: cython.bint
        with cython.critical_section(at):
            queued = waiter.queue is at
        if not queued or not at.has_owners() or (waiter.timed and waiter.at is at):
            return False
        try:
            at.check_block(waiter)
        except DeadlockError:
            waiter.refused = False
            waiter.look_again = True
            waiter.rouse()
        return True


async def watch_in_trio(watch: LoopWatch) -> None:
    from trio import sleep

    while watch.look():
        await sleep(LOOK_AGAIN)


def keep_watch(party: TaskParty):
    """Look now and then for the tasks of this loop, of which one waits for an owner. In a step of one of them."""
    loop = party.its_loop()
    key = PyLong_FromVoidPtr(cython.cast(cython.p_void, loop))
    found = watches.get(key)
    if found is not None and found() is not None:
        return
    for other, reference in list(watches.items()):
        if reference() is None:
            watches.pop(other, None)
    # The timer keeps it, and goes with the loop.
    watch: LoopWatch = LoopWatch.__new__(LoopWatch)
    watch.loop = loop
    watch.key = key
    watches[key] = weakref.ref(watch)
    try:
        if party.library == Library.TRIO:
            if trio is None:
                find_trio_trap()
            trio.spawn_system_task(watch_in_trio, watch, name="interlock.look_again")
        else:
            loop.call_later(LOOK_AGAIN, watch)
    except BaseException:
        watches.pop(key, None)
        raise


def new_task_waiter(want: cython.long) -> TaskWaiter:
    waiter: TaskWaiter = TaskWaiter.__new__(TaskWaiter)
    waiter.party = calling_task()
    waiter.want = want
    return waiter


# --- the coroutine -------------------------------------------------------------------------------------------


def stop_or(result, state: CallState):
    """`result`, as what a coroutine in this state yields or returns."""
    if state == CallState.OVER:
        raise StopIteration(result)
    return result


def as_error(kind, value, traceback):
    """The exception that `throw(kind, value, traceback)` means."""
    error = value if value is not None else kind() if isinstance(kind, type) else kind
    return error if traceback is None else error.with_traceback(traceback)


def named_as(call_name: str, attribute: str) -> str:
    # A coroutine has these, and debuggers ask; Cython has no properties of these names.
    if attribute == "__name__" or attribute == "__qualname__":
        return call_name
    raise AttributeError(f"a call of interlock has no attribute {attribute!r}")


def described(call_name: str, state: CallState, address) -> str:
    words = "not awaited yet" if state == CallState.NEW else "over" if state == CallState.OVER else "waiting"
    return f"<interlock call {call_name} {words} at {address:#x}>"


def never_awaited(call_name: str):
    warnings.warn(f"{call_name} was never awaited", RuntimeWarning, stacklevel=1)


class Call:
    """An asynchronous call: a coroutine by hand. To be awaited once, or to be made a task of.

    With a primitive: get what it has to give, waiting for it in its queue. True: granted; False: the time was up. As
    the awaitable of `async with` it returns None. A waiter that it has from the start is in the queue already.

    Without one: park its waiter. True: unparked; False: the time was up. What is thrown into it leaves the waiter
    where it is.
    """

    def __dealloc__(self):
        if self.state == CallState.NEW and self.waiter is None:
            never_awaited(self.call_name())

    def __await__(self) -> object:
        if self.state == CallState.SLEEPING:
            # Whoever went on with it now would wake the one who waits, with nothing.
            raise RuntimeError(f"{self.call_name()} is being awaited already")
        self.awaited = True
        return self

    def __next__(self) -> object:
        # Not called by `next`: `interlock_make_coroutine` below has put something quicker into the slot.
        return self.send(None)

    def send(self, value: object) -> object:
        """As a coroutine's."""
        return stop_or(self.advance(value, None), self.state)

    def throw(self, kind: object, value: object = None, traceback: object = None) -> object:
        """As a coroutine's."""
        return stop_or(self.advance(None, as_error(kind, value, traceback)), self.state)

    def close(self) -> None:
        """As a coroutine's."""
        before: CallState = self.state
        self.state = CallState.OVER
        if before == CallState.SLEEPING:
            self.abandon()

    def __getattr__(self, name: str) -> str:
        return named_as(self.call_name(), name)

    def __repr__(self):
        return described(self.call_name(), self.state, id(self))

    def advance(self, sent, error):
        """Run until the next yield, which leaves it SLEEPING, or to the end, which leaves it OVER."""
        before: CallState = self.state
        if before == CallState.OVER:
            raise RuntimeError(f"cannot await {self.call_name()} a second time")
        self.state = CallState.OVER
        if before == CallState.NEW:
            if error is not None:
                raise error
            return self.begin()
        self.waiter.sleeper = None
        if self.bed is not None:
            error = self.rise(sent, error)
        return self.end(error)

    def rise(self, sent, error):
        """Leave what it slept in. Returns `error`, or what was raised meanwhile."""
        bed = self.bed
        self.bed = None
        if type(bed) is TrioBed:
            return cython.cast(TrioBed, bed).rise(sent, error)
        try:
            bed.cancel()
        except BaseException as raised:
            return raised
        return error

    def call_name(self) -> str:
        if self.primitive is None:
            return "park"
        kind = type(self.primitive).__name__
        return f"{kind}.{'acquire' if hasattr(self.primitive, 'acquire') else 'wait'}_async"

    def begin(self):
        """The first step. Returns what the call returns, or what to yield."""
        primitive: Primitive = self.primitive
        if primitive is None:
            return True if self.waiter.unparked or self.waiter.look_again else self.sleep()
        if self.waiter is None:
            # What `async with` wants was said before there was a call.
            if probing and self.seconds < 0 and not self.entering and primitive.has_owners():
                wanted(primitive)
            if primitive.take_now(self.want):
                return None if self.entering else True
            if self.seconds == 0:
                return primitive.take_past(self.want)
            self.deadline = NEVER if self.seconds < 0 else deadline_in(self.seconds)
            waiter: TaskWaiter = new_task_waiter(self.want)
            if primitive.take_or_join(waiter):
                return None if self.entering else True
            self.waiter = waiter
        if probing:
            self.began = interlock_now()
            happened(Happening.WAITING, primitive, self.waiter.party.id, 0)
        begin_wait(self.waiter, primitive, self.deadline)
        try:
            if self.deadline == NEVER and primitive.has_owners():
                primitive.check_block(self.waiter)
                keep_watch(self.waiter.party)
            if not self.awaited:
                self.guard = guard(primitive, self.waiter)
            if self.waiter.last_to_run:
                self.let_others_run()
            return self.sleep()
        except BaseException:
            self.abandon()
            raise

    def end(self, error):
        """A later step: it was unparked, or its time is up, or `error` was thrown into it. Returns as `begin` does."""
        primitive: Primitive = self.primitive
        waiter: TaskWaiter = self.waiter
        if primitive is None:
            if error is not None:
                raise error
            if waiter.unparked or waiter.look_again:
                waiter.look_again = False
                return True
            return False if self.time_is_up() else self.sleep()
        if error is not None:
            self.abandon()
            raise error
        chain: Waiter = None
        granted: cython.bint
        over: cython.bint
        expired: cython.bint = not waiter.unparked and self.time_is_up()
        with cython.critical_section(primitive):
            granted = waiter.state == GRANTED
            over = granted
            if granted:
                waiter.state = TAKEN
                primitive.runs_again(waiter)
            elif expired:
                chain = primitive.expire(waiter)
                over = waiter.state == CANCELLED
        if chain is not None:
            primitive.wake(chain)
        if over:
            end_wait(waiter)
            if probing:
                happened(Happening.GRANTED if granted else Happening.TIMED_OUT, primitive, 0, self.waited())
            return None if self.entering else granted
        if expired:
            self.deadline = NEVER
        try:
            if waiter.look_again:
                waiter.look_again = False
                primitive.check_block(waiter)
            return self.sleep()
        except BaseException:
            self.abandon()
            raise

    def abandon(self):
        """It never runs again."""
        if self.primitive is None:
            return
        end_wait(self.waiter)
        self.primitive.withdraw(self.waiter)
        if self.waiter.refused:
            self.primitive.kick()
        if probing:
            # The caller may be whoever closes or destroys it.
            happened(Happening.CANCELLED, self.primitive, self.waiter.party.id, self.waited())

    def let_others_run(self):
        """It has what it wants, and goes on once those have run who were granted before."""
        waiter: TaskWaiter = self.waiter
        waiter.unpark_there(self.primitive)  # its loop is the one that runs here, so it is not closed
        error = waiter.interruption
        if error is not None:
            waiter.interruption = None
            raise error

    def waited(self) -> cython.longlong:
        return interlock_now() - self.began if self.began else 0

    def sleep(self):
        """What to yield in order to be resumed once the waiter is unparked or the deadline has passed."""
        waiter: TaskWaiter = self.waiter
        party: TaskParty = waiter.party
        if party.library == Library.TRIO:
            return self.sleep_in_trio(party)
        if Future is None:
            find_future()
        loop = party.its_loop()
        future = Future(loop=loop)
        if self.deadline != NEVER:
            self.bed = loop.call_later(max(0, self.deadline - interlock_now()) * 1e-9, waiter)
        future._asyncio_future_blocking = True
        waiter.sleeper = future
        self.state = CallState.SLEEPING
        return future

    def sleep_in_trio(self, party: TaskParty):
        bed: TrioBed = TrioBed.__new__(TrioBed)
        trap = bed.lie_down(self.waiter, self.deadline, self.shielded)
        self.bed = bed
        self.waiter.sleeper = party.known_as()
        self.state = CallState.SLEEPING
        return trap

    def time_is_up(self) -> cython.bint:
        return self.deadline != NEVER and interlock_now() >= self.deadline


class TrioBed:
    """What a task of trio sleeps in: a trap, and around it a scope where there is a deadline or it must stay asleep
    though cancelled. trio has no timer for others to use."""

    def lie_down(self, waiter: TaskWaiter, deadline: cython.longlong, shielded: cython.bint):
        if trio is None:
            find_trio_trap()
        if deadline != NEVER:
            self.scope = trio_scope(deadline=trio_time() + max(0, deadline - interlock_now()) * 1e-9)
            self.scope.__enter__()
        elif shielded:
            self.scope = trio_scope(shield=True)
            self.scope.__enter__()
        self.trap = wait_task_rescheduled(waiter)
        return self.trap.send(None)

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


def find_future():
    global Future
    from asyncio import Future as found

    Future = found


def find_trio_trap():
    global trio, wait_task_rescheduled, trio_scope, trio_time
    from trio import CancelScope, current_time, lowlevel

    wait_task_rescheduled = lowlevel.wait_task_rescheduled
    trio_scope = CancelScope
    trio_time = current_time
    trio = lowlevel


# --- the calls -----------------------------------------------------------------------------------------------


def park(waiter: TaskWaiter, deadline: cython.longlong) -> Call:
    call: Call = new_call(None, waiter)
    call.deadline = deadline
    return call


def shielded_park(waiter: TaskWaiter) -> Call:
    """For one who has to stay, cancelled or not. asyncio cancels once; in trio a cancelled scope stays so."""
    call: Call = park(waiter, NEVER)
    call.shielded = True
    return call


class Guard:
    """Withdraws the waiter of a call that is destroyed without being closed.

    A coroutine closes what it awaits when it goes, but a task that was made of the call itself does not. An object of
    its own, since a class with a finalizer is slower to make and to take apart, and most calls need not wait.
    """

    def __del__(self):
        if self.primitive is not None:
            end_wait(self.waiter)
            self.primitive.withdraw(self.waiter)


def guard(primitive: Primitive, waiter: TaskWaiter) -> Guard:
    made: Guard = Guard.__new__(Guard)
    made.primitive = primitive
    made.waiter = waiter
    return made


def new_call(primitive: Primitive, waiter: TaskWaiter) -> Call:
    call: Call = Call.__new__(Call)
    call.state = CallState.NEW
    call.primitive = primitive
    call.waiter = waiter
    return call


def acquire(primitive: Primitive, want: cython.long, seconds: cython.double) -> Call:
    call: Call = new_call(primitive, None)
    call.want = want
    call.seconds = seconds
    return call


def enter(primitive: Primitive, want: cython.long) -> Call:
    call: Call = acquire(primitive, want, -1)
    call.entering = True
    return call


def in_line(primitive: Primitive, waiter: TaskWaiter, deadline: cython.longlong) -> Call:
    """For a waiter that is in the queue already."""
    call: Call = new_call(primitive, waiter)
    call.deadline = deadline
    return call


class Done:
    """Awaited, it returns None at once."""

    def __await__(self) -> object:
        return nothing


DONE = Done()
nothing = cython.declare(object, iter(()))
next(nothing, None)  # from now on it is over, and nobody can change it any more


def resume(coroutine, sent, over: cython.p_int) -> object:
    call: Call = coroutine
    result = call.advance(sent, None)
    over[0] = call.state == CallState.OVER
    return result


if not interlock_coroutines_setup(resume):
    raise ImportError("out of memory")
interlock_make_coroutine(Call)
collections.abc.Coroutine.register(Call)
