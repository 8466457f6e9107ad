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

What the lock itself raises comes out of `wait` at once. It is told from what handlers raise by the traceback, which
shows the handler; a handler written in C is believed only what is no `Exception`.
"""

import functools
import signal
import types
from _signal import getsignal  # that of `signal` is Python code, in which a handler could run

import cython
from cython.cimports.interlock.core.awaiting import TaskWaiter, new_task_waiter, park
from cython.cimports.interlock.core.condition_queue import ConditionQueue
from cython.cimports.interlock.core.mutex import Mutex
from cython.cimports.interlock.core.native import interlock_now, interlock_thread_id
from cython.cimports.interlock.core.probe import Happening, happened, probing
from cython.cimports.interlock.core.task import caller_id
from cython.cimports.interlock.core.waiting import (
    CANCELLED,
    GRANTED,
    TAKEN,
    ThreadWaiter,
    begin_wait,
    end_wait,
    new_waiter,
)

FUNCTION_OF_C = cython.declare(object, types.BuiltinMethodType)


def wait_foreign(condition: ConditionQueue, deadline: cython.longlong) -> cython.bint:
    if not condition.owned_foreign():
        raise RuntimeError("cannot wait on un-acquired lock")
    # Looked up while the lock is held: looking up may be Python code, in which a handler can run.
    owned = getattr(condition.lock, "_is_owned", None)
    in_c: cython.bint = acquired_in_c(condition)
    waiter: ThreadWaiter = new_waiter(0)
    begin_wait(waiter, condition, deadline)
    with cython.critical_section(condition):
        condition.forget_lost()
        condition.push(waiter)
    # A subclass of our Lock does not say in its state that it was entered.
    entered: cython.bint = isinstance(condition.lock, Mutex) and cython.cast(Mutex, condition.lock).count != 0
    try:
        state = condition._release_save()
    except BaseException:
        end_wait(waiter)
        condition.withdraw(waiter)
        raise
    began: cython.longlong = interlock_now()
    if probing:
        happened(Happening.WAITING, condition, waiter.party.id, 0)

    error = None
    notified: cython.bint = False
    try:
        notified = condition.await_turn(waiter, deadline, False)
    except BaseException as raised:
        error = raised
        with cython.critical_section(condition):
            notified = waiter.state == GRANTED
            if not notified:
                condition.remove(waiter)
                waiter.state = CANCELLED
    end_wait(waiter)
    again: cython.bint = True
    while again:
        again = False
        try:
            condition._acquire_restore(state)
        except BaseException as raised:
            again = by_handler(raised)
            if error is None or not again:
                error = raised
            again = again and surely_not_taken(condition, owned, in_c)
    if entered:
        condition.mark_entered(interlock_thread_id())
    if probing:
        happened(
            Happening.CANCELLED if error is not None else Happening.GRANTED if notified else Happening.TIMED_OUT,
            condition,
            0,
            interlock_now() - began,
        )
    if error is not None:
        if notified:
            condition.notify_foreign(1)
        raise error
    return notified


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
    if not isinstance(error, Exception):
        return True
    codes = []
    for number in range(1, signal.NSIG):
        handler = getsignal(number)
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
        raise TypeError(f"a task cannot wait on a condition over {lock!r}: taking that blocks the whole loop")
    if not owned_for_async(condition):
        raise RuntimeError("cannot wait on un-acquired lock")
    waiter: TaskWaiter = new_task_waiter(0)
    begin_wait(waiter, condition, deadline)
    with cython.critical_section(condition):
        condition.forget_lost()
        condition.push(waiter)
    mutex: Mutex = lock if isinstance(lock, Mutex) else None
    depth: cython.ulong = 1 if mutex is None else mutex.count
    try:
        if hasattr(lock, "_release_save"):
            lock._release_save()
        else:
            lock.release()
    except BaseException:
        end_wait(waiter)
        condition.withdraw(waiter)
        raise
    began: cython.longlong = interlock_now()
    if probing:
        happened(Happening.WAITING, condition, waiter.party.id, 0)
    error = None
    try:
        await park(waiter, deadline)
    except GeneratorExit:
        condition.withdraw(waiter)
        if probing:
            happened(Happening.CANCELLED, condition, waiter.party.id, interlock_now() - began)
        raise
    except BaseException as raised:
        error = raised
    finally:
        end_wait(waiter)
    notified: cython.bint
    with cython.critical_section(condition):
        notified = waiter.state == GRANTED
        if notified:
            waiter.state = TAKEN
        else:
            condition.remove(waiter)
            waiter.state = CANCELLED
    while True:
        try:
            await (lock.acquire_async() if hasattr(lock, "acquire_async") else lock.acquire())
            break
        except GeneratorExit:
            if notified:
                condition.notify_foreign(1)
            raise
        except BaseException as raised:
            if isinstance(raised, Exception):
                raise  # the lock's own business
            error = raised
    if mutex is not None:
        with cython.critical_section(mutex):
            if mutex.holder == waiter.party.id:
                mutex.count = depth
    if probing:
        happened(
            Happening.CANCELLED if error is not None else Happening.GRANTED if notified else Happening.TIMED_OUT,
            condition,
            0,
            interlock_now() - began,
        )
    if error is not None:
        if notified:
            condition.pass_on(1)
        raise error
    return notified


def owned_for_async(condition: ConditionQueue) -> cython.bint:
    """`owned_foreign`, where the lock's `acquire` may be asynchronous."""
    owned = getattr(condition.lock, "_is_owned", None)
    return condition.lock.locked() if owned is None else owned()
