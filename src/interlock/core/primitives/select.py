"""select: wait for whichever of several comes first.

A choice has one waiter for its party, the *sleeper*, and a `Case` in the queue of each alternative. A case is a waiter
like any other, and parks on the sleeper. All cases share one word:

    word        cases                               meaning
    UNDECIDED   PARKED, each in its queue           nothing has happened yet
    i           i GRANTED; others PARKED or         alternative i happens: the server of its queue has written i in the
                CANCELLED                           critical section of that queue, and owes the sleeper one unpark
    NONE        PARKED or CANCELLED                 the party has given up: its time is up, or it was cancelled

The word changes once, by compare and exchange, so exactly one of these happens: a grant, another grant elsewhere, the
timeout, or the interrupt. A party that serves a queue first asks the case (`Waiter.claim`). If its choice is already
decided, the case leaves the queue as if it had never been there, and the next waiter is served. When the party of the
choice runs again, it takes its other cases out of their queues, and serves what was behind them. A party that is
interrupted after i was granted gives i back, as any other waiter does.

A case counts as a waiter of a task: it gets a hand-off, and is never woken to compete. It could lose there and, at the
same time, win elsewhere.

Before the party waits, the alternatives are tried in the order in which they are written. So if several are ready, the
first one happens. If one becomes ready while the cases join their queues, that is noticed there: all cases are taken
back, and the call begins again.
"""

import cython
from cython.cimports.interlock.core.graph.waitgraph import refuse_cycle
from cython.cimports.interlock.core.kernel.control import Operation, controlling, controls, now, point, refused
from cython.cimports.interlock.core.kernel.deadlock import refuse_orphans
from cython.cimports.interlock.core.kernel.party import Party, meet
from cython.cimports.interlock.core.kernel.primitive import LOOK_AGAIN_NS, Primitive
from cython.cimports.interlock.core.kernel.probe import Happening, Observed, happened, probing
from cython.cimports.interlock.core.kernel.timeouts import NEVER, deadline_in, wait_seconds
from cython.cimports.interlock.core.kernel.wait import begin_wait, end_wait
from cython.cimports.interlock.core.kernel.waiter import CANCELLED, TAKEN, ThreadWaiter, Waiter, new_waiter
from cython.cimports.interlock.core.primitives.alternative import Alternative, Kind
from cython.cimports.interlock.core.primitives.claim import interlock_decide, interlock_decided
from cython.cimports.interlock.core.primitives.mutex import Mutex
from cython.cimports.interlock.core.primitives.queue_base import Mark, Outcome, QueueBase, Want
from cython.cimports.interlock.core.primitives.rwlock import RWLock, Side
from cython.cimports.interlock.core.tasks.awaiting import park
from cython.cimports.interlock.core.tasks.owner_watch import keep_watch
from cython.cimports.interlock.core.tasks.task import caller, calls_in_trio, checkpoint_in_trio
from cython.cimports.interlock.core.tasks.task_waiter import TaskWaiter, new_task_waiter

from interlock.core.kernel.deadlock import DeadlockError
from interlock.core.primitives.barrier import Barrier

NOT_READY: object = object()
HOPELESS: object = object()


class Case(Waiter):
    """The place of a choice in the queue of one of its alternatives."""

    def claim(self) -> cython.bint:
        return self.choice.decide(self.index)

    def unpark(self, by: Observed) -> cython.bint:
        choice: Choice = self.choice
        with cython.critical_section(choice):
            sleeper: Waiter = choice.sleeper
        if sleeper is None:
            return True  # the party has already seen it
        woken: cython.bint = sleeper.unpark(choice)
        if sleeper.interruption is not None:
            self.interruption = sleeper.interruption
            sleeper.interruption = None
        if not woken:
            # Its loop was closed. The caller passes on what it was granted; the rest is done here.
            try:
                choice.leave_others(self)
            except BaseException as error:
                self.interruption = error
        return woken


class Choice(Primitive):
    """What a party waits for when it waits for several things."""

    @property
    def name(self) -> str:
        """What it is chosen from."""
        return ", ".join([repr(each) for each in self.chosen_from])

    @property
    def alternatives(self) -> tuple:
        """The primitives that are waited for."""
        return tuple([cython.cast(Alternative, each).target for each in self.chosen_from])

    def outside_of(self, target: object) -> object:
        """What is no primitive, and sets this one of the `alternatives`; or None."""
        for each in self.chosen_from:
            if cython.cast(Alternative, each).target is target:
                return cython.cast(Alternative, each).outside
        return None

    def decide(self, decision: cython.int) -> cython.bint:
        return interlock_decide(cython.address(self.word), UNDECIDED, decision)

    def decision(self) -> cython.int:
        return interlock_decided(cython.address(self.word))

    # Lining up.

    def line_up_all(self) -> cython.bint:
        """Line up for each alternative. False: one was ready by now, and nothing has been decided."""
        for i in range(len(self.chosen_from)):
            if self.decision() != UNDECIDED:
                return True
            if not self.line_up(i):
                return not self.decide(NONE)
        return True

    def line_up(self, index: cython.int) -> cython.bint:
        """Put a case into the queue of this alternative. False: it is ready by now."""
        alternative: Alternative = self.chosen_from[index]
        target: Primitive = alternative.target
        party: Party = party_for(alternative, self.is_task)
        case: Case = Case.__new__(Case)
        queue: QueueBase
        line: cython.bint
        case.choice = self
        case.alternative = alternative
        case.index = index
        case.is_task = True
        case.optional = True
        case.party = party
        case.at = target
        case.want = alternative.want
        case.payload = alternative.payload
        if alternative.kind == Kind.GETTING or alternative.kind == Kind.PUTTING:
            self.lined_up.append(case)
            queue = target
            case.stands = queue.line_up(case)
            return case.stands
        if alternative.kind == Kind.READING or alternative.kind == Kind.WRITING:
            if cython.cast(RWLock, target).conflict(party, alternative.kind == Kind.WRITING) is not None:
                return True  # it would wait for itself, so this one cannot happen: see `try_all`
            side: Side = cython.cast(RWLock, target).read() if alternative.kind == Kind.READING else target.write()
            if side.claim(party, False):
                side.leave()
                return False
            side.queued(case)
            case.side = side
        self.lined_up.append(case)
        with cython.critical_section(target):
            target.forget_lost()
            line = target.head is not None or not target.fits(case)
            if line:
                target.push(case)
        case.stands = line
        return line

    # Waiting.

    def show(self, deadline: cython.longlong):
        """It stands in all queues: let others see it. Raises DeadlockError where it would wait for ever."""
        self.deadline = deadline
        self.watches = deadline == NEVER and self.has_owners()
        begin_wait(self.sleeper, self, deadline)
        if probing:
            for each in self.lined_up:
                happened(Happening.WAITING, cython.cast(Case, each).at, self.sleeper.party.id, 0)
        if deadline == NEVER:
            self.check_block(self.sleeper)
        if self.watches and self.is_task and not controls():
            keep_watch(self.sleeper.party)

    def until(self) -> cython.longlong:
        """When its party is to look again: an owner that ends tells nobody. Tasks are told to look."""
        return now() + LOOK_AGAIN_NS if self.watches and not self.is_task and not controls() else self.deadline

    def look(self, unparked: cython.bint):
        """Its party runs again: because something has happened, or the time is up, or in order to look."""
        sleeper: Waiter = self.sleeper
        if self.decision() != UNDECIDED:
            return
        if self.deadline == NEVER:
            if self.watches:
                self.check_block(sleeper)
        elif not unparked and self.decide(NONE):
            with cython.critical_section(self):
                self.remove(sleeper)
                sleeper.state = CANCELLED

    def end(self) -> tuple:
        """What has happened, as `select` returns it."""
        index: cython.int = self.decision()
        end_wait(self.sleeper)
        if index == NONE:
            self.close()
            raise TimeoutError(late(self.chosen_from, self.timeout))
        return index, shown(self.chosen_from[index], self.finish(index))

    def finish(self, index: cython.int):
        """Leave all other queues, and take what alternative `index` has come to."""
        case: Case = None
        for each in self.lined_up:
            if cython.cast(Case, each).index == index:
                case = each
        alternative: Alternative = case.alternative
        target: Primitive = alternative.target
        outcome: Outcome
        self.withdraw_all(case)
        with cython.critical_section(target):
            case.state = TAKEN
            target.runs_again(case)
        if probing:
            self.tell_end(case)
        self.over()
        side: Side = case.side
        if side is not None:
            case.side = None
            side.settle(True)
            return side
        if alternative.kind != Kind.GETTING and alternative.kind != Kind.PUTTING:
            return True
        queue: QueueBase = target
        outcome = queue.fate(case)
        if outcome == Outcome.SHUT:
            queue.refuse(outcome, cython.cast(Want, alternative.want))
        if outcome == Outcome.OPENED:
            refuse_open(alternative)
        return queue.take_out(case) if alternative.kind == Kind.GETTING else None

    # Leaving.

    def withdraw_all(self, but: Case | None):
        """Leave all queues but that of one. Raises what a signal handler raised meanwhile, when all is done."""
        error = None
        cases: list = self.lined_up
        for each in nothing if cases is None else cases:
            case: Case = each
            if case is but:
                continue
            try:
                # Whether it is in line still, its queue says, in its own critical section.
                if case.stands:
                    case.alternative.target.withdraw(case)
            except BaseException as raised:
                error = raised
            unclaim(case)
        if error is not None:
            raise error

    def over(self):
        """The wait of the party is over. A thread that still has one of its cases finds nothing to wake."""
        gone: list = self.lined_up
        with cython.critical_section(self):
            sleeper: Waiter = self.sleeper
            self.sleeper = None
            self.lined_up = None
            if sleeper is not None and sleeper.queue is self:
                self.remove(sleeper)
        del gone

    def close(self):
        """Where nothing has happened to its party, nothing has happened at all: what it was granted goes back."""
        if self.lined_up is None:
            return  # it was taken, or its loop has been closed
        sleeper: Waiter = self.sleeper
        end_wait(sleeper)
        self.decide(NONE)
        if probing and sleeper.host is not None:
            self.tell_end(None)
        cases: list = self.lined_up
        try:
            self.withdraw_all(None)
        finally:
            self.over()
            if sleeper.refused:
                for each in cases:
                    cython.cast(Primitive, cython.cast(Case, each).at).kick()

    def leave_others(self, case: Case):
        """The party of the sleeper will never run again: its loop was closed before it heard that it has `case`."""
        with cython.critical_section(self):
            sleeper: Waiter = self.sleeper
        if sleeper is None:
            return
        end_wait(sleeper)
        try:
            self.withdraw_all(case)
        finally:
            unclaim(case)
            self.over()

    def pass_over(self, waiter: Waiter) -> Waiter:
        """The same, where its loop was closed with the news under way."""
        self.close()
        return None

    def tell_end(self, granted: Case | None) -> cython.void:
        """For a recording: one alternative was granted, or none; the others were left."""
        sleeper: Waiter = self.sleeper
        waited: cython.longlong = now() - sleeper.shown
        left: Happening = (
            Happening.TIMED_OUT if granted is not None or sleeper.state == CANCELLED else Happening.CANCELLED
        )
        for each in self.lined_up:
            case: Case = each
            happened(Happening.GRANTED if case is granted else left, case.at, sleeper.party.id, waited)

    # For the wait graph.

    def cases(self) -> list:
        with cython.critical_section(self):
            found: list = self.lined_up
        return nothing if found is None or self.decision() != UNDECIDED else found

    def has_owners(self) -> cython.bint:
        """It may wait for owners alone, and not where one of its alternatives has none."""
        all_have: cython.bint = True
        for each in self.lined_up:
            all_have = all_have and cython.cast(Primitive, cython.cast(Case, each).at).has_owners()
        return all_have

    def check_block(self, waiter: Waiter) -> cython.int:
        """Raise DeadlockError where none of the alternatives can ever happen: the owner of each has ended, or is in a
        cycle through this wait."""
        if not self.watches:
            return Primitive.check_block(self, waiter)
        lost: list = []
        for each in self.lined_up:
            case: Case = each
            target: Primitive = cython.cast(Primitive, case.at)
            owner: Party = target.lost_owner(case)
            case.lost = 0 if owner is None else owner.id
            if owner is not None:
                lost.append((target, owner))
        if len(lost) == len(self.lined_up):
            refuse_orphans(waiter, lost)
        refuse_cycle(waiter)
        return 0


nothing: list = []


def unclaim(case: Case):
    """Its side of an RWLock is not taken any more."""
    side: Side = case.side
    if side is not None:
        case.side = None
        side.settle(False)


def checked(alternatives: tuple) -> tuple:
    """The alternatives, as such; what is none of ours is made one."""
    found: list = None
    if len(alternatives) == 0:
        raise TypeError("select needs something to wait for, such as queue.getting() or event.waiting()")
    for i in range(len(alternatives)):
        each = alternatives[i]
        if type(each) is not Alternative:
            from interlock.core.primitives.outside import alternative_of

            if found is None:
                found = list(alternatives)
            try:
                if isinstance(each, Barrier):
                    each.waiting()
                found[i] = alternative_of(each)
            except BaseException:
                forget_outside(tuple(found[:i]))
                raise
    return alternatives if found is None else tuple(found)


def attempt(alternative: Alternative, is_task: cython.bint):
    """Have it happen, if that can be at once: what it comes to, or NOT_READY, or HOPELESS."""
    target: Primitive = alternative.target
    if alternative.kind == Kind.PLAIN:
        if is_task:
            if target.take_now(alternative.want) or target.take_past(alternative.want):
                return True
            return NOT_READY
        if isinstance(target, Mutex):
            return True if target.acquire(False) else NOT_READY
        return True if target.acquire(False, permits=alternative.want) else NOT_READY
    if alternative.kind == Kind.READING or alternative.kind == Kind.WRITING:
        side: Side = target.read() if alternative.kind == Kind.READING else target.write()
        if side.claim(party_for(alternative, is_task), False):
            return side
        taken: cython.bint = False
        try:
            taken = side.is_reading_already()
        except DeadlockError:
            return HOPELESS
        finally:
            side.settle(taken)
        return side if taken else NOT_READY
    queue: QueueBase = target
    outcome: Outcome
    if alternative.kind == Kind.GETTING:
        item = queue.get_now()
        if type(item) is not Mark:
            return item
        outcome = cython.cast(Mark, item).outcome
    else:
        outcome = queue.put_now(alternative.payload)
        if outcome == Outcome.DONE:
            return None
    if outcome == Outcome.SHUT:
        queue.refuse(outcome, cython.cast(Want, alternative.want))
    if outcome == Outcome.OPENED:
        refuse_open(alternative)
    return NOT_READY


def refuse_open(alternative: Alternative):
    raise TypeError(
        f"select cannot wait for {alternative.target!r}: the program keeps its items in a way of its own or uses its "
        "mutex, so nobody can say beforehand whether a get or put will succeed; use a Queue that is left as it is"
    )


def party_for(alternative: Alternative, is_task: cython.bint) -> Party:
    """For whom it happens: as in the call that it stands for."""
    if is_task:
        return caller()
    if isinstance(alternative.target, Mutex):
        return cython.cast(Mutex, alternative.target).sync_caller()
    return meet()


def select(*alternatives: object, timeout: object = None) -> tuple:
    """Wait until one of several things happens: ``index, value = select(jobs.getting(), stop.waiting())``.

    ``alternatives``: results of ``queue.getting()`` and ``putting(item)``, ``event.waiting()``, ``latch.waiting()``,
    ``lock.acquiring()``, ``semaphore.acquiring(n)``, ``rwlock.reading()`` and ``writing()``; futures of
    `concurrent.futures`, threads and processes, which happen when they are done; and results of `fd`. ``timeout``: how
    many seconds to wait at most; None means no limit, 0 or less means not to wait.

    Exactly one alternative happens. If several are ready, the first one does. All others are as if they had never been
    tried, even if the call is interrupted.

    Returns the index of the alternative that has happened, and its value: the item for ``getting``, the side for
    ``reading`` and ``writing``, None for ``putting``, the object itself for futures, threads, processes and `fd`, else
    True. Raises TimeoutError if nothing happens in that time, and `ShutDown` if a queue is shut down and empty.
    """
    chosen_from: tuple = checked(alternatives)
    choice: Choice = None
    try:
        found = begin(chosen_from, timeout, False)
        if type(found) is not Choice:
            return found
        choice = found
        while choice.decision() == UNDECIDED:
            choice.look(cython.cast(ThreadWaiter, choice.sleeper).park(choice.until()))
        return choice.end()
    finally:
        if choice is not None or chosen_from is not alternatives:
            leave(choice, chosen_from)


async def select_async(*alternatives: object, timeout: object = None) -> tuple:
    """`select` for tasks: ``index, value = await select_async(jobs.getting(), stop.waiting())``.

    If the task is cancelled, no alternative has happened.
    """
    chosen_from: tuple = checked(alternatives)
    choice: Choice = None
    try:
        if calls_in_trio():
            await checkpoint_in_trio()
        found = begin(chosen_from, timeout, True)
        if type(found) is not Choice:
            return found
        choice = found
        while choice.decision() == UNDECIDED:
            choice.look(await park(cython.cast(TaskWaiter, choice.sleeper), choice.until()))
        return choice.end()
    finally:
        leave(choice, chosen_from)


def begin(chosen_from: tuple, timeout, is_task: cython.bint):
    """What can happen at once, as `select` returns it; else a `Choice`, which stands in all queues."""
    deadline: cython.longlong = -1
    choice: Choice
    while True:
        found = try_all(chosen_from, is_task)
        if found is not None:
            return found
        if deadline == -1:
            deadline = NEVER if timeout is None else deadline_in(wait_seconds(timeout))
        if deadline == 0:
            raise TimeoutError(late(chosen_from, timeout))
        if controlling:
            point(Operation.CHANGE, None)  # of all of them
        choice = new_choice(chosen_from, timeout, is_task)
        try:
            if choice.line_up_all():
                choice.show(deadline)
                return choice
        except BaseException:
            choice.close()
            raise
        choice.close()


def leave(choice: Choice | None, chosen_from: tuple):
    """The end of a `select`, however it ends."""
    try:
        if choice is not None:
            choice.close()
    finally:
        forget_outside(chosen_from)


def new_choice(chosen_from: tuple, timeout, is_task: cython.bint) -> Choice:
    choice: Choice = Choice.__new__(Choice)
    choice.word = UNDECIDED
    choice.is_task = is_task
    choice.lined_up = []
    choice.chosen_from = chosen_from
    choice.timeout = timeout
    choice.sleeper = new_task_waiter(0) if is_task else new_waiter(0)
    with cython.critical_section(choice):
        choice.push(choice.sleeper)
    return choice


def try_all(chosen_from: tuple, is_task: cython.bint):
    """The first that can happen at once, as `select` returns it; None where none can.

    Of an RWLock that its own party reads or writes under, one or both sides can never be had. That is an error where
    nothing else can happen either.
    """
    hopeless: cython.Py_ssize_t = 0
    for i in range(len(chosen_from)):
        alternative: Alternative = chosen_from[i]
        if controlling:
            point(Operation.CHANGE, None)
        if alternative.kind == Kind.WAITING:
            # What `attempt` would do, without the detour: most selects have one or two of these.
            if alternative.target.take_now(0):
                return i, shown(alternative, True)
            continue
        result = attempt(alternative, is_task)
        if result is HOPELESS:
            hopeless += 1
        elif result is not NOT_READY:
            return i, shown(alternative, result)
    if hopeless == len(chosen_from):
        each: Alternative = chosen_from[0]
        refusal = cython.cast(RWLock, each.target).conflict(party_for(each, is_task), each.kind == Kind.WRITING)
        if controlling:
            refused(refusal)
        raise DeadlockError(refusal)
    return None


def late(chosen_from: tuple, timeout) -> str:
    return f"nothing happened within {timeout} s of: {', '.join([repr(each) for each in chosen_from])}"


def shown(alternative: Alternative, result):
    """What an alternative has come to, as the caller is to see it."""
    if alternative.outside is None:
        return result
    try:
        return alternative.outside.result()
    except BaseException:
        if alternative.kind == Kind.PLAIN:
            alternative.target.release()
        raise


def forget_outside(chosen_from: tuple):
    for each in chosen_from:
        outside = cython.cast(Alternative, each).outside
        if outside is not None:
            outside.forget()
