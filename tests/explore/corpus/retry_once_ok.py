"""A timeout is taken for a failure, and the work is done twice. Mended."""

import threading
import time


def run(*functions):
    threads = [threading.Thread(target=each) for each in functions]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


class Server:
    def __init__(self):
        self.lock = threading.Lock()
        self.charged = 0
        self.seen = set()

    def charge(self, key):
        with self.lock:
            if key in self.seen:
                return
            self.seen.add(key)
            self.charged += 1


def test():
    server = Server()
    answered = threading.Event()

    def serve(key):
        server.charge(key)
        time.sleep(0.02)
        answered.set()

    def client():
        for _ in range(2):
            threading.Thread(target=serve, args=("order",)).start()
            if answered.wait(0.03):
                break

    run(client)
    assert server.charged <= 1
