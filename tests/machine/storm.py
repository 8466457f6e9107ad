"""Processes use every primitive, and are killed at random. Exclusion and permits are counted exactly.

    python storm.py SECONDS [SEED]

Prints one line of JSON: how many were killed, how much was done, and what was wrong. What each process does inside a
lock stands in shared memory that the lock protects, so two at once would be seen.
"""

import faulthandler
import itertools
import json
import mmap
import os
import random
import signal
import struct
import sys
import time
import traceback
from contextlib import suppress

from interlock import Empty, ShutDown, machine
from interlock.machine.kernel import seen

WORKERS = 4
PERMITS = 2
PATIENCE = 60.0  # seconds; only who is stuck uses them up


class Place:
    """A number in memory that all share."""

    memory = mmap.mmap(-1, 4096)
    used = 0

    def __init__(self) -> None:
        self.at = Place.used
        Place.used += 8

    def get(self) -> int:
        return int(struct.unpack_from("q", self.memory, self.at)[0])

    def set(self, value: int) -> None:
        struct.pack_into("q", self.memory, self.at, value)


class Wrong(Exception):
    pass


DOOMED = 64
doomed = [Place() for _ in range(DOOMED)]


def lives(pid: int) -> bool:
    """Whether nobody was about to kill it. What /proc says comes too late: a lock goes on while its holder is dying."""
    return all(place.get() != pid for place in doomed)


class Alone:
    """Who is inside, told by itself."""

    def __init__(self) -> None:
        self.inside = Place()
        self.done = Place()

    def use(self, abandoned: object) -> None:
        before = self.inside.get()
        if before != 0 and (lives(before) or getattr(abandoned, "pid", None) != before):
            raise Wrong(f"{before} was inside, it is {'alive' if lives(before) else 'dead'}; abandoned: {abandoned}")
        self.inside.set(os.getpid())
        self.done.set(self.done.get() + 1)
        self.inside.set(0)


lock, in_lock = machine.Lock(), Alone()
rlock, in_rlock = machine.RLock(), Alone()
rwlock, in_rwlock = machine.RWLock(), Alone()
condition, in_condition = machine.Condition(machine.Lock()), Alone()
bounded, plain = machine.BoundedSemaphore(PERMITS), machine.Semaphore(PERMITS)
permits = {id(bounded): [Place() for _ in range(WORKERS)], id(plain): [Place() for _ in range(WORKERS)]}
barrier, event = machine.Barrier(2), machine.Event()
jobs, out = machine.Queue(8), machine.Queue(8)
visits = itertools.count()
stop, wrong_seen = Place(), Place()


def use_lock(which: int) -> None:
    with lock:
        in_lock.use(lock.abandoned)


def use_lock_with_timeout(which: int) -> None:
    if lock.acquire(timeout=0.0005):
        in_lock.use(lock.abandoned)
        lock.release()


def use_rlock(which: int) -> None:
    with rlock, rlock:
        in_rlock.use(rlock.abandoned)


def use_rwlock(which: int) -> None:
    if random.random() < 0.5:
        with rwlock.write():
            in_rwlock.use(rwlock.abandoned)
    else:
        with rwlock.read():
            inside = in_rwlock.inside.get()
            if inside and lives(inside):
                raise Wrong(f"{inside} writes while this one reads")


def use_permits(which: int, semaphore: machine.Semaphore) -> None:
    places = permits[id(semaphore)]
    with semaphore:
        places[which].set(os.getpid() << 32 | next(visits))
        # What is the same in two looks, and no visit looks like another, was so all the time between them.
        first, second = [[place.get() for place in places] for _ in range(2)]
        inside = [one >> 32 for one, other in zip(first, second, strict=True) if one == other and one != 0]
        if sum(lives(pid) for pid in inside) > PERMITS:
            raise Wrong(f"{inside} are inside")
        places[which].set(0)


def use_condition(which: int) -> None:
    with condition:
        in_condition.use(condition.abandoned)
        if random.random() < 0.5:
            condition.notify_all()
        else:
            condition.wait(0.001)


def use_barrier(which: int) -> None:
    try:
        barrier.wait(0.002)
    except machine.BrokenBarrierError:
        barrier.reset()


def use_event(which: int) -> None:
    if random.random() < 0.5:
        event.set()
        event.clear()
    else:
        event.wait(0.001)


def use_queue(which: int) -> None:
    with suppress(Empty), jobs.hold(0.001) as number:
        out.put(number)


def work(which: int, seed: int) -> None:
    random.seed(seed)
    uses = [use_lock, use_lock_with_timeout, use_rlock, use_rwlock, use_condition, use_barrier, use_event, use_queue]
    uses += [lambda which: use_permits(which, bounded), lambda which: use_permits(which, plain)]
    with suppress(ShutDown):  # at any time from the end of the storm on
        while not stop.get():
            random.choice(uses)(which)
        while True:
            use_queue(which)


def start(which: int, seed: int) -> int:
    pid = os.fork()
    if pid == 0:
        try:
            faulthandler.register(signal.SIGUSR1)
            work(which, seed)
            os._exit(0)
        except BaseException:
            wrong_seen.set(1)
            traceback.print_exc()
            os._exit(1)
    return pid


def produce(total: Place) -> None:
    number = 0
    while not stop.get():
        with suppress(Exception):
            jobs.put(number, timeout=0.01)
            number += 1
            total.set(number)
    jobs.shutdown()


def main(seconds: float, seed: int) -> None:
    chance = random.Random(seed)
    put = Place()
    producer = os.fork()
    if producer == 0:
        produce(put)
        os._exit(0)
    workers = [start(which, seed + which) for which in range(WORKERS)]
    came: list[int] = []
    wrong: list[str] = []
    killed = 0
    end = time.monotonic() + seconds
    rest = time.monotonic()
    while time.monotonic() < end and not wrong_seen.get():
        with suppress(Empty):
            came.append(out.get(timeout=0.002))
        if time.monotonic() >= rest:
            rest = time.monotonic() + chance.random() * 0.02
            which = chance.randrange(WORKERS)
            doomed[killed % DOOMED].set(workers[which])
            os.kill(workers[which], signal.SIGKILL)
            os.waitpid(workers[which], 0)
            killed += 1
            workers[which] = start(which, chance.randrange(1 << 30))
    stop.set(1)
    patience = time.monotonic() + PATIENCE
    left = [producer, *workers]
    while left and time.monotonic() < patience:
        with suppress(Empty):
            came.append(out.get(timeout=0.002))
        for pid in list(left):
            gone, status = os.waitpid(pid, os.WNOHANG)
            if gone:
                left.remove(pid)
                if status:
                    wrong.append(f"{pid} ended with {os.waitstatus_to_exitcode(status)}")
    for pid in left:
        stuck = {one["number"]: (one["kind"], one["waiters"]) for one in seen() if one["waiters"]}
        wrong.append(f"{pid} is stuck: {stuck}")
        os.kill(pid, signal.SIGUSR1)  # its stack
        time.sleep(0.1)
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
    with suppress(Empty):
        while True:
            came.append(out.get_nowait())
    for semaphore in (bounded, plain):
        got = sum(semaphore.acquire(blocking=False) for _ in range(PERMITS + 1))
        if got != PERMITS:
            wrong.append(f"{got} permits of {PERMITS}: {semaphore!r}")
    for each in (lock, rlock, rwlock.write(), condition):
        if not each.acquire(timeout=PATIENCE):
            wrong.append(f"held by nobody who lives: {each!r}")
    missing = set(range(put.get())) - set(came)
    # Whoever was killed after it had put `out` and before it left the block has the item done twice; a producer that
    # was late may have put one more than it could tell.
    if missing or len(came) - len(set(came)) > killed:
        wrong.append(f"{len(missing)} items are missing, {len(came) - len(set(came))} came twice, {killed} killed")
    if jobs.unfinished_tasks or jobs.lost:
        wrong.append(f"unfinished {jobs.unfinished_tasks}, lost {jobs.lost}: {jobs!r}")
    done = {name: of.done.get() for name, of in [("lock", in_lock), ("rlock", in_rlock), ("rwlock", in_rwlock)]}
    print(json.dumps({"killed": killed, "items": len(came), "done": done, "wrong": wrong}))


if __name__ == "__main__":
    main(float(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else random.randrange(1 << 30))
