"""`interlock hold NAME`: a lock between the processes of this machine."""

from argparse import Namespace
from typing import Any

from interlock import Event
from interlock.cli.hold import BAD_USE, Hold, refuse


def open_hold(request: Namespace) -> Hold:
    """What `interlock hold NAME` asks for."""
    from interlock import machine

    if request.name is not None:
        refuse(f"{request.target!r} is not the URL of an engine, like redis://host/0", BAD_USE)
    try:
        if request.semaphore is not None:
            return MachineHold(machine.BoundedSemaphore(request.semaphore, name=request.target))
        if request.shared or request.exclusive:
            lock = machine.RWLock(request.target)
            return MachineHold(lock.read() if request.shared else lock.write())
        return MachineHold(machine.Lock(request.target))
    except ValueError as error:
        refuse(str(error), BAD_USE)
    except OSError as error:
        refuse(str(error))


class MachineHold:
    """One primitive of `interlock.machine`. It is never lost: it ends with this process, whatever ends it."""

    def __init__(self, target: Any) -> None:
        self.target = target

    def acquire(self, timeout: float | None) -> bool:
        """Take it, within ``timeout`` seconds where that is not None."""
        return bool(self.target.acquire(timeout=-1 if timeout is None and hasattr(self.target, "locked") else timeout))

    def environment(self) -> dict[str, str]:
        """Nothing: there is no token, a dead holder does nothing more."""
        return {}

    def on_lost(self, tell: Event) -> None:
        """It is not lost while this process lives."""

    def release(self) -> bool:
        """Give it back."""
        self.target.release()
        return True
