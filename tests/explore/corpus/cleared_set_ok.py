"""A flag is cleared after it was waited for, and a set in between is lost. Mended."""

import threading


def run(*functions):
    threads = [threading.Thread(target=each) for each in functions]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def test():
    wake = threading.Event()
    lock = threading.Lock()
    work = []
    done = []

    def consumer():
        while len(done) < 2:
            wake.wait()
            wake.clear()
            with lock:
                done.extend(work)
                work.clear()

    def producer(item):
        with lock:
            work.append(item)
        wake.set()

    run(consumer, lambda: producer(1), lambda: producer(2))
    assert sorted(done) == [1, 2]
