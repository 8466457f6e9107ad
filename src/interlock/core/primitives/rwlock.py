"""RWLock: many readers or one writer.

    holder   read_holds   queue                   meaning
    0        0         empty                     free
    0        n > 0     empty, or head a writer   n read holds; a writer at the head waits for them to end
    id       0         any                       that party writes

No other state occurs: a newcomer joins the queue unless it is empty, and the end of a hold serves the queue in the
same critical section, always by hand-off (`due`). So the lock is strictly first come first served, readers that
stand next to each other go in together, and neither side starves.

One exception, since it would be a deadlock: a party that reads already is let in again past a waiting writer. The
list of holds, which only the slow path searches, tells who reads; from it too comes the refusal to upgrade.

A `Side` is one hold. It is claimed (TAKING) in the section in which its party first looks at the lock, so two
threads that share one by mistake are told, and a signal handler too.
"""

import cython
from cython.cimports.interlock.core.graph.waitgraph import refuse_cycle
from cython.cimports.interlock.core.kernel.arguments import checked_name, refuse_positional
from cython.cimports.interlock.core.kernel.control import Operation, controlling, point, refused
from cython.cimports.interlock.core.kernel.deadlock import refuse_orphan
from cython.cimports.interlock.core.kernel.party import Party, forks, in_new_child, is_lost, meet, party_by_id
from cython.cimports.interlock.core.kernel.primitive import Primitive
from cython.cimports.interlock.core.kernel.probe import Happening, happened, made, probing, wanted
from cython.cimports.interlock.core.kernel.public_name import interlock_keep_name
from cython.cimports.interlock.core.kernel.timeouts import NEVER, deadline_after, deadline_in, wait_seconds
from cython.cimports.interlock.core.kernel.waiter import GRANTED, Waiter, new_waiter
from cython.cimports.interlock.core.primitives.alternative import Kind, alternative
from cython.cimports.interlock.core.primitives.within import within, within_order
from cython.cimports.interlock.core.tasks.awaiting import DONE, in_line
from cython.cimports.interlock.core.tasks.task import (
    after_in_trio,
    before_in_trio,
    caller,
    calls_in_trio,
    is_destroyed_task,
)
from cython.cimports.interlock.core.tasks.task_waiter import TaskWaiter, new_task_waiter

from interlock.core.kernel.deadlock import DeadlockError

READ = cython.declare(cython.long, 0)
WRITE = cython.declare(cython.long, 1)


class Side:
    """The right to read or write an `RWLock`, for one thread or task. ``with`` acquires and releases it.

    It can be used again after it was released. For nested or simultaneous use, call ``lock.read()`` or ``lock.write()``
    again.
    """

    def __init__(self):
        raise TypeError("it is created by RWLock.read() or RWLock.write()")

    def __enter__(self) -> bool:
        """Acquire this side, waiting as long as it takes. Returns True."""
        return self.take(NEVER)

    def __exit__(self, exc_type: object = None, exc_value: object = None, traceback: object = None) -> None:
        self.leave()

    def __aenter__(self) -> object:
        """Acquire this side for the calling task, waiting as long as it takes. The result of ``await`` is None."""
        if probing:
            wanted(self.its_lock())
        if calls_in_trio():
            return enter_in_trio(self)
        return DONE if self.claim(caller(), True) else enter_slow(self)

    def __aexit__(self, exc_type: object = None, exc_value: object = None, traceback: object = None) -> object:
        self.leave()
        return DONE

    def acquire(self, blocking: cython.bint = True, timeout: object = None) -> bool:
        """Acquire this side.

        ``blocking``: whether to wait for it. ``timeout``: how many seconds to wait at most; None means no limit, 0 or
        less means not to wait.

        Returns True, or False if it was not acquired in that time. Raises DeadlockError if the caller would wait for
        itself: it holds the write side already, or holds a read side and asks for the write side.
        """
        if blocking:
            return self.take(deadline_after(timeout))
        if timeout is not None:
            raise ValueError("can't specify a timeout for a non-blocking call")
        return self.take(0)

    def acquire_async(self, timeout: object = None) -> object:
        """Acquire this side for the calling task: ``await side.acquire_async()``. Does nothing until awaited.

        ``timeout``: how many seconds to wait at most; None means no limit, 0 or less means not to wait.

        The result of ``await`` is True, or False if it was not acquired in that time. Raises what `acquire` raises.
        """
        return take_async(self, wait_seconds(timeout))

    def release(self) -> None:
        """Release this side. Raises RuntimeError if the caller has not acquired it through this object."""
        self.leave()

    def within(self, timeout: object) -> object:
        """Return a context manager that acquires this side, or raises TimeoutError after ``timeout`` seconds."""
        return within(self, timeout)

    def within_order(self, order: object) -> object:
        """Return a context manager that acquires this side as one of several nested locks with a known order.

        ``order``: a whole number, the position of this lock. `interlock.watch_order` does not warn about locks that are
        nested in rising order.
        """
        return within_order(self, order)

    def __repr__(self):
        lock: RWLock = self.its_lock()
        with cython.critical_section(lock):
            party: Party = self.party if self.state == HELD else None
        side = "read" if isinstance(self, ReadSide) else "write"
        held = "" if party is None else f" held by {party.call_name()}"
        return f"<{side} side{held} of {lock!r}>"

    def __reduce_ex__(self, protocol):
        return self.its_lock().__reduce_ex__(protocol)

    def its_lock(self) -> RWLock:
        if self.lock is None:
            raise TypeError("it is created by RWLock.read() or RWLock.write()")
        return self.lock

    def take(self, deadline: cython.longlong) -> cython.bint:
        """Take it, waiting until `deadline`, of which 0 means not at all."""
        if probing and deadline == NEVER:
            wanted(self.its_lock())
        return self.claim(meet(), False) or self.take_slow(deadline)

    def claim(self, me: Party, at_once: cython.bint) -> cython.bint:
        """Begin to take it, for `me`. True: it is HELD already; False: it is TAKING, and the slow path has the rest.

        Or it is left as it was, where it is to be taken `at_once` or not at all.
        """
        lock: RWLock = self.its_lock()
        if controlling:
            point(Operation.ACQUIRE, lock)
        writing: cython.bint = isinstance(self, WriteSide)
        taken: cython.bint = False
        reused: cython.bint
        with cython.critical_section(lock):
            lock.forget_lost()
            reused = self.state != IDLE
            if not reused:
                taken = lock.holder == 0 and lock.head is None and not (writing and lock.read_holds)
                if taken or not at_once:
                    self.party = me
                    self.state = HELD if taken else TAKING
                    if not writing:
                        lock.hold(cython.cast(ReadSide, self))
                if taken:
                    if writing:
                        lock.holder = me.id
                    else:
                        lock.read_holds += 1
        if reused:
            raise RuntimeError(f"{self!r} is in use: call read() or write() again for another hold")
        if taken and probing:
            happened(Happening.ACQUIRED, lock, 0, 0)
        return taken

    # The rest of taking it, once it is TAKING. However it ends, the side is HELD or IDLE then.

    def take_slow(self, deadline: cython.longlong) -> cython.bint:
        taken: cython.bint = False
        try:
            taken = self.is_reading_already()
            if not taken and deadline != 0:
                taken = self.lock.block(self.queued(new_waiter(self.want())), deadline)
        finally:
            self.settle(taken)
        return taken

    def want(self) -> cython.long:
        return WRITE if isinstance(self, WriteSide) else READ

    def is_reading_already(self) -> cython.bint:
        """Whether its party reads already and is let in again. Raises DeadlockError where it would wait for itself."""
        lock: RWLock = self.lock
        again: cython.bint = False
        refusal = lock.conflict(self.party, isinstance(self, WriteSide))
        if refusal is not None:
            if controlling:
                refused(refusal)
            raise DeadlockError(refusal)
        if isinstance(self, ReadSide):
            with cython.critical_section(lock):
                again = lock.reads(self.party)
                if again:
                    lock.read_holds += 1
                    self.state = HELD
            if again and probing:
                happened(Happening.ACQUIRED, lock, 0, 0)
        return again

    def queued(self, waiter):
        """`waiter`, which from now on counts as this side's."""
        with cython.critical_section(self.lock):
            self.waiter = waiter
        return waiter

    def settle(self, taken: cython.bint):
        with cython.critical_section(self.lock):
            self.waiter = None
            if taken:
                self.state = HELD
            else:
                self.idle()

    def idle(self) -> cython.void:
        """Nobody takes or holds it any more. Inside the critical section."""
        self.party = None
        self.state = IDLE
        if isinstance(self, ReadSide):
            self.lock.unhold(cython.cast(ReadSide, self))

    def leave(self) -> cython.bint:
        lock: RWLock = self.its_lock()
        if controlling:
            point(Operation.RELEASE, lock)
        # By `with` it is the thread that takes it, by `async with` the task; who leaves may have changed over.
        thread: Party = meet()
        me: Party = caller()
        chain: Waiter = None
        own: cython.bint
        with cython.critical_section(lock):
            holder: Party = self.party if self.state == HELD else None
        # Or a task that is being destroyed leaves it: the code that closes its coroutine calls then.
        if holder is not None and is_destroyed_task(holder.id):
            me = holder
        with cython.critical_section(lock):
            own = self.state == HELD and (self.party is me or self.party is thread)
            if own:
                self.idle()
                if isinstance(self, WriteSide):
                    lock.holder = 0
                else:
                    lock.read_holds -= 1
                if lock.head is not None:
                    chain = lock.serve(None)
        if not own:
            raise RuntimeError(f"cannot release what the caller does not hold: {self!r}")
        if chain is not None:
            lock.wake(chain)
        if probing:
            happened(Happening.RELEASED, lock, 0, 0)
        return True


async def take_async(side: Side, seconds: cython.double) -> bool:
    if probing and seconds < 0:
        wanted(side.its_lock())
    if calls_in_trio():
        return await take_in_trio(side, seconds)
    return side.claim(caller(), False) or await take_slow_async(side, seconds)


async def enter_slow(side: Side) -> None:
    """What `async with` awaits where it has to wait."""
    if not side.claim(caller(), False):
        await take_slow_async(side, -1)


async def enter_in_trio(side: Side) -> None:
    await take_in_trio(side, -1)


async def take_in_trio(side: Side, seconds: cython.double) -> bool:
    await before_in_trio()
    taken: cython.bint = side.claim(caller(), False)
    if not taken:
        taken = await take_slow_async(side, seconds)
    try:
        await after_in_trio()
    except BaseException:
        if taken:
            side.leave()
        raise
    return taken


async def take_slow_async(side: Side, seconds: cython.double) -> bool:
    lock: RWLock = side.lock
    taken: cython.bint = False
    try:
        taken = side.is_reading_already()
        if not taken and seconds != 0:
            waiter: TaskWaiter = side.queued(new_task_waiter(side.want()))
            taken = lock.take_or_join(waiter)
            if not taken:
                taken = await in_line(lock, waiter, NEVER if seconds < 0 else deadline_in(seconds))
    finally:
        side.settle(taken)
    return taken


class ReadSide(Side):
    """A reader's hold: see `RWLock.read`."""

    def __dealloc__(self):
        # Holds that were never released go with their lock: one after the other, not one inside the other.
        after: ReadSide = self.next
        self.next = None
        while after is not None:
            following: ReadSide = after.next
            after.next = None
            after = following


class WriteSide(Side):
    """The writer's hold: see `RWLock.write`."""


class RWLock(Primitive):
    """RWLock(*, name=None)\n--\n\n\
    A read-write lock. Many may read at the same time, or one may write. It is served in the order of arrival.

    ``with lock.read():`` and ``with lock.write():`` acquire it. A reader may read again. A reader that asks for
    `write`, and a writer that asks for either, would wait for itself and gets DeadlockError.

    ``name``: shown by reports and ``repr``.
    """

    def __init__(self, *args: object, name: str | None = None):
        if args:
            refuse_positional(self, args)
        self.label = checked_name(name)
        if probing:
            made(self)

    def read(self) -> ReadSide:
        """Return the side of a reader, not acquired yet. It is a context manager with ``acquire`` and ``release``."""
        side: ReadSide = ReadSide.__new__(ReadSide)
        side.lock = self
        return side

    def write(self) -> WriteSide:
        """Return the side of a writer, not acquired yet. It is a context manager with ``acquire`` and ``release``."""
        side: WriteSide = WriteSide.__new__(WriteSide)
        side.lock = self
        return side

    def reading(self) -> object:
        """For `select`: acquires a read side. The value is that side, which is to be released."""
        return alternative(Kind.READING, self, READ, None)

    def writing(self) -> object:
        """For `select`: acquires the write side. The value is that side, which is to be released."""
        return alternative(Kind.WRITING, self, WRITE, None)

    def locked(self) -> bool:
        """Whether anyone reads or writes."""
        if controlling:
            point(Operation.LOOK, self)
        with cython.critical_section(self):
            self.forget_lost()
            return self.holder != 0 or self.read_holds != 0

    @property
    def readers(self) -> int:
        """How many read sides are held."""
        with cython.critical_section(self):
            self.forget_lost()
            return self.read_holds

    @property
    def owner(self) -> object:
        """The thread or task that holds the write side, or None."""
        with cython.critical_section(self):
            holder: cython.ulonglong = self.holder
        return None if holder == 0 else party_by_id(holder).known_as()

    def __repr__(self):
        with cython.critical_section(self):
            self.forget_lost()
            holder: cython.ulonglong = self.holder
            reading: cython.long = self.read_holds
        if holder != 0:
            return self.describe("locked", f"owner={party_by_id(holder).call_name()}")
        return self.describe("locked", f"readers={reading}") if reading else self.describe("unlocked", "")

    # The holds. All inside the critical section.

    def hold(self, side: ReadSide) -> cython.void:
        side.next = self.holds
        if side.next is not None:
            side.next.prev = cython.cast(cython.p_void, side)
        self.holds = side

    def unhold(self, side: ReadSide) -> cython.void:
        after: ReadSide = side.next
        if side.prev == cython.NULL:
            self.holds = after
        else:
            cython.cast(ReadSide, side.prev).next = after
        if after is not None:
            after.prev = side.prev
        side.next = None
        side.prev = cython.NULL

    def reads(self, party: Party) -> cython.bint:
        side: ReadSide = self.holds
        while side is not None:
            if side.party is party and side.state == HELD:
                return True
            side = side.next
        return False

    def forget_lost(self) -> cython.void:
        """In a forked child: a reader that did not come along reads no more. A writer leaves things half done."""
        if self.forked != forks or in_new_child():
            Primitive.forget_lost(self)
            self.read_holds = 0
            side: ReadSide = self.holds
            while side is not None:
                after: ReadSide = side.next
                if is_lost(side.party):
                    self.unhold(side)
                elif side.state == HELD or (side.waiter is not None and side.waiter.state == GRANTED):
                    self.read_holds += 1
                side = after

    def conflict(self, party: Party, writing: cython.bint) -> str:
        """Why `party` would wait for itself, or None."""
        reads: cython.bint
        writes: cython.bint
        with cython.critical_section(self):
            reads = self.reads(party)
            writes = self.holder == party.id
        if writes:
            return f"the caller writes under {self!r} already and would wait for itself; leave write() first"
        if reads and writing:
            return (
                f"the caller reads under {self!r} and would wait for itself to write; leave read() first, "
                "take write(), and look again at what was read"
            )
        return None

    def fits(self, waiter: Waiter) -> cython.bint:
        return self.holder == 0 and (waiter.want == READ or self.read_holds == 0)

    def grant(self, waiter: Waiter) -> cython.void:
        if waiter.want == READ:
            self.read_holds += 1
        else:
            self.holder = waiter.party.id

    def take_back(self, waiter: Waiter) -> cython.void:
        if waiter.want == READ:
            self.read_holds -= 1
        else:
            self.holder = 0

    def due(self, waiter: Waiter) -> cython.bint:
        return True

    def check_block(self, waiter: Waiter) -> cython.int:
        lost: Party = self.lost_owner(waiter)
        if lost is not None:
            refuse_orphan(self, waiter, lost)
        refuse_cycle(waiter)
        return 0

    def lost_owner(self, waiter: Waiter) -> Party:
        """A writer that is gone blocks everybody; a reader that is gone blocks a writer.

        Not a reader behind that writer: the writer may have a timeout, and if not, it is refused itself.
        """
        gone: Party = None
        still: cython.bint
        with cython.critical_section(self):
            writer: cython.ulonglong = self.holder
        # A reader waits for a writer only: see above.
        for id in self.held_by() if writer != 0 or waiter.want == WRITE else ():
            gone = party_by_id(id)
            if gone.has_ended():
                # It may have left, and ended, since it was found to hold: other readers may keep the writer here.
                with cython.critical_section(self):
                    still = waiter.queue is self and (
                        self.holder == gone.id or (waiter.want == WRITE and self.is_read_by(gone.id))
                    )
                if still:
                    return gone
        return None

    def owners(self, waiter: Waiter, ids: cython.pointer(cython.ulonglong), room: cython.int) -> cython.int:
        if self.holder != 0:
            ids[0] = self.holder
            return 1
        # First come first served: a reader waits for the readers, too, if a writer that does not give up is before it.
        writer: cython.bint = waiter.want == WRITE
        before: Waiter = self.head
        while not writer and before is not waiter and before is not None:
            writer = before.want == WRITE and not may_leave(before)
            before = before.next
        return self.holders(ids, room) if writer else 0

    def holders(self, ids: cython.pointer(cython.ulonglong), room: cython.int) -> cython.int:
        if self.holder != 0:
            ids[0] = self.holder
            return 1
        count: cython.int = 0
        side: ReadSide = self.holds
        while side is not None:
            if side.state == HELD:
                if count < room:
                    ids[count] = side.party.id
                count += 1
            side = side.next
        return count

    def is_read_by(self, id: cython.ulonglong) -> cython.bint:
        """Whether this party has a read hold. Inside the critical section."""
        side: ReadSide = self.holds
        while side is not None:
            if side.state == HELD and side.party.id == id:
                return True
            side = side.next
        return False

    def gives_up_before(self, waiter: Waiter) -> list:
        """The writers for whose sake a reader waits for readers."""
        found: list = []
        if waiter.want == WRITE:
            return found
        while True:
            # One at a time: nothing is put into a list inside.
            writer: Waiter = None
            count: cython.Py_ssize_t = 0
            with cython.critical_section(self):
                before: Waiter = self.head if self.holder == 0 and waiter.queue is self else None
                while writer is None and before is not waiter and before is not None:
                    if before.want == WRITE and not may_leave(before):
                        if count == len(found):
                            writer = before
                        count += 1
                    before = before.next
            if writer is None:
                return found
            found.append(writer)

    def has_owners(self) -> cython.bint:
        return True


def may_leave(waiter: Waiter) -> cython.bint:
    """Whether it may leave the queue of its own accord, unserved."""
    return waiter.timed or waiter.optional


interlock_keep_name(RWLock, b"interlock.core.rwlock.RWLock")
