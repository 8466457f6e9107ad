"""How a task waits in a condition over a lock of ours: `Condition.wait` again, where parking is awaiting.

The states are those of `core/primitives/condition.py`, without WOKEN and with TAKEN (see `core/tasks/task_waiter.py`).
"""

import cython
from cython.cimports.interlock.core.kernel.control import controls, now
from cython.cimports.interlock.core.kernel.probe import Happening, happened, probing
from cython.cimports.interlock.core.kernel.wait import begin_wait, end_wait
from cython.cimports.interlock.core.kernel.waiter import CANCELLED, GRANTED, TAKEN
from cython.cimports.interlock.core.primitives.condition_queue import ConditionQueue
from cython.cimports.interlock.core.primitives.mutex import Mutex
from cython.cimports.interlock.core.tasks.awaiting import park, shielded_park
from cython.cimports.interlock.core.tasks.owner_watch import keep_watch
from cython.cimports.interlock.core.tasks.task_waiter import TaskWaiter, new_task_waiter

_on_passed_on: object = None


def call_when_passed_on(function: object) -> None:
    """Have ``function(condition)`` called by a task that was notified and then cancelled, when its notification has
    gone to the next one. None ends that. It must not raise."""
    global _on_passed_on
    _on_passed_on = function


def tell_passed_on(condition: ConditionQueue):
    listener = _on_passed_on
    if listener is not None:
        listener(condition)


async def wait_requeued_async(condition: ConditionQueue, mutex: Mutex, deadline: cython.longlong) -> bool:
    """`wait_requeued`, where parking is awaiting. One way out is new: the task is destroyed while it waits, and then
    nobody wants the lock back; a notification it had received goes on."""
    waiter: TaskWaiter = new_task_waiter(0)
    begin_wait(waiter, condition, deadline)
    try:
        error = condition.lie_down(mutex, waiter)
        began: cython.longlong = now()
        try:
            if error is None:
                await park(waiter, deadline)
        except GeneratorExit:
            drop(condition, mutex, waiter)
            raise
        except BaseException as raised:
            error = raised
        notified: cython.bint = wake_up(condition, mutex, waiter)
        at_once: cython.bint = not notified and waiter.state == GRANTED
        while not taken(mutex, waiter):
            try:
                mutex.check_block(waiter)
                if not controls():
                    keep_watch(waiter.party)
            except BaseException as raised:
                if waiter.refused:
                    condition.give_up(mutex, waiter, raised)
                    raise
                error = raised  # a signal handler's
            try:
                await shielded_park(waiter)
            except GeneratorExit:
                drop(condition, mutex, waiter)
                raise
            except BaseException as raised:
                error = raised  # the last one, as asyncio does
        if probing:
            happened(Happening.REQUEUED, mutex, waiter.mover, 0 if at_once else now() - waiter.since)
            condition.tell_over(notified, error, began)
        if error is not None:
            if notified:
                others: cython.bint = condition.head is not None
                condition.pass_on(1)
                if others and _on_passed_on is not None:
                    tell_passed_on(condition)
            raise error
        return notified
    finally:
        end_wait(waiter)


def taken(mutex: Mutex, waiter: TaskWaiter) -> cython.bint:
    """Whether the waiter has been granted the lock: then its task has it from now on."""
    with cython.critical_section(mutex):
        if waiter.state == GRANTED:
            waiter.state = TAKEN
            waiter.notifier = None
    return waiter.state == TAKEN


def wake_up(condition: ConditionQueue, mutex: Mutex, waiter: TaskWaiter) -> cython.bint:
    """It runs again: whether it was notified. If not, it goes for the lock now."""
    with cython.critical_section(condition, mutex):
        notified: cython.bint = waiter.queue is not condition
        if not notified:
            condition.remove(waiter)
            if mutex.head is None and mutex.fits(waiter):
                mutex.grant(waiter)
                waiter.state = GRANTED
            else:
                mutex.push(waiter)
    return notified


def drop(condition: ConditionQueue, mutex: Mutex, waiter: TaskWaiter):
    """It never runs again. A notification that it had received goes to the next."""
    waiting: cython.bint
    with cython.critical_section(condition, mutex):
        waiting = waiter.queue is condition
        if waiting:
            condition.remove(waiter)
            waiter.state = CANCELLED
    if not waiting:
        mutex.withdraw(waiter)
    if probing:
        happened(Happening.CANCELLED, condition, waiter.party.id, now() - waiter.since)
