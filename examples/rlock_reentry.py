"""A re-entrant lock, and why a plain one would block.

`add_all()` holds the account's lock, so that nobody sees half of the amounts added. It calls
`add()`, which takes the same lock, because it is also called on its own.

A plain lock does not know who holds it. It makes `add()` wait until the lock is free, and the one
who could free it is the very thread that waits. A re-entrant lock knows its owner, lets it in
again, and counts: it is free once the owner has left as often as it came in.
"""

import threading

from pace import pause, say, scaled

import interlock


class Account:
    def __init__(self, lock: interlock.Lock | interlock.RLock) -> None:
        self.lock = lock
        self.balance = 0

    def add(self, amount: int) -> bool:
        # The timeout is here for the lesson alone: without it, a plain lock held by our own
        # caller would keep us here, for nobody is left to release it.
        if not self.lock.acquire(timeout=scaled(0.5)):
            say(f"add({amount}): no lock, my own caller holds it")
            return False
        try:
            self.balance += amount
            say(f"add({amount}): balance is {self.balance}")
            return True
        finally:
            self.lock.release()

    def add_all(self, *amounts: int) -> bool:
        with self.lock:
            return all(self.add(amount) for amount in amounts)


def another_thread_gets(lock: interlock.RLock) -> bool:
    answers: list[bool] = []

    def ask() -> None:
        got_it = lock.acquire(blocking=False)
        if got_it:
            lock.release()
        answers.append(got_it)

    thread = threading.Thread(target=ask, name="another")
    thread.start()
    thread.join()
    return answers[0]


def main() -> None:
    say("-- a plain lock")
    account = Account(interlock.Lock(name="plain"))
    done = account.add_all(10, 20)
    say(f"plain lock: done is {done}, balance is {account.balance}")

    say("-- a re-entrant lock")
    account = Account(interlock.RLock(name="reentrant"))
    done = account.add_all(10, 20)
    say(f"re-entrant lock: done is {done}, balance is {account.balance}")

    say("-- it counts, and only its owner may come in again")
    lock = interlock.RLock(name="counted")
    steps = [(1, lock.acquire), (2, lock.acquire), (1, lock.release), (0, lock.release)]
    for depth, step in steps:
        step()
        pause(0.2)
        say(f"{depth} deep, another thread gets it: {another_thread_gets(lock)}")
    try:
        lock.release()
    except RuntimeError:
        say("one release too many: RuntimeError")


if __name__ == "__main__":
    main()
