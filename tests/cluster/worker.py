"""A client in a process of its own: takes a lock again and again, and writes down what it saw, a line for each event.

python worker.py URL PREFIX LEASE FILE MUTANT

Whatever others could learn of, it writes down before it does it: that it is about to ask, that it is about to
release. So when it is stopped or killed at any moment, nobody can have seen something of it that its file leaves open.
`history.py` says what is made of it.
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

TICK = 0.02  # seconds between two checks of a hold


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

    threading.Thread(target=lambda: (sys.stdin.read(), say(op="end"), os._exit(0)), daemon=True).start()
    after_restart = "grant" if mutant == "no quarantine" else "quarantine"
    cluster = interlock.cluster.connect(url, prefix=prefix, lease=float(lease), after_restart=after_restart)
    lock = cluster.Lock("contended")
    offset = time.monotonic() - sessions.now()
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
        say(op="grant", token=ticket.value, t=at, deadline=ticket.session.deadline + offset)
        until = at + random.choice([0.0, 0.0, 0.01, 0.05, float(lease) * 1.5])
        try:
            while time.monotonic() < until:
                ticket.lost.wait(min(TICK, max(0.0, until - time.monotonic())))
                at = time.monotonic()
                ticket.check()  # reads the clock after `at`: so it was held at `at`
                say(op="held", token=ticket.value, t=at, deadline=ticket.session.deadline + offset)
        except LeaseLost:
            pass
        say(op="releasing", token=ticket.value, t=time.monotonic(), deadline=ticket.session.deadline + offset)
        try:
            lock.release()
        except LeaseLost:
            say(op="lost", token=ticket.value, t=time.monotonic())
        else:
            say(op="released", token=ticket.value, t=time.monotonic())


if __name__ == "__main__":
    main()
