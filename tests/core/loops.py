"""asyncio and trio under the same names, for tests that are written from inside of a loop.

async def body(loop):
    begun = loop.begin(lock.acquire_async)      # a task that awaits what this returns
    await loop.blocked(lock, 1)
    begun.cancel()
    await begun.over()
    assert begun.cancelled

run(body)                                       # `run` is `in_asyncio` or `in_trio`; uvloop too, if there is one
"""

import asyncio
import importlib.util
import time
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
import trio
from parties import PATIENCE, fail_with_stacks


class Begun:
    """A task and what has come of it."""

    task: Any
    cancel: Callable[[], object]

    def __init__(self) -> None:
        self.value: Any = None
        self.error: BaseException | None = None
        self.cancelled = False
        self.done = False

    async def run(self, call: Callable[[], Awaitable[Any]], cancelled: type[BaseException]) -> None:
        try:
            self.value = await call()
        except cancelled:
            self.cancelled = True
        except Exception as error:
            self.error = error
        finally:
            self.done = True

    async def over(self) -> None:
        raise NotImplementedError

    async def result(self) -> Any:
        await self.over()
        assert not self.cancelled
        if self.error is not None:
            raise self.error
        return self.value


class Loop:
    name: str

    def begin(self, call: Callable[[], Awaitable[Any]]) -> Begun:
        raise NotImplementedError

    async def step(self) -> None:
        """Let everybody else who can run do so once."""
        raise NotImplementedError

    async def until(self, condition: Callable[[], object], what: str) -> None:
        deadline = time.monotonic() + PATIENCE
        while not condition():
            if time.monotonic() > deadline:
                fail_with_stacks(f"not within {PATIENCE} s: {what}")
            await self.step()

    async def blocked(self, primitive: Any, n: int) -> None:
        await self.until(lambda: len(primitive.waiters) == n, f"{n} waiting at {primitive!r}")

    async def line_up(self, primitive: Any, calls: list[Callable[[], Awaitable[Any]]]) -> list[Begun]:
        """Return when all wait, having come in this order."""
        before = len(primitive.waiters)
        begun = []
        for n, call in enumerate(calls):
            begun.append(self.begin(call))
            await self.blocked(primitive, before + n + 1)
        return begun


class AsyncioLoop(Loop):
    name = "asyncio"

    def begin(self, call: Callable[[], Awaitable[Any]]) -> Begun:
        begun = Begun()
        begun.task = asyncio.create_task(begun.run(call, asyncio.CancelledError))
        begun.cancel = begun.task.cancel

        async def over() -> None:
            await asyncio.wait([begun.task])
            # Cancelled before it began, it has no say in the matter.
            begun.cancelled = begun.cancelled or begun.task.cancelled()

        begun.over = over  # type: ignore[method-assign]
        return begun

    async def step(self) -> None:
        await asyncio.sleep(0)


class TrioLoop(Loop):
    name = "trio"

    def __init__(self, nursery: trio.Nursery):
        self.nursery = nursery

    def begin(self, call: Callable[[], Awaitable[Any]]) -> Begun:
        begun = Begun()
        scope = trio.CancelScope()
        event = trio.Event()

        async def live() -> None:
            begun.task = trio.lowlevel.current_task()
            try:
                with scope:
                    await begun.run(call, trio.Cancelled)
            finally:
                event.set()

        begun.cancel = scope.cancel
        begun.over = event.wait  # type: ignore[method-assign]
        self.nursery.start_soon(live)
        return begun

    async def step(self) -> None:
        await trio.lowlevel.cancel_shielded_checkpoint()


def in_asyncio(body: Callable[[Any], Awaitable[None]]) -> None:
    async def main() -> None:
        await asyncio.wait_for(body(AsyncioLoop()), PATIENCE)

    asyncio.run(main())


def in_uvloop(body: Callable[[Any], Awaitable[None]]) -> None:
    import uvloop

    async def main() -> None:
        await asyncio.wait_for(body(AsyncioLoop()), PATIENCE)

    uvloop.run(main())


def in_trio(body: Callable[[Any], Awaitable[None]]) -> None:
    failure: list[BaseException] = []

    async def main() -> None:
        with trio.fail_after(PATIENCE):
            async with trio.open_nursery() as nursery:
                try:
                    await body(TrioLoop(nursery))
                except BaseException as error:
                    failure.append(error)
                    nursery.cancel_scope.cancel()

    trio.run(main)
    if failure:
        raise failure[0]  # not in a group


Run = Callable[[Callable[[Any], Awaitable[None]]], None]

RUNS: dict[str, Run] = {"asyncio": in_asyncio, "trio": in_trio}
if importlib.util.find_spec("uvloop") is not None:
    RUNS["uvloop"] = in_uvloop
both_libraries = pytest.mark.parametrize("run", RUNS.values(), ids=RUNS)
