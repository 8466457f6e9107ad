"""Mutex: what Lock and RLock share, and what a Condition needs of either.

    holder   queue                  meaning
    0        empty                  free
    0        head WOKEN             free; the head comes to compete, and a newcomer may be faster
    id       any, no head WOKEN     held by that party
    id       head WOKEN             a newcomer was faster; the head will find out and park again

Free with a PARKED head does not occur: the releaser serves the queue in the same critical section.

`count` is what the two understand differently: see there. Without one, others may release it for all we know.
It travels in `want` while a party waits, so a
condition's waiter gets back the lock as deep as it gave it up.
"""

import cython
from cython.cimports.interlock.core.graph.waitgraph import refuse_cycle
from cython.cimports.interlock.core.kernel.control import Operation, controlling, point
from cython.cimports.interlock.core.kernel.deadlock import refuse_orphan
from cython.cimports.interlock.core.kernel.party import Party, party_by_id
from cython.cimports.interlock.core.kernel.primitive import Primitive
from cython.cimports.interlock.core.kernel.waiter import Waiter
from cython.cimports.interlock.core.primitives.within import within, within_order
from cython.cimports.interlock.core.tasks.task import caller_id


class Mutex(Primitive):
    """The base of `Lock` and `RLock`."""

    def locked(self) -> bool:
        """Whether anyone holds the lock."""
        if controlling:
            point(Operation.LOOK, self)
        with cython.critical_section(self):
            return self.holder != 0

    def within(self, timeout: object) -> object:
        """Return a context manager that acquires the lock, or raises TimeoutError after ``timeout`` seconds."""
        return within(self, timeout)

    def within_order(self, order: object) -> object:
        """Return a context manager that acquires the lock as one of several nested locks with a known order.

        ``order``: a whole number, the position of this lock. `interlock.watch_order` does not warn about locks that are
        nested in rising order.
        """
        return within_order(self, order)

    @property
    def owner(self) -> object:
        """The thread or task that holds the lock, or None."""
        with cython.critical_section(self):
            holder: cython.ulonglong = self.holder
        return None if holder == 0 else party_by_id(holder).known_as()

    # `threading.Condition` and the fork handlers of the standard library use these names.

    def _is_owned(self) -> bool:
        me: cython.ulonglong = caller_id()
        with cython.critical_section(self):
            return self.is_own(me)

    def _at_fork_reinit(self) -> None:
        with cython.critical_section(self):
            self.holder = 0
            self.count = 0
            self.forget_lost()

    def plain(self) -> cython.bint:
        """Whether it is exactly one of ours, whose methods nobody has overridden."""
        return False

    def sync_caller(self) -> Party:
        """The party for which a synchronous call takes it."""
        return None

    def is_own(self, me: cython.ulonglong) -> cython.bint:
        """Whether the caller, who is `me`, may release it. Inside the critical section."""
        return self.holder == me

    def let_go(self) -> cython.ulong:
        """Free it, whatever the count, which is returned. Inside the critical section; then `serve`."""
        count: cython.ulong = self.count
        self.holder = 0
        self.count = 0
        return count

    def enter(self) -> cython.bint:
        """What `with` does."""
        return False

    def leave(self) -> cython.bint:
        """What leaving `with` does."""
        return False

    def enter_async(self):
        """What `async with` awaits."""

    def leave_async(self):
        """What leaving `async with` awaits."""

    def refuse_release(self):
        """Raise what fits a release that was not the caller's to make."""

    def fits(self, waiter: Waiter) -> cython.bint:
        return self.holder == 0

    def grant(self, waiter: Waiter) -> cython.void:
        self.holder = waiter.party.id
        self.count = waiter.want

    def take_back(self, waiter: Waiter) -> cython.void:
        # Between the grant and now another party may have released it, and it may be anybody's; or a signal
        # handler of the waiter's own thread has entered it once more.
        if self.holder == waiter.party.id:
            given: cython.ulong = waiter.want
            self.count = self.count - given if self.count > given else 0
            if self.count == 0:
                self.holder = 0

    def check_block(self, waiter: Waiter) -> cython.int:
        lost: Party = self.lost_owner(waiter)
        if lost is not None:
            refuse_orphan(self, waiter, lost)
        certain: cython.bint
        with cython.critical_section(self):
            certain = self.holder != 0 and self.count != 0
        if certain:
            refuse_cycle(waiter)
        return 0

    def lost_owner(self, waiter: Waiter) -> Party:
        holder: cython.ulonglong
        count: cython.ulong
        still: cython.bint
        with cython.critical_section(self):
            holder = self.holder
            count = self.count
        if holder == 0:
            return None
        owner: Party = party_by_id(holder)
        # An ended thread may have left a Lock for another to release. Not in a forked child: whatever it was part of
        # is gone there.
        if not owner.lost_in_fork and not (count != 0 and owner.has_ended() and self.only_by(owner)):
            return None
        # It may have been released, and its owner ended, since the first look. Or taken anew, as one that any party
        # may release.
        with cython.critical_section(self):
            still = self.holder == holder and (self.count != 0 or owner.lost_in_fork) and waiter.queue is self
        return owner if still else None

    def owners(self, waiter: Waiter, ids: cython.pointer(cython.ulonglong), room: cython.int) -> cython.int:
        if self.holder == 0 or self.count == 0:
            return 0
        ids[0] = self.holder
        return 1

    def holders(self, ids: cython.pointer(cython.ulonglong), room: cython.int) -> cython.int:
        ids[0] = self.holder
        return 1 if self.holder != 0 else 0

    def has_owners(self) -> cython.bint:
        return True
