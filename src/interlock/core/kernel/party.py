"""Parties: who calls. This file has what all parties share, and threads; tasks are in `core/tasks/task.py`.

A thread is known by the id of its thread state, a number that the interpreter never gives out twice. The
ident of `threading` will not do: it is handed to the next thread as soon as one ends, and a re-entrant lock
that died with its owner would let that next thread in.

Reading one's id costs two loads, so a lock stores the bare number. The rest, a `Party`, is made when a thread
first takes something that has an owner or first blocks (`meet`), and is found again by its number. Whether its
thread has ended, the system tells (`thread_end.pxd`); in a forked child every thread but one is gone, and their
parties are marked so. Parties that have ended are put aside when as many again have been met.

Turned down: a C thread-local pointer to the party (three times the cost of the id on the fast path, and stale
where one system thread carries several thread states); `threading.current_thread()` (it invents a dummy for a
thread that is still starting, and runs Python code); a guard in the thread state's dictionary (destructors of
the thread still run after it has gone, and they may release what the thread holds).
"""

import os
import threading
import weakref
from _collections import deque  # without the rest of `collections`

import cython
from cython.cimports.cpython.object import PyObject
from cython.cimports.cpython.pystate import PyThreadState_GetDict
from cython.cimports.cpython.pythread import PyThread_get_thread_ident
from cython.cimports.interlock.core.kernel.native import (
    interlock_pid,
    interlock_set_id_of,
    interlock_thread,
    interlock_thread_id,
)
from cython.cimports.interlock.core.kernel.private import ident_of, is_dummy, listed_thread, name_of, starting_threads
from cython.cimports.interlock.core.kernel.public_name import interlock_keep_name
from cython.cimports.interlock.core.kernel.thread_end import (
    interlock_end,
    interlock_end_reached,
    interlock_end_release,
    interlock_end_setup,
    interlock_end_share,
)

living = {}
departed = {}
in_order = cython.declare(object, deque())  # their ids; a dictionary would look for its first through all it had before
by_ident = {}
DEPARTED_KEPT = cython.declare(cython.Py_ssize_t, 1000)  # more than can plausibly have died with a lock; about 200 KB
# When `living` has grown to this, look who has ended; then it is set to twice what is left.
sweep_at = cython.declare(cython.Py_ssize_t, 64)

on_leaving: object = None  # told the id of each thread that is about to end
forks = 0
forking = False
process = interlock_pid()
main_ident = threading.main_thread().ident

if not interlock_end_setup():
    raise ImportError("the system has no thread-local storage left")


class Party:
    """A thread or a task that uses a primitive.

    Attributes: ``ident`` (as from `threading.get_ident`; for a task, of the thread of its loop), ``name``, ``ended``
    (whether it has ended) and ``lost_in_fork`` (it exists only in the parent of this forked process).
    """

    def __init__(self, *args: object, **kwargs: object):
        raise TypeError("cannot create 'interlock.Party' instances")

    def __dealloc__(self):
        interlock_end_release(cython.cast(cython.pointer(interlock_end), self.end))

    @property
    def name(self) -> str:
        return self.call_name()

    @property
    def ended(self) -> bool:
        return self.is_gone()

    def __repr__(self):
        state = " lost in fork" if self.lost_in_fork else " ended" if self.is_gone() else ""
        return f"<interlock.Party {self.call_name()!r} ident={self.ident}{state}>"

    def is_gone(self) -> cython.bint:
        """Whether its thread can never run again. False means no more than that this is not certain."""
        return (
            self.lost_in_fork
            or self.forgotten
            or (self.end != cython.NULL and interlock_end_reached(cython.cast(cython.pointer(interlock_end), self.end)))
        )

    def has_ended(self) -> cython.bint:
        """Likewise, looked for more closely. Outside critical sections."""
        return self.is_gone()

    def forget_wait(self):
        """Let go of a wait that can never end, so that what waits can go too."""

    def fate(self) -> str:
        """What has become of it, where it has ended."""
        return "a thread that has ended"

    def known_as(self):
        """The `threading.Thread`, or this party itself where `threading` does not know it (any more)."""
        thread = None
        with cython.critical_section(self):
            reference = self.thread_ref
        if reference is not None:
            thread = reference()
        if thread is None or is_dummy(thread):
            # `current_thread()` invents a dummy for a thread that is still starting, and drops it for the real one.
            found = find_thread(self.ident)
            # Looked at afterwards: once it has ended, its ident is another's.
            if found is not None and found is not thread and not self.is_gone():
                thread = found
                reference = weakref.ref(thread)
                with cython.critical_section(self):
                    self.thread_ref = reference
        return self if thread is None else thread

    def call_name(self) -> str:
        thread = self.known_as()
        if thread is not self:
            name = str(thread.name)
            with cython.critical_section(self):
                self.last_name = name
            return name
        with cython.critical_section(self):
            last_name = self.last_name
        return f"thread {self.ident}" if last_name is None else last_name

    def note_name(self) -> cython.void:
        """Remember how it is called now, for when it is no more. No Python code is run: for what looks on."""
        with cython.critical_section(self):
            reference = self.thread_ref
        thread = None if reference is None else reference()
        if thread is not None:
            self.remember_name(name_of(thread))

    def remember_name(self, name: str) -> cython.void:
        if name is not None:
            with cython.critical_section(self):
                self.last_name = name


class Leaving:
    """Lies in the dictionary of a thread's state, and goes with it: soon the thread will have ended.

    Not for certain yet, since destructors of the thread still run: parties that wait for it look from now on.
    """

    def __del__(self):
        listener = on_leaving
        if listener is not None and not in_new_child():
            listener(self.id)


def set_on_leaving(function):
    global on_leaving
    on_leaving = function


def find_thread(ident: cython.ulong):
    """The Thread with this ident, also while it is starting and `threading` has listed none yet, or a dummy."""
    thread = listed_thread(ident)
    if thread is None or is_dummy(thread):
        for starting in starting_threads():
            if ident_of(starting) == ident:
                return starting
    return thread


def meet() -> Party:
    """The party of the calling thread, made at the first call. Allocates: never in a critical section."""
    id: cython.ulonglong = interlock_thread_id()
    found = living.get(id)
    if found is None:
        party: Party = Party.__new__(Party)
        party.id = party.thread = id
        party.ident = PyThread_get_thread_ident()
        party.end = interlock_end_share()
        thread = find_thread(party.ident)
        if thread is not None:
            party.thread_ref = weakref.ref(thread)
            party.thread_key = cython.cast(cython.p_void, thread)
            party.last_name = name_of(thread)
        # What was called above may have run anybody's code, which may have met this very thread.
        found = enrol(party)
        by_ident[party.ident] = found
        state: cython.pointer(PyObject) = PyThreadState_GetDict()
        if state != cython.NULL:
            leaving: Leaving = Leaving.__new__(Leaving)
            leaving.id = id
            cython.cast(dict, state)["interlock"] = leaving
    known[id & KNOWN_MASK] = id
    return found


def enrol(party: Party):
    """Put it among the living. Returns the party that has this id, which is an earlier one where there is one."""
    if len(living) >= sweep_at:
        sweep()
    return living.setdefault(party.id, party)


def sweep():
    """Put those aside that have ended."""
    global sweep_at
    for party in list(living.values()):
        if cython.cast(Party, party).is_gone():
            retire(party)
        elif cython.cast(Party, party).id != cython.cast(Party, party).thread:
            cython.cast(Party, party).forget_wait()
    sweep_at = max(64, 2 * len(living))


def retire(party: Party):
    if party.id == party.thread and by_ident.get(party.ident) is party:
        by_ident.pop(party.ident, None)
    key: object = party.id
    if key not in living:
        return
    # First in here, then out there: who looks for it meanwhile, without the GIL, finds it in one of the two.
    departed[key] = party
    if living.pop(key, None) is not None:
        in_order.append(key)
        if len(in_order) > DEPARTED_KEPT:
            try:
                departed.pop(in_order.popleft(), None)
            except IndexError:
                pass  # other threads are at the same: one more or less does not matter


def party_by_id(id: cython.ulonglong) -> Party:
    """The party with this id; a nameless one where it ended so long ago that it has been forgotten."""
    found = living.get(id)
    if found is None:
        found = departed.get(id)
    if found is None:
        party: Party = Party.__new__(Party)
        party.id = id
        party.forgotten = True
        party.last_name = "a thread that has ended"
        return party
    return found


def in_new_child() -> cython.bint:
    """Whether this is a forked child that our hook has not run in yet. Also inside critical sections."""
    return forking and interlock_pid() != process


def is_lost(party: Party) -> cython.bint:
    """Whether this party did not come along in a fork. Also inside critical sections."""
    return party.lost_in_fork or (in_new_child() and party.thread != interlock_thread_id())


def renew(id: cython.ulonglong):
    """The calling thread, one of a pool, goes on as another party, whose id is `id`: what it was until now has ended.

    A number from above all that the interpreter gives out and below those of tasks (`core/task.py`).
    """
    former = living.get(interlock_thread_id())
    if former is not None:
        cython.cast(Party, former).forgotten = True
        retire(former)
    interlock_set_id_of(interlock_thread(), id)


def _before_fork():
    global forking
    forking = True


def _after_fork_in_child():
    global forks, process, main_ident
    forks += 1
    process = interlock_pid()
    main_ident = PyThread_get_thread_ident()
    survivor = interlock_thread_id()
    # Who ended long ago first, and threads last: only so many are remembered, and those that were lost matter.
    sweep()
    for tasks in (True, False):
        for party in list(living.values()):
            lost: Party = party
            if lost.thread != survivor and (lost.id != lost.thread) == tasks:
                lost.lost_in_fork = True
                retire(lost)


if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_before_fork, after_in_child=_after_fork_in_child)


interlock_keep_name(Party, b"interlock.core.party.Party")
