"""A cache looks and fills in two steps."""

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
            missing = key not in cache
        if missing:
            made.append(key)
            with lock:
                cache[key] = len(made)
        return cache[key]

    run(lambda: get("a"), lambda: get("a"))
    assert len(made) == 1
