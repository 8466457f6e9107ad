"""Servers that are there, but set up, filled up or asked as they should not be. And what is never printed."""

import itertools
import logging
import threading
import traceback
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import servers
from handover import hand_over
from parties import PATIENCE, wait_until

import interlock.cluster
from interlock.cluster import Cluster, EngineUnavailable, SetupNeeded
from interlock.cluster.engine import UNUSED, Settings, secrets, shown, without_password


def goes_on(what: Callable[[], object], mend: Callable[[], object], stuck: Callable[[], object]) -> None:
    """`what` waits while the server is as it is (`stuck` says so), and ends well once it is mended."""
    failed: list[BaseException] = []

    def work() -> None:
        try:
            assert what()
        except BaseException as error:
            failed.append(error)

    thread = threading.Thread(target=work)
    thread.start()
    try:
        wait_until(lambda: stuck() or failed, "it waits")
        assert not failed, failed
        assert thread.is_alive()
    finally:
        mend()
        thread.join(PATIENCE)
    assert not thread.is_alive()
    assert not failed, failed


# --- passwords ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("url", "printed"),
    [
        ("redis://:hidden@h:1/0", "redis://:***@h:1/0"),
        (
            "postgresql://me:hidden@h1:1,h2:2/db?password=hidden&a=b",
            "postgresql://me:***@h1:1,h2:2/db?password=***&a=b",
        ),
        ("postgresql://h/db?sslpassword=hidden", "postgresql://h/db?sslpassword=***"),
        ("redis+sentinel://me:hidden@a:1,b/shop/0", "redis+sentinel://me:***@a:1,b/shop/0"),
        # Passwords that were not quoted.
        ("redis://:hid/hidden@h:1/0", "redis://***@h:1/0"),
        ("redis://me:hid#hidden@h", "redis://***@h"),
        ("redis://me:hid?hidden@h", "redis://***@h"),
        ("redis://me:hid@hidden@h", "redis://***@h"),
        ("etcd://me:hid@x/hidden@h", "etcd://***@h"),
        # Without one.
        ("memory://", "memory://"),
        ("memory:///x", "memory:///x"),
        ("redis://me@h/0", "redis://me@h/0"),
        ("redis://[::1]:6379/0", "redis://[::1]:6379/0"),
        ("unix:///tmp/redis.sock?db=0", "unix:///tmp/redis.sock?db=0"),
        ("postgresql://h/db?application_name=me@corp", "postgresql://h/db?application_name=me@corp"),
        ("nothing", "nothing"),
    ],
)
def test_a_url_as_it_is_printed(url: str, printed: str) -> None:
    assert shown(url) == printed


def test_what_a_client_says_is_printed_without_passwords() -> None:
    url = "postgresql://me:a%2Fb@h/db?password=other"
    settings = Settings(url, "p", options={"password": "third", "listen": "postgresql://me:fourth@h2/db"})
    assert set(secrets(settings)) == {"a%2Fb", "a/b", "other", "third", "fourth"}
    said = without_password("a%2Fb, a/b, other, third and fourth are wrong", settings)
    assert said == "***, ***, ***, *** and *** are wrong"
    assert not any(secret in repr(settings) for secret in secrets(settings))


NEEDS = {"redis": "redis", "postgresql": "psycopg", "etcd": "grpc"}


@pytest.mark.parametrize("scheme", ["redis", "postgresql", "etcd"])
@pytest.mark.parametrize("password", ["hidden", "hidden/pw", "hidden#pw", "hidden?pw", "hid%zzhidden", "hidden@pw/x"])
def test_no_traceback_has_a_password(scheme: str, password: str) -> None:
    """Nobody listens there. With one that is not quoted, parts of it would be taken for the host or the port."""
    pytest.importorskip(NEEDS[scheme], reason="the client is not installed")
    url = f"{scheme}://me:{password}@127.0.0.1:1/0"
    texts = []
    try:
        with interlock.cluster.connect(url) as cluster:
            texts += [repr(cluster), repr(cluster.engine), repr(cluster.Lock("a")), repr(cluster.engine.settings)]
            cluster.Lock("a").acquire(timeout=1)
    except (ValueError, interlock.cluster.ClusterError):
        texts.append(traceback.format_exc())
    assert texts
    assert "hidden" not in "\n".join(text.replace(url, "") for text in texts)


def test_one_that_is_not_quoted_is_told_how_to() -> None:
    with pytest.raises(ValueError, match=r"redis://\*\*\*@h:1/0' cannot be read: in a password, write % / "):
        interlock.cluster.connect("redis://:hid/den@h:1/0")


@pytest.mark.parametrize(
    ("url", "options", "why"),
    [
        ("redis://:hidden@h:port", {}, "a port is a number from 1 to 65535"),
        ("redis://h:65536/0", {}, "a port is a number"),
        ("redis://[::1:6379/0", {}, "an IPv6 address stands in brackets"),
        ("redis://a b/0", {}, "a host has no blanks"),
        ("redis://a,b/0", {}, "more than one host"),
        ("redis://:hidden@h/shop", {}, "its path is the number of a database"),  # the client would use 0
        ("redis://:hidden@h/0?nonsense=1", {}, "nonsense"),
        ("redis://h", {"nonsense": 1}, "nonsense"),
        ("rediss://h?ssl_cert_reqs=nonsense", {}, "nonsense"),
        ("redis+sentinel://h", {}, "redis[+]sentinel://host:26379/SERVICE/0"),
        ("redis+sentinel://h/shop/x", {}, "redis[+]sentinel://host:26379/SERVICE/0"),
        ("redis+sentinel://:hidden@h/shop?db=1", {}, "without parameters"),
        ("redis+sentinel://a:x,b/shop", {}, "a port is a number"),
        ("redis+sentinel:///shop", {}, "a host is missing"),
        ("postgresql://me:hidden@h/db?nonsense=1", {}, 'invalid URI query parameter: "nonsense"'),
        ("postgresql://me:hidden@h:port/db", {}, "a port is a number"),
        ("postgresql://me:hidden@h/db", {"nonsense": 1}, 'invalid connection option "nonsense"'),
        ("postgresql://h/db", {"listen": "postgresql://me:hidden@h:port/db"}, "a port is a number"),
        ("postgresql://h/db", {"listen": "nonsense"}, "nonsense"),
        ("etcd://a:1,b:port", {}, "a port is a number"),
        ("etcd://me:hidden@a,,b", {}, "a host is missing"),
        ("etcd://h/path", {}, "it has no path"),
        ("etcd://h?cacert=/x", {}, "no such parameter: cacert"),
        ("etcds://h?cacert=/nonsense/file", {}, "No such file"),
        ("etcds://h?cert=/etc/passwd", {}, "cert and key go together"),
    ],
)
def test_a_url_that_cannot_be_read(url: str, options: dict[str, Any], why: str) -> None:
    """It is told by `connect`, and not as a server that does not answer."""
    scheme = url.partition(":")[0].partition("+")[0]
    pytest.importorskip({"rediss": "redis", "etcds": "grpc"}.get(scheme) or NEEDS[scheme], reason="no client here")
    with pytest.raises(ValueError, match=rf"the URL '.*' cannot be read: .*{why}") as raised:
        interlock.cluster.connect(url, **options)
    said = "".join(traceback.format_exception(raised.value)).replace(url, "").replace(str(options), "")
    assert "hidden" not in said


def test_an_option_that_etcd_has_not() -> None:
    pytest.importorskip("grpc", reason="the client is not installed")
    with pytest.raises(TypeError, match=r"etcd:// has no option 'nonsense'"):
        interlock.cluster.connect("etcd://h", nonsense=1)


@pytest.mark.parametrize("seconds", [0, -1, float("nan"), float("inf"), 60.1, 0.09, 1e-9])
def test_a_lease_that_cannot_be_had(seconds: float) -> None:
    """One that is over before its answer is there would be asked for again and again."""
    for option in ("lease", "max_lease"):
        with pytest.raises(ValueError, match=f"^{option} must be 0.1 to 60 seconds, not"):
            interlock.cluster.connect(**{option: seconds})
    with (
        interlock.cluster.connect() as cluster,
        pytest.raises(ValueError, match=r"^lease must be 0.1 to 60 seconds, not"),
    ):
        cluster.Lock("a", lease=seconds)


SMALL = {"redis": servers.SmallRedis, "postgresql": servers.SmallPostgres, "etcd": servers.SmallEtcd}


def test_a_disk_that_is_really_full_is_waited_for(engine: Any, prefix: str) -> None:
    """PostgreSQL refuses to write, Redis and etcd end. What was held is held when there is room again."""
    if engine.kind == "memory":
        pytest.skip("it has no disk")
    server = SMALL[engine.kind]()
    came: list[object] = []
    stop = threading.Event()
    try:
        with connected(server.url, prefix) as cluster:
            held = cluster.Lock("held")
            held.acquire()
            server.fill()

            def work() -> None:
                """New names need room, sooner or later."""
                try:
                    for number in itertools.count():
                        if stop.is_set():
                            came.append(number)
                            return
                        with cluster.Lock(f"name {number}"):
                            pass
                except BaseException as error:
                    came.append(error)

            thread = threading.Thread(target=work)
            thread.start()
            wait_until(lambda: cluster.out_since or came, "there is no room")
            assert came == []
            stop.set()
            server.empty()
            # What does not end is mended by itself; what ends does so before it answers anything else.
            if engine.kind != "postgresql":
                server.process.wait(PATIENCE)
                server.start()
            thread.join(PATIENCE)
            assert [type(each) for each in came] == [int], came
            held.find().check()
            held.release()
            assert cluster.Lock("held").acquire(timeout=PATIENCE)
    finally:
        stop.set()
        server.stop()


# --- Redis ----------------------------------------------------------------------------------------------------------


@pytest.fixture
def redis(engine: Any) -> Iterator[servers.Redis]:
    """One of our own, which these tests spoil."""
    if engine.kind != "redis":
        pytest.skip("about Redis")
    made = servers.Redis("--save", "3600 1")
    yield made
    made.stop()


def connected(url: str, prefix: str, **options: Any) -> Cluster:
    return interlock.cluster.connect(url, **{"prefix": prefix, "after_restart": "grant", "lease": 30.0, **options})


def test_a_full_redis_is_waited_for(redis: servers.Redis, prefix: str) -> None:
    """noeviction: it refuses to write. What is held is given back meanwhile."""
    with connected(redis.url, prefix) as cluster:
        held = cluster.Lock("held")
        held.acquire()
        redis.say("CONFIG", "SET", "maxmemory", "1")
        goes_on(
            lambda: cluster.Lock("other").acquire(),
            lambda: redis.say("CONFIG", "SET", "maxmemory", "0"),
            lambda: cluster.out_since,
        )
        held.release()
        assert cluster.Lock("held").acquire(timeout=PATIENCE)


def test_a_redis_that_cannot_save_is_waited_for(redis: servers.Redis, prefix: str) -> None:
    """stop-writes-on-bgsave-error: MISCONF, as with a full disk."""
    with connected(redis.url, prefix) as cluster:
        held = cluster.Lock("held")
        held.acquire()
        redis.directory.chmod(0o500)
        redis.say("BGSAVE")
        servers.until(lambda: b"rdb_last_bgsave_status:err" in redis.say("INFO", "persistence"), "it cannot save")

        def mend() -> None:
            redis.directory.chmod(0o755)
            redis.say("BGSAVE")

        goes_on(lambda: cluster.Lock("other").acquire(), mend, lambda: cluster.out_since)
        held.release()
        assert cluster.Lock("held").acquire(timeout=PATIENCE)


@pytest.mark.parametrize(
    ("policy", "most", "warns"),
    [("allkeys-lru", "1gb", True), ("allkeys-lfu", "0", False), ("volatile-lru", "1gb", False),
     ("noeviction", "1gb", False)],
)  # fmt: skip
def test_one_that_may_forget_keys_is_told_at_connect(
    redis: servers.Redis, prefix: str, caplog: pytest.LogCaptureFixture, policy: str, most: str, warns: bool
) -> None:
    redis.say("CONFIG", "SET", "maxmemory-policy", policy)
    redis.say("CONFIG", "SET", "maxmemory", most)
    with caplog.at_level(logging.WARNING, "interlock.cluster"), connected(redis.url, prefix) as cluster:
        cluster.Lock("a").acquire()
        cluster.engine.spare.drop()  # type: ignore[attr-defined]
        cluster.Lock("b").acquire()
    told = [record.getMessage() for record in caplog.records]
    assert (
        told
        == [f"{redis.url}: maxmemory-policy is {policy}: a full server may forget who holds what. Set noeviction."]
        * warns
    )


def unused_for_long(cluster: Cluster) -> None:
    """Let what is idle look as if it had been for a while."""
    engine: Any = cluster.engine
    assert engine.spare.lines
    engine.spare.lines = [(since - 2 * UNUSED, line) for since, line in engine.spare.lines]


def test_a_key_that_redis_has_forgotten(redis: servers.Redis, prefix: str) -> None:
    """As it does with an ``allkeys-`` policy when it is full. Who held is told; who waited asks anew."""
    with connected(redis.url, prefix, lease=1.5) as one, connected(redis.url, prefix, lease=1.5) as two:
        lock, event = one.Lock("a"), one.Event("e")
        lock.acquire()
        lost = lock.lost
        came: list[object] = []
        waiters = [threading.Thread(target=lambda: came.append(event.wait(PATIENCE)))]
        waiters.append(threading.Thread(target=lambda: came.append(two.Lock("b").acquire(timeout=PATIENCE))))
        other = one.Lock("b")
        other.acquire()
        for waiter in waiters:
            waiter.start()
        wait_until(lambda: event.waiters and other.waiters, "both wait")
        for key in ("r:a", "q:e", "w:b"):
            assert redis.say("DEL", f"{{{prefix}}}:{key}") == b":1\r\n"
        assert lost.wait(PATIENCE)
        assert isinstance(lost.reason, interlock.EngineRestarted)
        assert two.Lock("a").acquire(timeout=PATIENCE)
        wait_until(lambda: event.waiters, "it waits again")
        event.set()
        other.release()
        for waiter in waiters:
            waiter.join(2 * PATIENCE)
        assert came == [True, True]


def test_a_connection_that_redis_has_ended_is_no_outage(
    redis: servers.Redis, prefix: str, caplog: pytest.LogCaptureFixture
) -> None:
    """As it does with ``timeout``, or an operator with CLIENT KILL."""
    with caplog.at_level(logging.WARNING, "interlock.cluster"), connected(redis.url, prefix) as cluster:
        lock = cluster.Lock("a")
        lock.acquire()
        redis.say("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
        unused_for_long(cluster)
        lock.release()
        with lock:
            pass
    assert caplog.records == []


def test_a_quarantine_is_told_once(engine: Any, prefix: str, caplog: pytest.LogCaptureFixture) -> None:
    """And not by each connection that a process makes meanwhile; `ps` shows it, too."""
    if engine.kind != "redis":
        pytest.skip("a PostgreSQL that has forgotten nothing makes none, nor does etcd")
    server = servers.Redis()
    try:
        with (
            caplog.at_level(logging.WARNING, "interlock.cluster"),
            interlock.cluster.connect(server.url, prefix=prefix, lease=30.0) as cluster,
        ):
            assert not cluster.Lock("a").acquire(timeout=0.01)
            cluster.engine.spare.drop()  # type: ignore[attr-defined]
            assert not cluster.Lock("a").acquire(timeout=0.01)
            assert len(caplog.records) == 1
            assert "it makes none for" in caplog.text
            cluster.ps()
            assert 0 < cluster.quiet <= 30.0
    finally:
        server.stop()


# --- PostgreSQL -----------------------------------------------------------------------------------------------------


@pytest.fixture
def postgres(engine: Any) -> Any:
    if engine.kind != "postgresql":
        pytest.skip("about PostgreSQL")
    return engine


@pytest.fixture
def admin(postgres: Any) -> Iterator[Any]:
    import psycopg

    with psycopg.connect(postgres.url, autocommit=True) as line:
        yield line


@pytest.fixture
def role(postgres: Any, admin: Any, prefix: str) -> Iterator[tuple[str, str]]:
    """A user with no rights, and the URL for it."""
    with connected(postgres.url, prefix) as cluster:
        cluster.ps()  # makes the schema where it is not there
    name = f"user_{prefix.replace('-', '_')}"
    admin.execute(f"CREATE ROLE {name} LOGIN")
    yield name, postgres.url.replace("postgres@", f"{name}@")
    admin.execute(f"DROP OWNED BY {name}")
    admin.execute(f"DROP ROLE {name}")


def allow(admin: Any, name: str) -> None:
    admin.execute(f"GRANT USAGE ON SCHEMA interlock TO {name}")
    admin.execute(f"GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA interlock TO {name}")


def test_a_user_without_rights_is_told_which(role: tuple[str, str], admin: Any, prefix: str) -> None:
    name, url = role
    with connected(url, prefix) as cluster:
        with pytest.raises(SetupNeeded, match="GRANT USAGE ON SCHEMA interlock TO"):
            cluster.Lock("a").acquire()
        admin.execute(f"GRANT USAGE ON SCHEMA interlock TO {name}")
        with pytest.raises(SetupNeeded, match="GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES"):
            cluster.Lock("a").acquire()
        allow(admin, name)
        assert cluster.Lock("a").acquire(timeout=PATIENCE)


@pytest.mark.parametrize("setting", ["statement_timeout", "lock_timeout"])
def test_a_step_that_the_server_cuts_short_is_sent_again(
    role: tuple[str, str], postgres: Any, admin: Any, prefix: str, setting: str
) -> None:
    """Somebody is in the middle of a step on the same name, for longer than that."""
    import psycopg

    name, url = role
    allow(admin, name)
    with connected(url, prefix) as cluster:
        assert cluster.Lock("other").acquire(timeout=PATIENCE)
        admin.execute(f"ALTER ROLE {name} SET {setting} = '300ms'")
        cluster.engine.spare.drop()  # type: ignore[attr-defined]
        with psycopg.connect(postgres.url) as busy:
            busy.execute("SELECT interlock.lock(%s, 'a')", (prefix,))
            goes_on(lambda: cluster.Lock("a").acquire(), busy.rollback, lambda: cluster.out_since)


def test_a_full_disk_is_waited_for(role: tuple[str, str], admin: Any, prefix: str) -> None:
    """As PostgreSQL says it: a trigger does so here."""
    name, url = role
    allow(admin, name)
    with connected(url, prefix) as cluster:
        assert cluster.Lock("other").acquire(timeout=PATIENCE)
        admin.execute(
            f"CREATE FUNCTION {name}_full() RETURNS trigger LANGUAGE plpgsql AS"
            " $$ BEGIN RAISE 'could not extend file' USING ERRCODE = 'disk_full'; END $$"
        )
        admin.execute(
            f"CREATE TRIGGER {name}_full BEFORE INSERT ON interlock.waiter FOR EACH ROW WHEN (NEW.prefix = '{prefix}')"
            f" EXECUTE FUNCTION {name}_full()"
        )

        def mend() -> None:
            admin.execute(f"DROP FUNCTION {name}_full() CASCADE")

        goes_on(lambda: cluster.Lock("a").acquire(), mend, lambda: cluster.out_since)


def test_a_connection_that_postgresql_has_ended_is_no_outage(
    role: tuple[str, str], admin: Any, prefix: str, caplog: pytest.LogCaptureFixture
) -> None:
    """As it does with ``idle_session_timeout``, or a pooler, or an operator."""
    name, url = role
    allow(admin, name)
    with caplog.at_level(logging.WARNING, "interlock.cluster"), connected(url, prefix) as cluster:
        lock = cluster.Lock("a")
        lock.acquire()
        ended = "SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity WHERE usename = %s"
        assert admin.execute(ended, (name,)).fetchall()
        unused_for_long(cluster)
        lock.release()
        with lock:
            pass
    assert caplog.records == []


def test_a_standby_says_what_it_is(postgres: Any, prefix: str) -> None:
    """And who waits goes on when it has become the primary."""
    pair = servers.Standby()
    try:
        with connected(pair.primary.url, prefix) as cluster:
            assert cluster.Lock("a").acquire(timeout=PATIENCE)
        servers.until(
            lambda: pair.ask(pair.replica, "SELECT to_regprocedure('interlock.version()')") != (None,), "it follows"
        )
        with connected(pair.replica.url, prefix) as cluster:
            with pytest.raises(EngineUnavailable, match="it is a standby, which can only be read"):
                cluster.Lock("a").acquire()
            cluster.reached()  # as if it had been the primary once
            goes_on(lambda: cluster.Lock("b").acquire(), pair.promote, lambda: cluster.out_since)
    finally:
        pair.stop()


def test_who_listens_is_given_the_options_too(postgres: Any, prefix: str) -> None:
    """Else it would listen in another database, or be refused."""
    url, _, database = postgres.url.rpartition("/")
    options = {"prefix": prefix, "lease": 60.0, "dbname": database, "connect_timeout": 5}
    with (
        interlock.cluster.connect(f"{url}/template1", **options) as one,
        interlock.cluster.connect(f"{url}/template1", **options) as two,
    ):
        hand_over(one.Lock("orders"), two.Lock("orders"))


def test_commits_are_as_durable_as_was_asked_for(role: tuple[str, str], admin: Any, prefix: str) -> None:
    """Whatever the role or the server has as its default. Else a crash would lose grants, and nobody would know."""
    name, url = role
    allow(admin, name)
    for default, durable, expected in (("off", True, "on"), ("local", True, "local"), ("on", False, "off")):
        admin.execute(f"ALTER ROLE {name} SET synchronous_commit = {default}")
        with connected(url, prefix, durable=durable) as cluster:
            assert cluster.Lock("a").acquire(timeout=0)
            engine: Any = cluster.engine
            ((_, line),) = engine.spare.lines
            assert line.connection.execute("SHOW synchronous_commit").fetchone() == (expected,)


def test_handles_of_one_prefix_may_differ_in_durability(
    postgres: Any, admin: Any, prefix: str, caplog: pytest.LogCaptureFixture
) -> None:
    """It is the same life of the server for both. A restart begins a quarantine for both, if one was not durable."""
    given = {"prefix": prefix, "lease": 10.0}
    with caplog.at_level(logging.WARNING, "interlock.cluster"):
        for durable in (True, False, True, False):
            with interlock.cluster.connect(postgres.url, durable=durable, **given) as cluster:
                assert cluster.Lock("a").acquire(timeout=PATIENCE)
        assert caplog.records == []
        (life,) = admin.execute("SELECT run FROM interlock.state WHERE prefix = %s", (prefix,)).fetchone()
        timeline, start = life.split()
        admin.execute("UPDATE interlock.state SET run = %s WHERE prefix = %s", (f"{timeline} 1{start}", prefix))
        with interlock.cluster.connect(postgres.url, **given) as cluster:
            assert not cluster.Lock("a").acquire(timeout=0)
        assert "it makes none for" in caplog.text
    assert admin.execute("SELECT run FROM interlock.state WHERE prefix = %s", (prefix,)).fetchone() == (life,)


def test_a_database_without_an_encoding(postgres: Any, admin: Any, role: tuple[str, str], prefix: str) -> None:
    """And a user with another one: a name is the same for all."""
    name, url = role
    allow(admin, name)
    admin.execute(f"ALTER ROLE {name} SET client_encoding = 'LATIN1'")
    with connected(postgres.url, prefix) as one, connected(url, prefix) as two, one.Lock("größe"):
        assert not two.Lock("größe").acquire(timeout=0)
        assert [seen.name for seen in two.ps()] == ["größe"]
    admin.execute("CREATE DATABASE bare TEMPLATE template0 ENCODING 'SQL_ASCII' LC_COLLATE 'C' LC_CTYPE 'C'")
    bare = postgres.url.rpartition("/")[0] + "/bare"
    try:
        with connected(bare, prefix) as one, connected(bare, prefix) as two:
            hand_over(one.Lock("größe"), two.Lock("größe"))
    finally:
        admin.execute("DROP DATABASE bare (FORCE)")


def test_another_isolation_is_refused_by_name(role: tuple[str, str], admin: Any, prefix: str) -> None:
    name, url = role
    allow(admin, name)
    admin.execute(f"ALTER ROLE {name} SET default_transaction_isolation = 'serializable'")
    with (
        connected(url, prefix) as cluster,
        pytest.raises(interlock.cluster.ClusterError, match="default_transaction_isolation is serializable; it has to"),
    ):
        cluster.Lock("a").acquire()
