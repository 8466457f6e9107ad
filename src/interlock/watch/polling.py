"""Polling: a party that comes back to the same timed wait, again and again, and whose time is up each time.

No single wait of it is long. So it is followed from one look to the next: one that was found in a timed wait for the
same primitive at every look has polled it since the first of them.
"""

import weakref

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from interlock.watch.view import Someone, View


class Poll:
    """``seconds`` for which it has lasted; ``times``: how many of the party's waits have timed out in that time."""

    def __init__(self, seconds: float, times: int) -> None:
        self.seconds = seconds
        self.times = times

    def __str__(self) -> str:
        return f"it has come back to this wait for {self.seconds:.1f} s: {self.times:,} times its time was up"


class Polls:
    """Who polls. To be asked at each look."""

    def __init__(self) -> None:
        self._since: dict[tuple[int, int], tuple[int, int, weakref.ref[Any]]] = {}

    def look(self, view: "View") -> None:
        """Tell the view, as `View.polls`, who has polled since an earlier look."""
        standing = {}
        for someone in view.people:
            key = _key(someone)
            if key is None:
                continue
            assert someone.wait is not None and someone.party is not None
            began = self._since.get(key)
            if began is None or began[2]() is not someone.wait.began:
                began = (view.now, someone.party.timeouts, weakref.ref(someone.wait.began))
            standing[key] = began
            times = someone.party.timeouts - began[1]
            if times >= 2:
                view.polls[id(someone)] = Poll((view.now - began[0]) / 1e9, times)
        self._since = standing


def _key(someone: "Someone") -> tuple[int, int] | None:
    wait = someone.wait
    if wait is None or not wait.timed or someone.party is None:
        return None
    return someone.party.id, id(wait.began)
