"""Queue between processes: bytes and pickled items, in a ring of shared memory. `queue.h` has the states.

An item is got by one store: before it the item is in the queue, after it with the consumer. A consumer that is killed
has lost what it had got; `lost` counts that, and `join` raises instead of waiting for ever. To have such an item back
in the queue, work at it within `with queue.hold() as item`: until the block is left it stays, held, where it is.
"""

import pickle

import cython
from cython.cimports.interlock.core.kernel.arguments import whole
from cython.cimports.interlock.machine.kernel import (
    DROP,
    HOLD,
    JOINING,
    NEVER,
    PAGE,
    PERMITS,
    PICKLED,
    QUEUE,
    READING,
    RING_PAGES,
    SHUT,
    SHUT_DOWN,
    SPOILED,
    TAKEN,
    Asking,
    Shared,
    Waiting,
    caller,
    capacity_of,
    deadline_in,
    died_of,
    guard_unlock,
    ilk_use,
    is_private,
    load,
    load_u32,
    member_of,
    named,
    node,
    process_address,
    queue_finish,
    queue_finish_outside,
    queue_reap,
    queue_shut,
    queue_task_done,
    queue_task_done_outside,
    queue_try,
    ring_of,
    room_for,
    seconds_of,
    u32,
    u64,
    unfinished,
)
from cython.cimports.libc.stdlib import free

from interlock.errors import Empty, Full, ShutDown
from interlock.machine import tasks

DEFAULT_SIZE = 1024 * 4096 - 64  # bytes; only what is used has memory
OWNER_DIED = cython.declare(u32, 0x40000000)

ilk_use(process_address())


def deadline_of(block: cython.bint, timeout) -> u64:
    """As `queue.Queue` has it."""
    if not block:
        return 0
    if timeout is None:
        return NEVER
    seconds: cython.double = seconds_of(timeout)
    if seconds < 0:
        raise ValueError("'timeout' must be a non-negative number")
    return deadline_in(seconds)


class ItemsLost(RuntimeError):
    """Raised by `Queue.join` if processes or threads have ended between `get` and `task_done`.

    ``count``: how many items they had. ``died``: the `Died` that was last.
    """

    __module__ = "interlock.machine"

    def __init__(self, count: int, died: object, queue: str):
        super().__init__(count, died, queue)
        self.count = count
        self.died = died

    def __str__(self) -> str:
        what = "1 item was" if self.count == 1 else f"{self.count} items were"
        who = "a party" if self.died is None else f"{self.died.program or 'a process'}[{self.died.pid}]"
        return f"{what} lost: {who} ended between get() and task_done() of {self.args[2]}"


class Queue(Shared):
    """Queue(maxsize=0, *, name=None, size=None)\n--\n\n\
    A queue between the processes of this machine. Like `queue.Queue`. ``Queue("name", maxsize)`` also works.

    ``maxsize``: how many items it can hold; 0 or less means as many as there is memory for. ``name``: all processes
    that use the same name share one queue. ``size``: the memory for the items in bytes. Each item takes 32 bytes more
    than its data. None means 4 MiB, or the size that an existing queue has.

    An item is bytes, or anything that can be pickled. If other users may write to the memory (the folder of a group),
    only bytes are accepted, because a pickle may run any code.

    Raises ValueError if the name is in use for another kind of primitive, and OSError if there is no room for shared
    memory.
    """

    def __init__(self, maxsize: object = None, second: object = None, *, name: str | None = None, size: object = None):
        given = named(maxsize, second, name, 0)
        most: cython.long = whole(given[1])
        pages: cython.long = 0
        if most > 0xFFFFFFFF:
            raise ValueError(f"maxsize must be below 2**32, not {most}")
        if size is not None:
            wanted: cython.long = whole(size)
            if wanted < 1:
                raise ValueError(f"size must be 1 byte or more, not {size}")
            pages = (wanted + 64 + PAGE - 1) // PAGE
            if pages > RING_PAGES:
                raise ValueError(f"size must be {RING_PAGES // 256} MiB or less, not {size} bytes")
        self.open(QUEUE, given[0], max(0, most) | (cython.cast(u64, pages) << 32), None)
        self.told = load(cython.address(ring_of(self.r).lost))

    # --- threads

    def put(self, item: object, block: cython.bint = True, timeout: object = None) -> None:
        """Put an item into the queue. Wait while there is no room.

        ``block``: whether to wait. ``timeout``: how many seconds to wait at most, 0 or more; None means no limit.

        Raises Full if there was no room in that time, ShutDown if the queue is shut down, ValueError for an item that
        is larger than the memory of the queue, and TypeError for an item that is not bytes if only bytes are accepted.
        """
        if not self.drop_in(item, deadline_of(block, timeout)):
            raise Full

    def put_nowait(self, item: object) -> None:
        """`put` without waiting."""
        if not self.drop_in(item, 0):
            raise Full

    def get(self, block: cython.bint = True, timeout: object = None) -> object:
        """Remove the first item from the queue and return it. Wait while there is none.

        ``block``: whether to wait. ``timeout``: how many seconds to wait at most, 0 or more; None means no limit.

        Raises Empty if there was no item in that time, and ShutDown if the queue is shut down and empty.
        """
        taken = self.take_out(0, deadline_of(block, timeout))
        if taken is None:
            raise Empty
        return self.unpack(taken[0], taken[1])

    def get_nowait(self) -> object:
        """`get` without waiting."""
        taken = self.take_out(0, 0)
        if taken is None:
            raise Empty
        return self.unpack(taken[0], taken[1])

    def hold(self, timeout: object = None) -> "Held":
        """``with queue.hold() as item``: take the first item, which stays in the queue until the block ends.

        If this thread or its process ends inside the block, the item is the next one that the queue returns, and
        `abandoned` says who had it. When the block ends, also by an exception, the item counts as processed without
        `task_done`. A task uses ``async with``.

        ``timeout``: how many seconds to wait for an item at most; None means no limit. Entering the block raises what
        `get` raises.
        """
        deadline_of(True, timeout)
        return Held(self, timeout)

    def task_done(self) -> None:
        """Tell the queue that an item has been processed. Raises ValueError if none is left that could be."""
        i = caller()
        try:
            self.enter_guard(i)
        except BaseException:
            queue_task_done_outside(i, self.r)
            raise
        done: cython.bint = queue_task_done(i, self.r)
        guard_unlock(i, self.r)
        if not done:
            raise ValueError("task_done() called too many times")

    def join(self) -> None:
        """Wait until every item that was put has been processed. See `task_done`.

        Raises `ItemsLost` if some never will be, because the threads or processes that had taken them have ended. Each
        object raises it once for the same items. A later call waits for the remaining ones.
        """
        w: Waiting
        self.begin(cython.address(w), JOINING, NEVER)
        w.begun = self.told
        self.drive(cython.address(w))

    def shutdown(self, immediate: bool = False) -> None:
        """Shut the queue down. Later calls of `put` raise ShutDown, and so does `get` once the queue is empty.

        ``immediate``: drop the remaining items.
        """
        i = caller()
        self.enter_guard(i)
        queue_shut(self.r, SHUT | DROP if immediate else SHUT)
        guard_unlock(i, self.r)

    # --- tasks

    def put_async(self, item: object, timeout: object = None) -> object:
        """`put` for tasks: ``await queue.put_async(item)``."""
        sort: u32 = 0
        data = self.pack(item, cython.address(sort))
        return tasks.put(self, data, sort, checked(timeout))

    def get_async(self, timeout: object = None) -> object:
        """`get` for tasks: ``await queue.get_async()``. A task that is cancelled takes nothing."""
        return tasks.get(self, 0, checked(timeout))

    def join_async(self) -> object:
        """`join` for tasks: ``await queue.join_async()``."""
        return tasks.join(self)

    def __aiter__(self) -> "Queue":
        return self

    async def __anext__(self) -> object:
        """The next item, until the queue is shut down and empty."""
        try:
            return await self.get_async()
        except ShutDown:
            raise StopAsyncIteration from None

    # --- what there is

    @property
    def maxsize(self) -> int:
        """How many items the queue can hold; 0 means as many as there is memory for."""
        return self.r.bound & PERMITS

    @property
    def size(self) -> int:
        """The memory for the items, in bytes."""
        return capacity_of(self.r)

    def qsize(self) -> int:
        """How many items `get` could return now."""
        self.settle()
        return load_u32(cython.address(ring_of(self.r).ready))

    def empty(self) -> bool:
        """Whether there is no item that `get` could return."""
        return self.qsize() == 0

    def full(self) -> bool:
        """Whether the queue has ``maxsize`` items."""
        most = self.maxsize
        return 0 < most <= self.qsize()

    @property
    def unfinished_tasks(self) -> int:
        """How many items were put and have not been processed: in the queue, held, or taken without `task_done`."""
        i = caller()
        self.enter_guard(i)
        count: u64 = unfinished(self.r)
        guard_unlock(i, self.r)
        return count

    @property
    def is_shutdown(self) -> bool:
        """Whether the queue has been shut down."""
        return load_u32(cython.address(ring_of(self.r).shut)) != 0

    @property
    def lost(self) -> int:
        """How many items were lost since the queue was created: their taker ended between `get` and `task_done`."""
        i = caller()
        self.enter_guard(i)
        queue_reap(self.r)
        count: u64 = ring_of(self.r).lost
        guard_unlock(i, self.r)
        return count

    @property
    def abandoned(self) -> object:
        """For the last item that this thread got: the `Died` that held it before and did not finish it, or None."""
        i = caller()
        self.enter_guard(i)
        member: cython.pointer(node) = member_of(self.r, i.id)
        left = member != cython.NULL and member.ticket != 0
        guard_unlock(i, self.r)
        return died_of(self.r) if left else None

    @property
    def getters(self) -> tuple:
        """The parties that wait for an item, in the order in which they arrived."""
        return self.waiting(READING)

    @property
    def putters(self) -> tuple:
        """The parties that wait for room, in the order in which they arrived."""
        return self.waiting(0)

    def __repr__(self):
        return self.describe("", f"{'shut down, ' if self.is_shutdown else ''}items={self.qsize()}")

    # --- within

    def settle(self):
        """What somebody who died has left half done is put right."""
        if load_u32(cython.address(self.r.guard)) & OWNER_DIED:
            i = caller()
            self.enter_guard(i)
            guard_unlock(i, self.r)

    def _pickle(self, item: object) -> object:
        return pickle.dumps(item, pickle.HIGHEST_PROTOCOL)

    def pack(self, item, sort: cython.pointer(u32)):
        """An item as bytes."""
        sort[0] = 0
        data = item
        if type(item) is not bytes:
            if not is_private():
                raise TypeError(
                    f"an item must be bytes, not {type(item).__name__}: others may write to this memory "
                    "(INTERLOCK_MACHINE_DIR is a group's), and a pickle of theirs could run any code"
                )
            data = bytes(self._pickle(item))
            sort[0] = PICKLED
        size: u64 = len(data)
        if room_for(size) > capacity_of(self.r):
            raise ValueError(
                f"an item of {size} bytes does not fit into {capacity_of(self.r)} bytes of memory: {self!r}; "
                "give `size=` where it is made"
            )
        return data

    def unpack(self, data, sort: u32):
        if sort & PICKLED == 0:
            return data
        if not is_private():
            raise PermissionError(f"a pickle was put where others may write, and is not opened: {self!r}")
        return pickle.loads(data)

    def begin(self, w: cython.pointer(Waiting), flags: u32, deadline: u64) -> cython.void:
        w.record = self.index
        w.node = 0
        w.flags = flags
        w.want = 0
        w.deadline = deadline
        w.noticed = 0
        w.member = 0
        w.begun = 0
        w.data = cython.NULL
        w.got = cython.NULL
        w.room = 0

    def drop_in(self, item, deadline: u64) -> cython.bint:
        w: Waiting
        self.begin(cython.address(w), 0, deadline)
        data: bytes = self.pack(item, cython.address(w.sort))
        w.data = data
        w.size = len(data)
        i = caller()
        step: cython.int = queue_try(i, cython.address(w))
        if step == TAKEN:
            return True
        if step != 0:
            self.refuse(step, cython.address(w))
        return self.drive(cython.address(w))

    def take_out(self, flags: u32, deadline: u64) -> tuple:
        """(bytes, their sort, where the entry is), or None."""
        w: Waiting
        small: cython.char[512]
        self.begin(cython.address(w), flags | READING, deadline)
        w.got = small
        w.room = 512
        i = caller()
        step: cython.int = queue_try(i, cython.address(w))
        try:
            if step != 0 and step != TAKEN:
                self.refuse(step, cython.address(w))
            if step != TAKEN and not self.drive(cython.address(w)):
                return None
            return cython.cast(bytes, w.got[: w.size]) if w.size else b"", w.sort, w.begun
        finally:
            if w.got != small:
                free(w.got)

    def finish(self, at: u64) -> cython.bint:
        i = caller()
        try:
            self.enter_guard(i)
        except BaseException:
            queue_finish_outside(i, self.r, at)
            raise
        mine: cython.bint = queue_finish(i, self.r, at)
        guard_unlock(i, self.r)
        return mine

    def refuse(self, step: cython.int, w: cython.pointer(Waiting)):
        if step == SHUT_DOWN:
            raise ShutDown
        if step == SPOILED:
            self._raise_lost(w.begun)
        raise MemoryError(f"interlock.machine: no memory for the items of {self!r}")

    def waiting(self, reading: u32) -> tuple:
        return tuple([party for flags, party in self.all_waiters() if flags & (READING | JOINING) == reading])

    def new_asking(self, flags: u32):
        asking = Asking(self, flags, 0, 0)
        if flags & JOINING:
            asking.told(self.told)
        return asking

    def _asking_to_put(self, data: bytes, sort: u32) -> Asking:
        asking: Asking = self.new_asking(0)
        asking.carry(data, sort)
        return asking

    def _asking_to_get(self, flags: u32) -> Asking:
        return self.new_asking(READING | flags)

    def _asking_to_join(self) -> Asking:
        return self.new_asking(JOINING)

    def _got(self, asking: Asking) -> tuple:
        data, sort, at = asking.item
        try:
            return self.unpack(data, sort), at
        except BaseException:
            if asking.w.flags & HOLD:
                self.finish(at)
            raise

    def _raise_lost(self, lost: u64) -> None:
        """`join` ends: those that were lost since it was told last."""
        if lost <= self.told:
            return
        count = lost - self.told
        self.told = lost
        raise ItemsLost(count, died_of(self.r), repr(self))

    def _restore(self, extra: object) -> object:
        self.told = extra
        return None

    def _extra(self) -> object:
        return self.told


def checked(timeout):
    """A timeout of seconds, or None."""
    deadline_of(True, timeout)
    return timeout


class Held:
    """`with queue.hold() as item`."""

    def __init__(self, queue: Queue, timeout: object):
        self.queue = queue
        self.timeout = timeout
        self.at = None

    def __enter__(self) -> object:
        queue: Queue = self.queue
        if self.at is not None:
            raise RuntimeError("one hold is entered once at a time: call hold() again")
        taken = queue.take_out(HOLD, deadline_of(True, self.timeout))
        if taken is None:
            raise Empty
        self.at = taken[2]
        try:
            return queue.unpack(taken[0], taken[1])
        except BaseException:
            self.__exit__()
            raise

    def __exit__(self, exc_type: object = None, exc_value: object = None, traceback: object = None) -> None:
        queue: Queue = self.queue
        at, self.at = self.at, None
        if at is None or not queue.finish(at):
            raise RuntimeError(f"held by another thread, or left already: an item of {queue!r}")

    async def __aenter__(self) -> object:
        if self.at is not None:
            raise RuntimeError("one hold is entered once at a time: call hold() again")
        item, self.at = await tasks.get(self.queue, HOLD, self.timeout)
        return item

    async def __aexit__(self, exc_type: object = None, exc_value: object = None, traceback: object = None) -> None:
        self.__exit__()
