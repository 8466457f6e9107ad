"""Tasks of asyncio and trio: who they are, what their calls return, and how they share an object with threads."""

import asyncio
import contextvars
import gc
import importlib.util
import signal
import subprocess
import sys
import threading
import time
import weakref
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
import trio
import trio.testing
from loops import Run, both_libraries, in_asyncio
from parties import PATIENCE, Parties, blocked, needs_signals

import interlock
from interlock import (
    Barrier,
    BoundedSemaphore,
    Condition,
    DeadlockError,
    Event,
    Latch,
    Lock,
    RLock,
    RWLock,
    Semaphore,
    WaitQueue,
)


def test_neither_library_is_imported() -> None:
    program = (
        "import sys, interlock\n"
        "with interlock.Lock(), interlock.RLock(): pass\n"
        "interlock.Condition(); interlock.RWLock().read().acquire()\n"
        "print([name for name in ('asyncio', 'trio', 'anyio', 'sniffio', 'interlock.aio') if name in sys.modules])"
    )
    process = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert process.stdout == "[]\n"


# --- what a call is ---------------------------------------------------------------------------------------------


def free() -> dict[str, Callable[[], Awaitable[Any]]]:
    """Calls that need not wait."""
    event, latch = Event(), Latch(0)
    event.set()
    return {
        "Lock": Lock().acquire_async,
        "RLock": RLock().acquire_async,
        "Semaphore": Semaphore().acquire_async,
        "BoundedSemaphore": BoundedSemaphore().acquire_async,
        "Condition": Condition().acquire_async,
        "Event": event.wait_async,
        "Latch": latch.wait_async,
        "read": RWLock().read().acquire_async,
        "write": RWLock().write().acquire_async,
    }


def shut() -> dict[str, tuple[Any, Callable[[], Awaitable[Any]], Callable[[], object]]]:
    """Primitives, calls that wait, and how to let them through."""
    lock, semaphore, event, latch, queue = Lock(), Semaphore(0), Event(), Latch(1), WaitQueue()
    lock.acquire()
    rw = RWLock()
    side = rw.write()
    side.acquire()
    return {
        "Lock": (lock, lock.acquire_async, lock.release),
        "Semaphore": (semaphore, semaphore.acquire_async, semaphore.release),
        "Event": (event, event.wait_async, event.set),
        "Latch": (latch, latch.wait_async, latch.count_down),
        "WaitQueue": (queue, queue.park_async, queue.unpark),
        "read": (rw, rw.read().acquire_async, side.release),
    }


every_free = pytest.mark.parametrize("name", free())
every_shut = pytest.mark.parametrize("name", shut())


@both_libraries
@every_free
def test_what_need_not_wait_is_done_in_the_first_step(run: Run, name: str) -> None:
    """In asyncio. In trio each await is a checkpoint, also where the call has nothing to wait for."""

    async def body(loop: Any) -> None:
        if loop.name == "trio":
            with trio.testing.assert_checkpoints():
                assert await free()[name]() is True
            return
        call = free()[name]()
        with pytest.raises(StopIteration) as stop:
            call.__await__().send(None)  # type: ignore[attr-defined]
        assert stop.value.value is True
        assert await free()[name]() is True

    run(body)


@every_shut
def test_whatever_takes_a_coroutine_takes_a_call(name: str) -> None:
    async def main() -> None:
        primitive, call, open_it = shut()[name]
        for how in (asyncio.create_task, lambda call: asyncio.wait_for(call, 1000), asyncio.gather, asyncio.shield):
            primitive, call, open_it = shut()[name]
            waiting = asyncio.ensure_future(how(call()))
            while not primitive.waiters:
                await asyncio.sleep(0)
            open_it()
            assert await waiting in (True, [True])
        primitive, call, open_it = shut()[name]
        async with asyncio.TaskGroup() as group:
            task = group.create_task(call(), name="one")
            while not primitive.waiters:
                await asyncio.sleep(0)
            assert primitive.waiters == (task,)
            open_it()
        assert task.result() is True
        closed = call()
        assert asyncio.iscoroutine(closed)
        closed.close()

    asyncio.run(main())


@every_shut
def test_a_nursery_starts_it(name: str) -> None:
    async def main() -> None:
        primitive, call, open_it = shut()[name]
        async with trio.open_nursery() as nursery:
            nursery.start_soon(call)
            while not primitive.waiters:
                await trio.lowlevel.checkpoint()
            open_it()
        assert primitive.waiters == ()

    trio.run(main)


@every_shut
def test_nothing_happens_before_it_is_awaited(name: str) -> None:
    primitive, call, open_it = shut()[name]
    made = call()
    assert primitive.waiters == ()
    open_it()
    made.close()  # type: ignore[attr-defined]
    lock = Lock()
    call_of_lock = lock.acquire_async()
    assert not lock.locked()
    call_of_lock.close()


BY_HAND: dict[str, Callable[[Any], object]] = {
    "next": next,
    "send": lambda call: call.send(None),
    "next of what is awaited": lambda call: next(call.__await__()),
}


@pytest.mark.parametrize("step", BY_HAND.values(), ids=BY_HAND)
def test_driven_by_hand_a_call_shares_nothing_with_others(step: Callable[[Any], object]) -> None:
    """From 3.12 on, one exception said of all calls that they return True: it kept the frames of whoever had caught it,
    and what he wrote on it was read by others."""
    event = Event()
    event.set()

    class Local:
        pass

    def drive() -> tuple[StopIteration, Any]:
        local = Local()
        with pytest.raises(StopIteration) as caught:
            step(event.wait_async())
        return caught.value, weakref.ref(local)

    def drive_and_forget() -> Any:
        return drive()[1]

    async def use() -> None:
        assert await event.wait_async() is True

    local = drive_and_forget()
    asyncio.run(use())
    gc.collect()
    assert local() is None

    first, _ = drive()
    second, _ = drive()
    assert first is not second
    assert first.value is second.value is True
    second.value = "changed"
    second.__traceback__ = None
    del second
    asyncio.run(use())


def held_and_wanted() -> dict[str, tuple[Any, Any]]:
    """What a thread holds, and what a task enters to wait for it."""
    rw, rw_too = RWLock(), RWLock()
    made = {
        "Lock": (lock := Lock(), lock),
        "RLock": (rlock := RLock(), rlock),
        "Semaphore": (semaphore := Semaphore(), semaphore),
        "Condition": (condition := Condition(), condition),
        "read": (rw.write(), rw.read()),
        "write": (rw_too.read(), rw_too.write()),
    }
    return made


@both_libraries
@pytest.mark.parametrize("name", held_and_wanted())
def test_async_with_does_nothing_before_it_is_awaited(run: Run, name: str, parties: Parties) -> None:
    """A side of an RWLock was in use from then on, and stayed so where nobody awaited."""
    held, wanted = held_and_wanted()[name]
    holder = parties.one()
    holder.enter(held)

    async def body(loop: Any) -> None:
        entering = wanted.__aenter__()
        holder.leave(held)
        entering.close()
        async with wanted:
            pass

    run(body)


@pytest.mark.parametrize("name", [name for name in shut() if name in ("Lock", "Semaphore", "Event", "Latch")])
def test_a_call_that_is_never_awaited_is_warned_of(name: str) -> None:
    _, call, _ = shut()[name]
    with pytest.warns(RuntimeWarning, match=rf"{name}\.\w+_async was never awaited"):
        call()  # and forgotten


@both_libraries
@pytest.mark.parametrize("name", ["Lock", "Semaphore", "Event", "Latch"])
def test_awaiting_a_call_twice_is_an_error(run: Run, name: str) -> None:
    async def body(loop: Any) -> None:
        call = free()[name]()
        assert await call is True
        with pytest.raises(RuntimeError, match="a second time"):
            await call
        primitive, wait, open_it = shut()[name]
        waiting = wait()
        (begun,) = await loop.line_up(primitive, [lambda: await_it(waiting)])
        with pytest.raises(RuntimeError, match="is being awaited already"):
            await waiting
        assert not begun.done
        open_it()
        assert await begun.result() is True

    run(body)


async def await_it(call: Awaitable[Any]) -> Any:
    return await call


def test_a_blocking_call_needs_a_task() -> None:
    lock = Lock()
    lock.acquire()
    call = lock.acquire_async()
    with pytest.raises(RuntimeError, match="only a task of asyncio or trio"):
        call.send(None)  # type: ignore[attr-defined]
    assert lock.waiters == ()


def test_a_callback_of_the_loop_is_not_a_task_and_opens_all_the_same() -> None:
    async def main() -> None:
        event = Event()
        loop = asyncio.get_running_loop()
        loop.call_soon(event.set)
        assert await event.wait_async() is True
        semaphore = Semaphore(0)
        loop.call_later(0.001, semaphore.release)
        assert await semaphore.acquire_async() is True
        lock = Lock()
        await lock.acquire_async()
        loop.call_soon(lock.release)
        assert await lock.acquire_async() is True

    asyncio.run(main())


def test_set_by_what_runs_while_the_task_lies_down() -> None:
    """It is in the queue and not asleep yet: what a signal handler does there, in Python code that asyncio calls."""

    async def main() -> None:
        event = Event()
        loop = asyncio.get_running_loop()
        seen = []

        def now() -> float:
            if event.waiters:
                seen.append(event.waiters)
                event.set()
            return time.monotonic()

        loop.time = now  # type: ignore[method-assign]
        assert await event.wait_async(PATIENCE) is True
        assert seen

    asyncio.run(asyncio.wait_for(main(), PATIENCE))


@needs_signals
@both_libraries
def test_set_by_a_signal_handler_while_the_loop_is_in_its_select(run: Run) -> None:
    """Nothing else would wake the loop."""
    event = Event()
    before = signal.signal(signal.SIGUSR1, lambda number, frame: event.set())
    main = threading.main_thread().ident

    def send() -> None:
        blocked(event, 1)
        # Again and again: a signal in the instant before the system call does not wake it.
        while not event.is_set():
            signal.pthread_kill(main or 0, signal.SIGUSR1)
            threading.Event().wait(0.005)

    async def body(loop: Any) -> None:
        for _ in range(20):
            event.clear()
            sender = threading.Thread(target=send)
            sender.start()
            assert await event.wait_async() is True
            sender.join()

    try:
        run(body)
    finally:
        signal.signal(signal.SIGUSR1, before)


# --- strict order -----------------------------------------------------------------------------------------------


@both_libraries
@pytest.mark.parametrize("kind", [Lock, RLock, Semaphore, BoundedSemaphore])
def test_a_newcomer_queues_behind_one_who_has_been_granted(run: Run, kind: Any) -> None:
    async def body(loop: Any) -> None:
        primitive = kind()
        order = []

        async def enter(name: str) -> None:
            async with primitive:
                order.append(name)

        await primitive.acquire_async()
        (first,) = await loop.line_up(primitive, [lambda: enter("first")])
        primitive.release()
        await enter("newcomer")
        await first.result()
        assert order == ["first", "newcomer"]

    run(body)


@both_libraries
def test_ping_pong_between_two_tasks(run: Run) -> None:
    async def body(loop: Any) -> None:
        ping, pong = Event(), Event()

        async def serve() -> None:
            for _ in range(500):
                await pong.wait_async()
                pong.clear()
                ping.set()

        serving = loop.begin(serve)
        for _ in range(500):
            pong.set()
            await ping.wait_async()
            ping.clear()
        await serving.result()

    run(body)


@both_libraries
def test_ping_pong_with_a_thread(run: Run, parties: Parties) -> None:
    ping, pong = Semaphore(0), Semaphore(0)

    def serve() -> None:
        for _ in range(500):
            pong.acquire()
            ping.release()

    async def body(loop: Any) -> None:
        serving = parties.one().begin(serve)
        for _ in range(500):
            pong.release()
            await ping.acquire_async()
        serving.result()

    run(body)


@both_libraries
@pytest.mark.parametrize("make_lock", [RLock, Lock, type("Foreign", (Lock,), {})])
def test_a_queue_of_items(run: Run, make_lock: Any) -> None:
    async def body(loop: Any) -> None:
        condition = Condition(make_lock())
        items: list[int] = []
        taken: list[int] = []

        async def take() -> None:
            for _ in range(50):
                async with condition:
                    await condition.wait_for_async(lambda: items)
                    taken.append(items.pop(0))

        takers = [loop.begin(take) for _ in range(4)]
        for n in range(200):
            async with condition:
                items.append(n)
                condition.notify()
            if n % 7 == 0:
                await loop.step()
        for taker in takers:
            await taker.result()
        assert taken == list(range(200))

    run(body)


@both_libraries
def test_generation_after_generation(run: Run) -> None:
    async def body(loop: Any) -> None:
        barrier = Barrier(3)
        passed = []

        async def meet() -> None:
            for generation in range(50):
                await barrier.wait_async()
                passed.append(generation)

        for begun in [loop.begin(meet) for _ in range(3)]:
            await begun.result()
        assert passed == sorted(passed)
        assert len(passed) == 150

    run(body)


@both_libraries
def test_wait_for_that_times_out(run: Run) -> None:
    async def body(loop: Any) -> None:
        condition = Condition()
        async with condition:
            for timeout in (0.01, 0, -1):
                assert await condition.wait_for_async(lambda: "", timeout) == ""
            assert await condition.wait_for_async(lambda: "yes", 0) == "yes"
        assert not condition.locked()

    run(body)


@both_libraries
def test_what_would_wait_for_itself_is_refused(run: Run) -> None:
    async def body(loop: Any) -> None:
        lock = RWLock()
        async with lock.read():
            with pytest.raises(DeadlockError, match="reads under"):
                await lock.write().acquire_async()
            async with lock.read():
                assert lock.readers == 2
        async with lock.write():
            for make in (lock.read, lock.write):
                with pytest.raises(DeadlockError, match="writes under"):
                    await make().acquire_async()
        assert not lock.locked()

    run(body)


# --- who it is --------------------------------------------------------------------------------------------------


@both_libraries
def test_owner_and_waiters_are_the_tasks(run: Run) -> None:
    async def body(loop: Any) -> None:
        lock, rw = Lock(), RWLock()
        go = Event()

        async def hold() -> None:
            async with lock, rw.write():
                await go.wait_async()

        (holder,) = await loop.line_up(go, [hold])
        assert lock.owner is rw.owner is holder.task
        (waiter,) = await loop.line_up(lock, [hold])
        assert lock.waiters == (waiter.task,)
        name = holder.task.get_name() if loop.name == "asyncio" else holder.task.name
        assert f"owner={name}" in repr(lock)
        go.set()
        await holder.result()
        await waiter.result()

    run(body)


@both_libraries
def test_with_and_async_with_of_one_task_enter_one_another(run: Run) -> None:
    async def body(loop: Any) -> None:
        lock = RLock()
        with lock:
            async with lock:
                with lock:
                    assert lock._recursion_count() == 3
                    assert await lock.acquire_async() is True
                    lock.release()
        assert not lock.locked()

    run(body)


@both_libraries
def test_two_tasks_of_one_thread_exclude_one_another_also_in_with(run: Run) -> None:
    async def body(loop: Any) -> None:
        lock = RLock()
        with lock:

            async def try_it() -> Any:
                with pytest.raises(RuntimeError, match="un-acquired"):
                    lock.release()
                return lock.acquire(False), lock.acquire(timeout=0.001), await lock.acquire_async(0)

            assert await loop.begin(try_it).result() == (False, False, False)
            (waiter,) = await loop.line_up(lock, [lock.acquire_async])
        assert await waiter.result() is True

    run(body)


@both_libraries
def test_a_worker_thread_is_not_the_task_though_it_has_its_context(run: Run) -> None:
    async def body(loop: Any) -> None:
        lock = RLock()
        to_thread = asyncio.to_thread if loop.name == "asyncio" else trio.to_thread.run_sync
        async with lock:
            assert await to_thread(lock.acquire, False) is False
            assert await to_thread(lock._is_owned) is False
            copied = contextvars.copy_context()
            assert await to_thread(lambda: copied.run(lock.acquire, False)) is False
            # In its own thread a context that is entered by hand makes no difference.
            assert copied.run(lock.acquire, False) is True
            lock.release()

    run(body)


def test_two_tasks_that_share_a_context_are_two() -> None:
    async def main() -> None:
        lock = RLock()
        context = contextvars.copy_context()
        held, go_on = asyncio.Event(), asyncio.Event()

        async def hold() -> None:
            async with lock:
                held.set()
                await go_on.wait()
                assert lock._is_owned()

        async def try_it() -> bool:
            await held.wait()
            return lock.acquire(False)

        loop = asyncio.get_running_loop()
        holding = loop.create_task(hold(), context=context)
        assert await loop.create_task(try_it(), context=context) is False
        go_on.set()
        await holding

    asyncio.run(main())


@pytest.mark.skipif(sys.version_info < (3, 12), reason="eager tasks came with 3.12")
def test_an_eager_task_is_itself_from_its_first_step() -> None:
    async def main() -> None:
        asyncio.get_running_loop().set_task_factory(asyncio.eager_task_factory)  # type: ignore[attr-defined]
        lock, seen = RLock(), []

        async def look() -> None:
            seen.append((lock.acquire(False), asyncio.current_task()))
            seen.append(await lock.acquire_async())
            lock.release()

        async with lock:
            task = asyncio.create_task(look())
            assert seen == [(False, task)]
            assert lock.waiters == (task,)
            assert lock._is_owned()
        await task
        assert seen[1:] == [True]
        lock.acquire()
        other = asyncio.create_task(asyncio.sleep(0))
        assert lock._is_owned()
        lock.release()
        await other

    asyncio.run(main())


def test_trio_inside_a_step_of_asyncio_and_the_other_way_round() -> None:
    lock = RLock()

    async def of_trio() -> None:
        assert lock.acquire(False) is False
        event = Event()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(event.wait_async)
            while not event.waiters:
                await trio.lowlevel.checkpoint()
            event.set()

    async def of_asyncio() -> None:
        async with lock:
            trio.run(of_trio)
            assert lock._is_owned()

    asyncio.run(of_asyncio())

    async def inner() -> None:
        assert lock.acquire(False) is False
        event = Event()
        waiting = asyncio.ensure_future(event.wait_async())
        while not event.waiters:
            await asyncio.sleep(0)
        event.set()
        assert await waiting is True

    def run_inner() -> None:
        asyncio.run(inner())

    async def outer() -> None:
        async with lock:
            # trio has the main thread's wake-up descriptor, which asyncio would want.
            await trio.to_thread.run_sync(run_inner)
            assert lock._is_owned()

    trio.run(outer)


def test_a_loop_that_goes_on_in_another_thread(parties: Parties) -> None:
    """What its tasks wait for is opened from the thread where they were met, while another runs the loop."""
    loop = asyncio.new_event_loop()
    other = parties.one()
    events = [Event() for _ in range(200)]
    tasks = []

    async def meet() -> None:
        tasks.append(asyncio.ensure_future(wait_for_all()))
        await asyncio.sleep(0)

    async def wait_for_all() -> None:
        for event in events:
            await event.wait_async()

    async def busy() -> None:
        while not tasks[0].done():
            await asyncio.sleep(0)

    loop.run_until_complete(meet())
    running = other.begin(loop.run_until_complete, tasks[0])
    for event in events:
        blocked(event, 1)
        event.set()
    running.result()
    loop.close()


@pytest.mark.skipif(importlib.util.find_spec("uvloop") is None, reason="uvloop is not installed")
def test_uvloop() -> None:
    import uvloop

    async def main() -> None:
        lock, event = Lock(), Event()
        threading.Timer(0.01, event.set).start()
        async with lock:
            waiting = asyncio.ensure_future(lock.acquire_async())
            await event.wait_async()
            assert lock.owner is asyncio.current_task()
            assert await lock.acquire_async(0.001) is False
            assert lock.waiters == (waiting,)
        assert await waiting is True

    uvloop.run(main())


# --- threads and tasks together ---------------------------------------------------------------------------------


def test_threads_and_tasks_exclude_one_another(parties: Parties) -> None:
    lock = Lock()
    inside: list[str] = []
    count = 0

    def use(name: str) -> None:
        nonlocal count
        inside.append(name)
        assert inside == [name]
        count += 1
        inside.remove(name)

    def of_thread(name: str) -> None:
        for _ in range(300):
            with lock:
                use(name)

    async def of_task(name: str) -> None:
        for _ in range(300):
            async with lock:
                use(name)

    async def of_asyncio() -> None:
        await asyncio.gather(*(of_task(f"asyncio {n}") for n in range(3)))

    async def of_trio() -> None:
        async with trio.open_nursery() as nursery:
            for n in range(3):
                nursery.start_soon(of_task, f"trio {n}")

    a, b, c, d = parties(4)
    work = [
        a.begin(of_thread, "a"),
        b.begin(of_thread, "b"),
        c.begin(lambda: asyncio.run(of_asyncio())),
        d.begin(lambda: trio.run(of_trio)),
    ]
    for outcome in work:
        outcome.result()
    assert count == 8 * 300
    assert not lock.locked()


@both_libraries
def test_a_lock_that_a_task_takes_with_a_call_that_blocks_is_its_threads(run: Run) -> None:
    async def body(loop: Any) -> None:
        lock = Lock()
        lock.acquire()
        assert lock.owner is threading.current_thread()
        lock.release()
        with lock:
            assert lock.owner is threading.current_thread()
        await lock.acquire_async()
        assert lock.owner is not threading.current_thread()
        lock.release()

    run(body)


def test_what_with_entered_async_with_may_leave() -> None:
    async def body(loop: Any) -> None:
        lock = Lock()
        lock.__enter__()
        await lock.__aexit__(None, None, None)
        assert not lock.locked()
        await lock.__aenter__()
        lock.__exit__(None, None, None)
        assert not lock.locked()

    in_asyncio(body)


def test_every_primitive_has_both_spellings() -> None:
    pairs = {"acquire": "acquire_async", "wait": "wait_async", "wait_for": "wait_for_async", "park": "park_async"}
    for kind in (Lock, RLock, Semaphore, BoundedSemaphore, Event, Condition, Barrier, Latch, WaitQueue):
        for own, others in pairs.items():
            assert hasattr(kind, own) == hasattr(kind, others), (kind, own)
        assert hasattr(kind, "__enter__") == hasattr(kind, "__aenter__")
    assert interlock.Party
