"""RLock: one party at a time, as often as it likes.

    holder   count   meaning
    0        0       free
    id       n > 0   held; that party owes n releases

The party is the task where one calls, by `with` and by `async with` alike, so the two re-enter one another, and two
tasks of one thread keep each other out. Only a party itself lets its id in here (or is let in while it waits) and out
again, so what it reads about itself is always true. Free and woken: see `core/primitives/mutex.py`.
"""

import sys
import warnings

import cython
from cython.cimports.interlock.core.kernel.arguments import checked_name
from cython.cimports.interlock.core.kernel.construct import interlock_construct_directly
from cython.cimports.interlock.core.kernel.control import Operation, controlling, point
from cython.cimports.interlock.core.kernel.party import Party, party_by_id
from cython.cimports.interlock.core.kernel.probe import Happening, happened, made, probing, wanted
from cython.cimports.interlock.core.kernel.public_name import interlock_keep_name
from cython.cimports.interlock.core.kernel.spare import interlock_keep_spares
from cython.cimports.interlock.core.kernel.timeouts import NEVER, lock_deadline, lock_seconds
from cython.cimports.interlock.core.kernel.waiter import Waiter, new_waiter_of
from cython.cimports.interlock.core.primitives.alternative import Kind, alternative
from cython.cimports.interlock.core.primitives.mutex import Mutex
from cython.cimports.interlock.core.tasks.awaiting import DONE, acquire_call, enter_call
from cython.cimports.interlock.core.tasks.task import caller, caller_id, calls_in_trio, is_destroyed_task
from cython.cimports.libc.limits import LONG_MAX

NO_TIMEOUT = cython.declare(object, -1)  # the small int itself, which is what callers who write -1 pass
renamed = cython.declare(object, None)  # interlock.aio's RLock


class RLock(Mutex):
    """RLock(*, name=None)\n--\n\n\
    A re-entrant lock. Its owner may acquire it again, and must release it once for each time.

    ``name``: shown by reports and ``repr``.
    """

    def __init__(self, *args: object, name: str | None = None, **kwargs: object):
        if args or kwargs:
            refuse_arguments(args)
        if name is not None:
            self.label = checked_name(name)
        if probing:
            made(self)

    def __enter__(self) -> bool:
        """Acquire the lock, waiting as long as it takes. Returns True."""
        return take(self, NEVER) if type(self) is RLock else self.acquire()

    def __exit__(self, exc_type: object = None, exc_value: object = None, traceback: object = None) -> None:
        if type(self) is RLock:
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
        """Acquire the lock. An owner that acquires it again does not wait.

        ``blocking``: whether to wait if the lock is held. ``timeout``: how many seconds to wait at most; -1 means no
        limit.

        Returns True, or False if the lock was not acquired in that time. Raises ValueError for a negative timeout other
        than -1 and for a timeout with ``blocking=False``, OverflowError for a timeout that is too large, and
        DeadlockError if the lock can never become free.
        """
        deadline: cython.longlong = NEVER
        if not blocking or timeout is not NO_TIMEOUT:
            deadline = lock_deadline(blocking, timeout)
        return take(self, deadline)

    def acquire_async(self, timeout: object = None) -> object:
        """Acquire the lock for the calling task: ``await lock.acquire_async()``. Does nothing until awaited.

        ``timeout``: how many seconds to wait at most; 0 means not to wait, None or -1 means no limit.

        The result of ``await`` is True, or False if the lock was not acquired in that time. Raises what `acquire`
        raises.
        """
        return acquire_call(self, 1, lock_seconds(timeout))

    def acquiring(self) -> object:
        """For `select`: acquires the lock, as `acquire` does."""
        return alternative(Kind.PLAIN, self, 1, None)

    def release(self) -> None:
        """Undo one `acquire`. Raises RuntimeError if the caller does not hold the lock."""
        give(self)

    def __repr__(self):
        with cython.critical_section(self):
            holder: cython.ulonglong = self.holder
            count: cython.ulong = self.count
        if holder == 0:
            return self.describe("unlocked", "")
        return self.describe("locked", f"owner={party_by_id(holder).call_name()} count={count}")

    # `threading.Condition` and some programs use these names.

    @property
    def _owner(self) -> int | None:
        with cython.critical_section(self):
            holder: cython.ulonglong = self.holder
        return None if holder == 0 else party_by_id(holder).ident

    @property
    def _count(self) -> int:
        with cython.critical_section(self):
            return self.count

    def _recursion_count(self) -> int:
        me: cython.ulonglong = caller_id()
        with cython.critical_section(self):
            return self.count if self.is_own(me) else 0

    def _release_save(self) -> tuple:
        chain: Waiter = None
        if controlling:
            point(Operation.RELEASE, self)
        count: cython.ulong = 0
        me: cython.ulonglong = caller_id()
        with cython.critical_section(self):
            if self.is_own(me):
                count = self.let_go()
                if self.head is not None:
                    chain = self.serve(None)
        if count == 0:
            self.refuse_release()
        if chain is not None:
            self.wake(chain)
        if probing:
            happened(Happening.LET_GO, self, 0, 0)
        return (count, me)

    def _acquire_restore(self, state: tuple) -> None:
        count: cython.ulong = state[0]
        if count == 0 or count > LONG_MAX:
            raise ValueError(f"not a state that _release_save() has returned: {state!r}")
        take(self, NEVER)
        with cython.critical_section(self):
            self.count = count

    def enter(self) -> cython.bint:
        return take(self, NEVER)

    def leave(self) -> cython.bint:
        return give(self)

    def enter_async(self):
        return enter_async(self)

    def leave_async(self):
        give(self)
        return DONE

    def plain(self) -> cython.bint:
        return is_plain(self)

    def sync_caller(self) -> Party:
        return caller()

    def take_now(self, want: cython.long) -> cython.bint:
        if controlling:
            point(Operation.ACQUIRE, self)
        me: cython.ulonglong = caller_id()
        taken: cython.bint = False
        with cython.critical_section(self):
            if self.holder == 0 and self.head is not None:
                self.forget_lost()
            if self.holder == me or (self.holder == 0 and self.head is None):
                self.holder = me
                self.count += want
                taken = True
        if taken and probing:
            happened(Happening.ACQUIRED, self, 0, 0)
        return taken

    def refuse_release(self):
        with cython.critical_section(self):
            holder: cython.ulonglong = self.holder
        owner = "nobody" if holder == 0 else party_by_id(holder).call_name()
        raise RuntimeError(f"cannot release un-acquired lock: it is held by {owner}")


def take(lock: RLock, deadline: cython.longlong) -> cython.bint:
    """Take the lock once more, waiting until `deadline`, of which 0 means not at all."""
    me: cython.ulonglong = caller_id()
    if probing:
        return take_probed(lock, me, deadline)
    taken: cython.bint = False
    with cython.critical_section(lock):
        if lock.holder == 0 or lock.holder == me:
            lock.holder = me
            lock.count += 1
            taken = True
    return taken or (deadline != 0 and lock.block(new_waiter_of(caller(), 1), deadline))


def take_probed(lock: RLock, me: cython.ulonglong, deadline: cython.longlong) -> cython.bint:
    """`take`, while somebody looks on: see there."""
    if controlling:
        point(Operation.ACQUIRE, lock)
    if deadline == NEVER:
        wanted(lock)
    taken: cython.bint = False
    with cython.critical_section(lock):
        if lock.holder == 0 or lock.holder == me:
            lock.holder = me
            lock.count += 1
            taken = True
    if not taken:
        return deadline != 0 and lock.block(new_waiter_of(caller(), 1), deadline)
    happened(Happening.ACQUIRED, lock, 0, 0)
    return True


def give(lock: RLock) -> cython.bint:
    return give_as(lock, caller_id())


def give_as(lock: RLock, me: cython.ulonglong) -> cython.bint:
    if controlling:
        point(Operation.RELEASE, lock)
    chain: Waiter = None
    own: cython.bint = False
    holder: cython.ulonglong
    with cython.critical_section(lock):
        holder = lock.holder
        if holder == me:
            own = True
            lock.count -= 1
            if lock.count == 0:
                lock.holder = 0
                if lock.head is not None:
                    chain = lock.serve(None)
    if not own:
        # A task that is being destroyed leaves it, too: the code that closes its coroutine calls then.
        if not is_destroyed_task(holder):
            lock.refuse_release()
        return give_as(lock, holder)
    if chain is not None:
        lock.wake(chain)
    if probing:
        happened(Happening.RELEASED, lock, 0, 0)
    return True


def enter_async(lock: RLock):
    me: cython.ulonglong = caller_id()
    if probing:
        wanted(lock)
    if calls_in_trio():
        return enter_call(lock, 1)
    if probing:
        return DONE if lock.take_now(1) else enter_call(lock, 1)
    taken: cython.bint = False
    with cython.critical_section(lock):
        if lock.holder == me or (lock.holder == 0 and lock.head is None):
            lock.holder = me
            lock.count += 1
            taken = True
    return DONE if taken else enter_call(lock, 1)


def is_plain(lock: RLock) -> cython.bint:
    return type(lock) is RLock or type(lock) is renamed


async def enter_overridden(lock: RLock) -> None:
    """What a subclass has made of `acquire_async` (aio's: `acquire`) counts."""
    if renamed is not None and isinstance(lock, renamed):
        await lock.acquire()
    else:
        await lock.acquire_async()


def rename(subclass: type) -> None:
    """Let `subclass` count as the class itself: it gives other names to the methods and overrides nothing."""
    global renamed
    renamed = subclass


def refuse_arguments(args: tuple):
    """`threading.RLock` has always ignored what it was given, and stops doing so in 3.15."""
    named: str = f": a name is given as name={args[0]!r}" if args and isinstance(args[0], str) else ""
    if sys.version_info >= (3, 15):
        raise TypeError(f"RLock() takes no arguments but name{named}")
    message: str = f"Passing arguments to RLock is deprecated and will be removed in 3.15{named}"
    warnings.warn(message, DeprecationWarning, stacklevel=1)


interlock_construct_directly(RLock)
interlock_keep_spares(RLock)
interlock_keep_name(RLock, b"interlock.core.rlock.RLock")
