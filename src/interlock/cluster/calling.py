"""One code for threads and tasks: a call is a generator that yields what it has to wait for.

    def acquiring(...):
        answer = yield Step(...)      # a trip to the engine
        settled = yield Park(...)     # until an event is set

`in_thread` does what is yielded where it stands. `in_task` awaits it: a trip is then made by the caller thread of the
cluster (`Caller`), so no loop is ever blocked, and it works in asyncio and trio alike. What a wait raises (Ctrl-C, the
cancellation of a task) is raised inside the generator, which cleans up and lets it through.
"""

from __future__ import annotations

import _thread
import asyncio
import sys
import threading
from collections import deque
from collections.abc import Callable, Generator, Sequence
from typing import Any, TypeAlias, TypeVar

from interlock import Event
from interlock.cluster.bell import Bell
from interlock.cluster.engine import Answer, Argument, Engine, Unreachable
from interlock.cluster.errors import ClusterError
from interlock.cluster.ticket import at_exit

_T = TypeVar("_T")


class Step:
    """A trip to the engine.

    ``shielded``: a task that is cancelled comes back first with the answer, and is cancelled where it waits next.
    ``undo``: called where nobody waits for the answer any more, once the trip is over, whatever came of it.
    """

    __slots__ = ("arguments", "caller", "engine", "op", "shielded", "timeout", "undo")

    def __init__(
        self,
        engine: Engine,
        caller: Caller,
        op: str,
        arguments: Sequence[Argument],
        timeout: float,
        undo: Callable[[], object] | None = None,
        shielded: bool = False,
    ) -> None:
        self.engine: Engine = engine
        self.caller: Caller = caller
        self.op: str = op
        self.arguments: Sequence[str | int] = arguments
        self.timeout: float = timeout
        self.undo: Callable[[], object] | None = undo
        self.shielded: bool = shielded

    def perform(self) -> Answer:
        return self.engine.call(self.op, self.arguments, self.timeout)

    async def perform_async(self) -> Answer:
        trip = Trip(self.perform, self.undo)
        self.caller.submit(trip)
        try:
            await waited(trip.over, None, self.shielded)
        except BaseException:
            trip.abandon()
            raise
        if trip.error is not None:
            raise trip.error
        answer: Answer = trip.answer
        return answer


class Park:
    """Until an event is set or `timeout` seconds are over. Answers whether it is set."""

    __slots__ = ("event", "shielded", "timeout")

    def __init__(self, event: Event, timeout: float | None, shielded: bool = False) -> None:
        self.event: Event = event
        self.timeout: float | None = timeout
        self.shielded: bool = shielded

    def perform(self) -> bool:
        return self.event.wait(self.timeout)

    async def perform_async(self) -> bool:
        return await waited(self.event, self.timeout, self.shielded)


async def waited(event: Event, timeout: float | None, shielded: bool) -> bool:
    if not shielded:
        return await event.wait_async(timeout)
    trio = sys.modules.get("trio")
    if trio is not None and trio.lowlevel.in_trio_task():
        with trio.CancelScope(shield=True):
            return await event.wait_async(timeout)
    assert timeout is None
    cancelled: asyncio.CancelledError | None = None
    while True:
        try:
            came = await event.wait_async(None)
        except asyncio.CancelledError as error:
            cancelled = error
        else:
            task = asyncio.current_task()
            if cancelled is not None and task is not None:
                task.uncancel()  # the same one once more, so it counts as one
                task.cancel(*cancelled.args)
            return came


Calling: TypeAlias = Generator[Step | Park, Any, _T]


def in_thread(calling: Calling[_T]) -> _T:
    try:
        request = next(calling)
        while True:
            try:
                answer = request.perform()
            except BaseException as error:
                request = calling.throw(error)
            else:
                request = calling.send(answer)
    except StopIteration as end:
        result: _T = end.value
        return result
    except ClusterError:
        if at_exit.is_daemon():
            raise SystemExit from None
        raise


async def in_task(calling: Calling[_T]) -> _T:
    try:
        request = next(calling)
        while True:
            try:
                answer = await request.perform_async()
            except BaseException as error:
                request = calling.throw(error)
            else:
                request = calling.send(answer)
    except StopIteration as end:
        result: _T = end.value
        return result
    except ClusterError:
        if at_exit.is_daemon():
            await Event().wait_async()  # to end a task so would tell its loop
        raise


class Trip:
    """A trip that the caller thread makes for somebody else."""

    def __init__(self, perform: Callable[[], Any], undo: Callable[[], object] | None = None) -> None:
        self.perform = perform
        self.undo = undo
        self.guard: _thread.LockType = _thread.allocate_lock()
        self.over: Event = Event(name="answer of the engine")
        self.done: bool = False
        self.abandoned: bool = False
        self.answer: Any = None
        self.error: BaseException | None = None

    def make(self) -> None:
        try:
            self.answer = self.perform()
        except BaseException as error:
            self.error = error
        with self.guard:
            self.done = True
            undo = self.undo if self.abandoned else None
        if undo is not None:
            undo()
        self.over.set()

    def abandon(self) -> None:
        """Nobody waits for the answer any more."""
        with self.guard:
            self.abandoned = True
            undo = self.undo if self.done else None
        if undo is not None:
            undo()


class Caller:
    """The threads that make trips for tasks, and what is left to do for those who have gone. Started when first used.

    One trip that hangs in a frozen network must not hold up the others, so there are a few; each ends when it has had
    nothing to do for a while.
    """

    MOST = 4
    LINGER = 5.0  # seconds

    def __init__(self, name: str) -> None:
        self.name = name
        self.guard: _thread.LockType = _thread.allocate_lock()
        self.trips: deque[Trip] = deque()
        self.idle: deque[Bell] = deque()
        self.threads: int = 0
        self.closed: bool = False

    def submit(self, trip: Trip) -> None:
        start = False
        waker = None
        with self.guard:
            if self.closed:
                trip.error = Unreachable("closed")
                trip.done = True
            else:
                self.trips.append(trip)
                if self.idle:
                    waker = self.idle.pop()
                elif self.threads < self.MOST:
                    self.threads += 1
                    start = True
        if trip.done:
            trip.over.set()
        if waker is not None:
            waker.set()
        if start:
            try:
                threading.Thread(target=self.live, name=self.name, daemon=True).start()
            except BaseException:
                with self.guard:
                    self.threads -= 1
                    if trip in self.trips:  # who submits it is told by the error
                        self.trips.remove(trip)
                raise

    def live(self) -> None:
        waker = Bell()
        while True:
            with self.guard:
                trip = self.trips.popleft() if self.trips else None
                if trip is None:
                    if self.closed:
                        self.threads -= 1
                        return
                    waker.clear()
                    self.idle.append(waker)
            if trip is not None:
                trip.make()
                trip = None
            elif not waker.wait(self.LINGER):
                with self.guard:
                    if waker in self.idle:
                        self.idle.remove(waker)
                        self.threads -= 1
                        return

    def close(self) -> None:
        """Let what has been submitted be done, and end the threads."""
        with self.guard:
            self.closed = True
            wakers = list(self.idle)
            self.idle.clear()
        for waker in wakers:
            waker.set()
