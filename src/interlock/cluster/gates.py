"""Event and Latch: what parties on all machines wait for. Nobody holds them; what they say outlives every process."""

from __future__ import annotations

from typing import TYPE_CHECKING

from interlock.cluster.calling import Calling, in_task, in_thread
from interlock.cluster.permits import Shared, limit_of_wait

if TYPE_CHECKING:
    from interlock.cluster.client import Cluster


class Gate(Shared):
    def waiting(self, timeout: float | None) -> Calling[bool]:
        limit, stay = limit_of_wait(timeout)
        ticket = yield from self.entering(0, limit, stay)
        if ticket is None:
            return False
        # The engine keeps what it told until it hears that it came; nobody waits for that.
        if ticket.session.take_out(ticket) and ticket.asked:
            ticket.session.owe_later(ticket.waiter)
        return True

    def wait(self, timeout: float | None = None) -> bool:
        """Wait until it is open. Returns True, or False after ``timeout`` seconds."""
        return in_thread(self.waiting(timeout))

    async def wait_async(self, timeout: float | None = None) -> bool:
        """The same for tasks."""
        return await in_task(self.waiting(timeout))


class Event(Gate):
    """A flag for all machines. It keeps its state after all processes that use it have ended."""

    kind = "event"

    def __init__(self, cluster: Cluster, name: str) -> None:
        super().__init__(cluster, name, 0)

    def changing(self, what: str) -> Calling[None]:
        yield from self.signalling("signal", self.name, self.kind, 0, what, 1)

    def is_set(self) -> bool:
        """Whether the flag is set. Asks the engine."""
        return bool(in_thread(self.reading())[4])

    async def is_set_async(self) -> bool:
        """The same for tasks."""
        return bool((await in_task(self.reading()))[4])

    def set(self) -> None:
        """Set the flag and wake all waiting parties."""
        in_thread(self.changing("set"))

    async def set_async(self) -> None:
        """The same for tasks. It does not block the event loop."""
        await in_task(self.changing("set"))

    def clear(self) -> None:
        """Clear the flag. Later calls of `wait` block until it is set again."""
        in_thread(self.changing("clear"))

    async def clear_async(self) -> None:
        """The same for tasks. It does not block the event loop."""
        await in_task(self.changing("clear"))


class Latch(Gate):
    """A gate for all machines. It opens once ``count`` has been counted down to 0, and stays open.

    ``count``: how many count-downs open it. Another count for the same name raises `ShapeError`.
    """

    kind = "latch"

    def __init__(self, cluster: Cluster, name: str, count: int) -> None:
        if isinstance(count, bool) or not isinstance(count, int):
            raise TypeError(f"count must be a whole number, not {type(count).__name__}")
        if not 0 <= count < 2**31:
            raise ValueError(f"count must be 0 to {2**31 - 1}, not {count}")
        super().__init__(cluster, name, count)

    def counting(self, n: int) -> Calling[None]:
        if isinstance(n, bool) or not isinstance(n, int):
            raise TypeError(f"n must be a whole number, not {type(n).__name__}")
        if n < 1:
            raise ValueError(f"n must be 1 or more, not {n}")
        left = yield from self.signalling("signal", self.name, self.kind, self.capacity, "down", n)
        if left < 0:
            raise ValueError(f"{self!r}: counted down below 0")

    @property
    def count(self) -> int:
        """How many count-downs are still missing. Asks the engine."""
        left: int = in_thread(self.reading())[4]
        return left

    async def count_async(self) -> int:
        """The same for tasks."""
        left: int = (await in_task(self.reading()))[4]
        return left

    def count_down(self, n: int = 1) -> None:
        """Count down by ``n``. Raises ValueError if fewer are missing. Nothing changes then."""
        in_thread(self.counting(n))

    async def count_down_async(self, n: int = 1) -> None:
        """The same for tasks. It does not block the event loop."""
        await in_task(self.counting(n))
