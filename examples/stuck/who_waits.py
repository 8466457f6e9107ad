"""Ask who waits for what: `interlock.dump()` here, Ctrl-\\ under `interlock run`."""

import threading

import interlock

orders = interlock.Lock(name="orders")
ready = interlock.Event(name="ready")


def clerk() -> None:
    with orders:
        ready.wait()


def customer() -> None:
    with orders:
        pass


threads = [threading.Thread(target=clerk, name="clerk"), threading.Thread(target=customer, name="customer")]
for thread in threads:
    thread.start()
    while not (ready.waiters if thread.name == "clerk" else orders.waiters):
        pass
interlock.dump()
ready.set()
for thread in threads:
    thread.join()
