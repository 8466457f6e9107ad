"""A task that is cancelled leaves as if it had never come, whatever moment that is."""

import asyncio
import gc
import threading
import time
import weakref
from collections.abc import Awaitable, Callable
from typing import Any

import anyio
import pytest
import trio
from loops import Run, both_libraries
from parties import Parties, blocked

from interlock import (
    Barrier,
    BoundedSemaphore,
    Condition,
    DeadlockError,
    Event,
    Latch,
    Lock,
    RLock,
    RWLock,
    Semaphore,
    WaitQueue,
)

# --- what a task can wait for -----------------------------------------------------------------------------------


class Way:
    """A primitive that is shut, and who waits there."""

    def __init__(self) -> None:
        self.primitive = self.make()

    def make(self) -> Any:
        raise NotImplementedError

    def wait(self, timeout: float | None = None) -> Awaitable[Any]:
        """What a task awaits in order to get through."""
        raise NotImplementedError

    def open(self) -> None:
        """Let the first through, or all. By whoever made this, and by any thread where `by_anybody`."""
        raise NotImplementedError

    by_anybody = True
    for_all = False

    def is_open(self) -> bool:
        """Whether the next who comes would get through: what it is after it was opened with nobody there."""
        raise NotImplementedError


class OfLock(Way):
    def make(self) -> Any:
        lock = Lock()
        lock.acquire()
        return lock

    def wait(self, timeout: float | None = None) -> Awaitable[Any]:
        return self.primitive.acquire_async(timeout)

    def open(self) -> None:
        self.primitive.release()

    def is_open(self) -> bool:
        return not self.primitive.locked()


class OfRLock(OfLock):
    by_anybody = False

    def make(self) -> Any:
        lock = RLock()
        lock.acquire()
        return lock


class OfSemaphore(OfLock):
    def make(self) -> Any:
        return Semaphore(0)

    def is_open(self) -> bool:
        return bool(self.primitive._value == 1)


class OfBoundedSemaphore(OfSemaphore):
    def make(self) -> Any:
        semaphore = BoundedSemaphore(1)
        semaphore.acquire()
        return semaphore


class OfSeveralPermits(OfSemaphore):
    def wait(self, timeout: float | None = None) -> Awaitable[Any]:
        return self.primitive.acquire_async(timeout, permits=3)

    def open(self) -> None:
        self.primitive.release(3)

    def is_open(self) -> bool:
        return bool(self.primitive._value == 3)


class OfWriter(OfLock):
    def make(self) -> Any:
        self.lock = RWLock()
        self.side = self.lock.write()
        self.side.acquire()
        return self.lock

    def wait(self, timeout: float | None = None) -> Awaitable[Any]:
        self.waiting = self.lock.write()
        return self.waiting.acquire_async(timeout)

    def open(self) -> None:
        self.side.release()


class OfReader(OfWriter):
    for_all = True

    def wait(self, timeout: float | None = None) -> Awaitable[Any]:
        return self.lock.read().acquire_async(timeout)


class OfEvent(Way):
    for_all = True

    def make(self) -> Any:
        return Event()

    def wait(self, timeout: float | None = None) -> Awaitable[Any]:
        return self.primitive.wait_async(timeout)

    def open(self) -> None:
        self.primitive.set()

    def is_open(self) -> bool:
        return bool(self.primitive.is_set())


class OfLatch(OfEvent):
    def make(self) -> Any:
        return Latch(1)

    def open(self) -> None:
        self.primitive.count_down()

    def is_open(self) -> bool:
        return bool(self.primitive.count == 0)


class OfWaitQueue(Way):
    def make(self) -> Any:
        return WaitQueue()

    def wait(self, timeout: float | None = None) -> Awaitable[Any]:
        return self.primitive.park_async(timeout)

    def open(self) -> None:
        self.primitive.unpark()

    def is_open(self) -> bool:
        return True  # a wake-up for nobody is dropped


WAYS = [
    OfLock, OfRLock, OfSemaphore, OfBoundedSemaphore, OfSeveralPermits, OfWriter, OfReader, OfEvent, OfLatch,
    OfWaitQueue,
]  # fmt: skip
every_way = pytest.mark.parametrize("make_way", WAYS, ids=lambda way: way.__name__.removeprefix("Of"))
by_anybody = pytest.mark.parametrize(
    "make_way", [way for way in WAYS if way.by_anybody], ids=lambda way: way.__name__.removeprefix("Of")
)


# --- by task.cancel() and by a scope of trio's -----------------------------------------------------------------


@both_libraries
@every_way
def test_before_its_first_step(run: Run, make_way: type[Way]) -> None:
    async def body(loop: Any) -> None:
        way = make_way()
        begun = loop.begin(way.wait)
        begun.cancel()
        await begun.over()
        assert begun.cancelled
        assert way.primitive.waiters == ()
        way.open()
        assert way.is_open()

    run(body)


@both_libraries
@every_way
@pytest.mark.parametrize("place", [0, 1, 2], ids=["the first", "one in the middle", "the last"])
def test_while_it_is_parked(run: Run, make_way: type[Way], place: int) -> None:
    """The others stay, in order, and get through."""

    async def body(loop: Any) -> None:
        way = make_way()
        begun = await loop.line_up(way.primitive, [way.wait] * 3)
        cancelled = begun.pop(place)
        cancelled.cancel()
        await cancelled.over()
        assert cancelled.cancelled
        assert way.primitive.waiters == tuple(other.task for other in begun)
        way.open()
        assert await begun[0].result() is True
        if way.for_all:
            assert await begun[1].result() is True
        else:
            assert way.primitive.waiters == (begun[1].task,)
            begun[1].cancel()

    run(body)


@both_libraries
@every_way
@pytest.mark.parametrize("order", ["granted, then cancelled", "cancelled, then granted"])
@pytest.mark.parametrize("behind", [0, 1], ids=["nobody behind", "one behind"])
def test_granted_and_cancelled_in_the_same_step(run: Run, make_way: type[Way], order: str, behind: int) -> None:
    """What it was given goes to the next, or to nobody. In trio a task that was woken first has not been cancelled."""

    async def body(loop: Any) -> None:
        way = make_way()
        first, *others = await loop.line_up(way.primitive, [way.wait] * (1 + behind))
        acts = [way.open, first.cancel]
        for act in acts if order.startswith("granted") else reversed(acts):
            act()
        await first.over()
        if first.cancelled:
            for other in others:
                assert await other.result() is True
            assert others or way.is_open()
        else:
            assert (loop.name, order, first.value) == ("trio", "granted, then cancelled", True)
            for other in others:
                if not way.for_all:
                    assert not other.done
                    other.cancel()
        await loop.blocked(way.primitive, 0)

    run(body)


@both_libraries
@every_way
def test_everybody_is_cancelled_and_it_was_opened(run: Run, make_way: type[Way]) -> None:
    """The grant goes down the whole line, and nobody is there."""

    async def body(loop: Any) -> None:
        way = make_way()
        begun = await loop.line_up(way.primitive, [way.wait] * 20)
        for one in begun:
            one.cancel()
        way.open()
        for one in begun:
            await one.over()
            assert one.cancelled
        assert way.primitive.waiters == ()
        assert way.is_open()

    run(body)


@both_libraries
@every_way
def test_it_may_come_again(run: Run, make_way: type[Way]) -> None:
    """Who swallows its cancellation is as good as new."""

    async def body(loop: Any) -> None:
        way = make_way()
        for _ in range(3):
            (begun,) = await loop.line_up(way.primitive, [way.wait])
            begun.cancel()
            await begun.over()
        (begun,) = await loop.line_up(way.primitive, [way.wait])
        way.open()
        assert await begun.result() is True

    run(body)


# --- by a timeout -----------------------------------------------------------------------------------------------


@both_libraries
@every_way
@pytest.mark.parametrize("timeout", [0.01, 0, 1e-9])
def test_its_own_timeout(run: Run, make_way: type[Way], timeout: float) -> None:
    async def body(loop: Any) -> None:
        way = make_way()
        assert await loop.begin(lambda: way.wait(timeout)).result() is False
        assert way.primitive.waiters == ()
        impatient, patient = loop.begin(lambda: way.wait(timeout)), loop.begin(way.wait)
        assert await impatient.result() is False
        await loop.blocked(way.primitive, 1)
        way.open()
        assert await patient.result() is True

    run(body)


@both_libraries
@every_way
def test_granted_as_its_time_is_up(run: Run, make_way: type[Way]) -> None:
    """The loop was busy until long after. What it was given by then it has."""

    async def body(loop: Any) -> None:
        way = make_way()
        (begun,) = await loop.line_up(way.primitive, [lambda: way.wait(0.02)])
        time.sleep(0.03)
        way.open()
        assert await begun.result() is True

    run(body)


@both_libraries
@every_way
def test_the_time_is_up_and_it_is_cancelled(run: Run, make_way: type[Way]) -> None:
    async def body(loop: Any) -> None:
        way = make_way()
        (begun,) = await loop.line_up(way.primitive, [lambda: way.wait(0.02)])
        time.sleep(0.03)
        begun.cancel()
        await begun.over()
        assert begun.cancelled or begun.value is False
        assert way.primitive.waiters == ()
        way.open()
        assert way.is_open()

    run(body)


@by_anybody
@pytest.mark.parametrize("how", ["timeout", "wait_for", "wait_for of a task", "anyio", "move_on_after"])
def test_a_timeout_of_the_library(make_way: type[Way], how: str) -> None:
    async def give_up(waiting: Any) -> None:
        if how == "timeout":
            async with asyncio.timeout(0.01):
                await waiting
        elif how == "wait_for":
            await asyncio.wait_for(waiting, 0.01)
        elif how == "wait_for of a task":
            await asyncio.wait_for(asyncio.ensure_future(waiting), 0.01)
        else:
            with anyio.fail_after(0.01):
                await waiting

    async def of_asyncio() -> None:
        way = make_way()
        with pytest.raises(TimeoutError):
            await give_up(way.wait())
        assert way.primitive.waiters == ()
        way.open()
        assert way.is_open()

    async def of_trio() -> None:
        way = make_way()
        with trio.move_on_after(0.01) as scope:
            await way.wait()
        assert scope.cancelled_caught
        assert way.primitive.waiters == ()
        way.open()
        assert way.is_open()

    if how == "move_on_after":
        trio.run(of_trio)
    else:
        asyncio.run(of_asyncio())


# --- by the end of its loop -------------------------------------------------------------------------------------


@by_anybody
def test_asyncio_ends_with_waiters(make_way: type[Way]) -> None:
    """`asyncio.run` cancels what is left."""
    way = make_way()

    async def leave_some_behind() -> None:
        tasks = [asyncio.ensure_future(way.wait()) for _ in range(3)]
        while len(way.primitive.waiters) < 3:
            await asyncio.sleep(0)
        way.tasks = tasks  # type: ignore[attr-defined]

    asyncio.run(leave_some_behind())
    assert way.primitive.waiters == ()
    way.open()
    assert way.is_open()

    async def come_anew() -> None:
        assert await way.wait(0) is (not isinstance(way, OfWaitQueue))

    asyncio.run(come_anew())


@by_anybody
def test_trio_ends_with_waiters(make_way: type[Way]) -> None:
    way = make_way()

    async def leave_some_behind() -> None:
        async with trio.open_nursery() as nursery:
            for _ in range(3):
                nursery.start_soon(way.wait)
            while len(way.primitive.waiters) < 3:
                await trio.lowlevel.checkpoint()
            raise ZeroDivisionError

    with pytest.raises(ExceptionGroup):
        trio.run(leave_some_behind)
    assert way.primitive.waiters == ()
    way.open()
    assert way.is_open()


def closed_loop_with(calls: list[Callable[[], Awaitable[Any]]], primitive: Any) -> list[Any]:
    """Tasks that wait in a loop which was closed without cancelling them."""
    loop = asyncio.new_event_loop()
    loop.set_exception_handler(lambda *_: None)
    tasks = []

    async def line_up() -> None:
        for n, call in enumerate(calls):
            task = asyncio.ensure_future(call())
            task._log_destroy_pending = False  # type: ignore[attr-defined]
            tasks.append(task)
            while len(primitive.waiters) <= n:
                await asyncio.sleep(0)

    loop.run_until_complete(line_up())
    loop.close()
    return tasks


@by_anybody
@pytest.mark.parametrize("wrapped", [False, True], ids=["the call itself", "a coroutine"])
def test_its_loop_has_been_closed(make_way: type[Way], wrapped: bool, parties: Parties) -> None:
    """The grant goes on to the next, who is a thread here."""
    way = make_way()

    async def wait() -> Any:
        return await way.wait()

    tasks = closed_loop_with([wait if wrapped else way.wait] * 3, way.primitive)
    alive = parties.one()
    waiting = alive.begin(lambda: asyncio.run(bare(way.wait)))
    blocked(way.primitive, 4)
    way.open()
    assert waiting.result() is True
    assert way.primitive.waiters == ()
    del tasks
    gc.collect()


async def bare(call: Callable[[], Awaitable[Any]]) -> Any:
    return await call()


@by_anybody
def test_its_loop_has_been_closed_and_nobody_is_behind(make_way: type[Way]) -> None:
    way = make_way()
    tasks = closed_loop_with([way.wait] * 3, way.primitive)
    way.open()
    assert way.primitive.waiters == ()
    assert way.is_open()
    tasks.clear()
    gc.collect()
    assert way.is_open()


@by_anybody
def test_thousands_whose_loop_has_been_closed(make_way: type[Way]) -> None:
    """One after the other, not one inside the other."""
    way = make_way()
    loop = asyncio.new_event_loop()
    tasks = []

    async def come() -> None:
        for _ in range(5000):
            task = asyncio.ensure_future(way.wait())
            task._log_destroy_pending = False  # type: ignore[attr-defined]
            tasks.append(task)
        while len(way.primitive.waiters) < 5000:
            await asyncio.sleep(0)

    loop.run_until_complete(come())
    loop.close()
    way.open()
    assert way.primitive.waiters == ()
    assert way.is_open()
    tasks.clear()
    gc.collect()


@by_anybody
def test_its_loop_is_closed_with_the_grant_on_its_way(make_way: type[Way], parties: Parties) -> None:
    """Granted by another thread, and the loop ends before it looks at what has come."""
    way = make_way()
    loop = asyncio.new_event_loop()
    tasks = []

    async def come() -> None:
        task = asyncio.ensure_future(way.wait())
        task._log_destroy_pending = False  # type: ignore[attr-defined]
        tasks.append(task)
        while not way.primitive.waiters:
            await asyncio.sleep(0)

    loop.run_until_complete(come())
    way.open()  # from outside of its steps, so it is sent
    loop.close()
    assert way.primitive.waiters == ()
    assert way.is_open()
    tasks.clear()
    gc.collect()
    assert way.is_open()


def test_thousands_whose_loop_is_closed_with_a_grant_on_its_way() -> None:
    way = OfLock()
    loop = asyncio.new_event_loop()
    tasks = []

    async def come() -> None:
        for _ in range(5000):
            task = asyncio.ensure_future(way.wait())
            task._log_destroy_pending = False  # type: ignore[attr-defined]
            tasks.append(task)
        while len(way.primitive.waiters) < 5000:
            await asyncio.sleep(0)

    loop.run_until_complete(come())
    way.open()
    loop.close()
    assert way.primitive.waiters == ()
    assert way.is_open()
    tasks.clear()
    gc.collect()


# --- its task is destroyed --------------------------------------------------------------------------------------


@by_anybody
@pytest.mark.parametrize("wrapped", [False, True], ids=["the call itself", "a coroutine"])
def test_its_task_is_destroyed_after_it_was_granted(make_way: type[Way], wrapped: bool) -> None:
    """Nobody runs the loop any more, and nobody has the task: while it is parked the queue has it."""
    way = make_way()

    async def wait() -> Any:
        return await way.wait()

    async def come() -> None:
        task = asyncio.ensure_future((wait if wrapped else way.wait)())
        task._log_destroy_pending = False  # type: ignore[attr-defined]
        references.append(weakref.ref(task))
        while not way.primitive.waiters:
            await asyncio.sleep(0)
        way.open()
        loop.stop()  # before the task has run again

    references: list[Any] = []
    loop = asyncio.new_event_loop()
    coming = loop.create_task(come())
    loop.run_forever()
    assert coming.done()
    assert references[0]() is not None
    loop.close()
    gc.collect()
    assert references[0]() is None
    assert way.primitive.waiters == ()
    assert way.is_open()


@by_anybody
def test_its_coroutine_is_closed(make_way: type[Way]) -> None:
    """By hand, without its task's knowledge: what is thrown in is not a cancellation."""

    async def main() -> None:
        way = make_way()
        call = way.wait()
        steps = call.__await__()
        future = steps.send(None)  # type: ignore[attr-defined]
        assert len(way.primitive.waiters) == 1
        steps.close()  # type: ignore[attr-defined]
        future._asyncio_future_blocking = False
        assert way.primitive.waiters == ()
        way.open()
        assert way.is_open()

    asyncio.run(main())


# --- a race -----------------------------------------------------------------------------------------------------


@both_libraries
@every_way
def test_another_thread_opens_it_while_it_is_cancelled(run: Run, make_way: type[Way], parties: Parties) -> None:
    """Whoever is first: either it got through, or the way is open."""
    other = parties.one()

    async def body(loop: Any) -> None:
        for n in range(150):
            way = other.do(make_way)
            (begun,) = await loop.line_up(way.primitive, [way.wait])
            opening = other.begin(way.open)
            for _ in range(n % 4):
                await loop.step()
            begun.cancel()
            await begun.over()
            opening.result()
            if begun.cancelled:
                assert way.is_open()
            else:
                assert begun.value is True
                assert not way.is_open() or way.for_all or isinstance(way, OfWaitQueue)
            assert way.primitive.waiters == ()

    run(body)


@both_libraries
@every_way
def test_another_thread_opens_it_while_its_time_is_up(run: Run, make_way: type[Way], parties: Parties) -> None:
    other = parties.one()

    async def body(loop: Any) -> None:
        for n in range(100):
            way = other.do(make_way)
            begun = loop.begin(lambda way=way, n=n: way.wait(0.000_02 * (n % 10)))
            await loop.step()
            opening = other.begin(way.open)
            await begun.over()
            opening.result()
            assert begun.value is True or way.is_open()
            assert way.primitive.waiters == ()

    run(body)


# --- Condition --------------------------------------------------------------------------------------------------


class Foreign(Lock):
    """A subclass may have made something else of `acquire`: to a condition it is not one of ours."""


every_lock = pytest.mark.parametrize("make_lock", [RLock, Lock, Foreign])


async def wait_in(condition: Condition, seen: list[Any], timeout: float | None = None) -> Any:
    """Wait, and say whether it had the lock when that was over."""
    async with condition:
        try:
            return await condition.wait_async(timeout)
        finally:
            seen.append(condition.owner)


async def notify_in(condition: Condition, n: int = 1) -> None:
    async with condition:
        condition.notify(n)


@both_libraries
@every_lock
def test_a_wait_that_is_cancelled_has_the_lock_again(run: Run, make_lock: Any) -> None:
    async def body(loop: Any) -> None:
        condition = Condition(make_lock())
        seen: list[Any] = []
        (begun,) = await loop.line_up(condition, [lambda: wait_in(condition, seen)])
        begun.cancel()
        await begun.over()
        assert begun.cancelled
        assert seen == [begun.task]
        assert not condition.locked()
        assert condition.waiters == ()

    run(body)


@both_libraries
@every_lock
def test_a_wait_that_is_cancelled_waits_for_the_lock_and_is_cancelled_again(run: Run, make_lock: Any) -> None:
    """However often, it comes out with the lock."""

    async def body(loop: Any) -> None:
        condition = Condition(make_lock())
        seen: list[Any] = []
        (begun,) = await loop.line_up(condition, [lambda: wait_in(condition, seen)])
        await condition.acquire_async()
        for _ in range(3):
            begun.cancel()
            for _ in range(5):
                await loop.step()
            assert not begun.done
            assert condition._lock.waiters == (begun.task,)
        condition.release()
        await begun.over()
        assert begun.cancelled
        assert seen == [begun.task]
        assert not condition.locked()

    run(body)


@both_libraries
@every_lock
@pytest.mark.parametrize("order", ["notified, then cancelled", "cancelled, then notified"])
def test_a_notification_that_hit_a_cancelled_one_goes_to_the_next(run: Run, make_lock: Any, order: str) -> None:
    async def body(loop: Any) -> None:
        condition = Condition(make_lock())
        seen: list[Any] = []
        first, second = await loop.line_up(condition, [lambda: wait_in(condition, seen)] * 2)
        await condition.acquire_async()
        acts: list[Callable[[], object]] = [condition.notify, first.cancel]
        for act in acts if order.startswith("notified") else reversed(acts):
            act()
        condition.release()
        await first.over()
        if first.cancelled:
            assert await second.result() is True
        else:  # trio had woken it by then
            assert first.value is True
            assert condition.waiters == (second.task,)
            await notify_in(condition)
            assert await second.result() is True
        assert seen == [first.task, second.task]
        assert not condition.locked()

    run(body)


@both_libraries
@every_lock
def test_notified_and_cancelled_while_it_waits_for_the_lock(run: Run, make_lock: Any) -> None:
    async def body(loop: Any) -> None:
        condition = Condition(make_lock())
        seen: list[Any] = []
        first, second = await loop.line_up(condition, [lambda: wait_in(condition, seen)] * 2)
        await condition.acquire_async()
        condition.notify()
        for _ in range(5):
            await loop.step()
        first.cancel()
        for _ in range(5):
            await loop.step()
        assert not first.done
        condition.release()
        await first.over()
        assert first.cancelled
        assert await second.result() is True
        assert not condition.locked()

    run(body)


@both_libraries
@every_lock
def test_a_timed_wait_that_is_cancelled_as_its_time_is_up(run: Run, make_lock: Any) -> None:
    async def body(loop: Any) -> None:
        condition = Condition(make_lock())
        seen: list[Any] = []
        (begun,) = await loop.line_up(condition, [lambda: wait_in(condition, seen, 0.02)])
        await condition.acquire_async()
        time.sleep(0.03)
        begun.cancel()
        for _ in range(5):
            await loop.step()
        condition.release()
        await begun.over()
        assert begun.cancelled or begun.value is False
        assert seen == [begun.task]
        assert not condition.locked()

    run(body)


@both_libraries
@every_lock
def test_a_timed_wait_that_is_cancelled_once_its_time_is_up(run: Run, make_lock: Any) -> None:
    """It is on its way back to the lock, and leaves with nothing but that."""

    async def body(loop: Any) -> None:
        condition = Condition(make_lock())
        seen: list[Any] = []
        (begun,) = await loop.line_up(condition, [lambda: wait_in(condition, seen, 0.02)])
        await condition.acquire_async()
        await loop.blocked(condition._lock, 1)
        assert condition.waiters == ()
        begun.cancel()
        for _ in range(5):
            await loop.step()
        assert not begun.done
        condition.release()
        await begun.over()
        # trio's task was shielded, and had nothing more to wait for.
        assert begun.cancelled or begun.value is False
        assert seen == [begun.task]
        assert not condition.locked()

    run(body)


class DrivenByHand:
    """Awaits by hand, and does not hand on what is thrown into it, nor close what it awaits."""

    def __init__(self, call: Awaitable[Any]):
        self.call = call

    def __await__(self) -> Any:
        steps: Any = self.call.__await__()
        sent = None
        while True:
            try:
                step = steps.send(sent)
            except StopIteration as stop:
                return stop.value
            sent = yield step


@both_libraries
@pytest.mark.parametrize("granted", [False, True])
def test_one_who_awaits_by_hand_is_cancelled(run: Run, granted: bool) -> None:
    """The call goes without being closed. Its waiter stayed in the queue, and the lock was never seen again."""

    async def body(loop: Any) -> None:
        lock = Lock()
        await lock.acquire_async()

        async def take_it() -> Any:
            return await DrivenByHand(lock.acquire_async())

        (begun,) = await loop.line_up(lock, [take_it])
        begun.cancel()
        if granted:
            lock.release()
        await begun.over()
        if begun.value:  # trio had woken it by then
            assert granted
            lock.release()
        gc.collect()
        assert lock.waiters == ()
        if not granted:
            lock.release()
        assert await lock.acquire_async(0) is True

    run(body)


@every_lock
@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_a_scope_of_anyio_that_stays_cancelled(make_lock: Any, backend: str, parties: Parties) -> None:
    """On asyncio too it cancels again and again, until the task has left: it gets the lock all the same."""
    condition = Condition(make_lock())
    holder = parties.one()
    seen = []

    async def main() -> None:
        with anyio.CancelScope() as scope:
            async with condition:
                scope_of.append(scope)
                try:
                    await condition.wait_async()
                finally:
                    seen.append(condition._is_owned() and condition.owner is not None)
        assert scope.cancelled_caught

    async def cancel() -> None:
        while not condition.waiters:
            await anyio.sleep(0)
        holder.do(condition.acquire)
        scope_of[0].cancel()
        for _ in range(20):
            await anyio.sleep(0.000_1)
        assert seen == []
        holder.do(condition.release)

    async def together() -> None:
        async with anyio.create_task_group() as group:
            group.start_soon(main)
            group.start_soon(cancel)

    scope_of: list[anyio.CancelScope] = []
    anyio.run(together, backend=backend)
    assert seen == [True]
    assert not condition.locked()
    assert condition.waiters == ()


@pytest.mark.parametrize("make_lock", [RLock, Lock])
def test_told_to_look_again_and_cancelled_while_it_waits_for_the_lock(make_lock: Any) -> None:
    """It looked again and again, for ever, and the loop stood still."""

    async def main() -> None:
        condition = Condition(make_lock())
        seen: list[Any] = []
        waiting = asyncio.create_task(wait_in(condition, seen))
        await asyncio.sleep(0)
        async with condition:
            condition.notify()
            # One who is refused tells the head of the queue to look whether that would be too.
            with pytest.raises(DeadlockError):
                await asyncio.create_task(block_on(condition._lock))
            await asyncio.sleep(0)
            waiting.cancel()
            for _ in range(5):
                await asyncio.sleep(0)
            assert condition._lock.waiters == (waiting,)
        with pytest.raises(asyncio.CancelledError):
            await waiting
        assert seen == [waiting]

    async def block_on(lock: Any) -> None:
        lock.acquire()

    asyncio.run(main())


class ForeignAcquire(Lock):
    def acquire_async(self, timeout: float | None = None) -> Any:
        return self.once_more(timeout)

    async def once_more(self, timeout: float | None) -> bool:
        return await super().acquire_async(timeout)


@pytest.mark.parametrize(
    ("make_lock", "backend"),
    [
        (Foreign, "trio"),
        (Foreign, "asyncio"),
        (ForeignAcquire, "trio"),
        (ForeignAcquire, "asyncio"),
        (trio.Lock, "trio"),
        (anyio.Lock, "trio"),
        (anyio.Lock, "asyncio"),
        (asyncio.Lock, "asyncio"),
    ],
)
@pytest.mark.parametrize("taken", [True, False])
@pytest.mark.parametrize("notified", [True, False])
def test_a_scope_that_stays_cancelled_and_a_lock_that_is_not_ours(
    make_lock: Any, backend: str, taken: bool, notified: bool
) -> None:
    """To take the lock back was cancelled at once, again and again, for ever."""
    scope = anyio.CancelScope
    made: list[Any] = []

    async def wait(condition: Condition) -> None:
        with scope() as mine:
            made.append(mine)
            async with condition:
                try:
                    await condition.wait_async()
                    # Notified before it was cancelled, and nothing more to wait for.
                    assert notified
                    assert not taken
                    condition.notify()
                finally:
                    made.append("out")
                    assert condition._lock.locked()
            await anyio.sleep(0)
        assert mine.cancelled_caught
        # The shield is gone.
        with scope() as again:
            again.cancel()
            await anyio.sleep(0)
        assert again.cancelled_caught

    async def next_one(condition: Condition) -> None:
        async with condition:
            assert await condition.wait_async() is True

    async def together() -> None:
        condition = Condition(make_lock())
        with anyio.fail_after(20):
            async with anyio.create_task_group() as group:
                group.start_soon(wait, condition)
                await until(lambda: len(condition.waiters) == 1)
                if notified:
                    group.start_soon(next_one, condition)
                    await until(lambda: len(condition.waiters) == 2)
                await condition._lock.__aenter__()
                if notified:
                    condition.notify()
                if not taken:
                    await condition._lock.__aexit__(None, None, None)
                made[0].cancel()
                for _ in range(20):
                    await anyio.sleep(0.000_1)
                assert made[1:] == ([] if taken else ["out"])
                if taken:
                    await condition._lock.__aexit__(None, None, None)
        assert not condition._lock.locked()
        assert condition.waiters == ()

    async def until(true: Callable[[], bool]) -> None:
        while not true():
            await anyio.sleep(0)

    anyio.run(together, backend=backend)


def bare_wait(condition: Condition) -> Callable[[], Awaitable[Any]]:
    async def wait() -> Any:
        await condition.acquire_async()
        return await condition.wait_async()

    return wait


@every_lock
@pytest.mark.parametrize("how", ["closed", "closed, then destroyed"])
@pytest.mark.parametrize("when", ["before it is notified", "after", "after, with the lock free"])
def test_a_notification_for_one_who_never_comes_back_goes_to_the_next(
    make_lock: Any, how: str, when: str, parties: Parties
) -> None:
    """Its loop has been closed."""
    condition = Condition(make_lock())
    alive = parties.one()
    loop = asyncio.new_event_loop()
    tasks = []

    async def come() -> None:
        task = asyncio.ensure_future(bare_wait(condition)())
        task._log_destroy_pending = False  # type: ignore[attr-defined]
        tasks.append(task)
        while not condition.waiters:
            await asyncio.sleep(0)

    def wait() -> bool:
        with condition:
            return condition.wait()

    def end() -> None:
        loop.close()
        if how != "closed":
            tasks.clear()
            gc.collect()

    loop.run_until_complete(come())
    waiting = alive.begin(wait)
    blocked(condition, 2)
    if when == "before it is notified":
        end()
    condition.acquire()
    condition.notify()
    if when == "after":
        end()
    condition.release()
    if when.startswith("after, with"):
        end()
    assert waiting.result() is True
    tasks.clear()
    gc.collect()
    assert not condition.locked()
    assert condition.waiters == ()


@every_lock
@pytest.mark.parametrize("when", ["before it is notified", "after", "after, with the lock free"])
def test_a_notification_for_one_whose_coroutine_is_closed_goes_to_the_next(
    make_lock: Any, when: str, parties: Parties
) -> None:
    """As when its task is destroyed: it does not come back, and so it does not want the lock either."""
    other, alive = parties(2)

    def wait() -> bool:
        with condition:
            return condition.wait()

    async def main() -> None:
        await condition.acquire_async()
        steps = condition.wait_async()
        future = steps.send(None)  # type: ignore[attr-defined]
        future._asyncio_future_blocking = False
        waiting = alive.begin(wait)
        blocked(condition, 2)
        if when.startswith("before"):
            steps.close()  # type: ignore[attr-defined]
        other.do(condition.acquire)
        other.do(condition.notify)
        if when == "after":
            steps.close()  # type: ignore[attr-defined]
        other.do(condition.release)
        if when.startswith("after, with"):
            steps.close()  # type: ignore[attr-defined]
        assert waiting.result() is True

    condition = Condition(make_lock())
    asyncio.run(main())
    assert not condition.locked()
    assert condition.waiters == ()


@pytest.mark.parametrize("make_lock", [RLock, Lock])
def test_thousands_at_a_condition_whose_loop_has_been_closed(make_lock: Any, parties: Parties) -> None:
    condition = Condition(make_lock())
    loop = asyncio.new_event_loop()
    tasks = []

    async def come() -> None:
        for _ in range(5000):
            task = asyncio.ensure_future(bare_wait(condition)())
            task._log_destroy_pending = False  # type: ignore[attr-defined]
            tasks.append(task)
        while len(condition.waiters) < 5000:
            await asyncio.sleep(0)

    def wait() -> bool:
        with condition:
            return condition.wait()

    loop.run_until_complete(come())
    loop.close()
    waiting = parties.one().begin(wait)
    blocked(condition, 5001)
    with condition:
        condition.notify()
    assert waiting.result() is True
    assert condition.waiters == ()
    assert not condition.locked()
    tasks.clear()
    gc.collect()


# --- Barrier ----------------------------------------------------------------------------------------------------


@both_libraries
def test_a_barrier_is_left_as_if_nobody_had_come(run: Run) -> None:
    async def body(loop: Any) -> None:
        barrier = Barrier(3)
        first, second = await loop.line_up(barrier, [barrier.wait_async] * 2)
        first.cancel()
        await first.over()
        assert first.cancelled
        assert (barrier.n_waiting, barrier.broken) == (1, False)
        third, fourth = loop.begin(barrier.wait_async), loop.begin(barrier.wait_async)
        assert {await begun.result() for begun in (second, third, fourth)} == {0, 1, 2}

    run(body)


@both_libraries
def test_a_barrier_whose_last_has_come_lets_the_others_go(run: Run) -> None:
    """Cancelled after all had come: the generation is over for everybody."""

    async def body(loop: Any) -> None:
        barrier = Barrier(3)
        first, second = await loop.line_up(barrier, [barrier.wait_async] * 2)
        assert await barrier.wait_async() == 2
        first.cancel()
        await first.over()
        assert await second.result() == 1
        assert (barrier.n_waiting, barrier.broken) == (0, False)

    run(body)


@both_libraries
def test_a_timeout_breaks_the_barrier_and_the_cancelled_one_does_not(run: Run) -> None:
    async def body(loop: Any) -> None:
        barrier = Barrier(3)
        first, second = await loop.line_up(barrier, [barrier.wait_async, lambda: barrier.wait_async(0.03)])
        first.cancel()
        await first.over()
        with pytest.raises(threading.BrokenBarrierError):
            await second.result()
        assert barrier.broken

    run(body)


# --- RWLock -----------------------------------------------------------------------------------------------------


@both_libraries
@pytest.mark.parametrize("granted", [False, True], ids=["while it is parked", "after it was granted"])
def test_a_side_whose_taker_was_cancelled_can_be_used_again(run: Run, granted: bool) -> None:
    async def body(loop: Any) -> None:
        lock = RWLock()
        first = lock.write()
        await first.acquire_async()
        for make in (lock.write, lock.read):
            side = make()
            (begun,) = await loop.line_up(lock, [side.acquire_async])
            if granted:
                begun.cancel()
                first.release()
            else:
                begun.cancel()
            await begun.over()
            assert begun.cancelled
            if granted:
                assert not lock.locked()
                await side.acquire_async()
                side.release()
                await first.acquire_async()
        first.release()
        assert not lock.locked()

    run(body)


@both_libraries
def test_a_writer_that_is_cancelled_lets_the_readers_behind_it_in(run: Run) -> None:
    async def body(loop: Any) -> None:
        lock = RWLock()
        async with lock.read():
            writer, reader = await loop.line_up(lock, [lock.write().acquire_async, lock.read().acquire_async])
            writer.cancel()
            assert await reader.result() is True
            assert lock.readers == 2

    run(body)


@both_libraries
def test_a_big_request_that_is_cancelled_frees_the_way_for_smaller_ones(run: Run) -> None:
    async def body(loop: Any) -> None:
        semaphore = Semaphore(1)
        big, small = await loop.line_up(
            semaphore, [lambda: semaphore.acquire_async(permits=2), semaphore.acquire_async]
        )
        big.cancel()
        assert await small.result() is True

    run(body)


# --- within and async with --------------------------------------------------------------------------------------


@both_libraries
@pytest.mark.parametrize("kind", [Lock, RLock, Semaphore, BoundedSemaphore, Condition])
@pytest.mark.parametrize("way", ["async with", "within"])
@pytest.mark.parametrize("granted", [False, True], ids=["while it is parked", "after it was granted"])
def test_cancelled_it_never_enters_unheld(run: Run, kind: Any, way: str, granted: bool) -> None:
    async def body(loop: Any) -> None:
        primitive = kind()
        queue = primitive._lock if kind is Condition else primitive
        entered = []

        async def enter() -> None:
            async with primitive.within(1000) if way == "within" else primitive:
                entered.append(True)

        async with primitive:
            first, second = await loop.line_up(queue, [enter, enter])
            first.cancel()
            if not granted:
                await first.over()
        await first.over()
        assert first.cancelled
        await second.result()
        assert entered == [True]
        assert queue.waiters == ()
        async with primitive:
            pass

    run(body)
