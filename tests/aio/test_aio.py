"""`interlock.aio`: ours with asyncio's spelling."""

import asyncio
import re
import threading
from collections.abc import Awaitable, Callable
from typing import Any

import anyio
import pytest
from parties import wait_until

import interlock
from interlock import aio

GUARDS = [aio.Lock, aio.RLock, aio.Semaphore, aio.BoundedSemaphore, aio.Condition]
DROP_INS = ["Barrier", "BoundedSemaphore", "Condition", "Event", "Lock", "Semaphore"]
BACKENDS = ["asyncio", "trio"]


def run(main: Callable[[], Awaitable[Any]], backend: str = "asyncio") -> Any:
    return anyio.run(main, backend=backend)


@pytest.mark.parametrize("kind", aio.__all__)
def test_it_is_ours(kind: str) -> None:
    assert issubclass(getattr(aio, kind), getattr(interlock, kind, Exception))


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("kind", GUARDS)
def test_a_guard(kind: Any, backend: str) -> None:
    async def main() -> None:
        guard = kind(name="guard")
        assert guard.name == "guard"
        assert await guard.acquire() is True
        assert guard.locked()
        guard.release()
        assert not guard.locked()
        async with guard as entered:
            assert entered is None
            assert guard.locked()
        async with guard.within(1):
            assert guard.locked()
        assert not guard.locked()
        assert guard.waiters == guard._waiters == ()

    run(main, backend)


@pytest.mark.parametrize("kind", GUARDS)
def test_threads_are_refused(kind: Any) -> None:
    guard = kind()
    for manager in (guard, guard.within(1)):
        with pytest.raises(TypeError, match="'async with'"), manager:
            pass
    assert not guard.locked()


def test_threads_are_refused_by_a_read_write_lock() -> None:
    lock = aio.RWLock()
    for side in (lock.read(), lock.write()):
        for manager in (side, side.within(1)):
            with pytest.raises(TypeError, match="context manager"), manager:  # type: ignore[attr-defined]
                pass


# RLock takes what it is given, as `threading`'s: asyncio has none.
@pytest.mark.parametrize("kind", [*(kind for kind in GUARDS if kind is not aio.RLock), aio.Event])
def test_no_loop(kind: Any) -> None:
    with pytest.raises(TypeError, match=r"__init__\(\) got an unexpected keyword argument 'loop'"):
        kind(loop=None)


@pytest.mark.parametrize("kind", DROP_INS)
def test_repr_is_that_of_asyncio(kind: str) -> None:
    arguments = (3,) if kind == "Barrier" else ()

    def shown(library: Any) -> list[str]:
        async def main() -> list[str]:
            primitive = getattr(library, kind)(*arguments)
            texts = [repr(primitive)]
            waiting = []
            if kind == "Event":
                waiting.append(asyncio.create_task(primitive.wait()))
            elif kind == "Barrier":
                waiting += [asyncio.create_task(primitive.wait()) for _ in range(2)]
            elif kind == "Condition":
                await primitive.acquire()
                texts.append(repr(primitive))
                waiting.append(asyncio.create_task(primitive.wait()))
            else:
                await primitive.acquire()
                texts.append(repr(primitive))
                waiting.append(asyncio.create_task(primitive.acquire()))
            await asyncio.sleep(0)
            texts.append(repr(primitive))
            for task in waiting:
                task.cancel()
            await asyncio.gather(*waiting, return_exceptions=True)
            return texts

        texts = asyncio.run(main())
        return [re.sub("0x[0-9a-f]+", "0x", text).replace("asyncio.locks.", "interlock.aio.") for text in texts]

    assert shown(aio) == shown(asyncio)


def test_repr_with_a_name() -> None:
    assert repr(aio.Event(name="go")).endswith(" [unset, name='go']>")
    assert repr(aio.Barrier(2, name="go")).endswith(" [filling, waiters:0/2, name='go']>")


@pytest.mark.parametrize("backend", BACKENDS)
def test_event_latch_and_barrier(backend: str) -> None:
    async def main() -> None:
        event, latch, barrier = aio.Event(), aio.Latch(2), aio.Barrier(2)
        numbers = []

        async def wait() -> None:
            assert await event.wait() is True
            await latch.wait()
            async with barrier as number:
                numbers.append(number)

        async with anyio.create_task_group() as group:
            group.start_soon(wait)
            group.start_soon(wait)
            while len(event.waiters) < 2:
                await anyio.sleep(0)
            event.set()
            latch.count_down()
            latch.count_down()
        assert sorted(numbers) == [0, 1]

    run(main, backend)


@pytest.mark.parametrize("backend", BACKENDS)
def test_condition(backend: str) -> None:
    async def main() -> None:
        condition = aio.Condition()
        assert type(condition._lock) is aio.Lock
        shelf: list[int] = []
        got = []

        async def take() -> None:
            async with condition:
                await condition.wait_for(lambda: shelf)
                got.append(shelf.pop())

        async with anyio.create_task_group() as group:
            for _ in range(3):
                group.start_soon(take)
            while len(condition.waiters) < 3:
                await anyio.sleep(0)
            for item in range(3):
                async with condition:
                    shelf.append(item)
                    condition.notify()
        assert sorted(got) == [0, 1, 2]

    run(main, backend)


@pytest.mark.parametrize("lock", [aio.Lock, aio.RLock, interlock.Lock, interlock.RLock, asyncio.Lock])
def test_condition_over_any_lock(lock: Callable[[], Any]) -> None:
    async def main() -> None:
        condition = aio.Condition(lock())

        async def wait() -> bool:
            async with condition:
                return await condition.wait()

        waiting = asyncio.create_task(wait())
        while not condition.waiters:
            await asyncio.sleep(0)
        assert await condition.acquire() is True
        condition.notify()
        condition.release()
        assert await waiting is True
        assert not condition.locked()

    asyncio.run(main())


@pytest.mark.parametrize("timeout", [0.01, None])
def test_condition_waited_for_in_another_task_than_entered_it(timeout: float | None) -> None:
    """What `asyncio.wait_for` does up to 3.11."""

    async def main() -> None:
        condition = aio.Condition()
        async with condition:
            waiting = asyncio.create_task(asyncio.wait_for(condition.wait(), timeout))
            if timeout is None:
                while not condition.waiters:
                    await asyncio.sleep(0)
                async with condition:
                    condition.notify()
                assert await waiting is True
            else:
                with pytest.raises(TimeoutError):
                    await waiting
            assert condition.locked()
            await asyncio.create_task(notify(condition))
        assert not condition.locked()

    async def notify(condition: aio.Condition) -> None:
        condition.notify_all()  # asyncio asks only whether somebody holds the lock

    asyncio.run(main())


def test_condition_that_nobody_holds() -> None:
    async def main() -> None:
        condition = aio.Condition()
        with pytest.raises(RuntimeError):
            await condition.wait()
        with pytest.raises(RuntimeError):
            condition.notify()

    asyncio.run(main())


def test_a_broken_barrier_is_both() -> None:
    async def main() -> None:
        barrier = aio.Barrier(2)
        waiting = [asyncio.create_task(barrier.wait())]
        while not barrier.waiters:
            await asyncio.sleep(0)
        await barrier.abort()
        assert barrier.broken
        with pytest.raises(asyncio.BrokenBarrierError) as raised:
            await waiting[0]
        assert type(raised.value) is aio.BrokenBarrierError
        with pytest.raises(threading.BrokenBarrierError):
            await barrier.wait()
        await barrier.reset()
        assert not barrier.broken

    asyncio.run(main())


@pytest.mark.parametrize("kind", GUARDS)
def test_what_a_subclass_overrides_counts(kind: Any) -> None:
    calls = []

    class Told(kind):  # type: ignore[misc]
        async def acquire(self) -> bool:
            calls.append("acquire")
            return bool(await super().acquire())

        def release(self) -> None:
            calls.append("release")
            super().release()

    async def main() -> None:
        guard = Told()
        async with guard:
            assert guard.locked()
            assert calls == ["acquire"]
        assert calls == ["acquire", "release"]
        assert not guard.locked()

    asyncio.run(main())


def test_read_write_lock() -> None:
    async def main() -> None:
        lock = aio.RWLock(name="prices")
        async with lock.read(), lock.read().within(1):
            assert lock.readers == 2
            assert lock.owner is None
        side = lock.write()
        assert await side.acquire() is True
        assert lock.owner is asyncio.current_task()
        assert "prices" in repr(side)
        side.release()
        assert lock.owner is None

    asyncio.run(main())


@pytest.mark.parametrize("backend", BACKENDS)
def test_timeouts(backend: str) -> None:
    async def main() -> None:
        lock, event, semaphore = aio.Lock(), aio.Event(), aio.Semaphore(0)
        interlock.Lock.acquire(lock)  # by the thread: who has it himself is told
        for call in (lock.acquire, event.wait, semaphore.acquire):
            with anyio.move_on_after(0.001) as scope:
                await call()
            assert scope.cancelled_caught
        assert lock.waiters == event.waiters == semaphore.waiters == ()
        assert await lock.acquire(timeout=0.001) is False
        with pytest.raises(TimeoutError):
            async with lock.within(0.001):
                pass

    run(main, backend)


def test_timeouts_of_asyncio() -> None:
    async def main() -> None:
        event = aio.Event()
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.001):
                await event.wait()
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(event.wait(), 0.001)
        assert event.waiters == ()
        event.set()
        assert await asyncio.wait_for(event.wait(), 10) is True
        assert await asyncio.gather(event.wait(), asyncio.create_task(event.wait())) == [True, True]

    asyncio.run(main())


def test_a_thread_serves_a_task() -> None:
    """What is not awaited in asyncio may be called from any thread here."""
    event, started = aio.Event(), threading.Event()

    async def main() -> bool:
        started.set()
        return await event.wait()

    results: list[bool] = []
    thread = threading.Thread(target=lambda: results.append(asyncio.run(main())))
    thread.start()
    wait_until(lambda: event.waiters, "the task waits")
    event.set()
    thread.join()
    assert results == [True]


# In the order in which they came, as asyncio promises it.


def test_a_newcomer_runs_after_those_who_were_granted() -> None:
    async def main() -> list[str]:
        semaphore = aio.Semaphore(0)
        order = []

        async def come(name: str) -> None:
            await semaphore.acquire()
            order.append(name)
            semaphore.release()

        async def again() -> None:
            await semaphore.acquire()
            order.append("first")
            semaphore.release()
            await semaphore.acquire()  # a permit is free, but the second, who has his, has not run
            order.append("first again")

        tasks = [asyncio.create_task(again()), asyncio.create_task(come("second"))]
        while len(semaphore.waiters) < 2:
            await asyncio.sleep(0)
        semaphore.release(2)
        await asyncio.gather(*tasks)
        assert semaphore._value == 1
        return order

    assert asyncio.run(main()) == ["first", "second", "first again"]


def test_a_newcomer_that_is_cancelled_gives_back() -> None:
    async def main() -> None:
        semaphore = aio.BoundedSemaphore(2)
        await semaphore.acquire()
        await semaphore.acquire()
        waiting = asyncio.create_task(semaphore.acquire())
        while not semaphore.waiters:
            await asyncio.sleep(0)
        semaphore.release()
        semaphore.release()

        async def come() -> None:
            await semaphore.acquire()

        newcomer = asyncio.create_task(come())
        newcomer.add_done_callback(lambda _: None)
        # It steps after `waiting` does, so let it step by hand: nobody has run since the releases.
        call = semaphore.acquire()
        call.send(None)
        assert semaphore._value == 0
        call.close()
        assert semaphore._value == 1
        await waiting
        await newcomer
        semaphore.release()
        semaphore.release()
        assert semaphore._value == 2
        with pytest.raises(ValueError, match="too many"):
            semaphore.release()

    asyncio.run(main())


def test_a_newcomer_that_will_not_wait_takes_what_is_free() -> None:
    async def main() -> None:
        semaphore = aio.Semaphore(0)
        waiting = asyncio.create_task(semaphore.acquire())
        while not semaphore.waiters:
            await asyncio.sleep(0)
        semaphore.release(2)
        assert await semaphore.acquire(timeout=0) is True
        assert not waiting.done()
        assert await semaphore.acquire(timeout=0) is False
        await waiting
        # All have run, so nobody has to be waited for any more.
        semaphore.release()
        assert await semaphore.acquire(timeout=0) is True

    asyncio.run(main())


@pytest.mark.parametrize("backend", BACKENDS)
def test_newcomers_on_both_libraries(backend: str) -> None:
    async def main() -> None:
        semaphore = aio.Semaphore(2)
        inside = most = 0

        async def work() -> None:
            nonlocal inside, most
            for _ in range(20):
                async with semaphore:
                    inside += 1
                    most = max(most, inside)
                    await anyio.sleep(0)
                    inside -= 1

        async with anyio.create_task_group() as group:
            for _ in range(5):
                group.start_soon(work)
        assert (inside, most, semaphore._value) == (0, 2, 2)

    run(main, backend)


# --- a barrier that drains --------------------------------------------------------------------------------------------


def drain(do: str, kind: type) -> list[str]:
    """A barrier of two has been filled; one of the two has not run yet, and a third has come. Then `do` to it."""

    async def main() -> list[str]:
        barrier: Any = kind(2)
        said: list[str] = []

        async def first() -> None:
            await cross("first")
            if do:
                await getattr(barrier, do)()
                said.append(do)

        async def cross(name: str) -> None:
            try:
                await barrier.wait()
                said.append(name)
            except asyncio.BrokenBarrierError:
                said.append(f"{name} broken")

        tasks = [asyncio.create_task(first())]
        tasks += [asyncio.create_task(cross(name)) for name in ("second", "late", "later still")]
        await asyncio.wait(tasks, timeout=10)
        said += [f"{barrier.n_waiting} {barrier.broken}"]
        for task in tasks:
            task.cancel()
        return said

    return asyncio.run(main())


@pytest.mark.parametrize("do", ["", "reset", "abort"])
def test_a_newcomer_to_a_filled_barrier_waits_until_it_has_emptied(do: str) -> None:
    assert drain(do, aio.Barrier) == drain(do, asyncio.Barrier)


def half_drained(do: str, kind: type) -> list[str]:
    """`do` while two of three have been let through and not run, and another has come."""

    async def main() -> list[str]:
        barrier: Any = kind(3)
        said: list[str] = []

        async def cross(name: str, then: bool = False) -> None:
            try:
                await barrier.wait()
                said.append(f"{name} through")
                if then:
                    await getattr(barrier, do)()
            except asyncio.BrokenBarrierError:
                said.append(f"{name} broken")

        tasks = [asyncio.create_task(cross(name)) for name in ("a", "b")]
        await asyncio.sleep(0)
        tasks += [asyncio.create_task(cross("c", True)), asyncio.create_task(cross("late"))]
        for _ in range(10):
            await asyncio.sleep(0)
        said.append(f"{barrier.n_waiting} {barrier.broken} {all(task.done() for task in tasks[:3])}")
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)
        return said

    return asyncio.run(main())


@pytest.mark.parametrize("do", ["reset", "abort"])
def test_who_was_let_through_and_has_not_run_is_hit_by_a_reset(do: str) -> None:
    assert half_drained(do, aio.Barrier) == half_drained(do, asyncio.Barrier)


def test_who_is_cancelled_while_the_barrier_drains_has_left_it() -> None:
    async def main() -> None:
        barrier = aio.Barrier(2)
        first = asyncio.create_task(barrier.wait())
        await asyncio.sleep(0)
        second = asyncio.create_task(barrier.wait())
        late = [asyncio.create_task(barrier.wait()) for _ in range(2)]
        await asyncio.sleep(0)
        first.cancel()
        await asyncio.wait([first, second, *late], timeout=10)
        assert second.done()
        assert sorted(task.result() for task in late) == [0, 1]
        assert barrier.n_waiting == 0
        assert "filling" in repr(barrier)

    asyncio.run(main())


def test_anyio_leaves_a_task_alone_that_was_woken_already() -> None:
    async def main() -> bool:
        event = aio.Event()
        went_on = False

        async def set_and_cancel() -> None:
            event.set()
            group.cancel_scope.cancel()

        async with anyio.create_task_group() as group:
            group.start_soon(set_and_cancel)
            await event.wait()
            went_on = True
        return went_on

    assert asyncio.run(main())


def test_what_a_task_waits_on_is_a_future() -> None:
    async def main() -> None:
        lock = aio.Lock()
        await lock.acquire()
        waiting: Any = asyncio.create_task(lock.acquire())  # type: ignore[arg-type]
        await asyncio.sleep(0)
        assert isinstance(waiting._fut_waiter, asyncio.Future)
        assert asyncio.isfuture(waiting._fut_waiter)
        assert not waiting._fut_waiter.done()
        lock.release()
        await waiting

    asyncio.run(main())
