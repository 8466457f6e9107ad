"""Who looks on runs no Python code: a signal handler would raise into nothing there, and its wait go on."""

import asyncio
import gc
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import trio
from parties import PATIENCE, needs_signals, wait_until

import interlock
from interlock.core.kernel.probe import start_counting, stop_counting


@contextmanager
def counting() -> Iterator[None]:
    start_counting()
    try:
        yield
    finally:
        stop_counting()


@contextmanager
def watched_order() -> Iterator[None]:
    # What it finds is told in Python, before a lock is taken: here nothing is found.
    with interlock.watch_order(pytest.fail):
        yield


@contextmanager
def recording() -> Iterator[None]:
    with interlock.record():
        yield


@contextmanager
def recording_and_counting() -> Iterator[None]:
    with counting(), interlock.record(), watched_order():
        yield


WATCHES = {watch.__name__: watch for watch in (counting, watched_order, recording, recording_and_counting)}


class Named(threading.Thread):
    """Its name is the program's own code."""

    @property
    def name(self) -> str:
        return self._name  # type: ignore[attr-defined, no-any-return]

    @name.setter
    def name(self, name: str) -> None:
        self._name = name


def use_all() -> None:
    """Everything that looks on is told of, and that does not call into a loop."""
    lock, rlock, semaphore, event = (
        interlock.Lock(name="a"),
        interlock.RLock(),
        interlock.Semaphore(),
        interlock.Event(),
    )
    condition, latch, queue = interlock.Condition(), interlock.Latch(2), interlock.WaitQueue()
    barrier, rwlock = interlock.Barrier(1), interlock.RWLock()
    with lock, rlock, semaphore, condition:
        condition.notify()
        condition.notify_all()
    event.set()
    event.wait()
    event.clear()
    latch.count_down()
    latch.count_down()
    latch.wait()
    barrier.wait()
    barrier.abort()
    queue.unpark()
    with rwlock.read(), rwlock.read():
        pass
    with rwlock.write():
        pass
    lock.acquire(False)
    lock.release()


def use_all_and_wait() -> None:
    """And the waits: each ends when its time is up."""
    use_all()
    event, condition, queue = interlock.Event(), interlock.Condition(), interlock.WaitQueue()
    event.wait(0.001)
    with condition:
        condition.wait(0.001)
    queue.park(0.001)
    lock = interlock.Lock()
    with lock:
        lock.acquire(timeout=0.001)


def python_calls(use: Callable[[], None]) -> list[str]:
    """The Python functions that are called while this thread is in `use`."""
    called = []

    def note(frame: Any, event: str, _: Any) -> None:
        if event == "call" and frame.f_code not in (use.__code__, use_all.__code__):
            called.append(f"{frame.f_code.co_filename}:{frame.f_lineno} {frame.f_code.co_qualname}")

    gc.disable()  # what it destroys may have code
    sys.setprofile(note)
    try:
        use()
    finally:
        sys.setprofile(None)
        gc.enable()
    return called


def in_a_thread(use: Callable[[], None]) -> list[str]:
    called: list[list[str]] = []
    thread = Named(target=lambda: called.append(python_calls(use)))
    thread.start()
    thread.join(PATIENCE)
    return called[0]


def in_a_task_of_asyncio(_: Callable[[], None]) -> list[str]:
    async def main() -> list[str]:
        return python_calls(use_all)

    return asyncio.run(main())


def in_a_task_of_trio(_: Callable[[], None]) -> list[str]:
    async def main() -> list[str]:
        return python_calls(use_all)

    return trio.run(main)


@pytest.mark.parametrize("where", [in_a_thread, in_a_task_of_asyncio, in_a_task_of_trio])
@pytest.mark.parametrize("watch", WATCHES)
def test_no_python_code_runs_in_a_sink(watch: str, where: Callable[[Callable[[], None]], list[str]]) -> None:
    before = where(use_all_and_wait)
    with WATCHES[watch]():
        assert where(use_all_and_wait) == before == []


@needs_signals
def test_a_handler_that_raises_ends_a_wait_that_is_recorded() -> None:
    """In the first wait of a thread the recorder learns its name."""
    event = interlock.Event()
    main = threading.main_thread()

    class Interrupted(Exception):
        pass

    def interrupt(*_: object) -> None:
        raise Interrupted

    class Interrupting(threading.Thread):
        """A signal comes up whenever somebody asks for its name."""

        @property
        def name(self) -> str:
            signal.raise_signal(signal.SIGUSR1)
            return "interrupting"

    before = signal.signal(signal.SIGUSR1, interrupt)
    kind = main.__class__
    interrupter = threading.Thread(
        target=lambda: (
            wait_until(lambda: event.waiters, "it waits"),
            signal.pthread_kill(main.ident or 0, signal.SIGUSR1),
        )
    )
    try:
        with interlock.record() as recorded:
            main.__class__ = Interrupting
            try:
                interrupter.start()
                with pytest.raises(Interrupted):
                    event.wait(PATIENCE)
            finally:
                main.__class__ = kind
    finally:
        signal.signal(signal.SIGUSR1, before)
    interrupter.join()
    assert "MainThread" in {party.name for party in recorded.parties}
