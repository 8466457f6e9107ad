"""A lease is used after it has run out and another has taken it. Mended."""

import threading
import time


def run(*functions):
    threads = [threading.Thread(target=each) for each in functions]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


class Lease:
    def __init__(self):
        self.lock = threading.Lock()
        self.owner = None
        self.until = 0.0

    def take(self, who):
        with self.lock:
            now = time.monotonic()
            if self.owner is None or now >= self.until:
                self.owner, self.until = who, now + 0.1
                return True
            return False

    def write(self, who, log):
        with self.lock:
            if self.owner == who and time.monotonic() < self.until:
                log.append(who)


def test():
    lease = Lease()
    log = []

    def client(who):
        if lease.take(who):
            time.sleep(0.05)
            lease.write(who, log)

    def late():
        time.sleep(0.1)
        client("b")

    run(lambda: client("a"), late)
    assert log in ([], ["a"], ["b"], ["a", "b"]), log
