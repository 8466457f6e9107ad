"""RWLock between processes: many readers, or one writer; in the order of arrival.

    word                     meaning
    0 [| QUEUED]             free
    id [| QUEUED]            that thread writes
    READ | n [| QUEUED]      n read: each has a hold, a node that says whose it is
    ... | ABANDONED          a writer died, and no writer has released it since

A release hands it on: letting newcomers pass would starve one side. The hold of a reader that dies is released.
"""

import cython
from cython.cimports.interlock.core.kernel.probe import Happening, probing
from cython.cimports.interlock.machine.kernel import (
    ABANDONED,
    ENTER,
    ENTERED,
    HOLD,
    ID_MASK,
    LAST,
    NEVER,
    PERMITS,
    READ,
    READING,
    RWLOCK,
    Shared,
    Waiting,
    caller,
    deadline_after,
    died_of,
    guard_unlock,
    ilk_use,
    leave_holds_outside,
    load,
    lock_free_outside,
    lock_try,
    lock_untie,
    me,
    party_of,
    process_address,
    reader_release,
    reads_itself,
    u32,
    u64,
    writer_release,
)

from interlock.errors import DeadlockError
from interlock.machine import tasks
from interlock.machine.within import Within, make_within

ilk_use(process_address())


class RWLock(Shared):
    """RWLock(name=None, *, recover=None)\n--\n\n\
    A lock between the processes of this machine for many readers or one writer.

    ``with lock.read():`` and ``with lock.write():`` acquire it. ``name``: all processes that use the same name share
    one lock. ``recover``: if a writer has died, the next writer calls it with a `Died` before it continues.

    Raises ValueError if the name is in use for another kind of primitive.
    """

    def __init__(self, name: str | None = None, *, recover: object = None):
        if recover is not None and not callable(recover):
            raise TypeError(f"recover must be callable, not {type(recover).__name__}")
        self.recover = recover
        self.open(RWLOCK, name, 0, None)

    def read(self) -> object:
        """Return the side of a reader, not acquired yet. It is a context manager with `acquire` and `release`."""
        return make_side(self, True)

    def write(self) -> object:
        """Return the side of a writer, not acquired yet. It is a context manager with `acquire` and `release`."""
        return make_side(self, False)

    def locked(self) -> bool:
        """Whether any party reads or writes."""
        return self.readers > 0 or self.owner is not None

    @property
    def readers(self) -> int:
        """How many read sides are held."""
        word: u64 = load(cython.address(self.r.word))
        return word & PERMITS if word & READ else 0

    @property
    def owner(self) -> object:
        """The `Party` that holds the write side, or None."""
        word: u64 = load(cython.address(self.r.word))
        return None if word & READ else party_of(word & ID_MASK, 0)

    @property
    def abandoned(self) -> object:
        """The `Died` that held the write side and died, or None. It is kept until a writer releases."""
        return died_of(self.r) if load(cython.address(self.r.word)) & ABANDONED else None

    def __repr__(self):
        owner = self.owner
        readers = self.readers
        if owner is not None:
            return self.describe("locked", f"owner={owner.program}[{owner.pid}]")
        return self.describe("locked" if readers else "unlocked", f"readers={readers}" if readers else "")

    def take(self, flags: u32, deadline: u64) -> cython.bint:
        i = caller()
        if not flags & READING and lock_try(i, self.r, ENTERED):
            if probing:
                self.tell(Happening.ACQUIRED, 0)
                self.note_taken(i)
            return True
        if not flags & READING and deadline == NEVER and reads_itself(i, self.r):
            raise DeadlockError(
                f"the caller reads under {self!r} and would wait for itself to write; leave read() first, take "
                "write(), and look again at what was read"
            )
        w: Waiting
        w.record = self.index
        w.node = 0
        w.flags = flags
        w.want = 1
        w.deadline = deadline
        w.noticed = 0
        if not self.drive(cython.address(w)):
            return False
        if not flags & READING:
            self.recovered()
        return True

    def recovered(self):
        if self.recover is not None and load(cython.address(self.r.word)) & ABANDONED:
            try:
                self.recover(died_of(self.r))
            except BaseException:
                self.give_write(caller(), True)
                raise

    def _extra(self) -> object:
        return self.recover

    def _restore(self, extra: object) -> object:
        self.recover = extra
        return None

    def take_back(self, w: cython.pointer(Waiting), i: cython.pointer(me)):
        if w.flags & READING:
            self.give_read(i)
        else:
            self.give_write(i, True)

    def give_read(self, i: cython.pointer(me)):
        if probing:
            self.tell(Happening.RELEASED, 0)
        try:
            self.enter_guard(i)
        except BaseException:
            leave_holds_outside(i, self.r, 1)
            raise
        given: cython.bint = reader_release(i, self.r)
        guard_unlock(i, self.r)
        if not given:
            raise RuntimeError(f"this thread does not read: {self!r}")

    def give_write(self, i: cython.pointer(me), keep: cython.bint):
        if probing:
            self.tell(Happening.RELEASED, 0)
        if not keep and lock_untie(i, self.r, ENTERED):
            return
        try:
            self.enter_guard(i)
        except BaseException:
            lock_free_outside(i, self.r, keep)
            raise
        word: u64 = load(cython.address(self.r.word))
        mine: cython.bint = not word & READ and word & ID_MASK == i.id
        if mine:
            writer_release(i, self.r, keep)
        guard_unlock(i, self.r)
        if not mine:
            raise RuntimeError(f"this thread does not write: {self!r}")


class Side:
    """One side of an `RWLock`: made by `RWLock.read` and `RWLock.write`."""

    def __init__(self, *args: object, **kwargs: object):
        raise TypeError("it is created by RWLock.read() or RWLock.write()")

    def __enter__(self) -> bool:
        """Acquire this side, waiting as long as it takes. Returns True."""
        return self.lock.take(READING | HOLD if self.reads else ENTER, NEVER)

    def __exit__(self, exc_type: object = None, exc_value: object = None, traceback: object = None) -> None:
        self.release()

    def acquire(self, blocking: cython.bint = True, timeout: object = None) -> bool:
        """Acquire this side.

        ``blocking``: whether to wait for it. ``timeout``: how many seconds to wait at most; None means no limit, 0 or
        less means not to wait. Returns True, or False if it was not acquired in that time. Raises DeadlockError if this
        thread reads and would wait to write without a limit.
        """
        if not blocking and timeout is not None:
            raise ValueError("can't specify a timeout for a non-blocking call")
        return self.lock.take(READING | HOLD if self.reads else ENTER, deadline_after(timeout) if blocking else 0)

    def release(self) -> None:
        """Release this side. Raises RuntimeError if this thread does not hold it."""
        if self.reads:
            self.lock.give_read(caller())
        else:
            self.lock.give_write(caller(), False)

    def __aenter__(self) -> object:
        """Acquire this side for the calling task, waiting as long as it takes."""
        return tasks.enter(self, None)

    async def __aexit__(self, exc_type: object = None, exc_value: object = None, traceback: object = None) -> None:
        self.release()

    def acquire_async(self, timeout: object = None) -> object:
        """Acquire this side for the calling task. ``timeout``: how many seconds to wait at most; None means no limit.

        The result of ``await`` is True, or False if the side was not acquired in that time.
        """
        return tasks.acquire(self, timeout, READING | HOLD if self.reads else ENTER)

    def _enter(self, timeout: object) -> bool:
        return self.acquire(timeout=timeout)

    def _enter_async(self, timeout: object) -> object:
        return self.acquire_async(timeout)

    def _try(self, flags: u32, want: u32) -> bool:
        return self.lock.take(flags & (READING | HOLD | ENTER) | LAST, 0)

    def _taken(self) -> None:
        if not self.reads:
            self.lock.recovered()

    @property
    def _shared(self) -> RWLock:
        return self.lock

    def within(self, timeout: float) -> Within:
        """Return a context manager that acquires this side, or raises TimeoutError after ``timeout`` seconds."""
        return make_within(self, timeout)

    def __repr__(self):
        return f"<{'read' if self.reads else 'write'} side of {self.lock!r}>"


def make_side(lock: RWLock, reads: cython.bint):
    side: Side = Side.__new__(Side)
    side.lock = lock
    side.reads = reads
    return side
