"""Redis and Valkey: the permit machine as a script, one call of it for each step.

All keys of a prefix share one hash tag, so in a Redis Cluster they lie on one node. Hints come by a stream for each
session, read by `XREAD BLOCK`: nothing is missed in a cut. Every new connection says `hello` before it is used, with
the server's run id: one that was restarted, or a replica that took over, is seen before it grants anything.

    redis://[user:password@]host[:port][/db]      rediss:// with TLS, unix:///path/to.sock?db=0, valkey://
    redis+sentinel://host[:port][,host[:port]]/service[/db]
"""

from __future__ import annotations

import contextlib
import logging
import re
import socket
from collections.abc import Sequence
from importlib import resources
from typing import Any
from urllib.parse import unquote, urlsplit

import redis
import redis.sentinel

from interlock.cluster.engine import (
    Answer,
    Argument,
    Engine,
    Inbox,
    Settings,
    Spare,
    Told,
    Unreachable,
    cause,
    unreadable,
    without_password,
)
from interlock.cluster.errors import ClusterError

log: logging.Logger = logging.getLogger("interlock.cluster")

SCRIPT = resources.files("interlock.cluster.engines").joinpath("machine.lua").read_text("utf-8")
KEEP = 8  # idle connections
CONNECT = 5.0  # seconds to connect
REDIRECTS = 5  # nodes of a Cluster that are asked one after the other for the one where the prefix lives
SLACK = 0.5  # seconds that the answer of a read may come late before the line counts as cut

# What a client says when a server is there, but not (yet, any longer) one to talk to.
AWAY = (redis.ConnectionError, redis.TimeoutError, redis.ReadOnlyError, OSError)

# What a node of a Cluster, or a replica, says that will soon be another one to talk to; and one that is full, for now.
LATER = (
    redis.exceptions.OutOfMemoryError,
    redis.exceptions.AskError,
    redis.exceptions.TryAgainError,
    redis.exceptions.ClusterDownError,
    redis.ReadOnlyError,
)


class RedisEngine(Engine):
    def __init__(self, settings: Settings, script: str | None = None) -> None:
        super().__init__(settings)
        self.script: str = script or SCRIPT
        self.sha: str = _sha1(self.script)
        self.tag: str = f"{{{settings.prefix}}}"
        self.spare: Spare[Any] = Spare(KEEP, lambda line: line._sock.fileno(), lambda line: line.disconnect())
        self.looked_at_memory: bool = False
        self.sentinel: tuple[Any, str] | None = None
        # Of a Cluster, once it has said where the prefix lives; and where else to ask if that node has gone.
        self.node: tuple[str, int] | None = None
        self.others: list[tuple[str, int]] = []
        try:
            self.pool = self.parse(settings.url)
            self.pool.connection_class(**self.pool.connection_kwargs)  # connects to nothing
        except (TypeError, ValueError, redis.RedisError) as error:
            said = without_password(error, settings)
            raise unreadable(settings.url, said) from cause(error, settings)

    def parse(self, url: str) -> Any:
        options = {
            "protocol": 2,
            "decode_responses": True,
            "encoding_errors": "surrogateescape",
            "socket_connect_timeout": CONNECT,
            "socket_timeout": CONNECT,
            **self.settings.options,
        }
        scheme, _, rest = url.partition("://")
        if scheme != "unix":  # whose connections have no such thing
            options.setdefault("socket_keepalive", True)
        if scheme != "redis+sentinel":
            plain = {"valkey": "redis", "valkeys": "rediss"}.get(scheme, scheme)
            db = urlsplit(url).path.strip("/")
            if scheme != "unix" and db and not db.isdecimal():  # the client would take it for 0
                raise ValueError(f"its path is the number of a database, as in /0, not {db!r}")
            return redis.ConnectionPool.from_url(f"{plain}://{rest}", **options)
        parts = urlsplit(url)
        hosts = [entry.rpartition(":") for entry in parts.netloc.rpartition("@")[2].split(",")]
        service, _, db = parts.path.lstrip("/").partition("/")
        if not service or not (db or "0").isdecimal() or parts.query:
            raise ValueError("that of a sentinel is redis+sentinel://host:26379/SERVICE/0, without parameters")
        addresses = [(host or port, int(port) if host else 26379) for host, _, port in hosts]
        login = {"username": parts.username and unquote(parts.username), "password": parts.password}
        login = {key: unquote(value) for key, value in login.items() if value}
        self.sentinel = (redis.sentinel.Sentinel(addresses, socket_timeout=CONNECT), service)
        return redis.ConnectionPool(db=int(db or 0), **login, **options)

    # --- connections ------------------------------------------------------------------------------------------------

    def connect(self, timeout: float) -> Any:
        """A new connection that has said hello."""
        for _ in range(REDIRECTS):
            before = self.node
            try:
                return self.connect_once(timeout)
            except Unreachable:
                # A node of a Cluster that says which one it is, is asked no further.
                if self.node is None or self.node == before:
                    raise
        raise Unreachable(f"the nodes of the Cluster send us to one another: {self.node}")

    def connect_once(self, timeout: float) -> Any:
        if self.spare.closed:
            raise Unreachable("closed")
        # Not by the pool, which counts what it has made: how many there are is ours to say.
        connection: Any = self.pool.connection_class(**self.pool.connection_kwargs)
        try:
            if self.sentinel is not None:
                sentinel, service = self.sentinel
                connection.host, connection.port = sentinel.discover_master(service)
            elif self.node is not None:
                connection.host, connection.port = self.node
            connection.socket_connect_timeout = min(connection.socket_connect_timeout or CONNECT, timeout)
            connection.socket_timeout = timeout
            connection.connect()
            connection._sock.settimeout(timeout)
            if self.node is not None:
                self.learn_nodes(connection)
            if not self.settings.looks:
                self.hello(connection)
        except BaseException as error:
            with contextlib.suppress(Exception):
                connection.disconnect()
            if isinstance(error, AWAY):
                self.next_node()
                raise self.unreachable(error) from cause(error, self.settings)
            if isinstance(error, redis.ResponseError):
                raise self.refused(error) from cause(error, self.settings)
            raise
        return connection

    def next_node(self) -> None:
        """The node of a Cluster does not answer: another one knows who has taken over."""
        if self.node is not None:
            others = [node for node in self.others if node != self.node]
            self.others = [*others, self.node]
            self.node = others[0] if others else None

    def learn_nodes(self, connection: Any) -> None:
        connection.send_command("CLUSTER", "SLOTS")
        given = str(self.pool.connection_kwargs.get("host"))
        found = [(str(node[0] or given), int(node[1])) for slots in connection.read_response() for node in slots[2:]]
        self.others = list(dict.fromkeys(found))

    def hello(self, connection: Any) -> None:
        """Say which life of the server this is: one that may have lost grants makes none for a while."""
        connection.send_command("INFO", "server")
        info = dict(line.split(":", 1) for line in str(connection.read_response()).splitlines() if ":" in line)
        longest = int(self.settings.quarantine * 1_000_000)
        # The difference of two times in whole seconds: up to a second less is sure.
        age = max(0, int(info.get("uptime_in_seconds", "0")) - 1) * 1_000_000
        self.tell_quiet(self.run(connection, "hello", (info.get("run_id", "?"), longest, age))[0])
        if not self.looked_at_memory:
            self.looked_at_memory = True
            connection.send_command("INFO", "memory")
            evicts = self.evicts(str(connection.read_response()))
            if evicts:
                log.warning("%s: %s", self.shown, evicts)

    def evicts(self, text: str) -> str:
        """What its INFO says of forgetting keys when it is full; ours have no time to live."""
        info = dict(line.split(":", 1) for line in text.splitlines() if ":" in line)
        policy = info.get("maxmemory_policy", "noeviction")
        if policy.startswith("allkeys") and info.get("maxmemory", "0") != "0":
            return f"maxmemory-policy is {policy}: a full server may forget who holds what. Set noeviction."
        return ""

    def unreachable(self, error: BaseException) -> Unreachable:
        return Unreachable(without_password(error, self.settings) or type(error).__name__)

    def run(self, connection: Any, op: str, arguments: Sequence[Argument]) -> Answer:
        connection.send_command("EVALSHA", self.sha, 1, self.tag, op, *arguments)
        try:
            answer: Answer = connection.read_response()
        except redis.exceptions.NoScriptError:
            connection.send_command("EVAL", self.script, 1, self.tag, op, *arguments)
            answer = connection.read_response()
        return answer

    def call(self, op: str, arguments: Sequence[Argument], timeout: float) -> Answer:
        connection = self.spare.take() or self.connect(timeout)
        try:
            if connection._sock.gettimeout() != timeout:
                connection._sock.settimeout(timeout)
            answer = self.run(connection, op, arguments)
        except BaseException as error:
            # Whatever is under way on it, nobody will read it.
            connection.disconnect()
            if isinstance(error, AWAY):
                self.spare.drop()
                raise self.unreachable(error) from cause(error, self.settings)
            if isinstance(error, redis.ResponseError):
                raise self.refused(error) from cause(error, self.settings)
            raise
        self.spare.put(connection)
        return answer

    def refused(self, error: redis.ResponseError) -> Exception:
        """What an error that the server answers means."""
        said = str(error)
        if isinstance(error, redis.exceptions.MovedError):
            # An empty host is the one that was asked.
            self.node = (error.host or str(self.pool.connection_kwargs.get("host")), error.port)
        elif not isinstance(error, LATER) and not re.match("(MISCONF|NOREPLICAS|UNBLOCKED|BUSY|UNKILLABLE)", said):
            return self.refusal(said)
        self.spare.drop()
        return Unreachable(said)

    def refusal(self, said: str) -> Exception:
        return ClusterError(f"{self.shown} refuses: {without_password(said, self.settings)}")

    def inbox(self, session: str) -> Inbox:
        return RedisInbox(self, session)

    def warnings(self) -> list[str]:
        """What about the server's settings weakens the promises."""
        connection: Any = self.connect(CONNECT)
        told = []
        try:
            connection.send_command("INFO")
            text = str(connection.read_response())
        finally:
            connection.disconnect()
        info = dict(line.split(":", 1) for line in text.splitlines() if ":" in line)
        if evicts := self.evicts(text):
            told.append(evicts)
        if info.get("role") == "master" and info.get("connected_slaves", "0") != "0":
            told.append(
                "it has replicas: a primary that is cut off from them goes on granting until it is fenced"
                " (min-replicas-to-write). What must not happen twice checks the token."
            )
        return told

    def forked(self) -> None:
        # Their sockets are the parent's too: closed here without a word.
        for connection in self.spare.forked():
            sock: Any = getattr(connection, "_sock", None)
            if sock is not None:
                with contextlib.suppress(OSError):
                    sock.close()

    def close(self) -> None:
        self.spare.close()


class RedisInbox(Inbox):
    def __init__(self, engine: RedisEngine, session: str) -> None:
        self.engine = engine
        self.key: str = f"{engine.tag}:b:{session}"
        self.connection: Any = None
        self.last: str = "0-0"
        self.closed: bool = False

    def read(self, timeout: float) -> list[Told] | None:
        if self.closed:
            raise Unreachable("closed")
        if self.connection is None:
            # Hints that come twice are no harm, and a clock that was set back must not hide new ones.
            self.last = "0-0"
            self.connection = self.engine.connect(max(1.0, min(CONNECT, timeout)))
            if self.is_closed():
                self.close()
            return None
        connection = self.connection
        try:
            connection._sock.settimeout(timeout + SLACK)
            wait = max(1, int(timeout * 1000))
            connection.send_command("XREAD", "BLOCK", wait, "STREAMS", self.key, self.last)
            answer = connection.read_response()
        except BaseException as error:
            self.connection = None
            connection.disconnect()
            if isinstance(error, (*AWAY, AttributeError)):  # a connection that is closed under way has no socket
                raise self.engine.unreachable(error) from cause(error, self.engine.settings)
            if isinstance(error, redis.ResponseError):
                raise self.engine.refused(error) from cause(error, self.engine.settings)
            raise
        told = []
        if answer:
            for self.last, (_, waiter, _, value) in answer[0][1]:
                told.append(Told(waiter, int(value)))
        return told

    def rest(self) -> None:
        if self.closed and self.connection is not None:
            self.connection.disconnect()
            self.connection = None

    def is_closed(self) -> bool:
        return self.closed

    def close(self) -> None:
        self.closed = True
        sock: Any = getattr(self.connection, "_sock", None)
        if sock is not None:
            with contextlib.suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)


def _sha1(text: str) -> str:
    import hashlib

    return hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest()


def make(settings: Settings) -> Engine:
    return RedisEngine(settings)
