"""Whole programs, unchanged: under plain Python, on the drop-in alone, and watched by `interlock run`.

Each sample is a process of its own. What is taken is the processor's time of the program, all its threads together and
without the start of the interpreter: it is what watching costs, and a machine that does other things besides changes it
least.
"""

import functools
import subprocess
import sys
import tempfile
from pathlib import Path

from benchmarks.figures import OURS, Figure, Measure

PLAIN = "plain Python"
PARTY = "whole program"
ALONE, RUN, RECORD = "the drop-in alone", "interlock run", "interlock run --record"

# How often, and the program: `work(n)` does it n times.
PROGRAMS: dict[str, tuple[int, str]] = {
    "with lock": (
        400_000,
        """
import threading

def work(n):
    lock = threading.Lock()
    for _ in range(n):
        with lock:
            pass
""",
    ),
    "with lock in a lock": (
        200_000,
        """
import threading

def work(n):
    outer, inner = threading.Lock(), threading.Lock()
    for _ in range(n):
        with outer:
            with inner:
                pass
""",
    ),
    "with condition, notify": (
        150_000,
        """
import threading

def work(n):
    condition = threading.Condition()
    for _ in range(n):
        with condition:
            condition.notify()
""",
    ),
    "queue.Queue, put + get": (
        60_000,
        """
import queue

def work(n):
    jobs = queue.Queue()
    for number in range(n):
        jobs.put(number)
        jobs.get()
""",
    ),
    "queue.Queue to a thread": (
        60_000,
        """
import queue
import threading

def work(n):
    jobs = queue.Queue()

    def take():
        while jobs.get() is not None:
            pass

    taker = threading.Thread(target=take)
    taker.start()
    for number in range(n):
        jobs.put(number)
    jobs.put(None)
    taker.join()
""",
    ),
    "ThreadPoolExecutor.map": (
        10_000,
        """
from concurrent.futures import ThreadPoolExecutor

def work(n):
    with ThreadPoolExecutor(4) as pool:
        for _ in pool.map(abs, range(n)):
            pass
""",
    ),
    "asyncio, queues and locks": (
        20_000,
        """
import asyncio

def work(n):
    asyncio.run(main(n))

async def main(n):
    jobs, lock, total = asyncio.Queue(10), asyncio.Lock(), 0

    async def take():
        nonlocal total
        while True:
            number = await jobs.get()
            async with lock:
                total += number
            jobs.task_done()

    takers = [asyncio.create_task(take()) for _ in range(4)]
    for number in range(n):
        await jobs.put(number)
    await jobs.join()
    for taker in takers:
        taker.cancel()
    await asyncio.gather(*takers, return_exceptions=True)
""",
    ),
}

MEASURED = """
import sys
import time

began = time.process_time()
work(int(sys.argv[1]))
print(time.process_time() - began)
"""

# Installed first, as `interlock run` does it, and nothing looks on.
INSTALLED = """
import sys
import interlock

interlock.install(asyncio=True)
del sys.argv[0]
program = sys.argv[0]
exec(compile(open(program).read(), program, "exec"), {"__name__": "__main__"})
"""


def command(way: str, program: Path, recording: Path) -> list[str]:
    """How to run the file, before its arguments."""
    if way == PLAIN:
        return [sys.executable, str(program)]
    if way == ALONE:
        return [sys.executable, "-c", INSTALLED, str(program)]
    record = ["--record", str(recording)] if way == RECORD else []
    return [sys.executable, "-m", "interlock", "run", *record, str(program)]


def seconds(way: str, operation: str, count: int) -> float:
    """What the program itself says it took."""
    with tempfile.TemporaryDirectory() as directory:
        program = Path(directory, "program.py")
        program.write_text(PROGRAMS[operation][1] + MEASURED, encoding="utf-8")
        run = [*command(way, program, Path(directory, "run.interlock")), str(count)]
        done = subprocess.run(run, capture_output=True, encoding="utf-8", timeout=300)
        if done.returncode != 0:
            raise RuntimeError(f"{operation}, {way}: exit code {done.returncode}\n{done.stderr}")
        return float(done.stdout.splitlines()[0])


def figures() -> list[Figure]:
    found = []
    for operation, (count, _) in PROGRAMS.items():
        for way in (ALONE, RUN, RECORD):
            measures: dict[str, Measure] = {
                OURS: functools.partial(seconds, way, operation),
                PLAIN: functools.partial(seconds, PLAIN, operation),
            }
            found.append(Figure(operation, way, PARTY, measures, count=count, pinned=True))
    return found
