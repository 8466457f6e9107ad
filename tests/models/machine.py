"""A machine that makes threads and tasks do what Hypothesis thinks of, and holds what comes of it against a model.

A step begins a few calls at once, each by another party, and lets the primitive come to rest: each call is done, or
the primitive itself says that its party is blocked. Then the results, the queue and the public state must be what the
model allows.

A model is written as if one call came after the other. What is begun at once may come in any order, so the model is
tried in every order; a timeout that passes and a signal that arrives are events like a call. A lock that was freed may
be taken by a newcomer before the one that was woken for it gets there (barging), so that is tried too. A task never
barges and is never barged past: it is cancelled instead of interrupted, and otherwise the model is the same.
"""

import copy
import itertools
import signal
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any, ClassVar

import hypothesis.strategies as st
from hypothesis.stateful import RuleBasedStateMachine, rule
from parties import PATIENCE, Cancelled, Outcome, Parties, ThreadParty, fail_with_stacks

MAIN = "main"
THREADS = ("a", "b", "c")

# How long a call waits for what it wants; in a call that can wait, the last argument.
FOREVER, BRIEFLY, NOT_AT_ALL = None, 0.003, 0.0

INTERRUPTED = "interrupted"

Call = tuple[Any, ...]  # the name of a method, of the model and of the machine, and arguments
Event = tuple[Any, ...]  # what happens, to whom, and the call where it is one


def waiting_call(name: str, *arguments: Any) -> Any:
    """Calls that can wait, with any patience."""
    patience = st.sampled_from([FOREVER, FOREVER, BRIEFLY, BRIEFLY, NOT_AT_ALL])
    return st.tuples(st.just(name), *arguments, patience)


def call(name: str, *arguments: Any) -> Any:
    return st.tuples(st.just(name), *arguments)


class Model:
    """A party asks for something and gets it, or stands in the queue until it does."""

    barging = False
    later: tuple[Any, ...] = ()  # other ways in which `serve` may be late
    tasks: frozenset[str] = frozenset()  # who is a task
    tasks_barge = False  # past a thread that was woken

    def __init__(self) -> None:
        self.queue: list[tuple[str, Any]] = []  # who waits, and what for
        self.woken = False  # the first has been told to come, and newcomers may be faster
        self.results: dict[str, Any] = {}  # of the calls that were done in this step

    def fits(self, want: Any) -> bool:
        """Whether one who wants this could have it now."""
        return False

    def grant(self, who: str, want: Any) -> Any:
        """`who` has it. Returns what its call returns."""
        return True

    def take_back(self, who: str) -> None:
        """`who` has it and leaves without it."""

    def state(self) -> Any:
        """What the public state must be."""

    def ask(self, who: str, want: Any, patience: float | None) -> None:
        if self.fits(want) and (not self.queue or (self.woken and (self.tasks_barge or who not in self.tasks))):
            self.results[who] = self.grant(who, want)
        elif patience == NOT_AT_ALL:
            self.results[who] = False
        else:
            self.queue.append((who, want))

    def serve(self, late: Any = False) -> None:
        """Something may have come free. `late`: the first is told, and everybody else is faster."""
        self.woken = late and self.barging and bool(self.queue) and self.fits(self.queue[0][1])
        self.woken = self.woken and self.queue[0][0] not in self.tasks
        while not self.woken and self.queue and self.fits(self.queue[0][1]):
            who, want = self.queue.pop(0)
            self.results[who] = self.grant(who, want)

    def leave(self, who: str, result: Any) -> bool:
        """`who` leaves the queue. False if it was not there."""
        waits = who in self.blocked()
        if waits:
            self.queue = [entry for entry in self.queue if entry[0] != who]
            self.results[who] = result
        return waits

    def expire(self, who: str) -> None:
        """The time of `who` is up, if it still waits."""
        self.leave(who, False)

    def interrupt(self, who: str, after_all: bool) -> None:
        """A signal handler raises in `who`, if it still waits; if `after_all`, also if it was granted something."""
        if not self.leave(who, INTERRUPTED) and after_all and self.results.get(who) is True:
            self.take_back(who)
            self.results[who] = INTERRUPTED

    def blocked(self) -> list[str]:
        return [who for who, _ in self.queue]

    def seen(self) -> Any:
        return self.results, self.blocked(), self.state()


class Machine(RuleBasedStateMachine):
    """For each call there is a method of its name that returns how the primitive is called."""

    Model: ClassVar[Callable[[], Model]]
    calls: ClassVar[Any]  # a strategy: all calls
    calls_that_wait: ClassVar[Any]  # a strategy: the calls in which the main thread is interrupted
    kind: ClassVar[str] = "threads"  # of parties, in KINDS
    meanwhile: ClassVar[Any] = None  # a strategy: what others do then; None: anything

    def make(self) -> Any:
        raise NotImplementedError

    def state(self) -> Any:
        """The public state, as `Model.state` has it."""

    def can_be_served(self) -> bool:
        """Whether the first in the queue could have what it wants; then it is on its way."""
        return False

    def let_somebody_through(self) -> tuple[str, Call]:
        """A call that, made often enough, lets everybody through."""
        raise NotImplementedError

    def collect(self, who: str, result: Any) -> None:
        """A call is done."""

    # A failure is run again and again, to find a short one. That need not be as certain as the first time.
    patience = PATIENCE

    def __init__(self) -> None:
        super().__init__()
        self.primitive = self.make()
        self.model = self.Model()
        self.party_maker = Parties(self.kind)
        self.parties = dict(zip(THREADS, self.party_maker(len(THREADS)), strict=True))
        self.tasks = frozenset(name for name, party in self.parties.items() if not isinstance(party, ThreadParty))
        self.model.tasks = self.tasks
        self.begun: dict[str, Outcome] = {}  # and not yet looked at again
        self.brief: set[str] = set()  # who of them gives up by itself
        self.failed = False

    @rule(data=st.data())
    def a_few_calls_at_once(self, data: st.DataObject) -> None:
        who = st.sampled_from((*THREADS, MAIN))
        self.step(data.draw(st.lists(st.tuples(who, self.calls), min_size=1, max_size=3, unique_by=lambda c: c[0])))

    @rule(data=st.data())
    def main_is_interrupted(self, data: st.DataObject) -> None:
        mine = data.draw(self.calls_that_wait)
        others = st.tuples(st.sampled_from(THREADS), self.calls if self.meanwhile is None else self.meanwhile)
        self.interrupt_main(mine, data.draw(st.lists(others, max_size=2, unique_by=lambda c: c[0])))

    def can_be_cancelled(self, who: str) -> bool:
        return who in self.tasks

    @rule(data=st.data())
    def a_task_is_cancelled(self, data: st.DataObject) -> None:
        # All is drawn first: what Hypothesis is asked for must not depend on how fast a party was.
        who = data.draw(st.sampled_from(THREADS))
        others = st.tuples(st.sampled_from((*THREADS, MAIN)), self.calls)
        drawn = data.draw(st.lists(others, max_size=2, unique_by=lambda c: c[0]))
        cancel_first = data.draw(st.booleans())
        if who not in self.begun or not self.can_be_cancelled(who):
            return
        calls = self.possible(drawn)
        self.brief.add(who)  # it may be seen in the queue until it runs again
        if cancel_first:
            self.parties[who].cancel(self.begun[who])
        for other, call in calls:
            self.begin(other, call)
        if not cancel_first:
            self.parties[who].cancel(self.begun[who])
        self.compare([("interrupt", who), *self.events(calls)], self.come_to_rest())

    def teardown(self) -> None:
        if not self.failed:
            for _ in range(1000):
                if not self.begun:
                    break
                self.step([self.let_somebody_through()])
            assert not self.begun, f"still blocked: {self.begun}"
        self.party_maker.dismiss()

    # What is seen.

    def name_of(self, thread: Any) -> str | None:
        if thread is threading.main_thread():
            return MAIN
        return thread.get_name() if hasattr(thread, "get_name") else getattr(thread, "name", None)

    def names(self, threads: Any) -> list[str]:
        return [str(self.name_of(thread)) for thread in threads]

    def queue(self) -> list[str]:
        return self.names(self.primitive.waiters)

    def blocked_for_good(self) -> list[str]:
        """Who is blocked and does not give up by itself."""
        return [who for who in self.queue() if who not in self.brief]

    def is_at_rest(self) -> bool:
        # The order matters. Only who is not done can still do anything. If then nobody is on its way to be served,
        # and after that all of them are in the queue, nobody does.
        not_done = {who for who, outcome in self.begun.items() if not outcome.done}
        return not self.can_be_served() and not_done <= set(self.blocked_for_good())

    def come_to_rest(self) -> dict[str, Any]:
        """Wait until nothing happens any more. Returns the results of the calls that are done."""
        deadline = time.monotonic() + self.patience
        while not self.is_at_rest():
            if time.monotonic() > deadline:
                self.failed = True
                Machine.patience = 1.0
                fail_with_stacks(f"does not come to rest: {self.primitive!r}, the model was {vars(self.model)}")
            time.sleep(0.000_02)
        self.brief.clear()
        results = {}
        for who, outcome in list(self.begun.items()):
            if outcome.done:
                del self.begun[who]
                error = outcome.error()
                results[who] = outcome.result() if error is None else type(error)
                if results[who] is Cancelled:
                    results[who] = INTERRUPTED
        return results

    # What is done.

    def patience_of(self, call: Call) -> float | None:
        return call[-1] if call[-1] in (FOREVER, BRIEFLY) else NOT_AT_ALL

    def possible(self, calls: list[tuple[str, Call]]) -> list[tuple[str, Call]]:
        """Those calls that can be made: one who is blocked cannot, nor can the main thread wait.

        Of brief waits there is one at a time; who is to give up first would be anybody's guess.
        """
        possible: list[tuple[str, Call]] = []
        for who, call in calls:
            patience = self.patience_of(call)
            brief = [1 for _, other in possible if self.patience_of(other) == BRIEFLY]
            if who not in self.begun and (who != MAIN or patience == NOT_AT_ALL) and not (patience and brief):
                possible.append((who, call))
        return possible

    def begin(self, who: str, call: Call) -> None:
        name = f"{call[0]}_by_task" if who in self.tasks and hasattr(self, f"{call[0]}_by_task") else call[0]
        how = getattr(self, name)(who, *call[1:])
        if self.patience_of(call) != FOREVER:  # even one who does not wait at all may be seen in the queue
            self.brief.add(who)
        if who == MAIN:
            self.begun[who] = Outcome(who, how, (), {})
            self.begun[who].run()
        else:
            self.begun[who] = self.parties[who].begin(how)

    def events(self, calls: list[tuple[str, Call]]) -> list[Event]:
        begun: list[Event] = [("call", who, call) for who, call in calls]
        return begun + [("expire", who) for who, call in calls if self.patience_of(call) == BRIEFLY]

    def step(self, calls: list[tuple[str, Call]]) -> None:
        calls = self.possible(calls)
        for who, call in calls:
            self.begin(who, call)
        self.compare(self.events(calls), self.come_to_rest())

    def interrupt_main(self, mine: Call, others: list[tuple[str, Call]]) -> None:
        """The main thread makes a call; when it is blocked, others make theirs, and a signal handler raises in it."""
        how = getattr(self, mine[0])(MAIN, *mine[1:])
        returned: list[Any] = []
        over = threading.Event()
        armed = True

        def on_signal(number: int, frame: Any) -> None:
            nonlocal armed
            # Not in whatever else may run in between, such as a callback of the collector, which would swallow it.
            if armed and frame.f_code is Machine.interrupt_main.__code__:
                armed = False
                raise Interrupted

        def disturb() -> list[tuple[str, Call]]:
            while MAIN not in self.queue():
                if over.is_set():
                    return []
                time.sleep(0.000_02)
            possible = self.possible(others)
            for who, call in possible:
                self.begin(who, call)
            while not over.is_set():
                signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGUSR1)
                over.wait(0.002)
            return possible

        before = signal.signal(signal.SIGUSR1, on_signal)
        disturber = ThreadParty("disturber")
        disturbing = disturber.begin(disturb)
        try:
            try:
                # In C from the call to the list: what the call has returned is in the list, whatever happens next.
                returned.extend(itertools.starmap(how, [()]))
            except Exception as error:
                returned.append(type(error))
            armed = False
        except Interrupted:
            pass
        over.set()
        calls = disturbing.result()
        signal.signal(signal.SIGUSR1, before)
        disturber.end()
        results = self.come_to_rest()
        results[MAIN] = returned[0] if returned else INTERRUPTED
        self.compare([("call", MAIN, mine), ("interrupt", MAIN), *self.events(calls)], results)

    def compare(self, events: list[Event], results: dict[str, Any]) -> None:
        for who, result in results.items():
            self.collect(who, result)
        seen = results, self.queue(), self.state()
        expected = []
        for model in self.allowed(events):
            if model.seen() == seen:
                self.model = model
                return
            if model.seen() not in expected:
                expected.append(model.seen())
        self.failed = True
        raise AssertionError(f"{events} after {vars(self.model)}:\nseen     {seen}\nexpected {expected}")

    def allowed(self, events: list[Event]) -> Iterator[Model]:
        """What may come of events that happen at once."""
        lateness = (False, True, *self.model.later) if self.model.barging else (False,)
        after_all = (False, True) if any(event[0] == "interrupt" for event in events) else (False,)
        for order in itertools.permutations(events):
            if any(end[1] == begin[1] for n, begin in enumerate(order) if begin[0] == "call" for end in order[:n]):
                continue  # an end before its beginning
            for late, *lates in itertools.product(after_all, *[lateness] * len(order)):
                model = copy.deepcopy(self.model)
                model.results = {}
                for (kind, who, *call), is_late in zip(order, lates, strict=True):
                    if kind == "call":
                        name, *arguments = call[0]
                        getattr(model, name)(who, *arguments)
                    elif kind == "expire":
                        model.expire(who)
                    else:
                        model.interrupt(who, late)
                    model.serve(is_late)
                model.serve()
                yield model


class Interrupted(BaseException):
    pass
