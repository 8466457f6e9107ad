"""The least that has to go right between two handles: one holds, the other waits, and is told of the release."""

import threading
from collections.abc import Callable

from parties import PATIENCE, blocked

from interlock.cluster.permits import Lock


def hand_over(lock: Lock, other: Lock, meanwhile: Callable[[], object] = lambda: None) -> None:
    """From `lock`, which is acquired if this process does not hold it, to `other`, which holds it in the end.

    ``meanwhile``: called while `other` waits.
    """
    if not lock.held:
        lock.acquire()
    before = lock.token
    failed: list[BaseException | bool] = []

    def wait() -> None:
        try:
            failed.extend([] if other.acquire(timeout=PATIENCE) else [False])
        except BaseException as error:
            failed.append(error)

    waiter = threading.Thread(target=wait)
    waiter.start()
    try:
        blocked(lock, 1)
        meanwhile()
        lock.check()
        lock.release()
    finally:
        waiter.join(2 * PATIENCE)
    assert not waiter.is_alive()
    assert failed == []
    assert other.token > before
