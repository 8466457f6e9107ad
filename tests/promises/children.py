"""Forked children for tests: what goes wrong in a child fails the test in the parent.

    in_child(check)          # forks, calls check() in the child

A child has one thread, the one that forked. It ends as soon as its check does, without the clean-up of the process
that it is a copy of.
"""

import faulthandler
import os
import select
import signal
import traceback
from collections.abc import Callable
from typing import Any, NoReturn

import pytest
from parties import PATIENCE

needs_fork = pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")


class Child:
    def __init__(self) -> None:
        self.pid: int | None = None  # None: not forked yet; 0: this is the child
        self.reading, self.writing = os.pipe()

    def fork(self) -> bool:
        """Fork. True in the child."""
        self.pid = os.fork()
        if self.pid == 0:
            faulthandler.enable(file=self.writing)  # see `join`
            signal.alarm(60)  # whatever becomes of the parent, the child does not stay
        else:
            os.close(self.writing)
        return self.pid == 0

    def finish(self, check: Callable[[], Any]) -> NoReturn:
        """In the child: `check()`, and that is the end of it."""
        failed = True
        try:
            check()
            failed = False
        except BaseException:
            os.write(self.writing, traceback.format_exc().encode())
        finally:
            os._exit(failed)

    def join(self) -> None:
        """In the parent: wait for the child, and fail where it has failed or hangs."""
        assert self.pid
        said = b""
        failure = "it failed"
        with os.fdopen(self.reading, "rb", buffering=0) as pipe:
            while True:
                ready, _, _ = select.select([pipe], [], [], PATIENCE if failure == "it failed" else None)
                if not ready:
                    failure = "it hangs"
                    os.kill(self.pid, signal.SIGABRT)  # faulthandler writes where it does
                    continue
                some = pipe.read(65536)
                if not some:
                    break
                said += some
        _, status = os.waitpid(self.pid, 0)
        if status != 0:
            pytest.fail(f"in the child: {failure} ({status})\n\n{said.decode()}")


def in_child(check: Callable[..., Any], *arguments: Any) -> None:
    """Fork, call `check(*arguments)` in the child, and fail where that fails."""
    child = Child()
    if child.fork():
        child.finish(lambda: check(*arguments))
    child.join()
