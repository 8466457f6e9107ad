"""The calls of a queue that a task awaits: `get_async`, `put_async`, `join_async`.

A coroutine by hand, as `core/tasks/awaiting.py` has them. Where it need not wait it ends in its first step; where it
has to, it awaits a `Call` for its waiter, which stands in the line already; where the queue is open, a coroutine of
that. In a task of trio's it begins with a checkpoint.
"""

import collections.abc
import warnings

import cython
from cython.cimports.interlock.core.kernel.spare import interlock_keep_spares
from cython.cimports.interlock.core.kernel.timeouts import NEVER, deadline_in
from cython.cimports.interlock.core.primitives.queue_base import Mark, Outcome, QueueBase, Want
from cython.cimports.interlock.core.tasks.awaiting import (
    Call,
    CallState,
    as_error,
    described,
    in_line,
    named_as,
    stop_or,
)
from cython.cimports.interlock.core.tasks.coroutine import interlock_coroutines_setup, interlock_make_coroutine
from cython.cimports.interlock.core.tasks.task import calls_in_trio, checkpoint_in_trio
from cython.cimports.interlock.core.tasks.task_waiter import new_task_waiter


class QueueCall:
    """An asynchronous call of a queue: to be awaited once, or to be made a task of."""

    def __await__(self) -> object:
        if self.state == CallState.SLEEPING:
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
        inner = self.inner
        self.inner = None
        self.state = CallState.OVER
        if inner is not None:
            inner.close()

    def __getattr__(self, name: str) -> str:
        return named_as(self.call_name(), name)

    def __repr__(self):
        return described(self.call_name(), self.state, id(self))

    def call_name(self) -> str:
        verb = "join" if self.want == Want.JOIN else "get" if self.want == Want.GET else "put"
        many = "_many" if self.most or self.want == Want.PUT_MANY else ""
        return f"{type(self.queue).__name__}.{verb}{many}_async"

    def advance(self, sent, error):
        """Run until the next yield, which leaves it SLEEPING, or to the end, which leaves it OVER."""
        before: CallState = self.state
        if before == CallState.OVER:
            raise RuntimeError(f"cannot await {self.call_name()} a second time")
        self.state = CallState.OVER
        if before == CallState.NEW:
            if error is not None:
                raise error
            if not calls_in_trio():
                return self.begin()
            self.inner = checkpoint_in_trio()
            self.checking = True
        return self.go_on(sent, error)

    def begin(self):
        """The first step: what the call returns, or what to yield."""
        queue: QueueBase = self.queue
        outcome: Outcome
        deadline: cython.longlong = NEVER
        while True:
            if self.want == Want.GET:
                item = queue.get_now()
                if type(item) is not Mark:
                    return self.finish(item)
                outcome = cython.cast(Mark, item).outcome
            elif self.want == Want.JOIN:
                outcome = queue.join_now()
            else:
                outcome = queue.put_what(cython.cast(Want, self.want), self.payload)
            if outcome == Outcome.DONE:
                return self.finish(None)
            if self.waiter is None and self.seconds >= 0:
                deadline = deadline_in(self.seconds)
            if outcome == Outcome.OPENED:
                return self.ask_inside(deadline)
            if outcome == Outcome.SHUT or self.seconds == 0:
                return self.refuse(outcome)
            if self.waiter is None:
                self.waiter = new_task_waiter(self.want)
                self.waiter.payload = self.payload
            if queue.line_up(self.waiter):
                self.inner = in_line(queue, self.waiter, deadline)
                return self.go_on(None, None)

    def ask_inside(self, deadline: cython.longlong):
        """The queue is open."""
        opened = self.queue.open
        if self.want == Want.GET:
            self.inner = opened.get_async(deadline)
        elif self.want == Want.JOIN:
            self.inner = opened.join_async(deadline)
        else:
            self.inner = opened.put_async(self.want, self.payload, deadline)
        return self.go_on(None, None)

    def go_on(self, sent, error):
        inner = self.inner
        queue: QueueBase = self.queue
        outcome: Outcome
        if type(inner) is not Call:
            try:
                result = inner.send(sent) if error is None else inner.throw(error)
            except StopIteration as stop:
                self.inner = None
                if self.checking:
                    self.checking = False
                    return self.begin()
                return self.finish(stop.value)
            except BaseException as raised:
                self.inner = None
                if self.iterating and isinstance(raised, shut_down_error()):
                    raise StopAsyncIteration from None
                raise
            self.state = CallState.SLEEPING
            return result
        call: Call = inner
        try:
            result = call.advance(sent, error)
        except BaseException:
            self.inner = None
            raise
        if call.state == CallState.SLEEPING:
            self.state = CallState.SLEEPING
            return result
        self.inner = None
        if not result:
            return self.refuse(Outcome.HELD_UP)
        outcome = queue.fate(self.waiter)
        if outcome == Outcome.OPENED:
            return self.ask_inside(call.deadline)
        if outcome != Outcome.DONE:
            return self.refuse(outcome)
        return self.finish(queue.take_out(self.waiter) if self.want == Want.GET else None)

    def finish(self, item):
        """What the call returns."""
        if self.want == Want.JOIN:
            return None
        if self.most == 0 or self.want != Want.GET:
            return item
        found: list = [item]
        found += self.queue.more(self.most - 1)
        return found

    def refuse(self, outcome: cython.int):
        if outcome == Outcome.SHUT and self.iterating:
            raise StopAsyncIteration
        return self.queue.refuse(cython.cast(Outcome, outcome), cython.cast(Want, self.want))


def shut_down_error():
    from interlock.core.primitives import queue_errors

    return queue_errors.ShutDown


def new_queue_call(queue: QueueBase, want: Want, payload, seconds: cython.double) -> QueueCall:
    call: QueueCall = QueueCall.__new__(QueueCall)
    call.state = CallState.NEW
    call.queue = queue
    call.want = want
    call.payload = payload
    call.seconds = seconds
    return call


def resume(coroutine, sent, over: cython.p_int) -> object:
    call: QueueCall = cython.cast(QueueCall, coroutine)
    result = call.advance(sent, None)
    over[0] = 1 + call.awaited if call.state == CallState.OVER else 0
    return result


def is_unfinished(coroutine) -> cython.bint:
    # Without a variable for it: nobody holds it any more, and to let go of it again would be its end.
    return cython.cast(QueueCall, coroutine).state != CallState.OVER


def finish_call(coroutine) -> cython.bint:
    call: QueueCall = coroutine
    if call.state == CallState.NEW:
        warnings.warn(f"{call.call_name()} was never awaited", RuntimeWarning, stacklevel=1)
    else:
        call.close()
    return True


interlock_coroutines_setup(resume, is_unfinished, finish_call)
interlock_make_coroutine(QueueCall)
interlock_keep_spares(QueueCall)
collections.abc.Coroutine.register(QueueCall)
