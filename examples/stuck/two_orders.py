"""Two threads take two locks in two orders, and meet in the middle."""

import threading

import interlock

accounts = interlock.Lock(name="accounts")
audit = interlock.Lock(name="audit")
both_hold_one = threading.Barrier(2)


def transfer() -> None:
    with accounts:
        both_hold_one.wait()
        with audit:
            print("transferred")


def check() -> None:
    with audit:
        both_hold_one.wait()
        while not audit.waiters:  # so that it is always this one that comes last
            pass
        with accounts:
            print("checked")


def run_check() -> None:
    try:
        check()
    except interlock.DeadlockError as error:
        print(error)


threads = [threading.Thread(target=transfer, name="teller"), threading.Thread(target=run_check, name="auditor")]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
