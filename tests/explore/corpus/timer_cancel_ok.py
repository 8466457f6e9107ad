"""Two callers restart a debouncing timer at the same time, and one of its timers is forgotten. Mended."""

import threading


class Debounce:
    """Calls once after a pause; a new call restarts it."""

    def __init__(self, action, pause):
        self.action, self.pause, self.timer, self.lock = action, pause, None, threading.Lock()

    def call(self):
        with self.lock:
            if self.timer is not None:
                self.timer.cancel()
            self.timer = threading.Timer(self.pause, self.action)
            self.timer.start()


def test():
    hits = []
    d = Debounce(lambda: hits.append(1), 5.0)
    ts = [threading.Thread(target=d.call) for _ in range(2)]
    for t in ts:
        t.start()
    for t in ts:
        t.join()
    import time

    time.sleep(20)
    assert hits == [1], hits
