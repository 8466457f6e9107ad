"""A crawler: workers fetch pages from a bounded queue, and one select waits for the next page or for the stop.

The site lies in a dictionary, so that the program runs anywhere. A worker takes a page's address, "fetches" it, and
puts the links that nobody has seen yet into the queue. The queue is bounded: a worker that finds more links than there
is room for waits until somebody has taken some, unless the stop comes first. Neither wait polls.
"""

import threading

from interlock import Event, Lock, Queue, select

SITE = {"/": ["/a", "/b"], "/a": ["/a/1", "/a/2", "/b"], "/b": ["/", "/b/1"], "/a/1": [], "/a/2": ["/b/1"], "/b/1": []}
WORKERS = 3

addresses: Queue[str] = Queue(100, name="addresses")
stop = Event(name="stop")
guard = Lock(name="seen")
seen = {"/"}


def worker() -> None:
    while True:
        index, address = select(stop.waiting(), addresses.getting())
        if index == 0:
            return
        for link in SITE[address]:
            with guard:
                known = link in seen
                seen.add(link)
            if not known and select(stop.waiting(), addresses.putting(link))[0] == 0:
                return
        addresses.task_done()


addresses.put("/")
workers = [threading.Thread(target=worker, name=f"worker {n}") for n in range(WORKERS)]
for thread in workers:
    thread.start()
addresses.join()  # every page has been dealt with, and all its links are in
stop.set()
for thread in workers:
    thread.join()
print(f"{len(seen)} pages: {' '.join(sorted(seen))}")
