"""A process dies in each state, and nobody is left waiting for it."""

import os
import signal
import threading
import time
from pathlib import Path

import pytest

from interlock import machine

from .conftest import PATIENCE, Others, until


def stay(ready: machine.Event) -> None:
    ready.set()
    time.sleep(PATIENCE * 10)  # until it is killed


def holder(others: Others, take: object, ready: machine.Event) -> int:
    def hold() -> None:
        take()  # type: ignore[operator]
        stay(ready)

    pid = others.start(hold)
    assert ready.wait(PATIENCE)
    ready.clear()
    return pid


@pytest.fixture
def ready() -> machine.Event:
    return machine.Event()


class TestLock:
    @pytest.mark.parametrize("kind", [machine.Lock, machine.RLock])
    def test_the_next_one_is_told(self, others: Others, ready: machine.Event, kind: type[machine.Lock]) -> None:
        lock = kind()
        pid = holder(others, lock.acquire, ready)
        assert lock.abandoned is None
        others.kill(pid)
        assert not lock.locked()
        assert lock.owner is None
        with lock:
            assert lock.abandoned is not None
            assert lock.abandoned.pid == pid
            assert time.time() - lock.abandoned.when < PATIENCE
        assert lock.abandoned is None
        with lock:
            assert lock.abandoned is None

    def test_who_waits_is_woken(self, others: Others, ready: machine.Event) -> None:
        lock = machine.Lock()
        pid = holder(others, lock.acquire, ready)
        waiters = [others.start(lock.__enter__) for _ in range(3)]  # and die holding it, one after the other
        until(lambda: len(lock.waiters) == 3)
        others.kill(pid)
        assert [others.end(waiter) for waiter in waiters] == [0, 0, 0]

    def test_waiters_that_die_are_passed(self, others: Others) -> None:
        lock = machine.Lock()
        with lock:
            waiters = []
            for number in range(4):
                waiters.append(others.start(lock.__enter__))
                until(lambda wanted=number + 1: len(lock.waiters) == wanted)
            others.kill(waiters[0])
            others.kill(waiters[2])
            until(lambda: len(lock.waiters) == 2)
        assert others.end(waiters[1]) == 0
        assert others.end(waiters[3]) == 0

    def test_a_death_before_it_costs_nobody_its_timeout(self, others: Others) -> None:
        """Who stood behind a dead one looked again and again, and never at the clock."""
        lock = machine.Lock()
        with lock:
            first = others.start(lock.acquire)
            until(lambda: len(lock.waiters) == 1)
            second = others.start(lock.acquire)
            until(lambda: len(lock.waiters) == 2)
            third = others.start(lambda: lock.acquire(timeout=0.3))
            until(lambda: len(lock.waiters) == 3)
            others.kill(second)
            assert others.end(third) == 0
            assert [party.pid for party in lock.waiters] == [first]

    def test_who_waits_for_ever_behind_a_dead_one_sleeps(self, others: Others) -> None:
        lock = machine.Lock()
        with lock:
            pids = []
            for number in range(3):
                pids.append(others.start(lock.acquire))
                until(lambda wanted=number + 1: len(lock.waiters) == wanted)
            others.kill(pids[1])
            until(lambda: sleeps(pids[2]))

    def test_recover_runs_before_it_goes_on(self, others: Others, ready: machine.Event) -> None:
        seen: list[machine.Died] = []
        lock = machine.Lock(recover=seen.append)
        pid = holder(others, lock.acquire, ready)
        others.kill(pid)
        with lock:
            assert [died.pid for died in seen] == [pid]
        with lock:
            assert len(seen) == 1

    def test_what_recover_raises_leaves_it_to_the_next(self, others: Others, ready: machine.Event) -> None:
        lock = machine.Lock("unrepaired", recover=lambda died: 1 / 0)
        pid = holder(others, lock.acquire, ready)
        others.kill(pid)
        for _ in range(2):
            with pytest.raises(ZeroDivisionError):
                lock.acquire()
            assert not lock.locked()
        again = machine.Lock("unrepaired")
        with again:
            assert again.abandoned is not None
            assert again.abandoned.pid == pid

    def test_who_opens_it_after_all_have_died_is_told(self, others: Others, ready: machine.Event) -> None:
        def hold() -> None:
            machine.Lock("left").acquire()
            os._exit(0)

        pid = others.start(hold)
        assert others.end(pid) == 0
        lock = machine.Lock("left")
        with lock:
            assert lock.abandoned is not None
            assert lock.abandoned.pid == pid

    def test_a_thread_ends(self) -> None:
        lock = machine.Lock()
        thread = threading.Thread(target=lock.acquire)
        thread.start()
        thread.join()
        assert lock.acquire(timeout=PATIENCE)
        assert lock.abandoned is not None
        assert lock.abandoned.pid == os.getpid()

    def test_exec(self, others: Others) -> None:
        lock = machine.Lock()
        held, waiting = machine.Event(), machine.Event()

        def hold() -> None:
            lock.acquire()
            held.set()
            waiting.wait()
            os.execv("/bin/sleep", ["sleep", str(PATIENCE * 10)])

        pid = others.start(hold)
        held.wait()
        waiter = others.start(lock.acquire)
        until(lambda: lock.waiters)
        waiting.set()
        assert others.end(waiter) == 0
        others.kill(pid)

    def test_a_child_does_not_hold_what_its_parent_holds(self, others: Others) -> None:
        lock = machine.Lock()
        with lock:

            def leave() -> None:
                with pytest.raises(RuntimeError):
                    lock.__exit__()

            assert others.end(others.start(leave)) == 0
            assert lock.locked()

    def test_a_process_group_at_once(self, others: Others, ready: machine.Event) -> None:
        lock = machine.Lock()
        group = holder(others, lambda: (os.setpgid(0, 0), lock.acquire()), ready)

        def join() -> None:
            os.setpgid(0, group)
            lock.acquire()

        for number in range(4):
            others.start(join)
            until(lambda wanted=number + 1: len(lock.waiters) == wanted)
        survivor = others.start(lock.acquire)
        until(lambda: len(lock.waiters) == 5)
        os.killpg(group, signal.SIGKILL)
        assert others.end(survivor) == 0


def sleeps(pid: int) -> bool:
    """Whether it used no processor for a while."""
    path = Path(f"/proc/{pid}/stat")

    def used() -> list[str]:
        return path.read_text().rpartition(")")[2].split()[11:13]

    before = used()
    time.sleep(0.1)
    return used() == before


class TestPermits:
    @pytest.mark.parametrize("kind", [machine.Semaphore, machine.BoundedSemaphore])
    def test_what_was_entered_comes_back(
        self, others: Others, ready: machine.Event, kind: type[machine.Semaphore]
    ) -> None:
        semaphore = kind(2)
        one = holder(others, semaphore.__enter__, ready)
        two = holder(others, semaphore.__enter__, ready)
        waiter = others.start(semaphore.acquire)
        until(lambda: semaphore.waiters)
        others.kill(two)
        assert others.end(waiter) == 0
        others.kill(one)
        assert semaphore.acquire(timeout=PATIENCE)

    def test_what_was_acquired_comes_back_where_it_is_bounded(self, others: Others, ready: machine.Event) -> None:
        plain, bounded = machine.Semaphore(1), machine.BoundedSemaphore(1)
        others.kill(holder(others, lambda: (plain.acquire(), bounded.acquire()), ready))
        assert bounded.acquire(timeout=PATIENCE)
        assert not plain.acquire(blocking=False)  # who signals with it gives none back


class TestOthers:
    def test_a_reader_keeps_nobody_out(self, others: Others, ready: machine.Event) -> None:
        lock = machine.RWLock()
        pid = holder(others, lock.read().acquire, ready)
        writer = others.start(lock.write().acquire)
        until(lambda: lock.waiters)
        others.kill(pid)
        assert others.end(writer) == 0
        with lock.write():
            assert lock.abandoned is not None  # that writer ended and did not release

    @pytest.mark.parametrize("which", [0, 1])
    def test_who_came_and_dies_breaks_the_barrier(self, others: Others, which: int) -> None:
        barrier = machine.Barrier(3)

        def wait() -> None:
            with pytest.raises(machine.BrokenBarrierError):
                barrier.wait()

        pids = []
        for number in range(2):
            pids.append(others.start(wait))
            until(lambda wanted=number + 1: barrier.n_waiting == wanted)
        others.kill(pids.pop(which))
        assert others.end(pids[0]) == 0
        assert barrier.broken

    def test_a_member_that_is_away_dies(self, others: Others, ready: machine.Event) -> None:
        barrier = machine.Barrier(2)
        pid = others.start(lambda: (barrier.wait(), stay(ready)))
        barrier.wait(PATIENCE)
        assert ready.wait(PATIENCE)
        others.kill(pid)
        with pytest.raises(machine.BrokenBarrierError):
            barrier.wait(0.05)
        barrier.reset()
        waiter = others.start(barrier.wait)
        until(lambda: barrier.n_waiting == 1)
        until(lambda: sleeps(waiter))
        barrier.wait(PATIENCE)
        assert others.end(waiter) == 0

    def test_the_action_of_a_barrier_dies(self, others: Others, ready: machine.Event) -> None:
        barrier = machine.Barrier(2, lambda: stay(ready))

        def wait() -> None:
            with pytest.raises(machine.BrokenBarrierError):
                barrier.wait()

        first = others.start(wait)
        until(lambda: barrier.n_waiting == 1)
        last = others.start(barrier.wait)
        assert ready.wait(PATIENCE)
        others.kill(last)
        assert others.end(first) == 0

    def test_who_waits_in_a_condition_is_passed(self, others: Others) -> None:
        condition = machine.Condition()

        def wait() -> None:
            with condition:
                condition.wait()

        first = others.start(wait)
        until(lambda: len(condition.waiters) == 1)
        second = others.start(wait)
        until(lambda: len(condition.waiters) == 2)
        others.kill(first)
        with condition:
            condition.notify()
        assert others.end(second) == 0

    def test_notified_and_never_released_by_who_died(self, others: Others, ready: machine.Event) -> None:
        condition = machine.Condition()

        def wait() -> None:
            with condition:
                condition.wait()

        waiters = [others.start(wait) for _ in range(2)]
        until(lambda: len(condition.waiters) == 2)
        others.kill(holder(others, lambda: (condition.acquire(), condition.notify_all()), ready))
        with condition:
            assert condition.abandoned is not None
        assert [others.end(pid) for pid in waiters] == [0, 0]


class TestStopped:
    """A process that is stopped is not dead: it keeps what it holds, and keeps nobody from leaving."""

    def test_a_holder(self, others: Others, ready: machine.Event) -> None:
        lock = machine.Lock()
        pid = holder(others, lock.acquire, ready)
        others.kill(pid, signal.SIGSTOP)
        assert not lock.acquire(timeout=0.05)
        others.kill(pid)
        assert lock.acquire(timeout=PATIENCE)

    def test_a_waiter(self, others: Others) -> None:
        lock = machine.Lock()
        with lock:
            first = others.start(lock.acquire)
            until(lambda: lock.waiters)
            others.kill(first, signal.SIGSTOP)
        # It was woken and does not come, or was handed the lock and holds it: either way nobody else hangs.
        if lock.acquire(timeout=0.05):
            lock.release()
        others.kill(first, signal.SIGCONT)
        assert others.end(first) == 0
