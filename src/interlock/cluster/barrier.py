"""Barrier: parties from all machines meet and go on together, or are told that one of them will not come.

A party that gives up, whose process dies, or that loses its session breaks the barrier for all who wait there, and it
stays broken until `reset`, as in `threading`.
"""

from __future__ import annotations

from collections.abc import Callable
from threading import BrokenBarrierError
from typing import TYPE_CHECKING

from interlock.cluster.calling import Calling, in_task, in_thread
from interlock.cluster.permits import Shared, limit_of_wait
from interlock.cluster.ticket import BROKEN, Ticket

if TYPE_CHECKING:
    from interlock.cluster.client import Cluster


class Barrier(Shared):
    """A rendezvous of ``parties`` threads or tasks on all machines.

    ``action``: called by the last one to arrive, before the others continue. An exception of it breaks the barrier.
    ``timeout``: the default for `wait`, in seconds.
    """

    kind = "barrier"

    def __init__(
        self,
        cluster: Cluster,
        name: str,
        parties: int,
        action: Callable[[], object] | None = None,
        timeout: float | None = None,
    ) -> None:
        if isinstance(parties, bool) or not isinstance(parties, int):
            raise TypeError(f"parties must be a whole number, not {type(parties).__name__}")
        if not 1 <= parties < 2**31:
            raise ValueError(f"parties must be 1 to {2**31 - 1}, not {parties}")
        super().__init__(cluster, name, parties)
        self.action = action
        self.timeout = timeout

    @property
    def parties(self) -> int:
        """How many parties must arrive."""
        return self.capacity

    @property
    def n_waiting(self) -> int:
        """How many parties have arrived. Asks the engine."""
        waiting: int = in_thread(self.reading())[3]
        return waiting

    @property
    def broken(self) -> bool:
        """Whether the barrier is broken. Asks the engine."""
        return bool(in_thread(self.reading())[4] == 1)

    def meeting(self, timeout: float | None) -> Calling[int]:
        timeout = self.timeout if timeout is None else timeout
        limit, _ = limit_of_wait(timeout)
        ticket = yield from self.entering(1 if self.action is None else 2, limit, 1)
        if ticket is None or ticket.state == BROKEN:
            raise BrokenBarrierError
        return (yield from self.passing(ticket))

    def passing(self, ticket: Ticket) -> Calling[int]:
        session = ticket.session
        last = ticket.value == self.capacity
        if last and self.action is not None:
            try:
                self.action()
            except BaseException:
                if session.take_out(ticket):
                    session.owe(ticket.waiter)  # it is gone, so the others are told that it broke
                raise
            broken = yield from self.signalling("signal", self.name, self.kind, self.capacity, "pass", 1)
            if broken:
                session.take_out(ticket)
                raise BrokenBarrierError
        if session.take_out(ticket):
            session.owe_later(ticket.waiter)
        return ticket.value - 1

    def wait(self, timeout: float | None = None) -> int:
        """Wait until all have arrived. Returns a different number for each, from 0. May raise BrokenBarrierError."""
        return in_thread(self.meeting(timeout))

    async def wait_async(self, timeout: float | None = None) -> int:
        """The same for tasks."""
        return await in_task(self.meeting(timeout))

    def changing(self, what: str) -> Calling[None]:
        yield from self.signalling("signal", self.name, self.kind, self.capacity, what, 1)

    def reset(self) -> None:
        """Return the barrier to its initial state. Waiting parties get BrokenBarrierError."""
        in_thread(self.changing("reset"))

    async def reset_async(self) -> None:
        """The same for tasks. It does not block the event loop."""
        await in_task(self.changing("reset"))

    def abort(self) -> None:
        """Break the barrier. Present and later calls of `wait` raise BrokenBarrierError until `reset` is called."""
        in_thread(self.changing("abort"))

    async def abort_async(self) -> None:
        """The same for tasks. It does not block the event loop."""
        await in_task(self.changing("abort"))
