"""PostgreSQL behind PgBouncer, mostly in transaction mode with two connections to the server for everybody."""

import logging
import threading
from collections.abc import Iterator
from typing import Any

import pytest
import servers
from handover import hand_over

import interlock.cluster
from interlock.cluster import SetupNeeded


@pytest.fixture
def pool(engine: Any) -> Iterator[Any]:
    if engine.kind != "postgresql":
        pytest.skip("about PostgreSQL")
    made = servers.PgBouncer(engine)
    yield made
    made.stop()


@pytest.mark.parametrize("listens", [True, False], ids=["listens", "asks again"])
def test_through_a_pool(engine: Any, pool: Any, prefix: str, listens: bool, caplog: pytest.LogCaptureFixture) -> None:
    options = {"prefix": prefix, "lease": 5.0, "listen": engine.url if listens else ""}
    with (
        caplog.at_level(logging.WARNING, "interlock.cluster"),
        interlock.cluster.connect(pool.url, **options) as one,
        interlock.cluster.connect(pool.url, **options) as two,
    ):
        lock, other = one.Lock("orders"), two.Lock("orders")
        for _ in range(20):
            with lock as first:
                pass
            with other as second:
                pass
            assert second.value > first.value
        hand_over(lock, other)
        assert ("give a direct URL" in caplog.text) is not listens


@pytest.mark.parametrize(
    ("options", "hears"),
    [
        (("pool_mode = session", "default_pool_size = 10", "server_reset_query = DISCARD ALL"), True),
        (("pool_mode = transaction", "server_reset_query = DISCARD ALL", "server_reset_query_always = 1"), False),
        (("pool_mode = statement",), False),
    ],
    ids=["session", "transaction, reset", "statement"],
)
@pytest.mark.parametrize("durable", [True, False], ids=["durable", "fast"])
def test_hints_that_a_pool_keeps_are_missed(
    engine: Any, prefix: str, caplog: pytest.LogCaptureFixture, options: tuple[str, ...], hears: bool, durable: bool
) -> None:
    """Nobody gave ``listen=``. It is found out and said, and who waits asks again: a renewal is 20 s away."""
    if engine.kind != "postgresql":
        pytest.skip("about PostgreSQL")
    with interlock.cluster.connect(engine.url, prefix=prefix) as direct:
        direct.ps()  # makes the schema, which not every pool lets through
    pool = servers.PgBouncer(engine, *options)
    given = {"prefix": prefix, "lease": 60.0, "durable": durable, "after_restart": "grant"}
    try:
        with (
            caplog.at_level(logging.WARNING, "interlock.cluster"),
            interlock.cluster.connect(pool.url, **given) as one,
            interlock.cluster.connect(pool.url, **given) as two,
        ):
            lock, other = one.Lock("orders"), two.Lock("orders")
            told: Any = one.engine
            session: Any = None

            def found_out() -> None:
                servers.until(lambda: session.inbox.connection if hears else told.told_polling, "it has found out")

            hand_over(lock, other)
            session = one.sessions[one.lease]
            hand_over(other, lock, found_out)
            lock.release()
        assert bool(told.listen) is hears
        assert ("give a direct URL" in caplog.text) is not hears
    finally:
        pool.stop()


def test_a_pool_that_lets_no_schema_be_made_says_so(prefix: str, engine: Any) -> None:
    if engine.kind != "postgresql":
        pytest.skip("about PostgreSQL")
    own = servers.start("postgresql")
    pool = servers.PgBouncer(own, "pool_mode = statement")
    try:
        with (
            interlock.cluster.connect(pool.url, prefix=prefix) as cluster,
            pytest.raises(
                SetupNeeded, match="it cannot be made through this pooler: run with the address of the server"
            ),
        ):
            cluster.Lock("orders").acquire()
    finally:
        pool.stop()
        own.stop()


def test_a_pool_that_is_started_anew(engine: Any, pool: Any, prefix: str) -> None:
    with interlock.cluster.connect(pool.url, prefix=prefix, lease=10.0, listen=engine.url) as cluster:
        lock = cluster.Lock("orders")
        lock.acquire()
        pool.kill()
        pool.start()
        lock.release()
        assert cluster.Lock("orders").acquire(timeout=30)


def test_a_schema_that_many_make_at_once_while_it_is_used(engine: Any, prefix: str) -> None:
    """The first one makes it; nobody's first call fails, and no step is held up by another that comes late."""
    if engine.kind != "postgresql":
        pytest.skip("about PostgreSQL")
    own = servers.start("postgresql")
    said: list[BaseException] = []

    def use(number: int) -> None:
        try:
            with interlock.cluster.connect(own.url, prefix=prefix, label=f"user {number}") as cluster:
                for _ in range(20):
                    with cluster.Lock("orders"):
                        pass
        except BaseException as error:
            said.append(error)

    try:
        threads = [threading.Thread(target=use, args=(i,)) for i in range(6)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert said == []
    finally:
        own.stop()
