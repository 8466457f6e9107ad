"""Threads and tasks that use one primitive at random, are cancelled at random, and accounts that must be right.

Eight threads and three loops, two of asyncio and one of trio, each with some tasks. They ask with and without a
timeout and without waiting; tasks are cancelled by their neighbours and by scopes with a deadline.
"""

import asyncio
import random
import threading
import time
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
import trio
from parties import fail_with_stacks
from promises.own_process import SECONDS, in_own_process

from interlock import Condition, Lock, RLock, RWLock, Semaphore

PATIENCE = 60.0  # seconds; only what hangs or is starved uses them up
THREADS = 8
TASKS = 5  # in each of three loops


class Worker:
    """A thread's or a task's own: nobody else writes here."""

    def __init__(self, name: str, seed: int):
        self.name = name
        self.random = random.Random(seed)
        self.progress = 0
        self.given_up = 0
        self.cancelled = 0

    def timeout(self) -> float | None:
        choice = self.random.random()
        return None if choice < 0.5 else 0.0 if choice < 0.6 else self.random.uniform(0, 0.002)


class Workload:
    """What everybody does with one primitive. In a task nothing happens between `enter` returning and `inside`."""

    def __init__(self) -> None:
        self.inside: list[Worker] = []
        self.most = 1
        self.over = False

    def enter(self, worker: Worker) -> bool:
        raise NotImplementedError

    async def enter_async(self, worker: Worker) -> bool:
        raise NotImplementedError

    def leave(self, worker: Worker) -> None:
        raise NotImplementedError

    def come_in(self, worker: Worker) -> None:
        self.inside.append(worker)
        assert len(self.inside) <= self.most, [one.name for one in self.inside]

    def go_out(self, worker: Worker) -> None:
        self.inside.remove(worker)
        worker.progress += 1
        self.leave(worker)

    def round(self, worker: Worker) -> None:
        if not self.enter(worker):
            worker.given_up += 1
            return
        self.come_in(worker)
        if worker.random.random() < 0.1:
            time.sleep(0)
        self.go_out(worker)

    async def round_async(self, worker: Worker, sleep: Callable[[], Awaitable[None]]) -> None:
        if not await self.enter_async(worker):
            worker.given_up += 1
            return
        self.come_in(worker)
        try:
            if worker.random.random() < 0.3:
                await sleep()
        finally:
            self.go_out(worker)

    def end(self) -> None:
        """Let those go home who wait for something that only others bring about."""

    def check(self) -> None:
        raise NotImplementedError


class OfLock(Workload):
    make: Any = Lock

    def __init__(self) -> None:
        super().__init__()
        self.lock = self.make()

    def enter(self, worker: Worker) -> bool:
        timeout = worker.timeout()
        got: bool = self.lock.acquire(timeout=-1 if timeout is None else timeout)
        assert got or timeout is not None
        return got

    async def enter_async(self, worker: Worker) -> bool:
        timeout = worker.timeout()
        got: bool = await self.lock.acquire_async(timeout)
        assert got or timeout is not None
        return got

    def leave(self, worker: Worker) -> None:
        self.lock.release()

    def check(self) -> None:
        assert not self.lock.locked()
        assert self.lock.waiters == ()


class OfRLock(OfLock):
    make = RLock


class OfSemaphore(OfLock):
    def __init__(self) -> None:
        super().__init__()
        self.lock = Semaphore(3)
        self.most = 3

    def enter(self, worker: Worker) -> bool:
        got: bool = self.lock.acquire(timeout=worker.timeout())
        return got

    def check(self) -> None:
        assert self.lock._value == 3
        assert self.lock.waiters == ()


class OfRWLock(Workload):
    def __init__(self) -> None:
        super().__init__()
        self.lock = RWLock()
        self.sides: dict[Worker, Any] = {}
        self.writing: list[Worker] = []
        self.most = 1000

    def side(self, worker: Worker) -> tuple[Any, bool]:
        write = worker.random.random() < 0.3
        return (self.lock.write() if write else self.lock.read()), write

    def note(self, worker: Worker, side: Any, write: bool, got: bool) -> bool:
        if got:
            self.sides[worker] = side
            if write:
                assert self.inside == []
                self.writing.append(worker)
            assert self.writing == ([worker] if write else [])
        return got

    def enter(self, worker: Worker) -> bool:
        side, write = self.side(worker)
        return self.note(worker, side, write, side.acquire(timeout=worker.timeout()))

    async def enter_async(self, worker: Worker) -> bool:
        side, write = self.side(worker)
        return self.note(worker, side, write, await side.acquire_async(worker.timeout()))

    def leave(self, worker: Worker) -> None:
        if worker in self.writing:
            self.writing.remove(worker)
        self.sides.pop(worker).release()

    def check(self) -> None:
        assert not self.lock.locked()
        assert self.lock.readers == 0
        assert self.lock.waiters == ()


class OfCondition(Workload):
    """Everybody puts tokens into a bowl and takes them out again. What one was told of, one takes or tells another."""

    def make_lock(self) -> Any:
        return RLock()

    def __init__(self) -> None:
        super().__init__()
        self.condition = Condition(self.make_lock())
        self.bowl = 0
        self.put = 0
        self.taken = 0

    def give(self) -> None:
        self.bowl += 1
        self.put += 1
        self.condition.notify()

    def take(self) -> bool:
        # Bringing about what the next waits for is not needed: one notification for each token.
        if not self.bowl:
            return False
        self.bowl -= 1
        self.taken += 1
        return True

    def round(self, worker: Worker) -> None:
        with self.condition:
            self.come_in(worker)
            giving = worker.random.random() < 0.5
            if giving:
                self.give()
            self.inside.remove(worker)
            if not giving and not self.bowl and not self.over:
                self.condition.wait(worker.timeout() or 0.002)
            got = giving or self.take()
            assert self.condition._is_owned()
        worker.progress += got

    async def round_async(self, worker: Worker, sleep: Callable[[], Awaitable[None]]) -> None:
        async with self.condition:
            self.come_in(worker)
            giving = worker.random.random() < 0.5
            if giving:
                self.give()
            self.inside.remove(worker)
            try:
                if not giving and not self.bowl and not self.over:
                    await self.condition.wait_async(worker.timeout())
            finally:
                # A cancelled one too has the lock, and may change what it guards.
                assert self.condition._is_owned()
                assert self.inside == []
            got = giving or self.take()
        worker.progress += got

    def end(self) -> None:
        with self.condition:
            self.condition.notify_all()

    def check(self) -> None:
        assert self.condition.waiters == self.condition._lock.waiters == ()
        assert not self.condition.locked()
        assert self.put == self.taken + self.bowl


class OfConditionWithLock(OfCondition):
    def make_lock(self) -> Any:
        return Lock()


WORKLOADS = {
    kind.__name__: kind
    for kind in (OfLock, OfRLock, OfSemaphore, OfRWLock, OfCondition, OfConditionWithLock)
}  # fmt: skip


async def asyncio_life(workload: Workload, worker: Worker) -> None:
    async def one() -> None:
        await workload.round_async(worker, lambda: asyncio.sleep(0))

    while not workload.over:
        task = asyncio.ensure_future(one())
        choice = worker.random.random()
        if choice < 0.2:
            for _ in range(worker.random.randrange(4)):
                await asyncio.sleep(0)
            task.cancel()
        elif choice < 0.4:
            asyncio.get_running_loop().call_later(worker.random.uniform(0, 0.002), task.cancel)
        try:
            await task
        except asyncio.CancelledError:
            worker.cancelled += 1


async def asyncio_loop(workload: Workload, workers: list[Worker]) -> None:
    async with asyncio.TaskGroup() as group:
        for worker in workers:
            group.create_task(asyncio_life(workload, worker))


async def trio_life(workload: Workload, worker: Worker) -> None:
    while not workload.over:
        choice = worker.random.random()
        deadline = 0 if choice < 0.1 else worker.random.uniform(0, 0.002) if choice < 0.4 else float("inf")
        with trio.move_on_after(deadline) as scope:
            await workload.round_async(worker, trio.lowlevel.checkpoint)
        worker.cancelled += scope.cancelled_caught
        await trio.lowlevel.checkpoint()


async def trio_loop(workload: Workload, workers: list[Worker]) -> None:
    async with trio.open_nursery() as nursery:
        for worker in workers:
            nursery.start_soon(trio_life, workload, worker)


def thread_life(workload: Workload, worker: Worker) -> None:
    while not workload.over:
        workload.round(worker)


def work(kind: str, seconds: float) -> None:
    workload = WORKLOADS[kind]()
    threads = [Worker(f"thread {n}", n) for n in range(THREADS)]
    loops = [[Worker(f"task {n} of loop {loop}", 100 * loop + n) for n in range(TASKS)] for loop in (1, 2, 3)]
    workers = threads + [worker for loop in loops for worker in loop]
    errors: list[BaseException] = []

    def live(call: Callable[..., Any], *arguments: Any) -> None:
        try:
            call(*arguments)
        except BaseException as error:
            errors.append(error)
            raise

    lives = [threading.Thread(target=live, args=(thread_life, workload, one), daemon=True) for one in threads]
    for loop in loops[:2]:
        lives.append(
            threading.Thread(
                target=live, args=(lambda loop: asyncio.run(asyncio_loop(workload, loop)), loop), daemon=True
            )
        )
    lives.append(threading.Thread(target=live, args=(trio.run, trio_loop, workload, loops[2]), daemon=True))
    began = time.monotonic()
    for life in lives:
        life.start()
    while not errors:
        time.sleep(0.01)
        passed = time.monotonic() - began
        starved = [worker.name for worker in workers if not worker.progress]
        if passed > seconds and not starved:
            break
        if passed > seconds + PATIENCE:
            fail_with_stacks(f"starved: {starved}")
    workload.over = True
    deadline = time.monotonic() + PATIENCE
    for life in lives:
        while life.is_alive() and not errors:
            workload.end()
            life.join(0.01)
            if time.monotonic() > deadline:
                fail_with_stacks(f"{life.name} does not end")
    if errors:
        raise errors[0]
    workload.check()
    assert sum(worker.cancelled for worker in workers) > 0
    progress = sorted(worker.progress for worker in workers)
    print(f"{sum(progress)} rounds, {progress[0]} to {progress[-1]} each")
    print(f"{sum(w.cancelled for w in workers)} cancelled, {sum(w.given_up for w in workers)} given up")


@pytest.mark.parametrize("kind", WORKLOADS)
def test_eight_threads_and_three_loops(kind: str) -> None:
    in_own_process(work, kind, SECONDS)
