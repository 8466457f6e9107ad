"""A producer and a consumer around a condition.

This one is an ordinary program on the standard library's `threading`; it knows nothing of
interlock. `python` runs it as it is, and `interlock run` runs it on interlock and reports.

A condition remembers nothing. A `notify()` that comes while nobody waits is gone, and whoever then
waits for it waits in vain. So never wait for the notify: wait for a fact, kept under the
condition's lock. Look at the fact first, wait only while it is not so, and look again after each
wake, for somebody else may have been faster. That is a `while` loop, or `wait_for()`, which is the
same loop.
"""

import threading
from collections import deque

from pace import pause, say, scaled

ITEMS = 8
ROOM = 3  # on the shelf


def come_too_late() -> None:
    condition = threading.Condition()
    shelf: deque[str] = deque()

    def produce() -> None:
        with condition:
            shelf.append("early item")
            condition.notify()

    producer = threading.Thread(target=produce, name="early producer")
    producer.start()
    producer.join()  # it has come and gone before the consumer waits

    with condition:
        # The naive way: wait to be notified. Without a timeout this would last for ever.
        notified = condition.wait(timeout=scaled(0.5))
        say(f"naive: notified is {notified}, yet on the shelf: {len(shelf)}")
        # The right way: wait for the fact. It is there already, so this does not wait at all.
        found = condition.wait_for(lambda: len(shelf) > 0)
        say(f"right: found is {found}")


def work_together() -> None:
    condition = threading.Condition()
    shelf: deque[int] = deque()

    def produce() -> None:
        for item in range(1, ITEMS + 1):
            pause(0.1)  # making it takes a while; nobody is kept waiting at the lock meanwhile
            with condition:
                while len(shelf) == ROOM:
                    say("producer: shelf is full, waiting")
                    condition.wait()
                shelf.append(item)
                say(f"producer: item {item}, {len(shelf)} on the shelf")
                # One producer and one consumer never wait at the same time, so this wakes the
                # right one. With more of them it could wake the wrong one: use notify_all().
                condition.notify()

    def consume() -> None:
        for _ in range(ITEMS):
            with condition:
                condition.wait_for(lambda: len(shelf) > 0)
                item = shelf.popleft()
                say(f"consumer: item {item}, {len(shelf)} on the shelf")
                condition.notify()
            pause(0.2)  # using it takes longer than making it, so the shelf fills up

    threads = [
        threading.Thread(target=produce, name="producer"),
        threading.Thread(target=consume, name="consumer"),
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    say(f"{ITEMS} items made, left on the shelf: {len(shelf)}")


def main() -> None:
    say("-- a consumer that comes after the notify")
    come_too_late()
    say("-- a producer and a consumer")
    work_together()


if __name__ == "__main__":
    main()
