"""The search: schedules one after the other, until one fails; then the same failure with fewer switches, and its story.

The first schedule is thrown away: imports and caches are warm after it. The next two are the default schedule, run
twice: where they differ, the program is not deterministic, and that is the answer. From then on the strategies take
turns (`MIX`).
"""

import _thread
import gc
import inspect
import os
import random
import signal
import sys
import threading
import time
import traceback
from collections.abc import AsyncGenerator, Callable, Coroutine, Generator
from typing import Any

from interlock.core.explain import order as lock_order
from interlock.core.kernel.probe import start_counting, stop_counting
from interlock.core.primitives.condition_foreign import shows_handler
from interlock.explore.account import Teller, name_of, nameless, number_tasks
from interlock.explore.earlier import Earlier, cpu_of, sleeps
from interlock.explore.engine.baton import Abandon, Baton, Strand
from interlock.explore.patches import Patches, quiet_collector
from interlock.explore.points import Points
from interlock.explore.races import Races
from interlock.explore.repeats import Repeats
from interlock.explore.token import AT, ORDER, Token, check_sum, read_token
from interlock.explore.tree import Tree
from interlock.watch.order import describe
from interlock.watch.recording import Record

DEFAULT, WALK, POS, PCT, URW, TREE = range(6)
STRATEGIES = {"walk": WALK, "pos": POS, "pct": PCT, "urw": URW}
# Measured by `python -m benchmarks.strategies`, at lines and at bytecodes: walk and urw alone miss bugs in 300
# schedules; this is near the best strategy of each, also for bugs that it was not chosen by.
MIX = ("walk", "pos", "urw", "deviation", "walk", "pos", "walk", "urw", "pos", "pct")
SHRINKS = 500  # replays at most
WATCHED = 10  # the order of locks is watched in the first schedules, and then in one of so many
_LOOKS = 12  # of a tenth of a second each, in all of which who has the baton slept
_LOOKS_AT_MOST = 50
_YOUNG = 1 if sys.version_info < (3, 14) else 2  # all that was made since the last collection, and no more if possible
_SUSPENDED = (Coroutine, Generator, AsyncGenerator)  # of Python and of ours
_sleep = time.sleep


class ScheduleError(AssertionError):
    """A schedule has failed. The message describes it.

    Attributes: ``exploration``, ``kind`` (deadlock, error, endless, race, order), ``token``.
    """

    __module__ = "interlock.explore"
    exploration: "Exploration"
    kind: str
    token: str


class Undecided(RuntimeError):
    """Not conclusive: the program depends on something outside, or differs from run to run."""

    __module__ = "interlock.explore"


class Outcome:
    """One schedule that was run."""

    def __init__(self, options: list[int], choices: list[int], baton: Baton, races: Races) -> None:
        self.failure: Any = baton.failure
        self.switches: int = baton.switches
        self.traced: int | None = None  # how much of the story led to the failure
        if self.failure is not None:
            self.switches, self.traced = baton.switches_then, baton.traced_then
        elif races.found is not None:
            words, strand, self.switches, self.traced = races.found
            self.failure = ("race", words, None, strand)
        self.options = options
        self.choices = choices
        self.outside: int = baton.outside
        # They may have looked for what others do, and given them no time: the clock is ours.
        self.hurried: bool = False
        self.split_at: int = baton.split_at
        self.points: int = baton.points
        self.key = _key(self.failure)
        self.order: list[Any] | None = None  # of locks that could deadlock: a cycle of edges


def _key(failure: Any) -> Any:
    """What makes two failures the same."""
    if failure is None:
        return None
    kind, words, error, _ = failure
    if kind == "race":
        return (kind, words.partition("\n")[0])
    if error is None:
        return (kind,)
    frames = traceback.extract_tb(error.__traceback__)
    own = [frame for frame in frames if os.sep + "interlock" + os.sep not in frame.filename]
    last = own[-1] if own else None
    return (kind, type(error), last and (last.filename, last.lineno))


_FAILURES = ("deadlock", "error", "endless", "race", "order")


class Exploration:
    """The result of an exploration.

    Attributes: ``schedules`` (how many were run), ``seconds``, ``distinct`` (how many differed), ``kind`` (deadlock,
    error, endless or race where one failed; order where locks were taken in two orders; limit, outside or split where
    nothing can be said; None otherwise), ``token`` and ``story`` of the one that failed, ``error`` (its exception),
    ``switches``, ``complete`` (all schedules were run), ``cut`` (how many of those were seen to be the same as
    another), ``notes`` (what else is to be known where nothing was found).
    """

    def __init__(self) -> None:
        self.schedules = 0
        self.seconds: float = 0.0
        self.distinct = 0
        self.kind: str | None = None
        self.token: str | None = None
        self.story = ""
        self.error: BaseException | None = None
        self.switches = 0
        self.complete = False
        self.cut = 0
        self.notes: list[str] = []
        self.found_after = 0

    @property
    def failed(self) -> bool:
        """Whether a schedule has failed."""
        return self.kind in _FAILURES

    def __repr__(self) -> str:
        return f"<interlock.explore.Exploration {self.kind or 'nothing found'} after {self.schedules} schedules>"


class Explorer:
    """Explores one function. See `explore` for the arguments."""

    def __init__(
        self,
        function: Callable[[], object],
        *,
        at: str = "lines",
        seed: int = 0,
        strategy: str = "mix",
        pause: float = 1.0,
        order: str = "tasks",
        files: Callable[[str], bool] | None = None,
        limit: int = 20_000,
        passing: tuple[type[BaseException], ...] = (),
        directory: str | None = None,
        after_each: Callable[[], object] | None = None,
        timeline: bool = False,
    ) -> None:
        if at not in AT:
            raise ValueError(f"at must be one of {', '.join(AT)}, not {at!r}")
        if order not in ORDER:
            raise ValueError(f"order must be one of {', '.join(ORDER)}, not {order!r}")
        if strategy != "mix" and strategy not in STRATEGIES and strategy != "deviation":
            raise ValueError(f"strategy must be one of mix, deviation, {', '.join(STRATEGIES)}, not {strategy!r}")
        self.function = function
        self.at, self.seed, self.strategy, self.pause, self.order = at, seed, strategy, pause, order
        self.directory: str = os.getcwd() if directory is None else directory
        self.is_program: Callable[[str], bool] = files or program_files(self.directory)
        self.passing = passing
        self._repeats: Repeats | None = None
        self._interruption: BaseException | None = None  # raised by a signal handler, and not raised yet
        self.after_each: Callable[[], object] = after_each or (lambda: None)
        self.baton = baton = Baton()
        baton.limit = limit
        baton.pause = round(pause * 1e9)
        baton.in_order = order == "fifo"
        self.teller: Teller = Teller(baton, self.is_program, self.directory)
        self.found: Exploration = Exploration()
        self.patches: Patches = Patches(baton, self.is_program)
        self.races: Races = Races(baton, self.teller.short, self.teller.name)
        self.points: Points = Points(baton, at, self.is_program, self.races)
        self.patches.before_thread = self.points.before_thread
        self.random: random.Random = random.Random(seed)
        self.seen: set[int] = set()
        self.steps: dict[str, int] = {}
        self.default: Outcome | None = None
        self.deviations: list[tuple[int, int]] = []
        self.progress: Callable[[Exploration], object] | None = None
        self.blocked_at: list[str] = []
        self.telling: bool = False
        self._interrupting = _thread.allocate_lock()  # held by who is about to interrupt the main thread
        self._interrupted: bool = False
        self.unlike: tuple[Outcome, Outcome] | None = None
        self.ordered: Outcome | None = None  # the first schedule in which locks were taken in two orders
        self.timeline = timeline
        self.recording: Any = None

    # --- one schedule ---------------------------------------------------------------------------------------------

    def run(
        self,
        strategy: int,
        plan: list[int] | None = None,
        expected: list[int] | None = None,
        story: bool = False,
    ) -> Outcome:
        """Run one schedule: `plan` first, then as the strategy says."""
        baton = self.baton
        baton.set_plan(plan or [], expected)
        length = max(1, len(self.default.options)) if self.default is not None else 50
        sinking = sorted(self.random.randrange(length) for _ in range(2)) if strategy == PCT else []
        baton.set_strategy(strategy, self.random.getrandbits(63), sinking, self.steps)
        self.patches.fresh_start()
        self._repeats = None
        self.found.schedules += 1
        if story or self.found.schedules % 25 == 0:
            # To collect all of a big heap takes as long as hundreds of schedules, and what they leave dies young. A
            # story must not tell of what earlier ones have left.
            gc.collect(2 if self.found.schedules % 2_000 == 0 else _YOUNG)
        baton.trace = [] if story else None
        self.telling = story
        if story:
            self.teller.forget()
            start_counting()  # so that each primitive knows the line that made it
        self.races.begin()
        self.earlier.begin()
        cycles: list[list[Any]] = []
        watcher = lock_order.active
        watched = story or self.found.schedules <= WATCHED or self.found.schedules % WATCHED == 0
        if watched:
            sink = lock_order.start_watching(cycles.append, apart=True)
        try:
            if story and self.timeline:
                with Record(1_000_000, "the schedule that fails") as self.recording:
                    self._run_baton()
            else:
                self._run_baton()
        finally:
            if watched:
                lock_order.stop_watching(sink)
                if watcher is not None:
                    lock_order.resume_watching(watcher)
            if story:
                stop_counting()
            self.patches.clean_up()
            self.after_each()
        interruption, self._interruption = self._interruption, None
        if interruption is not None:
            raise interruption
        options, choices = baton.decisions()
        outcome = Outcome(options, choices, baton, self.races)
        outcome.order = cycles[0] if cycles else None
        if outcome.failure is not None and outcome.failure[0] in ("endless", "limit"):
            outcome.hurried = self.earlier.have_moved()
        if outcome.failure is None and cycles and self.ordered is None:
            self.ordered = outcome
        return outcome

    def _run_baton(self) -> None:
        try:
            self.baton.run(self._call, self.passing)
            with self._interrupting:
                if self._interrupted:
                    _sleep(0.001)  # it came back by itself, and the signal is on its way
        except KeyboardInterrupt:
            if not self._interrupted:
                raise
        self._interrupted = False

    def _call(self) -> object:
        self.points.before_thread()
        try:
            return self.function()
        finally:
            self.points.after_main()

    # --- the search -----------------------------------------------------------------------------------------------

    def __enter__(self) -> "Explorer":
        self._collector = quiet_collector()
        self._collector.__enter__()
        self.patches.__enter__()
        try:
            self.points.__enter__()
        except BaseException:
            self.patches.__exit__()
            self._collector.__exit__(None, None, None)
            raise
        self.baton.on_stuck = self._on_stuck
        self.earlier: Earlier = Earlier(self.baton, self.teller)
        self.baton.others = self.earlier.could_help
        self.baton.on_limit = self._on_limit
        self.baton.place_now = self.teller.place_now
        self.began: float = time.perf_counter()
        self._watching = True
        _thread.start_new_thread(self._watch, ())
        self._hook_before = sys.unraisablehook
        self._hook: Any = self._keep_interruption
        sys.unraisablehook = self._hook
        return self

    def __exit__(self, *raised: object) -> None:
        self._watching = False
        self.found.seconds = time.perf_counter() - self.began
        self.points.__exit__()
        self.baton.on_stuck = None
        self.baton.others = None
        self.baton.on_limit = None
        self.baton.place_now = None
        self.baton.close()
        gc.collect(_YOUNG)  # what was dropped in the middle says nothing yet: see `_keep_interruption`
        self.patches.__exit__()
        self._collector.__exit__(None, None, None)
        if sys.unraisablehook is self._hook:
            sys.unraisablehook = self._hook_before

    def _keep_interruption(self, unraisable: Any) -> None:
        """`sys.unraisablehook`. What a signal handler raises in a destructor or a weakref callback is only printed by
        Python, and each schedule has many of those. An alarm comes once: so it is raised at the end of the schedule.
        That the schedule is over may be told to one of those, too, as to anybody who goes on: that is no news. Nor is
        what a coroutine or a generator says that is dropped in the middle, once its schedule is over.
        """
        error = unraisable.exc_value
        over = self.baton.over or not self.baton.running
        if isinstance(error, Abandon) or (over and isinstance(unraisable.object, _SUSPENDED)):
            return
        if isinstance(error, KeyboardInterrupt) or (error is not None and shows_handler(error)):
            self._interruption = error
        else:
            self._hook_before(unraisable)

    def _on_limit(self) -> str | None:
        if self._repeats is None:
            self._repeats = Repeats(self.baton, self.is_program)
        return self._repeats.verdict()

    def _on_stuck(self, kind: str) -> str:
        if not self.telling:
            return ""
        return self.teller.tell_stuck(kind)

    def _warm_up(self) -> Exploration:
        """The first schedule is thrown away: see the head of this file."""
        self.run(DEFAULT)
        self.found.schedules = 0
        return self.found

    def search(self, schedules: int | None, seconds: float | None) -> Exploration:
        """Run schedules until one fails, or as many as are asked for."""
        found = self._warm_up()
        if self.blocked_at:
            self._tell_outside()
            return found
        outcome = self.default = self.run(DEFAULT)
        again = outcome if self.blocked_at else self.run(DEFAULT, [], outcome.options)
        if outcome.failure is None and (again.split_at >= 0 or again.options != outcome.options):
            self.unlike = (outcome, again)
        self.steps = self.baton.steps_by_place()
        self.deviations = [(i, c) for i, n in enumerate(outcome.options) for c in range(1, n)]
        self.random.shuffle(self.deviations)
        turn = by_others = 0
        while True:
            found.found_after = found.schedules if outcome is not self.default else 1
            self._note(outcome)
            if outcome.failure is not None:
                return self._settle(outcome)
            by_others += outcome.outside != 0
            if self.blocked_at:
                break  # each schedule would take as long
            if schedules is not None and found.schedules >= schedules:
                break
            if seconds is not None and time.perf_counter() - self.began >= seconds:
                break
            if self.progress is not None and found.schedules % 16 == 0:
                self.progress(found)
            outcome = self._next(turn)
            turn += 1
        if self.blocked_at:
            self._tell_outside()
        elif self.unlike is not None:
            self._not_deterministic(*self.unlike)
        elif self.ordered is not None:
            self._tell_order(self.ordered)
        elif by_others:
            found.notes += [
                f"something outside had a say in {by_others:,} of these schedules: a thread or a socket that is not "
                "under control",
                *self.earlier.tell(),
            ]
        return found

    def run_chosen(self, choices: list[int]) -> Exploration:
        """Run one schedule: these choices, and then as by default."""
        found = self._warm_up()
        outcome = self.run(DEFAULT, choices)
        found.found_after = found.schedules
        self._note(outcome)
        if self.blocked_at:
            self._tell_outside()
        elif outcome.failure is not None:
            self._settle(outcome)
        return found

    def search_all(self, most: int | None) -> Exploration:
        """Run every schedule there is, but for those that only repeat another; ``most``: give up after so many."""
        found = self._warm_up()
        tree = Tree()
        self.default = None
        while True:
            tree.begin()
            self.baton.tree = tree
            try:
                outcome = self.run(TREE)
            finally:
                self.baton.tree = None
            found.found_after = found.schedules
            if tree.has_split:
                return self._not_deterministic(outcome, outcome)
            found.cut += tree.is_cut
            found.distinct = found.schedules - found.cut
            if outcome.failure is not None:
                return self._settle(outcome)
            if outcome.outside or self.blocked_at:
                self._tell_outside()
                return found
            if tree.saw_loop and tree.reduce and len(self.baton.strands) > 1:
                # See the head of tree.py.
                tree = Tree(reduce=False)
                found.schedules = found.cut = 0
                continue
            if not tree.advance():
                break
            if self.progress is not None and found.schedules % 16 == 0:
                self.progress(found)
            if most is not None and found.schedules >= most:
                found.kind = "limit"
                found.story = f"stopped after {found.schedules:,} orders, and there are more: nothing found in these"
                return found
        if self.ordered is not None:
            self._tell_order(self.ordered)
            return found
        found.complete = True
        what = "steps" if self.at != "sync" else "orders of its synchronization"
        repeated = f" ({found.cut:,} of them broken off, as repetitions of others)" if found.cut else ""
        found.story = f"all {found.schedules:,} {what} were run{repeated}: holds"
        if self.at != "bytecodes":
            found.story += ", supposing that what threads share is touched only under its locks"
        found.story += f", and that nobody is held up for more than {self.pause:g} s while a timer of another fires"
        return found

    def _next(self, turn: int) -> Outcome:
        strategy = MIX[turn % len(MIX)] if self.strategy == "mix" else self.strategy
        if strategy == "deviation":
            if self.deviations:
                decision, choice = self.deviations.pop()
                return self.run(DEFAULT, [0] * decision + [choice])
            strategy = "walk"
        return self.run(STRATEGIES[strategy])

    def _note(self, outcome: Outcome) -> None:
        key = hash((tuple(outcome.choices), tuple(outcome.options)))
        if key not in self.seen:
            self.seen.add(key)
            self.found.distinct += 1

    def _not_deterministic(self, first: Outcome, second: Outcome) -> Exploration:
        found = self.found
        found.kind = "split"
        where = ": the same schedule ended in another way"
        if second.split_at >= 0 or first.options != second.options:
            split = second.split_at if second.split_at >= 0 else min(len(first.options), len(second.options))
            where = f" at decision {split}: the same choices led to another place"
        lines = [
            f"not deterministic{where}. The program depends on something that differs from run to run: state that is "
            "left in a module, the order of a set, an id(), or the outside. Make it anew in each call",
            *self.earlier.tell(),
        ]
        if first.failure is not None:
            lines += ["A schedule has failed, and did not fail in this way when it was run again:"]
            lines += self._tell_end(first)
        found.story = "\n".join(lines)
        return found

    def _settle(self, outcome: Outcome) -> Exploration:
        """A schedule has failed: shrink it, and tell it."""
        found = self.found
        kind = outcome.failure[0]
        schedules = found.schedules
        if kind == "outside" and self.blocked_at:
            self._tell_outside()
            return found
        if kind in ("outside", "limit") or outcome.hurried:
            # What it says is made when it is to be told. And a pool's thread may only have gone to rest meanwhile.
            outcome = self.run(DEFAULT, outcome.choices, outcome.options, story=True)
            if outcome.failure is None:
                outcome.failure = (kind, "", None, None)
            kind = outcome.failure[0]
        if kind == "outside" or ((outcome.outside or outcome.hurried) and kind != "error"):
            found.kind = "outside"
            self._tell_outside(outcome)
            return found
        if kind == "limit":
            found.kind = "limit"
            found.schedules = schedules
            found.story = (
                f"stopped after {self.baton.limit:,} points of one schedule: it may be long, or have no end. Let it do "
                f"less; `interlock explore --limit N` goes further\n{outcome.failure[1]}"
            )
            return found
        again = self._again(outcome)
        if again.key != outcome.key:
            found.schedules = schedules
            return self._not_deterministic(outcome, again)
        best = self._shrink(again)
        last = self._again(best, story=True)
        if last.key != best.key:
            return self._not_deterministic(best, last)
        found.schedules = schedules
        self._tell(last)
        return found

    def _again(self, outcome: Outcome, story: bool = False) -> Outcome:
        """The same schedule once more; a few times, where the program is known to differ from run to run."""
        for _ in range(1 if self.unlike is None else 10):
            again = self.run(DEFAULT, outcome.choices, outcome.options, story)
            if again.key == outcome.key:
                break
        return again

    def _shrink(self, outcome: Outcome) -> Outcome:
        """The same failure with as few switches as can be found.

        What is left out are *moves*: choices other than the default, each known by the strand that made it and at which
        of its points, so that the rest still means the same when one is left out.
        """
        moves: list[tuple[Any, int]] = []
        self.baton.moves = moves
        best = self.run(DEFAULT, outcome.choices)
        best_moves = list(moves)
        left = SHRINKS
        if best.key != outcome.key:
            self.baton.moves = None
            return outcome

        def attempt(wanted: list[tuple[Any, int]]) -> bool:
            nonlocal best, best_moves, left
            if left <= 0:
                return False
            left -= 1
            moves: list[tuple[Any, int]] = []
            self.baton.moves = moves
            self.baton.guide = dict(wanted)
            try:
                tried = self.run(DEFAULT)
            finally:
                self.baton.guide = None
            if tried.key == outcome.key and (len(moves), _weight(tried)) < (len(best_moves), _weight(best)):
                best, best_moves = tried, moves
                return True
            return False

        try:
            size = max(1, len(best_moves) // 2)
            while left > 0:
                at = 0
                shorter = False
                while at < len(best_moves) and left > 0:
                    if attempt(best_moves[:at] + best_moves[at + size :]):
                        shorter = True
                    else:
                        at += size
                if size == 1 and not shorter:
                    break
                size = max(1, size // 2)
            # Two that need each other.
            at = 0
            while at < len(best_moves) and left > 0:
                moves = best_moves
                for other in range(at + 1, len(moves)):
                    if attempt(moves[:at] + moves[at + 1 : other] + moves[other + 1 :]):
                        at = -1
                        break
                at += 1
        finally:
            self.baton.moves = None
        return self._straighten(best)

    def _straighten(self, best: Outcome) -> Outcome:
        """The same failure by other choices: one in the place of the last few of them, or of all."""
        left = SHRINKS
        kept = 0
        while True:
            own = [i + 1 for i, choice in enumerate(best.choices) if choice]
            if kept >= len(own):
                return best
            plan = best.choices[: own[kept - 1]] if kept else []
            kept += 1
            options = self.run(DEFAULT, plan).options
            wanted = best
            for i in range(len(plan), len(options)):
                for choice in range(1, options[i]):
                    left -= 1
                    if left < 0:
                        return best
                    tried = self.run(DEFAULT, [*plan, *[0] * (i - len(plan)), choice])
                    if tried.key == best.key and _weight(tried) < _weight(best):
                        best = tried
            if best is not wanted:
                kept = 0

    def _tell(self, outcome: Outcome) -> None:
        """Called right after that schedule."""
        found = self.found
        found.kind, _, found.error, _ = outcome.failure
        found.token = self._token_of(outcome)
        found.switches = outcome.switches
        # What led to the failure, and not how all ended after it.
        lines = self.teller.tell_switches((self.baton.trace or [])[: outcome.traced])
        lines += ["", *self._tell_end(outcome)]
        if earlier := self.earlier.tell():
            lines += ["", *earlier]
        if self.at == "bytecodes":
            lines += [
                "",
                "Switched between two instructions: this can happen without the GIL, and in other versions of Python; "
                "with the GIL this version may never switch there.",
            ]
        found.story = number_tasks("\n".join(lines))

    def _tell_end(self, outcome: Outcome) -> list[str]:
        kind, words, error, strand = outcome.failure
        who = name_of(strand) if strand is not None else "the program"
        if kind == "deadlock":
            return ["Deadlock: nobody can go on.", words]
        if kind == "endless":
            return ["No end in sight: every thread that could continue only checks, sleeps and checks again.", words]
        if kind == "race":
            return ["A data race.", words]
        return [f"{who} failed:", *self.teller.tell_error(error)]

    def _token_of(self, outcome: Outcome) -> str:
        return str(Token(self.at, self.order, self.pause, outcome.options, outcome.choices))

    def _tell_order(self, outcome: Outcome) -> None:
        """No schedule has failed, and yet locks were taken in two orders."""
        found = self.found
        assert outcome.order is not None
        found.kind = "order"
        found.token = self._token_of(outcome)
        found.found_after = 1
        found.story = (
            nameless(describe(outcome.order)) + "\n\nNo schedule that was run has deadlocked by this: those who take "
            "them did not meet here. Where they meet, each can wait for the other for ever."
        )

    def _tell_outside(self, outcome: Outcome | None = None) -> None:
        found = self.found
        found.kind = "outside"
        where = "; ".join(dict.fromkeys(self.blocked_at))
        lines = ["depends on something outside that is not under control: nothing can be said about its schedules"]
        if where:
            lines.append(f"blocks at {where}")
            lines.append(
                "a lock or a queue made before interlock was installed, a socket, a pipe or a library in C. Run the "
                "whole program by `interlock explore`, or pytest with --interlock, or install interlock before the "
                "module is imported"
            )
        lines += self.earlier.tell()
        if outcome is not None and outcome.failure is not None and outcome.failure[1]:
            lines.append(outcome.failure[1])
        found.story = "\n".join(lines)

    def replay(self, text: str) -> Exploration:
        """Run the schedule of a token, and tell it."""
        token = read_token(text)
        found = self._warm_up()
        outcome = self.run(DEFAULT, token.choices, None, story=True)
        found.found_after = 1
        if check_sum(outcome.options) != token.options or outcome.split_at >= 0:
            found.kind = "split"
            found.story = (
                "this token is of another program, or the program has changed since, or it is not deterministic: "
                f"the schedule has {len(outcome.options)} decisions, and not those that the token was made for"
            )
            return found
        if outcome.failure is not None:
            self._tell(outcome)
        elif outcome.order is not None:
            self._tell_order(outcome)
        return found

    # --- what blocks outside --------------------------------------------------------------------------------------

    def _watch(self) -> None:
        """A thread of our own: sees that the one that has the baton neither comes to a point nor computes."""
        baton = self.baton
        points, used, looks = -1, -1.0, 0
        while self._watching:
            _sleep(0.1)
            holder = baton.holder if baton.running else None
            spent = cpu_of(holder.ident) if holder is not None else -1.0
            if holder is None or baton.points != points or spent != used or not sleeps(baton.native_id(holder)):
                points, used, looks = baton.points, spent, 0
                continue
            # Counted, and not timed: on a busy machine we do not get to look either.
            looks += 1
            if looks < _LOOKS:
                continue
            where = self._where(holder)
            if where not in self.blocked_at:
                self.blocked_at.append(where)
            if baton.steal():
                points = -1
                continue
            if looks > _LOOKS_AT_MOST:
                if not baton.drop():
                    self._interrupt(holder)
                points = -1

    def _interrupt(self, holder: Strand) -> None:
        """The first strand blocks where we do not see it. No schedule ends without it."""
        with self._interrupting:
            if self.baton.running and self.baton.holder is holder:
                self.baton.fail("outside", "", None, holder)
                # Only the main thread can be interrupted.
                if hasattr(signal, "pthread_kill") and holder.ident == threading.main_thread().ident:
                    self._interrupted = True
                    signal.pthread_kill(holder.ident, signal.SIGINT)

    def _where(self, strand: Strand) -> str:
        innermost = sys._current_frames().get(strand.ident)
        frame = self.teller.innermost(innermost)
        if frame is not None:
            return f"{self.teller.short(frame.f_code.co_filename)}:{frame.f_lineno}"
        if innermost is None:
            return "a place that is not known"
        file, _, line = str(strand.start_place).rpartition(":")
        started = f", started at {self.teller.short(file)}:{line}" if self.is_program(file) else ""
        return f"{innermost.f_code.co_filename}:{innermost.f_lineno} in {self.teller.name(strand.number)}{started}"


def _weight(outcome: Outcome) -> tuple[int, int, int]:
    """What is to be small: switches until it failed, choices other than the default, and those far from it."""
    return (outcome.switches, sum(map(bool, outcome.choices)), sum(outcome.choices))


def program_files(directory: str) -> Callable[[str], bool]:
    """Whether a file is the program's own: not the library, nothing installed, not ours."""
    library = os.path.dirname(os.path.abspath(threading.__file__)) + os.sep
    ours = os.path.dirname(os.path.dirname(os.path.abspath(__file__))) + os.sep
    known: dict[str, bool] = {}

    def is_program(file: str) -> bool:
        answer = known.get(file)
        if answer is None:
            packages = f"{os.sep}site-packages{os.sep}" in file or f"{os.sep}dist-packages{os.sep}" in file
            # Tracebacks of compiled modules name the files that they were compiled from.
            compiled = file.startswith((f"src{os.sep}interlock{os.sep}", f"interlock{os.sep}"))
            answer = known[file] = not (file.startswith(("<", library, ours)) or packages or compiled)
        return answer

    return is_program


def explore(
    function: Callable[[], object],
    *,
    schedules: int | None = 1000,
    seconds: float | None = None,
    all: bool = False,
    at: str = "lines",
    seed: int = 0,
    replay: str | None = None,
    strategy: str = "mix",
    pause: float = 1.0,
    order: str = "tasks",
    schedule: list[int] | None = None,
) -> Exploration:
    """See `interlock.explore`."""
    if replay is not None:
        token = read_token(replay)
        at, order, pause = token.at, token.order, token.pause
    explorer = Explorer(as_call(function), at=at, seed=seed, strategy=strategy, pause=pause, order=order)
    with explorer:
        if replay is not None:
            found = explorer.replay(replay)
        elif schedule is not None:
            found = explorer.run_chosen(schedule)
        elif all:
            found = explorer.search_all(schedules)
        else:
            found = explorer.search(schedules, seconds)
    raise_found(found)
    return found


def as_call(function: Callable[[], Any]) -> Callable[[], object]:
    """What is to be called for each schedule: an asynchronous function is run by asyncio."""
    if not inspect.iscoroutinefunction(function):
        return function
    import asyncio

    return lambda: asyncio.run(function())


def raise_found(found: Exploration) -> None:
    """Raise what `explore` raises."""
    if found.failed:
        error = ScheduleError(headline(found) + "\n" + found.story + f"\n\nreplay: {found.token}")
        error.exploration = found
        error.kind = found.kind or ""
        error.token = found.token or ""
        raise error from found.error
    if found.kind is not None:
        raise Undecided(found.story)


def headline(found: Exploration) -> str:
    """What was found, in one line."""
    if not found.failed:
        return f"nothing found in {found.schedules:,} schedules"
    if found.kind == "order":
        return "locks are taken in two orders"
    what = {"deadlock": "deadlock", "error": "failure", "endless": "no end in sight", "race": "data race"}[
        found.kind or ""
    ]
    if found.kind == "error" and found.error is not None:
        what = type(found.error).__name__
    return f"{what} after {_count(found.found_after, 'schedule')}, {_count(found.switches, 'switch', 'switches')}"


def _count(number: int, one: str, many: str | None = None) -> str:
    return f"{number:,} {one if number == 1 else many or one + 's'}"
