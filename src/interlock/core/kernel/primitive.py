"""The queue that every primitive has, how it is served, and how a thread waits in it.

Every primitive is a small state plus a queue, and both are guarded by one thing, the critical section of the
primitive: nothing at all under the GIL, a mutex in the object without it. Inside one there is no Python call,
no allocation of an object that the garbage collector tracks, and no decref that could be an object's last or,
without the GIL, one that another thread must be told of (that takes a mutex, and waiting for a mutex leaves the
critical section). The last rule is why each waiter in a queue is owned by exactly one link: code that takes it
out has a reference of its own, so the count that the link gives up is never the one that matters.

    an operation                       where
    1. fast path: change the state     the primitive
    2. make the waiter                 outside: allocates
    3. join the queue                  inside, unless what it wants is free by now
    4. park                            outside
    5. decide: granted, woken, expired inside
    6. unpark others                   outside, along a chain built inside

The life of a waiter stands at the head of `waiter.py`. What a primitive says of itself; most need the first three:

    method            what it says                               who calls it
    inside the critical section
    fits              could this waiter have what it wants now?  `take_or_join` for who comes, `serve` for the head
    grant             it gets it                                 the same two, next
    take_back         it leaves with the grant unused            `leave_line`, of one who is interrupted or cancelled
    due               it is not to be overtaken any more         `serve`: a hand-off, or a call to come and compete
    runs_again        it was granted, a task, and runs now       the task's own call (`core/tasks/awaiting.py`)
    expire            its deadline has passed                    `await_turn`, and a task's call
    leave_line        it withdraws, whatever its state           `pass_over`
    serve             what is free goes to whom it fits          the party that has freed something or left the queue
    owners            who all must let go before it is let in    the walk of `core/graph/waitgraph.py`
    holders           who holds this, certain or not             `held_by`, for reports
    outside
    has_owners        may one who waits here wait for an owner?  before each park: it then looks again now and then
    lost_owner        an owner that can never come back          `check_block`, and that of a choice
    check_block       raise where this wait can never end        before the first park, and after each in vain
    cases             of a choice: where else it stands          the graph, and a forked child
    leads_to          at whose owners the wait ends              the graph: a condition's waiters go on to its lock
    gives_up_before   those before it that alone keep it out     the graph, when a cycle has been found
    take_now          get it where nobody waits                  a task's call, before it makes a waiter
    take_past         the same for one who will not wait         a task's call that must not wait
    mark_entered      it was taken to be released by a `with`    `within`, and a condition that is entered
    pass_over_notified  one notified here withdraws elsewhere    `pass_over`; conditions alone

Fairness. A release does not hand the lock to the thread that has waited longest: it would lie there, owned and
idle, until the scheduler gets round to that thread, and everybody else would block too. The head is unparked
and competes, and a newcomer may be faster (barging). That could go on for ever, so a waiter that has waited
`BARGING_NS` is due: it gets a hand-off. A task always is; asyncio promises strict order.

`BARGING_NS` is 1 ms because that is far above a wake-up (5 to 50 us), so a lock that is passed about quickly
never sees a hand-off, and below what a person or a frame of a game notices. WebKit's parking lot and CPython's
own `Python/lock.c` settled on the same constant.
"""

import os

import cython
from cython.cimports.cpython.mem import PyMem_RawFree, PyMem_RawMalloc
from cython.cimports.cpython.ref import Py_DECREF, Py_INCREF
from cython.cimports.interlock.core.kernel.control import controls, now
from cython.cimports.interlock.core.kernel.party import Party, forks, in_new_child, is_lost, living
from cython.cimports.interlock.core.kernel.probe import Happening, happened, probing
from cython.cimports.interlock.core.kernel.timeouts import NEVER
from cython.cimports.interlock.core.kernel.wait import begin_wait, end_wait, judge_wait, judged
from cython.cimports.interlock.core.kernel.waiter import CANCELLED, GRANTED, PARKED, TAKEN, WOKEN, ThreadWaiter, Waiter

BARGING_NS = cython.declare(cython.longlong, 1_000_000)
LOOK_AGAIN_NS = 500_000_000


class Primitive(Observed):
    """A state and a queue. The table at the head of this file says what a primitive may say of itself."""

    @property
    def name(self) -> str | None:
        """The name given to the constructor, or None."""
        return self.label

    @property
    def waiters(self) -> tuple:
        """The parties that are blocked here now, in the order in which they came."""
        return self.blocked()

    def __reduce_ex__(self, protocol):
        raise TypeError(
            f"cannot pickle {self.describe('', '')}: its owner and waiters do not exist in another process. "
            "Leave it out in __getstate__, and create a new one in __setstate__"
        )

    def fits(self, waiter: Waiter) -> cython.bint:
        return False

    def grant(self, waiter: Waiter) -> cython.void:
        pass

    def take_back(self, waiter: Waiter) -> cython.void:
        pass

    def due(self, waiter: Waiter) -> cython.bint:
        return waiter.is_task or now() - waiter.since >= BARGING_NS

    def runs_again(self, waiter: Waiter) -> Waiter:
        """A task that was granted out of the queue runs again. Returns the chain to `wake`."""
        return None

    def owners(self, waiter: Waiter, ids: cython.pointer(cython.ulonglong), room: cython.int) -> cython.int:
        """Who all must let go, of their own accord, before `waiter`, which is in the queue, can be let in.

        Certainly so: no other party could do it for them. Writes as many ids as there is `room` for and returns how
        many there are. Inside the critical section.
        """
        return 0

    def holders(self, ids: cython.pointer(cython.ulonglong), room: cython.int) -> cython.int:
        """Who holds this, certain or not: as `owners`."""
        return 0

    def gives_up_before(self, waiter: Waiter) -> list:
        """The waiters before this one that alone keep it out: should all of them give up, it is let in. None: no such.

        Outside the critical section.
        """
        return None

    def held_by(self) -> list:
        """The ids of all `holders`."""
        room: cython.int = 4
        while True:
            ids: cython.pointer(cython.ulonglong) = cython.cast(
                cython.pointer(cython.ulonglong), PyMem_RawMalloc(room * cython.sizeof(cython.ulonglong))
            )
            if ids == cython.NULL:
                raise MemoryError
            with cython.critical_section(self):
                count: cython.int = self.holders(ids, room)
            found: list = [ids[i] for i in range(min(count, room))]
            PyMem_RawFree(ids)
            if count <= room:
                return found
            room = 2 * count

    def kick(self):
        """Have the head of the queue look whether its owner can still come: it may have been parked here by another.

        It is told to come and compete, as it would be by a release; a task just looks.
        """
        head: Waiter
        threads: cython.bint
        with cython.critical_section(self):
            head = self.head
            threads = head is not None and head.state == PARKED and not head.is_task
            if threads:
                head.state = WOKEN
        if threads:
            self.wake(head)
        elif head is not None and head.is_task:
            head.ask()

    def has_owners(self) -> cython.bint:
        """Whether a party that waits here may wait for an owner."""
        return False

    def is_kept_by(self, id: cython.ulonglong) -> cython.bint:
        """Whether this party has it and is not let in again."""
        return False

    def only_by(self, owner: Party) -> cython.bint:
        """Whether `owner`, one of `owners`, alone will let go, for certain. Outside the critical section."""
        return True

    def leads_to(self) -> Primitive:
        """At whose owners a wait that began here ends: a condition's waiters go on to its lock."""
        return self

    def take_now(self, want: cython.long) -> cython.bint:
        """Get what a waiter would `want`, if it is there and nobody waits: an asynchronous caller passes nobody."""
        return False

    def take_past(self, want: cython.long) -> cython.bint:
        """As `take_now`, for one who will not wait, not even for those who have been granted and are on their way."""
        return False

    def mark_entered(self, me: cython.ulonglong) -> cython.void:
        """The caller, who is `me`, has acquired this, and will release it as the end of a `with`."""

    def lost_owner(self, waiter: Waiter) -> Party:
        """The owner that `waiter`, which is in the queue, waits for and that can never come back; or None."""
        return None

    def cases(self) -> list:
        """Of a choice: its waiters, one in the queue of each of its alternatives (`at`); none once one has happened.

        None: it is no choice.
        """
        return None

    def check_block(self, waiter: Waiter) -> cython.int:
        """Raise DeadlockError where this waiter, which is in the queue, would wait for ever."""
        return judge_wait() if judged and not waiter.is_task else 0

    def expire(self, waiter: Waiter) -> Waiter:
        """The time of this waiter is up, inside the critical section. Returns the chain to `wake`.

        It leaves; one who asks for less may have stood behind it. A primitive that leaves it where it is
        makes it wait on, without a deadline.
        """
        self.remove(waiter)
        waiter.state = CANCELLED
        return self.serve(None)

    # The queue. All inside the critical section; none of it runs anyone's code.

    def push(self, waiter: Waiter) -> cython.void:
        assert waiter.queue is None and waiter.state == PARKED
        waiter.queue = self
        waiter.since = now()
        waiter.prev = self.tail
        if self.head is None:
            self.head = waiter
        else:
            cython.cast(Waiter, self.tail).next = waiter
        self.tail = cython.cast(cython.p_void, waiter)

    def remove(self, waiter: Waiter) -> cython.void:
        assert waiter.queue is self
        after: Waiter = waiter.next
        if waiter.prev == cython.NULL:
            self.head = after
        else:
            cython.cast(Waiter, waiter.prev).next = after
        if after is None:
            self.tail = waiter.prev
        else:
            after.prev = waiter.prev
        waiter.next = None
        waiter.prev = cython.NULL
        waiter.queue = None

    def forget_lost(self) -> cython.void:
        """In a forked child: drop the waiters of threads that did not come along."""
        if self.forked != forks or in_new_child():
            self.forked = forks
            waiter: Waiter = self.head
            while waiter is not None:
                after: Waiter = waiter.next
                if is_lost(waiter.party):
                    self.remove(waiter)
                waiter = after

    def may_barge(self) -> cython.bint:
        """Nobody is before a newcomer, or only one who has been told to come and is not here yet."""
        return self.head is None or self.head.state == WOKEN

    def serve(self, arrived: Waiter) -> Waiter:
        """Give what is free to the head of the queue, and to those after it as far as it goes.

        `arrived`: the woken head, come to compete; it has won whatever is free, and since it is awake and
        knows, it serves those behind it as well. None: the caller has freed something; a head that is not due
        is told to come and compete, and one that has been told already is on its way.

        Returns the chain of waiters that the caller must `wake` outside the critical section, or None.
        """
        first: Waiter = None
        last: Waiter = None
        self.forget_lost()
        while self.head is not None and self.fits(self.head):
            waiter: Waiter = self.head
            if waiter is not arrived:
                if waiter.state == WOKEN:
                    break
                if not waiter.claim():
                    self.remove(waiter)
                    waiter.state = CANCELLED
                    continue
                if first is None:
                    first = waiter
                else:
                    last.wake = waiter
                last = waiter
                if arrived is None and not self.due(waiter):
                    waiter.state = WOKEN
                    break
            self.remove(waiter)
            waiter.state = GRANTED
            self.grant(waiter)
        return first

    def grant_all(self) -> Waiter:
        """Empty the queue, granting everyone. Returns the chain to `wake`."""
        self.forget_lost()
        first: Waiter = None
        last: Waiter = None
        while self.head is not None:
            waiter: Waiter = self.head
            assert waiter.state == PARKED
            self.remove(waiter)
            if not waiter.claim():
                waiter.state = CANCELLED
                continue
            waiter.state = GRANTED
            if first is None:
                first = waiter
            else:
                last.wake = waiter
            last = waiter
        return first

    # Waiting. All outside the critical section.

    def wake(self, first: Waiter):
        """Unpark a chain. A party that can't be woken any more is withdrawn, and its grant passed on.

        Raises what a signal handler raised meanwhile, when all is done.
        """
        error = None
        more: Waiter
        while first is not None:
            waiter: Waiter = first
            first = waiter.wake
            waiter.wake = None
            if probing:
                # Before the fact, for once: what the woken party does next is to come after it.
                happened(Happening.WOKE, self, waiter.party.id, 0)
            woken: cython.bint = waiter.unpark(self)
            if waiter.interruption is not None:
                error = waiter.interruption
                waiter.interruption = None
            if not woken:
                # In this loop and not by `withdraw`: a closed loop may leave a queue of thousands behind.
                more = self.pass_over(waiter)
                if first is None:
                    first = more
                elif more is not None:
                    waiter = first
                    while waiter.wake is not None:
                        waiter = waiter.wake
                    waiter.wake = more
        if error is not None:
            raise error

    def block(self, waiter: ThreadWaiter, deadline: cython.longlong) -> cython.bint:
        """Get what `waiter` wants, waiting for it until `deadline`. False: it passed.

        Raises what a signal handler raises, or DeadlockError; then the waiter has nothing.
        """
        return self.take_or_join(waiter) or self.wait_in_line(waiter, deadline)

    def take_or_join(self, waiter: Waiter) -> cython.bint:
        """Get what `waiter` wants, if it is there and its turn has come (True), or join the queue."""
        granted: cython.bint
        with cython.critical_section(self):
            self.forget_lost()
            granted = self.fits(waiter) and (self.head is None if waiter.is_task else self.may_barge())
            if granted:
                self.grant(waiter)
            else:
                self.push(waiter)
        if granted and probing:
            happened(Happening.ACQUIRED, self, 0, 0)
        return granted

    def wait_in_line(self, waiter: ThreadWaiter, deadline: cython.longlong) -> cython.bint:
        granted: cython.bint
        begin_wait(waiter, self, deadline)
        began: cython.longlong = waiter.shown
        try:
            if probing:
                happened(Happening.WAITING, self, waiter.party.id, 0)
            if deadline == NEVER:
                self.check_block(waiter)
            granted = self.await_turn(waiter, deadline, False)
        except BaseException:
            self.withdraw(waiter)
            if waiter.refused:
                self.kick()
            if probing:
                happened(Happening.CANCELLED, self, 0, now() - began)
            raise
        finally:
            end_wait(waiter)
        if probing:
            happened(Happening.GRANTED if granted else Happening.TIMED_OUT, self, 0, now() - began)
        return granted

    def await_turn(self, waiter: ThreadWaiter, deadline: cython.longlong, unparked: cython.bint) -> cython.bint:
        """The loop of one who is in the queue, or has been granted out of it: park, look, park again.

        `unparked`: its unpark has been consumed already. Raises what a signal handler raises, with the waiter
        still where it was.
        """
        granted: cython.bint
        over: cython.bint
        chain: Waiter
        slicing: cython.bint
        while True:
            if not unparked:
                # An owner that ends notifies nobody, so a party that waits for one checks now and then.
                slicing = deadline == NEVER and self.has_owners() and not controls()
                unparked = waiter.park(now() + LOOK_AGAIN_NS if slicing else deadline)
                if slicing and not unparked:
                    self.check_block(waiter)
                    continue
            chain = None
            with cython.critical_section(self):
                if waiter.state == WOKEN:
                    chain = self.serve(waiter)
                granted = waiter.state == GRANTED
                over = granted
                if not granted:
                    if unparked:
                        waiter.state = PARKED
                    else:
                        chain = self.expire(waiter)
                        over = waiter.state == CANCELLED
                        deadline = NEVER
            if chain is not None:
                self.wake(chain)
            if over:
                return granted
            if unparked and deadline == NEVER:
                # Others have got in between, or it was kicked, or it is in a forked child.
                self.check_block(waiter)
            unparked = False

    def withdraw(self, waiter: Waiter):
        """Take a waiter out with nothing, whatever its state: a grant that it has been given is passed on."""
        chain: Waiter = self.pass_over(waiter)
        if chain is not None:
            self.wake(chain)

    def pass_over(self, waiter: Waiter) -> Waiter:
        """The part of `withdraw` before waking. A notification that the waiter came with goes on too."""
        chain: Waiter = None
        notifier: Primitive
        with cython.critical_section(self):
            notifier = cython.cast(Primitive, waiter.notifier)
            if notifier is None:
                chain = self.leave_line(waiter)
        if notifier is not None:
            chain = notifier.pass_over_notified(self, waiter)
        if waiter.is_task:
            # It may never run again to say so itself, and its party would keep it, and the task, for ever.
            end_wait(waiter)
        return chain

    def pass_over_notified(self, mutex: Primitive, waiter: Waiter) -> Waiter:
        """`pass_over`, for a waiter in the queue of `mutex` that was notified here. For a condition to say."""
        return None

    def leave_line(self, waiter: Waiter) -> Waiter:
        """The part of `pass_over` inside the critical section. Returns the chain to `wake`."""
        if waiter.state == TAKEN:
            return None
        if waiter.state == GRANTED:
            self.take_back(waiter)
        elif waiter.state != CANCELLED:
            self.remove(waiter)
        waiter.state = CANCELLED
        return self.serve(None)

    def queued(self) -> list:
        """The waiters in the queue."""
        return self.queued_in(self)

    def queued_in(self, line: Primitive) -> list:
        """The waiters in `line`, which this guards. They are counted and collected inside, and listed outside."""
        room: cython.Py_ssize_t = 0
        count: cython.Py_ssize_t
        found: cython.pp_void = cython.NULL
        while True:
            count = 0
            with cython.critical_section(self):
                self.forget_lost()
                waiter: Waiter = line.head
                while waiter is not None:
                    if count < room:
                        Py_INCREF(waiter)
                        found[count] = cython.cast(cython.p_void, waiter)
                    count += 1
                    waiter = waiter.next
            if count <= room:
                break
            for _ in range(room):
                Py_DECREF(cython.cast(object, found[_]))
            PyMem_RawFree(found)
            room = count + 8
            found = cython.cast(cython.pp_void, PyMem_RawMalloc(room * cython.sizeof(cython.p_void)))
            if found == cython.NULL:
                raise MemoryError
        queued: list = []
        for i in range(count):
            one: Waiter = cython.cast(Waiter, found[i])
            Py_DECREF(one)
            queued.append(one)
        PyMem_RawFree(found)
        return queued

    def blocked(self) -> tuple:
        """The parties in the queue."""
        return tuple([cython.cast(Waiter, waiter).party.known_as() for waiter in self.queued()])

    def describe(self, state: str, more: str) -> str:
        """Spelled as in the standard library, with what we know beyond.

        `<locked interlock.Lock object at 0x… name='orders' owner=MainThread waiting=2>` where there is a
        `state`, `<interlock.Event at 0x…: set name='ready' waiting=2>` where there is not.
        """
        kind = type(self)
        # What stands in for `threading`'s says where it is written, too: its class is pickled by that.
        ours: cython.bint = kind.__module__.startswith(("interlock.core.", "interlock.substitutes"))
        module = "interlock" if ours else kind.__module__
        where = f"{module}.{kind.__qualname__}{' object' if state else ''} at {id(self):#x}"
        words = [state, where] if state else [f"{where}:", more] if more else [where]
        if self.label is not None:
            words.append(f"name={self.label!r}")
        if state and more:
            words.append(more)
        waiting = len(self.blocked())
        if waiting and "waiters=" not in more:
            words.append(f"waiting={waiting}")
        return f"<{' '.join(words)}>"

    def __repr__(self):
        return self.describe("", "")


def _serve_survivors():
    """In a forked child: those who came along may have stood behind others who did not, and are next now."""
    for each in list(living.values()):
        waiter: Waiter = cython.cast(Waiter, cython.cast(Party, each).wait)
        while waiter is not None:
            queue: Primitive = cython.cast(Primitive, waiter.queue)
            cases: list = None
            if queue is not None:
                cases = queue.cases()
                serve_survivor(queue, waiter)
            if cases is not None:
                for case in cases:
                    serve_survivor(cython.cast(Primitive, cython.cast(Waiter, case).queue), case)
            waiter = waiter.outer


def serve_survivor(queue: Primitive, waiter: Waiter):
    if queue is None:
        return
    with cython.critical_section(queue):
        chain: Waiter = queue.serve(None)
    if chain is not None:
        queue.wake(chain)
    # Whom a notification has put there sleeps on until it is woken: by an owner that may not be here.
    if queue.has_owners() and waiter.queue is queue and queue.head is waiter:
        queue.kick()


if hasattr(os, "register_at_fork"):
    # After that of `party.py`, which says who did not come along.
    os.register_at_fork(after_in_child=_serve_survivors)
