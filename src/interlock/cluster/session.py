"""A session of the process: one lease that keeps all it holds, its renewal, and what becomes of it when that fails.

Two threads, and a rule for each.

The *line* (one for each session) talks to the engine: it beats every third of the lease, and while anybody waits it
reads the inbox. It may hang in a frozen network.

The *clock* (one for the process) talks to nobody, so nothing can hold it up. It tells the holders that their lease is
over: a tenth of the lease before `deadline`, which counts from before the renewal that the engine answered was sent.
The engine counts from when that came, which is later, so the holder is told before anybody else can be granted, as
long as both clocks run equally fast. The clock counts the time that the machine sleeps (CLOCK_BOOTTIME).

What `beat` says that the session has is compared with what the process believes (`compare`):

    engine                  process                 what follows
    granted                 waiting                 a hint was lost: granted
    granted or waiting      knows nothing of it     a call that was given up came through late: leave
    nothing                 held since before       lost
    nothing                 waiting since before    the engine forgot: ask again

A session that is lost, or was told to be, is over for good; the next call opens another. A deadline that has passed is
never moved: what the engine says after that is of a session that it may have ended and begun anew in between.

A caller need not wait for the clock thread, which runs when the machine lets it: `acquire` before it returns,
`check`, `token`, `lost.is_set()` and `release` look at the time themselves. What is promised to a program is so
much: at the moment of a check that passes, nobody else holds it.
"""

from __future__ import annotations

import _thread
import logging
import math
import secrets
import threading
import time
from contextlib import suppress
from itertools import count
from typing import TYPE_CHECKING

from interlock.cluster.bell import Bell
from interlock.cluster.engine import Answer, Engine, Inbox, Unreachable
from interlock.cluster.errors import ClusterError, EngineRestarted, ForkedLock, LeaseLost
from interlock.cluster.seen import Seen, note, told, wait_at
from interlock.cluster.ticket import AGAIN, BROKEN, GONE, HELD, LOST, WAITING, Ticket, at_exit

if TYPE_CHECKING:
    from interlock.cluster.client import Cluster

log: logging.Logger = logging.getLogger("interlock.cluster")

RETRY = 0.1  # seconds after a renewal that failed
SLACK = 0.002  # seconds: a deadline is looked at just after it, not just before
# Up to so many tickets, every beat asks for all that the session has. Above, only one that has a reason to, and one in
# so many: a call that was given up may come through to the engine at any time later.
FEW = 100
SOMETIMES = 10

ASK = 1.0  # seconds that somebody has to wait before anybody asks who holds it
ASKED = 3  # names at a time

if hasattr(time, "CLOCK_BOOTTIME"):

    def now() -> float:
        """Seconds on a clock that counts the time asleep."""
        return time.clock_gettime(time.CLOCK_BOOTTIME)

else:

    def now() -> float:
        return time.monotonic()


class Session:
    def __init__(self, cluster: Cluster, lease: float) -> None:
        self.cluster = cluster
        self.engine: Engine = cluster.engine
        self.lease = lease
        self.id: str = secrets.token_hex(8)
        self.guard: _thread.LockType = _thread.allocate_lock()
        self.numbers: count[int] = count(1)
        self.mine: dict[str, Ticket] = {}
        self.owed: dict[str, None] = {}  # waiters to leave
        self.leaving: set[str] = set()  # waiters that are being released: nobody else may, their answer counts
        self.waiting: int = 0  # tickets that wait; changed under the guard
        self.calls: count[int] = count(1)
        self.answered: list[str] = []  # numbers of calls whose answers came, to be told to the engine
        self.deadline: float = 0.0  # 0: not open yet
        self.over: LeaseLost | None = None
        self.closing: bool = False
        self.suspect: bool = False  # the next beat asks for everything, and comes at once where somebody waits
        self.inbox: Inbox | None = None
        self.wake: Bell = Bell()
        self.line: threading.Thread | None = None
        self.beats: int = 0

    # --- opening and ending -----------------------------------------------------------------------------------------

    def opened(self, sent: float) -> None:
        """The engine has answered `open`, which was sent at `sent`. Any number of parties may open a session.

        Only the first gives it a deadline: one that comes late to the engine may begin there anew what was over.
        """
        with self.guard:
            if self.over is None and not self.deadline:
                self.deadline = sent + self.lease
            start = self.line is None and self.over is None and not self.closing
            if start:
                self.inbox = self.engine.inbox(self.id)
                self.line = threading.Thread(target=self.live, name="interlock-cluster-line", daemon=True)
        if start:
            assert self.line is not None
            try:
                clock.watch(self)
                self.line.start()
            except BaseException as error:
                # Nobody renews it, or nobody tells its end: the next call opens another.
                self.end(LeaseLost(f"the session could not start its threads: {error!r}"))
                clock.forget(self)
                raise

    def renewed(self, sent: float) -> None:
        """The engine has kept the session alive by what was sent at `sent`."""
        self.look_at_clock()
        with self.guard:
            # Asked again here: this thread may have been stopped since.
            if self.over is None and (not self.deadline or now() < self.told_at):
                self.deadline = max(self.deadline, sent + self.lease)

    @property
    def told_at(self) -> float:
        return self.deadline - self.lease / 10

    def look_at_clock(self) -> None:
        """Tell the loss if it is time, without waiting for the clock thread to come to it.

        When it returns, what is held in a session that is over is marked lost, no matter which thread did it.
        """
        if self.deadline and now() >= self.told_at:
            self.end(LeaseLost(f"{self.engine.shown} did not renew the lease of {self.lease:g} s in time"))

    def end(self, reason: LeaseLost) -> None:
        """All that is held is lost, and who waits asks anew, in another session."""
        with self.guard:
            if self.over is not None:
                return
            self.over = reason
            tickets = list(self.mine.values())
            self.mine.clear()
            self.waiting = 0
            lost = [ticket for ticket in tickets if ticket.state == HELD]
            again = [ticket for ticket in tickets if ticket.state == WAITING]
            for ticket in lost:
                self.mark_lost(ticket, reason)
            for ticket in again:
                ticket.state = AGAIN
        self.wake.set()
        if at_exit.begun:
            return  # only daemon threads are left, and sleep on
        for ticket in lost:
            ticket.tell_loss()
        for ticket in again:
            ticket.event.set()
        for ticket in lost:
            ticket.call_on_lost()

    def mark_lost(self, ticket: Ticket, reason: LeaseLost) -> None:
        ticket.state = LOST
        ticket.reason = reason
        if ticket._lost is not None:
            ticket._lost.reason = reason

    # --- tickets ----------------------------------------------------------------------------------------------------

    def begin(self, name: str, units: int, board: Seen | None = None) -> Ticket | None:
        """A ticket for somebody who is about to ask. None where the session is over."""
        event = wait_at(board, self.engine.shown, name)
        ticket = Ticket(self, f"{self.id}:{next(self.numbers)}", name, units, event, board)
        with self.guard:
            if self.over is not None:
                return None
            self.mine[ticket.waiter] = ticket
            self.waiting += 1
        return ticket

    def settle(self, waiter: str, value: int) -> None:
        """The engine has granted, or broken (negative). Does nothing where that is known, or no longer wanted."""
        with self.guard:
            ticket = self.mine.get(waiter)
            if ticket is None or ticket.state != WAITING:
                unknown = ticket is None and self.over is None and waiter not in self.leaving
            else:
                unknown = False
                self.waiting -= 1
                ticket.value = value
                if value > 0:
                    ticket.state = HELD
                    ticket.since = time.time()
                    if ticket.board is not None and ticket.board.told is not None:
                        note(ticket.board, None)
                else:
                    ticket.state = BROKEN
                    del self.mine[waiter]
        if unknown:
            self.owe(waiter)
        elif ticket is not None:
            ticket.event.set()

    def queued(self, ticket: Ticket) -> None:
        """The engine has said that this one waits: read the inbox."""
        ticket.asked = True
        self.wake.set()

    def take_out(self, ticket: Ticket) -> bool:
        """The party no longer wants it, or releases it. Returns whether the engine is to be told."""
        with self.guard:
            if ticket.state == WAITING:
                self.waiting -= 1
            elif ticket.state != HELD:
                return False
            ticket.state = GONE
            self.mine.pop(ticket.waiter, None)
        return True

    def begin_release(self, ticket: Ticket) -> bool:
        """The party releases it. Returns False where it is not held any more; else `release_over` has to follow."""
        self.look_at_clock()
        with self.guard:
            if ticket.state != HELD or self.mine.pop(ticket.waiter, None) is None:
                return False
            ticket.state = GONE
            self.leaving.add(ticket.waiter)
        return True

    def release_over(self, ticket: Ticket) -> None:
        with self.guard:
            self.leaving.discard(ticket.waiter)

    def withdraw(self, ticket: Ticket) -> bool:
        """The party's time is over. Returns False where it was granted, or the session ended, just before."""
        with self.guard:
            if ticket.state != WAITING:
                return False
            ticket.state = GONE
            self.waiting -= 1
            self.mine.pop(ticket.waiter, None)
        return True

    def next_call(self) -> tuple[str, list[str]]:
        """The number of a call that must not be done twice, and those whose answers the engine need not keep."""
        with self.guard:
            return str(next(self.calls)), self.answered[:100]

    def call_over(self, call: str, seen: list[str]) -> None:
        with self.guard:
            self.answered = [number for number in self.answered if number not in seen]
            self.answered.append(call)

    def owe(self, *waiters: str) -> None:
        """Leave, when it can be done. Nobody waits for it; if the session ends first, that does it too."""
        with self.guard:
            if self.over is not None:
                return
            self.owed.update(dict.fromkeys(waiters))
        self.cluster.background(self.pay)

    def owe_later(self, waiter: str) -> None:
        """Leave with the next beat: nobody is waiting for that."""
        with self.guard:
            if self.over is None:
                self.owed[waiter] = None

    def pay(self) -> None:
        with self.guard:
            owed = list(self.owed)[:500]
        if not owed or self.over is not None:
            return
        try:
            self.engine.call("leave", (self.id, *owed), self.patience)
        except (Unreachable, ClusterError):
            return  # with the next beat
        with self.guard:
            for waiter in owed:
                self.owed.pop(waiter, None)

    # --- the line ---------------------------------------------------------------------------------------------------

    @property
    def patience(self) -> float:
        """Seconds that one call may hang."""
        return self.lease / 3

    def live(self) -> None:
        try:
            self.beat_and_read()
        except BaseException as error:
            # Nobody renews any more, and nobody would wake those who wait.
            self.end(LeaseLost(f"the line to {self.engine.shown} ended by an error: {error!r}"))
            raise
        self.leave()

    def beat_and_read(self) -> None:
        beat_at = now() + self.lease / 3
        look_at = math.inf  # when something that is waited for may come free by itself
        ask_at = math.inf  # when to ask who holds what is waited for here
        while True:
            self.wake.clear()
            if self.over is not None or self.closing:
                break
            due = min(beat_at, look_at) if self.waiting else beat_at
            if not self.waiting:
                ask_at = math.inf
            elif ask_at == math.inf:
                ask_at = now() + min(ASK, self.lease / 3)
            if (self.suspect and self.waiting) or now() >= due:
                sent = now()
                try:
                    look_in = self.beat()
                except (Unreachable, ClusterError) as error:
                    self.cluster.unreachable(error)
                    self.suspect = True
                    self.wake.wait(RETRY)
                    continue
                if not self.waiting and self.inbox is not None:
                    self.inbox.rest()
                beat_at = sent + self.lease / 3
                look_at = sent + look_in
                if self.owed:
                    self.pay()
            elif self.waiting and now() >= ask_at:
                self.ask_who()
                ask_at = now() + self.lease / 3
            elif self.waiting:
                self.read(max(0.0, min(due, ask_at) - now()))
            else:
                self.wake.wait(max(0.0, due - now()))

    def read(self, timeout: float) -> None:
        assert self.inbox is not None
        try:
            told = self.inbox.read(timeout)
        except (Unreachable, ClusterError) as error:
            if self.over is None and not self.closing:
                self.cluster.unreachable(error)
                self.suspect = True
                self.wake.wait(RETRY)
            return
        if told is None:
            self.suspect = True
            return
        for each in told:
            self.settle(each.waiter, each.value)

    def ask_who(self) -> None:
        """Note who holds what is waited for: nobody but reports wants to know. A few names at a time, in turn."""
        with self.guard:
            boards = {t.name: t.board for t in self.mine.values() if t.state == WAITING and t.board is not None}
        for name, board in sorted(boards.items(), key=lambda it: it[1].told.at if it[1].told else 0)[:ASKED]:
            try:
                answer = self.engine.call("read", (name,), self.patience / 4)
            except (Unreachable, ClusterError):
                return  # the next beat finds out
            with self.guard:
                if any(t.state == WAITING and t.name == name for t in self.mine.values()):
                    note(board, told(answer))

    def beat(self) -> float:
        """Renew the lease. Returns the seconds until something may be worth another look; infinite: nothing."""
        everything = self.suspect or len(self.mine) <= FEW or self.beats % SOMETIMES == 0
        self.suspect = False
        with self.guard:
            known = (
                [
                    t
                    for t in self.mine.values()
                    if (t.state == HELD and not t.moving) or (t.state == WAITING and t.asked)
                ]
                if everything
                else []
            )
        sent = now()
        self.beats += 1
        answer = self.engine.call("beat", (self.id, int(everything)), self.patience)
        if answer[0] == "lost":
            self.end(EngineRestarted(f"{self.engine.shown} no longer knows this session: it was restarted or emptied"))
            return math.inf
        self.renewed(sent)
        self.cluster.reached()
        if everything:
            self.compare(answer, known)
        look_in: int = answer[1]
        return look_in / 1_000_000 + SLACK if look_in >= 0 else math.inf

    def compare(self, answer: Answer, known: list[Ticket]) -> None:
        theirs = {answer[i]: answer[i + 2] for i in range(2, len(answer), 3)}
        strangers: list[str] = []
        for waiter, value in theirs.items():
            if value:
                self.settle(waiter, value)  # leaves what nobody wants
            elif waiter not in self.mine and waiter not in self.leaving:
                strangers.append(waiter)
        if strangers:
            self.owe(*strangers)
        lost: list[Ticket] = []
        again: list[Ticket] = []
        reason = EngineRestarted(f"{self.engine.shown} forgot this hold: it was restarted, or a replica took over")
        with self.guard:
            for ticket in known:
                if ticket.waiter in theirs or ticket.waiter not in self.mine or ticket.moving:
                    continue
                if ticket.state == HELD:
                    self.mark_lost(ticket, reason)
                    lost.append(ticket)
                elif ticket.state == WAITING:
                    ticket.state = AGAIN
                    self.waiting -= 1
                    again.append(ticket)
                del self.mine[ticket.waiter]
        for ticket in lost:
            ticket.tell_loss()
        for ticket in again:
            ticket.event.set()
        for ticket in lost:
            ticket.call_on_lost()

    def leave(self) -> None:
        """Last words of the line: the engine need not wait for the lease to run out."""
        clock.forget(self)
        if self.inbox is not None:
            self.inbox.close()
            self.inbox.rest()
        if self.closing:
            return  # `close` says it
        until = now() + 2 * self.lease
        while now() < until and not self.cluster.closed:
            try:
                self.engine.call("close", (self.id,), self.patience)
            except ClusterError:
                return
            except Unreachable:
                self.cluster.pause(RETRY * 2)
            else:
                return

    def forked(self) -> None:
        """In a child: the session is the parent's. What is held in it is not held here, and nobody waits in it."""
        self.guard = _thread.allocate_lock()
        self.over = LeaseLost("the session is that of the process from which this one was forked")
        for ticket in self.mine.values():
            ticket.state = GONE
            ticket.reason = ForkedLock(f"{ticket.name!r} is held by the process from which this one was forked")
        self.mine = {}

    def close(self, reason: LeaseLost) -> None:
        """Give up all that is held, at once."""
        self.closing = True
        opened = self.deadline and self.over is None
        self.end(reason)
        if self.inbox is not None:
            self.inbox.close()
        if opened:
            with suppress(Unreachable, ClusterError):  # then the lease runs out
                self.engine.call("close", (self.id,), min(self.patience, 2.0))


class Clock:
    """Ends the sessions whose time is over. One thread for the process; it does no I/O and takes no lock for long."""

    def __init__(self) -> None:
        self.guard: _thread.LockType = _thread.allocate_lock()
        self.sessions: set[Session] = set()
        self.wake: Bell = Bell()
        self.thread: threading.Thread | None = None

    def watch(self, session: Session) -> None:
        with self.guard:
            self.sessions.add(session)
            if self.thread is None:
                thread = threading.Thread(target=self.live, name="interlock-cluster-clock", daemon=True)
                thread.start()  # here: if there is no thread to be had, the next one tries again
                self.thread = thread
        self.wake.set()

    def forget(self, session: Session) -> None:
        with self.guard:
            self.sessions.discard(session)

    def live(self) -> None:
        while True:
            self.wake.clear()
            with self.guard:
                sessions = list(self.sessions)
                if not sessions:
                    self.thread = None
                    return
            pause = 1.0  # the timer of a wait does not count the time asleep
            for session in sessions:
                session.look_at_clock()
                if session.over is None:
                    pause = min(pause, max(0.0, session.told_at - now()))
            self.wake.wait(pause)

    def forked(self) -> None:
        self.__init__()  # type: ignore[misc]


clock: Clock = Clock()
