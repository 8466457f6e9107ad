"""A task that is cancelled while it holds a permit keeps it."""

import asyncio


def test():
    async def main():
        permits = asyncio.Semaphore(1)
        started = asyncio.Event()

        async def work():
            await permits.acquire()
            started.set()
            await asyncio.sleep(0.01)
            permits.release()

        task = asyncio.create_task(work())
        await started.wait()
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        async with permits:
            pass

    asyncio.run(main())
