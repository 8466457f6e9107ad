"""An update under a lock that is let go between its two halves, in tasks of a pool."""

import threading
from concurrent.futures import ThreadPoolExecutor, as_completed


class Stats:
    def __init__(self):
        self.total = 0
        self.lock = threading.Lock()

    def add(self, n):
        with self.lock:
            current = self.total
        with self.lock:
            self.total = current + n


def test():
    s = Stats()
    with ThreadPoolExecutor(3) as pool:
        fs = [pool.submit(s.add, i) for i in (1, 2, 3)]
        for f in as_completed(fs):
            f.result()
    assert s.total == 6
