"""The pytest plugin, in pytest of its own."""

import os
import re
import shutil
import subprocess
import sys

import pytest

TESTS = """
import asyncio
import threading
from threading import Lock, Thread

import pytest


def run(*functions):
    threads = [Thread(target=each) for each in functions]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


@pytest.fixture
def made():
    return []


@pytest.mark.interlock(schedules=200)
def test_two_orders(made):
    made.append(1)
    x, y = Lock(), Lock()

    def one():
        with x, y:
            pass

    def two():
        with y, x:
            pass

    run(one, two)


@pytest.mark.interlock(schedules=30)
@pytest.mark.parametrize("n", [1, 2])
def test_holds(n, tmp_path):
    lock = Lock()
    run(*[lambda: lock.acquire() and lock.release()] * n)


@pytest.mark.interlock(schedules=30)
async def test_tasks():
    n = 0

    async def work():
        nonlocal n
        seen = n
        await asyncio.sleep(0)
        n = seen + 1

    await asyncio.gather(work(), work())
    assert n == 2


@pytest.mark.interlock
def test_skipped():
    pytest.skip("not here")


def test_explores_itself(interlock):
    def program():
        lock = Lock()

        def work():
            with lock:
                pass

        run(work, work)

    assert not interlock(program, schedules=10).failed
"""

EVERY = """
import threading
from threading import Lock, Thread

kept = []


def test_both_orders():
    first, second = Lock(), Lock()
    with first:
        with second:
            pass
    with second:
        with first:
            pass


def test_left_locked():
    lock = Lock()
    kept.append(lock)
    thread = Thread(target=lock.__enter__, name="forgetful")
    thread.start()
    thread.join()


def test_stalls():
    threading.Event().wait()


def test_deadlock_in_threads():
    first, second = Lock(), Lock()
    meet = threading.Barrier(2)

    def one():
        with first:
            meet.wait()
            with second:
                pass

    def two():
        with second:
            meet.wait()
            with first:
                pass

    threads = [Thread(target=each) for each in (one, two)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def test_nothing_wrong():
    lock = Lock()
    with lock:
        assert lock.locked()
"""


@pytest.fixture
def run_pytest(tmp_path):
    """``plugins``: the only ones that are loaded, by their entry points; None: all, which takes long."""

    def run(text, *options, plugins=("interlock",)):
        (tmp_path / "test_it.py").write_text(text)
        (tmp_path / "pytest.ini").write_text("[pytest]\n")
        command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-q", *options]
        environment = {**os.environ, "COLUMNS": "160", "PYTHONHASHSEED": "0"}
        for name in "PYTEST_ADDOPTS", "PYTEST_XDIST_WORKER", "PYTEST_XDIST_WORKER_COUNT":
            environment.pop(name, None)
        if plugins is not None:
            environment["PYTEST_DISABLE_PLUGIN_AUTOLOAD"] = "1"
            for name in plugins:
                command += ["-p", name]
        ran = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, encoding="utf-8", timeout=110)
        return ran.stdout + ran.stderr

    run.path = tmp_path
    return run


def test_the_marker_explores(run_pytest):
    out = run_pytest(TESTS)
    assert "2 failed, 3 passed, 1 skipped" in out
    assert "Deadlock: nobody can go on." in out
    assert "test_it.py::test_two_orders --interlock-replay=i2-" in out
    # What has failed is kept, and comes first.
    again = run_pytest(TESTS, "-x")
    assert "failed again, with the schedule kept from before" in again
    token = out.partition("test_it.py::test_two_orders --interlock-replay=")[2].split()[0]
    replayed = run_pytest(TESTS, "-k", "two_orders", f"--interlock-replay={token}")
    assert token in replayed
    assert "1 failed" in replayed
    # Mended, it is forgotten.
    mended = run_pytest(TESTS.replace("with y, x:", "with x, y:"), "-k", "two_orders")
    assert "1 passed" in mended


CAUGHT = """
import logging
import threading
import unittest

import pytest


def counts(n=2):
    box = [0]

    def add():
        before = box[0]
        box[0] = before + 1

    threads = [threading.Thread(target=add) for _ in range(n)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert box == [n]


@pytest.mark.interlock(schedules=30)
@pytest.mark.parametrize("n", [1, 2])
def test_prints(capsys, n):
    print("once")
    counts(n)
    assert capsys.readouterr().out == "once\\n"


@pytest.mark.interlock(schedules=30)
def test_logs(caplog):
    logging.warning("once")
    counts(1)
    assert len(caplog.records) == 1


class Case(unittest.TestCase):
    @pytest.mark.interlock(schedules=30)
    @unittest.expectedFailure
    def test_known(self):
        counts()

    @pytest.mark.interlock(schedules=30)
    @unittest.expectedFailure
    def test_mended(self):
        counts(1)
"""


def test_fixtures_that_look_at_the_output_and_expected_failures(run_pytest):
    out = run_pytest(CAUGHT)
    assert "2 failed, 2 passed, 1 xfailed" in out
    assert "assert [1] == [2]" in out
    assert "unexpected success" in out


def test_every_test_is_looked_at(run_pytest):
    out = run_pytest(EVERY, "--interlock", "--interlock-stall=1", "--interlock-report")
    assert "4 failed, 1 passed" in out
    assert "lock order: " in out
    assert "is still held by forgetful, which has ended" in out
    assert "a wait lasts longer than 1 s" in out
    assert "nobody has set it" in out
    assert "a deadlock, told to Thread-" in out
    assert "who waited for what" in out


def test_it_is_silent_until_asked(run_pytest):
    out = run_pytest("import threading\ndef test_it(): assert threading.Lock.__module__ == '_thread'\n", plugins=None)
    assert out.split() == [".", "[100%]", "1", "passed", "in", out.split()[-1]]


def test_wrong_arguments(run_pytest):
    assert "no such argument" in run_pytest("import pytest\n@pytest.mark.interlock(schedule=3)\ndef test_it(): pass\n")
    assert "at must be one of" in run_pytest("import pytest\n@pytest.mark.interlock(at='words')\ndef test_it(): pass\n")
    assert "not a replay token" in run_pytest(
        "import pytest\n@pytest.mark.interlock\ndef test_it(): pass\n", "--interlock-replay=x"
    )
    assert "go with --interlock" in run_pytest("def test_it(): pass\n", "--interlock-stall=3")


OTHERS = """
import asyncio
import threading
import unittest

import pytest
from hypothesis import given, settings, strategies

import interlock


def run(*functions):
    threads = [threading.Thread(target=each) for each in functions]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def updates(times):
    box = [0]

    def work():
        seen = box[0]
        seen += 1
        box[0] = seen

    run(*[work] * times)
    assert box[0] == times


@pytest.fixture
def attached(request):
    request.instance.attached = 5


@pytest.mark.usefixtures("attached")
class TestCase(unittest.TestCase):
    def setUp(self):
        self.calls = 0

    @pytest.mark.interlock(schedules=50)
    def test_unit_bug(self):
        updates(2)

    @pytest.mark.interlock(schedules=50)
    def test_unit_fine(self):
        self.calls += 1
        self.assertEqual((self.calls, self.attached), (1, 5))

    @pytest.mark.interlock(schedules=50)
    def test_unit_skips(self):
        self.skipTest("not here")


class AsyncCase(unittest.IsolatedAsyncioTestCase):
    @pytest.mark.interlock(schedules=20)
    async def test_async_unit(self):
        await asyncio.sleep(0)


@pytest.mark.interlock
@given(strategies.integers(0, 5))
def test_examples_bug(n):
    updates(n)


@pytest.mark.interlock(schedules=5)
@given(strategies.integers(0, 1))
async def test_examples_fine(n):
    await asyncio.to_thread(updates, n)


@settings(derandomize=True, deadline=None)
@given(interlock.schedules(), strategies.integers(0, 3))
def test_drawn_schedule(schedule, n):
    interlock.explore(lambda: updates(n), schedule=schedule)


@pytest.mark.timeout(2)
@pytest.mark.interlock(schedules=100_000_000)
def test_takes_too_long():
    lock = threading.Lock()
    run(*[lambda: [lock.acquire() and lock.release() for _ in range(20)]] * 2)
"""


def test_unittest_hypothesis_and_timeouts(run_pytest):
    assert_others_are_explored(run_pytest(OTHERS, plugins=("interlock", "timeout", "hypothesispytest")))


def assert_others_are_explored(out):
    assert "4 failed, 3 passed, 1 skipped" in out
    assert "test_it.py::TestCase::test_unit_bug --interlock-replay=i2-" in out
    for name in "TestCase::test_unit_bug", "test_examples_bug", "test_drawn_schedule", "test_takes_too_long":
        assert f"FAILED test_it.py::{name}" in out
    # Hypothesis has shrunk the example, and the alarm is no finding of ours.
    assert "n=2" in out
    assert "Timeout (>2.0s)" in out
    assert "not deterministic" not in out


EXAMPLES = """
import threading

import pytest
from hypothesis import Phase, example, given, settings, strategies


def updates(times):
    box = [0]

    def work():
        seen = box[0]
        seen += 1
        box[0] = seen

    threads = [threading.Thread(target=work) for _ in range(times)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert box[0] == times


class TestDrawn:
    @pytest.mark.interlock
    @settings(phases=[Phase.generate])
    @given(n=strategies.integers(2, 3))
    def test_drawn(self, n):
        updates(n)


@pytest.mark.interlock
@example(n=1)
@example(n=2)
@given(n=strategies.just(1))
def test_written_down(n):
    updates(n)


@pytest.mark.interlock
def test_plain():
    updates(2)
"""


def test_an_example_is_replayed_with_its_schedule(run_pytest):
    def run(*options):
        return run_pytest(EXAMPLES, *options, plugins=("interlock", "hypothesispytest"))

    out = run()
    assert "3 failed" in out
    tokens = dict(re.findall(r"::(test_\w+) --interlock-replay=(\S+)", out))
    assert ":" in tokens["test_drawn"]
    assert ":" not in tokens["test_written_down"] + tokens["test_plain"]
    # All of it is in the token: what Hypothesis keeps is not needed.
    shutil.rmtree(run_pytest.path / ".hypothesis", ignore_errors=True)
    shutil.rmtree(run_pytest.path / ".interlock")
    drawn = run(f"--interlock-replay={tokens['test_drawn']}")
    assert "AssertionError after 1 schedule," in drawn
    example = re.search(r"n=\d", out[: out.index("test_drawn --interlock-replay")])[0]
    assert example in drawn
    assert f"test_drawn --interlock-replay={tokens['test_drawn']}" in drawn
    assert "this token is of a test of Hypothesis, and this is none" in drawn  # said of test_plain
    written_down = run(f"--interlock-replay={tokens['test_written_down']}")
    assert len(re.findall("^interlock: AssertionError after 1 schedule,", written_down, re.MULTILINE)) == 2
    assert "n=2" in written_down
    assert "pass TOKEN:EXAMPLE" in written_down  # said of test_drawn
    # Kept, and tried first.
    again = "^interlock: failed again, with the schedule and the example kept from before: "
    assert len(re.findall(again, run(), re.MULTILINE)) == 2


FIXTURES = """
import queue
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest


@pytest.fixture
def pool():
    with ThreadPoolExecutor(1, thread_name_prefix="mine") as pool:
        pool.submit(int).result()
        yield pool


@pytest.fixture
def jobs():
    def serve():
        while (job := jobs.get()) is not None:
            set_when_waited_for(job)

    jobs = queue.Queue()
    thread = threading.Thread(target=serve, name="server")
    thread.start()
    yield jobs
    jobs.put(None)
    thread.join()


def set_when_waited_for(event):
    while not event.waiters:
        time.sleep(0.001)
    event.set()


@pytest.mark.interlock(schedules=5)
def test_pool(pool):
    done = threading.Event()
    pool.submit(set_when_waited_for, done)
    done.wait()


@pytest.mark.interlock(schedules=5)
def test_server(jobs):
    done = threading.Event()
    jobs.put(done)
    done.wait()
"""


@pytest.mark.parametrize("options", [(), ("--interlock",)])
def test_threads_of_fixtures_are_named(run_pytest, options):
    out = run_pytest(FIXTURES, *options)
    assert "mine_0, started at test_it.py:13. Create the pool or the thread in the test" in out
    assert "server, started at test_it.py:25. Create the pool or the thread in the test" in out
    assert "deadlock" not in out


WATCHED = """
import threading
import time

import pytest


def test_waits_for_a_lock():
    lock = threading.Lock()
    meet = threading.Event()

    def work():
        meet.set()
        with lock:
            pass

    thread = threading.Thread(target=work)
    with lock:
        thread.start()
        meet.wait()
        while not lock.waiters:
            time.sleep(0.001)
    thread.join()


def test_left_locked():
    lock = threading.Lock()
    thread = threading.Thread(target=lock.acquire, name="forgetful")
    thread.start()
    thread.join()
    test_left_locked.kept = lock


@pytest.mark.timeout(60)
def test_stalls():
    threading.Event().wait()


@pytest.mark.timeout(1)
def test_is_timed_out():
    threading.Event().wait(100)
"""


WATCHING = ("--interlock", "--interlock-stall=2", "--interlock-report")


def test_every_test_is_looked_at_beside_timeouts(run_pytest):
    assert_every_test_is_looked_at(run_pytest(WATCHED, *WATCHING, plugins=("interlock", "timeout")))


def assert_every_test_is_looked_at(out):
    assert "3 failed, 1 passed" in out
    assert "is still held by forgetful, which has ended" in out
    assert "a wait lasts longer than 2 s" in out
    assert "Timeout (>1.0s)" in out
    assert "1 waits  Lock (test_it.py:9)  test_it.py::test_waits_for_a_lock" in out
