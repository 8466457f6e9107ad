"""A thread is joined while the lock that it needs is held. Mended."""

import threading


def run(*functions):
    threads = [threading.Thread(target=each) for each in functions]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def test():
    lock = threading.Lock()
    log = []

    def worker():
        with lock:
            log.append("worked")

    thread = threading.Thread(target=worker)
    thread.start()
    with lock:
        missing = not log
    if missing:
        thread.join()
    thread.join()
    assert log == ["worked"]
