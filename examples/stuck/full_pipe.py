"""A child writes more into its pipe than that holds, and its parent waits for its end instead of reading."""

import subprocess
import sys
import threading
import time


def heartbeat() -> None:
    while True:
        time.sleep(0.1)


threading.Thread(target=heartbeat, name="heartbeat", daemon=True).start()
child = subprocess.Popen(
    [sys.executable, "-c", "print('x' * 200_000)"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
)
child.wait()
