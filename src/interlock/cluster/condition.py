"""Condition: wait under a lock until somebody on some machine notifies.

`wait` gives the lock up and stands in the condition's queue in one step of the engine; `notify` lets the first of that
queue stand in the lock's. So a notification is never missed, and nobody wakes only to wait for the lock.

A party that gives up waiting (its time is over, it is cancelled, Ctrl-C) moves itself to the lock's queue, and comes
back holding the lock, as in `threading`. A party whose session is lost may have missed a notification: it comes back
as if notified, in the order of newcomers. So look again at what you wait for, or use `wait_for`.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING, Any, TypeVar

from interlock.cluster import party
from interlock.cluster.calling import Calling, Park, in_task, in_thread
from interlock.cluster.errors import EngineRestarted, LeaseLost, NotHeld
from interlock.cluster.permits import Lock, RLock, Shared, Within, limit_of_wait
from interlock.cluster.ticket import AGAIN, GONE, HELD, LOST, WAITING, Ticket

if TYPE_CHECKING:
    from interlock.cluster.client import Cluster

_T = TypeVar("_T")


class Condition(Shared):
    """A condition variable for all machines.

    ``lock``: a `Lock` or `RLock` of the same handle. By default, an RLock with the name of the condition
    and `:lock`.
    """

    kind = "condition"

    def __init__(self, cluster: Cluster, name: str, lock: Lock | None = None) -> None:
        if lock is None:
            lock = RLock(cluster, f"{name}:lock")
        given: object = lock
        if not isinstance(given, Lock) or lock.cluster is not cluster:
            raise TypeError("lock must be a Lock or an RLock of the same handle")
        super().__init__(cluster, name, 0, lock.lease)
        self.lock = lock
        self.acquire: Callable[..., bool] = lock.acquire
        self.acquire_async: Callable[..., Coroutine[Any, Any, bool]] = lock.acquire_async
        self.release: Callable[[], None] = lock.release
        self.release_async: Callable[[], Coroutine[Any, Any, None]] = lock.release_async
        self.locked: Callable[[], bool] = lock.locked

    def __enter__(self) -> Ticket:
        return self.lock.__enter__()

    def __exit__(self, *error: Any) -> None:
        self.lock.__exit__(*error)

    async def __aenter__(self) -> Ticket:
        return await self.lock.__aenter__()

    async def __aexit__(self, *error: Any) -> bool | None:
        return await self.lock.__aexit__(*error)

    def within(self, timeout: float) -> Within:
        """Return a context manager that acquires the lock, or raises TimeoutError after ``timeout`` seconds."""
        return self.lock.within(timeout)

    @property
    def owner(self) -> Any:
        """The holder of the lock, on any machine. Asks the engine."""
        return self.lock.owner

    def own(self, what: str) -> Ticket:
        self.lock.look_at_forks()
        with self.lock.guard:
            tickets = self.lock.held.get(party.current())
            if tickets:
                return tickets[-1]
            # A lock that another party has taken for us: `threading` does not ask who.
            if type(self.lock) is Lock:
                for others in self.lock.held.values():
                    return others[-1]
        raise NotHeld(f"cannot {what} on {self!r}: its lock is not held")

    # --- wait -------------------------------------------------------------------------------------------------------

    def waiting(self, timeout: float | None) -> Calling[bool]:
        limit, _ = limit_of_wait(timeout)
        hold = self.own("wait")
        hold.check()
        ticket = yield from self.parking(hold)
        notified = True
        try:
            yield Park(ticket.event, None if limit is None else max(0.0, limit - time.monotonic()))
            if ticket.state == WAITING:
                notified = yield from self.waking(ticket)
                yield Park(ticket.event, None)
        except BaseException:
            if ticket.state == WAITING:
                yield from self.waking(ticket, shielded=True)
                yield Park(ticket.event, None, shielded=True)
            yield from self.returning(ticket, hold)
            raise
        yield from self.returning(ticket, hold)
        return notified

    def parking(self, hold: Ticket) -> Calling[Ticket]:
        """Give up `hold` and stand in the condition's queue."""
        lock, session = self.lock, hold.session
        ticket = session.begin(self.name, hold.units, self.board)
        if ticket is None:
            hold.check()
            raise LeaseLost(f"{lock!r} is no longer held here")
        ask = (
            session.id, ticket.waiter, self.name, hold.waiter, lock.name, lock.kind, lock.capacity, party.info(True),
        )  # fmt: skip
        hold.moving = True
        try:
            answer = yield from self.cluster.calling(
                "park", ask, None, lambda: session.owe(ticket.waiter), shielded=True
            )
        except BaseException:
            # Not known whether it is parked, so what is left of it is undone: the lock counts as given up.
            for each in (ticket, hold):
                if session.take_out(each):
                    session.owe(each.waiter)
            self.forget_hold(hold)
            raise
        hold.moving = False
        code = answer[0]
        if code in ("queued", "granted"):
            session.take_out(hold)
            self.forget_hold(hold)
            if hold.board is not None:
                hold.board.released()
            if code == "queued":
                session.queued(ticket)
            else:
                session.settle(ticket.waiter, answer[1])
            return ticket
        if code == "lost":
            session.end(EngineRestarted(f"{self.cluster.url} no longer knows this session"))
        else:
            session.take_out(ticket)
        if code == "shape":
            raise self.other_shape(answer)
        raise LeaseLost(f"{lock!r} was lost while it was held")

    def forget_hold(self, hold: Ticket) -> None:
        with self.lock.guard:
            tickets = self.lock.held.get(hold.party, [])
            if hold in tickets:
                tickets.remove(hold)
            if not tickets:
                self.lock.held.pop(hold.party, None)

    def waking(self, ticket: Ticket, shielded: bool = False) -> Calling[bool]:
        """Stop waiting for a notification. Returns whether one came before."""
        session = ticket.session
        call, seen = session.next_call()
        answer = yield from self.cluster.calling(
            "wake", (session.id, call, " ".join(seen), ticket.waiter), shielded=shielded
        )
        session.call_over(call, seen)
        if answer[0] == "lost":
            session.end(EngineRestarted(f"{self.cluster.url} no longer knows this session"))
            return True
        return bool(answer[0] == 0)

    def returning(self, ticket: Ticket, hold: Ticket) -> Calling[None]:
        """Come back with the lock."""
        if ticket.state in (AGAIN, LOST):
            self.cluster.requeued += 1
            again = yield from self.lock.entering(hold.units, None, 1)
            assert again is not None
            ticket = again
        assert ticket.state in (HELD, LOST, GONE)
        ticket.count = hold.count
        ticket.board = hold.board
        ticket.asked = False  # what it waited for was the condition
        ticket.cancelling = hold.cancelling
        ticket.cancel = hold.cancel
        ticket.follow(hold)
        self.lock.put(ticket)

    def wait(self, timeout: float | None = None) -> bool:
        """Release the lock, wait until notified, and acquire the lock again.

        Returns True, or False if no notification came within ``timeout`` seconds. Raises `NotHeld` (a RuntimeError) if
        the caller does not hold the lock.
        """
        return in_thread(self.waiting(timeout))

    async def wait_async(self, timeout: float | None = None) -> bool:
        """The same for tasks."""
        return await in_task(self.waiting(timeout))

    def waiting_for(self, predicate: Callable[[], _T], timeout: float | None) -> Calling[_T]:
        limit, _ = limit_of_wait(timeout)
        result = predicate()
        while not result:
            left = None if limit is None else limit - time.monotonic()
            if left is not None and left <= 0:
                break
            yield from self.waiting(left)
            result = predicate()
        return result

    def wait_for(self, predicate: Callable[[], _T], timeout: float | None = None) -> _T:
        """Wait until ``predicate()`` is true. It is called with the lock held. Returns its last result."""
        return in_thread(self.waiting_for(predicate, timeout))

    async def wait_for_async(self, predicate: Callable[[], _T], timeout: float | None = None) -> _T:
        """The same for tasks."""
        return await in_task(self.waiting_for(predicate, timeout))

    # --- notify -----------------------------------------------------------------------------------------------------

    def notifying(self, n: int) -> Calling[None]:
        hold = self.own("notify")
        hold.check()
        if n <= 0:
            return
        session = hold.session
        call, seen = session.next_call()
        answer = yield from self.cluster.calling(
            "notify", (session.id, call, " ".join(seen), self.name, hold.waiter, min(n, 2**31))
        )
        session.call_over(call, seen)
        if answer[0] == "lost":
            session.end(EngineRestarted(f"{self.cluster.url} no longer knows this session"))
        if answer[0] in ("lost", "free"):
            raise LeaseLost(f"{self.lock!r} was lost while it was held")

    def notify(self, n: int = 1) -> None:
        """Wake the first ``n`` waiting parties. They continue once they get the lock."""
        in_thread(self.notifying(n))

    async def notify_async(self, n: int = 1) -> None:
        """The same for tasks. It does not block the event loop."""
        await in_task(self.notifying(n))

    def notify_all(self) -> None:
        """Wake all waiting parties. They continue one after the other, as each gets the lock."""
        in_thread(self.notifying(2**31))

    async def notify_all_async(self) -> None:
        """The same for tasks. It does not block the event loop."""
        await in_task(self.notifying(2**31))
