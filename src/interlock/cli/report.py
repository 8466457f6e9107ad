"""From tallies to the text that `interlock run` ends with. Prints nothing itself."""

import os
import threading
from collections import Counter
from collections.abc import Callable, Iterable, Sequence

from interlock.core.kernel.probe import Tally
from interlock.watch.words import LABEL, aligned, count, duration, legible

TYPE_CHECKING = False
if TYPE_CHECKING:
    from interlock.watch.still import StillWaiting

_ROWS = 20  # a tired reader looks at the first few
_WORTH_A_LOOK = 1_000_000  # ns in all; no program is slow because of less than a millisecond
_STILL = 10  # waits that have not ended
_TITLES = ("KIND", "NAME OR LINE", "ACQUIRED", "WAITED", "TOTAL WAIT", "LONGEST")

# What to do about the waiting. To wait is what signals are for, so a guard is the better news even if it waited less.
_GUARDS = {
    "Lock": "do less while holding it, or split what it guards",
    "RLock": "do less while holding it, or split what it guards",
    "RWLock": "do less while holding it, and take write() only to change something",
    "Semaphore": "give it more permits, or hold them for less time",
    "BoundedSemaphore": "give it more permits, or hold them for less time",
}
_SIGNALS = {
    "Event": "look at what happens before its set()",
    "Future": "look at what the job does, and at how many workers its pool has",
    "Condition": "look at what happens before its notify(), and while somebody holds its lock",
    "Barrier": "look at what the last one to arrive does before",
    "Latch": "look at what happens before its last count_down()",
    "Queue": "look at what those do meanwhile who put into it and get from it",
    "LifoQueue": "look at what those do meanwhile who put into it and get from it",
    "PriorityQueue": "look at what those do meanwhile who put into it and get from it",
    "SimpleQueue": "look at what those do meanwhile who put into it",
    "WaitQueue": "look at what happens before its unpark()",
}
_OTHERS = "look at what happens while others wait for it"

_BOLD = "\x1b[1m"
_YELLOW = "\x1b[33m"
_PLAIN = "\x1b[0m"


class _Row:
    """A tally's numbers, and what to call it: ``place`` (where it was made), ``label`` (what the table says) and
    ``named`` (whether that is a name, and not the place)."""

    def __init__(self, tally: Tally, name: str | None, place: str, kind: str) -> None:
        self.kind = kind
        self.line = tally.file, tally.line
        self.made = tally.made
        self.acquired = tally.acquired
        self.waited = tally.waited
        self.waited_ns = tally.waited_ns
        self.longest_ns = tally.longest_ns
        self.place = place
        self.named = name is not None
        self.label = place if name is None else legible(name)

    def add(self, other: "_Row") -> None:
        self.made += other.made
        self.acquired += other.acquired
        self.waited += other.waited
        self.waited_ns += other.waited_ns
        self.longest_ns = max(self.longest_ns, other.longest_ns)

    def order(self) -> tuple[object, ...]:
        return -self.waited_ns, -self.acquired, self.kind, self.label


def report(
    tallies: Sequence[Tally],
    directory: str,
    *,
    colour: bool = False,
    called: Callable[[Tally], str | None] = lambda tally: None,
    still: "Sequence[StillWaiting]" = (),
    ended: Sequence[str] = (),
    unseen: Sequence[str] = (),
    library: str = os.path.dirname(threading.__file__),
    machinery: str = threading.__file__,
    of_library: Callable[[Tally], bool] = lambda tally: False,
    of_future: Callable[[Tally], bool] = lambda tally: False,
    internals: bool = False,
) -> str:
    """What the primitives did, for people to read.

    ``called``: what the source calls primitives that have no name. ``directory``: files in it are named relative to
    it, those of the standard ``library`` relative to that. ``still``: the waits that have not ended, which are in the
    tallies, too. ``ended``: lines about the parties that an exception has ended, with their heading. ``unseen``:
    sentences about what is not in the tallies. ``machinery``: the file whose primitives are not the program's: each
    Thread makes an Event there to start by. ``of_library``: whether the standard library made a
    primitive for itself; those are listed with ``internals`` alone. ``of_future``: whether it is that of a future.
    """
    bold, yellow, plain = (_BOLD, _YELLOW, _PLAIN) if colour else ("", "", "")
    own = [tally for tally in tallies if internals or tally.file != machinery]
    visible = [tally for tally in own if internals or not of_library(tally)]
    folded = [tally for tally in own if not internals and of_library(tally)]
    used = [tally for tally in visible if tally.acquired or tally.waited]
    idle = _made(visible) - _made(used)
    lines = ["", f"{bold}{_heading(used, idle, len(still))}{plain}", *_still_waiting(still, bold, plain)]
    if not used:
        return "\n".join([*lines, *_paragraphs(ended), *_paragraphs(unseen)]) + "\n"

    rows = _merged(
        _Row(
            tally,
            called(tally) if tally.name is None else tally.name,
            _place(tally, directory, library),
            "Future" if of_future(tally) else tally.kind,
        )
        for tally in used
    )
    _tell_apart(rows)
    rows.sort(key=_Row.order)
    worst = _worst(rows)
    titles, *table = aligned([_TITLES, *(_cells(row) for row in rows[:_ROWS])], 2)
    lines += ["", f"{bold}{titles}{plain}"]
    for row, text in zip(rows, table, strict=False):
        lines.append(f"{yellow}{text}{plain}" if row is worst else text)
    lines += _remarks(rows[_ROWS:], idle, _made(tallies) - _made(own), folded)
    if worst is not None:
        sentence, step = _advice(worst)
        lines += ["", f"{bold}{sentence}{plain}", step]
    elif any(row.waited for row in rows):
        lines += ["", "None of this waiting is worth a look."]
    return "\n".join([*lines, *_paragraphs(ended), *_paragraphs(unseen)]) + "\n"


# --- sentences ----------------------------------------------------------------------------------------------------


def _heading(used: list[Tally], idle: int, still: int) -> str:
    open_waits = f"{count(still, 'wait has', 'waits have')} not ended"
    if not used:
        if still:
            return f"interlock: {open_waits}"
        if idle:
            none = "its primitive" if idle == 1 else f"any of its {idle:,} primitives"
            return f"interlock: the program has not acquired {none}, and nobody had to wait"
        return "interlock: the program used no primitives"
    times = sum(tally.acquired for tally in used)
    acquired = f" acquired {count(times, 'time')}" if times else ", acquired by nobody"
    waited = sum(tally.waited for tally in used)
    waits = "" if still else "; nobody had to wait"
    if waited:
        total = duration(sum(tally.waited_ns for tally in used))
        waits = f"; somebody had to wait {count(waited, 'time')}, {total} in all"
    if still:
        waits += f"; {open_waits}"
    return f"interlock: {count(_made(used), 'primitive')}{acquired}{waits}"


def _still_waiting(still: "Sequence[StillWaiting]", bold: str, plain: str) -> list[str]:
    if not still:
        return []
    cells = [
        (
            legible(wait.party),
            legible(wait.what, 2 * LABEL),
            legible(wait.where, keep_end=True),
            "-" if wait.nanoseconds is None else duration(wait.nanoseconds),
        )
        for wait in still[:_STILL]
    ]
    # What is waited for can be long, so it has a line of its own.
    titles, *table = aligned(
        [("STILL WAITING", "AT", "SO FAR"), *((party, at, time) for party, _, at, time in cells)], 2
    )
    lines = ["", f"{bold}{titles}{plain}"]
    for row, (_, what, _, _), wait in zip(table, cells, still, strict=False):
        lines += [row, f"    for {what}"]
        if wait.mistake:
            lines.append(f"    {legible(wait.mistake, 4 * LABEL, keep_end=True)}")
    if len(still) > _STILL:
        lines.append(f"and {len(still) - _STILL:,} more")
    return lines


def _paragraphs(sentences: Sequence[str]) -> list[str]:
    return ["", *sentences] if sentences else []


def _remarks(unlisted: list[_Row], idle: int, threads_own: int, folded: list[Tally]) -> list[str]:
    remarks = []
    if unlisted:
        total = sum(row.waited_ns for row in unlisted)
        waits = f"{duration(total)} of waiting in all" if total else "none of which had to be waited for"
        remarks.append(f"and {count(len(unlisted), 'more row')}: {waits}")
    folded = [tally for tally in folded if tally.acquired or tally.waited]
    if idle or threads_own or folded:
        parts = [f"{idle:,} that nobody acquired"] if idle else []
        parts += [f"{threads_own:,} that threading made for itself"] if threads_own else []
        parts += [_of_library(folded)] if folded else []
        listed = f"{', '.join(parts[:-1])} and {parts[-1]}" if len(parts) > 1 else parts[0]
        remarks.append(f"Not listed: {listed}.")
    return ["", *remarks] if remarks else []


def _of_library(folded: list[Tally]) -> str:
    waited = sum(tally.waited_ns for tally in folded)
    waits = f", waited for {duration(waited)} in all" if waited >= _WORTH_A_LOOK else ""
    return f"{_made(folded):,} that the standard library made for itself{waits} (--internals)"


def _worst(rows: list[_Row]) -> _Row | None:
    waited = [row for row in rows if row.waited_ns >= _WORTH_A_LOOK]
    guards = [row for row in waited if row.kind not in _SIGNALS]
    return next(iter(guards or waited), None)


def _advice(worst: _Row) -> tuple[str, str]:
    where = f"{worst.kind} {worst.label}"
    if worst.place not in worst.label:
        where += f" ({worst.place})"
    signal = _SIGNALS.get(worst.kind)
    what = "Longest waited for" if signal else "Most contended"
    step = signal or _GUARDS.get(worst.kind, _OTHERS)
    return f"{what}: {where}, {duration(worst.waited_ns)} in all.", f"Next step: {step}."


# --- cells --------------------------------------------------------------------------------------------------------


def _cells(row: _Row) -> tuple[str, ...]:
    label = row.label if row.made < 2 else f"{row.label} ×{row.made:,}"
    acquired = f"{row.acquired:,}"
    if not row.waited:
        return row.kind, label, acquired, "-", "-", "-"
    waited = f"{row.waited:,} {_share(row.waited, row.acquired):>6}"
    return row.kind, label, acquired, waited, duration(row.waited_ns), duration(row.longest_ns)


def _share(waited: int, acquired: int) -> str:
    if waited > acquired:
        return ""  # some gave up waiting, and how many tried in all is not known
    percent = 100 * waited // acquired
    return f"({percent}%)" if percent else "(<1%)"


def _made(tallies: Sequence[Tally]) -> int:
    return sum(max(tally.made, 1) for tally in tallies)  # 0 where it was made before the counting began


# --- names --------------------------------------------------------------------------------------------------------


def _place(tally: Tally, directory: str, library: str) -> str:
    if tally.file is None:
        return "made before the program"
    file, line = tally.outer or (tally.file, tally.line)
    for packages in "/site-packages/", "/dist-packages/":
        file = file.rpartition(packages)[2]
    for room in library, directory:
        inside = os.path.join(room, "")
        if inside != os.sep and file.startswith(inside):
            file = file[len(inside) :]
            break
    return f"{legible(file, keep_end=True)}:{line}"


def _merged(rows: Iterable[_Row]) -> list[_Row]:
    """Two that one line made are told apart by their names; where they have the same, they are one row."""
    found: dict[tuple[object, ...], _Row] = {}
    for row in rows:
        known = found.setdefault((row.kind, row.label, row.place, row.line), row)
        if known is not row:
            known.add(row)
    return list(found.values())


def _tell_apart(rows: list[_Row]) -> None:
    """Two of a kind that share a name have been made by two lines."""
    sharing = Counter((row.kind, row.label) for row in rows)
    for row in rows:
        if sharing[row.kind, row.label] > 1 and row.named:
            row.label = f"{row.label} ({row.place})"
