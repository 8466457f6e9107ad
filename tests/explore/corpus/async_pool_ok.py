"""A free connection is looked for, then awaited for, then taken. Mended."""

import asyncio


def test():
    async def main():
        free = ["connection"]
        used = []
        lock = asyncio.Lock()

        async def check(connection):
            await asyncio.sleep(0)

        async def use():
            async with lock:
                if free:
                    await check(free[0])
                    used.append(free.pop())

        await asyncio.gather(use(), use())
        assert used == ["connection"]

    asyncio.run(main())
