"""Two tasks await each other."""

import asyncio

tasks: "dict[str, asyncio.Task[None]]" = {}


async def flush() -> None:
    await tasks["close"]


async def close() -> None:
    await tasks["flush"]


async def heartbeat() -> None:
    while True:
        await asyncio.sleep(0.1)


async def main() -> None:
    beating = asyncio.create_task(heartbeat(), name="heartbeat")
    tasks["flush"] = asyncio.create_task(flush(), name="flush")
    tasks["close"] = asyncio.create_task(close(), name="close")
    await asyncio.wait(tasks.values())
    beating.cancel()


asyncio.run(main())
