"""Two locks in two orders: nothing has happened yet, and one day it will."""

import threading

accounts = threading.Lock()
audit = threading.Lock()


def transfer() -> None:
    with accounts, audit:
        print("transferred")


def check() -> None:
    with audit, accounts:
        print("checked")


for target in transfer, check:
    thread = threading.Thread(target=target)
    thread.start()
    thread.join()  # never at the same time: this run goes well
