"""A recording: what happened, to whom, when and where, as it was written down. `story.py` makes sense of it.

Times are integer nanoseconds since the recording began. Events stand in columns, one array for each field, in the
order of their times; parties, primitives and places are numbers into lists.

The file is made of chunks (see `chunks.py`):

    head    JSON: title, duration, dropped, complete_from, events (their number), places, parties ([name, kind, group]),
            primitives ([name, kind, family, place, own]), calls ([place, method that is called there]), ended ([name,
            kind, exception, place, what it had done])
    rows    some of the events: columns, one after the other, each as long as there are events
    end     nothing: the file is whole

    the columns: time         8 bytes        since the recording began
                 waited       8 bytes        for how long, where a wait has ended
                 party        4 bytes        signed, as the next three; -1 where there is none
                 primitive    4 bytes
                 place        4 bytes        the line of the caller
                 other        4 bytes        the other party
                 happening    1 byte         the index into `HAPPENINGS`

What a program leaves behind that was killed has other chunks: see `live.py`.
"""

import json
import os
import struct
import sys
from array import array
from collections.abc import Iterable, Iterator
from operator import itemgetter
from types import CodeType, TracebackType
from typing import Any, NamedTuple, Protocol, Self, TypeVar

from interlock.core.kernel.maker import is_of_library
from interlock.core.kernel.probe import Entry
from interlock.core.record.recorder import HAPPENINGS, LAYOUT, Taken, start_recording, stop_recording
from interlock.watch.chunks import MAGIC, VERSION, Chunks, write_chunk, write_start
from interlock.watch.elsewhere import holds
from interlock.watch.files import Replaced
from interlock.watch.names import Names, is_future, is_internal
from interlock.watch.words import count

_COLUMNS = (("time", "q"), ("waited", "q"), ("party", "i"), ("primitive", "i"), ("place", "i"), ("other", "i"))
_NO_OFFSET = 0xFFFFFF
_ROW = 33  # bytes of an event in the file
_IN_CHUNK = 65_536  # events


T = TypeVar("T")


class Progress(Protocol):
    """Says how far a long loop is: gets its name, what it loops over and how many there are, and gives those back."""

    def __call__(self, what: str, things: Iterable[T], number: int) -> Iterable[T]: ...


def unseen(what: str, things: Iterable[T], number: int) -> Iterable[T]:
    """The progress that nobody watches."""
    return things


class BadRecording(ValueError):
    """A file is not a recording, or nothing in it can be read. The message is one line."""


class Party(NamedTuple):
    """A thread or task. ``kind``: "thread" or "task"; ``group``: for a task, the name of the thread of its loop."""

    name: str
    kind: str
    group: str


class Primitive(NamedTuple):
    """One object. ``kind``: its class; ``family``: the class of ours that this is or derives from; ``place``: the line
    that made it; ``own``: whether it is the program's, and not one that the standard library made for itself."""

    name: str
    kind: str
    family: str
    place: str
    own: bool


class Event(NamedTuple):
    """A thing that happened. ``happening``: a word of `HAPPENINGS`; -1 where there is no such number."""

    time: int
    happening: str
    party: int
    primitive: int
    place: int
    other: int
    waited: int


class Ended(NamedTuple):
    """A thread or task that an exception ended. ``place``: the line, or ''; ``had``: what it had done, in sentences."""

    name: str
    kind: str
    exception: str
    place: str
    had: list[str]


class Recording:
    """A recording. It is empty until its ``with`` block has ended.

    Attributes: ``title``; ``duration``; ``dropped``, the number of events that there was no room for;
    ``complete_from``, the time from which on none was dropped; ``parties``, ``primitives``, ``places`` and ``columns``
    (see `events`); ``ended``, the last parties that an exception ended; ``damage``, a sentence about what is missing
    in a damaged file, or ''; ``unfinished``, a sentence about what is missing because the program was killed before it
    wrote the file, or ''.
    """

    def __init__(self, title: str = "") -> None:
        self.title: str = title
        self.duration: int = 0
        self.dropped: int = 0
        self.complete_from: int = 0
        self.damage: str = ""
        self.unfinished = ""
        self.parties: list[Party] = []
        self.primitives: list[Primitive] = []
        self.places: list[str] = []
        self.calls: dict[int, str] = {}  # place -> the method that is called there, where the source tells
        self.ended: list[Ended] = []
        self.columns: dict[str, array[int]] = {name: array(code) for name, code in (*_COLUMNS, ("happening", "B"))}

    def __len__(self) -> int:
        """The number of events."""
        return len(self.columns["time"])

    def __repr__(self) -> str:
        return f"<interlock recording of {len(self):,} events in {self.duration / 1e9:.3f} s>"

    def rows(self) -> Iterator[tuple[int, int, int, int, int, int, int]]:
        """The events as numbers: time, happening, party, primitive, place, other, waited."""
        column = self.columns
        return zip(
            column["time"],
            column["happening"],
            column["party"],
            column["primitive"],
            column["place"],
            column["other"],
            column["waited"],
            strict=True,
        )

    def events(self) -> Iterator[Event]:
        for time, happening, *rest in self.rows():
            yield Event(time, HAPPENINGS[happening], *rest)

    # The file.

    def save(self, file: str | os.PathLike[str]) -> None:
        """Write the recording to ``file``. An existing file is replaced once all is written. Raises OSError."""
        head = {
            "title": self.title,
            "duration": self.duration,
            "dropped": self.dropped,
            "complete_from": self.complete_from,
            "events": len(self),
            "parties": self.parties,
            "primitives": self.primitives,
            "places": self.places,
            "calls": list(self.calls.items()),
            "ended": self.ended,
        }
        with Replaced(file) as out:
            write_start(out)
            write_chunk(out, b"head", json.dumps(head, separators=(",", ":")).encode("ascii"))
            for start in range(0, len(self), _IN_CHUNK):
                some = [_little_endian(column[start : start + _IN_CHUNK]) for column in self.columns.values()]
                write_chunk(out, b"rows", b"".join(column.tobytes() for column in some))
            write_chunk(out, b"end ", b"")

    @classmethod
    def load(cls, file: str | os.PathLike[str]) -> Self:
        """Load a recording from a file that `save` or `interlock run` has written. The undamaged parts of a damaged
        file are loaded (see ``damage``). If the program was killed before it wrote ``file``, the unfinished file beside
        it is loaded. Raises BadRecording, or OSError if the file cannot be read.
        """
        name = os.fspath(file)
        left = None if os.path.exists(name) else left_behind(name)
        with open(left or name, "rb") as source:
            start = source.readline(len(MAGIC) + len(VERSION))
            if start != MAGIC + VERSION:
                if start.startswith(MAGIC):
                    raise BadRecording(f"{name}: a recording of another version of interlock, this one reads version 2")
                raise BadRecording(f"{name}: not a recording of interlock")
            recording = cls()
            chunks = Chunks(source)
            try:
                if not recording._read(chunks):
                    if left is not None or recording.unfinished:
                        raise BadRecording(
                            f"{name}: the program ended before it was written, and before anything else was"
                        )
                    raise BadRecording(f"{name}: a damaged recording: its names are lost")
            except BadRecording:
                raise
            except (ValueError, KeyError, TypeError, EOFError, OverflowError, MemoryError, RecursionError) as error:
                raise BadRecording(f"{name}: a damaged recording") from error
        return recording

    def _read(self, chunks: Chunks) -> bool:
        """Whether there was anything to be read."""
        from interlock.watch.live import Left

        expected = None
        whole = False
        left: Left | None = None
        damaged = 0  # chunks that had been left out at the last rows
        for kind, payload in chunks:
            if kind == b"head":
                expected = self._read_head(json.loads(payload))
            elif kind == b"live":
                left = Left(payload)
            elif kind == b"more" and left is not None:
                left.read(payload)
            elif kind == b"rows" and expected is not None:
                before = len(self)
                self._read_rows(payload)
                if chunks.damaged > damaged and len(self) > before:
                    damaged = chunks.damaged
                    self.complete_from = max(self.complete_from, self.columns["time"][before])
            elif kind == b"end ":
                whole = True
        if left is not None:
            left.fill(self, chunks)
            return bool(len(self))
        if expected is None:
            return False
        self._check()
        missing = expected - len(self)
        if missing or chunks.damaged or chunks.cut or not whole:
            if not missing >= 0:
                raise ValueError
            self.dropped += missing
            if len(self) and missing and (chunks.cut or chunks.damaged > damaged):
                self.duration = self.columns["time"][-1]  # of what came later nothing is known
            reason = "a checksum is wrong" if chunks.damaged else "it does not end as it should"
            lost = f"{missing:,} of its {count(expected, 'event')} lost" if missing else "no event is lost"
            self.damage = f"damaged, {reason}: {lost}"
        return True

    def _read_head(self, head: Any) -> int:
        self.title = str(head["title"])
        self.duration, self.dropped = int(head["duration"]), int(head["dropped"])
        self.complete_from = int(head["complete_from"])
        self.parties = [Party(*map(str, party)) for party in head["parties"]]
        self.primitives = [
            Primitive(str(name), str(kind), str(family), str(place), bool(own))
            for name, kind, family, place, own in head["primitives"]
        ]
        self.places = [str(place) for place in head["places"]]
        self.calls = {int(place): str(name) for place, name in head.get("calls", ())}
        self.ended = [
            Ended(str(name), str(kind), str(exception), str(place), [str(line) for line in had])
            for name, kind, exception, place, had in head.get("ended", ())
        ]
        return int(head["events"])

    def _read_rows(self, payload: bytes) -> None:
        number, rest = divmod(len(payload), _ROW)
        if rest:
            raise ValueError
        at = 0
        for column in self.columns.values():
            data = array(column.typecode, payload[at : at + number * column.itemsize])
            at += number * column.itemsize
            column.extend(_little_endian(data))

    def _check(self) -> None:
        for name, least, end in (
            ("party", 0, len(self.parties)),
            ("primitive", 0, len(self.primitives)),
            ("place", -1, len(self.places)),
            ("other", -1, len(self.parties)),
            ("happening", 0, len(HAPPENINGS)),
        ):
            if len(self) and not (least <= min(self.columns[name]) and max(self.columns[name]) < end):
                raise ValueError


def left_behind(file: str) -> str | None:
    """What a program has left that was killed before it wrote ``file``, or None."""
    from interlock.watch.live import beside

    return beside(file) if os.path.exists(beside(file)) else None


def is_older_than_left(file: str) -> bool:
    """Whether beside ``file`` there is what a later run has left, or writes now."""
    left = left_behind(file)
    return left is not None and os.stat(left).st_mtime_ns > os.stat(file).st_mtime_ns


def _little_endian(column: "array[int]") -> "array[int]":
    """And back."""
    if sys.byteorder == "big":
        column = column[:]
        column.byteswap()
    return column


class Record:
    """What `interlock.record` returns."""

    def __init__(self, events: int, title: str) -> None:
        if events < 1:
            raise ValueError(f"events must be 1 or more, not {events}")
        self._events = events
        self._recording = Recording(title)
        self._token: object = None

    def __enter__(self) -> Recording:
        if self._token is not None:
            raise RuntimeError("a recording is made once: call record() again")
        self._token = start_recording(self._events)
        return self._recording

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, traceback: TracebackType | None
    ) -> None:
        fill(self._recording, stop_recording(self._token), Names(_directory()))


def _directory() -> str:
    try:
        return os.getcwd()
    except OSError:  # somebody has removed it
        return ""


# --- from what the core has ---------------------------------------------------------------------------------------


def fill(recording: Recording, taken: Taken, names: Names, progress: Progress = unseen) -> None:
    """Put what the recorder has taken into an empty recording, with names in place of its numbers."""
    recording.duration = taken.ended - taken.began
    recording.dropped = taken.dropped
    recording.complete_from = max(0, taken.complete_from - taken.began)
    elsewhere: dict[int, str] = {}
    remote = list(holds(taken, elsewhere))
    parties = _Parties(recording, taken, elsewhere)
    primitives = _Primitives(recording, taken, names)
    places = _Places(recording, taken, names, elsewhere)
    column = recording.columns
    givers = {number: entry.giver for number, entry in taken.entries.items() if entry.giver is not None}
    rows = sorted([*struct.iter_unpack(LAYOUT, taken.events), *remote], key=itemgetter(0))
    for time, party, other, waited, code, primitive, spot in progress("writing it down", rows, len(rows)):
        if not taken.began <= time <= taken.ended:
            continue  # of a recording that was under way before, or of somebody who was late
        column["time"].append(time - taken.began)
        column["waited"].append(waited)
        column["party"].append(parties.number(party))
        column["primitive"].append(primitives.number(primitive, code, spot >> 8))
        happening = spot & 0xFF
        giver = givers.get(primitive) if happening in _GIVES else None
        if giver is not None and places.is_of_library(code):
            column["place"].append(places.number_of(giver))
        else:
            column["place"].append(places.number(code, spot >> 8))
        column["other"].append(parties.number(other) if other else -1)
        column["happening"].append(happening)


class _Parties:
    def __init__(self, recording: Recording, taken: Taken, elsewhere: dict[int, str]) -> None:
        self.parties = recording.parties
        self.taken = taken
        self.elsewhere = elsewhere  # parties of other processes
        self.numbers: dict[int, int] = {}

    def number(self, id: int) -> int:
        number = self.numbers.get(id)
        if number is None and id in self.elsewhere:
            number = self.numbers[id] = len(self.parties)
            self.parties.append(Party(self.elsewhere[id], "thread", ""))
        elif number is None:
            is_task = bool(id >> 63)
            name, _, thread = self.taken.parties.get(id, (f"{'task' if is_task else 'thread'} {id & ~(1 << 63)}", 0, 0))
            group = self.taken.parties[thread][0] if is_task and thread in self.taken.parties else ""
            number = self.numbers[id] = len(self.parties)
            self.parties.append(Party(name, "task" if is_task else "thread", group))
        return number


# What is charged to the code that ends a wait, where that is known and the line of a library's says nothing.
_GIVES = (HAPPENINGS.index("woke"), HAPPENINGS.index("notified"))


class _Places:
    def __init__(self, recording: Recording, taken: Taken, names: Names, elsewhere: dict[int, str]) -> None:
        self.places = recording.places
        self.elsewhere = elsewhere
        self.calls = recording.calls
        self.taken = taken
        self.names = names
        self.numbers: dict[tuple[int, int], int] = {}
        self.texts: dict[str, int] = {}

    def number(self, code: int, offset: int) -> int:
        number = self.numbers.get((code, offset))
        if number is None:
            number = -1
            if code in self.elsewhere:
                number = self._number(self.elsewhere[code])
            elif code in self.taken.codes:
                offset_known = offset if offset != _NO_OFFSET else -1
                number = self._number(self.names.place(self.taken.codes[code], offset_known))
                call = self.names.call(self.taken.codes[code], offset_known)
                if call is not None:
                    self.calls.setdefault(number, call)
            self.numbers[code, offset] = number
        return number

    def number_of(self, giver: CodeType) -> int:
        """The function with this code, as a place."""
        return self._number(self.names.place(giver, -1))

    def is_of_library(self, code: int) -> bool:
        return code in self.taken.codes and is_of_library(self.taken.codes[code].co_filename)

    def _number(self, text: str) -> int:
        number = self.texts.setdefault(text, len(self.places))
        if number == len(self.places):
            self.places.append(text)
        return number


class _Primitives:
    def __init__(self, recording: Recording, taken: Taken, names: Names) -> None:
        self.primitives = recording.primitives
        self.taken = taken
        self.names = names
        self.numbers: dict[int, int] = {}
        self.made: dict[tuple[object, ...], tuple[str | None, str]] = {}
        # Of those that are called by a name of one function's: the lines that have been asked for a better one.
        self.asked: dict[int, set[tuple[int, int]]] = {}

    def number(self, key: int, code: int, offset: int) -> int:
        number = self.numbers.get(key)
        if number is None:
            number = len(self.primitives)
            entry = self.taken.entries.get(key)
            if entry is None:  # dropped in the instant between numbering and writing
                self.primitives.append(Primitive("unknown", "Primitive", "Primitive", "", True))
            else:
                self.primitives.append(self.describe(entry, code, offset))
            self.numbers[key] = number
        if number in self.asked and (code, offset) not in self.asked[number]:
            self.ask(number, code, offset)
        return number

    def ask(self, number: int, code: int, offset: int) -> None:
        """Whether this line has a better name for a primitive than the one before."""
        self.asked[number].add((code, offset))
        used = self.taken.codes.get(code)
        name = None if used is None else self.names.used(used, offset)
        if used is not None and name is not None and not self.names.is_local(used, offset):
            self.primitives[number] = self.primitives[number]._replace(name=name)
            del self.asked[number]

    def describe(self, entry: Entry, code: int, offset: int) -> Primitive:
        maker = entry.maker
        used = self.taken.codes.get(code)
        if maker is not None:
            key = (maker.code, maker.offset, maker.outer_code, maker.outer_offset)
            if key not in self.made:
                name = self.names.job(maker) if is_future(maker) else self.names.made(maker)
                self.made[key] = name, self.names.made_at(maker)
            name, place = self.made[key]
            unnamed = place
        else:
            # Made before anybody watched: the line that used it first may tell what it is called.
            name = None if used is None else self.names.used(used, offset)
            place = ""
            unnamed = "unknown" if used is None else f"used at {self.names.line(used, offset)}"
            if entry.label is None and used is not None and (name is None or self.names.is_local(used, offset)):
                self.asked[len(self.primitives)] = {(code, offset)}
        name = entry.label or name or unnamed
        if entry.inner:
            name += "'s lock"
        kind = "Future" if is_future(maker) else entry.kind
        own = not is_internal(maker) and not (entry.inner and kind == "Future")
        return Primitive(name, kind, entry.family, place, own)
