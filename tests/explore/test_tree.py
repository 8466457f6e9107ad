"""Every schedule: the reduction loses no outcome, and nothing is said that is not so."""

import asyncio
import itertools
import random
import threading

import pytest

import interlock
from interlock.explore import Undecided
from interlock.explore.explorer import TREE, Explorer
from interlock.explore.tree import Tree, are_independent


def outcomes(function, reduce):
    """What each schedule came to, in all schedules."""
    seen = set()
    explorer = Explorer(function, at="sync")
    count = 0
    with explorer:
        explorer.run(0)
        tree = Tree(reduce)
        while True:
            tree.begin()
            explorer.baton.tree = tree
            outcome = explorer.run(TREE)
            explorer.baton.tree = None
            count += 1
            assert not tree.has_split
            if not tree.is_cut:
                seen.add(function.outcome if outcome.failure is None else outcome.failure[0])
            if not tree.advance():
                return seen, count
            assert count < 60_000


def random_program(seed):
    """Two threads that do a few operations, and what came of it."""
    draw = random.Random(seed)
    plans = [
        [draw.choice(["first", "second", "set", "clear", "look", "permit"]) for _ in range(draw.randint(1, 2))]
        for _ in range(2)
    ]

    def program():
        locks = {"first": threading.Lock(), "second": threading.Lock()}
        event = threading.Event()
        permits = threading.Semaphore(1)
        log = []

        def work(me, plan):
            for each in plan:
                if each in locks:
                    with locks[each]:
                        log.append((each, me))
                elif each == "permit":
                    if permits.acquire(blocking=False):
                        log.append(("permit", me))
                elif each == "look":
                    log.append(("event", event.is_set()))
                else:
                    getattr(event, each)()

        threads = [threading.Thread(target=work, args=(i, plan)) for i, plan in enumerate(plans)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        # In which order each object was used: what is independent may stand in any order.
        program.outcome = tuple(
            tuple(x for x in log if x[0] == name) for name in ("first", "second", "event", "permit")
        )

    return program


def assert_reduction_loses_nothing(seed):
    program = random_program(seed)
    whole, every = outcomes(program, reduce=False)
    reduced, fewer = outcomes(program, reduce=True)
    assert reduced == whole
    assert fewer <= every


@pytest.mark.parametrize("seed", [1, 3, 4])  # those with few schedules; tests/slow has others
def test_the_reduction_loses_no_outcome(seed):
    assert_reduction_loses_nothing(seed)


def increments(workers, times):
    def program():
        lock = threading.Lock()
        box = [0]

        def work():
            for _ in range(times):
                with lock:
                    box[0] += 1

        threads = [threading.Thread(target=work) for _ in range(workers)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert box[0] == workers * times

    return program


def test_all_orders_of_a_small_program():
    found = interlock.explore(increments(2, 1), at="sync", all=True, schedules=None)
    assert found.complete
    assert "holds" in found.story
    assert "supposing that what threads share is touched only under its locks" in found.story


@pytest.mark.parametrize("order", ["tasks", "fifo"])
def test_all_orders_of_tasks_that_use_no_primitive(order):
    seen = set()

    def program():
        async def main():
            log = []

            async def work(name):
                await asyncio.sleep(0)
                log.append(name)

            await asyncio.gather(*map(work, "abc"))
            seen.add("".join(log))

        asyncio.run(main())

    found = interlock.explore(program, at="sync", all=True, schedules=None, order=order)
    assert found.complete
    assert seen == (set(map("".join, itertools.permutations("abc"))) if order == "tasks" else {"abc"})


def test_a_limit_is_no_proof():
    with pytest.raises(Undecided, match="there are more"):
        interlock.explore(increments(2, 3), at="sync", all=True, schedules=50)


def test_what_may_change_places():
    lock, event = 1, 2
    assert are_independent((1, 0, lock), (2, 3, event))
    assert not are_independent((1, 0, lock), (2, 1, lock))
    assert not are_independent((1, 0, lock), (1, 3, event))
    assert are_independent((1, 2, event), (2, 2, event))
    assert not are_independent((1, 0, 0), (2, 3, event))
