"""Waiting without blocking: the calls that a task awaits.

What an asynchronous method returns is a `Call`, a coroutine by hand: those that Cython makes of `async def` cost
1.2 of what asyncio's own hand-off does. `acquire` makes one that is a whole wait, as `Primitive.block` is for a
thread; `in_line` one for a waiter that is in the queue already (`wait_in_line`); `park` one that is the bare parking
(`ThreadWaiter.park`), for what has more to do in between. A call that need not wait returns `DONE`, or ends in its
first step.

In a task of trio's each call is a checkpoint, as everything is there: where it need not wait, by trio's two halves of
one.

A call does nothing before it is awaited. It ends in one of four ways: it returns, it raises what was thrown into it
(a cancellation), it is closed, or it is destroyed with its task; in the last three its waiter is withdrawn.
"""

import collections.abc
import warnings

import cython
from cython.cimports.interlock.core.kernel.control import controls, now
from cython.cimports.interlock.core.kernel.primitive import Primitive
from cython.cimports.interlock.core.kernel.probe import Happening, happened, probing, wanted
from cython.cimports.interlock.core.kernel.spare import interlock_keep_spares
from cython.cimports.interlock.core.kernel.timeouts import NEVER, deadline_in
from cython.cimports.interlock.core.kernel.wait import begin_wait, end_wait
from cython.cimports.interlock.core.kernel.waiter import CANCELLED, GRANTED, TAKEN, Waiter
from cython.cimports.interlock.core.tasks.coroutine import interlock_coroutines_setup, interlock_make_coroutine
from cython.cimports.interlock.core.tasks.owner_watch import keep_watch
from cython.cimports.interlock.core.tasks.task import (
    Library,
    TaskParty,
    after_in_trio,
    before_in_trio,
    calling_task,
    calls_in_trio,
)
from cython.cimports.interlock.core.tasks.task_waiter import TaskWaiter, TrioBed, new_asyncio_bed, new_task_waiter

from interlock.core.kernel.deadlock import DeadlockError


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


class Call:
    """An asynchronous call: a coroutine by hand. To be awaited once, or to be made a task of.

    With a primitive: get what it has to give, waiting for it in its queue. True: granted; False: the time was up. As
    the awaitable of `async with` it returns None. A waiter that it has from the start is in the queue already.

    Without one: park its waiter. True: unparked; False: the time was up. What is thrown into it leaves the waiter
    where it is.
    """

    def __await__(self) -> object:
        if self.state != CallState.NEW and self.state != CallState.OVER:
            # To continue it now would wake the party that waits, with nothing.
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
        elif before == CallState.CHECKING or before == CallState.RESTING:
            self.half.close()
            if before == CallState.RESTING:
                self.give_back()

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
            if self.primitive is not None and self.waiter is None and calls_in_trio():
                return self.check()
            return self.begin()
        if before != CallState.SLEEPING:
            return self.go_on(before, sent, error)
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
            if self.waiter.unparked or self.waiter.look_again:
                self.waiter.look_again = False
                return True
            return self.sleep()
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
            self.began = now()
            happened(Happening.WAITING, primitive, self.waiter.party.id, 0)
        begin_wait(self.waiter, primitive, self.deadline)
        try:
            if self.deadline == NEVER and primitive.has_owners():
                primitive.check_block(self.waiter)
                if not controls():
                    keep_watch(self.waiter.party)
            if self.waiter.last_to_run:
                self.let_others_run()
            return self.sleep()
        except BaseException:
            self.abandon()
            raise

    # In a task of trio's: a checkpoint around what need not wait.

    def check(self):
        """The first step there. Returns as `begin` does."""
        self.half = before_in_trio()
        return self.go_on(CallState.CHECKING, None, None)

    def begin_in_trio(self):
        primitive: Primitive = self.primitive
        party: TaskParty = calling_task()
        if self.seconds < 0 and primitive.is_kept_by(party.id):
            raise DeadlockError(f"attempt to re-acquire {primitive!r}: this task holds it already")
        result = self.begin()
        if self.state == CallState.SLEEPING:
            return result
        self.result = result
        if result is not False:
            # Should it never run again, what it has taken goes back as from one who was granted it.
            self.waiter = new_task_waiter(self.want)
            self.waiter.is_task = False
            self.waiter.state = GRANTED
        self.half = after_in_trio()
        return self.go_on(CallState.RESTING, None, None)

    def go_on(self, before: CallState, sent, error):
        """With trio's half of a checkpoint."""
        try:
            trap = self.half.send(sent) if error is None else self.half.throw(error)
        except StopIteration:
            self.half = None
            return self.begin_in_trio() if before == CallState.CHECKING else self.result
        except BaseException:
            if before == CallState.RESTING:
                self.give_back()
            raise
        self.state = before
        return trap

    def give_back(self):
        if self.waiter is not None:
            self.primitive.withdraw(self.waiter)
            if probing:
                happened(Happening.RELEASED, self.primitive, 0, 0)

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
                chain = primitive.runs_again(waiter)
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
            # The caller may be what closes or destroys it.
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
        return now() - self.began if self.began else 0

    def sleep(self):
        """What to yield in order to be resumed once the waiter is unparked or the deadline has passed."""
        waiter: TaskWaiter = self.waiter
        party: TaskParty = waiter.party
        if party.library == Library.TRIO:
            return self.sleep_in_trio(party)
        loop = party.its_loop()
        if self.deadline != NEVER:
            self.bed = loop.call_later(max(0, self.deadline - now()) * 1e-9, waiter)
        bed = new_asyncio_bed(waiter, loop)
        waiter.sleeper = bed
        self.state = CallState.SLEEPING
        return bed

    def sleep_in_trio(self, party: TaskParty):
        bed: TrioBed = TrioBed.__new__(TrioBed)
        trap = bed.lie_down(self.waiter, self.deadline, self.shielded)
        self.bed = bed
        self.waiter.sleeper = party.known_as()
        self.state = CallState.SLEEPING
        return trap

    def time_is_up(self) -> cython.bint:
        return self.deadline != NEVER and now() >= self.deadline


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


def new_call(primitive: Primitive, waiter: TaskWaiter) -> Call:
    call: Call = Call.__new__(Call)
    call.state = CallState.NEW
    call.primitive = primitive
    call.waiter = waiter
    return call


def acquire_call(primitive: Primitive, want: cython.long, seconds: cython.double) -> Call:
    call: Call = Call.__new__(Call)
    call.state = CallState.NEW
    call.primitive = primitive
    call.want = want
    call.seconds = seconds
    return call


def enter_call(primitive: Primitive, want: cython.long) -> Call:
    call: Call = acquire_call(primitive, want, -1)
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
    call: Call = cython.cast(Call, coroutine)
    if (
        not probing
        and call.state == CallState.NEW
        and call.waiter is None
        and not calls_in_trio()
        and call.primitive.take_now(call.want)
    ):
        # How most calls go; `begin` says it too, and to who looks on what it wants.
        call.state = CallState.OVER
        over[0] = 1 + call.awaited
        return None if call.entering else True
    result = call.advance(sent, None)
    over[0] = 1 + call.awaited if call.state == CallState.OVER else 0
    return result


def is_unfinished(coroutine) -> cython.bint:
    # Without a variable for it: nobody holds it any more, and to let go of it again would be its end.
    if cython.cast(Call, coroutine).state == CallState.NEW:
        return cython.cast(Call, coroutine).waiter is None
    return cython.cast(Call, coroutine).state != CallState.OVER and cython.cast(Call, coroutine).primitive is not None


def finish(coroutine) -> cython.bint:
    """It goes. A coroutine closes what it awaits before; a task that was made of the call itself does not, nor does one
    who drives it by hand."""
    call: Call = coroutine
    if call.state == CallState.NEW:
        warnings.warn(f"{call.call_name()} was never awaited", RuntimeWarning, stacklevel=1)
    else:
        call.close()
    return True


interlock_coroutines_setup(resume, is_unfinished, finish)
interlock_make_coroutine(Call)
interlock_keep_spares(Call)
collections.abc.Coroutine.register(Call)
