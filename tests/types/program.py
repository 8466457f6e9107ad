"""A user's program that uses every class: `mypy --strict` has nothing to say about it, and it runs."""

import asyncio
import contextlib
import sys
import threading
from collections.abc import Sequence

import interlock
from interlock import aio, cluster

Someone = threading.Thread | asyncio.Task[object] | interlock.Party | None


class Till(interlock.Lock):
    """A subclass with a field and a method of its own."""

    def __init__(self, label: str) -> None:
        super().__init__(name=label)
        self.label = label

    def count(self) -> int:
        with self:
            return 1


class Page:
    @interlock.cached_property
    def words(self) -> int:
        return 2


def locks() -> None:
    till = Till("till")
    assert till.count() == 1
    taken: bool = till.acquire(timeout=1.0)
    assert taken
    till.release()
    with till.within(1.0), interlock.RLock(name="books") as entered:
        flag: bool = entered
        assert flag
        assert till.locked()
    with till.within_order(1):
        pass
    waiters: Sequence[object] = till.waiters
    assert not waiters
    name: str | None = till.name
    assert name == "till"


def permits() -> None:
    semaphore = interlock.Semaphore(3, name="places")
    with semaphore:
        assert semaphore.acquire(permits=2, blocking=False)
        semaphore.release(2)
    bounded = interlock.BoundedSemaphore(1)
    if bounded.acquire(blocking=False):
        bounded.release()


def signals() -> None:
    event = interlock.Event(name="ready")
    event.set()
    if event.wait(timeout=1.0):
        event.clear()
    assert event.is_set() is False
    condition = interlock.Condition(interlock.RLock())
    with condition:
        told: bool = condition.wait(timeout=0)
        assert not told
        condition.wait_for(lambda: True)
        condition.notify_all()
    barrier = interlock.Barrier(1, action=lambda: None)
    place: int = barrier.wait()
    assert place == 0
    latch = interlock.Latch(1)
    latch.count_down()
    assert latch.wait(1.0)


def shared() -> None:
    prices = interlock.RWLock(name="prices")
    with prices.read():
        readers: int = prices.readers
        assert readers == 1
    with prices.write().within(1.0):
        pass
    queue = interlock.WaitQueue(name="pool")
    queue.unpark()
    queue.unpark_all()
    woken: bool = queue.park(timeout=0, unless=lambda: True)
    print(woken)


def queues() -> None:
    jobs: interlock.Queue[int] = interlock.Queue(2, name="jobs")
    jobs.put(1)
    got: int = jobs.get(timeout=1.0)
    jobs.task_done()
    jobs.join()
    assert got == 1
    last: interlock.LifoQueue[str] = interlock.LifoQueue()
    first: interlock.PriorityQueue[int] = interlock.PriorityQueue()
    simple: interlock.SimpleQueue[bytes] = interlock.SimpleQueue()
    last.put("a")
    first.put(2)
    simple.put(b"c")
    assert (last.get(), first.get(), simple.get()) == ("a", 2, b"c")
    keyed = interlock.KeyedLock(name="users")
    with keyed["user-7"]:
        pass
    assert Page().words == 2
    with contextlib.suppress(interlock.Empty):
        jobs.get_nowait()


def choices() -> None:
    jobs: interlock.Queue[int] = interlock.Queue()
    stop = interlock.Event()
    jobs.put(1)
    index, value = interlock.select(jobs.getting(), stop.waiting(), timeout=1.0)
    assert (index, value) == (0, 1)

    @interlock.once
    def settings() -> dict[str, bool]:
        return {"debug": False}

    assert not settings()["debug"]


def processes() -> None:
    if sys.platform != "linux":
        return
    from interlock import machine

    lock = machine.Lock()
    with lock:
        owner: machine.Party | None = lock.owner
        assert owner is not None
        assert owner.pid > 0
        died: machine.Died | None = lock.abandoned
        assert died is None
    with machine.RLock(), machine.Semaphore(1), machine.BoundedSemaphore(2), machine.Condition():
        pass
    with machine.RWLock().read():
        pass
    event = machine.Event()
    event.set()
    assert event.wait(1.0)
    latch = machine.Latch(1)
    latch.count_down()
    assert latch.wait(1.0)
    assert machine.Barrier(1).wait() == 0
    items = machine.Queue()
    items.put(b"one")
    with items.hold() as item:
        assert item == b"one"
    items.join()


def machines() -> None:
    with cluster.connect("memory://") as handle:
        lock = handle.Lock("orders")
        with lock as grant:
            token: int = grant.token
            grant.check()
            holder: cluster.Remote | None = lock.owner
            assert holder is not None
            assert token > 0
        seen: list[cluster.Seen] = handle.ps()
        assert seen
        with handle.RLock("again"), handle.Semaphore("api", 5), handle.BoundedSemaphore("few", 1):
            pass
        rwlock = handle.RWLock("prices")
        with rwlock.read():
            readers: int = rwlock.readers
            assert readers == 1
        event = handle.Event("go")
        event.set()
        assert event.wait(1.0)
        latch = handle.Latch("up", 1)
        latch.count_down()
        assert latch.wait(1.0)
        assert handle.Barrier("start", 1).wait() == 0
        condition = handle.Condition("changed")
        with condition:
            condition.notify_all()
        with contextlib.suppress(cluster.NotHeld):
            lock.release()


async def tasks() -> None:
    lock = interlock.Lock()
    async with lock:
        assert not await lock.acquire_async(timeout=0)
    event = interlock.Event()
    event.set()
    assert await event.wait_async()
    async with interlock.Semaphore(1), interlock.RWLock().read():
        pass
    condition = interlock.Condition()
    async with condition:
        assert not await condition.wait_async(timeout=0)
        await condition.wait_for_async(lambda: True)
    assert await interlock.Latch(0).wait_async()
    assert await interlock.Barrier(1).wait_async() == 0
    theirs = aio.Lock()
    async with theirs:
        assert theirs.locked()
    ready = aio.Event()
    ready.set()
    await ready.wait()
    async with aio.Semaphore(2), aio.BoundedSemaphore(1), aio.Condition():
        pass
    async with aio.Barrier(1) as place:
        assert place == 0
    line: aio.Queue[int] = aio.Queue()
    await line.put(1)
    index, value = await interlock.select_async(interlock.Latch(0).waiting())
    assert (index, value) == (0, True)
    async with cluster.connect("memory://") as handle, handle.Lock("orders") as grant:
        assert grant.token > 0


def tools() -> None:
    with interlock.record(title="mine") as recording, interlock.Lock():
        pass
    assert len(recording) > 0
    for party in interlock.snapshot()["parties"]:
        shown: str = party["name"]
        assert shown
    with interlock.watch_order(print):
        pass
    try:
        raise interlock.DeadlockError("made up")
    except RuntimeError:
        pass


def main() -> None:
    locks()
    permits()
    signals()
    shared()
    queues()
    choices()
    processes()
    machines()
    asyncio.run(tasks())
    tools()


if __name__ == "__main__":
    main()
