"""Somebody is stopped inside a guard: who comes leaves when its time is up or Ctrl-C comes. Nothing is half done."""

import asyncio
import ctypes
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from functools import partial
from types import FrameType

import pytest

from interlock import machine
from interlock.machine.kernel import inside_arena

from .conftest import PATIENCE, Others, until

PTRACE_TRACEME, PTRACE_SINGLESTEP, PTRACE_DETACH = 0, 9, 17
MOST = 200_000  # instructions

libc = ctypes.CDLL(None, use_errno=True)
libc.ptrace.argtypes = [ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p]
libc.ptrace.restype = ctypes.c_long


class Stopped:
    """A process that stands inside a guard, between two instructions."""

    def __init__(self, others: Others, work: Callable[[], object], inside: Callable[[], int]) -> None:
        def run() -> None:
            if libc.ptrace(PTRACE_TRACEME, 0, None, None) != 0:
                os._exit(77)
            os.kill(os.getpid(), signal.SIGSTOP)
            work()

        self.others = others
        self.pid = others.start(run)
        _, status = os.waitpid(self.pid, 0)
        if not os.WIFSTOPPED(status):
            others.alive.discard(self.pid)
            pytest.skip("ptrace is not permitted here")
        for _ in range(MOST):
            if inside() == self.pid:
                return
            libc.ptrace(PTRACE_SINGLESTEP, self.pid, None, None)
            os.waitpid(self.pid, 0)
        raise AssertionError("it comes into no guard")

    def go_on(self, steps: int) -> None:
        for _ in range(steps):
            libc.ptrace(PTRACE_SINGLESTEP, self.pid, None, None)
            os.waitpid(self.pid, 0)

    def end(self, how: str) -> None:
        if how == "killed":
            self.others.kill(self.pid)
        else:
            libc.ptrace(PTRACE_DETACH, self.pid, None, None)


def calls(work: Callable[[], object]) -> None:
    work()


def in_call(frame: FrameType | None) -> bool:
    """Whether ``work``, which is compiled, has been called there: not before."""
    return frame is not None and frame.f_code is calls.__code__ and frame.f_lineno > calls.__code__.co_firstlineno


def interrupted(others: Others, prepare: Callable[[], object], work: Callable[[], object]) -> tuple[int, machine.Event]:
    """A process that gets KeyboardInterrupt in ``work``, once, which it begins when the event is set."""
    ready, go = machine.Event(), machine.Event()

    def on_signal(number: int, frame: FrameType | None) -> None:
        if in_call(frame):
            signal.signal(signal.SIGINT, signal.SIG_IGN)
            raise KeyboardInterrupt

    def run() -> None:
        signal.signal(signal.SIGINT, on_signal)
        prepare()
        ready.set()
        go.wait()
        try:
            calls(work)
        except KeyboardInterrupt:
            os._exit(3)

    pid = others.start(run)
    assert ready.wait(PATIENCE)
    return pid, go


def interrupt(others: Others, pid: int, go: machine.Event) -> None:
    """Send Ctrl-C now and then until it ends: it may not have come to where it waits."""
    go.set()
    sent = 0.0

    def ended() -> bool:
        nonlocal sent
        done, status = os.waitpid(pid, os.WNOHANG)
        if not done:
            if time.monotonic() - sent > 0.2:
                sent = time.monotonic()
                os.kill(pid, signal.SIGINT)
            return False
        others.alive.discard(pid)
        assert os.waitstatus_to_exitcode(status) == 3
        return True

    until(ended, "Ctrl-C is heard")


HOW = pytest.mark.parametrize("how", ["killed", "goes on"])


@HOW
def test_a_constructor_hears_ctrl_c(others: Others, how: str) -> None:
    pid, go = interrupted(others, lambda: None, machine.Lock)
    stopped = Stopped(others, machine.Event, inside_arena)
    interrupt(others, pid, go)
    stopped.end(how)
    with machine.Lock():
        pass


def test_who_drops_an_object_does_not_wait(others: Others) -> None:
    lock = machine.Lock()
    stopped = Stopped(others, machine.Event, inside_arena)
    del lock
    assert inside_arena() == stopped.pid
    stopped.end("killed")
    machine.Lock()


def test_a_child_is_made_meanwhile(others: Others) -> None:
    """It has what its parent has, once the other one has gone on."""
    lock = machine.Lock()
    stopped = Stopped(others, machine.Event, inside_arena)

    def use() -> None:
        with lock:
            pass

    pid = others.start(use)
    stopped.end("killed")
    assert others.end(pid) == 0


@HOW
@pytest.mark.parametrize("kind", [machine.Semaphore, machine.BoundedSemaphore])
def test_a_permit_comes_back(others: Others, kind: type[machine.Semaphore], how: str) -> None:
    semaphore = kind(2)
    pid, go = interrupted(others, semaphore.__enter__, semaphore.__exit__)
    stopped = Stopped(others, lambda: semaphore.acquire(permits=2), lambda: semaphore._inside)
    interrupt(others, pid, go)
    stopped.end(how)
    if how == "goes on":
        others.end(stopped.pid)
        if kind is machine.Semaphore:
            semaphore.release(2)  # it has ended with them
    assert semaphore.acquire(timeout=PATIENCE, permits=2)
    assert not semaphore.acquire(blocking=False)


@pytest.fixture
def interrupt_this(request: pytest.FixtureRequest) -> Iterator[Callable[[Callable[[], object]], None]]:
    """Makes a call that blocks, in this thread, and raises KeyboardInterrupt in it."""
    over = threading.Event()

    def on_signal(number: int, frame: FrameType | None) -> None:
        if in_call(frame) and not over.is_set():
            over.set()
            raise KeyboardInterrupt

    def disturb() -> None:
        while not over.wait(0.01):
            signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGUSR1)

    def interrupt_this(work: Callable[[], object]) -> None:
        over.clear()
        disturber = threading.Thread(target=disturb)
        disturber.start()
        try:
            with pytest.raises(KeyboardInterrupt):
                calls(work)
        finally:
            over.set()
            disturber.join()

    before = signal.signal(signal.SIGUSR1, on_signal)
    yield interrupt_this
    signal.signal(signal.SIGUSR1, before)


@HOW
def test_a_part_of_a_hold_comes_back(
    others: Others, how: str, interrupt_this: Callable[[Callable[[], object]], None]
) -> None:
    semaphore = machine.BoundedSemaphore(5)
    semaphore.acquire(permits=3)
    stopped = Stopped(others, partial(semaphore.acquire, blocking=False), lambda: semaphore._inside)
    interrupt_this(partial(semaphore.release, 2))
    stopped.end(how)
    if how == "goes on":
        others.end(stopped.pid)
    assert semaphore.acquire(timeout=PATIENCE, permits=4)
    assert not semaphore.acquire(blocking=False)
    semaphore.release(5)
    with pytest.raises(ValueError, match="too many times"):
        semaphore.release()


def test_who_is_stopped_gives_back_a_part_of_the_same_hold(
    others: Others, interrupt_this: Callable[[Callable[[], object]], None]
) -> None:
    """Wherever it stands inside, both parts come back."""
    steps, inside = 0, True
    while inside:
        semaphore = machine.BoundedSemaphore(5)
        semaphore.acquire(permits=4)
        stopped = Stopped(others, semaphore.release, lambda semaphore=semaphore: semaphore._inside)  # type: ignore[misc]
        stopped.go_on(steps)
        inside = semaphore._inside == stopped.pid
        if inside:
            interrupt_this(partial(semaphore.release, 2))
        else:
            semaphore.release(2)
        stopped.end("goes on")
        assert others.end(stopped.pid) == 0
        assert semaphore.acquire(timeout=PATIENCE, permits=4)
        assert not semaphore.acquire(blocking=False)
        steps += 40


def test_what_a_holder_counts_is_nobody_elses(others: Others) -> None:
    """Somebody was killed inside. Whoever makes the links anew, step by step, changes nothing that is the holder's."""
    lock = machine.RLock()
    lock.acquire()
    depth = 1
    try_it = partial(lock.acquire, timeout=0.0)
    Stopped(others, try_it, lambda: lock._inside).end("killed")
    next_one = Stopped(others, try_it, lambda: lock._inside)
    while lock._inside == next_one.pid:
        lock.acquire()
        depth += 1
        next_one.go_on(1)
        assert lock._recursion_count() == depth
    next_one.end("goes on")
    for _ in range(depth):
        lock.release()
    assert not lock.locked()


@HOW
def test_a_release_reaches_who_waits(others: Others, how: str) -> None:
    semaphore = machine.Semaphore(0)
    waiter = others.start(semaphore.acquire)
    until(lambda: len(semaphore.waiters) == 1)
    pid, go = interrupted(others, lambda: None, semaphore.release)
    stopped = Stopped(others, lambda: semaphore.acquire(blocking=False), lambda: semaphore._inside)
    interrupt(others, pid, go)
    assert semaphore._value == 1
    stopped.end(how)
    assert others.end(waiter) == 0
    assert semaphore._value == 0


@HOW
def test_a_reader_and_a_writer_go(others: Others, how: str) -> None:
    lock = machine.RWLock()
    for side in (lock.read(), lock.write()):
        pid, go = interrupted(others, side.acquire, side.release)
        waiter = others.start(lock.write().acquire)
        until(lambda: len(lock.waiters) == 1)
        stopped = Stopped(others, lambda: lock.write().acquire(timeout=0), lambda: lock._inside)
        interrupt(others, pid, go)
        stopped.end(how)
        assert others.end(waiter) == 0


@HOW
def test_a_lock_is_free(others: Others, how: str) -> None:
    lock = machine.RLock()
    pid, go = interrupted(others, lock.acquire, lock.release)
    waiter = others.start(lock.acquire)
    until(lambda: len(lock.waiters) == 1)
    stopped = Stopped(others, lambda: lock.acquire(timeout=0), lambda: lock._inside)
    interrupt(others, pid, go)
    stopped.end(how)
    assert others.end(waiter) == 0


@HOW
@pytest.mark.parametrize("taken", ["held", "got"])
def test_an_item_is_done(others: Others, how: str, taken: str) -> None:
    queue = machine.Queue()
    queue.put(b"")
    held = queue.hold()
    if taken == "held":
        pid, go = interrupted(others, held.__enter__, held.__exit__)
    else:
        pid, go = interrupted(others, queue.get, queue.task_done)
    joiner = others.start(queue.join)
    until(lambda: len(queue.waiters) == 1)
    stopped = Stopped(others, queue.get, lambda: queue._inside)
    interrupt(others, pid, go)
    stopped.end("killed" if how == "killed" else how)
    if how == "goes on":
        others.kill(stopped.pid)
    assert others.end(joiner) == 0
    assert queue.unfinished_tasks == 0
    assert queue.lost == 0


def test_a_wait_in_a_condition_ends_with_its_time(others: Others) -> None:
    """It has not let the lock go, so it must not wait to get it back."""
    condition = machine.Condition()
    ready, go = machine.Event(), machine.Event()

    def wait() -> None:
        condition.acquire()
        ready.set()
        go.wait()
        os._exit(4 if not condition.wait(0.01) and condition.owner.pid == os.getpid() else 5)

    pid = others.start(wait)
    assert ready.wait(PATIENCE)
    stopped = Stopped(others, lambda: condition.acquire(timeout=0), lambda: condition._inside)
    go.set()
    assert others.end(pid) == 4
    stopped.end("killed")
    with condition:
        assert condition.abandoned is not None


def test_a_handler_sees_its_own_thread_while_another_ones_coroutine_is_dropped(others: Others) -> None:
    """What that had got is given back in the name of its thread. A lock that the handler takes is its own."""
    lock, other = machine.Lock(), machine.Lock()
    lock.acquire()
    coroutines = []
    ready, over = threading.Event(), threading.Event()

    def work() -> None:
        async def main() -> None:
            coroutines.append(lock.acquire_async())
            coroutines[0].send(None)

        asyncio.run(main())
        ready.set()
        over.wait()

    thread = threading.Thread(target=work, name="the other")
    thread.start()
    ready.wait()
    lock.release()  # to the task, which never runs again
    stopped = Stopped(others, partial(lock.acquire, timeout=PATIENCE), lambda: lock._inside)
    told = []

    def handler(number: int, frame: FrameType | None) -> None:
        with other:
            assert other.owner is not None
            told.append(other.owner.thread)
        stopped.end("killed")

    before = signal.signal(signal.SIGALRM, handler)
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.2)
        coroutines.pop().close()
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    assert told == ["MainThread"]
    assert lock.acquire(timeout=PATIENCE)
    lock.release()
    over.set()
    thread.join()
