"""Measures what passes between processes: python -m benchmarks.processes [--rounds N] [--check] [WORD ...]

Every figure is taken in alternating turns with those of the others, and the medians are compared; what hands over is
pinned to one CPU, so that it measures code and not the way between two CPUs. WORD: only figures with that in the name.

"floor" is what no primitive can be faster than: a class that does nothing, a word that is given and taken with plain
futex calls, and a chain of 64 such words. Its ratio stands beside ours, where it is measured.
"""

import argparse
import asyncio
import contextlib
import importlib
import itertools
import multiprocessing
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

from benchmarks import floor

# name of the figure -> (the most that ours may be of multiprocessing's, or the least where it is a throughput)
GOALS = {
    "Lock, acquire + release": 0.95,
    "Lock, with": 0.35,
    "Semaphore, hop": 1.0,
    "Event, hop": 0.25,
    "Condition, hop": 0.75,
    "Barrier(4), round": 0.40,
    "Lock, 4 processes": 1 / 1.6,
    "Condition, notify_all to 64": 0.70,
    "Semaphore, asyncio to asyncio": 0.35,
}
# What a profiler said of what is missed, kept by hand; printed with the figure. The floor's own ratio is measured.
REASONS = {
    "Lock, with": "`perf` finds 85 % of the time in the interpreter: for each `with` it makes two method objects and "
    "frees them. The floor, a class whose methods do nothing, pays the same.",
    "Semaphore, hop": "`perf` finds 70 % of the time in the kernel, 14 % in interlock, 8 % in the interpreter. There "
    "are two system calls for each hop, as with multiprocessing and as the floor's. One is FUTEX_WAKE_OP: it changes "
    "the word of the party that is woken and wakes it, so that no kill comes between. A plain wake, which the floor "
    "and multiprocessing use, is 0.2 us cheaper, and is lost if a kill comes between.",
    "Event, hop": "`strace` counts two system calls for each hop: one to set and wake, one to sleep. There is none to "
    "save.",
}
NAMES = 300  # KiB, the most that 1,000 named locks may take
SHORT_NAME = 31  # letters; a longer name takes a record more
CONTEXT = multiprocessing.get_context("fork")
PATIENCE = 2.0
SCALES = {"ns": 1e9, "us": 1e6, "ms": 1e3}


def child(work: Callable[[], object]) -> int:
    pid = os.fork()
    if pid == 0:
        try:
            work()
        finally:
            os._exit(0)
    return pid


def pinned(cpus: set[int]) -> None:
    os.sched_setaffinity(0, cpus)


def per_call(call: Callable[[], object], times: int) -> float:
    """Nobody sleeps here: the time of this thread alone, whatever else the machine does."""
    begun = time.thread_time()
    for _ in range(times):
        call()
    return (time.thread_time() - begun) / times


def entering(lock: Any, times: int) -> float:
    begun = time.thread_time()
    for _ in range(times):
        with lock:
            pass
    return (time.thread_time() - begun) / times


def semaphore_hop(make: Callable[[int], Any], times: int = 4000) -> float:
    there, back = make(0), make(0)

    def answer() -> None:
        for _ in range(times):
            there.acquire()
            back.release()

    pid = child(answer)
    begun = time.perf_counter()
    for _ in range(times):
        there.release()
        back.acquire()
    took = (time.perf_counter() - begun) / times / 2
    os.waitpid(pid, 0)
    return took


def event_hop(make: Callable[[], Any], times: int = 2000) -> float:
    there, back = make(), make()

    def answer() -> None:
        for _ in range(times):
            there.wait()
            there.clear()
            back.set()

    pid = child(answer)
    begun = time.perf_counter()
    for _ in range(times):
        there.set()
        back.wait()
        back.clear()
    took = (time.perf_counter() - begun) / times / 2
    os.waitpid(pid, 0)
    return took


def condition_hop(make: Callable[[], Any], times: int = 2000) -> float:
    condition, turn = make(), CONTEXT.RawValue("i", 0)

    def play(mine: int) -> None:
        for _ in range(times):
            with condition:
                while turn.value != mine:
                    condition.wait()
                turn.value = 1 - mine
                condition.notify()

    pid = child(lambda: play(1))
    begun = time.perf_counter()
    play(0)
    took = (time.perf_counter() - begun) / times / 2
    os.waitpid(pid, 0)
    return took


def barrier_round(make: Callable[[int], Any], times: int = 800) -> float:
    barrier = make(4)
    pids = [child(lambda: [barrier.wait() for _ in range(times)]) for _ in range(3)]
    begun = time.perf_counter()
    for _ in range(times):
        barrier.wait()
    took = (time.perf_counter() - begun) / times
    for pid in pids:
        os.waitpid(pid, 0)
    return took


def contended(lock: Any, times: int = 20000) -> float:
    def use() -> None:
        for _ in range(times):
            with lock:
                pass

    begun = time.perf_counter()
    pids = [child(use) for _ in range(4)]
    for pid in pids:
        os.waitpid(pid, 0)
    return (time.perf_counter() - begun) / times / 4


class Chain:
    """What no condition that keeps an order can be faster than: each sleeps at a word of its own. Awake, it gives the
    next one's. Nothing is locked."""

    def __init__(self, make: Callable[[], Any]) -> None:
        self.words = [make() for _ in range(64)]
        self.taken = CONTEXT.Value("i", 0)
        self.mine = -1

    def __enter__(self) -> None:
        pass

    def __exit__(self, *_: object) -> None:
        pass

    def notify_all(self) -> None:
        self.words[0].release()

    def wait(self) -> None:
        if self.mine < 0:
            with self.taken.get_lock():
                self.mine = self.taken.value
                self.taken.value += 1
        self.words[self.mine].acquire()
        if self.mine + 1 < len(self.words):
            self.words[self.mine + 1].release()


def notify_64(make: Callable[[], Any], times: int = 8) -> float:
    """Of the rounds after the first: a process that has just been forked pays for its pages, and its end costs too."""
    condition, waiting, done, again = make(), CONTEXT.Semaphore(0), CONTEXT.Semaphore(0), CONTEXT.Semaphore(0)

    def wait() -> None:
        for _ in range(times):
            with condition:
                waiting.release()
                condition.wait()
            done.release()
            again.acquire()

    def once() -> float:
        for _ in pids:
            waiting.acquire()
        with condition:  # the last of them sleeps
            begun = time.perf_counter()
            condition.notify_all()
        for _ in pids:
            done.acquire()
        took = time.perf_counter() - begun
        for _ in pids:
            again.release()
        return took

    pids = [child(wait) for _ in range(64)]
    took = [once() for _ in range(times)]
    for pid in pids:
        os.waitpid(pid, 0)
    return statistics.median(took[1:-1])


def task_hop(make: Callable[[int], Any], acquire: Callable[[Any], Any], times: int = 500) -> float:
    there, back = make(0), make(0)

    async def answer() -> None:
        for _ in range(times):
            await acquire(there)
            back.release()

    async def ask() -> float:
        begun = time.perf_counter()
        for _ in range(times):
            there.release()
            await acquire(back)
        return (time.perf_counter() - begun) / times / 2

    pid = child(lambda: asyncio.run(answer()))
    took = asyncio.run(ask())
    os.waitpid(pid, 0)
    return took


def in_executor(semaphore: Any) -> Any:
    return asyncio.get_running_loop().run_in_executor(_executor(), semaphore.acquire)


_executors: dict[int, ThreadPoolExecutor] = {}


def _executor() -> ThreadPoolExecutor:
    pid = os.getpid()
    if pid not in _executors:
        _executors[pid] = ThreadPoolExecutor(1)
    return _executors[pid]


def killed_holder(make: Callable[[], Any]) -> float:
    """From the kill of a sleeping holder until the one who waits has it; infinite: not within `PATIENCE` seconds."""
    lock, held = make(), CONTEXT.Semaphore(0)
    taken, waits = CONTEXT.RawValue("d", 0.0), CONTEXT.Semaphore(0)

    def hold() -> None:
        lock.acquire()
        held.release()
        time.sleep(60)

    def take() -> None:
        waits.release()
        lock.acquire()
        taken.value = time.perf_counter()

    holder = child(hold)
    if not held.acquire(timeout=PATIENCE):  # it does not work in a child
        os.kill(holder, signal.SIGKILL)
        os.waitpid(holder, 0)
        return float("inf")
    waiter = child(take)
    waits.acquire()
    time.sleep(0.02)
    begun = time.perf_counter()
    os.kill(holder, signal.SIGKILL)
    os.waitpid(holder, 0)
    while taken.value == 0.0 and time.perf_counter() - begun < PATIENCE:
        time.sleep(0.01)
    if taken.value == 0.0:
        os.kill(waiter, signal.SIGKILL)
    os.waitpid(waiter, 0)
    return float(taken.value) - begun if taken.value else float("inf")


def module(name: str) -> Any:
    with contextlib.suppress(ImportError):
        return importlib.import_module(name)
    print(f"{name} is not installed", file=sys.stderr)
    return None


numbers = itertools.count()


def on_file(kind: Callable[[str], Any], path: str) -> Any:
    return kind(f"{path}-{next(numbers)}")


def locks() -> Iterator[tuple[str, Callable[[], Any]]]:
    from interlock import machine

    files = tempfile.mkdtemp()
    yield "interlock", machine.Lock
    yield "multiprocessing", CONTEXT.Lock
    if (posix_ipc := module("posix_ipc")) is not None:

        def named() -> Any:
            semaphore = posix_ipc.Semaphore(None, posix_ipc.O_CREX, initial_value=1)
            semaphore.unlink()
            return semaphore

        yield "posix_ipc", named
    for name, kind in (("filelock", "FileLock"), ("fasteners", "InterProcessLock"), ("portalocker", "Lock")):
        if (found := module(name)) is not None:
            yield name, partial(on_file, getattr(found, kind), f"{files}/{name}")


def figures() -> Iterator[tuple[str, str, bool, dict[str, Callable[[], float]]]]:
    """(name, unit, whether it is pinned, who -> one turn)"""
    from interlock import machine

    ours, theirs, least = "interlock", "multiprocessing", "floor"
    everybody = dict(locks())
    floor.compile_into()
    empty, hop = floor.load(), floor.load(module=floor.HOP)
    assert empty is not None, "compiled above"
    assert hop is not None, "compiled above"

    def pair(make: Callable[[], Any], times: int) -> Callable[[], float]:
        lock = make()

        def both() -> None:
            lock.acquire()
            lock.release()

        return lambda: per_call(both, times)

    def count(who: str) -> int:
        return 20000 if who in (ours, theirs, least, "posix_ipc") else 300

    alone = everybody | {least: empty.Empty}
    yield "Lock, acquire + release", "ns", True, {who: pair(make, count(who)) for who, make in alone.items()}
    yield "Lock, with", "ns", True, {who: partial(entering, make(), count(who)) for who, make in alone.items()}
    hops: dict[str, Callable[[int], Any]] = {ours: machine.Semaphore, theirs: CONTEXT.Semaphore, least: hop.Hop}
    if (posix_ipc := module("posix_ipc")) is not None:
        hops["posix_ipc"] = lambda value: posix_ipc.Semaphore(None, posix_ipc.O_CREX, initial_value=value)
    yield "Semaphore, hop", "us", True, {who: partial(semaphore_hop, make) for who, make in hops.items()}
    events = {ours: machine.Event, theirs: CONTEXT.Event, least: hop.Hop}
    yield "Event, hop", "us", True, {who: partial(event_hop, make) for who, make in events.items()}
    conditions = {ours: machine.Condition, theirs: CONTEXT.Condition}
    yield "Condition, hop", "us", True, {who: partial(condition_hop, make) for who, make in conditions.items()}
    barriers = {ours: machine.Barrier, theirs: CONTEXT.Barrier}
    yield (
        "Barrier(4), round",
        "us",
        True,
        {who: partial(barrier_round, make) for who, make in barriers.items()},
    )
    yield (
        "Lock, 4 processes",
        "ns",
        False,
        {who: partial(contended, make(), 20000 if count(who) > 300 else 200) for who, make in everybody.items()},
    )
    yield (
        "Condition, notify_all to 64",
        "ms",
        True,
        {who: partial(notify_64, make) for who, make in (conditions | {least: partial(Chain, hop.Hop)}).items()},
    )
    yield (
        "Semaphore, asyncio to asyncio",
        "us",
        True,
        {
            ours: lambda: task_hop(machine.Semaphore, lambda semaphore: semaphore.acquire_async()),
            theirs: lambda: task_hop(CONTEXT.Semaphore, in_executor),
        },
    )
    queues: dict[str, Callable[[], Any]] = {
        ours: machine.Queue,
        theirs: CONTEXT.Queue,
        "mp.SimpleQueue": CONTEXT.SimpleQueue,
    }
    yield "Queue, hop", "us", True, {who: partial(queue_hop, make) for who, make in queues.items()}
    survivors = {who: make for who, make in everybody.items() if who not in (theirs, "posix_ipc")}
    yield (
        "killed holder, until the next has it",
        "ms",
        False,
        {who: partial(killed_holder, make) for who, make in survivors.items()},
    )


def queue_hop(make: Callable[[], Any], times: int = 1000) -> float:
    there, back = make(), make()

    def answer() -> None:
        for _ in range(times):
            back.put(there.get())
        if hasattr(back, "join_thread"):  # `os._exit` ends the thread that has the last item
            back.close()
            back.join_thread()

    pid = child(answer)
    begun = time.perf_counter()
    for number in range(times):
        there.put(number)
        back.get()
    took = (time.perf_counter() - begun) / times / 2
    os.waitpid(pid, 0)
    return took


def in_a_process(letters: int) -> list[int]:
    """What `names` measures in a process and an arena that are new, and shared with nobody."""
    text = f"from benchmarks.processes.__main__ import names; print(*names({letters}))"
    with tempfile.TemporaryDirectory(dir=os.environ["INTERLOCK_MACHINE_DIR"]) as arena:
        environment = os.environ | {"INTERLOCK_MACHINE_DIR": arena}
        ran = subprocess.run([sys.executable, "-c", text], env=environment, capture_output=True, text=True, check=True)
    return [int(word) for word in ran.stdout.split()]


def names(letters: int) -> list[int]:
    """What 1,000 locks with names of so many letters cost: file descriptors; KiB when they are made; KiB when all of
    them are held."""
    from interlock import machine

    def kept() -> int:
        """The shared memory, and this process's own: objects and the list that keeps them. No pages of libraries: how
        many of these count depends on what other programs have just begun or ended."""
        with open("/proc/self/smaps_rollup") as file:
            return sum(int(line.split()[1]) for line in file if line.startswith(("Pss_Anon:", "Pss_Shmem:")))

    machine.Lock("the first of them")
    kept()
    files, memory = len(os.listdir("/proc/self/fd")), kept()
    held = [machine.Lock(f"name {number}".ljust(letters, "+")) for number in range(1000)]
    made = kept() - memory
    for lock in held:
        lock.acquire()
    return [len(os.listdir("/proc/self/fd")) - files, made, kept() - memory]


def of_theirs(took: dict[str, list[float]], who: str) -> float:
    return statistics.median(one / other for one, other in zip(took[who], took["multiprocessing"], strict=True))


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.processes", description=__doc__)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--check", action="store_true", help="exit with 1 where a goal is missed")
    parser.add_argument("words", nargs="*")
    given = parser.parse_args()
    everywhere = os.sched_getaffinity(0)
    missed = 0
    with tempfile.TemporaryDirectory(dir="/dev/shm" if os.path.isdir("/dev/shm") else None) as arena:
        os.environ["INTERLOCK_MACHINE_DIR"] = arena
        print(f"load {os.getloadavg()[0]:.1f}, {os.cpu_count()} CPUs, Python {sys.version.split()[0]}")
        for name, unit, on_one, turns in figures():
            if given.words and not any(word in name for word in given.words):
                continue
            pinned({max(everywhere)} if on_one else everywhere)
            took: dict[str, list[float]] = {who: [] for who in turns}
            for _ in range(given.rounds):
                for who, turn in turns.items():
                    took[who].append(turn() * SCALES[unit])
            middle = {who: statistics.median(them) for who, them in took.items()}
            line = ", ".join(f"{who} {value:,.2f}" for who, value in middle.items())
            verdict = f"worst {max(took['interlock']):.1f}" if name.startswith("killed") else ""
            late = False
            if "multiprocessing" in middle:
                ratio = of_theirs(took, "interlock")
                verdict = f"{ratio:.2f} of multiprocessing"
                if name in GOALS:
                    late = ratio > GOALS[name]
                    verdict += f" (goal {GOALS[name]:.2f}{': MISSED' if late else ''})"
                    missed += late
                if "floor" in middle:
                    least = of_theirs(took, "floor")
                    verdict += f", floor {least:.2f}{', above the goal' if least > GOALS[name] else ''}"
            print(f"{name}, {unit}: {line}; {verdict}", flush=True)
            if late and name in REASONS:
                print(f"    {REASONS[name]}", flush=True)
        pinned(everywhere)
        if not given.words or "names" in given.words:
            late = False
            for letters in (8, 31, 60):
                took = [in_a_process(letters) for _ in range(given.rounds)]
                files, made, held = (round(statistics.median(column)) for column in zip(*took, strict=True))
                late = letters <= SHORT_NAME and (files > 0 or held > NAMES)
                verdict = f" (goal 0 and {NAMES} KiB{': MISSED' if late else ''})" if letters <= SHORT_NAME else ""
                missed += late
                sizes = f"{files} descriptors, {made} KiB, held {held} KiB"
                print(f"1,000 locks with names of {letters} letters: {sizes}{verdict}")
    if given.check and missed:
        sys.exit(1)


if __name__ == "__main__":
    main()
