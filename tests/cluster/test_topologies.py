"""Engines of several servers: Redis with Sentinel and as a Cluster, three members of etcd. What happens when one fails.

Each failure has a mutant that the same check must catch: a client that makes nothing of its lease, or an engine that
counts wrongly.
"""

import math
import signal
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import servers
from crowd import LEASE, Crowd
from handover import hand_over

import interlock.cluster
from interlock.cluster import Cluster, EngineUnavailable
from interlock.cluster.session import Session


@pytest.fixture
def sentinel(engine: Any) -> Iterator[Any]:
    if engine.kind != "redis":
        pytest.skip("about Redis")
    made = servers.Sentinel()
    yield made
    made.stop()


@pytest.fixture
def redis_cluster(engine: Any, prefix: str) -> Iterator[Any]:
    if engine.kind != "redis":
        pytest.skip("about Redis")
    made = servers.RedisCluster(f"{{{prefix}}}")
    yield made
    made.stop()


@pytest.fixture
def members(engine: Any) -> Iterator[Any]:
    if engine.kind != "etcd":
        pytest.skip("about etcd")
    made = servers.EtcdMembers()
    yield made
    made.stop()


def uses_everything(cluster: Cluster, other: Cluster) -> None:
    """A little of each primitive, between two handles."""
    with cluster.Lock("lock") as grant:
        assert not other.Lock("lock").acquire(blocking=False)
        assert grant.token > 0
    with other.RLock("rlock"), other.Semaphore("semaphore", 2), other.RWLock("rwlock").read():
        assert cluster.Semaphore("semaphore", 2).acquire(timeout=0)
        assert not cluster.RWLock("rwlock").write().acquire(timeout=0)
    cluster.Event("event").set()
    assert other.Event("event").wait(timeout=0)
    cluster.Latch("latch", 1).count_down()
    assert other.Latch("latch", 1).wait(timeout=0)
    condition = cluster.Condition("condition")
    with condition:
        assert not condition.wait(timeout=0.01)
        condition.notify_all()
    assert {seen.name for seen in other.ps()} >= {"event", "latch"}


def goes_on(them: Crowd, mutant: str) -> None:
    wrong = them.verdict()
    assert bool(wrong) is (mutant != "none"), them.keep(wrong)


@pytest.mark.parametrize("mutant", ["none", "two holders"])
def test_sentinel_promotes_the_replica(sentinel: Any, crowd: Callable[..., Crowd], mutant: str) -> None:
    them = crowd(mutant, sentinel)
    them.more_grants(2)
    sentinel.pair.primary.kill()
    them.more_grants()
    sentinel.pair.primary.start()  # it comes back as a replica, and grants nothing
    them.more_grants()
    goes_on(them, mutant)


def test_everything_by_way_of_sentinel(sentinel: Any, prefix: str) -> None:
    options = {"prefix": prefix, "after_restart": "grant"}
    with (
        interlock.cluster.connect(sentinel.url, **options) as one,
        interlock.cluster.connect(sentinel.url, **options) as two,
    ):
        uses_everything(one, two)


def test_everything_over_tls(engine: Any, prefix: str) -> None:
    """And who waits is told over it, too. A certificate that nobody vouches for is refused."""
    made: Any = {
        "redis": servers.RedisWithTls, "postgresql": servers.PostgresWithTls, "etcd": servers.EtcdWithTls
    }.get(engine.kind)  # fmt: skip
    if made is None:
        pytest.skip("it has no server")
    server = made()
    options = {"prefix": prefix, "after_restart": "grant"}
    url = server.trusting(server.certificate)
    try:
        with (
            interlock.cluster.connect(url, **options) as one,
            interlock.cluster.connect(url, **options) as two,
        ):
            uses_everything(one, two)
            hand_over(one.Lock("orders"), two.Lock("orders"))
        with (
            interlock.cluster.connect(server.trusting(server.stranger), **options) as stranger,
            pytest.raises(EngineUnavailable, match=r"(?i)certificate.verify.failed"),
        ):
            stranger.Lock("orders").acquire()
    finally:
        server.stop()


def test_everything_over_a_unix_socket_and_ipv6(engine: Any, prefix: str) -> None:
    """By one handle each. Who waits is told."""
    if engine.kind not in ("redis", "postgresql"):
        pytest.skip("about Redis and PostgreSQL")
    server: Any = servers.RedisHere() if engine.kind == "redis" else servers.PostgresHere()
    options = {"prefix": prefix, "after_restart": "grant"}
    try:
        with (
            interlock.cluster.connect(server.unix_url, **options) as one,
            interlock.cluster.connect(server.ipv6_url, **options) as two,
        ):
            uses_everything(one, two)
            lock, other = one.Lock("orders"), two.Lock("orders")
            hand_over(lock, other)
            hand_over(other, lock)
    finally:
        server.stop()


@pytest.mark.parametrize("mutant", ["none", "two holders"])
def test_the_node_of_a_cluster_fails(redis_cluster: Any, crowd: Callable[..., Crowd], mutant: str) -> None:
    them = crowd(mutant, redis_cluster)
    them.more_grants(2)
    home = redis_cluster.nodes[redis_cluster.home]
    home.kill()
    them.more_grants()
    home.start()
    them.more_grants()
    goes_on(them, mutant)


def test_everything_in_a_cluster(redis_cluster: Any, prefix: str) -> None:
    """By way of a node where nothing of it lives; and without that one, when it has said where all are."""
    options = {"prefix": prefix, "after_restart": "grant"}
    with (
        interlock.cluster.connect(redis_cluster.url, **options) as one,
        interlock.cluster.connect(redis_cluster.url, **options) as two,
    ):
        uses_everything(one, two)
        lock = one.Lock("orders")
        lock.acquire()
        redis_cluster.nodes[(redis_cluster.home + 1) % 3].kill()
        redis_cluster.nodes[redis_cluster.home].say("CLIENT", "KILL", "TYPE", "normal")
        assert not two.Lock("orders").acquire(timeout=0)
        lock.release()
        with two.Lock("orders").within(60):
            assert lock.locked()


def test_the_slot_of_a_cluster_moves(redis_cluster: Any, prefix: str) -> None:
    """Key by key, while somebody holds and somebody waits. Half of the keys are never taken for all of them."""
    options = {"prefix": prefix, "after_restart": "grant", "lease": 30.0}
    source = redis_cluster.nodes[redis_cluster.home]
    target = redis_cluster.nodes[(redis_cluster.home + 1) % 3]
    slot = source.say("CLUSTER", "KEYSLOT", f"{{{prefix}}}")[1:].strip().decode()

    def ident(node: Any) -> str:
        return str(node.say("CLUSTER", "MYID").split(b"\r\n")[1].decode())

    def keys() -> list[str]:
        said = source.say("CLUSTER", "GETKEYSINSLOT", slot, "100").decode().split("\r\n")
        return said[2::2]

    def move(those: list[str]) -> None:
        said = source.say("MIGRATE", "127.0.0.1", str(target.port), "", "0", "5000", "KEYS", *those)
        assert said.startswith(b"+OK"), said

    with (
        interlock.cluster.connect(redis_cluster.url, **options) as one,
        interlock.cluster.connect(redis_cluster.url, **options) as two,
    ):

        def move_all() -> None:
            target.say("CLUSTER", "SETSLOT", slot, "IMPORTING", ident(source))
            source.say("CLUSTER", "SETSLOT", slot, "MIGRATING", ident(target))
            assert not two.Lock("another").acquire(timeout=0.2)
            all_of_them = keys()
            assert len(all_of_them) > 5
            move(all_of_them[: len(all_of_them) // 2])
            assert not one.Lock("another").acquire(timeout=0.2)
            move(keys())
            for node in (target, source, *redis_cluster.nodes[:3]):
                node.say("CLUSTER", "SETSLOT", slot, "NODE", ident(target))

        hand_over(one.Lock("orders"), two.Lock("orders"), move_all)
        assert keys() == []


@pytest.mark.parametrize("mutant", ["none", "two holders"])
def test_members_fail_in_turn(members: Any, crowd: Callable[..., Crowd], mutant: str) -> None:
    """The leader is among them. With two away nobody is granted anything."""
    them = crowd(mutant, members)
    them.more_grants(2)
    for member in members.members:
        member.kill()
        them.more_grants()
        member.start()
        servers.until(member.answers, "it is back")
    first, second, _ = members.members
    first.kill()
    second.kill()
    first.start()
    second.start()
    them.more_grants()
    goes_on(them, mutant)


@pytest.mark.parametrize("mutant", ["none", "never told"])
def test_members_are_stopped_in_turn(members: Any, crowd: Callable[..., Crowd], mutant: str) -> None:
    """For longer than an election takes: who was the leader wakes up and believes to be it for a moment."""
    them = crowd(mutant, members, longest=4 * LEASE if mutant == "never told" else 0.0)
    them.more_grants(2)
    for member in members.members:
        member.signal(signal.SIGSTOP)
        them.more_grants()
        if mutant == "never told":
            holder = them.workers[them.holder()]
            holder.send_signal(signal.SIGSTOP)
            them.more_grants(1)
            holder.send_signal(signal.SIGCONT)
        member.signal(signal.SIGCONT)
        them.more_grants(1)
    goes_on(them, mutant)


@pytest.mark.parametrize(("leads", "mutant"), [(True, "none"), (False, "none"), (True, "never told")])
def test_a_member_is_cut_off_from_the_others(
    engine: Any, prefix: str, monkeypatch: pytest.MonkeyPatch, leads: bool, mutant: str
) -> None:
    """The leader, or one that follows; its clients still reach it. Who holds by it has lost before another holds."""
    if engine.kind != "etcd":
        pytest.skip("about etcd")
    if mutant == "never told":
        monkeypatch.setattr(Session, "told_at", property(lambda session: math.inf))
    members = servers.EtcdPartition()
    handles = [interlock.cluster.connect(url, prefix=prefix, lease=5.0) for url in members.urls]
    try:
        for handle in handles:
            handle.ps()  # one that was never reached would not wait
        leader = members.leader()
        alone, across = (leader if leads else (leader + 1) % 3), (leader + 2) % 3
        lock, other = handles[alone].Lock("orders"), handles[across].Lock("orders")
        lock.acquire()
        grant = lock.find()
        members.isolate(alone)
        members.others_lead(alone)
        other.acquire()
        assert grant.lost.is_set() is (mutant == "none")
        assert not handles[alone].Lock("another").acquire(timeout=0.5)
        members.heal()
        assert handles[alone].Lock("another").acquire(timeout=60)
    finally:
        for handle in handles:
            handle.close()
        members.stop()


def test_everything_on_three_members(members: Any, prefix: str) -> None:
    with (
        interlock.cluster.connect(members.url, prefix=prefix) as one,
        interlock.cluster.connect(members.url, prefix=prefix) as two,
    ):
        uses_everything(one, two)
