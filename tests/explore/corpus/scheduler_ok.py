"""A scheduler that sleeps until its first job is due is not woken for an earlier one. Mended."""

import heapq
import threading
import time


class Scheduler:
    """Runs callables at a time; wakes early for an earlier one."""

    def __init__(self):
        self.cond = threading.Condition()
        self.heap = []
        self.count = 0
        self.stopped = False
        self.thread = threading.Thread(target=self.run)
        self.thread.start()

    def at(self, delay, what):
        with self.cond:
            first = not self.heap or time.monotonic() + delay < self.heap[0][0]
            heapq.heappush(self.heap, (time.monotonic() + delay, self.count, what))
            self.count += 1
            if first:
                self.cond.notify()

    def stop(self):
        with self.cond:
            self.stopped = True
            self.cond.notify()
        self.thread.join()

    def run(self):
        while True:
            with self.cond:
                if self.stopped and not self.heap:
                    return
                if not self.heap:
                    self.cond.wait()
                    continue
                when, _, what = self.heap[0]
                left = when - time.monotonic()
                if left > 0:
                    self.cond.wait(left)
                    continue
                heapq.heappop(self.heap)
            what()


def test():
    s = Scheduler()
    ran = []
    s.at(100, lambda: ran.append("late"))
    done = threading.Event()
    s.at(10, done.set)
    assert done.wait(50), "not woken for the earlier one"
    s.stop()
    assert ran == ["late"]
