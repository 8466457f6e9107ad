"""`interlock.watch_order`: warn about locks that are taken in two orders."""

import warnings
from collections.abc import Callable
from types import TracebackType

from interlock.core.order import Edge, place_of, start_watching, stop_watching


class LockOrderWarning(RuntimeWarning):
    """Locks are taken in two orders, which can end in a deadlock."""

    __module__ = "interlock"


class OrderWatch:
    """Watches until `stop`, or until the end of a ``with``. ``found``: what there was to say so far."""

    def __init__(self, report: Callable[[str], object] | None) -> None:
        self.found: list[str] = []
        self._report = report
        self._sink = start_watching(self._tell)

    def stop(self) -> None:
        """Watch no more."""
        stop_watching(self._sink)

    def __enter__(self) -> "OrderWatch":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.stop()

    def _tell(self, circle: list[Edge]) -> None:
        text = describe(circle)
        self.found.append(text)
        if self._report is not None:
            self._report(text)
        else:
            warnings.warn(text, LockOrderWarning, stacklevel=2)


def watch_order(report: Callable[[str], object] | None = None) -> OrderWatch:
    """Warn, once each, where locks are taken in one order in one place and in another order in another place.

    Such places can deadlock even if they never met in this run. Locks that one line made count as one, except among
    themselves. Nothing is said about a try that does not block or has a timeout, about orders that were always taken
    under one common lock, and about locks that are nested in rising order ``with lock.within_order(n):``.

    ``report``: called with the text of each finding, in the party that was about to take the second lock; by default
    it is a `LockOrderWarning`. What it raises is raised there, before the lock is taken: so ``-W error`` shows the line.

    Returns what can be entered using ``with``, or stopped.
    """
    return OrderWatch(report)


def describe(circle: list[Edge]) -> str:
    """A finding in words."""
    names = [edge.names[0] for edge in circle]
    if len(circle) == 2:
        headline = f"{names[0]} and {names[1]} are taken in both orders, which can end in a deadlock"
    else:
        headline = f"{', '.join(names[:-1])} and {names[-1]} are taken in a circle, which can end in a deadlock"
    lines = [f"lock order: {headline}"]
    for edge in circle:
        first, then = place_of(*edge.first), place_of(*edge.then)
        lines += [
            f"    {edge.names[0]}, taken at {first}",
            f"        {first.text}",
            f"    and then {edge.names[1]}, at {then}",
            f"        {then.text}",
        ]
    return "\n".join([*lines, "    Take them in one order everywhere."])
