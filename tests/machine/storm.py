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
PATIENCE = 40.0  # seconds; only who is stuck uses them up


MOST = 1 << 16  # how many workers there can be, one after the other


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


# Each worker has a number that no other has: a pid may be given out again. For each: its pid, and whether it is killed.
pids = mmap.mmap(-1, 8 * MOST)
doomed = mmap.mmap(-1, MOST)
me = 0  # the number of this worker


def lives(number: int) -> bool:
    """Whether nobody was about to kill it. What /proc says comes too late: a lock goes on while its holder is dying."""
    return not doomed[number]


def was_killed(pid: int) -> bool:
    return any(struct.unpack_from("q", pids, 8 * number)[0] == pid for number in range(MOST) if doomed[number])


class Alone:
    """Who is inside, told by itself."""

    def __init__(self) -> None:
        self.inside = Place()
        self.done = Place()

    def use(self, abandoned: machine.Died | None) -> None:
        before = self.inside.get()
        if before != 0 and lives(before):
            raise Wrong(f"worker {before} is inside")
        # The one who was killed inside need not be the last who held it: the next one may have been killed before it
        # could say that it was inside. And of a death that is noticed late, no pid is known.
        if before != 0 and (abandoned is None or not (abandoned.pid == 0 or was_killed(abandoned.pid))):
            raise Wrong(f"worker {before} was killed inside, and abandoned is {abandoned}")
        self.inside.set(me)
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
in_all = {"lock": in_lock, "rlock": in_rlock, "rwlock": in_rwlock}
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
                raise Wrong(f"worker {inside} writes while this one reads")


def use_permits(which: int, semaphore: machine.Semaphore) -> None:
    places = permits[id(semaphore)]
    with semaphore:
        places[which].set(me << 32 | next(visits))
        # What is the same in two looks, and no visit looks like another, was so all the time between them.
        first, second = [[place.get() for place in places] for _ in range(2)]
        inside = [one >> 32 for one, other in zip(first, second, strict=True) if one == other and one != 0]
        if sum(lives(number) for number in inside) > PERMITS:
            raise Wrong(f"workers {inside} are inside")
        places[which].set(0)


def use_condition(which: int) -> None:
    with condition:
        in_condition.use(condition.abandoned)
        if random.random() < 0.5:
            condition.notify_all()
        else:
            condition.wait(0.001)
            in_condition.use(condition.abandoned)  # the one before may have died meanwhile


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


def start(which: int, number: int, seed: int) -> int:
    global me
    pid = os.fork()
    if pid == 0:
        me = number
        struct.pack_into("q", pids, 8 * number, os.getpid())
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
    numbers = [which + 1 for which in range(WORKERS)]
    workers = [start(which, numbers[which], seed + which) for which in range(WORKERS)]
    came: list[int] = []
    wrong: list[str] = []
    killed = 0
    end = time.monotonic() + seconds
    rest = time.monotonic()

    def is_enough() -> bool:
        """Its time is over, and something has happened: on a machine that is busy it takes longer."""
        return time.monotonic() >= end and killed >= 10 and all(alone.done.get() for alone in in_all.values())

    while not is_enough() and not wrong_seen.get() and killed < MOST - WORKERS - 1:
        with suppress(Empty):
            came.append(out.get(timeout=0.002))
        if time.monotonic() >= rest:
            rest = time.monotonic() + chance.random() * 0.02
            which = chance.randrange(WORKERS)
            doomed[numbers[which]] = 1
            os.kill(workers[which], signal.SIGKILL)
            os.waitpid(workers[which], 0)
            killed += 1
            numbers[which] = WORKERS + killed
            workers[which] = start(which, numbers[which], chance.randrange(1 << 30))
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
        if not each.acquire(timeout=PATIENCE / 4):
            wrong.append(f"held by nobody who lives: {each!r}")
    missing = set(range(put.get())) - set(came)
    # Whoever was killed after it had put `out` and before it left the block has the item done twice; a producer that
    # was late may have put one more than it could tell.
    if missing or len(came) - len(set(came)) > killed:
        wrong.append(f"{len(missing)} items are missing, {len(came) - len(set(came))} came twice, {killed} killed")
    if jobs.unfinished_tasks or jobs.lost:
        wrong.append(f"unfinished {jobs.unfinished_tasks}, lost {jobs.lost}: {jobs!r}")
    done = {name: alone.done.get() for name, alone in in_all.items()}
    print(json.dumps({"killed": killed, "items": len(came), "done": done, "wrong": wrong}))


if __name__ == "__main__":
    main(float(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else random.randrange(1 << 30))
