"""What all queues share: who waits at one, and how an item comes from a putter to a getter.

    items   getters   putters               meaning
    0       any       none                  empty
    0       any       some, `coming` > 0    empty, and all slots are given to putters that have not run since
    n > 0   none      none                  the next get gets one; a put fits while n + `coming` < `limit`
    n > 0   none      some                  full: n + `coming` + what the first putter brings is more than `limit`

No other state occurs: whoever changes one of these serves both lines in the same critical section. So nobody ever
passes a getter that waits, and nobody a putter.

A getter is handed its item in the section in which that is there: the first in the line the first item, whoever runs
again first. Where it leaves without it (cancelled, interrupted) the item goes to the next getter, or back to where it
was, before all that came after it.

A putter that cannot be interrupted any more (a thread other than the main one) has its item put in by whoever makes
room. A task may still be cancelled, the main thread interrupted, and then the item must not have been seen by anybody:
so they are given the slot (`coming`), and put the item in themselves when they run. What is behind them in the line
does not wait for that: their loop may be busy, or wait for this very putter.

When the program looks inside (`mutex`, `queue`, the conditions) or brings `_put` and `_get` of its own, the queue is
opened for good: `primitives/queue_open.py` takes over, which does all as `queue.Queue` does it, under a lock. Whoever
waits is sent there (MOVED).
"""

import cython
from cython.cimports.interlock.core.kernel.control import Operation, controlling, point
from cython.cimports.interlock.core.kernel.party import forks, in_new_child, main_ident
from cython.cimports.interlock.core.kernel.primitive import Primitive
from cython.cimports.interlock.core.kernel.probe import Happening, happened, probing
from cython.cimports.interlock.core.kernel.waiter import CANCELLED, GRANTED, ThreadWaiter, Waiter, new_waiter
from cython.cimports.interlock.core.primitives.items import (
    interlock_items,
    interlock_items_fit,
    interlock_items_free,
    interlock_items_pop_first,
    interlock_items_pop_last,
    interlock_items_push,
    interlock_items_put_back,
    interlock_items_take,
    interlock_show_items,
)

renamed = cython.declare(object, None)  # interlock.aio's queue
renamed_errors = cython.declare(object, None)  # its Empty, Full and ShutDown


class Mark:
    """What `get_now` returns where there is no item."""


def mark(outcome: Outcome) -> Mark:
    made: Mark = Mark.__new__(Mark)
    made.outcome = outcome
    return made


EMPTY = mark(Outcome.HELD_UP)
NO_MORE = mark(Outcome.SHUT)
ELSEWHERE = mark(Outcome.OPENED)


class Line(Primitive):
    """A second line of waiters of a queue's. A waiter in it counts as the queue's."""

    def remove(self, waiter: Waiter) -> cython.void:
        waiter.queue = self
        Primitive.remove(self, waiter)


class QueueBase(Primitive):
    """What all queues share. Not to be used by itself."""

    def __dealloc__(self):
        interlock_items_free(cython.address(self.items))

    @property
    def getters(self) -> tuple:
        """The threads and tasks that wait for an item, in the order in which they arrived."""
        if self.open is not None:
            return self.open.not_empty.waiters
        return tuple(self.parties_in(self))

    @property
    def waiters(self) -> tuple:
        """The parties that wait here now: those for an item, then those for room, then those in `join`."""
        return self.blocked()

    def blocked(self) -> tuple:
        if self.open is not None:
            return self.open.waiters()
        found: list = self.parties_in(self)
        with cython.critical_section(self):
            putting: Line = self.putters_line
            joining: Line = self.joiners_line
        if putting is not None:
            found += self.parties_in(putting)
        if joining is not None:
            found += self.parties_in(joining)
        return tuple(found)

    def parties_in(self, line: Primitive) -> list:
        return [cython.cast(Waiter, waiter).party.known_as() for waiter in self.queued_in(line)]

    # The lines.

    def line_of(self, waiter: Waiter) -> Line:
        """None for a getter, who stands in the queue itself."""
        if waiter.want == Want.GET:
            return None
        return self.joiners_line if waiter.want == Want.JOIN else self.putters_line

    def push(self, waiter: Waiter) -> cython.void:
        line: Line = self.line_of(waiter)
        if line is None:
            Primitive.push(self, waiter)
        else:
            Primitive.push(line, waiter)
            waiter.queue = self

    def remove(self, waiter: Waiter) -> cython.void:
        line: Line = self.line_of(waiter)
        if line is None:
            Primitive.remove(self, waiter)
        else:
            line.remove(waiter)

    def forget_lost(self) -> cython.void:
        if self.forked != forks or in_new_child():
            Primitive.forget_lost(self)
            self.coming = 0
            if self.putters_line is not None:
                Primitive.forget_lost(self.putters_line)
            if self.joiners_line is not None:
                Primitive.forget_lost(self.joiners_line)

    def serve(self, arrived: Waiter) -> Waiter:
        """Hand items to getters and slots to putters as far as they go. Returns the chain to `wake`."""
        first: Waiter = None
        last: Waiter = None
        waiter: Waiter
        self.forget_lost()
        while True:
            if self.head is not None and (self.items.count != 0 or self.shut):
                waiter = self.head
                self.remove(waiter)
                if not waiter.claim():
                    waiter.state = CANCELLED
                    continue
                if self.items.count == 0:
                    waiter.want = Want.REFUSED
                else:
                    waiter.payload = self.hand_out()
                    self.changes += 1
                    waiter.turn = self.changes
            elif (
                self.putters_line is not None
                and self.putters_line.head is not None
                and self.may_put(self.putters_line.head)
            ):
                waiter = self.putters_line.head
                self.remove(waiter)
                if not waiter.claim():
                    waiter.state = CANCELLED
                    continue
                if self.shut:
                    waiter.want = Want.REFUSED
                elif self.keeps_slot(waiter):
                    self.coming += size_of(waiter)
                else:
                    self.put_all(waiter)
            elif self.joiners_line is not None and self.joiners_line.head is not None and self.unfinished == 0:
                waiter = self.joiners_line.head
                self.remove(waiter)
            else:
                break
            waiter.state = GRANTED
            if first is None:
                first = waiter
            else:
                last.wake = waiter
            last = waiter
        return first

    def may_put(self, first: Waiter) -> cython.bint:
        """Whether the first of the putters may put in what it brings, or is to be told that it never will."""
        if self.shut:
            return True
        size: cython.Py_ssize_t = size_of(first)
        if self.limit != 0 and self.items.count + self.coming + size > self.limit:
            return False
        return self.keeps_slot(first) or interlock_items_fit(cython.address(self.items), size)

    def keeps_slot(self, waiter: Waiter) -> cython.bint:
        """Whether a putter may still go away without having put anything, once it has been let in."""
        return waiter.is_task or waiter.party.ident == main_ident

    def put_all(self, waiter: Waiter) -> cython.bint:
        """Put in what a putter brings. There is memory for it."""
        if waiter.want == Want.PUT:
            interlock_items_push(cython.address(self.items), waiter.payload)
            self.unfinished += 1
        else:
            self.put_batch(waiter.payload)
        return True

    def put_batch(self, batch: tuple) -> cython.void:
        for i in range(len(batch)):
            interlock_items_push(cython.address(self.items), batch[i])
        self.unfinished += len(batch)

    def take_back(self, waiter: Waiter) -> cython.void:
        """It leaves with what it was granted."""
        if waiter.want == Want.GET:
            self.take_in_again(waiter.payload, waiter.turn)
            self.changes += 1
        elif (waiter.want == Want.PUT or waiter.want == Want.PUT_MANY) and self.keeps_slot(waiter):
            self.coming -= min(self.coming, size_of(waiter))

    def pass_over(self, waiter: Waiter) -> Waiter:
        chain: Waiter = Primitive.pass_over(self, waiter)
        if self.open is not None:
            self.open.absorb()
        return chain

    def has_room(self, more: cython.Py_ssize_t) -> cython.bint:
        """Whether a newcomer may put so many."""
        if self.limit == 0:
            return True
        if self.coming != 0 or (self.putters_line is not None and self.putters_line.head is not None):
            self.forget_lost()
            if self.putters_line is not None and self.putters_line.head is not None:
                return False
        return self.items.count + self.coming + more <= self.limit

    def has_to_wait(self, waiter: Waiter) -> cython.bint:
        if self.open is not None:
            return False
        if waiter.want == Want.JOIN:
            return self.unfinished != 0
        if self.shut:
            return False
        if waiter.want == Want.GET:
            return self.items.count == 0
        return not self.has_room(size_of(waiter))

    def pop(self) -> object:
        """The next item. There is one."""
        if self.lifo:
            return interlock_items_pop_last(cython.address(self.items))
        return interlock_items_pop_first(cython.address(self.items))

    def hand_out(self) -> object:
        """The item for a getter that has waited. There is one."""
        return self.pop()

    def take_in_again(self, item, turn: cython.ulonglong) -> cython.bint:
        return interlock_items_put_back(cython.address(self.items), item, turn)

    # The operations: each has one place where it happens. All outside the critical section.

    def get_now(self) -> object:
        """An item, or a `Mark` where there is none."""
        if controlling:
            point(Operation.CHANGE, self)
        chain: Waiter = None
        item: object
        with cython.critical_section(self):
            if self.open is not None:
                item = ELSEWHERE
            elif self.items.count != 0:
                item = self.pop()
                if self.putters_line is not None and self.putters_line.head is not None:
                    chain = self.serve(None)
            else:
                item = NO_MORE if self.shut else EMPTY
        if chain is not None:
            self.wake(chain)
        if probing and type(item) is not Mark:
            happened(Happening.ACQUIRED, self, 0, 0)
        return item

    def more(self, most: cython.Py_ssize_t) -> list:
        """As many as there are now, in one step, and no more than `most`."""
        chain: Waiter = None
        count: cython.Py_ssize_t = 0
        if self.open is not None:
            return self.open.get_more(most)
        with cython.critical_section(self):
            room: cython.Py_ssize_t = self.items.count
        room = min(room, most)
        found: list = [None] * room
        with cython.critical_section(self):
            while self.open is None and count < room and self.items.count != 0:
                found[count] = self.pop()
                count += 1
            if self.putters_line is not None and self.putters_line.head is not None:
                chain = self.serve(None)
        if chain is not None:
            self.wake(chain)
        del found[count:]
        if count != 0 and probing:
            happened(Happening.ACQUIRED, self, 0, 0)
        return found

    def put_now(self, item) -> Outcome:
        if controlling:
            point(Operation.CHANGE, self)
        chain: Waiter = None
        outcome: Outcome = Outcome.DONE
        room: cython.bint = True
        with cython.critical_section(self):
            if self.open is not None:
                outcome = Outcome.OPENED
            elif self.shut:
                outcome = Outcome.SHUT
            elif self.limit != 0 and not self.has_room(1):
                outcome = Outcome.HELD_UP
            elif not interlock_items_fit(cython.address(self.items), 1):
                room = False
            else:
                interlock_items_push(cython.address(self.items), item)
                self.unfinished += 1
                if self.head is not None:
                    chain = self.serve(None)
        if not room:
            raise MemoryError
        if chain is not None:
            self.wake(chain)
        if probing and outcome == Outcome.DONE:
            happened(Happening.RELEASED, self, 0, 0)
        return outcome

    def put_many_now(self, batch: tuple) -> Outcome:
        if controlling:
            point(Operation.CHANGE, self)
        chain: Waiter = None
        outcome: Outcome = Outcome.DONE
        room: cython.bint = True
        size: cython.Py_ssize_t = len(batch)
        with cython.critical_section(self):
            if self.open is not None:
                outcome = Outcome.OPENED
            elif self.shut:
                outcome = Outcome.SHUT
            elif not self.has_room(size):
                outcome = Outcome.HELD_UP
            elif not interlock_items_fit(cython.address(self.items), size):
                room = False
            else:
                self.put_batch(batch)
                if self.head is not None:
                    chain = self.serve(None)
        if not room:
            raise MemoryError
        if chain is not None:
            self.wake(chain)
        if probing and outcome == Outcome.DONE:
            happened(Happening.RELEASED, self, 0, 0)
        return outcome

    def put_what(self, want: Want, payload) -> Outcome:
        return self.put_now(payload) if want == Want.PUT else self.put_many_now(payload)

    def join_now(self) -> Outcome:
        if controlling:
            point(Operation.WAIT, self)
        with cython.critical_section(self):
            if self.open is not None:
                return Outcome.OPENED
            return Outcome.HELD_UP if self.unfinished != 0 else Outcome.DONE

    def shut_down(self, immediate: cython.bint):
        """What `shutdown` does where the queue is not open."""
        if controlling:
            point(Operation.CHANGE, self)
        chain: Waiter
        dropped: interlock_items
        with cython.critical_section(self):
            self.shut = True
            if immediate:
                self.unfinished -= min(self.unfinished, self.items.count)
                interlock_items_take(cython.address(self.items), cython.address(dropped))
                self.changes += 1
            chain = self.serve(None)
        if chain is not None:
            self.wake(chain)
        if immediate:
            interlock_items_free(cython.address(dropped))
        if probing:
            happened(Happening.SET, self, 0, 0)

    def evict(self) -> Waiter:
        """Everybody who waits is to ask the open queue. Inside the critical section. Returns the chain to `wake`."""
        first: Waiter = None
        last: Waiter = None
        waiter: Waiter
        while True:
            waiter = self.head
            if waiter is None and self.putters_line is not None:
                waiter = self.putters_line.head
            if waiter is None and self.joiners_line is not None:
                waiter = self.joiners_line.head
            if waiter is None:
                return first
            self.remove(waiter)
            if not waiter.claim():
                waiter.state = CANCELLED
                continue
            waiter.want = Want.MOVED
            waiter.state = GRANTED
            if first is None:
                first = waiter
            else:
                last.wake = waiter
            last = waiter

    # How a party waits.

    def line_up(self, waiter: Waiter) -> cython.bint:
        """Join the line. False: it need not wait after all, and is to try again."""
        line: Line = None
        waits: cython.bint
        if waiter.want != Want.GET:
            line = Line.__new__(Line)
        with cython.critical_section(self):
            if waiter.want == Want.JOIN:
                if self.joiners_line is None:
                    self.joiners_line = line
            elif waiter.want != Want.GET and self.putters_line is None:
                self.putters_line = line
            self.forget_lost()
            waits = self.has_to_wait(waiter)
            if waits:
                self.push(waiter)
        return waits

    def fate(self, waiter: Waiter) -> Outcome:
        """What has become of a waiter that was granted something."""
        if waiter.want == Want.REFUSED:
            return Outcome.SHUT
        if waiter.want == Want.MOVED:
            return Outcome.OPENED
        if waiter.want == Want.PUT or waiter.want == Want.PUT_MANY:
            return self.finish_put(waiter) if self.keeps_slot(waiter) else Outcome.DONE
        return Outcome.DONE

    def take_out(self, waiter: Waiter):
        """The item that a getter was handed."""
        with cython.critical_section(self):
            item = waiter.payload
            waiter.payload = None
        return item

    def finish_put(self, waiter: Waiter) -> Outcome:
        """Put in what a putter brings that has a slot. HELD_UP: there is no memory for it."""
        chain: Waiter
        outcome: Outcome = Outcome.DONE
        with cython.critical_section(self):
            self.coming -= min(self.coming, size_of(waiter))
            if self.open is not None:
                outcome = Outcome.OPENED
            elif self.shut:
                outcome = Outcome.SHUT
            elif not interlock_items_fit(cython.address(self.items), size_of(waiter)):
                outcome = Outcome.HELD_UP
            else:
                self.put_all(waiter)
            chain = self.serve(None)
        if chain is not None:
            self.wake(chain)
        if outcome == Outcome.HELD_UP:
            raise MemoryError
        return outcome

    def refuse(self, outcome: Outcome, want: Want):
        """Raise what fits."""
        from interlock.core.primitives import queue_errors

        errors: tuple = queue_errors.ERRORS
        if renamed is not None and isinstance(self, renamed):
            errors = renamed_errors
        if outcome == Outcome.SHUT:
            raise errors[2]
        raise errors[0] if want == Want.GET else errors[1]


def size_of(putter: Waiter) -> cython.Py_ssize_t:
    """How many items this putter brings."""
    return len(cython.cast(tuple, putter.payload)) if putter.want == Want.PUT_MANY else 1


def get_slowly(queue: QueueBase, deadline: cython.longlong):
    """An item, waited for until `deadline`, of which 0 means not at all."""
    waiter: ThreadWaiter = None
    outcome: Outcome
    while True:
        item = queue.get_now()
        if type(item) is not Mark:
            return item
        outcome = cython.cast(Mark, item).outcome
        if outcome != Outcome.HELD_UP or deadline == 0:
            break
        if waiter is None:
            waiter = new_waiter(Want.GET)
        if queue.line_up(waiter):
            if queue.wait_in_line(waiter, deadline):
                outcome = queue.fate(waiter)
                if outcome == Outcome.DONE:
                    return queue.take_out(waiter)
            break
    if outcome == Outcome.OPENED:
        return queue.open.get(deadline)
    queue.refuse(outcome, Want.GET)


def put_slowly(queue: QueueBase, want: Want, payload, deadline: cython.longlong):
    """Put, waiting for room until `deadline`, of which 0 means not at all."""
    waiter: ThreadWaiter = None
    outcome: Outcome
    while True:
        outcome = queue.put_what(want, payload)
        if outcome == Outcome.DONE:
            return
        if outcome != Outcome.HELD_UP or deadline == 0:
            break
        if waiter is None:
            waiter = new_waiter(want)
            waiter.payload = payload
        if queue.line_up(waiter):
            if queue.wait_in_line(waiter, deadline):
                outcome = queue.fate(waiter)
                if outcome == Outcome.DONE:
                    return
            break
    if outcome == Outcome.OPENED:
        queue.open.put(want, payload, deadline)
        return
    queue.refuse(outcome, want)


def join_slowly(queue: QueueBase, deadline: cython.longlong):
    """Whether all items are done by `deadline`."""
    waiter: ThreadWaiter = None
    outcome: Outcome
    while True:
        outcome = queue.join_now()
        if outcome == Outcome.DONE:
            return True
        if outcome != Outcome.HELD_UP or deadline == 0:
            break
        if waiter is None:
            waiter = new_waiter(Want.JOIN)
        if queue.line_up(waiter):
            if not queue.wait_in_line(waiter, deadline):
                return False
            outcome = queue.fate(waiter)
            break
    if outcome == Outcome.OPENED:
        return queue.open.join(deadline)
    return outcome == Outcome.DONE


def rename(queue: type, errors: tuple) -> None:
    """Let `queue` raise these where it is empty, full and shut down."""
    global renamed, renamed_errors
    renamed = queue
    renamed_errors = errors


def _show_items():
    example: QueueBase = QueueBase.__new__(QueueBase)
    interlock_show_items(QueueBase, example, cython.address(example.items))


_show_items()
