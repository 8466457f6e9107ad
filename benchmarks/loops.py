"""asyncio and trio in one spelling."""

from collections.abc import Awaitable, Callable
from typing import Any

from benchmarks.libraries import asyncio, installed, trio

Function = Callable[[], Awaitable[Any]]


class Asyncio:
    name = "asyncio"

    def run(self, main: Callable[..., Awaitable[Any]], *arguments: Any) -> Any:
        return asyncio.run(main(*arguments))  # type: ignore[arg-type]

    async def together(self, *functions: Function) -> None:
        """Run them all as tasks, until all have ended."""
        async with asyncio.TaskGroup() as group:
            for function in functions:
                group.create_task(function())  # type: ignore[arg-type]

    @property
    def step(self) -> Function:
        """To be called and awaited: lets the other tasks go on."""
        sleep = asyncio.sleep
        return lambda: sleep(0)  # type: ignore[no-any-return]


class Trio:
    name = "trio"

    def run(self, main: Callable[..., Awaitable[Any]], *arguments: Any) -> Any:
        return trio.run(main, *arguments)

    async def together(self, *functions: Function) -> None:
        async with trio.open_nursery() as nursery:
            for function in functions:
                nursery.start_soon(function)

    @property
    def step(self) -> Function:
        return trio.lowlevel.checkpoint  # type: ignore[no-any-return]


LOOPS = [loop for loop in (Asyncio(), Trio()) if installed(loop.name)]
