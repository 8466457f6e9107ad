"""Two tasks take two locks in opposite orders. Mended."""

import asyncio


def test():
    async def main():
        a, b = asyncio.Lock(), asyncio.Lock()

        async def one():
            async with a:
                await asyncio.sleep(0)
                async with b:
                    pass

        async def two():
            async with a, b:
                pass

        await asyncio.gather(one(), two())

    asyncio.run(main())
