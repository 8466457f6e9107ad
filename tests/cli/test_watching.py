"""What `interlock run` says while the program runs: stalls, the order of locks, and the dump on Ctrl-\\."""

import contextlib
import os
import re
import select
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from launch import ENVIRONMENT, INTERLOCK, Ending, python, start
from parties import PATIENCE

NOBODY = "interlock: nobody is left to wake these\n"


def run(directory: Path, program: str, *options: str) -> Ending:
    (directory / "prog.py").write_text(program)
    return python(*INTERLOCK, "run", *options, "prog.py", cwd=directory)


AWAITED = """
import asyncio, interlock
orders = interlock.Lock(name="orders")
async def take(): await orders.acquire()
async def other():
    async with orders: pass
async def main():
    results = await asyncio.gather(take(), return_exceptions=True)
    await other()
asyncio.run(main())
"""


def test_the_report_says_who_took_a_lock_by_an_awaited_acquire(tmp_path: Path) -> None:
    told = run(tmp_path, AWAITED, "--stall", "0.5", "--on-stall=exit")
    assert told.status == 3
    still = told.err.partition("STILL WAITING")[2]
    assert "took it and ended by a TypeError: acquire() is not awaited, at prog.py:4 in take\n" in still


# --- nobody is left -----------------------------------------------------------------------------------------------

BARRIER = """
import threading
start = threading.Barrier(4)
threads = [threading.Thread(target=start.wait, name=f"player {i}") for i in range(3)]
for thread in threads: thread.start()
"""
CONSUMER = """
import queue, threading
jobs = queue.Queue()
def produce():
    for i in range(3): jobs.put(i)
def consume():
    for i in range(4): jobs.get()
threads = [threading.Thread(target=t, name=t.__name__) for t in (produce, consume)]
for thread in threads: thread.start()
for thread in threads: thread.join()
"""
ALONE = "import threading; threading.Event().wait()"
SIGNAL_LOCK = "import threading; lock = threading.Lock(); lock.acquire(); lock.acquire()"
TASKS = """
import asyncio, interlock
async def main():
    start = interlock.Barrier(3, name="start")
    async with asyncio.TaskGroup() as group:
        for i in range(2): group.create_task(start.wait_async(), name=f"task {i}")
asyncio.run(main())
"""
QUEUE_OF_TASKS = """
import asyncio
async def consume(jobs):
    while True: await jobs.get()
async def main():
    jobs = asyncio.Queue()
    await jobs.put(1)
    await asyncio.create_task(consume(jobs), name="consumer")
asyncio.run(main())
"""
IDLE_POOL = """
import threading
from concurrent.futures import ThreadPoolExecutor
pool = ThreadPoolExecutor(2)
pool.submit(int).result()
threading.Event().wait()
"""
IDLE_THREAD_OF_A_LOOP = """
import asyncio
async def main():
    await asyncio.to_thread(int)
    await asyncio.Event().wait()
asyncio.run(main())
"""
TRIO = """
import trio, interlock
async def main(): await interlock.Event().wait_async()
trio.run(main)
"""
LOOP_IN_A_THREAD = """
import asyncio, threading
loop = asyncio.new_event_loop()
threading.Thread(target=loop.run_forever, daemon=True).start()
threading.Event().wait()
"""


@pytest.mark.parametrize(
    ("program", "missing"),
    [
        pytest.param(BARRIER, "3 of 4 have arrived", id="a barrier"),
        pytest.param(CONSUMER, "it is empty", id="a consumer"),
        pytest.param(ALONE, "nobody has set it since this wait began", id="alone"),
        pytest.param(SIGNAL_LOCK, "held by MainThread", id="a lock as a signal"),
        pytest.param(TASKS, "2 of 3 have arrived", id="tasks"),
        pytest.param(QUEUE_OF_TASKS, "it is empty", id="a queue of asyncio's"),
        pytest.param(IDLE_POOL, "nobody has set it since this wait began", id="a pool without work"),
        pytest.param(
            IDLE_THREAD_OF_A_LOOP, "nobody has set it since this wait began", id="a loop and its pool without work"
        ),
        pytest.param(TRIO, "nobody has set it since this wait began", id="trio"),
        pytest.param(LOOP_IN_A_THREAD, "nobody has set it since this wait began", id="a loop without tasks"),
    ],
)
def test_nobody_is_left(tmp_path: Path, program: str, missing: str) -> None:
    told = run(tmp_path, program, "--on-stall=exit")
    assert (told.status, told.out) == (3, "")
    assert told.err.count(NOBODY) == 1
    assert "these wait for each other in a cycle" not in told.err  # one dump, which begins with cycles
    assert f"{missing}\n" in told.err
    assert "\ninterlock: " in told.err.partition(missing)[2]  # and the report at the end


GO_ON = """
import os, signal, sys, threading, time
gate = threading.Event()
waiter = threading.Thread(target=gate.wait, name="waiter")
waiter.start()
{}
gate.set()
waiter.join()
print("went on")
"""
ASYNCIO = """
import asyncio
async def main():
    loop = asyncio.get_running_loop()
    awaited = asyncio.Event()
    {}
    await awaited.wait()
asyncio.run(main())
"""


@pytest.mark.parametrize(
    "activity",
    [
        pytest.param("time.sleep(2.5)", id="a sleep"),
        pytest.param("end = time.monotonic() + 2.5\nwhile time.monotonic() < end: pass", id="computing"),
        pytest.param(
            "r, w = os.pipe(); threading.Timer(2.5, os.write, (w, b'x')).start(); os.read(r, 1)", id="reading"
        ),
        pytest.param("waiter.join(2.5)", id="a timed join"),
        pytest.param("threading.Event().wait(2.5)", id="a timed wait"),
        pytest.param(
            "timer = threading.Timer(2.5, gate.set); timer.start(); gate.wait()",
            id="a timer",
        ),
        pytest.param(
            "signal.signal(signal.SIGALRM, lambda *_: gate.set()); "
            "signal.setitimer(signal.ITIMER_REAL, 2.5); gate.wait()",
            id="a signal handler",
        ),
        pytest.param(ASYNCIO.format("loop.call_later(2.5, awaited.set)"), id="a timer of asyncio's"),
        pytest.param(
            ASYNCIO.format("loop.add_signal_handler(signal.SIGALRM, awaited.set); signal.alarm(3)"),
            id="a signal handler of asyncio's",
        ),
        pytest.param(
            ASYNCIO.format(
                "r, w = os.pipe(); loop.add_reader(r, awaited.set); threading.Timer(2.5, os.write, (w, b'x')).start()"
            ),
            id="a reader of asyncio's",
        ),
        pytest.param(
            "import trio\nasync def main(): await trio.sleep(2.5)\ntrio.run(main)",
            id="a timer of trio's",
        ),
        pytest.param(
            "import trio, interlock\nasync def main():\n"
            "  with trio.move_on_after(2.5): await interlock.Event().wait_async()\ntrio.run(main)",
            id="a deadline of trio's",
        ),
    ],
)
def test_somebody_is_left(tmp_path: Path, activity: str) -> None:
    told = run(tmp_path, GO_ON.format(activity), "--on-stall=exit")
    assert (told.status, told.out) == (0, "went on\n"), told
    assert "nobody is left" not in told.err


def test_it_goes_on_waiting(tmp_path: Path) -> None:
    """It says so once, and goes on: nothing is lost if it was wrong."""
    (tmp_path / "prog.py").write_text(ALONE)
    with start(*INTERLOCK, "run", "prog.py", cwd=tmp_path) as process:
        told = read_until(process, NOBODY)
        time.sleep(2.5)  # two looks more
        process.send_signal(signal.SIGINT)
        told += process.communicate(timeout=PATIENCE * 3)[1]
    assert told.count(NOBODY.encode()) == 1
    assert b"KeyboardInterrupt" in told


def read_until(process: "subprocess.Popen[bytes]", text: str) -> bytes:
    """What it writes to stderr, up to `text`."""
    assert process.stderr is not None
    told = b""
    while text.encode() not in told:
        more = os.read(process.stderr.fileno(), 10_000)
        assert more, (told, process.wait())
        told += more
    return told


def told_until(directory: Path, program: str, text: str, *options: str) -> str:
    """What it writes to stderr in all, once it has been let go after writing `text`. It waits for its input to end."""
    (directory / "prog.py").write_text(program)
    with start(*INTERLOCK, "run", *options, "prog.py", cwd=directory) as process:
        told = read_until(process, text)
        told += process.communicate(timeout=PATIENCE * 3)[1]
    assert process.returncode == 0, told
    return told.decode()


def test_a_single_wait_that_is_long(tmp_path: Path) -> None:
    program = """
import sys, threading
ready = threading.Event()
threading.Thread(target=ready.wait, args=(600,), name="patient").start()
sys.stdin.read()
ready.set()
"""
    what = "interlock: patient has waited for Event of prog.py:3 for more than 1 s\n"
    told = told_until(tmp_path, program, what, "--stall", "1")
    assert told.count(what) == 1
    assert "with a timeout for Event of prog.py:3" in told


def test_a_cycle_that_cannot_be_refused(tmp_path: Path) -> None:
    """Locks taken with `acquire` may be anybody's signal: it is shown, and not raised. The main thread goes on."""
    program = """
import sys, threading
a, b = threading.Lock(), threading.Lock()
meet = threading.Barrier(2)
def cross(first, second):
    first.acquire()
    meet.wait()
    second.acquire()
for name, locks in ("one", (a, b)), ("two", (b, a)):
    threading.Thread(target=cross, args=locks, name=name, daemon=True).start()
sys.stdin.read()
"""
    what = "interlock: these wait for each other in a cycle\n"
    told = told_until(tmp_path, program, what)
    assert told.count(what) == 1
    assert re.search(r"not certain: Lock [ab] of prog.py:3 was taken with acquire\(\)", told)


CROSS = """
import sys, threading
a, b = threading.Lock(), threading.Lock()
meet = threading.Barrier(2)
def cross(first, second):
    first.acquire()
    meet.wait()
    second.acquire()
threads = [threading.Thread(target=cross, args=locks) for locks in ((a, b), (b, a))]
for thread in threads: thread.start()
while not (a.waiters and b.waiters): pass
{}
a.release()
b.release()
for thread in threads: thread.join()
print("through")
"""


def test_a_cycle_that_stands_ends_the_program(tmp_path: Path) -> None:
    """The main thread is awake, and has nothing to release."""
    program = CROSS.partition("{}")[0] + "while True: time.sleep(0.01)\n"
    told = run(tmp_path, program.replace("import sys,", "import sys, time,"), "--on-stall=exit")
    assert (told.status, told.out) == (3, ""), told
    assert told.err.count("interlock: these wait for each other in a cycle\n") == 1


def test_a_cycle_that_a_living_thread_may_open_is_not_told(tmp_path: Path) -> None:
    told = run(tmp_path, CROSS.format("threading.Event().wait(4)"), "--on-stall=exit")
    assert (told.status, told.out) == (0, "through\n"), told
    assert "these wait for each other in a cycle" not in told.err


def test_a_cycle_that_is_opened_soon_is_not_told(tmp_path: Path) -> None:
    told = run(tmp_path, CROSS.format("threading.Event().wait(1)"), "--on-stall=exit")
    assert (told.status, told.out) == (0, "through\n"), told
    assert "these wait for each other in a cycle" not in told.err


def test_waits_that_follow_each_other_are_not_one(tmp_path: Path) -> None:
    """At each look all are asleep, in waits that lie in the same memory; but they are others."""
    program = """
import threading, time
gate = [threading.Event(), threading.Event()]
def play(mine, others):
    for _ in range(40):
        mine.wait(); mine.clear(); time.sleep(0.1); others.set()
players = [threading.Thread(target=play, args=(gate[i], gate[1 - i])) for i in range(2)]
for player in players: player.start()
gate[0].set()
for player in players: player.join()
"""
    told = run(tmp_path, program, "--on-stall=exit")
    assert told.status == 0, told
    assert "nobody is left" not in told.err


def test_many_long_waits_are_one_dump(tmp_path: Path) -> None:
    program = """
import sys, threading, time
ready = threading.Event()
threads = [threading.Thread(target=ready.wait, args=(600,), name=f"patient-{i}") for i in range(50)]
for thread in threads: thread.start()
sys.stdin.read()
time.sleep(2.5)  # two looks more
ready.set()
"""
    told = told_until(tmp_path, program, "WAITING for more than 1 s\n", "--stall", "1")
    assert re.search(
        r"\ninterlock: patient-\d+ (and \d+ more have|has) waited for Event of prog.py:3 for more than 1 s\n", told
    )
    assert told.count(" for more than 1 s\n\n") == told.count("WAITING for more than 1 s\n") == 1


def test_a_cycle_of_tasks_under_timeouts_is_none(tmp_path: Path) -> None:
    program = """
import asyncio
async def cross(first, second, meet, seconds):
    async with first:
        await meet.wait()
        try:
            async with asyncio.timeout(seconds), second: print("went in")
        except TimeoutError: print("gave up")
async def main():
    a, b, meet = asyncio.Lock(), asyncio.Lock(), asyncio.Barrier(2)
    await asyncio.gather(cross(a, b, meet, 2.5), cross(b, a, meet, 60))
asyncio.run(main())
"""
    told = run(tmp_path, program, "--on-stall=exit")
    assert (told.status, told.out) == (0, "gave up\nwent in\n"), told
    assert "cycle" not in told.err.partition("can end in a deadlock")[0]


def test_no_thread_before_there_is_something_to_watch(tmp_path: Path) -> None:
    """A program that forks is warned about threads, by Python from 3.12 on."""
    program = """
import asyncio, sys
for _ in range(3): asyncio.run(asyncio.sleep(0))
print(len(sys._current_frames()))
"""
    assert run(tmp_path, program).out == "1\n"


def test_quiet_drops_the_report_and_nothing_else(tmp_path: Path) -> None:
    program = """
import sys, threading
heard = threading.Event()
threading.Thread(target=lambda: heard.set() if not sys.stdin.read() else None).start()
heard.wait()
a, b = threading.Lock(), threading.Lock()
with a:
    with b: pass
with b:
    with a: pass
"""
    stalled = "\ninterlock: MainThread has waited for Event of prog.py:3 for more than 1 s\n"
    err = told_until(tmp_path, program, stalled, "--quiet", "--stall", "1")
    assert err.startswith(stalled)
    assert err.count("interlock: lock order: ") == 1
    assert err.count("interlock: ") == 2
    told = run(tmp_path, ALONE, "--quiet", "--on-stall=exit")
    assert told.status == 3
    assert told.err.count("interlock: ") == told.err.count(NOBODY) == 1


# --- where it is heard --------------------------------------------------------------------------------------------

HANGS = """
import queue, threading
def test_worker():
    jobs, results = queue.Queue(), queue.Queue()
    def work(): results.put(10 / jobs.get())
    threading.Thread(target=work, name="worker", daemon=True).start()
    jobs.put(0)
    assert results.get() == 5
"""


@pytest.mark.parametrize("capture", ["fd", "sys", "no"])
def test_under_pytest(tmp_path: Path, capture: str) -> None:
    (tmp_path / "test_hangs.py").write_text(HANGS)
    options = ["-q", "-p", "no:cacheprovider", "-p", "no:threadexception", "--capture", capture]
    told = python(*INTERLOCK, "run", "--on-stall=exit", "-m", "pytest", *options, cwd=tmp_path)
    assert told.status == 3
    assert told.err.count(NOBODY) == 1
    assert "test_hangs.py:8 in test_worker" in told.err.partition("\ninterlock: ")[2]
    assert "STILL WAITING" in told.err


def test_what_is_started_does_not_have_our_stderr(tmp_path: Path) -> None:
    """Neither a program nor a daemon that has given up its own: whoever reads ours would wait for its end."""
    program = """
import os, subprocess, sys
look = "import os; print([n for n in range(3, 256) if os.path.exists(f'/proc/self/fd/{n}')][:-1])"
subprocess.run([sys.executable, "-c", look], close_fds=False)
sys.stdout.flush()
ours, theirs = os.pipe()
if os.fork() == 0:
    for number in 0, 1, 2, theirs: os.close(number)
    os.read(ours, 1)  # until the parent ends
    os.read(os.open(os.environ["FIFO"], os.O_RDONLY), 1)
    os._exit(0)
"""
    os.mkfifo(tmp_path / "fifo")
    (tmp_path / "prog.py").write_text(program)
    told = python(*INTERLOCK, "run", "prog.py", cwd=tmp_path, environment={"FIFO": str(tmp_path / "fifo")})
    assert (told.status, told.out) == (0, "[]\n")  # and both pipes have come to their end
    with open(tmp_path / "fifo", "wb"):
        pass


def test_a_descriptor_that_is_the_programs_now_is_left_alone(tmp_path: Path) -> None:
    program = "import os\nos.closerange(3, 300)\nfor _ in range(300): os.open('data', os.O_WRONLY | os.O_CREAT)\n"
    told = run(tmp_path, program)
    assert (told.status, told.err) == (0, "")
    assert (tmp_path / "data").read_bytes() == b""


def test_a_file_of_a_childs_under_number_2_is_left_alone(tmp_path: Path) -> None:
    program = """
import os, threading
a, b = threading.Lock(), threading.Lock()
if os.fork() == 0:
    os.close(2)
    assert os.open("data", os.O_WRONLY | os.O_CREAT) == 2
    with a:
        with b: pass
    with b:
        with a: pass
    os._exit(0)
print(os.wait()[1])
"""
    told = run(tmp_path, program)
    assert told.out == "0\n"
    assert (tmp_path / "data").read_bytes() == b""
    assert "lock order" not in told.err


def test_what_a_child_says_begins_with_its_name_and_pid(tmp_path: Path) -> None:
    program = """
import multiprocessing, os, threading
a, b = threading.Lock(), threading.Lock()
def work():
    print(os.getpid(), flush=True)
    with a:
        with b: pass
    with b:
        with a: pass
process = multiprocessing.get_context("fork").Process(target=work, name="cruncher")
process.start()
process.join()
if os.fork() == 0:
    work()
    os._exit(0)
os.wait()
"""
    told = run(tmp_path, program)
    first, second = told.out.split()
    assert told.err.count(f"cruncher (pid {first}): interlock: lock order: ") == 1
    assert told.err.count(f"forked child (pid {second}): interlock: lock order: ") == 1
    assert f"\nNot seen: what 2 forked children did: cruncher (pid {first}), pid {second}.\n" in told.err


def test_the_same_deadlock_of_many_threads_is_shown_once(tmp_path: Path) -> None:
    program = """
import threading
lock = threading.Lock()
def work():
    with lock:
        with lock: pass
def other():
    with lock:
        lock.acquire()
for target in [work] * 20 + [other]:
    thread = threading.Thread(target=target)
    thread.start()
    thread.join()
"""
    told = run(tmp_path, program)
    assert told.err.count("interlock.DeadlockError: ") == told.err.count("use an RLock") == 2
    assert "\n  Thread-2 (work) and 18 more\n" in told.err  # of 21 the last 20 are kept
    assert told.err.endswith(
        "\nNot shown: 19 more threads ended by a DeadlockError at prog.py:6, by the lines of the one above.\n"
    )


def test_no_advice_to_change_what_is_not_the_programs_own(tmp_path: Path) -> None:
    program = """
import logging
class Sly(logging.Handler):
    def emit(self, record):
        with guard: guard.acquire()
class Ours:
    def __init__(self): self.lock = logging.threading.Lock()
guard = Ours().lock
try: Sly().emit(None)
except Exception as error: print(str(error).splitlines()[-1])
handler = logging.Handler()
from concurrent.futures import ThreadPoolExecutor
class Pool(ThreadPoolExecutor):
    def _adjust_thread_count(self): self._shutdown_lock.acquire()
try: Pool().submit(print)
except Exception as error: print(str(error).splitlines()[-1])
import queue
class Jobs(queue.PriorityQueue):
    def _qsize(self): return self.mutex.acquire()
try: Jobs().qsize()
except Exception as error: print(str(error).splitlines()[-1])
"""
    own, *others = run(tmp_path, program).out.splitlines()
    assert own == "Release it before acquiring it again, or use an RLock, which its owner may acquire again."
    assert others == ["The lock belongs to a library: release it before calling code that acquires it again."] * 2


def test_two_that_one_line_made_have_two_names(tmp_path: Path) -> None:
    # Nothing after the wait releases them: a thread that may still do it would be a reason to keep quiet.
    program = CROSS.replace("threads = [", "first = second = None\nthreads = [").partition("{}")[0]
    program += "threading.Event().wait(600)\n"
    told = run(tmp_path, program, "--on-stall=exit")
    assert "for Lock a of prog.py:3, at prog.py:8 in cross" in told.err
    assert "holds Lock b of prog.py:3, taken at prog.py:6 in cross" in told.err
    assert re.search(r"^Lock +a ", told.err, re.MULTILINE)
    assert re.search(r"^Lock +b ", told.err, re.MULTILINE)


def test_a_local_alias_does_not_win(tmp_path: Path) -> None:
    program = """
import threading
class Shop:
    def __init__(self): self.orders = threading.Lock()
shop, guard = Shop(), threading.Lock()
def twice(first, again):
    with first:
        with again: pass
for lock in shop.orders, guard:
    try: twice(lock, lock)
    except Exception as error: print(str(error))
def through(shop):
    mine = shop.orders
    with mine:
        with mine: pass
try: through(shop)
except Exception as error: print(str(error))
"""
    told = run(tmp_path, program).out
    # What a caller three frames up calls it is a guess; the module's own name is not.
    assert "holds Lock guard, taken at prog.py:7 in twice" in told
    assert "holds Lock Shop.orders, taken at prog.py:14 in through" in told
    assert "Lock mine" not in told
    assert "Lock again" not in told


def test_what_a_report_has_not_seen(tmp_path: Path) -> None:
    (tmp_path / "other.py").write_text("")
    program = """
import _thread, subprocess, sys, threading
class Cache:
    def __init__(self): self.guard = _thread.allocate_lock()
cache, guard, ours = Cache(), _thread.allocate_lock(), threading.Lock()
child = subprocess.Popen([sys.executable, "-X", "dev", "other.py"])
child.wait()
subprocess.run([sys.executable, "-m", "this"], stdout=subprocess.DEVNULL)
subprocess.run(["true"])
print(child.pid)
"""
    told = run(tmp_path, program)
    unseen = [line for line in told.err.splitlines() if line.startswith("Not seen")]
    assert len(unseen) == 2
    started = "Not seen: what happened in 2 Python programs that were started: "
    assert unseen[0].startswith(f"{started}other.py (pid {told.out.strip()}), -m this (pid ")
    assert unseen[1] == "Not seen: 2 locks of _thread, or older than interlock: Cache.guard, __main__.guard."


# --- the order of locks -------------------------------------------------------------------------------------------


def test_two_orders_are_told_at_once(tmp_path: Path) -> None:
    program = """
import sys, threading
a = threading.Lock()
b = threading.RLock()
def forward():
    with a, b: pass
def backward():
    with b, a: pass
forward(); backward(); forward(); backward()
print("still running", file=sys.stderr)
"""
    told = run(tmp_path, program)
    before = told.err.partition("still running")[0]
    assert before.count("interlock: lock order: RLock of prog.py:4 and Lock of prog.py:3 are taken in both orders") == 1
    assert "prog.py:8 in backward\n" in before


def test_locks_of_asyncio_are_called_by_the_lines_that_made_them(tmp_path: Path) -> None:
    program = """
import asyncio
a = asyncio.Lock()
b = asyncio.Lock()
async def main():
    async with a, b: pass
    await b.acquire()
    await a.acquire()
asyncio.run(main())
"""
    told = run(tmp_path, program)
    assert "lock order: Lock of prog.py:4 and Lock of prog.py:3 are taken in both orders" in told.err


def test_the_library_has_nothing_to_be_told(tmp_path: Path) -> None:
    program = """
import logging, queue, threading
from concurrent.futures import ThreadPoolExecutor
logging.basicConfig()
jobs = queue.Queue()
def work(n):
    logging.getLogger("x").warning("%d", n)
    jobs.put(n)
    return jobs.get()
with ThreadPoolExecutor(4) as pool:
    print(sum(pool.map(work, range(50))))
"""
    told = run(tmp_path, program)
    assert told.status == 0
    assert "lock order" not in told.err


# --- the keyboard -------------------------------------------------------------------------------------------------


@pytest.fixture
def not_ignored() -> Iterator[None]:
    """Below nohup and in a shell's background it is, and children inherit that."""
    before = signal.signal(signal.SIGQUIT, signal.SIG_DFL)
    yield
    signal.signal(signal.SIGQUIT, before)


@pytest.mark.skipif(not hasattr(signal, "SIGQUIT"), reason="there is no such signal here")
@pytest.mark.parametrize("blocked_in", ["threading.Event().wait()", "time.sleep(60)"])
@pytest.mark.usefixtures("not_ignored")
def test_a_dump_and_it_goes_on(tmp_path: Path, blocked_in: str) -> None:
    program = f"import sys, threading, time\nprint('here', file=sys.stderr, flush=True)\n{blocked_in}"
    (tmp_path / "prog.py").write_text(program)
    with start(*INTERLOCK, "run", "prog.py", cwd=tmp_path) as process:
        assert process.stderr is not None
        read_until(process, "here\n")
        for _ in range(2):
            told = b""
            while b"prog.py:3 in <module>\n" not in told:  # it may not be there yet
                process.send_signal(signal.SIGQUIT)
                # One that comes just before `time.sleep` begins to sleep is answered afterwards, by any Python.
                if select.select([process.stderr], [], [], 2)[0]:
                    told = read_until(process, " in <module>\n")
            assert b"  MainThread\n" in told
        while process.poll() is None:
            process.send_signal(signal.SIGINT)
            with contextlib.suppress(subprocess.TimeoutExpired):  # as above
                process.communicate(timeout=2)
    assert process.returncode == -signal.SIGINT


@pytest.mark.skipif(not hasattr(signal, "SIGQUIT"), reason="there is no such signal here")
def test_who_ignores_it_is_left_alone(tmp_path: Path) -> None:
    """As below nohup, or a shell's background."""
    (tmp_path / "prog.py").write_text("import signal; print(signal.getsignal(signal.SIGQUIT) == signal.SIG_IGN)")
    command = " ".join([sys.executable, *INTERLOCK, "run", "prog.py"])
    shell = subprocess.run(
        ["/bin/sh", "-c", f"trap '' QUIT; exec {command}"],
        cwd=tmp_path,
        env=ENVIRONMENT,
        capture_output=True,
        check=True,
    )
    assert shell.stdout == b"True\n"


def test_programs_that_a_shell_starts_are_told(tmp_path: Path) -> None:
    program = """
import os, subprocess
os.system("X=1 python3 -c 1 && echo python3 that.py")
subprocess.run("cd / && exec python3 -c 2; true", shell=True)
os.system("echo 'unclosed 2>&1")
"""
    told = run(tmp_path, program)
    assert "\nNot seen: what happened in 2 Python programs that were started: -c 1, -c 2 (pid " in told.err
