"""Semaphore and BoundedSemaphore: a counter of permits.

    value   queue             meaning
    n       empty             n permits are free
    n       head PARKED       the head asks for more than n; nobody passes it, so what is released adds up for it
    n       head WOKEN        the head has been told to come for permits that were enough for it; a newcomer
                              may be faster, and the head then parks again
    value <= most always: acquire takes only what is there, release refuses what would not fit. Below 0 a bounded one
    has been made smaller than what is out: that is paid back first.

A PARKED head that could be served does not occur: code that changes the value or the queue serves it in the same
critical section. Since newcomers pass only a WOKEN head, and that for `BARGING_NS` at most, a party that asks for
many permits is not starved by those that ask for one.

Permits may be free while tasks that were granted theirs have not run yet. asyncio promises that a newcomer comes
after them, so a task takes what is free and goes on when they have run (`coming`). It does not stand in the queue
for that: their loop may be another one, and busy.
"""

import cython
from cython.cimports.interlock.core.kernel.arguments import checked_name, refuse_name, whole
from cython.cimports.interlock.core.kernel.construct import interlock_construct_directly
from cython.cimports.interlock.core.kernel.control import Operation, controlling, point
from cython.cimports.interlock.core.kernel.party import forks, in_new_child
from cython.cimports.interlock.core.kernel.primitive import Primitive
from cython.cimports.interlock.core.kernel.probe import Happening, happened, made, probing
from cython.cimports.interlock.core.kernel.public_name import interlock_keep_name
from cython.cimports.interlock.core.kernel.timeouts import NEVER, deadline_after, wait_seconds
from cython.cimports.interlock.core.kernel.waiter import GRANTED, Waiter, new_waiter
from cython.cimports.interlock.core.primitives.alternative import Kind, alternative
from cython.cimports.interlock.core.primitives.within import within
from cython.cimports.interlock.core.tasks.awaiting import DONE, acquire_call, enter_call
from cython.cimports.interlock.core.tasks.task import calls_in_trio
from cython.cimports.interlock.core.tasks.task_waiter import TaskWaiter
from cython.cimports.libc.limits import LONG_MAX

renamed = cython.declare(object, None)  # interlock.aio's Semaphore
renamed_bounded = cython.declare(object, None)  # its BoundedSemaphore
standing_in = cython.declare(object, None)  # the drop-in's Semaphore
standing_in_bounded = cython.declare(object, None)


class Semaphore(Primitive):
    """Semaphore(value=1, *, name=None)\n--\n\n\
    A counter of permits. `acquire` takes one and waits while there is none. `release` gives one back.

    ``value``: how many permits there are at the start, 0 or more. ``name``: shown by reports and ``repr``. Raises
    ValueError for a negative value.
    """

    def __init__(self, value: object = 1, *, name: str | None = None):
        self.most = LONG_MAX
        self.start(value, name)

    def __enter__(self) -> bool:
        """Acquire one permit, waiting as long as it takes. Returns True."""
        if is_ours(self):
            return self.take(1, NEVER)
        return self.acquire()

    def __exit__(self, exc_type: object = None, exc_value: object = None, traceback: object = None) -> None:
        if is_ours(self):
            self.give(1)
        else:
            self.release()

    def __aenter__(self) -> object:
        """Acquire one permit for the calling task, waiting as long as it takes. The result of ``await`` is None."""
        if not self.is_plain():
            return enter_overridden(self)
        if calls_in_trio():
            return enter_call(self, 1)
        return DONE if self.take_now(1) else enter_call(self, 1)

    def __aexit__(self, exc_type: object = None, exc_value: object = None, traceback: object = None) -> object:
        if self.is_plain():
            self.give(1)
        else:
            self.release()
        return DONE

    def acquire(self, blocking: cython.bint = True, timeout: object = None, *, permits: object = 1) -> bool:
        """Acquire one or more permits: all of them or none.

        ``blocking``: whether to wait if there are not enough. ``timeout``: how many seconds to wait at most; None means
        no limit, 0 or less means not to wait. ``permits``: how many, 1 or more. Waiting calls are served in the order
        of arrival, however many permits they ask for.

        Returns True, or False if the permits were not acquired in that time. Raises ValueError for a timeout with
        ``blocking=False``, for fewer than 1 permits, and for more permits than there can ever be.
        """
        wanted: cython.long = self.checked(permits)
        if not blocking:
            if timeout is not None:
                raise ValueError("can't specify timeout for non-blocking acquire")
            return self.take_free(wanted, Passing.A_WOKEN_HEAD)
        # As with `threading`, a timeout is looked at when it matters.
        return self.take_free(wanted, Passing.A_WOKEN_HEAD) or self.take(wanted, deadline_after(timeout))

    def acquire_async(self, timeout: object = None, *, permits: object = 1) -> object:
        """Acquire permits for the calling task: ``await semaphore.acquire_async()``. Does nothing until awaited.

        ``timeout``: how many seconds to wait at most; None means no limit, 0 or less means not to wait. ``permits``: as
        for `acquire`.

        The result of ``await`` is True, or False if the permits were not acquired in that time.
        """
        return acquire_call(self, self.checked(permits), wait_seconds(timeout))

    def release(self, n: object = 1) -> None:
        """Release ``n`` permits and wake the waiting calls that they are enough for. Raises ValueError if ``n`` is
        below 1.
        """
        permits: cython.long = whole(n)
        if permits < 1:
            raise ValueError("n must be one or more")
        self.give(permits)

    def acquiring(self, permits: object = 1) -> object:
        """For `select`: acquires permits, all or none, as `acquire` does."""
        return alternative(Kind.PLAIN, self, self.checked(permits), None)

    def within(self, timeout: object) -> object:
        """Return a context manager that acquires one permit, or raises TimeoutError after ``timeout`` seconds."""
        return within(self, timeout)

    def __repr__(self):
        with cython.critical_section(self):
            value: cython.long = max(0, self.value)
        more = f"value={value}"
        if isinstance(self, BoundedSemaphore):
            more += f"/{self.most}"
        return self.describe("", more)

    # `threading` and code that peeks use this name.

    @property
    def _value(self) -> int:
        if controlling:
            point(Operation.LOOK, self)
        with cython.critical_section(self):
            return max(0, self.value)

    @_value.setter
    def _value(self, value: object) -> None:
        permits: cython.long = whole(value)
        chain: Waiter = None
        with cython.critical_section(self):
            self.value = permits
            if self.head is not None:
                chain = self.serve(None)
        if chain is not None:
            self.wake(chain)

    @property
    def _most(self) -> int:
        return self.most

    def _at_fork_reinit(self) -> None:
        with cython.critical_section(self):
            self.forget_lost()

    def start(self, value, name):
        if isinstance(value, str):
            refuse_name("value is a number", value)
        if value < 0:
            raise ValueError("semaphore initial value must be >= 0")
        permits: cython.long = whole(value)
        self.label = checked_name(name)
        self.value = permits
        if probing:
            made(self)

    def checked(self, permits) -> cython.long:
        wanted: cython.long = whole(permits)
        if wanted < 1:
            raise ValueError("permits must be one or more")
        # One may be waited for in vain, as with `threading`.
        if wanted > self.most and wanted > 1:
            raise ValueError(f"permits must be {self.most} or fewer, this semaphore never has more")
        return wanted

    def take(self, permits: cython.long, deadline: cython.longlong) -> cython.bint:
        """Take `permits`, waiting until `deadline`, of which 0 means not at all."""
        return self.take_free(permits, Passing.A_WOKEN_HEAD) or (
            deadline != 0 and self.block(new_waiter(permits), deadline)
        )

    def take_now(self, want: cython.long) -> cython.bint:
        return self.take_free(want, Passing.NOBODY)

    def take_past(self, want: cython.long) -> cython.bint:
        return self.take_free(want, Passing.WHO_IS_COMING)

    def take_or_join(self, waiter: Waiter) -> cython.bint:
        behind: cython.bint = False
        if waiter.is_task:
            with cython.critical_section(self):
                behind = self.coming > 0 and self.head is None and self.value >= waiter.want
                if behind:
                    cython.cast(TaskWaiter, waiter).last_to_run = True
                    waiter.state = GRANTED
                    self.grant(waiter)
        return not behind and Primitive.take_or_join(self, waiter)

    def is_plain(self) -> cython.bint:
        kind = type(self)
        return is_ours(self) or kind is renamed or kind is renamed_bounded

    def take_free(self, permits: cython.long, passing: Passing) -> cython.bint:
        """Take `permits` if they are free and nobody is before the caller but whom it may pass."""
        if controlling:
            point(Operation.ACQUIRE, self)
        taken: cython.bint = False
        with cython.critical_section(self):
            if self.head is not None or self.coming != 0:
                self.forget_lost()
            if self.value >= permits and (
                (self.head is None and (self.coming == 0 or passing != Passing.NOBODY))
                or (passing == Passing.A_WOKEN_HEAD and self.may_barge())
            ):
                self.value -= permits
                taken = True
        if taken and probing:
            happened(Happening.ACQUIRED, self, 0, 0)
        return taken

    def give(self, permits: cython.long) -> cython.bint:
        chain: Waiter = None
        if controlling:
            point(Operation.RELEASE, self)
        given: cython.bint = False
        with cython.critical_section(self):
            if permits <= self.most - self.value:
                self.value += permits
                given = True
                if self.head is not None:
                    chain = self.serve(None)
        if not given:
            raise ValueError("semaphore released too many times")
        if chain is not None:
            self.wake(chain)
        if probing:
            happened(Happening.RELEASED, self, 0, 0)
        return True

    def forget_lost(self) -> cython.void:
        """In a forked child: nobody waits for those who were granted and are not there to go on."""
        if self.forked != forks or in_new_child():
            Primitive.forget_lost(self)
            self.coming = 0

    def fits(self, waiter: Waiter) -> cython.bint:
        return self.value >= waiter.want

    def grant(self, waiter: Waiter) -> cython.void:
        self.value -= waiter.want
        # Not one who finds them free, and never stood in the queue.
        if waiter.is_task and waiter.state == GRANTED:
            self.coming += 1

    def runs_again(self, waiter: Waiter) -> Waiter:
        if self.coming > 0:  # 0 where it was granted in the process that this one was forked from
            self.coming -= 1
        return None

    def take_back(self, waiter: Waiter) -> cython.void:
        if waiter.is_task:
            self.runs_again(waiter)
        # A release too many may have come between the grant and now.
        self.value = min(self.value + waiter.want, self.most)


class BoundedSemaphore(Semaphore):
    """BoundedSemaphore(value=1, *, name=None)\n--\n\n\
    A semaphore that never has more permits than at the start. A `release` of more raises ValueError and changes
    nothing.
    """

    def __init__(self, value: object = 1, *, name: str | None = None):
        self.start(value, name)
        self.most = self.value

    def resize(self, n: object) -> None:
        """Change the total number of permits to ``n``, 0 or more.

        If more than ``n`` are in use, none can be acquired until enough have been released. Raises ValueError for a
        negative ``n``.
        """
        most: cython.long = whole(n)
        if most < 0:
            raise ValueError(f"n must be 0 or more, not {n}")
        chain: Waiter
        if controlling:
            point(Operation.CHANGE, self)
        with cython.critical_section(self):
            self.value += most - self.most
            self.most = most
            chain = self.serve(None)
        if chain is not None:
            self.wake(chain)


def is_ours(semaphore: Semaphore) -> cython.bint:
    kind = type(semaphore)
    return kind is Semaphore or kind is BoundedSemaphore or kind is standing_in or kind is standing_in_bounded


async def enter_overridden(semaphore: Semaphore) -> None:
    """What a subclass has made of `acquire_async` (aio's: `acquire`) counts."""
    if renamed is not None and isinstance(semaphore, (renamed, renamed_bounded)):
        await semaphore.acquire()
    else:
        await semaphore.acquire_async()


def rename(semaphore: type, bounded: type) -> None:
    """Let these count as the classes themselves: they give other names to the methods and override nothing."""
    global renamed, renamed_bounded
    renamed = semaphore
    renamed_bounded = bounded


def stand_in(semaphore: type, bounded: type) -> None:
    """Let these, which override nothing that `with` calls, count as the classes themselves for threads."""
    global standing_in, standing_in_bounded
    standing_in = semaphore
    standing_in_bounded = bounded


interlock_construct_directly(Semaphore)
interlock_construct_directly(BoundedSemaphore)
interlock_keep_name(Semaphore, b"interlock.core.semaphore.Semaphore")
interlock_keep_name(BoundedSemaphore, b"interlock.core.semaphore.BoundedSemaphore")
