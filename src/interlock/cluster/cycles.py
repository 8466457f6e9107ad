"""Parties on whatever machines that wait for each other in a cycle, found in what an engine says at one moment.

Only waits for all holders count: at a lock, and at an RWLock. A party that waits for a permit of a semaphore may get
any of them, and an event or a barrier says nothing of who will come. A wait that has a timeout ends by itself. It is
still told and never raised: a lock may be released by another party than the one that took it.
"""

from __future__ import annotations

from dataclasses import dataclass

from interlock.cluster.client import Remote, Seen

KINDS = frozenset({"lock", "rlock", "rwlock"})


@dataclass(frozen=True, slots=True)
class Edge:
    """``waiter`` waits for ``name``, which ``holder`` holds."""

    waiter: Remote
    name: str
    holder: Remote


def find(seen: list[Seen]) -> list[list[Edge]]:
    """All cycles that share no party with an earlier one."""
    edges: dict[tuple[str, int], list[Edge]] = {}
    for record in seen:
        if record.kind in KINDS:
            for waiter in record.waiters:
                if not waiter.timed and waiter.left > 0:
                    edges.setdefault(who(waiter), []).extend(
                        Edge(waiter, record.name, holder) for holder in record.holders if holder.left > 0
                    )
    found: list[list[Edge]] = []
    done: set[tuple[str, int]] = set()
    for start in edges:
        path: list[Edge] = []
        cycle = walk(start, start, edges, path, set(), done)
        if cycle:
            found.append(path)
            done.update(who(edge.waiter) for edge in path)
    return found


def walk(
    at: tuple[str, int],
    goal: tuple[str, int],
    edges: dict[tuple[str, int], list[Edge]],
    path: list[Edge],
    visited: set[tuple[str, int]],
    done: set[tuple[str, int]],
) -> bool:
    if at in visited or at in done:
        return False
    visited.add(at)
    for edge in edges.get(at, []):
        path.append(edge)
        if who(edge.holder) == goal or walk(who(edge.holder), goal, edges, path, visited, done):
            return True
        path.pop()
    return False


def who(party: Remote) -> tuple[str, int]:
    return party.session, party.party
