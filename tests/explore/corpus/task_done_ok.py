"""task_done is left out where a job fails, so join() never returns. Mended."""

import queue
import threading


def run(*functions):
    threads = [threading.Thread(target=each) for each in functions]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def test():
    work = queue.Queue()

    def worker():
        while True:
            item = work.get()
            if item is None:
                return
            try:
                1 / (item - 1)
            except ZeroDivisionError:
                pass
            work.task_done()

    def feed():
        for item in (1, 2):
            work.put(item)
        work.join()
        work.put(None)

    run(worker, feed)
