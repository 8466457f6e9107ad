"""A recording: what happened, to whom, when and where, as it was written down. `story.py` makes sense of it.

Times are integer nanoseconds since the recording began. Events stand in columns, one array for each field, in the
order of their times; parties, primitives and places are numbers into lists.

The file, version 1, all of it little-endian:

    interlock recording 1\\n
    one line of JSON            title, duration, dropped, complete_from, events (their number), places,
                                parties ([name, kind, group]), primitives ([name, kind, family, place, own])
    the columns, one after the other, each as long as there are events:
    time         8 bytes        since the recording began
    waited       8 bytes        for how long, where a wait has ended
    party        4 bytes        signed, as the next three; -1 where there is none
    primitive    4 bytes
    place        4 bytes        the line of the caller
    other        4 bytes        the other party
    happening    1 byte         the index into `HAPPENINGS`
"""

import json
import os
import struct
import sys
from array import array
from collections.abc import Iterable, Iterator
from operator import itemgetter
from types import TracebackType
from typing import Any, NamedTuple, Protocol, Self, TypeVar

from interlock.core.kernel.probe import Entry
from interlock.core.record.recorder import HAPPENINGS, LAYOUT, Taken, start_recording, stop_recording
from interlock.watch.names import Names, is_machinery

_MAGIC = b"interlock recording "
_VERSION = b"1\n"
_COLUMNS = (("time", "q"), ("waited", "q"), ("party", "i"), ("primitive", "i"), ("place", "i"), ("other", "i"))
_NO_OFFSET = 0xFFFFFF


T = TypeVar("T")


class Progress(Protocol):
    """Says how far a long loop is: gets its name, what it loops over and how many there are, and gives those back."""

    def __call__(self, what: str, things: Iterable[T], number: int) -> Iterable[T]: ...


def unseen(what: str, things: Iterable[T], number: int) -> Iterable[T]:
    """The progress that nobody watches."""
    return things


class BadRecording(ValueError):
    """A file is not a recording, or not a whole one. The message says so in one line."""


class Party(NamedTuple):
    """A thread or task. ``kind``: "thread" or "task"; ``group``: of a task, the name of the thread of its loop."""

    name: str
    kind: str
    group: str


class Primitive(NamedTuple):
    """One object. ``kind``: its class; ``family``: the class of ours that this is or derives from; ``place``: the line
    that made it; ``own``: whether it is the program's, and not one that `threading` made for itself."""

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


class Recording:
    """What was recorded. Empty until its ``with`` block has ended.

    Attributes: ``title``, ``duration``, ``dropped`` (events there was no room for), ``complete_from`` (the time from
    which on none was dropped), ``parties``, ``primitives``, ``places`` and ``columns`` (see `events`).
    """

    def __init__(self, title: str = "") -> None:
        self.title = title
        self.duration = 0
        self.dropped = 0
        self.complete_from = 0
        self.parties: list[Party] = []
        self.primitives: list[Primitive] = []
        self.places: list[str] = []
        self.columns: dict[str, array[int]] = {name: array(code) for name, code in (*_COLUMNS, ("happening", "B"))}

    def __len__(self) -> int:
        """The number of events."""
        return len(self.columns["time"])

    def __repr__(self) -> str:
        return f"<interlock recording of {len(self):,} events in {self.duration / 1e9:.3f} s>"

    def rows(self) -> Iterator[tuple[int, int, int, int, int, int, int]]:
        """The events as bare numbers: time, happening, party, primitive, place, other, waited."""
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
        """Write it to ``file``, which is replaced. Raises OSError."""
        head = {
            "title": self.title,
            "duration": self.duration,
            "dropped": self.dropped,
            "complete_from": self.complete_from,
            "events": len(self),
            "parties": self.parties,
            "primitives": self.primitives,
            "places": self.places,
        }
        with open(file, "wb") as out:
            out.write(_MAGIC + _VERSION)
            out.write(json.dumps(head, separators=(",", ":")).encode("ascii") + b"\n")
            for column in self.columns.values():
                _little_endian(column).tofile(out)

    @classmethod
    def load(cls, file: str | os.PathLike[str]) -> Self:
        """Read what `save` has written. Raises BadRecording, and OSError where the file cannot be read."""
        name = os.fspath(file)
        with open(file, "rb") as source:
            if source.readline(len(_MAGIC) + len(_VERSION)) != _MAGIC + _VERSION:
                source.seek(0)
                if source.read(len(_MAGIC)) == _MAGIC:
                    raise BadRecording(f"{name}: a recording of another version of interlock, this one reads version 1")
                raise BadRecording(f"{name}: not a recording of interlock")
            recording = cls()
            try:
                recording._read(source)
            except (ValueError, KeyError, TypeError, EOFError, OverflowError, MemoryError, RecursionError) as error:
                raise BadRecording(f"{name}: a damaged recording, or not all of one") from error
        return recording

    def _read(self, source: Any) -> None:
        head = json.loads(source.readline())
        self.title = str(head["title"])
        self.duration, self.dropped = int(head["duration"]), int(head["dropped"])
        self.complete_from = int(head["complete_from"])
        self.parties = [Party(*map(str, party)) for party in head["parties"]]
        self.primitives = [
            Primitive(str(name), str(kind), str(family), str(place), bool(own))
            for name, kind, family, place, own in head["primitives"]
        ]
        self.places = [str(place) for place in head["places"]]
        number = int(head["events"])
        for column in self.columns.values():
            data = source.read(number * column.itemsize)
            if len(data) != number * column.itemsize:
                raise EOFError
            column.frombytes(data)
            if sys.byteorder == "big":
                column.byteswap()
        if source.read(1):
            raise ValueError
        for name, least, end in (
            ("party", 0, len(self.parties)),
            ("primitive", 0, len(self.primitives)),
            ("place", -1, len(self.places)),
            ("other", -1, len(self.parties)),
            ("happening", 0, len(HAPPENINGS)),
        ):
            if number and not (least <= min(self.columns[name]) and max(self.columns[name]) < end):
                raise ValueError


def _little_endian(column: "array[int]") -> "array[int]":
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
    parties = _Parties(recording, taken)
    primitives = _Primitives(recording, taken, names)
    places = _Places(recording, taken, names)
    column = recording.columns
    rows = sorted(struct.iter_unpack(LAYOUT, taken.events), key=itemgetter(0))
    for time, party, other, waited, code, primitive, spot in progress("writing it down", rows, len(rows)):
        if not taken.began <= time <= taken.ended:
            continue  # of a recording that was under way before, or of somebody who was late
        column["time"].append(time - taken.began)
        column["waited"].append(waited)
        column["party"].append(parties.number(party))
        column["primitive"].append(primitives.number(primitive, code, spot >> 8))
        column["place"].append(places.number(code, spot >> 8))
        column["other"].append(parties.number(other) if other else -1)
        column["happening"].append(spot & 0xFF)


class _Parties:
    def __init__(self, recording: Recording, taken: Taken) -> None:
        self.parties = recording.parties
        self.taken = taken
        self.numbers: dict[int, int] = {}

    def number(self, id: int) -> int:
        number = self.numbers.get(id)
        if number is None:
            is_task = bool(id >> 63)
            name, _, thread = self.taken.parties.get(id, (f"{'task' if is_task else 'thread'} {id & ~(1 << 63)}", 0, 0))
            group = self.taken.parties[thread][0] if is_task and thread in self.taken.parties else ""
            number = self.numbers[id] = len(self.parties)
            self.parties.append(Party(name, "task" if is_task else "thread", group))
        return number


class _Places:
    def __init__(self, recording: Recording, taken: Taken, names: Names) -> None:
        self.places = recording.places
        self.taken = taken
        self.names = names
        self.numbers: dict[tuple[int, int], int] = {}
        self.texts: dict[str, int] = {}

    def number(self, code: int, offset: int) -> int:
        number = self.numbers.get((code, offset))
        if number is None:
            number = -1
            if code in self.taken.codes:
                text = self.names.place(self.taken.codes[code], offset if offset != _NO_OFFSET else -1)
                number = self.texts.setdefault(text, len(self.places))
                if number == len(self.places):
                    self.places.append(text)
            self.numbers[code, offset] = number
        return number


class _Primitives:
    def __init__(self, recording: Recording, taken: Taken, names: Names) -> None:
        self.primitives = recording.primitives
        self.taken = taken
        self.names = names
        self.numbers: dict[int, int] = {}
        self.by_entry: dict[Entry, int] = {}  # which may have had several numbers
        self.made: dict[tuple[object, ...], tuple[str | None, str]] = {}

    def number(self, key: int, code: int, offset: int) -> int:
        number = self.numbers.get(key)
        if number is None:
            number = len(self.primitives)
            entry = self.taken.entries.get(key)
            if entry is None:  # dropped in the instant between numbering and writing
                self.primitives.append(Primitive("unknown", "Primitive", "Primitive", "", True))
            elif entry in self.by_entry:
                number = self.by_entry[entry]
            else:
                self.by_entry[entry] = number
                self.primitives.append(self.describe(entry, code, offset))
            self.numbers[key] = number
        return number

    def describe(self, entry: Entry, code: int, offset: int) -> Primitive:
        maker = entry.maker
        used = self.taken.codes.get(code)
        if maker is not None:
            key = (maker.code, maker.offset, maker.outer_code, maker.outer_offset)
            if key not in self.made:
                self.made[key] = self.names.made(maker), self.names.made_at(maker)
            name, place = self.made[key]
            unnamed = place
        else:
            # Made before anybody watched: the line that used it first may tell what it is called.
            name = None if used is None else self.names.used(used, offset)
            place = ""
            unnamed = "unknown" if used is None else f"used at {self.names.line(used, offset)}"
        name = entry.label or name or unnamed
        if entry.inner:
            name += "'s lock"
        return Primitive(name, entry.kind, entry.family, place, not is_machinery(maker))
