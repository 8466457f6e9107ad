"""Ratios of interlock.cluster and its peers, each measured in turn with the others, in one run on one server.

    python -m benchmarks.cluster [--check] [redis] [postgresql] [etcd]

Times are medians of rounds in which the contestants take turns. With --check the run fails where a goal is missed.
What is measured:

- a pair: acquire and release by one thread, nobody else there;
- round trips of a pair, counted by the server, alone and with 100 contenders;
- a hand-off: from before a release to the moment at which a thread of another process has the lock, with 1 and with 99
  who wait; of redis-py's Lock, which polls, only the wait of its contenders;
- in PostgreSQL, the floor of such a hand-off: as little as writes down who is next and then tells that process;
- renewals, and what `connect` adds in threads and memory.
"""

import argparse
import asyncio
import itertools
import secrets
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests" / "cluster"))

import servers  # noqa: E402 - beside the tests

import interlock.cluster  # noqa: E402

ROUNDS = 7
Pair = Callable[[], object]


class Report:
    def __init__(self) -> None:
        self.missed: list[str] = []

    def line(self, what: str, value: float, unit: str) -> None:
        print(f"    {what:<58} {value:>10,.1f} {unit}")

    def goal(self, what: str, ratio: float, most: float) -> None:
        met = ratio <= most
        print(f"  {what:<60} {ratio:>10.2f}   goal ≤ {most:g}{'' if met else '   MISSED'}")
        if not met:
            self.missed.append(what)


def in_turn(contestants: dict[str, Pair], n: int) -> dict[str, float]:
    """The median of the rounds of each, in us for one call."""
    times: dict[str, list[float]] = {name: [] for name in contestants}
    for each in contestants.values():
        for _ in range(max(3, n // 10)):
            each()
    for _ in range(ROUNDS):
        for name, each in contestants.items():
            began = time.perf_counter()
            for _ in range(n):
                each()
            times[name].append((time.perf_counter() - began) / n * 1e6)
    return {name: statistics.median(each) for name, each in times.items()}


def pair_of(lock: Any) -> Pair:
    def pair() -> None:
        lock.acquire()
        lock.release()

    return pair


# --- hand-offs ------------------------------------------------------------------------------------------------------

RELAY = """
import sys, threading, time
kind, url, prefix, name, threads, seconds = sys.argv[1:]
def make():
    if kind == "ours":
        import interlock.cluster
        options = {"durable": False} if url.startswith("postgresql") else {}
        return interlock.cluster.connect(url, prefix=prefix, after_restart="grant", **options).Lock
    if kind == "python-redis-lock":
        import redis, redis_lock
        client = redis.Redis.from_url(url)
        return lambda name: redis_lock.Lock(client, name)
    import psycopg
    class Advisory:
        def __init__(self, name):
            self.line = psycopg.connect(url, autocommit=True)
        def acquire(self):
            self.line.execute("SELECT pg_advisory_lock(8)")
        def release(self):
            self.line.execute("SELECT pg_advisory_unlock(8)")
    return Advisory
factory = make()
locks = [factory(name) for _ in range(int(threads))]
locks[0].acquire(); locks[0].release()
print("ready", flush=True)
sys.stdin.readline()
times = []
until = time.monotonic() + float(seconds)
def relay(lock):
    while time.monotonic() < until:
        lock.acquire()
        got = time.monotonic_ns()
        time.sleep(0.002)  # until the next one sleeps, too
        times.append((got, time.monotonic_ns()))
        lock.release()
all = [threading.Thread(target=relay, args=(lock,)) for lock in locks]
for each in all: each.start()
for each in all: each.join()
for got, gave in times: print(got, gave)
"""


def hand_off(kind: str, url: str, waiters: int, seconds: float = 4.0) -> float:
    """From before a release to another process having the lock, in us: the median. ``waiters``: how many wait then.

    The threads of some processes take the lock in turn; what counts is each hand-off from one process to another.
    """
    processes = 2 if waiters == 1 else 4
    threads = (waiters + 1) // processes
    prefix = f"hand-off-{secrets.token_hex(4)}"
    relays = [
        subprocess.Popen(
            [sys.executable, "-c", RELAY, kind, url, prefix, prefix, str(threads),
             str(seconds)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )
        for _ in range(processes)
    ]  # fmt: skip
    for relay in relays:
        assert relay.stdout is not None
        assert relay.stdout.readline() == "ready\n"
    for relay in relays:
        assert relay.stdin is not None
        relay.stdin.write("go\n")
        relay.stdin.flush()
    return between_processes(relays, waiters)


def between_processes(relays: "list[subprocess.Popen[str]]", waiters: int) -> float:
    holds = []
    for number, relay in enumerate(relays):
        said, _ = relay.communicate()
        holds += [(int(got), int(gave), number) for got, gave in (line.split() for line in said.splitlines())]
    holds.sort()
    times = [
        (got - gave) / 1000
        for (_, gave, before), (got, _, after) in itertools.pairwise(holds[waiters:])
        if before != after
    ]
    return statistics.median(times) if times else float("nan")


FLOOR = """
import sys, threading, time, psycopg
url, (number, processes, threads), seconds = sys.argv[1], map(int, sys.argv[2:5]), float(sys.argv[5])
def connect():
    made = psycopg.connect(url, autocommit=True)
    made.execute("SET synchronous_commit TO off")
    return made
ears, idle = connect(), [connect() for _ in range(3)]
ears.execute(f"LISTEN floor_{number}")
bells = [threading.Semaphore(0) for _ in range(threads)]
def listen():
    for notice in ears.notifies():
        bells[int(notice.payload)].release()
threading.Thread(target=listen, daemon=True).start()
print("ready", flush=True)
times = []
until = time.monotonic() + seconds
def relay(mine):
    while time.monotonic() < until and bells[mine].acquire(timeout=2):
        got = time.monotonic_ns()
        time.sleep(0.002)
        times.append((got, time.monotonic_ns()))
        line = idle.pop()
        line.execute("SELECT floor_release(%s, %s)", (processes, threads), prepare=True)
        idle.append(line)
all = [threading.Thread(target=relay, args=(i,)) for i in range(threads)]
for each in all: each.start()
for each in all: each.join()
for got, gave in times: print(got, gave)
"""

FLOOR_SCHEMA = """
DROP TABLE IF EXISTS floor;
CREATE TABLE floor (id int PRIMARY KEY, turn bigint) WITH (fillfactor = 30);
INSERT INTO floor VALUES (1, 0);
CREATE OR REPLACE FUNCTION floor_release(processes int, threads int) RETURNS int LANGUAGE plpgsql AS $$
DECLARE
  it bigint;
BEGIN
  UPDATE floor SET turn = turn + 1 WHERE id = 1 RETURNING turn INTO it;
  RETURN length(pg_notify('floor_' || it % processes, (it / processes % threads)::text)::text);
END $$;
"""


def floor(url: str, waiters: int, seconds: float = 4.0) -> float:
    """The same where a release is one UPDATE and one NOTIFY, who is next needs no queue, and to acquire asks nothing.

    No lock is handed over in PostgreSQL by less, if the grant is to be written before its holder is told.
    """
    import psycopg

    processes = 4
    threads = (waiters + 1) // processes
    with psycopg.connect(url, autocommit=True) as line:
        line.execute(FLOOR_SCHEMA)
        relays = [
            subprocess.Popen(
                [sys.executable, "-c", FLOOR, url, *map(str, (number, processes, threads, seconds))],
                stdout=subprocess.PIPE, text=True,
            )
            for number in range(processes)
        ]  # fmt: skip
        for relay in relays:
            assert relay.stdout is not None
            assert relay.stdout.readline() == "ready\n"
        line.execute("SELECT floor_release(%s, %s)", (processes, threads))
        return between_processes(relays, waiters)


def hand_offs(report: Report, url: str, theirs: str, goals: dict[int, float | None]) -> None:
    """``goals``: how many wait, and what ours may take at most, of theirs."""
    for waiters, goal in goals.items():
        with_floor = theirs == "advisory" and waiters > 1
        rounds = [
            (
                hand_off(theirs, url, waiters),
                hand_off("ours", url, waiters),
                floor(url, waiters) if with_floor else float("nan"),
            )
            for _ in range(3)
        ]
        their_us, our_us, floor_us = (statistics.median(each) for each in zip(*rounds, strict=True))
        report.line(f"hand-off to another process, {waiters} waiting, {theirs}", their_us, "us")
        report.line(f"hand-off to another process, {waiters} waiting, ours", our_us, "us")
        if goal is not None:
            report.goal(f"hand-off, {waiters} waiting, of {theirs}", our_us / their_us, goal)
        if with_floor:
            report.line("the floor: one UPDATE, one NOTIFY, no queue", floor_us, "us")
            print(f"  {f'the floor, of {theirs}':<60} {floor_us / their_us:>10.2f}")


def contended(make: Callable[[], Any], contenders: int, seconds: float = 3.0) -> tuple[int, list[float]]:
    """How many pairs, and how long each waited, while `contenders` threads take the lock in a circle."""
    waits: list[float] = []
    stop = threading.Event()

    def contend(lock: Any) -> None:
        while not stop.is_set():
            began = time.perf_counter()
            lock.acquire()
            waits.append(time.perf_counter() - began)
            lock.release()

    threads = [threading.Thread(target=contend, args=(make(),), daemon=True) for _ in range(contenders)]
    for thread in threads:
        thread.start()
    time.sleep(seconds)
    stop.set()
    for thread in threads:
        thread.join(60)
    return len(waits), sorted(waits)


FOOTPRINT = """
import gc, importlib, os, sys, threading
import interlock.cluster
url = sys.argv[1]
importlib.import_module("interlock.cluster.engines." + url.partition(":")[0])
def now():
    gc.collect()
    with open("/proc/self/smaps_rollup") as file:
        sizes = {name: int(size.split()[0]) / 1000 for name, _, size in (line.partition(":") for line in file)
                 if name in ("Rss", "Anonymous")}
    return threading.active_count(), len(os.listdir("/proc/self/task")), sizes["Anonymous"], sizes["Rss"]
before = now()
cluster = interlock.cluster.connect(url, after_restart="grant")
lock = cluster.Lock("footprint")
with lock:
    pass
print(*(after - was for after, was in zip(now(), before)))
"""


def footprint(report: Report, url: str) -> None:
    """What the first handle adds to a process that has loaded the client, once a lock was acquired and released.

    What the client was loaded from is read by the kernel page by page, when it first runs. Those pages belong to the
    import, and processes share them, so they are told apart from memory, which is of this process alone.
    """
    said = subprocess.run([sys.executable, "-c", FOOTPRINT, url], check=True, capture_output=True, text=True).stdout
    threads, all_threads, memory, resident = map(float, said.split())
    report.goal("threads that connect adds", threads, 2)
    if all_threads != threads:
        report.line("threads with those inside the client, which is not in Python", all_threads, "")
    report.goal("MB of memory that connect adds", memory, 5)
    report.line("with the pages of the client's files that it is first to use", resident, "MB")


def standing(cluster: Any, calls: Callable[[], int], waiting: Callable[[], int], waiters: int) -> float:
    """Round trips of a pair while so many tasks wait, and go through one after the other."""
    lock = cluster.Lock("standing")
    before = calls()
    lock.acquire()

    async def pair() -> None:
        await lock.acquire_async()
        await lock.release_async()

    async def all_of_them() -> None:
        tasks = [asyncio.ensure_future(pair()) for _ in range(waiters)]
        while waiting() < waiters:
            await asyncio.sleep(0.05)
        await lock.release_async()
        await asyncio.gather(*tasks)

    asyncio.run(all_of_them())
    return (calls() - before) / (waiters + 1)


def p99(waits: list[float]) -> float:
    return waits[len(waits) * 99 // 100] if waits else 0.0


# --- the engines ----------------------------------------------------------------------------------------------------


def measure_redis(report: Report) -> None:
    import redis

    server = servers.Redis()
    client = redis.Redis.from_url(server.url)
    cluster = interlock.cluster.connect(server.url, after_restart="grant")
    try:
        print("Redis")
        theirs = client.lock("theirs", timeout=10)
        contestants = {"redis-py": pair_of(theirs), "ours": pair_of(cluster.Lock("ours")), "ping": client.ping}
        try:
            import redis_lock

            contestants["python-redis-lock"] = pair_of(redis_lock.Lock(client, "other", expire=10))
        except ImportError:
            print("    python-redis-lock is not installed: not compared")
        times = in_turn(contestants, 500)
        for name, us in times.items():
            report.line(f"pair, {name}", us, "us")
        report.goal("pair, of redis-py's Lock", times["ours"] / times["redis-py"], 1.25)
        if "python-redis-lock" in times:
            report.goal("pair, of python-redis-lock", times["ours"] / times["python-redis-lock"], 1.0)
            hand_offs(report, server.url, "python-redis-lock", {1: 1.1, 99: 1.0})

        def calls() -> int:
            stats = client.info("commandstats")
            return sum(stats.get(f"cmdstat_{name}", {}).get("calls", 0) for name in ("evalsha", "eval"))

        before = calls()
        pairs, waits = contended(lambda: cluster.Lock("crowd"), 100)
        report.goal("round trips of a pair, 100 contenders, of 2", (calls() - before) / pairs / 2, 1.05)
        report.goal(
            "round trips of a pair, 1,000 waiters standing, of 2",
            standing(cluster, calls, lambda: int(client.zcard("{interlock}:q:standing")), 1000) / 2,
            1.05,
        )
        theirs_pairs, their_waits = contended(lambda: client.lock("their crowd", timeout=10), 100)
        report.line("pairs a second, 100 contenders, redis-py", theirs_pairs / 3, "")
        report.line("pairs a second, 100 contenders, ours", pairs / 3, "")
        report.goal("p99 of the wait, 100 contenders, of redis-py's", p99(waits) / p99(their_waits), 0.2)
        session = cluster.sessions[cluster.lease]
        locks = [cluster.Lock(f"many {i}") for i in range(200)]
        for lock in locks:
            lock.acquire()
        beats, began = session.beats, time.monotonic()
        time.sleep(cluster.lease)
        rate = (session.beats - beats) / (time.monotonic() - began) * cluster.lease / 3
        report.goal("renewals a third of a lease, 200 locks held", rate, 1.35)
        footprint(report, server.url)
    finally:
        cluster.close()
        client.close()
        server.stop()


class Roomy(servers.Postgres):
    options = ("-c", "max_connections=200")


def measure_postgresql(report: Report) -> None:
    import psycopg

    server = Roomy()
    line = psycopg.connect(server.url, autocommit=True)
    cluster = interlock.cluster.connect(server.url, after_restart="grant", durable=False)
    try:
        print("PostgreSQL, asynchronous commit")

        class Advisory:
            def acquire(self) -> None:
                line.execute("SELECT pg_advisory_lock(7)")

            def release(self) -> None:
                line.execute("SELECT pg_advisory_unlock(7)")

        times = in_turn({"advisory": pair_of(Advisory()), "ours": pair_of(cluster.Lock("ours"))}, 200)
        for name, us in times.items():
            report.line(f"pair, {name}", us, "us")
        report.goal("pair, of an advisory lock's", times["ours"] / times["advisory"], 4.0)
        hand_offs(report, server.url, "advisory", {1: None, 99: 1.5})
        footprint(report, server.url)
    finally:
        cluster.close()
        line.close()
        server.stop()


def measure_etcd(report: Report) -> None:
    from interlock.cluster.engines import etcd_codec as codec

    server = servers.Etcd()
    cluster = interlock.cluster.connect(server.url, after_restart="grant")
    try:
        print("etcd")
        lock = cluster.Lock("ours")
        lock.acquire()
        lock.release()
        engine: Any = cluster.engine
        put = codec.pack((1, b"/x"), (2, b"y"))
        times = in_turn({"put": lambda: engine.say("KV/Put", put, 5), "ours": pair_of(lock)}, 100)
        for name, us in times.items():
            report.line(f"{'a put' if name == 'put' else 'pair, ours'}", us, "us")
        report.goal("pair, of plain puts", times["ours"] / times["put"], 3.0)
        ours_us = statistics.median(hand_off("ours", server.url, 1) for _ in range(3))
        report.line("hand-off to another process, 1 waiting, ours", ours_us, "us")
        report.goal("hand-off, of plain puts", ours_us / times["put"], 5.0)
        footprint(report, server.url)
    finally:
        cluster.close()
        server.stop()


ENGINES = {"redis": measure_redis, "postgresql": measure_postgresql, "etcd": measure_etcd}


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.cluster", description="interlock.cluster and its peers")
    parser.add_argument("engines", nargs="*", choices=[*ENGINES, []], help="which engines; all of them by default")
    parser.add_argument("--check", action="store_true", help="fail where a goal is missed")
    asked = parser.parse_args()
    report = Report()
    for name in asked.engines or ENGINES:
        ENGINES[name](report)
    if report.missed:
        print(f"\nmissed: {', '.join(report.missed)}")
    sys.exit(1 if asked.check and report.missed else 0)


if __name__ == "__main__":
    main()
