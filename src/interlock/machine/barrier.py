"""Barrier between processes: so many parties wait for each other.

    turn      broken(1)  round << 1

Who has come stands in the queue, with the number of the round; there is no counter that a death could leave wrong.
Going on is one change of the turn, which wakes all. Each member (who has ever come) leaves a hold behind, and all who
wait watch all members: so one who had come and dies breaks the barrier for all, at once.
"""

import cython
from cython.cimports.cpython.exc import PyErr_CheckSignals
from cython.cimports.interlock.core.kernel.arguments import whole
from cython.cimports.interlock.core.kernel.probe import Happening, probing
from cython.cimports.interlock.machine.kernel import (
    ACTING,
    BARRIER,
    FULL,
    LATE,
    SPOILED,
    TAKEN,
    Asking,
    Shared,
    Waiting,
    barrier_break,
    barrier_break_outside,
    barrier_finish,
    barrier_reset,
    barrier_step,
    barrier_withdraw,
    caller,
    deadline_after,
    guard_lock,
    guard_unlock,
    ilk_use,
    load_u32,
    me,
    named,
    node_at,
    now,
    process_address,
    store_u32,
    u64,
)

from interlock.errors import BrokenBarrierError
from interlock.machine import tasks

ilk_use(process_address())


class Barrier(Shared):
    """Barrier(parties, action=None, timeout=None, *, name=None)\n--\n\n\
    A barrier between the processes of this machine. Like `threading.Barrier`. ``Barrier("name", parties)`` also works.

    ``parties``: how many threads or tasks must arrive, 1 or more. ``action``: called by one of them each time all have
    arrived, before any of them continues. ``timeout``: the default for `wait`, in seconds; None means no limit.
    ``name``: all processes that use the same name and number share one barrier. If a party dies after it has arrived,
    the barrier breaks.

    Raises ValueError for fewer than 1 parties, and if the name is in use for another kind of primitive.
    """

    def __init__(self, parties: object, action: object = None, timeout: object = None, *, name: str | None = None):
        if isinstance(parties, str):
            given = named(parties, action, name, None)
            name, parties, action = given[0], given[1], None
            if parties is None:
                raise TypeError("a Barrier needs a number of parties")
        count: cython.long = whole(parties)
        if not 1 <= count <= 0xFFFF:
            raise ValueError("parties must be > 0" if count < 1 else "parties must be below 65,536")
        if action is not None and not callable(action):
            raise TypeError(f"action must be callable, not {type(action).__name__}")
        self.action = action
        self.timeout = timeout
        deadline_after(timeout)
        self.open(BARRIER, name, count, None)

    @property
    def parties(self) -> int:
        """How many parties must arrive."""
        return self.r.bound

    @property
    def n_waiting(self) -> int:
        """How many parties are waiting in the barrier now."""
        return len(self.waiters)

    @property
    def broken(self) -> bool:
        """Whether the barrier is broken. `reset` repairs it."""
        return load_u32(cython.address(self.r.turn)) & 1 != 0

    def wait(self, timeout: object = None) -> int:
        """Wait until all parties have arrived.

        ``timeout``: how many seconds to wait at most; None means the timeout of the barrier. A timeout breaks the
        barrier for all parties.

        Returns a number from 0 to ``parties`` - 1, different for each of the parties. Raises BrokenBarrierError if the
        barrier is broken, or breaks while the caller waits: by a timeout, by `abort` or `reset`, by an exception of the
        action, or by a party that has arrived and dies.
        """
        if not probing:
            return self.come(timeout)
        told: u64 = self.tell_arrival()
        try:
            place = self.come(timeout)
        except BaseException as error:
            self.tell_end(told, error)
            raise
        self.tell_end(told, None)
        return place

    def come(self, timeout):
        i = caller()
        mine: u64 = i.id
        sliced: cython.int = i.tid == i.slot.pid
        acts: cython.int = self.action is not None
        step: cython.int
        w: Waiting
        w.record = self.index
        w.node = 0
        w.flags = 0
        w.deadline = deadline_after(self.timeout if timeout is None else timeout)
        if w.deadline == 0:
            w.deadline = 1  # long past, but who comes last may go on
        while True:
            with cython.nogil:
                step = barrier_step(i, cython.address(w), sliced, acts)
            if step == ACTING:
                return self.act(i, cython.address(w))
            if step == TAKEN or step == SPOILED or step == FULL:
                return self.ended(step, cython.address(w))
            if step == LATE:
                return self.leave(i, cython.address(w))
            try:
                PyErr_CheckSignals()
            except BaseException:
                if i.id == mine and w.node != 0:
                    barrier_withdraw(i, self.r, cython.address(w))
                raise
            if i.id != mine:
                raise BrokenBarrierError("a signal handler has forked, and the child has not come")

    async def wait_async(self, timeout: object = None) -> int:
        """`wait` for the calling task. One that is cancelled has not come."""
        timeout = self.timeout if timeout is None else timeout
        if not probing:
            return await tasks.wait_at_barrier(self, timeout, self.action)
        told: u64 = self.tell_arrival()
        try:
            place = await tasks.wait_at_barrier(self, timeout, self.action)
        except BaseException as error:
            self.tell_end(told, error)
            raise
        self.tell_end(told, None)
        return place

    def tell_arrival(self) -> u64:
        """To whoever records. Returns since when the caller waits, 0: it is the last, as it seems."""
        self.tell(Happening.ARRIVED, 0)
        if self.n_waiting + 1 >= self.parties:
            return 0
        self.tell(Happening.WAITING, 0)
        return now()

    def tell_end(self, since: u64, error):
        if not probing:
            return
        waited: u64 = now() - since if since else 0
        if error is None:
            if not since:
                self.tell(Happening.TRIPPED, 0)
            self.tell(Happening.GRANTED if since else Happening.ACQUIRED, waited)
            return
        if isinstance(error, BrokenBarrierError):
            self.tell(Happening.BROKEN, 0)
        if since:
            self.tell(Happening.CANCELLED, waited)

    def _finish(self, asking: Asking, well: cython.bint) -> int:
        return self.finish(caller(), cython.address(asking.w), well)

    def _leave(self, asking: Asking) -> int:
        return self.leave(caller(), cython.address(asking.w))

    def _withdraw(self, asking: Asking) -> None:
        if asking.is_ours():
            barrier_withdraw(caller(), self.r, cython.address(asking.w))

    def _extra(self) -> object:
        return self.action, self.timeout

    def _restore(self, extra: object) -> object:
        self.action, self.timeout = extra
        return None

    def abort(self) -> None:
        """Break the barrier. Present and later calls of `wait` raise BrokenBarrierError until `reset` is called."""
        i = caller()
        self.enter_guard(i)
        barrier_break(self.r)
        guard_unlock(i, self.r)

    def reset(self) -> None:
        """Return the barrier to its initial state. Waiting parties get BrokenBarrierError."""
        i = caller()
        self.enter_guard(i)
        barrier_reset(self.r)
        guard_unlock(i, self.r)

    def __repr__(self):
        state = "broken" if self.broken else f"waiters={self.n_waiting}/{self.parties}"
        return self.describe("", state)

    def ended(self, step: cython.int, w: cython.pointer(Waiting)):
        if step == FULL:
            raise MemoryError("interlock.machine: no memory for another wait")
        if step == SPOILED:
            raise BrokenBarrierError
        return w.want

    def leave(self, i: cython.pointer(me), w: cython.pointer(Waiting)):
        """Time is up: the barrier breaks, unless all have come meanwhile."""
        spoilt: cython.bint
        with cython.nogil:
            rc: cython.int = guard_lock(i, self.r, now() + 100000000)
        if rc != 0:
            if w.node == 0:
                barrier_break_outside(self.r, load_u32(cython.address(self.r.turn)) >> 1)
                raise BrokenBarrierError
            spoilt = barrier_break_outside(self.r, w.begun)
            store_u32(cython.address(node_at(w.node).word), 0)
            w.node = 0
            if spoilt:
                raise BrokenBarrierError
            return w.want
        turn: cython.uint = load_u32(cython.address(self.r.turn))
        if w.node == 0:
            barrier_break(self.r)
            guard_unlock(i, self.r)
            raise BrokenBarrierError
        if turn & 1 == 0 and turn >> 1 == w.begun:
            barrier_break(self.r)
        spoilt = node_at(w.node).word & 64 != 0 or load_u32(cython.address(self.r.turn)) >> 1 == w.begun
        guard_unlock(i, self.r)
        store_u32(cython.address(node_at(w.node).word), 0)
        w.node = 0
        if spoilt:
            raise BrokenBarrierError
        return w.want

    def act(self, i: cython.pointer(me), w: cython.pointer(Waiting)):
        try:
            self.action()
        except BaseException:
            try:
                self.finish(i, w, False)
            except BrokenBarrierError:
                pass
            raise
        return self.finish(i, w, True)

    def finish(self, i: cython.pointer(me), w: cython.pointer(Waiting), well: cython.bint):
        try:
            self.enter_guard(i)
        except BaseException:
            barrier_break_outside(self.r, w.begun)
            store_u32(cython.address(node_at(w.node).word), 0)
            w.node = 0
            raise
        step: cython.int = barrier_finish(self.r, w, well)
        guard_unlock(i, self.r)
        return self.ended(step, w)
