"""Data races, orders of locks, and what depends on the outside: told where they are, and only there."""

import _thread
import asyncio
import concurrent.futures
import contextlib
import gc
import itertools
import multiprocessing
import queue
import socket
import subprocess
import sys
import threading
import time
import types
import weakref

import pytest

import interlock
from interlock.explore import ScheduleError, Undecided
from interlock.explore.explorer import Explorer
from interlock.explore.races import accesses


def run(*functions):
    threads = [threading.Thread(target=each) for each in functions]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def failure_of(function, **options):
    with pytest.raises(ScheduleError) as caught:
        interlock.explore(function, **options)
    return caught.value


# --- data races ---------------------------------------------------------------------------------------------------


class Counter:
    made = None
    slots = 0

    def __init__(self):
        self.n = 0
        self.stopped = False
        self.last = 0
        self.lock = threading.Lock()


class Slotted:
    __slots__ = ("n",)

    def __init__(self):
        self.n = 0


def raced_add():
    counter = Counter()

    def work():
        counter.n += 1

    run(work, work)


def raced_slot():
    counter = Slotted()

    def work():
        counter.n = counter.n + 1

    run(work, work)


def raced_item():
    box = [0]

    def work():
        box[0] += 1

    run(work, work)


def raced_once():
    counter = Counter()

    def work():
        if counter.made is None:
            counter.made = object()

    run(work, work)


def raced_with_a_lock_on_one_side():
    counter = Counter()

    def careful():
        with counter.lock:
            counter.n += 1

    def careless():
        counter.n += 1

    run(careful, careless)


@pytest.mark.parametrize("program", [raced_add, raced_slot, raced_item, raced_once, raced_with_a_lock_on_one_side])
def test_an_update_that_is_lost_is_a_data_race(program):
    error = failure_of(program, at="bytecodes", schedules=200)
    assert error.kind == "race"
    text = str(error)
    assert "one change is lost" in text
    assert "without the GIL" in text
    assert failure_of(program, replay=error.token).exploration.story == error.exploration.story


def locked_add():
    counter = Counter()

    def work():
        with counter.lock:
            counter.n += 1

    run(work, work)


def flag():
    counter = Counter()

    def work():
        while not counter.stopped:
            time.sleep(0.01)
        counter.stopped = True

    def stop():
        if not counter.stopped:
            counter.stopped = True

    run(work, stop, stop)


def the_last_one_counts():
    counter = Counter()

    def work():
        for i in range(3):
            counter.last = i

    run(work, work)


def handed_on():
    counters = [Counter()]
    ready = threading.Event()

    def first():
        counters[0].n += 1
        ready.set()

    def second():
        ready.wait()
        counters[0].n += 1

    run(first, second)


def own_objects():
    def work():
        counter = Counter()
        counter.n += 1

    run(work, work)


def computed():
    class Safe:
        def __init__(self):
            self.lock = threading.Lock()
            self.inside = 0

        @property
        def n(self):
            with self.lock:
                return self.inside

        @n.setter
        def n(self, value):
            with self.lock:
                self.inside = value

    safe = Safe()

    def work():
        safe.n = safe.n + 1

    run(work, work)


class Apart(threading.local):
    n = 0
    counter = Counter()

    def __init__(self):
        self.counter = Counter()


def one_for_each_thread():
    apart = Apart()

    def work():
        apart.n += 1
        apart.counter.n += 1

    run(work, work)


def stood_for():
    """As werkzeug's LocalProxy does it."""
    apart = Apart()

    class Proxy:
        __dict__ = property(lambda self: apart.__dict__)

        def __getattr__(self, name):
            return getattr(apart, name)

        def __setattr__(self, name, value):
            setattr(apart, name, value)

    proxy = Proxy()

    def work():
        proxy.n += 1

    run(work, work)


QUIET = [locked_add, flag, the_last_one_counts, handed_on, own_objects, computed, one_for_each_thread, stood_for]


@pytest.mark.parametrize("program", QUIET)
def test_what_loses_no_update_is_no_data_race(program):
    assert not interlock.explore(program, at="bytecodes", schedules=300).failed


def test_what_fails_is_told_before_a_race():
    def program():
        counter = Counter()

        def work():
            counter.n += 1

        run(work, work)
        assert counter.n == 2

    assert failure_of(program, at="bytecodes").kind == "error"


def test_which_instructions_touch_what():
    def function(self, box, key):
        self.n += box[0] + self.call(key).n
        self.a.b[key] = 1

    reads, writes = [], []
    for writes_it, of, what, _ in accesses(function.__code__).values():
        (writes if writes_it else reads).append((of, what))
    me = ("name", "self")
    assert (me, ("constant", "n")) in reads
    assert (("name", "box"), ("item", ("constant", 0))) in reads
    assert writes == [
        (me, ("constant", "n")),
        (("attribute", ("attribute", me, "a"), "b"), ("item", ("name", "key"))),
    ]


# --- orders of locks ----------------------------------------------------------------------------------------------


def two_orders_apart():
    a, b = threading.Lock(), threading.Lock()

    def one():
        with a, b:
            pass

    def two():
        with b, a:
            pass

    for each in one, two:
        run(each)


def two_orders_under_a_third():
    a, b, both = threading.Lock(), threading.Lock(), threading.Lock()

    def one():
        with both, a, b:
            pass

    def two():
        with both, b, a:
            pass

    run(one, two)


def two_orders_of_other_objects():
    def work():
        locks = [threading.Lock() for _ in range(2)]
        with locks[0], locks[1]:
            pass

    def other():
        locks = [threading.Lock() for _ in range(2)]
        with locks[1], locks[0]:
            pass

    run(work, other)


def test_two_orders_are_told_though_no_schedule_deadlocks():
    error = failure_of(two_orders_apart, schedules=50)
    assert error.kind == "order"
    assert "lock order:" in str(error)
    assert "No schedule that was run has deadlocked by this" in str(error)
    again = failure_of(two_orders_apart, replay=error.token)
    assert again.exploration.story == error.exploration.story
    assert failure_of(two_orders_apart, all=True, at="sync").kind == "order"


@pytest.mark.parametrize("program", [two_orders_under_a_third, two_orders_of_other_objects])
def test_orders_that_cannot_deadlock_are_not_told(program):
    assert not interlock.explore(program, schedules=100).failed


def test_who_watched_the_order_before_does_so_afterwards():
    found = []
    with interlock.watch_order(found.append):
        interlock.explore(two_orders_under_a_third, schedules=20)
        a, b = interlock.Lock(), interlock.Lock()
        with a, b:
            pass
        with b, a:
            pass
    assert len(found) == 1


# --- what a schedule leaves behind ----------------------------------------------------------------------------------


def test_what_was_there_before_is_free_in_the_next_schedule():
    kept = interlock.Lock()

    def program():
        gone = interlock.Lock()
        asked = threading.Event()

        def keeps():
            kept.acquire()
            asked.wait()
            kept.release()

        def asks():
            gone.acquire()
            with kept:
                asked.set()

        run(keeps, asks)

    error = failure_of(program, schedules=200)
    assert error.kind == "deadlock"
    assert not kept.locked()
    # What earlier schedules have left is not told.
    assert str(error).count("holds Lock gone") == 1
    assert failure_of(program, replay=error.token).exploration.story == error.exploration.story
    assert not kept.locked()


def test_who_held_a_lock_before_holds_it_afterwards():
    held = interlock.RLock()

    def program():
        with held:
            threading.Event().wait()

    with held:
        assert failure_of(program).kind == "deadlock"
        assert held._is_owned()
    assert not held.locked()


def test_a_search_collects_no_more_than_it_has_made():
    whole = []

    def note(phase, about):
        if phase == "start" and about["generation"] == 2:
            whole.append(about)

    gc.callbacks.append(note)
    try:
        failure_of(two_orders_apart, schedules=100)
    finally:
        gc.callbacks.remove(note)
    assert len(whole) <= (1 if sys.version_info < (3, 14) else 100)


# --- pools that the program leaves to the end of Python ----


def uses_a_pool_of_the_module(pool):
    assert pool.submit(lambda: 1).result() == 1


def keeps_a_pool_of_its_own(pool):
    pool.kept = concurrent.futures.ThreadPoolExecutor(2)
    lock = threading.Lock()

    def work():
        with lock:
            return 1

    assert sum(each.result() for each in [pool.kept.submit(work) for _ in range(2)]) == 2


def submits_when_the_test_has_returned(pool):
    def later():
        time.sleep(5)
        assert pool.submit(lambda: 1).result() == 1

    pool.submit(int)
    threading.Thread(target=later).start()


@pytest.mark.parametrize(
    "program", [uses_a_pool_of_the_module, keeps_a_pool_of_its_own, submits_when_the_test_has_returned]
)
def test_a_pool_that_is_not_shut_down_is_no_deadlock(program):
    with interlock.install():  # as in a program that is run by `interlock explore`
        pool = concurrent.futures.ThreadPoolExecutor(1)
    for at in "sync", "lines":
        found = interlock.explore(lambda: program(pool), schedules=50, at=at)
        assert found.kind is None, found.story
    # It can be used afterwards.
    assert not pool._threads
    assert pool.submit(lambda: 2).result() == 2
    pool.shutdown()


def test_a_job_that_waits_for_ever_is_a_deadlock():
    def program():
        pool = concurrent.futures.ThreadPoolExecutor(1)
        pool.submit(threading.Event().wait)
        program.kept = pool

    error = failure_of(program, schedules=5)
    assert error.kind == "deadlock"
    assert "nobody has set it" in str(error)


# --- the same in each run -----------------------------------------------------------------------------------------


def test_sets_of_threads_and_futures_have_one_order():
    def program():
        order = []
        lock = threading.Lock()

        def note(name):
            with lock:
                order.append(name)

        threads = {threading.Thread(target=note, args=(i,)) for i in range(5)}
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        with concurrent.futures.ThreadPoolExecutor(2) as pool:
            futures = {pool.submit(note, i) for i in range(4)}
            for future in concurrent.futures.as_completed(futures):
                future.result()
            concurrent.futures.wait({pool.submit(note, i) for i in range(3)})

    found = interlock.explore(program, schedules=60)
    assert found.kind is None, found.story


def test_sets_of_tasks_have_one_order():
    async def work(i):
        await asyncio.sleep(0.01 * i)
        return i

    async def main():
        tasks = {asyncio.create_task(work(i)) for i in range(4)}
        done, pending = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for each in pending:
            each.cancel()
        await asyncio.gather(*pending, return_exceptions=True)
        assert done
        results = [await each for each in asyncio.as_completed([work(i) for i in range(3)])]
        assert sorted(results) == [0, 1, 2]
        assert isinstance(asyncio.current_task(), asyncio.Task)

    kinds = asyncio.Task, asyncio.Future
    found = interlock.explore(lambda: asyncio.run(main()), schedules=60)
    assert found.kind is None, found.story
    assert (asyncio.Task, asyncio.Future) == kinds


def test_as_completed_starts_coroutines_in_their_order():
    """It makes a set of them, whose order is that of their addresses."""
    began = []

    async def work(i):
        began.append(i)

    async def main():
        jobs = sorted((work(i) for i in range(8)), key=id, reverse=True)
        order = [each.cr_frame.f_locals["i"] for each in jobs]
        for each in asyncio.as_completed(jobs):
            await each
        assert began[-8:] == order

    assert interlock.explore(lambda: asyncio.run(main()), schedules=4, order="fifo").kind is None


def test_clocks_that_are_defaults_are_virtual(monkeypatch):
    module = types.ModuleType("clocked")
    source = """
import time

class Limiter:
    now = time.monotonic

    def __init__(self, clock=time.monotonic, *, sleep=time.sleep):
        self.clock, self.sleep = clock, sleep

def default(sleep=time.sleep):
    sleep(3600)
"""
    module.__file__ = __file__
    exec(compile(source, __file__, "exec"), vars(module))
    monkeypatch.setitem(sys.modules, "clocked", module)
    there = module.default.__defaults__

    def program():
        limiter = module.Limiter()
        began = limiter.clock()
        limiter.sleep(3600)
        module.default()
        assert limiter.clock() - began >= 7200
        assert module.Limiter.now() >= 7200

    began = time.monotonic()
    interlock.explore(program, schedules=20)
    assert time.monotonic() - began < 100
    assert module.default.__defaults__ is there


# --- the outside --------------------------------------------------------------------------------------------------


class Server(threading.Thread):
    """Runs before the search, so it is not under control. It sets an event as soon as somebody waits for it."""

    def __init__(self, answers=True):
        super().__init__(name="server", daemon=True)
        self.jobs = queue.Queue()
        self.answers = answers

    def run(self):
        while (event := self.jobs.get()) is not None:
            while not event.waiters:
                time.sleep(0.001)
            if self.answers:
                event.set()

    def ask(self):
        done = threading.Event()
        self.jobs.put(done)
        done.wait()

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *raised):
        self.jobs.put(None)
        self.join()


def test_a_wait_for_a_thread_of_before_is_no_deadlock():
    with Server() as server:
        found = interlock.explore(server.ask, schedules=5)
    assert found.kind is None
    assert found.notes[0].startswith("something outside had a say in")
    assert "server" in found.notes[1]


def test_that_a_thread_of_before_will_not_come_is_not_known():
    with Server(answers=False) as server, pytest.raises(Undecided, match=r"cannot be switched: .*server"):
        interlock.explore(server.ask, schedules=5)


@contextlib.contextmanager
def thread_of_before(function, stop):
    thread = threading.Thread(target=function, daemon=True, name="before")
    thread.start()
    try:
        yield thread
    finally:
        stop.set()
        thread.join()


def waits_for_one_another(kept):
    asked = threading.Event()

    def keeps():
        with kept:
            asked.wait()

    def asks():
        with kept:
            asked.set()

    run(keeps, asks)


CERTAIN = """
import concurrent.futures
import queue
import threading

import interlock
from interlock.explore import ScheduleError


def never_set():
    interlock.Event().wait()


def second_put():
    waiting = queue.Queue(1)
    waiting.put(1)
    waiting.put(2)


def no_result():
    concurrent.futures.Future().result()


def alone_at_a_barrier():
    threading.Barrier(2).wait()


def beats():
    while not stop.wait(2):
        pass


for runs in (lambda: stop.wait(), beats):
    stop = threading.Event()
    before = threading.Thread(target=runs)
    before.start()
    for program in (never_set, second_put, no_result, alone_at_a_barrier):
        try:
            print(interlock.explore(program, schedules=10))
        except ScheduleError as error:
            try:
                interlock.explore(program, replay=error.token)
            except ScheduleError as again:
                assert again.exploration.story == error.exploration.story
                assert "started before the search" in str(again)
                print(program.__name__, again.kind)
    stop.set()
    before.join()
"""


def test_a_deadlock_in_which_a_thread_of_before_has_no_part_is_certain(tmp_path):
    # In a process of its own: what other tests have left, hooks and finalizers, anybody may set off.
    script = tmp_path / "certain.py"
    script.write_text(CERTAIN)
    out = subprocess.run([sys.executable, script], capture_output=True, text=True, timeout=100)
    names = ["never_set", "second_put", "no_result", "alone_at_a_barrier"]
    assert out.stdout.splitlines() == [f"{name} deadlock" for name in names] * 2, out.stdout + out.stderr


def test_so_is_one_beside_a_pool_that_has_nothing_to_do():
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        pool.submit(int).result()
        assert failure_of(lambda: waits_for_one_another(interlock.Lock()), schedules=200).kind == "deadlock"


def test_so_is_one_beside_a_thread_that_trio_keeps():
    trio = pytest.importorskip("trio")

    async def main():
        await trio.to_thread.run_sync(int)

    trio.run(main)
    assert failure_of(lambda: waits_for_one_another(interlock.Lock()), schedules=200).kind == "deadlock"


def test_a_thread_that_python_did_not_start_is_not_alive_for_ever():
    met = _thread.allocate_lock()
    met.acquire()

    def work():
        threading.current_thread()  # lists it, for ever before 3.13
        met.release()

    ident = _thread.start_new_thread(work, ())
    met.acquire()
    while ident in sys._current_frames():
        time.sleep(0)
    assert "Dummy" not in str(failure_of(interlock.Event().wait, schedules=10))


@pytest.mark.parametrize("made", [interlock.Event, threading.Event])
def test_an_event_that_a_thread_of_before_may_set(made):
    stop, shared = threading.Event(), made()

    def sets():
        stop.wait()
        shared.set()

    with thread_of_before(sets, stop), pytest.raises(Undecided, match="before, which runs"):
        interlock.explore(shared.wait, schedules=10)


def test_a_lock_that_a_thread_of_before_holds():
    stop, held, shared = threading.Event(), threading.Event(), interlock.RLock()

    def holds():
        with shared:
            held.set()
            stop.wait()

    def program():
        with shared:
            pass

    with thread_of_before(holds, stop):
        held.wait()
        with pytest.raises(Undecided, match="before, which runs"):
            interlock.explore(program, schedules=10)


def test_a_pool_of_before_that_has_a_job_to_do():
    # What the job will do is written in its code, and not in the pool's.
    stop, shared = threading.Event(), interlock.Event()

    def job():
        stop.wait()
        shared.set()

    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        pool.submit(job)
        try:
            with pytest.raises(Undecided, match="ThreadPoolExecutor"):
                interlock.explore(shared.wait, schedules=10)
        finally:
            stop.set()


def test_a_timer_of_before():
    shared = interlock.Event()
    timer = threading.Timer(3600, shared.set)
    timer.start()
    try:
        with pytest.raises(Undecided, match="Thread-"):
            interlock.explore(shared.wait, schedules=10)
    finally:
        timer.cancel()
        timer.join()


def test_a_job_that_a_pool_of_before_has_just_taken():
    # Its thread has the job in its hands, and nobody sees it there, before it gets to run.
    def set_when_waited_for(event):
        while not event.waiters:  # else the schedules would differ
            time.sleep(0.001)
        event.set()

    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        pool.submit(int).result()

        def program():
            done = interlock.Event()
            pool.submit(set_when_waited_for, done)
            done.wait()

        found = interlock.explore(program, schedules=50)
    assert found.kind is None, found.story
    assert found.notes[0].startswith("something outside had a say in")


@pytest.mark.parametrize("catches", [False, True])
def test_the_first_thread_waits_outside_for_ever(catches, monkeypatch):
    monkeypatch.setattr("interlock.explore.explorer._LOOKS_AT_MOST", 12)
    here, there = socket.socketpair()

    def program():
        try:
            here.recv(1)
        except KeyboardInterrupt:
            if not catches:
                raise

    with here, there, pytest.raises(Undecided, match=r"blocks at .*test_findings.py:\d+"):
        interlock.explore(program, schedules=10)


def test_a_thread_of_before_does_not_end(monkeypatch):
    monkeypatch.setattr("interlock.explore.explorer._LOOKS_AT_MOST", 12)
    stop = threading.Event()
    with thread_of_before(stop.wait, stop) as thread, pytest.raises(Undecided):
        interlock.explore(lambda: thread.join(), schedules=10)


def test_who_looks_for_what_a_thread_of_before_does_is_not_without_end():
    server = Server()

    def program():
        while not hasattr(server, "done"):
            time.sleep(0.1)

    with server, pytest.raises(Undecided, match=r"cannot be switched: .*server"):
        interlock.explore(program, schedules=5)


def test_a_thread_that_waits_outside_for_ever_ends_the_search():
    here, there = socket.socketpair()

    started = []

    def program():
        started.append(threading.Thread(target=lambda: here.recv(1)))
        started[-1].start()
        started[-1].join()

    with here, there, pytest.raises(Undecided, match=r"blocks at .*test_findings.py:\d+"):
        interlock.explore(program, schedules=100)
    for thread in started:  # they go on, and end, after the search; `join` waits for that
        thread.join(10.0)
        assert not thread.is_alive()


@pytest.mark.skipif(not hasattr(socket, "AF_UNIX"), reason="needs fork")
def test_a_forked_child_is_not_controlled():
    def child(ends):
        run(lambda: ends.append(1), lambda: time.sleep(0.001))
        sys.exit(7 if ends == [1] else 1)

    def program():
        process = multiprocessing.get_context("fork").Process(target=child, args=([],))
        process.start()
        process.join()
        assert process.exitcode == 7

    found = interlock.explore(program, schedules=3)
    assert found.kind is None, found.story


def test_two_who_only_give_way_have_no_end_in_sight():
    def program():
        wants = [True, True]

        def work(me):
            while wants[1 - me]:
                time.sleep(0.01)
            wants[me] = False

        run(lambda: work(0), lambda: work(1))

    assert failure_of(program, schedules=5).kind == "endless"


def test_nor_have_they_beside_a_pool_that_has_nothing_to_do():
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        pool.submit(int).result()
        test_two_who_only_give_way_have_no_end_in_sight()


def test_a_pool_may_go_to_rest_in_the_schedule_that_fails(monkeypatch):
    def run_it(self, *args, **options):
        outcome = run_one(self, *args, **options)
        if len(outcomes) == 1:
            outcome.hurried = True  # as if a thread of the pool had computed meanwhile
        outcomes.append(outcome)
        return outcome

    outcomes = []
    run_one = Explorer.run
    monkeypatch.setattr(Explorer, "run", run_it)
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        pool.submit(int).result()
        test_two_who_only_give_way_have_no_end_in_sight()
    assert outcomes[1].failure[0] == "endless"


def test_who_looks_for_what_a_pool_of_before_does_is_not_without_end():
    stop = threading.Event()
    with concurrent.futures.ThreadPoolExecutor(1) as pool:

        def program():
            done = pool.submit(stop.wait)
            while not done.done():
                time.sleep(0.1)

        try:
            with pytest.raises(Undecided, match="ThreadPoolExecutor"):
                interlock.explore(program, schedules=5)
        finally:
            stop.set()


# --- what the program drops is gone -------------------------------------------------------------------------------


@pytest.mark.parametrize("at", ["sync", "lines", "bytecodes"])
def test_nothing_of_the_programs_is_kept_alive(at):
    def program():
        dead = []

        def work():
            counter = Counter()
            reference = weakref.ref(counter)
            counter.n += 1
            with counter.lock:
                seen = counter.n
            counter.n = seen
            boxes = [counter]
            boxes[0].n += 1
            del counter, boxes
            dead.append(reference() is None)

        run(work, work)
        assert dead == [True, True]

    assert interlock.explore(program, at=at, schedules=100).kind is None


@pytest.mark.parametrize("at", ["sync", "lines", "bytecodes"])
def test_nor_is_it_while_a_schedule_is_told(at):
    def program():
        lock = threading.Lock()
        seen = []
        counter = Counter()
        reference = weakref.ref(counter)
        thread = threading.Thread(target=lambda: lock.acquire() and seen.append(1) is None and lock.release())
        thread.start()
        with lock:
            early = len(seen)
        del counter
        assert not (early and reference() is None)
        thread.join()

    error = failure_of(program, at=at, schedules=200)
    assert isinstance(error.exploration.error, AssertionError)
    assert failure_of(program, replay=error.token).exploration.story == error.exploration.story


def test_a_record_of_one_call_is_no_race_in_the_next():
    """The frame of a call may lie where that of the last one lay, and so may what it makes."""

    def program():
        counter = Counter()

        def once(reads):
            if reads:
                return counter.n
            counter.n = 5
            return None

        def work():
            once(True)
            once(False)

        run(work, work)

    assert interlock.explore(program, at="bytecodes", schedules=300).kind is None


@pytest.mark.parametrize("at", ["lines", "bytecodes"])
def test_two_threads_in_one_generator(at):
    def program():
        def numbers():
            n = 0
            while n < 3:
                yield n
                n += 1

        shared = numbers()
        run(lambda: list(shared), lambda: list(shared))

    error = failure_of(program, at=at, schedules=100)
    assert "generator already executing" in str(error)


@pytest.mark.filterwarnings("error")
def test_what_is_dropped_in_the_middle_of_a_broken_off_schedule_says_nothing():
    """It stood in a `wait`, without its lock, which `async with` wants to release as it is dropped."""

    async def program():
        condition = asyncio.Condition()

        async def work():
            async with condition:
                await condition.wait()

        await asyncio.gather(work(), work())

    assert failure_of(lambda: asyncio.run(program()), schedules=20).kind == "deadlock"
    gc.collect()


def test_what_a_daemon_has_never_awaited_says_nothing(recwarn):
    """The task was to run when the program ended: its coroutine is dropped with the loop."""

    def program():
        ready = threading.Event()

        async def serve():
            jobs = asyncio.Queue()
            ready.set()
            while True:
                task = asyncio.ensure_future(jobs.get())
                task.itself = task
                await asyncio.sleep(0)
                task.cancel()

        threading.Thread(target=lambda: asyncio.run(serve()), daemon=True).start()
        ready.wait()

    interlock.explore(program, schedules=100)
    assert [str(each) for each in recwarn if "never awaited" in str(each.message)] == []


# --- long, or without end -----------------------------------------------------------------------------------------


class Box:
    def __init__(self):
        self.n = 0


def counts_an_attribute():
    box = Box()
    while box.n < 20_000:
        box.n += 1
        time.sleep(0.1)


def counts_in_a_closure():
    n = [0]

    def step():
        n[0] += 1
        return n[0] > 20_000

    while not step():
        time.sleep(0.1)


def goes_through_an_iterator():
    for _ in itertools.repeat(None, 20_000):
        time.sleep(0.1)


def waits_for_a_day():
    end = time.monotonic() + 86_400
    event = threading.Event()
    while not event.is_set() and time.monotonic() < end:
        time.sleep(0.1)


@pytest.mark.parametrize("at", ["sync", "lines"])
@pytest.mark.parametrize(
    "program", [counts_an_attribute, counts_in_a_closure, goes_through_an_iterator, waits_for_a_day]
)
def test_a_long_schedule_is_not_without_end(program, at):
    explorer = Explorer(program, at=at, limit=1_000)
    with explorer:
        assert explorer.search(3, None).kind == "limit"


@pytest.mark.parametrize("at", ["sync", "lines"])
def test_a_flag_that_nobody_sets_is_without_end(at):
    def program():
        box = Box()
        lock = threading.Lock()

        def work():
            while not box.n:
                with lock:
                    pass
                time.sleep(0.1)

        run(work, work)

    explorer = Explorer(program, at=at, limit=1_000)
    with explorer:
        found = explorer.search(3, None)
    assert found.kind == "endless"
    with explorer.__class__(program, at=at, limit=1_000) as again:
        assert again.replay(found.token).kind == "endless"
