"""Cycles through several processes: told where they are certain, and nowhere else."""

import asyncio
import os
import signal
import threading
import time
from collections.abc import Callable

import pytest

from interlock import DeadlockError, machine

from .conftest import PATIENCE, Others, until


def in_thread(work: Callable[[], object]) -> None:
    """Not in the main thread: pytest catches signals there, so that nothing is certain."""
    thread = threading.Thread(target=work)
    thread.start()
    thread.join()


def take_both(first: machine.Lock, second: machine.Lock, met: machine.Barrier) -> None:
    """Exits with 5 where the cycle is told."""
    met.wait(PATIENCE)  # all threads and processes are known before the cycle is
    first.__enter__()
    met.wait(PATIENCE)
    try:
        second.__enter__()
    except DeadlockError as error:
        first.__exit__()
        os._exit(5 if "which it holds itself" in str(error) else 6)
    second.__exit__()
    first.__exit__()


@pytest.mark.parametrize("kind", [machine.Lock, machine.RLock])
@pytest.mark.parametrize("round_", range(5))
def test_one_of_two_is_told(others: Others, kind: type[machine.Lock], round_: int) -> None:
    one, two, met = kind(), kind(), machine.Barrier(2)
    pids = [
        others.start(lambda: in_thread(lambda: take_both(one, two, met))),
        others.start(lambda: in_thread(lambda: take_both(two, one, met))),
    ]
    assert sorted(others.end(pid) for pid in pids) == [0, 5]


def test_what_it_holds_itself() -> None:
    lock = machine.Lock()

    def work() -> None:
        with lock, pytest.raises(DeadlockError, match="which it holds itself"):
            lock.acquire()

    in_thread(work)
    assert not lock.locked()
    assert lock.waiters == ()


def test_not_where_another_may_release(others: Others) -> None:
    lock = machine.Lock()
    lock.acquire()
    pid = others.start(lambda: (lock.waiters or until(lambda: lock.waiters), lock.release()))
    assert lock.acquire()
    assert others.end(pid) == 0


def test_not_where_a_wait_has_a_timeout(others: Others) -> None:
    one, two, held = machine.Lock(), machine.Lock(), machine.Event()

    def other() -> None:
        with two:
            held.set()
            assert not one.acquire(timeout=0.2)

    with one:
        pid = others.start(other)
        held.wait()
        with two:
            pass
    assert others.end(pid) == 0


def test_not_where_a_signal_handler_may_end_a_wait(others: Others) -> None:
    one, two, held = machine.Lock(), machine.Lock(), machine.Event()

    class Enough(Exception):
        pass

    def other() -> None:
        def stop(number: int, frame: object) -> None:
            raise Enough

        signal.signal(signal.SIGUSR1, stop)
        with two:
            held.set()
            with pytest.raises(Enough):
                one.acquire()

    with one:
        pid = others.start(other)
        held.wait()
        until(lambda: one.waiters)
        timer = threading.Timer(0.2, os.kill, (pid, signal.SIGUSR1))
        timer.start()
        with two:
            pass
        timer.join()
    assert others.end(pid) == 0


def test_not_where_one_of_the_cycle_was_killed(others: Others) -> None:
    one, two, held = machine.Lock(), machine.Lock(), machine.Event()

    def other() -> None:
        with two:
            held.set()
            one.acquire()
            time.sleep(PATIENCE * 10)

    with one:
        pid = others.start(other)
        held.wait()
        until(lambda: one.waiters)
        others.kill(pid)
        with two:
            assert two.abandoned is not None


def test_who_reads_and_would_wait_to_write_is_told() -> None:
    """It alone can end its reading. With a limit it waits, and whoever else reads is none of its business."""
    lock = machine.RWLock("upgraded")
    other = machine.RWLock("upgraded")
    with lock.read():
        for side in (lock.write(), other.write()):
            with pytest.raises(DeadlockError, match=r"reads under .*'upgraded'"):
                side.acquire()
            with pytest.raises(DeadlockError), side:
                pass
            assert not side.acquire(timeout=0.001)
            assert not side.acquire(blocking=False)
        assert lock.waiters == ()
    with lock.write():
        pass


def test_who_writes_waits_for_readers_elsewhere(others: Others) -> None:
    lock, reading = machine.RWLock(), machine.Event()

    def read() -> None:
        with lock.read():
            reading.set()
            until(lambda: lock.waiters)

    pid = others.start(read)
    assert reading.wait(PATIENCE)
    with lock.read():
        pass
    with lock.write():
        assert others.end(pid) == 0


def test_tasks_of_a_thread_where_one_reads_stand_behind_a_writer(others: Others) -> None:
    """They have one id. If each let the next one in, the writer would never get it."""
    lock = machine.RWLock()

    def write() -> None:
        with lock.write():
            pass

    async def main() -> None:
        async with lock.read():
            writer = others.start(write)
            until(lambda: lock.waiters)
            assert not await lock.read().acquire_async(timeout=0)
            behind = asyncio.create_task(lock.read().acquire_async())
            while len(lock.waiters) < 2:
                await asyncio.sleep(0)
        assert await behind
        assert others.end(writer) == 0
        lock.read().release()

    asyncio.run(main())
    with lock.write():
        pass


def test_who_reads_is_let_in_again_past_a_writer(others: Others) -> None:
    """The writer waits for it: behind the writer it would wait for ever. Others stand behind the writer."""
    lock = machine.RWLock()

    def write() -> None:
        with lock.write():
            pass

    with lock.read():
        writer = others.start(write)
        until(lambda: lock.waiters)
        with lock.read(), lock.read():
            assert len(lock.waiters) == 1
        reader = others.start(lambda: lock.read().acquire())
        until(lambda: len(lock.waiters) == 2)
        assert lock.read().acquire(timeout=0)
        lock.read().release()
        assert len(lock.waiters) == 2
    assert others.end(writer) == 0
    assert others.end(reader) == 0
    with lock.write():
        pass
