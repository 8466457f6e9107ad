"""Lock, RLock, Semaphore: what is held, one or more permits at a time.

Every party is a waiter in the engine of its own, so the order is one over all machines. What this process holds is in
`held`, by party, the latest last; a release takes the caller's own, and of a lock or a semaphore that it does not hold
itself another party's, as `threading` does.
"""

from __future__ import annotations

import _thread
import time
from collections.abc import Callable
from functools import partial
from types import TracebackType
from typing import TYPE_CHECKING, Any

from interlock.cluster import party
from interlock.cluster.calling import Calling, Park, Step, in_task, in_thread
from interlock.cluster.cancelling import Guard, guard_task
from interlock.cluster.client import Remote, Seen, TimedOut, checked_lease, checked_name
from interlock.cluster.engine import Unreachable
from interlock.cluster.errors import (
    ClusterError,
    EngineRestarted,
    EngineUnavailable,
    ForkedLock,
    LeaseLost,
    NotHeld,
    ShapeError,
)
from interlock.cluster.seen import Seen as Board
from interlock.cluster.seen import board_of
from interlock.cluster.session import Session
from interlock.cluster.ticket import AGAIN, BROKEN, HELD, LOST, WAITING, Here, Lost, Ticket

if TYPE_CHECKING:
    from interlock.cluster.client import Cluster


def limit_of(timeout: float | None, blocking: bool = True) -> tuple[float | None, int]:
    """When a call's time is over, on the monotonic clock, and whether it may queue at all."""
    if not blocking:
        if timeout is not None and timeout != -1:
            raise ValueError("can't specify a timeout for a non-blocking call")
        return None, 0
    if timeout is None or timeout == -1:
        return None, 1
    if isinstance(timeout, bool) or not isinstance(timeout, (int, float)):
        raise TypeError(f"timeout must be a number of seconds, not {type(timeout).__name__}")
    if not timeout >= 0:
        raise ValueError("timeout value must be a non-negative number")
    if timeout > _thread.TIMEOUT_MAX:
        raise OverflowError("timeout value is too large")
    return time.monotonic() + timeout, 1 if timeout else 0


def limit_of_wait(timeout: float | None) -> tuple[float | None, int]:
    """The same for what `threading` lets wait for less than no time, which is none."""
    return limit_of(0 if isinstance(timeout, (int, float)) and timeout < 0 else timeout)


class Shared(Here):
    """A primitive between machines: a name on an engine."""

    kind = ""

    def __init__(self, cluster: Cluster, name: str, capacity: int, lease: float | None = None) -> None:
        self.cluster = cluster
        self.name: str = checked_name(name)
        self.capacity = capacity
        self.board: Board | None = board_of(cluster.engine, self.kind, name)
        self.lease: float = cluster.lease if lease is None else checked_lease(lease)
        if self.lease > cluster.max_lease:
            raise ValueError(
                f"lease must be at most {cluster.max_lease:g} seconds, not {lease}: all handles of the prefix have to"
                f" be made with max_lease={lease:g} for that"
            )

    # --- waiting ----------------------------------------------------------------------------------------------------

    def entering(self, units: int, limit: float | None, stay: int) -> Calling[Ticket | None]:
        """Wait until the engine grants. None when the time is over; a ticket that is BROKEN when a barrier broke.

        Survives an engine that forgets us: stands again, at the end.
        """
        cluster = self.cluster
        info = party.info(limit is not None)
        while True:
            session = cluster.sessions.get(self.lease)
            if session is None or session.over is not None or now_or_later(session):
                try:
                    session = yield from cluster.opening(self.lease, limit)
                except TimedOut:
                    return None
            ticket = session.begin(self.name, units, self.board)
            if ticket is None:
                continue
            ask = (session.id, ticket.waiter, self.name, self.kind, self.capacity, units, stay, info)
            try:
                answer = yield from cluster.calling(
                    "enter", ask, limit, partial(session.owe, ticket.waiter), session.patience
                )
                code = answer[0]
                if code == "granted":
                    session.settle(ticket.waiter, answer[1])
                elif code == "queued":
                    yield from self.staying(session, ticket, limit)
                elif code == "broken":
                    session.settle(ticket.waiter, -1)
                elif code == "lost":
                    session.end(EngineRestarted(f"{cluster.url} no longer knows this session"))
                else:
                    session.take_out(ticket)
                    if code == "busy":
                        return None
                    raise self.other_shape(answer)
            except TimedOut:
                if session.take_out(ticket):
                    session.owe(ticket.waiter)
                return None
            except BaseException:
                if session.take_out(ticket):
                    session.owe(ticket.waiter)
                raise
            session.look_at_clock()  # the answer may have come when the lease was over
            if ticket.state in (HELD, BROKEN):
                return ticket
            if ticket.state not in (AGAIN, LOST):
                return None
            if limit is not None and time.monotonic() >= limit:
                return None
            cluster.requeued += 1

    def staying(self, session: Session, ticket: Ticket, limit: float | None) -> Calling[None]:
        """Wait in the queue, until granted or until the time is over; then the ticket is GONE."""
        session.queued(ticket)
        yield Park(ticket.event, None if limit is None else max(0.0, limit - time.monotonic()))
        if ticket.state == WAITING and session.withdraw(ticket):
            yield from self.leaving(session, ticket)

    def leaving(self, session: Session, ticket: Ticket) -> Calling[int]:
        """Tell the engine that a ticket is over. Answers what `leave` does; -1 where that could not be told yet."""
        owe = partial(session.owe, ticket.waiter)
        try:
            answer = yield Step(
                self.cluster.engine, self.cluster.caller, "leave", (session.id, ticket.waiter), session.patience, owe
            )
        except Unreachable as error:
            self.cluster.unreachable(error)
            owe()
            return -1
        except BaseException:
            owe()
            raise
        self.cluster.reached()
        granted: int = answer[0]
        return granted

    def signalling(self, op: str, *arguments: str | int) -> Calling[Any]:
        """Do a step that must not be done twice, once."""
        while True:
            session = yield from self.cluster.opening(self.lease)
            call, seen = session.next_call()
            failed: list[BaseException] = []
            answer = yield from self.cluster.calling(op, (session.id, call, " ".join(seen), *arguments), failed=failed)
            session.call_over(call, seen)
            if answer[0] == "shape":
                raise self.other_shape(answer)
            if answer[0] != "lost":
                return answer[0]
            session.end(EngineRestarted(f"{self.cluster.url} no longer knows this session"))
            if failed and op != "signal":
                raise EngineUnavailable(f"{self!r}: it is not known whether this was done: {failed[-1]}")

    def other_shape(self, answer: list[Any]) -> ShapeError:
        ours, theirs = describe(self.kind, self.capacity), describe(answer[1], answer[2])
        return ShapeError(f"{self.name!r} on {self.cluster.url} is {theirs} already; here it is asked for as {ours}")

    # --- looking ----------------------------------------------------------------------------------------------------

    def reading(self) -> Calling[list[Any]]:
        """Kind, capacity, used, how many wait, value; as they are where nobody uses the name."""
        answer = yield from self.cluster.calling("read", (self.name,))
        if not answer:
            return [self.kind, self.capacity, 0, 0, self.capacity if self.kind == "latch" else 0]
        if answer[0] != self.kind or answer[1] != self.capacity:
            raise self.other_shape(["shape", *answer])
        return answer

    def look(self) -> Seen:
        """Return who holds it and who waits now. Asks the engine."""
        return in_thread(self.looking())

    async def look_async(self) -> Seen:
        """The same for tasks."""
        return await in_task(self.looking())

    def looking(self) -> Calling[Seen]:
        seen = yield from self.cluster.looking(self.name)
        return seen[0] if seen else Seen(self.name, self.kind, self.capacity, 0, 0, 0, (), ())

    @property
    def waiters(self) -> tuple[Remote, ...]:
        """The parties that wait, on all machines, in order. Asks the engine. A task calls `look_async` instead."""
        return self.look().waiters

    def __repr__(self) -> str:
        return f"<interlock.cluster.{type(self).__name__} {self.name!r} on {self.cluster.url}>"


def describe(kind: str, capacity: int) -> str:
    article = "an" if kind[:1] in "aeiou" or kind == "rlock" else "a"
    words = {"lock": "Lock", "rlock": "RLock", "rwlock": "RWLock", "semaphore": "Semaphore"}
    name = words.get(kind, kind.capitalize())
    return f"{article} {name}" + (f" of {capacity}" if kind in ("semaphore", "latch", "barrier") else "")


def now_or_later(session: Session) -> bool:
    """Whether a session is not open yet, or at its end."""
    if not session.deadline:
        return True
    session.look_at_clock()
    return session.over is not None


class Permits(Shared):
    """What can be held. A `with` takes ``each`` units.

    ``lease``: in seconds, if it differs from that of the handle. ``on_lost``: called with the grant when a hold is
    lost, in a thread of its own. ``cancel_on_loss``: whether the body of `async with` is cancelled then.
    """

    each = 1

    def __init__(
        self,
        cluster: Cluster,
        name: str,
        capacity: int,
        *,
        lease: float | None = None,
        on_lost: Callable[[Ticket], object] | None = None,
        cancel_on_loss: bool = True,
    ) -> None:
        super().__init__(cluster, name, capacity, lease)
        if on_lost is not None and not callable(on_lost):
            raise TypeError(f"on_lost must be callable, not {type(on_lost).__name__}")
        self.on_lost = on_lost
        self.cancel_on_loss = cancel_on_loss
        self.guard: _thread.LockType = _thread.allocate_lock()
        self.held: dict[int, list[Ticket]] = {}
        self.forks: Any | int = cluster.forks
        self.foreign: bool = False  # in a child: the parent held it when it forked

    # --- what this process holds ------------------------------------------------------------------------------------

    def look_at_forks(self) -> None:
        if self.forks != self.cluster.forks:
            self.forks = self.cluster.forks
            self.guard = _thread.allocate_lock()
            self.foreign = bool(self.held)
            self.held = {}

    def put(self, ticket: Ticket) -> None:
        ticket.on_lost = self.on_lost
        ticket.party = party.current()
        with self.guard:
            self.held.setdefault(ticket.party, []).append(ticket)
        if ticket.board is not None:
            # Only its owner may release an RLock; a Lock that is entered by `with` is marked there.
            ticket.board.taken(waited=ticket.asked, alone=self.kind == "rlock")
        if ticket.state == LOST:  # before there was somebody to tell
            ticket.tell_loss()
            ticket.call_on_lost()

    def find(self, mine: int | None = None) -> Ticket | None:
        """The ticket that the caller means: its own, else any."""
        self.look_at_forks()
        me = party.current() if mine is None else mine
        with self.guard:
            tickets = self.held.get(me)
            if tickets:
                return tickets[-1]
            for others in self.held.values():
                return others[-1]
        return None

    def take(self, units: int | None = None) -> list[Ticket]:
        """The tickets that a release of so many units means. They are the caller's to give back now."""
        self.look_at_forks()
        me = party.current()
        found: list[Ticket] = []
        with self.guard:
            own = self.held.get(me, [])
            others = [ticket for who, tickets in self.held.items() if who != me for ticket in tickets]
            left = units
            for ticket in [*reversed(own), *others]:
                if left is None or ticket.units <= left:
                    found.append(ticket)
                    left = 0 if left is None else left - ticket.units
                if left == 0:
                    break
            if left == 0:
                for ticket in found:
                    tickets = self.held[ticket.party]
                    tickets.remove(ticket)
                    if not tickets:
                        del self.held[ticket.party]
                return found
        raise self.not_held(units)

    def not_held(self, units: int | None) -> NotHeld:
        if self.foreign:
            return ForkedLock(f"{self!r} was held by the process that this one was forked from, and still is")
        many = f"{units} permits" if units is not None and units > 1 else "it"
        return NotHeld(f"{self!r}: release of what this object does not hold ({many})")

    # --- acquire and release ----------------------------------------------------------------------------------------

    def acquiring(self, units: int, limit: float | None, stay: int) -> Calling[Ticket | None]:
        self.look_at_forks()
        ticket = yield from self.entering(units, limit, stay)
        if ticket is not None:
            self.put(ticket)
        return ticket

    def giving(self, ticket: Ticket) -> Calling[None]:
        """Give a ticket back. Raises `LeaseLost` where it was no longer held."""
        session = ticket.session
        if ticket.board is not None:
            ticket.board.released()
        if not session.begin_release(ticket):
            reason = ticket.reason
            if reason is None:
                raise LeaseLost(f"{self!r} is no longer held here")
            raise reason.__class__(f"{self!r} was lost while it was held: {reason}")
        try:
            held = yield from self.leaving(session, ticket)
        finally:
            session.release_over(ticket)
        if held == 0:
            session.suspect = True
            session.wake.set()
            raise LeaseLost(f"{self!r} was lost while it was held: {self.cluster.url} says that the lease was over")

    def releasing(self, units: int | None = None) -> Calling[None]:
        lost: LeaseLost | None = None
        for ticket in self.take(units):
            try:
                yield from self.giving(ticket)
            except LeaseLost as error:
                lost = error
        if lost is not None:
            raise lost

    def locked(self) -> bool:
        """Whether no permit is free. Asks the engine."""
        answer = in_thread(self.reading())
        return bool(answer[2] >= answer[1])

    async def locked_async(self) -> bool:
        """The same for tasks."""
        answer = await in_task(self.reading())
        return bool(answer[2] >= answer[1])

    def within(self, timeout: float) -> Within:
        """Return a context manager that acquires it, or raises TimeoutError after ``timeout`` seconds."""
        if isinstance(timeout, bool) or not isinstance(timeout, (int, float)):
            raise TypeError(f"timeout must be a number of seconds, not {type(timeout).__name__}")
        if not timeout >= 0:
            raise ValueError(f"timeout must be 0 or more seconds, not {timeout}")
        return Within(self, timeout)

    # --- with -------------------------------------------------------------------------------------------------------

    def enter(self, timeout: float | None = None) -> Ticket:
        ticket = in_thread(self.acquiring(self.each, *limit_of(timeout)))
        if ticket is None:
            raise TimeoutError(f"not acquired within {timeout} s: {self!r}")
        self.entered(ticket)
        return ticket

    async def enter_async(self, timeout: float | None = None) -> Ticket:
        ticket = await in_task(self.acquiring(self.each, *limit_of(timeout)))
        if ticket is None:
            raise TimeoutError(f"not acquired within {timeout} s: {self!r}")
        self.entered(ticket)
        self.watch_task(ticket)
        return ticket

    def entered(self, ticket: Ticket) -> None:
        """By `with`: the party that has entered leaves it."""
        if ticket.board is not None and self.kind == "lock":
            ticket.board.taken(waited=True, alone=True)

    def watch_task(self, ticket: Ticket) -> None:
        if self.cancel_on_loss and ticket.cancelling is None:
            task_guard = guard_task()
            if task_guard is not None:
                ticket.cancelling = task_guard
                ticket.cancel = task_guard.fire
                if ticket.state == LOST:
                    task_guard.fire()

    def __enter__(self) -> Ticket:
        return self.enter()

    def __exit__(
        self,
        kind: type[BaseException] | None = None,
        error: BaseException | None = None,
        traceback: TracebackType | None = None,
    ) -> None:
        try:
            in_thread(self.releasing())
        except LeaseLost as lost:
            if may_replace(error):
                raise lost from error
        except NotHeld:
            if says_less(error):
                raise

    async def __aenter__(self) -> Ticket:
        return await self.enter_async()

    async def __aexit__(
        self,
        kind: type[BaseException] | None = None,
        error: BaseException | None = None,
        traceback: TracebackType | None = None,
    ) -> bool | None:
        ticket = self.find()
        ours = False
        if ticket is not None and ticket.cancelling is not None and ticket.count == 1:
            task_guard: Guard = ticket.cancelling
            ticket.cancel = ticket.cancelling = None
            ours = await task_guard.leave(kind, error, traceback)
        try:
            await in_task(self.releasing())
        except LeaseLost as lost:
            if ours or may_replace(error):
                raise lost from error
        except NotHeld:
            if ours or says_less(error):
                raise
        return ours

    # --- the hold of the caller -------------------------------------------------------------------------------------

    def hold(self) -> Ticket:
        ticket = self.find()
        if ticket is None:
            raise self.not_held(None)
        return ticket

    @property
    def token(self) -> int:
        """The fencing token of the caller's hold. Raises `LeaseLost` if it was lost, and `NotHeld` if there is none."""
        return self.hold().token

    @property
    def lost(self) -> Lost:
        """An event that is set when the caller's hold is lost, with a ``reason``."""
        return self.hold().lost

    def check(self) -> None:
        """Raise `LeaseLost` if the caller's hold is lost, or may be lost by now."""
        self.hold().check()

    @property
    def owner(self) -> Remote | None:
        """The holder, on any machine (the first of several). Asks the engine. A task calls `look_async` instead."""
        holders = self.look().holders
        return holders[0] if holders else None


def may_replace(error: BaseException | None) -> bool:
    """Whether LeaseLost may come in place of what the body raised. Not of Ctrl-C, an exit, a cancellation."""
    return error is None or (isinstance(error, Exception) and not isinstance(error, LeaseLost))


def says_less(error: BaseException | None) -> bool:
    """Whether NotHeld may come in place of it. Not of what broke off a wait at a condition, which gives the lock up."""
    return error is None or (isinstance(error, Exception) and not isinstance(error, ClusterError))


class Within:
    """A context manager that holds ``target``, or raises TimeoutError when it does not get it in time."""

    __slots__ = ("target", "timeout")

    def __init__(self, target: Permits, timeout: float) -> None:
        self.target: Permits = target
        self.timeout: float = timeout

    def __enter__(self) -> Ticket:
        return self.target.enter(self.timeout)

    def __exit__(self, *error: Any) -> None:
        self.target.__exit__(*error)

    async def __aenter__(self) -> Ticket:
        return await self.target.enter_async(self.timeout)

    async def __aexit__(self, *error: Any) -> bool | None:
        return await self.target.__aexit__(*error)


class Lock(Permits):
    """A lock with one holder on all machines. It serves threads and tasks. Any party may release it.

    ``name``: its name on the engine. ``lease``, ``on_lost``, ``cancel_on_loss``: see `Permits`.
    """

    kind = "lock"

    def __init__(self, cluster: Cluster, name: str, **options: Any) -> None:
        super().__init__(cluster, name, 1, **options)

    def acquire(self, blocking: bool = True, timeout: float = -1) -> bool:
        """Acquire it. Returns False after ``timeout`` seconds, or at once if it is held and ``blocking`` is false."""
        return in_thread(self.acquiring(1, *limit_of(timeout, blocking))) is not None

    async def acquire_async(self, timeout: float | None = None) -> bool:
        """The same for tasks. ``timeout``: in seconds; 0 means not to wait, None means no limit."""
        return await in_task(self.acquiring(1, *limit_of(timeout))) is not None

    def release(self) -> None:
        """Release it. Raises `NotHeld` if this process does not hold it, and `LeaseLost` if it was lost."""
        in_thread(self.releasing())

    async def release_async(self) -> None:
        """The same for tasks. It does not block the event loop."""
        await in_task(self.releasing())


class RLock(Lock):
    """A re-entrant lock with one owner on all machines. Only its owner, a thread or a task, may release it.

    The owner acquires it again without a call to the engine.
    """

    kind = "rlock"

    def acquiring(self, units: int, limit: float | None, stay: int) -> Calling[Ticket | None]:
        self.look_at_forks()
        with self.guard:
            tickets = self.held.get(party.current())
            ticket = tickets[-1] if tickets else None
        if ticket is not None:
            ticket.check()
            ticket.count += 1
            return ticket
        ticket = yield from super().acquiring(units, limit, stay)
        return ticket

    def releasing(self, units: int | None = None) -> Calling[None]:
        self.look_at_forks()
        me = party.current()
        with self.guard:
            tickets = self.held.get(me)
            if not tickets:
                raise self.not_held(None)
            ticket = tickets[-1]
            ticket.count -= 1
            if ticket.count:
                return
            del self.held[me]
        yield from self.giving(ticket)


class Semaphore(Permits):
    """A counter of ``value`` permits for all machines.

    Each permit that was acquired has a holder, and comes back if the process of its holder vanishes. So `release`
    returns only permits that this process has acquired. Otherwise it raises `NotHeld` (a ValueError).
    """

    kind = "semaphore"

    def __init__(self, cluster: Cluster, name: str, value: int = 1, **options: Any) -> None:
        if isinstance(value, bool) or not isinstance(value, int):
            raise TypeError(f"value must be a whole number, not {type(value).__name__}")
        if not 1 <= value < 2**31:
            raise ValueError(f"value must be 1 to {2**31 - 1}, not {value}")
        super().__init__(cluster, name, value, **options)

    def units(self, permits: int) -> int:
        if isinstance(permits, bool) or not isinstance(permits, int):
            raise TypeError(f"permits must be a whole number, not {type(permits).__name__}")
        if not 1 <= permits <= self.capacity:
            raise ValueError(f"permits must be 1 to {self.capacity}, what {self!r} has, not {permits}")
        return permits

    def acquire(self, blocking: bool = True, timeout: float | None = None, *, permits: int = 1) -> bool:
        """Acquire ``permits`` permits, all or none. Returns True, or False after ``timeout`` seconds."""
        return in_thread(self.acquiring(self.units(permits), *limit_of(timeout, blocking))) is not None

    async def acquire_async(self, timeout: float | None = None, *, permits: int = 1) -> bool:
        """The same for tasks. ``timeout``: in seconds; 0 means not to wait, None means no limit."""
        return await in_task(self.acquiring(self.units(permits), *limit_of(timeout))) is not None

    def release(self, n: int = 1) -> None:
        """Release ``n`` permits, in the same numbers as acquired: ``permits=2`` is released by ``release(2)``."""
        in_thread(self.releasing(self.units(n)))

    async def release_async(self, n: int = 1) -> None:
        """The same for tasks. It does not block the event loop."""
        await in_task(self.releasing(self.units(n)))


class BoundedSemaphore(Semaphore):
    """The same: between machines every semaphore is bounded."""
