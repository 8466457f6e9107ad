"""A thread is joined under the lock that it needs in order to end."""

import threading

import interlock

interlock.install()

results = threading.Lock()
collected: list[str] = []


def work() -> None:
    with results:
        collected.append("done")


with results:
    worker = threading.Thread(target=work, name="worker")
    worker.start()
    while not results.waiters:  # type: ignore[attr-defined]
        pass
    try:
        worker.join()
    except interlock.DeadlockError as error:
        print(error)
worker.join()
