"""The consumer waits without looking whether the item is there already."""

import threading


def run(*functions):
    threads = [threading.Thread(target=each) for each in functions]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def test():
    shelf = threading.Condition()
    items = []

    def consumer():
        with shelf:
            shelf.wait()
            assert items.pop() == 1

    def producer():
        with shelf:
            items.append(1)
            shelf.notify()

    run(consumer, producer)
