"""Lock: one party at a time.

    holder   count   meaning
    0        0       free
    id       0       held, taken with `acquire`
    id       1       held, entered with `with`
    id       2       held, entered with a `with` of interlock's own, which its party itself leaves

Any party may release either, as with `threading`: a context manager made of a generator is entered by one thread and
left by another. But a `with` whose frame stands on its owner's own stack is left by that owner alone, and so a cycle of
such locks is a deadlock for certain (`only_by`: looked at when a cycle has been found). Free and woken: see `mutex.py`.

The id is the thread's where `acquire` or `with` took it, also in a task, and the task's where `acquire_async` or
`async with` did.

Turned down: handing every release to the head of the queue (see `core/kernel/primitive.py`); spinning before parking
(under the GIL the holder cannot run while we spin).
"""

import cython
from cython.cimports.interlock.core.kernel.arguments import checked_name, refuse_positional
from cython.cimports.interlock.core.kernel.construct import interlock_construct_directly
from cython.cimports.interlock.core.kernel.control import Operation, controlling, point
from cython.cimports.interlock.core.kernel.native import interlock_thread_id
from cython.cimports.interlock.core.kernel.party import KNOWN_MASK, Party, known, meet, party_by_id
from cython.cimports.interlock.core.kernel.probe import Happening, happened, made, probing, wanted
from cython.cimports.interlock.core.kernel.public_name import interlock_keep_name
from cython.cimports.interlock.core.kernel.spare import interlock_keep_spares
from cython.cimports.interlock.core.kernel.timeouts import NEVER, lock_deadline, lock_seconds
from cython.cimports.interlock.core.kernel.waiter import Waiter, new_waiter
from cython.cimports.interlock.core.primitives.alternative import Kind, alternative
from cython.cimports.interlock.core.primitives.mutex import Mutex
from cython.cimports.interlock.core.tasks.awaiting import DONE, acquire_call, enter_call
from cython.cimports.interlock.core.tasks.task import caller_id, calls_in_trio

NO_TIMEOUT = cython.declare(object, -1)  # the small int itself, which is what callers who write -1 pass
renamed = cython.declare(object, None)  # interlock.aio's Lock


class Lock(Mutex):
    """Lock(*, name=None)\n--\n\n\
    A mutual exclusion lock, initially free. Like `threading.Lock`, but it knows its owner.

    ``with lock:`` acquires and releases it. A task uses ``async with lock:``. Any thread or task may release it.

    ``name``: shown by reports and ``repr``.
    """

    def __init__(self, *args: object, name: str | None = None):
        if args:
            refuse_positional(self, args)
        if name is not None:
            self.label = checked_name(name)
        if probing:
            made(self)

    def __enter__(self) -> bool:
        """Acquire the lock, waiting as long as it takes. Returns True."""
        if type(self) is Lock:
            return take(self, 1, NEVER)
        # What a subclass has made of `acquire` counts; if that took the lock, it is entered now.
        taken = self.acquire()
        self.mark_entered(interlock_thread_id())
        return taken

    def __exit__(self, exc_type: object = None, exc_value: object = None, traceback: object = None) -> None:
        if type(self) is Lock:
            give(self)
        else:
            self.release()

    def __aenter__(self) -> object:
        """Acquire the lock for the calling task, waiting as long as it takes. The result of ``await`` is None."""
        return enter_async(self) if is_plain(self) else enter_overridden(self)

    def __aexit__(self, exc_type: object = None, exc_value: object = None, traceback: object = None) -> object:
        if is_plain(self):
            give(self)
        else:
            self.release()
        return DONE

    def acquire(self, blocking: cython.bint = True, timeout: object = -1) -> bool:
        """Acquire the lock.

        ``blocking``: whether to wait if the lock is held. ``timeout``: how many seconds to wait at most; -1 means no
        limit.

        Returns True, or False if the lock was not acquired in that time. Raises ValueError for a negative timeout other
        than -1 and for a timeout with ``blocking=False``, OverflowError for a timeout that is too large, and
        DeadlockError if the lock can never become free.
        """
        deadline: cython.longlong = NEVER
        if not blocking or timeout is not NO_TIMEOUT:
            deadline = lock_deadline(blocking, timeout)
        return take(self, 0, deadline)

    def acquire_async(self, timeout: object = None) -> object:
        """Acquire the lock for the calling task: ``await lock.acquire_async()``. Does nothing until awaited.

        ``timeout``: how many seconds to wait at most; 0 means not to wait, None or -1 means no limit.

        The result of ``await`` is True, or False if the lock was not acquired in that time. Raises what `acquire`
        raises.
        """
        return acquire_call(self, 0, lock_seconds(timeout))

    def acquiring(self) -> object:
        """For `select`: acquires the lock, as `acquire` does."""
        return alternative(Kind.PLAIN, self, 0, None)

    def release(self) -> None:
        """Release the lock. Any thread or task may do so. Raises RuntimeError if the lock is free."""
        give(self)

    def __repr__(self):
        with cython.critical_section(self):
            holder: cython.ulonglong = self.holder
        if holder == 0:
            return self.describe("unlocked", "")
        return self.describe("locked", f"owner={party_by_id(holder).call_name()}")

    def mark_entered(self, me: cython.ulonglong) -> cython.void:
        with cython.critical_section(self):
            if self.holder == me:
                self.count = 1

    def plain(self) -> cython.bint:
        return is_plain(self)

    def sync_caller(self) -> Party:
        return meet()

    def enter(self) -> cython.bint:
        return take(self, 1, NEVER)

    def leave(self) -> cython.bint:
        return give(self)

    def enter_async(self):
        return enter_async(self)

    def leave_async(self):
        give(self)
        return DONE

    def take_now(self, want: cython.long) -> cython.bint:
        if controlling:
            point(Operation.ACQUIRE, self)
        me: cython.ulonglong = caller_id()
        taken: cython.bint
        with cython.critical_section(self):
            if self.holder == 0 and self.head is not None:
                self.forget_lost()
            taken = self.head is None and take_free(self, me, want)
        if taken and probing:
            happened(Happening.ACQUIRED, self, 0, 0)
        return taken

    def refuse_release(self):
        raise RuntimeError("release unlocked lock")

    def is_own(self, me: cython.ulonglong) -> cython.bint:
        return self.holder != 0

    def is_kept_by(self, id: cython.ulonglong) -> cython.bint:
        with cython.critical_section(self):
            return self.holder == id

    def only_by(self, owner: Party) -> cython.bint:
        with cython.critical_section(self):
            if self.holder == owner.id and self.count == 2:
                return True
        # Loaded only now: no lock is taken or waited for by it.
        from interlock.core.explain.places import stands_in_with

        return stands_in_with(owner, self)


def take_free(lock: Lock, me: cython.ulonglong, count: cython.ulong) -> cython.bint:
    """If nobody holds it: take it. Inside the critical section."""
    if lock.holder != 0:
        return False
    lock.holder = me
    lock.count = count
    return True


def take(lock: Lock, count: cython.ulong, deadline: cython.longlong) -> cython.bint:
    """Take the lock, waiting until `deadline`, of which 0 means not at all."""
    me: cython.ulonglong = interlock_thread_id()
    if known[me & KNOWN_MASK] != me:
        meet()
    if probing:
        return take_probed(lock, count, deadline)
    taken: cython.bint
    with cython.critical_section(lock):
        taken = take_free(lock, me, count)
    return taken or (deadline != 0 and lock.block(new_waiter(count), deadline))


def take_probed(lock: Lock, count: cython.ulong, deadline: cython.longlong) -> cython.bint:
    """`take`, while somebody looks on. A function of its own: one test of the flag is all that `take` has to pay."""
    me: cython.ulonglong = interlock_thread_id()
    if controlling:
        point(Operation.ACQUIRE, lock)
    if deadline == NEVER:
        wanted(lock)
    taken: cython.bint
    with cython.critical_section(lock):
        taken = take_free(lock, me, count)
    if not taken:
        return deadline != 0 and lock.block(new_waiter(count), deadline)
    happened(Happening.ACQUIRED, lock, 0, 0)
    return True


def give(lock: Lock) -> cython.bint:
    if controlling:
        point(Operation.RELEASE, lock)
    chain: Waiter = None
    held: cython.bint
    with cython.critical_section(lock):
        # let_go(), written out: a call through the type costs as much as all the rest.
        held = lock.holder != 0
        if held:
            lock.holder = 0
            lock.count = 0
            if lock.head is not None:
                chain = lock.serve(None)
    if not held:
        raise RuntimeError("release unlocked lock")
    if chain is not None:
        lock.wake(chain)
    if probing:
        happened(Happening.RELEASED, lock, 0, 0)
    return True


def enter_async(lock: Lock):
    me: cython.ulonglong = caller_id()
    if probing:
        wanted(lock)
    if calls_in_trio():
        return enter_call(lock, 1)
    if probing:
        return DONE if lock.take_now(1) else enter_call(lock, 1)
    taken: cython.bint
    with cython.critical_section(lock):
        taken = lock.head is None and take_free(lock, me, 1)
    return DONE if taken else enter_call(lock, 1)


def is_plain(lock: Lock) -> cython.bint:
    return type(lock) is Lock or type(lock) is renamed


async def enter_overridden(lock: Lock) -> None:
    """What a subclass has made of `acquire_async` (aio's: `acquire`) counts. If it took the lock, it is entered now."""
    if renamed is not None and isinstance(lock, renamed):
        await lock.acquire()
    else:
        await lock.acquire_async()
    lock.mark_entered(caller_id())


def rename(subclass: type) -> None:
    """Let `subclass` count as the class itself: it gives other names to the methods and overrides nothing."""
    global renamed
    renamed = subclass


interlock_construct_directly(Lock)
interlock_keep_spares(Lock)
interlock_keep_name(Lock, b"interlock.core.lock.Lock")
