"""A filter is given all its input before its output is read. Both pipes are full then."""

import subprocess
import sys
import threading
import time

UPPER = "import sys\nfor line in sys.stdin:\n    print(line.upper())"


def heartbeat() -> None:
    while True:
        time.sleep(0.1)


threading.Thread(target=heartbeat, name="heartbeat", daemon=True).start()
child = subprocess.Popen([sys.executable, "-c", UPPER], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
assert child.stdin is not None
assert child.stdout is not None
child.stdin.write("word\n" * 100_000)
child.stdin.close()
print(len(child.stdout.read()))
