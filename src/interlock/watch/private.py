"""What is private to others and read by those who look: how asyncio, trio, `concurrent.futures` and `multiprocessing`
keep what they have still to do.

The same rules as in `interlock.core.kernel.private`, where the names stand that the primitives themselves need: one
function for one name, with what it tells. Nothing here is called before somebody looks, and nothing is changed.

Where a version has no such name (any more) the answer is "nothing known": an empty list, or None. Who asked then says
less: a wait is shown without what it waits for, and no cycle is found through it. For each name
`tests/watch/test_private_of_watch.py` asks what is installed. It also holds that no other file reads a private name.
"""

import sys

from interlock.core.kernel.private import thread_of_loop as ident_of_loop

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from types import CodeType
    from typing import Any

    Call = tuple[Any, tuple[Any, ...]]

__all__ = ["ident_of_loop"]

# --- asyncio: loops -----------------------------------------------------------------------------------------------


def shows_its_work(loop: "Any") -> bool:
    """`_ready`, `_scheduled` and `_selector`: whether it is a loop of asyncio's own. uvloop's shows nothing."""
    return hasattr(loop, "_ready") and hasattr(loop, "_scheduled") and hasattr(loop, "_selector")


def calls_ready(loop: "Any") -> "list[Call]":
    """`_ready`: (callback, arguments) of what the loop will call in its next round."""
    return _calls(getattr(loop, "_ready", ()))


def calls_scheduled(loop: "Any") -> "list[Call]":
    """`_scheduled`: the same of its timers, except for cancelled ones."""
    return _calls(getattr(loop, "_scheduled", ()))


def calls_of_files(loop: "Any") -> "list[Call]":
    """`_selector`: the same of what it calls when a file is ready."""
    selector = getattr(loop, "_selector", None)
    if selector is None:
        return []
    handles = [handle for key in list(selector.get_map().values()) for handle in key.data or ()]
    return _calls([handle for handle in handles if handle is not None])


def calls_of_signals(loop: "Any") -> "list[Call]":
    """`_signal_handlers`: the same of what it calls when a signal comes."""
    return _calls(getattr(loop, "_signal_handlers", {}).values())


def _calls(handles: "Any") -> "list[Call]":
    """`_callback`, `_args` and `_cancelled` of handles."""
    return [
        (handle._callback, tuple(getattr(handle, "_args", None) or ()))
        for handle in list(handles)
        if not handle._cancelled and handle._callback is not None
    ]


def files_of_program(loop: "Any") -> int:
    """`_selector`: for how many files it waits, without the one by which threads and signals wake it."""
    selector = getattr(loop, "_selector", None)
    return 0 if selector is None else max(0, len(selector.get_map()) - 1)


def transport_of_stream(reader: "Any") -> "Any":
    """`_transport`: from which a `StreamReader` gets its data, or None."""
    return getattr(reader, "_transport", None)


def loop_of_runner(runner: "Any") -> "Any":
    """`_loop`: of an `asyncio.Runner`, or None. `get_loop` would make one."""
    return getattr(runner, "_loop", None)


def call_when_set_running(function: "Callable[[Any], bool]") -> None:
    """`events._set_running_loop`: have ``function(loop)`` called when a thread begins to run a loop, until it returns
    False. Without the name: never."""
    from asyncio import events

    there: Any = getattr(events, "_set_running_loop", None)
    if there is None:
        return
    module: Any = events

    def watched(loop: "Any") -> None:
        there(loop)
        if loop is not None and not function(loop) and module._set_running_loop is watched:
            module._set_running_loop = there

    module._set_running_loop = watched


# --- asyncio: tasks and futures -----------------------------------------------------------------------------------


def futures_gathered(future: "Any") -> "list[Any]":
    """`_children`: those that a future of `gather` waits for."""
    return list(getattr(future, "_children", ()))


def tasks_in_group(group: "Any") -> "list[Any]":
    """`_tasks`: those of a TaskGroup that have not ended."""
    return list(getattr(group, "_tasks", ()))


def task_of_timeout(owner: "Any") -> "Any":
    """`_task`: the task that an `asyncio.timeout` would cancel."""
    return getattr(owner, "_task", None)


def room_of_queue(queue: "Any") -> int:
    """`_maxsize`: of a queue of asyncio's up to 3.11's; `maxsize` of all others. 0: no limit."""
    return getattr(queue, "maxsize", 0) or getattr(queue, "_maxsize", 0)


def unfinished_of(queue: "Any") -> int:
    """`_unfinished_tasks`: of a queue of asyncio's; `unfinished_tasks` of all others."""
    found = getattr(queue, "unfinished_tasks", None)
    return int(getattr(queue, "_unfinished_tasks", 0) if found is None else found)


# --- concurrent.futures -------------------------------------------------------------------------------------------


def condition_of(future: object) -> object:
    """`_condition`, of a future of `concurrent.futures`: made where the job was submitted. None: one of asyncio's."""
    return getattr(future, "_condition", None)


def call_when_submitted(function: "Callable[[Any, Any, Any, Any, Any], object]") -> None:
    """`_WorkItem`, `_thread_name_prefix`: have ``function(future, pool, function, args, keywords)`` called for each
    job that a pool of threads is given. Without the names: never. Called when the module is there."""
    module: Any = sys.modules["concurrent.futures.thread"]
    item = getattr(module, "_WorkItem", None)
    if item is None:
        return

    class WorkItem(item):  # type: ignore[misc,valid-type]
        def __init__(self, future: "Any", *rest: "Any") -> None:
            super().__init__(future, *rest)
            pool = sys._getframe(1).f_locals.get("self")
            job = rest if len(rest) == 3 else rest[0]
            function(future, getattr(pool, "_thread_name_prefix", ""), *job)

    WorkItem.__name__ = WorkItem.__qualname__ = item.__name__
    module._WorkItem = WorkItem


def callbacks_when_done(future: object) -> "list[Any]":
    """`_done_callbacks`: what is called when a future of `concurrent.futures` is done."""
    return list(getattr(future, "_done_callbacks", ()))


def threads_and_queues() -> "list[tuple[Any, Any]]":
    """`_threads_queues`: each worker of each pool of threads, with the queue of its pool."""
    module = sys.modules.get("concurrent.futures.thread")
    return list(getattr(module, "_threads_queues", {}).items())


def items_inside(queue: object) -> "list[Any] | None":
    """`_queue`: what stands in a SimpleQueue written in Python. `queue`: in one of `queue`'s others."""
    inner = getattr(queue, "_queue", None)
    if inner is None:
        inner = getattr(queue, "queue", None)
    return None if inner is None else list(inner)


def jobs_of_processes(executor: "Any") -> "list[Any]":
    """`_pending_work_items`: the jobs of a pool of processes that have no result yet."""
    return list((getattr(executor, "_pending_work_items", None) or {}).values())


def workers_of_processes(executor: "Any") -> "list[Any]":
    """`_processes`: its workers."""
    return list((getattr(executor, "_processes", None) or {}).values())


# --- multiprocessing ----------------------------------------------------------------------------------------------


def children() -> "list[Any]":
    """`_children`: every Process of ours that has been started. `active_children` would reap those that have ended."""
    return list(getattr(sys.modules.get("multiprocessing.process"), "_children", ()))


def popen_of(child: "Any") -> "Any":
    """`_popen`: with the pid and the exit code, as far as known. `exitcode` would reap."""
    return getattr(child, "_popen", None)


def reading_end(queue: "Any") -> "Any":
    """`_reader`: the end of a queue's pipe from which it is read."""
    return getattr(queue, "_reader", None)


def pool_of(result: "Any") -> "Any":
    """`_pool`: the pool from which a result is to come."""
    return getattr(result, "_pool", None)


def chunks_missing(result: "Any") -> "int | None":
    """`_number_left`: how many parts of a `map` have not come back."""
    return getattr(result, "_number_left", None)


def workers_of_pool(pool: "Any") -> "list[Any]":
    """`_pool`: the processes of a pool."""
    return list(getattr(pool, "_pool", ()))


# --- threading ----------------------------------------------------------------------------------------------------


def code_of_shutdown() -> "CodeType | None":
    """`_shutdown`: where the main thread waits for the others when it is through with the program."""
    shutdown = getattr(sys.modules.get("threading"), "_shutdown", None)
    return getattr(shutdown, "__code__", None)


def call_for_threads(
    *, made: "Callable[[], object] | None" = None, ended: "Callable[[Any], object] | None" = None
) -> None:
    """`_make_invoke_excepthook`: have ``made()`` called whenever a Thread is made from now on, and ``ended(thread)`` in
    each of them that an exception ends; the exception is being handled then. Without the name: never.
    `threading.excepthook` is the program's: what it puts there need not call what it has found."""
    threading: Any = sys.modules.get("threading")
    make = getattr(threading, "_make_invoke_excepthook", None)
    if make is None:
        return

    def make_ours() -> "Callable[[Any], object]":
        if made is not None:
            made()
        invoke: Callable[[Any], object] = make()
        if ended is None:
            return invoke

        def invoke_excepthook(thread: "Any") -> None:
            ended(thread)
            invoke(thread)

        return invoke_excepthook

    make_ours.__name__ = make.__name__
    threading._make_invoke_excepthook = make_ours


def has_begun(thread: "Any") -> bool:
    """`_started`: whether a Thread has begun to run, or has ended. `is_alive` says no of one that has ended, too."""
    started = getattr(thread, "_started", None)
    return started is None or bool(started.is_set())


# --- weakref --------------------------------------------------------------------------------------------------------


def finalizers() -> "list[Any]":
    """`_registry`: what `weakref.finalize` has yet to call: each has ``func``, ``args`` and ``kwargs``."""
    registry = getattr(getattr(sys.modules.get("weakref"), "finalize", None), "_registry", None)
    return list(registry.values()) if isinstance(registry, dict) else []


def function_of_weak_method(reference: "Any") -> "Any":
    """`_func_ref`: the weak reference to the function of a WeakMethod, or None."""
    return getattr(reference, "_func_ref", None)


# --- trio ---------------------------------------------------------------------------------------------------------


def scopes_with_deadline(runner: "Any") -> "list[Any]":
    """`_heap`, `_registered_deadline`: the cancel scopes that have a deadline. trio's own way to ask would tidy up, and
    this is another thread than its own."""
    return [scope for deadline, _, scope in list(runner.deadlines._heap) if deadline == scope._registered_deadline]


def tasks_in_scope(scope: "Any") -> "list[Any]":
    """`_cancel_status`, its `_tasks`: which tasks a cancel scope would cancel."""
    return list(scope._cancel_status._tasks)


def has_job(worker: "Any") -> bool:
    """`_job`: whether a worker of trio's thread cache has something to do."""
    return worker._job is not None
