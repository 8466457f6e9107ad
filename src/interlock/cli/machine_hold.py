"""`interlock hold NAME`: a lock between the processes of this machine."""

import ctypes
import os
import signal
from argparse import Namespace
from typing import Any

from interlock import Event
from interlock.cli.hold import BAD_USE, Hold, refuse

_PR_SET_PDEATHSIG = 1
_prctl = ctypes.CDLL(None).prctl  # found now: nothing is imported between fork and exec


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
        self._holder = os.getpid()

    def acquire(self, timeout: float | None) -> bool:
        """Take it, within ``timeout`` seconds where that is not None."""
        return bool(self.target.acquire(timeout=-1 if timeout is None and hasattr(self.target, "locked") else timeout))

    def in_command(self) -> None:
        """The command ends with us, even by KILL: it must not run on without the lock."""
        _prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != self._holder:  # it ended before the call: nobody sends the signal
            os._exit(1)

    def environment(self) -> dict[str, str]:
        """Nothing: there is no token, a dead holder does nothing more."""
        return {}

    def on_lost(self, tell: Event) -> None:
        """It is not lost while this process lives."""

    def release(self) -> bool:
        """Give it back."""
        self.target.release()
        return True
