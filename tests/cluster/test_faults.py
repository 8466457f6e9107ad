"""Clients in processes of their own, each behind a proxy, and what happens to them; then their histories are checked.

Two questions: can what they saw have happened, and were there ever two that believed to hold the lock? `history.py`
says what that means, and asks no clock but the clients' own.

Every nemesis has a mutant, an engine or a client that is wrong in one way, which the same check must refuse.
"""

import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from typing import Any

import history
import pytest
import servers
from crowd import LEASE, Crowd

import interlock.cluster

LONG = 30.0  # seconds: a lease that does not run out before somebody else is granted the lock by a wrong engine

# --- what happens to them -------------------------------------------------------------------------------------------


def sigkill(crowd: Crowd) -> None:
    crowd.workers[crowd.holder()].kill()
    crowd.more_grants()


def sigstop(crowd: Crowd) -> None:
    worker = crowd.workers[crowd.holder()]
    worker.send_signal(signal.SIGSTOP)
    crowd.more_grants()
    worker.send_signal(signal.SIGCONT)
    crowd.more_grants()


def sigkill_of_a_waiter(crowd: Crowd) -> None:
    """Its turn comes, and passes with its lease."""
    crowd.workers[crowd.waiter()].kill()
    crowd.more_grants()


def sigstop_of_a_waiter(crowd: Crowd) -> None:
    """It is granted the lock while it sleeps, and loses it again."""
    worker = crowd.workers[crowd.waiter()]
    worker.send_signal(signal.SIGSTOP)
    crowd.more_grants()
    worker.send_signal(signal.SIGCONT)
    crowd.more_grants()


def clock_jumps(crowd: Crowd) -> None:
    """That of the holder, by more than a lease: it gives up what it may have lost. Then that of one who waits."""
    crowd.workers[crowd.holder()].send_signal(signal.SIGUSR1)
    crowd.more_grants()
    crowd.workers[crowd.waiter()].send_signal(signal.SIGUSR1)
    crowd.more_grants()


def cut(crowd: Crowd) -> None:
    holder = crowd.holder()
    crowd.proxies[holder].cut()
    crowd.more_grants()
    crowd.proxies[holder].heal()
    crowd.more_grants()


def freeze(crowd: Crowd) -> None:
    holder = crowd.holder()
    crowd.proxies[holder].freeze()
    crowd.more_grants()
    crowd.proxies[holder].heal()
    crowd.more_grants()


def freeze_answers(crowd: Crowd) -> None:
    holder = crowd.holder()
    crowd.proxies[holder].freeze("back")
    crowd.more_grants()
    crowd.proxies[holder].heal()
    crowd.more_grants()


def freeze_between_half_and_all(crowd: Crowd) -> None:
    """Renewals come late, but not too late: nobody may get the lock meanwhile."""
    for _ in range(3):
        holder = crowd.holder()
        crowd.proxies[holder].freeze()
        time.sleep(LEASE * 0.65)
        crowd.proxies[holder].heal()
        crowd.more_grants(1)


def resets(crowd: Crowd) -> None:
    for _ in range(6):
        for proxy in crowd.proxies:
            proxy.reset(2)
        crowd.more_grants(1)


NEMESES = [
    sigkill, sigkill_of_a_waiter, sigstop, sigstop_of_a_waiter, clock_jumps, cut, freeze, freeze_answers,
    freeze_between_half_and_all, resets,
]  # fmt: skip


@pytest.mark.parametrize("nemesis", NEMESES, ids=lambda nemesis: nemesis.__name__)
def test_nobody_believes_wrongly(crowd: Callable[..., Crowd], nemesis: Callable[[Crowd], None]) -> None:
    them = crowd()
    them.more_grants(2)
    nemesis(them)
    wrong = them.verdict()
    assert not wrong, them.keep(wrong)


# Those of which one believes on.
BELIEVING = ("never told", "twice the lease", "clock stands still", "jumps back")
MUTANTS = {
    "redis": [
        (freeze_between_half_and_all, "half the lease"),
        (cut, "never told"),
        (freeze, "never told"),
        (freeze_answers, "never told"),
        (sigkill, "two holders"),
        (resets, "same token"),
        (sigstop, "clock stands still"),
        (sigkill_of_a_waiter, "two holders"),
        (sigstop_of_a_waiter, "two holders"),
        (clock_jumps, "jumps back"),
    ],
    "postgresql": [
        (freeze_between_half_and_all, "half the lease"),
        (freeze, "never told"),
        (sigkill, "two holders"),
        (sigstop, "clock stands still"),
    ],
    "etcd": [
        (freeze, "twice the lease"),
        (cut, "never told"),
        (sigkill, "two holders"),
        (resets, "same token"),
    ],
}


@pytest.mark.parametrize(
    ("kind", "nemesis", "mutant"),
    [(kind, *each) for kind, them in MUTANTS.items() for each in them],
    ids=lambda each: getattr(each, "__name__", each),
)
def test_a_wrong_one_is_caught(
    engine: Any, crowd: Callable[..., Crowd], kind: str, nemesis: Callable[[Crowd], None], mutant: str
) -> None:
    if engine.kind != kind:
        pytest.skip(f"about {kind}")
    # One that is never told, or too late, believes for so long that a busy machine cannot hide it.
    them = crowd(mutant, longest=4 * LEASE if mutant in BELIEVING else 0.0)
    for _ in range(2 if nemesis in (sigkill, sigkill_of_a_waiter) else 5):  # somebody has to be left
        nemesis(them)
        if them.verdict():
            return
    pytest.fail(f"{mutant} was not noticed")


# --- what happens to the engine -------------------------------------------------------------------------------------


@pytest.fixture
def own(engine: Any) -> Iterator[Any]:
    """A server that the test may kill."""
    if engine.kind == "memory":
        pytest.skip("memory:// dies with us")
    server = servers.start(engine.kind)
    yield server
    server.stop()


def test_kill_of_the_engine(own: Any, crowd: Callable[..., Crowd]) -> None:
    """Redis comes back empty, and makes no grant for a lease; PostgreSQL and etcd with what was promised."""
    them = crowd(server=own)
    them.more_grants(2)
    holder = them.holder()
    if own.kind == "redis":
        them.proxies[holder].freeze()  # it cannot be told, and believes on
    own.kill()
    own.start()
    them.more_grants()
    them.proxies[holder].heal()
    them.more_grants()
    wrong = them.verdict()
    assert not wrong, them.keep(wrong)


def test_an_engine_that_loses_what_it_promised_is_caught(own: Any, crowd: Callable[..., Crowd]) -> None:
    """An empty one takes its place, and makes grants at once."""
    spare = servers.start(own.kind)
    try:
        them = crowd("no quarantine", own, lease=LONG)
        holder = them.holder()
        them.proxies[holder].freeze()
        for i, proxy in enumerate(them.proxies):
            proxy.target = ("127.0.0.1", spare.port)
            if i != holder:
                proxy.cut()
                proxy.heal()
        them.more_grants(1)
        them.believes_on(holder)
        assert any("believe" in each for each in them.verdict())
    finally:
        spare.stop()


@pytest.fixture
def pair(engine: Any) -> Iterator[Any]:
    """A server and its replica."""
    if engine.kind not in ("redis", "postgresql"):
        pytest.skip("of etcd no member serves that is behind")
    made: Any = servers.Standby() if engine.kind == "postgresql" else servers.Replica()
    yield made
    made.stop()


def take_over(them: Crowd, pair: Any) -> None:
    pair.promote()
    for proxy in them.proxies:
        proxy.target = ("127.0.0.1", pair.replica.port)


def test_promotion_of_a_replica_that_is_behind(pair: Any, crowd: Callable[..., Crowd]) -> None:
    """It does not know who holds, and makes no grant for a lease."""
    them = crowd(server=pair.primary)
    them.more_grants(2)
    pair.fall_behind()
    them.more_grants(2)
    them.holder()
    take_over(them, pair)
    them.more_grants()
    wrong = them.verdict()
    assert not wrong, them.keep(wrong)


def test_a_replica_that_makes_grants_at_once_is_caught(pair: Any, prefix: str, crowd: Callable[..., Crowd]) -> None:
    with interlock.cluster.connect(pair.primary.url, prefix=prefix, after_restart="grant") as cluster:
        cluster.ps()  # which makes the schema; the replica knows no more than that
    pair.fall_behind()
    them = crowd("no quarantine", pair.primary, lease=LONG)
    holder = them.holder()
    them.proxies[holder].freeze()  # it would be told as soon as it asks the new one
    take_over(them, pair)
    them.more_grants(1)
    them.believes_on(holder)
    assert any("believe" in each for each in them.verdict())


def test_a_pool_that_is_started_anew_under_load(engine: Any, crowd: Callable[..., Crowd]) -> None:
    """PgBouncer in transaction mode: LISTEN gets nothing through, and its mutant has two holders."""
    if engine.kind != "postgresql":
        pytest.skip("about PostgreSQL")
    pool = servers.PgBouncer(engine)
    try:
        for mutant in ("none", "two holders"):
            them = crowd(mutant, pool)
            them.more_grants(2)
            for _ in range(2 if mutant == "none" else 10):
                pool.kill()
                pool.start()
                them.more_grants(2)
                wrong = them.verdict()
                if wrong:
                    break
            assert bool(wrong) is (mutant != "none"), them.keep(wrong)
            them.end()
    finally:
        pool.stop()


def test_everything_is_flushed(engine: Any, own: Any, connect: Callable[..., Any]) -> None:
    """The holder is told by its next beat, and who waits stands again. What quarantine cannot see: see the guide."""
    if engine.kind != "redis":
        pytest.skip("about Redis")
    with interlock.cluster.connect(own.url, lease=LEASE, after_restart="grant") as cluster:
        lock = cluster.Lock("orders")
        lock.acquire()
        lost = lock.lost
        own.say("FLUSHALL")
        assert lost.wait(10)
        assert isinstance(lost.reason, interlock.EngineRestarted)
        assert cluster.Lock("orders").acquire(timeout=10)


def test_scripts_are_lost(engine: Any, own: Any) -> None:
    if engine.kind != "redis":
        pytest.skip("about Redis")
    with interlock.cluster.connect(own.url, lease=LEASE, after_restart="grant") as cluster:
        lock = cluster.Lock("orders")
        lock.acquire()
        own.say("SCRIPT", "FLUSH")
        lock.release()
        with lock:
            own.say("SCRIPT", "FLUSH")


def test_a_process_that_ends_releases_at_once(engine: Any, url: str, prefix: str, connect: Callable[..., Any]) -> None:
    if engine.kind == "memory":
        pytest.skip("memory:// is in one process")
    code = (
        "import sys, interlock.cluster\n"
        "cluster = interlock.cluster.connect(sys.argv[1], prefix=sys.argv[2], lease=60)\n"
        "cluster.Lock('orders').acquire()\n"
    )
    subprocess.run([sys.executable, "-c", code, url, prefix], check=True, timeout=60)
    assert connect(max_lease=60).Lock("orders").acquire(timeout=0)


def test_daemon_threads_end_in_silence(url: str, prefix: str) -> None:
    """As those that wait in `threading` and `queue`. What they hold is released, and nobody tells them."""
    code = """
import asyncio, sys, threading, interlock.cluster
cluster = interlock.cluster.connect(sys.argv[1], prefix=sys.argv[2], after_restart="grant")
lock = cluster.Lock("orders", on_lost=lambda grant: print("lost"))
begun = set()

def waits():
    with lock:
        print("got it")

async def awaits():
    async with lock:
        print("got it")

def works(name):
    while True:
        with cluster.Lock(name) as grant:
            grant.check()
        begun.add(name)

async def works_in_tasks():
    while True:
        async with cluster.Lock("c"):
            begun.add("c")

def checks():
    with cluster.Lock("d") as grant:
        begun.add("d")
        while True:
            grant.check()

def hears():
    with cluster.Lock("e") as grant:
        begun.add("e")
        grant.lost.wait()
        print("told")

lock.acquire()
for do in (waits, lambda: asyncio.run(awaits()), lambda: works("a"), lambda: works("b"),
           lambda: asyncio.run(works_in_tasks()), checks, hears, cluster.Event("f").wait):
    threading.Thread(target=do, daemon=True).start()
while len(begun) < 5 or len(lock.waiters) < 2:
    pass
"""
    made = subprocess.run([sys.executable, "-c", code, url, prefix], capture_output=True, text=True, timeout=60)
    assert (made.stdout, made.stderr, made.returncode) == ("", "", 0)


def test_an_error_after_the_end_has_begun_is_one_of_the_main_thread(url: str, prefix: str) -> None:
    """Its last callbacks get what they would get from a handle that was closed, and so do not hang."""
    code = """
import atexit, sys, threading
atexit.register(lambda: (worker.join(), cluster.Lock("orders").acquire()))
import interlock.cluster
cluster = interlock.cluster.connect(sys.argv[1], prefix=sys.argv[2], after_restart="grant")

def work():
    while True:
        with cluster.Lock("orders"):
            pass

worker = threading.Thread(target=work, daemon=True)
worker.start()
"""
    made = subprocess.run([sys.executable, "-c", code, url, prefix], capture_output=True, text=True, timeout=60)
    assert made.stderr.count("Traceback") == 1, made.stderr
    assert made.stderr.splitlines()[-1].startswith("interlock.ClusterError: this handle on "), made.stderr


def test_fork_has_a_session_of_its_own(engine: Any, url: str, prefix: str) -> None:
    if engine.kind == "memory":
        pytest.skip("memory:// is in one process")
    code = """
import os, sys, interlock.cluster
cluster = interlock.cluster.connect(sys.argv[1], prefix=sys.argv[2], after_restart="grant")
lock = cluster.Lock("orders")
lock.acquire()
if (pid := os.fork()) == 0:
    try:
        lock.release()
        code = 1
    except interlock.ForkedLock:
        code = 2
    if code == 2 and not lock.acquire(timeout=0.2) and cluster.Lock("other").acquire(timeout=10):
        code = 3
    os._exit(code)
assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 3
lock.check()
lock.release()
"""
    subprocess.run([sys.executable, "-W", "ignore", "-c", code, url, prefix], check=True, timeout=60)


@pytest.mark.parametrize("kind", ["Lock", "RLock"])
def test_a_child_waits_for_what_its_parent_holds(engine: Any, url: str, prefix: str, kind: str) -> None:
    """It is no deadlock, though the thread that waits has the id of the one that holds."""
    if engine.kind == "memory":
        pytest.skip("memory:// is in one process")
    code = """
import os, sys, interlock.cluster
cluster = interlock.cluster.connect(sys.argv[1], prefix=sys.argv[2], after_restart="grant")
lock = getattr(cluster, sys.argv[3])("orders")
with lock:
    if (pid := os.fork()) == 0:
        code = 1
        try:
            lock.acquire()
            lock.release()
            code = 0
        finally:
            os._exit(code)
    while not lock.waiters:
        assert os.waitpid(pid, os.WNOHANG) == (0, 0)
assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
"""
    subprocess.run([sys.executable, "-W", "ignore", "-c", code, url, prefix, kind], check=True, timeout=60)


def log(*events: tuple[str, int, float]) -> list[history.Event]:
    """A client's: what, the token, when. Its lease is over at 10."""
    return [{"op": op, "token": token, "t": at, "deadline": 10.0} for op, token, at in events]


def test_who_believes() -> None:
    one = log(("ask", 0, 0), ("grant", 5, 1), ("held", 5, 3), ("releasing", 5, 4))
    other = log(("ask", 0, 2), ("grant", 6, 4.5), ("held", 6, 5))
    # The release of the first has not been answered, and the second has been granted what it gave.
    assert history.verdict([one, other]) == []
    assert history.verdict([[*one, *log(("released", 5, 6))], other]) == []
    # It was stopped for long, and found it lost only then.
    late = log(("ask", 0, 0), ("grant", 5, 1), ("held", 5, 3), ("releasing", 5, 20), ("lost", 5, 21))
    assert history.verdict([late, log(("ask", 0, 2), ("grant", 6, 11), ("held", 6, 12))]) == []


def test_two_that_believe_are_found() -> None:
    other = log(("ask", 0, 2), ("grant", 6, 4.5), ("held", 6, 5))
    wrong = history.verdict([log(("ask", 0, 0), ("grant", 5, 1), ("held", 5, 4.75)), other])
    assert wrong[0] == "0 under 5 and 1 under 6 both believe for 0.250 s"
    assert "not linearizable: no" in wrong[1]
    # A release that says that all was well is as good as a check.
    released = log(("ask", 0, 0), ("grant", 5, 1), ("releasing", 5, 4.75), ("released", 5, 4.8))
    assert "both believe" in history.verdict([released, other])[0]
    # Not with its neighbour alone.
    long = log(("ask", 0, 0), ("grant", 5, 1), ("held", 5, 9))
    short = log(("ask", 0, 0), ("grant", 6, 2), ("releasing", 6, 3), ("released", 6, 3.5), ("ask", 0, 3.5),
                ("grant", 7, 4), ("held", 7, 5))  # fmt: skip
    assert len([each for each in history.verdict([long, short]) if "both believe" in each]) == 2


def test_search_for_a_history() -> None:
    op = history.Op
    good = [op("grant", 5, 0, 1), op("release", 5, 2, 3), op("grant", 6, 0, 4)]
    assert history.linearizable(good, {5: 10, 6: 10}) == "yes"
    assert history.linearizable([op("grant", 5, 0, 1), op("grant", 6, 2, 3)], {5: 10, 6: 10}) == "no"
    assert history.linearizable([op("grant", 5, 0, 1), op("grant", 6, 2, 11)], {5: 10, 6: 20}) == "yes"
    assert history.linearizable([op("grant", 5, 0, 1), op("release", 5, 2, 3), op("grant", 5, 4, 5)], {5: 9}) == "no"
    assert history.linearizable([op("release", 5, 2, 3)], {5: 10}) == "no"
    assert history.linearizable([op("grant", 5, 0, history.inf), op("grant", 6, 2, 3)], {6: 10}) == "yes"
