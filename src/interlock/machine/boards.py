"""What recordings and reports call a primitive between processes: one board for each object, made where it is watched.

Nobody waits in a board's queue: waits are recorded as of it, by the party that waits. See `core/primitives/remote.py`.
"""

from interlock.core.primitives.remote import Barrier, Condition, Latch, Lock, Remote, RLock, RWLock, Semaphore

# Reports go by the name of the class.


class BoundedSemaphore(Semaphore):
    """A bounded semaphore between processes."""


class Event(Remote):
    """An event between processes."""


class Queue(Remote):
    """A queue between processes."""


BOARDS: dict[str, type[Remote]] = {
    kind.__name__: kind
    for kind in (Barrier, BoundedSemaphore, Condition, Event, Latch, Lock, Queue, RLock, RWLock, Semaphore)
}
