"""Real servers for the tests: each on a free loopback port, in a directory of its own, as a user without rights.

They are Debian's programs; `tools/servers.py` installs them where they are missing. A server is ended by its process
id. One that cannot be had is a skip that says so, and an error where INTERLOCK_CI=1.
"""

import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

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
        self.port = free_port()
        self.process: subprocess.Popen[bytes] | None = None
        self.user = self.unprivileged()
        self.prepare()
        self.start()

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
        """A command and the first piece of its answer, without a client."""
        with socket.create_connection(("127.0.0.1", self.port), 5) as line:
            line.sendall(b"*%d\r\n" % len(words) + b"".join(b"$%d\r\n%s\r\n" % (len(w), w.encode()) for w in words))
            return line.recv(65536)

    def answers(self) -> bool:
        try:
            return self.say("PING").startswith(b"+PONG")
        except OSError:
            return False


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
        if made.wait(PATIENCE) != 0:
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


class PgBouncer(Server):
    """A pool in transaction mode in front of a PostgreSQL: no session state survives a call."""

    kind = "pgbouncer"
    users = ("postgres",)

    def __init__(self, behind: Postgres) -> None:
        self.behind = behind
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
            "pool_mode = transaction\ndefault_pool_size = 2\n"
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


KINDS: dict[str, Callable[[], Any]] = {"redis": Redis, "postgresql": Postgres, "etcd": Etcd}


def start(kind: str) -> Any:
    return KINDS[kind]()
