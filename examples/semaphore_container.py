"""A producer and a consumer around a container with places for five items.

A bounded semaphore counts the free places. The producer takes a permit for each item it puts in;
if there is none, the container is full. The consumer gives a permit back for each item it takes
out; if all five are back already, the container is empty. Neither waits: it reports and skips.

A plain `Semaphore` would accept a permit too many and from then on promise a sixth place that is
not there. A `BoundedSemaphore` raises ValueError instead: the mistake shows where it is made.
"""

import threading
from collections import deque

from pace import pause, say

import interlock

PLACES = 5


class Container:
    def __init__(self) -> None:
        self.items: deque[int] = deque()
        self.free_places = interlock.BoundedSemaphore(PLACES, name="free_places")
        # Permit and item move together, under this lock. Without it the consumer could give back
        # the permit of an item that the producer is still about to put in, and find nothing.
        self.door = interlock.Lock(name="door")

    def put(self, item: int) -> None:
        with self.door:
            if not self.free_places.acquire(blocking=False):
                say(f"container is full, skipping item {item}")
                return
            self.items.append(item)
            say(f"put item {item}, {len(self.items)} inside")

    def take(self) -> None:
        with self.door:
            try:
                self.free_places.release()
            except ValueError:  # all places are free: there is nothing to take out
                say("container is empty, skipping")
                return
            item = self.items.popleft()
            say(f"took item {item}, {len(self.items)} inside")


def produce(container: Container, first: int, last: int) -> None:
    for item in range(first, last + 1):
        container.put(item)
        pause(0.05)


def consume(container: Container, times: int) -> None:
    for _ in range(times):
        container.take()
        pause(0.06)


def run(*threads: threading.Thread) -> None:
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def main() -> None:
    say("-- a plain semaphore does not notice a release too many")
    careless = interlock.Semaphore(PLACES, name="careless")
    careless.release()
    permits = 0
    while careless.acquire(blocking=False):
        permits += 1
    say(f"{PLACES} places, yet {permits} permits")

    container = Container()
    say("-- the producer alone: the container fills up")
    run(threading.Thread(target=produce, args=(container, 1, 7), name="producer"))

    say("-- the consumer alone: the container runs empty")
    run(threading.Thread(target=consume, args=(container, 7), name="consumer"))

    say("-- both at once: any order, but nothing is lost and nothing comes twice")
    run(
        threading.Thread(target=produce, args=(container, 8, 19), name="producer"),
        threading.Thread(target=consume, args=(container, 12), name="consumer"),
    )
    say(f"left inside: {list(container.items)}")


if __name__ == "__main__":
    main()
