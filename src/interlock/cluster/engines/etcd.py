"""etcd: the permit machine runs in the client, on one key for each record, and a transaction makes its step true.

A session is a lease with a key, which etcd removes when the lease runs out; nobody has to sweep. A record is a key with
its queue and its holders. A step reads the records that it needs, or takes what it knows of them, does what
`machine.py` says, and writes them in a transaction that compares: that they have not changed since, and that the
sessions of the caller and of those that are granted something are there. If that fails, the transaction returns what
is there now, and the step is done again on that. So an uncontended call is one trip, and nobody is granted by chance.

Who waits watches the records that it waits for, from the revision of its own step on, and the keys of sessions: when
one goes whose holds are in its way, it takes them out. A watch that breaks is followed by a `beat` that looks at all.

A token is the revision that was read, times 65536: it grows with every change of anything in etcd.

    etcd://[user:password@]host[:port][,host[:port]]
    etcds://...[?cacert=FILE][&cert=FILE&key=FILE]        with TLS; the files are those of `etcdctl`

``channel``: options for the channel of gRPC, as pairs.
"""

from __future__ import annotations

import _thread
import json
import queue
import re
import threading
import time
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

import grpc

from interlock.cluster.engine import (
    Answer,
    Argument,
    Engine,
    Inbox,
    Settings,
    Told,
    Unreachable,
    cause,
    unreadable,
    without_password,
)
from interlock.cluster.engines import etcd_codec as codec
from interlock.cluster.errors import ClusterError
from interlock.cluster.machine import Holding, Machine, Record, Session, Waiting, clock

FOREVER = 1 << 62
KEEP_IDLE = 60  # seconds that an idle record is kept
CACHE = 1000  # records whose last state is remembered
ANSWERS = 256  # that a record keeps for calls that come again
MOST_OPS = 100  # of one transaction: etcd takes 128

GONE = (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED, grpc.StatusCode.CANCELLED,
        grpc.StatusCode.UNKNOWN, grpc.StatusCode.INTERNAL, grpc.StatusCode.ABORTED, grpc.StatusCode.RESOURCE_EXHAUSTED,
        grpc.StatusCode.UNAUTHENTICATED)  # fmt: skip


class Needed(Exception):
    """The step needs to know a record or a session that has not been read."""

    def __init__(self, name: str = "", session: str = "") -> None:
        super().__init__(name, session)
        self.name = name
        self.session = session


class Records(dict[str, Record]):
    """Those that have been read, whether they are there or not; asking for another ends the step."""

    def __init__(self) -> None:
        super().__init__()
        self.read: set[str] = set()

    def get(self, name: str, default: Any = None) -> Any:
        if name and name not in self.read:
            raise Needed(name=name)
        return super().get(name, default)


class Docs(Machine):
    """The machine on a few records, for one step."""

    records: Records

    def __init__(self, revision: int, live: dict[str, bool]) -> None:
        super().__init__(lambda *told: None)
        self.records = Records()
        self.revision = revision
        self.live = live
        self.asked: set[str] = set()  # sessions of which it mattered that they are there
        self.now: int = clock()

    def alive(self, name: str) -> Session | None:
        live = self.live.get(name)
        if live is None:
            raise Needed(session=name)
        if not live:
            return None
        self.asked.add(name)
        return self.session(name)

    def session(self, name: str) -> Session:
        found = self.sessions.get(name)
        if found is None:
            found = self.sessions[name] = Session(0, FOREVER, "")
        return found

    def token(self, record: Record) -> int:
        record.last = max(record.last + 1, self.revision << 16)
        return record.last

    # --- a record as it is written ----------------------------------------------------------------------------------

    def load(self, name: str, value: bytes, answers: bool = False) -> None:
        self.records.read.add(name)
        if not value:
            return
        doc = json.loads(value)
        record = Record(doc["kind"], doc["cap"], doc["value"], 0, doc["last"])
        for waiter, session, units, token, since, info in doc["holders"]:
            record.holders[waiter] = Holding(session, units, token, since, info)
            record.used += units
            self.session(session).mine[waiter] = (name, token)
        for waiter, session, units, since, info, target in doc["queue"]:
            record.queue[waiter] = Waiting(session, units, since, info, tuple(target) if target else None)
            self.session(session).mine[waiter] = (name, 0)
        for waiter, session, token in doc["told"]:
            self.session(session).mine[waiter] = (name, token)
        for session, call, answer in doc["answers"] if answers else ():
            self.session(session).answers[call] = answer
        self.records[name] = record

    def dump(self, name: str, answers: bool, before: bytes) -> bytes:
        record = self.records.get(name)
        if record is None:
            return b""
        doc = {
            "kind": record.kind,
            "cap": record.capacity,
            "value": record.value,
            "last": record.last,
            "holders": [[w, h.session, h.units, h.token, h.since, h.info] for w, h in record.holders.items()],
            "queue": [[w, q.session, q.units, q.since, q.info, q.target] for w, q in record.queue.items()],
            "told": [
                [waiter, session, token]
                for session, each in self.sessions.items()
                for waiter, (where, token) in each.mine.items()
                if where == name and token and waiter not in record.holders
            ],
            "answers": [
                [session, call, answer]
                for session, each in self.sessions.items()
                if self.live.get(session) is not False
                for call, answer in each.answers.items()
            ][-ANSWERS:]
            if answers
            else json.loads(before)["answers"]
            if before
            else [],
        }
        return json.dumps(doc, separators=(",", ":"), ensure_ascii=False).encode()

    def dead(self, *sessions: str) -> Answer:
        """Take out what sessions had that are no more."""
        for name in sessions:
            session = self.sessions.get(name)
            if session is not None:
                self.end(name, session)
        return ["swept"]

    def beat(self, name: str, everything: int) -> Answer:
        answer: Answer = ["known", -1]
        for waiter, (record, token) in self.session(name).mine.items() if everything else ():
            answer += waiter, record, token
        return answer


class EtcdEngine(Engine):
    def __init__(self, settings: Settings) -> None:
        super().__init__(settings)
        parts = urlsplit(settings.url)
        hosts = parts.netloc.rpartition("@")[2].split(",")
        self.endpoints: list[str] = [
            host if re.search(r":\d+$", host) else f"{host.rstrip(':')}:2379" for host in hosts
        ]
        self.credentials: Any = self.certificates(dict(parse_qsl(parts.query, keep_blank_values=True)))
        if parts.path.strip("/"):
            raise unreadable(settings.url, "it has no path")
        for option in settings.options.keys() - {"channel"}:
            raise TypeError(f"etcd:// has no option {option!r}")
        self.login: tuple[str, str] | None = (
            (unquote(parts.username), unquote(parts.password or "")) if parts.username else None
        )
        self.root: bytes = f"/interlock/{settings.prefix}/".encode()
        self.guard: _thread.LockType = _thread.allocate_lock()
        # Waiters of this process: where they may be. Filled before they are sent, so that nothing of ours is unknown.
        self.home: dict[str, list[str]] = {}
        self.cache: OrderedDict[str, tuple[int, bytes]] = OrderedDict()
        self.inboxes: dict[str, EtcdInbox] = {}
        self.start()

    def certificates(self, files: dict[str, str]) -> Any:
        """What a channel with TLS needs; None without TLS."""
        secure = self.settings.url.startswith("etcds:")
        if unknown := files.keys() - ({"cacert", "cert", "key"} if secure else set()):
            raise unreadable(self.settings.url, f"no such parameter: {min(unknown)}")
        if ("cert" in files) != ("key" in files):
            raise unreadable(self.settings.url, "cert and key go together")
        try:
            read = {each: Path(file).read_bytes() for each, file in files.items()}
        except OSError as error:
            raise unreadable(self.settings.url, str(error)) from error
        if not secure:
            return None
        return grpc.ssl_channel_credentials(read.get("cacert"), read.get("key"), read.get("cert"))

    def start(self) -> None:
        self.at: int = 0
        self.channel: Any = None
        self.stubs: dict[str, Any] = {}
        self.metadata: tuple[tuple[str, str], ...] = ()
        self.closed: bool = False
        self.fading: tuple[float, int] = (0.0, 0)

    # --- calls ------------------------------------------------------------------------------------------------------

    def stub(self, method: str) -> Any:
        if self.closed:
            raise Unreachable("closed")
        with self.guard:
            if self.channel is None:
                options = [("grpc.keepalive_time_ms", 10_000), ("grpc.keepalive_timeout_ms", 5_000),
                           ("grpc.use_local_subchannel_pool", 1), ("grpc.max_reconnect_backoff_ms", 1_000),
                           *self.settings.options.get("channel", ())]  # fmt: skip
                target = self.endpoints[self.at % len(self.endpoints)]
                if self.credentials is not None:
                    self.channel = grpc.secure_channel(target, self.credentials, options)
                else:
                    self.channel = grpc.insecure_channel(target, options)
                self.stubs = {}
            made = self.stubs.get(method)
            if made is None:
                streams = method.endswith(("Watch", "LeaseKeepAlive"))
                make = self.channel.stream_stream if streams else self.channel.unary_unary
                made = self.stubs[method] = make(f"/etcdserverpb.{method}")
        return made

    def say(self, method: str, request: bytes, timeout: float) -> bytes:
        asked = self.at
        try:
            if self.login is not None and not self.metadata:
                self.log_in(timeout)
            if method.endswith("LeaseKeepAlive"):
                answers = self.stub(method)(iter([request]), timeout=timeout, metadata=self.metadata)
                found: bytes = next(iter(answers))
            else:
                found = self.stub(method)(request, timeout=timeout, metadata=self.metadata)
        except grpc.RpcError as error:
            raise self.meaning(error, asked) from cause(error, self.settings)
        except (ValueError, StopIteration) as error:  # the channel was closed, or the stream ended, under way
            raise Unreachable(str(error)) from error
        return found

    def log_in(self, timeout: float) -> None:
        assert self.login is not None
        request = codec.pack((1, self.login[0].encode()), (2, self.login[1].encode()))
        answer = codec.unpack(self.stub("Auth/Authenticate")(request, timeout=timeout))
        self.metadata = (("token", codec.text(answer, 2).decode()),)

    def meaning(self, error: Any, asked: int) -> Exception:
        code = error.code()
        said = without_password(f"{error.details()} ({code.name})", self.settings)
        if code is grpc.StatusCode.UNAUTHENTICATED:
            self.metadata = ()
        if code in GONE:
            if code in (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED):
                self.next_endpoint(asked)
            return Unreachable(said)
        return ClusterError(f"{self.shown} refuses: {said}")

    def next_endpoint(self, asked: int) -> None:
        """The member that was asked does not answer, or is frozen. What else is under way on it is given up, too."""
        if len(self.endpoints) > 1:
            channel = None
            with self.guard:
                if self.at == asked:  # nobody has gone on to the next one yet
                    self.at += 1
                    channel, self.channel = self.channel, None
            if channel is not None:
                channel.close()

    def record_key(self, name: str) -> bytes:
        return self.root + b"r/" + name.encode()

    def session_key(self, session: str) -> bytes:
        return self.root + b"s/" + session.encode()

    # --- steps ------------------------------------------------------------------------------------------------------

    def call(self, op: str, arguments: Sequence[Argument], timeout: float) -> Answer:
        made: Answer
        if op in ("open", "beat", "close", "look", "read", "forget"):
            made = getattr(self, f"do_{op}")(timeout, *arguments)
            return made
        names = self.names(op, arguments)
        if op == "leave":
            made = []
            for waiter in arguments[1:]:
                made += self.step(op, [arguments[0], waiter], self.home.get(str(waiter), []), timeout)
                self.home.pop(str(waiter), None)
                self.settled(str(arguments[0]), str(waiter))
            return made
        return self.step(op, arguments, names, timeout)

    def names(self, op: str, arguments: Sequence[Argument]) -> list[str]:
        """The records that a step begins with, the one that keeps its answer first."""
        given = [str(each) for each in arguments]
        if op == "enter":
            self.home[given[1]] = [given[2]]
            return [given[2]]
        if op == "park":
            self.home[given[1]] = [given[2], given[4]]
            return [given[2], *self.home.get(given[3], [])]
        if op == "notify":
            return [given[3], *self.home.get(given[4], [])]
        if op == "wake":
            return list(self.home.get(given[3], []))
        return [given[3]] if op == "signal" else []

    def step(self, op: str, arguments: Sequence[Argument], names: list[str], timeout: float) -> Answer:
        """Do a step on what is known, make it true or learn what is true, until it is."""
        deadline = time.monotonic() + timeout
        names = list(dict.fromkeys(names))
        own = str(arguments[0])
        live: dict[str, bool] = {}
        if op != "dead":
            live[own] = True
        else:
            live.update((str(each), False) for each in arguments)
        known = {name: self.cache.get(name, (0, b"")) for name in names}
        revision = max((mod for mod, _ in known.values()), default=0)
        fresh = False
        if not all(mod for mod, _ in known.values()):
            # Of a record that is not there only a revision of this moment tells which tokens it may have given.
            revision, fresh = self.learn(known, live, deadline), True
        while True:
            docs = Docs(revision, live)
            for name, (_, value) in known.items():
                docs.load(name, value, name == names[0])
            try:
                answer: Answer = getattr(docs, op)(*arguments)
            except Needed as needed:
                if needed.name:
                    names.append(needed.name)
                    known[needed.name] = (0, b"")
                    revision, fresh = self.learn(known, live, deadline), True
                else:
                    live.setdefault(needed.session, True)  # compared below
                continue
            # Only the first record keeps answers; those of the others stay as they are.
            values = {name: docs.dump(name, name == names[0], known[name][1]) for name in known}
            changed = {name: value for name, value in values.items() if value != known[name][1]}
            if not changed and fresh:
                return answer
            compares = [codec.mod_is(self.record_key(name), mod) for name, (mod, _) in known.items()]
            sessions = [session for session in docs.asked if session]
            compares += [codec.is_there(self.session_key(session)) for session in sessions]
            puts = [self.put(docs, name, value) for name, value in changed.items()]
            in_way = self.in_way(docs, own) if answer == ["queued"] else []
            ask = [codec.range_op(self.session_key(session)) for session in in_way]
            learn = [codec.range_op(self.record_key(name)) for name in known]
            learn += [codec.range_op(self.session_key(session)) for session in live]
            done, at, found = codec.read_txn(
                self.say("KV/Txn", codec.txn(compares, [*puts, *ask], learn), self.left(deadline))
            )
            if done:
                for name, value in changed.items():
                    self.remember(name, at, value)
                if answer == ["queued"]:
                    self.wait(own, str(arguments[1]), known, at)
                dead = [s for s, kvs in zip(in_way, found[len(puts) :], strict=True) if not kvs]
                if dead:
                    self.step("dead", dead, list(known), timeout)
                return answer
            self.take(known, live, found)
            revision, fresh = at, True

    def take(
        self, known: dict[str, tuple[int, bytes]], live: dict[str, bool], found: list[list[codec.KeyValue]]
    ) -> None:
        for name, kvs in zip(list(known), found, strict=False):
            known[name] = (kvs[0].mod, kvs[0].value) if kvs else (0, b"")
            self.remember(name, *known[name])
        for session, kvs in zip(list(live), found[len(known) :], strict=True):
            live[session] = bool(kvs)

    def learn(self, known: dict[str, tuple[int, bytes]], live: dict[str, bool], deadline: float) -> int:
        ask = [codec.range_op(self.record_key(name)) for name in known]
        ask += [codec.range_op(self.session_key(session)) for session in live]
        _, at, found = codec.read_txn(self.say("KV/Txn", codec.txn([], ask, []), self.left(deadline)))
        self.take(known, live, found)
        return at

    def left(self, deadline: float) -> float:
        left = deadline - time.monotonic()
        if left <= 0:
            raise Unreachable("too many others changed the same records at the same time")
        return left

    def in_way(self, docs: Docs, own: str) -> list[str]:
        """Sessions whose end would make room: of holders, and of the head of a queue."""
        found: dict[str, None] = {}
        for record in docs.records.values():
            found.update((held.session, None) for held in record.holders.values())
            found.update((head.session, None) for head in list(record.queue.values())[:1])
        found.pop(own, None)
        return list(found)[: MOST_OPS // 2]

    def put(self, docs: Docs, name: str, value: bytes) -> bytes:
        key = self.record_key(name)
        if not value:
            return codec.delete_op(key)
        record = docs.records[name]
        told = any(where == name for each in docs.sessions.values() for where, _ in each.mine.values())
        return codec.put_op(key, value, self.fading_lease() if record.idle and not told else 0)

    def fading_lease(self) -> int:
        """A lease that nobody renews: what is put under it is kept for a minute or two."""
        now = time.monotonic()
        until, lease = self.fading
        if now > until:
            answer = codec.unpack(self.say("Lease/LeaseGrant", codec.pack((1, 2 * KEEP_IDLE)), 5.0))
            lease = codec.number(answer, 2)
            self.fading = (now + KEEP_IDLE, lease)
        return lease

    def remember(self, name: str, mod: int, value: bytes) -> None:
        with self.guard:
            self.cache[name] = (mod if value else 0, value)
            self.cache.move_to_end(name)
            if len(self.cache) > CACHE:
                self.cache.popitem(last=False)

    # --- sessions ---------------------------------------------------------------------------------------------------

    def lease_id(self, session: str) -> int:
        return int(session, 16) >> 1 or 1

    def do_open(self, timeout: float, session: str, lease: int, info: str) -> Answer:
        seconds = max(1, -(-lease // 1_000_000))
        grant = codec.pack((1, seconds), (2, self.lease_id(session)))
        try:
            self.say("Lease/LeaseGrant", grant, timeout)
        except ClusterError as error:
            if "already exists" not in str(error):
                raise
            self.keep_alive(session, timeout)
        value = json.dumps({"lease": lease, "info": info}).encode()
        put = codec.put_op(self.session_key(session), value, self.lease_id(session))
        try:
            self.say("KV/Txn", codec.txn([], [put], []), timeout)
        except ClusterError as error:
            if "lease not found" in str(error):
                raise Unreachable(str(error)) from error
            raise
        return ["open"]

    def keep_alive(self, session: str, timeout: float) -> int:
        request = codec.pack((1, self.lease_id(session)))
        return codec.number(codec.unpack(self.say("Lease/LeaseKeepAlive", request, timeout)), 3)

    def do_beat(self, timeout: float, session: str, everything: int) -> Answer:
        if self.keep_alive(session, timeout) <= 0:
            return ["lost"]
        if not everything:
            return ["known", -1]
        homes = [names for waiter, names in list(self.home.items()) if waiter.startswith(f"{session}:")]
        names = list(dict.fromkeys(name for each in homes for name in each))
        answer: Answer = ["known", -1]
        deadline = time.monotonic() + timeout
        for first in range(0, len(names), MOST_OPS):
            known = dict.fromkeys(names[first : first + MOST_OPS], (0, b""))
            at = self.learn(known, {}, deadline)
            docs = Docs(at, {session: True})
            for name, (_, value) in known.items():
                docs.load(name, value)
            answer += docs.beat(session, 1)[2:]
            self.sweep(docs, session, list(known), timeout)
        return answer

    def sweep(self, docs: Docs, own: str, names: list[str], timeout: float) -> None:
        """Take out the dead that are in the way: a watch may have missed their end."""
        sessions = self.in_way(docs, own)
        if not sessions:
            return
        ask = [codec.range_op(self.session_key(session)) for session in sessions]
        _, _, found = codec.read_txn(self.say("KV/Txn", codec.txn([], ask, []), timeout))
        dead = [session for session, kvs in zip(sessions, found, strict=True) if not kvs]
        if dead:
            self.step("dead", dead, names, timeout)

    def do_close(self, timeout: float, session: str) -> Answer:
        with suppress(ClusterError):  # it is gone
            self.say("Lease/LeaseRevoke", codec.pack((1, self.lease_id(session))), timeout)
        mine = [waiter for waiter in list(self.home) if waiter.startswith(f"{session}:")]
        names = dict.fromkeys(name for waiter in mine for name in self.home[waiter])
        for name in names:
            self.step("dead", [session], [name], timeout)
        for waiter in mine:
            self.home.pop(waiter, None)
        return ["closed"]

    # --- looking ----------------------------------------------------------------------------------------------------

    def do_read(self, timeout: float, name: str) -> Answer:
        known = {name: (0, b"")}
        docs = Docs(self.learn(known, {}, time.monotonic() + timeout), {})
        docs.load(name, known[name][1])
        record = docs.records.get(name)
        for held in record.holders.values() if record is not None and len(record.holders) == 1 else ():
            key = self.root + b"s/" + held.session.encode()
            _, _, (found,) = codec.read_txn(self.say("KV/Txn", codec.txn([], [codec.range_op(key)], []), timeout))
            for kv in found:
                docs.session(held.session).info = json.loads(kv.value)["info"]
        return docs.read(name)

    def do_forget(self, timeout: float, name: str) -> Answer:
        deadline = time.monotonic() + timeout
        while True:
            known = {name: (0, b"")}
            docs = Docs(self.learn(known, {}, deadline), {})
            docs.load(name, known[name][1])
            if docs.forget(name) == [0]:
                return [0]
            key = self.record_key(name)
            done, _, _ = codec.read_txn(
                self.say("KV/Txn", codec.txn([codec.mod_is(key, known[name][0])], [codec.delete_op(key)], []), timeout)
            )
            if done:
                self.remember(name, 0, b"")
                return [1]

    def do_look(self, timeout: float, name: str) -> Answer:
        records, sessions = self.root + b"r/", self.root + b"s/"
        one = self.record_key(name)
        ask = [codec.range_op(one) if name else codec.range_op(records, codec.after(records)),
               codec.range_op(sessions, codec.after(sessions))]  # fmt: skip
        _, at, (found, living) = codec.read_txn(self.say("KV/Txn", codec.txn([], ask, []), timeout))
        docs = Docs(at, {})
        for kv in found:
            docs.load(kv.key[len(records) :].decode(), kv.value)
        told = [docs.describe(each) for each in sorted(docs.records)]
        named = {who["session"] for record in told for who in [*record["holders"], *record["waiters"]]}
        about = {}
        for kv in living:
            session = kv.key[len(sessions) :].decode()
            if session in named:
                doc = json.loads(kv.value)
                left = self.time_left(session, timeout)
                about[session] = {"left": left, "lease": doc["lease"], "info": doc["info"]}
        return [json.dumps({"now": docs.now, "quiet": 0, "records": told, "sessions": about})]

    def time_left(self, session: str, timeout: float) -> int:
        request = codec.pack((1, self.lease_id(session)))
        return codec.number(codec.unpack(self.say("Lease/LeaseTimeToLive", request, timeout)), 3) * 1_000_000

    # --- hints ------------------------------------------------------------------------------------------------------

    def inbox(self, session: str) -> Inbox:
        made = self.inboxes[session] = EtcdInbox(self, session)
        return made

    def wait(self, session: str, waiter: str, known: dict[str, tuple[int, bytes]], at: int) -> None:
        inbox = self.inboxes.get(session)
        if inbox is not None:
            inbox.expect(waiter, self.home.get(waiter, list(known)), at)

    def settled(self, session: str, waiter: str) -> None:
        inbox = self.inboxes.get(session)
        if inbox is not None:
            inbox.pending.pop(waiter, None)

    def forked(self) -> None:
        # gRPC's own threads did not come along. What it has stays as it is; here everything begins anew.
        _kept.append(self.channel)
        self.guard = _thread.allocate_lock()
        self.home, self.inboxes = {}, {}
        self.cache = OrderedDict()
        closed = self.closed
        self.start()
        self.closed = closed

    def close(self) -> None:
        self.closed = True
        for inbox in list(self.inboxes.values()):
            inbox.close()
        with self.guard:
            channel, self.channel = self.channel, None
        if channel is not None:
            channel.close()


_kept: list[Any] = []


class EtcdInbox(Inbox):
    """One stream of watches: of the sessions, and of each record that somebody here waits for."""

    def __init__(self, engine: EtcdEngine, session: str) -> None:
        self.engine = engine
        self.session = session
        self.guard: _thread.LockType = _thread.allocate_lock()
        self.pending: dict[str, list[str]] = {}  # waiter -> records
        self.watched: dict[str, int] = {}  # record -> watch
        self.numbers: Iterator[int] = iter(range(2, 1 << 62))
        self.came: queue.SimpleQueue[Told | tuple[str, str] | None] = queue.SimpleQueue()
        self.requests: queue.SimpleQueue[bytes | None] | None = None
        self.stream: Any = None
        self.closed: bool = False

    def expect(self, waiter: str, names: list[str], at: int) -> None:
        """`waiter` waits in one of these records, since revision `at`."""
        with self.guard:
            self.pending[waiter] = names
            requests = self.requests
            for name in names if requests is not None else ():
                if name not in self.watched:
                    assert requests is not None
                    self.watch(requests, name, at + 1)

    def watch(self, requests: queue.SimpleQueue[bytes | None], name: str, start: int) -> None:
        number = self.watched[name] = next(self.numbers)
        requests.put(codec.watch(self.engine.record_key(name), b"", start, number, False))

    def read(self, timeout: float) -> list[Told] | None:
        if self.closed:
            raise Unreachable("closed")
        if self.stream is None:
            self.open()
            return None
        told: list[Told] = []
        deadline = time.monotonic() + timeout
        while not told:
            try:
                came = self.came.get(timeout=max(0.0, deadline - time.monotonic()))
            except queue.Empty:
                break
            while True:
                if came is None:
                    self.rest()
                    raise Unreachable("the watch ended")
                if isinstance(came, Told):
                    told.append(came)
                else:
                    self.someone_ended(came[1])
                try:
                    came = self.came.get_nowait()
                except queue.Empty:
                    break
        return told

    def open(self) -> None:
        engine = self.engine
        requests: queue.SimpleQueue[bytes | None] = queue.SimpleQueue()
        came: queue.SimpleQueue[Any] = queue.SimpleQueue()
        sessions = engine.root + b"s/"
        requests.put(codec.watch(sessions, codec.after(sessions), 0, 1, True))
        with self.guard:
            self.came, self.requests, self.watched = came, requests, {}
            for name in dict.fromkeys(name for names in self.pending.values() for name in names):
                self.watch(requests, name, 0)

        def ask() -> Iterator[bytes]:
            while (request := requests.get()) is not None:
                yield request

        try:
            self.stream = engine.stub("Watch/Watch")(ask(), metadata=engine.metadata)
        except (grpc.RpcError, ValueError) as error:
            raise Unreachable(str(error)) from error
        threading.Thread(
            target=self.listen, args=(self.stream, requests, came), name="interlock-cluster-watch", daemon=True
        ).start()

    def listen(self, stream: Any, requests: queue.SimpleQueue[bytes | None], came: queue.SimpleQueue[Any]) -> None:
        try:
            for data in stream:
                answer = codec.unpack(data)
                if codec.number(answer, 4) and not self.is_ours_to_miss(codec.number(answer, 2)):
                    break  # canceled by etcd: compacted, or not allowed
                for event in answer.get(11, []):
                    fields = codec.unpack(event)
                    self.happened(codec.number(fields, 1), codec.KeyValue(codec.text(fields, 2)), came)
        except grpc.RpcError:
            pass
        finally:
            requests.put(None)
            came.put(None)

    def is_ours_to_miss(self, number: int) -> bool:
        """Whether it was we who have ended a watch."""
        with self.guard:
            return number != 1 and number not in self.watched.values()

    def happened(self, kind: int, kv: codec.KeyValue, came: queue.SimpleQueue[Any]) -> None:
        records, sessions = self.engine.root + b"r/", self.engine.root + b"s/"
        if kv.key.startswith(sessions):
            came.put(("ended", kv.key[len(sessions) :].decode()))
        elif kind == 0:
            name = kv.key[len(records) :].decode()
            doc = json.loads(kv.value)
            told = [(waiter, token) for waiter, _, _, token, _, _ in doc["holders"] if token]
            told += [(waiter, token) for waiter, _, token in doc["told"]]
            with self.guard:
                for waiter, token in told:
                    if self.pending.pop(waiter, None) is not None:
                        came.put(Told(waiter, token))
                if not any(name in names for names in self.pending.values()):
                    number = self.watched.pop(name, None)
                    if number is not None and self.requests is not None:
                        self.requests.put(codec.unwatch(number))

    def someone_ended(self, session: str) -> None:
        with self.guard:
            names = list(dict.fromkeys(name for each in self.pending.values() for name in each))
        for name in names:
            self.engine.step("dead", [session], [name], 5.0)

    def rest(self) -> None:
        with self.guard:
            stream, self.stream = self.stream, None
            requests, self.requests = self.requests, None
            self.watched = {}
        if requests is not None:
            requests.put(None)
        if stream is not None:
            stream.cancel()

    def close(self) -> None:
        self.closed = True
        self.engine.inboxes.pop(self.session, None)
        self.came.put(None)
        stream = self.stream
        if stream is not None:
            stream.cancel()


def make(settings: Settings) -> Engine:
    return EtcdEngine(settings)
