"""PostgreSQL: the permit machine as functions in a schema of its own, one call of them for each step.

`interlock setup URL` makes the schema; where the user may, the first connection does. Every step is one transaction, so
they go through PgBouncer in transaction mode. Hints come by NOTIFY: a process listens only while it waits, since a
NOTIFY wakes every listener of the database. LISTEN needs a connection of its own: where the URL leads to a pooler in
transaction mode, give a direct one as ``listen=``; without one the engine is asked again and again, which is said once.

    postgresql://[user[:password]@]host[:port]/database[?options]

``durable``: False commits without waiting for the disk. A server that crashes may then have lost its last grants, so it
makes none for a while after a restart. ``listen``: a URL for LISTEN, or "" to ask again and again.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import select
import socket
import time
from collections.abc import Sequence
from importlib import resources
from typing import Any

import psycopg
from psycopg import sql
from psycopg.conninfo import make_conninfo
from psycopg.pq import DiagnosticField, ExecStatus
from psycopg.pq.abc import PGresult

from interlock.cluster.bell import Bell
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
    refuse_unreadable,
    unreadable,
    without_password,
)
from interlock.cluster.errors import ClusterError, SetupNeeded

log: logging.Logger = logging.getLogger("interlock.cluster")

SCHEMA = resources.files("interlock.cluster.engines").joinpath("machine.sql").read_text("utf-8")
VERSION = 4
KEEP = 4  # idle connections
HOMES = 10_000  # waiters of which it is known where they are
CONNECT = 5.0  # seconds to connect
HEARD = 1.0  # seconds in which a hint comes through a pooler that lets hints through
POLLS = (0.02, 0.05, 0.1, 0.25)  # seconds between questions where nobody can listen
SETUP_LOCK = 7236_7236

# The server ended the step, and it can be sent again: serialization failure, deadlock, shutdown, too many connections,
# a full disk, a timeout that the user set for statements, locks or connections, or it is (still) a standby.
AGAIN = ("40001", "40P01", "57P", "57014", "55P03", "53", "08", "25006", "25P03", "58")


STEP = b"SELECT {schema}.step($1, $2, $3)"
QUICK_ENTER = b"SELECT {schema}.quick_enter($1, $2, $3, $4, $5, $6, $7, $8, $9)"
QUICK_LEAVE = b"SELECT {schema}.quick_leave($1, $2, $3, $4, $5)"
UNIQUE = b"23505"  # unique_violation
DURABLE = (
    b"CASE current_setting('synchronous_commit') WHEN 'off' THEN 'on' ELSE current_setting('synchronous_commit') END"
)


class Line:
    """A connection, used by one thread at a time. By libpq itself, so that a network that has frozen is given up.

    Where it leads to the server and no pooler is between, statements are prepared, each when it is first used, and what
    is set stays set. In a pool the connection is somebody else's after each transaction.
    """

    def __init__(self, engine: PostgresEngine, connection: Any) -> None:
        self.connection = connection
        self.pgconn: Any = connection.pgconn
        self.schema: bytes = engine.schema.encode()
        self.settings = engine.settings
        self.poll: select.poll = select.poll()
        self.poll.register(self.pgconn.socket, select.POLLIN)
        self.prepared: dict[bytes, bytes] = {}  # statement -> its name here
        # A pooler makes up what it says of itself.
        (server,) = connection.execute("SELECT pg_backend_pid()").fetchone()
        self.direct: bool = server == self.pgconn.backend_pid
        # Whether commits wait for the disk is ours to say: a user, or the server, may have it off.
        wanted = DURABLE if engine.durable else b"'off'"
        self.more: bytes = b", set_config('synchronous_commit', %b, true)" % wanted
        if self.direct:
            connection.execute(b"SELECT set_config('synchronous_commit', %b, false)" % wanted)
            self.more = b""

    def ask(self, statement: bytes, values: list[bytes], timeout: float) -> PGresult:
        """The result of a statement, which may be an error of the server. Raises `Unreachable`."""
        line = self.pgconn
        deadline = time.monotonic() + timeout
        name = self.prepared.get(statement)
        if name is None:
            text = statement.replace(b"{schema}", self.schema) + self.more
            if not self.direct:
                line.send_query_params(text, values)
                return self.result(deadline, timeout)
            name = b"interlock_%d" % len(self.prepared)
            line.send_prepare(name, text)
            made = self.result(deadline, timeout)
            if made.status != ExecStatus.COMMAND_OK:
                return made
            self.prepared[statement] = name
        line.send_query_prepared(name, values)
        return self.result(deadline, timeout)

    def result(self, deadline: float, timeout: float) -> PGresult:
        """An answer is one only when it is committed: an error may follow it. So the last one counts."""
        line = self.pgconn
        while line.flush():
            pass  # a step is smaller than what the kernel takes at once
        last: PGresult | None = None
        while True:
            while line.is_busy():
                if not self.poll.poll(max(0.0, deadline - time.monotonic()) * 1000):
                    raise Unreachable(f"no answer within {timeout:g} s")
                line.consume_input()
            result = line.get_result()
            if result is None:
                break
            last = result
        if last is None:
            said = " ".join(line.error_message.decode(errors="replace").split())
            raise Unreachable(without_password(said, self.settings))
        return last

    def close(self) -> None:
        self.connection.close()


class PostgresEngine(Engine):
    def __init__(self, settings: Settings, schema: str = "interlock") -> None:
        super().__init__(settings)
        options = dict(settings.options)
        self.durable: bool = bool(options.pop("durable", True))
        listen = options.pop("listen", None)
        self.listen: str = settings.url if listen is None else listen
        self.options = options
        for url, more in ((settings.url, options), (self.listen, {})):
            try:
                if url.startswith("postgres"):
                    refuse_unreadable(url)
                make_conninfo(url, **more)  # connects to nothing
            except psycopg.ProgrammingError as error:
                said = without_password(" ".join(str(error).split()), settings)
                raise unreadable(url, said) from cause(error, settings)
        self.schema = schema
        # waiter -> the name where it probably is, and whether it waited there for the one permit
        self.homes: dict[str, tuple[str, bytes]] = {}
        self.prefix: bytes = settings.prefix.encode()
        self.spare: Spare[Line] = Spare(KEEP, lambda line: line.pgconn.socket, Line.close)
        self.told_polling = False

    # --- connections ------------------------------------------------------------------------------------------------

    def connect(self, timeout: float) -> Line:
        """A new connection that has said hello."""
        if self.spare.closed:
            raise Unreachable("closed")
        try:
            connection = psycopg.connect(
                self.settings.url,
                autocommit=True,
                prepare_threshold=None,
                **{
                    "application_name": "interlock",
                    "connect_timeout": max(1, round(min(CONNECT, timeout))),
                    **self.options,
                    "client_encoding": "utf8",  # one name is one, whoever asks
                },
            )
        except psycopg.Error as error:
            raise self.meaning(error) from cause(error, self.settings)
        try:
            self.limit(connection, timeout)
            self.look_at_schema(connection)
            line = Line(self, connection)
            if not self.settings.looks:
                self.hello(line)
        except BaseException as error:
            connection.close()
            if isinstance(error, psycopg.Error):
                raise self.meaning(error) from cause(error, self.settings)
            raise
        return line

    def limit(self, connection: Any, timeout: float) -> None:
        """Have the kernel give up a line on which nothing comes through any more."""
        with contextlib.suppress(OSError, AttributeError), socket.socket(fileno=os.dup(connection.fileno())) as line:
            if line.family != socket.AF_UNIX and hasattr(socket, "TCP_USER_TIMEOUT"):
                line.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, int(timeout * 1000))

    def look_at_schema(self, connection: Any) -> None:
        found = connection.execute("SELECT to_regprocedure(%s)", (f"{self.schema}.version()",)).fetchone()
        if found[0] is not None:
            version = connection.execute(f"SELECT {self.schema}.version()").fetchone()[0]
            if version != VERSION:
                raise SetupNeeded(
                    f"the schema of {self.shown} has version {version}, this interlock speaks {VERSION}:"
                    f" interlock setup {self.shown}"
                )
            return
        try:
            self.setup(connection, again=False)
        except (psycopg.errors.InsufficientPrivilege, psycopg.errors.ProtocolViolation) as error:
            who = (
                "this user may not make it: run as one who may"
                if isinstance(error, psycopg.errors.InsufficientPrivilege)
                else "it cannot be made through this pooler: run with the address of the server"
            )
            raise SetupNeeded(
                f"{self.shown} has no schema {self.schema} yet, and {who}: interlock setup {self.shown}"
            ) from error

    def install(self) -> None:
        """What `interlock setup` does. Raises `Unreachable`, `ClusterError`."""
        try:
            with psycopg.connect(
                self.settings.url, autocommit=True, **{"connect_timeout": round(CONNECT), **self.options}
            ) as connection:
                self.setup(connection)
        except psycopg.Error as error:
            raise self.meaning(error) from cause(error, self.settings)

    def setup(self, connection: Any, again: bool = True) -> None:
        """Make the schema, or bring it up to date. ``again``: also one that another has made by now.

        To make what is there locks tables that the steps of others use, in another order than they do.
        """
        with connection.transaction():
            connection.execute("SELECT pg_advisory_xact_lock(%s)", (SETUP_LOCK,))
            found = connection.execute("SELECT to_regprocedure(%s)", (f"{self.schema}.version()",)).fetchone()
            if again or found[0] is None:
                connection.execute(self.text)

    @property
    def text(self) -> str:
        return (
            SCHEMA
            if self.schema == "interlock"
            else SCHEMA.replace("interlock.", f"{self.schema}.").replace(
                "SCHEMA IF NOT EXISTS interlock", f"SCHEMA IF NOT EXISTS {self.schema}"
            )
        )

    def hello(self, line: Line) -> None:
        """Say which life of the server this is: one that may have lost grants makes none for a while.

        What is committed durably survives a restart; not a replica that took over and was behind.
        """
        life = line.connection.execute(
            "SELECT CASE WHEN NOT pg_is_in_recovery() THEN substr(pg_walfile_name(pg_current_wal_lsn()), 1, 8) END,"
            " extract(epoch FROM pg_postmaster_start_time())::text,"
            " extract(epoch FROM clock_timestamp() - pg_postmaster_start_time())::float8,"
            " current_setting('transaction_isolation')"
        ).fetchone()
        if life[0] is None:
            raise Unreachable("it is a standby, which can only be read")
        if life[3] != "read committed":
            raise ClusterError(f"{self.shown}: default_transaction_isolation is {life[3]}; it has to be read committed")
        # What commits without waiting for the disk may lose grants in each life of the server.
        run, other = life[0], f"{life[0]} {life[1]}"
        if not self.durable:
            run, other = other, run
        # Nothing that was noted durably is lost, so where nothing is noted nothing was.
        age = int(life[2] * 1_000_000) if not self.durable else 10**15
        longest = int(self.settings.quarantine * 1_000_000)
        self.tell_quiet(self.run(line, "hello", (run, longest, age, other), CONNECT)[0])

    def meaning(self, error: Any) -> Exception:
        """What an error of the client or the server means."""
        return self.refused(getattr(error, "sqlstate", None) or "", str(error))

    def refused(self, state: str, text: str) -> Exception:
        said = without_password(" ".join(text.split()), self.settings)
        if not state or state.startswith(AGAIN):
            return Unreachable(said)
        if state in ("3F000", "42883", "42P01"):
            return SetupNeeded(f"{self.shown} lacks its schema: interlock setup {self.shown} ({said})")
        if state == "42501":
            return SetupNeeded(
                f"{self.shown} refuses: {said}. Its owner may allow it: GRANT USAGE ON SCHEMA {self.schema} TO this"
                f" user; GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA {self.schema} TO this user"
            )
        return ClusterError(f"{self.shown} refuses: {said}")

    # --- steps ------------------------------------------------------------------------------------------------------

    def call(self, op: str, arguments: Sequence[Argument], timeout: float) -> Answer:
        line = self.spare.take() or self.connect(timeout)
        try:
            answer = self.run(line, op, arguments, timeout)
        except BaseException as error:
            line.close()
            if isinstance(error, psycopg.Error):
                error = self.meaning(error)
            if isinstance(error, Unreachable):
                self.spare.drop()
            raise error
        self.spare.put(line)
        return answer

    def run(self, line: Line, op: str, arguments: Sequence[Argument], timeout: float) -> Answer:
        """By the quick way where there is one."""
        if op == "enter":
            waiter, name = str(arguments[1]), str(arguments[2])
            self.homes[waiter] = name, b"f"
            if len(self.homes) > HOMES:
                with contextlib.suppress(RuntimeError, StopIteration, KeyError):  # another thread may do the same
                    del self.homes[next(iter(self.homes))]
            values = [self.prefix, *(str(each).encode() for each in arguments)]
            result = line.ask(QUICK_ENTER, values, timeout)
            if result.status == ExecStatus.TUPLES_OK:
                answer: Answer = json.loads(result.get_value(0, 0).decode())
                if answer[0] == "queued" and arguments[4] == 1:
                    self.homes[waiter] = name, b"t"
                return answer
            if result.error_field(DiagnosticField.SQLSTATE) != UNIQUE:
                raise self.failed(result)
        elif op == "leave" and len(arguments) == 2:
            session, waiter = map(str, arguments)
            home = self.homes.pop(waiter, None)
            if home:
                values = [self.prefix, session.encode(), waiter.encode(), home[0].encode(), home[1]]
                return self.answer(line.ask(QUICK_LEAVE, values, timeout))
        return self.answer(line.ask(STEP, [self.prefix, op.encode(), array(arguments)], timeout))

    def answer(self, result: PGresult) -> Answer:
        if result.status != ExecStatus.TUPLES_OK:
            raise self.failed(result)
        answer: Answer = json.loads(result.get_value(0, 0).decode())
        return answer

    def failed(self, result: PGresult) -> Exception:
        state = (result.error_field(DiagnosticField.SQLSTATE) or b"").decode()
        said = result.error_field(DiagnosticField.MESSAGE_PRIMARY) or b"no answer"
        return self.refused(state, said.decode(errors="replace"))

    def tell_polling(self) -> None:
        """Warn, once, that hints do not come."""
        if not self.told_polling:
            self.told_polling = True
            log.warning("%s is asked again and again by those who wait: give a direct URL as listen=", self.shown)

    def inbox(self, session: str) -> Inbox:
        return PostgresInbox(self, session)

    def warnings(self) -> list[str]:
        """What about this server makes it slower than it could be, or keeps hints from coming."""
        told = []
        line = self.connect(CONNECT)
        try:
            old = line.connection.execute(
                "SELECT count(*), coalesce(extract(epoch FROM max(now() - xact_start)), 0)::int FROM pg_stat_activity"
                " WHERE xact_start < now() - interval '1 minute' AND backend_type = 'client backend'"
            ).fetchone()
            if old[0]:
                told.append(
                    f"{old[0]} transactions are open for up to {old[1]} s: rows that changed cannot be cleaned up"
                    " meanwhile, and every call gets slower."
                )
        finally:
            line.close()
        return told

    def forked(self) -> None:
        # Closed without a word: their sockets are the parent's too. libpq would say goodbye for both.
        for line in self.spare.forked():
            with contextlib.suppress(Exception):
                os.close(line.connection.fileno())
            _kept.append(line)

    def close(self) -> None:
        self.spare.close()


def array(arguments: Sequence[Argument]) -> bytes:
    """A text[] as it is written."""
    quoted = (str(each).replace("\\", "\\\\").replace('"', '\\"') for each in arguments)
    return ("{" + ",".join(f'"{each}"' for each in quoted) + "}").encode()


_kept: list[Line] = []  # connections of a parent: never closed, since that would end them for it


class PostgresInbox(Inbox):
    def __init__(self, engine: PostgresEngine, session: str) -> None:
        self.engine = engine
        self.session = session
        self.channel: str = f"interlock_{session}"
        self.connection: Any = None
        self.socket: select.poll = select.poll()
        self.closing: Bell = Bell()
        self.asked: int = 0
        self.used: float = 0.0

    def read(self, timeout: float) -> list[Told] | None:
        if self.closing.is_set:
            raise Unreachable("closed")
        if not self.engine.listen:
            return self.poll(timeout)
        if self.connection is None:
            self.open()
            return None
        try:
            told = self.notices()
            if not told and self.socket.poll(timeout * 1000):
                self.connection.pgconn.consume_input()
                told = self.notices()
        except psycopg.Error as error:
            self.drop()
            raise self.engine.meaning(error) from cause(error, self.engine.settings)
        return told

    def notices(self) -> list[Told]:
        """What has come. By libpq itself, whose client makes more of it."""
        told = []
        while (notice := self.connection.pgconn.notifies()) is not None:
            waiter, _, value = notice.extra.decode().partition(" ")
            told.append(Told(waiter, int(value)))
        return told

    def open(self) -> None:
        try:
            self.connection = psycopg.connect(
                self.engine.listen,
                autocommit=True,
                prepare_threshold=None,
                **{
                    "connect_timeout": round(CONNECT),
                    "keepalives_idle": 2,
                    "keepalives_interval": 1,
                    "keepalives_count": 3,
                    # What was given for another way to the database is not for this one.
                    **(self.engine.options if self.engine.listen == self.engine.settings.url else {}),
                    "application_name": "interlock listener",
                },
            )
            self.connection.execute(sql.SQL("LISTEN {}").format(sql.Identifier(self.channel)))
            self.socket = select.poll()
            self.socket.register(self.connection.fileno(), select.POLLIN)
            (server,) = self.connection.execute("SELECT pg_backend_pid()").fetchone()
            if server == self.connection.pgconn.backend_pid:
                if self.connection.info.server_version >= 140000:
                    self.connection.execute("SET idle_session_timeout TO 0")  # it has to be idle
            elif not self.hears():
                self.engine.listen = ""
                self.engine.tell_polling()
                self.drop()
        except BaseException as error:
            self.drop()
            if isinstance(error, psycopg.Error):
                raise self.engine.meaning(error) from cause(error, self.engine.settings)
            raise

    def hears(self) -> bool:
        """Whether a hint comes through the pooler: in its session mode it does, in its transaction mode it is lost."""
        line = self.engine.spare.take() or self.engine.connect(CONNECT)
        try:
            result = line.ask(b"SELECT pg_notify($1, '')", [self.channel.encode()], CONNECT)
        finally:
            line.close()
        if result.status != ExecStatus.TUPLES_OK:
            raise self.engine.failed(result)
        deadline = time.monotonic() + HEARD
        while self.connection.pgconn.notifies() is None:
            if not self.socket.poll(max(0.0, deadline - time.monotonic()) * 1000):
                return False
            self.connection.pgconn.consume_input()
        return True

    def poll(self, timeout: float) -> list[Told] | None:
        """Nobody can listen: have the engine asked soon, and then less often."""
        self.engine.tell_polling()
        at = time.monotonic()
        if at - self.used > 1.0:
            self.asked = 0
        pause = min(timeout, POLLS[min(self.asked, len(POLLS) - 1)])
        self.asked += 1
        self.closing.wait(pause)
        self.used = time.monotonic()
        return None

    def rest(self) -> None:
        self.drop()

    def drop(self) -> None:
        connection, self.connection = self.connection, None
        if connection is not None:
            with contextlib.suppress(Exception):
                connection.close()

    def close(self) -> None:
        self.closing.set()
        connection = self.connection
        if connection is not None:
            with contextlib.suppress(Exception), socket.socket(fileno=os.dup(connection.fileno())) as line:
                line.shutdown(socket.SHUT_RDWR)


def make(settings: Settings) -> Engine:
    return PostgresEngine(settings)
