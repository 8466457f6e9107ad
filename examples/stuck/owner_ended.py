"""A thread ends without releasing its lock. Whoever waits for it is told within a second."""

import threading

import interlock

orders = interlock.RLock(name="orders")


def careless() -> None:
    orders.acquire()
    if not collected:
        return  # and nobody will ever release it
    orders.release()


def patient() -> None:
    try:
        with orders:
            print("never printed")
    except interlock.DeadlockError as error:
        print(error)


collected: list[str] = []
for target in careless, patient:
    thread = threading.Thread(target=target, name=target.__name__)
    thread.start()
    thread.join()
