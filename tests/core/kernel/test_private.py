"""What is private to others and used by us: each name is where `interlock.core.kernel.private` looks for it.

Where one of these fails, an interpreter or a library has changed. The product still works then, by the public way that
the second part checks; say in `private.py` from which version on, and let the test ask for what there is now.
"""

import asyncio
import collections
import importlib
import importlib.util
import subprocess
import sys
import textwrap
import threading
import types
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import trio
from parties import Parties, wait_until

from interlock import Event, Lock
from interlock.core.kernel import private

PYTHON = f"Python {sys.version.split()[0]}"
TRIO = f"trio {trio.__version__}"


def gone(name: str, where: str) -> str:
    return f"{name} is not what it was in {where}: see interlock/core/kernel/private.py for what it is used for"


def in_task(function: Callable[[], Any]) -> Any:
    """What `function` returns inside of a task of asyncio's."""

    async def task() -> Any:
        return function()

    return asyncio.run(task())


# --- each name ---------------------------------------------------------------------------------------------------


def test_threading_active() -> None:
    assert isinstance(getattr(threading, "_active", None), dict), gone("threading._active", PYTHON)
    assert private.listed_thread(threading.get_ident()) is threading.current_thread(), gone("_active", PYTHON)
    assert private.listed_thread(1) is None


def test_threading_limbo(monkeypatch: pytest.MonkeyPatch) -> None:
    assert isinstance(getattr(threading, "_limbo", None), dict), gone("threading._limbo", PYTHON)
    seen: list[Any] = []
    begin = threading.Thread._bootstrap_inner  # type: ignore[attr-defined]

    def look(self: threading.Thread) -> None:
        seen.extend(each for each in private.starting_threads() if each is self)
        begin(self)

    monkeypatch.setattr(threading.Thread, "_bootstrap_inner", look)
    thread = threading.Thread(target=int)
    thread.start()
    thread.join()
    assert seen == [thread], gone("threading._limbo", PYTHON)


def test_thread_ident_and_name() -> None:
    me = threading.current_thread()
    assert private.ident_of(me) == me.ident, gone("Thread._ident", PYTHON)
    assert private.name_of(me) == me.name, gone("Thread._name", PYTHON)


def test_dummy_thread() -> None:
    assert hasattr(threading, "_DummyThread"), gone("threading._DummyThread", PYTHON)
    import _thread

    found: list[bool] = []
    _thread.start_new_thread(lambda: found.append(private.is_dummy(threading.current_thread())), ())
    wait_until(lambda: bool(found), "the thread to look")
    assert found == [True]
    assert not private.is_dummy(threading.current_thread())


def test_end_of_a_thread() -> None:
    go, ended = Event(), Event()
    thread = threading.Thread(target=go.wait)
    thread.start()
    private.call_at_end(thread, ended.set)
    assert not ended.is_set()
    go.set()
    assert ended.wait(timeout=10), gone("Thread._delete", PYTHON)
    thread.join()
    again = Event()
    private.call_at_end(thread, again.set)
    assert again.is_set(), gone("threading._active", PYTHON)


def test_what_is_being_imported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "looks_at_itself.py").write_text(
        "import sys\nfrom interlock.core.kernel import private\n"
        "then = private.is_being_imported(sys.modules[__name__])\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    module = importlib.import_module("looks_at_itself")
    assert module.then, gone("ModuleSpec._initializing", PYTHON)
    assert not private.is_being_imported(module)
    assert not private.is_being_imported(types.ModuleType("without_a_spec"))


def test_error_of_a_task() -> None:
    async def fail() -> None:
        raise KeyError("x")

    async def look() -> None:
        task = asyncio.create_task(fail())
        assert private.error_of(task) is None
        await asyncio.wait([task])
        assert private.error_of(task) is task.exception() is not None, gone("Task._exception", PYTHON)

    asyncio.run(look())


def test_running_loop() -> None:
    ask = private.asker_for_running_loop(asyncio.events)
    assert ask is getattr(asyncio.events, "_get_running_loop", None), gone("events._get_running_loop", PYTHON)
    assert ask() is None
    assert in_task(lambda: ask() is asyncio.get_running_loop())


@pytest.mark.skipif(sys.version_info >= (3, 14), reason="tasks are kept in thread states from 3.14 on")
def test_current_tasks() -> None:
    table = private.current_tasks()
    assert table is not None, gone("_asyncio._current_tasks", PYTHON)
    assert in_task(lambda: table[asyncio.get_running_loop()] is asyncio.current_task())


def test_thread_of_loop() -> None:
    found = in_task(lambda: private.thread_of_loop(asyncio.get_running_loop()))
    assert found == threading.get_ident(), gone("BaseEventLoop._thread_id", PYTHON)


def test_queue_of_loop() -> None:
    def look() -> bool:
        loop: Any = asyncio.get_running_loop()
        assert type(getattr(loop, "_ready", None)) is collections.deque, gone("BaseEventLoop._ready", PYTHON)
        assert hasattr(loop, "_run_once"), gone("BaseEventLoop._run_once", PYTHON)
        assert hasattr(asyncio.Handle, "_run"), gone("Handle._run", PYTHON)
        return private.has_plain_queue(loop)

    assert in_task(look), gone("how asyncio's own loop runs its queue", PYTHON)


def test_what_is_put_into_the_queue_is_run() -> None:
    class Handle:
        _cancelled = False

        def _run(self) -> None:
            ran.set()

    async def task() -> bool:
        private.put_into_queue(asyncio.get_running_loop(), Handle())
        return await asyncio.wait_for(ran.wait(), 10)

    ran = asyncio.Event()
    assert asyncio.run(task()), gone("BaseEventLoop._ready", PYTHON)


def test_what_a_task_awaits_and_who_waits_for_it() -> None:
    async def task() -> None:
        event = asyncio.Event()
        sleeper = asyncio.create_task(event.wait())
        sleeper.add_done_callback(called.append)
        await asyncio.sleep(0)
        assert isinstance(private.awaited_by(sleeper), asyncio.Future), gone("Task._fut_waiter", PYTHON)
        assert called.append in private.callbacks_of(sleeper), gone("Task._callbacks", PYTHON)
        assert not private.is_to_be_cancelled(sleeper)
        event.set()
        await sleeper
        early = asyncio.create_task(event.wait())
        early.cancel()
        assert private.is_to_be_cancelled(early), gone("Task._must_cancel", PYTHON)
        with pytest.raises(asyncio.CancelledError):
            await early

    called: list[Any] = []
    asyncio.run(task())
    assert len(called) == 1


def test_calls_to_come() -> None:
    async def task() -> None:
        loop = asyncio.get_running_loop()
        timer = loop.call_later(60, print, "never")
        loop.call_soon(int, "1")
        calls = private.calls_to_come(loop)
        assert calls is not None, gone("BaseEventLoop._scheduled", PYTHON)
        assert (print, ("never",)) in calls, gone("TimerHandle._callback or _args", PYTHON)
        assert (int, ("1",)) in calls, gone("Handle._callback or _args", PYTHON)
        timer.cancel()
        calls = private.calls_to_come(loop)
        assert calls is not None
        assert print not in [callback for callback, _ in calls], gone("Handle._cancelled", PYTHON)

    asyncio.run(task())


def test_timeouts_know_their_task() -> None:
    async def task() -> None:
        async with asyncio.timeout(60) as timeout:
            names = vars(timeout)
            me = asyncio.current_task()
            assert me in [names.get(name) for name in private.TASK_OF_TIMEOUT], gone("Timeout._task", PYTHON)
            assert any(names.get(name) is not None for name in private.TIMER_OF_TIMEOUT), gone(
                "Timeout._timeout_handler", PYTHON
            )

    asyncio.run(task())


@pytest.mark.skipif(sys.version_info >= (3, 12), reason="wait_for is a timeout from 3.12 on")
def test_wait_for_releases_its_waiter() -> None:
    assert hasattr(asyncio.tasks, private.RELEASE_WAITER), gone("asyncio.tasks._release_waiter", PYTHON)


def test_scopes_of_trio() -> None:
    async def task() -> None:
        me = trio.lowlevel.current_task()
        with trio.CancelScope() as outer, trio.CancelScope(shield=True) as inner:
            assert private.scopes_of(me)[:2] == [inner, outer], gone("Task._cancel_status", TRIO)
            assert not private.is_cancelled_in_trio(me)
            inner.cancel()
            assert private.is_cancelled_in_trio(me), gone("CancelStatus.effectively_cancelled", TRIO)

    trio.run(task)


def test_a_type_has_a_version() -> None:
    """tp_version_tag: another one as soon as the class changes, so a loop whose class was patched is asked anew."""

    class Loop(asyncio.SelectorEventLoop):
        pass

    async def look() -> bool:
        return private.has_plain_queue(asyncio.get_running_loop())

    def found() -> bool:
        with asyncio.Runner(loop_factory=Loop) as runner:
            return runner.run(look())

    assert found()
    Loop.call_soon = lambda self, *args, **kwargs: asyncio.SelectorEventLoop.call_soon(self, *args, **kwargs)  # type: ignore[assignment,misc]
    assert not found(), gone("PyTypeObject.tp_version_tag", PYTHON)


def test_an_entered_context_is_seen() -> None:
    """PyThreadState.context_ver: who calls is asked again in each step of a task, in one thread."""
    lock = Lock()

    async def holder() -> Any:
        async with lock:
            await asyncio.sleep(0)
            return lock.owner

    async def main() -> None:
        first, second = asyncio.create_task(holder()), asyncio.create_task(holder())
        assert await first is first, gone("PyThreadState.context_ver", PYTHON)
        assert await second is second, gone("PyThreadState.context_ver", PYTHON)

    asyncio.run(main())


# --- and without it ----------------------------------------------------------------------------------------------


def test_a_loop_without_its_private_names_is_asked_in_public() -> None:
    bare: Any = types.SimpleNamespace()
    assert private.thread_of_loop(bare) is None
    assert private.calls_to_come(bare) is None
    assert private.awaited_by(bare) is None
    assert private.callbacks_of(bare) == []
    assert not private.is_to_be_cancelled(bare)
    assert private.ident_of(bare) is None
    assert private.name_of(bare) is None


def test_the_running_loop_in_public() -> None:
    ask = private.asker_for_running_loop(types.SimpleNamespace(get_running_loop=asyncio.get_running_loop))
    assert ask() is None
    assert in_task(lambda: ask() is asyncio.get_running_loop())


def test_threads_in_public(monkeypatch: pytest.MonkeyPatch, parties: Parties) -> None:
    monkeypatch.delattr(threading, "_active")
    monkeypatch.setattr(threading, "enumerate", lambda: [threading.main_thread()])
    assert private.listed_thread(threading.get_ident()) is threading.main_thread()
    assert private.listed_thread(1) is None


# Before anything of ours is imported, take a name away from where it is; then hand a lock from task to task, and let
# another thread set an event.
WITHOUT = """
import asyncio, threading, time
{take}
import interlock

async def holder(lock, order, number):
    async with lock:
        assert lock.owner is asyncio.current_task()
        order.append(number)
        await asyncio.sleep(0)

async def main():
    lock, order, event = interlock.Lock(), [], interlock.Event()
    tasks = [asyncio.create_task(holder(lock, order, number)) for number in range(4)]
    thread = threading.Thread(target=event.set)
    waiting = asyncio.create_task(event.wait_async())
    await asyncio.gather(*tasks)
    thread.start()
    assert await waiting
    thread.join()
    assert order == [0, 1, 2, 3], order

{run}
print("right")
"""
RUN = "asyncio.run(main())"
CASES = {
    "_current_tasks": ("import _asyncio; vars(_asyncio).pop('_current_tasks', None)", RUN),
    "_run_once": (
        """
class Loop(asyncio.SelectorEventLoop):
    def _run_once(self):
        super()._run_once()
""",
        "asyncio.Runner(loop_factory=Loop).run(main())",
    ),
    "_ready": (
        """
import collections
class Queue(collections.deque):
    pass
class Loop(asyncio.SelectorEventLoop):
    def __init__(self):
        super().__init__()
        self._ready = Queue()
""",
        "asyncio.Runner(loop_factory=Loop).run(main())",
    ),
    "_thread_id": (
        """
class Loop(asyncio.SelectorEventLoop):
    def __getattribute__(self, name):
        import sys
        if name == "_thread_id" and "asyncio" not in sys._getframe(1).f_code.co_filename:
            raise AttributeError(name)
        return super().__getattribute__(name)
""",
        "asyncio.Runner(loop_factory=Loop).run(main())",
    ),
    "Handle._run": (
        """
run = asyncio.Handle._run
asyncio.Handle._run = lambda self: run(self)
""",
        RUN,
    ),
    "_limbo": ("threading._limbo = type('Limbo', (dict,), {'__iter__': lambda self: iter(())})()", RUN),
}


@pytest.mark.parametrize("name", CASES)
def test_tasks_are_served_without_it(name: str) -> None:
    take, run = CASES[name]
    program = WITHOUT.format(take=textwrap.dedent(take), run=run)
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60)
    assert (done.stdout, done.stderr) == ("right\n", "")


@pytest.mark.skipif(importlib.util.find_spec("uvloop") is None, reason="uvloop is not installed")
def test_uvloop_shows_nothing() -> None:
    import uvloop

    async def look() -> None:
        loop = asyncio.get_running_loop()
        assert private.thread_of_loop(loop) is None
        assert private.calls_to_come(loop) is None
        assert not private.has_plain_queue(loop)
        assert await Event().wait_async(timeout=0) is False

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(look())


def test_run_context_of_trio() -> None:
    async def main() -> None:
        context: Any = private.run_context()
        assert context.task is trio.lowlevel.current_task(), gone("GLOBAL_RUN_CONTEXT", TRIO)
        called: list[int] = []
        private.queue_of(context.runner).run_sync_soon(called.append, 1)
        while not called:
            await trio.lowlevel.checkpoint()

    trio.run(main)
    assert getattr(private.run_context(), "task", None) is None


def test_task_in_c() -> None:
    assert private.task_in_c() is asyncio.Task, gone("_asyncio.Task", PYTHON)
