"""Ratios of interlock.cluster and its peers, each measured in turn with the others, in one run on one server.

    python -m benchmarks.cluster [--check] [redis] [postgresql] [etcd]

Times are medians of rounds in which the contestants take turns. With --check the run fails where a goal is missed.
What is measured:

- a pair: acquire and release by one thread, nobody else there;
- round trips of a pair, counted by the server, alone and with 100 contenders;
- a hand-off: from before a release to the moment at which a thread of another process has the lock, with 1 and with 99
  who wait; of redis-py's Lock, which polls, only the wait of its contenders.
"""

import argparse
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
kind, url, prefix, name, waiters = sys.argv[1:]
sys.path.insert(0, {tests!r})
def make():
    if kind == "ours":
        import interlock.cluster
        return interlock.cluster.connect(url, prefix=prefix, after_restart="grant").Lock
    if kind == "python-redis-lock":
        import redis, redis_lock
        client = redis.Redis.from_url(url)
        return lambda name: redis_lock.Lock(client, name)
    import psycopg
    class Advisory:
        def __init__(self, name):
            self.line = psycopg.connect(url, autocommit=True)
        def acquire(self):
            self.line.execute("SELECT pg_advisory_lock(7)")
        def release(self):
            self.line.execute("SELECT pg_advisory_unlock(7)")
    return Advisory
factory = make()
def wait(lock):
    while True:
        lock.acquire()
        at = time.monotonic_ns()
        lock.release()
        print(at, flush=True)
        line = sys.stdin.readline()
        if not line:
            return
first = factory(name)
first.acquire(); first.release()
others = [factory(name) for _ in range(int(waiters) - 1)]
print("ready", flush=True)
sys.stdin.readline()
def other(lock):
    while True:
        lock.acquire()
        lock.release()
        time.sleep(0.02)
for lock in others:
    threading.Thread(target=other, args=(lock,), daemon=True).start()
wait(first)
"""


def hand_off(kind: str, url: str, prefix: str, make: Callable[[], Any], waiting: Callable[[], int] | None) -> float:
    """Us from before a release to a thread of another process having the lock, which was waiting alone: the median."""
    name = f"hand-off-{kind}"
    code = RELAY.format(tests=str(ROOT / "tests" / "cluster"))
    relay = subprocess.Popen(
        [sys.executable, "-c", code, kind, url, prefix, name, "1"],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert relay.stdin is not None
    assert relay.stdout is not None
    times = []
    lock = make()
    try:
        assert relay.stdout.readline() == "ready\n"
        for _ in range(60):
            lock.acquire()
            relay.stdin.write("go\n")
            relay.stdin.flush()
            if waiting is not None:
                while not waiting():
                    pass
            time.sleep(0.003)  # until the waiter sleeps, too
            began = time.monotonic_ns()
            lock.release()
            times.append((int(relay.stdout.readline()) - began) / 1000)
    finally:
        relay.kill()
        relay.wait()
        relay.stdin.close()
        relay.stdout.close()
    return statistics.median(times[10:])


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
            theirs_us = hand_off(
                "python-redis-lock",
                server.url,
                "x",
                lambda: redis_lock.Lock(client, "hand-off-python-redis-lock"),
                None,
            )
            lock = cluster.Lock("hand-off-ours")
            ours_us = hand_off("ours", server.url, "interlock", lambda: lock, lambda: len(lock.waiters))
            report.line("hand-off, python-redis-lock", theirs_us, "us")
            report.line("hand-off, ours", ours_us, "us")
            report.goal("hand-off to one who waits, of python-redis-lock", ours_us / theirs_us, 1.1)

        def calls() -> int:
            stats = client.info("commandstats")
            return sum(stats.get(f"cmdstat_{name}", {}).get("calls", 0) for name in ("evalsha", "eval"))

        before = calls()
        pairs, waits = contended(lambda: cluster.Lock("crowd"), 100)
        report.goal("round trips of a pair, 100 contenders, of 2", (calls() - before) / pairs / 2, 1.05)
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
    finally:
        cluster.close()
        client.close()
        server.stop()


def measure_postgresql(report: Report) -> None:
    import psycopg

    server = servers.Postgres()
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
        lock = cluster.Lock("hand-off-ours")
        theirs_us = hand_off("advisory", server.url, "x", Advisory, None)
        ours_us = hand_off("ours", server.url, "interlock", lambda: lock, lambda: len(lock.waiters))
        report.line("hand-off, advisory", theirs_us, "us")
        report.line("hand-off, ours", ours_us, "us")
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
        other = cluster.Lock("hand-off-ours")
        ours_us = hand_off("ours", server.url, "interlock", lambda: other, lambda: len(other.waiters))
        report.line("hand-off, ours", ours_us, "us")
        report.goal("hand-off, of plain puts", ours_us / times["put"], 5.0)
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
