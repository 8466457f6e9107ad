"""What is private to others and read by those who look: each name is where `interlock.watch.private` looks for it.

Where one of these fails, an interpreter or a library has changed. A report then says less than it could, and nothing
that is false; say in `private.py` from which version on, and let the test ask for what there is now.
"""

import ast
import asyncio
import concurrent.futures
import multiprocessing
import multiprocessing.pool
import queue
import re
import signal
import socket
import sys
import threading
import weakref
from pathlib import Path
from typing import Any

import pytest
import trio

import interlock
from interlock.watch import private
from interlock.watch.waits.frames import code_of

PYTHON = f"Python {sys.version.split()[0]}"
TRIO = f"trio {trio.__version__}"
SOURCE = Path(interlock.__file__).parent


def gone(name: str, where: str) -> str:
    return f"{name} is not what it was in {where}: see interlock/watch/private.py for what it is used for"


# --- each name ---------------------------------------------------------------------------------------------------


def test_what_a_loop_will_call() -> None:
    async def look() -> None:
        loop = asyncio.get_running_loop()
        assert private.shows_its_work(loop), gone("_ready, _scheduled or _selector", PYTHON)
        assert private.ident_of_loop(loop) == threading.get_ident(), gone("_thread_id", PYTHON)
        before = private.files_of_program(loop)
        ours, theirs = socket.socketpair()
        called: list[str] = []
        later = loop.call_later(3600, called.append, "later")
        dropped = loop.call_later(3600, called.append, "dropped")
        dropped.cancel()
        loop.add_reader(ours, called.append, "file")
        loop.add_signal_handler(signal.SIGUSR1, called.append, "signal")
        loop.call_soon(called.append, "soon")

        def has(calls: list[Any], what: str) -> bool:
            return (called.append, (what,)) in calls

        assert has(private.calls_ready(loop), "soon"), gone("_ready", PYTHON)
        assert has(private.calls_scheduled(loop), "later"), gone("_scheduled", PYTHON)
        assert not has(private.calls_scheduled(loop), "dropped"), gone("Handle._cancelled", PYTHON)
        assert has(private.calls_of_files(loop), "file"), gone("_selector", PYTHON)
        assert has(private.calls_of_signals(loop), "signal"), gone("_signal_handlers", PYTHON)
        assert private.files_of_program(loop) == before + 1, gone("_selector", PYTHON)
        later.cancel()
        loop.remove_reader(ours)
        loop.remove_signal_handler(signal.SIGUSR1)
        ours.close()
        theirs.close()

    asyncio.run(look())


def test_a_loop_that_shows_nothing() -> None:
    loop = object()
    assert not private.shows_its_work(loop)
    assert private.calls_ready(loop) == private.calls_scheduled(loop) == []
    assert private.calls_of_files(loop) == private.calls_of_signals(loop) == []
    assert private.files_of_program(loop) == 0


def test_when_a_loop_begins_to_run() -> None:
    async def nothing() -> None: ...

    seen: list[object] = []

    def begun(loop: object) -> bool:
        seen.append(loop)
        return len(seen) < 2

    before: Any = getattr(asyncio.events, "_set_running_loop", None)
    assert before is not None, gone("events._set_running_loop", PYTHON)
    private.call_when_set_running(begun)
    try:
        for _ in range(3):
            asyncio.run(nothing())
    finally:
        after = asyncio.events._set_running_loop
        asyncio.events._set_running_loop = before
    assert len(seen) == 2, gone("events._set_running_loop", PYTHON)
    assert after is before, "what was put there is taken away when it is no longer wanted"


def test_who_is_gathered_grouped_and_limited() -> None:
    async def look() -> None:
        event = asyncio.Event()
        first, second = asyncio.create_task(event.wait()), asyncio.create_task(event.wait())
        together = asyncio.gather(first, second)
        assert private.futures_gathered(together) == [first, second], gone("_children of gather", PYTHON)
        async with asyncio.TaskGroup() as group:
            third = group.create_task(event.wait())
            assert private.tasks_in_group(group) == [third], gone("TaskGroup._tasks", PYTHON)
            async with asyncio.timeout(3600) as limit:
                assert private.task_of_timeout(limit) is asyncio.current_task(), gone("Timeout._task", PYTHON)
            event.set()
        await together

    asyncio.run(look())


@pytest.mark.parametrize("kind", [asyncio.Queue, queue.Queue, interlock.Queue])
def test_how_full_a_queue_is(kind: Any) -> None:
    async def look() -> None:
        made = kind(3)
        made.put_nowait(1)
        assert private.room_of_queue(made) == 3, gone(f"maxsize of {kind}", PYTHON)
        assert private.unfinished_of(made) == 1, gone(f"unfinished_tasks of {kind}", PYTHON)

    asyncio.run(look())


def test_a_pool_of_threads() -> None:
    go = threading.Event()
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        first, second = pool.submit(go.wait), pool.submit(int)
        called = [first.add_done_callback, print]
        second.add_done_callback(called.append)
        assert private.condition_of(first) is not None, gone("Future._condition", PYTHON)
        assert private.callbacks_when_done(second) == [called.append], gone("Future._done_callbacks", PYTHON)
        workers = [each for each in private.threads_and_queues() if each[0].name.startswith("ThreadPoolExecutor")]
        assert workers, gone("concurrent.futures.thread._threads_queues", PYTHON)
        go.set()

    async def look() -> object:
        return private.condition_of(asyncio.get_running_loop().create_future())

    assert asyncio.run(look()) is None


def test_what_stands_in_a_queue() -> None:
    for kind in queue.Queue, queue.LifoQueue, queue.PriorityQueue, queue._PySimpleQueue:  # type: ignore[attr-defined]
        made = kind()
        made.put(7)
        assert private.items_inside(made) == [7], gone(f"what is in {kind}", PYTHON)
    assert private.items_inside(queue.SimpleQueue()) is None


def test_a_pool_of_processes() -> None:
    with concurrent.futures.ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
        future = pool.submit(int)
        jobs = private.jobs_of_processes(pool)
        assert future.done() or [job.future for job in jobs] == [future], gone("_pending_work_items", PYTHON)
        assert len(private.workers_of_processes(pool)) == 1, gone("ProcessPoolExecutor._processes", PYTHON)
        future.result()
    assert private.jobs_of_processes(pool) == private.workers_of_processes(pool) == []


def test_children_and_their_pipes() -> None:
    context = multiprocessing.get_context("spawn")
    made: Any = context.Queue()
    child = context.Process(target=made.get)
    assert private.popen_of(child) is None
    child.start()
    assert child in private.children(), gone("multiprocessing.process._children", PYTHON)
    assert private.popen_of(child).pid == child.pid, gone("Process._popen", PYTHON)
    assert private.reading_end(made).fileno() >= 0, gone("multiprocessing.Queue._reader", PYTHON)
    made.put(1)
    child.join()
    made.close()
    made.join_thread()
    with context.Pool(1) as pool:
        assert len(private.workers_of_pool(pool)) == 1, gone("Pool._pool", PYTHON)
        result = pool.map_async(abs, range(4))
        assert private.pool_of(result) is pool, gone("ApplyResult._pool", PYTHON)
        assert result.ready() or private.chunks_missing(result), gone("MapResult._number_left", PYTHON)
        result.get()


def test_the_end_of_the_main_thread() -> None:
    code = private.code_of_shutdown()
    assert code is not None, gone("threading._shutdown", PYTHON)
    assert code.co_name == "_shutdown", gone("threading._shutdown", PYTHON)


def test_a_thread_that_an_exception_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    import threading

    monkeypatch.setattr(threading, "_make_invoke_excepthook", threading._make_invoke_excepthook)  # type: ignore[attr-defined]
    seen: list[object] = []
    private.call_for_threads(ended=lambda thread: seen.append((thread, type(sys.exc_info()[1]))))
    monkeypatch.setattr(threading, "excepthook", lambda args: seen.append("hook"))
    thread = threading.Thread(target=lambda: 1 / 0)
    assert not private.has_begun(thread), gone("_started", PYTHON)
    thread.start()
    thread.join()
    assert private.has_begun(thread)
    assert seen == [(thread, ZeroDivisionError), "hook"], gone("_make_invoke_excepthook", PYTHON)


def test_a_thread_that_is_made(monkeypatch: pytest.MonkeyPatch) -> None:
    import threading

    monkeypatch.setattr(threading, "_make_invoke_excepthook", threading._make_invoke_excepthook)  # type: ignore[attr-defined]
    seen: list[str] = []
    private.call_for_threads(made=lambda: seen.append("made"))
    thread = threading.Thread(target=seen.append, args=("ran",))
    assert seen == ["made"], gone("_make_invoke_excepthook", PYTHON)
    thread.start()
    thread.join()
    assert seen == ["made", "ran"]


def test_the_transport_of_a_stream() -> None:
    async def main() -> None:
        server = await asyncio.start_server(lambda reader, writer: writer.close(), "127.0.0.1", 0)
        reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
        assert private.transport_of_stream(reader) is writer.transport, gone("_transport", PYTHON)
        await reader.read()
        writer.close()
        await writer.wait_closed()
        server.close()
        await server.wait_closed()

    asyncio.run(main())
    assert private.transport_of_stream(None) is None


def test_weak_references() -> None:
    class Thing:
        def method(self) -> None: ...

    thing = Thing()
    finalizer = weakref.finalize(thing, print, "gone")
    assert any(each.func is print and each.args == ("gone",) for each in private.finalizers()), gone(
        "_registry", PYTHON
    )
    finalizer.detach()
    found = private.function_of_weak_method(weakref.WeakMethod(thing.method))
    assert found() is Thing.method, gone("_func_ref", PYTHON)


def test_a_runner_of_asyncio() -> None:
    with asyncio.Runner() as runner:
        assert runner.get_loop() is private.loop_of_runner(runner), gone("_loop", PYTHON)


def test_a_runner_of_trio() -> None:
    async def look() -> None:
        runner = trio._core._run.GLOBAL_RUN_CONTEXT.runner
        with trio.fail_after(3600) as scope:
            assert scope in private.scopes_with_deadline(runner), gone("Deadlines._heap", TRIO)
            task = trio.lowlevel.current_task()
            assert private.tasks_in_scope(scope) == [task], gone("CancelScope._cancel_status", TRIO)

    trio.run(look)


def test_a_worker_of_trio() -> None:
    from trio._core import _thread_cache

    assert "_job" in _thread_cache.WorkerThread.__init__.__code__.co_names, gone("WorkerThread._job", TRIO)


# --- no other ----------------------------------------------------------------------------------------------------

# What stands in for the insides of asyncio or `threading` under the explorer's control, one file each.
STAND_INS = {"explore/loop.py", "explore/patches.py"}
# (file, name) -> why it is read where it is used.
WHERE_USED = {
    ("cli/program.py", "_Error"): "`interlock run` starts a program as `runpy` does, by what `python -m` itself calls",
    ("cli/program.py", "_get_main_module_details"): "likewise",
    ("cli/program.py", "_get_module_details"): "likewise",
    ("cli/outside.py", "_fork_exec"): "`subprocess` keeps a name of its own for what we put a note around",
    ("cluster/engines/redis.py", "_sock"): "a time limit for one answer; redis-py has one for all",
    ("cluster/cancelling.py", "_core"): "an annotation; trio has no public name for the type",
    ("cluster/cancelling.py", "_entry_queue"): "likewise",
    ("explore/account.py", "_interlock_schedule"): "our own mark on a loop of the explorer's",
    ("pytest_plugin.py", "_asyncioRunner"): "the loop of an IsolatedAsyncioTestCase; it has no public name",
    ("pytest_plugin.py", "_hypothesis_internal_use_reproduce_failure"): "its decorator sets it, and nothing unsets it",
    ("pytest_plugin.py", "_hypothesis_internal_use_settings"): "a property's settings; hypothesis has no public name",
    ("pytest_plugin.py", "_fixtureinfo"): "which fixtures a test asks for; pytest has no public name for it",
}
PUBLIC = {"_exit", "_getframe", "_current_frames", "_asdict", "_replace", "_fields", "_make"}


def is_of_ourselves(node: ast.AST) -> bool:
    return isinstance(node, ast.Name) and node.id in ("self", "cls")


def own_names() -> set[str]:
    """Every private name that a class, a function or an assignment of ours makes."""
    found: set[str] = set()
    for path in SOURCE.rglob("*.pxd"):
        found.update(re.findall(r"\b_\w+", path.read_text()))
    for path in SOURCE.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
                found.add(node.name)
            elif isinstance(node, ast.Attribute) and is_of_ourselves(node.value):
                found.add(node.attr)
            elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
                found.add(node.id)
    return {name for name in found if name.startswith("_") and not name.startswith("__")}


def calls_of(tree: ast.AST, *functions: str) -> list[ast.Call]:
    calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call)]
    return [call for call in calls if isinstance(call.func, ast.Name) and call.func.id in functions]


def private_names(tree: ast.AST) -> set[str]:
    """The private names that a file reads or writes of somebody else."""
    attributes = [node for node in ast.walk(tree) if isinstance(node, ast.Attribute)]
    found = {node.attr for node in attributes if not is_of_ourselves(node.value)}
    for call in calls_of(tree, "getattr", "hasattr"):
        found.update(str(each.value) for each in call.args[1:2] if isinstance(each, ast.Constant))
    return {name for name in found if name.startswith("_") and not name.startswith("__")} - PUBLIC


def test_no_other_file_reads_a_private_name() -> None:
    own = own_names()
    found: list[tuple[str, str]] = []
    for path in SOURCE.rglob("*.py"):
        file = path.relative_to(SOURCE).as_posix()
        if path.name != "private.py" and file not in STAND_INS:
            found += [(file, name) for name in private_names(ast.parse(path.read_text())) - own]
    assert sorted(found) == sorted(WHERE_USED), "a private name is read in a `private.py`, where its test is"


# What versions other than this one have, or where it stands only in some.
ELSEWHERE = {
    ("asyncio.taskgroups", "TaskGroup", "_aexit"),
    ("asyncio.base_events", "BaseEventLoop", "_run_forever_setup"),
}


def constant(node: ast.expr, tree: ast.Module) -> object:
    """What is written out, or a constant of the file. None: a variable."""
    for each in tree.body:
        if isinstance(each, ast.Assign) and ast.unparse(each.targets[0]) == ast.unparse(node):
            return ast.literal_eval(each.value)
    return node.value if isinstance(node, ast.Constant) else None


def test_functions_by_whose_frames_a_wait_is_known() -> None:
    """`frame_in(frames, module, ...)` and `code_of(module, ...)`: what they look for exists."""
    sought: set[tuple[str, ...]] = set()
    for path in (SOURCE / "watch").rglob("*.py"):
        tree = ast.parse(path.read_text())
        for call in calls_of(tree, "frame_in", "code_of"):
            # `frame_in` is given the frames first.
            names = [constant(each, tree) for each in (call.args[1:] if "frame_in" in ast.unparse(call) else call.args)]
            if None not in names:
                sought.add(tuple(map(str, names)))
    assert len(sought) > 10
    for names in sorted(sought - ELSEWHERE):
        __import__(names[0])
        assert code_of(*names) is not None, gone(".".join(names), PYTHON)
