"""Tasks: which task calls, of asyncio or of trio.

A task has an id as a thread has, from a counter of our own, with `TASK_BIT` set. Its party is made when it first
blocks or first takes something that has an owner, and is put aside when the task object goes.

Who calls is asked on fast paths, and the libraries answer slowly: asyncio on 3.11 in Python, trio through an
attribute of a thread-local object. What they would say can change only when the thread enters or leaves a context
of `contextvars`, since every step of a task runs in a context that is entered for it. CPython counts those: so each
thread keeps what it was told last and the count for which that holds, and asks again only when the count has moved.
A thread without a context is not in a task, which spares most threads even that.

Neither library is imported here. A task cannot run before its library has been imported, so that is looked for
among the modules which the program has loaded.

Turned down: a context variable of our own (it is copied into every child task and by every `to_thread`, so it says
who the parent was); asking `sniffio` (it names the library and not the task).
"""

import sys
import weakref

import cython
from cython.cimports.cpython.dict import PyDict_Next
from cython.cimports.cpython.long import PyLong_FromVoidPtr
from cython.cimports.cpython.object import PyObject
from cython.cimports.cpython.pythread import PyThread_get_thread_ident
from cython.cimports.cpython.weakref import PyWeakref_NewRef
from cython.cimports.interlock.core.kernel import private
from cython.cimports.interlock.core.kernel.native import (
    interlock_has_context,
    interlock_now,
    interlock_referent,
    interlock_thread,
    interlock_thread_id,
)
from cython.cimports.interlock.core.kernel.party import Party, enrol, meet, party_by_id, retire
from cython.cimports.interlock.core.tasks.task_local import (
    interlock_next_task,
    interlock_runs_in,
    interlock_tell,
    interlock_told_id,
    interlock_told_party,
)

from interlock.core.kernel.private import asker_for_running_loop

TASK_BIT = 1 << 63
BEING_DESTROYED_NS = cython.declare(cython.longlong, 400_000_000)
SEEN_OPEN_NS = cython.declare(cython.longlong, 400_000_000)
# There it makes a system call, to find out whether the process was forked.
ASKING_IS_SLOW = cython.declare(cython.bint, sys.version_info < (3, 12))

WEAKREF = cython.declare(object, weakref.ref)

# id(task) -> TaskParty, for tasks that have been met and live. Single operations on a dictionary are atomic.
met = {}

# What we need of each library, once the program has imported it. Written once, the flag last.
asyncio_found = cython.declare(cython.bint, False)
get_running_loop = cython.declare(object, None)
current_task = cython.declare(object, None)
current_tasks = cython.declare(dict, None)  # loop -> task; None where this Python keeps no such table
trio_found = False
modules = sys.modules
modules_seen = cython.declare(cython.Py_ssize_t, 0)
# trio's two halves of a checkpoint.
checkpoint_if_cancelled = cython.declare(object, None)
cancel_shielded_checkpoint = cython.declare(object, None)
whole_checkpoint = cython.declare(object, None)
trio_context = cython.declare(object, None)  # what trio knows about the calling thread
# asyncio's task in C, and how to ask it for its name without a method of the program's.
task_class = cython.declare(object, None)
task_get_name = cython.declare(object, None)


class TaskParty(Party):
    """A task, as far as a primitive needs to know it.

    Beyond a thread's attributes: ``loop``, asyncio's event loop or trio's token, or None where that is no more.

    Nothing here keeps the task or its loop alive: parties are remembered for longer than either lives.
    """

    @property
    def loop(self) -> object:
        loop = self.its_loop()
        return loop.current_trio_token() if loop is not None and self.library == Library.TRIO else loop

    def its_loop(self):
        """asyncio's loop, or trio's runner: a token of trio's stands for it, and is made by Python code."""
        with cython.critical_section(self):
            reference = self.loop_ref
        return interlock_referent(reference) if type(reference) is WEAKREF else reference()

    def __call__(self, reference: object) -> None:
        """The task object goes: called by the weak reference to it."""
        self.destroyed_at = interlock_now()
        self.destroyed = True
        if type(self.loop_ref) is not WEAKREF:
            # The party is remembered for longer than its loop may be kept.
            kept = self.loop_ref
            with cython.critical_section(self):
                self.loop_ref = no_loop
            del kept
        if met.get(self.key) is self:
            met.pop(self.key, None)
        retire(self)

    @property
    def ended(self) -> bool:
        return self.has_ended()

    def has_ended(self) -> cython.bint:
        if self.lost_in_fork:
            return True
        if self.task_ref() is None:
            # While a task is destroyed its coroutine is closed, and may leave what it holds: that is soon over.
            return self.destroyed_at != 0 and interlock_now() - self.destroyed_at > BEING_DESTROYED_NS
        return self.is_done() or self.loop_is_closed()

    def fate(self) -> str:
        if not self.is_gone() and not self.is_done():
            return "a task whose loop was closed"
        return "a task that has ended"

    def forget_wait(self):
        if self.library == Library.ASYNCIO and self.wait is not None and self.loop_is_closed():
            with cython.critical_section(self):
                kept = self.wait
                self.wait = None
            del kept  # here and not inside, where it could be the last reference

    def is_done(self) -> cython.bint:
        """Whether its task has run to its end."""
        task = self.task_ref()
        if task is None:
            return True
        if self.library == Library.ASYNCIO:
            return task.done()
        return getattr(task.coro, "cr_frame", self) is None

    def loop_is_closed(self) -> cython.bint:
        """Whether its loop has ended, so that it can never run again."""
        loop = self.its_loop()
        if self.library == Library.ASYNCIO:
            return loop is None or loop.is_closed()
        # trio has no other way to ask than to give it something to do: not more often than somebody has to know.
        now: cython.longlong = interlock_now()
        if now - self.seen_open < SEEN_OPEN_NS:
            return False
        try:
            private.queue_of(loop).run_sync_soon(int, idempotent=True)
        except (RuntimeError, AttributeError):
            return True
        self.seen_open = now
        return False

    def is_run_by(self, thread: Party) -> cython.bint:
        """Whether its loop runs in this thread now and can run in no other before the thread goes on.

        False where that is not certain.
        """
        if self.library == Library.TRIO:
            return self.thread == thread.id and not self.loop_is_closed()
        loop = self.its_loop()
        if loop is None or not loop.is_running():
            return False
        ident = private.thread_of_loop(loop)
        if ident is not None:
            return ident == thread.ident
        # Not a loop of asyncio's own: it is known for the calling thread.
        return thread.id == interlock_thread_id() and get_running_loop() is loop

    def known_as(self):
        """The task, or this party itself where it is no more."""
        task = self.task_ref()
        return self if task is None else task

    def call_name(self) -> str:
        task = self.task_ref()
        if task is None:
            with cython.critical_section(self):
                last_name = self.last_name
            return "a task that has ended" if last_name is None else last_name
        name = str(task.get_name() if self.library == Library.ASYNCIO else task.name)
        with cython.critical_section(self):
            self.last_name = name
        return name

    def note_name(self) -> cython.void:
        task = self.task_ref()
        if task is None:
            return
        if self.library == Library.TRIO:
            name = task.name  # trio's own class, which has it in a slot
        elif task_get_name is not None and isinstance(task, task_class):
            name = task_get_name(task)
        else:
            name = private.name_of(task)
        self.remember_name(name if isinstance(name, str) else None)

    def is_gone(self) -> cython.bint:
        return self.lost_in_fork or self.destroyed


def meet_task(task, library: Library, loop) -> TaskParty:
    key = PyLong_FromVoidPtr(cython.cast(cython.p_void, task))
    found = met.get(key)
    # A task that goes is taken out before its address can be another's.
    if found is not None and not cython.cast(TaskParty, found).destroyed:
        cython.cast(TaskParty, found).thread = interlock_thread_id()  # its loop may run in another one now
        return found
    party: TaskParty = TaskParty.__new__(TaskParty)
    party.id = TASK_BIT | interlock_next_task()
    party.thread = interlock_thread_id()
    party.ident = PyThread_get_thread_ident()
    party.library = library
    party.loop_ref = weakly(loop)
    party.key = key
    party.task_ref = PyWeakref_NewRef(task, party)
    # What was called above may have run anybody's code, which may have met this very task.
    found = met.setdefault(key, party)
    if found is party:
        enrol(party)
    return found


def no_loop():
    return None


def weakly(loop):
    """Something to call that returns the loop as long as it lives."""
    try:
        return PyWeakref_NewRef(loop, None)
    except TypeError:
        return lambda: loop  # somebody's own, with slots


def look_for_libraries():
    """Once for each time that modules have been loaded, until both are found."""
    global modules_seen, asyncio_found, get_running_loop, current_task, current_tasks, task_class, task_get_name
    global trio_found, trio_context, checkpoint_if_cancelled, cancel_shielded_checkpoint, whole_checkpoint
    modules_seen = len(modules)
    events = modules.get("asyncio.events")
    tasks = modules.get("asyncio.tasks")
    # One that is only being imported has no tasks yet.
    if not asyncio_found and hasattr(events, "get_running_loop") and hasattr(tasks, "current_task"):
        get_running_loop = asker_for_running_loop(events)
        current_task = tasks.current_task
        current_tasks = private.current_tasks()
        task_class = private.task_in_c()
        task_get_name = getattr(task_class, "get_name", None)
        asyncio_found = True
    lowlevel = modules.get("trio.lowlevel")
    if not trio_found and hasattr(lowlevel, "cancel_shielded_checkpoint") and private.run_context() is not None:
        trio_context = private.run_context()
        checkpoint_if_cancelled = lowlevel.checkpoint_if_cancelled
        cancel_shielded_checkpoint = lowlevel.cancel_shielded_checkpoint
        whole_checkpoint = lowlevel.checkpoint
        trio_found = True


def running_trio_task():
    """trio's task in whose step this thread is, or None: as `trio.lowlevel` would say, without its Python code."""
    return getattr(trio_context, "task", None) if trio_found else None


def find_task() -> TaskParty:
    """The party of the task in whose step this thread is; None where it is in none."""
    if not (asyncio_found and trio_found) and modules_seen != len(modules):
        look_for_libraries()
    trio_task = running_trio_task()
    # The other library's loop may run inside a step of this one's, either way round.
    if trio_task is not None and interlock_runs_in(trio_task.context):
        return meet_task(trio_task, Library.TRIO, trio_context.runner)
    if asyncio_found:
        loop = running_loop()
        if loop is not None:
            task = current_task(loop) if current_tasks is None else current_tasks.get(loop)
            if task is not None:
                return meet_task(task, Library.ASYNCIO, loop)
    if trio_task is not None:
        return meet_task(trio_task, Library.TRIO, trio_context.runner)
    return None


def is_in_trio() -> cython.bint:
    """Whether a task of trio's calls. There each await is a checkpoint: what need not wait says so by the two below."""
    party: Party = caller()
    return isinstance(party, TaskParty) and cython.cast(TaskParty, party).library == Library.TRIO


def before_in_trio():
    """To be awaited before anything is taken: a cancellation comes in here."""
    return checkpoint_if_cancelled()


def after_in_trio():
    """To be awaited after it: others run."""
    return cancel_shielded_checkpoint()


def checkpoint_in_trio():
    """Both at once, to be awaited before what could not be undone after it."""
    return whole_checkpoint()


def running_loop():
    """asyncio's loop that runs in this thread, or None; maybe None as well where none of its tasks is in a step."""
    if not ASKING_IS_SLOW or current_tasks is None:
        return get_running_loop()
    # The table has the loops that are in a step of a task now: mostly one.
    me: object = PyThread_get_thread_ident()
    found: object = None
    position: cython.Py_ssize_t = 0
    loop: cython.pointer(PyObject)
    task: cython.pointer(PyObject)
    while PyDict_Next(current_tasks, cython.address(position), cython.address(loop), cython.address(task)):
        ident = private.thread_of_loop(cython.cast(object, loop))
        if ident is None or (ident == me and found is not None):
            return get_running_loop()  # not a loop of asyncio's own making, or one inside another
        if ident == me:
            found = cython.cast(object, loop)
    return found


def is_in_step_of(party: TaskParty) -> cython.bint:
    """Whether this thread is in a step of a task of the same loop. False also where that is not known."""
    if party.thread != interlock_thread_id():
        return False
    if party.library == Library.TRIO:
        task = running_trio_task()
        if task is None or not interlock_runs_in(task.context):
            # Also where trio still names the task whose step is just over: it has to look at what that yielded first.
            return False
    here: Party = caller()
    return isinstance(here, TaskParty) and cython.cast(TaskParty, here).its_loop() is party.its_loop()


def caller_in_context(thread: cython.p_void) -> cython.ulonglong:
    told: cython.ulonglong = interlock_told_id(thread)
    if told != 0:
        return told
    party: Party = find_task()
    if party is None:
        party = meet()
    # Whatever was called meanwhile has left the contexts that it entered: the count may have moved, not who calls.
    interlock_tell(party.id, cython.cast(cython.p_void, party))
    return party.id


def caller() -> Party:
    thread: cython.p_void = interlock_thread()
    if interlock_has_context(thread):
        caller_in_context(thread)
        return cython.cast(Party, interlock_told_party())
    return meet()


def calling_task() -> TaskParty:
    party: Party = caller()
    if not isinstance(party, TaskParty):
        raise RuntimeError("only a task of asyncio or trio can wait here: no task is running in this thread")
    return party


def is_destroyed_task(id: cython.ulonglong) -> cython.bint:
    if id <= TASK_BIT:
        return False
    party: Party = party_by_id(id)
    return party.forgotten or (isinstance(party, TaskParty) and cython.cast(TaskParty, party).destroyed)


def current_party() -> Party:
    """The party that calls: the task in whose step this thread is, or the thread."""
    return caller()
