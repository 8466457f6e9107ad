"""A future: whose job stands in which pool, or which task of which loop is to set it."""

import gc
from types import BuiltinFunctionType, FunctionType

from interlock.core.explain.places import place_of_wait
from interlock.watch import private
from interlock.watch.waits import Meaning
from interlock.watch.waits.frames import call_text, frame_in, function_name
from interlock.watch.waits.made import place_made

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import FrameType
    from typing import Any

    from interlock.watch.view import Someone, View

GIVES = ("set_result", "set_exception", "cancel", "set_running_or_notify_cancel")
_BASE = "concurrent.futures._base"
_THREADS = "concurrent.futures.thread"
_PLAIN = (FunctionType, BuiltinFunctionType)  # which wrap nothing


def adapter(someone: "Someone", view: "View") -> Meaning | None:
    """A thread in `Future.result`, `wait`, `as_completed`, or in `Executor.shutdown`."""
    if someone.is_task:
        return None
    future = _awaited(someone.frames)
    if future is not None:
        return of_future(future, view, someone)
    several = _several(someone.frames)
    if several is not None:
        first = of_future(several[0], view, someone)
        if len(several) > 1:
            first.what += f" and {len(several) - 1} more"
            for other in several[1:]:
                first.givers += of_future(other, view, someone).givers
            first.target, first.gives = None, GIVES
        return first
    return _idle_worker(someone, view)


def _awaited(frames: "list[FrameType]") -> "Any":
    for name in ("result", "exception"):
        frame = frame_in(frames[:3], _BASE, "Future", name)
        if frame is not None:
            return frame.f_locals["self"]
    return None


def _several(frames: "list[FrameType]") -> "list[Any] | None":
    frame = frame_in(frames[:4], _BASE, "wait")
    if frame is not None:
        wanted = frame.f_locals.get("fs") or ()
    else:
        frame = frame_in(frames[:4], _BASE, "as_completed")
        if frame is None:
            return None
        wanted = frame.f_locals.get("pending") or frame.f_locals.get("fs") or ()
    pending = [each for each in list(wanted) if not each.done()]
    # Out of a set: those that run first, then as they stand in their queues, so that each look tells of the same one.
    standing = {
        id(getattr(item, "future", None)): at for queue in pool_queues() for at, item in enumerate(items_of(queue), 1)
    }
    return sorted(pending, key=lambda each: standing.get(id(each), 0)) or None


# --- whose future -------------------------------------------------------------------------------------------------


def of_future(future: "Any", view: "View", waiting: "Someone") -> Meaning:
    """What is to be said of a wait for a future of `concurrent.futures`."""
    worker = _worker_of(future, view)
    if worker is not None:
        job, someone = worker
        meaning = Meaning(f"the result of job {job}", target=future, gives=GIVES, givers=[someone])
        where = place_of_wait(someone.frames)
        meaning.lines.append(f"{someone.name} runs it" + ("" if where is None else f", and is at {where}"))
        return _with_origin(meaning, future)
    queued = _queue_of(future)
    if queued is not None:
        job, number, queue = queued
        workers = workers_of(queue, view)
        meaning = Meaning(
            f"the result of job {job} in {pool_name(workers)}", target=future, gives=GIVES, givers=workers
        )
        meaning.lines.append(f"the job is number {number} in the queue of {pool_name(workers)}, nobody runs it yet")
        waiting_too = [worker for worker in workers if _waits_for_queue(worker, queue)]
        if workers and len(waiting_too) == len(workers):
            meaning.lines.append(
                "the one worker of the pool waits for a job that stands in its own queue"
                if len(workers) == 1
                else f"{_all(len(workers))} of the pool wait for jobs that stand in its own queue"
            )
        elif workers:
            meaning.lines += [_doing(worker) for worker in workers[:8]]
        return _with_origin(meaning, future)
    from interlock.watch.waits.loops import of_threadsafe

    of_loop = of_threadsafe(future, view, waiting)
    if of_loop is not None:
        return of_loop
    meaning = Meaning("a future", target=future, gives=GIVES)
    from interlock.watch.waits.children import process_pool_of

    pool = process_pool_of(future, view)
    if pool is not None:
        return pool
    return _with_origin(meaning, future)


def _with_origin(meaning: Meaning, future: "Any") -> Meaning:
    where = place_made(private.condition_of(future))
    if where is not None:
        meaning.lines.append(f"submitted at {where}")
    return meaning


def _all(count: int) -> str:
    return "both workers" if count == 2 else f"all {count} workers"


def _doing(worker: "Someone") -> str:
    where = place_of_wait(worker.frames)
    return f"its worker {worker.name} is at {where}" if where is not None else f"its worker {worker.name} runs"


def _worker_of(future: "Any", view: "View") -> "tuple[str, Someone] | None":
    for someone in view.people:
        if not someone.is_task:
            frame = frame_in(someone.frames, _THREADS, "_WorkItem", "run")
            if frame is not None:
                item = frame.f_locals.get("self")
                if getattr(item, "future", None) is future:
                    return job_text(item), someone
    return None


def job_text(item: "Any") -> str:
    """A work item of a pool as a call."""
    task = getattr(item, "task", None)  # 3.14
    if task is not None and not hasattr(item, "fn"):
        function, args, keywords = task
    else:
        function, args, keywords = item.fn, item.args, item.kwargs
    return job_call(function, args, keywords)


def job_call(function: object, args: "tuple[Any, ...]", keywords: "dict[str, Any]") -> str:
    """A job as a call."""
    wrapped = _wrapped(function)
    if wrapped:
        return call_text(wrapped[0], tuple(wrapped[1:]), getattr(function, "keywords", {}))
    return call_text(function, args, keywords)


def job_function(function: object) -> object:
    """The function that a job calls in the end."""
    if type(function) in _PLAIN:
        return function
    wrapped = _wrapped(function)
    return wrapped[0] if wrapped else getattr(function, "func", function)


def _wrapped(function: object) -> "tuple[Any, ...]":
    """`asyncio.to_thread` wraps what it calls, and its arguments."""
    if type(function) in _PLAIN:
        return ()
    inner = getattr(function, "func", None)
    if (inner is not None and function_name(inner) == "Context.run") or getattr(inner, "__name__", "") == "run":
        return tuple(getattr(function, "args", ()))
    return ()


def _queue_of(future: "Any") -> "tuple[str, int, Any] | None":
    for queue in pool_queues():
        items = items_of(queue)
        for number, item in enumerate(items, 1):
            if getattr(item, "future", None) is future:
                return job_text(item), number, queue
    return None


def pool_queues() -> "list[Any]":
    """The queue of every pool of threads."""
    return list({id(queue): queue for _, queue in private.threads_and_queues()}.values())


def items_of(queue: object) -> "list[Any]":
    """What stands in a queue, first to come out first, without taking it out. Its order where it is a SimpleQueue in C
    is that of the list inside."""
    inner = private.items_inside(queue)
    if inner is not None:
        return inner
    found: list[Any] = []
    for each in gc.get_referents(queue):
        found += each if type(each) is list else [each]
    return [each for each in found if hasattr(each, "future")]


def workers_of(queue: object, view: "View") -> "list[Someone]":
    """The living workers of the pool with this queue."""
    threads = {thread.ident for thread, each in private.threads_and_queues() if each is queue}
    return [each for each in view.people if not each.is_task and each.ident in threads]


def pool_name(workers: "list[Someone]") -> str:
    """What to call a pool: what its threads are called."""
    if not workers:
        return "a pool whose workers have all ended"
    prefix = workers[0].name.rpartition("_")[0] or workers[0].name
    return f"pool {prefix!r}"


def _waits_for_queue(worker: "Someone", queue: object) -> bool:
    future = _awaited(worker.frames)
    several = [future] if future is not None else _several(worker.frames) or []
    inside = {id(getattr(item, "future", None)) for item in items_of(queue)}
    return bool(several) and all(id(each) in inside for each in several)


def _idle_worker(someone: "Someone", view: "View") -> Meaning | None:
    frame = frame_in(someone.frames[:1], _THREADS, "_worker")  # further in it runs a job
    if frame is None:
        return None
    queue = frame.f_locals["work_queue"]
    if items_of(queue):
        return None
    return Meaning(
        "a job", idle=True, verb="waits for", target=_executor(frame), gives=("submit", "map", "run_in_executor")
    )


def _executor(frame: "FrameType") -> object:
    reference = frame.f_locals.get("executor_reference")
    return reference() if callable(reference) else None
