"""The thread that reads the replies has ended by an exception, and those who asked wait for theirs."""

import threading
import time
from concurrent.futures import Future

LINES = "1 apples", "2", "3 pears"


class Client:
    def __init__(self) -> None:
        self.pending: dict[int, Future[str]] = {}

    def ask(self, number: int) -> "Future[str]":
        self.pending[number] = Future()
        return self.pending[number]

    def read(self) -> None:
        for line in LINES:
            number, text = line.split()
            self.pending.pop(int(number)).set_result(text)


def heartbeat() -> None:
    while True:
        time.sleep(0.1)


threading.excepthook = lambda arguments: None  # as where nobody reads the log
threading.Thread(target=heartbeat, name="heartbeat", daemon=True).start()
client = Client()
replies = [client.ask(number) for number in (1, 2, 3)]
threading.Thread(target=client.read, name="reader", daemon=True).start()
for reply in replies:
    print(reply.result())
