"""Latch between processes: opens when it has been counted down, and stays open.

word     what is left; QUEUED: somebody is in the guard
turn     as an Event's: set when it opens, which commits the last count. The word follows.
"""

import cython
from cython.cimports.interlock.core.kernel.arguments import whole
from cython.cimports.interlock.core.kernel.probe import Happening, probing
from cython.cimports.interlock.machine.kernel import (
    LATCH,
    PERMITS,
    Shared,
    Waiting,
    caller,
    deadline_after,
    guard_unlock,
    ilk_use,
    latch_down,
    latch_try,
    load,
    load_u32,
    named,
    process_address,
    u32,
)

from interlock.machine import tasks

ilk_use(process_address())


class Latch(Shared):
    """Latch(count, *, name=None)\n--\n\n\
    A gate between the processes of this machine. It opens once ``count`` has been counted down to 0, and stays open.
    ``Latch("name", count)`` also works.

    ``count``: how many count-downs open it, 0 or more. A process that dies does not count down. ``name``: all
    processes that use the same name and count share one latch.

    Raises ValueError for a negative count, and if the name is in use for another kind of primitive.
    """

    def __init__(self, count: object, second: object = None, *, name: str | None = None):
        given = named(count, second, name, None)
        if given[1] is None:
            raise TypeError("a Latch needs a count")
        start: cython.long = whole(given[1])
        if not 0 <= start <= 0x7FFFFFFF:
            raise ValueError("count must be 0 or more" if start < 0 else "count must be below 2**31")
        self.open(LATCH, given[0], start, None)

    @property
    def count(self) -> int:
        """How many count-downs are still missing."""
        return 0 if load_u32(cython.address(self.r.turn)) & 1 else load(cython.address(self.r.word)) & PERMITS

    def count_down(self, n: object = 1) -> None:
        """Count down by ``n``, 1 or more. At 0 the latch opens. Raises ValueError if ``n`` is above `count`."""
        by: cython.long = whole(n)
        if by < 1:
            raise ValueError("n must be one or more")
        if probing:
            self.tell(Happening.COUNTED_DOWN, 0)
        how: cython.int = latch_try(self.r, by)
        if how == 1:
            i = caller()
            self.enter_guard(i)
            how = latch_down(self.r, by)
            guard_unlock(i, self.r)
        if how != 0:
            raise ValueError(f"cannot count down by {n}: {self!r}")

    def wait(self, timeout: object = None) -> bool:
        """Wait until the latch is open.

        ``timeout``: how many seconds to wait at most; None means no limit, 0 or less means not to wait.

        Returns True, or False if the latch did not open in that time.
        """
        if load_u32(cython.address(self.r.turn)) & 1:
            return True
        w: Waiting
        w.record = self.index
        w.node = 0
        w.flags = 0
        w.want = 0
        w.deadline = deadline_after(timeout)
        w.noticed = 0
        return self.drive(cython.address(w))

    def wait_async(self, timeout: object = None) -> object:
        """`wait` for tasks: ``await latch.wait_async()``."""
        return tasks.acquire(self, timeout, 0)

    def _try(self, flags: u32, want: u32) -> bool:
        return load_u32(cython.address(self.r.turn)) & 1 != 0

    def _taken(self) -> None:
        pass

    def __repr__(self):
        return self.describe("", f"count={self.count}")
