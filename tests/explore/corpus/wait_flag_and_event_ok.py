"""A loop clears its event after it has taken the jobs, so a wake-up in between is lost. Mended."""

import threading


class Service:
    def __init__(self):
        self.wake = threading.Event()
        self.jobs = []
        self.stop = False
        self.done = []

    def loop(self):
        while True:
            self.wake.wait()
            self.wake.clear()
            stop = self.stop
            jobs = []
            while self.jobs:
                jobs.append(self.jobs.pop(0))
            for j in jobs:
                self.done.append(j)
            if stop:
                return

    def submit(self, j):
        self.jobs.append(j)
        self.wake.set()

    def close(self):
        self.stop = True
        self.wake.set()


def test():
    s = Service()
    t = threading.Thread(target=s.loop)
    t.start()
    s.submit(1)
    s.submit(2)
    s.close()
    t.join()
    assert s.done == [1, 2], s.done
