"""A reader that counts readers by hand waits for itself to leave."""

import threading


def run(*functions):
    threads = [threading.Thread(target=each) for each in functions]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


class ReadWrite:
    def __init__(self):
        self.changed = threading.Condition()
        self.readers = 0

    def read_then_write(self, write):
        with self.changed:
            self.readers += 1

        with self.changed:
            while self.readers > 1:
                self.changed.wait()
            write()
            self.readers -= 1
            self.changed.notify_all()


def test():
    guard = ReadWrite()
    writes = []
    run(*[lambda: guard.read_then_write(lambda: writes.append(1)) for _ in range(2)])
    assert len(writes) == 2
