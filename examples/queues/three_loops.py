"""A thread that feeds three loops: one bounded queue, a producer that blocks, and tasks that do not.

Each loop runs in a thread of its own and has two tasks that take from the same queue. When the producer has put
everything it shuts the queue down: that ends every `async for`.
"""

import asyncio
import threading

from interlock import Queue

LOOPS = 3
ITEMS = 30

jobs: Queue[int] = Queue(4, name="jobs")
squares: Queue[int] = Queue(name="squares")


async def consume() -> None:
    async for number in jobs:
        await squares.put_async(number * number)


async def main() -> None:
    async with asyncio.TaskGroup() as group:
        for _ in range(2):
            group.create_task(consume())


loops = [threading.Thread(target=asyncio.run, args=(main(),), name=f"loop {n}") for n in range(LOOPS)]
for thread in loops:
    thread.start()
for number in range(ITEMS):
    jobs.put(number)  # waits while the four places are taken
jobs.shutdown()
for thread in loops:
    thread.join()
print(f"{squares.qsize()} squares, {sum(squares.get_many(ITEMS))} in all")
