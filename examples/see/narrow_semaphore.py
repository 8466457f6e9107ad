"""A service of asyncio answers twelve requests at a time, with two connections to its database.

A request asks the database once. Ten of twelve wait for a connection to come free, however fast everything else is.
"""

import asyncio

REQUESTS = 12
ROUNDS = 5
ASKING = 0.002  # seconds


class Service:
    def __init__(self, connections: int) -> None:
        self._connections = asyncio.Semaphore(connections)
        self.answered = 0

    async def ask(self) -> None:
        async with self._connections:
            await asyncio.sleep(ASKING)  # stands for the database

    async def answer(self) -> None:
        for _ in range(ROUNDS):
            await self.ask()
            self.answered += 1


async def main() -> None:
    service = Service(connections=2)
    await asyncio.gather(*(service.answer() for _ in range(REQUESTS)))
    print(f"{service.answered} answers")


if __name__ == "__main__":
    asyncio.run(main())
