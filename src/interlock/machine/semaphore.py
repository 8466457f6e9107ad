"""Semaphore and BoundedSemaphore between processes.

    word               meaning
    n                  n permits are free, nobody waits
    n | QUEUED         somebody waits for more than n, or somebody is in the guard

A permit taken with `with`, and any permit of a BoundedSemaphore, is a hold: a node that says whose it is, so that it
comes back when its holder dies. A permit of a plain Semaphore taken with `acquire` is not: who signals with a semaphore
takes a thousand and gives back none, and its death must not make them appear. Who waits is served in the order of
arrival.
"""

import cython
from cython.cimports.interlock.core.kernel.arguments import whole
from cython.cimports.interlock.core.kernel.probe import Happening, probing
from cython.cimports.interlock.machine.kernel import (
    BOUNDED,
    HOLD,
    NEVER,
    PERMITS,
    SEMAPHORE,
    Shared,
    Waiting,
    caller,
    deadline_after,
    guard_unlock,
    ilk_use,
    leave_holds_outside,
    load,
    me,
    named,
    permits_add,
    permits_give,
    permits_held,
    permits_release,
    permits_release_outside,
    permits_try,
    process_address,
    serve,
    u32,
    u64,
)

from interlock.machine import tasks
from interlock.machine.within import Within, make_within

MOST = cython.declare(cython.long, 0x3FFFFFFF)

ilk_use(process_address())


class Semaphore(Shared):
    """Semaphore(value=1, *, name=None)\n--\n\n\
    A counter of permits between the processes of this machine. ``Semaphore("name", value)`` also works.

    ``value``: how many permits there are at the start, 0 or more. ``name``: all processes that use the same name and
    value share one semaphore. A permit that was acquired by ``with`` comes back if its holder dies.

    Raises ValueError for a negative value, and if the name is in use for another kind of primitive.
    """

    def __init__(self, value: object = None, second: object = None, *, name: str | None = None):
        given = named(value, second, name, 1)
        self.start(given[0], given[1])

    def start(self, name, value):
        count: cython.long = whole(value)
        if count < 0:
            raise ValueError("semaphore initial value must be >= 0")
        if count > MOST:
            raise ValueError(f"semaphore initial value must be <= {MOST}")
        self.bounded = isinstance(self, BoundedSemaphore)
        self.open(BOUNDED if self.bounded else SEMAPHORE, name, count, None)

    def __enter__(self) -> bool:
        """Acquire one permit, waiting as long as it takes. Returns True."""
        return self.take(HOLD, 1, NEVER)

    def __exit__(self, exc_type: object = None, exc_value: object = None, traceback: object = None) -> None:
        self.give(1, True)

    def acquire(self, blocking: cython.bint = True, timeout: object = None, *, permits: object = 1) -> bool:
        """Acquire one or more permits: all of them or none.

        ``blocking``: whether to wait for them. ``timeout``: how many seconds to wait at most; None means no limit, 0 or
        less means not to wait. ``permits``: how many, 1 or more.

        Returns True, or False if the permits were not acquired in that time. Raises ValueError for a timeout with
        ``blocking=False``, for fewer than 1 permits, and for more permits than there can ever be.
        """
        wanted: cython.long = self.checked(permits)
        if not blocking:
            if timeout is not None:
                raise ValueError("can't specify timeout for non-blocking acquire")
            if wanted == 1 and not self.bounded and permits_try(self.r):
                if probing:
                    self.tell(Happening.ACQUIRED, 0)
                return True
            return self.take(HOLD if self.bounded else 0, wanted, 0)
        if wanted == 1 and not self.bounded and permits_try(self.r):
            if probing:
                self.tell(Happening.ACQUIRED, 0)
            return True
        return self.take(HOLD if self.bounded else 0, wanted, deadline_after(timeout))

    def release(self, n: object = 1) -> None:
        """Release ``n`` permits and wake the waiting calls that they are enough for. Raises ValueError if ``n`` is
        below 1.
        """
        count: cython.long = whole(n)
        if count < 1:
            raise ValueError("n must be one or more")
        if count > MOST:
            raise ValueError("Semaphore released too many times")
        if self.bounded or count != 1 or probing or not permits_add(self.r):
            self.give(count, self.bounded)

    def __aenter__(self) -> object:
        """Acquire one permit for the calling task, waiting as long as it takes."""
        return tasks.enter(self, None)

    async def __aexit__(self, exc_type: object = None, exc_value: object = None, traceback: object = None) -> None:
        self.give(1, True)

    def acquire_async(self, timeout: object = None, *, permits: object = 1) -> object:
        """Acquire permits for the calling task: ``await semaphore.acquire_async()``. Arguments and result: see
        `acquire`.
        """
        return tasks.acquire(self, timeout, HOLD if self.bounded else 0, self.checked(permits))

    def _enter(self, timeout: object) -> bool:
        return self.take(HOLD, 1, deadline_after(timeout))

    def _enter_async(self, timeout: object) -> object:
        return tasks.acquire(self, timeout, HOLD)

    def _try(self, flags: u32, want: u32) -> bool:
        if flags & HOLD == 0 and want == 1:
            return permits_try(self.r)
        return self.take(flags & HOLD, want, 0)

    def _taken(self) -> None:
        pass

    def within(self, timeout: float) -> Within:
        """Return a context manager that acquires one permit, or raises TimeoutError after ``timeout`` seconds."""
        return make_within(self, timeout)

    @property
    def _value(self) -> int:
        return (load(cython.address(self.r.word)) & PERMITS) + self.unpaid()

    def unpaid(self) -> u32:
        """How many were released past the guard, and are not in the word yet."""
        return 0 if self.bounded else self.r.owed - self.r.paid

    def __repr__(self):
        more = f"value={self._value}"
        if self.bounded:
            more += f"/{self.r.bound}"
        return self.describe("", more)

    def take(self, flags: u32, want: u32, deadline: u64) -> cython.bint:
        w: Waiting
        w.record = self.index
        w.node = 0
        w.flags = flags
        w.want = want
        w.deadline = deadline
        w.noticed = 0
        return self.drive(cython.address(w))

    def take_back(self, w: cython.pointer(Waiting), i: cython.pointer(me)):
        if not w.flags & HOLD:
            self.give(w.want, False)
            return
        try:
            self.enter_guard(i)
        except BaseException:
            leave_holds_outside(i, self.r, w.want)
            return  # what is being raised already is as good
        # Another party may have released some of it meanwhile.
        permits_give(i, self.r, min(permits_held(self.r, i.id), cython.cast(u64, w.want)))
        guard_unlock(i, self.r)

    def checked(self, permits) -> cython.long:
        wanted: cython.long = whole(permits)
        if wanted < 1:
            raise ValueError("permits must be one or more")
        if wanted > (cython.cast(cython.long, self.r.bound) if self.bounded else MOST):
            raise ValueError(f"{permits} permits can never be there: {self!r}")
        return wanted

    def _restore(self, extra: object) -> object:
        self.bounded = isinstance(self, BoundedSemaphore)
        return None

    def give(self, count: u64, held: cython.bint):
        i = caller()
        if probing:
            self.tell(Happening.RELEASED, 0)
        try:
            self.enter_guard(i)
        except BaseException:
            if held:
                leave_holds_outside(i, self.r, count)
            else:
                permits_release_outside(self.r, cython.cast(u32, count))
            raise
        wrong: cython.bint = False
        if not held:
            if (load(cython.address(self.r.word)) & PERMITS) + count > cython.cast(u64, MOST):
                wrong = True
            else:
                permits_release(self.r, count)
        else:
            wrong = permits_held(self.r, 0) < count
            if not wrong:
                permits_give(i, self.r, count)
        if wrong:
            serve(self.r)
        guard_unlock(i, self.r)
        if wrong:
            raise ValueError("Semaphore released too many times")


class BoundedSemaphore(Semaphore):
    """BoundedSemaphore(value=1, *, name=None)\n--\n\n\
    A semaphore that never has more permits than at the start. A `release` of more raises ValueError. The permits of a
    process that dies come back.
    """
