"""A wait between processes is seen: in a dump, in a snapshot, in a recording; with the process that holds it."""

import asyncio
import io
import threading
import time
from pathlib import Path

import pytest
from parties import ThreadParty

import interlock
from interlock import cli, machine
from interlock.machine import boards
from interlock.watch.snapshot import PartyData

from .conftest import PATIENCE, Others, until


def dumped() -> str:
    out = io.StringIO()
    interlock.dump(out)
    return out.getvalue()


def party(name: str) -> PartyData:
    (found,) = [each for each in interlock.snapshot()["parties"] if each["name"] == name]
    return found


def test_a_dump_names_the_process_that_holds_it(others: Others) -> None:
    lock = machine.Lock("seen-by-dump")
    held, free = machine.Event(), machine.Event()

    def hold() -> None:
        with lock:
            held.set()
            free.wait()

    pid = others.start(hold)
    assert held.wait(PATIENCE)
    waits = threading.Thread(target=lock.acquire, name="orders-worker")
    waits.start()
    until(lambda: party("orders-worker")["machine"])  # it is queued before it notes in what it waits
    text = dumped()
    assert "machine.Lock 'seen-by-dump', held by " in text
    assert f"[{pid}] MainThread" in text
    found = party("orders-worker")["machine"]
    assert found is not None
    assert (found["kind"], found["name"], found["timed"]) == ("Lock", "seen-by-dump", False)
    assert [owner["pid"] for owner in found["owners"]] == [pid]
    free.set()
    waits.join()
    assert "seen-by-dump" not in dumped()


def test_who_waits_for_what_nobody_holds(others: Others) -> None:
    semaphore = machine.Semaphore(0)
    waits = threading.Thread(target=semaphore.acquire, kwargs={"timeout": PATIENCE}, name="orders-worker")
    waits.start()
    until(lambda: len(semaphore.waiters) == 1)
    found = party("orders-worker")["machine"]
    assert found is not None
    assert (found["kind"], found["name"], found["timed"], found["owners"]) == ("Semaphore", None, True, [])
    semaphore.release()
    waits.join()
    assert party("MainThread")["machine"] is None


def test_a_task(others: Others) -> None:
    lock = machine.Lock("seen-of-a-task")

    async def main() -> None:
        task = asyncio.create_task(lock.acquire_async(), name="orders-task")
        while not lock.waiters:
            await asyncio.sleep(0)
        from interlock.machine.tasks import wait_of_task

        blocked = wait_of_task(task)
        assert str(blocked).startswith("machine.Lock 'seen-of-a-task', held by ")
        assert not blocked.timed
        lock.release()
        assert await task
        assert wait_of_task(task) is None

    lock.acquire()
    asyncio.run(main())
    lock.release()


def test_the_line_of_a_holder_that_is_watched(others: Others) -> None:
    lock = machine.Lock("seen-with-line")
    held, free = machine.Event(), machine.Event()

    def hold() -> None:
        with interlock.record(), lock:
            held.set()
            free.wait()

    others.start(hold)
    assert held.wait(PATIENCE)
    waits = threading.Thread(target=lock.acquire, name="orders-worker")
    waits.start()
    until(lambda: len(lock.waiters) == 1)
    found = party("orders-worker")["machine"]
    assert found is not None
    line = hold.__code__.co_firstlineno + 1
    assert [owner["at"] for owner in found["owners"]] == [f"test_seen.py:{line}"]
    assert f"test_seen.py:{line}" in dumped()
    free.set()
    waits.join()


def test_a_recording_has_holds_and_waits() -> None:
    lock, event = machine.Lock("seen-in-recording"), machine.Event()

    def work() -> None:
        with lock:
            pass
        event.set()

    with interlock.record() as recording:
        lock.acquire()
        worker = threading.Thread(target=work)
        worker.start()
        until(lambda: len(lock.waiters) == 1)
        lock.release()
        worker.join()
        assert event.wait(PATIENCE)
    happened = [
        (each.happening, recording.primitives[each.primitive].kind)
        for each in recording.events()
        if recording.primitives[each.primitive].name == "seen-in-recording"
    ]
    assert [what for what, _ in happened] == ["acquired", "waiting", "released", "granted", "released"]
    assert {kind for _, kind in happened} == {"Lock"}


def test_threads_that_meet_at_what_was_not_watched_before() -> None:
    """What stands for it in recordings is made by whoever comes first, once."""
    latches = [machine.Latch(1000) for _ in range(50)]
    together = threading.Barrier(4)

    def work() -> None:
        for latch in latches:
            together.wait()
            latch.count_down()

    with interlock.record() as recording:
        workers = [threading.Thread(target=work) for _ in range(4)]
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join()
    unnamed = [board.name is not None and board.name.startswith("#") for board in recording.primitives]
    seen = [each.primitive for each in recording.events() if unnamed[each.primitive]]
    assert sorted(seen.count(primitive) for primitive in set(seen)) == [4] * 50


def test_a_recording_has_waits_for_notifications_and_at_barriers() -> None:
    condition, barrier = machine.Condition(name="seen-condition"), machine.Barrier("seen-barrier", 2)
    other = ThreadParty("other")

    def wait(timeout: float | None = None) -> bool:
        with condition:
            return condition.wait(timeout)

    with interlock.record() as recording:
        waiting = other.begin(wait)
        until(lambda: condition.waiters)
        with condition:
            condition.notify()
        assert waiting.result()
        assert not wait(0.001)
        arrived = other.begin(barrier.wait)
        until(lambda: barrier.n_waiting == 1)
        barrier.wait(PATIENCE)
        arrived.result()
        with pytest.raises(machine.BrokenBarrierError):
            barrier.wait(0.001)
    other.end()
    happened: dict[str, list[str]] = {}
    for each in recording.events():
        primitive = recording.primitives[each.primitive]
        happened.setdefault(primitive.kind, []).append(each.happening)
    assert happened["Condition"] == ["waiting", "notified", "granted", "waiting", "timed out"]
    lock = happened["RLock"]
    assert lock.count("let go") == lock.count("requeued") == 2
    assert sorted(happened["Barrier"]) == sorted(
        ["arrived", "waiting", "arrived", "tripped", "acquired", "granted", "arrived", "waiting", "broken", "cancelled"]
    )


def test_a_recording_has_waits_of_tasks_for_notifications() -> None:
    condition = machine.Condition(name="seen-by-tasks")

    async def wait() -> None:
        async with condition:
            assert await condition.wait_async()

    async def main() -> None:
        task = asyncio.create_task(wait())
        while not condition.waiters:
            await asyncio.sleep(0.001)
        async with condition:
            condition.notify()
        await task

    with interlock.record() as recording:
        asyncio.run(main())
    kinds = {number: primitive.kind for number, primitive in enumerate(recording.primitives)}
    happened = [each.happening for each in recording.events() if kinds.get(each.primitive) == "Condition"]
    assert happened == ["waiting", "notified", "granted"]


@pytest.mark.parametrize("kind", ["Lock", "RLock", "BoundedSemaphore", "RWLock"])
@pytest.mark.parametrize("by", ["thread", "task"])
def test_a_recording_names_the_holder_in_another_process(
    others: Others, tmp_path: Path, capsys: pytest.CaptureFixture[str], kind: str, by: str
) -> None:
    """And its report; one after the other, where it changes while the wait goes on."""
    shared = getattr(machine, kind)(name=f"seen-elsewhere-{kind}-{by}")
    mine = shared.write() if kind == "RWLock" else shared
    theirs = shared.read() if kind == "RWLock" else shared
    local = interlock.Lock(name=shared.name)  # of the same name, and nothing of the kind
    go, second = machine.Event(), machine.Event()

    def hold(tell: machine.Event | None, until_told: machine.Event) -> None:
        theirs.acquire()
        if tell is not None:
            tell.set()
        until_told.wait()
        theirs.release()

    held = machine.Event()
    first = others.start(lambda: hold(held, go))
    assert held.wait(PATIENCE)
    with interlock.record() as recording:
        if kind != "RWLock":  # readers pass the queue together
            other = others.start(lambda: hold(None, second))
            until(lambda: len(shared.waiters) == 1)

        async def wait() -> None:
            async with mine.within(PATIENCE):
                pass

        def work() -> None:
            if by == "task":
                asyncio.run(wait())
            else:
                with mine.within(PATIENCE):
                    pass
            with local:
                pass

        worker = threading.Thread(target=work)
        worker.start()
        until(lambda: len(shared.waiters) == 1 + (kind != "RWLock"))
        until(lambda: boards.changes and str(first) in boards.changes[-1][3])
        go.set()
        if kind != "RWLock":
            until(lambda: str(other) in boards.changes[-1][3])
            second.set()
        worker.join()
        mine.acquire()
        mine.release()
    names = {number: party.name for number, party in enumerate(recording.parties)}
    told = [
        (each.happening, names[each.party])
        for each in recording.events()
        if recording.primitives[each.primitive].name == shared.name and "[" in names[each.party]
    ]
    holders = [first] if kind == "RWLock" else [first, other]
    assert [
        (what, str(pid) in who)
        for pid, (what, who) in zip([pid for pid in holders for _ in range(2)], told, strict=True)
    ] == [("acquired", True), ("released", True)] * len(holders)
    recording.save(tmp_path / "recording")
    cli.main(["report", str(tmp_path / "recording")])
    reported = capsys.readouterr().out.partition("\n\nPrimitives")[0]
    assert any(f"[{pid}] MainThread held it" in reported for pid in holders)  # whoever held it longest


def test_a_recording_does_not_say_that_somebody_holds_it_after_the_wait(others: Others) -> None:
    """The look has ended, so nothing is known; nor that a semaphore is held elsewhere which is held here too."""
    lock, permits = machine.Lock("seen-until"), machine.BoundedSemaphore("seen-both", 2)
    held = machine.Event()

    def hold() -> None:
        lock.acquire()
        permits.acquire()
        held.set()
        time.sleep(PATIENCE * 10)

    others.start(hold)
    assert held.wait(PATIENCE)
    with interlock.record() as recording, permits:
        assert not lock.acquire(timeout=0.01)
        assert not permits.acquire(timeout=0.01)
    happened = [
        (each.happening, recording.primitives[each.primitive].name)
        for each in recording.events()
        if "[" in recording.parties[each.party].name
    ]
    assert happened == [("acquired", "seen-until"), ("released", "seen-until")]


def test_who_gets_it_at_once_has_not_waited() -> None:
    """Also where there is no way past the guard. Permits, sides and items were recorded as waits."""
    bounded, plain, lock = machine.BoundedSemaphore("at-once-b", 2), machine.Semaphore("at-once-s"), machine.RWLock()
    queue, event, latch = machine.Queue(), machine.Event(), machine.Latch(1)
    event.set()
    latch.count_down()
    with interlock.record() as recording:
        with bounded, plain, lock.read():
            queue.put(1)
            assert queue.get() == 1
            queue.task_done()
            queue.join()
        with lock.write():
            assert event.wait()
            assert latch.wait()
    assert not [each for each in recording.events() if each.happening in ("waiting", "granted")]
