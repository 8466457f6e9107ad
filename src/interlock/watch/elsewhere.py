"""Who holds a lock between machines on another one, or one between processes in another, for reports of this process.

`interlock.cluster` asks its engine for it while somebody waits here, and `interlock.machine` looks into the shared
memory, so what is said here was so at some moment: dumps say when, and in a recording a hold elsewhere begins when it
was seen first. Nothing is imported that the program has not.
"""

import sys
from collections.abc import Iterable

from interlock.core.kernel.primitive import Primitive
from interlock.core.record.recorder import HAPPENINGS, Taken

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_ACQUIRED = HAPPENINGS.index("acquired")
_RELEASED = HAPPENINGS.index("released")
_NO_PLACE = 0xFFFFFF << 8
_FIRST_PARTY = 1 << 62  # ids that no thread and no task of this process has


def is_remote(primitive: Primitive) -> bool:
    remote = sys.modules.get("interlock.core.primitives.remote")
    return remote is not None and isinstance(primitive, remote.Remote)


def told(primitive: Primitive) -> "Any | None":
    """What the engine has said of it last, as `interlock.cluster.seen.Told`; None where nothing is known."""
    last = getattr(primitive, "last", None)
    return None if last is None or not is_remote(primitive) else last()


def holds(taken: Taken, known: dict[int, str]) -> Iterable[tuple[int, int, int, int, int, int, int]]:
    """Holds of other processes as events of the recording, in its layout.

    ``known``: is given the names of the parties that hold. Their ids stand for the line that holds, too.
    """
    seen, boards = sys.modules.get("interlock.cluster.seen"), sys.modules.get("interlock.machine.boards")
    changes: list[tuple[int, Any, str, str]] = [
        change for of in (seen, boards) if of is not None for change in list(of.changes)
    ]
    if not changes:
        return
    numbers: dict[tuple[Any, str | None], int] = {}
    for each, entry in taken.entries.items():
        numbers[entry.kind, entry.label] = numbers[entry.type, entry.label] = each
    parties: dict[str, int] = {}
    held: dict[int, int] = {}
    for at, kind, name, who in changes:
        number = numbers.get((kind, name))
        if number is None or at > taken.ended:
            continue
        # What was seen before the recording began, and nothing else since, was so when it began.
        time = max(at, taken.began)
        before = held.pop(number, None)
        if before is not None:
            yield time, before, 0, 0, before, number, _NO_PLACE | _RELEASED
        if who:
            party = parties.setdefault(who, _FIRST_PARTY + len(parties))
            known[party] = who
            held[number] = party
            yield time, party, 0, 0, party, number, _NO_PLACE | _ACQUIRED
