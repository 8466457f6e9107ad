"""`interlock.snapshot` and `interlock.dump`: who waits for what, who holds what."""

import asyncio
import io
import json
import os
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from typing import Any

import pytest
from parties import PATIENCE, ThreadParty, blocked, needs_signals, wait_until

import interlock
from interlock import Barrier, Condition, Event, Latch, Lock, RLock, RWLock, Semaphore, WaitQueue


@pytest.fixture
def someone() -> Iterator[ThreadParty]:
    party = ThreadParty("someone")
    yield party
    party.end()


def of(name: str) -> Any:
    (found,) = [party for party in interlock.snapshot()["parties"] if party["name"] == name]
    return found


def dumped() -> str:
    file = io.StringIO()
    interlock.dump(file)
    return file.getvalue()


# --- as data ------------------------------------------------------------------------------------------------------


def test_one_waits_for_the_other(someone: ThreadParty) -> None:
    lock = Lock(name="orders")

    def enter() -> None:
        with lock:  # enters
            pass

    with lock:
        waiting = someone.begin(enter)
        blocked(lock, 1)
        snapshot = interlock.snapshot()
        json.dumps(snapshot)  # plain data
        me, other = of("MainThread"), of("someone")
    waiting.result()
    assert me["waits"] is None
    # The thread may hold what another test has left.
    (held,) = [hold for hold in me["holds"] if hold["primitive"]["name"] == "orders"]
    assert held["at"]["text"] == "with lock:"
    assert me["at"]["function"] == "of"
    assert other["kind"] == "thread"
    assert other["ended"] is False
    wait = other["waits"]
    assert wait["primitive"] == {
        "id": id(lock),
        "kind": "Lock",
        "name": "orders",
        "made": None,
        "state": wait["primitive"]["state"],
    }
    assert wait["owners"] == [me["id"]]
    assert wait["timed"] is False
    assert wait["seconds"] >= 0
    assert other["at"]["file"] == __file__
    assert other["at"]["text"] == "with lock:  # enters"
    assert snapshot["cycles"] == []


def test_what_nobody_waits_for_is_held_too(someone: ThreadParty) -> None:
    lock, data, again, ready = Lock(name="lock"), RWLock(name="data"), RLock(name="again"), Event(name="ready")

    def hold() -> None:
        with lock, data.read():
            again.acquire()
            ready.wait()
            again.release()

    waiting = someone.begin(hold)
    blocked(ready, 1)
    holds = {hold["primitive"]["name"]: hold["at"]["text"] for hold in of("someone")["holds"]}
    text = dumped()
    ready.set()
    waiting.result()
    assert holds == {
        "lock": "with lock, data.read():",
        "data": "with lock, data.read():",
        "again": "again.acquire()",
    }
    assert text.count("      holds ") >= 3
    assert of("someone")["holds"] == []


def test_a_timed_wait_is_shown_as_such(someone: ThreadParty) -> None:
    event = Event()
    waiting = someone.begin(event.wait, timeout=60)
    blocked(event, 1)
    assert of("someone")["waits"]["timed"] is True
    event.set()
    waiting.result()
    assert of("someone")["waits"] is None


def test_readers_hold_too(someone: ThreadParty) -> None:
    data = RWLock(name="data")
    side = data.read()
    reader = ThreadParty("reader")
    reader.do(side.acquire)
    waiting = someone.begin(data.write().acquire)
    blocked(data, 1)
    assert of("someone")["waits"]["owners"] == [of("reader")["id"]]
    assert [hold["primitive"]["name"] for hold in of("reader")["holds"]] == ["data"]
    reader.do(side.release)
    waiting.result()
    reader.end()


def test_a_cycle_that_is_not_certain() -> None:
    a, b = ThreadParty("a"), ThreadParty("b")
    first, second = Lock(name="first"), RLock(name="second")
    a.do(first.acquire)  # by acquire: somebody else may release it
    b.do(second.acquire)
    waits = [a.begin(second.acquire)]
    blocked(second, 1)
    waits.append(b.begin(first.acquire))
    blocked(first, 1)
    (cycle,) = interlock.snapshot()["cycles"]
    assert cycle["certain"] is False
    names = {party["id"]: party["name"] for party in interlock.snapshot()["parties"]}
    assert sorted(names[number] for number in cycle["parties"]) == ["a", "b"]
    text = dumped()
    assert text.index("CYCLE: ") < text.index("NOT WAITING")
    assert "not certain: Lock 'first' was taken with acquire(), so any party may release it" in text
    first.release()
    waits[1].result()
    b.do(second.release)
    waits[0].result()
    a.do(second.release)
    a.end()
    b.end()


def test_tasks(someone: ThreadParty) -> None:
    lock = Lock(name="orders")
    release = threading.Event()

    async def hold() -> None:
        async with lock:
            while not release.is_set():
                await asyncio.sleep(0.001)

    async def wait() -> None:
        async with lock:
            pass

    async def main() -> None:
        await asyncio.gather(asyncio.create_task(hold(), name="holder"), asyncio.create_task(wait(), name="waiter"))

    running = someone.begin(lambda: asyncio.run(main()))
    blocked(lock, 1)
    waiter, holder = of("waiter"), of("holder")
    assert (waiter["kind"], holder["kind"]) == ("task", "task")
    assert waiter["waits"]["owners"] == [holder["id"]]
    assert (waiter["at"]["function"], waiter["at"]["text"]) == ("wait", "async with lock:")
    assert holder["holds"][0]["at"]["text"] == "async with lock:"
    text = dumped()
    assert "task waiter\n" in text
    assert "held by holder" in text
    release.set()
    running.result()


def test_a_task_under_a_timeout_of_asyncio(someone: ThreadParty) -> None:
    lock = Lock(name="lock")

    async def wait() -> None:
        async with asyncio.timeout(PATIENCE), lock:
            pass

    async def main() -> None:
        async with lock:
            task = asyncio.create_task(wait(), name="patient")
            while not lock.waiters:
                await asyncio.sleep(0)
            dumps.append(dumped())
        await task

    dumps: list[str] = []
    someone.do(lambda: asyncio.run(main()))
    assert re.search(r"  task patient\n      has waited \d\.\d s with a timeout for Lock 'lock', at ", dumps[0])


def test_an_owner_that_has_ended() -> None:
    lock = Lock(name="left")
    thread = threading.Thread(target=lock.acquire, name="gone")
    thread.start()
    thread.join()
    patient = ThreadParty("patient")
    waiting = patient.begin(lock.acquire)  # taken with acquire: another may release it
    blocked(lock, 1)
    assert of("gone")["holds"][0]["primitive"]["name"] == "left"
    lock.release()
    waiting.result()
    patient.end()


# --- for people ---------------------------------------------------------------------------------------------------


MISSING = [
    (Event(name="x"), "wait", "set", "nobody has set it since this wait began"),
    (Barrier(3, name="x"), "wait", "reset", "1 of 3 have arrived"),
    (Latch(2, name="x"), "wait", None, "2 count-downs are missing"),
    (Semaphore(0, name="x"), "acquire", "release", "no permit is free"),
    (WaitQueue(name="x"), "park", "unpark", "no unpark() has reached this wait"),
]


@pytest.mark.parametrize(("primitive", "wait", "end", "text"), MISSING, ids=lambda value: type(value).__name__)
def test_what_is_missing(someone: ThreadParty, primitive: Any, wait: str, end: str | None, text: str) -> None:
    waiting = someone.begin(getattr(primitive, wait))
    blocked(primitive, 1)
    shown = dumped()
    assert f"for {type(primitive).__name__} 'x', at " in shown
    assert f"      {text}\n" in shown
    if end is None:
        primitive.count_down(2)
    else:
        getattr(primitive, end)()
    waiting.error()


def test_a_condition_waits_for_a_notification_and_then_for_its_lock(someone: ThreadParty) -> None:
    condition = Condition(name="news")

    def wait() -> None:
        with condition:
            condition.wait()

    waiting = someone.begin(wait)
    blocked(condition, 1)
    assert "no notify() has reached this wait" in dumped()
    with condition:
        condition.notify()
        assert of("someone")["waits"]["primitive"]["kind"] == "RLock"
        assert "held by MainThread" in dumped()
    waiting.result()


def test_what_happened_before_or_to_others_is_not_denied(someone: ThreadParty) -> None:
    event, permits, condition = Event(), Semaphore(1), Condition()
    event.set()
    event.clear()
    permits.acquire()
    permits.release()
    permits.acquire()

    def wait() -> None:
        with condition:
            condition.wait()

    others = [ThreadParty(f"other {number}") for number in range(3)]
    waits = [others[0].begin(event.wait), others[1].begin(permits.acquire), others[2].begin(wait)]
    for each in (event, permits, condition):
        blocked(each, 1)
    waits.append(someone.begin(wait))
    blocked(condition, 2)
    with condition:
        condition.notify()
    waits[2].result()
    blocks = dumped()
    assert "nobody has set it since this wait began" in blocks
    assert "no permit is free\n" in blocks
    assert "no notify() has reached this wait" in blocks  # one has reached another
    event.set()
    permits.release()
    with condition:
        condition.notify()
    for waiting in waits:
        waiting.result()
    for other in others:
        other.end()


def test_names_of_the_lines_that_made_them(someone: ThreadParty) -> None:
    with interlock.watch_order():
        event = Event()
    waiting = someone.begin(event.wait)
    blocked(event, 1)
    assert f"Event of {os.path.relpath(__file__)}:" in dumped()
    event.set()
    waiting.result()


def test_long_waits_come_before_the_others(someone: ThreadParty, monkeypatch: pytest.MonkeyPatch) -> None:
    import interlock.watch.dump as module

    event = Event()
    waiting = someone.begin(event.wait)
    blocked(event, 1)
    assert "\nWAITING\n  someone\n" in dumped()
    monkeypatch.setattr(module, "LONG", 0.0)
    assert "\nWAITING for more than 0 s\n  someone\n" in dumped()
    event.set()
    waiting.result()


def test_thousands_are_counted_and_not_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    import interlock.watch.dump as module

    monkeypatch.setattr(module, "MOST", 3)
    monkeypatch.setattr(module, "MOST_ALIKE", 1000)
    event = Event()

    async def main() -> str:
        tasks = [asyncio.create_task(event.wait_async()) for _ in range(1000)]
        await asyncio.sleep(0)
        text = dumped()
        event.set()
        await asyncio.gather(*tasks)
        return text

    assert "\n  and 997 more\n" in asyncio.run(main())


def test_those_of_whom_the_same_is_to_be_told_are_one_block() -> None:
    gate, other = Event(name="gate"), Event(name="other")

    async def main() -> str:
        async def passes() -> None:
            await gate.wait_async()

        tasks = [asyncio.create_task(passes(), name=f"guest {number}") for number in range(50)]
        tasks += [asyncio.create_task(other.wait_async(), name=f"host {number}") for number in range(3)]
        await asyncio.sleep(0)
        text = dumped()
        assert len(interlock.snapshot()["parties"]) >= 53
        gate.set()
        other.set()
        await asyncio.gather(*tasks)
        return text

    text = asyncio.run(main())
    _, _, folded = text.partition("  tasks guest 0, guest 1, guest 2 and 47 more\n")
    assert folded.startswith("      have waited for Event 'gate', 0.0 s at longest, at ")
    assert text.count("nobody has set it") == 4  # one block for the 50; three are each told
    assert "  task host 2\n" in text


def test_to_stderr(capsys: pytest.CaptureFixture[str]) -> None:
    interlock.dump()
    assert capsys.readouterr().err.startswith("interlock: ")


# --- by a signal --------------------------------------------------------------------------------------------------


@needs_signals
def test_while_the_main_thread_is_blocked(someone: ThreadParty) -> None:
    """It prints, and the main thread waits on as though nothing had happened."""
    event, file = Event(name="ready"), io.StringIO()
    before = signal.getsignal(signal.SIGUSR1)
    interlock.dump_on_signal(signal.SIGUSR1, file)
    try:

        def send() -> None:
            blocked(event, 1)
            signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGUSR1)
            wait_until(file.getvalue, "the dump is there")
            event.set()

        sent = someone.begin(send)
        assert event.wait()
        sent.result()
    finally:
        signal.signal(signal.SIGUSR1, before)
    shown = r"  MainThread\n      has waited \d\.\d s for Event 'ready', at tests/watch/test_dump.py:"
    assert re.search(shown, file.getvalue())


@needs_signals
def test_such_a_handler_does_not_make_a_cycle_uncertain() -> None:
    before = signal.getsignal(signal.SIGUSR1)
    interlock.dump_on_signal(signal.SIGUSR1, io.StringIO())
    try:
        lock = Lock()
        with lock, pytest.raises(interlock.DeadlockError):
            lock.acquire()
    finally:
        signal.signal(signal.SIGUSR1, before)


def test_only_in_the_main_thread(someone: ThreadParty) -> None:
    assert isinstance(someone.begin(interlock.dump_on_signal, signal.SIGINT).error(), ValueError)


def test_a_lock_that_a_task_took_by_awaiting_acquire_is_told() -> None:
    orders = interlock.Lock(name="orders")
    kept: list[asyncio.Task[None]] = []

    async def take() -> None:
        await orders.acquire()  # type: ignore[misc]

    async def main() -> str:
        kept.append(asyncio.create_task(take(), name="taker"))
        await asyncio.wait(kept)
        waiting = asyncio.create_task(orders.acquire_async())  # type: ignore[arg-type]
        await asyncio.sleep(0)
        file = io.StringIO()
        interlock.dump(file)
        orders.release()
        await waiting
        return file.getvalue()

    text = asyncio.run(main())
    assert isinstance(kept[0].exception(), TypeError)
    line = take.__code__.co_firstlineno + 1
    assert "task taker took it and ended by a TypeError: acquire() is not awaited, taken at" in text
    assert f"test_dump.py:{line} in take" in text
    kept.clear()


def test_a_select_shows_all_that_it_waits_for(someone: ThreadParty) -> None:
    lock, jobs, stop = interlock.Lock(name="orders"), interlock.Queue[int](name="jobs"), interlock.Event(name="stop")
    with lock:
        choosing = someone.begin(
            lambda: interlock.select(lock.acquiring(), jobs.getting(), stop.waiting(), lock.acquiring())
        )
        blocked(stop, 1)
        text = dumped()
        assert "for Lock 'orders' or an item of Queue 'jobs' or Event 'stop', at" in text
        assert "Lock 'orders': held by MainThread" in text
        assert "an item of Queue 'jobs': it is empty" in text
        assert "CYCLE" not in text
        (waits,) = [each["waits"] for each in interlock.snapshot()["parties"] if each["waits"] is not None]
        assert [each["primitive"]["name"] for each in waits["choices"]] == ["orders", "jobs", "stop", "orders"]
        assert [len(each["owners"]) for each in waits["choices"]] == [1, 0, 0, 1]
        stop.set()
    assert choosing.result() == (2, True)


def test_a_cycle_through_a_select_that_is_not_certain() -> None:
    """Shown only while every alternative is in it."""
    a, b, c = (interlock.Lock(name=name) for name in "abc")
    chooser, other, third = (ThreadParty(name) for name in ("chooser", "other", "third"))
    chooser.do(a.acquire)
    other.do(b.acquire)
    c.acquire()
    waiting = other.begin(a.acquire)
    blocked(a, 1)
    choosing = chooser.begin(lambda: interlock.select(b.acquiring(), c.acquiring()))
    blocked(c, 1)
    assert "CYCLE" not in dumped()  # c is held by one who runs
    c.release()
    assert choosing.result() == (1, True)
    third.do(c.release)
    third.do(c.acquire)
    choosing = chooser.begin(lambda: interlock.select(b.acquiring(), c.acquiring()))
    blocked(c, 1)
    also = third.begin(a.acquire)
    blocked(a, 2)
    text = dumped()
    assert "CYCLE: " in text
    assert "not certain" in text
    a.release()
    assert waiting.result()
    a.release()
    assert also.result()
    c.release()
    assert choosing.result() == (1, True)
    for each in (chooser, other, third):
        each.end()


def test_many_that_sleep_are_one_block_without_a_time() -> None:
    """Each sleeps until another moment."""
    code = """
import io, sys, threading, time, interlock
for i in range(5):
    threading.Thread(target=time.sleep, args=(600 + i,), name=f"sleeper {i}", daemon=True).start()
told = ""
while "sleeper" not in told.partition("NOT WAITING")[0] or "sleeper" in told.partition("NOT WAITING")[2]:
    file = io.StringIO()
    interlock.dump(file)
    told = file.getvalue()
sys.stdout.write(told)
"""
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, encoding="utf-8", check=True).stdout
    block = told.partition("and 2 more\n")[2]
    assert block.startswith("      sleep, at ")
