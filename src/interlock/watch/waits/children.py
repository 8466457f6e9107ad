"""A child process that is waited for: which, what it does, what ended it."""

import sys

from interlock.watch import ended, private
from interlock.watch.instructions import is_program_file
from interlock.watch.living import living
from interlock.watch.waits import Meaning, pipes, system
from interlock.watch.waits.frames import frame_in, simple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import FrameType
    from typing import Any

    from interlock.watch.view import Someone, View


def adapter(someone: "Someone", view: "View") -> Meaning | None:
    """A thread in `Popen.wait` or `communicate`, `Process.join`, or in a pool or queue of `multiprocessing`."""
    if someone.is_task:
        return None
    frames = someone.frames
    for found in (_subprocess(frames), _process(frames), _pool(frames), _queue(frames)):
        if found is not None:
            found.child = True
            return found
    return None


def _subprocess(frames: "list[FrameType]") -> Meaning | None:
    for method in ("_wait", "wait", "communicate", "_communicate"):
        frame = frame_in(frames[:5], "subprocess", "Popen", method)
        if frame is not None:
            child = frame.f_locals["self"]
            meaning = Meaning(f"child process {child.pid} ({_command(child.args)})", outside=True)
            meaning.lines.append(_state(child.pid, child.returncode))
            for_ever = frame.f_locals.get("timeout") is None
            if method in ("_wait", "wait") and not _is_in(frames, "communicate"):
                for name in ("stdout", "stderr"):
                    pipe = getattr(child, name, None)
                    if pipe is not None and not pipe.closed and system.is_full(pipe.fileno()):
                        meaning.lines.append(
                            f"its {name} is a full pipe, which this process is to read: the child cannot go on. "
                            "Use communicate()"
                        )
                        if for_ever and pipes.is_blocked_by_us(child.pid, pipe.fileno()):
                            pipes.let_go_by(meaning, child, pipe, reads=True)
                            meaning.gives += (name,)
                pipe = child.stdin
                if pipe is not None and not pipe.closed and pipes.is_starved_by_us(child.pid, pipe.fileno()):
                    meaning.lines.append(
                        "it reads from its stdin, which is empty, and which only this process has open: close it, or "
                        "use communicate()"
                    )
                    if for_ever:
                        pipes.let_go_by(meaning, child, pipe, reads=False)
                        meaning.gives += ("stdin",)
            return meaning
    return None


def _is_in(frames: "list[FrameType]", method: str) -> bool:
    return frame_in(frames[:8], "subprocess", "Popen", method) is not None


def _command(args: object) -> str:
    if isinstance(args, (list, tuple)):
        text = " ".join(str(each) if isinstance(each, (str, int)) else simple(each) for each in args[:4])
        return text + (" ..." if len(args) > 4 else "")
    return args if isinstance(args, str) else simple(args)


def _state(pid: int, code: "int | None") -> str:
    if code is not None:
        return f"process {pid} {how_it_ended(code)}"
    return f"process {pid} is {system.state_of(pid)}"


def how_it_ended(code: int) -> str:
    """What an exit code, or the negative number of a signal, says."""
    if code >= 0:
        return f"ended with exit code {code}"
    import signal

    try:
        return f"was killed by {signal.Signals(-code).name}"
    except ValueError:
        return f"was killed by signal {-code}"


def _process(frames: "list[FrameType]") -> Meaning | None:
    frame = frame_in(frames[:5], "multiprocessing.process", "BaseProcess", "join")
    if frame is None:
        return None
    child = frame.f_locals["self"]
    popen = private.popen_of(child)
    for_ever = frame.f_locals.get("timeout") is None
    meaning = Meaning(f"process {child.name} (pid {popen.pid})", outside=True)
    meaning.lines.append(_state(popen.pid, popen.returncode))
    if any(name in ("write", "writev") for name, _ in system.call_of_process(popen.pid)):
        meaning.lines.append("a thread of it writes, and has no room")
    for queue, full in _queues():
        if for_ever and pipes.is_starved_by_us(popen.pid, private.reading_end(queue).fileno()):
            meaning.lines.append(
                f"it waits for an item of {_name_of_queue(queue, frames)}, which only this process could put: put it "
                "before join()"
            )
            pipes.let_go_by(meaning, child, reads=False)
            meaning.also.append((queue, ("put", "put_nowait", "close", "_writer")))
        if full:
            meaning.lines.append(
                f"the pipe of {_name_of_queue(queue, frames)} is full: a process that has put into it cannot write the "
                "rest, and cannot end. Take the items out before join()"
            )
            if for_ever and pipes.is_blocked_by_us(popen.pid, private.reading_end(queue).fileno()):
                pipes.let_go_by(meaning, child, reads=True)
                meaning.also.append((queue, ("get", "get_nowait", "_reader")))
    return meaning


def _queues() -> "list[tuple[Any, bool]]":
    module = sys.modules.get("multiprocessing.queues")
    kind = getattr(module, "Queue", None)
    if kind is None:
        return []
    ends = [(each, private.reading_end(each)) for each in living(kind)]
    return [(each, system.is_full(end.fileno())) for each, end in ends if end is not None and not end.closed]


def _name_of_queue(queue: object, frames: "list[FrameType]") -> str:
    for frame in frames:
        if not is_program_file(frame.f_code.co_filename):
            continue
        for names in (frame.f_locals, frame.f_globals):
            for name, value in list(names.items()):
                if value is queue:
                    return f"multiprocessing.Queue {name}"
    return "a multiprocessing.Queue"


def _pool(frames: "list[FrameType]") -> Meaning | None:
    frame = frame_in(frames[:5], "multiprocessing.pool", "ApplyResult", "wait") or frame_in(
        frames[:5], "multiprocessing.pool", "IMapIterator", "next"
    )
    if frame is None:
        return None
    result = frame.f_locals["self"]
    pool = private.pool_of(result)
    meaning = Meaning(f"a result of {type(pool).__name__} of processes", outside=True)
    waiting = private.chunks_missing(result)
    if waiting is not None:
        meaning.lines.append(f"{waiting} chunks of the work have not come back")
    workers = private.workers_of_pool(pool)
    lost = ended.killed_processes()
    for pid, name, code in lost:
        meaning.lines.append(
            f"process {pid} ({name}) {how_it_ended(code)}: what it was working on is lost, and its result never comes"
        )
    if lost and frame.f_locals.get("timeout") is None:
        meaning.outside = False
        meaning.target = result
        meaning.dead = True
    living = [f"{worker.pid} is {system.state_of(worker.pid)}" for worker in workers[:8]]
    if living:
        meaning.lines.append(f"workers now: {', '.join(living)}")
    return meaning


def _queue(frames: "list[FrameType]") -> Meaning | None:
    frame = frame_in(frames[:4], "multiprocessing.queues", "Queue", "get") or frame_in(
        frames[:4], "multiprocessing.queues", "SimpleQueue", "get"
    )
    if frame is None:
        return None
    queue = frame.f_locals["self"]
    meaning = Meaning(f"an item of {_name_of_queue(queue, frames)}", outside=True)
    children = private.children()
    if children:
        meaning.lines += [f"child {child.name}: {_state_of_child(child)}" for child in children[:8]]
    for pid, name, code in ended.killed_processes():
        meaning.lines.append(f"process {pid} ({name}) {how_it_ended(code)}")
    return meaning


def _state_of_child(child: "Any") -> str:
    popen = private.popen_of(child)
    return "not started" if popen is None else _state(popen.pid, popen.returncode)


def process_pool_of(future: "Any", view: "View") -> Meaning | None:
    """A future of a `ProcessPoolExecutor`."""
    module = sys.modules.get("concurrent.futures.process")
    kind = getattr(module, "ProcessPoolExecutor", None)
    if kind is None:
        return None
    for executor in living(kind):
        for item in private.jobs_of_processes(executor):
            if item.future is future:
                from interlock.watch.waits.futures import job_call

                meaning = Meaning(
                    f"the result of job {job_call(item.fn, item.args, item.kwargs)} in a pool of processes",
                    outside=True,
                )
                workers = private.workers_of_processes(executor)
                meaning.lines.append("a worker has it" if future.running() else "no worker has it yet")
                for worker in workers[:8]:
                    meaning.lines.append(f"worker {worker.pid} is {system.state_of(worker.pid)}")
                return meaning
    return None
