"""A client in a process of its own: takes a lock again and again, and writes down what it saw, a line for each event.

python worker.py URL PREFIX LEASE FILE MUTANT

Whatever others could learn of, it writes down before it does it: that it is about to ask, that it is about to
release. So when it is stopped or killed at any moment, nobody can have seen something of it that its file leaves open.
`history.py` says what is made of it.
"""

import json
import os
import random
import re
import signal
import sys
import threading
import time
from collections.abc import Callable

import interlock.cluster
from interlock.cluster import client as clients
from interlock.cluster import session as sessions
from interlock.cluster.errors import ClusterError, LeaseLost

TICK = 0.02  # seconds between two checks of a hold


def break_it(kind: str, mutant: str) -> None:
    """Make the client or its engine wrong in one way, for tests of the tests."""
    if mutant == "never told":
        sessions.Session.look_at_clock = lambda self: None  # type: ignore[method-assign]
    elif mutant == "clock stands still":
        # As one that does not count the time asleep.
        state = [time.monotonic(), 0.0]

        def tick() -> None:
            while True:
                at = time.monotonic()
                state[:] = [at, state[1] + min(at - state[0], 0.1)]
                time.sleep(0.01)

        threading.Thread(target=tick, daemon=True).start()
        set_clock(lambda: state[1])
    elif mutant not in ("none", "no quarantine", "jumps back"):
        {"redis": break_redis, "postgresql": break_postgresql, "etcd": break_etcd}[kind](mutant)


def set_clock(read: Callable[[], float]) -> None:
    sessions.now = clients.now = read


def changed(text: str, *changes: tuple[str, str]) -> str:
    for before, after in changes:
        assert before in text, before
        text = text.replace(before, after)
    return text


def break_redis(mutant: str) -> None:
    from interlock.cluster.engines import redis

    changes = {
        "half the lease": [
            ("int(now + tonumber(lease))", "int(now + tonumber(lease) / 2)"),
            ("int(now + lease)", "int(now + lease / 2)"),
        ],
        "two holders": [("units > r.cap - r.used", "units > r.cap + 1 - r.used"),
                        ("units <= r.cap - r.used", "units <= r.cap + 1 - r.used"),
                        ("units <= cap - used", "units <= cap + 1 - used")],
        "same token": [("math.max(r.last + 1, now)", "17"), ("math.max(f[4] + 1, now)", "17")],
    }  # fmt: skip
    redis.SCRIPT = changed(redis.SCRIPT, *changes[mutant])


def break_postgresql(mutant: str) -> None:
    from interlock.cluster.engines import postgresql

    changes = {
        "half the lease": [
            ("greatest(deadline, t + lease)", "t + lease / 2"),
            ("t + a[2]::bigint, a[3])", "t + a[2]::bigint / 2, a[3])"),
        ],
        "two holders": [("w.units > r.cap - r.used", "w.units > r.cap + 1 - r.used"),
                        ("WHILE r.used < r.cap LOOP", "WHILE r.used < r.cap + 1 LOOP"),
                        ("u <= r.cap - r.used", "u <= r.cap + 1 - r.used"),
                        ("used + u <= cap", "used + u <= cap + 1"),
                        ("used >= cap", "used >= cap + 1")],
    }  # fmt: skip
    postgresql.SCHEMA = changed(postgresql.SCHEMA, *changes[mutant])
    schema = "mutant_" + mutant.replace(" ", "_")
    postgresql.make = lambda settings: postgresql.PostgresEngine(settings, schema)


def break_etcd(mutant: str) -> None:
    from interlock.cluster.engines import etcd

    if mutant == "twice the lease":
        # By the client: etcd has no lease below two seconds, which the tests use, so half of it cannot be had.
        renewed = sessions.Session.renewed
        sessions.Session.renewed = lambda self, sent: renewed(self, sent + self.lease)  # type: ignore[method-assign]
    elif mutant == "two holders":
        load = etcd.Docs.load

        def forget_one(self: etcd.Docs, name: str, value: bytes, answers: bool = False) -> None:
            load(self, name, value, answers)
            if name in self.records and self.records[name].used == 1:
                self.records[name].used = 0

        etcd.Docs.load = forget_one  # type: ignore[method-assign]
    elif mutant == "same token":
        etcd.Docs.token = lambda self, record: 17  # type: ignore[method-assign]


def main() -> None:
    url, prefix, lease, path, mutant, longest = sys.argv[1:]
    break_it(re.split("[+:]", url)[0], mutant)
    out = open(path, "w", buffering=1)  # noqa: SIM115
    guard = threading.Lock()

    def say(**event: object) -> None:
        with guard:
            out.write(json.dumps(event) + "\n")

    threading.Thread(target=lambda: (sys.stdin.read(), say(op="end"), os._exit(0)), daemon=True).start()
    after_restart = "grant" if mutant == "no quarantine" else "quarantine"
    cluster = interlock.cluster.connect(url, prefix=prefix, lease=float(lease), after_restart=after_restart)
    lock = cluster.Lock("contended")
    read, jumped = sessions.now, [0.0]
    set_clock(lambda: read() + jumped[0])
    by = (-10 if mutant == "jumps back" else 10) * float(lease)
    signal.signal(signal.SIGUSR1, lambda *_: jumped.__setitem__(0, jumped[0] + by))
    print("ready", flush=True)
    while True:
        say(op="ask", t=time.monotonic())
        try:
            if not lock.acquire(timeout=0.5):
                say(op="not granted")
                continue
            ticket = lock.find()
        except ClusterError as error:
            say(op="error", said=str(error), t=time.monotonic())
            time.sleep(0.02)
            continue
        assert ticket is not None
        at = time.monotonic()
        until = at + random.choice([0.0, 0.0, 0.01, 0.05, float(longest)])
        say(
            op="grant",
            token=ticket.value,
            t=at,
            until=until,
            deadline=ticket.session.deadline + time.monotonic() - sessions.now(),
        )
        try:
            while time.monotonic() < until:
                ticket.lost.wait(min(TICK, max(0.0, until - time.monotonic())))
                at = time.monotonic()
                ticket.check()  # reads the clock after `at`: so it was held at `at`
                say(
                    op="held",
                    token=ticket.value,
                    t=at,
                    deadline=ticket.session.deadline + time.monotonic() - sessions.now(),
                )
        except LeaseLost:
            pass
        say(
            op="releasing",
            token=ticket.value,
            t=time.monotonic(),
            deadline=ticket.session.deadline + time.monotonic() - sessions.now(),
        )
        try:
            lock.release()
        except LeaseLost:
            say(op="lost", token=ticket.value, t=time.monotonic())
        else:
            say(op="released", token=ticket.value, t=time.monotonic())


if __name__ == "__main__":
    main()
