"""What programs do with `threading`'s objects beside their methods, done with ours."""

import queue
import threading
from collections.abc import Callable, Iterator
from typing import Any
from unittest import mock

import pytest
from parties import PATIENCE, blocked, wait_until

import interlock
from interlock.dropin import install

MAKE: dict[str, Callable[[], Any]] = {
    "Event": lambda: threading.Event(),
    "Condition": lambda: threading.Condition(),
    "Semaphore": lambda: threading.Semaphore(1),
    "BoundedSemaphore": lambda: threading.BoundedSemaphore(1),
    "Barrier": lambda: threading.Barrier(2),
    "Queue": lambda: queue.Queue(),
    "LifoQueue": lambda: queue.LifoQueue(),
    "PriorityQueue": lambda: queue.PriorityQueue(),
}


@pytest.fixture(autouse=True)
def installed() -> Iterator[None]:
    with install():
        yield


@pytest.mark.parametrize("kind", MAKE)
def test_it_is_one_of_ours_and_says_so(kind: str) -> None:
    made = MAKE[kind]()
    assert isinstance(made, getattr(interlock, kind))
    assert isinstance(made, getattr(threading, kind, getattr(queue, kind, None)))
    assert repr(made).startswith(f"<interlock.{kind} at ")


@pytest.mark.parametrize("kind", MAKE)
def test_attributes_are_hung_on_it(kind: str) -> None:
    made = MAKE[kind]()
    made.result = 42
    assert (made.result, vars(made)["result"]) == (42, 42)


@pytest.mark.parametrize("kind", MAKE)
def test_a_method_is_replaced_on_one_object(kind: str) -> None:
    made, other = MAKE[kind](), MAKE[kind]()
    name = next(name for name in ("wait", "acquire", "get") if hasattr(made, name))
    with mock.patch.object(made, name, return_value="patched"):
        assert getattr(made, name)() == "patched"
        assert getattr(other, name) != getattr(made, name)
    assert name not in vars(made)


def test_wait_for_waits_by_the_wait_of_the_object() -> None:
    condition = threading.Condition()
    ready: list[bool] = []
    with condition, mock.patch.object(condition, "wait", side_effect=lambda timeout: ready.append(True)) as wait:
        assert condition.wait_for(lambda: ready) == [True]
    assert wait.call_count == 1
    with condition:
        assert condition.wait_for(lambda: False, 0.001) is False


def test_notify_all_notifies_by_the_notify_of_the_object() -> None:
    condition = threading.Condition()
    with condition, mock.patch.object(condition, "notify") as notify:
        condition.notify_all()
    assert notify.call_count == 1


@pytest.mark.parametrize("kind", [kind for kind in MAKE if kind.endswith("Queue")])
def test_what_does_not_wait_goes_by_the_put_and_get_of_the_object(kind: str) -> None:
    calls: list[str] = []

    class Logged(getattr(queue, kind)):  # type: ignore[misc]
        def put(self, item: object, block: bool = True, timeout: float | None = None) -> None:
            calls.append(f"put {item} {block}")
            super().put(item, block, timeout)

        def get(self, block: bool = True, timeout: float | None = None) -> object:
            calls.append(f"get {block}")
            return super().get(block, timeout)

    logged = Logged(1)
    logged.put_nowait(1)
    with pytest.raises(queue.Full):
        logged.put_nowait(2)
    assert logged.get_nowait() == 1
    with pytest.raises(queue.Empty):
        logged.get_nowait()
    assert calls == ["put 1 False", "put 2 False", "get False", "get False"]
    plain = MAKE[kind]()
    with mock.patch.object(plain, "put") as put:
        plain.put_nowait(3)
    put.assert_called_once_with(3, block=False)
    assert plain.empty()


def test_the_kinds_of_queues_are_related_as_ever() -> None:
    for kind in (queue.LifoQueue, queue.PriorityQueue):
        made = kind()
        assert isinstance(made, queue.Queue)
        for item in (2, 1, 3):
            made.put(item)
        assert made.get() == (3 if kind is queue.LifoQueue else 1)
        assert len(made.queue) == 2


def test_an_event_from_inside() -> None:
    event = threading.Event()
    thread = threading.Thread(target=event.wait, daemon=True)
    thread.start()
    blocked(event, 1)
    with event._cond:  # type: ignore[attr-defined]
        assert event._cond._lock.locked()  # type: ignore[attr-defined]
        assert len(event._cond._waiters) == 1  # type: ignore[attr-defined]
        assert event._flag is False  # type: ignore[attr-defined]
        event._flag = True  # type: ignore[attr-defined]
        event._cond.notify_all()  # type: ignore[attr-defined]
    thread.join(PATIENCE)
    assert not thread.is_alive()
    assert event.is_set()
    with event._cond:  # type: ignore[attr-defined]
        assert event._cond.wait(PATIENCE)  # type: ignore[attr-defined]
    assert not event._cond._lock.locked()  # type: ignore[attr-defined]


def test_a_condition_from_inside() -> None:
    condition = threading.Condition()

    def wait() -> None:
        with condition:
            condition.wait()

    thread = threading.Thread(target=wait, daemon=True)
    thread.start()
    blocked(condition, 1)
    assert len(condition._waiters) == 1  # type: ignore[attr-defined]
    with condition:
        assert condition._lock._is_owned()  # type: ignore[attr-defined]
        condition.notify_all()
    thread.join(PATIENCE)
    assert not condition._waiters  # type: ignore[attr-defined]


@pytest.mark.parametrize("kind", ["Semaphore", "BoundedSemaphore"])
def test_a_semaphore_from_inside(kind: str) -> None:
    semaphore = getattr(threading, kind)(3)
    semaphore.acquire()
    with semaphore._cond:
        assert semaphore._value == 2
        semaphore._value = 0
    assert semaphore.acquire(blocking=False) is False
    thread = threading.Thread(target=semaphore.acquire, daemon=True)
    thread.start()
    blocked(semaphore, 1)
    assert len(semaphore._cond._waiters) == 1
    with semaphore._cond:
        semaphore._value = 1
        semaphore._cond.notify()
    thread.join(PATIENCE)
    assert not thread.is_alive()
    assert kind == "Semaphore" or semaphore._initial_value == 3


def test_a_barrier_from_inside() -> None:
    def act() -> None:
        pass

    barrier: Any = threading.Barrier(2, act, 10)
    assert (barrier._parties, barrier._action, barrier._timeout, barrier._state, barrier._count) == (2, act, 10, 0, 0)
    thread = threading.Thread(target=barrier.wait, daemon=True)
    thread.start()
    blocked(barrier, 1)
    assert barrier._count == 1
    assert len(barrier._cond._waiters) == 1
    barrier.wait()
    thread.join(PATIENCE)
    barrier.abort()
    assert barrier._state == -2


def test_a_reentrant_lock_from_inside() -> None:
    lock: Any = threading.RLock()
    assert (lock._owner, lock._count) == (None, 0)
    with lock, lock:
        assert (lock._owner, lock._count) == (threading.get_ident(), 2)


def test_those_of_the_package_itself_stay_without() -> None:
    for kind in MAKE:
        made = getattr(interlock, kind)(*{"Barrier": (2,)}.get(kind, ()))
        assert not hasattr(made, "__dict__")


def test_subclasses_of_what_stands_in_have_their_own_methods() -> None:
    class Counted(threading.Condition):
        waits = 0

        def wait(self, timeout: float | None = None) -> bool:
            type(self).waits += 1
            return super().wait(0.001)

    condition = Counted()
    with condition:
        assert condition.wait_for(lambda: Counted.waits == 2)
    wait_until(lambda: not condition.waiters, "nobody waits")
