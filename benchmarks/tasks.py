"""Tasks of one loop that hand something back and forth, wait together, or fight for one thing.

The loop never waits for anything from outside, so it is the processor's time that is taken.
"""

import functools
from collections.abc import Callable
from typing import Any

from benchmarks.figures import Figure, own
from benchmarks.libraries import (
    ASYNC_BARRIER,
    ASYNC_CONDITION,
    ASYNC_EVENT,
    ASYNC_LOCK,
    ASYNC_PERMITS,
    ASYNC_SEMAPHORE,
    Make,
    under,
)
from benchmarks.threads import given, measures

PARTIES = 8
SLEEPERS = 64


def timed(loop: Any, body: Callable[[], Any]) -> float:
    """Seconds that `body` takes in a new loop."""

    async def main() -> float:
        began = own()
        await body()
        return own() - began

    return float(loop.run(main))


def passing_permits(permits: Make, loop: Any, count: int) -> float:
    times = max(1, count // 2)

    async def body() -> None:
        (take_ping, give_ping), (take_pong, give_pong) = permits(), permits()

        async def answer() -> None:
            for _ in range(times):
                await take_ping()
                give_pong()

        async def ask() -> None:
            for _ in range(times):
                give_ping()
                await take_pong()

        await loop.together(answer, ask)

    return timed(loop, body) * count / (2 * times)


def passing_events(event: Make, loop: Any, count: int) -> float:
    times = max(1, count // 2)

    async def body() -> None:
        (wait_ping, set_ping, clear_ping), (wait_pong, set_pong, clear_pong) = event(), event()

        async def answer() -> None:
            for _ in range(times):
                await wait_ping()
                clear_ping()
                set_pong()

        async def ask() -> None:
            for _ in range(times):
                set_ping()
                await wait_pong()
                clear_pong()

        await loop.together(answer, ask)

    return timed(loop, body) * count / (2 * times)


def passing_turns(condition: Make, loop: Any, count: int) -> float:
    times = max(1, count // 2)

    async def body() -> None:
        guard, wait, notify, _ = condition()
        turn = 0

        async def play(mine: int) -> None:
            nonlocal turn
            for _ in range(times):
                async with guard:
                    while turn != mine:
                        await wait()
                    turn = 1 - mine
                    notify()

        await loop.together(functools.partial(play, 1), functools.partial(play, 0))

    return timed(loop, body) * count / (2 * times)


def meeting(barrier: Make, loop: Any, parties: int, count: int) -> float:
    """Rounds of a barrier."""

    async def body() -> None:
        wait = barrier(parties)

        async def come() -> None:
            for _ in range(count):
                await wait()

        await loop.together(*[come] * parties)

    return timed(loop, body)


def notifying_all(condition: Make, loop: Any, sleepers: int, count: int) -> float:
    """From `notify_all` until all have woken and wait again. The task that notifies runs when all others wait."""

    async def body() -> None:
        guard, wait, _, notify_all = condition()
        waiting = 0
        over = False
        step = loop.step

        async def sleep() -> None:
            nonlocal waiting
            async with guard:
                while not over:
                    waiting += 1
                    await wait()

        async def notify() -> None:
            nonlocal waiting, over
            for turn in range(count + 1):
                while waiting < sleepers:
                    await step()
                async with guard:
                    waiting = 0
                    over = turn == count
                    notify_all()

        await loop.together(*[sleep] * sleepers, notify)

    return timed(loop, body)


def fighting(guards: Make, loop: Any, inside: bool, count: int) -> float:
    """`PARTIES` tasks in a loop around one of them; each lets the others run while it holds it, or between."""
    times = max(1, count // PARTIES)
    step = loop.step

    async def body() -> None:
        guard = guards()

        async def fight_inside() -> None:
            for _ in range(times):
                async with guard:
                    await step()

        async def fight_outside() -> None:
            for _ in range(times):
                async with guard:
                    pass
                await step()

        await loop.together(*[fight_inside if inside else fight_outside] * PARTIES)

    return timed(loop, body) * count / (times * PARTIES)


def figures(loop: Any) -> list[Figure]:
    found = []

    def add(operation: str, situation: str, function: Callable[..., float], table: dict[str, Make], *more: Any) -> None:
        made = measures(function, under(loop.name, table), loop, *more)
        party = "task" if situation == "ping-pong" else "tasks"
        found.append(Figure(operation, situation, f"{loop.name} {party}", made))

    add("Semaphore, hand-off", "ping-pong", passing_permits, given(ASYNC_PERMITS, 0))
    add("Event, hand-off", "ping-pong", passing_events, ASYNC_EVENT)
    add("Condition, hand-off", "ping-pong", passing_turns, ASYNC_CONDITION)
    add("Barrier(4), round", "4 tasks", meeting, ASYNC_BARRIER, 4)
    add("Condition, notify_all", "64 tasks wait", notifying_all, ASYNC_CONDITION, SLEEPERS)
    for primitive, table in (("Lock", ASYNC_LOCK), ("Semaphore", given(ASYNC_SEMAPHORE, 2))):
        for inside in (True, False):
            where = "inside" if inside else "outside"
            add(f"{primitive}, async with", f"8 tasks, others run {where}", fighting, table, inside)
    return found
