"""Primitives travel to the processes of `multiprocessing`, whichever way these are started."""

import multiprocessing
import pickle

import pytest
from parties import ThreadParty

from interlock import machine

from .conftest import PATIENCE, until


def work(lock: machine.Lock, event: machine.Event, condition: machine.Condition, barrier: machine.Barrier) -> None:
    with lock:
        event.set()
    with condition:
        condition.notify_all()
    barrier.wait(PATIENCE)


@pytest.mark.parametrize("method", ["fork", "spawn", "forkserver"])
def test_as_arguments(method: str) -> None:
    context = machine.context(method)
    lock, event, condition, barrier = context.Lock(), context.Event(), context.Condition(), context.Barrier(2)
    process = context.Process(target=work, args=(lock, event, condition, barrier), daemon=True)
    with condition:
        process.start()
        assert condition.wait(PATIENCE)
    assert event.is_set()
    barrier.wait(PATIENCE)
    process.join(PATIENCE)
    assert process.exitcode == 0


def test_what_a_context_makes_for_itself() -> None:
    context = machine.context("fork")
    queue = context.Queue()
    queue.put(7)
    assert queue.get(timeout=PATIENCE) == 7
    queue.close()
    queue.join_thread()
    assert context.get_context("spawn") is multiprocessing.get_context("spawn")
    with pytest.raises(ValueError, match="cannot find context"):
        machine.context("telepathy")


@pytest.mark.parametrize("kind", ["its own", "Lock", "RLock", "machine.Lock"])
def test_acquire_of_a_condition_waits_as_that_of_its_lock(kind: str) -> None:
    context = machine.context()
    made = {"its own": lambda: None, "machine.Lock": machine.Lock} | {k: getattr(context, k) for k in ("Lock", "RLock")}
    condition = context.Condition(made[kind]())
    other = ThreadParty("other")
    condition.acquire()
    assert other.do(condition.acquire, False) is False
    assert other.do(condition.acquire, True, 0.001) is False
    assert other.do(condition.acquire, True, -1) is False  # multiprocessing's: less than 0 is not at all
    waiting = other.begin(condition.acquire)
    until(lambda: waiting.done or condition._extra().waiters)
    condition.release()
    assert waiting.result() is True
    other.do(condition.release)
    other.end()


def test_a_name_is_pickled_as_its_name() -> None:
    semaphore = machine.BoundedSemaphore("pickled", 3)
    semaphore.acquire()
    again = pickle.loads(pickle.dumps(semaphore))
    assert again._value == 2
    assert again.name == "pickled"


def test_what_has_no_name_is_pickled_for_a_child_only() -> None:
    with pytest.raises(RuntimeError, match="should only be shared between processes through inheritance"):
        pickle.dumps(machine.Lock())
