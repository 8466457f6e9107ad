"""What is made of what clients of a lock wrote down (`worker.py`): who believed to hold it, and can that have happened?

*Beliefs.* A client that was granted the lock believes to hold it

- from the return of `acquire`
- until it began to release, where `release` then said that all was well; else until its last `check` that passed.

`check` and `release` look at the clock of the lease themselves. So this is what a program knows that acts only after a
check, and no pause has to be forgiven: a process that does not run does not check. What it does in a pause between a
check and the act only a token can stop. Two beliefs at one moment are a fault, whatever the machine was busy with.

*Linearizability* (Wing and Gong's search): can it have happened, one operation after the other? An operation took
effect at one moment between its call and its return. A lock is free or held under a token; a grant finds it free and
gives a token above all before; a release finds it held under its token. A hold may expire, at any moment from the last
deadline of its holder on; of one that found it lost, from its last check that passed. It is tried only where it changes
something.
A call that did not return may have happened or not.

The answer is "yes", "no", or "unknown" where the search ran out of steps; that is no pass.
"""

import itertools
from dataclasses import dataclass
from math import inf
from typing import Any

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


Event = dict[str, Any]


@dataclass(frozen=True, order=True)
class Belief:
    start: float
    end: float
    token: int
    who: int


def read(logs: list[list[Event]]) -> tuple[list[Belief], list[Op], dict[int, float]]:
    """Beliefs, operations, and the moment from which each token's hold may expire, of one log for each client."""
    beliefs: list[Belief] = []
    ops: list[Op] = []
    deadlines: dict[int, float] = {}
    for who, log in enumerate(logs):
        asked = sure = granted = begun = inf
        for event in log:
            op, at, token = event["op"], event.get("t", inf), event.get("token", 0)
            if op == "ask":
                asked = at
            elif op == "grant":
                granted, sure, begun = at, at, inf
                ops.append(Op("grant", token, asked, granted))
                beliefs.append(Belief(granted, sure, token, who))
                deadlines[token] = event["deadline"]
            elif op in ("held", "releasing", "released"):
                if op == "releasing":
                    begun = at
                    # Others may learn of it from now on, whether it is answered or not.
                    ops.append(Op("release", token, begun, inf))
                else:
                    sure = at if op == "held" else begun
                    beliefs[-1] = Belief(granted, sure, token, who)
                if op == "released":
                    ops[-1] = Op("release", token, begun, at)
                else:
                    deadlines[token] = max(deadlines[token], event["deadline"])
            elif op == "lost":
                # No release is needed to explain what follows: the process gives up by itself what it is told to have
                # lost, at any moment after the last check that passed.
                ops.pop()
                deadlines[token] = min(deadlines[token], sure)
    return sorted(beliefs), ops, deadlines


def both_believe(beliefs: list[Belief]) -> list[str]:
    """Each pair that held the lock at the same moment, in words."""
    wrong = []
    beliefs = [belief for belief in beliefs if belief.start < belief.end]
    for at, one in enumerate(beliefs):
        for other in beliefs[at + 1 :]:
            if other.start >= one.end:
                break
            both = min(one.end, other.end) - other.start
            them = f"{one.who} under {one.token} and {other.who} under {other.token}"
            wrong.append(f"{them} both believe for {both:.3f} s")
    return wrong


def verdict(logs: list[list[Event]]) -> list[str]:
    """What is wrong with what the clients saw, in words."""
    beliefs, ops, deadlines = read(logs)
    wrong = both_believe(beliefs)
    answer = linearizable(ops, deadlines)
    if answer != "yes":
        wrong.append(f"the history is not linearizable: {answer}")
    return wrong
