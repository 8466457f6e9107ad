"""KeyedLock, once and cached_property; BoundedSemaphore.resize."""

import asyncio
import gc
import threading
from typing import Any

import pytest
from parties import Parties, blocked

from interlock import (
    BoundedSemaphore,
    DeadlockError,
    Event,
    KeyedLock,
    Lock,
    RLock,
    RWLock,
    Semaphore,
    cached_property,
    once,
)

# --- KeyedLock ---------------------------------------------------------------------------------------------------


def test_one_lock_for_each_key(parties: Parties) -> None:
    locks = KeyedLock(name="users")
    a, b = parties(2)
    seven = locks["7"]
    assert seven is locks["7"]
    assert seven is not locks["8"]
    assert seven.name == "users['7']"
    a.enter(seven)
    entering = b.begin_enter(locks["7"])
    blocked(seven, 1)
    with locks["8"]:
        pass
    a.leave(seven)
    entering.result()
    b.leave(seven)


@pytest.mark.parametrize("kind", [Lock, RLock, RWLock])
def test_nothing_is_left_of_a_key(kind: Any) -> None:
    locks = KeyedLock(kind)
    for key in range(100):
        with locks[key].read() if kind is RWLock else locks[key]:
            assert key in locks
    gc.collect()
    assert len(locks) == 0
    assert 5 not in locks


@pytest.mark.parametrize("kind", [Lock, RLock])
def test_who_holds_it_need_not_keep_it(kind: Any) -> None:
    locks = KeyedLock(kind)
    locks["a"].acquire()
    gc.collect()
    assert locks["a"].locked()
    if kind is RLock:
        assert locks["a"].acquire()
        locks["a"].release()
        gc.collect()
        assert locks["a"].locked()
    locks["a"].release()
    gc.collect()
    assert len(locks) == 0
    with pytest.raises(RuntimeError):
        locks["a"].release()
    gc.collect()
    assert len(locks) == 0


def test_in_tasks() -> None:
    locks = KeyedLock()
    most = inside = 0

    async def use() -> None:
        nonlocal most, inside
        async with locks["k"]:
            inside += 1
            most = max(most, inside)
            await asyncio.sleep(0)
            inside -= 1

    async def main() -> None:
        await asyncio.gather(*[use() for _ in range(20)])

    asyncio.run(main())
    assert most == 1
    gc.collect()
    assert len(locks) == 0


def test_kinds() -> None:
    with pytest.raises(TypeError, match="kind must be"):
        KeyedLock(Semaphore)


def test_keys_under_threads() -> None:
    locks = KeyedLock()
    counts = [0] * 4

    def work() -> None:
        for i in range(400):
            with locks[i % 4]:
                seen = counts[i % 4]
                counts[i % 4] = seen + 1

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert counts == [400] * 4
    gc.collect()
    assert len(locks) == 0


# --- once --------------------------------------------------------------------------------------------------------


def test_once_runs_once(parties: Parties) -> None:
    calls: list[int] = []
    go = Event()

    @once
    def load(n: int) -> str:
        calls.append(n)
        go.wait()
        return f"loaded {n}"

    running = [party.begin(load, n) for n, party in enumerate(parties(4))]
    blocked(load._lock, 3)  # type: ignore[attr-defined]
    go.set()
    assert len({outcome.result() for outcome in running}) == 1
    assert len(calls) == 1
    assert load.__name__ == "load"


def test_once_tries_again_after_an_exception() -> None:
    calls: list[int] = []

    @once
    def load() -> int:
        calls.append(1)
        return 1 // (len(calls) - 1)

    with pytest.raises(ZeroDivisionError):
        load()
    assert load() == 1
    assert load() == 1
    assert len(calls) == 2


def test_once_that_calls_itself() -> None:
    @once
    def load() -> int:
        return load()

    with pytest.raises(DeadlockError):
        load()

    @once
    async def load_async() -> int:
        return await load_async()

    async def main() -> None:
        with pytest.raises(DeadlockError):
            await load_async()

    asyncio.run(main())


def test_once_in_tasks() -> None:
    calls: list[int] = []

    @once
    async def load() -> int:
        calls.append(1)
        await asyncio.sleep(0)
        return 5

    async def main() -> None:
        assert await asyncio.gather(*[load() for _ in range(5)]) == [5] * 5
        assert await load() == 5

    asyncio.run(main())
    assert calls == [1]


# --- cached_property ---------------------------------------------------------------------------------------------


def test_a_property_is_computed_once_for_each_instance(parties: Parties) -> None:
    calls: list[Any] = []
    go = Event()

    class Page:
        @cached_property
        def links(self) -> list[int]:
            """Its links."""
            calls.append(self)
            go.wait()
            return [1, 2]

    page, other = Page(), Page()
    running = [party.begin(lambda: page.links) for party in parties(3)]
    lock = Page.links._locks[id(page)]
    blocked(lock, 2)
    go.set()
    first = running[0].result()
    assert all(outcome.result() is first for outcome in running)
    assert calls == [page]
    assert other.links == [1, 2]
    assert Page.links.__doc__ == "Its links."
    del page.links
    assert page.links is not first
    del lock
    gc.collect()
    assert len(Page.links._locks) == 0


def test_a_property_that_raises_or_asks_for_itself() -> None:
    class Page:
        tries = 0

        @cached_property
        def size(self) -> int:
            self.tries += 1
            return 1 // (self.tries - 1)

        @cached_property
        def own(self) -> int:
            return self.own

    page = Page()
    with pytest.raises(ZeroDivisionError):
        _ = page.size
    assert page.size == 1
    with pytest.raises(DeadlockError):
        _ = page.own


def test_a_property_of_tasks() -> None:
    calls: list[int] = []

    class Page:
        @cached_property
        async def links(self) -> int:
            calls.append(1)
            await asyncio.sleep(0)
            return 7

    async def main() -> None:
        page = Page()

        async def ask() -> int:
            return await page.links

        assert await asyncio.gather(*[ask() for _ in range(5)]) == [7] * 5
        assert await page.links == 7

    asyncio.run(main())
    assert calls == [1]


def test_a_property_needs_a_place() -> None:
    class Slotted:
        __slots__ = ()

        @cached_property
        def value(self) -> int:
            return 1

    with pytest.raises(TypeError, match="no __dict__"):
        _ = Slotted().value


# --- resize ------------------------------------------------------------------------------------------------------


def test_a_semaphore_grows(parties: Parties) -> None:
    semaphore = BoundedSemaphore(1)
    semaphore.acquire()
    waiting = [party.begin(semaphore.acquire) for party in parties(2)]
    blocked(semaphore, 2)
    semaphore.resize(3)
    assert [outcome.result() for outcome in waiting] == [True, True]
    assert semaphore._value == 0
    semaphore.release(3)
    with pytest.raises(ValueError, match="released too many times"):
        semaphore.release()


def test_a_semaphore_shrinks(parties: Parties) -> None:
    semaphore = BoundedSemaphore(3)
    semaphore.acquire(permits=3)
    semaphore.resize(1)
    assert semaphore._value == 0
    waiting = parties.one().begin(semaphore.acquire)
    blocked(semaphore, 1)
    semaphore.release(2)
    assert semaphore.waiters != ()
    semaphore.release()
    assert waiting.result() is True
    semaphore.release()
    assert semaphore._value == 1
    with pytest.raises(ValueError, match="released too many times"):
        semaphore.release()
    with pytest.raises(ValueError, match="0 or more"):
        semaphore.resize(-1)
