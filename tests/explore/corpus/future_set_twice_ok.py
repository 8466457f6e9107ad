"""Two threads ask whether a future is done, and both set its result. Mended."""

import threading
from concurrent.futures import Future


def test():
    f = Future()
    lock = threading.Lock()

    def finish(value):
        with lock:
            if not f.done():
                f.set_result(value)

    ts = [threading.Thread(target=finish, args=(i,)) for i in range(2)]
    for t in ts:
        t.start()
    for t in ts:
        t.join()
    assert f.result() in (0, 1)
