"""The consumer waits for one item more than the producers make."""

import threading

items: list[int] = []
changed = threading.Condition()


def producer() -> None:
    for number in range(3):
        with changed:
            items.append(number)
            changed.notify()


def consumer() -> None:
    for _ in range(4):  # one too many
        with changed:
            while not items:
                changed.wait()
            items.pop()


threads = [threading.Thread(target=producer, name="producer"), threading.Thread(target=consumer, name="consumer")]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
