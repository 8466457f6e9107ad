"""Who has ended, and of what: threads and tasks that an exception ended, processes that a signal killed.

That is what cannot be found out later. Kept of a party: its name, the exception as text, the line; what it had done to
primitives, and held; and what its code could have given: which methods it named on which objects, those by weak
references. No object of the program's is kept alive by it. The last `MOST` are kept.

A task of asyncio's keeps its exception, so it is found when somebody looks, as long as anybody keeps the task; one that
nobody asked is told of by asyncio when it goes. What is lost is a task whose exception somebody has dealt with.
"""

import sys
import threading
import weakref
from collections import deque
from collections.abc import Iterable

from interlock.core.explain.places import Place, held_in_trace
from interlock.core.graph import waitgraph
from interlock.core.kernel.deadlock import DeadlockError
from interlock.core.kernel.primitive import Primitive
from interlock.core.kernel.private import error_of
from interlock.core.tasks.task import current_party
from interlock.dropin import call_when_loaded, call_with_asyncio
from interlock.watch import private
from interlock.watch.living import living
from interlock.watch.words import legible

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType
    from typing import Any

    from interlock.watch.deeds import Done

MOST = 20
_DEEDS = ("put", "put_nowait", "get", "get_nowait", "task_done", "acquire", "__enter__", "release", "set", "notify",
          "notify_all", "wait", "count_down")  # fmt: skip
_GIVES_SOMETHING = ("set_result", "set_exception", "set", "put", "put_nowait")  # to what its code finds in a table
_MOST_AT_HAND = 500


class Ended:
    """A thread or task that an exception ended.

    Attributes: ``name``, ``what`` (the exception, as a traceback's last line has it), ``place``, ``is_task``,
    ``is_main``,
    ``party`` (its id as a party, 0 where it has met no primitive), ``done`` (what it has done to which primitives),
    ``held`` (what it was inside of when the exception was raised: what to call it, and the line) and ``kept``
    (likewise, what it has not given back).
    """

    def __init__(self, name: str, error: BaseException, is_task: bool = False, party: int = 0) -> None:
        self.name = name
        self.is_task = is_task
        self.is_main = False
        self.party = party
        self.what: str = describe(error)
        self.place: Place | None = _innermost(error.__traceback__)
        self.done: list[Done] = []
        self.held: list[tuple[str, Place]] = []
        self.kept: list[tuple[str, Place]] = []
        self._look_back(error.__traceback__)
        self.learn(error.__traceback__)

    def _look_back(self, trace: "TracebackType | None") -> None:
        """Note what it had done and held."""
        from interlock.watch import deeds
        from interlock.watch.dump import name_of

        within = held_in_trace(trace)
        self.held = [(name_of(primitive), place) for primitive, place in within]
        if self.party:
            self.done = deeds.by(self.party)
            inside = {id(primitive) for primitive, _ in within}
            kept = [(primitive, place) for primitive, place in deeds.held_by(self.party) if id(primitive) not in inside]
            self.kept = [(name_of(primitive), place) for primitive, place in kept]

    def learn(self, trace: "TracebackType | None") -> None:
        """Note what the code could have given whose frames this traceback has."""
        from interlock.watch.instructions import is_program_file
        from interlock.watch.reach import UNKNOWN, Reach

        frames = []
        while trace is not None:
            frames.append(trace.tb_frame)
            trace = trace.tb_next
        self._named: list[tuple[str, weakref.ref[Any], Place]] = []
        self._unknown: dict[str, Place] = {}
        self._at_hand: list[weakref.ref[Any]] = []
        reach = Reach(whole=True).add(*frames)
        for name, touches in reach.touches.items():
            for touch in touches:
                if touch.target is not UNKNOWN:
                    try:
                        self._named.append((name, weakref.ref(touch.target), touch.place))
                    except TypeError:
                        continue
                elif name in _GIVES_SOMETHING and is_program_file(touch.code.co_filename):
                    self._unknown.setdefault(name, touch.place)
        if self._unknown:
            # By their types: nothing of the program's runs here.
            kinds = ((each, type(each)) for each in reach.in_hands())
            waited_for = [each for each, kind in kinds if issubclass(kind, Primitive) or hasattr(kind, "set_result")]
            self._at_hand = [weakref.ref(each) for each in waited_for[:_MOST_AT_HAND]]

    def could_give(self, target: object, names: Iterable[str]) -> Place | None:
        """The line of its code that names one of these methods on ``target``, or on what cannot be known where it had
        ``target`` in a container; None where there is none."""
        wanted = set(names)
        for name, reference, place in self._named:
            if name in wanted and reference() is target:
                return place
        for name, place in self._unknown.items():
            if name in wanted and any(reference() is target for reference in self._at_hand):
                return place
        return None

    def did(self) -> "list[tuple[str, Primitive, Place]]":
        """What its code does with primitives that are still there: the method's name, the primitive, the line; each
        once, in the order of the lines."""
        found: dict[tuple[str, int], tuple[str, Primitive, Place]] = {}
        for name, reference, place in self._named:
            thing = reference()
            if isinstance(thing, Primitive) and name in _DEEDS:
                found.setdefault((name, id(thing)), (name, thing, place))
        return sorted(found.values(), key=lambda each: (each[2].file, each[2].line))


def describe(error: BaseException) -> str:
    """``ZeroDivisionError: division by zero``: the first line of what it says."""
    try:
        text = legible(str(error).partition("\n")[0], 200)
    except Exception:
        text = ""
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


_ended: deque[Ended] = deque(maxlen=MOST)
_noted: dict[int, "weakref.ref[Any]"] = {}  # tasks
_killed: deque[tuple[int, str, int]] = deque(maxlen=MOST)


def parties() -> list[Ended]:
    """The last threads and tasks that an exception ended, the oldest first."""
    return list(_ended)


def look_for_tasks() -> None:
    """Take note of the tasks of asyncio's that have ended by an exception, as far as somebody still keeps them."""
    kind = getattr(sys.modules.get("asyncio.tasks"), "Task", None)
    if kind is not None:
        for each in living(kind):
            if each.done():
                note_task(each)


def note_task(task: "Any") -> None:
    """A task has ended. Where that was by an exception, this is noted once."""
    try:
        error = error_of(task)  # to ask for it by `exception()` is what the program has to do, or asyncio says so
        key = id(task)
        if error is None or (key in _noted and _noted[key]() is task):
            return
        _noted[key] = weakref.ref(task, lambda _: _noted.pop(key, None))
        _ended.append(Ended(task.get_name(), error, True, _party_of(task)))
    except Exception:
        return


def _party_of(task: object) -> int:
    return next((party.id for party in waitgraph.parties() if waitgraph.task_of(party) is task), 0)


def killed_processes() -> list[tuple[int, str, int]]:
    """The last children that a signal killed: pid, name, and the signal's number, negative."""
    return list(_killed)


def watch(on_deadlock: "Callable[[], object] | None" = None) -> None:
    """Take note from now on, of threads that are made from now on. ``on_deadlock``: called in a loop's thread when a
    callback has ended by a DeadlockError and asyncio has said so, which is all that asyncio does about it."""
    private.call_for_threads(ended=note_thread)
    call_with_asyncio(lambda: _watch_tasks(on_deadlock))
    call_when_loaded(_STARTS_PROCESSES, _watch_processes)


def note_thread(thread: threading.Thread) -> None:
    """A thread is about to end by an exception, which it handles just now."""
    try:
        error = sys.exc_info()[1]
        if error is None or isinstance(error, SystemExit):
            return
        _ended.append(Ended(thread.name, error, party=current_party().id))
    except Exception:
        return  # what the program's own hook is to say comes first


def note_main(error: BaseException) -> None:
    """The main thread is through with the program, by this exception. Others may still wait for it."""
    if not isinstance(error, (SystemExit, KeyboardInterrupt)):
        try:
            main = Ended(threading.current_thread().name, error, party=current_party().id)
            main.is_main = True
            _ended.append(main)
        except Exception:
            return


def _watch_tasks(on_deadlock: "Callable[[], object] | None") -> None:
    """Take note of what asyncio complains of."""
    from asyncio.base_events import BaseEventLoop

    complain = BaseEventLoop.call_exception_handler

    def call_exception_handler(self: BaseEventLoop, context: "dict[str, Any]") -> None:
        task = context.get("task") or context.get("future")
        if hasattr(task, "get_coro"):
            note_task(task)
        complain(self, context)
        if on_deadlock is not None and "handle" in context and isinstance(context.get("exception"), DeadlockError):
            on_deadlock()

    BaseEventLoop.call_exception_handler = call_exception_handler  # type: ignore[method-assign]


def _innermost(trace: "TracebackType | None") -> Place | None:
    from interlock.watch.instructions import is_program_file

    best = None
    while trace is not None:
        code = trace.tb_frame.f_code
        if best is None or is_program_file(code.co_filename):
            best = Place(code.co_filename, trace.tb_lineno, code.co_name)
        trace = trace.tb_next
    return best


_STARTS_PROCESSES = "multiprocessing.popen_fork"


def _watch_processes() -> None:
    """Take note of children of `multiprocessing` that a signal kills: called once its module is there."""
    module = sys.modules[_STARTS_PROCESSES]
    poll = module.Popen.poll

    def noted(self: "Any", *args: "Any", **keywords: "Any") -> "Any":
        was = self.returncode
        code = poll(self, *args, **keywords)
        if was is None and code is not None and code < 0:
            _killed.append((self.pid, _name_of_process(self), code))
        return code

    noted.__name__ = "poll"
    module.Popen.poll = noted


def _name_of_process(popen: object) -> str:
    for child in private.children():
        if private.popen_of(child) is popen:
            return str(child.name)
    return "a worker"
