"""A forked child, and tasks that wait there for what did not come along."""

import asyncio
import os
import sys
import threading
import warnings
from collections.abc import Callable
from typing import Any

import pytest
from parties import PATIENCE
from promises.own_process import in_own_process

import interlock

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")


async def until(condition: Callable[[], object]) -> None:
    async with asyncio.timeout(PATIENCE):
        while not condition():
            await asyncio.sleep(0)


def notified_behind_a_lost_owner(lock: str, others: int) -> None:
    """A thread notifies a task and keeps the lock. Then the loop's thread forks, between two runs of the loop."""
    warnings.simplefilter("ignore")  # a fork in a process with threads
    condition = interlock.Condition(getattr(interlock, lock)())
    notified, over = threading.Event(), threading.Event()

    def notify_and_keep() -> None:
        with condition:
            condition.notify_all()
            notified.set()
            over.wait()

    async def wait() -> Any:
        async with condition:
            return await condition.wait_async()

    loop = asyncio.new_event_loop()
    tasks = [loop.create_task(wait()) for _ in range(1 + others)]
    loop.run_until_complete(until(lambda: len(condition.waiters) == len(tasks)))
    thread = threading.Thread(target=notify_and_keep)
    thread.start()
    loop.run_until_complete(until(notified.is_set))
    pid = os.fork()
    if pid == 0:
        try:
            done, _ = loop.run_until_complete(asyncio.wait(tasks, timeout=PATIENCE))
            told = [isinstance(task.exception(), interlock.DeadlockError) for task in done]
            os._exit(0 if told == [True] * len(tasks) else 1)
        finally:
            os._exit(2)
    _, status = os.waitpid(pid, 0)
    over.set()
    thread.join()
    loop.run_until_complete(asyncio.wait(tasks))
    assert all(task.result() for task in tasks)
    assert os.waitstatus_to_exitcode(status) == 0, "the tasks in the child were not told"


@pytest.mark.parametrize("lock", ["Lock", "RLock"])
@pytest.mark.parametrize("others", [0, 2])
def test_a_notified_task_is_told_that_the_owner_of_its_lock_is_lost(lock: str, others: int) -> None:
    in_own_process(notified_behind_a_lost_owner, lock, others)


def test_install_for_asyncio_needs_nothing_that_asyncio_does_not_load() -> None:
    in_own_process(install_without_typing)


def install_without_typing() -> None:
    for name in [name for name in sys.modules if name.partition(".")[0] in ("typing", "_typing")]:
        del sys.modules[name]
    interlock.install(asyncio=True)
    assert asyncio.Lock is interlock.aio.Lock  # type: ignore[attr-defined]
    assert "typing" not in sys.modules
