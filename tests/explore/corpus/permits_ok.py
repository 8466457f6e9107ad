"""An error on the way loses a permit. Mended."""

import threading


def run(*functions):
    threads = [threading.Thread(target=each) for each in functions]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def test():
    permits = threading.Semaphore(1)
    failures = []
    turn = []

    def fetch():
        turn.append(1)
        if len(turn) == 2:
            raise OSError

    def worker():
        permits.acquire()
        try:
            fetch()
        except OSError:
            failures.append(1)
        finally:
            permits.release()

    run(worker, worker, worker)
