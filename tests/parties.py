"""Parties for tests: somebody who calls, told by the test what to call.

A test is written from outside. It tells parties what to do, asks the primitive who is blocked, and looks at
what came out, so it says the same thing whatever a party is made of:

    a, b = parties(2)
    a.do(lock.acquire)                  # done when this returns; what it raises is raised here
    waiting = b.begin(lock.acquire)     # begun, maybe blocked
    blocked(lock, 1)                    # returns as soon as one party is blocked there
    a.do(lock.release)
    assert waiting.result() is True

A party is a thread, or a task of asyncio or trio whose loop runs in a thread of its own. A task makes of the bound
method that a test names its own (of `lock.acquire` `lock.acquire_async`), and awaits it; what has no such namesake it
just calls. `KINDS` lists what the parties of a test may be made of, `tests/core/conftest.py` which tests run on what.

Nothing here sleeps to wait for another party, and nothing waits longer than `PATIENCE`: a test that would hang
fails with the stacks of all threads.
"""

import asyncio
import faulthandler
import inspect
import queue
import signal
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from functools import partial
from typing import Any, NoReturn

import pytest
import trio

PATIENCE = 10.0  # seconds; only what hangs uses them up

# A waiting thread is due for a hand-off after 1 ms in the queue: see src/interlock/core/kernel/primitive.py.
DUE = 0.002  # seconds; safely more

needs_signals = pytest.mark.skipif(not hasattr(signal, "pthread_kill"), reason="no signal to one thread here")


def fail_with_stacks(message: str) -> NoReturn:
    with tempfile.TemporaryFile("w+") as file:
        faulthandler.dump_traceback(file)
        file.seek(0)
        pytest.fail(f"{message}\n\n{file.read()}")


def wait_until(condition: Callable[[], object], what: str) -> None:
    """Ask until `condition()` is true. For what other threads are about to do, so let them."""
    deadline = time.monotonic() + PATIENCE
    while not condition():
        if time.monotonic() > deadline:
            fail_with_stacks(f"not within {PATIENCE} s: {what}")
        time.sleep(0.000_05)


def blocked(primitive: Any, n: int) -> None:
    """Return as soon as exactly `n` parties are blocked at `primitive`."""
    wait_until(lambda: len(primitive.waiters) == n, f"{n} waiting at {primitive!r}")


def become_due() -> None:
    """Let whoever is blocked now wait so long that he is given the lock directly: it is time itself that passes."""
    time.sleep(DUE)


class Cancelled(Exception):
    """The call of a task was cancelled: see `TaskParty.cancel`."""


class Outcome:
    """What a call that a party has begun has come to."""

    def __init__(self, party: Any, call: Callable[..., Any], args: Any, kwargs: Any):
        self.party = party
        self.call: Any = call
        self.args = args
        self.kwargs = kwargs
        self.collected = False
        self.future: Future[Any] = Future()

    def run(self) -> None:
        try:
            result = self.call(*self.args, **self.kwargs)
        except BaseException as error:
            self.forget()
            self.future.set_exception(error)
        else:
            self.forget()
            self.future.set_result(result)

    async def run_in_task(self) -> None:
        try:
            result = self.call(*self.args, **self.kwargs)
            if inspect.isawaitable(result):
                result = await result
        except (asyncio.CancelledError, trio.Cancelled):
            self.forget()
            self.future.set_exception(Cancelled())
        except BaseException as error:
            self.forget()
            self.future.set_exception(error)
        else:
            self.forget()
            self.future.set_result(result)

    def forget(self) -> None:
        """Let go of what was called: whoever knows the outcome may count on that, and the party is still at it here."""
        self.call = self.args = self.kwargs = None

    @property
    def done(self) -> bool:
        return self.future.done()

    def blocked_or_over(self, primitive: Any) -> None:
        """Return as soon as the call, which has a timeout, is blocked at `primitive` or has given up already."""
        wait_until(lambda: self.done or self.party.identity in primitive.waiters, f"{self!r} blocked or over")

    def result(self) -> Any:
        """What the call returned. Raises what it raised, and fails the test if it hangs."""
        self.collected = True
        try:
            return self.future.result(PATIENCE)
        except TimeoutError:
            if self.future.done():
                raise
            fail_with_stacks(f"{self!r} hangs")

    def error(self) -> BaseException | None:
        """What the call raised, or None."""
        try:
            self.result()
        except Exception as error:
            return error
        return None

    def __repr__(self) -> str:
        call = self.call
        return f"<{'what is over' if call is None else repr(call)} by {self.party!r}>"


class ThreadParty:
    """A thread that makes the calls it is told to make, one after the other."""

    def __init__(self, name: str):
        self.name = name
        self.calls: queue.SimpleQueue[Outcome | None] = queue.SimpleQueue()
        self.outcomes: list[Outcome] = []
        # A daemon, so that one hung thread fails one test and not the whole run.
        self.thread = threading.Thread(target=self.live, name=name, daemon=True)
        self.thread.start()

    @property
    def identity(self) -> Any:
        """What `owner` and `waiters` are to call this party."""
        return self.thread

    def live(self) -> None:
        while (outcome := self.calls.get()) is not None:
            outcome.run()
            del outcome  # it may be what keeps a primitive alive

    def begin(self, call: Callable[..., Any], *args: Any, **kwargs: Any) -> Outcome:
        """Make the party begin a call, which may block."""
        outcome = Outcome(self, call, args, kwargs)
        self.outcomes.append(outcome)
        self.calls.put(outcome)
        return outcome

    def do(self, call: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        """Make the party make a call, and return or raise what that does."""
        return self.begin(call, *args, **kwargs).result()

    def enter(self, manager: Any) -> Any:
        """Make the party enter `with manager:`."""
        return self.do(type(manager).__enter__, manager)

    def begin_enter(self, manager: Any) -> Outcome:
        """Make the party begin to enter `with manager:`, which may block."""
        return self.begin(type(manager).__enter__, manager)

    def leave(self, manager: Any) -> None:
        """Make the party leave `with manager:`."""
        self.do(type(manager).__exit__, manager, None, None, None)

    def dismiss(self) -> None:
        """Let it end when it has made the calls that it was told to make."""
        self.calls.put(None)

    def end(self) -> None:
        """End the thread, whatever it holds."""
        self.dismiss()
        self.thread.join(PATIENCE)
        if self.thread.is_alive():
            fail_with_stacks(f"{self!r} does not end")

    def __repr__(self) -> str:
        return f"<party {self.thread.name}>"


class AsyncioLoop:
    """A loop of asyncio in a thread of its own."""

    def __init__(self) -> None:
        started: Future[None] = Future()
        self.thread = threading.Thread(target=self.live, args=(started,), name="asyncio's", daemon=True)
        self.thread.start()
        started.result(PATIENCE)

    def live(self, started: Future[None]) -> None:
        asyncio.run(self.main(started))

    async def main(self, started: Future[None]) -> None:
        self.loop = asyncio.get_running_loop()
        self.over = asyncio.Event()
        started.set_result(None)
        await self.over.wait()

    def soon(self, call: Callable[..., Any], *args: Any) -> None:
        self.loop.call_soon_threadsafe(call, *args)

    def make_task(self, party: "TaskParty") -> Any:
        made: Future[Any] = Future()

        def make() -> None:
            party.calls = asyncio.Queue()
            party.put = party.calls.put_nowait
            party.get = party.calls.get
            made.set_result(self.loop.create_task(party.live(), name=party.name))

        self.soon(make)
        return made.result(PATIENCE)

    async def run(self, party: "TaskParty", outcome: Outcome) -> None:
        party.cancel_current = party.task.cancel
        await outcome.run_in_task()

    def end(self) -> None:
        """End the loop, whatever its tasks are at."""
        self.soon(self.over.set)


class TrioLoop:
    """trio in a thread of its own."""

    def __init__(self) -> None:
        started: Future[None] = Future()
        self.thread = threading.Thread(target=self.live, args=(started,), name="trio's", daemon=True)
        self.thread.start()
        started.result(PATIENCE)

    def live(self, started: Future[None]) -> None:
        trio.run(self.main, started)

    async def main(self, started: Future[None]) -> None:
        self.token = trio.lowlevel.current_trio_token()
        self.over = trio.Event()
        async with trio.open_nursery() as self.nursery:
            started.set_result(None)
            await self.over.wait()
            self.nursery.cancel_scope.cancel()

    def soon(self, call: Callable[..., Any], *args: Any) -> None:
        self.token.run_sync_soon(call, *args)

    def make_task(self, party: "TaskParty") -> Any:
        made: Future[Any] = Future()

        async def live() -> None:
            send, receive = trio.open_memory_channel[Any](1000)
            party.put = send.send_nowait
            party.get = receive.receive
            made.set_result(trio.lowlevel.current_task())
            await party.live()

        self.soon(lambda: self.nursery.start_soon(live, name=party.name))
        return made.result(PATIENCE)

    async def run(self, party: "TaskParty", outcome: Outcome) -> None:
        with trio.CancelScope() as scope:
            party.cancel_current = scope.cancel
            await outcome.run_in_task()

    def end(self) -> None:
        """End it, whatever its tasks are at."""
        self.soon(self.over.set)


def for_a_task(call: Callable[..., Any], args: Any, kwargs: Any) -> tuple[Callable[..., Any], Any, Any]:
    """What a task calls where a thread calls this."""
    while isinstance(call, partial):
        call, args, kwargs = call.func, call.args + tuple(args), call.keywords | kwargs
    if getattr(call, "__name__", "") == "__enter__":
        return enter_async, (call.__self__,), {}  # type: ignore[attr-defined]
    own = getattr(getattr(call, "__self__", None), f"{getattr(call, '__name__', '')}_async", None)
    if own is None:
        return call, args, kwargs
    if call.__name__ in ("acquire", "take"):
        # There, `timeout` says all that `blocking` says here.
        kwargs = dict(kwargs)
        blocking, *rest = args or (kwargs.pop("blocking", True),)
        if not blocking:
            assert not rest
            assert "timeout" not in kwargs
            kwargs["timeout"] = 0
        return own, rest, kwargs
    return own, args, kwargs


async def enter_async(manager: Any) -> Any:
    entered = await type(manager).__aenter__(manager)
    return True if entered is None else entered


async def leave_async(manager: Any) -> None:
    await type(manager).__aexit__(manager, None, None, None)


class TaskParty:
    """A task that makes the calls it is told to make, one after the other."""

    calls: Any
    put: Callable[[Any], None]
    get: Callable[[], Any]
    cancel_current: Callable[[], object]
    current: Outcome | None = None

    def __init__(self, name: str, loop: AsyncioLoop | TrioLoop):
        self.name = name
        self.loop = loop
        self.outcomes: list[Outcome] = []
        self.over = threading.Event()
        self.task = loop.make_task(self)

    @property
    def identity(self) -> Any:
        return self.task

    async def live(self) -> None:
        try:
            while (outcome := await self.get()) is not None:
                self.current = outcome
                await self.loop.run(self, outcome)
                self.current = None
                del outcome
        finally:
            self.over.set()

    def tell(self, outcome: Outcome | None) -> None:
        self.loop.soon(self.put, outcome)

    def begin(self, call: Callable[..., Any], *args: Any, **kwargs: Any) -> Outcome:
        outcome = Outcome(self, *for_a_task(call, args, kwargs))
        self.outcomes.append(outcome)
        self.tell(outcome)
        return outcome

    def do(self, call: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        return self.begin(call, *args, **kwargs).result()

    def enter(self, manager: Any) -> Any:
        """Make the party enter `async with manager:`."""
        return self.do(enter_async, manager)

    def begin_enter(self, manager: Any) -> Outcome:
        return self.begin(enter_async, manager)

    def leave(self, manager: Any) -> None:
        self.do(leave_async, manager)

    def cancel(self, outcome: Outcome) -> None:
        """Cancel a call, unless it is over. Returns when it knows."""
        told: Future[None] = Future()

        def cancel() -> None:
            if self.current is outcome and not outcome.done:
                self.cancel_current()
            told.set_result(None)

        self.loop.soon(cancel)
        told.result(PATIENCE)

    def dismiss(self) -> None:
        self.tell(None)

    def end(self) -> None:
        """End the task, whatever it holds."""
        self.dismiss()
        if not self.over.wait(PATIENCE):
            fail_with_stacks(f"{self!r} does not end")

    def __repr__(self) -> str:
        return f"<party {self.name}>"


class Interrupted(BaseException):
    """Raised by the signal handler in `MainParty.interrupted`."""


class MainParty:
    """The thread that runs the test: the only one that a signal can interrupt."""

    identity = threading.main_thread()

    def do(self, call: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        return call(*args, **kwargs)

    def enter(self, manager: Any) -> Any:
        return type(manager).__enter__(manager)

    def leave(self, manager: Any) -> None:
        type(manager).__exit__(manager, None, None, None)

    def interrupted(
        self,
        call: Callable[..., Any],
        *args: Any,
        at: Any,
        then: Callable[[], object] = lambda: None,
        first: Callable[[], object] = lambda: None,
        **kwargs: Any,
    ) -> None:
        """Make a call and interrupt it when it is blocked `at` a primitive; fail unless the interruption comes out.

        `then` is called once it is blocked, by somebody else. `first` is called by the interrupted party itself,
        in the instant before it is interrupted: what is given to it now is given to one who is about to leave.
        """
        interrupted = False
        over = threading.Event()
        refusal: list[BaseException] = []

        def interrupt(number: int, frame: object) -> None:
            nonlocal interrupted
            if not interrupted:
                interrupted = True
                first()
                raise Interrupted

        def send() -> None:
            try:
                wait_until(lambda: self.identity in at.waiters or over.is_set(), f"main thread waits at {at!r}")
                then()
                # Sent again and again: a signal in the instant before the thread blocks does not wake it, here and
                # in `threading` alike.
                while not over.is_set():
                    signal.pthread_kill(self.identity.ident, signal.SIGUSR1)
                    over.wait(0.005)
            except BaseException as error:
                refusal.append(error)

        before = signal.signal(signal.SIGUSR1, interrupt)
        sender = threading.Thread(target=send, name="sender of signals", daemon=True)
        sender.start()
        try:
            with pytest.raises(Interrupted):
                call(*args, **kwargs)
        finally:
            over.set()
            sender.join(PATIENCE)
            signal.signal(signal.SIGUSR1, before)
        assert not refusal, refusal


def with_handler(call: Callable[[], Any], at: Any, handler: Callable[[], object]) -> Outcome:
    """Make a call in the main thread, and have a signal handler call `handler` while it is blocked `at` a primitive."""
    main = threading.main_thread()
    called = False

    def on_signal(number: int, frame: object) -> None:
        nonlocal called
        if not called:
            called = True
            handler()

    def send() -> None:
        wait_until(lambda: main in at.waiters, "the main thread waits")
        while not called:
            signal.pthread_kill(main.ident or 0, signal.SIGUSR1)
            threading.Event().wait(0.005)

    outcome = Outcome(main, call, (), {})
    before = signal.signal(signal.SIGUSR1, on_signal)
    sender = threading.Thread(target=send, name="sender of signals", daemon=True)
    sender.start()
    outcome.run()
    sender.join()
    signal.signal(signal.SIGUSR1, before)
    return outcome


AnyParty = ThreadParty | TaskParty

# What the parties of a test are made of, in turns. Two of the same name are tasks of the same loop.
KINDS = {
    "threads": ("thread",),
    "asyncio": ("asyncio 1",),
    "two loops": ("asyncio 1", "asyncio 2"),
    "trio": ("trio 1",),
    "mixed": ("thread", "asyncio 1", "asyncio 2", "trio 1"),
    "asyncio and trio": ("asyncio 1", "asyncio 1", "trio 1"),
}


class Parties:
    """Makes parties and sees that each ends, and that nothing that went wrong in one is lost."""

    def __init__(self, kind: str = "threads") -> None:
        self.kind = kind
        self.main = MainParty()
        self.made: list[Any] = []
        self.loops: dict[str, AsyncioLoop | TrioLoop] = {}

    def __call__(self, n: int) -> list[Any]:
        """`n` new parties, called a, b, c, ..."""
        first = len(self.made)
        names = (chr(ord("a") + i) if i < 26 else f"party {i}" for i in range(first, first + n))
        new = [self.make(name, first + i) for i, name in enumerate(names)]
        self.made += new
        return new

    def make(self, name: str, number: int) -> AnyParty:
        kinds = KINDS[self.kind]
        kind = kinds[number % len(kinds)]
        if kind == "thread":
            return ThreadParty(name)
        if kind not in self.loops:
            self.loops[kind] = TrioLoop() if kind.startswith("trio") else AsyncioLoop()
        return TaskParty(name, self.loops[kind])

    def one(self) -> Any:
        return self(1)[0]

    def dismiss(self) -> None:
        """Let everybody end who can, and wait for nobody."""
        for party in self.made:
            party.dismiss()
        for loop in self.loops.values():
            loop.end()

    def end(self) -> None:
        """End all. Raises what their calls raised and nobody asked for; a call that hangs fails the test."""
        for party in self.made:
            party.dismiss()
        for party in self.made:
            for outcome in party.outcomes:
                if not outcome.collected:
                    outcome.result()
        for party in self.made:
            party.end()
        for loop in self.loops.values():
            loop.end()
            loop.thread.join(PATIENCE)
            if loop.thread.is_alive():
                fail_with_stacks(f"{loop.thread.name} does not end")


class Snapshot:
    """What can be seen of a primitive. Equal before and after: as if nobody had come."""

    def __init__(self, primitive: Any):
        self.seen = [repr(primitive), primitive.waiters]
        for name in ("owner", "readers", "n_waiting", "broken", "count", "_value"):
            if hasattr(primitive, name):
                self.seen.append((name, getattr(primitive, name)))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Snapshot) and self.seen == other.seen

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return repr(self.seen)


@contextmanager
def unchanged(*primitives: Any) -> Iterator[None]:
    """What happens inside must leave no trace in the primitives."""
    before = [Snapshot(primitive) for primitive in primitives]
    yield
    assert [Snapshot(primitive) for primitive in primitives] == before
