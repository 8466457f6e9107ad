"""One wait and the hold that comes of it, as the process knows it.

    WAITING   asked for, not granted yet                          -> HELD, AGAIN, BROKEN, GONE
    HELD      granted; for kinds that only tell, told             -> LOST, GONE
    AGAIN     the engine forgot that we wait: ask anew            (end)
    BROKEN    the barrier broke                                   (end)
    LOST      was held, and may be somebody else's by now         (end)
    GONE      released, or no longer wanted                       (end)

The state changes under the guard of the session only, so that a grant, a loss and a release that race each other all
come to one point. `event` is set at the first change, `lost` at a loss.
"""

from __future__ import annotations

import logging
import sys
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

from interlock import Event
from interlock.cluster.errors import LeaseLost, NotHeld

if TYPE_CHECKING:
    from interlock.cluster.session import Session

log: logging.Logger = logging.getLogger("interlock.cluster")

WAITING: Final = 0
HELD: Final = 1
AGAIN: Final = 2
BROKEN: Final = 3
LOST: Final = 4
GONE: Final = 5


class AtExit:
    """Whether the interpreter ends: all is given up then, and only daemon threads are left beside the main one.

    They are not told, since the interpreter stops them in a moment. Who waits sleeps on; who would get an error of ours
    ends in silence.
    """

    begun: bool = False

    def is_daemon(self) -> bool:
        return self.begun and threading.current_thread() is not threading.main_thread()


at_exit: AtExit = AtExit()


class Lost(Event):
    """Set when a hold is lost: an event for threads and tasks. ``reason`` says why; it is an exception."""

    reason: LeaseLost | NotHeld | None = None
    session: Session | None = None

    def is_set(self) -> bool:
        """Whether it is lost, or may be by this moment."""
        if self.session is not None:
            self.session.look_at_clock()
        return self.reason is not None or super().is_set()


class Here:
    """What belongs to this process. A copy would share its session, or be forgotten when that ends."""

    __slots__ = ()

    def __reduce__(self) -> Any:
        raise TypeError(
            f"cannot pickle or copy {self!r}: it belongs to this process. Connect in the other one, and use its name"
        )


class Ticket(Here):
    """What `with lock as grant:` binds: a hold between machines."""

    __slots__ = (
        "_lost",
        "asked",
        "board",
        "cancel",
        "cancelling",
        "count",
        "event",
        "latest",
        "moving",
        "name",
        "on_lost",
        "party",
        "reason",
        "session",
        "since",
        "state",
        "units",
        "value",
        "waiter",
    )

    def __init__(self, session: Session, waiter: str, name: str, units: int, event: Event, board: Any = None) -> None:
        self.session: Session = session
        self.waiter: str = waiter
        self.name: str = name
        self.units: int = units
        self.event: Event = event
        self.board: Any = board
        self.state: int = WAITING
        self.asked: bool = False  # the engine has said that we wait, so it has to know of us
        self.moving: bool = False  # on its way to a condition, which gives it up: not missed meanwhile
        self.value: int = 0
        self.party: int = 0
        self.count: int = 1
        self.since: float = 0.0
        self.reason: LeaseLost | NotHeld | None = None
        # Waiting at a condition gives the hold up and comes back with another, which `grant` then means: a list of that
        # one, shared by all of them. None where there is no other.
        self.latest: list[Ticket] | None = None
        self._lost: Lost | None = None
        self.on_lost: Callable[[Ticket], object] | None = None
        self.cancel: Callable[[], object] | None = None
        self.cancelling: Any = None

    @property
    def token(self) -> int:
        """The fencing token: greater than that of every earlier grant of the name. Raises what `check` raises."""
        ticket = self.now()
        ticket.check()
        return ticket.value

    @property
    def lost(self) -> Lost:
        """An event that is set when the hold is lost: `wait`, `wait_async`, `is_set`, and the `reason`."""
        ticket = self.now()
        with ticket.session.guard:
            lost = ticket._lost
            if lost is None:
                lost = ticket._lost = Lost()
                lost.session = ticket.session
            if ticket.reason is not None and lost.reason is None:
                lost.reason = ticket.reason
                lost.set()
        return lost

    def check(self) -> None:
        """Raise `LeaseLost` where the hold is lost, or may be by this moment, and `NotHeld` after its release."""
        ticket = self.now()
        ticket.session.look_at_clock()
        if ticket.reason is not None:
            if at_exit.is_daemon():
                raise SystemExit
            raise ticket.reason.__class__(*ticket.reason.args)
        if ticket.state == GONE:
            raise NotHeld(f"{ticket.name!r} is not held any more: it was released")

    def now(self) -> Ticket:
        latest = self.latest
        return self if latest is None else latest[0]

    def follow(self, hold: Ticket) -> None:
        """This one is what `hold` is from now on."""
        latest = hold.latest
        if latest is None:
            latest = hold.latest = [hold]
        with self.session.guard:
            self.latest = latest
            self._lost = lost = hold._lost
            if lost is not None:
                lost.session = self.session
                lost.reason = self.reason  # lost already: `put` sets it
        latest[0] = self

    def tell_loss(self) -> None:
        """Tell who waits for it. Called outside the guard, after the state has become LOST."""
        if self.board is not None:
            self.board.lost()
        lost = self._lost
        if lost is not None:
            lost.set()
        cancel = self.cancel
        if cancel is not None:
            cancel()

    def call_on_lost(self) -> None:
        """Once, after `tell_loss` of all: it takes a thread of its own, whose start takes time."""
        with self.session.guard:
            on_lost, self.on_lost = self.on_lost, None
        if on_lost is not None and not sys.is_finalizing():
            try:
                threading.Thread(target=on_lost, args=(self,), name="interlock-on-lost", daemon=True).start()
            except RuntimeError as error:  # whoever tells the loss goes on: others wait to be told theirs
                log.error("the lease of %r is lost, and on_lost could not be called: %s", self.name, error)

    def __repr__(self) -> str:
        states = ("waiting", "held", "to ask again", "broken", "lost", "released")
        return f"<grant of {self.name!r}: {states[self.state]}, token {self.value}>"
