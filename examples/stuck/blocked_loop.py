"""A plain `with` in a coroutine stops the loop, and with it the task that holds the lock."""

import asyncio

import interlock

cache = interlock.Lock(name="cache")


async def refresh(started: asyncio.Event) -> None:
    async with cache:
        started.set()
        await asyncio.sleep(0.01)


async def handle_request() -> None:
    started = asyncio.Event()
    refreshing = asyncio.create_task(refresh(started), name="refresh")
    await started.wait()
    try:
        with cache:  # should be: async with
            print("never printed")
    except interlock.DeadlockError as error:
        print(error)
    await refreshing


asyncio.run(handle_request())
