"""Two threads take two locks in two orders, and meet in the middle."""

import threading

import interlock

accounts = interlock.Lock(name="accounts")
audit = interlock.Lock(name="audit")
both_hold_one = threading.Barrier(2)
said: list[str] = []


def transfer() -> None:
    with accounts:
        both_hold_one.wait()
        with audit:
            said.append("transferred")


def check() -> None:
    with audit:
        both_hold_one.wait()
        while not audit.waiters:  # so that it is always this one that comes last
            pass
        with accounts:
            said.append("checked")


def run_check() -> None:
    try:
        check()
    except interlock.DeadlockError as error:
        said.append(str(error))


threads = [threading.Thread(target=transfer, name="teller"), threading.Thread(target=run_check, name="auditor")]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
for text in sorted(said):
    print(text)
