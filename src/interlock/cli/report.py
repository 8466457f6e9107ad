"""From tallies to the text that `interlock run` ends with. Prints nothing itself."""

import os
import threading
from collections import Counter
from collections.abc import Callable, Sequence

from interlock.core.kernel.probe import Tally
from interlock.watch.words import aligned, count, duration, legible

_ROWS = 20  # a tired reader looks at the first few
_WORTH_A_LOOK = 1_000_000  # ns in all; no program is slow because of less than a millisecond
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
    "Condition": "look at what happens before its notify(), and while somebody holds its lock",
    "Barrier": "look at what the last one to arrive does before",
    "Latch": "look at what happens before its last count_down()",
    "WaitQueue": "look at what happens before its unpark()",
}
_OTHERS = "look at what happens while others wait for it"

_BOLD = "\x1b[1m"
_YELLOW = "\x1b[33m"
_PLAIN = "\x1b[0m"


class _Row:
    """A tally, and what to call it: ``place`` (where it was made), ``label`` (what the table says) and ``named``
    (whether that is a name, and not the place)."""

    __slots__ = ("label", "named", "place", "tally")

    def __init__(self, tally: Tally, name: str | None, place: str) -> None:
        self.tally = tally
        self.place = place
        self.named = name is not None
        self.label = place if name is None else legible(name)

    def order(self) -> tuple[object, ...]:
        return -self.tally.waited_ns, -self.tally.acquired, self.tally.kind, self.label


def report(
    tallies: Sequence[Tally],
    directory: str,
    *,
    colour: bool = False,
    called: Callable[[Tally], str | None] = lambda tally: None,
    library: str = os.path.dirname(threading.__file__),
    machinery: str = threading.__file__,
) -> str:
    """What the primitives did, for people to read.

    ``called``: what the source calls primitives that have no name. ``directory``: files in it are named relative to
    it, those of the standard ``library`` relative to that. ``machinery``: the file whose primitives are not the
    program's: each Thread makes an Event there to start by.
    """
    bold, yellow, plain = (_BOLD, _YELLOW, _PLAIN) if colour else ("", "", "")
    visible = [tally for tally in tallies if tally.file != machinery]
    used = [tally for tally in visible if tally.acquired or tally.waited]
    idle = _made(visible) - _made(used)
    if not used:
        remark = f" ({idle:,} made, none acquired)" if idle else ""
        return f"\n{bold}interlock: the program used no primitives{remark}{plain}\n"

    rows = [
        _Row(tally, called(tally) if tally.name is None else tally.name, _place(tally, directory, library))
        for tally in used
    ]
    _tell_apart(rows)
    rows.sort(key=_Row.order)
    worst = _worst(rows)
    titles, *table = aligned([_TITLES, *(_cells(row) for row in rows[:_ROWS])], 2)
    lines = ["", f"{bold}{_heading(used)}{plain}", "", f"{bold}{titles}{plain}"]
    for row, text in zip(rows, table, strict=False):
        lines.append(f"{yellow}{text}{plain}" if row is worst else text)
    lines += _remarks(rows[_ROWS:], idle, _made(tallies) - _made(visible))
    if worst is not None:
        sentence, step = _advice(worst)
        lines += ["", f"{bold}{sentence}{plain}", step]
    elif any(row.tally.waited for row in rows):
        lines += ["", "None of this waiting is worth a look."]
    return "\n".join(lines) + "\n"


# --- sentences ----------------------------------------------------------------------------------------------------


def _heading(used: list[Tally]) -> str:
    acquired = count(sum(tally.acquired for tally in used), "time")
    waited = sum(tally.waited for tally in used)
    waits = "nobody had to wait"
    if waited:
        total = duration(sum(tally.waited_ns for tally in used))
        waits = f"somebody had to wait {count(waited, 'time')}, {total} in all"
    return f"interlock: {count(_made(used), 'primitive')} acquired {acquired}; {waits}"


def _remarks(unlisted: list[_Row], idle: int, threads_own: int) -> list[str]:
    remarks = []
    if unlisted:
        total = sum(row.tally.waited_ns for row in unlisted)
        waits = f"{duration(total)} of waiting in all" if total else "none of which had to be waited for"
        remarks.append(f"and {count(len(unlisted), 'more row')}: {waits}")
    if idle or threads_own:
        parts = [f"{idle:,} that nobody acquired"] if idle else []
        parts += [f"{threads_own:,} that threading made for itself"] if threads_own else []
        remarks.append(f"Not listed: {' and '.join(parts)}.")
    return ["", *remarks] if remarks else []


def _worst(rows: list[_Row]) -> _Row | None:
    waited = [row for row in rows if row.tally.waited_ns >= _WORTH_A_LOOK]
    guards = [row for row in waited if row.tally.kind not in _SIGNALS]
    return next(iter(guards or waited), None)


def _advice(worst: _Row) -> tuple[str, str]:
    tally = worst.tally
    where = f"{tally.kind} {worst.label}"
    if worst.place not in worst.label:
        where += f" ({worst.place})"
    signal = _SIGNALS.get(tally.kind)
    what = "Longest waited for" if signal else "Most contended"
    step = signal or _GUARDS.get(tally.kind, _OTHERS)
    return f"{what}: {where}, {duration(tally.waited_ns)} in all.", f"Next step: {step}."


# --- cells --------------------------------------------------------------------------------------------------------


def _cells(row: _Row) -> tuple[str, ...]:
    tally = row.tally
    label = row.label if tally.made < 2 else f"{row.label} ×{tally.made:,}"
    acquired = f"{tally.acquired:,}"
    if not tally.waited:
        return tally.kind, label, acquired, "-", "-", "-"
    waited = f"{tally.waited:,} {_share(tally.waited, tally.acquired):>6}"
    return tally.kind, label, acquired, waited, duration(tally.waited_ns), duration(tally.longest_ns)


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


def _tell_apart(rows: list[_Row]) -> None:
    """Two of a kind that share a name have been made by two lines."""
    sharing = Counter((row.tally.kind, row.label) for row in rows)
    for row in rows:
        if sharing[row.tally.kind, row.label] > 1 and row.named:
            row.label = f"{row.label} ({row.place})"
