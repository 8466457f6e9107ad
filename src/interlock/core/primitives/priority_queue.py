"""PriorityQueue: the least item first. As `queue.PriorityQueue`, and safe wherever the others are.

The items are a heap, in the order in which `heapq` keeps one. To find the place of an item, items are compared, and
that may be anybody's code: it must not run in the critical section, and whatever it does to this very queue must be all
right.

So nothing is changed while items are compared. The way of the item through the heap is found first, outside; each look
at the heap, and the change at the end, is a critical section of its own, which finds out whether the heap is still the
same (`changes`). If not, all begins anew. Whoever is disturbed so has been overtaken by a put or get that was finished,
also one in a signal handler or finalizer that ran in the middle: somebody always gets on, and nobody waits for anybody.
Where a comparison raises, the put or get raises it and nothing has changed: an item that cannot be compared is not in.

Items whose comparison runs nobody's code (numbers, strings, tuples of such as far as they are compared) are put in and
taken out in one critical section.

    items                          meaning
    heap                           the usual state
    heap, `back` items behind it   put there in one step, or given back by a getter; the next get sorts them in first

A putter that had to wait always puts its item in itself (`keeps_slot`): whoever makes room for it compares nothing.
"""

import cython
from cython.cimports.cpython.ref import Py_DECREF
from cython.cimports.interlock.core.kernel.construct import interlock_construct_directly
from cython.cimports.interlock.core.kernel.control import Operation, controlling, point
from cython.cimports.interlock.core.kernel.probe import Happening, happened, probing
from cython.cimports.interlock.core.kernel.public_name import interlock_tell_signature
from cython.cimports.interlock.core.kernel.waiter import Waiter
from cython.cimports.interlock.core.primitives.items import (
    interlock_heap_add,
    interlock_heap_become,
    interlock_heap_down,
    interlock_heap_pop,
    interlock_heap_pop_loose,
    interlock_heap_settle,
    interlock_heap_up,
    interlock_items_at,
    interlock_items_fit,
    interlock_items_push,
)
from cython.cimports.interlock.core.primitives.queue import Queue
from cython.cimports.interlock.core.primitives.queue_base import ELSEWHERE, EMPTY, NO_MORE, Mark, Outcome, Want


class PriorityQueue(Queue):
    """PriorityQueue(maxsize=0, *, name=None)\n--\n\n\
    A queue that returns the smallest item first. Like `queue.PriorityQueue`, and for tasks too. Items are often tuples
    ``(number, data)``.

    ``maxsize``: how many items it can hold; 0 or less means any number. ``name``: shown by reports and ``repr``.
    """

    def __init__(self, maxsize: object = 0, *, name: str | None = None):
        self.start(maxsize, name)

    # An open queue keeps its items so.

    def _container(self) -> object:
        return []

    def _put(self, item: object) -> None:
        from heapq import heappush

        heappush(self.queue, item)

    def _get(self) -> object:
        from heapq import heappop

        return heappop(self.queue)

    # In the critical section.

    def keeps_slot(self, waiter: Waiter) -> cython.bint:
        return True

    def hand_out(self) -> object:
        # Getters wait only where there is nothing: what is there has come back, or has been put without looking.
        assert self.items.back != 0
        return interlock_heap_pop_loose(cython.address(self.items))

    def take_in_again(self, item, turn: cython.ulonglong) -> cython.bint:
        if interlock_items_fit(cython.address(self.items), 1):
            self.put_loose(item)
        return True

    def put_loose(self, item) -> cython.void:
        """Put an item behind the heap. There is memory for it."""
        interlock_items_push(cython.address(self.items), item)
        self.items.back += 1
        self.changes += 1

    def put_batch(self, batch: tuple) -> cython.void:
        for i in range(len(batch)):
            self.put_loose(batch[i])
        self.unfinished += len(batch)

    # The operations. Outside it.

    def get_now(self) -> object:
        if controlling:
            point(Operation.CHANGE, self)
        path: Path
        changes: cython.ulonglong
        size: cython.uint
        loose: cython.bint
        over: cython.bint = False
        chain: Waiter = None
        item: object = None
        while True:
            changes = 0
            size = 0
            loose = False
            with cython.critical_section(self):
                if self.open is not None:
                    item = ELSEWHERE
                    over = True
                elif self.items.count == 0:
                    item = NO_MORE if self.shut else EMPTY
                    over = True
                else:
                    changes = self.changes
                    size = self.items.count - 1
                    loose = self.items.back != 0
                    path.length = -1 if loose else interlock_heap_down(cython.address(self.items), size, path.slots)
                    if path.length >= 0:
                        item = interlock_heap_pop(cython.address(self.items), path.slots, path.length)
                        over = True
                        chain = self.popped()
            if over:
                break
            if loose:
                self.settle()
                continue
            if not self.way_down(changes, size, cython.address(path)):
                continue
            with cython.critical_section(self):
                if self.changes == changes and self.open is None:
                    item = interlock_heap_pop(cython.address(self.items), path.slots, path.length)
                    over = True
                    chain = self.popped()
            if over:
                break
        if chain is not None:
            self.wake(chain)
        if probing and type(item) is not Mark:
            happened(Happening.ACQUIRED, self, 0, 0)
        return item

    def popped(self) -> Waiter:
        self.changes += 1
        return self.serve(None) if self.putters_line is not None and self.putters_line.head is not None else None

    def more(self, most: cython.Py_ssize_t) -> list:
        """In one step, too. Where somebody's code has to compare them they are sorted out of a copy, and taken if the
        heap has not changed meanwhile."""
        found: list = self.more_at_once(most)
        return found if found is not None else self.more_of_copy(most)

    def more_at_once(self, most: cython.Py_ssize_t) -> list:
        """None where somebody's code has to compare them, or the queue is open."""
        path: Path
        chain: Waiter = None
        count: cython.Py_ssize_t = 0
        over: cython.bint = True
        with cython.critical_section(self):
            room: cython.Py_ssize_t = self.items.count
        room = min(room, most)
        found: list = [None] * room
        with cython.critical_section(self):
            if self.open is not None or self.items.back != 0:
                return None
            while over and count < room and self.items.count != 0:
                path.length = interlock_heap_down(cython.address(self.items), self.items.count - 1, path.slots)
                over = path.length >= 0
                if over:
                    found[count] = interlock_heap_pop(cython.address(self.items), path.slots, path.length)
                    count += 1
            if over and count != 0:
                chain = self.popped()
            elif not over:
                # There is memory for them: it is where they have just been. They are in no order now.
                while count > 0:
                    count -= 1
                    self.put_loose(found[count])
        if not over:
            return None
        if chain is not None:
            self.wake(chain)
        del found[count:]
        if count != 0 and probing:
            happened(Happening.ACQUIRED, self, 0, 0)
        return found

    def more_of_copy(self, most: cython.Py_ssize_t) -> list:
        from heapq import heapify, heappop

        changes: cython.ulonglong
        size: cython.Py_ssize_t
        same: cython.bint
        chain: Waiter = None
        i: cython.uint
        while True:
            if self.open is not None:
                return self.open.get_more(most)
            with cython.critical_section(self):
                changes = self.changes
                size = self.items.count
            if size == 0 or most == 0:
                return []
            rest: list = [None] * size
            with cython.critical_section(self):
                same = self.changes == changes and self.open is None and self.items.count == size
                if same:
                    for i in range(self.items.count):
                        rest[i] = interlock_items_at(cython.address(self.items), i)
            if not same:
                continue
            heapify(rest)
            found: list = [heappop(rest) for _ in range(min(most, size))]
            with cython.critical_section(self):
                same = self.changes == changes and self.open is None
                if same:
                    interlock_heap_become(cython.address(self.items), rest)
                    chain = self.popped()
            if same:
                break
        for item in found:
            Py_DECREF(item)  # the queue's reference; the list has its own
        if chain is not None:
            self.wake(chain)
        if probing:
            happened(Happening.ACQUIRED, self, 0, 0)
        return found

    def put_now(self, item) -> Outcome:
        return self.put_in_order(item, False)

    def finish_put(self, waiter: Waiter) -> Outcome:
        if waiter.want == Want.PUT_MANY:
            return Queue.finish_put(self, waiter)
        try:
            return self.put_in_order(waiter.payload, True)
        except BaseException:
            # It cannot be compared: somebody else may have the slot.
            chain: Waiter
            with cython.critical_section(self):
                self.coming -= min(self.coming, 1)
                chain = self.serve(None)
            if chain is not None:
                self.wake(chain)
            raise

    def put_in_order(self, item, reserved: cython.bint) -> Outcome:
        """`put_now`, or with `reserved` for one who has a slot."""
        if controlling and not reserved:
            point(Operation.CHANGE, self)
        path: Path
        changes: cython.ulonglong
        size: cython.uint
        over: cython.bint = False
        memory: cython.bint = True
        outcome: Outcome = Outcome.DONE
        chain: Waiter = None
        while True:
            changes = 0
            size = 0
            with cython.critical_section(self):
                over = True
                if self.open is not None:
                    outcome = Outcome.OPENED
                elif self.shut:
                    outcome = Outcome.SHUT
                elif not reserved and self.limit != 0 and not self.has_room(1):
                    outcome = Outcome.HELD_UP
                elif not interlock_items_fit(cython.address(self.items), 1):
                    memory = False
                elif self.head is not None or self.items.back != 0:
                    # For a getter, or to be sorted in by the next.
                    self.put_loose(item)
                    chain = self.put_done(reserved)
                else:
                    changes = self.changes
                    size = self.items.count
                    path.length = interlock_heap_up(cython.address(self.items), size, item, path.slots)
                    over = path.length >= 0
                    if over:
                        interlock_heap_add(cython.address(self.items), path.slots, path.length, item)
                        chain = self.put_done(reserved)
                if reserved and outcome != Outcome.DONE:
                    self.coming -= min(self.coming, 1)
                    chain = self.serve(None)
            if over:
                break
            if not self.way_up(changes, size, item, cython.address(path)):
                continue
            with cython.critical_section(self):
                if (
                    self.changes == changes
                    and self.open is None
                    and not self.shut
                    and (reserved or self.has_room(1))
                    and interlock_items_fit(cython.address(self.items), 1)
                ):
                    over = True
                    interlock_heap_add(cython.address(self.items), path.slots, path.length, item)
                    chain = self.put_done(reserved)
            if over:
                break
        if not memory:
            raise MemoryError
        if chain is not None:
            self.wake(chain)
        if probing and outcome == Outcome.DONE:
            happened(Happening.RELEASED, self, 0, 0)
        return outcome

    def put_done(self, reserved: cython.bint) -> Waiter:
        self.unfinished += 1
        self.changes += 1
        if reserved:
            self.coming -= min(self.coming, 1)
        return self.serve(None) if self.head is not None else None

    def in_order(self, batch: tuple) -> tuple:
        return tuple(sorted(batch))

    # Finding places. Outside the critical section: what is compared may be anybody's.

    def settle(self) -> cython.bint:
        """Sort in the first item behind the heap, or do nothing where others have changed the heap meanwhile."""
        path: Path
        changes: cython.ulonglong
        size: cython.uint
        item: object = None
        over: cython.bint = False
        with cython.critical_section(self):
            changes = self.changes
            size = self.items.count - self.items.back
            if self.items.back == 0:
                over = True
            else:
                item = interlock_items_at(cython.address(self.items), size)
                path.length = interlock_heap_up(cython.address(self.items), size, item, path.slots)
                if path.length >= 0:
                    over = True
                    interlock_heap_settle(cython.address(self.items), path.slots, path.length)
                    self.changes += 1
        if not over and self.way_up(changes, size, item, cython.address(path)):
            with cython.critical_section(self):
                if self.changes == changes and self.open is None:
                    interlock_heap_settle(cython.address(self.items), path.slots, path.length)
                    self.changes += 1
        return True

    def item_at(self, changes: cython.ulonglong, index: cython.uint) -> object:
        """What lies there; a `Mark` where the heap is not the same any more."""
        with cython.critical_section(self):
            if self.changes != changes or self.open is not None:
                return ELSEWHERE
            return interlock_items_at(cython.address(self.items), index)

    def way_up(self, changes: cython.ulonglong, at: cython.uint, item, path: cython.pointer(Path)) -> cython.bint:
        """The way of `item` from the free slot `at`. False: others have changed the heap meanwhile."""
        path.length = 0
        path.slots[0] = at
        while at > 0:
            at = (at - 1) // 2
            other: object = self.item_at(changes, at)
            if type(other) is Mark:
                return False
            if not item < other:
                break
            path.length += 1
            path.slots[path.length] = at
        return True

    def way_down(self, changes: cython.ulonglong, size: cython.uint, path: cython.pointer(Path)) -> cython.bint:
        """The way of the last item from slot 0, as heapq goes: to the ground, and up again from there."""
        at: cython.uint = 0
        last: object = self.item_at(changes, size)
        if type(last) is Mark:
            return False
        path.length = 0
        path.slots[0] = 0
        while 2 * at + 1 < size:
            at = 2 * at + 1
            if at + 1 < size:
                left: object = self.item_at(changes, at)
                right: object = self.item_at(changes, at + 1)
                if type(left) is Mark or type(right) is Mark:
                    return False
                if not left < right:
                    at += 1
            path.length += 1
            path.slots[path.length] = at
        while path.length > 0:
            other: object = self.item_at(changes, path.slots[path.length])
            if type(other) is Mark:
                return False
            if not last < other:
                break
            path.length -= 1
        return True


interlock_construct_directly(PriorityQueue)


interlock_tell_signature(PriorityQueue)
