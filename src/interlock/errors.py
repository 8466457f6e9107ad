"""The exceptions of interlock."""

from threading import BrokenBarrierError

from interlock.core.kernel.deadlock import DeadlockError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from interlock.core.primitives.queue_errors import Empty, Full, ShutDown

__all__ = ["BrokenBarrierError", "DeadlockError", "Empty", "Full", "LockOrderWarning", "ShutDown"]


class LockOrderWarning(RuntimeWarning):
    """Two locks are acquired in both orders, which can end in a deadlock. Issued by `interlock.watch_order`."""

    __module__ = "interlock"


def __getattr__(name: str) -> object:
    # The standard library's `queue` is loaded for those who ask for these.
    if name in ("Empty", "Full", "ShutDown"):
        from interlock.core.primitives import queue_errors

        return getattr(queue_errors, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
