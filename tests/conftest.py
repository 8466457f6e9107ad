"""What holds for every test."""

import os
import signal
import threading
import time
from collections.abc import Iterator

import hypothesis
import pytest

# A shell that runs the tests in the background makes them ignore SIGINT, and every program that they start would too.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

# No deadline per example: a blocked party on a busy machine is slow, not wrong.
hypothesis.settings.register_profile("interlock", deadline=None, print_blob=True)
# Seeds stay random: each run on the CI machine looks somewhere new, and the printed blob brings a failure back.
hypothesis.settings.register_profile(
    "interlock-ci",
    parent=hypothesis.settings.get_profile("interlock"),
    database=None,
    suppress_health_check=[hypothesis.HealthCheck.too_slow],
)
hypothesis.settings.load_profile("interlock-ci" if os.environ.get("CI") else "interlock")

PATIENCE = 10.0  # seconds; only a thread that will never end uses them up


@pytest.fixture(autouse=True)
def no_thread_left_behind() -> Iterator[None]:
    """Fail the test that leaves a thread alive: it is blocked for ever, and would keep the process from ending."""
    before = set(threading.enumerate())
    yield
    deadline = time.monotonic() + PATIENCE
    started = [thread for thread in threading.enumerate() if thread not in before and not thread.daemon]
    for thread in started:
        thread.join(max(0.0, deadline - time.monotonic()))
    left = [thread.name for thread in started if thread.is_alive()]
    assert not left, f"threads left alive: {', '.join(left)}"
