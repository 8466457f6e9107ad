"""A circuit breaker lets two probes through, as it notes the probe outside its lock. Mended."""

import threading
import time


class Breaker:
    """Opens after two failures; one probe is let through after a pause."""

    def __init__(self):
        self.lock = threading.Lock()
        self.failures = 0
        self.probing = False
        self.opened_at = None
        self.calls = 0

    def call(self, f):
        with self.lock:
            if self.opened_at is not None:
                if time.monotonic() - self.opened_at < 5:
                    raise RuntimeError("open")
                if self.probing:
                    raise RuntimeError("probing")
            if self.opened_at is not None:
                self.probing = True
        try:
            f()
        except ValueError:
            with self.lock:
                self.failures += 1
                if self.failures >= 2:
                    self.opened_at = time.monotonic()
            raise
        finally:
            with self.lock:
                self.probing = False


def test():
    b = Breaker()
    running = []
    most = []

    def bad():
        raise ValueError

    for _ in range(2):
        try:
            b.call(bad)
        except ValueError:
            pass
    time.sleep(10)

    def probe():
        running.append(1)
        most.append(len(running))
        time.sleep(0.1)
        running.pop()

    def one():
        try:
            b.call(probe)
        except RuntimeError:
            pass

    ts = [threading.Thread(target=one) for _ in range(2)]
    for t in ts:
        t.start()
    for t in ts:
        t.join()
    assert max(most) == 1
