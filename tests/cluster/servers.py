"""Real servers for the tests: each on a free loopback port, in a directory of its own, as a user without rights.

They are Debian's programs; `tools/servers.py` installs them where they are missing. A server is ended by its process
id. One that cannot be had is a skip that says so, and an error where INTERLOCK_CI=1.
"""

import contextlib
import json
import os
import pwd
import shutil
import signal
import socket
import ssl
import subprocess
import tempfile
import time
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from proxy import Proxy

PATIENCE = 30.0  # seconds until a server has to answer


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def missing(what: str) -> Any:
    said = f"{what}: `make test-cluster` installs it from Debian's packages"
    if os.environ.get("INTERLOCK_CI") == "1":
        pytest.fail(said)
    pytest.skip(said)


def program(name: str, *places: str) -> str:
    found = shutil.which(name) or next((str(p) for place in places for p in sorted(Path("/").glob(place))), None)
    return found or str(missing(f"{name} is not on this machine"))


def until(what: Callable[[], object], why: str) -> None:
    deadline = time.monotonic() + PATIENCE
    while not what():
        if time.monotonic() > deadline:
            pytest.fail(f"not within {PATIENCE} s: {why}")
        time.sleep(0.02)


def say(port: int, *words: str) -> bytes:
    """A command for a Redis, and the first piece of its answer, without a client."""
    with socket.create_connection(("127.0.0.1", port), 5) as line:
        line.sendall(b"*%d\r\n" % len(words) + b"".join(b"$%d\r\n%s\r\n" % (len(w), w.encode()) for w in words))
        return line.recv(65536)


class Memory:
    """The engine that needs no server."""

    kind = "memory"
    url = "memory://tests"


class Server:
    """A server that runs until `stop`. `kill` and `start` are for tests of what happens then."""

    kind = ""
    users: tuple[str, ...] = ()

    def __init__(self) -> None:
        self.directory = Path(tempfile.mkdtemp(prefix=f"interlock-{self.kind}-"))
        self.directory.chmod(0o755)
        self.port = self.free_port()
        self.process: subprocess.Popen[bytes] | None = None
        self.user = self.unprivileged()
        self.prepare()
        self.start()

    def free_port(self) -> int:
        return free_port()

    def unprivileged(self) -> str | None:
        """Root runs no server: the user of the package, or nobody."""
        if os.geteuid() != 0:
            return None
        for name in (*self.users, "nobody"):
            try:
                entry = pwd.getpwnam(name)
            except KeyError:
                continue
            os.chown(self.directory, entry.pw_uid, entry.pw_gid)
            return name
        return None

    def run(self, *command: str, **options: Any) -> "subprocess.Popen[bytes]":
        log = open(self.directory / "log", "ab")  # noqa: SIM115 - the server's from here on
        if self.user is not None:
            options |= {"user": self.user, "group": pwd.getpwnam(self.user).pw_gid, "extra_groups": []}
        with log:
            return subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd=self.directory, **options
            )

    def prepare(self) -> None:
        """Make what the server needs before it starts."""

    def command(self) -> list[str]:
        raise NotImplementedError

    def answers(self) -> bool:
        """Whether it can be talked to."""
        with socket.socket() as probe:
            probe.settimeout(1)
            return probe.connect_ex(("127.0.0.1", self.port)) == 0

    def start(self) -> None:
        self.process = self.run(*self.command())
        deadline = time.monotonic() + PATIENCE
        while not self.answers():
            if self.process.poll() is not None or time.monotonic() > deadline:
                said = (self.directory / "log").read_text(errors="replace")[-2000:]
                pytest.fail(f"{self.kind} does not start:\n{said}")
            time.sleep(0.02)

    def signal(self, number: int) -> None:
        assert self.process is not None
        self.process.send_signal(number)

    def kill(self) -> None:
        """As by a power cut."""
        assert self.process is not None
        self.process.kill()
        self.process.wait(PATIENCE)

    def stop(self) -> None:
        if self.process is not None and self.process.poll() is None:
            self.process.send_signal(signal.SIGCONT)
            self.process.kill()
            self.process.wait(PATIENCE)
        shutil.rmtree(self.directory, ignore_errors=True)


class Redis(Server):
    kind = "redis"
    users = ("redis",)

    def __init__(self, *options: str) -> None:
        self.options = options
        super().__init__()

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}/0"

    def command(self) -> list[str]:
        return [
            program("redis-server"), "--port", str(self.port), "--bind", "127.0.0.1", "--save", "",
            "--appendonly", "no", "--dir", str(self.directory), "--loglevel", "warning",
            "--repl-diskless-sync-delay", "0", *self.options,
        ]  # fmt: skip

    def say(self, *words: str) -> bytes:
        return say(self.port, *words)

    def answers(self) -> bool:
        try:
            return self.say("PING").startswith(b"+PONG")
        except OSError:
            return False


class WithTls(Server):
    """It speaks TLS, with a certificate that nobody has signed but itself. ``stranger`` is another one."""

    def prepare(self) -> None:
        super().prepare()
        for key, certificate in (("key.pem", self.certificate), ("other.pem", self.stranger)):
            made = self.run(
                program("openssl"), "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "1",
                "-subj", "/CN=localhost", "-addext", "subjectAltName=IP:127.0.0.1",
                "-keyout", key, "-out", str(certificate),
            )  # fmt: skip
            if made.wait(PATIENCE) != 0:
                pytest.fail(f"openssl fails:\n{(self.directory / 'log').read_text(errors='replace')[-2000:]}")

    @property
    def certificate(self) -> Path:
        return self.directory / "certificate.pem"

    @property
    def stranger(self) -> Path:
        return self.directory / "stranger.pem"

    def trusting(self, certificate: Path) -> str:
        """The URL for who trusts that one."""
        raise NotImplementedError


class RedisWithTls(WithTls, Redis):
    """At a second port."""

    def prepare(self) -> None:
        self.tls_port = free_port()
        super().prepare()

    def trusting(self, certificate: Path) -> str:
        return f"rediss://127.0.0.1:{self.tls_port}/0?ssl_ca_certs={certificate}"

    def command(self) -> list[str]:
        return [
            *super().command(), "--tls-port", str(self.tls_port), "--tls-cert-file", "certificate.pem",
            "--tls-key-file", "key.pem", "--tls-ca-cert-file", "certificate.pem", "--tls-auth-clients", "no",
        ]  # fmt: skip


class Postgres(Server):
    kind = "postgresql"
    users = ("postgres",)
    options: tuple[str, ...] = ()

    @property
    def url(self) -> str:
        return f"postgresql://postgres@127.0.0.1:{self.port}/postgres"

    def program(self, name: str) -> str:
        return program(name, "usr/lib/postgresql/*/bin/" + name)

    def prepare(self) -> None:
        made = self.run(
            self.program("initdb"), "-D", str(self.directory / "data"), "-U", "postgres", "-A", "trust", "-N",
            "--locale=C", "-E", "UTF8",
        )  # fmt: skip
        if made.wait(4 * PATIENCE) != 0:
            pytest.fail(f"initdb fails:\n{(self.directory / 'log').read_text(errors='replace')[-2000:]}")

    def command(self) -> list[str]:
        return [
            self.program("postgres"), "-D", str(self.directory / "data"), "-p", str(self.port),
            "-c", "listen_addresses=127.0.0.1", "-c", f"unix_socket_directories={self.directory}",
            "-c", "max_connections=100", "-c", "shared_buffers=32MB", *self.options,
        ]  # fmt: skip

    def answers(self) -> bool:
        if not super().answers():
            return False
        # A startup packet for a user that may come in; while it starts the server says so with an error.
        with socket.create_connection(("127.0.0.1", self.port), 5) as line:
            body = b"\0\3\0\0user\0postgres\0database\0postgres\0\0"
            line.sendall((len(body) + 4).to_bytes(4, "big") + body)
            try:
                return line.recv(1) == b"R"
            except OSError:
                return False

    def kill(self) -> None:
        """As by a power cut: the postmaster's children end by themselves when it is gone."""
        super().kill()
        (self.directory / "data" / "postmaster.pid").unlink(missing_ok=True)


class RedisHere(Redis):
    """Reached by a socket in the file system, and by IPv6 where the machine has it."""

    def command(self) -> list[str]:
        command = super().command()
        command[command.index("--bind") + 1 : command.index("--bind") + 2] = ["127.0.0.1", *ipv6()]
        return [*command, "--unixsocket", str(self.directory / "socket"), "--unixsocketperm", "777"]

    @property
    def unix_url(self) -> str:
        return f"unix://{self.directory / 'socket'}?db=0"

    @property
    def ipv6_url(self) -> str:
        return f"redis://[::1]:{self.port}/0" if ipv6() else self.url


class PostgresHere(Postgres):
    """The same."""

    def command(self) -> list[str]:
        command = super().command()
        command[command.index("listen_addresses=127.0.0.1")] = ",".join(["listen_addresses=127.0.0.1", *ipv6()])
        return command

    @property
    def unix_url(self) -> str:
        return f"postgresql://postgres@/postgres?host={self.directory}&port={self.port}"

    @property
    def ipv6_url(self) -> str:
        return f"postgresql://postgres@[::1]:{self.port}/postgres" if ipv6() else self.url


def ipv6() -> list[str]:
    """The loopback address of IPv6, where there is one."""
    try:
        with socket.create_server(("::1", 0), family=socket.AF_INET6):
            return ["::1"]
    except OSError:
        return []


class PgBouncer(Server):
    """A pool in front of a PostgreSQL. In transaction mode, its default here, no session state survives a call."""

    kind = "pgbouncer"
    users = ("postgres",)

    def __init__(self, behind: Postgres, *options: str) -> None:
        self.behind = behind
        self.options = options or ("pool_mode = transaction", "default_pool_size = 2")
        super().__init__()

    @property
    def url(self) -> str:
        return f"postgresql://postgres@127.0.0.1:{self.port}/postgres"

    def prepare(self) -> None:
        (self.directory / "users").write_text('"postgres" ""\n')
        (self.directory / "config").write_text(
            "[databases]\n"
            f"postgres = host=127.0.0.1 port={self.behind.port} dbname=postgres\n"
            "[pgbouncer]\n"
            f"listen_addr = 127.0.0.1\nlisten_port = {self.port}\nunix_socket_dir =\n"
            f"auth_type = trust\nauth_file = {self.directory}/users\n"
            + "".join(f"{option}\n" for option in self.options)
        )

    def command(self) -> list[str]:
        return [program("pgbouncer", "usr/sbin/pgbouncer"), str(self.directory / "config")]


class Etcd(Server):
    kind = "etcd"
    users = ("etcd",)

    def prepare(self) -> None:
        self.peer = free_port()

    @property
    def url(self) -> str:
        return f"etcd://127.0.0.1:{self.port}"

    def command(self) -> list[str]:
        at, peer = f"http://127.0.0.1:{self.port}", f"http://127.0.0.1:{self.peer}"
        return [
            program("etcd"), "--name", "tests", "--data-dir", str(self.directory / "data"),
            "--listen-client-urls", at, "--advertise-client-urls", at,
            "--listen-peer-urls", peer, "--initial-advertise-peer-urls", peer, "--initial-cluster", f"tests={peer}",
        ]  # fmt: skip

    def answers(self) -> bool:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/health", timeout=2) as answer:
                return b'"true"' in answer.read()
        except OSError:
            return False


class PostgresWithTls(WithTls, Postgres):
    def trusting(self, certificate: Path) -> str:
        return f"{super().url}?sslmode=verify-full&sslrootcert={certificate}"

    def command(self) -> list[str]:
        files = f"ssl_cert_file={self.certificate}", f"ssl_key_file={self.directory / 'key.pem'}"
        return [*super().command(), "-c", "ssl=on", "-c", files[0], "-c", files[1]]


class EtcdWithTls(WithTls, Etcd):
    def trusting(self, certificate: Path) -> str:
        return f"etcds://127.0.0.1:{self.port}?cacert={certificate}"

    def command(self) -> list[str]:
        at = f"http://127.0.0.1:{self.port}"
        command = [word.replace("http:", "https:") if word == at else word for word in super().command()]
        return [*command, "--cert-file", "certificate.pem", "--key-file", "key.pem"]

    def answers(self) -> bool:
        trust = ssl.create_default_context(cafile=self.certificate)
        try:
            with urllib.request.urlopen(f"https://127.0.0.1:{self.port}/health", timeout=2, context=trust) as answer:
                return b'"true"' in answer.read()
        except OSError:
            return False


class Small:
    """A server whose data lie on a file system of their own, which a test can fill."""

    directory: Path
    user: str | None

    @property
    def data(self) -> Path:
        return self.directory / "data"

    def prepare(self) -> None:
        self.data.mkdir(mode=0o700)
        made = subprocess.run(
            ["mount", "-t", "tmpfs", "-o", "size=200m", "tmpfs", str(self.data)], capture_output=True, text=True
        )
        if made.returncode != 0:
            shutil.rmtree(self.directory)
            pytest.skip(f"no file system can be mounted here: {made.stderr.strip()}")
        self.data.chmod(0o700)
        if self.user is not None:
            entry = pwd.getpwnam(self.user)
            os.chown(self.data, entry.pw_uid, entry.pw_gid)
        super().prepare()  # type: ignore[misc]

    def fill(self) -> None:
        with contextlib.suppress(OSError), open(self.data / "ballast", "wb", buffering=0) as ballast:
            while ballast.write(bytes(65536)):
                pass

    def empty(self) -> None:
        (self.data / "ballast").unlink()

    def stop(self) -> None:
        process: subprocess.Popen[bytes] | None = self.process  # type: ignore[attr-defined]
        if process is not None and process.poll() is None:
            process.kill()
            process.wait(PATIENCE)
        subprocess.run(["umount", "-l", str(self.data)], check=False)
        super().stop()  # type: ignore[misc]


class SmallRedis(Small, Redis):
    def command(self) -> list[str]:
        command = super().command()
        command[command.index("--dir") + 1] = str(self.data)
        return [*command, "--appendonly", "yes", "--appendfsync", "always"]


class SmallPostgres(Small, Postgres):
    pass


class SmallEtcd(Small, Etcd):
    pass


class Replica:
    """A Redis and its replica."""

    def __init__(self) -> None:
        self.primary = Redis()
        self.replica = Redis("--replicaof", f"127.0.0.1 {self.primary.port}")

    def fall_behind(self) -> None:
        """Have the replica miss what comes from now on."""
        until(lambda: b"master_link_status:up" in self.replica.say("INFO", "replication"), "the replica follows")
        self.replica.say("CONFIG", "SET", "masterauth", "x")  # it does not come back once the link is cut
        self.replica.say("REPLICAOF", "127.0.0.1", "1")

    def promote(self) -> None:
        self.primary.kill()
        self.replica.say("REPLICAOF", "NO", "ONE")

    def stop(self) -> None:
        self.primary.stop()
        self.replica.stop()


class Follower(Postgres):
    """A standby of a PostgreSQL, which it follows by way of another port."""

    def __init__(self, primary: Postgres, way: int) -> None:
        self.primary, self.way = primary, way
        super().__init__()

    def prepare(self) -> None:
        data = self.directory / "data"
        made = self.run(
            self.program("pg_basebackup"), "-D", str(data), "-U", "postgres", "-h", "127.0.0.1",
            "-p", str(self.primary.port), "-R", "-N", "-c", "fast", "-X", "fetch",
        )  # fmt: skip
        if made.wait(PATIENCE) != 0:
            pytest.fail(f"pg_basebackup fails:\n{(self.directory / 'log').read_text(errors='replace')[-2000:]}")
        settings = data / "postgresql.auto.conf"
        settings.write_text(settings.read_text().replace(f"port={self.primary.port}", f"port={self.way}"))


class Standby:
    """A PostgreSQL and its asynchronous standby."""

    def __init__(self) -> None:
        self.primary = Postgres()
        self.line = Proxy(("127.0.0.1", self.primary.port))
        self.replica = Follower(self.primary, self.line.port)

    def ask(self, server: Postgres, question: str) -> Any:
        import psycopg

        with psycopg.connect(server.url, autocommit=True) as connection:
            return connection.execute(question).fetchone()

    def fall_behind(self) -> None:
        until(
            lambda: self.ask(self.replica, "SELECT to_regprocedure('interlock.version()')") != (None,),
            "the standby follows",
        )
        self.line.cut()

    def promote(self) -> None:
        self.primary.kill()
        assert self.ask(self.replica, "SELECT pg_promote()") == (True,)

    def stop(self) -> None:
        self.line.close()
        self.primary.stop()
        self.replica.stop()


class Sentinel(Server):
    """A Redis, its replica, and a sentinel that makes the replica the primary when that does not answer."""

    kind = "redis"
    users = ("redis",)

    def __init__(self) -> None:
        self.pair = Replica()
        super().__init__()
        self.say = self.pair.primary.say
        until(lambda: b"num-slaves" in self.ask("SENTINEL", "MASTER", "shop"), "the sentinel answers")
        until(lambda: b"num-slaves\r\n$1\r\n1" in self.ask("SENTINEL", "MASTER", "shop"), "it knows the replica")
        self.at = self.port
        del self.port  # nobody puts a proxy before it

    def ask(self, *words: str) -> bytes:
        return say(self.port, *words)

    @property
    def url(self) -> str:
        return f"redis+sentinel://127.0.0.1:{self.at}/shop/0"

    def prepare(self) -> None:
        (self.directory / "config").write_text(
            f"port {self.port}\nbind 127.0.0.1\ndir {self.directory}\n"
            f"sentinel monitor shop 127.0.0.1 {self.pair.primary.port} 1\n"
            "sentinel down-after-milliseconds shop 500\nsentinel failover-timeout shop 3000\n"
        )
        if self.user is not None:
            os.chown(self.directory / "config", pwd.getpwnam(self.user).pw_uid, pwd.getpwnam(self.user).pw_gid)

    def command(self) -> list[str]:
        return [program("redis-server"), str(self.directory / "config"), "--sentinel"]

    def stop(self) -> None:
        super().stop()
        self.pair.stop()


class RedisNode(Redis):
    """Its second port, for the other nodes, is 10,000 above the first."""

    def free_port(self) -> int:
        while (port := free_port()) > 55535:
            pass
        return port


class RedisCluster:
    """Three Redis that share the slots, and one that follows the one where ``key`` lives."""

    kind = "redis"

    def __init__(self, key: str) -> None:
        self.nodes: list[Redis] = []
        try:
            self.build(key)
        except BaseException:
            self.stop()
            raise

    def build(self, key: str) -> None:
        options = {"enabled": "yes", "node-timeout": "1000", "require-full-coverage": "no"}
        words = [word for name, value in options.items() for word in (f"--cluster-{name}", value)]
        for _ in range(4):
            self.nodes.append(RedisNode(*words))
        first = self.nodes[0]
        slot = int(first.say("CLUSTER", "KEYSLOT", key)[1:])
        bounds = [0, 5461, 10923, 16384]
        self.home = next(i for i in range(3) if bounds[i] <= slot < bounds[i + 1])
        for i, node in enumerate(self.nodes):
            node.say("CLUSTER", "SET-CONFIG-EPOCH", str(i + 1))
            if i < 3:
                node.say("CLUSTER", "ADDSLOTSRANGE", str(bounds[i]), str(bounds[i + 1] - 1))
            first.say("CLUSTER", "MEET", "127.0.0.1", str(node.port))
        for node in self.nodes:
            until(lambda node=node: node.say("CLUSTER", "NODES").count(b"connected\n") >= 1
                  and b"cluster_known_nodes:4" in node.say("CLUSTER", "INFO"), "the nodes know each other")  # fmt: skip
        home = self.nodes[self.home].say("CLUSTER", "MYID").split(b"\r\n")[1].decode()
        until(lambda: self.nodes[3].say("CLUSTER", "REPLICATE", home).startswith(b"+OK"), "it may follow")
        for node in self.nodes:
            until(lambda node=node: b"cluster_state:ok" in node.say("CLUSTER", "INFO"), "the cluster is there")
        until(lambda: b"master_link_status:up" in self.nodes[3].say("INFO", "replication"), "it follows")

    @property
    def url(self) -> str:
        """Of a node that the key does not live on."""
        return self.nodes[(self.home + 1) % 3].url

    def stop(self) -> None:
        for node in self.nodes:
            node.stop()


class EtcdMember(Etcd):
    def __init__(self, name: str, peers: dict[str, int]) -> None:
        self.name, self.peers = name, peers
        super().__init__()

    def prepare(self) -> None:
        self.peer = self.peers[self.name]

    def start(self) -> None:
        """Without waiting: one alone does not answer."""
        self.process = self.run(*self.command())

    def command(self) -> list[str]:
        command = super().command()
        command[command.index("--name") + 1] = self.name
        command[-1] = ",".join(f"{name}=http://127.0.0.1:{port}" for name, port in self.peers.items())
        return command


class EtcdBehindProxy(EtcdMember):
    """It listens for the other members at another port than the one they know."""

    def __init__(self, name: str, peers: dict[str, int], listens: int) -> None:
        self.listens = listens
        super().__init__(name, peers)

    def command(self) -> list[str]:
        command = super().command()
        command[command.index("--listen-peer-urls") + 1] = f"http://127.0.0.1:{self.listens}"
        return command


class EtcdMembers:
    """An etcd of three."""

    kind = "etcd"

    def __init__(self) -> None:
        peers = {f"member{i}": free_port() for i in range(3)}
        self.members = [EtcdMember(name, peers) for name in peers]
        until(lambda: all(member.answers() for member in self.members), "all members answer")

    @property
    def url(self) -> str:
        return "etcd://" + ",".join(f"127.0.0.1:{member.port}" for member in self.members)

    def leaders(self) -> list[int]:
        """Who believes to lead: two of them, for a moment, where one was cut off."""
        found = []
        for number, member in enumerate(self.members):
            asked = urllib.request.Request(f"http://127.0.0.1:{member.port}/v3/maintenance/status", data=b"{}")
            with contextlib.suppress(OSError), urllib.request.urlopen(asked, timeout=2) as answer:
                said = json.load(answer)
                if said.get("leader") == said["header"]["member_id"]:
                    found.append(number)
        return found

    def leader(self) -> int:
        """The one who leads."""
        until(lambda: len(self.leaders()) == 1, "somebody leads")
        return self.leaders()[0]

    def stop(self) -> None:
        for member in self.members:
            member.stop()


class PeerProxy(Proxy):
    """Before the port of a member for the other members. Which of them a line comes from, the kernel knows."""

    def __init__(self, target: tuple[str, int], apart: Callable[[int], bool]) -> None:
        self.apart = apart
        super().__init__(target)

    def refuses(self, port: int) -> bool:
        return self.is_cut or self.apart(port)


class EtcdPartition(EtcdMembers):
    """An etcd of three, of which one can be cut off from the others; its own clients still reach it, and only it."""

    def __init__(self) -> None:
        self.alone: int | None = None
        self.members = []
        ports = [free_port() for _ in range(3)]
        self.lines = [PeerProxy(("127.0.0.1", port), self.is_from_alone) for port in ports]
        peers = {f"member{i}": line.port for i, line in enumerate(self.lines)}
        for name, port in zip(peers, ports, strict=True):
            self.members.append(EtcdBehindProxy(name, peers, port))
        until(lambda: all(member.answers() for member in self.members), "all members answer")

    @property
    def urls(self) -> list[str]:
        return [member.url for member in self.members]

    def is_from_alone(self, port: int) -> bool:
        """Whether the end of a line with this port belongs to the member that is cut off."""
        alone = self.alone  # the test may heal them meanwhile
        if alone is None:
            return False
        at = f"0100007F:{port:04X}"
        with open("/proc/net/tcp") as table:
            inodes = {words[9] for words in map(str.split, table) if words[1] == at}
        process = self.members[alone].process
        assert process is not None
        with contextlib.suppress(OSError):  # it has ended
            for fd in Path(f"/proc/{process.pid}/fd").iterdir():
                with contextlib.suppress(OSError):  # closed by now
                    if os.readlink(fd).removeprefix("socket:[").removesuffix("]") in inodes:
                        return True
        return False

    def isolate(self, number: int) -> None:
        """Cut all lines between this one and the others. Those between the others are made anew."""
        self.alone = number
        for line in self.lines:
            line.cut()
        for i, line in enumerate(self.lines):
            if i != number:
                line.heal()

    def others_lead(self, alone: int) -> None:
        """Return when one of the others leads."""
        until(lambda: any(i != alone for i in self.leaders()), "the others have a leader")

    def heal(self) -> None:
        self.alone = None
        for line in self.lines:
            line.heal()

    def stop(self) -> None:
        super().stop()
        for line in self.lines:
            line.close()


KINDS: dict[str, Callable[[], Any]] = {"redis": Redis, "postgresql": Postgres, "etcd": Etcd}


def start(kind: str) -> Any:
    return KINDS[kind]()
