"""`with lock.within(2.0):` enters held or not at all; `with lock.within_order(1):` says that it is one of several.

Both have an `async with` as well.
"""

from cython.cimports.interlock.core.kernel.native import interlock_thread_id
from cython.cimports.interlock.core.kernel.primitive import Primitive
from cython.cimports.interlock.core.kernel.probe import probing
from cython.cimports.interlock.core.kernel.timeouts import seconds_of
from cython.cimports.interlock.core.tasks.awaiting import DONE
from cython.cimports.interlock.core.tasks.task import caller_id

hints = {}


class Within:
    """A context manager that holds ``target``, or raises TimeoutError when it does not get it in time."""

    def __enter__(self) -> bool:
        taken = self.target.acquire(timeout=self.timeout)
        if hasattr(taken, "close"):
            taken.close()
            raise TypeError(f"{self.target!r} must be entered by 'async with'; for threads, use interlock's")
        if not taken:
            raise TimeoutError(f"not acquired within {self.timeout} s: {self.target!r}")
        target = self.target
        if isinstance(target, Primitive):
            primitive: Primitive = target
            primitive.mark_entered(interlock_thread_id())
        return True

    def __exit__(self, exc_type: object = None, exc_value: object = None, traceback: object = None) -> None:
        self.target.release()

    async def __aenter__(self) -> bool:
        if not await self.target.acquire_async(timeout=self.timeout):
            raise TimeoutError(f"not acquired within {self.timeout} s: {self.target!r}")
        target = self.target
        if isinstance(target, Primitive):
            primitive: Primitive = target
            primitive.mark_entered(caller_id())
        return True

    def __aexit__(self, exc_type: object = None, exc_value: object = None, traceback: object = None) -> object:
        self.target.release()
        return DONE


def within(target, timeout) -> Within:
    if not isinstance(timeout, (int, float)):
        raise TypeError(f"timeout must be a number of seconds, not {type(timeout).__name__}")
    if not timeout >= 0:
        raise ValueError(f"timeout must be 0 or more seconds, not {timeout}")
    seconds_of(timeout)
    made: Within = Within.__new__(Within)
    made.target = target
    made.timeout = timeout
    return made


class InOrder:
    """A context manager that holds ``target``, the caller's next in an order that the program has made itself."""

    def __enter__(self) -> object:
        if not probing:
            return self.target.__enter__()
        me = caller_id()
        before = hints.get(me)
        hints[me] = self.order
        try:
            return self.target.__enter__()
        finally:
            restore(me, before)

    async def __aenter__(self) -> object:
        me = caller_id()
        before = hints.get(me)
        hints[me] = self.order
        try:
            return await self.target.__aenter__()
        finally:
            restore(me, before)

    def __aexit__(self, exc_type: object = None, exc_value: object = None, traceback: object = None) -> object:
        return self.target.__aexit__(exc_type, exc_value, traceback)

    def __exit__(self, exc_type: object = None, exc_value: object = None, traceback: object = None) -> object:
        return self.target.__exit__(exc_type, exc_value, traceback)


def restore(me, before):
    if before is None:
        hints.pop(me, None)
    else:
        hints[me] = before


def within_order(target, order) -> InOrder:
    if not isinstance(order, int):
        raise TypeError(f"order must be a whole number, not {type(order).__name__}")
    made: InOrder = InOrder.__new__(InOrder)
    made.target = target
    made.order = order
    return made
