"""select: whichever of several comes first."""

import _thread
import asyncio
import gc
import os
import subprocess
import sys
import threading
import weakref
from concurrent.futures import Future
from typing import Any

import pytest
import trio
from parties import Cancelled, Parties, blocked, needs_signals, wait_until

import interlock
from interlock import (
    Barrier,
    BoundedSemaphore,
    Event,
    KeyedLock,
    Latch,
    LifoQueue,
    Lock,
    PriorityQueue,
    Queue,
    RLock,
    RWLock,
    Semaphore,
    ShutDown,
    SimpleQueue,
    fd,
    select,
    select_async,
)
from interlock.core.primitives import outside


def is_task(party: Any) -> bool:
    return hasattr(party, "cancel")


def begin(party: Any, *alternatives: Any, timeout: float | None = None) -> Any:
    """Have a party begin to select."""
    if is_task(party):
        return party.begin(lambda: select_async(*alternatives, timeout=timeout))
    return party.begin(lambda: select(*alternatives, timeout=timeout))


def do(party: Any, *alternatives: Any, timeout: float | None = None) -> Any:
    return begin(party, *alternatives, timeout=timeout).result()


class World:
    """One of each, none of which is to be had."""

    def __init__(self) -> None:
        self.event = Event()
        self.latch = Latch(1)
        self.lock = Lock()
        self.rlock = RLock()
        self.semaphore = Semaphore(0)
        self.bounded = BoundedSemaphore(1)
        self.rw = RWLock()
        self.empty: Any = Queue()
        self.full: Any = Queue(1)
        self.heap: Any = PriorityQueue()
        self.simple: Any = SimpleQueue()

    def close(self, party: Any) -> None:
        """Have a party take all of it."""
        self.full.put("old")
        for each in (self.lock, self.rlock, self.bounded):
            party.do(each.acquire)
        self.writing = self.rw.write()
        party.do(self.writing.acquire)

    def all(self) -> list[Any]:
        return [
            self.event.waiting(),
            self.latch.waiting(),
            self.lock.acquiring(),
            self.rlock.acquiring(),
            self.semaphore.acquiring(2),
            self.bounded.acquiring(),
            self.rw.reading(),
            self.rw.writing(),
            self.empty.getting(),
            self.full.putting("new"),
            self.heap.getting(),
            self.simple.getting(),
        ]

    def primitives(self) -> list[Any]:
        return [
            self.event, self.latch, self.lock, self.rlock, self.semaphore, self.bounded, self.rw, self.empty, self.full,
            self.heap, self.simple,
        ]  # fmt: skip

    def open(self, index: int, party: Any) -> None:
        """Let one of them be had."""
        (
            self.event.set,
            self.latch.count_down,
            self.lock.release,
            lambda: party.do(self.rlock.release),
            lambda: self.semaphore.release(2),
            self.bounded.release,
            lambda: party.do(self.writing.release),
            lambda: party.do(self.writing.release),
            lambda: self.empty.put("item"),
            self.full.get,
            lambda: self.heap.put("least"),
            lambda: self.simple.put("simple"),
        )[index]()

    def nobody_waits(self) -> bool:
        return all(each.waiters == () for each in self.primitives())


VALUES = {8: "item", 9: None, 10: "least", 11: "simple"}


@pytest.mark.every_kind_of_party
@pytest.mark.parametrize("index", range(12))
def test_one_happens_and_the_others_never_began(index: int, parties: Parties) -> None:
    world = World()
    a, b = parties(2)
    world.close(b)
    alternatives = world.all()
    if index == 7:
        alternatives[6] = world.event.waiting()  # or the reader would be before
    choosing = begin(a, *alternatives)
    blocked(world.simple, 1)
    assert all(a.identity in each.waiters for each in world.primitives())
    world.open(index, b)
    happened, value = choosing.result()
    assert happened == index
    if index in (6, 7):
        assert (world.rw.readers, world.rw.locked()) == ((1, True) if index == 6 else (0, True))
        a.do(value.release)
    else:
        assert value == VALUES.get(index, True)
    wait_until(world.nobody_waits, "all queues left")
    assert world.semaphore._value == 0
    assert world.empty.empty()
    assert world.full.get() == ("new" if index == 9 else "old") if index != 9 else True
    if index in (2, 3):
        assert (world.lock, world.rlock)[index - 2].owner is a.identity
    if index == 9:
        assert world.full.qsize() in (0, 1)


@pytest.mark.every_kind_of_party
def test_of_several_that_are_ready_the_first_one_happens(parties: Parties) -> None:
    a = parties.one()
    jobs: Queue[int] = Queue()
    jobs.put(1)
    stop = Event()
    stop.set()
    assert do(a, stop.waiting(), jobs.getting()) == (0, True)
    assert jobs.qsize() == 1
    assert do(a, jobs.getting(), stop.waiting()) == (0, 1)
    assert do(a, jobs.getting(), stop.waiting()) == (1, True)
    assert do(a, jobs.putting(5), jobs.getting()) == (0, None)
    assert jobs.get() == 5


@pytest.mark.every_kind_of_party
def test_nothing_happens_in_time(parties: Parties) -> None:
    world = World()
    a, b = parties(2)
    world.close(b)
    for timeout in (0, 0.02):
        with pytest.raises(TimeoutError, match="nothing happened within"):
            do(a, *world.all(), timeout=timeout)
        assert world.nobody_waits()
    for index in range(12):
        if index not in (6, 7):
            world.open(index, b)
    assert world.semaphore.acquire(False, permits=2)
    assert world.full.empty()
    assert world.empty.get_nowait() == "item"


@pytest.mark.every_kind_of_party
def test_a_cancelled_choice_has_nothing(parties: Parties) -> None:
    world = World()
    a, b = parties(2)
    if not is_task(a):
        pytest.skip("a thread is not cancelled")
    world.close(b)
    choosing = begin(a, *world.all())
    blocked(world.simple, 1)
    a.cancel(choosing)
    with pytest.raises(Cancelled):
        choosing.result()
    assert world.nobody_waits()


@needs_signals
@pytest.mark.parametrize("index", [0, 2, 3, 4, 5, 6, 8, 9, 10, 11])
def test_an_interrupted_choice_gives_back_what_it_was_granted(index: int, parties: Parties) -> None:
    world = World()
    a = parties.one()
    world.close(a)
    parties.main.interrupted(select, *world.all(), at=world.simple, first=lambda: world.open(index, a))
    assert world.nobody_waits()
    if index in (2, 3):
        assert not (world.lock, world.rlock)[index - 2].locked()
    assert world.semaphore._value == (2 if index == 4 else 0)
    assert world.bounded._value == (1 if index == 5 else 0)
    assert world.rw.locked() == (index != 6)
    assert world.empty.qsize() == (index == 8)
    assert world.full.qsize() == (index != 9)
    assert world.heap.qsize() == (index == 10)


@needs_signals
def test_what_an_interrupted_choice_was_granted_goes_to_the_next(parties: Parties) -> None:
    jobs: Queue[str] = Queue()
    a = parties.one()
    waiting: list[Any] = []

    def come_second() -> None:
        waiting.append(a.begin(jobs.get))
        blocked(jobs, 2)

    parties.main.interrupted(
        select, Event().waiting(), jobs.getting(), at=jobs, then=come_second, first=lambda: jobs.put("x")
    )
    assert waiting[0].result() == "x"


@pytest.mark.every_kind_of_party
def test_who_stands_behind_a_choice_is_served_when_that_goes_elsewhere(parties: Parties) -> None:
    a, b = parties(2)
    semaphore = Semaphore(1)
    stop = Event()
    choosing = begin(a, semaphore.acquiring(2), stop.waiting())
    blocked(semaphore, 1)
    small = b.begin(semaphore.acquire)
    blocked(semaphore, 2)
    stop.set()
    assert choosing.result() == (1, True)
    assert small.result() is True


@pytest.mark.every_kind_of_party
def test_shutdown_happens(parties: Parties) -> None:
    a = parties.one()
    jobs: Queue[int] = Queue()
    stop = Event()
    choosing = begin(a, stop.waiting(), jobs.getting())
    blocked(jobs, 1)
    jobs.shutdown()
    with pytest.raises(ShutDown):
        choosing.result()
    assert stop.waiters == ()
    with pytest.raises(ShutDown):
        do(a, stop.waiting(), jobs.getting())


def test_one_queue_twice(parties: Parties) -> None:
    a = parties.one()
    line: LifoQueue[int] = LifoQueue(1)
    line.put(1)
    assert select(line.putting(2), line.getting()) == (1, 1)
    assert select(line.putting(2), line.getting()) == (0, None)
    line.get()
    line.maxsize = 0
    twice = begin(a, Event().waiting(), line.getting(), line.getting())
    blocked(line, 2)
    line.put(1)
    assert twice.result() == (1, 1)
    assert line.waiters == ()


def test_many_choices_and_every_item_once(parties: Parties) -> None:
    queues: list[Queue[int]] = [Queue(2) for _ in range(3)]
    results: Queue[Any] = Queue()
    stop = Event()

    def consume() -> None:
        while True:
            index, value = select(*[each.getting() for each in queues], stop.waiting())
            if index == 3:
                return
            results.put(value)

    async def consume_in_task() -> None:
        while True:
            index, value = await select_async(*[each.getting() for each in queues], stop.waiting())
            if index == 3:
                return
            results.put(value)

    async def main() -> None:
        await asyncio.gather(*[consume_in_task() for _ in range(3)])

    threads = [threading.Thread(target=consume) for _ in range(3)]
    threads.append(threading.Thread(target=lambda: asyncio.run(main())))

    def produce(start: int) -> None:
        for i in range(start, 600, 3):
            select(*[each.putting(i) for each in queues[start:] + queues[:start]])

    producers = [threading.Thread(target=produce, args=(start,)) for start in range(3)]
    for thread in threads + producers:
        thread.start()
    for thread in producers:
        thread.join()
    wait_until(lambda: results.qsize() == 600, "all got")
    stop.set()
    for thread in threads:
        thread.join()
    assert sorted(results.get_many(1000)) == list(range(600))
    assert all(each.empty() and each.waiters == () for each in queues)


# --- what is no primitive ----------------------------------------------------------------------------------------


@pytest.mark.every_kind_of_party
def test_a_future(parties: Parties) -> None:
    a = parties.one()
    future: Future[int] = Future()
    never = Event()
    choosing = begin(a, never.waiting(), future)
    blocked(never, 1)
    future.set_result(3)
    assert choosing.result() == (1, future)
    assert do(a, never.waiting(), future) == (1, future)
    for _ in range(3):
        with pytest.raises(TimeoutError):
            select(waiting := Future(), timeout=0)  # type: ignore[var-annotated]
    assert waiting


def test_a_future_that_is_asked_again_and_again_keeps_one_callback() -> None:
    future: Future[int] = Future()
    for _ in range(5):
        with pytest.raises(TimeoutError):
            select(future, timeout=0)
    assert len(future._done_callbacks) == 1


@pytest.mark.every_kind_of_party
def test_the_end_of_a_thread(parties: Parties) -> None:
    a = parties.one()
    go, never = Event(), Event()
    thread = threading.Thread(target=go.wait)
    with pytest.raises(RuntimeError, match="has not been started"):
        select(thread)
    thread.start()
    choosing = begin(a, never.waiting(), thread)
    blocked(never, 1)
    go.set()
    assert choosing.result() == (1, thread)
    assert not thread.is_alive()
    assert select(thread) == (0, thread)
    assert "_delete" not in vars(thread)
    with pytest.raises(RuntimeError, match="current thread"):
        select(threading.current_thread())


@pytest.mark.every_kind_of_party
def test_a_file_descriptor(parties: Parties) -> None:
    a = parties.one()
    never = Event()
    reading, writing = os.pipe()
    try:
        choosing = begin(a, never.waiting(), readable := fd(reading))
        blocked(never, 1)
        os.write(writing, b"x")
        assert choosing.result() == (1, reading)
        assert select(readable) == (0, reading)
        os.read(reading, 1)
        with pytest.raises(TimeoutError):
            select(readable, timeout=0.01)
    finally:
        os.close(reading)
        os.close(writing)


def test_the_end_of_a_process() -> None:
    never = Event()
    process = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    with pytest.raises(TimeoutError):
        select(never.waiting(), process, timeout=0.01)
    assert process.stdin is not None
    process.stdin.close()
    assert select(never.waiting(), process) == (1, process)
    assert process.wait() is not None


# --- bad input ---------------------------------------------------------------------------------------------------


def test_what_cannot_be_waited_for() -> None:
    barrier = Barrier(2)
    for bad in (barrier.waiting, lambda: select(barrier)):
        with pytest.raises(TypeError, match="select cannot wait for a barrier"):
            bad()
    with pytest.raises(TypeError, match="select cannot wait for 3"):
        select(3)
    with pytest.raises(TypeError, match="select needs something to wait for"):
        select()
    opened: Queue[int] = Queue()
    assert opened.mutex
    with pytest.raises(TypeError, match="in a way of its own"):
        select(opened.getting())
    with pytest.raises(TypeError, match="made by what it is about"):
        type(Event().waiting())()
    with pytest.raises(ValueError, match="0 or more"):
        fd(-1)


def test_nothing_is_left(parties: Parties) -> None:
    a = parties.one()
    jobs: Any = Queue()
    stop = Event()
    choosing = begin(a, stop.waiting(), jobs.getting())
    blocked(jobs, 1)
    jobs.put(1)
    choosing.result()
    seen = weakref.ref(jobs)
    del jobs, choosing
    a.outcomes.clear()
    a.do(int)
    gc.collect()
    assert seen() is None


def test_a_choice_shows_in_a_dump(parties: Parties) -> None:
    a = parties.one()
    jobs: Queue[int] = Queue(name="jobs")
    stop = Event(name="stop")
    choosing = begin(a, stop.waiting(), jobs.getting())
    blocked(jobs, 1)
    waits = [party for party in interlock.snapshot()["parties"] if party["name"] == a.name]
    assert "stop" in str(waits)
    assert "jobs" in str(waits)
    stop.set()
    choosing.result()


# --- what has gone wrong once ------------------------------------------------------------------------------------


def test_a_side_that_its_own_party_is_in_the_way_of_is_left_out(parties: Parties) -> None:
    a = parties.one()
    rw, stop = RWLock(), Event()
    reading = rw.read()
    a.do(reading.acquire)
    choosing = begin(a, rw.writing(), rw.reading(), stop.waiting())
    index, side = choosing.result()  # it reads once more
    assert index == 1
    a.do(side.release)
    choosing = begin(a, rw.writing(), stop.waiting())
    blocked(stop, 1)
    assert rw.waiters == ()  # nobody else is kept from reading
    stop.set()
    assert choosing.result() == (1, True)
    a.do(reading.release)


def test_a_keyed_lock_is_kept_however_it_was_got(parties: Parties) -> None:
    a, b = parties(2)
    locks = KeyedLock()
    never = Event()
    first = locks["k"]
    a.do(first.acquire)
    choosing = b.begin(lambda: select(never.waiting(), locks["k"].acquiring()))
    blocked(first, 1)
    a.do(first.release)
    del first
    assert choosing.result() == (1, True)
    gc.collect()
    assert "k" in locks
    assert locks["k"].locked()
    locks["k"].release()
    gc.collect()
    assert "k" not in locks


def test_a_loop_that_is_closed_leaves_nothing_behind() -> None:
    stop, lock, jobs = Event(), Lock(), Queue[int]()
    lock.acquire()
    loop = asyncio.new_event_loop()

    async def choose() -> None:
        await select_async(stop.waiting(), lock.acquiring(), jobs.getting())

    task = loop.create_task(choose())
    loop.run_until_complete(asyncio.sleep(0))
    blocked(jobs, 1)
    loop.close()
    lock.release()
    assert not lock.locked()  # it went to nobody
    assert stop.waiters == jobs.waiters == lock.waiters == ()
    assert not [party for party in interlock.snapshot()["parties"] if party["waits"]]
    task._log_destroy_pending = False  # type: ignore[attr-defined]


def test_a_loop_that_is_closed_before_it_hears_of_it(parties: Parties) -> None:
    """The news is in the queue of the loop, and thrown away with it: what was granted goes to the next."""
    a = parties.one()
    stop, lock = Event(), Lock()
    lock.acquire()
    loop = asyncio.new_event_loop()
    task = loop.create_task(choose_of(stop, lock))
    loop.run_until_complete(asyncio.sleep(0))
    blocked(lock, 1)
    next_one = a.begin(lock.acquire)
    blocked(lock, 2)
    lock.release()  # granted to the task, whose loop does not run
    assert lock.locked()
    loop.close()
    gc.collect()
    assert next_one.result() is True
    assert stop.waiters == ()
    task._log_destroy_pending = False  # type: ignore[attr-defined]


async def choose_of(stop: Event, lock: Lock) -> None:
    await select_async(stop.waiting(), lock.acquiring())


def test_what_cannot_be_waited_for_ends_the_watching_of_the_others() -> None:
    reading, writing = os.pipe()
    try:
        with pytest.raises(TypeError, match="select cannot wait for 5"):
            select(fd(reading), 5)
        with pytest.raises(TimeoutError):
            select(fd(reading), timeout=0)
        assert outside._watcher is not None
        assert outside._watcher.events == {}
    finally:
        os.close(reading)
        os.close(writing)


def test_a_process_has_its_return_code() -> None:
    process = subprocess.Popen([sys.executable, "-c", "import sys; sys.exit(3)"])
    assert select(process) == (0, process)
    assert process.returncode == 3


def test_a_thread_that_threading_has_not_started() -> None:
    seen: list[Any] = []
    go, over = Event(), Event()

    def live() -> None:
        seen.append(threading.current_thread())
        over.set()
        go.wait()

    _thread.start_new_thread(live, ())
    over.wait()
    try:
        with pytest.raises(RuntimeError, match="threading did not start it"):
            select(seen[0])
    finally:
        go.set()


def test_a_thread_that_is_about_to_end_is_not_missed() -> None:
    """It has looked up what it calls last, before anybody could put something else there."""
    go = Event()
    thread = threading.Thread(target=go.wait)
    thread.start()
    with threading._active_limbo_lock:  # type: ignore[attr-defined]
        go.set()
        wait_until(lambda: is_in_delete(thread), "about to end")
        assert outside._event_of(thread, outside._watch_thread).is_set()
    thread.join()
    assert select(thread) == (0, thread)


def is_in_delete(thread: threading.Thread) -> bool:
    frame = sys._current_frames().get(thread.ident or 0)
    return frame is not None and frame.f_code is threading.Thread._delete.__code__  # type: ignore[attr-defined]


def test_the_end_of_the_main_thread() -> None:
    program = """if True:
        import threading, interlock
        def wait():
            index, thread = interlock.select(interlock.Event().waiting(), threading.main_thread())
            print(index, thread.is_alive())
        threading.Thread(target=wait).start()
    """
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60)
    assert (ran.stdout, ran.stderr) == ("1 False\n", "")


def test_an_interrupt_before_a_future_is_watched_leaves_it_unknown() -> None:
    """Else all who select from it later would wait for what nobody sets."""

    class Interrupted(Future[int]):
        def add_done_callback(self, fn: Any) -> None:
            if not hasattr(self, "first"):
                self.first = True
                raise KeyboardInterrupt
            super().add_done_callback(fn)

    future = Interrupted()
    with pytest.raises(KeyboardInterrupt):
        select(future)
    future.set_result(1)
    assert select(future) == (0, future)


@pytest.mark.parametrize("which", ["asyncio", "trio"])
def test_all_of_it_is_seen_in_a_recording(which: str) -> None:
    stop, lock = Event(name="stop"), Lock(name="lock")
    lock.acquire()
    with interlock.record() as recording:
        releasing = threading.Thread(target=lambda: blocked(lock, 1) or lock.release())
        releasing.start()
        if which == "asyncio":
            asyncio.run(choose_of(stop, lock))
        else:
            trio.run(choose_of, stop, lock)
        releasing.join()
        lock.release()
    names = [each.name for each in recording.primitives]
    seen = [(each.happening, names[each.primitive]) for each in recording.events()]
    chosen = [each for each in seen if each[0] != "woke"]
    assert chosen[:2] == [("waiting", "stop"), ("waiting", "lock")]
    assert sorted(chosen[2:]) == [
        ("granted", "lock"),
        ("released", "lock"),
        ("released", "lock"),
        ("timed out", "stop"),
    ]
