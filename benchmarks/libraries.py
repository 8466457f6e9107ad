"""How each implementation spells what is measured.

Each table says for each implementation how to make a primitive, and gives the methods that are called, bound: nothing
of ours stands between the measurement and the library. An implementation without that primitive, or one that is not
installed, is left out.
"""

import _thread
import importlib
import importlib.util
import threading
from collections.abc import Callable
from typing import Any

import interlock


class Library:
    """A module that is imported when something of it is first used.

    Nobody pays for a library that is not measured with him. It is not only the memory: where trio has been imported
    whoever calls in a task may be a task of trio's, and interlock has to ask.
    """

    def __init__(self, name: str) -> None:
        self._name = name

    def __getattr__(self, name: str) -> Any:
        return getattr(importlib.import_module(self._name), name)


aiologic, anyio, asyncio, multiprocessing, trio = map(
    Library, ("aiologic", "anyio", "asyncio", "multiprocessing", "trio")
)


def installed(library: str) -> bool:
    return importlib.util.find_spec(library.partition(".")[0]) is not None


Make = Callable[..., Any]


def there(table: dict[str, Make]) -> dict[str, Make]:
    return {name: make for name, make in table.items() if installed(name)}


def spelled(made: Any, *names: str) -> tuple[Any, ...]:
    """Its methods of these names; "" stands for the object itself."""
    return tuple(getattr(made, name) if name else made for name in names)


def itself(made: Any) -> Callable[[], Any]:
    """What is awaited itself, in the form of a method that is called and awaited."""
    return lambda: made


# --- threads ------------------------------------------------------------------------------------------------------

# (take, give)
PERMITS = there(
    {
        "interlock": lambda n: spelled(interlock.Semaphore(n), "acquire", "release"),
        "threading": lambda n: spelled(threading.Semaphore(n), "acquire", "release"),
        "aiologic": lambda n: spelled(aiologic.Semaphore(n), "green_acquire", "green_release"),
        "multiprocessing": lambda n: spelled(multiprocessing.Semaphore(n), "acquire", "release"),
    }
)
# (wait, set, clear)
EVENT = there(
    {
        "interlock": lambda: spelled(interlock.Event(), "wait", "set", "clear"),
        "threading": lambda: spelled(threading.Event(), "wait", "set", "clear"),
        "aiologic": lambda: spelled(aiologic.REvent(), "wait", "set", "clear"),
        "multiprocessing": lambda: spelled(multiprocessing.Event(), "wait", "set", "clear"),
    }
)
# (guard, wait, notify, notify_all)
CONDITION = there(
    {
        "interlock": lambda: spelled(interlock.Condition(), "", "wait", "notify", "notify_all"),
        "threading": lambda: spelled(threading.Condition(), "", "wait", "notify", "notify_all"),
        "aiologic": lambda: spelled(aiologic.Condition(), "", "wait", "notify", "notify_all"),
        "multiprocessing": lambda: spelled(multiprocessing.Condition(), "", "wait", "notify", "notify_all"),
    }
)
# (take, give), to be given by another than who took: no aiologic, whose locks refuse that.
SIGNAL = {
    "interlock": lambda: spelled(interlock.Lock(), "acquire", "release"),
    "threading": lambda: spelled(threading.Lock(), "acquire", "release"),
    "multiprocessing": lambda: spelled(multiprocessing.Semaphore(1), "acquire", "release"),
    "_thread.lock": lambda: spelled(_thread.allocate_lock(), "acquire", "release"),
}
BARRIER = there(
    {
        "interlock": lambda n: interlock.Barrier(n).wait,
        "threading": lambda n: threading.Barrier(n).wait,
        "aiologic": lambda n: aiologic.RBarrier(n).wait,
        "multiprocessing": lambda n: multiprocessing.Barrier(n).wait,
    }
)
# What `with` is used on.
LOCK = there(
    {
        "interlock": interlock.Lock,
        "threading": threading.Lock,
        "aiologic": lambda: aiologic.Lock(),
        "multiprocessing": lambda: multiprocessing.Lock(),
        "_thread.lock": _thread.allocate_lock,
    }
)
RLOCK = there(
    {
        "interlock": interlock.RLock,
        "threading": threading.RLock,
        "aiologic": lambda: aiologic.RLock(),
        "multiprocessing": lambda: multiprocessing.RLock(),
    }
)
SEMAPHORE = there(
    {
        "interlock": interlock.Semaphore,
        "threading": threading.Semaphore,
        "aiologic": lambda n: aiologic.Semaphore(n),
        "multiprocessing": lambda n: multiprocessing.Semaphore(n),
    }
)

# --- tasks --------------------------------------------------------------------------------------------------------

# (take, give), take is awaited. anyio's are asked not to yield where they need not wait, as the others do not.
ASYNC_PERMITS = there(
    {
        "interlock": lambda n: spelled(interlock.Semaphore(n), "acquire_async", "release"),
        "asyncio": lambda n: spelled(asyncio.Semaphore(n), "acquire", "release"),
        "anyio": lambda n: spelled(anyio.Semaphore(n, fast_acquire=True), "acquire", "release"),
        "aiologic": lambda n: spelled(aiologic.Semaphore(n), "async_acquire", "async_release"),
        "trio": lambda n: spelled(trio.Semaphore(n), "acquire", "release"),
    }
)
# (wait, set, clear). anyio's and trio's events are set once.
ASYNC_EVENT = there(
    {
        "interlock": lambda: spelled(interlock.Event(), "wait_async", "set", "clear"),
        "asyncio": lambda: spelled(asyncio.Event(), "wait", "set", "clear"),
        "aiologic": lambda: (itself(event := aiologic.REvent()), event.set, event.clear),
    }
)
# (wait, set)
ASYNC_ONCE = there(
    {
        "interlock": lambda: spelled(interlock.Event(), "wait_async", "set"),
        "asyncio": lambda: spelled(asyncio.Event(), "wait", "set"),
        "anyio": lambda: spelled(anyio.Event(), "wait", "set"),
        "aiologic": lambda: (itself(event := aiologic.Event()), event.set),
        "trio": lambda: spelled(trio.Event(), "wait", "set"),
    }
)
# (guard, wait, notify, notify_all)
ASYNC_CONDITION = there(
    {
        "interlock": lambda: spelled(interlock.Condition(), "", "wait_async", "notify", "notify_all"),
        "asyncio": lambda: spelled(asyncio.Condition(), "", "wait", "notify", "notify_all"),
        "anyio": lambda: spelled(anyio.Condition(), "", "wait", "notify", "notify_all"),
        "aiologic": lambda: (c := aiologic.Condition(aiologic.Lock()), itself(c), c.notify, c.notify_all),
        "trio": lambda: spelled(trio.Condition(), "", "wait", "notify", "notify_all"),
    }
)
ASYNC_BARRIER = there(
    {
        "interlock": lambda n: interlock.Barrier(n).wait_async,
        "asyncio": lambda n: asyncio.Barrier(n).wait,
        "aiologic": lambda n: itself(aiologic.RBarrier(n)),
    }
)
ASYNC_LOCK = there(
    {
        "interlock": interlock.Lock,
        "asyncio": lambda: asyncio.Lock(),
        "anyio": lambda: anyio.Lock(fast_acquire=True),
        "aiologic": lambda: aiologic.Lock(),
        "trio": lambda: trio.Lock(),
    }
)
ASYNC_SEMAPHORE = there(
    {
        "interlock": interlock.Semaphore,
        "asyncio": lambda n: asyncio.Semaphore(n),
        "anyio": lambda n: anyio.Semaphore(n, fast_acquire=True),
        "aiologic": lambda n: aiologic.Semaphore(n),
        "trio": lambda n: trio.Semaphore(n),
    }
)
# Who runs under which loop.
UNDER = {
    "asyncio": ("interlock", "asyncio", "anyio", "aiologic"),
    "trio": ("interlock", "trio", "anyio", "aiologic"),
}


def under(loop: str, table: dict[str, Make]) -> dict[str, Make]:
    return {name: make for name, make in table.items() if name in UNDER[loop]}
