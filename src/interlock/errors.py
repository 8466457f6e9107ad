"""The exceptions of interlock."""

from threading import BrokenBarrierError

from interlock.core.kernel.deadlock import DeadlockError

__all__ = ["BrokenBarrierError", "DeadlockError", "LockOrderWarning"]


class LockOrderWarning(RuntimeWarning):
    """Locks are taken in two orders, which can end in a deadlock."""

    __module__ = "interlock"
