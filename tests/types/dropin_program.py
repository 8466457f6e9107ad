"""A program that knows of `threading` alone, and of asyncio's locks: nothing in it changes for `interlock run`.

Where a program wants either, `threading`'s class or ours, it says what it needs of one: a protocol.
"""

import asyncio
import threading
from typing import Protocol

import interlock


class Lockable(Protocol):
    """What both `threading.Lock` and `interlock.Lock` are."""

    def acquire(self, blocking: bool = ..., timeout: float = ...) -> bool: ...
    def release(self) -> None: ...
    def __enter__(self) -> bool: ...


class Account:
    """Annotated as the standard library has it."""

    lock: threading.Lock
    changed: threading.Condition
    closed: threading.Event

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.changed = threading.Condition()
        self.closed = threading.Event()


def use(lock: Lockable) -> None:
    if lock.acquire(timeout=1.0):
        lock.release()


async def use_in_a_task(lock: asyncio.Lock) -> None:
    async with lock:
        pass


interlock.install(asyncio=True)
account = Account()
use(account.lock)
use(interlock.Lock())
use(interlock.RLock())
asyncio.run(use_in_a_task(asyncio.Lock()))
account.closed.set()
with account.changed:
    account.changed.notify_all()
interlock.uninstall()
use(threading.Lock())
