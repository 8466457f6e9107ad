"""notify() wakes one, where both conditions of the waiters share one queue. Mended."""

import threading


def run(*functions):
    threads = [threading.Thread(target=each) for each in functions]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def test():
    state = threading.Condition()
    full = []

    def producer(item):
        with state:
            while full:
                state.wait()
            full.append(item)
            state.notify_all()

    def consumer():
        with state:
            while not full:
                state.wait()
            full.pop()
            state.notify_all()

    run(consumer, consumer, lambda: producer(1), lambda: producer(2))
    assert not full
