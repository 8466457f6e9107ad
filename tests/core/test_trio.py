"""In trio each await is a checkpoint: a cancellation comes in, and others run."""

from collections.abc import Awaitable, Callable
from typing import Any

import pytest
import trio
import trio.testing

import interlock
from interlock import aio


async def enter_lock(lock: Any) -> None:
    async with lock:
        pass


async def acquire(primitive: Any) -> None:
    assert await primitive.acquire_async() is True
    primitive.release()


async def acquire_or_not(primitive: Any) -> None:
    await primitive.acquire_async(0)
    primitive.release()


async def cannot_acquire(lock: Any) -> None:
    if not lock.locked():
        lock.acquire()
    assert await lock.acquire_async(0) is False


async def within(lock: Any) -> None:
    async with lock.within(10):
        pass


async def set_event(event: Any) -> None:
    event.set()
    assert await event.wait_async() is True


async def cross_barrier(barrier: Any) -> None:
    assert await barrier.wait_async() == 0


async def wait_for_what_is_so(condition: Any) -> None:
    async with condition:
        assert await condition.wait_for_async(lambda: True)


async def read(rwlock: Any) -> None:
    async with rwlock.read():
        pass


async def read_twice(rwlock: Any) -> None:
    async with rwlock.read():
        assert await rwlock.read().acquire_async()


async def write(rwlock: Any) -> None:
    side = rwlock.write()
    assert await side.acquire_async()
    side.release()


async def park_for_news(queue: Any) -> None:
    assert await queue.park_async(unless=lambda: True)


async def park_not(queue: Any) -> None:
    assert await queue.park_async(0) is False


async def aio_lock(lock: Any) -> None:
    await lock.acquire()
    lock.release()


USES: dict[str, tuple[Callable[[], Any], Callable[[Any], Awaitable[None]]]] = {
    "async with Lock": (interlock.Lock, enter_lock),
    "async with RLock": (interlock.RLock, enter_lock),
    "async with Semaphore": (interlock.Semaphore, enter_lock),
    "async with Condition": (interlock.Condition, enter_lock),
    "Lock.acquire_async": (interlock.Lock, acquire),
    "RLock.acquire_async": (interlock.RLock, acquire),
    "Semaphore.acquire_async": (interlock.Semaphore, acquire),
    "acquire_async(0)": (interlock.Lock, acquire_or_not),
    "acquire_async(0) in vain": (interlock.Lock, cannot_acquire),
    "within": (interlock.Lock, within),
    "Event.wait_async": (interlock.Event, set_event),
    "Latch.wait_async": (lambda: interlock.Latch(0), lambda latch: latch.wait_async()),
    "Barrier.wait_async": (lambda: interlock.Barrier(1), cross_barrier),
    "Condition.wait_for_async": (interlock.Condition, wait_for_what_is_so),
    "read": (interlock.RWLock, read),
    "read twice": (interlock.RWLock, read_twice),
    "write": (interlock.RWLock, write),
    "park for news": (interlock.WaitQueue, park_for_news),
    "park not": (interlock.WaitQueue, park_not),
    "aio.Lock.acquire": (aio.Lock, aio_lock),
}


@pytest.mark.parametrize("use", USES)
def test_each_await_is_a_checkpoint(use: str) -> None:
    make, call = USES[use]

    async def main() -> None:
        with trio.testing.assert_checkpoints():
            await call(make())

    trio.run(main)


@pytest.mark.parametrize("use", USES)
def test_a_cancellation_comes_in_before_anything_is_taken(use: str) -> None:
    make, call = USES[use]
    primitive = make()
    before = repr(primitive)

    async def main() -> bool:
        with trio.CancelScope() as scope:
            scope.cancel()
            await call(primitive)
        return scope.cancelled_caught

    assert trio.run(main) is True
    # What the test itself has done before it awaited.
    if use not in ("acquire_async(0) in vain", "Event.wait_async", "read twice"):
        assert repr(primitive) == before


def test_a_loop_that_takes_a_free_lock_is_ended_by_its_timeout() -> None:
    lock = interlock.Lock()

    async def main() -> bool:
        with trio.move_on_after(0.01) as scope:
            while True:
                async with lock:
                    pass
        return scope.cancelled_caught

    assert trio.run(main) is True
    assert not lock.locked()


@pytest.mark.parametrize("make", [interlock.Lock, interlock.RLock, interlock.Semaphore])
def test_one_that_never_goes_on_gives_back_what_it_has_taken(make: Callable[[], Any]) -> None:
    primitive = make()

    async def main() -> None:
        call = primitive.acquire_async()
        call.send(None)  # the second half of its checkpoint: it has the lock by now
        before = primitive.acquire(False) if not isinstance(primitive, interlock.RLock) else False
        assert before is False
        call.close()

    trio.run(main)
    assert primitive.acquire(False)


def test_one_task_that_takes_a_lock_twice_is_told() -> None:
    lock = interlock.Lock(name="mine")

    async def main() -> None:
        with trio.fail_after(10):
            await lock.acquire_async()
            with pytest.raises(RuntimeError, match=r"attempt to re-acquire .*mine"):
                await lock.acquire_async()
            with pytest.raises(interlock.DeadlockError, match="attempt to re-acquire"):
                async with lock:
                    pass
            assert await lock.acquire_async(0.001) is False  # whoever gives up is not told
            lock.release()
            async with lock:
                with pytest.raises(RuntimeError, match="attempt to re-acquire"):
                    async with lock:
                        pass
            again = interlock.RLock()
            async with again, again:
                pass

    trio.run(main)
    assert not lock.locked()
