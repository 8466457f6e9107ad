"""A worker puts more work into the bounded queue that it alone empties. Mended."""

import queue
import threading


def run(*functions):
    threads = [threading.Thread(target=each) for each in functions]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def test():
    work = queue.Queue(4)
    done = []

    def worker():
        while True:
            item = work.get()
            if item is None:
                return
            if item < 2:
                work.put(item + 1)
            done.append(item)
            if len(done) == 4:
                work.put(None)

    def producer():
        work.put(1)
        work.put(1)

    run(worker, producer)
    assert sorted(done) == [1, 1, 2, 2]
