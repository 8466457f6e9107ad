"""Queue, LifoQueue, PriorityQueue and SimpleQueue: items that one party puts and another gets."""

import gc
import inspect
import queue
import sys
import threading
import weakref
from functools import partial
from typing import Any

import pytest
from parties import Cancelled, Parties, blocked, needs_signals

import interlock
from interlock import Empty, Full, LifoQueue, PriorityQueue, Queue, ShutDown, SimpleQueue


class Plain(Queue[Any]):
    """A subclass that keeps its items as ours do."""


class Hooked(Queue[Any]):
    """One that keeps them in a way of its own."""

    def _init(self, maxsize: int) -> None:
        self.kept: list[Any] = []

    def _qsize(self) -> int:
        return len(self.kept)

    def _put(self, item: Any) -> None:
        self.kept.append(item)

    def _get(self) -> Any:
        return self.kept.pop(0)


def opened(maxsize: int = 0, **kwargs: Any) -> Queue[Any]:
    """A queue into which somebody has looked."""
    looked_into: Queue[Any] = Queue(maxsize, **kwargs)
    assert not looked_into.mutex.locked()
    return looked_into


BOUNDED: list[Any] = [Queue, LifoQueue, PriorityQueue, Plain, Hooked, opened]
every = pytest.mark.parametrize("kind", [*BOUNDED, SimpleQueue])
bounded = pytest.mark.parametrize("kind", BOUNDED)
in_order = pytest.mark.parametrize("kind", [Queue, Plain, Hooked, opened, SimpleQueue])


def drain(q: Any) -> list[Any]:
    found = []
    while not q.empty():
        found.append(q.get_nowait())
    return found


# --- as in `queue` ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["Queue", "LifoQueue", "PriorityQueue", "SimpleQueue"])
def test_signatures_are_those_of_queue(name: str) -> None:
    ours, theirs = getattr(interlock, name), getattr(queue, name)
    for method in ("put", "get", "put_nowait", "get_nowait", "qsize", "empty", "full", "join", "task_done"):
        if not hasattr(theirs, method):
            continue
        try:
            expected = inspect.signature(getattr(theirs, method))
        except ValueError:
            continue  # in C, and does not say
        assert list(inspect.signature(getattr(ours, method)).parameters) == list(expected.parameters), method
    assert ours[int]


def test_the_exceptions_are_those_of_queue() -> None:
    assert Empty is queue.Empty
    assert Full is queue.Full
    assert getattr(queue, "ShutDown", ShutDown) is ShutDown


@every
def test_what_is_put_is_got(kind: Any, parties: Parties) -> None:
    q = kind()
    a, b = parties(2)
    a.do(q.put, 1)
    assert (q.qsize(), q.empty()) == (1, False)
    assert b.do(q.get) == 1
    assert (q.qsize(), q.empty()) == (0, True)
    a.do(q.put_nowait, 2)
    assert b.do(q.get_nowait) == 2
    with pytest.raises(Empty):
        b.do(q.get_nowait)
    with pytest.raises(Empty):
        b.do(q.get, timeout=0.01)
    with pytest.raises(Empty):
        b.do(q.get, timeout=0)
    with pytest.raises(Empty):
        q.get(False)


def test_orders() -> None:
    for kind, expected in ((Queue, [2, 3, 1]), (LifoQueue, [1, 3, 2]), (PriorityQueue, [1, 2, 3])):
        q: Any = kind()
        for item in (2, 3, 1):
            q.put(item)
        assert drain(q) == expected


@bounded
def test_full(kind: Any, parties: Parties) -> None:
    q = kind(2)
    a = parties.one()
    a.do(q.put, 1)
    assert not q.full()
    a.do(q.put, 2)
    assert q.full()
    with pytest.raises(Full):
        a.do(q.put_nowait, 3)
    with pytest.raises(Full):
        a.do(q.put, 3, timeout=0.01)
    with pytest.raises(Full):
        q.put(3, False)
    assert sorted(drain(q)) == [1, 2]


@every
def test_a_timeout_below_0(kind: Any) -> None:
    q = kind()
    for call in (q.get, partial(q.put, 1)):
        with pytest.raises(ValueError, match="'timeout' must be a non-negative number"):
            call(timeout=-1)
        with pytest.raises(ValueError, match="NaN"):
            call(timeout=float("nan"))
    assert q.empty()


def test_bounds() -> None:
    assert Queue().maxsize == 0
    q: Queue[int] = Queue(1.3)  # type: ignore[arg-type]
    assert q.maxsize == 1.3
    q.put(1)
    q.put(2)
    assert q.full()
    q.maxsize = 3
    q.put(3)
    q.maxsize = -1
    q.put_many(range(10))
    assert q.qsize() == 13
    huge: Queue[int] = Queue(10**30)
    huge.put(1)
    assert huge.maxsize == 10**30


def test_more_room_lets_putters_in(parties: Parties) -> None:
    q: Queue[int] = Queue(1)
    q.put(0)
    waiting = [party.begin(q.put, i) for i, party in enumerate(parties(3), 1)]
    blocked(q, 3)
    q.maxsize = 3
    blocked(q, 1)
    q.maxsize = 0
    assert [outcome.result() for outcome in waiting] == [None] * 3
    assert sorted(drain(q)) == [0, 1, 2, 3]


# --- waiting ---------------------------------------------------------------------------------------------------


@every
def test_a_getter_waits_for_an_item(kind: Any, parties: Parties) -> None:
    q = kind()
    a, b = parties(2)
    waiting = a.begin(q.get)
    blocked(q, 1)
    assert q.getters == q.waiters == (a.identity,)
    b.do(q.put, "x")
    assert waiting.result() == "x"
    assert q.waiters == ()


@bounded
def test_a_putter_waits_for_room(kind: Any, parties: Parties) -> None:
    q = kind(1)
    a, b = parties(2)
    q.put(1)
    waiting = a.begin(q.put, 2)
    blocked(q, 1)
    assert q.putters == q.waiters == (a.identity,)
    assert q.getters == ()
    assert b.do(q.get) == 1
    assert waiting.result() is None
    assert b.do(q.get) == 2


@in_order
def test_getters_are_served_in_order(kind: Any, parties: Parties) -> None:
    q = kind()
    waiting = []
    for n, party in enumerate(parties(4), 1):
        waiting.append(party.begin(q.get))
        blocked(q, n)
    if q.__class__ is Hooked or kind is opened:
        for n, outcome in enumerate(waiting):
            q.put(n)
            assert outcome.result() == n
    else:
        for n in range(4):
            q.put(n)
        assert [outcome.result() for outcome in waiting] == [0, 1, 2, 3]


@pytest.mark.parametrize("kind", [Queue, Plain, Hooked, opened])
def test_putters_are_served_in_order(kind: Any, parties: Parties) -> None:
    q = kind(1)
    q.put(0)
    waiting = []
    for n, party in enumerate(parties(4), 1):
        waiting.append(party.begin(q.put, n))
        blocked(q, n)
    assert [q.get() for _ in range(5)] == [0, 1, 2, 3, 4]
    assert [outcome.result() for outcome in waiting] == [None] * 4


@bounded
def test_a_timeout_leaves_no_trace(kind: Any, parties: Parties) -> None:
    q = kind(1)
    a = parties.one()
    with pytest.raises(Empty):
        a.do(q.get, timeout=0.02)
    assert q.waiters == ()
    q.put(1)
    with pytest.raises(Full):
        a.do(q.put, 2, timeout=0.02)
    assert q.waiters == ()
    assert drain(q) == [1]


@bounded
def test_a_big_batch_that_gives_up_frees_the_way(kind: Any, parties: Parties) -> None:
    q = kind(3)
    a, b = parties(2)
    q.put_many([1, 2])
    big = a.begin(q.put_many, [3, 4, 5], timeout=0.1)
    big.blocked_or_over(q)
    small = b.begin(q.put, 6)
    with pytest.raises(Full):
        big.result()
    assert small.result() is None
    assert sorted(drain(q)) == [1, 2, 6]


@needs_signals
@bounded
def test_an_interrupted_getter_takes_nothing(kind: Any, parties: Parties) -> None:
    q = kind()
    parties.main.interrupted(q.get, at=q)
    assert q.waiters == ()
    q.put(1)
    assert q.get() == 1


@needs_signals
@pytest.mark.parametrize("kind", [Queue, LifoQueue, PriorityQueue, SimpleQueue])
def test_what_an_interrupted_getter_was_handed_goes_back(kind: Any, parties: Parties) -> None:
    q = kind()
    parties.main.interrupted(q.get, at=q, first=lambda: (q.put(1), q.put(2), q.put(3)))
    assert q.qsize() == 3
    assert drain(q) == ([3, 2, 1] if kind is LifoQueue else [1, 2, 3])


@needs_signals
@pytest.mark.parametrize("kind", [Queue, SimpleQueue, PriorityQueue, LifoQueue])
def test_what_an_interrupted_getter_was_handed_goes_to_the_next(kind: Any, parties: Parties) -> None:
    q = kind()
    a = parties.one()
    waiting: list[Any] = []

    def come_second() -> None:
        waiting.append(a.begin(q.get))
        blocked(q, 2)

    parties.main.interrupted(q.get, at=q, then=come_second, first=partial(q.put, "x"))
    assert waiting[0].result() == "x"
    assert q.empty()


@needs_signals
@pytest.mark.parametrize("kind", [Queue, LifoQueue, PriorityQueue])
def test_an_interrupted_putter_has_put_nothing_though_it_had_the_slot(kind: Any, parties: Parties) -> None:
    q = kind(1)
    q.put(1)
    seen: list[Any] = []

    def take_all() -> None:
        seen.append(q.get_nowait())
        assert q.full()  # the slot is the putter's
        with pytest.raises(Empty):
            seen.append(q.get_nowait())

    parties.main.interrupted(q.put, 2, at=q, first=take_all)
    assert seen == [1]
    assert q.empty()
    assert not q.full()


@pytest.mark.parametrize("kind", BOUNDED)
def test_a_cancelled_getter_loses_nothing(kind: Any, parties: Parties) -> None:
    a, b = parties(2)
    if not hasattr(a, "cancel"):
        pytest.skip("a thread is not cancelled")
    q = kind()
    waiting = a.begin(q.get)
    blocked(q, 1)
    a.cancel(waiting)
    with pytest.raises(Cancelled):
        waiting.result()
    assert q.waiters == ()
    b.do(q.put, 1)
    assert b.do(q.get) == 1


# --- several at once -------------------------------------------------------------------------------------------


@every
def test_many(kind: Any, parties: Parties) -> None:
    q = kind()
    a, b = parties(2)
    a.do(q.put_many, [1, 2, 3])
    assert sorted(b.do(q.get_many, 2) + b.do(q.get_many, 9)) == [1, 2, 3]
    waiting = b.begin(q.get_many, 2)
    blocked(q, 1)
    a.do(q.put_many, iter([4, 5, 6]))
    found = waiting.result()
    assert 1 <= len(found) <= 2
    assert sorted(found + drain(q)) == [4, 5, 6]
    a.do(q.put_many, [])
    with pytest.raises(Empty):
        b.do(q.get_many, 2, timeout=0)
    for n in (0, -1):
        with pytest.raises(ValueError, match="n must be one or more"):
            q.get_many(n)


@bounded
def test_a_batch_is_put_all_or_none(kind: Any, parties: Parties) -> None:
    q = kind(3)
    a = parties.one()
    q.put(1)
    with pytest.raises(Full):
        a.do(q.put_many, [2, 3, 4], timeout=0)
    assert q.qsize() == 1
    waiting = a.begin(q.put_many, [2, 3, 4])
    blocked(q, 1)
    assert q.qsize() == 1
    assert q.get() == 1
    assert waiting.result() is None
    assert sorted(drain(q)) == [2, 3, 4]
    with pytest.raises(ValueError, match="cannot put 4 items at once"):
        q.put_many(range(4))


# --- shutdown, task_done, join -----------------------------------------------------------------------------------


@bounded
def test_shutdown(kind: Any, parties: Parties) -> None:
    q = kind(2)
    a = parties.one()
    q.put(1)
    q.shutdown()
    assert q.is_shutdown
    with pytest.raises(ShutDown):
        a.do(q.put, 2)
    with pytest.raises(ShutDown):
        q.put_nowait(2)
    assert a.do(q.get) == 1
    with pytest.raises(ShutDown):
        a.do(q.get)
    with pytest.raises(ShutDown):
        q.get_nowait()
    q.shutdown()


@bounded
def test_shutdown_ends_all_waits(kind: Any, parties: Parties) -> None:
    q = kind(1)
    a, b = parties(2)
    getting = [a.begin(q.get), b.begin(q.get)]
    blocked(q, 2)
    q.shutdown()
    for outcome in getting:
        with pytest.raises(ShutDown):
            outcome.result()
    q = kind(1)
    q.put(1)
    putting = [a.begin(q.put, 2), b.begin(q.put, 3)]
    blocked(q, 2)
    q.shutdown()
    for outcome in putting:
        with pytest.raises(ShutDown):
            outcome.result()
    assert drain(q) == [1]


@bounded
def test_shutdown_at_once_drops_what_is_left(kind: Any, parties: Parties) -> None:
    q = kind()
    a = parties.one()
    q.put_many([1, 2, 3])
    q.get()
    joining = a.begin(q.join)
    blocked(q, 1)
    q.shutdown(immediate=True)
    assert q.empty()
    with pytest.raises(ShutDown):
        q.get()
    assert not joining.done
    q.task_done()
    assert joining.result() is None


@bounded
def test_join(kind: Any, parties: Parties) -> None:
    q = kind()
    a, b = parties(2)
    assert a.do(q.join) is None
    q.put(1)
    q.put(2)
    assert q.unfinished_tasks == 2
    joining = [a.begin(q.join), b.begin(q.join)]
    blocked(q, 2)
    assert q.getters == q.putters == ()
    q.get()
    q.task_done()
    blocked(q, 2)
    q.get()
    q.task_done()
    assert [outcome.result() for outcome in joining] == [None, None]
    with pytest.raises(ValueError, match=r"task_done\(\) called too many times"):
        q.task_done()


@pytest.mark.parametrize("kind", BOUNDED)
def test_async_for_ends_with_shutdown(kind: Any, parties: Parties) -> None:
    async def consume() -> list[Any]:
        return [item async for item in q]

    a = parties.one()
    if not hasattr(a, "cancel"):
        pytest.skip("a thread does not await")
    q = kind()
    outcome = a.begin(consume)
    blocked(q, 1)
    q.put(1)
    blocked(q, 1)
    q.put(2)
    blocked(q, 1)
    q.shutdown()
    assert outcome.result() == [1, 2]


# --- what programs do with the standard ones ---------------------------------------------------------------------


@pytest.mark.threads_only("a queue's lock is taken by threads")
def test_looking_inside_moves_those_who_wait(parties: Parties) -> None:
    q: Queue[Any] = Queue()
    a, b = parties(2)
    waiting = a.begin(q.get)
    blocked(q, 1)
    with q.mutex:
        q.queue.append("direct")
        q.not_empty.notify()
    assert waiting.result() == "direct"
    q = Queue(1)
    q.put(1)
    putting = b.begin(q.put, 2)
    blocked(q, 1)
    with q.mutex:
        q.queue.clear()
        q.not_full.notify()
    assert putting.result() is None
    assert q.get() == 2
    joining = a.begin(q.join)
    blocked(q, 1)
    with q.all_tasks_done:
        q.unfinished_tasks = 0
        q.all_tasks_done.notify_all()
    assert joining.result() is None


def test_items_and_their_order_stay_when_somebody_looks_inside() -> None:
    for kind, expected in ((Queue, [2, 3, 1]), (LifoQueue, [1, 3, 2]), (PriorityQueue, [1, 2, 3])):
        q: Any = kind()
        for item in (2, 3, 1):
            q.put(item)
        assert len(q.queue) == 3
        assert drain(q) == expected


# --- objects -----------------------------------------------------------------------------------------------------


def test_an_empty_queue_is_small() -> None:
    for kind in (Queue, LifoQueue, PriorityQueue, SimpleQueue):
        assert sys.getsizeof(kind()) <= 200


@every
def test_the_collector_sees_what_lies_in_a_queue(kind: Any) -> None:
    class Item:
        def __lt__(self, other: object) -> bool:
            return True

    item: Any = Item()
    item.queue = kind()
    item.queue.put(item)
    item.queue.put(item)
    seen = weakref.ref(item)
    del item
    gc.collect()
    assert seen() is None


def test_an_item_goes_as_soon_as_it_has_been_got_and_dropped(parties: Parties) -> None:
    class Item:
        pass

    q: Queue[Any] = Queue()
    a = parties.one()
    waiting = a.begin(lambda: q.get() and None)
    if not hasattr(a, "cancel"):
        blocked(q, 1)
        item = Item()
        seen = weakref.ref(item)
        q.put(item)
        waiting.result()
        del item
        assert seen() is None
    else:
        q.put(1)
        waiting.result()


def test_repr(parties: Parties) -> None:
    q: Queue[int] = Queue(2, name="jobs")
    a = parties.one()
    where = f"interlock.Queue at {id(q):#x}"
    assert repr(q) == f"<{where}: size=0/2 name='jobs'>"
    waiting = a.begin(q.get)
    blocked(q, 1)
    assert repr(q) == f"<{where}: size=0/2 name='jobs' waiting=1>"
    q.put(1)
    waiting.result()
    q.shutdown()
    assert repr(q) == f"<{where}: size=0/2 shut down name='jobs'>"
    assert repr(SimpleQueue()).endswith(": size=0>")


# --- comparisons are anybody's code --------------------------------------------------------------------------------


class Ranked:
    """Compares by its number, and does something else before that."""

    def __init__(self, rank: int, before: Any = None):
        self.rank = rank
        self.before = before

    def __lt__(self, other: "Ranked") -> bool:
        if self.before is not None:
            before, self.before = self.before, None
            before()
        return self.rank < other.rank


def test_a_comparison_may_use_the_queue() -> None:
    q: PriorityQueue[Any] = PriorityQueue()
    taken: list[int] = []
    q.put(Ranked(5))
    q.put(Ranked(1, before=lambda: q.put(Ranked(0))))
    q.put(Ranked(3, before=lambda: taken.append(q.get_nowait().rank)))
    q.put(Ranked(2))
    assert taken == [0]
    assert [item.rank for item in drain(q)] == [1, 2, 3, 5]


def test_what_cannot_be_compared_is_not_put() -> None:
    q: PriorityQueue[Any] = PriorityQueue(2)
    q.put(1)
    with pytest.raises(TypeError):
        q.put("a")
    assert q.unfinished_tasks == 1
    q.put(0)
    assert drain(q) == [0, 1]


@pytest.mark.threads_only("which party, does not matter here")
def test_what_cannot_be_compared_gives_its_slot_back(parties: Parties) -> None:
    q: PriorityQueue[Any] = PriorityQueue(2)
    a, b = parties(2)
    q.put_many([1, 2])
    bad = a.begin(q.put, "a")
    blocked(q, 1)
    good = b.begin(q.put, 3)
    blocked(q, 2)
    assert q.get() == 1
    with pytest.raises(TypeError):
        bad.result()
    assert good.result() is None
    assert drain(q) == [2, 3]


def test_priorities_are_those_of_heapq_under_threads() -> None:
    q: PriorityQueue[Any] = PriorityQueue()
    found: list[Any] = []

    def put(start: int) -> None:
        for i in range(start, 400, 4):
            q.put(Ranked(i))

    threads = [threading.Thread(target=put, args=(start,)) for start in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    found = [item.rank for item in drain(q)]
    assert found == list(range(400))
