"""Remote: how what lies between machines is seen on this one. `interlock/cluster` makes and moves them.

One, the board, stands for the thing itself, by its name: recordings and dumps show it, and who of this process holds
it. Nobody waits in its queue. Each wait has one of its own, which points to the board, bears its name, and passes for
it in a recording: it is set when the engine has granted, and only then does the party go on.

    holder   of the board: the party of this process that holds it and that alone can give it up, else 0

So a cycle of such locks and others, all held in this process, is found by the graph like any other: a wait at one of
them ends at the holder of its board. Where a process elsewhere holds it, nothing is known here, and no edge is there.
"""

import cython
from cython.cimports.interlock.core.graph.waitgraph import refuse_cycle
from cython.cimports.interlock.core.kernel.arguments import checked_name
from cython.cimports.interlock.core.kernel.probe import Happening, happened, made, probing
from cython.cimports.interlock.core.kernel.waiter import Waiter
from cython.cimports.interlock.core.primitives.event import Event
from cython.cimports.interlock.core.tasks.task import caller_id


class Remote(Event):
    """What other machines may hold. Not to be used by itself.

    ``name``: what reports call it. ``board``: of a wait, the one that it is for.
    """

    def __init__(self, name: str, board: "Remote | None" = None):
        self.label = checked_name(name)
        self.board = board
        if probing:
            if board is None:
                made(self)
            else:
                self.pass_for(board)

    def pass_for(self, board: Remote) -> cython.void:
        """Have what happens here recorded as of the board."""
        with cython.critical_section(board):
            record = board.record
        if record is None:
            made(board)
            with cython.critical_section(board):
                record = board.record
        self.record = record

    def set(self) -> None:
        """Let who waits here go on."""
        chain: Waiter = None
        with cython.critical_section(self):
            self.flag = True
            if self.head is not None:
                chain = self.grant_all()
        if chain is not None:
            self.wake(chain)

    def taken(self, waited: object, alone: object) -> None:
        """The caller holds what this board stands for.

        ``waited``: it has waited for it, which is recorded already. ``alone``: nobody else can give it up.
        """
        me: cython.ulonglong = caller_id()
        self.holder = me if alone else 0
        if probing and not waited:
            happened(Happening.ACQUIRED, self, 0, 0)

    def released(self) -> None:
        """The caller is about to give it up."""
        self.holder = 0
        if probing:
            happened(Happening.RELEASED, self, 0, 0)

    def lost(self) -> None:
        """Its holder may hold it no longer."""
        self.holder = 0

    def check_block(self, waiter: Waiter) -> cython.int:
        board: Remote = self.board
        if board is not None and board.holder != 0:
            refuse_cycle(waiter)
        return 0

    def owners(self, waiter: Waiter, ids: cython.pointer(cython.ulonglong), room: cython.int) -> cython.int:
        board: Remote = self.board
        if board is None or board.holder == 0:
            return 0
        ids[0] = board.holder
        return 1

    def holders(self, ids: cython.pointer(cython.ulonglong), room: cython.int) -> cython.int:
        ids[0] = self.holder
        return 1 if self.holder != 0 else 0


# Reports go by the name of the class, and by that of its family.


class Lock(Remote):
    """A lock between machines."""


class RLock(Remote):
    """A re-entrant lock between machines; re-entries are not shown."""


class Semaphore(Remote):
    """A semaphore between machines."""


class RWLock(Remote):
    """A readers-writer lock between machines; both sides are shown as holds of it."""


# Nobody holds these: their waits are shown by name.


class Latch(Remote):
    """A latch between machines."""


class Barrier(Remote):
    """A barrier between machines."""


class Condition(Remote):
    """A condition between machines."""
