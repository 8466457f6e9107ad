"""A thread hands a result to a future whose waiter has given up by then."""

import asyncio
import threading


async def main():
    loop = asyncio.get_running_loop()
    fut = loop.create_future()

    def work():
        if not fut.cancelled():
            loop.call_soon_threadsafe(fut.set_result, 1)

    t = threading.Thread(target=work)
    t.start()
    try:
        await asyncio.wait_for(fut, 0.01)
    except TimeoutError:
        pass
    errors = []
    loop.set_exception_handler(lambda _, c: errors.append(c))
    await asyncio.to_thread(t.join)
    await asyncio.sleep(0)
    assert not errors, errors


def test():
    asyncio.run(main())
