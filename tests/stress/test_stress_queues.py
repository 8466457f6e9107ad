"""Eight threads and three loops put and get at random, give up and are cancelled at random: every item arrives once.

What was put by a call that returned is got once; what was put by one that gave up or was cancelled, never.
"""

import asyncio
import itertools
import random
import threading
import time
from typing import Any

import pytest
import trio
from promises.own_process import SECONDS, in_own_process

from interlock import Empty, Event, Full, LifoQueue, PriorityQueue, Queue, select, select_async

THREADS = 8
TASKS = 4  # in each of three loops
KINDS: dict[str, Any] = {kind.__name__: kind for kind in (Queue, LifoQueue, PriorityQueue)}


class Account:
    """What everybody has put and got: to append is one operation."""

    def __init__(self, kind: str):
        self.queue = KINDS[kind](3)
        self.never = Event()
        self.numbers = itertools.count()
        self.put: list[int] = []
        self.got: list[int] = []
        self.over = time.monotonic() + SECONDS / 6

    def is_over(self) -> bool:
        return time.monotonic() > self.over


def brief() -> float:
    return random.choice([0.0, 0.0002, 0.001, 0.003])


def thread(account: Account) -> None:
    while not account.is_over():
        number = next(account.numbers)
        form = random.randrange(6)
        try:
            if form == 0:
                account.queue.put(number, timeout=brief())
                account.put.append(number)
            elif form == 1:
                select(account.never.waiting(), account.queue.putting(number), timeout=brief())
                account.put.append(number)
            elif form == 2:
                batch = [number, next(account.numbers)]
                account.queue.put_many(batch, timeout=brief())
                account.put.extend(batch)
            elif form == 3:
                account.got.append(account.queue.get(timeout=brief()))
            elif form == 4:
                account.got.append(select(account.never.waiting(), account.queue.getting(), timeout=brief())[1])
            else:
                account.got.extend(account.queue.get_many(2, timeout=brief()))
        except (Empty, Full, TimeoutError):
            pass


async def call(account: Account, number: int) -> None:
    """One call of a task's, which may be cancelled."""
    form = random.randrange(4)
    if form == 0:
        await account.queue.put_async(number)
        account.put.append(number)
    elif form == 1:
        await select_async(account.never.waiting(), account.queue.putting(number))
        account.put.append(number)
    elif form == 2:
        account.got.append(await account.queue.get_async())
    else:
        account.got.append((await select_async(account.never.waiting(), account.queue.getting()))[1])


async def asyncio_task(account: Account) -> None:
    loop = asyncio.get_running_loop()
    while not account.is_over():
        task = loop.create_task(call(account, next(account.numbers)))
        await asyncio.sleep(random.choice([0, 0, 0.001]))
        task.cancel()
        try:
            await task
        except asyncio.CancelledError:
            pass


async def asyncio_main(account: Account) -> None:
    await asyncio.gather(*[asyncio_task(account) for _ in range(TASKS)])


async def trio_task(account: Account) -> None:
    while not account.is_over():
        with trio.move_on_after(random.choice([0, 0.0005, 0.002])):
            await call(account, next(account.numbers))
        await trio.lowlevel.checkpoint()


async def trio_main(account: Account) -> None:
    async with trio.open_nursery() as nursery:
        for _ in range(TASKS):
            nursery.start_soon(trio_task, account)


def everything_arrives_once(kind: str) -> None:
    account = Account(kind)
    runners = [threading.Thread(target=thread, args=(account,)) for _ in range(THREADS)]
    runners += [threading.Thread(target=lambda: asyncio.run(asyncio_main(account))) for _ in range(2)]
    runners.append(threading.Thread(target=trio.run, args=(trio_main, account)))
    for runner in runners:
        runner.start()
    for runner in runners:
        runner.join()
    assert account.queue.waiters == account.never.waiters == ()
    # What came back from a getter that was cancelled may be more than fits.
    assert not account.queue.full() or account.queue.qsize() >= 3, account.queue
    while not account.queue.empty():
        account.got.append(account.queue.get_nowait())
    assert len(account.got) > 50
    assert sorted(account.got) == sorted(account.put)


@pytest.mark.parametrize("kind", KINDS)
def test_everything_arrives_once(kind: str) -> None:
    in_own_process(everything_arrives_once, kind)
