"""Tasks that wait for an owner look now and then whether it can still come: an owner that ends tells nobody."""

import weakref

import cython
from cython.cimports.cpython.long import PyLong_FromVoidPtr
from cython.cimports.interlock.core.kernel.party import Party, living
from cython.cimports.interlock.core.kernel.primitive import Primitive
from cython.cimports.interlock.core.tasks.task import Library, TaskParty
from cython.cimports.interlock.core.tasks.task_waiter import TaskWaiter

from interlock.core.kernel.deadlock import DeadlockError

LOOK_AGAIN = cython.declare(cython.double, 0.5)  # seconds
watches = {}


class LoopWatch:
    """Asks twice a second, for the waiting tasks of one loop, whether their owners can still come.

    One timer for all of them, which stops when none of them waits: a timer for each would cost as much as its wait.
    """

    def __call__(self) -> None:
        """A look, by asyncio's timer."""
        if self.look():
            self.loop.call_later(LOOK_AGAIN, self)

    def look(self) -> cython.bint:
        """Whether to go on looking. In the thread of the loop."""
        waiting: cython.bint = False
        for each in list(living.values()):
            if isinstance(each, TaskParty) and cython.cast(TaskParty, each).its_loop() is self.loop:
                waiter = cython.cast(Party, each).wait
                if isinstance(waiter, TaskWaiter) and self.asks(waiter):
                    waiting = True
        if not waiting:
            watches.pop(self.key, None)
        return waiting

    def asks(self, waiter: TaskWaiter) -> cython.bint:
        """Have it look itself, where it has to. False: it does not wait for an owner."""
        at: Primitive = cython.cast(Primitive, waiter.at).leads_to()
        queued: cython.bint
        with cython.critical_section(at):
            queued = waiter.queue is at
        if not queued or not at.has_owners() or (waiter.timed and waiter.at is at):
            return False
        try:
            at.check_block(waiter)
        except DeadlockError:
            waiter.refused = False
            waiter.look_again = True
            waiter.rouse()
        return True


async def watch_in_trio(watch: LoopWatch) -> None:
    from trio import sleep

    while watch.look():
        await sleep(LOOK_AGAIN)


def keep_watch(party: TaskParty):
    """Look now and then for the tasks of this loop, of which one waits for an owner. In a step of one of them."""
    loop = party.its_loop()
    key = PyLong_FromVoidPtr(cython.cast(cython.p_void, loop))
    found = watches.get(key)
    if found is not None and found() is not None:
        return
    for other, reference in list(watches.items()):
        if reference() is None:
            watches.pop(other, None)
    # The timer keeps it, and goes with the loop.
    watch: LoopWatch = LoopWatch.__new__(LoopWatch)
    watch.loop = loop
    watch.key = key
    watches[key] = weakref.ref(watch)
    try:
        if party.library == Library.TRIO:
            from trio.lowlevel import spawn_system_task

            spawn_system_task(watch_in_trio, watch, name="interlock.look_again")
        else:
            loop.call_later(LOOK_AGAIN, watch)
    except BaseException:
        watches.pop(key, None)
        raise
