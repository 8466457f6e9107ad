"""A connection to an engine, and what hangs on it: sessions, outages, forks, and the primitives by name."""

from __future__ import annotations

import _thread
import atexit
import json
import logging
import os
import random
import socket
import sys
import time
import weakref
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from interlock import Event
from interlock.cluster import seen
from interlock.cluster.calling import Caller, Calling, Park, Step, Trip, in_task, in_thread
from interlock.cluster.engine import (
    MAX_LEASE,
    MAX_NAME,
    MIN_LEASE,
    Answer,
    Argument,
    Engine,
    Settings,
    Unreachable,
    make_engine,
)
from interlock.cluster.errors import ClusterError, EngineUnavailable, LeaseLost
from interlock.cluster.session import Session, clock, now
from interlock.cluster.ticket import Here, at_exit

if TYPE_CHECKING:
    from interlock.cluster.barrier import Barrier
    from interlock.cluster.condition import Condition
    from interlock.cluster.gates import Event as ClusterEvent
    from interlock.cluster.gates import Latch
    from interlock.cluster.permits import BoundedSemaphore, Lock, RLock, Semaphore
    from interlock.cluster.permits import Lock as AnyLock
    from interlock.cluster.rwlock import RWLock

log: logging.Logger = logging.getLogger("interlock.cluster")

TRIP = 1.0  # seconds that a trip may take at least
WARN = 60.0  # seconds until the same error is logged again
PAUSES = (0.05, 0.1, 0.2, 0.5)  # seconds between tries while the engine does not answer


def connect(
    url: str = "memory://",
    *,
    prefix: str = "interlock",
    lease: float = 10.0,
    label: str | None = None,
    patience: float | None = None,
    max_lease: float | None = None,
    after_restart: str = "quarantine",
    **options: Any,
) -> Cluster:
    """Return a handle for an engine. Its methods create the primitives. It connects when it is first used.

    ``url``: `memory://`, `redis://`, `postgresql://` or `etcd://`. ``prefix``: a namespace; the same name under another
    prefix is another primitive. ``lease``: after how many seconds, 0.1 to 60, what a process holds becomes free if the
    process vanishes. ``label``: the name under which others see this process; by default the name of its program.
    ``patience``: after how many seconds a wait gives up if the engine does not answer; None means not before its own
    timeout. ``after_restart``: a restarted engine may have lost grants whose holders do not know it yet. "quarantine"
    makes no grants for ``max_lease`` seconds then, and "grant" grants at once. ``max_lease``: the longest lease, in
    seconds, that any handle of this prefix uses. The default is the lease of this handle, so set it everywhere if the
    leases differ. ``options``: passed to the client of the engine.

    Raises ValueError if the URL names no engine, and `ClusterError` if the client of the engine is not installed.
    """
    return Cluster(
        url,
        prefix=prefix,
        lease=lease,
        label=label,
        patience=patience,
        max_lease=max_lease,
        after_restart=after_restart,
        **options,
    )


@dataclass(frozen=True, slots=True)
class Remote:
    """A thread or task, of a process on any machine, that holds or waits.

    ``since``: seconds since the epoch, by the clock of the engine. ``where``: the line that asked. ``token``: the
    fencing token of a holder, else 0. ``left``: how many seconds of the lease are left. ``timed``: whether the wait has
    a timeout. ``age``: how many seconds it has held or waited, by the clock of the engine alone. etcd has none that can
    be asked: there ``since`` is by the clock of that process's machine, and ``age`` is to the clock of this one.
    """

    host: str
    pid: int
    label: str
    thread: str
    where: str
    since: float
    units: int
    token: int
    left: float
    session: str
    party: int
    timed: bool
    age: float = 0.0

    def __str__(self) -> str:
        return f"{self.label} (pid {self.pid}) on host {self.host}"


@dataclass(frozen=True, slots=True)
class Seen:
    """One name on the engine: what `Cluster.ps` lists."""

    name: str
    kind: str
    capacity: int
    used: int
    value: int
    token: int
    holders: tuple[Remote, ...]
    waiters: tuple[Remote, ...]


class TimedOut(Exception):
    """The party's own timeout is over."""


def checked_seconds(value: float, what: str, least: float = 0.0, most: float = float("inf")) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise TypeError(f"{what} must be a number of seconds, not {type(value).__name__}")
    if not (least <= value <= most and value > 0):
        raise ValueError(f"{what} must be {f'{least:g} to {most:g}' if least else 'above 0'} seconds, not {value}")
    return float(value)


def checked_lease(value: float, what: str = "lease") -> float:
    return checked_seconds(value, what, MIN_LEASE, MAX_LEASE)


def checked_name(name: str, what: str = "name") -> str:
    if not isinstance(name, str):
        raise TypeError(f"{what} must be a str, not {type(name).__name__}")
    if not name or len(name.encode("utf-8", "surrogatepass")) > MAX_NAME or not name.isprintable():
        raise ValueError(f"{what} must be 1 to {MAX_NAME} bytes of printable text, not {name!r:.80}")
    return name


def program() -> str:
    """The name of the program that runs; of `python -m package` the package."""
    folder, name = os.path.split(sys.argv[0])
    return (os.path.basename(folder) if name == "__main__.py" else name) or "python"


class Cluster(Here):
    """What `connect` returns, for threads and tasks. It is closed at the end of `with` or `async with`."""

    def __init__(
        self,
        url: str,
        *,
        prefix: str,
        lease: float,
        label: str | None,
        patience: float | None,
        max_lease: float | None,
        after_restart: str,
        looks: bool = False,
        **options: Any,
    ) -> None:
        if not isinstance(url, str):
            raise TypeError(f"url must be a str, not {type(url).__name__}")
        if after_restart not in ("quarantine", "grant"):
            raise ValueError(f"after_restart must be 'quarantine' or 'grant', not {after_restart!r}")
        self.lease: float = checked_lease(lease)
        self.max_lease: float = self.lease if max_lease is None else checked_lease(max_lease, "max_lease")
        if self.lease > self.max_lease:
            raise ValueError(f"lease must be at most max_lease, {self.max_lease:g} seconds, not {lease}")
        self.patience: float | None = patience if patience is None else checked_seconds(patience, "patience")
        self.prefix: str = checked_name(prefix, "prefix")
        self.label: str = program() if label is None else checked_name(label, "label")
        self.engine: Engine = make_engine(
            Settings(url, prefix, self.max_lease if after_restart == "quarantine" else 0.0, looks, options)
        )
        self.url: str = self.engine.shown
        self.start()
        clusters.add(self)

    def start(self) -> None:
        self.guard: _thread.LockType = _thread.allocate_lock()
        self.sessions: dict[float, Session] = {}
        self.caller: Caller = Caller("interlock-cluster-calls")
        self.closing: Event = Event()
        self.closed: bool = False
        self.was_reached: bool = False
        self.out_since: float | None = None
        self.warned: tuple[str, float] = ("", 0.0)  # what was logged, and when
        self.quiet: float = 0.0  # seconds of quarantine that were left at the latest look
        self.requeued = 0  # waits that began anew at the end of the queue, since the engine had forgotten them
        self.forks: Any | int = getattr(self, "forks", -1) + 1
        self.pid: int = os.getpid()

    # --- the primitives ---------------------------------------------------------------------------------------------

    def Lock(self, name: str, **options: Any) -> Lock:
        """A lock: one holder over all machines. See `interlock.cluster.permits.Lock`."""
        from interlock.cluster.permits import Lock

        return Lock(self, name, **options)

    def RLock(self, name: str, **options: Any) -> RLock:
        """A lock that its owner may acquire again. See `interlock.cluster.permits.RLock`."""
        from interlock.cluster.permits import RLock

        return RLock(self, name, **options)

    def Semaphore(self, name: str, value: int = 1, **options: Any) -> Semaphore:
        """Up to `value` holders over all machines. See `interlock.cluster.permits.Semaphore`."""
        from interlock.cluster.permits import Semaphore

        return Semaphore(self, name, value, **options)

    def BoundedSemaphore(self, name: str, value: int = 1, **options: Any) -> BoundedSemaphore:
        """The same as `Semaphore`, which is bounded between machines."""
        from interlock.cluster.permits import BoundedSemaphore

        return BoundedSemaphore(self, name, value, **options)

    def RWLock(self, name: str, **options: Any) -> RWLock:
        """Many readers or one writer over all machines. See `interlock.cluster.rwlock.RWLock`."""
        from interlock.cluster.rwlock import RWLock

        return RWLock(self, name, **options)

    def Event(self, name: str) -> ClusterEvent:
        """A flag that all machines wait for. See `interlock.cluster.gates.Event`."""
        from interlock.cluster.gates import Event

        return Event(self, name)

    def Latch(self, name: str, count: int) -> Latch:
        """A count that all machines wait for to reach 0. See `interlock.cluster.gates.Latch`."""
        from interlock.cluster.gates import Latch

        return Latch(self, name, count)

    def Barrier(
        self, name: str, parties: int, action: Callable[[], object] | None = None, timeout: float | None = None
    ) -> Barrier:
        """Where `parties` from all machines meet. See `interlock.cluster.barrier.Barrier`."""
        from interlock.cluster.barrier import Barrier

        return Barrier(self, name, parties, action, timeout)

    def Condition(self, name: str, lock: AnyLock | None = None) -> Condition:
        """Waiting under a lock for a notification. See `interlock.cluster.condition.Condition`."""
        from interlock.cluster.condition import Condition

        return Condition(self, name, lock)

    # --- looking ----------------------------------------------------------------------------------------------------

    def ps(self, name: str = "") -> list[Seen]:
        """Return all names of the prefix that are in use, or one of them, with holders and waiters. Asks the engine."""
        return in_thread(self.looking(name))

    async def ps_async(self, name: str = "") -> list[Seen]:
        """The same for tasks."""
        return await in_task(self.looking(name))

    def looking(self, name: str) -> Calling[list[Seen]]:
        answer = yield from self.calling("look", (name,))
        told = json.loads(answer[0])
        sessions = told["sessions"]
        self.quiet = told["quiet"] / 1_000_000

        def remote(who: dict[str, Any]) -> Remote:
            session = sessions.get(who["session"], {"left": 0, "info": "{}"})
            process, party = json.loads(session["info"] or "{}"), json.loads(who["info"] or "{}")
            return Remote(
                host=process.get("host", "?"),
                pid=process.get("pid", 0),
                label=process.get("label", "?"),
                thread=party.get("thread", ""),
                where=party.get("where", ""),
                since=who["since"] / 1_000_000,
                units=who["units"],
                token=who.get("token", 0),
                left=max(0, session["left"]) / 1_000_000,
                session=who["session"],
                party=party.get("party", 0),
                timed=party.get("timed", False),
                age=max(0, told["now"] - who["since"]) / 1_000_000,
            )

        return [
            Seen(
                name=record["name"],
                kind=record["kind"],
                capacity=record["capacity"],
                used=record["used"],
                value=record["value"],
                token=record["last"],
                holders=tuple(map(remote, record["holders"])),
                waiters=tuple(map(remote, record["waiters"])),
            )
            for record in told["records"]
        ]

    def forget(self, name: str) -> bool:
        """Remove the data of an unused name from the engine: an event that is set, a latch.

        The data of locks and semaphores is removed automatically a minute after their last use. Returns whether it is
        gone.
        """
        return bool(in_thread(self.calling("forget", (checked_name(name),)))[0])

    def warnings(self) -> list[str]:
        """Return the settings of the server that weaken the promises, as sentences. Asks the engine."""
        try:
            return self.engine.warnings()
        except Unreachable as error:
            self.unreachable(error)
            raise self.unavailable("warnings", error, 1) from error

    # --- calls ------------------------------------------------------------------------------------------------------

    def calling(
        self,
        op: str,
        arguments: tuple[Argument, ...],
        limit: float | None = None,
        undo: Callable[[], object] | None = None,
        hang: float | None = None,
        failed: list[BaseException] | None = None,
        shielded: bool = False,
    ) -> Calling[Answer]:
        """Do a step, and go on trying through an outage.

        ``limit``: on the monotonic clock; raises `TimedOut` when it has passed and the engine has not answered.
        ``hang``: seconds that one try may take. ``failed``: collects tries that may have been done or not.

        Raises `EngineUnavailable` after `patience`, and at once where the
        engine has never been reached: a wrong address is likelier than an outage.
        """
        tries = 0
        began: float | None = None
        hang = self.lease / 3 if hang is None else hang
        while True:
            if self.closed:
                raise ClusterError(f"this handle on {self.url} was closed")
            timeout = hang
            if limit is not None:
                # Less than a slow trip takes would only make a try of it that nobody knows the end of.
                timeout = min(hang, max(TRIP, limit - time.monotonic()))
            try:
                answer: Answer = yield Step(self.engine, self.caller, op, arguments, timeout, undo, shielded)
            except Unreachable as error:
                if failed is not None:
                    failed.append(error)
                at = time.monotonic()
                if began is None:
                    began = at
                never = not self.was_reached
                self.unreachable(error)
                if never or (self.patience is not None and at - began >= self.patience):
                    raise self.unavailable(op, error, tries + 1) from error
                pause = PAUSES[min(tries, len(PAUSES) - 1)] * random.uniform(0.7, 1.0)
                if limit is not None:
                    if at >= limit:
                        raise TimedOut from error
                    pause = min(pause, limit - at)
                tries += 1
                yield Park(self.closing, pause)
            else:
                self.reached()
                return answer

    def unavailable(self, op: str, error: BaseException, tries: int) -> EngineUnavailable:
        since = self.out_since
        began = "" if since is None else time.strftime(", not since %H:%M:%S", time.localtime(since))
        times = "once" if tries == 1 else f"{tries} times"
        return EngineUnavailable(f"{self.url} does not answer{began} ({op}, tried {times}): {error}")

    def unreachable(self, error: BaseException) -> None:
        at, said = time.time(), str(error)
        with self.guard:
            first = self.out_since is None
            if first:
                self.out_since = at
                # Where some calls get an answer and others never do, this comes ten times a second.
                first = said != self.warned[0] or at > self.warned[1] + WARN
        if first and self.was_reached and not self.closed:
            self.warned = said, at
            log.warning("%s does not answer: %s", self.url, said)

    def reached(self) -> None:
        self.was_reached = True
        if self.out_since is not None:
            with self.guard:
                since, self.out_since = self.out_since, None
            if since is not None:
                log.info("%s answers again after %.1f s", self.url, time.time() - since)

    def opening(self, lease: float, limit: float | None = None) -> Calling[Session]:
        """The session of a lease, which lives."""
        while True:
            session = self.sessions.get(lease)
            if session is None or session.over is not None:
                with self.guard:
                    session = self.sessions.get(lease)
                    if session is None or session.over is not None:
                        session = self.sessions[lease] = Session(self, lease)
            if session.deadline:
                session.look_at_clock()
                if session.over is None:
                    return session
                continue
            sent = now()
            info = json.dumps({"host": socket.gethostname(), "pid": os.getpid(), "label": self.label})
            yield from self.calling("open", (session.id, int(lease * 1_000_000), info), limit, hang=lease / 3)
            if now() < sent + lease / 2:
                session.opened(sent)
            # Else the answer took so long that little is left of it: opened again, which renews it.

    def background(self, do: Callable[[], object]) -> None:
        """Have the caller thread do something that nobody waits for."""
        with suppress(RuntimeError):  # no thread can be started while the interpreter ends; then the lease runs out
            self.caller.submit(Trip(do))

    def pause(self, seconds: float) -> None:
        self.closing.wait(seconds)

    # --- ending -----------------------------------------------------------------------------------------------------

    def close(self) -> None:
        """Release all that is held through this handle, and close it. Waiting calls raise an error."""
        with self.guard:
            if self.closed:
                return
            self.closed = True
        clusters.discard(self)
        self.closing.set()
        for session in list(self.sessions.values()):
            session.close(LeaseLost(f"this handle on {self.url} was closed"))
        self.caller.close()
        self.engine.close()

    async def close_async(self) -> None:
        """The same for tasks."""
        over = Event()

        def close() -> None:
            try:
                self.close()
            finally:
                over.set()

        _thread.start_new_thread(close, ())
        await over.wait_async()

    def __enter__(self) -> Cluster:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    async def __aenter__(self) -> Cluster:
        return self

    async def __aexit__(self, *error: object) -> None:
        await self.close_async()

    def __repr__(self) -> str:
        state = "closed" if self.closed else "out of reach" if self.out_since is not None else "open"
        return f"<{state} interlock.cluster.Cluster {self.url} prefix={self.prefix!r}>"

    def forked(self) -> None:
        """In a child: nothing of the parent's sessions is ours."""
        closed = self.closed
        for session in list(self.sessions.values()):
            session.forked()
        self.engine.forked()
        self.start()
        self.closed = closed


clusters: weakref.WeakSet[Cluster] = weakref.WeakSet()


def _forked() -> None:
    clock.forked()
    seen.forked()
    for cluster in list(clusters):
        cluster.forked()


def _close_all() -> None:
    at_exit.begun = True
    for cluster in list(clusters):
        cluster.close()


atexit.register(_close_all)
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forked)
