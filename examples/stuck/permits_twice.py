"""Each download holds one of two permits and asks for another, which nobody gives back."""

import threading
import time

connections = threading.Semaphore(2)
both = threading.Barrier(2)


def download(follow: bool) -> None:
    with connections:
        if follow:
            both.wait()
            download(follow=False)


def heartbeat() -> None:
    while True:
        time.sleep(0.1)


threading.Thread(target=heartbeat, name="heartbeat", daemon=True).start()
threads = [threading.Thread(target=download, args=(True,), name=f"download-{n}", daemon=True) for n in (1, 2)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
