"""The baton: one of the program's threads runs at a time, and who has it decides who gets it next.

A *strand* is a thread of the program, or the caller of `run`, while a schedule is run. Strands are real threads of the
system, lent by a pool; each waits for its turn on a lock of CPython's, and the holder of the baton frees that of the
next. There is no thread for the scheduler: a decision is made by the strand that comes to a point, in its own thread.

    READY      it holds the baton, or stands at a point and could go on
    BLOCKED    it waits for something: to be unparked (its `waiter`), for the end of another (`target`), for its
               `deadline`, or for several of these
    ENDED      it has come to its end, or was given up

A *decision* is a list of options, of which the first is what happens by default: who runs goes on, else the one that
has not been switched away from for longest; those that only look at something over and over come behind, and the next
timer is last. So a schedule is the list of its choices, mostly 0, and the same choices give the same schedule.

A timer that fires makes its strand READY and moves the clock; it is one more option as long as nobody who could go on
is thereby held up for longer than `pause`. Where nobody could go on, it fires at once. The clock moves in no other way,
except that each look at it takes a microsecond, and more where somebody waits by looking.

Over. When the schedule has failed, or the program has ended and only daemons are left, each strand in turn gets
`Abandon` from whatever it does next that may block, until none is left. What only lets go or wakes does its work.

Threads that are not strands pass by all this. One of them may unpark a strand: that is told as an event from outside.
A strand may block where nobody here sees it; `steal` then lets others go on, and it waits for its turn when it is back.

Without the GIL all of this belongs to the holder of the baton, and the lock that is passed orders what one writes and
the next reads. `woken` and `state` of a strand that waits may be written by an outside thread that unparks it.
"""

import _thread
import contextvars
import os
import threading

import cython
from cython.cimports.cpython.exc import PyErr_CheckSignals
from cython.cimports.cpython.mem import PyMem_RawFree, PyMem_RawRealloc
from cython.cimports.cpython.object import PyObject
from cython.cimports.cpython.pystate import PyThreadState_GetDict
from cython.cimports.cpython.pythread import PyThread_get_thread_ident
from cython.cimports.interlock.core.kernel.control import Controller, Operation, active, controls
from cython.cimports.interlock.core.kernel.maker import Maker
from cython.cimports.interlock.core.kernel.native import (
    PY_LOCK_ACQUIRED,
    PyLockStatus,
    PyThread_acquire_lock,
    PyThread_acquire_lock_timed,
    PyThread_allocate_lock,
    PyThread_free_lock,
    PyThread_release_lock,
    interlock_thread_id,
)
from cython.cimports.interlock.core.kernel.party import renew
from cython.cimports.interlock.core.kernel.primitive import Primitive
from cython.cimports.interlock.core.kernel.probe import Observed, Record, Tally, control
from cython.cimports.interlock.core.kernel.timeouts import NEVER
from cython.cimports.interlock.core.kernel.waiter import ThreadWaiter
from cython.cimports.interlock.core.primitives.condition_foreign import shows_handler
from cython.cimports.interlock.core.primitives.mutex import Mutex
from cython.cimports.interlock.explore.engine.strand_local import (
    interlock_clear_locals,
    interlock_set_strand,
    interlock_strand,
)

SLICE_US = cython.declare(cython.longlong, 50_000)  # the main thread looks for signals: see core/waiting.py
LOOKS = cython.declare(cython.int, 3)  # in a row at the same thing: it polls
LONG_RUN = cython.declare(cython.int, 400)  # points by default while others could go on: it may be polling, too
EPOCH = cython.declare(cython.longlong, 1_000_000_000_000)  # the clock at the start, a thousand seconds
OUTSIDE_S = cython.declare(cython.double, 1.0)
ENOUGH_REFUSALS = cython.declare(cython.int, 5_000)
_party = cython.declare(cython.ulonglong, 1 << 62)  # above all that the interpreter gives out, below those of tasks


class Abandon(BaseException):
    """The schedule is over: this unwinds a thread of the program. Not to be caught."""

    __module__ = "interlock.explore"


class Worker:
    """A thread of the pool."""

    def __cinit__(self):
        self.turn = PyThread_allocate_lock()
        if self.turn == cython.NULL:
            raise MemoryError
        PyThread_acquire_lock(self.turn, 0)

    def __dealloc__(self):
        if self.turn != cython.NULL:
            PyThread_free_lock(self.turn)


class Strand:
    """A thread of the program in one schedule.

    Attributes: ``number`` (in the order of their starts; 0 is the caller of `run`), ``thread``, ``daemon``,
    ``start_place``, ``party``, ``operations`` (how many points it had that were no lines or instructions).
    """

    @property
    def ident(self) -> int:
        return self.thread_ident

    @property
    def ended(self) -> bool:
        return self.state == State.ENDED

    @property
    def blocked(self) -> bool:
        return self.state == State.BLOCKED

    @property
    def timed(self) -> bool:
        """Whether it waits with a deadline."""
        return self.deadline != NEVER

    @property
    def awaited(self):
        """The strand whose end it waits for, or None."""
        return self.target

    @property
    def only_looks(self) -> bool:
        return self.polling

    @property
    def pending(self) -> tuple:
        """What it is about to do: an operation and its object."""
        return (self.operation, self.what)


def lets_go(operation: cython.int) -> cython.bint:
    """Whether this operation never blocks and must always do its work."""
    return (
        operation == Operation.RELEASE
        or operation == Operation.SET
        or operation == Operation.CLEAR
        or operation == Operation.NOTIFY
        or operation == More.AFTER
    )


class Baton(Controller):
    """Runs a function and the threads that it starts, one at a time. See the head of this file.

    Attributes: ``limit`` (points in one schedule), ``pause`` (nanoseconds), ``tree``, ``trace`` (a list to
    fill, or None), ``switching`` (lines are points), ``on_stuck`` (called when nobody can go on; returns words),
    ``on_limit`` (called at each point from the limit on; returns which failure it is, or None: go on),
    ``others`` (called before that; returns whether threads that are no strands may have a part in it),
    ``on_end`` (called before that where the first strand has returned; returns whether somebody can by now),
    ``place_now`` (called for the story, with the object that is about to be used).
    """

    def __cinit__(self):
        self.limit = 20_000
        self.pause = 1_000_000_000
        self.strands = []
        self.order = []
        self.idle_workers = []
        self.candidates = []
        self.met = {}
        self.met_before = {}
        self.held_before = {}
        self.old = {}
        self.left = {}
        self.split_at = -1

    def __dealloc__(self):
        PyMem_RawFree(self.options)
        PyMem_RawFree(self.choices)
        PyMem_RawFree(self.plan)
        PyMem_RawFree(self.expected)

    # --- for the explorer -----------------------------------------------------------------------------------------

    def set_plan(self, choices: list, expected: list | None) -> None:
        """The first choices of the next schedule, and how many options there should be at each decision.

        Of the last schedule nothing is kept from here on: all that it has made is to be garbage.
        """
        self.forget()
        self.plan = cython.cast(
            cython.p_ushort, PyMem_RawRealloc(self.plan, (len(choices) + 1) * cython.sizeof(cython.ushort))
        )
        if self.plan == cython.NULL:
            raise MemoryError
        self.planned = len(choices)
        for i in range(len(choices)):
            self.plan[i] = choices[i]
        self.expecting = 0
        if expected is not None:
            self.expected = cython.cast(
                cython.p_ushort, PyMem_RawRealloc(self.expected, (len(expected) + 1) * cython.sizeof(cython.ushort))
            )
            if self.expected == cython.NULL:
                raise MemoryError
            self.expecting = len(expected)
            for i in range(len(expected)):
                self.expected[i] = expected[i]

    def set_strategy(self, strategy: cython.int, seed: object, sinking: list, expected_steps: dict) -> None:
        """How to choose after the plan: see `Strategy`, by number."""
        self.strategy = cython.cast(Strategy, strategy)
        self.random = (seed * 0x9E3779B97F4A7C15 + 0x1234567) & 0xFFFFFFFFFFFFFFFF
        if self.random == 0:
            self.random = 1
        for _ in range(4):
            self.draw()
        self.sinking = sinking
        self.lowest = 0
        self.expected_steps = expected_steps

    def decisions(self) -> tuple:
        """The numbers of options, and the choices, of the schedule that was run last."""
        return [self.options[i] for i in range(self.count)], [self.choices[i] for i in range(self.count)]

    def steps_by_place(self) -> dict:
        """How many points the strands had that were started at the same place."""
        found: dict = {}
        for each in self.strands:
            strand: Strand = each
            place: object = strand.start_place
            found[place] = max(found.get(place, 0), strand.steps)
        return found

    def run(self, function: object, passing: tuple) -> object:
        """Run one schedule: call ``function()`` as strand 0, and see all its threads to their ends.

        ``passing``: exceptions that are no failure: raised from here. Returns what the function returned.
        """
        if interlock_strand() != cython.NULL or self.running:
            raise RuntimeError("a schedule is being run already: explore() cannot be called inside itself")
        if self.main_worker is None:
            self.main_worker = Worker()
        me: Strand = Strand()
        self.main_worker.ident = PyThread_get_thread_ident()
        self.main_worker.native_id = threading.get_native_id()
        me.worker = self.main_worker
        me.thread_ident = self.main_worker.ident
        me.party = interlock_thread_id()
        me.deadline = NEVER
        me.begun = True
        me.start_place = "main"
        self.strands = [me]
        self.order = [me]
        self.main = self.current = me
        self.schedule += 1
        self.broken_off = False
        self.clock = EPOCH
        self.clock_looks = 0
        self.points = 0
        self.switches = 0
        self.over = False
        self.failure = None
        self.interruption = None
        self.outside = 0
        self.count = 0
        self.picks = 0
        self.last_number = -1
        self.split_at = -1
        me.priority = self.draw()
        self.running = True
        result = None
        through = None
        interlock_set_strand(cython.cast(cython.p_void, me))
        control(self)
        try:
            try:
                result = function()
            except Abandon:
                pass
            except passing as error:
                through = error
                self.over = True
            except BaseException as error:
                # What a signal handler raises comes from outside of the schedule.
                if isinstance(error, KeyboardInterrupt) or shows_handler(error):
                    self.interrupt(error)
                elif not isinstance(error, SystemExit) or error.code:
                    self.fail("error", "", error, me)
            me.quiet += 1
            self.finish(me)
        finally:
            control(None)
            interlock_set_strand(cython.NULL)
            self.running = False
            self.current = None
            self.free_locks()
        if self.interruption is not None:
            raise self.interruption
        if through is not None:
            raise through
        return result

    def finish(self, me: Strand):
        """The function has ended: see the other strands to their ends, daemons by `Abandon`."""
        if self.current is not me:
            self.come_back(me)
        if not self.over:
            while not self.over and self.others_run():
                me.operation = More.END
                me.what = None
                me.state = State.BLOCKED
                me.deadline = NEVER
                me.target = me
                following: Strand = self.decide(me, False)
                if following is not me:
                    self.hand_over(me, following)
            me.target = None
        self.over = True
        me.state = State.READY
        me.given_up = True  # from now on it is the last to be asked
        while True:
            next_one: Strand = self.next_to_unwind(None)
            if next_one is me:
                break
            self.hand_over(me, next_one)
        me.given_up = False
        me.state = State.ENDED

    def others_run(self) -> cython.bint:
        for each in self.order:
            strand: Strand = each
            if strand is not self.main and not strand.daemon and strand.state != State.ENDED:
                return True
        return False

    def close(self) -> None:
        """End the threads of the pool."""
        for each in self.idle_workers:
            worker: Worker = each
            worker.closing = True
            PyThread_release_lock(worker.turn)
        self.idle_workers = []
        self.forget()
        self.met_before = {}
        self.old = {}
        self.left = {}
        self.trace = None

    # What a schedule that was broken off leaves locked is to be free in the next one, where the program made it before:
    # in a module, or for all calls. What it makes in each call is left alone: a coroutine or a generator that still
    # stands in a `with` of it will release it when it is collected. A lock that two schedules have met is of the first
    # kind. All locks that are known here are kept alive, so that an address stands for one of them.

    def meet(self, lock: Mutex, key: object):
        """A strand uses a lock for the first time in this schedule."""
        self.met[key] = lock
        if key not in self.old and (key in self.met_before or key in self.left):
            self.old[key] = lock
            if self.left.pop(key, None) is not None and lock.holder != 0:
                lock._at_fork_reinit()
        if lock.holder != 0:
            self.held_before[key] = lock

    def free_locks(self):
        """After each schedule."""
        if self.broken_off:
            for key, each in self.met.items():
                lock: Mutex = each
                if lock.holder == 0 or key in self.held_before:
                    continue
                if key in self.old:
                    lock._at_fork_reinit()
                else:
                    self.left[key] = lock
        self.met_before = self.met
        self.met = {}
        self.held_before.clear()

    def forget(self):
        self.strands = []
        self.order = []
        self.candidates = []
        self.main = None
        self.failure = None

    # --- what the program does ------------------------------------------------------------------------------------

    def me(self) -> Strand:
        return cython.cast(Strand, interlock_strand())

    def mine(self) -> cython.bint:
        found: cython.p_void = interlock_strand()
        return found != cython.NULL and cython.cast(Strand, found).quiet == 0

    def is_strand(self) -> bool:
        """Whether the caller is a strand and runs code of the program."""
        return self.running and self.mine()

    def hush(self, by: cython.int) -> None:
        """From now on (1) or no longer (-1) the caller runs code of ours, which makes no points."""
        found: cython.p_void = interlock_strand()
        if found != cython.NULL:
            cython.cast(Strand, found).quiet += by

    def point(self, operation: Operation, what: object) -> cython.int:
        if isinstance(what, Mutex):
            key = cython.cast(cython.size_t, cython.cast(cython.p_void, what))
            if key not in self.met:
                self.meet(what, key)
        return self.step(self.me(), operation, what, not lets_go(operation))

    def after(self, what: object) -> cython.void:
        self.step(self.me(), More.AFTER, what, False)

    def step(self, me: Strand, operation: cython.int, what: object, raises: cython.bint) -> cython.int:
        if self.current is not me:
            self.come_back(me)
        if self.over:
            return self.leave(me, operation)
        self.count_point(me, operation, what)
        following: Strand = self.decide(me, True)
        if following is not me:
            self.hand_over(me, following)
        if self.over:
            return self.leave(me, operation)
        me.ready_since = self.clock
        me.last_step = self.points
        return 0

    def count_point(self, me: Strand, operation: cython.int, what: object) -> cython.int:
        self.points += 1
        me.steps += 1
        if operation != More.LINE:
            me.operations += 1
        if what is me.what and operation == me.operation:
            if operation == Operation.LOOK or operation == Operation.ACQUIRE or operation == Operation.WAIT:
                me.looks += 1
        elif operation < More.LINE or operation == More.STEP:
            me.looks = 0
            me.polling = False
        if operation != More.PAUSE and operation < More.LINE:
            self.clock_looks = 0
        me.polling = me.looks >= LOOKS
        me.run_length += 1
        if me.run_length > LONG_RUN:
            me.polling = True
        me.operation = operation
        me.what = what
        me.state = State.READY
        if self.points > self.limit:
            self.endless(me)
        return 0

    def endless(self, me: Strand):
        """The limit is reached."""
        self.hush(1)
        try:
            verdict = self.on_limit() if self.on_limit is not None else "limit"
            if verdict is None:
                return
            words = self.on_stuck("endless") if self.on_stuck is not None else ""
        finally:
            self.hush(-1)
        self.fail(verdict, words, None, me)

    def leave(self, me: Strand, operation: cython.int) -> cython.int:
        """The schedule is over: `Abandon`, except for what only lets go."""
        me.refusals += 1
        if lets_go(operation):
            return 0
        if operation == More.LINE and me.refusals > 1 and me.refusals % 200 != 0:
            return 0
        self.broken_off = True
        if me.refusals > ENOUGH_REFUSALS and me is not self.main:
            self.give_up(me)
        raise Abandon

    def give_up(self, me: Strand):
        """It swallows whatever it is told. It never goes on."""
        me.given_up = True
        me.state = State.ENDED
        if me in self.order:
            self.order.remove(me)
        following: Strand = self.next_to_unwind(None)
        self.current = following
        PyThread_release_lock(following.worker.turn)
        self.stay_away(me)

    def stay_away(self, me: Strand):
        """Never return: it was given up, and the schedule has ended without it."""
        mine: PyThread_type_lock = me.worker.turn
        with cython.nogil:
            while True:
                PyThread_acquire_lock_timed(mine, -1, 0)

    def park(self, waiter: object, deadline: cython.longlong) -> cython.int:
        me: Strand = self.me()
        one: ThreadWaiter = waiter
        if self.current is not me:
            self.come_back(me)
        if PyThread_acquire_lock(one.parker, 0):
            return 1
        if self.over:
            self.leave(me, Operation.WAIT)
        if deadline <= self.clock:
            return 0
        one.controlled = cython.cast(cython.p_void, me)
        me.operation = Operation.ACQUIRE
        me.what = one.at if one.at is not None else one.queue
        try:
            while True:
                woken: cython.bint = self.block(me, deadline)
                if PyThread_acquire_lock(one.parker, 0):
                    return 1
                if not woken:
                    return 0
        finally:
            one.controlled = cython.NULL

    def block(self, me: Strand, deadline: cython.longlong) -> cython.bint:
        """Wait to be woken (True) or for `deadline` (False)."""
        self.points += 1
        if self.points > self.limit and not self.over:
            self.endless(me)
        me.steps += 1
        me.operations += 1
        me.state = State.BLOCKED
        me.woken = False
        me.timed_out = False
        me.deadline = deadline
        me.looks = 0
        me.polling = False
        following: Strand = self.decide(me, False)
        if following is not me:
            self.hand_over(me, following)
        me.deadline = NEVER
        me.target = None
        if self.over:
            self.leave(me, Operation.WAIT)
        me.ready_since = self.clock
        me.last_step = self.points
        return me.woken

    def unparked(self, waiter: object) -> cython.void:
        controlled: cython.p_void = cython.cast(ThreadWaiter, waiter).controlled
        inside: cython.bint = interlock_strand() != cython.NULL
        if controlled != cython.NULL:
            if not inside:
                self.outside += 1
            self.wake(cython.cast(Strand, controlled))
            if not inside and self.current is None:
                # Everybody waits, and the last of them for this.
                PyThread_release_lock(self.main_worker.turn if self.idle is None else self.idle.worker.turn)
        elif inside and cython.cast(ThreadWaiter, waiter).host is not None and self.is_outside(waiter):
            self.outside += 1

    def is_outside(self, waiter: object) -> cython.bint:
        """Whether it is the waiter of a thread that is not ours."""
        id: cython.ulonglong = cython.cast(ThreadWaiter, waiter).host.id
        for each in self.strands:
            if cython.cast(Strand, each).party == id:
                return False
        return True

    def wake(self, strand: Strand) -> cython.int:
        if strand.state == State.BLOCKED:
            strand.woken = True
            strand.state = State.READY
            strand.ready_since = self.clock
        return 0

    def now(self) -> cython.longlong:
        return self.clock

    def refused(self, words: str) -> cython.int:
        if self.over:
            return 0
        me: Strand = self.me()
        self.hush(1)
        try:
            words = self.on_stuck("deadlock") if self.on_stuck is not None else words
        finally:
            self.hush(-1)
        self.fail("deadlock", words, None, me)
        self.broken_off = True
        raise Abandon

    def unwinding(self) -> cython.bint:
        return self.over

    def fail(self, kind: str, words: str, error: object, strand: Strand | None) -> None:
        """The schedule has failed, and is over. The first failure counts."""
        if self.failure is None and not self.over:
            self.failure = (kind, words, error, strand)
            self.switches_then = self.switches
            self.traced_then = 0 if self.trace is None else len(self.trace)
        self.over = True

    def interrupt(self, error: object):
        """The schedule is over, and `run` will raise this: a signal has brought it, and the program has not failed."""
        if self.interruption is None:
            self.interruption = error
        self.over = True

    # --- what the patches do --------------------------------------------------------------------------------------

    def start(self, thread: object, body: object, daemon: bool, place: object) -> Strand:
        """A strand for a new thread. It runs ``body()`` when its turn comes."""
        me: Strand = self.me()
        self.step(me, Operation.CHANGE, self.main, True)
        worker: Worker
        if self.idle_workers:
            worker = self.idle_workers.pop()
        else:
            worker = self.new_worker()
        strand: Strand = Strand()
        strand.number = len(self.strands)
        strand.thread = thread
        strand.body = body
        strand.daemon = daemon
        strand.start_place = place
        strand.worker = worker
        strand.thread_ident = worker.ident
        strand.deadline = NEVER
        strand.operation = More.BEGIN
        strand.what = strand
        strand.ready_since = self.clock
        strand.priority = self.draw()
        worker.strand = strand
        self.strands.append(strand)
        self.order.append(strand)
        return strand

    def new_worker(self) -> Worker:
        worker: Worker = Worker()
        there = _thread.allocate_lock()
        there.acquire()
        _start_os_thread(self.serve, (worker, there))
        there.acquire()
        return worker

    def native_id(self, strand: Strand) -> int:
        return strand.worker.native_id

    def serve(self, worker: Worker, there: object) -> None:
        """What a thread of the pool does."""
        worker.ident = PyThread_get_thread_ident()
        worker.native_id = threading.get_native_id()
        there.release()
        del there
        turn: PyThread_type_lock = worker.turn
        given: PyThread_type_lock = cython.NULL
        while True:
            with cython.nogil:
                if given != cython.NULL:
                    PyThread_release_lock(given)
                PyThread_acquire_lock_timed(turn, -1, 0)
            given = cython.NULL
            strand: Strand = worker.strand
            if strand is None:
                if worker.closing:
                    return
                continue
            if self.current is not strand:
                continue
            worker.strand = None
            self.run_strand(strand)
            if strand.given_up:
                return
            # Not the strand, which may be gone as soon as another has the baton.
            given = self.pass_on_from(strand, worker).worker.turn
            strand = None

    def run_strand(self, strand: Strand):
        global _party
        _party += 1
        strand.party = _party
        renew(strand.party)
        strand.begun = True
        interlock_set_strand(cython.cast(cython.p_void, strand))
        try:
            contextvars.Context().run(strand.body)
        except BaseException as error:
            # Of our own making: the body lets nothing out.
            if not self.over and not isinstance(error, Abandon):
                self.fail("error", "", error, strand)
        try:
            # What it has kept in a `threading.local` goes with it.
            state: cython.pointer(PyObject) = PyThreadState_GetDict()
            if state != cython.NULL:
                cython.cast(dict, state).clear()
            interlock_clear_locals()
        except BaseException:
            pass
        strand.body = None

    def pass_on_from(self, strand: Strand, worker: Worker) -> Strand:
        """It has ended: the baton goes to the one that is returned, and the worker back to the pool."""
        global _party
        strand.quiet += 1
        if self.current is not strand:
            self.come_back(strand)
        if not self.over:
            strand.quiet -= 1
            try:
                self.step(strand, More.END, strand, True)
            except Abandon:
                pass
            strand.quiet += 1
        strand.state = State.ENDED
        self.order.remove(strand)
        for each in self.order:
            other: Strand = each
            if other.state == State.BLOCKED and other.target is strand:
                self.wake(other)
        if self.main.target is self.main and not self.others_run():
            self.wake(self.main)
        _party += 1
        renew(_party)
        following: Strand = self.next_to_unwind(None) if self.over else self.decide(strand, False)
        self.current = following
        if self.trace is not None:
            self.trace.append(("ended", strand.number, following.number, None, None, None, self.count, self.clock))
        interlock_set_strand(cython.NULL)
        self.idle_workers.append(worker)
        self.switches += 1
        return following

    def join(self, strand: Strand, seconds: object) -> bool:
        """Wait for the end of a strand, for ``seconds`` or for ever (None). Returns whether it has ended."""
        me: Strand = self.me()
        if strand.state == State.ENDED:
            return True
        deadline: cython.longlong = NEVER
        if seconds is not None:
            if seconds <= 0:
                return False
            deadline = self.clock + int(min(seconds, 1e9) * 1e9)
        me.operation = Operation.WAIT
        me.what = strand
        me.target = strand
        self.block(me, deadline)
        return strand.state == State.ENDED

    def sleep(self, seconds: float) -> None:
        """`time.sleep`."""
        me: Strand = self.me()
        if self.current is not me:
            self.come_back(me)
        if self.over:
            self.leave(me, Operation.WAIT)
        if seconds > 0:
            me.operation = More.PAUSE
            me.what = None
            self.block(me, self.clock + max(1, int(min(seconds, 1e9) * 1e9)))
            return
        self.yield_now(me)

    def yield_now(self, me: Strand):
        """A point at which all others come first."""
        self.count_point(me, More.PAUSE, None)
        me.polling = True
        following: Strand = self.decide(me, True)
        if following is not me:
            self.hand_over(me, following)
        me.polling = False
        if self.over:
            self.leave(me, Operation.WAIT)
        me.ready_since = self.clock
        me.last_step = self.points

    def read_clock(self) -> int:
        """The time as the program sees it, in nanoseconds. It passes faster for one who waits by looking."""
        me: Strand = self.me()
        self.clock_looks += 1
        self.clock_reads += 1
        self.clock += 1_000 if self.clock_looks <= LOOKS else min(1_000 << min(self.clock_looks, 14), self.pause // 50)
        if self.clock_looks > LOOKS and not self.over and self.current is me:
            self.fire_due()
            self.yield_now(me)
        return self.clock

    def fire_due(self):
        for each in list(self.order):
            strand: Strand = each
            if strand.state == State.BLOCKED and strand.deadline <= self.clock:
                self.fire(strand, False)

    def poke(self, operation: cython.int, what: object) -> None:
        """A point of the patches' own."""
        self.step(self.me(), operation, what, True)

    def wait_here(self, what: object, deadline: object) -> bool:
        """Block until `rouse` is called for the caller, or until ``deadline`` on the clock (None: none)."""
        me: Strand = self.me()
        if self.current is not me:
            self.come_back(me)
        if self.over:
            self.leave(me, Operation.WAIT)
        me.operation = Operation.WAIT
        me.what = what
        return self.block(me, NEVER if deadline is None else deadline)

    def rouse(self, strand: Strand) -> None:
        """Wake one that is in `wait_here`. From any thread."""
        if interlock_strand() == cython.NULL:
            self.outside += 1
            self.wake(strand)
            if self.current is None and self.idle is not None:
                PyThread_release_lock(self.idle.worker.turn)
            return
        self.wake(strand)

    def others_can_go_on(self) -> bool:
        """Whether any other strand could, now or when its time is up."""
        me: Strand = self.me()
        for each in self.order:
            strand: Strand = each
            if strand is not me and (strand.state == State.READY or strand.deadline != NEVER):
                return True
        return False

    def note_outside(self) -> None:
        """Something outside has had a say."""
        self.outside += 1

    def own_strand(self) -> Strand:
        return self.me()

    def advance(self, deadline: object) -> None:
        """A timer of an event loop fires: the clock moves on to it."""
        if deadline > self.clock:
            self.clock = deadline
            self.fire_due()

    def may_advance(self, deadline: object, since: object) -> bool:
        """Whether an event loop's timer may fire though its loop has been able to go on ``since``."""
        if deadline - since > self.pause:
            return False
        me: Strand = self.me()
        for each in self.order:
            strand: Strand = each
            if strand is not me and strand.state == State.READY and deadline - strand.ready_since > self.pause:
                return False
        return True

    def pick(self, n: cython.int) -> int:
        """A decision of an event loop: which of ``n`` goes first."""
        if n <= 1 or self.over:
            return 0
        if self.in_order:
            return 0
        if self.strategy == Strategy.TREE and self.count >= self.planned:
            return self.note(n, self.tree.pick(n))
        self.picks += 1
        place = (-1, self.picks, 0)
        choice: cython.int
        if self.guide is not None:
            found = self.guide.get(place, 0)
            choice = self.note(n, found if found < n else 0)
        else:
            self.candidates = []
            choice = self.choose(n, n)
        if choice != 0 and self.moves is not None:
            self.moves.append((place, choice))
        return choice

    def line(self, code: object, where: object) -> object:
        """The callback of `sys.monitoring` for a line or an instruction that is a point."""
        if not self.switching or not self.running:
            return None
        found: cython.p_void = interlock_strand()
        if found != cython.NULL and cython.cast(Strand, found).quiet == 0:
            self.step(cython.cast(Strand, found), More.LINE, code, True)
        return None

    # --- decisions ------------------------------------------------------------------------------------------------

    def decide(self, me: Strand, can: cython.bint) -> Strand:
        """Who goes on. `can`: whether `me`, which decides, could."""
        strand: Strand
        late: Strand
        early: cython.bint
        while True:
            if self.over:
                return self.next_to_unwind(me)
            options: list = self.candidates
            options.clear()
            late = None
            pollers: cython.int = 0
            early = False
            if can:
                if me.polling:
                    pollers = 1
                else:
                    options.append(me)
            for each in self.order:
                strand = each
                if strand.state == State.READY:
                    if strand is me and can:
                        continue
                    if strand.polling:
                        pollers += 1
                    else:
                        options.append(strand)
                elif (
                    strand.state == State.BLOCKED
                    and strand.deadline != NEVER
                    and (late is None or strand.deadline < late.deadline)
                ):
                    late = strand
            fresh: cython.int = len(options)
            if late is not None and fresh == 0:
                # Who only looks waits for something: time may pass before.
                options.append(None)
            if pollers:
                for each in self.order:
                    strand = each
                    if strand.state == State.READY and strand.polling and strand is not me:
                        options.append(strand)
                if can and me.polling:
                    options.append(me)
                if me.run_length > LONG_RUN:
                    me.run_length = 0
            if late is not None and fresh != 0:
                early = self.plausible(late)
                if early:
                    options.append(None)
            n: cython.int = len(options)
            if n == 0:
                strand = self.nobody(me)
                if strand is not None:
                    return strand
                continue
            choice: cython.int = 0
            if self.strategy == Strategy.TREE and self.count >= self.planned:
                choice = self.tree.at(self.described(options, late))
                if choice < 0:
                    self.over = True  # cut short, and no failure
                    continue
                if n > 1:
                    self.note(n, choice)
            elif n > 1:
                if self.guide is not None:
                    choice = self.note(n, self.guided(me, options))
                else:
                    choice = self.choose(n, fresh)
                    if self.moves is not None:
                        self.tell_move(me, options[choice], choice)
            chosen: Strand = options[choice]
            if chosen is None:
                self.fire(late, early)
                continue
            if can and chosen is not me:
                self.order.remove(me)
                self.order.append(me)
            if chosen is not me or n == 1:
                me.run_length = 0
            if self.strategy == Strategy.POS:
                self.redraw(options, chosen)
            return chosen

    def place_of(self, number: cython.int, steps: cython.long) -> tuple:
        """Where a decision is made, as it stays when earlier ones are made otherwise: by which strand, at which of its
        points, and how many were made there before."""
        if self.last_number == number and self.last_steps == steps:
            self.occurrence += 1
        else:
            self.last_number = number
            self.last_steps = steps
            self.occurrence = 0
        return (number, steps, self.occurrence)

    def tell_move(self, me: Strand, chosen: object, choice: cython.int):
        place = self.place_of(me.number, me.steps)
        if choice != 0:
            self.moves.append((place, -1 if chosen is None else cython.cast(Strand, chosen).number))

    def guided(self, me: Strand, options: list) -> cython.int:
        """The choice that `guide` has for this place; 0 where it has none, or that one cannot go on."""
        place = self.place_of(me.number, me.steps)
        target = self.guide.get(place)
        choice: cython.int = 0
        if target is not None:
            for i in range(len(options)):
                if (target == -1) if options[i] is None else cython.cast(Strand, options[i]).number == target:
                    choice = i
        if choice != 0 and self.moves is not None:
            self.moves.append((place, target))
        return choice

    def redraw(self, options: list, chosen: Strand):
        what = chosen.what
        chosen.priority = self.draw()
        if what is not None and chosen.operation != More.LINE:
            for each in options:
                if each is not None and cython.cast(Strand, each).what is what:
                    cython.cast(Strand, each).priority = self.draw()

    def described(self, options: list, late: Strand | None) -> list:
        """The options for a tree: who, what it is about to do, and to which object."""
        found: list = []
        for each in options:
            if each is None:
                found.append((-1 - late.number, More.PAUSE, None))
                continue
            strand: Strand = each
            what = strand.what
            if isinstance(what, Primitive):
                what = cython.cast(Primitive, what).leads_to()
            found.append((strand.number, strand.operation, what))
        return found

    def plausible(self, late: Strand) -> cython.bint:
        """Whether this timer may fire though others could go on: they would be held up until then."""
        strand: Strand
        for each in self.order:
            strand = each
            if strand.state == State.READY:
                if late.deadline - strand.ready_since > self.pause:
                    return False
                # One that arms itself again and again must not keep all others out.
                if late.fired_step != 0 and strand.last_step <= late.fired_step:
                    return False
        return True

    def fire(self, late: Strand, early: cython.bint) -> cython.int:
        if late.deadline > self.clock:
            self.clock = late.deadline
        if self.trace is not None:
            self.trace.append(
                ("timer", late.number, late.number, late.operation, late.what, early, self.count, self.clock)
            )
        late.deadline = NEVER
        late.timed_out = True
        late.state = State.READY
        late.ready_since = self.clock
        if early:
            late.fired_step = self.points
        return 0

    def choose(self, n: cython.int, fresh: cython.int) -> cython.int:
        i: cython.int = self.count
        choice: cython.int
        if i < self.expecting and self.expected[i] != n and self.split_at < 0:
            self.split_at = i
        if i < self.planned:
            choice = self.plan[i]
            if choice >= n:
                choice = 0
                if self.split_at < 0:
                    self.split_at = i
        else:
            choice = self.choose_freely(n, fresh)
        return self.note(n, choice)

    def note(self, n: cython.int, choice: cython.int) -> cython.int:
        if self.count == self.room:
            room: cython.int = 2 * self.room + 256
            options: cython.p_ushort = cython.cast(
                cython.p_ushort, PyMem_RawRealloc(self.options, room * cython.sizeof(cython.ushort))
            )
            if options == cython.NULL:
                raise MemoryError
            self.options = options
            choices: cython.p_ushort = cython.cast(
                cython.p_ushort, PyMem_RawRealloc(self.choices, room * cython.sizeof(cython.ushort))
            )
            if choices == cython.NULL:
                raise MemoryError
            self.choices = choices
            self.room = room
        self.options[self.count] = n
        self.choices[self.count] = choice
        self.count += 1
        return choice

    def choose_freely(self, n: cython.int, fresh: cython.int) -> cython.int:
        options: list = self.candidates
        strategy: Strategy = self.strategy
        if strategy == Strategy.DEFAULT or strategy == Strategy.TREE:
            return 0
        if not options or strategy == Strategy.WALK:
            return cython.cast(cython.int, self.draw() * n)
        most: cython.int = fresh if fresh != 0 else n
        best: cython.int = 0
        highest: cython.double = -1e300
        one: cython.double
        strand: Strand
        if strategy == Strategy.URW:
            total: cython.double = 0
            for i in range(n):
                total += self.weight(options[i])
            one = self.draw() * total
            for i in range(n):
                one -= self.weight(options[i])
                if one < 0:
                    return i
            return n - 1
        # Those that only look come last; the timer is where it stands.
        for i in range(n):
            if options[i] is None:
                one = self.draw() if strategy == Strategy.POS else self.draw() - 0.5
            else:
                strand = options[i]
                one = strand.priority
                if i >= most and fresh != 0:
                    one -= 1e6
            if one > highest:
                highest = one
                best = i
        if strategy == Strategy.PCT and self.sinking and self.count >= self.sinking[0]:
            self.sinking.pop(0)
            self.lowest -= 1
            if options[best] is not None:
                strand = options[best]
                strand.priority = self.lowest
                return self.choose_freely(n, fresh)
        return best

    def weight(self, option: object) -> cython.double:
        if option is None:
            return 1
        strand: Strand = option
        expected: cython.double = self.expected_steps.get(strand.start_place, 0) if self.expected_steps else 0
        return max(1.0, expected - strand.steps)

    def draw(self) -> cython.double:
        """The next random number, 0 or more and below 1: xorshift64*, by Vigna."""
        x: cython.ulonglong = self.random
        x ^= x >> 12
        x ^= x << 25
        x ^= x >> 27
        self.random = x
        return ((x * cython.cast(cython.ulonglong, 0x2545F4914F6CDD1D)) >> 11) * (1.0 / 9007199254740992.0)

    # --- the baton ------------------------------------------------------------------------------------------------

    def hand_over(self, me: Strand, to: Strand) -> cython.int:
        """Give the baton away, and return when it has come back."""
        self.switches += 1
        if self.trace is not None:
            self.tell_switch(me, to)
        self.current = to
        return self.await_turn(me, to.worker.turn)

    def tell_switch(self, me: Strand, to: Strand):
        me.quiet += 1
        try:
            place = self.place_now(me.what) if self.place_now is not None else None
        finally:
            me.quiet -= 1
        kind: str = "blocked" if me.state == State.BLOCKED else "switched"
        self.trace.append((kind, me.number, to.number, me.operation, me.what, place, self.count, self.clock))

    def await_turn(self, me: Strand, given: PyThread_type_lock) -> cython.int:
        """`given`: the lock of the one who gets the baton, freed first, or NULL. The GIL is let go once for both: who
        took it again between would mostly have to wait for the other, only to wait for its turn then.

        It is our turn when we are `current`. Our lock alone does not say so: see `await_outside`.
        """
        turn: PyThread_type_lock = me.worker.turn
        status: PyLockStatus
        while me is not self.main:
            with cython.nogil:
                if given != cython.NULL:
                    PyThread_release_lock(given)
                PyThread_acquire_lock_timed(turn, -1, 0)
            given = cython.NULL
            if self.current is me:
                return 0
        while True:
            with cython.nogil:
                if given != cython.NULL:
                    PyThread_release_lock(given)
                status = PyThread_acquire_lock_timed(turn, SLICE_US, 1)
            given = cython.NULL
            if status == PY_LOCK_ACQUIRED:
                if self.current is me:
                    return 0
                continue
            me.quiet += 1
            try:
                PyErr_CheckSignals()
            except BaseException as error:
                self.interrupt(error)  # it cannot be raised before it is this thread's turn
            finally:
                me.quiet -= 1

    def next_to_unwind(self, me: Strand | None) -> Strand:
        """Who is next to be told that all is over: `me`, as long as it runs."""
        if me is not None and me.state != State.ENDED and not me.given_up and me.begun:
            return me
        strand: Strand
        for each in self.strands:
            strand = each
            if strand is self.main or strand.state == State.ENDED or strand.given_up or strand.away:
                continue
            if not strand.begun:
                strand.state = State.ENDED
                strand.worker.strand = None
                self.idle_workers.append(strand.worker)
                if strand.thread is not None and self.on_dropped is not None:
                    self.on_dropped(strand)
                continue
            return strand
        return self.main

    def nobody(self, me: Strand) -> Strand:
        """Nobody can go on. None: somebody can by now, or all is over."""
        strand: Strand
        away: cython.bint = False
        for each in self.order:
            strand = each
            if strand.away:
                away = True
        blocks: cython.bint = away
        ended: cython.bint = me.state == State.ENDED
        if not ended:
            me.quiet += 1
        try:
            if self.main.target is self.main and self.on_end is not None and self.on_end():
                return None
            # Somebody blocks outside, or others have a hand in it, or may have: they get their time.
            if not away:
                away = self.is_for_others()
            if self.anybody():
                return None
            if away:
                if self.await_outside(me):
                    return None
                away = blocks or self.is_for_others()
                if self.anybody():
                    return None
            words = self.on_stuck("deadlock") if self.on_stuck is not None else ""
        finally:
            if not ended:
                me.quiet -= 1
        self.fail("outside" if away else "deadlock", words, None, me)
        return None

    def is_for_others(self) -> cython.bint:
        """Whether threads that are no strands have had a part in this schedule, or may have one."""
        return self.outside != 0 or (self.others is not None and self.others())

    def await_outside(self, me: Strand) -> cython.bint:
        """Wait, in real time, for somebody outside to wake one of ours. False: nobody did."""
        turn: PyThread_type_lock = me.worker.turn
        micros: cython.longlong = cython.cast(cython.longlong, OUTSIDE_S * 1e6)
        self.idle = me
        self.current = None
        # From here on who wakes one of ours frees our lock. One may have been woken just before, or as our time is up.
        # So our lock may be freed for nothing: see `await_turn`.
        if not self.anybody():
            with cython.nogil:
                PyThread_acquire_lock_timed(turn, micros, 0)
        self.idle = None
        if self.current is None:
            self.current = me
        elif self.current is not me:
            # One that was away is back, and has the baton.
            self.await_turn(me, cython.NULL)
            return True
        return self.anybody()

    def anybody(self) -> cython.bint:
        """Whether somebody could go on."""
        for each in self.order:
            if cython.cast(Strand, each).state == State.READY:
                return True
        return False

    # --- what blocks outside --------------------------------------------------------------------------------------

    def steal(self) -> bool:
        """From another thread: who has the baton blocks where we do not see it. Let another go on, if one can."""
        stuck: Strand = self.current
        if stuck is None or not self.running:
            return False
        following: Strand = None
        for each in self.order:
            strand: Strand = each
            if strand is not stuck and strand.state == State.READY and not strand.away:
                following = strand
                break
        if following is None:
            for each in self.order:
                strand = each
                if strand is not stuck and strand.state == State.BLOCKED and strand.deadline != NEVER:
                    if following is None or strand.deadline < following.deadline:
                        following = strand
            if following is None:
                return False
            self.fire(following, False)
        self.outside += 1
        stuck.away = True
        stuck.state = State.BLOCKED
        stuck.deadline = NEVER
        stuck.operation = Operation.WAIT
        stuck.what = None
        self.current = following
        PyThread_release_lock(following.worker.turn)
        return True

    def drop(self) -> bool:
        """From another thread: who has the baton blocks where we do not see it, and nobody else could go on.

        The schedule ends without it. False for the first strand, without which none can end.
        """
        stuck: Strand = self.current
        if stuck is None or not self.running or stuck is self.main:
            return False
        self.fail("outside", "", None, stuck)
        stuck.given_up = True
        stuck.state = State.ENDED
        if stuck in self.order:
            self.order.remove(stuck)
        following: Strand = self.next_to_unwind(None)
        self.current = following
        PyThread_release_lock(following.worker.turn)
        return True

    def come_back(self, me: Strand):
        """The caller was away, and others have gone on: wait for its turn."""
        if me.given_up:
            self.stay_away(me)
        me.away = False
        me.state = State.READY
        me.ready_since = self.clock
        if self.current is None and self.idle is not None:
            self.current = self.idle
            PyThread_release_lock(self.idle.worker.turn)
        self.await_turn(me, cython.NULL)

    def maker(self, what: object) -> tuple | None:
        """The line of the program that made a primitive, while they are counted."""
        if not isinstance(what, Observed):
            return None
        record = cython.cast(Observed, what).record
        if isinstance(record, Tally):
            record = cython.cast(Tally, record).maker
        elif isinstance(record, Record):
            record = cython.cast(Record, record).entry.maker
        if not isinstance(record, Maker):
            return None
        maker: Maker = record
        if maker.outer_code is not None:
            return (maker.outer_code.co_filename, maker.outer_line)
        return (maker.code.co_filename, maker.line)

    @property
    def holder(self):
        """The strand that has the baton, or None."""
        return self.current


def _forked():
    """In a forked child: there is nobody to give the baton to, so its only thread goes on as any other does."""
    controller: object = active() if controls() else None
    if isinstance(controller, Baton):
        cython.cast(Baton, controller).running = False
        cython.cast(Baton, controller).switching = False
    control(None)
    interlock_set_strand(cython.NULL)


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forked)


def _start_os_thread(function, arguments):
    _thread_start(function, arguments)


# Kept before anybody patches it.
_thread_start = _thread.start_new_thread
