"""Producers and consumers wait on one condition, and notify() wakes one of the wrong kind. Mended."""

import threading
from collections import deque


class Buffer:
    def __init__(self, size):
        self.cond = threading.Condition()
        self.items = deque()
        self.size = size

    def put(self, x):
        with self.cond:
            self.cond.wait_for(lambda: len(self.items) < self.size)
            self.items.append(x)
            self.cond.notify_all()

    def get(self):
        with self.cond:
            self.cond.wait_for(lambda: self.items)
            x = self.items.popleft()
            self.cond.notify_all()
            return x


def test():
    b = Buffer(1)
    ts = [threading.Thread(target=b.put, args=(i,)) for i in range(3)] + [
        threading.Thread(target=b.get) for i in range(3)
    ]
    for t in ts:
        t.start()
    for t in ts:
        t.join()
