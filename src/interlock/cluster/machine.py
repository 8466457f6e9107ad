"""The permit machine: the reference of what every engine does. `memory://` runs it as it stands here.

A *session* is one process (or one lease length of it). It lives until its deadline, which `beat` moves. All that it
holds or waits for is in `mine`, and is gone with it. A *record* is one name: capacity, what is used of it, the queue.

    kind          capacity    what a waiter asks for       value
    lock, rlock   1           1 unit                       -
    semaphore     n           1..n units                   -
    rwlock        ALL         1 (a reader), ALL (a writer) -
    event         0           that it is set               1 while set
    latch         count       that it is down              what is left of the count
    barrier       parties     that all are there           1 while broken, 2 while the last one acts
    condition     0           a notification               -

Permits are held: a grant takes units until `leave`. The other kinds only tell: a grant takes nothing, and stays in
`mine` until the waiter says `leave`, so that a hint that was lost is found by the next `beat`.

Invariants, for each record and after each step:
- used is the sum of the units of holders, and never above capacity;
- each waiter in holders or in the queue is in `mine` of its session, and the other way round (a grant of a kind that
  only tells is in `mine` alone);
- the head of the queue of permits does not fit, or nothing may be granted yet (quarantine). It is legal for the head
  or for a holder to belong to a session that is dead and not yet swept; it is illegal for such a head to be granted.

Order is strict: nobody passes the head. A token is `max(last + 1, engine's time in us)`, so tokens grow although
records are forgotten once they have been idle for a minute, and although an engine comes back empty.

Time is the engine's alone. Every step first sweeps up to `SWEEP` sessions whose deadline has passed.

A step that is not idempotent by what it names (a count, a notification) carries the number of its call; its answer is
kept in the session until the client has said that it came (`seen`).
"""

import json
import time
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from interlock.cluster.engine import Answer, Argument

SWEEP = 10  # sessions a step; a step stays short however many processes died at once
IDLE = 60_000_000  # us that an idle record is kept: its shape and its last token outlive short pauses of use

PERMITS = frozenset({"lock", "rlock", "semaphore", "rwlock"})


def clock() -> int:
    return time.time_ns() // 1000


@dataclass(slots=True)
class Waiting:
    session: str
    units: int
    since: int
    info: str
    # Of a waiter at a condition: the lock that it comes back to.
    target: tuple[str, str, int] | None = None


@dataclass(slots=True)
class Holding:
    session: str
    units: int
    token: int
    since: int
    info: str


@dataclass(slots=True)
class Session:
    lease: int
    deadline: int
    info: str
    mine: dict[str, tuple[str, int]] = field(default_factory=dict)  # waiter -> name, token (0: it waits)
    answers: dict[str, Answer] = field(default_factory=dict)


@dataclass(slots=True)
class Record:
    kind: str
    capacity: int
    value: int = 0
    used: int = 0
    last: int = 0
    queue: OrderedDict[str, Waiting] = field(default_factory=OrderedDict)
    holders: dict[str, Holding] = field(default_factory=dict)

    @property
    def idle(self) -> bool:
        if self.used or self.queue:
            return False
        return self.value == (self.capacity if self.kind == "latch" else 0)


class Machine:
    """All sessions and records of one prefix.

    ``tell``: called with session, waiter and value for each grant that is not the answer of the step itself.
    ``now``: the time in us since the epoch.
    """

    def __init__(self, tell: Callable[[str, str, int], object], now: Callable[[], int] = clock) -> None:
        self.tell = tell
        self.clock = now
        self.now: int = 0  # of the step under way
        self.sessions: dict[str, Session] = {}
        self.records: dict[str, Record] = {}
        self.idle: OrderedDict[str, int] = OrderedDict()  # name -> since, roughly in order of since
        self.run: str = ""
        self.quiet: int = 0  # no permit is granted before

    def step(self, op: str, arguments: Sequence[Argument]) -> Answer:
        """Do the step ``op``, a method below."""
        self.now = self.clock()
        self.sweep()
        return OPERATIONS[op](self, *arguments)

    # --- sessions -------------------------------------------------------------------------------------------------

    def hello(self, run: str, longest: int, age: int) -> Answer:
        """The engine says which life of the server this is, on every new connection.

        Another life than the one that is noted may have lost grants whose holders still believe in them. So none is
        made until the longest lease is over: from now on; where nothing is noted, from the start of the server on.
        ``longest``: us; 0: do not wait. ``age``: us since the server started.

        Answers with the us that are left of it.
        """
        if run != self.run:
            self.quiet = max(self.quiet, self.now + (longest if self.run else longest - age))
            self.run = run
        return [max(0, self.quiet - self.now)]

    def open(self, name: str, lease: int, info: str) -> Answer:
        """Begin a session, or beat it. ``lease``: us. ``info``: JSON for people. Answers ["open"]."""
        session = self.sessions.get(name)
        if session is None:
            self.sessions[name] = Session(lease, self.now + lease, info)
        else:
            session.deadline = self.now + session.lease
        return ["open"]

    def beat(self, name: str, everything: int) -> Answer:
        """Keep a session alive.

        Answers ["lost"], or "known", the us until something may be worth another look (-1: nothing), and if
        ``everything``: waiter, name, token, again and again, of all that the session has; token 0: it waits.
        """
        session = self.alive(name)
        if session is None:
            return ["lost"]
        session.deadline = self.now + session.lease
        # What the sweep left over is worth a look at once.
        others = [other.deadline for key, other in self.sessions.items() if key != name]
        if self.quiet > self.now:
            others.append(self.quiet)
        answer: Answer = ["known", max(0, min(others) - self.now) if others else -1]
        if everything:
            for waiter, (record, token) in session.mine.items():
                answer += waiter, record, token
        return answer

    def close(self, name: str) -> Answer:
        """End a session and all that it has. Answers ["closed"]."""
        session = self.sessions.get(name)
        if session is not None:
            self.end(name, session)
        return ["closed"]

    def alive(self, name: str) -> Session | None:
        session = self.sessions.get(name)
        return session if session is not None and session.deadline > self.now else None

    def sweep(self) -> None:
        dead = sorted((s.deadline, name) for name, s in self.sessions.items() if s.deadline <= self.now)
        for _, name in dead[:SWEEP]:
            self.end(name, self.sessions[name])
        if self.quiet and self.quiet <= self.now:
            self.quiet = 0
            for name in sorted(self.records):
                self.serve(name)
        for name in list(self.idle)[:SWEEP]:
            if self.idle[name] + IDLE > self.now:
                break
            del self.idle[name]
            record = self.records.get(name)
            if record is not None and record.idle:
                del self.records[name]

    def end(self, name: str, session: Session) -> None:
        # Dead before anybody is served: nothing may be granted to it on the way.
        session.deadline = 0
        for waiter in sorted(session.mine):
            if waiter in session.mine:  # serving another may have met it, and dropped it
                self.drop(session, waiter)
        del self.sessions[name]

    def drop(self, session: Session, waiter: str) -> int:
        name, token = session.mine.pop(waiter)
        record = self.records.get(name)
        if record is None:
            return token
        held = record.holders.pop(waiter, None)
        if held is not None:
            record.used -= held.units
            if record.kind == "barrier":
                self.break_barrier(record, 1)
        elif record.queue.pop(waiter, None) is not None and record.kind == "barrier":
            self.break_barrier(record, 1)
        self.serve(name)
        return token

    # --- records --------------------------------------------------------------------------------------------------

    def record(self, name: str, kind: str, capacity: int) -> Record | Answer:
        record = self.records.get(name)
        if record is None:
            record = self.records[name] = Record(kind, capacity, capacity if kind == "latch" else 0)
            self.idle[name] = self.now
        elif (record.kind, record.capacity) != (kind, capacity):
            return ["shape", record.kind, record.capacity]
        return record

    def enter(
        self, session: str, waiter: str, name: str, kind: str, capacity: int, units: int, stay: int, info: str
    ) -> Answer:
        """Ask for permits, or wait for an event, a latch, a barrier.

        ``units``: of a barrier 2 where the last one to come has to act before the others go on: it is granted then, and
        they are by its signal "pass". ``stay``: 0: do not queue.

        Answers ["granted", token], ["queued"], ["busy"] (and does not stay), ["broken"] (a barrier), ["lost"] (the
        session), or ["shape", kind, capacity] of the record that is there.
        """
        mine = self.alive(session)
        if mine is None:
            return ["lost"]
        if waiter in mine.mine:
            token = mine.mine[waiter][1]
            return ["granted", token] if token > 0 else ["broken"] if token < 0 else ["queued"]
        record = self.record(name, kind, capacity)
        if isinstance(record, list):
            return record
        if kind in PERMITS:
            if record.queue:
                self.serve(name)  # a dead head counts for nothing
            if not record.queue and units <= record.capacity - record.used and self.now >= self.quiet:
                return ["granted", self.grant(record, name, waiter, Waiting(session, units, self.now, info))]
        elif kind == "barrier":
            if record.value == 1:
                return ["broken"]
        elif (record.value == 1) if kind == "event" else (record.value == 0):
            # Nothing to keep: a call that is sent again may as well be the first.
            return ["granted", self.token(record)]
        if not stay:
            return ["busy"]
        if kind == "barrier" and units == 2 and len(record.queue) == capacity - 1 and not record.value:
            # The last to come has something to do before the others may go on. It is a holder of nothing until then.
            record.value = 2
            record.holders[waiter] = Holding(session, 0, capacity, self.now, info)
            mine.mine[waiter] = (name, capacity)
            return ["granted", capacity]
        record.queue[waiter] = Waiting(session, units, self.now, info)
        mine.mine[waiter] = (name, 0)
        if kind == "barrier" and len(record.queue) >= capacity:
            self.serve(name)
            token = mine.mine[waiter][1]
            if token:
                return ["granted", token] if token > 0 else ["broken"]
        return ["queued"]

    def leave(self, session: str, *waiters: str) -> Answer:
        """Release, or stop waiting, or take note of a grant. Answers for each waiter 1 if it was granted, 0 if not."""
        mine = self.alive(session)
        return [
            1 if mine is not None and waiter in mine.mine and self.drop(mine, waiter) > 0 else 0 for waiter in waiters
        ]

    def serve(self, name: str) -> None:
        """Grant to those at the head what can be granted, and see whether the record has become idle."""
        record = self.records[name]
        queue = record.queue
        if record.kind in PERMITS:
            while queue:
                waiter = next(iter(queue))
                head = queue[waiter]
                session = self.alive(head.session)
                if session is None:
                    del queue[waiter]
                    dead = self.sessions.get(head.session)
                    if dead is not None:
                        dead.mine.pop(waiter, None)
                elif self.now < self.quiet or head.units > record.capacity - record.used:
                    break
                else:
                    del queue[waiter]
                    self.tell(head.session, waiter, self.grant(record, name, waiter, head))
        elif record.kind == "barrier":
            if len(queue) >= record.capacity and not record.value:
                if any(self.alive(party.session) is None for party in queue.values()):
                    self.break_barrier(record, 1)
                else:
                    self.tell_first(record, [*range(1, record.capacity + 1)])
        elif record.kind == "event" and record.value and queue:
            self.tell_all(record, self.token(record))
        if record.idle:
            self.idle[name] = self.now
            self.idle.move_to_end(name)

    def token(self, record: Record) -> int:
        record.last = max(record.last + 1, self.now)
        return record.last

    def grant(self, record: Record, name: str, waiter: str, waiting: Waiting) -> int:
        token = self.token(record)
        record.used += waiting.units
        assert record.used <= record.capacity
        record.holders[waiter] = Holding(waiting.session, waiting.units, token, self.now, waiting.info)
        self.sessions[waiting.session].mine[waiter] = (name, token)
        return token

    def tell_all(self, record: Record, value: int) -> None:
        self.tell_first(record, [value] * len(record.queue))

    def tell_first(self, record: Record, values: list[int]) -> None:
        """Tell the first in the queue of a kind that only tells, and let them go."""
        for value in values:
            waiter, waiting = record.queue.popitem(last=False)
            session = self.sessions.get(waiting.session)
            if session is not None and waiter in session.mine:
                session.mine[waiter] = (session.mine[waiter][0], value)
                self.tell(waiting.session, waiter, value)

    def break_barrier(self, record: Record, value: int) -> None:
        record.value = value
        record.holders.clear()
        self.tell_all(record, -1)

    # --- signals --------------------------------------------------------------------------------------------------

    def once(self, session: str, call: str, seen: str, do: Callable[[Session], Answer]) -> Answer:
        mine = self.alive(session)
        if mine is None:
            return ["lost"]
        if call not in mine.answers:
            for number in seen.split():
                mine.answers.pop(number, None)
            mine.answers[call] = do(mine)
        return mine.answers[call]

    def signal(
        self, session: str, call: str, seen: str, name: str, kind: str, capacity: int, what: str, n: int
    ) -> Answer:
        """Change an event (set, clear), a latch (down), a barrier (abort, reset, pass).

        ``call``: the number of the call; ``seen``: numbers of calls, apart by spaces, whose answers came. Answers with
        the new value: of a latch, what is left, or -1 where ``n`` is more than that and nothing was done.
        """

        def do(_: Session) -> Answer:
            record = self.record(name, kind, capacity)
            if isinstance(record, list):
                return record
            if what == "set":
                record.value = 1
            elif what == "clear":
                record.value = 0
            elif what == "down":
                if n > record.value:
                    return [-1]
                record.value -= n
                if record.value == 0:
                    self.tell_all(record, self.token(record))
            elif what == "pass":
                if record.value == 2:
                    record.value = 0
                    record.holders.clear()
                    self.tell_first(record, [*range(1, capacity)])
                else:
                    return [1]
            else:
                # A party that waits for a barrier which is reset is told that it broke, as in threading.
                self.break_barrier(record, 1 if what == "abort" else 0)
            value = record.value
            self.serve(name)
            return [value]

        return self.once(session, call, seen, do)

    def park(
        self,
        session: str,
        waiter: str,
        name: str,
        hold: str,
        lock: str,
        kind: str,
        capacity: int,
        info: str,
    ) -> Answer:
        """Release ``hold`` and wait at the condition ``name``, in one step; comes back to ``lock`` of ``kind``.

        Answers ["queued"], ["granted", token] (when sent again), ["lost"], ["free"] (``hold`` is none), or "shape".
        """
        mine = self.alive(session)
        if mine is None:
            return ["lost"]
        if waiter in mine.mine:
            token = mine.mine[waiter][1]
            return ["granted", token] if token else ["queued"]
        if hold not in mine.mine or mine.mine[hold][1] <= 0:
            return ["free"]
        record = self.record(name, "condition", 0)
        if isinstance(record, list):
            return record
        record.queue[waiter] = Waiting(session, 1, self.now, info, (lock, kind, capacity))
        mine.mine[waiter] = (name, 0)
        self.drop(mine, hold)
        return ["queued"]

    def notify(self, session: str, call: str, seen: str, name: str, hold: str, n: int) -> Answer:
        """Let up to ``n`` waiters of a condition queue for their lock. Answers [how many], or ["free"]."""

        def do(mine: Session) -> Answer:
            if hold not in mine.mine or mine.mine[hold][1] <= 0:
                return ["free"]
            record = self.records.get(name)
            moved = 0
            while record is not None and record.queue and moved < n:
                moved += self.move(record, next(iter(record.queue)))
            if record is not None:
                self.serve(name)
            return [moved]

        return self.once(session, call, seen, do)

    def wake(self, session: str, call: str, seen: str, waiter: str) -> Answer:
        """Let one's own waiter queue for its lock: it gives up waiting. Answers [1], or [0]: it was notified before."""

        def do(mine: Session) -> Answer:
            name = mine.mine.get(waiter, ("", 0))[0]
            record = self.records.get(name)
            if record is None or record.kind != "condition":
                return [0]
            moved = self.move(record, waiter)
            self.serve(name)
            return [moved]

        return self.once(session, call, seen, do)

    def move(self, condition: Record, waiter: str) -> int:
        waiting = condition.queue.pop(waiter)
        session = self.alive(waiting.session)
        if session is None:
            dead = self.sessions.get(waiting.session)
            if dead is not None:
                dead.mine.pop(waiter, None)
            return 0
        assert waiting.target is not None
        lock, kind, capacity = waiting.target
        record = self.record(lock, kind, capacity)
        if isinstance(record, list):
            # The lock went idle, was forgotten and came back with another shape. What waits is told by its next beat.
            session.mine.pop(waiter)
            return 0
        waiting.target = None
        record.queue[waiter] = waiting
        session.mine[waiter] = (lock, 0)
        self.serve(lock)
        return 1

    # --- looking --------------------------------------------------------------------------------------------------

    def read(self, name: str) -> Answer:
        """One record: kind, capacity, used, how many wait, value; then who holds it. [] where nobody uses the name.

        Who: the texts of its session and of itself, where there is exactly one, and its session lives; else "".
        """
        record = self.records.get(name)
        if record is None:
            return []
        answer = [record.kind, record.capacity, record.used, len(record.queue), record.value]
        if len(record.holders) == 1:
            (held,) = record.holders.values()
            session = self.sessions.get(held.session)
            if session is not None and session.info:
                return [*answer, session.info, held.info]
        return [*answer, "", ""]

    def look(self, name: str) -> Answer:
        """A record, or all of them where the name is "", as JSON for people; with the sessions that it names."""
        names = [name] if name else sorted(self.records)
        records = [self.describe(each) for each in names if each in self.records]
        named = {who["session"] for record in records for who in [*record["holders"], *record["waiters"]]}
        sessions = {
            key: {"left": session.deadline - self.now, "lease": session.lease, "info": session.info}
            for key, session in self.sessions.items()
            if key in named
        }
        told = {
            "now": self.now,
            "quiet": max(0, self.quiet - self.now),
            "records": records,
            "sessions": sessions,
        }
        return [json.dumps(told)]

    def describe(self, name: str) -> dict[str, Any]:
        record = self.records[name]
        return {
            "name": name,
            "kind": record.kind,
            "capacity": record.capacity,
            "used": record.used,
            "value": record.value,
            "last": record.last,
            "holders": [
                {
                    "waiter": waiter,
                    "session": held.session,
                    "units": held.units,
                    "token": held.token,
                    "since": held.since,
                    "info": held.info,
                }
                for waiter, held in record.holders.items()
            ],
            "waiters": [
                {
                    "waiter": waiter,
                    "session": waiting.session,
                    "units": waiting.units,
                    "since": waiting.since,
                    "info": waiting.info,
                }
                for waiter, waiting in record.queue.items()
            ],
        }

    def forget(self, name: str) -> Answer:
        """Remove a record that nobody holds or waits for, whatever its value. Answers [1], or [0]: it is in use."""
        record = self.records.get(name)
        if record is not None and (record.used or record.queue):
            return [0]
        self.records.pop(name, None)
        return [1]


OPERATIONS: dict[str, Callable[..., Answer]] = {
    op: getattr(Machine, op)
    for op in [
        "hello",
        "open",
        "beat",
        "close",
        "enter",
        "leave",
        "signal",
        "park",
        "notify",
        "wake",
        "read",
        "look",
        "forget",
    ]
}
