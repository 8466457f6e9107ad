"""Barrier: as many parties as it takes go on together.

    phase      queue                          meaning
    FILLING    `arrived` parties              the barrier waits for the rest; arrived < size
    ACTING     `arrived` = size - 1 parties,  all have come; the last one runs the action, outside the critical
               then any number of LATE ones   section; who comes now belongs to the next generation and waits aside
    BROKEN     empty                          every wait raises BrokenBarrierError until `reset`
    DRAINING   any number of LATE ones        asyncio's only: `leaving` tasks were let through and have not run yet
    RESETTING  any number of LATE ones        likewise: they were turned away, or will be when they run

A waiter leaves the queue with a verdict in `want`: its index in the generation, BROKEN_WAIT, or AGAIN (it was late,
and now comes to the next generation; LATE_BROKEN where there is none). Verdicts are given to the whole queue at once,
so no generation is ever half broken. A party that is interrupted leaves as if it had never come; one whose time is up
breaks the barrier, since the others counted on it.

The `generation` tells the party that ran the action whether the barrier was reset or broken under it.

Turned down: `threading`'s draining phase, in which newcomers wait until the last party of a generation has run
once more. Here a party carries its verdict with it, so the next generation can begin at once. Only a barrier with
asyncio's spelling `drains`, since there it shows: a reset hits those who were let through and have not run, and not
the newcomers.
"""

from threading import BrokenBarrierError

import cython
from cython.cimports.interlock.core.kernel.arguments import checked_name, refuse_name, whole
from cython.cimports.interlock.core.kernel.control import Operation, controlling, point
from cython.cimports.interlock.core.kernel.native import interlock_thread_id
from cython.cimports.interlock.core.kernel.party import forks, in_new_child
from cython.cimports.interlock.core.kernel.primitive import Primitive
from cython.cimports.interlock.core.kernel.probe import Happening, happened, made, probing
from cython.cimports.interlock.core.kernel.public_name import interlock_keep_name
from cython.cimports.interlock.core.kernel.timeouts import NEVER, deadline_after, deadline_in, wait_seconds
from cython.cimports.interlock.core.kernel.waiter import (
    CANCELLED,
    GRANTED,
    PARKED,
    TAKEN,
    ThreadWaiter,
    Waiter,
    new_waiter,
)
from cython.cimports.interlock.core.tasks.awaiting import in_line
from cython.cimports.interlock.core.tasks.task import after_in_trio, before_in_trio, caller_id, calls_in_trio
from cython.cimports.interlock.core.tasks.task_waiter import TaskWaiter, new_task_waiter

IN_LINE = cython.declare(cython.long, -1)  # still waiting
LATE = cython.declare(cython.long, -2)  # came while the action ran
AGAIN = cython.declare(cython.long, -3)
BROKEN_WAIT = cython.declare(cython.long, -4)
LATE_BROKEN = cython.declare(cython.long, -5)

renamed = cython.declare(object, None)  # interlock.aio's Barrier


class Barrier(Primitive):
    """Barrier(parties, action=None, timeout=None, *, name=None)\n--\n\n\
    A rendezvous. Each thread or task blocks in `wait` until ``parties`` of them have arrived. Then all continue.

    ``parties``: how many must arrive, 1 or more. ``action``: called without arguments by one of them each time all have
    arrived, before any of them continues. ``timeout``: the default for `wait`, in seconds; None means no limit.
    ``name``: shown by reports and ``repr``. Raises ValueError for fewer than 1 parties and for a timeout of NaN. Other
    timeouts are checked by `wait`.
    """

    def __init__(self, parties: object, action: object = None, timeout: object = None, *, name: str | None = None):
        if isinstance(parties, str):
            refuse_name("parties is a number", parties)
        if parties < 1:
            raise ValueError("parties must be >= 1")
        size: cython.long = whole(parties)
        # As in `threading`, a party that waits looks at the timeout. But NaN is a mistake of who makes the barrier.
        if isinstance(timeout, float) and timeout != timeout:
            raise ValueError("timeout must be a number of seconds, not NaN")
        self.label = checked_name(name)
        self.size = size
        self.action = action
        self.timeout = timeout
        self.drains = renamed is not None and isinstance(self, renamed)
        if probing:
            made(self)

    @property
    def parties(self) -> int:
        """How many parties must arrive."""
        return self.size

    @property
    def n_waiting(self) -> int:
        """How many parties are waiting in the barrier now."""
        with cython.critical_section(self):
            self.forget_lost()
            return self.arrived + 1 if self.phase == ACTING else self.arrived

    @property
    def broken(self) -> bool:
        """Whether the barrier is broken. `reset` repairs it."""
        if controlling:
            point(Operation.LOOK, self)
        with cython.critical_section(self):
            self.forget_lost()
            return self.phase == BROKEN

    def wait(self, timeout: object = None) -> int:
        """Block until all parties have arrived.

        ``timeout``: how many seconds to wait at most; None means the timeout of the barrier. A timeout breaks the
        barrier for all parties.

        Returns a number from 0 to ``parties`` - 1, different for each of the parties. Raises BrokenBarrierError (the
        class of `threading`) if the barrier is broken, or is broken or reset while the caller waits. If the action
        raises an exception, the barrier is broken, and the party that runs the action gets that exception.
        """
        if timeout is None:
            timeout = self.timeout
        deadline: cython.longlong = -1
        waiter: ThreadWaiter = None
        me: cython.ulonglong = caller_id()
        while True:
            arrival: Arrival = self.arrive(waiter, me)
            if arrival == Arrival.COMPLETE:
                return self.size - 1
            if arrival == Arrival.FIRST_LOOK:
                # Allocate outside, then look again.
                waiter = new_waiter(IN_LINE)
                if deadline == -1:
                    deadline = deadline_after(timeout)
                continue
            if not self.wait_in_line(waiter, deadline if arrival == Arrival.JOINED else NEVER):
                self.broken_by_time()
            if waiter.want >= 0:
                return waiter.want
            if waiter.want != AGAIN:
                raise BrokenBarrierError
            # A late party's time runs from when its generation begins, as in `threading`.
            waiter = None
            deadline = -1

    async def wait_async(self, timeout: object = None) -> int:
        """`wait` for tasks: ``await barrier.wait_async()``. Arguments, result and errors are those of `wait`.

        The action is called and not awaited.
        """
        if timeout is None:
            timeout = self.timeout
        seconds: cython.double = wait_seconds(timeout)
        deadline: cython.longlong = -1
        waiter: TaskWaiter = None
        me: cython.ulonglong = caller_id()
        in_trio: cython.bint = calls_in_trio()
        if in_trio:
            await before_in_trio()
        while True:
            arrival: Arrival = self.arrive(waiter, me)
            if arrival == Arrival.COMPLETE:
                if in_trio:
                    await after_in_trio()
                return self.size - 1
            if arrival == Arrival.FIRST_LOOK:
                waiter = new_task_waiter(IN_LINE)
                if deadline == -1:
                    deadline = NEVER if seconds < 0 else deadline_in(seconds)
                continue
            if not await in_line(self, waiter, deadline if arrival == Arrival.JOINED else NEVER):
                self.broken_by_time()
            if waiter.want >= 0:
                return waiter.want
            if waiter.want != AGAIN:
                raise BrokenBarrierError
            waiter = None
            deadline = -1

    def arrive(self, waiter: Waiter, me: cython.ulonglong) -> Arrival:
        """Come to the barrier, with a waiter to queue if there is one yet. Raises where it is broken."""
        if controlling and waiter is None:
            point(Operation.ARRIVE, self)
        chain: Waiter = None
        phase: Phase
        generation: cython.ulong
        complete: cython.bint
        acting_myself: cython.bint
        with cython.critical_section(self):
            self.forget_lost()
            phase = self.phase
            generation = self.generation
            complete = phase == FILLING and self.arrived == self.size - 1
            acting_myself = phase == ACTING and self.actor == me
            if complete:
                if self.action is None:
                    chain = self.end(IN_LINE)
                    if self.leaving > 0:
                        self.phase = DRAINING
                else:
                    self.phase = ACTING
                    self.actor = me
                    self.actor_thread = interlock_thread_id()
            elif phase != BROKEN and waiter is not None and not acting_myself:
                waiter.want = IN_LINE if phase == FILLING else LATE
                self.push(waiter)
                if phase == FILLING:
                    self.arrived += 1
        if phase == BROKEN:
            raise BrokenBarrierError
        if acting_myself:
            raise RuntimeError(f"the action of {self!r} cannot wait for the barrier that waits for it")
        if complete:
            if chain is not None:
                self.wake(chain)
            elif self.action is not None:
                self.act(generation)
            if probing:
                happened(Happening.TRIPPED, self, 0, 0)
                happened(Happening.ACQUIRED, self, 0, 0)
            return Arrival.COMPLETE
        if waiter is None:
            return Arrival.FIRST_LOOK
        if probing:
            happened(Happening.ARRIVED, self, 0, 0)
        return Arrival.JOINED if phase == FILLING else Arrival.JOINED_LATE

    def waiting(self) -> object:
        """Raises TypeError: `select` cannot wait at a barrier."""
        raise TypeError(
            "select cannot wait for a barrier, because an arrival cannot be undone. "
            "Wait for it in another thread or task, and let that set an Event"
        )

    def reset(self) -> None:
        """Return the barrier to its initial state. Waiting parties get BrokenBarrierError."""
        if controlling:
            point(Operation.CHANGE, self)
        chain: Waiter = None
        with cython.critical_section(self):
            if self.phase != DRAINING and self.phase != RESETTING:
                self.phase = FILLING
                chain = self.end(BROKEN_WAIT)
            if self.leaving > 0:
                self.phase = RESETTING
        if chain is not None:
            self.wake(chain)

    def abort(self) -> None:
        """Break the barrier. Present and later calls of `wait` raise BrokenBarrierError until `reset` is called."""
        if controlling:
            point(Operation.CHANGE, self)
        chain: Waiter
        with cython.critical_section(self):
            self.phase = BROKEN
            chain = self.end(BROKEN_WAIT)
        if chain is not None:
            self.wake(chain)
        if probing:
            happened(Happening.BROKEN, self, 0, 0)

    # `threading` and code that peeks use these names.

    @property
    def _state(self) -> int:
        with cython.critical_section(self):
            self.forget_lost()
            if self.phase == FILLING:
                return 0
            return -2 if self.phase == BROKEN else -1 if self.phase == RESETTING else 1

    @property
    def _parties(self) -> int:
        return self.size

    @property
    def _action(self) -> object:
        return self.action

    @property
    def _timeout(self) -> object:
        return self.timeout

    @property
    def _count(self) -> int:
        with cython.critical_section(self):
            self.forget_lost()
            return self.leaving if self.leaving > 0 else self.arrived

    def __repr__(self):
        return self.describe("", "broken" if self.broken else f"waiters={self.n_waiting}/{self.size}")

    def broken_by_time(self):
        if probing:
            happened(Happening.BROKEN, self, 0, 0)
        raise BrokenBarrierError

    def act(self, generation: cython.ulong):
        """Run the action, then let the generation go, unless the barrier was reset or broken meanwhile."""
        try:
            self.action()
        except BaseException:
            chain: Waiter = None
            with cython.critical_section(self):
                if self.generation == generation and self.phase == ACTING:
                    self.phase = BROKEN
                    chain = self.end(BROKEN_WAIT)
            if chain is not None:
                self.wake(chain)
            if probing:
                happened(Happening.BROKEN, self, 0, 0)
            raise
        whole: cython.bint
        chain = None
        with cython.critical_section(self):
            whole = self.generation == generation and self.phase == ACTING
            if whole:
                self.phase = FILLING
                chain = self.end(IN_LINE)
        if chain is not None:
            self.wake(chain)
        if not whole:
            raise BrokenBarrierError

    def end(self, verdict: cython.long) -> Waiter:
        """End the generation: give everybody in the queue a verdict. Returns the chain to `wake`."""
        index: cython.long = 0
        chain: Waiter = self.grant_all()
        waiter: Waiter = chain
        while waiter is not None:
            if waiter.want == LATE:
                waiter.want = LATE_BROKEN if self.phase == BROKEN else AGAIN
            else:
                waiter.want = index if verdict == IN_LINE else verdict
                index += 1
                if self.drains and waiter.is_task:
                    self.leaving += 1
            waiter = waiter.wake
        self.arrived = 0
        self.generation += 1
        return chain

    def runs_again(self, waiter: Waiter) -> Waiter:
        """Where the barrier drains: the last to go on lets in who has come late."""
        if self.leaving == 0 or not waiter.is_task or waiter.want == AGAIN or waiter.want == LATE_BROKEN:
            return None
        self.leaving -= 1
        if self.phase == RESETTING or self.phase == BROKEN:
            waiter.want = BROKEN_WAIT
        if self.leaving > 0 or self.phase == BROKEN:
            return None
        self.phase = FILLING
        return self.end(BROKEN_WAIT)  # all are LATE

    def expire(self, waiter: Waiter) -> Waiter:
        """A party whose time is up breaks the barrier; unless all have come, and only the action keeps it."""
        if self.phase == ACTING:
            return None
        self.remove(waiter)
        waiter.state = CANCELLED
        self.phase = BROKEN
        return self.end(BROKEN_WAIT)

    def serve(self, arrived: Waiter) -> Waiter:
        """In a forked child the barrier may just have turned out to be broken, or to drain no more."""
        self.forget_lost()
        late: cython.bint = self.head is not None and self.head.want == LATE and self.phase == FILLING
        return self.end(BROKEN_WAIT) if late or (self.phase == BROKEN and self.head is not None) else None

    def leave_line(self, waiter: Waiter) -> Waiter:
        """A party that is interrupted leaves as if it had never come."""
        chain: Waiter = None
        if waiter.state == PARKED:
            self.remove(waiter)
            if waiter.want == IN_LINE:
                self.arrived -= 1
        elif waiter.state == GRANTED:
            chain = self.runs_again(waiter)
        if waiter.state != TAKEN:
            waiter.state = CANCELLED
        return chain

    def forget_lost(self) -> cython.void:
        """Count anew who came along in the fork; an action whose party did not is not run again."""
        if self.forked != forks or in_new_child():
            Primitive.forget_lost(self)
            self.arrived = 0
            waiter: Waiter = self.head
            while waiter is not None:
                if waiter.want == IN_LINE:
                    self.arrived += 1
                waiter = waiter.next
            self.leaving = 0
            if self.phase == DRAINING or self.phase == RESETTING:
                self.phase = FILLING
            if self.phase == ACTING and self.actor_thread != interlock_thread_id():
                self.phase = BROKEN


def rename(subclass: type) -> None:
    """Let `subclass` drain, as asyncio's does."""
    global renamed
    renamed = subclass


interlock_keep_name(Barrier, b"interlock.core.barrier.Barrier")
