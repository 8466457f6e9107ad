"""What the standard library builds under the drop-in is built on ours, and works with what was built before."""

import logging
import queue
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from typing import Any

import pytest
from parties import PATIENCE, blocked, wait_until

import interlock
from interlock.dropin import install

TheirCondition = threading.Condition
TheirLock = threading.Lock
TheirRLock = threading.RLock

LOCKS = {
    "our Lock": interlock.Lock,
    "our RLock": interlock.RLock,
    "their Lock": TheirLock,
    "their RLock": TheirRLock,
}

installed = pytest.mark.usefixtures("installed")


def begin(call: Callable[..., Any], *arguments: Any) -> threading.Thread:
    thread = threading.Thread(target=call, args=arguments)
    thread.start()
    return thread


def end(*threads: threading.Thread) -> None:
    for thread in threads:
        thread.join(PATIENCE)
        assert not thread.is_alive()


@installed
@pytest.mark.parametrize("kind", [queue.Queue, queue.LifoQueue, queue.PriorityQueue])
def test_queue(kind: type[queue.Queue[int]]) -> None:
    line = kind(maxsize=1)
    assert type(line.mutex) is interlock.Lock
    assert all(isinstance(each, interlock.Condition) for each in (line.not_empty, line.not_full, line.all_tasks_done))

    got: list[int] = []
    getter = begin(lambda: got.append(line.get()))
    blocked(line.not_empty, 1)
    line.put(1)
    end(getter)
    assert got == [1]

    line.put(2)
    putter = begin(line.put, 3)
    blocked(line.not_full, 1)
    assert line.get() == 2
    end(putter)

    joiner = begin(line.join)
    blocked(line.all_tasks_done, 1)
    for _ in range(3):
        line.task_done()
    end(joiner)

    with pytest.raises(queue.Full):
        line.put(4, timeout=0.001)
    assert line.get() == 3
    with pytest.raises(queue.Empty):
        line.get(timeout=0.001)


@installed
def test_simple_queue_is_c_and_its_fallback_is_ours() -> None:
    line: queue.SimpleQueue[int] = queue.SimpleQueue()
    getter = begin(line.get)
    line.put(1)
    end(getter)

    fallback = queue._PySimpleQueue()
    assert issubclass(type(fallback._count), interlock.Semaphore)
    getter = begin(fallback.get)
    blocked(fallback._count, 1)
    fallback.put(1)
    end(getter)


@installed
def test_thread_pool() -> None:
    with ThreadPoolExecutor(2) as pool:
        assert type(pool._shutdown_lock) is interlock.Lock
        assert issubclass(type(pool._idle_semaphore), interlock.Semaphore)
        assert sorted(pool.map(abs, [-1, -2, -3])) == [1, 2, 3]
        futures = [pool.submit(abs, -n) for n in range(20)]
        assert sorted(future.result() for future in as_completed(futures)) == list(range(20))


@installed
def test_future() -> None:
    future: Future[int] = Future()
    assert issubclass(type(future._condition), interlock.Condition)
    results: list[int] = []
    waiters = [begin(lambda: results.append(future.result())) for _ in range(3)]
    blocked(future._condition, 3)
    future.set_result(1)
    end(*waiters)
    assert results == [1, 1, 1]


@installed
def test_logging() -> None:
    class Keeping(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            kept.append(record.getMessage())

    kept: list[str] = []
    handler = Keeping()
    assert type(handler.lock) is interlock.RLock
    logger = logging.Logger("test of the drop-in")
    logger.addHandler(handler)

    handler.acquire()
    writers = [begin(logger.error, "message %d", n) for n in range(3)]
    blocked(handler.lock, 3)
    logger.error("from the owner")
    handler.release()
    end(*writers)
    assert kept[0] == "from the owner"
    assert sorted(kept[1:]) == ["message 0", "message 1", "message 2"]


@installed
def test_thread() -> None:
    thread = threading.Thread()
    assert issubclass(type(thread._started), interlock.Event)
    thread.start()
    end(thread)


@installed
def test_timer() -> None:
    rang = threading.Event()
    timer = threading.Timer(0, rang.set)
    assert isinstance(timer.finished, interlock.Event)
    assert isinstance(rang, interlock.Event)
    timer.start()
    assert rang.wait(PATIENCE)
    end(timer)

    never = threading.Timer(threading.TIMEOUT_MAX, pytest.fail)
    never.start()
    blocked(never.finished, 1)
    never.cancel()
    end(never)


@installed
def test_local() -> None:
    class Numbered(threading.local):
        number = 0

    local = Numbered()
    local.number = 1
    seen: list[int] = []
    end(begin(lambda: seen.append(local.number)))
    assert (seen, local.number) == ([0], 1)


@installed
def test_barrier_action_sees_everybody() -> None:
    barrier = threading.Barrier(3, action=lambda: arrived.append(barrier.n_waiting))
    arrived: list[int] = []
    threads = [begin(barrier.wait) for _ in range(2)]
    blocked(barrier, 2)
    barrier.wait()
    end(*threads)
    assert arrived == [3]


# Before and after.


def hold_a_conversation(condition: Any, waiting: Callable[[], int]) -> None:
    """Wait and notify, with a timeout and without, three threads and everybody at once."""
    said: list[str] = []

    def listen(timeout: float | None) -> None:
        with condition:
            assert condition.wait_for(lambda: said, timeout)

    listeners = [begin(listen, timeout) for timeout in (None, PATIENCE, None)]
    wait_until(lambda: waiting() == 3, f"3 waiting at {condition!r}")
    with condition:
        said.append("word")
        condition.notify()
        condition.notify_all()
    end(*listeners)
    with condition:
        assert condition.wait(0.001) is False
    with pytest.raises(RuntimeError, match="un-acquired"):
        condition.notify()
    with pytest.raises(RuntimeError, match="un-acquired"):
        condition.wait()


@pytest.mark.parametrize("lock", LOCKS.values(), ids=LOCKS.keys())
@pytest.mark.parametrize("now", [True, False], ids=["installed", "not installed"])
def test_their_condition(lock: Callable[[], Any], now: bool) -> None:
    before = TheirCondition(lock())
    if now:
        install()
    condition = TheirCondition(lock())
    for each in before, condition:
        hold_a_conversation(each, lambda each=each: len(each._waiters))


@installed
@pytest.mark.parametrize("lock", LOCKS.values(), ids=LOCKS.keys())
def test_our_condition(lock: Callable[[], Any]) -> None:
    condition: Any = threading.Condition(lock())
    assert issubclass(type(condition), interlock.Condition)
    hold_a_conversation(condition, lambda: len(condition.waiters))


def test_objects_from_before_work_on() -> None:
    line: queue.Queue[int] = queue.Queue()
    event = threading.Event()
    got: list[int] = []
    thread = begin(lambda: got.append(line.get()))
    waiter = begin(event.wait)
    unstarted = threading.Thread(target=got.append, args=(2,))
    wait_until(lambda: line.not_empty._waiters, "a getter")
    with install():
        line.put(1)
        end(thread)
        event.set()
        end(waiter)
        unstarted.start()
        end(unstarted)
    assert got == [1, 2]


def test_objects_made_meanwhile_work_on() -> None:
    with install():
        line: queue.Queue[int] = queue.Queue()
        pool = ThreadPoolExecutor(1)
        future = pool.submit(line.get)
        thread = threading.Thread(target=line.put, args=(1,))
        blocked(line.not_empty, 1)
    thread.start()
    end(thread)
    assert future.result(PATIENCE) == 1
    pool.shutdown()
    assert type(threading.Lock()) is not interlock.Lock
