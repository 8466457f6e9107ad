"""Lock between processes: one party at a time, and the next one is told if the last one died.

    word                     meaning
    0                        free, nobody waits
    QUEUED                   free, and the head of the queue has been woken for it: a newcomer may be faster
    id [| QUEUED]            held, taken with `acquire`: any party may release it
    id | ENTERED [| QUEUED]  held, entered with `with`: that thread alone may leave it
    id of somebody dead      the head of the queue, or the next who comes, takes it over
    ... | ABANDONED          a holder died; the present holder was told so, and has not released it yet. With no id: it
                             has failed to repair it, and the next one is told again

The id is the thread's, also where a task holds it.
"""

import cython
from cython.cimports.interlock.core.kernel.probe import Happening, probing
from cython.cimports.interlock.machine.kernel import (
    ABANDONED,
    ENTER,
    ENTERED,
    ID_MASK,
    LOCK,
    NEVER,
    PASSING,
    Shared,
    Waiting,
    caller,
    deadline_after,
    died_of,
    guard_unlock,
    ilk_me,
    ilk_use,
    is_gone,
    load,
    lock_deadline,
    lock_free_outside,
    lock_release,
    lock_try,
    lock_untie,
    me,
    party_of,
    process_address,
    u32,
    u64,
)

from interlock.machine import tasks
from interlock.machine.within import Within, make_within

NO_TIMEOUT = cython.declare(object, -1)

# Whether a coroutine was ever closed while it waited in a condition: it may leave a lock that it does not hold.
closings = cython.declare(cython.bint, False)

ilk_use(process_address())


def note_closing():
    global closings
    closings = True


class Lock(Shared):
    """Lock(name=None, *, recover=None)\n--\n\n\
    A lock between the processes of this machine. Like `threading.Lock`, but a holder that dies releases it.

    ``name``: all processes that use the same name share one lock; None creates one that children inherit, or that
    `multiprocessing` sends to other processes. ``recover``: if a holder has died, the next holder calls it with a
    `Died` before `acquire` returns.

    Raises ValueError if the name is in use for another kind of primitive, and OSError if there is no room for shared
    memory.
    """

    def __init__(self, name: str | None = None, *, recover: object = None):
        if recover is not None and not callable(recover):
            raise TypeError(f"recover must be callable, not {type(recover).__name__}")
        self.recover = recover
        self.look_at_class()
        self.open(LOCK, name, 0, None)

    def __enter__(self) -> bool:
        """Acquire the lock, waiting as long as it takes. Returns True."""
        return self.enter()

    def __exit__(self, exc_type: object = None, exc_value: object = None, traceback: object = None) -> None:
        self.leave()

    def acquire(self, blocking: cython.bint = True, timeout: object = -1) -> bool:
        """Acquire the lock.

        ``blocking``: whether to wait if the lock is held. ``timeout``: how many seconds to wait at most; -1 means no
        limit.

        Returns True, or False if the lock was not acquired in that time. Raises ValueError for a negative timeout other
        than -1 and for a timeout with ``blocking=False``, OverflowError for a timeout that is too large, and any
        exception from `recover`. In that case the lock is free again, and the next holder learns of the death too.
        """
        deadline: u64 = NEVER
        if not blocking or timeout is not NO_TIMEOUT:
            deadline = lock_deadline(blocking, timeout)
        return self.take(0, deadline)

    def release(self) -> None:
        """Release the lock. Raises RuntimeError if it is free, or if another thread entered it."""
        if closings and self.has_nothing():
            return
        if probing:
            self.tell(Happening.RELEASED, 0)
        i = ilk_me()
        if i.id == 0 or not lock_untie(i, self.r, 0):
            self.give(False)

    def __aenter__(self) -> object:
        """Acquire the lock for the calling task, waiting as long as it takes."""
        return tasks.enter(self, None)

    async def __aexit__(self, exc_type: object = None, exc_value: object = None, traceback: object = None) -> None:
        self.__exit__()

    def has_nothing(self) -> cython.bint:
        """Whether the caller is a coroutine that is being closed and has lost the lock in a condition."""
        return tasks.has_nothing(self.index, self.serial)

    def acquire_async(self, timeout: object = None) -> object:
        """Acquire the lock for the calling task: ``await lock.acquire_async()``.

        ``timeout``: how many seconds to wait at most; 0 means not to wait, None or -1 means no limit.

        The result of ``await`` is True, or False if the lock was not acquired in that time.
        """
        return tasks.acquire(self, timeout, 0)

    def _enter(self, timeout: object) -> bool:
        return self.take(ENTERED, deadline_after(timeout))

    def _enter_async(self, timeout: object) -> object:
        return tasks.acquire(self, timeout, ENTER)

    def _try(self, flags: u32, want: u32) -> bool:
        """At once, or not."""
        i = caller()
        if closings:
            tasks.came_for(self.index, self.serial)
        return lock_try(i, self.r, ENTERED if flags & ENTER else 0)

    def _taken(self) -> None:
        """A task has it, after a wait."""
        if closings:
            tasks.came_for(self.index, self.serial)
        if load(cython.address(self.r.word)) & ABANDONED:
            self.recovered(caller())

    def _extra(self) -> object:
        return self.recover

    def _restore(self, extra: object) -> object:
        self.recover = extra
        self.look_at_class()
        return None

    def look_at_class(self):
        """For a subclass that overrides `acquire` or `release`: `with` calls these."""
        kind = type(self)
        self.direct = kind is Lock or "_direct" in kind.__dict__

    def within(self, timeout: float) -> Within:
        """Return a context manager that acquires the lock, or raises TimeoutError after ``timeout`` seconds."""
        return make_within(self, timeout)

    def locked(self) -> bool:
        """Whether a living thread or task holds it."""
        owner: u64 = load(cython.address(self.r.word)) & ID_MASK
        return owner != 0 and owner != PASSING and not is_gone(owner)

    @property
    def owner(self) -> object:
        """The `Party` that holds it, or None."""
        return party_of(load(cython.address(self.r.word)) & ID_MASK, 0)

    @property
    def abandoned(self) -> object:
        """For the holder: a `Died` if the holder before it has died, else None. It is kept until `release`."""
        return died_of(self.r) if load(cython.address(self.r.word)) & ABANDONED else None

    def __repr__(self):
        owner = self.owner
        if owner is None:
            return self.describe("unlocked", "")
        return self.describe("locked", f"owner={owner.program}[{owner.pid}]")

    def enter(self) -> cython.bint:
        return self.take(ENTERED, NEVER) if self.direct else self.acquire()

    def leave(self):
        if not self.direct:
            self.release()
            return
        if closings and self.has_nothing():
            return
        if probing:
            self.tell(Happening.RELEASED, 0)
        i = ilk_me()
        if i.id == 0 or not lock_untie(i, self.r, ENTERED):
            self.give(True)

    def take(self, entered: u64, deadline: u64) -> cython.bint:
        i = caller()
        if closings:
            tasks.came_for(self.index, self.serial)
        if lock_try(i, self.r, entered):
            if probing:
                self.tell(Happening.ACQUIRED, 0)
                self.note_taken(i)
            return True
        w: Waiting
        w.record = self.index
        w.node = 0
        w.flags = ENTER if entered else 0
        w.want = 1
        w.deadline = deadline
        w.noticed = 0
        if not self.drive(cython.address(w)):
            return False
        if load(cython.address(self.r.word)) & ABANDONED:
            self.recovered(i)
        return True

    def recovered(self, i: cython.pointer(me)):
        """The caller holds it, after somebody who died."""
        if self.recover is None:
            return
        try:
            self.recover(died_of(self.r))
        except BaseException:
            self.give_in_guard(i, i.id, True)
            raise

    def take_back(self, w: cython.pointer(Waiting), i: cython.pointer(me)):
        try:
            self.give_in_guard(i, i.id, True)
        except RuntimeError:
            pass  # another party has released it meanwhile; what is being raised goes on

    def give(self, leaving: cython.bint):
        i = caller()
        word: u64 = load(cython.address(self.r.word))
        owner: u64 = word & ID_MASK
        if owner == 0 or owner == PASSING:
            raise RuntimeError(f"release unlocked lock: {self!r}")
        if owner != i.id and (leaving or word & ENTERED):
            who = party_of(owner, 0)
            raise RuntimeError(
                f"{'left by another thread than entered it' if leaving else 'entered with `with` by another thread'}: "
                f"{self!r} is held by {who or 'a thread that has died'}"
            )
        self.give_in_guard(i, owner, False)

    def give_in_guard(self, i: cython.pointer(me), owner: u64, keep: cython.bint):
        try:
            self.enter_guard(i)
        except BaseException:
            lock_free_outside(i, self.r, keep)
            raise
        if load(cython.address(self.r.word)) & ID_MASK != owner:
            guard_unlock(i, self.r)
            raise RuntimeError(f"release unlocked lock: {self!r}")
        lock_release(i, self.r, keep)
