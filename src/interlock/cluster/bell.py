"""What our own threads sleep at. It is none of the program's waits, so no recording and no dump is to show it."""

from __future__ import annotations

import _thread


class Bell:
    """An event for one thread that waits.

    `lock` is free as long as the bell is set, except for the moment in which the waiter passes through it.
    """

    def __init__(self) -> None:
        self.guard: _thread.LockType = _thread.allocate_lock()
        self.lock: _thread.LockType = _thread.allocate_lock()
        self.lock.acquire()
        self.is_set: bool = False

    def set(self) -> None:
        with self.guard:
            if not self.is_set:
                self.is_set = True
                self.lock.release()

    def clear(self) -> None:
        with self.guard:
            if self.is_set:
                self.is_set = False
                self.lock.acquire(False)  # the waiter has it where this fails, and keeps it

    def rings(self) -> bool:
        return self.is_set

    def wait(self, timeout: float | None = None) -> bool:
        """Sleep until it is set. ``timeout``: seconds. Returns whether it is set."""
        if not self.rings() and self.lock.acquire(timeout=-1 if timeout is None else max(0.0, timeout)):
            with self.guard:
                if self.rings():
                    self.lock.release()
        return self.rings()
