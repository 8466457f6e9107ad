"""The summary of a recording: per primitive, per line that waited, per line that made others wait; the worst three."""

from collections import defaultdict
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from interlock.watch.recording import Primitive, Progress, Recording, unseen
from interlock.watch.story import HELD, WAITS_STILL, Hold, Story, Wait
from interlock.watch.words import aligned, count, duration, legible, percent

_ROWS = 20  # a tired reader looks at the first few
_WORST = 3
_HAD = 4  # lines about what one that has ended had done
_PLACE = 120  # characters of a line in a sentence
_WORTH_A_SENTENCE = 100_000  # ns of waiting in all
_WEIGHT_OF_SIGNALS = 0.25  # to wait is what they are for, so a guard is the better news even if it waited less

_VERBS = {
    "Event": "set it",
    "Condition": "notify it",
    "Barrier": "arrive",
    "Latch": "count it down",
    "WaitQueue": "unpark it",
    "Awaited": "end",
    "Semaphore": "release it",
    "BoundedSemaphore": "release it",
    **dict.fromkeys(("Queue", "LifoQueue", "PriorityQueue", "SimpleQueue"), "put or get"),
}


class Row(NamedTuple):
    """What a primitive did. ``contended``: the share of operations that had to wait; the times in nanoseconds;
    ``worst_wait``: an index into the waits of the story, -1 where there was none."""

    primitive: int
    acquired: int
    waited: int
    contended: float
    wait_total: int
    wait_longest: int
    wait_p99: int
    hold_total: int
    hold_longest: int
    parties: int
    worst_wait: int


class Waited(NamedTuple):
    """A line at which somebody waited for a primitive."""

    primitive: int
    place: int
    acquired: int
    waits: int
    wait_total: int
    wait_longest: int
    parties: int


class Blamed(NamedTuple):
    """A line that made others wait for a primitive: it held it, or they waited for it to wake them. ``waited``: the
    part of their waits during which that was so; ``holds``: how often it held it."""

    primitive: int
    place: int
    waited: int
    holds: int
    hold_total: int
    hold_longest: int


class Finding(NamedTuple):
    """Something worth knowing. ``cause``: the place to blame, -1 where it is not known; ``share``: its part of the
    waiting; ``worst_wait``: an index into the waits of the story."""

    primitive: int
    wait_total: int
    parties: tuple[int, ...]
    cause: int
    share: float
    sentence: str
    worst_wait: int


class Summary:
    """Attributes: ``story``; ``rows``, ``waited`` and ``blamed``, each with the worst first; ``findings``, at most
    three.
    """

    def __init__(self, recording: Recording, progress: Progress = unseen, internals: bool = False) -> None:
        """``internals``: with the primitives that the standard library made for itself."""
        self.story: Story = Story(recording, progress, internals)
        self.recording = recording
        self._waits: dict[int, list[int]] = defaultdict(list)
        for number, wait in enumerate(self.story.waits):
            self._waits[wait.primitive].append(number)
        self._holds: dict[int, list[Hold]] = defaultdict(list)
        for hold in self.story.holds:
            self._holds[hold.primitive].append(hold)
        self.rows: list[Row] = self._rows()
        self.waited: list[Waited] = self._waited()
        self.blamed: list[Blamed] = self._blamed()
        self.findings: list[Finding] = self._findings()

    def _rows(self) -> list[Row]:
        acquired: dict[int, int] = defaultdict(int)
        parties: dict[int, set[int]] = defaultdict(set)
        for (primitive, _, party), times in self.story.acquired.items():
            acquired[primitive] += times
            parties[primitive].add(party)
        rows = []
        for primitive in range(len(self.story.primitives)):
            waits = [self.story.waits[number] for number in self._waits[primitive]]
            lengths = sorted(map(_length, waits))
            got = acquired[primitive]
            tried = got + sum(wait.outcome != 0 for wait in waits)
            holds = self._holds[primitive]
            rows.append(
                Row(
                    primitive,
                    got,
                    len(waits),
                    round(min(1.0, len(waits) / tried), 4) if tried else 0.0,
                    sum(lengths),
                    lengths[-1] if lengths else 0,
                    lengths[-(len(lengths) // 100) - 1] if lengths else 0,
                    sum(map(_length, holds)),
                    max(map(_length, holds), default=0),
                    len(parties[primitive].union(wait.party for wait in waits)),
                    max(self._waits[primitive], key=lambda number: _length(self.story.waits[number]), default=-1),
                )
            )
        return sorted(rows, key=lambda row: (-row.wait_total, -row.acquired, row.primitive))

    def _waited(self) -> list[Waited]:
        waits: dict[tuple[int, int], list[Wait]] = defaultdict(list)
        for wait in self.story.waits:
            waits[wait.primitive, wait.place].append(wait)
        acquired: dict[tuple[int, int], int] = defaultdict(int)
        for (primitive, place, _), times in self.story.acquired.items():
            acquired[primitive, place] += times
        rows = [
            Waited(
                *at,
                acquired[at],
                len(some),
                sum(map(_length, some)),
                max(map(_length, some)),
                len({wait.party for wait in some}),
            )
            for at, some in waits.items()
        ]
        return sorted(rows, key=lambda row: -row.wait_total)

    def _blamed(self) -> list[Blamed]:
        holds: dict[tuple[int, int], list[int]] = defaultdict(list)
        for hold in self.story.holds:
            holds[hold.primitive, hold.place].append(_length(hold))
        rows = [
            Blamed(*at, waited, len(holds[at]), sum(holds[at]), max(holds[at], default=0))
            for at, waited in self.story.blamed.items()
        ]
        return sorted(rows, key=lambda row: -row.waited)

    def _findings(self) -> list[Finding]:
        primitives = self.story.primitives

        def weight(row: Row) -> float:
            return row.wait_total * (1 if primitives[row.primitive].family in HELD else _WEIGHT_OF_SIGNALS)

        # What has not ended may never end: it stands first.
        worst = sorted(
            (row for row in self.rows if row.wait_total >= _WORTH_A_SENTENCE),
            key=lambda row: (self._waiting_still(row.primitive) > 0, weight(row)),
            reverse=True,
        )
        return [self._finding(row) for row in worst[:_WORST]]

    def _waiting_still(self, primitive: int) -> int:
        """How many waits for a primitive had not ended when the recording ended."""
        return sum(self.story.waits[number].outcome == WAITS_STILL for number in self._waits[primitive])

    def _finding(self, row: Row) -> Finding:
        primitive = self.story.primitives[row.primitive]
        waits = [self.story.waits[number] for number in self._waits[row.primitive]]
        parties = tuple(sorted({wait.party for wait in waits}))
        who = legible(self.recording.parties[parties[0]].name) if len(parties) == 1 else f"{len(parties)} parties"
        still = self._waiting_still(row.primitive)
        verb = "waited" if still < len(waits) else "waits still," if len(parties) == 1 else "wait still,"
        sentence = f"{self._about(primitive, waits)}: {who} {verb} {duration(row.wait_total)} in all"
        blamed = next((line for line in self.blamed if line.primitive == row.primitive and line.place >= 0), None)
        cause, share = -1, 0.0
        if blamed is not None:
            cause, share = blamed.place, round(min(1.0, blamed.waited / row.wait_total), 4)
            place = legible(self.recording.places[blamed.place], _PLACE, keep_end=True)
            part = percent(blamed.waited, row.wait_total)
            if blamed.holds:
                sentence += f", {part} of it while {place} held it ({duration(blamed.hold_longest)} at longest)"
            else:
                end = queue_end(primitive, self.recording.calls.get(blamed.place))
                sentence += f", {part} of it for {place} to {end or _VERBS.get(primitive.family, 'wake them')}"
        if 0 < still < len(waits):
            sentence += f"; {count(still, 'wait')} had not ended when the recording ended"
        return Finding(row.primitive, row.wait_total, parties, cause, share, sentence + ".", row.worst_wait)

    def _about(self, primitive: Primitive, waits: list[Wait]) -> str:
        """What was waited for, as a title: of a queue what was to be done to it, what took longest first."""
        times: dict[str, int] = defaultdict(int)
        for wait in waits:
            call = self.recording.calls.get(wait.place)
            if call is not None and primitive.family in QUEUES:
                times[queue_verb(call)] += _length(wait)
        verbs = sorted(times, key=lambda verb: -times[verb])
        return f"{' and '.join(verbs)} {titled(primitive)}" if verbs else titled(primitive)

    # As JSON.

    def data(self) -> dict[str, Any]:
        """Return the summary as data for JSON. Times are in nanoseconds."""
        recording, primitives = self.recording, self.story.primitives

        def place(number: int) -> str | None:
            return recording.places[number] if number >= 0 else None

        def which(number: int) -> dict[str, Any]:
            primitive = primitives[number]
            return {"name": primitive.name, "kind": primitive.kind, "place": primitive.place or None}

        def line(row: Waited | Blamed) -> dict[str, Any]:
            fields = row._asdict()
            return {"name": primitives[fields.pop("primitive")].name, **fields, "place": place(row.place)}

        rows = []
        for row in self.rows:
            fields = row._asdict()
            del fields["worst_wait"]
            rows.append({**which(fields.pop("primitive")), **fields})
        return {
            "version": 1,
            "title": recording.title,
            "duration": recording.duration,
            "events": len(recording),
            "dropped": recording.dropped,
            "incomplete": self.incomplete(),
            "parties": [party._asdict() for party in recording.parties],
            "primitives": rows,
            "waited": [line(row) for row in self.waited],
            "blamed": [line(row) for row in self.blamed],
            "findings": [
                {
                    **which(finding.primitive),
                    "wait_total": finding.wait_total,
                    "parties": [recording.parties[party].name for party in finding.parties],
                    "cause": place(finding.cause),
                    "share": finding.share,
                    "sentence": finding.sentence,
                }
                for finding in self.findings
            ],
            "ended": [each._asdict() for each in recording.ended],
        }

    # As text.

    def heading(self) -> str:
        recording, waits = self.recording, self.story.waits
        kinds = [party.kind for party in recording.parties]
        parts = [count(kinds.count(kind), kind) for kind in ("thread", "task") if kind in kinds] or ["no threads"]
        waited = "none of the events that were kept is a wait" if recording.dropped else "nobody had to wait"
        if waits:
            waited = f"{count(len(waits), 'wait')}, {duration(sum(map(_length, waits)))} in all"
        return (
            f"interlock: {count(len(recording), 'event')} in {duration(recording.duration)}, {' and '.join(parts)}, "
            f"{count(len(self.story.primitives), 'primitive')}; {waited}"
        )

    def incomplete(self) -> list[str]:
        """What the file that was read does not have, in lines that stand at the top."""
        recording = self.recording
        return [f"{line[0].upper()}{line[1:]}." for line in (recording.unfinished, recording.damage) if line]

    def without_findings(self) -> str:
        """What to say in the place of findings where there are none."""
        if self.story.waits:
            return "None of the waiting is worth a look."
        return "No wait was kept." if self.recording.dropped else "Nobody waited for anything."

    def remarks(self) -> list[str]:
        """What a reader has to know about what is not shown."""
        recording = self.recording
        remarks = []
        if recording.dropped:
            since = duration(recording.duration - recording.complete_from)
            remarks.append(f"{count(recording.dropped, 'older event')} dropped: all is known of the last {since} only.")
        else:
            remarks.append("No event was dropped.")
        if self.story.hidden:
            remarks.append(
                f"Not listed: {self.story.hidden:,} that the standard library made for itself (--internals)."
            )
        return remarks

    def tables(self) -> "list[Table]":
        """The three tables, each with its worst rows."""
        primitives, places = self.story.primitives, self.recording.places

        def line(number: int) -> str:
            return legible(places[number], keep_end=True) if number >= 0 else "not known"

        def name(number: int) -> str:
            return legible(primitives[number].name)

        return [
            _table(
                "Primitives",
                ("KIND", "NAME", "ACQUIRED", "WAITED", "TOTAL WAIT", "LONGEST", "P99", "HELD", "LONGEST", "PARTIES"),
                2,
                [row for row in self.rows if row.acquired or row.waited],
                lambda row: (
                    primitives[row.primitive].kind,
                    name(row.primitive),
                    f"{row.acquired:,}",
                    f"{row.waited:,} ({percent(round(10_000 * row.contended), 10_000)})" if row.waited else "-",
                    *(_or_dash(number) for number in (row.wait_total, row.wait_longest, row.wait_p99)),
                    *(_or_dash(number) for number in (row.hold_total, row.hold_longest)),
                    f"{row.parties:,}",
                ),
            ),
            _table(
                "Who waited",
                ("LINE", "FOR", "WAITS", "TOTAL WAIT", "LONGEST", "PARTIES"),
                2,
                self.waited,
                lambda row: (
                    line(row.place),
                    legible(wait_for(primitives[row.primitive], self.recording.calls.get(row.place))),
                    f"{row.waits:,}",
                    duration(row.wait_total),
                    duration(row.wait_longest),
                    f"{row.parties:,}",
                ),
            ),
            _table(
                "Who made them wait",
                ("LINE", "BY", "THEIR WAIT", "HOLDS", "HELD", "LONGEST"),
                2,
                self.blamed,
                lambda row: (
                    line(row.place),
                    ("holding " if row.holds else "waking late ") + name(row.primitive),
                    duration(row.waited),
                    f"{row.holds:,}" if row.holds else "-",
                    _or_dash(row.hold_total),
                    _or_dash(row.hold_longest),
                ),
            ),
        ]

    def ended(self) -> list[str]:
        """The threads and tasks that an exception ended, in lines."""
        lines = ["", "Ended by an exception"] if self.recording.ended else []
        for each in self.recording.ended:
            where = f", at {legible(each.place, _PLACE, keep_end=True)}" if each.place else ""
            task = "task " if each.kind == "task" else ""
            lines.append(f"  {task}{legible(each.name)}: {legible(each.exception, 200)}{where}")
            lines += [f"      {legible(line, 200)}" for line in each.had[:_HAD]]
        return lines

    def text(self) -> str:
        """Return the summary as plain text."""
        lines = [self.heading(), *self.incomplete(), ""]
        lines += [f"{number}. {finding.sentence}" for number, finding in enumerate(self.findings, 1)]
        if not self.findings:
            lines.append(self.without_findings())
        for table in self.tables():
            if table.rows:
                lines += ["", table.title, *aligned([table.heads, *table.rows], table.texts), *table.more]
        lines += self.ended()
        return "\n".join([*lines, "", *self.remarks()]) + "\n"


class Table(NamedTuple):
    """``texts``: how many columns, from the left, are not numbers; ``more``: a line about the rows left out, if any."""

    title: str
    heads: tuple[str, ...]
    texts: int
    rows: list[tuple[str, ...]]
    more: list[str]


def _table(
    title: str, heads: tuple[str, ...], texts: int, rows: Sequence[Any], cells: Callable[[Any], tuple[str, ...]]
) -> Table:
    left_out = len(rows) - _ROWS
    more = [f"and {count(left_out, 'more row')}"] if left_out > 0 else []
    return Table(title, heads, texts, [cells(row) for row in rows[:_ROWS]], more)


_SAYS_ALL = ("Future", "Task")  # whose name is a sentence by itself
QUEUES = ("Queue", "LifoQueue", "PriorityQueue", "SimpleQueue")


def wait_for(primitive: Primitive, call: str | None) -> str:
    """What a wait is for: `get from Queue jobs`. ``call``: the method that is called in that line, or None."""
    if primitive.family not in QUEUES or call is None:
        return primitive.name
    return f"{queue_verb(call)} {primitive.kind} {primitive.name}"


def queue_verb(call: str) -> str:
    """`get from`, for a method of a queue."""
    return "get from" if call.startswith("get") else "put into" if call.startswith("put") else call


def queue_end(primitive: Primitive, call: str | None) -> str | None:
    """`put`, for the method of a queue by which a line has ended a wait; None where it is not known."""
    if primitive.family not in QUEUES or call is None:
        return None
    return next((verb for verb in ("put", "get", "task_done", "shutdown") if call.startswith(verb)), None)


def titled(primitive: Primitive) -> str:
    """`Lock Pool._lock (pool.py:12)`; what has a name of its own goes by that: `result of job resize(3)`."""
    name = legible(primitive.name)
    place = legible(primitive.place, _PLACE, keep_end=True)
    place = f" ({place})" if place and place not in name else ""
    return f"{name}{place}" if primitive.kind in _SAYS_ALL else f"{primitive.kind} {name}{place}"


def _length(span: Hold | Wait) -> int:
    return span.end - span.start


def _or_dash(nanoseconds: int) -> str:
    return duration(nanoseconds) if nanoseconds else "-"
