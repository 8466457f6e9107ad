"""Parties: who calls.

A thread is known by the id of its thread state, a number that the interpreter never gives out twice. The
ident of `threading` will not do: it is handed to the next thread as soon as one ends, and a re-entrant lock
that died with its owner would let that next thread in.

Reading one's id costs two loads, so a lock stores the bare number. The rest, a `Party`, is made when a thread
first takes something that has an owner or first blocks (`meet`), and is found again by its number. A party
ends with its thread: the thread state's dictionary holds a `Tenancy`, and its deallocation is the notice. In
a forked child every thread but one is gone, and their parties are marked so.

Turned down: a C thread-local pointer to the party (three times the cost of the id on the fast path, and
stale where one system thread carries several thread states); `threading.current_thread()` (it invents a
dummy for a thread that is still starting, and runs Python code).
"""

import os
import threading
import weakref

import cython
from cython.cimports.cpython.pystate import PyThreadState_GetDict
from cython.cimports.cpython.pythread import PyThread_get_thread_ident
from cython.cimports.interlock.core.native import interlock_thread_id

living = {}
ended = {}
ENDED_KEPT = cython.declare(cython.Py_ssize_t, 1000)  # more than can plausibly have died with a lock; about 200 KB
_TENANCY = "interlock.core.party"

forks = 0


class Party:
    """A thread, as far as a primitive needs to know it.

    Attributes: ``ident`` (as `threading.get_ident`), ``name``, ``ended`` (its thread is no more) and
    ``lost_in_fork`` (it was alive in the parent process and did not come along).
    """

    def __init__(self):
        raise TypeError("parties are met, not made")

    @property
    def name(self) -> str:
        return self.call_name()

    def __repr__(self):
        state = " lost in fork" if self.lost_in_fork else " ended" if self.ended else ""
        return f"<interlock.Party {self.call_name()!r} ident={self.ident}{state}>"

    def known_as(self):
        """The `threading.Thread`, or this party itself where `threading` does not know it (any more)."""
        thread = None
        with cython.critical_section(self):
            reference = self.thread_ref
        if reference is not None:
            thread = reference()
        elif not self.ended:
            thread = _find_thread(self.ident)
            if thread is not None:
                reference = weakref.ref(thread)
                with cython.critical_section(self):
                    self.thread_ref = reference
        return self if thread is None else thread

    def call_name(self) -> str:
        thread = self.known_as()
        if thread is not self:
            self.last_name = str(thread.name)
        return f"thread {self.ident}" if self.last_name is None else self.last_name


class Tenancy:
    """Lies in the dictionary of a thread state; its deallocation says that the thread has ended."""

    def __dealloc__(self):
        party: Party = self.party
        if party is None:
            return
        # A thread state that another thread clears belongs to a thread that a fork left behind.
        party.lost_in_fork = party.id != interlock_thread_id()
        party.ended = True
        if living.pop(party.id, None) is not None:
            remember(party)


def remember(party: Party) -> cython.void:
    """Keep an ended party for those whose lock still names it. Runs when the interpreter shuts down, too."""
    ended[party.id] = party
    if len(ended) > ENDED_KEPT:
        ended.pop(next(iter(ended), None), None)


def _find_thread(ident: cython.ulong):
    """The Thread with this ident, also while it is starting and `threading` has not listed it yet."""
    thread = threading._active.get(ident)
    if thread is None:
        for starting in list(threading._limbo):
            if starting.ident == ident:
                return starting
    return thread


def meet() -> Party:
    """The party of the calling thread, made at the first call. Allocates: never in a critical section."""
    id: cython.ulonglong = interlock_thread_id()
    found = living.get(id)
    if found is not None:
        known[id & KNOWN_MASK] = id
        return found
    party: Party = Party.__new__(Party)
    party.id = id
    party.ident = PyThread_get_thread_ident()
    party.call_name()
    tenancy: Tenancy = Tenancy.__new__(Tenancy)
    # The calls above can run anybody's code, which may have met this very thread.
    found = living.setdefault(id, party)
    if found is party:
        tenancy.party = party
        cython.cast(dict, cython.cast(object, PyThreadState_GetDict()))[_TENANCY] = tenancy
    known[id & KNOWN_MASK] = id
    return found


def party_by_id(id: cython.ulonglong) -> Party:
    """The party with this id; a nameless one where it ended so long ago that it has been forgotten."""
    found = living.get(id)
    if found is None:
        found = ended.get(id)
    if found is None:
        party: Party = Party.__new__(Party)
        party.id = id
        party.ended = True
        party.last_name = "a thread that has ended"
        return party
    return found


def current_party() -> Party:
    """The party of the calling thread."""
    return meet()


def _after_fork_in_child():
    global forks
    forks += 1
    survivor = interlock_thread_id()
    for party in list(living.values()):
        lost: Party = party
        if lost.id != survivor:
            lost.lost_in_fork = True
            lost.ended = True
            if living.pop(lost.id, None) is not None:
                remember(lost)


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork_in_child)
