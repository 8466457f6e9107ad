"""`interlock.watch_order`: warn about locks that are taken in two orders."""

from collections.abc import Callable

from interlock.core.explain.order import Edge, place_of, start_watching, stop_watching
from interlock.errors import LockOrderWarning

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import TracebackType


class OrderWatch:
    """Watches the order of locks until `stop`, or until the end of a ``with`` block. ``found``: the texts so far."""

    def __init__(self, report: Callable[[str], object] | None) -> None:
        self.found: list[str] = []
        self._report = report
        self._sink = start_watching(self._tell)

    def stop(self) -> None:
        """Stop watching."""
        stop_watching(self._sink)

    def __enter__(self) -> "OrderWatch":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, traceback: "TracebackType | None"
    ) -> None:
        self.stop()

    def _tell(self, cycle: list[Edge]) -> None:
        text = describe(cycle)
        self.found.append(text)
        if self._report is not None:
            self._report(text)
        else:
            import warnings

            warnings.warn(text, LockOrderWarning, stacklevel=2)


def describe(cycle: list[Edge]) -> str:
    """A finding in words."""
    names = [edge.names[0] for edge in cycle]
    if len(set(names)) == 1:
        headline = f"several {names[0]} are taken in different orders, which can end in a deadlock"
    elif len(cycle) == 2:
        headline = f"{names[0]} and {names[1]} are taken in both orders, which can end in a deadlock"
    else:
        headline = f"{', '.join(names[:-1])} and {names[-1]} are taken in a cycle, which can end in a deadlock"
    lines = [f"lock order: {headline}"]
    for edge in cycle:
        first, then = place_of(*edge.first), place_of(*edge.then)
        lines += [
            f"    {edge.names[0]}, taken at {first}",
            f"        {first.text}",
            f"    and then {edge.names[1]}, at {then}",
            f"        {then.text}",
        ]
    return "\n".join([*lines, "    Take them in one order everywhere."])
