"""A coroutine waits, in its loop's own thread, for what only that loop can give it."""

import asyncio

import interlock


async def price() -> int:
    return 42


def look_up(loop: asyncio.AbstractEventLoop) -> int:
    return asyncio.run_coroutine_threadsafe(price(), loop).result()


async def main() -> None:
    try:
        print(look_up(asyncio.get_running_loop()))
    except interlock.DeadlockError as error:
        print(error)


asyncio.run(main())
