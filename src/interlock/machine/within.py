"""`with lock.within(2.0):` enters held or not at all. Both ways: a thread's `with`, and a task's `async with`."""

from typing import Any


class Within:
    """A context manager that holds ``target``, or raises TimeoutError when it does not get it in time."""

    __slots__ = ("_target", "_timeout")

    def __init__(self, target: Any, timeout: float) -> None:
        self._target = target
        self._timeout = timeout

    def __enter__(self) -> bool:
        if not self._target._enter(self._timeout):
            raise TimeoutError(f"not acquired within {self._timeout} s: {self._target!r}")
        return True

    def __exit__(self, exc_type: object = None, exc_value: object = None, traceback: object = None) -> None:
        self._target.__exit__(exc_type, exc_value, traceback)

    async def __aenter__(self) -> bool:
        if not await self._target._enter_async(self._timeout):
            raise TimeoutError(f"not acquired within {self._timeout} s: {self._target!r}")
        return True

    async def __aexit__(self, exc_type: object = None, exc_value: object = None, traceback: object = None) -> None:
        await self._target.__aexit__(exc_type, exc_value, traceback)


def make_within(target: Any, timeout: float) -> Within:
    """Check ``timeout`` (seconds, 0 or more) and make the context manager."""
    if not isinstance(timeout, (int, float)):
        raise TypeError(f"timeout must be a number of seconds, not {type(timeout).__name__}")
    if not timeout >= 0:
        raise ValueError(f"timeout must be 0 or more seconds, not {timeout}")
    return Within(target, timeout)
