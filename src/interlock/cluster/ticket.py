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

import sys
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

from interlock import Event
from interlock.cluster.errors import LeaseLost

if TYPE_CHECKING:
    from interlock.cluster.session import Session

WAITING: Final = 0
HELD: Final = 1
AGAIN: Final = 2
BROKEN: Final = 3
LOST: Final = 4
GONE: Final = 5


class Lost(Event):
    """Set when a hold is lost: an event for threads and tasks. ``reason`` says why; it is an exception."""

    reason: LeaseLost | None = None
    session: Session | None = None

    def is_set(self) -> bool:
        """Whether it is lost, or may be by this moment."""
        if self.session is not None:
            self.session.look_at_clock()
        return self.reason is not None or super().is_set()


class Ticket:
    """What `with lock as grant:` binds: a hold between machines."""

    __slots__ = (
        "_lost",
        "asked",
        "board",
        "cancel",
        "cancelling",
        "count",
        "event",
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
        self.reason: LeaseLost | None = None
        self._lost: Lost | None = None
        self.on_lost: Callable[[Ticket], object] | None = None
        self.cancel: Callable[[], object] | None = None
        self.cancelling: Any = None

    @property
    def token(self) -> int:
        """The fencing token: greater than that of every earlier grant of the name. Raises `LeaseLost` once lost."""
        self.check()
        return self.value

    @property
    def lost(self) -> Lost:
        """An event that is set when the hold is lost: `wait`, `wait_async`, `is_set`, and the `reason`."""
        with self.session.guard:
            lost = self._lost
            if lost is None:
                lost = self._lost = Lost()
                lost.session = self.session
            if self.reason is not None and lost.reason is None:
                lost.reason = self.reason
                lost.set()
        return lost

    def check(self) -> None:
        """Raise `LeaseLost` where the hold is lost, or may be by this moment."""
        self.session.look_at_clock()
        if self.reason is not None:
            raise self.reason.__class__(*self.reason.args)

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
            threading.Thread(target=on_lost, args=(self,), name="interlock-on-lost", daemon=True).start()

    def __repr__(self) -> str:
        states = ("waiting", "held", "to ask again", "broken", "lost", "released")
        return f"<grant of {self.name!r}: {states[self.state]}, token {self.value}>"
