"""A callback is called with the lock held, and takes another one."""

import threading


def run(*functions):
    threads = [threading.Thread(target=each) for each in functions]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


class Source:
    def __init__(self):
        self.lock = threading.Lock()
        self.listeners = []

    def listen(self, listener):
        with self.lock:
            self.listeners.append(listener)

    def fire(self):
        with self.lock:
            for listener in self.listeners:
                listener()


class View:
    def __init__(self, source):
        self.source = source
        self.lock = threading.Lock()
        self.drawn = 0

    def changed(self):
        with self.lock:
            self.drawn += 1

    def attach(self):
        with self.lock:
            self.source.listen(self.changed)


def test():
    source = Source()
    first, second = View(source), View(source)
    first.attach()
    run(source.fire, lambda: (first.attach(), second.attach()))
