"""select: wait for whichever of several comes first.

A choice has one waiter for its party, the sleeper, and a `Case` in the queue of each alternative: a waiter like any
other, that parks on the sleeper. All cases share one word:

    word        cases                               meaning
    UNDECIDED   PARKED, each in its queue           nothing has happened yet
    i           i GRANTED; others PARKED or         alternative i happens: whoever served its queue has written it in
                CANCELLED                           that queue's critical section, and owes the sleeper one unpark
    NONE        PARKED or CANCELLED                 the party has given up: its time is up, or it was cancelled

The word changes once, by compare and exchange, so exactly one of them happens: a grant, another grant elsewhere, the
timeout and the interrupt all come to it. Whoever serves a queue asks the case first (`Waiter.claim`); one whose choice
is decided leaves the queue as if it had never come, and the next is served. When its party runs again it takes its
cases out of the other queues, and what stood behind them is served. A party that is interrupted after i was granted
gives i back, as any other waiter does.

A case counts as a task's: it is handed what it waits for, and never told to come and compete, since it could lose there
and meanwhile win elsewhere.

Before anybody waits, the alternatives are tried in the order in which they are written, so of several that are ready
the first one happens. One that becomes ready while the party lines up is found then: all cases are taken back, and it
begins anew.
"""

import cython
from cython.cimports.interlock.core.kernel.party import Party, meet
from cython.cimports.interlock.core.kernel.primitive import Primitive
from cython.cimports.interlock.core.kernel.probe import Observed
from cython.cimports.interlock.core.kernel.timeouts import NEVER, deadline_in, wait_seconds
from cython.cimports.interlock.core.kernel.wait import begin_wait, end_wait
from cython.cimports.interlock.core.kernel.waiter import TAKEN, ThreadWaiter, Waiter, new_waiter
from cython.cimports.interlock.core.primitives.alternative import Alternative, Kind
from cython.cimports.interlock.core.primitives.claim import interlock_decide, interlock_decided
from cython.cimports.interlock.core.primitives.mutex import Mutex
from cython.cimports.interlock.core.primitives.queue_base import Mark, Outcome, QueueBase, Want
from cython.cimports.interlock.core.primitives.rwlock import RWLock, Side
from cython.cimports.interlock.core.tasks.awaiting import park
from cython.cimports.interlock.core.tasks.task import caller
from cython.cimports.interlock.core.tasks.task_waiter import TaskWaiter, new_task_waiter

from interlock.core.primitives.barrier import Barrier

NOT_READY: object = object()


class Case(Waiter):
    """The place of a choice in the queue of one of its alternatives."""

    def claim(self) -> cython.bint:
        return self.choice.decide(self.index)

    def unpark(self, by: Observed) -> cython.bint:
        choice: Choice = self.choice
        with cython.critical_section(choice):
            sleeper: Waiter = choice.sleeper
        if sleeper is None:
            return True  # it has seen for itself
        woken: cython.bint = sleeper.unpark(choice)
        if sleeper.interruption is not None:
            self.interruption = sleeper.interruption
            sleeper.interruption = None
        return woken


class Choice(Primitive):
    """What a party waits for that waits for several things."""

    @property
    def name(self) -> str:
        """What it is chosen from."""
        return ", ".join([repr(each) for each in self.chosen_from])

    @property
    def alternatives(self) -> tuple:
        """The primitives that are waited for."""
        return tuple([cython.cast(Alternative, each).target for each in self.chosen_from])

    def decide(self, decision: cython.int) -> cython.bint:
        return interlock_decide(cython.address(self.word), UNDECIDED, decision)

    def decision(self) -> cython.int:
        return interlock_decided(cython.address(self.word))

    def line_up(self, alternative: Alternative, party: Party, is_task: cython.bint) -> cython.bint:
        """Put a case into the queue of this alternative. False: it is ready by now."""
        target: Primitive = alternative.target
        case: Case = Case.__new__(Case)
        queue: QueueBase
        line: cython.bint
        case.choice = self
        case.alternative = alternative
        case.index = len(self.cases)
        case.is_task = True
        case.party = party
        case.want = alternative.want
        case.payload = alternative.payload
        if alternative.kind == Kind.GETTING or alternative.kind == Kind.PUTTING:
            self.cases.append(case)
            queue = target
            case.lined_up = queue.line_up(case)
            return case.lined_up
        if alternative.kind == Kind.READING or alternative.kind == Kind.WRITING:
            side: Side = cython.cast(RWLock, target).read() if alternative.kind == Kind.READING else target.write()
            if side.claim(party, False):
                side.leave()
                return False
            side.queued(case)
            case.side = side
        self.cases.append(case)
        with cython.critical_section(target):
            target.forget_lost()
            line = target.head is not None or not target.fits(case)
            if line:
                target.push(case)
        case.lined_up = line
        return line

    def finish(self, index: cython.int):
        """Leave all other queues, and take what alternative `index` has come to."""
        case: Case = self.cases[index]
        alternative: Alternative = case.alternative
        target: Primitive = alternative.target
        outcome: Outcome
        try:
            self.withdraw_all(index)
        except BaseException:
            self.give_up()
            raise
        with cython.critical_section(target):
            case.state = TAKEN
            target.runs_again(case)
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

    def line_up_all(self, is_task: cython.bint) -> cython.bint:
        """Line up for each alternative. False: one was ready by now, and nothing has been decided."""
        for each in self.chosen_from:
            if self.decision() != UNDECIDED:
                return True
            if not self.line_up(each, party_for(each, is_task), is_task):
                return not self.decide(NONE)
        return True

    def withdraw_all(self, but: cython.int):
        """Leave all queues but that one. Raises what a signal handler raised meanwhile, when all is done."""
        error = None
        for each in self.cases:
            case: Case = each
            if case.index == but:
                continue
            try:
                # Whether it is in line still, its queue says, in its own critical section.
                if case.lined_up:
                    case.alternative.target.withdraw(case)
            except BaseException as raised:
                error = raised
            side: Side = case.side
            if side is not None:
                case.side = None
                side.settle(False)
        if error is not None:
            raise error

    def over(self):
        """It is over for its party. Whoever has a case in hand still finds nobody to wake."""
        with cython.critical_section(self):
            sleeper: Waiter = self.sleeper
            self.sleeper = None
            if sleeper is not None and sleeper.queue is self:
                self.remove(sleeper)
        self.cases = []

    def give_up(self):
        """Its party will not have anything: what it was granted goes back."""
        self.decide(NONE)
        try:
            self.withdraw_all(-1)
        finally:
            self.over()

    def pass_over(self, waiter: Waiter) -> Waiter:
        """The party of the sleeper will never run again: its loop was closed before it heard of what it was granted."""
        end_wait(waiter)
        self.give_up()
        return None


def checked(alternatives: tuple) -> tuple:
    """The alternatives, as such; what is none of ours is made one."""
    found: list = None
    for i in range(len(alternatives)):
        each = alternatives[i]
        if type(each) is not Alternative:
            if isinstance(each, Barrier):
                each.waiting()
            from interlock.core.primitives.outside import alternative_of

            if found is None:
                found = list(alternatives)
            found[i] = alternative_of(each)
    if len(alternatives) == 0:
        raise TypeError("select needs something to wait for, such as queue.getting() or event.waiting()")
    return alternatives if found is None else tuple(found)


def attempt(alternative: Alternative, is_task: cython.bint):
    """Have it happen, if that can be at once: what it comes to, or NOT_READY."""
    target: Primitive = alternative.target
    if alternative.kind == Kind.WAITING:
        return True if target.take_now(0) else NOT_READY
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

    ``alternatives``: made by ``queue.getting()`` and ``putting(item)``, ``event.waiting()``, ``latch.waiting()``,
    ``lock.acquiring()``, ``semaphore.acquiring(n)``, ``rwlock.reading()`` and ``writing()``; or a future of
    `concurrent.futures`, a thread or a process, which happen when they are done; or `fd`. ``timeout``: for how many
    seconds; None means for ever, 0 or less not at all.

    Exactly one happens; of several that are ready, the first. All others are as if they had never been tried, also
    where the call is interrupted. Returns the index of the one that has happened, and what it comes to: the item for
    ``getting``, the hold for ``reading`` and ``writing``, the object itself for what is done, else what the call itself
    returns. Raises TimeoutError where nothing happens in time, `ShutDown` where it is a queue's end that happens.
    """
    chosen_from: tuple = checked(alternatives)
    deadline: cython.longlong = -1
    choice: Choice = None
    try:
        while True:
            found = try_all(chosen_from, False)
            if found is not None:
                return found
            if deadline == -1:
                deadline = NEVER if timeout is None else deadline_in(wait_seconds(timeout))
            if deadline == 0:
                break
            sleeper: ThreadWaiter = new_waiter(0)
            choice = new_choice(sleeper, chosen_from)
            try:
                if not choice.line_up_all(False):
                    choice.give_up()
                    continue
                begin_wait(sleeper, choice, deadline)
                while choice.decision() == UNDECIDED:
                    if not sleeper.park(deadline) and choice.decide(NONE):
                        break
                end_wait(sleeper)
            except BaseException:
                end_wait(sleeper)
                choice.give_up()
                raise
            index: cython.int = choice.decision()
            if index == NONE:
                choice.give_up()
                break
            return index, shown(chosen_from[index], choice.finish(index))
        raise TimeoutError(late(chosen_from, timeout))
    finally:
        forget_outside(chosen_from)


async def select_async(*alternatives: object, timeout: object = None) -> tuple:
    """`select`, for a task: ``index, value = await select_async(jobs.getting(), stop.waiting())``.

    A task that is cancelled here has got nothing, given nothing and holds nothing of it.
    """
    chosen_from: tuple = checked(alternatives)
    deadline: cython.longlong = -1
    choice: Choice = None
    try:
        while True:
            found = try_all(chosen_from, True)
            if found is not None:
                return found
            if deadline == -1:
                deadline = NEVER if timeout is None else deadline_in(wait_seconds(timeout))
            if deadline == 0:
                break
            sleeper: TaskWaiter = new_task_waiter(0)
            choice = new_choice(sleeper, chosen_from)
            try:
                if not choice.line_up_all(True):
                    choice.give_up()
                    continue
                begin_wait(sleeper, choice, deadline)
                while choice.decision() == UNDECIDED:
                    if not await park(sleeper, deadline) and choice.decide(NONE):
                        break
                end_wait(sleeper)
            except BaseException:
                end_wait(sleeper)
                choice.give_up()
                raise
            index: cython.int = choice.decision()
            if index == NONE:
                choice.give_up()
                break
            return index, shown(chosen_from[index], choice.finish(index))
        raise TimeoutError(late(chosen_from, timeout))
    finally:
        forget_outside(chosen_from)


def new_choice(sleeper: Waiter, chosen_from: tuple) -> Choice:
    choice: Choice = Choice.__new__(Choice)
    choice.word = UNDECIDED
    choice.sleeper = sleeper
    choice.cases = []
    choice.chosen_from = chosen_from
    with cython.critical_section(choice):
        choice.push(sleeper)
    return choice


def try_all(chosen_from: tuple, is_task: cython.bint):
    """The first that can happen at once, as `select` returns it; None where none can."""
    for i in range(len(chosen_from)):
        result = attempt(chosen_from[i], is_task)
        if result is not NOT_READY:
            return i, shown(chosen_from[i], result)
    return None


def late(chosen_from: tuple, timeout) -> str:
    return f"nothing happened within {timeout} s of: {', '.join([repr(each) for each in chosen_from])}"


def shown(alternative: Alternative, result):
    """What an alternative has come to, as the caller is to see it."""
    return result if alternative.outside is None else alternative.outside.result()


def forget_outside(chosen_from: tuple):
    for each in chosen_from:
        if cython.cast(Alternative, each).outside is not None:
            cython.cast(Alternative, each).outside.forget()
