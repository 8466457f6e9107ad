"""`interlock.explore` from the outside: what it finds, what it says, and when it keeps quiet."""

import asyncio
import contextlib
import queue
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

import interlock
from interlock.explore import ScheduleError, Undecided


def run(*functions):
    threads = [threading.Thread(target=each) for each in functions]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def two_orders():
    a, b = threading.Lock(), threading.Lock()

    def one():
        with a, b:
            pass

    def two():
        with b, a:
            pass

    run(one, two)


def one_order():
    a, b = threading.Lock(), threading.Lock()

    def work():
        with a, b:
            pass

    run(work, work)


def failure_of(function, **options):
    with pytest.raises(ScheduleError) as caught:
        interlock.explore(function, **options)
    return caught.value


@pytest.mark.parametrize("at", ["sync", "lines", "bytecodes"])
def test_two_orders_of_locks_are_a_deadlock(at):
    error = failure_of(two_orders, at=at)
    assert error.kind == "deadlock"
    text = str(error)
    assert "Deadlock: nobody can go on." in text
    assert "held by Thread-1 (one)" in text
    assert "held by Thread-2 (two)" in text
    assert "test_explore.py:" in text
    assert len(error.token) <= 40


@pytest.mark.parametrize("at", ["sync", "lines", "bytecodes"])
def test_one_order_is_none(at):
    found = interlock.explore(one_order, at=at, schedules=300)
    assert not found.failed
    assert found.schedules == 300


def test_the_story_has_only_the_switches_that_matter():
    found = failure_of(two_orders, at="sync").exploration
    # The test waits for its threads; one is switched away between its two locks; the other then waits for it.
    assert found.switches == 3


def missed():
    shelf = threading.Condition()

    def consumer():
        with shelf:
            shelf.wait()

    def producer():
        with shelf:
            shelf.notify()

    run(consumer, producer)


@pytest.mark.parametrize("seed", range(5))
def test_whatever_is_found_first_the_shortest_is_told(seed):
    for strategy in "walk", "pos":
        assert failure_of(missed, at="lines", seed=seed, strategy=strategy).exploration.switches == 2


def test_a_token_runs_the_same_schedule_again():
    first = failure_of(two_orders)
    again = failure_of(two_orders, replay=first.token)
    assert again.exploration.story == first.exploration.story
    assert again.token == first.token


def test_a_token_of_another_program_is_refused():
    token = failure_of(two_orders).token
    with pytest.raises(Undecided, match="another program"):
        interlock.explore(one_order, replay=token)
    with pytest.raises(ValueError, match="damaged"):
        interlock.explore(two_orders, replay=token[:6])
    with pytest.raises(ValueError, match="not a replay token"):
        interlock.explore(two_orders, replay="nonsense")


def test_a_thread_that_raises_has_failed():
    def program():
        seen = []

        def work():
            seen.append(1)
            if len(seen) == 1:
                raise KeyError("lost")

        run(work)

    error = failure_of(program)
    assert error.kind == "error"
    assert isinstance(error.__cause__, KeyError)
    assert "Thread-1 (work) failed" in str(error)


def test_a_thread_that_nobody_joins_is_seen_to_its_end():
    def program():
        event = threading.Event()
        threading.Thread(target=event.wait, name="forgotten").start()

    error = failure_of(program)
    assert error.kind == "deadlock"
    assert "nobody has set it" in str(error)


def test_daemons_are_ended_and_that_is_no_failure():
    ended = []

    def program():
        def serve():
            try:
                threading.Event().wait()
            finally:
                ended.append(threading.current_thread().name)

        threading.Thread(target=serve, daemon=True).start()
        time.sleep(0.01)

    found = interlock.explore(program, schedules=20)
    assert not found.failed
    assert ended


def test_sleeps_take_no_time_and_race_where_they_are_short():
    def program():
        order = []

        def first():
            time.sleep(0.05)
            order.append("first")

        def second():
            time.sleep(0.1)
            order.append("second")

        run(first, second)
        assert order == ["first", "second"]

    assert failure_of(program).kind == "error"
    began = time.monotonic()

    def patient():
        time.sleep(3600)

    assert not interlock.explore(patient, schedules=50).failed
    assert time.monotonic() - began < 60


def test_a_long_timeout_does_not_fire_while_others_could_go_on():
    def program():
        ready = threading.Event()

        def work():
            ready.set()

        thread = threading.Thread(target=work)
        thread.start()
        assert ready.wait(30)
        thread.join()

    assert not interlock.explore(program, schedules=300).failed
    assert failure_of(program, schedules=300, pause=60.0).kind == "error"


def test_polling_ends():
    def program():
        done = []

        def work():
            done.append(1)

        thread = threading.Thread(target=work)
        thread.start()
        deadline = time.monotonic() + 5
        while not done and time.monotonic() < deadline:
            pass
        while thread.is_alive():
            time.sleep(0)
        thread.join()

    for at in "sync", "lines":
        assert not interlock.explore(program, schedules=100, at=at).failed


def test_waiting_by_looking_for_what_never_comes_is_told():
    def program():
        event = threading.Event()
        while not event.is_set():
            time.sleep(0.01)

    error = failure_of(program)
    assert error.kind == "endless"
    assert "No end in sight" in str(error)


def test_queues_and_executors():
    def program():
        work = queue.Queue(1)
        with ThreadPoolExecutor(2) as pool:
            sums = [pool.submit(lambda: work.get() + 1) for _ in range(2)]
            for each in range(2):
                work.put(each)
            assert sorted(each.result() for each in sums) == [1, 2]

    assert not interlock.explore(program, schedules=100).failed


def test_an_executor_waiting_for_itself_is_a_deadlock():
    def program():
        with ThreadPoolExecutor(1) as pool:
            pool.submit(lambda: pool.submit(int).result()).result()

    assert failure_of(program, schedules=10).kind == "deadlock"


def test_tasks_are_switched_too():
    def program():
        async def main():
            balance = 0

            async def deposit():
                nonlocal balance
                seen = balance
                await asyncio.sleep(0)
                balance = seen + 1

            await asyncio.gather(deposit(), deposit())
            assert balance == 2

        asyncio.run(main())

    assert failure_of(program).kind == "error"


def test_a_loop_and_threads():
    def program():
        async def main():
            event = asyncio.Event()
            loop = asyncio.get_running_loop()
            thread = threading.Thread(target=lambda: loop.call_soon_threadsafe(event.set))
            thread.start()
            async with asyncio.timeout(30):
                await event.wait()
            await asyncio.to_thread(thread.join)

        asyncio.run(main())

    assert not interlock.explore(program, schedules=100).failed


def test_a_lost_update_is_found_between_instructions_only():
    class Counter:
        n = 0

    def program():
        counter = Counter()

        def work():
            counter.n += 1

        run(work, work)
        assert counter.n == 2

    assert not interlock.explore(program, at="lines", schedules=100).failed
    assert "without the GIL" in str(failure_of(program, at="bytecodes"))


def test_what_differs_from_run_to_run_is_told():
    count = []

    def program():
        count.append(1)
        for _ in range(len(count)):
            run(lambda: None)

    with pytest.raises(Undecided, match="not deterministic at decision"):
        interlock.explore(program, schedules=50)


def test_a_failure_that_does_not_come_again_is_told():
    count = []

    def program():
        count.append(1)
        run(*[lambda: None] * 3)
        if len(count) == 4:
            raise OSError("only once")

    with pytest.raises(Undecided, match="not deterministic: the same schedule") as caught:
        interlock.explore(program, schedules=50)
    assert "OSError: only once" in str(caught.value)


def test_so_is_one_of_a_thread_that_does_not_come_again():
    count = []

    def bad():
        raise OSError("only once")

    def program():
        count.append(1)
        run(lambda: None, *[bad] * (len(count) == 4))

    with pytest.raises(Undecided, match="not deterministic at decision") as caught:
        interlock.explore(program, schedules=50)
    assert "Thread-2 (bad) failed:" in str(caught.value)


def test_everything_is_put_back():
    before = threading.Thread.start, threading.Thread.join, time.sleep, time.monotonic, queue.SimpleQueue
    count = threading.active_count()
    interlock.explore(one_order, schedules=20)
    failure_of(two_orders)
    assert before == (threading.Thread.start, threading.Thread.join, time.sleep, time.monotonic, queue.SimpleQueue)
    assert threading.active_count() == count
    # A thread of the program can be asked afterwards.
    threads = []

    def program():
        threads.append(threading.Thread(target=int))
        threads[-1].start()

    interlock.explore(program, schedules=5)
    assert not any(thread.is_alive() for thread in threads)
    for thread in threads:
        thread.join()


def test_what_threads_keep_for_themselves_is_empty_in_each():
    def program():
        mine = threading.local()
        dirty = []

        def work():
            dirty.append(hasattr(mine, "value"))
            mine.value = 1

        run(work)
        run(work)
        assert not any(dirty)

    assert not interlock.explore(program, schedules=30).failed


def test_an_owner_that_has_ended_is_told():
    def program():
        lock = threading.Lock()

        def work():
            lock.__enter__()

        run(work)
        with lock:
            pass

    error = failure_of(program)
    assert error.kind == "deadlock"
    assert "Thread-1 (work)" in str(error)


def test_explore_inside_explore_is_refused():
    def program():
        interlock.explore(one_order, schedules=1)

    assert "inside itself" in str(failure_of(program).__cause__)


def test_what_blocks_outside_is_told_and_does_not_hang():
    import _thread

    def program():
        lock = _thread.allocate_lock()
        shared = threading.Lock()

        def work():
            with lock, shared:
                pass

        run(work, work)

    with pytest.raises(Undecided, match=r"blocks at .*test_explore.py:\d+"):
        interlock.explore(program, schedules=200, strategy="walk")


def test_one_who_swallows_everything_is_given_up():
    def program():
        done = threading.Event()

        def stubborn():
            while not done.is_set():
                with contextlib.suppress(BaseException):
                    threading.Event().wait()

        threading.Thread(target=stubborn).start()
        raise ValueError("the test fails")

    # What fails is what is told, and the search ends.
    assert isinstance(failure_of(program, schedules=3).__cause__, ValueError)


def test_the_timeline_shows_the_schedule_that_fails(tmp_path):
    page = tmp_path / "page.html"
    file = "tests/explore/corpus/transfer_bug.py"
    root = Path(__file__).parents[2]
    command = [sys.executable, "-m", "interlock", "explore", "--timeline", str(page), file]
    ran = subprocess.run(command, cwd=root, capture_output=True, encoding="utf-8", timeout=100)
    assert ran.returncode == 1, ran.stderr
    assert f"timeline of this schedule: {page}" in ran.stdout
    text = page.read_text(encoding="utf-8")
    assert "the schedule that fails" in text
    assert "Thread-1 (" in text
    assert "waited" in text


class Alarm(BaseException):
    pass


@pytest.mark.parametrize("where", ["in the test", "in a destructor"])
def test_what_a_signal_handler_raises_is_raised(where):
    class Rings:
        def __del__(self):
            signal.raise_signal(signal.SIGUSR1)

    def handler(number, frame):
        raise Alarm

    calls = []

    def test():
        calls.append(1)
        if len(calls) == 7 and where == "in a destructor":
            Rings()
        elif len(calls) == 7:
            signal.raise_signal(signal.SIGUSR1)

    before = signal.signal(signal.SIGUSR1, handler)
    hook = sys.unraisablehook
    try:
        with pytest.raises(Alarm):
            interlock.explore(test, schedules=50)
    finally:
        signal.signal(signal.SIGUSR1, before)
    assert len(calls) == 7
    assert sys.unraisablehook is hook


def test_an_asynchronous_function_is_run_by_asyncio():
    async def reserve(seats):
        if seats:
            await asyncio.sleep(0)
            return seats.pop()

    async def test():
        seats = ["1A"]
        await asyncio.gather(reserve(seats), reserve(seats))

    with pytest.raises(ScheduleError, match="IndexError"):
        interlock.explore(test, schedules=50)
