"""A `with` may be left by another party than has entered it, as with `threading`; and a deadlock is still told."""

import asyncio
import contextlib
import subprocess
import sys
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from parties import PATIENCE, Parties, blocked, wait_until

import interlock
from interlock import Condition, DeadlockError, Lock, RLock, aio


@contextlib.contextmanager
def session(lock: Any) -> Iterator[str]:
    with lock:
        yield "session"


def enter_with_exit_stack(lock: Any) -> Callable[[], object]:
    stack = contextlib.ExitStack()
    stack.enter_context(lock)
    return stack.close


def enter_with_generator(lock: Any) -> Callable[[], object]:
    manager = session(lock)
    manager.__enter__()
    return lambda: manager.__exit__(None, None, None)


def enter_by_hand(lock: Any) -> Callable[[], object]:
    lock.__enter__()
    return lambda: lock.__exit__(None, None, None)


def enter_within(lock: Any) -> Callable[[], object]:
    manager = lock.within(PATIENCE)
    manager.__enter__()
    return lambda: manager.__exit__(None, None, None)


ENTER = [enter_with_exit_stack, enter_with_generator, enter_by_hand, enter_within]
LOCKS: dict[str, Callable[[], Any]] = {
    "Lock": Lock,
    "a subclass": type("Mine", (Lock,), {}),
    "Condition": lambda: Condition(Lock()),
}


@pytest.mark.parametrize("lock", LOCKS)
@pytest.mark.parametrize("enter", ENTER)
def test_it_is_left_by_another_thread(
    enter: Callable[[Any], Callable[[], object]], lock: str, parties: Parties
) -> None:
    a, b, c = parties(3)
    made = LOCKS[lock]()
    leave = a.do(enter, made)
    waiting = c.begin(made.acquire)
    b.do(leave)
    assert waiting.result() is True
    c.do(made.release)
    assert not made.locked()


def test_it_is_left_when_its_thread_has_ended() -> None:
    lock = Lock()
    with ThreadPoolExecutor(1) as first:
        leave = first.submit(enter_with_generator, lock).result()
    with ThreadPoolExecutor(1) as third, ThreadPoolExecutor(1) as second:
        waiting = third.submit(lock.acquire)
        blocked(lock, 1)
        second.submit(leave).result()
        assert waiting.result(PATIENCE) is True


def test_a_condition_is_notified_under_a_lock_that_another_has_entered(parties: Parties) -> None:
    a, b, c = parties(3)
    condition = Condition(Lock())

    def wait() -> bool:
        with condition:
            return condition.wait()

    waiting = c.begin(wait)
    blocked(condition, 1)
    leave = a.do(enter_with_generator, condition)
    b.do(condition.notify)
    b.do(leave)
    assert waiting.result() is True


def test_a_task_leaves_what_another_has_entered() -> None:
    lock = aio.Lock()

    @contextlib.asynccontextmanager
    async def held() -> AsyncIterator[None]:
        async with lock:
            yield

    async def main() -> None:
        manager = held()
        await asyncio.create_task(manager.__aenter__())  # type: ignore[arg-type]
        waiting = asyncio.create_task(lock.acquire())  # type: ignore[arg-type]
        await asyncio.create_task(manager.__aexit__(None, None, None))  # type: ignore[arg-type]
        assert await asyncio.wait_for(waiting, PATIENCE) is True

    asyncio.run(main())


@pytest.mark.parametrize("enter", ENTER)
def test_a_cycle_that_another_can_open_is_not_refused(enter: Callable[[Any], Callable[[], object]]) -> None:
    """Two threads, each with a lock that it has entered somehow and that a third one leaves, want one another's."""
    first, second = Lock(), Lock()
    leaves: list[Callable[[], object]] = []
    both = threading.Barrier(2)

    def work(mine: Lock, other: Lock) -> None:
        leaves.append(enter(mine))
        both.wait(PATIENCE)
        with other:
            pass

    with ThreadPoolExecutor(2) as pool:
        jobs = [pool.submit(work, first, second), pool.submit(work, second, first)]
        blocked(first, 1)
        blocked(second, 1)
        # Both have looked, and those who wait for an owner look again.
        assert [cycle["certain"] for cycle in interlock.snapshot()["cycles"]] == [False]
        for leave in list(leaves):
            leave()
        for job in jobs:
            job.result(PATIENCE)


@pytest.mark.parametrize("kind", [Lock, RLock])
def test_a_cycle_of_withs_is_refused(kind: Any) -> None:
    first, second = kind(), kind()
    both = threading.Barrier(2)
    told: list[DeadlockError] = []

    def work(mine: Any, other: Any) -> None:
        try:
            with mine:
                both.wait(PATIENCE)
                with other:
                    pass
        except DeadlockError as error:
            told.append(error)

    with ThreadPoolExecutor(2) as pool:
        for job in [pool.submit(work, first, second), pool.submit(work, second, first)]:
            job.result(PATIENCE)
    assert len(told) == 1


def test_a_generator_that_runs_is_left_by_nobody_else() -> None:
    """It stands in its `with`, and waits in there: so it is on its thread's own stack."""
    lock = Lock()

    @contextlib.contextmanager
    def twice() -> Iterator[None]:
        with lock:  # noqa: SIM117  # the next test has both in one
            with lock:
                yield

    with pytest.raises(DeadlockError), twice():
        pass
    assert not lock.locked()


@pytest.mark.parametrize("kind", [Lock, RLock])
def test_a_cycle_of_withs_of_two_items_is_refused(kind: Any) -> None:
    first, second = kind(), kind()
    holds, told = threading.Event(), threading.Event()

    def hold() -> None:
        try:
            with second:
                holds.set()
                blocked(second, 1)
                with first:
                    pass
        except DeadlockError:
            told.set()

    thread = threading.Thread(target=hold, daemon=True)
    thread.start()
    assert holds.wait(PATIENCE)
    try:
        with first, second:
            pass
    except DeadlockError:
        told.set()
    thread.join(PATIENCE)
    assert told.is_set()


def test_a_generator_that_is_suspended_on_its_own_stack_is_left_by_others() -> None:
    """The thread itself holds it through a generator, and waits for it: another may close that."""
    lock = Lock()
    manager = session(lock)
    manager.__enter__()
    thread = threading.Thread(target=lambda: (blocked(lock, 1), manager.__exit__(None, None, None)), daemon=True)
    thread.start()
    with lock:
        pass
    thread.join(PATIENCE)
    assert not lock.locked()


def test_names_that_mean_another_lock_by_now_say_nothing() -> None:
    """The `with` that stands on the stack is one of another lock."""
    lock, other = Lock(), Lock()
    leave = enter_by_hand(lock)
    thread = threading.Thread(target=lambda: (blocked(lock, 1), leave()), daemon=True)
    thread.start()
    with other, lock:
        pass
    thread.join(PATIENCE)


class Box:
    """With a lock that may be another by now."""

    def __init__(self, lock: Lock) -> None:
        self.lock = lock


def rebind_name(lock: Lock, other: Lock, enter: Callable[[Lock], None]) -> None:
    guard = other
    with guard:
        guard = lock
        enter(guard)


def rebind_in_loop(lock: Lock, other: Lock, enter: Callable[[Lock], None]) -> None:
    for guard in (other,):
        with guard:
            for guard in (lock,):
                enter(guard)


def rebind_attribute(lock: Lock, other: Lock, enter: Callable[[Lock], None]) -> None:
    box = Box(other)
    with box.lock:
        box.lock = lock
        enter(lock)


def rebind_item(lock: Lock, other: Lock, enter: Callable[[Lock], None]) -> None:
    guards = [other]
    with guards[0]:
        guards[0] = lock
        enter(lock)


def rebind_by_with(lock: Lock, other: Lock, enter: Callable[[Lock], None]) -> None:
    guard = other
    with guard, contextlib.nullcontext(lock) as guard:
        enter(guard)


def release_inside(lock: Lock, other: Lock, enter: Callable[[Lock], None]) -> None:
    with lock:
        lock.release()
        enter(lock)
        lock.acquire()


REBIND = [rebind_name, rebind_in_loop, rebind_attribute, rebind_item, rebind_by_with, release_inside]


@pytest.mark.parametrize("rebind", REBIND)
def test_a_with_whose_name_has_got_another_meaning_inside_is_not_certain(
    rebind: Callable[[Lock, Lock, Callable[[Lock], None]], None],
) -> None:
    """What its name stands for by now is held through a generator, and left by a third one."""
    lock, other, wanted = Lock(), Lock(), Lock()
    managers: list[Any] = []

    def enter(lock: Lock) -> None:
        managers.append(session(lock))
        managers[0].__enter__()
        with wanted:
            pass

    def close_the_cycle() -> None:
        with wanted:
            started.wait(PATIENCE)
            blocked(wanted, 1)
            with lock:
                pass

    started = threading.Event()
    with ThreadPoolExecutor(2) as pool:
        cycle = pool.submit(close_the_cycle)
        wait_until(wanted.locked, "it is held")
        work = pool.submit(rebind, lock, other, enter)
        started.set()
        blocked(lock, 1)
        # Both have looked, and look again.
        assert [cycle["certain"] for cycle in interlock.snapshot()["cycles"]] == [False]
        managers[0].__exit__(None, None, None)
        cycle.result(PATIENCE)
        work.result(PATIENCE)


def test_a_program_that_stands_on_the_command_line_is_read() -> None:
    program = """
import interlock
lock = interlock.Lock(name='mine')
def twice():
    with lock:
        with lock:
            pass
try:
    twice()
except interlock.DeadlockError as error:
    print('told')
other = {"lock": lock}
exec("lock = other['lock']\\ndef held():\\n    lock.__enter__()\\nheld()", other | {"other": other})
print(lock.acquire(timeout=0.01))
"""
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=True)
    assert ran.stdout == "told\nFalse\n"


def test_the_with_of_a_queue_is_seen_though_it_has_no_frame() -> None:
    """Its hooks run inside the queue's own `with`, which is compiled; also after a wait of the queue's."""

    class Jobs(interlock.Queue[int]):
        def _get(self) -> int:
            with self.mutex:
                return 1

    jobs = Jobs()
    getting = ThreadPoolExecutor(1)
    with getting:
        outcome = getting.submit(jobs.get)
        blocked(jobs.not_empty, 1)
        jobs.put(1)
        with pytest.raises(DeadlockError, match="waits for what it holds itself"):
            outcome.result(PATIENCE)
    assert not jobs.mutex.locked()


def test_what_a_queue_gave_out_is_left_by_another(parties: Parties) -> None:
    class Jobs(interlock.Queue[int]):
        def _qsize(self) -> int:
            return super()._qsize()

    a, b, c = parties(3)
    jobs = Jobs()
    assert jobs.qsize() == 0
    leave = a.do(enter_with_generator, jobs.mutex)
    waiting = c.begin(jobs.qsize)
    blocked(jobs.mutex, 1)
    b.do(leave)
    assert waiting.result() == 0
