"""Machines that the same steps can be given to, with a clock that the test sets."""

import itertools
from collections.abc import Sequence
from typing import Any

from interlock.cluster.engine import Answer, Argument, Settings
from interlock.cluster.machine import Machine

prefixes = itertools.count(1)
START = 1_700_000_000_000_000  # us


class Reference:
    """`machine.py` as it stands."""

    def __init__(self, engine: Any = None) -> None:
        self.now = START
        self.tells: list[tuple[str, str, int]] = []
        self.machine = Machine(lambda *told: self.tells.append(told), lambda: self.now)

    def step(self, op: str, *arguments: Argument) -> Answer:
        return self.machine.step(op, arguments)

    def told(self, sessions: Sequence[str]) -> list[tuple[str, str, int]]:
        """What inboxes of sessions that live got since the last time, session by session."""
        told = [each for each in self.tells if each[0] in self.machine.sessions]
        self.tells.clear()
        return sorted(told, key=lambda each: each[0])

    def end(self) -> None:
        pass


class InRedis:
    """The script, in a server."""

    def __init__(self, engine: Any) -> None:
        from interlock.cluster.engines.redis import SCRIPT, RedisEngine

        clock = "local time = call('TIME')\nlocal now = time[1] * 1000000 + time[2]\n"
        assert clock in SCRIPT
        script = SCRIPT.replace(clock, "local now = tonumber(call('GET', P .. ':now'))\n")
        self.prefix = f"same{next(prefixes)}"
        self.engine = RedisEngine(Settings(engine.url, self.prefix), script)
        self.engine.hello = lambda connection: None  # type: ignore[method-assign] - the test says it itself
        self.line: Any = self.engine.connect(5)
        self.last: dict[str, str] = {}
        self.now = START

    def say(self, *words: str | int) -> Any:
        self.line.send_command(*words)
        return self.line.read_response()

    @property
    def now(self) -> int:
        return self._now

    @now.setter
    def now(self, us: int) -> None:
        self._now = us
        self.say("SET", f"{{{self.prefix}}}:now", us)

    def step(self, op: str, *arguments: Argument) -> Answer:
        return self.engine.call(op, arguments, 5)

    def told(self, sessions: Sequence[str]) -> list[tuple[str, str, int]]:
        told = []
        for session in sorted(sessions):
            entries = self.say("XRANGE", f"{{{self.prefix}}}:b:{session}", f"({self.last.get(session, '0-0')}", "+")
            for self.last[session], (_, waiter, _, value) in entries:
                told.append((session, waiter, int(value)))
        return told

    def keys(self) -> list[str]:
        return sorted(self.say("KEYS", f"{{{self.prefix}}}:*"))

    def end(self) -> None:
        for key in self.keys():
            self.say("DEL", key)
        self.line.disconnect()
        self.engine.close()


class InPostgres:
    """The functions, in a schema of their own whose clock is a table."""

    def __init__(self, engine: Any) -> None:
        import psycopg

        from interlock.cluster.engines.postgresql import Line, PostgresEngine

        self.prefix = f"same{next(prefixes)}"
        self.engine = PostgresEngine(Settings(engine.url, self.prefix), "interlock_test")
        self.engine.hello = lambda connection: None  # type: ignore[method-assign] - the test says it itself
        self.engine.connect(5).close()  # makes the schema
        self.line: Any = psycopg.connect(engine.url, autocommit=True, prepare_threshold=None)
        self.line.execute("CREATE TABLE IF NOT EXISTS interlock_test.at (us bigint)")
        self.line.execute("TRUNCATE interlock_test.at")
        self.line.execute("INSERT INTO interlock_test.at VALUES (0)")
        self.line.execute(
            "CREATE OR REPLACE FUNCTION interlock_test.clock() RETURNS bigint LANGUAGE sql VOLATILE AS"
            " 'SELECT us FROM interlock_test.at'"
        )
        self.line.execute("SET synchronous_commit = off")
        self.line.execute("LISTEN x")
        self.way = Line(self.engine, self.line)
        self.notices: list[Any] = []
        self.line.add_notify_handler(self.notices.append)
        self.now = START

    @property
    def now(self) -> int:
        return self._now

    @now.setter
    def now(self, us: int) -> None:
        self._now = us
        self.line.execute("UPDATE interlock_test.at SET us = %s", (us,))

    def step(self, op: str, *arguments: Argument) -> Answer:
        if op == "open":
            self.line.execute(f'LISTEN "interlock_{arguments[0]}"')
        # On the line that listens, so that what was told has come with the answer.
        return self.engine.run(self.way, op, arguments, 5)

    def told(self, sessions: Sequence[str]) -> list[tuple[str, str, int]]:
        self.line.execute("SELECT 1")
        living = {
            row[0] for row in self.line.execute(
                "SELECT id FROM interlock_test.session WHERE prefix = %s", (self.prefix,)
            )
        }  # fmt: skip
        told = []
        for notice in self.notices:
            waiter, value = notice.payload.split(" ")
            told.append((notice.channel.removeprefix("interlock_"), waiter, int(value)))
        self.notices.clear()
        return sorted((each for each in told if each[0] in living), key=lambda each: each[0])

    def end(self) -> None:
        for table in ("state", "session", "answer", "record", "waiter"):
            self.line.execute(f"DELETE FROM interlock_test.{table} WHERE prefix = %s", (self.prefix,))
        self.line.close()
        self.engine.close()


class InEtcd:
    """The engine itself. Its clock is not ours, so nothing ends by time here."""

    def __init__(self, engine: Any) -> None:
        from interlock.cluster.engines.etcd import EtcdEngine

        self.engine = EtcdEngine(Settings(engine.url, f"same{next(prefixes)}"))
        self.now = START
        # Leases are of this etcd, not of this prefix.
        lease_id = self.engine.lease_id
        salt = next(prefixes) << 40
        self.engine.lease_id = lambda session: lease_id(session) + salt  # type: ignore[method-assign]

    def step(self, op: str, *arguments: Argument) -> Answer:
        return self.engine.call(op, arguments, 10)

    def told(self, sessions: Sequence[str]) -> list[tuple[str, str, int]]:
        return []  # a watch comes when it comes: `beat` says the same

    def end(self) -> None:
        self.engine.close()


SUBJECTS: dict[str, Any] = {"etcd": InEtcd, "memory": Reference, "redis": InRedis, "postgresql": InPostgres}
