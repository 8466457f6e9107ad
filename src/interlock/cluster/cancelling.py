"""How a task is taken out of the body of `async with lock:` when the lock is lost.

As `asyncio.timeout` does it: the task is cancelled once, and leaving the block turns that one cancellation into
`LeaseLost`. A cancellation from outside that comes in between stays one. In trio a cancel scope does the same.
"""

from __future__ import annotations

import asyncio
import sys
from contextlib import suppress
from typing import Any, Protocol


class Guard(Protocol):
    def fire(self) -> None:
        """Take the task out. Called by any thread, at most once."""

    async def leave(self, kind: Any, error: BaseException | None, traceback: Any) -> bool:
        """The block is left with `error`. Returns whether that is the cancellation that `fire` asked for, or was."""


class AsyncioGuard:
    def __init__(self, task: asyncio.Task[Any]) -> None:
        self.task = task
        self.loop: asyncio.events.AbstractEventLoop = task.get_loop()
        self.before: int = task.cancelling()
        self.cancelled: bool = False
        self.left: bool = False

    def fire(self) -> None:
        with suppress(RuntimeError):  # the loop is closed, and its tasks with it
            self.loop.call_soon_threadsafe(self.cancel)

    def cancel(self) -> None:
        if not self.left:
            self.cancelled = True
            self.task.cancel("the lease is lost")

    async def leave(self, kind: Any, error: BaseException | None, traceback: Any) -> bool:
        self.left = True
        if not self.cancelled:
            return False
        if self.task.uncancel() > self.before:
            return False  # somebody else has cancelled it too
        if not isinstance(error, asyncio.CancelledError):
            # Before 3.13, uncancel leaves a cancellation pending that has not been delivered yet.
            try:
                await asyncio.sleep(0)
            except asyncio.CancelledError:
                if self.task.cancelling() > self.before:
                    raise
            return False
        return True


class TrioGuard:
    def __init__(self) -> None:
        import trio

        self.token: trio._core._entry_queue.TrioToken = trio.lowlevel.current_trio_token()
        self.scope: trio._core._run.CancelScope = trio.CancelScope()
        self.scope.__enter__()
        self.run_finished = trio.RunFinishedError

    def fire(self) -> None:
        with suppress(self.run_finished):
            self.token.run_sync_soon(self.scope.cancel)

    async def leave(self, kind: Any, error: BaseException | None, traceback: Any) -> bool:
        return bool(self.scope.__exit__(kind, error, traceback))


def guard_task() -> Guard | None:
    """A guard of the task that calls; None where this is not asyncio's nor trio's."""
    try:
        task = asyncio.current_task()
    except RuntimeError:
        task = None
    if task is not None:
        return AsyncioGuard(task)
    trio = sys.modules.get("trio")
    if trio is not None and trio.lowlevel.in_trio_task():
        return TrioGuard()
    return None
