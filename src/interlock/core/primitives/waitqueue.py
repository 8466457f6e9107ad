"""WaitQueue: the queue by itself, to build one's own primitive on.

    wakes   queue          meaning
    0       any, PARKED    the state between two calls
    n > 0   any            inside the critical section of an unpark: n more waiters are to be woken

An unpark with nobody in the queue is not remembered: the state is the user's, the queue only wakes. What keeps a
wake-up from being lost between looking at the state and parking is `unless`: it is asked after the caller has
joined the queue, so a party that changes the state and then unparks is either seen by it or finds the caller.
"""

import cython
from cython.cimports.interlock.core.kernel.arguments import checked_name, refuse_positional, whole
from cython.cimports.interlock.core.kernel.control import Operation, controlling, point
from cython.cimports.interlock.core.kernel.primitive import Primitive
from cython.cimports.interlock.core.kernel.probe import made, probing
from cython.cimports.interlock.core.kernel.public_name import interlock_keep_name
from cython.cimports.interlock.core.kernel.timeouts import NEVER, deadline_after, deadline_in, wait_seconds
from cython.cimports.interlock.core.kernel.waiter import CANCELLED, GRANTED, TAKEN, ThreadWaiter, Waiter, new_waiter
from cython.cimports.interlock.core.tasks.awaiting import in_line
from cython.cimports.interlock.core.tasks.task import after_in_trio, before_in_trio, calls_in_trio
from cython.cimports.interlock.core.tasks.task_waiter import TaskWaiter, new_task_waiter


class WaitQueue(Primitive):
    """WaitQueue(*, name=None)\n--\n\n\
    A queue of blocked threads and tasks, woken in the order of arrival. For building other primitives.

    ``name``: shown by reports and ``repr``.
    """

    def __init__(self, *args: object, name: str | None = None):
        if args:
            refuse_positional(self, args)
        self.label = checked_name(name)
        if probing:
            made(self)

    def park(self, timeout: object = None, *, unless: object = None) -> bool:
        """Join the queue and block until unparked.

        ``timeout``: how many seconds to wait at most; None means no limit, 0 or less means not to wait. ``unless``: a
        function that is called without arguments after the caller has joined the queue and before it blocks. If its
        result is true, the caller leaves the queue again and does not block.

        Returns True if the caller was unparked or ``unless`` returned a true value, and False if the time was up.
        Raises what ``unless`` or a signal handler raises. If the caller had been unparked by then, the next one in the
        queue is woken instead.
        """
        deadline: cython.longlong = deadline_after(timeout)
        waiter: ThreadWaiter = new_waiter(0)
        self.line_up(waiter)
        if unless is not None and self.news(waiter, unless):
            return True
        return self.wait_in_line(waiter, deadline)

    async def park_async(self, timeout: object = None, *, unless: object = None) -> bool:
        """`park` for tasks: ``await queue.park_async()``."""
        seconds: cython.double = wait_seconds(timeout)
        in_trio: cython.bint = calls_in_trio()
        if in_trio:
            await before_in_trio()
        waiter: TaskWaiter = new_task_waiter(0)
        self.line_up(waiter)
        if unless is not None and self.news(waiter, unless):
            if in_trio:
                await after_in_trio()
            return True
        if seconds == 0:
            # Its time is up before it has parked: it may have been unparked all the same.
            unparked: cython.bint = self.leave_now(waiter)
            if in_trio:
                await after_in_trio()
            return unparked
        return await in_line(self, waiter, NEVER if seconds < 0 else deadline_in(seconds))

    def line_up(self, waiter: Waiter):
        if controlling:
            point(Operation.WAIT, self)
        with cython.critical_section(self):
            self.forget_lost()
            self.push(waiter)

    def news(self, waiter: Waiter, unless) -> cython.bint:
        """Whether there is news, for one who has joined the queue: then it leaves."""
        try:
            leave: cython.bint = bool(unless())
        except BaseException:
            self.withdraw(waiter)
            raise
        if leave:
            # A wake-up that came meanwhile was for the same news, and is used up.
            self.leave_now(waiter)
        return leave

    def leave_now(self, waiter: Waiter) -> cython.bint:
        """Leave the queue. True where it has been unparked by now."""
        with cython.critical_section(self):
            if waiter.state != GRANTED:
                self.remove(waiter)
                waiter.state = CANCELLED
                return False
            waiter.state = TAKEN
            return True

    def unpark(self, n: object = 1) -> int:
        """Wake the first ``n`` threads and tasks in the queue, 0 or more. Returns how many were woken."""
        wakes: cython.long = whole(n)
        if wakes < 0:
            raise ValueError(f"n must be 0 or more, not {n}")
        if controlling:
            point(Operation.NOTIFY, self)
        chain: Waiter
        woken: cython.long
        with cython.critical_section(self):
            self.wakes = wakes
            chain = self.serve(None)
            woken = wakes - self.wakes
            self.wakes = 0
        if chain is not None:
            self.wake(chain)
        return woken

    def unpark_all(self) -> int:
        """Wake all threads and tasks in the queue. Returns how many were woken."""
        if controlling:
            point(Operation.NOTIFY, self)
        chain: Waiter
        woken: cython.long = 0
        with cython.critical_section(self):
            chain = self.grant_all()
            waiter: Waiter = chain
            while waiter is not None:
                woken += 1
                waiter = waiter.wake
        if chain is not None:
            self.wake(chain)
        return woken

    def __len__(self) -> int:
        return len(self.blocked())

    def __bool__(self) -> bool:
        return True

    def fits(self, waiter: Waiter) -> cython.bint:
        return self.wakes > 0

    def grant(self, waiter: Waiter) -> cython.void:
        self.wakes -= 1

    def due(self, waiter: Waiter) -> cython.bint:
        return True

    def leave_line(self, waiter: Waiter) -> Waiter:
        """A wake-up that is given back goes to the next in the queue, and is dropped where there is none."""
        chain: Waiter = None
        if waiter.state == TAKEN:
            return None
        if waiter.state == GRANTED:
            self.wakes = 1
            chain = self.serve(None)
            self.wakes = 0
        elif waiter.state != CANCELLED:
            self.remove(waiter)
        waiter.state = CANCELLED
        return chain


interlock_keep_name(WaitQueue, b"interlock.core.waitqueue.WaitQueue")
