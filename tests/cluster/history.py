"""Whether what clients of a lock saw can have happened, one operation after the other (Wing and Gong's search).

An operation took effect at one moment between its call and its return. A lock is free or held under a token; a grant
finds it free and gives a token above all before; a release finds it held under its token. A hold may expire, at
any moment from the last deadline of its holder on, or from when that was told, who gives up then: an operation that is
tried only where it changes something. A call that did not return may have happened or not.

The answer is "yes", "no", or "unknown" where the search ran out of steps; that is no pass.
"""

import itertools
from dataclasses import dataclass
from math import inf

STEPS = 200_000


@dataclass(frozen=True)
class Op:
    kind: str  # "grant", "release"
    token: int
    start: float
    end: float  # inf: it did not return


def linearizable(ops: list[Op], deadlines: dict[int, float]) -> str:
    """``deadlines``: of each token, the moment from which its hold may expire."""
    ops = sorted(ops, key=lambda op: op.start)
    everything = (1 << len(ops)) - 1
    must = sum(1 << i for i, op in enumerate(ops) if op.end < inf)
    seen: dict[tuple[int, int, int], float] = {}  # and the earliest moment at which it was come to
    # done, held under (0: free), last token, not before
    stack: list[tuple[int, int, int, float]] = [(0, 0, 0, -inf)]
    for _ in itertools.repeat(None, STEPS):
        if not stack:
            return "no"
        done, held, last, at = stack.pop()
        if done & must == must:
            return "yes"
        if seen.get((done, held, last), inf) <= at:
            continue
        seen[done, held, last] = at
        # The next one begins before any other that is left has returned.
        horizon = min((op.end for i, op in enumerate(ops) if not done >> i & 1), default=inf)
        for i, op in enumerate(ops):
            if done >> i & 1 or op.start > horizon:
                continue
            then = max(at, op.start)
            if op.kind == "grant":
                expires = deadlines.get(held, inf)
                if op.token > last and (held == 0 or max(then, expires) <= horizon):
                    stack.append((done | 1 << i, op.token, op.token, then if held == 0 else max(then, expires)))
            elif held == op.token:
                stack.append((done | 1 << i, 0, last, then))
        assert done <= everything
    return "unknown"
