"""Latch: a gate that opens once, when enough has been counted down.

    left    queue          meaning
    n > 0   any, PARKED    shut; n are missing
    0       empty          open, for ever

Open with a queue does not occur: the count-down to 0 empties the queue in the same critical section.
"""

import cython
from cython.cimports.interlock.core.kernel.arguments import checked_name, refuse_name, whole
from cython.cimports.interlock.core.kernel.control import Operation, controlling, point
from cython.cimports.interlock.core.kernel.primitive import Primitive
from cython.cimports.interlock.core.kernel.probe import Happening, happened, made, probing
from cython.cimports.interlock.core.kernel.public_name import interlock_keep_name
from cython.cimports.interlock.core.kernel.timeouts import deadline_after, wait_seconds
from cython.cimports.interlock.core.kernel.waiter import Waiter, new_waiter
from cython.cimports.interlock.core.primitives.alternative import Kind, alternative
from cython.cimports.interlock.core.tasks.awaiting import acquire_call


class Latch(Primitive):
    """Latch(count, *, name=None)\n--\n\n\
    A gate that opens once ``count`` has been counted down to 0. It then stays open.

    ``count``: how many count-downs open it, 0 or more. ``name``: shown by reports and ``repr``. Raises ValueError for a
    negative count.
    """

    def __init__(self, count: object, *, name: str | None = None):
        if isinstance(count, str):
            refuse_name("count is a number", count)
        left: cython.long = whole(count)
        if left < 0:
            raise ValueError(f"count must be 0 or more, not {count}")
        self.label = checked_name(name)
        self.left = left
        if probing:
            made(self)

    @property
    def count(self) -> int:
        """How many count-downs are still missing."""
        if controlling:
            point(Operation.LOOK, self)
        with cython.critical_section(self):
            return self.left

    def count_down(self, n: object = 1) -> None:
        """Count down by ``n``, 1 or more. At 0 the latch opens and wakes all waiting threads and tasks.

        Raises ValueError if ``n`` is below 1 or above `count`. Nothing changes then.
        """
        down: cython.long = whole(n)
        if down < 1:
            raise ValueError(f"n must be one or more, not {n}")
        if controlling:
            point(Operation.ARRIVE, self)
        chain: Waiter = None
        left: cython.long
        with cython.critical_section(self):
            left = self.left
            if down <= left:
                self.left = left - down
                if self.left == 0 and self.head is not None:
                    chain = self.grant_all()
        if down > left:
            raise ValueError(f"cannot count down by {n}: only {left} left in {self!r}")
        if chain is not None:
            self.wake(chain)
        if probing:
            happened(Happening.COUNTED_DOWN, self, 0, 0)

    def wait(self, timeout: object = None) -> bool:
        """Block until the latch is open.

        ``timeout``: how many seconds to wait at most; None means no limit, 0 or less means not to wait.

        Returns True, or False if the latch was not open in that time.
        """
        if controlling:
            point(Operation.WAIT, self)
        left: cython.long
        with cython.critical_section(self):
            left = self.left
        if left != 0:
            return self.block(new_waiter(0), deadline_after(timeout))
        if probing:
            happened(Happening.ACQUIRED, self, 0, 0)
        return True

    def wait_async(self, timeout: object = None) -> object:
        """Wait until the latch is open, in a task: ``await latch.wait_async()``. Does nothing until awaited.

        ``timeout``: how many seconds to wait at most; None means no limit, 0 or less means not to wait.

        The result of ``await`` is True, or False if the latch was not open in that time.
        """
        return acquire_call(self, 0, wait_seconds(timeout))

    def waiting(self) -> object:
        """For `select`: waits until the latch is open."""
        return alternative(Kind.WAITING, self, 0, None)

    def __repr__(self):
        with cython.critical_section(self):
            left: cython.long = self.left
        return self.describe("", f"count={left}")

    def take_now(self, want: cython.long) -> cython.bint:
        if controlling:
            point(Operation.WAIT, self)
        left: cython.long
        with cython.critical_section(self):
            left = self.left
        if left == 0 and probing:
            happened(Happening.ACQUIRED, self, 0, 0)
        return left == 0

    def fits(self, waiter: Waiter) -> cython.bint:
        return self.left == 0


interlock_keep_name(Latch, b"interlock.core.latch.Latch")
