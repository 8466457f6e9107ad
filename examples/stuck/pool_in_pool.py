"""Two jobs of a pool of two wait for jobs that stand behind them in the queue of the same pool."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor

pool = ThreadPoolExecutor(2, thread_name_prefix="images")
both = threading.Barrier(2)


def resize(page: int) -> int:
    return page // 2


def album(pages: int) -> list[int]:
    both.wait()
    parts = [pool.submit(resize, page) for page in range(pages)]
    sizes = []
    for part in parts:
        sizes.append(part.result())
    return sizes


def heartbeat() -> None:
    while True:
        time.sleep(0.1)


threading.Thread(target=heartbeat, name="heartbeat", daemon=True).start()
albums = [pool.submit(album, 2) for _ in range(2)]
for each in albums:
    print(each.result())
