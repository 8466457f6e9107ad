"""The exceptions of interlock."""

from threading import BrokenBarrierError

from interlock.core.waiting import DeadlockError

__all__ = ["BrokenBarrierError", "DeadlockError"]
