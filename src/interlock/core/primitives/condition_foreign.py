"""How threads and tasks wait in a condition over a lock that is not one of ours.

With a lock that is not one of ours (`threading`'s, a user's class, a subclass of ours that may have made something
else of `acquire`) the waiter is granted by `notify` directly and then takes the lock as any caller would. What a signal
handler raises out of that leaves one question, whether the lock was taken: the handler may have come just before or
just after. To try again where it was would block for ever; so

    the lock was taken   because                                                then
    yes                  it says so: `_is_owned`, or who holds a lock of ours   leave with it
    no                   it says so; or it is taken by a function of C, which   try again, however often
                         raises only where it has not taken it
    perhaps              it is taken by Python code and cannot say              leave: `threading` always does

The same is asked where a handler raises out of releasing the lock, before the wait: where it surely was released, the
wait is over at once and begins to take it back.

What the lock itself raises comes out of `wait` at once. It is told from what handlers raise by the traceback, which
shows the handler; a handler written in C is believed only what is no `Exception`.

A task that is cancelled, in the wait or while it takes the lock back, tries again. Since a scope of trio or anyio stays
cancelled, and would cancel that too, it does so in a shield.
"""

import _signal  # not `signal`, whose `getsignal` is Python code, in which a handler could run
import functools
import sys
import types

import cython
from cython.cimports.interlock.core.kernel.control import now, unwinding
from cython.cimports.interlock.core.kernel.native import interlock_thread_id
from cython.cimports.interlock.core.kernel.probe import Happening, happened, probing
from cython.cimports.interlock.core.kernel.wait import begin_wait, end_wait
from cython.cimports.interlock.core.kernel.waiter import CANCELLED, GRANTED, TAKEN, ThreadWaiter, Waiter, new_waiter
from cython.cimports.interlock.core.primitives.condition_queue import ConditionQueue
from cython.cimports.interlock.core.primitives.mutex import Mutex
from cython.cimports.interlock.core.tasks.awaiting import park
from cython.cimports.interlock.core.tasks.task import Library, TaskParty, caller_id
from cython.cimports.interlock.core.tasks.task_waiter import TaskWaiter, new_task_waiter

FUNCTION_OF_C = cython.declare(object, types.BuiltinMethodType)


def wait_foreign(condition: ConditionQueue, deadline: cython.longlong) -> cython.bint:
    if not condition.owned_foreign():
        raise RuntimeError("cannot wait on un-acquired lock")
    # Looked up while the lock is held: looking up may be Python code, in which a handler can run.
    owned = getattr(condition.lock, "_is_owned", None)
    in_c: cython.bint = acquired_in_c(condition)
    depth: cython.ulong = depth_of(condition.lock)
    waiter: ThreadWaiter = new_waiter(0)
    join(condition, waiter, deadline)
    # A subclass of our Lock does not say in its state that it was entered.
    entered: cython.bint = isinstance(condition.lock, Mutex) and cython.cast(Mutex, condition.lock).count != 0
    state = None
    error = None
    try:
        state = condition._release_save()
    except BaseException as raised:
        if not (by_handler(raised) and surely_not_taken(condition, owned, False)):
            end_wait(waiter)
            condition.withdraw(waiter)
            raise
        error = raised
    saved: cython.bint = error is None
    began: cython.longlong = told(condition, waiter)

    notified: cython.bint = False
    if saved:
        try:
            notified = condition.await_turn(waiter, deadline, False)
        except BaseException as raised:
            error = raised
    if error is not None:
        notified = was_notified(condition, waiter)
    end_wait(waiter)
    times: cython.ulong = 1 if saved else depth
    again: cython.bint = True
    while again and times > 0:
        try:
            if saved:
                condition._acquire_restore(state)
            else:
                condition.lock.acquire()
            times -= 1
        except BaseException as raised:
            again = by_handler(raised) and not unwinding()
            if error is None or not again:
                error = raised
            again = again and surely_not_taken(condition, owned, in_c)
    if entered:
        condition.mark_entered(interlock_thread_id())
    return over(condition, notified, error, began)


# --- what both have in common --------------------------------------------------------------------------------


def join(condition: ConditionQueue, waiter: Waiter, deadline: cython.longlong) -> cython.void:
    begin_wait(waiter, condition, deadline)
    with cython.critical_section(condition):
        condition.forget_lost()
        condition.push(waiter)


def told(condition: ConditionQueue, waiter: Waiter) -> cython.longlong:
    """Say that the wait begins. Returns when that was."""
    began: cython.longlong = now()
    if probing:
        happened(Happening.WAITING, condition, waiter.party.id, 0)
    return began


def was_notified(condition: ConditionQueue, waiter: Waiter) -> cython.bint:
    """Whether it was, once it has come back, in whatever way; if not, it leaves the queue."""
    notified: cython.bint
    with cython.critical_section(condition):
        notified = waiter.state == GRANTED
        if not notified:
            condition.remove(waiter)
            waiter.state = CANCELLED
        elif waiter.is_task:
            waiter.state = TAKEN
    return notified


def over(condition: ConditionQueue, notified: cython.bint, error, began: cython.longlong) -> cython.bint:
    """It has the lock again: return `notified`, or raise, and then a notification goes to the next."""
    if probing:
        condition.tell_over(notified, error, began)
    if error is not None:
        if notified:
            condition.notify_foreign(1)
        raise error
    return notified


def depth_of(lock) -> cython.ulong:
    """How often the caller has taken it, in case that releasing it raises before it can say."""
    depth: cython.ulong = 0
    if isinstance(lock, Mutex):
        depth = cython.cast(Mutex, lock).count
    elif type(getattr(lock, "_release_save", lock.release)) is not FUNCTION_OF_C:  # that raises only before
        count = getattr(lock, "_recursion_count", None)
        if count is not None:
            depth = count()
    return depth if depth != 0 else 1


def acquired_in_c(condition: ConditionQueue) -> cython.bint:
    """Whether a function of C acquires the lock after `wait`: one that raises has not taken it."""
    if type(condition)._acquire_restore is not ConditionQueue._acquire_restore:
        return False
    restore = getattr(condition.lock, "_acquire_restore", None)
    return type(condition.lock.acquire if restore is None else restore) is FUNCTION_OF_C


def surely_not_taken(condition: ConditionQueue, owned: object, in_c: cython.bint) -> cython.bint:
    """A signal handler has raised out of acquiring the lock. False: it was taken, or may have been."""
    mutex: Mutex
    if isinstance(condition.lock, Mutex) and type(condition.lock)._is_owned is Mutex._is_owned:
        # Not by asking it: a Lock that anyone took with `acquire` is said to be everybody's.
        mutex = condition.lock
        me: cython.ulonglong = caller_id()
        with cython.critical_section(mutex):
            return mutex.holder != me and mutex.holder != interlock_thread_id()
    while owned is not None:
        try:
            return not owned()
        except BaseException as raised:
            if not by_handler(raised):
                return False
    return in_c


def by_handler(error) -> cython.bint:
    """Whether a signal handler raised this, and not what was called."""
    return not isinstance(error, Exception) or shows_handler(error)


def shows_handler(error) -> cython.bint:
    """Whether the traceback says that a signal handler raised this."""
    codes = []
    for number in range(1, _signal.NSIG):
        handler = _signal.getsignal(number)
        while isinstance(handler, functools.partial):
            handler = handler.func
        # A function, a method, or an object that can be called.
        code = getattr(handler, "__code__", None)
        codes.append(getattr(type(handler).__call__, "__code__", None) if code is None else code)
    traceback = error.__traceback__
    while traceback is not None:
        for code in codes:
            if traceback.tb_frame.f_code is code:
                return True
        traceback = traceback.tb_next
    return False


# --- for tasks -----------------------------------------------------------------------------------------------


async def wait_foreign_async(condition: ConditionQueue, deadline: cython.longlong) -> bool:
    """`wait_foreign`, over a lock that can be acquired without blocking the loop."""
    lock = condition.lock
    if not hasattr(lock, "acquire_async") and not hasattr(lock, "__aenter__"):
        raise TypeError(f"a task cannot wait on a condition over {lock!r}: acquiring it would block the loop")
    if not owned_for_async(condition):
        raise RuntimeError("cannot wait on un-acquired lock")
    waiter: TaskWaiter = new_task_waiter(0)
    join(condition, waiter, deadline)
    mutex: Mutex = lock if isinstance(lock, Mutex) else None
    depth: cython.ulong = 1 if mutex is None else mutex.count
    error = None
    try:
        if hasattr(lock, "_release_save"):
            lock._release_save()
        else:
            lock.release()
    except BaseException as raised:
        if not (by_handler(raised) and surely_not_taken_by_task(condition, waiter)):
            end_wait(waiter)
            condition.withdraw(waiter)
            raise
        error = raised
    began: cython.longlong = told(condition, waiter)
    try:
        if error is None:
            await park(waiter, deadline)
    except GeneratorExit:
        condition.withdraw(waiter)
        if probing:
            happened(Happening.CANCELLED, condition, waiter.party.id, now() - began)
        raise
    except BaseException as raised:
        error = raised
    finally:
        end_wait(waiter)
    notified: cython.bint = was_notified(condition, waiter)
    again: cython.bint = True
    while again:
        again = False
        shield = None
        try:
            if error is not None:
                shield = shield_for(waiter.party)
            await (lock.acquire_async() if hasattr(lock, "acquire_async") else lock.acquire())
        except GeneratorExit:
            # The shield goes with the task.
            if notified:
                condition.notify_foreign(1)
            raise
        except BaseException as raised:
            error = raised
            again = was_cancelled(raised, waiter) or (
                by_handler(raised) and surely_not_taken_by_task(condition, waiter)
            )
        try:
            if shield is not None:
                shield.__exit__(None, None, None)
        except BaseException as raised:
            error = raised
    if mutex is not None:
        with cython.critical_section(mutex):
            if mutex.holder == waiter.party.id:
                mutex.count = depth
    return over(condition, notified, error, began)


def shield_for(party: TaskParty):
    """A scope, entered, that keeps out the cancellations of the scopes around it; None where there is no such thing."""
    # A task that has a scope has imported its library.
    library = sys.modules.get("trio" if party.library == Library.TRIO else "anyio")
    kind = getattr(library, "CancelScope", None)
    if kind is None:
        return None
    scope = kind(shield=True)
    scope.__enter__()
    return scope


def was_cancelled(error, waiter: TaskWaiter) -> cython.bint:
    """Whether this was raised by the task's library, which has not let it take the lock."""
    if isinstance(error, Exception):
        return False
    if cython.cast(TaskParty, waiter.party).library == Library.TRIO:
        return True  # Ctrl-C, too
    return not isinstance(error, KeyboardInterrupt) and not shows_handler(error)


def surely_not_taken_by_task(condition: ConditionQueue, waiter: TaskWaiter) -> cython.bint:
    """`surely_not_taken`, where the lock may be one that tells only whether anybody has it."""
    mutex: Mutex
    if isinstance(condition.lock, Mutex):
        mutex = condition.lock
        with cython.critical_section(mutex):
            return mutex.holder != waiter.party.id and mutex.holder != interlock_thread_id()
    try:
        return not owned_for_async(condition)
    except BaseException:
        return False


def owned_for_async(condition: ConditionQueue) -> cython.bint:
    """`owned_foreign`, where the lock's `acquire` may be asynchronous."""
    owned = getattr(condition.lock, "_is_owned", None)
    return condition.lock.locked() if owned is None else owned()
