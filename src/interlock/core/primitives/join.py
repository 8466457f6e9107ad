"""Join: a thread that waits for another to end is an edge of the wait graph, too.

The waiting itself is `threading`'s; this only shows it: see `core/graph/waitgraph.py`. The only owner is the thread
that is to end. Its party is looked for when somebody asks, since it may meet its first primitive after the join has
begun.
"""

import cython
from cython.cimports.interlock.core.graph.waitgraph import refuse_cycle
from cython.cimports.interlock.core.kernel.party import Party, by_ident
from cython.cimports.interlock.core.kernel.primitive import Primitive
from cython.cimports.interlock.core.kernel.timeouts import NEVER
from cython.cimports.interlock.core.kernel.wait import begin_wait, end_wait
from cython.cimports.interlock.core.kernel.waiter import CANCELLED, Waiter, new_waiter


class Join(Primitive):
    """A context manager: inside, the caller waits for ``thread`` to end. Raises DeadlockError where it never would."""

    def __init__(self, thread: object):
        self.thread = thread
        self.ident = thread.ident
        self.waiter = None

    def __enter__(self) -> None:
        if self.waiter is not None:
            raise RuntimeError("a Join is entered by one party at a time")
        waiter: Waiter = new_waiter(0)
        with cython.critical_section(self):
            self.push(waiter)
        self.waiter = waiter
        begin_wait(waiter, self, NEVER)
        try:
            refuse_cycle(waiter)
        except BaseException:
            self.leave()
            raise

    def __exit__(self, exc_type: object = None, exc_value: object = None, traceback: object = None) -> None:
        if self.waiter is not None:
            self.leave()

    def leave(self):
        """The wait is over. The waiter goes: while it is in the queue, each keeps the other, and both the thread."""
        waiter: Waiter = self.waiter
        end_wait(waiter)
        self.waiter = None
        with cython.critical_section(self):
            self.remove(waiter)
            waiter.state = CANCELLED

    def leads_to(self) -> Primitive:
        if self.target == 0:
            found = by_ident.get(self.ident)
            if found is not None:
                party: Party = found
                # An ident is used again as soon as its thread has ended; the Thread lives as long as we name it.
                if party.thread_key == cython.cast(cython.p_void, self.thread):
                    self.target = party.id
        return self

    def holders(self, ids: cython.pointer(cython.ulonglong), room: cython.int) -> cython.int:
        return self.owners(None, ids, room)

    def owners(self, waiter: Waiter, ids: cython.pointer(cython.ulonglong), room: cython.int) -> cython.int:
        if self.target == 0:
            return 0
        ids[0] = self.target
        return 1
