"""The exceptions of interlock."""

from threading import BrokenBarrierError

from interlock.core.kernel.deadlock import DeadlockError
from interlock.core.primitives.queue_errors import Empty, Full, ShutDown

__all__ = ["BrokenBarrierError", "DeadlockError", "Empty", "Full", "LockOrderWarning", "ShutDown"]


class LockOrderWarning(RuntimeWarning):
    """Locks are taken in two orders, which can end in a deadlock."""

    __module__ = "interlock"
