"""What a task of asyncio sleeps in: it passes for a Future and for a Handle, and nobody is kept from looking on."""

import asyncio
import asyncio.events
import contextvars
import gc
import logging
import sys
import warnings
import weakref
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from parties import PATIENCE, Parties

from interlock import Condition, Event, Lock, Semaphore

Program = Callable[[], Awaitable[None]]


def run_in(loop: asyncio.AbstractEventLoop, program: Program) -> None:
    async def main() -> None:
        await program()

    try:
        loop.run_until_complete(main())
    finally:
        loop.close()


async def until_blocked(primitive: Any) -> None:
    while not primitive.waiters:
        await asyncio.sleep(0)


async def hand_over() -> None:
    """A task waits, is woken from a step of another, and waits once more."""
    ping, pong = Event(), Event()

    async def answer() -> None:
        for _ in range(3):
            await ping.wait_async()
            ping.clear()
            pong.set()

    other = asyncio.create_task(answer())
    for _ in range(3):
        ping.set()
        await pong.wait_async()
        pong.clear()
    await other


# --- those who look on ------------------------------------------------------------------------------------------


class Counting(asyncio.SelectorEventLoop):
    seen = 0

    def call_soon(self, callback: Any, *args: Any, context: Any = None) -> Any:
        if getattr(callback, "__name__", "") == "run_in_context":
            self.seen += 1
        return super().call_soon(callback, *args, context=context)


def test_a_loop_that_has_its_own_call_soon_is_asked() -> None:
    loop = Counting()
    run_in(loop, hand_over)
    assert loop.seen >= 5


def test_a_loop_whose_call_soon_was_replaced_is_asked() -> None:
    loop = asyncio.SelectorEventLoop()
    original = loop.call_soon
    seen = []

    def call_soon(callback: Any, *args: Any, **options: Any) -> Any:
        seen.append(callback)
        return original(callback, *args, **options)

    loop.call_soon = call_soon  # type: ignore[method-assign]
    run_in(loop, hand_over)
    assert "run_in_context" in [getattr(each, "__name__", "") for each in seen]


def test_whoever_has_replaced_call_soon_for_all_loops_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    original = asyncio.BaseEventLoop.call_soon
    seen = []

    def call_soon(self: Any, callback: Any, *args: Any, **options: Any) -> Any:
        seen.append(getattr(callback, "__name__", ""))
        return original(self, callback, *args, **options)

    monkeypatch.setattr(asyncio.BaseEventLoop, "call_soon", call_soon)
    run_in(asyncio.SelectorEventLoop(), hand_over)
    assert "run_in_context" in seen


def test_whoever_has_replaced_how_all_loops_run_finds_handles(monkeypatch: pytest.MonkeyPatch) -> None:
    original: Any = asyncio.BaseEventLoop._run_once  # type: ignore[attr-defined]
    seen = []

    def _run_once(self: Any) -> None:
        seen.extend(self._ready)
        original(self)

    monkeypatch.setattr(asyncio.BaseEventLoop, "_run_once", _run_once)
    run_in(asyncio.SelectorEventLoop(), hand_over)
    assert all(isinstance(each, asyncio.Handle) for each in seen)


def test_whoever_has_replaced_how_handles_run_sees_them(monkeypatch: pytest.MonkeyPatch) -> None:
    original = asyncio.events.Handle._run
    seen = []

    def _run(self: Any) -> None:
        seen.append(getattr(self._callback, "__name__", ""))
        original(self)

    monkeypatch.setattr(asyncio.events.Handle, "_run", _run)
    run_in(asyncio.SelectorEventLoop(), hand_over)
    assert "run_in_context" in seen


def test_a_slow_step_is_reported_with_its_task(caplog: pytest.LogCaptureFixture) -> None:
    async def program() -> None:
        loop = asyncio.get_running_loop()
        loop.set_debug(True)
        loop.slow_callback_duration = 0  # every step is slow
        event = Event()
        sleeper = asyncio.create_task(event.wait_async(), name="the sleeper")  # type: ignore[arg-type]
        await until_blocked(event)
        caplog.clear()
        event.set()
        await sleeper

    with caplog.at_level(logging.WARNING, logger="asyncio"):
        run_in(asyncio.SelectorEventLoop(), program)
    assert any("the sleeper" in record.getMessage() for record in caplog.records), caplog.text


# --- as a Future ------------------------------------------------------------------------------------------------


def test_a_message_of_a_cancellation_arrives() -> None:
    async def program() -> None:
        lock = Lock()
        async with lock:
            waiting = asyncio.create_task(lock.acquire_async())  # type: ignore[arg-type]
            await until_blocked(lock)
            waiting.cancel("enough")
            with pytest.raises(asyncio.CancelledError) as caught:
                await waiting
        assert caught.value.args == ("enough",)
        assert lock.waiters == ()

    run_in(asyncio.SelectorEventLoop(), program)


def test_what_a_task_waits_for_looks_like_a_future() -> None:
    async def program() -> None:
        event = Event()
        waiting: Any = asyncio.create_task(event.wait_async())  # type: ignore[arg-type]
        await until_blocked(event)
        sleep = waiting._fut_waiter
        assert asyncio.isfuture(sleep)
        assert sleep.get_loop() is asyncio.get_running_loop()
        assert not sleep.done()
        assert not sleep.cancelled()
        assert "wait_for=<" in repr(waiting)
        event.set()
        assert sleep.done()
        assert not sleep.cancelled()
        assert sleep.result() is None
        assert not sleep.cancel()
        assert await waiting is True

    run_in(asyncio.SelectorEventLoop(), program)


def test_woken_before_the_task_has_said_how_to_wake_it() -> None:
    """A finalizer or a signal handler may run while the task takes up what it was given to wait for."""

    async def program() -> None:
        event = Event()
        call: Any = event.wait_async()
        sleep = call.send(None)
        event.set()
        assert sleep.done()
        woken = asyncio.Event()
        sleep.add_done_callback(lambda which: woken.set(), context=contextvars.copy_context())
        await asyncio.wait_for(woken.wait(), PATIENCE)
        with pytest.raises(StopIteration) as caught:
            call.send(None)
        assert caught.value.value is True

    run_in(asyncio.SelectorEventLoop(), program)


def test_a_task_written_in_python() -> None:
    def in_python(loop: Any, coroutine: Any, **options: Any) -> Any:
        return asyncio.tasks._PyTask(coroutine, loop=loop, **options)  # type: ignore[attr-defined]

    async def program() -> None:
        await hand_over()
        lock = Lock()
        async with lock:
            waiting = asyncio.create_task(lock.acquire_async())  # type: ignore[arg-type]
            await until_blocked(lock)
            waiting.cancel()
            with pytest.raises(asyncio.CancelledError):
                await waiting

    loop = asyncio.SelectorEventLoop()
    loop.set_task_factory(in_python)
    run_in(loop, program)


def test_what_a_task_raises_that_nobody_may_catch_ends_the_loop() -> None:
    """KeyboardInterrupt and SystemExit leave the task, the handle and the loop."""
    event = Event()
    after = []

    async def leave() -> None:
        await event.wait_async()
        raise SystemExit(7)

    async def program() -> None:
        task = asyncio.create_task(leave())
        await until_blocked(event)
        event.set()
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        after.append(task)

    loop = asyncio.SelectorEventLoop()
    with pytest.raises(SystemExit) as caught:
        run_in(loop, program)
    assert caught.value.code == 7
    gc.collect()  # the task that was interrupted goes here, and not in a later test


# --- a signal handler raises while the loop is told -------------------------------------------------------------


class Boom(Exception):
    pass


class Interrupted(asyncio.SelectorEventLoop):
    when = ""

    def call_soon(self, callback: Any, *args: Any, context: Any = None) -> Any:
        when = self.when if getattr(callback, "__name__", "") == "run_in_context" else ""
        if when:
            self.when = ""
        if when == "before":
            raise Boom
        handle = super().call_soon(callback, *args, context=context)
        if when == "after":
            raise Boom
        return handle


@pytest.mark.parametrize("when", ["before", "after"])
def test_a_handler_that_raises_while_a_task_is_woken_loses_nothing(when: str) -> None:
    async def program() -> None:
        loop: Any = asyncio.get_running_loop()
        permits = Semaphore(0)
        waiting = asyncio.create_task(permits.acquire_async())  # type: ignore[arg-type]
        await until_blocked(permits)
        loop.when = when
        with pytest.raises(Boom):
            permits.release()
        assert await waiting is True
        assert permits._value == 0
        await hand_over()

    run_in(Interrupted(), program)


@pytest.mark.parametrize("when", ["before", "after"])
def test_a_handler_that_raises_while_a_task_is_cancelled_loses_nothing(when: str) -> None:
    async def program() -> None:
        loop: Any = asyncio.get_running_loop()
        permits = Semaphore(0)
        waiting = asyncio.create_task(permits.acquire_async())  # type: ignore[arg-type]
        await until_blocked(permits)
        loop.when = when
        with pytest.raises(Boom):
            waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        assert permits.waiters == ()

    run_in(Interrupted(), program)


# --- many at once -----------------------------------------------------------------------------------------------


async def asleep_in(condition: Condition, n: int, seen: list[int]) -> list[Any]:
    """`n` tasks that wait for a notification, and then put their number into `seen`."""

    async def sleep(number: int) -> None:
        async with condition:
            await condition.wait_async()
            seen.append(number)

    tasks = [asyncio.create_task(sleep(number)) for number in range(n)]
    while len(condition.waiters) < n:
        await asyncio.sleep(0)
    return tasks


def test_one_round_of_the_loop_sees_all_through_who_are_notified_together() -> None:
    async def program() -> None:
        condition = Condition()
        seen: list[int] = []
        tasks = await asleep_in(condition, 64, seen)
        async with condition:
            condition.notify_all()
        rounds = 0
        while len(seen) < 64:
            await asyncio.sleep(0)
            rounds += 1
        assert rounds <= 2
        assert seen == list(range(64))
        await asyncio.gather(*tasks)

    run_in(asyncio.SelectorEventLoop(), program)


@pytest.mark.parametrize("who", ["the notifier", "each of them", "a thread"])
def test_they_come_one_by_one_where_the_lock_is_kept(who: str, parties: Parties) -> None:
    """Their turn in the loop's queue comes and passes before they have the lock."""

    async def program() -> None:
        condition = Condition(Lock())
        lock: Any = condition._lock
        seen: list[int] = []

        async def sleep(number: int) -> None:
            async with condition:
                await condition.wait_async()
                seen.append(number)
                if who == "each of them":
                    for _ in range(3):
                        await asyncio.sleep(0)
                        assert seen[-1] == number

        tasks = [asyncio.create_task(sleep(number)) for number in range(8)]
        while len(condition.waiters) < 8:
            await asyncio.sleep(0)
        async with condition:
            condition.notify_all()
            if who == "the notifier":
                for _ in range(3):
                    await asyncio.sleep(0)
                    assert seen == []
            if who == "a thread":
                await asyncio.sleep(0)
                await asyncio.sleep(0)
        if who == "a thread":
            begun = parties.one().begin(with_it, lock)
            await asyncio.gather(*tasks)
            begun.result()
        await asyncio.gather(*tasks)
        assert seen == list(range(8))
        assert lock.owner is None

    def with_it(lock: Any) -> None:
        with lock:
            pass

    run_in(asyncio.SelectorEventLoop(), program)


def test_some_are_cancelled_before_their_turn_comes() -> None:
    async def program() -> None:
        condition = Condition()
        seen: list[int] = []
        tasks = await asleep_in(condition, 9, seen)
        async with condition:
            condition.notify_all()
            for number in (0, 4, 8):
                tasks[number].cancel()
        results = await asyncio.gather(*tasks, return_exceptions=True)
        assert [isinstance(result, asyncio.CancelledError) for result in results] == [n % 4 == 0 for n in range(9)]
        assert seen == [1, 2, 3, 5, 6, 7]
        assert condition.owner is None

    run_in(asyncio.SelectorEventLoop(), program)


def test_the_loop_is_closed_while_they_are_expected() -> None:
    condition = Condition()
    references: list[Any] = []
    loop = asyncio.SelectorEventLoop()

    async def sleep() -> None:
        await condition.acquire_async()
        await condition.wait_async()

    async def program() -> None:
        for _ in range(4):
            task: Any = asyncio.create_task(sleep())
            task._log_destroy_pending = False
            references.append(weakref.ref(task))
        del task
        while len(condition.waiters) < 4:
            await asyncio.sleep(0)
        async with condition:
            condition.notify_all()
        loop.stop()  # before their turn

    programs = [loop.create_task(program())]
    loop.run_forever()
    loop.close()
    assert programs.pop().done()
    gc.collect()
    # Who was given the lock is gone, and so it went on to the others, who were passed over.
    assert condition._lock.acquire(timeout=PATIENCE)
    condition._lock.release()
    gc.collect()
    assert [reference() for reference in references] == [None] * 4


# --- nothing is kept --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("woken", ["set", "cancelled"])
def test_a_task_that_is_woken_and_never_runs_goes_with_its_loop(woken: str) -> None:
    event = Event()
    references: list[Any] = []

    async def program() -> None:
        task: Any = asyncio.ensure_future(event.wait_async())  # type: ignore[call-overload]
        task._log_destroy_pending = False
        references.append(weakref.ref(task))
        await until_blocked(event)
        if woken == "set":
            event.set()
        else:
            task.cancel()

    run_in(asyncio.SelectorEventLoop(), program)
    gc.collect()
    assert references[0]() is None
    assert event.waiters == ()


def test_each_call_that_is_never_awaited_is_warned_of() -> None:
    """Their memory is used again, and has been finalized before."""
    event = Event()
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always")
        for _ in range(50):
            event.wait_async()
        for _ in range(50):
            cycle: list[Any] = [event.wait_async()]
            cycle.append(cycle)
            del cycle
            gc.collect(0)
        gc.collect()
    assert [str(each.message) for each in seen] == ["Event.wait_async was never awaited"] * 100


def test_a_call_that_is_used_again_begins_anew() -> None:
    """What was left in a call or a sleep that is over does not show in the next that has its memory."""

    async def program() -> None:
        for _ in range(60):
            event, lock = Event(), Lock()
            assert await event.wait_async(0) is False
            async with lock:
                waiting = asyncio.create_task(lock.acquire_async())  # type: ignore[arg-type]
                await until_blocked(lock)
                waiting.cancel()
                with pytest.raises(asyncio.CancelledError):
                    await waiting
                assert await asyncio.create_task(lock.acquire_async(0.001)) is False  # type: ignore[arg-type]
            assert await lock.acquire_async() is True
            lock.release()

    run_in(asyncio.SelectorEventLoop(), program)


@pytest.mark.skipif(sys.version_info < (3, 12), reason="eager tasks came with 3.12")
def test_an_eager_task_sleeps_as_any_other() -> None:
    loop = asyncio.SelectorEventLoop()
    if sys.version_info >= (3, 12):
        loop.set_task_factory(asyncio.eager_task_factory)
    run_in(loop, hand_over)
