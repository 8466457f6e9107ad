"""The only worker of a queue has ended by an exception, and somebody waits until all is done."""

import queue
import threading
import time

jobs: "queue.Queue[int]" = queue.Queue()


def work() -> None:
    while True:
        amount = jobs.get()
        print(100 // amount)
        jobs.task_done()


def heartbeat() -> None:
    while True:
        time.sleep(0.1)


threading.excepthook = lambda arguments: None  # as where nobody reads the log
threading.Thread(target=heartbeat, name="heartbeat", daemon=True).start()
for amount in 50, 0, 20:
    jobs.put(amount)
threading.Thread(target=work, name="worker", daemon=True).start()
jobs.join()
