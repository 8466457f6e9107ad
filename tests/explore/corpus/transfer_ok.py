"""Two transfers between the same accounts lock them in opposite orders. Mended."""

import threading


def run(*functions):
    threads = [threading.Thread(target=each) for each in functions]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


class Account:
    def __init__(self, number, balance):
        self.number = number
        self.balance = balance
        self.lock = threading.Lock()


def transfer(source, target, amount):
    first, second = sorted((source, target), key=lambda account: account.number)
    with first.lock, second.lock:
        source.balance -= amount
        target.balance += amount


def test():
    a, b = Account(1, 100), Account(2, 100)
    run(lambda: transfer(a, b, 10), lambda: transfer(b, a, 20))
    assert (a.balance, b.balance) == (110, 90)
