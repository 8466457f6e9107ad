"""A thread tells a loop that a result is there before it is. Mended."""

import asyncio
import threading


def test():
    async def main():
        loop = asyncio.get_running_loop()
        ready = asyncio.Event()
        results = []

        def compute():
            results.append(42)
            loop.call_soon_threadsafe(ready.set)

        thread = threading.Thread(target=compute)
        thread.start()
        await ready.wait()
        assert results == [42]
        await asyncio.to_thread(thread.join)

    asyncio.run(main())
