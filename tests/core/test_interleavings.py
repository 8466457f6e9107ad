"""What may come between two looks: each test has it come exactly there, with or without the GIL.

What another thread may do in the middle of an operation, where there is no GIL, something may do on any interpreter: a
method of the program's that the operation calls.
"""

import asyncio
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from parties import PATIENCE, blocked, wait_until

from interlock import DeadlockError, RWLock


class ToldLoop(asyncio.SelectorEventLoop):
    """A loop that says when somebody asks whether it is closed."""

    asked: Callable[[], None] | None = None

    def is_closed(self) -> bool:
        asked, self.asked = self.asked, None
        if asked is not None:
            asked()
        return super().is_closed()


@contextmanager
def told_loop() -> Iterator[ToldLoop]:
    """It runs in a thread of its own."""
    loop = ToldLoop()
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    try:
        yield loop
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join(PATIENCE)
        loop.close()


def test_a_reader_that_leaves_and_ends_while_a_writer_looks_blocks_nobody() -> None:
    """The writer has found three readers, and asks the first whether it has ended. The second ends meanwhile."""
    lock = RWLock()
    side = lock.read()
    side.acquire()

    async def read(over: asyncio.Event) -> None:
        async with lock.read():
            await over.wait()

    async def begin() -> tuple[Any, asyncio.Event]:
        over = asyncio.Event()
        return asyncio.ensure_future(read(over)), over

    told: list[BaseException] = []

    def write() -> None:
        try:
            with lock.write():
                pass
        except DeadlockError as error:
            told.append(error)

    with told_loop() as loop:
        # Whoever came last is found first.
        second, second_over = asyncio.run_coroutine_threadsafe(begin(), loop).result(PATIENCE)
        wait_until(lambda: lock.readers == 2, "the second reads")
        first, first_over = asyncio.run_coroutine_threadsafe(begin(), loop).result(PATIENCE)
        wait_until(lambda: lock.readers == 3, "the first reads")
        writer = threading.Thread(target=write, daemon=True)
        asked = threading.Event()

        def leave_and_end() -> None:
            if threading.current_thread() is not writer:
                loop.asked = leave_and_end
                return
            loop.call_soon_threadsafe(second_over.set)
            wait_until(second.done, "the second has ended")
            asked.set()

        loop.asked = leave_and_end
        writer.start()
        assert asked.wait(PATIENCE)
        blocked(lock, 1)
        loop.call_soon_threadsafe(first_over.set)
        wait_until(first.done, "the first has ended")
        side.release()
        writer.join(PATIENCE)
        assert not writer.is_alive()
    assert not told


@pytest.mark.parametrize("writing", [False, True])
def test_one_that_ended_without_leaving_is_told_all_the_same(writing: bool) -> None:
    lock = RWLock()
    thread = threading.Thread(target=(lock.write() if writing else lock.read()).acquire)
    thread.start()
    thread.join()
    with pytest.raises(DeadlockError, match="without releasing it"):
        lock.write().acquire()
