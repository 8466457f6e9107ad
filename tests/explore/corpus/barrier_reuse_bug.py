"""A barrier made of a counter lets the fast one through twice."""

import threading


def run(*functions):
    threads = [threading.Thread(target=each) for each in functions]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


class Gate:
    def __init__(self, parties):
        self.parties = parties
        self.condition = threading.Condition()
        self.waiting = 0
        self.generation = 0

    def wait(self):
        with self.condition:
            self.waiting += 1
            if self.waiting == self.parties:
                self.waiting = 0
                self.generation += 1
                self.condition.notify_all()
            else:
                while self.waiting != 0:
                    self.condition.wait()


def test():
    gate = Gate(2)
    rounds = []

    def worker(name):
        for turn in range(2):
            rounds.append((name, turn))
            gate.wait()

    run(lambda: worker("a"), lambda: worker("b"))
    assert len(rounds) == 4
