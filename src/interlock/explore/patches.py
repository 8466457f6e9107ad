"""What stands in for the standard library while schedules are run: threads, time, and a few locks made before us.

Everything here asks first whether the caller is a strand (`engine/baton.py`); for any other thread it does what was
there before. What is changed is put back when the exploration ends.
"""

import _thread
import atexit
import contextlib
import functools
import gc
import io
import itertools
import os
import random
import sys
import threading
import time
import warnings
import weakref
from collections.abc import Callable, Iterator
from types import FunctionType, ModuleType
from typing import Any

import interlock
from interlock import dropin
from interlock.core.primitives.join import Join
from interlock.core.primitives.lock import Lock
from interlock.core.primitives.rlock import RLock
from interlock.explore.engine.baton import Abandon, Baton, Strand

LOOK, WAIT = 2, 5  # of core/control.pxd
_HAS_HANDLE = hasattr(threading, "_ThreadHandle")  # from 3.13
_STRAND = "_interlock_strand"
_NUMBER = "_interlock_number"
EPOCH = 1_700_000_000 - 1_000  # what `time.time` says, less the clock at the start


class Patches:
    """A context manager. ``is_program``: whether a file belongs to the program that is explored."""

    def __init__(self, baton: Baton, is_program: Callable[[str], bool]) -> None:
        self.baton = baton
        self.is_program = is_program
        self.before_thread: Callable[[], None] = lambda: None
        self._undo = contextlib.ExitStack()
        self._random = random.Random(0).getstate()
        self._numpy: Any = None
        self._numbers = itertools.count(1)
        self._known_libraries: set[str] = set()
        self._pools: dict[int, Any] = {}  # those that have started threads in this schedule
        self._ended_pools: list[Any] = []

    def __enter__(self) -> "Patches":
        with contextlib.ExitStack() as undo:
            undo.enter_context(interlock.install(asyncio=True))
            # A module that was imported before has the classes of `threading` under names of its own.
            names = [*dropin.NAMES, *dropin.ASYNCIO_NAMES]
            classes = {found: name.ours for name in names for found in dropin._found.get(name, [])}
            classes |= self._patch_exit(undo)
            self.rebind(undo, classes, self._patch_time(undo))
            self._patch_threads(undo)
            self._patch_warnings(undo)
            self._number(undo, threading.Thread)
            self._patch_library(undo)
            self._numpy = sys.modules.get("numpy")
            undo.callback(setattr, threading, "_counter", threading._counter)  # type: ignore[attr-defined]
            if "asyncio" in sys.modules:
                self._patch_asyncio(undo)
            self._undo = undo.pop_all()
        return self

    def __exit__(self, *raised: object) -> None:
        self._undo.close()

    def replace(self, undo: contextlib.ExitStack, owner: Any, name: str, value: object) -> None:
        undo.callback(setattr, owner, name, getattr(owner, name))
        setattr(owner, name, value)

    # --- threads --------------------------------------------------------------------------------------------------

    def _patch_threads(self, undo: contextlib.ExitStack) -> None:
        baton = self.baton
        Thread = threading.Thread
        start_there, join_there, is_alive_there = Thread.start, Thread.join, Thread.is_alive
        hush = baton.hush

        def start(self_: threading.Thread) -> None:
            if not baton.is_strand():
                start_there(self_)
                return
            hush(1)
            try:
                if not getattr(self_, "_initialized", False):
                    raise RuntimeError("thread.__init__() not called")
                if self_._started.is_set():  # type: ignore[attr-defined]
                    raise RuntimeError("threads can only be started once")
                caller = sys._getframe(1)
                place = f"{caller.f_code.co_filename}:{caller.f_lineno}"
            finally:
                hush(-1)
            strand = baton.start(self_, lambda: self._run(self_), self_.daemon, place)
            hush(1)
            try:
                self._begin(self_, strand)
            finally:
                hush(-1)

        def join(self_: threading.Thread, timeout: float | None = None) -> None:
            strand: Strand | None = self_.__dict__.get(_STRAND)
            if strand is None or not baton.is_strand():
                join_there(self_, timeout)
                return
            if self_ is threading.current_thread():
                raise RuntimeError("cannot join current thread")
            baton.poke(WAIT, strand)
            if strand.ended:
                return
            if timeout is None:
                with Join(self_):
                    baton.join(strand, None)
            else:
                baton.join(strand, timeout)

        def is_alive(self_: threading.Thread) -> bool:
            strand: Strand | None = self_.__dict__.get(_STRAND)
            if strand is None or not baton.is_strand():
                return is_alive_there(self_)
            baton.poke(LOOK, strand)
            return not strand.ended

        for function in start, join, is_alive:
            function.__qualname__ = f"Thread.{function.__name__}"
            self.replace(undo, Thread, function.__name__, function)
        baton.on_dropped = self._drop
        undo.callback(setattr, baton, "on_dropped", None)

    def _begin(self, thread: Any, strand: Strand) -> None:
        """As `threading` does it, between the start and the first line of `run`."""
        thread._ident = strand.ident
        if hasattr(thread, "_native_id"):
            thread._native_id = self.baton.native_id(strand)
        setattr(thread, _STRAND, strand)
        if _HAS_HANDLE:
            thread._handle = _Handle(strand.ident)
        else:
            lock = _thread.allocate_lock()
            lock.acquire()
            thread._tstate_lock = lock
        thread._started.set()
        threading._active[strand.ident] = thread  # type: ignore[attr-defined]

    def _run(self, thread: Any) -> None:
        """In the new strand: all of it."""
        baton = self.baton
        try:
            self.before_thread()
            thread.run()
        except (Abandon, SystemExit):
            pass
        except BaseException as error:
            baton.fail("error", "", error, baton.own_strand())
        finally:
            baton.hush(1)
            self._end(thread)
            baton.hush(-1)

    def _drop(self, strand: Strand) -> None:
        """A strand that was never begun."""
        if strand.thread is not None:
            self._end(strand.thread)

    def _end(self, thread: Any) -> None:
        threading._active.pop(thread._ident, None)  # type: ignore[attr-defined]
        if _HAS_HANDLE:
            thread._handle._set_done()
        else:
            thread._is_stopped = True
            lock, thread._tstate_lock = thread._tstate_lock, None
            if lock is not None:
                lock.release()

    # --- the order of sets ----------------------------------------------------------------------------------------

    def _number(self, undo: contextlib.ExitStack, kind: Any) -> None:
        """Let what strands make of this kind have a number as its hash.

        The hash is the address otherwise, so a set of threads or futures would be gone through in another order in
        each schedule.
        """
        init_there = kind.__init__

        @functools.wraps(init_there)
        def init(self_: Any, *args: Any, **kwargs: Any) -> None:
            if self.baton.is_strand():
                self_.__dict__[_NUMBER] = next(self._numbers)
            init_there(self_, *args, **kwargs)

        # What was made before has been hashed before, and its hash must stay.
        self.replace(undo, kind, "__hash__", lambda self_: self_.__dict__.get(_NUMBER) or object.__hash__(self_))
        self.replace(undo, kind, "__init__", init)

    def _numbered(self, kind: Any) -> Any:
        """A subclass whose objects have numbers as their hashes: classes in C cannot be changed."""

        def hash_of(self_: Any) -> int:
            found: int | None = getattr(self_, _NUMBER, None)
            if found is None:
                found = next(self._numbers)
                setattr(self_, _NUMBER, found)
            return found

        return type(kind.__name__, (kind,), {"__hash__": hash_of, "__module__": kind.__module__})

    # --- what is dropped in the middle ----------------------------------------------------------------------------

    def _patch_warnings(self, undo: contextlib.ExitStack) -> None:
        """That a schedule which is over has not awaited a coroutine is no fault of the program."""
        there = getattr(warnings, "_showwarnmsg", None)
        if there is None:
            return

        def show(message: Any) -> None:
            if (self.baton.running and not self.baton.over) or "never awaited" not in str(message.message):
                there(message)

        self.replace(undo, warnings, "_showwarnmsg", show)

    # --- the end of the program -----------------------------------------------------------------------------------

    def _patch_exit(self, undo: contextlib.ExitStack) -> dict[Any, Any]:
        """What the program wants to be called at its exit is not: it does not end with a schedule."""
        there = atexit.register

        def register(func: Any, /, *args: Any, **kwargs: Any) -> Any:
            if not (self.baton.is_strand() and self.is_program(sys._getframe(1).f_code.co_filename)):
                there(func, *args, **kwargs)
            return func

        self.replace(undo, atexit, "register", register)
        return {there: register}

    # --- time -----------------------------------------------------------------------------------------------------

    def _patch_time(self, undo: contextlib.ExitStack) -> dict[Any, Any]:
        """Returns what stands for what, for those who have imported it by name."""
        baton = self.baton

        def clock(there: Callable[[], Any], offset: int, divisor: int) -> Callable[[], Any]:
            def read() -> Any:
                if not baton.is_strand():
                    return there()
                nanoseconds = baton.read_clock() + offset
                return nanoseconds / divisor if divisor != 1 else nanoseconds

            read.__name__ = read.__qualname__ = there.__name__
            return read

        sleep_there = time.sleep

        def sleep(seconds: float, /) -> None:
            if not baton.is_strand():
                sleep_there(seconds)
                return
            if seconds < 0:
                raise ValueError("sleep length must be non-negative")
            baton.sleep(float(seconds))

        ours: dict[Any, Any] = {time.sleep: sleep}
        for name, offset in (("monotonic", 0), ("perf_counter", 0), ("time", EPOCH * 10**9)):
            ours[getattr(time, name)] = clock(getattr(time, name), offset, 10**9)
            ours[getattr(time, name + "_ns")] = clock(getattr(time, name + "_ns"), offset, 1)
        for there, here in ours.items():
            self.replace(undo, time, there.__name__, here)
        return ours

    def rebind(self, undo: contextlib.ExitStack, classes: dict[Any, Any], times: dict[Any, Any]) -> None:
        """Change what modules have imported by name: those of the program and, of ``times``, some of the library."""
        of_library = {id(there): (there, here) for there, here in times.items()}
        of_program = of_library | {id(there): (there, here) for there, here in classes.items()}
        for name, module in list(sys.modules.items()):
            file = getattr(module, "__file__", None)
            if isinstance(file, str) and self.is_program(file):
                self._rebind_in(undo, module, of_program)
            elif name in ("threading", "queue", "sched", "concurrent.futures._base"):
                self._rebind_in(undo, module, of_library)

    def _rebind_in(self, undo: contextlib.ExitStack, owner: Any, by_id: dict[int, tuple[Any, Any]]) -> None:
        """What a module or a class has under names of its own, and what its functions have as defaults."""
        module = owner.__name__ if isinstance(owner, ModuleType) else owner.__module__
        for name, value in list(vars(owner).items()):
            found = by_id.get(id(value))
            if found is not None:
                self.replace(undo, owner, name, found[1])
                continue
            wrapped = value.__func__ if type(value) in (staticmethod, classmethod) else value
            if isinstance(wrapped, FunctionType) and wrapped.__module__ == module:
                self._rebind_defaults(undo, wrapped, by_id)
            elif isinstance(value, type) and value.__module__ == module and value is not owner:
                self._rebind_in(undo, value, by_id)

    def _rebind_defaults(
        self, undo: contextlib.ExitStack, function: FunctionType, by_id: dict[int, tuple[Any, Any]]
    ) -> None:
        def ours(value: Any) -> Any:
            found = by_id.get(id(value))
            return value if found is None else found[1]

        there, named = function.__defaults__, function.__kwdefaults__
        if there and any(id(value) in by_id for value in there):
            self.replace(undo, function, "__defaults__", tuple(map(ours, there)))
        if named and any(id(value) in by_id for value in named.values()):
            self.replace(undo, function, "__kwdefaults__", {name: ours(value) for name, value in named.items()})

    # --- the rest of the library ----------------------------------------------------------------------------------

    def _patch_library(self, undo: contextlib.ExitStack) -> None:
        logging = sys.modules.get("logging")
        if logging is not None:
            # Made when it was imported, so mostly not ours.
            self.replace(undo, logging, "_lock", RLock(name="logging"))
            for reference in list(logging._handlerList):
                handler = reference()
                if handler is not None and handler.lock is not None:
                    self.replace(undo, handler, "lock", RLock(name="a handler of logging"))

    def fresh_start(self) -> None:
        """Before each schedule."""
        random.setstate(self._random)
        if self._numpy is not None:
            self._numpy.random.seed(0)
        # Their names are the same in each schedule.
        threading._counter = itertools.count(1).__next__  # type: ignore[attr-defined]
        self._numbers = itertools.count(1)
        base: Any = sys.modules.get("concurrent.futures._base")
        if base is not None and "futures" not in self._known_libraries:
            self._known_libraries.add("futures")
            self._number(self._undo, base.Future)
            # By which it sorts the futures whose conditions it takes.
            base.id = hash
            self._undo.callback(vars(base).pop, "id", None)
        futures: Any = sys.modules.get("concurrent.futures.thread")
        if futures is not None:
            if "pools" not in self._known_libraries:
                self._known_libraries.add("pools")
                self._patch_pools(self._undo, futures.ThreadPoolExecutor)
            # It is held while a thread is started.
            futures.ThreadPoolExecutor._counter = itertools.count().__next__
            if not isinstance(futures._global_shutdown_lock, Lock):
                self.replace(self._undo, futures, "_global_shutdown_lock", Lock(name="concurrent.futures"))
        if "asyncio" in sys.modules:
            self._patch_asyncio(self._undo)

    def _patch_pools(self, undo: contextlib.ExitStack, kind: Any) -> None:
        adjust_there = kind._adjust_thread_count

        def _adjust_thread_count(pool: Any) -> None:
            adjust_there(pool)
            # One that has threads from before is nothing that begins and ends with a schedule.
            if self.baton.is_strand() and pool._threads and all(_STRAND in each.__dict__ for each in pool._threads):
                self._pools[id(pool)] = weakref.ref(pool)

        self.replace(undo, kind, "_adjust_thread_count", _adjust_thread_count)
        self.baton.on_end = self._end_pools
        undo.callback(setattr, self.baton, "on_end", None)

    def _end_pools(self) -> bool:
        """The program has returned, and nobody can go on: Python ends the threads of its pools as it exits."""
        some = False
        for reference in self._pools.values():
            pool = reference()
            if pool is not None and not pool._shutdown:
                pool._shutdown = some = True
                self._ended_pools.append(pool)
                pool._work_queue.put(None)
        return some

    def _renew_pools(self) -> None:
        """The threads of a pool have ended with the schedule: it is to start others in the next."""
        for reference in self._pools.values():
            pool = reference()
            if pool is not None and (pool in self._ended_pools or not pool._shutdown):
                pool._shutdown = False
                pool._threads.clear()
                pool._idle_semaphore = threading.Semaphore(0)
                pool._work_queue = type(pool._work_queue)()
        self._pools.clear()
        self._ended_pools.clear()

    def clean_up(self) -> None:
        """After each schedule: the library forgets the threads that were ours."""
        self._renew_pools()
        futures: Any = sys.modules.get("concurrent.futures.thread")
        if futures is not None:
            for thread in list(futures._threads_queues):
                if _STRAND in thread.__dict__:
                    futures._threads_queues.pop(thread, None)
            if futures._global_shutdown_lock.locked():
                futures._global_shutdown_lock = Lock(name="concurrent.futures")

    def _patch_asyncio(self, undo: contextlib.ExitStack) -> None:
        if "asyncio" not in self._known_libraries and hasattr(sys.modules.get("asyncio.base_events"), "Server"):
            from interlock.explore.loop import patch_loops

            self._known_libraries.add("asyncio")
            patch_loops(self.baton, lambda owner, name, value: self.replace(undo, owner, name, value))
            import asyncio

            for kind, module in ((asyncio.Task, asyncio.tasks), (asyncio.Future, asyncio.futures)):
                ours = self._numbered(kind)
                for owner in asyncio, module:
                    self.replace(undo, owner, kind.__name__, ours)
            ours = _as_completed(asyncio.as_completed)
            for owner in asyncio, asyncio.tasks:
                self.replace(undo, owner, "as_completed", ours)


def _as_completed(there: Any) -> Any:
    """It makes a set of what it was given: of tasks, whose order is known, and not of coroutines."""
    import asyncio

    def in_order(fs: Any) -> Any:
        if asyncio.isfuture(fs) or asyncio.iscoroutine(fs):
            return fs  # which it refuses
        return [asyncio.ensure_future(each) for each in dict.fromkeys(fs)]

    if sys.version_info >= (3, 13):

        def as_completed(fs: Any, *, timeout: float | None = None) -> Any:
            return there(in_order(fs), timeout=timeout)

    else:

        def as_completed(fs: Any, *, timeout: float | None = None) -> Any:
            yield from there(in_order(fs), timeout=timeout)

    as_completed.__doc__ = there.__doc__
    return as_completed


class _Handle:
    """From 3.13 a Thread asks this whether its thread has ended."""

    def __init__(self, ident: int) -> None:
        self.ident = ident
        self._done = False
        self._runs = _thread.allocate_lock()
        self._runs.acquire()

    def is_done(self) -> bool:
        return self._done

    def _set_done(self) -> None:
        self._done = True
        self._runs.release()

    def join(self, timeout: float | None = None) -> None:
        """By who is no strand: a thread that was given up may end after the exploration."""
        if self._runs.acquire(timeout=-1 if timeout is None else max(timeout, 0.0)):
            self._runs.release()


class Nowhere(io.TextIOWrapper):
    """Takes what the program prints, a thousand times, and has all that `sys.stdout` has.

    ``end``: the last that was written.
    """

    def __init__(self) -> None:
        super().__init__(open(os.devnull, "wb"), encoding="utf-8")  # noqa: SIM115
        self.end = ""

    def write(self, text: str) -> int:
        self.end = (self.end + text)[-2_000:]
        return len(text)

    def close(self) -> None:
        """The next schedule prints, too."""


@contextlib.contextmanager
def silence() -> Iterator[Nowhere]:
    """Returns what stands for `sys.stderr`."""
    out, err = Nowhere(), Nowhere()
    try:
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            yield err
    finally:
        io.TextIOWrapper.close(out)
        io.TextIOWrapper.close(err)


@contextlib.contextmanager
def quiet_collector() -> Iterator[None]:
    """No garbage is collected inside a schedule: finalizers would run at places that depend on the past."""
    was = gc.isenabled()
    state = random.getstate()
    gc.disable()
    try:
        yield
    finally:
        random.setstate(state)
        if was:
            gc.enable()
