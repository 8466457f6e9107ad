"""`interlock.watch_order`: locks that are taken in two orders."""

import asyncio
import threading
import warnings
import weakref
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from parties import ThreadParty

import interlock
import interlock.aio
from interlock import Condition, Lock, LockOrderWarning, RLock, RWLock
from interlock.watch.order import OrderWatch


@pytest.fixture
def watch() -> Iterator[OrderWatch]:
    with interlock.watch_order(report=lambda text: None) as watch:
        yield watch


def take(*locks: Any) -> None:
    if locks:
        with locks[0]:
            take(*locks[1:])


def test_two_orders(watch: OrderWatch) -> None:
    a = Lock(name="a")
    b = RLock(name="b")

    def forward() -> None:
        with a, b:
            pass

    def backward() -> None:
        with b, a:
            pass

    forward()
    assert watch.found == []
    backward()
    (text,) = watch.found
    assert "RLock 'b' and Lock 'a' are taken in both orders" in text
    assert text.count("tests/watch/test_order.py:") == 4
    assert "in forward" in text
    assert "in backward" in text
    forward()
    backward()
    assert len(watch.found) == 1  # once


def test_they_need_not_meet(watch: OrderWatch) -> None:
    a = Lock()
    b = Lock()
    for locks in (a, b), (b, a):
        party = ThreadParty("party")
        party.do(take, *locks)
        party.end()
    assert len(watch.found) == 1


def test_a_cycle_of_three(watch: OrderWatch) -> None:
    a = Lock(name="a")
    b = Lock(name="b")
    c = Lock(name="c")
    take(a, b)
    take(b, c)
    assert watch.found == []
    take(c, a)
    assert "Lock 'c', Lock 'a' and Lock 'b' are taken in a cycle" in watch.found[0]


def test_what_one_line_made_counts_as_one(watch: OrderWatch) -> None:
    outers = [Lock() for _ in range(3)]
    inners = [Lock() for _ in range(3)]
    take(outers[0], inners[0])
    take(inners[1], outers[2])
    assert len(watch.found) == 1


def test_among_those_of_one_line_only_the_objects_count(watch: OrderWatch) -> None:
    locks = [Lock() for _ in range(4)]
    for i in range(3):
        take(locks[i], locks[i + 1])  # in their order: fine
    assert watch.found == []
    take(locks[3], locks[0])
    assert "several Lock of" in watch.found[0]


def test_readers_and_writers(watch: OrderWatch) -> None:
    data = RWLock()
    lock = Lock()
    take(data.read(), lock)
    take(lock, data.write())
    assert len(watch.found) == 1


def legal_try(a: Any, b: Any) -> None:
    take(a, b)
    with b:
        assert a.acquire(blocking=False)
        a.release()


def legal_timeout(a: Any, b: Any) -> None:
    take(a, b)
    with b:
        assert a.acquire(timeout=1)
        a.release()
    with b, a.within(1):
        pass


def legal_gate(a: Any, b: Any) -> None:
    gate = Lock()
    take(gate, a, b)
    take(gate, b, a)


def legal_order_of_ones_own(a: Any, b: Any) -> None:
    for first, second in (a, b), (b, a):
        with first.within_order(1), second.within_order(2):
            pass


def legal_again(a: Any, b: Any) -> None:
    again = RLock()
    take(again, a, again)
    take(again, b, again)


def legal_one_after_the_other(a: Any, b: Any) -> None:
    for locks in (a, b), (b, a):
        for lock in locks:
            take(lock)


def legal_after_a_wait(a: Any, b: Any) -> None:
    condition = Condition()
    take(a, b)
    with condition:
        condition.wait(timeout=0.001)
    with b:
        pass


def legal_signal(a: Any, b: Any) -> None:
    """Taken here and released by another: not held any more."""
    b.acquire()
    releaser = threading.Thread(target=b.release)
    releaser.start()
    releaser.join()
    take(a, b)


@pytest.mark.parametrize(
    "use",
    [
        legal_try,
        legal_timeout,
        legal_gate,
        legal_order_of_ones_own,
        legal_again,
        legal_one_after_the_other,
        legal_after_a_wait,
        legal_signal,
    ],
    ids=lambda use: use.__name__,
)
def test_legal(watch: OrderWatch, use: Callable[[Any, Any], None]) -> None:
    a = Lock()
    b = Lock()
    use(a, b)
    assert watch.found == []


def test_a_common_lock_must_be_common_to_all(watch: OrderWatch) -> None:
    gate = Lock()
    a = Lock()
    b = Lock()
    take(gate, a, b)
    take(gate, b, a)
    take(gate, a, b)
    assert watch.found == []
    take(a, b)  # and now without
    assert len(watch.found) == 1


def test_an_order_of_ones_own_that_is_broken(watch: OrderWatch) -> None:
    locks = [Lock() for _ in range(2)]
    for first, second in locks, reversed(locks):
        with first.within_order(2), second.within_order(1):
            pass
    assert len(watch.found) == 1


@pytest.mark.parametrize("wrong", ["1", 1.5, None])
def test_an_order_is_a_whole_number(wrong: Any) -> None:
    for lock in Lock(), RLock(), RWLock().read():
        with pytest.raises(TypeError, match="whole number"):
            lock.within_order(wrong)  # type: ignore[attr-defined]


def test_tasks(watch: OrderWatch) -> None:
    a = Lock(name="a")
    b = RLock(name="b")

    async def both(first: Any, second: Any) -> None:
        async with first:
            await asyncio.sleep(0)
            async with second:
                pass

    async def main() -> None:
        await both(a, b)
        await asyncio.create_task(both(b, a))

    asyncio.run(main())
    assert len(watch.found) == 1


def test_tasks_that_acquire(watch: OrderWatch) -> None:
    a, b = Lock(name="a"), interlock.aio.Lock(name="b")

    async def both(first: Any, second: Any) -> None:
        for lock in first, second:
            await (lock.acquire_async() if lock is a else lock.acquire())
        first.release()
        second.release()

    async def main() -> None:
        await both(a, b)
        await both(b, a)

    asyncio.run(main())
    assert len(watch.found) == 1


def test_wait_for_is_a_timed_try(watch: OrderWatch) -> None:
    a = Lock(name="a")
    b = RLock(name="b")

    async def main() -> None:
        async with a, b:
            pass
        async with b:
            await asyncio.wait_for(a.acquire_async(), 60)
            a.release()

    asyncio.run(main())
    assert watch.found == []


def test_tasks_in_an_order_of_their_own(watch: OrderWatch) -> None:
    locks = [Lock(), Lock()]

    async def main() -> None:
        for first, second in locks, reversed(locks):
            async with first.within_order(1), second.within_order(2):
                pass

    asyncio.run(main())
    assert watch.found == []


def test_a_task_does_not_hold_what_another_holds(watch: OrderWatch) -> None:
    a = Lock()
    b = Lock()

    async def hold(lock: Any, entered: asyncio.Event, go_on: asyncio.Event) -> None:
        async with lock:
            entered.set()
            await go_on.wait()

    async def main() -> None:
        for first, second in (a, b), (b, a):
            entered, go_on = asyncio.Event(), asyncio.Event()
            task = asyncio.create_task(hold(first, entered, go_on))
            await entered.wait()
            async with second:
                go_on.set()
            await task

    asyncio.run(main())
    assert watch.found == []


def test_by_default_it_is_a_warning() -> None:
    with interlock.watch_order() as watch:
        a = Lock()
        b = Lock()
        take(a, b)
        with pytest.warns(LockOrderWarning, match="both orders") as warned:
            take(b, a)
    assert len(watch.found) == 1
    assert warned[0].filename == __file__


def test_as_an_error_it_comes_before_the_lock_is_taken() -> None:
    with interlock.watch_order(), warnings.catch_warnings():
        warnings.simplefilter("error")
        a = Lock()
        b = Lock()
        take(a, b)
        with b, pytest.raises(LockOrderWarning):
            a.acquire()
        assert not a.locked()


def test_it_stops() -> None:
    with interlock.watch_order(report=print) as watch:
        a = Lock()
        b = Lock()
        take(a, b)
    take(b, a)
    watch.stop()
    assert watch.found == []


def test_counting_goes_on_beside_it() -> None:
    from interlock.core.kernel.probe import start_counting, stop_counting

    start_counting()
    with interlock.watch_order(report=print):
        lock = Lock(name="counted")
        take(lock)
    take(lock)
    (tally,) = [tally for tally in stop_counting() if tally.name == "counted"]
    assert tally.acquired == 2


def test_a_lock_that_was_never_released_is_kept_by_nobody(watch: OrderWatch) -> None:
    lock = Lock()
    lock.acquire()
    gone = weakref.ref(lock)
    del lock
    assert gone() is None
    a = Lock()
    b = Lock()
    take(a, b)
    assert watch.found == []


def test_a_guard_that_another_has_released_is_none(watch: OrderWatch) -> None:
    """It stands among what its taker holds until somebody asks the lock itself."""
    guard = Lock()
    a = Lock()
    b = Lock()
    take(guard, a, b)
    take(guard, b, a)
    take(guard, a, b)
    assert watch.found == []
    guard.acquire()
    releaser = threading.Thread(target=guard.release)
    releaser.start()
    releaser.join()
    take(a, b)
    assert len(watch.found) == 1


def test_a_pair_is_found_however_often_it_was_seen(watch: OrderWatch) -> None:
    a, b = Lock(), RLock()
    for _ in range(10_000):
        take(a, b)
    take(b, a)
    assert len(watch.found) == 1


def test_many_pairs_of_single_locks_that_are_gone_leave_room(watch: OrderWatch) -> None:
    """There is room for 10,000 edges."""
    for _ in range(11_000):
        take(*[Lock() for _ in range(2)])
    a, b = Lock(), RLock()
    take(a, b)
    take(b, a)
    assert len(watch.found) == 1
