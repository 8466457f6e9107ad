"""A signal handler wants the lock that the line holds into which it cuts."""

import signal
import threading
import time
from types import FrameType

log = threading.Lock()
lines: list[str] = []


def note(text: str) -> None:
    with log:
        lines.append(text)
        time.sleep(0.2)  # the signal comes here


def reload(number: int, frame: FrameType | None) -> None:
    note("reloaded")


signal.signal(signal.SIGALRM, reload)
signal.setitimer(signal.ITIMER_REAL, 0.1)
note("started")
