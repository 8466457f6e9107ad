"""What is left of a recording where the program is killed: a file beside the one that is wanted, written as it goes.

About once a second what is new is appended: events as the recorder has them, and the names of what they speak of for
the first time, as raw as they are. To make sense of it takes time and the program's sources, so that is done by who
reads it. The file has chunks (see `chunks.py`), in which a "literal" is a dictionary as Python writes it:

    live    a literal: title, directory, events (how many are kept), byteorder
    more    a line with a literal: began, now (monotonic nanoseconds), dropped, complete_from, parties {id: [name, id of
            its thread]}, codes {number: [file, function, first line, positions]}, numbers {address: number of a code},
            entries {number: [kind, family, label, inner, maker]}, maker: [code, offset, outer code or None, outer
            offset]; then events, see `LAYOUT`. Positions: those of each instruction, "line:end:column:end ..."

Once it has twice the events that the recording keeps, it is written anew with those that are kept still.

Its writer is loaded before a program that `interlock run` records, so this imports next to nothing.
"""

import os
import sys

from interlock.core.record.recorder import Taken, take_news
from interlock.watch.chunks import Chunks, write_chunk, write_start
from interlock.watch.words import duration

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import CodeType
    from typing import IO, Any

    from interlock.watch.recording import Recording

_EVENT = 48  # bytes
_AT_ONCE = 200_000  # events of a chunk


def beside(file: str) -> str:
    """The name of the file beside."""
    return f"{file}.part"


class LiveFile:
    """The file while the program runs. Made by the process that records; a forked child does nothing to it."""

    def __init__(self, name: str, out: "IO[bytes]", head: "dict[str, Any]") -> None:
        self.name = name
        self.out: IO[bytes] = out
        self.head = head
        self.process: int = os.getpid()
        self.failed: bool = False
        self.complete_from: int = 0
        self.entry: int = 0  # the number of the last one that has been written
        self._forget()

    @classmethod
    def begin(cls, file: str, title: str, directory: str, events: int) -> "LiveFile | None":
        """Begin it beside ``file``. None where that is no plain file, or there is no room for it."""
        file = os.path.realpath(file)
        if os.path.exists(file) and not os.path.isfile(file):
            return None
        head = {"title": title, "directory": directory, "events": events, "byteorder": sys.byteorder}
        try:
            live = cls(beside(file), _begun(beside(file)), head)
            live._start()
            return live
        except OSError:
            return None  # the recording itself may have better luck

    def save(self) -> None:
        """Append what is new. Once that has failed, no more is tried."""
        if self.failed or os.getpid() != self.process:
            return
        try:
            again = self.written > 2 * self.head["events"]
            taken = take_news(again, 0 if again else self.entry)
            if taken is not None:
                if again:
                    self._start_again()
                self.dropped += taken.dropped
                self.complete_from = max(self.complete_from, taken.complete_from)
                self._append(taken)
        except (OSError, ValueError):
            self.failed = True  # the disk is full; or the recording has ended meanwhile and so has the file

    def remove(self) -> None:
        """The recording itself has been written."""
        self.failed = True
        if os.getpid() == self.process:
            self.out.close()
            try:
                os.remove(self.name)
            except OSError:
                return

    def _start(self) -> None:
        write_start(self.out)
        write_chunk(self.out, b"live", ascii(self.head).encode("ascii"))
        self.out.flush()

    def _start_again(self) -> None:
        """In a file of its own, which takes the place of this one: killed between the two, a program leaves the old."""
        self.out.close()
        self.out = _begun(self.name)
        self._forget()
        self._start()

    def _forget(self) -> None:
        self.written: int = 0  # events
        self.dropped: int = 0
        self.complete_from = 0
        self.known: set[int] = set()  # ids of parties
        self.codes: dict[
            int, tuple[int, CodeType]
        ] = {}  # id -> number, and the code itself, so that the id stays its own
        self.addresses: int = 0  # how many of the recorder's codes
        self.entry = 0

    def _append(self, taken: Taken) -> None:
        names = ascii(self._names(taken)).encode("ascii") + b"\n"
        events = memoryview(taken.events)
        for start in range(0, max(len(events), 1), _AT_ONCE * _EVENT):
            write_chunk(self.out, b"more", names + bytes(events[start : start + _AT_ONCE * _EVENT]))
            names = b"{}\n"
        self.out.flush()
        self.written += len(events) // _EVENT

    def _names(self, taken: Taken) -> "dict[str, Any]":
        codes: dict[int, Any] = {}

        def number(code: "CodeType | None") -> int | None:
            if code is None:
                return None
            if id(code) not in self.codes:
                self.codes[id(code)] = len(self.codes), code
                positions = " ".join(":".join(map(_written, each)) for each in code.co_positions())
                codes[self.codes[id(code)][0]] = [code.co_filename, code.co_qualname, code.co_firstlineno, positions]
            return self.codes[id(code)][0]

        parties = {key: [name, thread] for key, (name, _, thread) in taken.parties.items() if key not in self.known}
        self.known.update(parties)
        addresses = list(taken.codes.items())[self.addresses :]
        self.addresses += len(addresses)
        fresh = {}
        for key, entry in taken.entries.items():
            maker = entry.maker
            made = maker and [number(maker.code), maker.offset, number(maker.outer_code), maker.outer_offset]
            fresh[key] = [entry.kind, entry.family, entry.label, entry.inner, made]
        self.entry = max(fresh, default=self.entry)
        return {
            "began": taken.began,
            "now": taken.ended,
            "dropped": self.dropped,
            "complete_from": self.complete_from,
            "parties": parties,
            "numbers": {address: number(code) for address, code in addresses},
            "codes": codes,
            "entries": fresh,
        }


def _written(number: int | None) -> str:
    return "" if number is None else str(number)


def _begun(name: str) -> "IO[bytes]":
    if os.path.lexists(name):
        os.remove(name)  # not emptied: another run may still be writing it
    return open(name, "xb")


# --- reading it ---------------------------------------------------------------------------------------------------


class _Code:
    """As much of a code object as names are made of."""

    def __init__(self, file: str, function: str, first: int, positions: str) -> None:
        self.co_filename = file
        self.co_qualname = function
        self.co_firstlineno = first
        self._positions = positions

    def co_positions(self) -> "Iterator[tuple[int | None, ...]]":
        for each in self._positions.split(" "):
            yield tuple(int(number) if number else None for number in each.split(":"))


class _Maker:
    def __init__(self, code: _Code, offset: int, outer_code: _Code | None, outer_offset: int) -> None:
        self.code = code
        self.offset = offset
        self.outer_code = outer_code
        self.outer_offset = outer_offset


class _Entry:
    def __init__(self, kind: str, family: str, label: str | None, inner: bool, maker: _Maker | None) -> None:
        self.kind = kind
        self.family = family
        self.label = label
        self.inner = inner
        self.maker = maker
        self.giver: CodeType | None = None  # is not written while the program runs


def _literal(data: bytes) -> "dict[str, Any]":
    import ast

    try:
        found = ast.literal_eval(data.decode("ascii"))
    except SyntaxError as error:
        raise ValueError from error
    if type(found) is not dict:
        raise TypeError
    return found


class Left:
    """What such a file says, put together as the recorder gives it (`Taken`)."""

    def __init__(self, payload: bytes) -> None:
        head = _literal(payload)
        self.title: str = str(head["title"])
        self.directory: str = str(head["directory"])
        self.began: int = 0
        self.ended: int = 0
        self.complete_from: int = 0
        self.dropped: int = 0
        self.parties: dict[int, tuple[str, bool, int]] = {}
        self.codes: dict[int, _Code] = {}
        self.entries: dict[int, _Entry] = {}
        self.events: bytes = b""
        self._events: list[bytes] = []
        self._numbers: dict[int, _Code] = {}
        if head["byteorder"] != sys.byteorder:
            raise ValueError

    def read(self, payload: bytes) -> None:
        end = payload.index(b"\n")
        names = _literal(payload[:end])
        self._events.append(payload[end + 1 :])
        if not names:
            return
        self.began, self.ended = int(names["began"]), int(names["now"])
        self.dropped, self.complete_from = int(names["dropped"]), int(names["complete_from"])
        for key, (name, thread) in names["parties"].items():
            self.parties[key] = name, bool(key >> 63), thread
        for number, code in names["codes"].items():
            self._numbers[number] = _Code(*code)
        for address, number in names["numbers"].items():
            if number in self._numbers:  # which a chunk may have had that is damaged
                self.codes[address] = self._numbers[number]
        for key, (kind, family, label, inner, made) in names["entries"].items():
            maker = None
            if made is not None and made[0] in self._numbers:
                outer = None if made[2] is None else self._numbers.get(made[2])
                maker = _Maker(self._numbers[made[0]], made[1], outer, made[3])
            self.entries[key] = _Entry(kind, family, label, inner, maker)

    def fill(self, recording: "Recording", chunks: Chunks) -> None:
        """Put it into an empty recording."""
        from interlock.watch.names import Names
        from interlock.watch.recording import fill

        self.events = b"".join(self._events)
        recording.title = self.title
        fill(recording, self, Names(self.directory))  # type: ignore[arg-type]
        recording.unfinished = (
            f"the program ended before it was written: this is what happened in its first "
            f"{duration(recording.duration)}, and not what came then"
        )
        if chunks.damaged:
            recording.damage = f"damaged, a checksum is wrong: {chunks.damaged} parts of it are lost"
