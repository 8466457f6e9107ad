"""Who has put, got, set, notified, arrived: the facts; and what those had done and held whom an exception ended."""

import asyncio
import gc
import io
import os
import sys
import threading
import weakref
from collections.abc import Iterator
from pathlib import Path

import pytest

import interlock
import interlock.aio
from interlock.core.tasks.task import current_party
from interlock.watch import deeds

sys.path.insert(0, str(Path(__file__).parents[1] / "cli"))
from launch import INTERLOCK, PATIENCE, start


@pytest.fixture(autouse=True)
def watched() -> Iterator[None]:
    with interlock.watch_order():
        yield


def run(target: object, name: str) -> None:
    thread = threading.Thread(target=target, name=name)  # type: ignore[arg-type]
    thread.start()
    thread.join()


def said(primitive: object) -> list[str]:
    return sorted(f"{each.name} {each.verb.format('it')} {each.times}" for each in deeds.to(primitive, "it"))  # type: ignore[arg-type]


def test_a_queue() -> None:
    jobs = interlock.Queue(2)

    def feed() -> None:
        for number in range(5):
            jobs.put(number)  # waits for room: the same line puts with and without a wait

    feeder = threading.Thread(target=feed, name="feeder")
    feeder.start()
    for _ in range(5):
        jobs.get()
        jobs.task_done()
    feeder.join()
    jobs.shutdown()
    assert said(jobs) == [
        "MainThread called task_done() of it 5",
        "MainThread got from it 5",
        "MainThread shut it down 1",
        "feeder put into it 5",
    ]


def test_a_wait_in_a_line_that_never_goes_without_one() -> None:
    jobs = interlock.Queue()

    def take() -> None:
        jobs.get()

    taker = threading.Thread(target=take, name="taker")
    taker.start()
    while not jobs.waiters:
        pass
    jobs.put(1)
    taker.join()
    assert said(jobs) == ["MainThread put into it 1", "taker got from it 1"]


@pytest.mark.parametrize("kind", [interlock.LifoQueue, interlock.PriorityQueue, interlock.SimpleQueue])
def test_other_queues(kind: type) -> None:
    jobs = kind()
    run(lambda: jobs.put(1), "feeder")
    jobs.get()
    assert said(jobs) == ["MainThread got from it 1", "feeder put into it 1"]


def test_an_event() -> None:
    event = interlock.Event()
    run(event.set, "setter")
    event.clear()
    assert said(event) == ["MainThread cleared it 1", "setter set it 1"]


def test_a_condition() -> None:
    condition = interlock.Condition()

    def notify() -> None:
        with condition:
            condition.notify_all()

    run(notify, "notifier")
    assert said(condition) == ["notifier notified it 1"]


def test_a_barrier() -> None:
    barrier = interlock.Barrier(2)
    other = threading.Thread(target=barrier.wait, name="other")
    other.start()
    barrier.wait()
    other.join()
    barrier.abort()
    assert said(barrier) == ["MainThread arrived at it 1", "MainThread broke it 1", "other arrived at it 1"]


def test_a_latch() -> None:
    latch = interlock.Latch(3)
    run(lambda: latch.count_down(2), "worker")
    assert said(latch) == ["worker counted it down 1"]


def test_a_semaphore() -> None:
    permits = interlock.Semaphore(1)

    def use() -> None:
        with permits:
            pass

    run(use, "user")
    assert said(permits) == ["user released a permit of it 1", "user took a permit of it 1"]


def test_a_lock_has_owners_and_no_deeds() -> None:
    lock = interlock.Lock()
    with lock:
        pass
    assert said(lock) == []


def test_tasks() -> None:
    async def main() -> list[str]:
        jobs = interlock.aio.Queue()

        async def feed() -> None:
            for number in range(3):
                await jobs.put(number)

        feeding = asyncio.create_task(feed(), name="feeding")
        for _ in range(3):
            await jobs.get()
        await feeding
        return said(jobs)

    told = asyncio.run(main())
    assert "task feeding put into it 3" in told
    assert any(line.endswith("got from it 3") for line in told)


def test_only_so_many_are_kept_the_last() -> None:
    event = interlock.Event()
    for number in range(100):
        run(event.set, f"setter-{number}")
    names = {each.name for each in deeds.to(event, "it")}
    assert len(names) == 32
    assert "setter-99" in names
    assert "setter-0" not in names


def test_from_many_threads_at_once() -> None:
    jobs = interlock.Queue()
    threads = [threading.Thread(target=lambda: [jobs.put(n) for n in range(2_000)], name=f"t{i}") for i in range(8)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert sorted(each.times for each in deeds.to(jobs, "it")) == [2_000] * 8


def test_nothing_is_kept_alive() -> None:
    jobs = interlock.Queue()
    thread = threading.Thread(target=jobs.put, args=(1,))
    thread.start()
    thread.join()
    references = weakref.ref(jobs), weakref.ref(thread)
    assert said(jobs)
    del jobs, thread
    gc.collect()
    assert [each() for each in references] == [None, None]


def test_what_the_library_makes_for_itself_has_none() -> None:
    from concurrent.futures import Future

    with interlock.install():
        future: Future[int] = Future()
        future.set_result(1)
    assert said(future._condition) == []  # type: ignore[attr-defined]


def test_what_a_party_has_done_is_found_from_it() -> None:
    jobs, done = interlock.Queue(), interlock.Event()
    found: list[deeds.Done] = []

    def work() -> None:
        jobs.put(1)
        jobs.put(2)
        done.set()
        found.extend(deeds.by(current_party().id))

    run(work, "worker")
    told = sorted(f"{each.verb.partition(' ')[0]} {each.times}" for each in found)
    assert told == ["put 2", "set 1"]


def test_a_dump_and_a_snapshot_say_so() -> None:
    jobs = interlock.Queue(name="jobs")
    run(lambda: jobs.put(1), "feeder")
    jobs.get()
    taker = threading.Thread(target=jobs.get, name="taker")
    taker.start()
    while not jobs.waiters:
        pass
    text = io.StringIO()
    interlock.dump(text)
    (waits,) = [each["waits"] for each in interlock.snapshot()["parties"] if each["name"] == "taker"]
    jobs.put(2)
    taker.join()
    (line,) = [line for line in text.getvalue().splitlines() if "feeder put into it once, " in line]
    assert "test_deeds.py" in line
    assert line.endswith("; it has ended")
    assert waits is not None
    assert {(each["name"], each["did"], each["times"], each["ended"]) for each in waits["lately"]} == {
        ("feeder", "put into it", 1, True),
        ("MainThread", "got from it", 1, False),
    }


# --- under `interlock run` ----------------------------------------------------------------------------------------


def interlock_run(directory: Path, program: str, *options: str) -> tuple[int, str]:
    (directory / "prog.py").write_text(program)
    with start(*INTERLOCK, "run", *options, "prog.py", cwd=directory) as process:
        _, err = process.communicate(timeout=PATIENCE)
    return process.returncode, err.decode()


ENDED = """
import threading, queue
jobs = queue.Queue()
guard, spare = threading.Lock(), threading.Lock()

def work():
    spare.acquire()
    while True:
        with guard:
            jobs.put(10 // jobs.get())

for number in (5, 2, 0):
    jobs.put(number)
worker = threading.Thread(target=work, name="worker")
worker.start()
worker.join()
"""


def test_the_report_lists_what_the_ended_had_done_and_held(tmp_path: Path) -> None:
    status, err = interlock_run(tmp_path, ENDED)
    assert status == 0
    told = err.partition("ENDED BY AN EXCEPTION")[2]
    assert "ended by ZeroDivisionError" in told
    assert "at prog.py:10 in work" in told
    assert "held Lock guard of prog.py:4 then, taken at prog.py:9 in work" in told
    assert "has not given back Lock spare of prog.py:4, taken at prog.py:7 in work" in told
    assert "had got from Queue of prog.py:3, 3 times" in told
    assert "had put into Queue of prog.py:3, 2 times" in told


MAIN = """
import threading, queue, time
jobs = queue.Queue()
def work():
    while True:
        jobs.get()
threading.Thread(target=work, name="worker").start()
jobs.put(1)
raise ValueError("a bad line")
"""


def test_the_main_thread_that_has_ended_is_one_of_them(tmp_path: Path) -> None:
    status, err = interlock_run(tmp_path, MAIN, "--on-stall=exit")
    assert status == 3
    assert "MainThread put into it once" in err
    assert "it has ended by ValueError: a bad line, at prog.py:9 in <module>" in err


def test_but_not_where_all_have_ended(tmp_path: Path) -> None:
    _, err = interlock_run(tmp_path, "import threading\nthreading.Lock()\nraise ValueError('a bad line')\n")
    assert "ENDED BY AN EXCEPTION" not in err


def test_an_exception_of_many_lines_takes_one(tmp_path: Path) -> None:
    program = (
        "import threading\ndef work():\n    raise ValueError('one\\nline \\x1b[31m two')\n"
        "t = threading.Thread(target=work); t.start(); t.join()\n"
    )
    _, err = interlock_run(tmp_path, program)
    told = err.partition("ENDED BY AN EXCEPTION")[2]
    assert "ended by ValueError: one, at prog.py:3 in work" in told
    assert "\x1b" not in told


FORKED = """
import os, queue, sys, threading, time
import interlock

jobs, end = queue.Queue(), threading.Event()

def produce():
    jobs.put(1)
    end.wait()

producer = threading.Thread(target=produce, name="producer")
producer.start()
jobs.get()
if os.fork() == 0:
    threading.Thread(target=jobs.get, daemon=True).start()
    while not jobs.getters:
        time.sleep(0.001)
    interlock.dump(sys.stderr)
    sys.stderr.flush()
    os._exit(0)
os.wait()
end.set()
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_who_lives_in_the_parent_has_not_ended(tmp_path: Path) -> None:
    _, err = interlock_run(tmp_path, FORKED)
    said = next(line for line in err.splitlines() if "producer put into it once" in line)
    assert said.endswith("; it did not come along when this process was forked")
