"""What is private to others and used by us: every such name of CPython, asyncio and trio, and what is done without it.
What is only read when somebody looks stands in `interlock.watch.private`, by the same rules.

One function stands for one name, and says why we use it. Where a version has no such thing (any more) it returns what
stands for "not known", and who asked goes the public way, which is slower and right. A test of each
(`tests/core/kernel/test_private.py`) asks what is installed, so that a version which has changed shows there, by name.

What is written in C stands where it is used, since there it is inlined:

    CPython                                       file                   why, and what is done without it
    PyThreadState: id                             kernel/native.pxd      a number for each thread that is not given out
                                                                         twice; part of the limited API's structure
    PyThreadState: context, context_ver           tasks/task_local.pxd   whether the answer to "which task calls?" still
                                                                         holds; without it a compile error
    PyTypeObject: tp_version_tag                  kernel/native.pxd      whether a class has changed; 0: always asked
    _PyThreadState_UncheckedGet,                  kernel/native.pxd      up to 3.12; 3.13 has public names for both
    _PyTime_GetMonotonicClock
    type slots that are written once made:
      tp_vectorcall                               kernel/construct.pxd   a call without arguments; where Cython or the
                                                                         interpreter sets it (3.14), theirs stays
      tp_alloc, tp_free                           kernel/spare.pxd       objects made again in the memory of others; not
                                                                         without the GIL, where the allocator does it
      am_send, tp_iternext, tp_dealloc,           tasks/coroutine.pxd    to be awaited as quickly as a coroutine; public
      tp_finalize                                                        slots, which Cython does not let us set
      tp_name                                     kernel/public_name.pxd the module that a class says it is of
    StopIteration: its fields                     tasks/coroutine.pxd    from 3.12 on, with the GIL: one that carries a
                                                                         result is used again if nobody has seen it
"""

import sys
import threading
from _collections import deque  # without the rest of `collections`
from _weakref import ref

import cython
from cython.cimports.interlock.core.kernel.native import interlock_version_of

# Versions of classes that `is_plain_class` has said yes to; 0: none yet.
plain_loops = cython.declare(cython.uint, 0)
plain_handles = cython.declare(cython.uint, 0)

# --- threading -----------------------------------------------------------------------------------------------


def listed_thread(ident: cython.ulong):
    """`_active`: the Thread with this ident, or None. `enumerate` takes a lock, which may be the one in question."""
    active = getattr(threading, "_active", None)
    if active is None:
        for thread in threading.enumerate():
            if thread.ident == ident:
                return thread
        return None
    return active.get(ident)


def starting_threads() -> list:
    """`_limbo`: those that have begun to start and are not listed yet. Not known: a thread without a name till then."""
    return list(getattr(threading, "_limbo", ()))


def ident_of(thread):
    """`_ident`, of a thread: the property may be anybody's code, which may take a lock, which meets its party."""
    return getattr(thread, "_ident", None)


def name_of(thing):
    """`_name`, likewise; also of a task written in Python. Read where it lies, so that no code is run."""
    try:
        names = object.__getattribute__(thing, "__dict__")
    except AttributeError:
        return None
    name = names.get("_name") if type(names) is dict else None
    return name if isinstance(name, str) else None


def is_dummy(thread) -> cython.bint:
    """`_DummyThread`: what `current_thread()` invents for a thread that is still starting, or not `threading`'s."""
    kind = getattr(threading, "_DummyThread", None)
    return kind is not None and isinstance(thread, kind)


def call_at_end(thread, function):
    """`_delete`: have ``function()`` called when the thread has ended, by the thread itself; at once where it has.

    It is the last that `threading` does in a thread of its own. `_active` tells whether it was past that point, and
    its frames whether it has looked up what it calls there, before we could put ours in its place.
    """
    seen = ref(thread)
    before = thread._delete

    def delete():
        ending = seen()
        if ending is not None:
            ending.__dict__.pop("_delete", None)
        before()
        function()

    thread._delete = delete
    if listed_thread(thread.ident) is not thread or is_leaving(thread):
        thread.__dict__.pop("_delete", None)
        function()


def is_leaving(thread) -> cython.bint:
    """`_bootstrap_inner`, `_delete`: whether it is in the latter, or about to call what it has found by that name."""
    run = threading.Thread._bootstrap_inner.__code__
    caller = None
    frame = sys._current_frames().get(thread.ident)
    while frame is not None and frame.f_code is not run:
        caller = frame
        frame = frame.f_back
    if frame is None:
        return False
    if caller is not None:
        return caller.f_code is threading.Thread._delete.__code__
    # In no call. Past the first that names `_delete` there are only a few steps left.
    from dis import get_instructions

    return frame.f_lasti >= min([each.offset for each in get_instructions(run) if each.argval == "_delete"])


def call_at_exit(function):
    """`_register_atexit`: have ``function()`` called as the main thread is about to end; at once where it has."""
    try:
        threading._register_atexit(function)
    except RuntimeError:
        function()


# --- the import system ---------------------------------------------------------------------------------------


def is_being_imported(module) -> cython.bint:
    """`_initializing`, of a module's spec: whether its code is still being run. Not known: as if it were not."""
    return bool(getattr(getattr(module, "__spec__", None), "_initializing", False))


# --- asyncio -------------------------------------------------------------------------------------------------


def asker_for_running_loop(events):
    """`_get_running_loop`: None where no loop runs, without the exception that `get_running_loop` makes."""
    found = getattr(events, "_get_running_loop", None)
    if found is not None:
        return found

    def running_loop():
        try:
            return events.get_running_loop()
        except RuntimeError:
            return None

    return running_loop


def current_tasks():
    """`_asyncio._current_tasks`: loop -> the task in a step. None: to be asked by `current_task`, in 3.14 and newer."""
    table = getattr(sys.modules.get("_asyncio"), "_current_tasks", None)
    return table if isinstance(table, dict) else None


def thread_of_loop(loop):
    """`_thread_id`: the ident of the thread in which the loop runs. None: known for the calling thread alone."""
    return getattr(loop, "_thread_id", None)


def has_plain_queue(loop) -> cython.bint:
    """`_ready`, `_run_once`, `Handle._run`: whether what is put into this loop's queue of handles is run as if
    `call_soon` had put it there, and nobody looks on. False: by `call_soon`.

    Everybody who wants to know of handles, or to have a say in their order, has replaced a method. Asked for each task
    that sleeps, so what was found out about the class of the loop is kept until that changes.
    """
    global plain_loops, plain_handles
    handle = sys.modules["asyncio.events"].Handle
    kind = type(loop)
    version: cython.uint = interlock_version_of(kind)
    if version == 0 or version != plain_loops or interlock_version_of(handle) != plain_handles:
        if not is_plain_class(kind):
            return False
        plain_handles = interlock_version_of(handle)
        plain_loops = interlock_version_of(kind)
    own: dict = loop.__dict__
    return "call_soon" not in own and "_run_once" not in own and type(own.get("_ready")) is deque


def is_plain_class(kind) -> cython.bint:
    base_events = sys.modules["asyncio.base_events"]
    events = sys.modules["asyncio.events"]
    base = base_events.BaseEventLoop
    run_once = getattr(base, "_run_once", None)
    return (
        run_once is not None
        and issubclass(kind, base)
        and kind.call_soon is base.call_soon
        and kind._run_once is run_once
        and is_function_of(base.call_soon, base_events)
        and is_function_of(run_once, base_events)
        and is_function_of(getattr(events.Handle, "_run", None), events)
    )


def is_function_of(function, module) -> cython.bint:
    return getattr(function, "__globals__", None) is vars(module)


def put_into_queue(loop, handle):
    """Append to `_ready`, where `has_plain_queue`."""
    loop._ready.append(handle)


def awaited_by(task):
    """`_fut_waiter`: the future that the task awaits now, or None."""
    return getattr(task, "_fut_waiter", None)


def error_of(task):
    """`_exception`: by which the task has ended, or None. `exception()` would raise where it has not ended."""
    return getattr(task, "_exception", None)


def is_to_be_cancelled(task) -> cython.bint:
    """`_must_cancel`: whether a cancellation is on its way to the task, which it gets as soon as it runs."""
    return getattr(task, "_must_cancel", False)


def callbacks_of(task) -> list:
    """`_callbacks`: what is called when the task is done."""
    return [callback for callback, _ in getattr(task, "_callbacks", None) or ()]


def calls_to_come(loop):
    """`_scheduled`, `_ready` and a handle's `_callback`, `_args` and `_cancelled`: (callback, arguments) of every call
    that the loop is going to make. None where the loop does not show them, as uvloop."""
    timers = getattr(loop, "_scheduled", None)
    if timers is None:
        return None
    return [
        (handle._callback, getattr(handle, "_args", None))
        for handle in [*timers, *loop._ready]
        if not handle._cancelled and handle._callback is not None
    ]


# By which names asyncio's timeouts know their task, and their timer; and `wait_for`'s, up to 3.11, its future.
TASK_OF_TIMEOUT = ("_task", "_host_task")
TIMER_OF_TIMEOUT = ("_timeout_handler", "_timeout_handle")
RELEASE_WAITER = "_release_waiter"


def task_in_c():
    """`_asyncio.Task`, whose `get_name` is no method of the program's. None: asyncio has none in C here."""
    return getattr(sys.modules.get("_asyncio"), "Task", None)


# --- trio ----------------------------------------------------------------------------------------------------


def run_context():
    """`GLOBAL_RUN_CONTEXT`: the `task` and the `runner` of the calling thread, as `trio.lowlevel` tells them, and
    without its Python code, in which a signal handler could run."""
    return getattr(sys.modules.get("trio._core._run"), "GLOBAL_RUN_CONTEXT", None)


def queue_of(runner):
    """`entry_queue`: where a token of trio's puts the calls from other threads. A token is made by Python code."""
    return runner.entry_queue


def is_cancelled_in_trio(task) -> cython.bint:
    """`_cancel_status`: whether a cancellation is on its way to the task."""
    return task._cancel_status.effectively_cancelled


def scopes_of(task) -> list:
    """`_cancel_status`, its `_scope` and `_parent`: the scopes that the task itself has entered, innermost first."""
    status = task._cancel_status
    nursery = task.parent_nursery
    inherited = None if nursery is None else nursery._cancel_status
    scopes: list = []
    while status is not None and status is not inherited:
        scopes.append(status._scope)
        status = status._parent
    return scopes
