"""Event between processes: a flag that wakes all who wait for it.

    turn      set(1)  threads wait(2)  tasks wait(4)  how often it was set << 3

Setting it and waking all threads is one system call, so no death can come between. A thread that was woken looks at the
count: it returns also where the flag was cleared again before it could run.
"""

import cython
from cython.cimports.interlock.core.kernel.probe import Happening, probing
from cython.cimports.interlock.machine.kernel import (
    EVENT,
    Shared,
    Waiting,
    caller,
    deadline_after,
    event_clear,
    event_try_set,
    guard_unlock,
    ilk_use,
    load_u32,
    process_address,
    turn_set,
    u32,
    u64,
)

from interlock.machine import tasks

ilk_use(process_address())


class Event(Shared):
    """Event(name=None)\n--\n\n\
    A flag between the processes of this machine. Like `threading.Event`.

    ``name``: all processes that use the same name share one event. Raises ValueError if the name is in use for another
    kind of primitive.
    """

    def __init__(self, name: str | None = None):
        self.open(EVENT, name, 0, None)

    def is_set(self) -> bool:
        """Whether the flag is set."""
        return load_u32(cython.address(self.r.turn)) & 1 != 0

    def set(self) -> None:
        """Set the flag and wake all waiting parties."""
        if probing:
            self.tell(Happening.SET, 0)
        if not event_try_set(self.r):
            i = caller()
            self.enter_guard(i)
            turn_set(self.r)
            guard_unlock(i, self.r)

    def clear(self) -> None:
        """Clear the flag. Later calls of `wait` block until it is set again."""
        event_clear(self.r)
        if probing:
            self.tell(Happening.CLEARED, 0)

    def wait(self, timeout: object = None) -> bool:
        """Wait until the flag is set. ``timeout``: how many seconds to wait at most; None means no limit, 0 or less
        means not to wait.

        Returns True, or False if the flag was not set in that time.
        """
        if load_u32(cython.address(self.r.turn)) & 1:
            return True
        return self.take(deadline_after(timeout))

    def wait_async(self, timeout: object = None) -> object:
        """`wait` for tasks: ``await event.wait_async()``."""
        return tasks.acquire(self, timeout, 0)

    def _try(self, flags: u32, want: u32) -> bool:
        return load_u32(cython.address(self.r.turn)) & 1 != 0

    def _taken(self) -> None:
        pass

    def __repr__(self):
        return self.describe("", "set" if self.is_set() else "unset")

    def take(self, deadline: u64) -> cython.bint:
        w: Waiting
        w.record = self.index
        w.node = 0
        w.flags = 0
        w.want = 0
        w.deadline = deadline
        w.noticed = 0
        return self.drive(cython.address(w))
