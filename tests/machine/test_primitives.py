"""What each primitive does between processes, while nobody dies."""

import gc
import os
import signal
import threading
from collections.abc import Callable

import pytest

from interlock import machine

from .conftest import PATIENCE, Others, until

N = 400


def counter(others: Others, enter: Callable[[], object], leave: Callable[[], object], parties: int = 4) -> int:
    """How far a file that is read and written by all, one at a time, has counted."""
    fd = os.memfd_create("counter")
    os.pwrite(fd, (0).to_bytes(8, "little"), 0)

    def work() -> None:
        for _ in range(N):
            enter()
            count = int.from_bytes(os.pread(fd, 8, 0), "little")
            os.pwrite(fd, (count + 1).to_bytes(8, "little"), 0)
            leave()

    pids = [others.start(work) for _ in range(parties)]
    assert [others.end(pid) for pid in pids] == [0] * parties
    total = int.from_bytes(os.pread(fd, 8, 0), "little")
    os.close(fd)
    return total


@pytest.mark.parametrize("kind", [machine.Lock, machine.RLock])
def test_one_process_at_a_time(others: Others, kind: type[machine.Lock]) -> None:
    lock = kind()
    assert counter(others, lock.acquire, lock.release) == 4 * N
    assert not lock.locked()


@pytest.mark.parametrize("kind", [machine.Semaphore, machine.BoundedSemaphore])
def test_one_permit_is_a_lock(others: Others, kind: type[machine.Semaphore]) -> None:
    semaphore = kind(1)
    assert counter(others, semaphore.acquire, semaphore.release) == 4 * N
    assert counter(others, semaphore.__enter__, semaphore.__exit__) == 4 * N
    assert semaphore._value == 1


def test_one_writer_at_a_time(others: Others) -> None:
    lock = machine.RWLock()
    assert counter(others, lock.write().acquire, lock.write().release) == 4 * N
    assert not lock.locked()


def test_the_threads_of_a_process_are_parties_too() -> None:
    lock, count = machine.Lock(), [0]

    def work() -> None:
        for _ in range(N):
            with lock:
                count[0] += 1

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert count == [4 * N]


class TestLock:
    def test_what_is_not_to_be_had(self) -> None:
        lock = machine.Lock()
        with lock:
            assert lock.locked()
            assert not lock.acquire(blocking=False)
            assert not lock.acquire(timeout=0.01)
            with pytest.raises(TimeoutError, match=r"not acquired within 0\.01 s"), lock.within(0.01):
                pass
        with lock.within(1):
            assert lock.locked()
        assert lock.waiters == ()

    def test_arguments(self) -> None:
        lock = machine.Lock()
        for wrong in ({"blocking": False, "timeout": 1}, {"timeout": -2}, {"timeout": float("nan")}):
            with pytest.raises(ValueError, match="timeout"):
                lock.acquire(**wrong)
        with pytest.raises(OverflowError):
            lock.acquire(timeout=1e300)
        with pytest.raises(TypeError):
            lock.acquire(timeout="soon")  # type: ignore[arg-type]
        with pytest.raises(RuntimeError, match="release unlocked lock"):
            lock.release()

    def test_owner_and_waiters(self, others: Others) -> None:
        lock = machine.Lock()
        with lock:
            owner = lock.owner
            assert owner is not None
            assert (owner.pid, owner.thread) == (os.getpid(), "MainThread")
            pid = others.start(lock.acquire)
            until(lambda: lock.waiters)
            (waiter,) = lock.waiters
            assert waiter.pid == pid
            assert waiter.since is not None
            assert "waiting=1" in repr(lock)
        assert others.end(pid) == 0

    def test_a_thread_may_release_what_another_acquired(self) -> None:
        lock = machine.Lock()
        lock.acquire()
        thread = threading.Thread(target=lock.release)
        thread.start()
        thread.join()
        assert not lock.locked()

    def test_another_process_may_too_and_wakes_who_waits(self, others: Others) -> None:
        lock = machine.Lock()
        lock.acquire()
        waiter = others.start(lock.acquire)
        until(lambda: lock.waiters)
        assert others.end(others.start(lock.release)) == 0
        assert others.end(waiter) == 0

    def test_what_was_entered_is_left_by_who_entered_it(self) -> None:
        lock, errors = machine.Lock(), []

        def leave() -> None:
            try:
                lock.release()
            except RuntimeError as error:
                errors.append(str(error))

        with lock:
            thread = threading.Thread(target=leave)
            thread.start()
            thread.join()
        assert "entered with `with` by another thread" in errors[0]

    def test_ctrl_c_while_waiting_leaves_it_as_it_was(self, others: Others) -> None:
        lock = machine.Lock()

        def wait() -> None:
            with pytest.raises(KeyboardInterrupt):
                lock.acquire()

        with lock:
            pid = others.start(wait)
            until(lambda: lock.waiters)
            os.kill(pid, signal.SIGINT)
            assert others.end(pid) == 0
            assert lock.waiters == ()
        assert lock.acquire(blocking=False)


class TestRLock:
    def test_again_and_again(self, others: Others) -> None:
        lock = machine.RLock()
        with lock, lock:
            assert lock._recursion_count() == 2
            lock.acquire()
            lock.release()
            pid = others.start(lambda: os._exit(lock.acquire(blocking=False)))
            assert others.end(pid) == 0
        assert not lock.locked()
        with pytest.raises(RuntimeError, match="un-acquired"):
            lock.release()


class TestSemaphore:
    def test_many_permits_add_up_for_who_came_first(self, others: Others) -> None:
        semaphore = machine.Semaphore(1)
        pid = others.start(lambda: semaphore.acquire(permits=3))
        until(lambda: semaphore.waiters)
        assert not semaphore.acquire(blocking=False)  # it would pass the one who waits
        semaphore.release()
        assert len(semaphore.waiters) == 1
        semaphore.release()
        assert others.end(pid) == 0
        assert semaphore._value == 0

    def test_release_of_many(self, others: Others) -> None:
        semaphore = machine.Semaphore(0)
        pids = [others.start(semaphore.acquire) for _ in range(3)]
        until(lambda: len(semaphore.waiters) == 3)
        semaphore.release(5)
        assert [others.end(pid) for pid in pids] == [0, 0, 0]
        assert semaphore._value == 2

    def test_arguments(self) -> None:
        with pytest.raises(ValueError, match=">= 0"):
            machine.Semaphore(-1)
        semaphore = machine.Semaphore(1)
        for wrong in (lambda: semaphore.acquire(permits=0), lambda: semaphore.release(0)):
            with pytest.raises(ValueError, match="one or more"):
                wrong()
        with pytest.raises(ValueError, match="can't specify"):
            semaphore.acquire(blocking=False, timeout=1)

    def test_bounded(self) -> None:
        semaphore = machine.BoundedSemaphore(2)
        with pytest.raises(ValueError, match="too many"):
            semaphore.release()
        assert semaphore.acquire(permits=2)
        with pytest.raises(ValueError, match="can never be there"):
            semaphore.acquire(permits=3)
        semaphore.release()
        assert semaphore._value == 1
        with pytest.raises(ValueError, match="too many"):
            semaphore.release(2)
        semaphore.release()
        assert semaphore._value == 2


class TestEvent:
    def test_set_wakes_all(self, others: Others) -> None:
        event = machine.Event()
        assert not event.wait(0.01)
        pids = [others.start(lambda: os._exit(not event.wait())) for _ in range(3)]
        until(lambda: len(event.waiters) == 3)
        event.set()
        event.clear()  # they were woken all the same
        assert [others.end(pid) for pid in pids] == [0, 0, 0]
        assert not event.is_set()
        event.set()
        event.set()
        assert event.wait(0)


class TestCondition:
    def test_notify_lets_the_first_go(self, others: Others) -> None:
        condition = machine.Condition()

        def wait() -> None:
            with condition:
                assert condition.wait()

        first = others.start(wait)
        until(lambda: len(condition.waiters) == 1)
        second = others.start(wait)
        until(lambda: len(condition.waiters) == 2)
        with condition:
            condition.notify()
            assert len(condition.waiters) == 2  # with the release, not before
        assert others.end(first) == 0
        assert len(condition.waiters) == 1
        with condition:
            condition.notify_all()
        assert others.end(second) == 0

    def test_time_is_up_and_the_lock_is_back(self) -> None:
        condition = machine.Condition(machine.Lock())
        with condition:
            assert not condition.wait(0.01)
            assert not condition.wait(0)
            assert condition.locked()
            assert condition.wait_for(lambda: 0, 0.01) == 0
            assert condition.wait_for(lambda: 7) == 7
        assert not condition.locked()

    def test_depth_comes_back(self, others: Others) -> None:
        condition = machine.Condition()

        def notify() -> None:
            with condition:
                condition.notify()

        with condition, condition:
            pid = others.start(notify)
            assert condition.wait(PATIENCE)
        assert others.end(pid) == 0
        assert not condition.locked()

    def test_who_does_not_hold_it(self) -> None:
        condition = machine.Condition()
        with pytest.raises(RuntimeError, match="un-acquired"):
            condition.wait()
        with pytest.raises(RuntimeError, match="un-acquired"):
            condition.notify()

    def test_a_lock_of_another_kind(self) -> None:
        with pytest.raises(TypeError, match="Lock or RLock"):
            machine.Condition(threading.Lock())  # type: ignore[arg-type]

    def test_ctrl_c_has_the_lock_back(self, others: Others) -> None:
        condition = machine.Condition()

        def wait() -> None:
            with condition:
                try:
                    condition.wait()
                except KeyboardInterrupt:
                    assert condition.owner is not None
                    assert condition.owner.pid == os.getpid()
                    os._exit(7)

        pid = others.start(wait)
        until(lambda: condition.waiters)
        os.kill(pid, signal.SIGINT)
        assert others.end(pid) == 7
        assert condition.acquire(timeout=PATIENCE)  # its holder has ended


class TestBarrier:
    def test_rounds(self, others: Others) -> None:
        barrier = machine.Barrier(3)
        pids = [others.start(lambda: [barrier.wait() for _ in range(50)]) for _ in range(3)]
        assert [others.end(pid) for pid in pids] == [0, 0, 0]
        assert not barrier.broken

    def test_timeout_breaks_it_until_reset(self, others: Others) -> None:
        barrier = machine.Barrier(2)
        with pytest.raises(machine.BrokenBarrierError):
            barrier.wait(0.01)
        assert barrier.broken
        with pytest.raises(machine.BrokenBarrierError):
            barrier.wait()
        barrier.reset()
        pid = others.start(barrier.wait)
        assert barrier.wait() in (0, 1)
        assert others.end(pid) == 0

    def test_reset_and_abort_tell_who_waits(self, others: Others) -> None:
        barrier = machine.Barrier(2)

        def wait() -> None:
            with pytest.raises(machine.BrokenBarrierError):
                barrier.wait()

        for end in (barrier.reset, barrier.abort):
            pid = others.start(wait)
            until(lambda: barrier.n_waiting == 1)
            end()
            assert others.end(pid) == 0
        assert barrier.broken

    def test_action(self, others: Others) -> None:
        ran = machine.Semaphore(0)
        barrier = machine.Barrier(2, ran.release)
        pid = others.start(barrier.wait)
        barrier.wait()
        assert others.end(pid) == 0
        assert ran._value == 1

    def test_an_action_that_raises_breaks_it(self) -> None:
        def fail() -> None:
            raise LookupError("no")

        barrier = machine.Barrier(1, fail)
        with pytest.raises(LookupError):
            barrier.wait()
        assert barrier.broken


class TestRWLock:
    def test_readers_together_writer_alone(self) -> None:
        lock = machine.RWLock()
        with lock.read(), lock.read():
            assert lock.readers == 2
            assert not lock.write().acquire(timeout=0.01)
        with lock.write():
            assert lock.owner is not None
            assert not lock.read().acquire(blocking=False)
        with pytest.raises(RuntimeError, match="does not read"):
            lock.read().release()
        with pytest.raises(RuntimeError, match="does not write"):
            lock.write().release()

    def test_a_writer_who_waits_is_not_passed(self, others: Others) -> None:
        lock = machine.RWLock()
        with lock.read():
            pid = others.start(lock.write().acquire)
            until(lambda: lock.waiters)
            assert not lock.read().acquire(blocking=False)
        assert others.end(pid) == 0


class TestLatch:
    def test_opens_at_zero(self, others: Others) -> None:
        latch = machine.Latch(3)
        pid = others.start(lambda: os._exit(not latch.wait()))
        until(lambda: latch.waiters)
        assert not latch.wait(0.01)
        latch.count_down()
        with pytest.raises(ValueError, match="cannot count down by 3"):
            latch.count_down(3)
        latch.count_down(2)
        assert others.end(pid) == 0
        assert latch.count == 0
        assert latch.wait()
        with pytest.raises(ValueError, match="cannot count down"):
            latch.count_down()

    def test_of_nothing(self) -> None:
        assert machine.Latch(0).wait(0)


class TestNames:
    def test_the_same_name_is_the_same_lock(self) -> None:
        with machine.Lock("same"):
            assert not machine.Lock("same").acquire(blocking=False)
            assert machine.Lock("other").acquire(blocking=False)

    def test_another_kind_or_number(self) -> None:
        lock, semaphore = machine.Lock("kind"), machine.Semaphore("number", 2)
        with pytest.raises(ValueError, match="is open on this machine as Lock, not as Event"):
            machine.Event("kind")
        with pytest.raises(ValueError, match="with 2, not with 3"):
            machine.Semaphore(3, name="number")
        del lock, semaphore
        gc.collect()
        assert machine.Event("kind").wait(0) is False

    def test_the_last_user_takes_it_along(self) -> None:
        event = machine.Event("gone")
        event.set()
        del event
        gc.collect()
        assert not machine.Event("gone").is_set()

    def test_a_child_keeps_it(self, others: Others) -> None:
        event, ready, go = machine.Event("kept"), machine.Event(), machine.Event()

        def keep() -> None:
            ready.set()
            go.wait()

        event.set()
        pid = others.start(keep)  # it has a copy of all that is here
        ready.wait()
        del event
        gc.collect()
        assert machine.Event("kept").is_set()
        go.set()
        assert others.end(pid) == 0

    @pytest.mark.parametrize("name", ["", "a\0b", "x" * 96])
    def test_no_name(self, name: str) -> None:
        with pytest.raises(ValueError, match="1 to 95 bytes"):
            machine.Lock(name)
        with pytest.raises(TypeError):
            machine.Lock(7)  # type: ignore[arg-type]

    def test_a_thousand_names_cost_no_descriptor(self) -> None:
        before = set(os.listdir("/proc/self/fd"))
        locks = [machine.Lock(f"thousand-{number}") for number in range(1000)]
        assert set(os.listdir("/proc/self/fd")) <= before  # what an earlier test has left may be closed meanwhile
        del locks


@pytest.mark.parametrize(
    "call",
    [
        lambda: machine.Semaphore(1.5),
        lambda: machine.BoundedSemaphore(2.5),
        lambda: machine.Latch(1.5),
        lambda: machine.Barrier(2.5),
        lambda: machine.Queue(1.5),
        lambda: machine.Queue(size=4096.5),
        lambda: machine.Semaphore(3).acquire(permits=1.5),
        lambda: machine.Semaphore(3).release(1.5),
        lambda: machine.Latch(3).count_down(1.5),
    ],
)
def test_part_of_a_number_is_refused(call: Callable[[], object]) -> None:
    with pytest.raises(TypeError, match="whole number"):
        call()
