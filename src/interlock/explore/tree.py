"""Every schedule there is, depth first, and of those that only swap what does not matter one.

A *step* of a strand is the operation it stands before and all that it does until its next point. Two steps of different
strands are independent where they touch different primitives, or only look: their order makes no difference. Two things
use that:

*Sleep sets* (Godefroid): when a step has been tried at a decision and another one is tried there, the first one sleeps,
and it goes on sleeping as long as only steps follow that are independent of it: whatever begins with it has been seen.
A schedule in which all that could go on sleep is broken off.

*Source sets* (Abdulla, Aronis, Jonsson, Sagonas: Optimal dynamic partial order reduction, 2014): at a decision one step
is tried, and another one only when a schedule has shown that it would make a difference. That is so where two steps of
different strands depend on each other, and nothing between puts them in order, by vector clocks: then the later one, or
one of those that must come before it, is to be tried where the earlier one was. What a step enables (it starts a
strand, or wakes it) comes after it. At a decision where a timer could fire, or a step may touch anything, all are
tried: a timer may be there in one order and not in another.

What a step touches is told by the object of its operation: for a condition that is its lock, for the start of a thread
one object for all, for a join the thread; the step after a lock was released touches nothing. A timer, a pause, a line
or an instruction may touch anything. So the only thing supposed is that whatever else threads share, they touch under a
lock of theirs. Where an event loop runs beside other threads there is no reduction: what they put into it is no
operation.
"""

from interlock.core.primitives.mutex import Mutex
from interlock.core.primitives.select import Choice
from interlock.explore.engine.baton import Strand

LOOK = 2
LINE, AFTER, STEP, PAUSE = 100, 101, 102, 105
Step = tuple[int, int, int]  # who, the operation, the number of the object (0: may touch anything)


def are_independent(one: Step, other: Step) -> bool:
    """Whether it makes no difference which of the two comes first."""
    if one[0] == other[0] or one[2] == 0 or other[2] == 0:
        return False
    return one[2] != other[2] or one[1] == other[1] == LOOK


class Node:
    """A decision: what could go on there, what is to be tried, and what has been tried."""

    def __init__(self, steps: list[Step], sleeping: set[Step], all_of_them: bool) -> None:
        self.steps = steps
        self.sleeping = sleeping
        self.done: set[Step] = set()
        # Whose steps are to be tried; None: all.
        self.wanted: set[int] | None = None
        self.chosen: int = self.next()
        if not all_of_them and self.chosen >= 0:
            self.wanted = {steps[self.chosen][0]}
        # Of the step that is tried now: how many steps of each strand come before it, itself included.
        self.clock: dict[int, int] = {}

    def next(self) -> int:
        """The first option that is left; -1: none."""
        for i, step in enumerate(self.steps):
            if step not in self.done and step not in self.sleeping and (self.wanted is None or step[0] in self.wanted):
                return i
        return -1

    @property
    def step(self) -> Step:
        return self.steps[self.chosen]

    def want(self, who: int) -> None:
        """Try the step of `who` here, too."""
        assert self.wanted is not None
        if any(step[0] == who for step in self.steps):
            self.wanted.add(who)
        else:
            self.wanted = None


class Tree:
    """Says what to choose, schedule after schedule. ``reduce``: whether to leave out what only repeats.

    Attributes: ``is_cut`` (the schedule just run was broken off), ``has_split`` (the same choices led to other options:
    the program is not deterministic).
    """

    def __init__(self, reduce: bool = True) -> None:
        self.reduce = reduce
        self.path: list[Node] = []
        self.has_split: bool = False
        self.saw_loop: bool = False
        self._known = 0  # so many nodes of the path are as in the schedule before, but for the choice of the last
        self.begin()

    def begin(self) -> None:
        """Before each schedule."""
        self.depth: int = 0
        self.is_cut: bool = False
        self._sleeping: set[Step] = set()
        self._numbers: dict[int, int] = {}
        self._kept: list[object] = []  # so that no other object gets its id

    def at(self, options: list[tuple[int, int, object]]) -> int:
        """The choice at a decision, -1 where the schedule is to be broken off."""
        steps = [(who, operation, self._number(who, operation, what)) for who, operation, what in options]
        if self.depth == len(self.path):
            node = Node(steps, self._sleeping, not self.reduce or any(step[2] == 0 for step in steps))
            if node.chosen < 0:
                self.is_cut = True
                return -1
            self.path.append(node)
        node = self.path[self.depth]
        self.depth += 1
        if node.steps != steps:
            self.has_split = True
            return -1
        chosen = node.step
        self._sleeping = (
            {step for step in node.sleeping | node.done if are_independent(step, chosen)} if self.reduce else set()
        )
        return node.chosen

    def pick(self, n: int) -> int:
        """The choice among the callbacks of an event loop: each of them is another schedule."""
        steps = [(-1_000_000 - i, STEP, 0) for i in range(n)]
        if self.depth == len(self.path):
            self.path.append(Node(steps, set(), all_of_them=True))
        node = self.path[self.depth]
        self.depth += 1
        if node.steps != steps:
            self.has_split = True
            return 0
        return node.chosen

    def advance(self) -> bool:
        """Go on to the next schedule. False: that was the last."""
        del self.path[self.depth :]
        if self.reduce:
            self._find_races()
        while self.path:
            node = self.path[-1]
            node.done.add(node.step)
            node.chosen = node.next()
            if node.chosen >= 0:
                self._known = len(self.path) - 1
                return True
            self.path.pop()
        return False

    def _find_races(self) -> None:
        """Which steps of this schedule might come in another order, and where that is to be tried."""
        if self.path and not self.is_cut:
            # The end of the program keeps its daemons from whatever they would have done.
            end = self.path[-1]
            for who, operation, _ in end.steps:
                if who != end.step[0]:
                    self.path.append(Node([(who, operation, 0)], set(), all_of_them=True))
                    self._find_races_of()
                    self.path.pop()
        self._find_races_of()

    def _find_races_of(self) -> None:
        last: dict[int, int] = {}  # by strand: its last step
        enabled: dict[int, int] = {}  # by strand: the step after which it could go on
        there: set[int] = set()
        touched: dict[int, list[int]] = {}  # by object: the steps that touched it
        for j, node in enumerate(self.path):
            now = {step[0] for step in node.steps}
            for who in now - there:
                enabled[who] = j - 1
            there = now
            who, _, what = node.step
            if j >= self._known:
                node.clock = {}
                for k in (last.get(who, -1), enabled[who]):
                    if k >= 0:
                        _join(node.clock, self.path[k].clock)
                if what == 0:
                    earlier = range(j - 1, -1, -1)
                else:
                    earlier = sorted(touched.get(what, []) + touched.get(0, []), reverse=True)  # type: ignore[assignment]
                for i in earlier:
                    first = self.path[i]
                    if are_independent(first.step, node.step) or self._is_before(i, node.clock):
                        continue
                    if first.step[0] != who:
                        self._reverse(i, j)
                    _join(node.clock, first.clock)
                node.clock[who] = j + 1
            last[who] = j
            enabled[who] = -1
            touched.setdefault(what, []).append(j)

    def _is_before(self, i: int, clock: dict[int, int]) -> bool:
        return clock.get(self.path[i].step[0], 0) > i

    def _reverse(self, i: int, j: int) -> None:
        """Steps `i` and `j` might change places: let that be tried where `i` was, if nothing that leads to it is."""
        node = self.path[i]
        if node.wanted is None:
            return
        others = [k for k in range(i + 1, j) if not self._is_before(i, self.path[k].clock)]
        others.append(j)
        first: list[int] = []  # those which may come first of these
        for n, k in enumerate(others):
            # Of `j` what is known by now: all that comes before it of those after `i`.
            if not any(self._is_before(m, self.path[k].clock) for m in others[:n]):
                first.append(self.path[k].step[0])
        if not any(who in node.wanted for who in first):
            node.want(first[-1])

    def _number(self, who: int, operation: int, what: object) -> int:
        if what is None or operation in (LINE, PAUSE) or isinstance(what, Choice):
            return 0
        if operation == STEP and not isinstance(what, Strand):
            self.saw_loop = True
        if operation == AFTER and isinstance(what, Mutex):
            return -1 - who  # what comes after a lock was let go touches nothing that others may touch
        found = self._numbers.get(id(what))
        if found is None:
            found = self._numbers[id(what)] = len(self._numbers) + 1
            self._kept.append(what)
        return found


def _join(clock: dict[int, int], other: dict[int, int]) -> None:
    for who, steps in other.items():
        if clock.get(who, 0) < steps:
            clock[who] = steps
