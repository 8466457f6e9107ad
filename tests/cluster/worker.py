"""A client in a process of its own: takes a lock again and again, and writes down what it saw, a line for each event.

python worker.py URL PREFIX LEASE FILE MUTANT
"""

import json
import os
import random
import sys
import threading
import time

import interlock.cluster
from interlock.cluster import session as sessions
from interlock.cluster.errors import ClusterError, LeaseLost

TICK = 0.02  # seconds; a process that was not run for longer than GAP says so
GAP = 0.06


def break_it(mutant: str) -> None:
    """Make the client or its engine wrong in one way, for tests of the tests."""
    if mutant == "half the lease":
        from interlock.cluster.engines import redis

        redis.SCRIPT = redis.SCRIPT.replace("now + lease)", "now + lease / 2)").replace(
            "int(now + tonumber(lease))", "int(now + tonumber(lease) / 2)"
        )
    elif mutant == "no quarantine":
        sessions.EngineRestarted.__doc__ = ""
    elif mutant == "never told":
        sessions.Session.look_at_clock = lambda self: None  # type: ignore[method-assign]
    elif mutant == "two holders":
        from interlock.cluster.engines import redis

        redis.SCRIPT = redis.SCRIPT.replace("units <= r.cap - r.used", "units <= r.cap + 1 - r.used")
    elif mutant == "same token":
        from interlock.cluster.engines import redis

        redis.SCRIPT = redis.SCRIPT.replace("math.max(r.last + 1, now)", "17")
    elif mutant == "release takes all":
        from interlock.cluster.engines import redis

        redis.SCRIPT = redis.SCRIPT.replace("local function alive(session)\n", "local function alive(session)\n"
                                            "  if session then return true end\n")  # fmt: skip


def main() -> None:
    url, prefix, lease, path, mutant = sys.argv[1:]
    break_it(mutant)
    out = open(path, "w", buffering=1)  # noqa: SIM115
    guard = threading.Lock()

    def say(**event: object) -> None:
        with guard:
            out.write(json.dumps(event) + "\n")

    def tick() -> None:
        last = time.monotonic()
        while True:
            time.sleep(TICK)
            at = time.monotonic()
            if at - last > GAP:
                say(op="gap", t0=last, t1=at)
            last = at

    threading.Thread(target=tick, daemon=True).start()
    threading.Thread(target=lambda: (sys.stdin.read(), say(op="end"), os._exit(0)), daemon=True).start()
    after_restart = "grant" if mutant == "no quarantine" else "quarantine"
    cluster = interlock.cluster.connect(url, prefix=prefix, lease=float(lease), after_restart=after_restart)
    lock = cluster.Lock("contended", on_lost=lambda grant: say(op="told", token=grant.value, t=time.monotonic()))
    offset = time.monotonic() - sessions.now()
    print("ready", flush=True)
    while True:
        t0 = time.monotonic()
        say(op="ask", t0=t0)
        try:
            if not lock.acquire(timeout=0.5):
                continue
            ticket = lock.find()
        except ClusterError as error:
            say(op="error", said=str(error), t=time.monotonic())
            time.sleep(0.02)
            continue
        assert ticket is not None
        deadline = ticket.session.deadline + offset
        say(op="grant", token=ticket.value, t0=t0, t1=time.monotonic(), deadline=deadline)
        until = time.monotonic() + random.choice([0.0, 0.0, 0.01, 0.05, float(lease) * 1.5])
        while time.monotonic() < until and not ticket.lost.is_set():
            ticket.lost.wait(min(0.02, max(0.0, until - time.monotonic())))
        t0 = time.monotonic()
        try:
            lock.release()
            kind = "release"
        except LeaseLost:
            kind = "lost"
        say(op=kind, token=ticket.value, t0=t0, t1=time.monotonic(), deadline=ticket.session.deadline + offset)


if __name__ == "__main__":
    main()
