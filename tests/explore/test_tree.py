"""Every schedule: the reduction loses no outcome, and nothing is said that is not so."""

import asyncio
import contextlib
import functools
import itertools
import random
import threading
import time

import pytest

import interlock
from interlock import RWLock
from interlock.explore import Undecided
from interlock.explore.explorer import TREE, Explorer
from interlock.explore.tree import Tree, are_independent


def outcomes(function, reduce, most=60_000):
    """What each schedule came to, in all schedules, and how many there were; None where there are more than `most`."""
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
            if count == most:
                return None, count


def run(*functions):
    threads = [threading.Thread(target=each) for each in functions]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


OPERATIONS = (
    "first", "second", "both", "both back", "set", "clear", "look", "wait for it", "permit", "give", "wait", "notify",
    "put", "get", "try to get", "locked", "meet", "select", "start", "read", "write",
)  # fmt: skip
TIMED = ("wait for it a moment", "sleep", "first in time")


def random_program(seed, timed=False):
    """Two or three threads that do a few operations, and what came of it: ``outcome``."""
    draw = random.Random(seed)
    count = draw.choice([2, 2, 3])
    kinds = draw.sample(OPERATIONS, draw.randint(2, 6)) + ([draw.choice(TIMED)] if timed else [])
    plans = [[draw.choice(kinds) for _ in range(draw.randint(1, 3 if count == 2 else 2))] for _ in range(count)]

    def program():
        first, second, permits, event = threading.Lock(), threading.Lock(), threading.Semaphore(1), threading.Event()
        condition, queue, barrier, shared = threading.Condition(), interlock.Queue(1), threading.Barrier(2), RWLock()
        log = []

        def do(me, what):
            note = functools.partial(log.append)
            own = f"of {me}"
            if what in ("first", "second", "both", "both back"):
                locks = {"first": first, "second": second}
                names = [what] if what in locks else [*locks] if what == "both" else [*reversed(locks)]
                with contextlib.ExitStack() as stack:
                    for name in names:
                        stack.enter_context(locks[name])
                        note((name, me))
            elif what in ("set", "clear"):
                getattr(event, what)()
            elif what == "look":
                note((own, event.is_set()))
            elif what == "wait for it":
                event.wait()
            elif what == "permit":
                note((own, permits.acquire(blocking=False)))
            elif what == "give":
                permits.release()
            elif what == "wait":
                with condition:
                    condition.wait()
                    note(("condition", me))
            elif what == "notify":
                with condition:
                    condition.notify()
                    note(("condition", me))
            elif what == "put":
                queue.put(me)
            elif what == "get":
                note((own, queue.get()))
            elif what == "try to get":
                try:
                    note((own, queue.get_nowait()))
                except interlock.Empty:
                    note((own, None))
            elif what == "locked":
                note((own, first.locked()))
            elif what == "meet":
                barrier.wait()
            elif what == "select":
                note((own, interlock.select(queue.getting(), event.waiting())))
            elif what == "start":
                run(lambda: do(me + 10, "first"))
            elif what == "read":
                with shared.read():
                    pass
            elif what == "write":
                with shared.write():
                    note(("shared", me))
            elif what == "wait for it a moment":
                note((own, event.wait(0.01)))
            elif what == "sleep":
                time.sleep(0.01)
            elif what == "first in time":
                got = first.acquire(timeout=0.01)
                note((own, got))
                if got:
                    first.release()

        run(*[functools.partial(lambda i: [do(i, each) for each in plans[i]], i) for i in range(count)])
        # In which order each object was used: what is independent may stand in any order.
        program.outcome = tuple(tuple(x for x in log if x[0] == name) for name in sorted({x[0] for x in log}))

    return program


def assert_reduction_loses_nothing(seed, timed=False):
    program = random_program(seed, timed)
    whole, every = outcomes(program, reduce=False)
    reduced, fewer = outcomes(program, reduce=True)
    assert whole is not None
    assert reduced == whole
    assert fewer <= every


# Those with few schedules; tests/slow has others.
@pytest.mark.parametrize(("seed", "timed"), [(16, False), (40, False), (104, False), (50, True), (52, True)])
def test_the_reduction_loses_no_outcome(seed, timed):
    assert_reduction_loses_nothing(seed, timed)


def test_a_step_that_nobody_waits_for_is_tried_early():
    """A daemon that would come after the end of the program may come before it."""
    seen = set()

    def program():
        event = threading.Event()
        threading.Thread(target=event.set, daemon=True).start()
        seen.add(event.is_set())

    assert interlock.explore(program, at="sync", all=True, schedules=None).complete
    assert seen == {False, True}


def test_no_order_is_begun_in_vain():
    found = interlock.explore(increments(2, 2), at="sync", all=True, schedules=None)
    assert found.complete
    assert found.cut == 0


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
