"""Deadlocks: each is reported in the party that closes the cycle, every time, with the right story."""

import asyncio
import gc
import inspect
import re
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import trio
from parties import PATIENCE, Outcome, Parties, ThreadParty, blocked, fail_with_stacks, needs_signals, wait_until

import interlock
from interlock import Condition, DeadlockError, Lock, RLock, RWLock
from interlock.core.tasks.task import current_party

AGAIN = range(20)  # a deadlock is found every time
RULES = {"Lock": Lock, "RLock": RLock}


class Holder:
    """A thread that enters `first`, and then, when it is told to, `second`."""

    def __init__(self, first: Any, second: Any, name: str = "holder"):
        self.first, self.second = first, second
        self.entered, self.go_on = threading.Event(), threading.Event()
        self.error: BaseException | None = None
        self.thread = threading.Thread(target=self.run, name=name, daemon=True)
        self.thread.start()
        assert self.entered.wait(PATIENCE)

    def run(self) -> None:
        try:
            with self.first:
                self.entered.set()
                self.go_on.wait()
                with self.second:
                    pass
        except DeadlockError as error:
            self.error = error

    def block(self, at: Any) -> None:
        """Return when it waits for `second`."""
        self.go_on.set()
        blocked(at, 1)

    def end(self) -> None:
        self.go_on.set()
        self.thread.join(PATIENCE)
        if self.thread.is_alive():
            fail_with_stacks("still blocked")


def line_of(text: str, function: Callable[..., Any]) -> str:
    """`file:line` of the only line of a function that contains `text`."""
    lines, first = inspect.getsourcelines(function)
    (number,) = [first + i for i, line in enumerate(lines) if line.rstrip().endswith(text)]
    return f"{number}"


@contextmanager
def unchanged(*primitives: Any) -> Iterator[None]:
    """A wait that is refused leaves no trace."""
    before = [(repr(primitive), primitive.waiters) for primitive in primitives]
    yield
    assert [(repr(primitive), primitive.waiters) for primitive in primitives] == before


# --- two parties --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("first", RULES)
@pytest.mark.parametrize("second", RULES)
def test_two_locks_in_two_orders(first: str, second: str) -> None:
    for _ in AGAIN:
        mine, other = RULES[first](name="mine"), RULES[second](name="other")
        holder = Holder(other, mine)
        with mine:
            holder.block(mine)
            with unchanged(mine, other), pytest.raises(DeadlockError):
                other.acquire()
        holder.end()
        assert holder.error is None


def test_the_story() -> None:
    accounts, audit = Lock(name="accounts"), RLock()
    holder = Holder(audit, accounts, name="auditor")

    def cross() -> None:
        with accounts:  # taken here
            holder.block(accounts)
            with audit:  # waits here
                pass

    with pytest.raises(DeadlockError) as raised:
        cross()
    holder.end()
    here = "test_deadlock.py"
    taken = line_of("# taken here", test_the_story)
    waits = line_of("# waits here", test_the_story)
    holds = line_of("with self.first:", Holder.run)
    wants = line_of("with self.second:", Holder.run)
    story = re.sub(r"\S*test_deadlock.py", here, str(raised.value))
    assert story == (
        "this wait would never end: two wait for each other in a cycle\n"
        "\n"
        "MainThread (here)\n"
        f"    holds Lock 'accounts', taken at {here}:{taken} in cross\n"
        "        with accounts:  # taken here\n"
        f"    waits for RLock self.first, at {here}:{waits} in cross\n"
        "        with audit:  # waits here\n"
        "\n"
        "auditor\n"
        f"    holds RLock self.first, taken at {here}:{holds} in run\n"
        "        with self.first:\n"
        f"    waits for Lock 'accounts', at {here}:{wants} in run\n"
        "        with self.second:\n"
        "\n"
        "Both take Lock 'accounts' and RLock self.first: take them in one order everywhere."
    )


def test_locks_of_one_name_in_the_source_are_told_apart() -> None:
    accounts = [Lock(), Lock()]
    both = threading.Barrier(2)
    errors = []

    def transfer(source: Any, target: Any) -> None:
        try:
            with source:
                both.wait()
                with target:
                    pass
        except DeadlockError as error:
            errors.append(str(error))

    threads = [threading.Thread(target=transfer, args=order) for order in (accounts, accounts[::-1])]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE)
    (story,) = errors
    assert "Both take Lock source (1) and Lock source (2): take them in one order everywhere." in story
    assert re.search(r"holds Lock source \(1\), .*\n.*\n    waits for Lock source \(2\), ", story)
    assert re.search(r"holds Lock source \(2\), .*\n.*\n    waits for Lock source \(1\), ", story)


def test_a_lock_taken_twice() -> None:
    lock = Lock(name="twice")
    with lock, unchanged(lock), pytest.raises(DeadlockError) as raised:
        lock.acquire()
    assert "MainThread waits for what it holds itself" in str(raised.value)
    assert "use an RLock" in str(raised.value)


def test_what_was_taken_by_acquire_shows_its_line() -> None:
    mine, other = RLock(name="mine"), Lock(name="other")
    holder = Holder(other, mine)
    mine.acquire()  # by acquire
    try:
        holder.block(mine)
        with pytest.raises(DeadlockError) as raised:
            other.acquire()
    finally:
        mine.release()
    holder.end()
    line = line_of("# by acquire", test_what_was_taken_by_acquire_shows_its_line)
    assert f"test_deadlock.py:{line} in test_what_was" in str(raised.value)


def test_several_in_one_with() -> None:
    a, b, c = Lock(name="a"), RLock(name="b"), Lock(name="c")
    holder = Holder(c, b)

    def all_of_them() -> None:
        with a, b, c:
            pass

    def wait() -> None:
        with a, b:
            holder.block(b)
            c.acquire()

    with pytest.raises(DeadlockError, match=r"holds RLock 'b', taken at .*\n.*with a, b:"):
        wait()
    holder.end()
    all_of_them()


def test_the_last_arriver_is_told_and_nobody_else() -> None:
    for _ in AGAIN:
        locks = [Lock(), Lock()]
        both = threading.Barrier(2)
        errors: list[BaseException] = []

        def cross(mine: int, locks: Any = locks, both: Any = both, errors: Any = errors) -> None:
            try:
                with locks[mine]:
                    both.wait()
                    with locks[1 - mine]:
                        pass
            except DeadlockError as error:
                errors.append(error)

        threads = [threading.Thread(target=cross, args=(i,), daemon=True) for i in range(2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(PATIENCE)
            assert not thread.is_alive()
        assert len(errors) == 1


# --- more ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("count", [3, 4, 40])
def test_many_in_a_cycle(count: int) -> None:
    locks = [RLock(name=f"lock {i}") if i % 2 else Lock(name=f"lock {i}") for i in range(count)]
    holders = [Holder(locks[i], locks[i + 1], name=f"party {i}") for i in range(count - 1)]
    with locks[-1]:
        for i, holder in enumerate(holders):
            holder.block(locks[i + 1])
        with pytest.raises(DeadlockError) as raised:
            locks[0].acquire()
    for holder in holders:
        holder.end()
    story = str(raised.value)
    assert all(f"party {i}\n" in story for i in range(count - 1))
    assert story.index("party 0\n") < story.index("party 1\n")
    many = {3: "three", 4: "four"}.get(count, str(count))
    assert f"{many} wait for each other in a cycle" in story


def test_who_only_waits_for_a_cycle_is_not_in_it() -> None:
    """One behind waits on: the cycle is refused, and it gets its turn."""
    a, b = Lock(), Lock()
    holder = Holder(b, a)
    with a:
        holder.block(a)
        behind = Holder(Lock(), b, name="behind")
        behind.block(b)
        with pytest.raises(DeadlockError) as raised:
            b.acquire()
    holder.end()
    behind.end()
    assert behind.error is None
    assert "behind" not in str(raised.value)


# --- readers and writers ------------------------------------------------------------------------------------------


def test_a_reader_that_wants_to_write() -> None:
    lock = RWLock()
    with lock.read(), unchanged(lock), pytest.raises(DeadlockError, match="leave read"):
        lock.write().acquire()


@pytest.mark.parametrize("kind", ["read", "write"])
def test_a_side_and_a_lock(kind: str) -> None:
    for _ in AGAIN:
        data, lock = RWLock(name="data"), Lock(name="lock")
        holder = Holder(getattr(data, kind)(), lock)
        with lock:
            holder.block(lock)
            with unchanged(data, lock), pytest.raises(DeadlockError) as raised:
                data.write().acquire()
        holder.end()
        assert "holds RWLock 'data', taken at" in str(raised.value)


def test_a_writer_waits_for_all_readers() -> None:
    """Any one of them may be the one that never leaves."""
    data, lock = RWLock(), Lock()
    others = [data.read() for _ in range(30)]
    party = ThreadParty("reader")
    for side in others:
        party.do(side.acquire)
    holder = Holder(data.read(), lock)
    with lock:
        holder.block(lock)
        with pytest.raises(DeadlockError):
            data.write().acquire()
    holder.end()
    for side in others:
        party.do(side.release)
    party.end()


def test_a_reader_behind_a_writer() -> None:
    """It waits for the reader before the writer: strictly first come first served."""
    data, lock = RWLock(), Lock()
    holder = Holder(data.read(), lock)
    writer = Holder(Lock(), data.write(), name="writer")
    with lock:
        holder.block(lock)
        writer.block(data)
        with pytest.raises(DeadlockError):
            data.read().acquire()
    holder.end()
    writer.end()


def test_two_that_read_one_and_write_the_other() -> None:
    left, right = RWLock(), RWLock()
    holder = Holder(left.read(), right.write())
    with right.read():
        holder.block(right)
        with pytest.raises(DeadlockError):
            left.write().acquire()
    holder.end()


# --- conditions ---------------------------------------------------------------------------------------------------


def test_a_notified_waiter_comes_back_to_a_lock_that_waits_for_its_other_one() -> None:
    for _ in AGAIN:
        outer, condition = Lock(name="outer"), Condition(name="news")

        class Waiting:
            def __enter__(self, condition: Any = condition) -> None:
                with condition:
                    condition.wait()

            def __exit__(self, *details: object) -> None:
                pass

        holder = Holder(outer, Waiting())
        holder.block(condition)
        with condition:
            condition.notify()
            with pytest.raises(DeadlockError, match="back after Condition 'news' was notified"):
                outer.acquire()
        holder.end()


def test_a_waiter_whose_time_is_up_wants_the_lock_back_for_ever() -> None:
    """A timed wait is no edge; to get the lock back afterwards is."""
    outer, condition = Lock(), Condition()
    errors: list[BaseException] = []

    def wait() -> None:
        try:
            with outer, condition:
                condition.wait(timeout=1.0)  # a busy machine may not run us for a while
        except DeadlockError as error:
            errors.append(error)

    waiter = threading.Thread(target=wait, daemon=True)
    waiter.start()
    blocked(condition, 1)
    with condition:
        # Whoever comes last is told: the waiter that comes back, or this one.
        try:
            outer.acquire()
        except DeadlockError as error:
            errors.append(error)
        else:
            outer.release()
    waiter.join(PATIENCE)
    assert not waiter.is_alive()
    assert len(errors) == 1


# --- join ---------------------------------------------------------------------------------------------------------


def test_join_of_one_who_waits_for_what_the_joiner_holds() -> None:
    for _ in AGAIN:
        lock = Lock(name="lock")
        with interlock.install():
            holder = Holder(Lock(), lock, name="joined")
            with lock:
                holder.block(lock)
                with unchanged(lock), pytest.raises(DeadlockError) as raised:
                    holder.thread.join()
        holder.end()
        assert "waits for the end of joined" in str(raised.value)
        assert "Leave Lock 'lock' before join()." in str(raised.value)


def test_one_who_is_joined_comes_to_wait_for_the_joiner() -> None:
    lock = Lock(name="lock")
    with interlock.install():
        holder = Holder(Lock(), lock, name="joined")

        def join() -> None:
            with lock:
                joining.set()
                holder.thread.join()

        joining = threading.Event()
        joiner = threading.Thread(target=join, name="joiner", daemon=True)
        joiner.start()
        joining.wait()
        wait_until(lambda: is_joining(joiner), "the joiner joins")
        holder.go_on.set()
        joiner.join(PATIENCE)
        assert not joiner.is_alive()
    assert isinstance(holder.error, DeadlockError)
    assert "waits for the end of joined" in str(holder.error)


def is_joining(thread: threading.Thread) -> bool:
    parties = interlock.snapshot()["parties"]
    return any(p["waits"] and p["waits"]["primitive"]["kind"] == "Join" for p in parties if p["name"] == thread.name)


# --- owners that cannot come back ---------------------------------------------------------------------------------


def end_holding(take: Callable[[], object]) -> None:
    """Let a thread take something and end."""
    thread = threading.Thread(target=take, name="gone")
    thread.start()
    thread.join()


@pytest.mark.parametrize("way", ["RLock", "reader", "writer"])
def test_waiters_learn_that_the_owner_has_ended(parties: Parties, way: str) -> None:
    """They are parked already when it ends; all of them learn it."""
    data = RWLock()
    lock: Any = {"RLock": RLock()}.get(way, data)
    take: Any = {"reader": data.read(), "writer": data.write()}.get(way, lock).__enter__
    owner, *others = parties(3)
    owner.do(take)
    waiting = [party.begin(data.write().acquire if lock is data else lock.acquire) for party in others]
    blocked(lock, 2)
    began = time.monotonic()
    owner.end()
    for outcome in waiting:
        error = outcome.error()
        assert isinstance(error, DeadlockError), error
        assert "thread that has ended" in str(error)
    assert time.monotonic() - began < PATIENCE


def test_notified_waiters_learn_that_the_notifier_has_ended(parties: Parties) -> None:
    condition = Condition()
    waiters = parties(3)

    def wait() -> None:
        with condition:
            condition.wait()

    waiting: list[Outcome] = [party.begin(wait) for party in waiters]
    blocked(condition, 3)

    def notify() -> None:
        condition.acquire()
        condition.notify_all()

    end_holding(notify)
    for outcome in waiting:
        assert isinstance(outcome.error(), DeadlockError)


def test_notified_waiters_learn_that_the_loop_of_the_notifier_was_closed(parties: Parties) -> None:
    """They sleep in the queue of a lock whose owner will never release it, and nobody else waits for it."""
    condition = Condition()
    loop = asyncio.new_event_loop()
    kept: list[asyncio.Task[None]] = []
    owner, *waiters = parties(4)

    def wait() -> None:
        with condition:
            condition.wait()

    async def wait_async() -> None:
        async with condition:
            await condition.wait_async()

    waiting = [waiter.begin(wait) for waiter in waiters[:2]]
    waiting.append(waiters[2].begin(lambda: asyncio.run(wait_async())))
    blocked(condition, 3)

    async def notify() -> None:
        await RLock.__aenter__(condition._lock)
        condition.notify_all()
        await asyncio.sleep(3600)

    async def begin() -> None:
        kept.append(asyncio.ensure_future(notify()))
        while condition.waiters:
            await asyncio.sleep(0)

    owner.do(lambda: loop.run_until_complete(begin()))
    owner.do(loop.close)
    for outcome in waiting:
        error = outcome.error()
        assert isinstance(error, DeadlockError), error
        assert "whose loop was closed" in str(error)
    kept[0]._log_destroy_pending = False  # type: ignore[attr-defined]
    kept.clear()
    gc.collect()


def test_newcomers_learn_it_too() -> None:
    lock = RLock(name="left")
    parties = []
    end_holding(lambda: parties.append(current_party()) or lock.acquire())
    wait_until(lambda: parties[0].ended, "the owner has ended")
    with pytest.raises(DeadlockError, match="gone can never release it"):
        lock.acquire()


# --- tasks --------------------------------------------------------------------------------------------------------


async def enter_both(first: Any, second: Any, entered: asyncio.Event, other: asyncio.Event) -> str:
    async with first:
        entered.set()
        await other.wait()
        async with second:
            return "through"


@pytest.mark.parametrize("first", RULES)
@pytest.mark.parametrize("second", RULES)
def test_two_tasks(first: str, second: str) -> None:
    async def main() -> list[Any]:
        a, b = RULES[first](name="a"), RULES[second](name="b")
        events = asyncio.Event(), asyncio.Event()
        one = asyncio.create_task(enter_both(a, b, *events), name="one")
        two = asyncio.create_task(enter_both(b, a, *reversed(events)), name="two")
        return await asyncio.gather(one, two, return_exceptions=True)

    for _ in AGAIN:
        results = asyncio.run(main())
        (error,) = [result for result in results if isinstance(result, DeadlockError)]
        assert "through" in results
        assert re.search(
            r"task (one|two) \(here\)\n    holds R?Lock '[ab]', taken at \S+:\d+ in enter_both\n", str(error)
        )
        assert re.search(r"task (one|two)\n    holds R?Lock '[ab]', taken at \S+:\d+ in enter_both\n", str(error))


def test_two_tasks_of_trio() -> None:
    async def cross(first: Any, second: Any, entered: trio.Event, other: trio.Event, results: list[object]) -> None:
        try:
            async with first:
                entered.set()
                await other.wait()
                async with second:
                    results.append("through")
        except DeadlockError as error:
            results.append(error)

    async def main() -> list[object]:
        a, b = Lock(), RLock()
        events = trio.Event(), trio.Event()
        results: list[object] = []
        async with trio.open_nursery() as nursery:
            nursery.start_soon(cross, a, b, *events, results)
            nursery.start_soon(cross, b, a, *reversed(events), results)
        return results

    for _ in AGAIN:
        results = trio.run(main)
        assert sorted(type(result).__name__ for result in results) == ["DeadlockError", "str"]


def test_a_timeout_around_them_all_is_not_their_own() -> None:
    """By then the program gives up on all that work: the cycle in it is to be told before."""

    async def main() -> list[Any]:
        a, b = Lock(), RLock()
        events = asyncio.Event(), asyncio.Event()
        work = asyncio.gather(enter_both(a, b, *events), enter_both(b, a, *reversed(events)), return_exceptions=True)
        async with asyncio.timeout(PATIENCE):
            return await asyncio.wait_for(work, PATIENCE)

    results = asyncio.run(main())
    assert sorted(type(result).__name__ for result in results) == ["DeadlockError", "str"]


def test_so_in_trio() -> None:
    async def cross(first: Any, second: Any, entered: trio.Event, other: trio.Event) -> None:
        async with first:
            entered.set()
            await other.wait()
            async with second:
                pass

    async def main() -> None:
        a, b = Lock(), RLock()
        events = trio.Event(), trio.Event()
        with trio.fail_after(PATIENCE):
            async with trio.open_nursery() as nursery:
                nursery.start_soon(cross, a, b, *events)
                nursery.start_soon(cross, b, a, *reversed(events))

    with pytest.RaisesGroup(DeadlockError):
        trio.run(main)


def test_a_blocked_loop_keeps_no_time() -> None:
    """A call that blocks the loop's thread is under no timeout of the loop's: that could not come."""

    async def hold(lock: Any, has: asyncio.Event) -> None:
        async with asyncio.timeout(0.05), lock:
            has.set()
            await asyncio.sleep(60)

    async def main() -> None:
        lock, has = Lock(), asyncio.Event()
        task = asyncio.create_task(hold(lock, has))
        await has.wait()
        async with asyncio.timeout(0.05):
            with pytest.raises(DeadlockError, match="would stop the loop"):
                lock.acquire()
        task.cancel()

    asyncio.run(main())


def test_a_loop_that_is_busy_tells_at_once() -> None:
    """And not when somebody looks again, half a second later: what else is ready to run there is no timeout."""

    async def main() -> None:
        noise = Lock()

        async def make_noise() -> None:
            while True:
                async with noise:
                    await asyncio.sleep(0)

        others = [asyncio.create_task(make_noise()) for _ in range(5)]
        for _ in range(40):
            a, b = Lock(), RLock()
            events = asyncio.Event(), asyncio.Event()
            work = enter_both(a, b, *events), enter_both(b, a, *reversed(events))
            results = await asyncio.gather(*work, return_exceptions=True)
            assert sorted(type(result).__name__ for result in results) == ["DeadlockError", "str"]
        for other in others:
            other.cancel()
        await asyncio.gather(*others, return_exceptions=True)

    began = time.monotonic()
    asyncio.run(main())
    assert time.monotonic() - began < 10


def test_a_thread_and_a_task() -> None:
    async def main() -> str:
        a, b = Lock(name="a"), RLock(name="b")
        holder = Holder(b, a)
        async with a:
            holder.block(a)
            try:
                async with b:
                    return "never"
            except DeadlockError as error:
                return str(error)
            finally:
                asyncio.get_running_loop().call_later(0.01, holder.end)

    for _ in range(5):
        story = asyncio.run(main())
        assert "task Task-" in story
        assert "holder\n    holds RLock 'b'" in story
        wait_until(lambda: not any(t.name == "holder" for t in threading.enumerate()), "the holder ends")


@pytest.mark.parametrize("rule", RULES)
def test_a_call_that_stops_the_loop_of_the_owner(rule: str) -> None:
    """The mistake that freezes a service: a plain `with` in a coroutine, for what another task holds."""

    async def refresh(lock: Any, has: asyncio.Event) -> None:
        async with lock:
            has.set()
            await asyncio.sleep(60)  # it is here

    async def main() -> str:
        lock, has = RULES[rule](name="cache"), asyncio.Event()
        task = asyncio.create_task(refresh(lock, has), name="refresh")
        await has.wait()
        try:
            with lock:
                return "never"
        except DeadlockError as error:
            return str(error)
        finally:
            task.cancel()

    for _ in AGAIN:
        story = asyncio.run(main())
        assert "would stop the loop in which refresh runs" in story
        assert "await asyncio.sleep(60)  # it is here" in story
        assert "Use 'async with' there" in story


def test_a_plain_with_over_an_await() -> None:
    async def refresh(lock: Any, has: asyncio.Event) -> None:
        with lock:  # should be async
            has.set()
            await asyncio.sleep(60)

    async def main() -> str:
        lock, has = Lock(name="cache"), asyncio.Event()
        task = asyncio.create_task(refresh(lock, has), name="refresh")
        await has.wait()
        try:
            with lock:
                return "never"
        except DeadlockError as error:
            return str(error)
        finally:
            task.cancel()

    story = asyncio.run(main())
    line = line_of("# should be async", test_a_plain_with_over_an_await)
    assert "refresh holds Lock 'cache' in this same thread" in story
    assert re.search(rf"holds Lock 'cache', taken by task refresh at \S*test_deadlock.py:{line} in refresh\n", story)
    assert story.endswith("use 'async with'.")


def test_it_stops_a_loop_of_trio() -> None:
    async def refresh(lock: Any, task_status: Any = trio.TASK_STATUS_IGNORED) -> None:
        async with lock:
            task_status.started()
            await trio.sleep_forever()

    async def main() -> str:
        lock = Lock()
        async with trio.open_nursery() as nursery:
            await nursery.start(refresh, lock)
            try:
                with lock:
                    return "never"
            except DeadlockError as error:
                return str(error)
            finally:
                nursery.cancel_scope.cancel()
        raise AssertionError

    assert "would stop the loop" in trio.run(main)


def test_an_owner_whose_loop_was_closed() -> None:
    """One parked already and one that comes later, a thread and a task."""
    lock = RLock(name="left")
    loop = asyncio.new_event_loop()
    kept = []

    async def hold() -> None:
        await RLock.__aenter__(lock)
        await asyncio.sleep(3600)

    async def begin() -> None:
        kept.append(asyncio.ensure_future(hold()))
        while not lock.locked():
            await asyncio.sleep(0)

    party = ThreadParty("loop")
    party.do(loop.run_until_complete, begin())
    waiter = ThreadParty("waiter")
    waiting = waiter.begin(lock.acquire)

    async def enter() -> None:
        async with lock:
            pass

    waiting_task = ThreadParty("task")
    outcome = waiting_task.begin(lambda: asyncio.run(enter()))
    blocked(lock, 2)
    party.do(loop.close)
    for error in waiting.error(), outcome.error():
        assert isinstance(error, DeadlockError), error
        assert "whose loop was closed" in str(error)
    with pytest.raises(DeadlockError, match="whose loop was closed"):
        lock.acquire()
    for each in party, waiter, waiting_task:
        each.end()
    kept[0]._log_destroy_pending = False  # type: ignore[attr-defined]
    kept.clear()
    gc.collect()


def test_an_owner_that_is_a_task_and_has_ended() -> None:
    lock = RLock(name="left")

    async def leave() -> None:
        await lock.acquire_async()

    async def main() -> None:
        task = asyncio.create_task(leave(), name="leaver")
        await task
        async with lock:
            pass

    with pytest.raises(DeadlockError, match=r"a task that has ended.*: leaver can never release it"):
        asyncio.run(main())


# --- what is not certain is not raised, and is shown --------------------------------------------------------------


@needs_signals
def test_a_signal_handler_of_the_program_makes_it_uncertain() -> None:
    """It may raise in the wait, or release. Handlers of signals that end a program do not count."""
    a, b = Lock(), RLock()
    before = {number: signal.getsignal(number) for number in (signal.SIGUSR1, signal.SIGTERM)}
    try:
        for number, refused in (signal.SIGTERM, True), (signal.SIGUSR1, False):
            signal.signal(number, lambda *_: a.release())
            a.acquire()
            with b if refused else Lock():
                pass
            a.release()
            holder = Holder(b, a)
            with a:
                holder.block(a)
                if refused:
                    with pytest.raises(DeadlockError):
                        b.acquire()
                else:
                    assert not b.acquire(timeout=0.05)
            holder.end()
            signal.signal(number, before[number])
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def test_a_program_that_cannot_be_read_has_a_story_all_the_same() -> None:
    names: dict[str, Any] = {"interlock": interlock, "Holder": Holder}
    code = """\
a, b = interlock.RLock(name='a'), interlock.RLock(name='b')
holder = Holder(b, a)
with a:
    holder.block(a)
    try:
        b.acquire()
    except interlock.DeadlockError as error:
        story = str(error)
"""
    exec(compile(code, "<nowhere>", "exec"), names)
    names["holder"].end()
    assert "holds RLock 'a'" in names["story"]
    assert "waits for RLock 'b', at <nowhere>:6 in <module>" in names["story"]


def test_a_story_that_fails_is_told_in_few_words(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("interlock.core.explain.cycle.tell_cycle", None)
    lock = Lock()
    with lock, pytest.raises(DeadlockError, match=r"in a cycle: MainThread$"):
        lock.acquire()
