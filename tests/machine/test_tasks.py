"""Tasks wait between processes too, on asyncio and on trio."""

import asyncio
import gc
import os
import signal
import stat
import time
from pathlib import Path
from typing import Any

import anyio
import pytest
import trio

from interlock import machine
from interlock.machine.tasks import Mailbox, mailbox

from .conftest import PATIENCE, Others, until


def test_tasks_exclude_each_other() -> None:
    async def main() -> None:
        for lock in (machine.Lock(), machine.RLock()):
            count = [0]

            async def work(lock: machine.Lock = lock, count: list[int] = count) -> None:
                for _ in range(20):
                    async with lock:
                        seen = count[0]
                        await asyncio.sleep(0)
                        count[0] = seen + 1

            await asyncio.gather(*[work() for _ in range(6)])
            assert count == [120]
            assert not lock.locked()

    asyncio.run(main())


def test_from_process_to_process(others: Others) -> None:
    there, back = machine.Semaphore(0), machine.Semaphore(0)

    async def pong() -> None:
        for _ in range(100):
            await there.acquire_async()
            back.release()

    async def ping() -> None:
        for _ in range(100):
            there.release()
            assert await back.acquire_async(timeout=PATIENCE)

    pid = others.start(lambda: asyncio.run(pong()))
    asyncio.run(ping())
    assert others.end(pid) == 0


def test_what_is_not_to_be_had() -> None:
    async def main() -> None:
        lock, event, sides = machine.Lock(), machine.Event(), machine.RWLock()
        async with lock:
            assert not await lock.acquire_async(0)
            assert not await lock.acquire_async(timeout=0.01)
            with pytest.raises(TimeoutError):
                async with lock.within(0.01):
                    pass
        assert not await event.wait_async(0.01)
        async with sides.write():
            assert not await sides.read().acquire_async(0.01)
        assert lock.waiters == event.waiters == sides.waiters == ()

    asyncio.run(main())


def test_a_cancelled_task_leaves_as_if_it_had_never_come() -> None:
    async def main() -> None:
        lock, condition = machine.Lock(), machine.Condition()
        async with lock:
            task = asyncio.create_task(lock.acquire_async())
            while not lock.waiters:
                await asyncio.sleep(0)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            assert lock.waiters == ()

        async def wait() -> None:
            async with condition:
                await condition.wait_async()

        task = asyncio.create_task(wait())
        while not condition.waiters:
            await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert not condition.locked()

    asyncio.run(main())


def test_conditions_events_barriers_latches() -> None:
    async def main() -> None:
        condition, event, latch = machine.Condition(), machine.Event(), machine.Latch(1)
        barrier = machine.Barrier(3)

        async def wait() -> bool:
            async with condition:
                return await condition.wait_async(PATIENCE)

        tasks = [asyncio.create_task(wait()) for _ in range(3)]
        while len(condition.waiters) < 3:
            await asyncio.sleep(0)
        async with condition:
            condition.notify_all()
        assert await asyncio.gather(*tasks) == [True] * 3
        async with condition:
            assert not await condition.wait_async(0.01)
        tasks = [asyncio.create_task(event.wait_async()), asyncio.create_task(latch.wait_async())]
        while not (event.waiters and latch.waiters):
            await asyncio.sleep(0)
        event.set()
        latch.count_down()
        assert await asyncio.gather(*tasks) == [True, True]
        assert sorted(await asyncio.gather(*[barrier.wait_async() for _ in range(3)])) == [0, 1, 2]

    asyncio.run(main())


def test_a_holder_dies(others: Others) -> None:
    lock, ready = machine.Lock(), machine.Event()

    def hold() -> None:
        lock.acquire()
        ready.set()
        time.sleep(PATIENCE * 10)

    async def main() -> None:
        task = asyncio.create_task(lock.acquire_async())
        while not lock.waiters:
            await asyncio.sleep(0)
        others.kill(pid, signal.SIGKILL)
        assert await task
        assert lock.abandoned is not None
        assert lock.abandoned.pid == pid

    pid = others.start(hold)
    assert ready.wait(PATIENCE)
    asyncio.run(main())


def test_trio(others: Others) -> None:
    lock, event, barrier = machine.Lock(), machine.Event(), machine.Barrier(2)
    count = [0]

    async def work() -> None:
        for _ in range(10):
            async with lock:
                seen = count[0]
                await trio.sleep(0)
                count[0] = seen + 1

    async def main() -> None:
        async with trio.open_nursery() as nursery:
            for _ in range(4):
                nursery.start_soon(work)
        assert count == [40]
        assert not await event.wait_async(0.01)
        with trio.move_on_after(0.01):
            await event.wait_async()
        assert event.waiters == ()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(event.wait_async)
            while not event.waiters:
                await trio.sleep(0)
            pid = others.start(event.set)
        assert others.end(pid) == 0
        async with trio.open_nursery() as nursery:
            nursery.start_soon(barrier.wait_async)
            nursery.start_soon(barrier.wait_async)

    trio.run(main)


def test_no_descriptor_is_left() -> None:
    event = machine.Event()

    async def main() -> None:
        assert not await event.wait_async(0.001)

    asyncio.run(main())
    before = len(os.listdir("/proc/self/fd"))
    for _ in range(5):
        asyncio.run(main())
    until(lambda: len(os.listdir("/proc/self/fd")) <= before)


def test_a_loop_that_has_ended_closes_its_own_file_once(tmp_path: Path) -> None:
    """Twice would close a file of somebody else, who has got the number meanwhile."""

    async def wait() -> tuple[Any, int]:
        with trio.move_on_after(0.001):
            await machine.Event().wait_async()
        box = mailbox()
        return box, box.fd

    box, number = trio.run(wait)
    files = [open(tmp_path / str(n), "w") for n in range(100)]  # noqa: SIM115
    assert number in [file.fileno() for file in files]
    del box
    gc.collect()
    for file in files:
        os.fstat(file.fileno())
        file.close()


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_a_cancelled_wait_gets_the_lock_back_from_a_task_of_the_same_loop(backend: str) -> None:
    condition = machine.Condition()

    async def wait() -> None:
        async with condition:
            await condition.wait_async()

    async def main() -> None:
        async with anyio.create_task_group() as group:
            group.start_soon(wait)
            while not condition.waiters:
                await anyio.sleep(0.001)
            async with condition:
                group.cancel_scope.cancel()
                with anyio.CancelScope(shield=True):
                    await anyio.sleep(0.2)  # it comes for the lock meanwhile
        assert condition.waiters == ()
        assert not condition.locked()

    anyio.run(main, backend=backend)


@pytest.mark.parametrize(("folder_mode", "mode"), [(0o700, 0o600), (0o2770, 0o660)])
def test_whoever_may_use_the_folder_may_wake_a_loop(tmp_path: Path, folder_mode: int, mode: int) -> None:
    tmp_path.chmod(folder_mode)
    box = Mailbox(str(tmp_path))
    assert stat.S_IMODE(os.stat(box.path).st_mode) == mode
    box.close()
    assert os.listdir(tmp_path) == []
