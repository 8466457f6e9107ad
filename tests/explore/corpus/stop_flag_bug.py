"""A worker is told to stop by a flag, and then waits for work that never comes."""

import threading


def run(*functions):
    threads = [threading.Thread(target=each) for each in functions]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


class Worker:
    def __init__(self):
        self.ready = threading.Condition()
        self.items = []
        self.stopping = False
        self.seen = []

    def loop(self):
        while True:
            with self.ready:
                while not self.items and not (self.stopping and self.seen == []):
                    self.ready.wait()
                if not self.items:
                    return
                self.seen.append(self.items.pop(0))

    def put(self, item):
        with self.ready:
            self.items.append(item)
            self.ready.notify()

    def stop(self):
        with self.ready:
            self.stopping = True
            self.ready.notify_all()


def test():
    worker = Worker()
    thread = threading.Thread(target=worker.loop)
    thread.start()
    worker.put(1)
    worker.stop()
    thread.join()
    assert worker.seen == [1]
