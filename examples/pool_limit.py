"""A pool of two connections, used by threads and by tasks at the same time.

One semaphore counts the free connections. The threads of the old part of the program take a permit
with `with`, the tasks of the new part with `async with`: it is the same object, there is one queue,
and a connection that a thread gives back goes to a task that waits for it, and the other way round.

With a limit for each part there would be two of each: four connections, where the server has two.
"""

import asyncio
import threading

from pace import pause, say, scaled

import interlock

CONNECTIONS = 2
USES = 3  # by each user

limit = interlock.Semaphore(CONNECTIONS, name="connections")
book = interlock.Lock(name="book")
in_use = 0
most = 0


def take(name: str) -> None:
    global in_use, most
    with book:  # for a moment only, so a task may do it as well
        in_use += 1
        most = max(most, in_use)
        say(f"{name} connects, {in_use} in use")


def give_back(name: str) -> None:
    global in_use
    with book:
        in_use -= 1
        say(f"{name} is done, {in_use} in use")


def old_part(name: str) -> None:
    for _ in range(USES):
        with limit:
            take(name)
            pause(0.05)
            give_back(name)


async def new_part(name: str) -> None:
    for _ in range(USES):
        async with limit:
            take(name)
            await asyncio.sleep(scaled(0.05))
            give_back(name)


async def main() -> None:
    say("-- two threads and three tasks share two connections")
    threads = [threading.Thread(target=old_part, args=(name,)) for name in ("thread ann", "thread ben")]
    for thread in threads:
        thread.start()
    async with asyncio.TaskGroup() as tasks:
        for name in ("task cat", "task dan", "task eve"):
            tasks.create_task(new_part(name))
    for thread in threads:
        await asyncio.to_thread(thread.join)
    say(f"never more than {most} in use")


if __name__ == "__main__":
    asyncio.run(main())
