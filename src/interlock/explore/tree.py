"""Every schedule there is, depth first, and of those that only swap what does not matter mostly one.

A *step* of a strand is the operation it stands before and all that it does until its next point. Two steps of different
strands are independent where they touch different primitives, or only look: their order makes no difference. *Sleep
sets* (Godefroid) use that: when a step has been tried at a decision and another one is tried there, the first one
sleeps, and it goes on sleeping as long as only steps follow that are independent of it: whatever begins with it has
been seen. A schedule in which all that could go on sleep is broken off.

What a step touches is told by the object of its operation: for a condition that is its lock, for the start of a thread
one object for all, for a join the thread; the step after a lock was released touches nothing. A timer, a pause, a line
or an instruction may touch anything. So the only thing supposed is that whatever else threads share, they touch under a
lock of theirs. Where an event loop runs beside other threads there is no reduction: what they put into it is no
operation.
"""

from interlock.core.primitives.mutex import Mutex
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
    """A decision: what could go on there, and what has been tried."""

    def __init__(self, steps: list[Step], sleeping: set[Step], is_pick: bool = False) -> None:
        self.steps = steps
        self.sleeping = sleeping
        self.done: set[Step] = set()
        self.is_pick = is_pick
        self.chosen: int = self.next()

    def next(self) -> int:
        """The first option that is left; -1: none."""
        for i, step in enumerate(self.steps):
            if step not in self.done and step not in self.sleeping:
                return i
        return -1


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
            node = Node(steps, self._sleeping)
            if node.chosen < 0:
                self.is_cut = True
                return -1
            self.path.append(node)
        node = self.path[self.depth]
        self.depth += 1
        if node.steps != steps:
            self.has_split = True
            return -1
        chosen = steps[node.chosen]
        self._sleeping = (
            {step for step in node.sleeping | node.done if are_independent(step, chosen)} if self.reduce else set()
        )
        return node.chosen

    def pick(self, n: int) -> int:
        """The choice among the callbacks of an event loop: each of them is another schedule."""
        steps = [(-1_000_000 - i, STEP, 0) for i in range(n)]
        if self.depth == len(self.path):
            self.path.append(Node(steps, set(), is_pick=True))
        node = self.path[self.depth]
        self.depth += 1
        if node.steps != steps:
            self.has_split = True
            return 0
        return node.chosen

    def advance(self) -> bool:
        """Go on to the next schedule. False: that was the last."""
        del self.path[self.depth :]
        while self.path:
            node = self.path[-1]
            node.done.add(node.steps[node.chosen])
            node.chosen = node.next()
            if node.chosen >= 0:
                return True
            self.path.pop()
        return False

    def _number(self, who: int, operation: int, what: object) -> int:
        if what is None or operation in (LINE, PAUSE):
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
