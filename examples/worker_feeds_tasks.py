"""A worker thread makes items, and tasks of an event loop use them.

Between them is one condition. The thread holds it with `with`, the tasks with `async with`; a task
waits with `await shelf.wait_for_async(...)`, which does not stop its loop, and the thread waits with
`shelf.wait_for(...)`. Whoever changes the shelf notifies, whatever waits there. No
`call_soon_threadsafe`, no second queue, no polling.

A clock runs in the same loop all the while: it shows that nobody blocks it.
"""

import asyncio
import threading

from pace import pause, say, scaled

import interlock

ITEMS = 8
PLACES = 3

shelf = interlock.Condition(name="shelf")
items: list[int] = []
closed = False


def produce() -> None:
    global closed
    for item in range(1, ITEMS + 1):
        pause(0.02)
        with shelf:
            shelf.wait_for(lambda: len(items) < PLACES)
            items.append(item)
            say(f"thread: made item {item}, {len(items)} on the shelf")
            shelf.notify_all()
    with shelf:
        closed = True
        shelf.notify_all()


async def consume(name: str) -> int:
    used = 0
    while True:
        async with shelf:
            await shelf.wait_for_async(lambda: items or closed)
            if not items:
                return used
            item = items.pop(0)
            used += 1
            say(f"{name}: uses item {item}, {len(items)} on the shelf")
            shelf.notify_all()
        await asyncio.sleep(scaled(0.05))


async def tick(stop: asyncio.Event) -> int:
    ticks = 0
    while not stop.is_set():
        ticks += 1
        await asyncio.sleep(scaled(0.01))
    return ticks


async def main() -> None:
    say("-- one thread makes, two tasks use")
    stop = asyncio.Event()
    clock = asyncio.create_task(tick(stop))
    worker = threading.Thread(target=produce, name="worker")
    worker.start()
    used = await asyncio.gather(consume("task ann"), consume("task ben"))
    stop.set()
    say(f"{sum(used)} items used, left on the shelf: {len(items)}")
    say(f"the clock went on: {await clock > 1}")
    worker.join()


if __name__ == "__main__":
    asyncio.run(main())
