"""Four philosophers, each with its left fork first. Mended."""

import threading


def run(*functions):
    threads = [threading.Thread(target=each) for each in functions]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def test():
    forks = [threading.Lock() for _ in range(4)]

    def philosopher(seat):
        first, second = sorted((seat, (seat + 1) % 4))
        with forks[first], forks[second]:
            pass

    run(*[lambda seat=seat: philosopher(seat) for seat in range(4)])
