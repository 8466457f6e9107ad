"""An arena of its own for these tests, and processes that cannot be left behind."""

import os
import signal
import sys
import time
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

if sys.platform != "linux":
    collect_ignore_glob = ["test_*.py"]

PATIENCE = 60.0  # seconds; only what will never come uses them up


@pytest.fixture(scope="session", autouse=True)
def arena(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Nobody else is in it. All of a session share it: a process maps one arena."""
    folder = tmp_path_factory.mktemp("arena")
    folder.chmod(0o700)
    before = os.environ.get("INTERLOCK_MACHINE_DIR")
    os.environ["INTERLOCK_MACHINE_DIR"] = str(folder)
    yield folder
    if before is None:
        del os.environ["INTERLOCK_MACHINE_DIR"]
    else:
        os.environ["INTERLOCK_MACHINE_DIR"] = before


class Others:
    """Forked processes. Whoever is alive at the end of a test is killed."""

    def __init__(self) -> None:
        self.alive: set[int] = set()

    def start(self, work: Callable[[], object]) -> int:
        parent = os.getpid()
        pid = os.fork()
        if pid == 0:
            try:
                import ctypes

                ctypes.CDLL(None).prctl(1, signal.SIGKILL)
                if os.getppid() == parent:
                    work()
                    os._exit(0)
            except BaseException:
                traceback.print_exc()
            finally:  # never on into the test, whatever signals come
                os._exit(1)
        self.alive.add(pid)
        return pid

    def end(self, pid: int) -> int:
        """Wait for its end. Returns its exit code."""
        end = time.monotonic() + PATIENCE
        while time.monotonic() < end:
            ended, status = os.waitpid(pid, os.WNOHANG)
            if ended:
                self.alive.discard(pid)
                return os.waitstatus_to_exitcode(status)
            time.sleep(0.001)
        raise AssertionError(f"process {pid} does not end")

    def kill(self, pid: int, number: int = signal.SIGKILL) -> None:
        os.kill(pid, number)
        if number == signal.SIGKILL:
            os.waitpid(pid, 0)
            self.alive.discard(pid)

    def kill_all(self) -> None:
        for pid in list(self.alive):
            self.kill(pid)


@pytest.fixture
def others() -> Iterator[Others]:
    them = Others()
    yield them
    them.kill_all()


def until(done: Callable[[], object], what: str = "") -> None:
    """Wait for a state that others bring about."""
    end = time.monotonic() + PATIENCE
    while not done():
        assert time.monotonic() < end, f"never: {what or done}"
        time.sleep(0.0005)
