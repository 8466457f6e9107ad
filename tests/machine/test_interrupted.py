"""A call is interrupted after it was granted what it waits for, and another party has given that back already."""

import signal
import threading
import time
from collections.abc import Callable
from functools import partial
from types import FrameType

import pytest
from parties import DUE, Outcome, ThreadParty

from interlock import machine

from .conftest import until


class Interrupted(Exception):
    pass


def interrupt(call: Callable[[], object], blocked: Callable[[], object], meanwhile: Callable[[], object]) -> None:
    """When ``call`` is blocked, a signal handler lets others do something, and then it raises in ``call``."""

    def on_signal(number: int, frame: FrameType | None) -> None:
        meanwhile()
        raise Interrupted

    def disturb() -> None:
        until(blocked)
        signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGUSR1)

    before = signal.signal(signal.SIGUSR1, on_signal)
    thread = threading.Thread(target=disturb)
    thread.start()
    try:
        with pytest.raises(Interrupted):
            call()
    finally:
        thread.join()
        signal.signal(signal.SIGUSR1, before)


@pytest.mark.parametrize("released", [0, 1, 2])
def test_permits_of_which_some_were_released(released: int) -> None:
    semaphore = machine.BoundedSemaphore(2)
    holder, other = ThreadParty("holder"), ThreadParty("other")
    holder.do(semaphore.acquire, permits=2)

    def meanwhile() -> None:
        holder.do(semaphore.release, 2)
        assert semaphore.waiters == ()
        if released:
            other.do(semaphore.release, released)

    interrupt(partial(semaphore.acquire, permits=2), lambda: semaphore.waiters, meanwhile)
    assert semaphore.acquire(blocking=False, permits=2)
    holder.end()
    other.end()


@pytest.mark.parametrize("taken_again", [False, True])
def test_a_lock_that_was_released(taken_again: bool) -> None:
    lock = machine.Lock()
    holder, other = ThreadParty("holder"), ThreadParty("other")
    holder.do(lock.acquire)

    def meanwhile() -> None:
        time.sleep(DUE)  # so that it is handed over
        holder.do(lock.release)
        assert lock.owner.thread == threading.main_thread().name
        other.do(lock.release)
        if taken_again:
            other.do(lock.acquire)

    interrupt(lock.acquire, lambda: lock.waiters, meanwhile)
    assert lock.locked() == taken_again
    holder.end()
    other.end()


def test_a_notification_goes_to_the_next_one() -> None:
    """Who was notified and is interrupted passes it on."""
    condition = machine.Condition()
    second, notifier = ThreadParty("second"), ThreadParty("notifier")

    def wait() -> bool:
        with condition:
            return condition.wait()

    def notify() -> None:
        with condition:
            condition.notify()

    def meanwhile() -> None:
        waiting.append(second.begin(wait))
        until(lambda: len(condition.waiters) == 2)
        notifier.do(notify)
        assert [party.thread for party in condition.waiters] == ["second"]

    waiting: list[Outcome] = []
    with condition:
        interrupt(condition.wait, lambda: condition.waiters, meanwhile)
        assert condition.owner is not None
        assert condition.owner.thread == threading.main_thread().name
    assert waiting[0].result() is True
    second.end()
    notifier.end()


def test_a_notification_is_not_for_who_comes_later() -> None:
    """The one who was notified gave up before the lock was free. Its notifier waits then: it does not wake itself."""
    condition = machine.Condition()
    other = ThreadParty("other")

    def wait(timeout: float | None = None) -> bool:
        with condition:
            return condition.wait(timeout)

    waiting = other.begin(wait, 0.05)
    until(lambda: condition.waiters)
    with condition:
        if condition.waiters:  # unless the machine was too busy
            condition.notify()
            until(lambda: not condition.waiters)  # its time is over: it comes for the lock
        assert condition.wait(0.01) is False
    waiting.result()
    other.end()
