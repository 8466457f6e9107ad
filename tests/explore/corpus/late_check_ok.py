"""A cache looks and fills in two steps. Mended."""

import threading


def run(*functions):
    threads = [threading.Thread(target=each) for each in functions]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def test():
    lock = threading.Lock()
    cache = {}
    made = []

    def get(key):
        with lock:
            if key not in cache:
                made.append(key)
                cache[key] = len(made)
        return cache[key]

    run(lambda: get("a"), lambda: get("a"))
    assert len(made) == 1
