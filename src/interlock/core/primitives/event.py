"""Event: a flag to wait for.

    flag    queue          meaning
    set     empty          nobody waits
    clear   any, PARKED    everybody who came since it was cleared waits

Set with a queue does not occur: `set` empties the queue in the critical section in which it sets the flag. Who was
in it then has seen the event, even if it is cleared before the party runs again.
"""

import warnings

import cython
from cython.cimports.interlock.core.kernel.arguments import checked_name, refuse_positional
from cython.cimports.interlock.core.kernel.construct import interlock_construct_directly
from cython.cimports.interlock.core.kernel.control import Operation, controlling, point
from cython.cimports.interlock.core.kernel.primitive import Primitive
from cython.cimports.interlock.core.kernel.probe import Happening, happened, made, probing
from cython.cimports.interlock.core.kernel.public_name import interlock_keep_name
from cython.cimports.interlock.core.kernel.timeouts import deadline_after, wait_seconds
from cython.cimports.interlock.core.kernel.waiter import Waiter, new_waiter
from cython.cimports.interlock.core.primitives.alternative import Kind, alternative
from cython.cimports.interlock.core.tasks.awaiting import acquire_call


class Event(Primitive):
    """Event(*, name=None)\n--\n\n\
    A flag, initially false. `wait` blocks until it is set.

    ``name``: shown by reports and ``repr``.
    """

    def __init__(self, *args: object, name: str | None = None):
        if args:
            refuse_positional(self, args)
        self.label = checked_name(name)
        if probing:
            made(self)

    def is_set(self) -> bool:
        """Whether the flag is set."""
        if controlling:
            point(Operation.LOOK, self)
        with cython.critical_section(self):
            return self.flag

    def set(self) -> None:
        """Set the flag and wake all waiting threads and tasks."""
        if controlling:
            point(Operation.SET, self)
        chain: Waiter = None
        with cython.critical_section(self):
            self.flag = True
            if self.head is not None:
                chain = self.grant_all()
        if chain is not None:
            self.wake(chain)
        if probing:
            happened(Happening.SET, self, 0, 0)

    def clear(self) -> None:
        """Clear the flag. Later calls of `wait` block until it is set again."""
        if controlling:
            point(Operation.CLEAR, self)
        with cython.critical_section(self):
            self.flag = False
        if probing:
            happened(Happening.CLEARED, self, 0, 0)

    def wait(self, timeout: object = None) -> bool:
        """Block until the flag is set.

        ``timeout``: how many seconds to wait at most; None means no limit, 0 or less means not to wait.

        Returns True, or False if the flag was not set in that time.
        """
        if controlling:
            point(Operation.WAIT, self)
        flag: cython.bint
        with cython.critical_section(self):
            flag = self.flag
        if not flag:
            return self.block(new_waiter(0), deadline_after(timeout))
        if probing:
            happened(Happening.ACQUIRED, self, 0, 0)
        return True

    def wait_async(self, timeout: object = None) -> object:
        """Wait until the flag is set, in a task: ``await event.wait_async()``. Does nothing until awaited.

        ``timeout``: how many seconds to wait at most; None means no limit, 0 or less means not to wait.

        The result of ``await`` is True, or False if the flag was not set in that time.
        """
        return acquire_call(self, 0, -1 if timeout is None else wait_seconds(timeout))

    def waiting(self) -> object:
        """For `select`: waits until the flag is set."""
        return alternative(Kind.WAITING, self, 0, None)

    def __repr__(self):
        with cython.critical_section(self):
            flag: cython.bint = self.flag
        return self.describe("", "set" if flag else "unset")

    # `threading` and code that peeks use these names.

    @property
    def _flag(self) -> bool:
        return self.is_set()

    def isSet(self) -> bool:
        """The old name of `is_set`."""
        warnings.warn("isSet() is deprecated, use is_set() instead", DeprecationWarning, stacklevel=1)
        return self.is_set()

    def _at_fork_reinit(self) -> None:
        with cython.critical_section(self):
            self.forget_lost()

    def take_now(self, want: cython.long) -> cython.bint:
        if controlling:
            point(Operation.WAIT, self)
        flag: cython.bint
        with cython.critical_section(self):
            flag = self.flag
        if flag and probing:
            happened(Happening.ACQUIRED, self, 0, 0)
        return flag

    def fits(self, waiter: Waiter) -> cython.bint:
        return self.flag


interlock_construct_directly(Event)
interlock_keep_name(Event, b"interlock.core.event.Event")
