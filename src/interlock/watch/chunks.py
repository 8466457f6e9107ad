"""The chunks of which a recording's file is made: each has its length and a checksum, so a reader knows what is whole.

    interlock recording 2\\n
    chunks, each: kind (4 bytes), length of the payload (4 bytes), CRC-32 of kind and payload (4 bytes), payload

All numbers are little-endian. `recording.py` and `live.py` say which kinds there are. A chunk whose checksum is wrong
is left out; where a header makes no sense, so is everything after it.

This is loaded before a program that `interlock run` records, so it imports next to nothing.
"""

from zlib import crc32

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import IO

MAGIC = b"interlock recording "
VERSION = b"2\n"
KINDS = (b"head", b"rows", b"end ", b"live", b"more")
MOST = 1 << 24  # bytes of a payload, about: a writer begins another chunk
_HEADER = 12  # bytes


def write_start(out: "IO[bytes]") -> None:
    out.write(MAGIC + VERSION)


def write_chunk(out: "IO[bytes]", kind: bytes, payload: bytes) -> None:
    out.write(kind + _number(len(payload)) + _number(crc32(payload, crc32(kind))) + payload)


def _number(number: int) -> bytes:
    return number.to_bytes(4, "little")


class Chunks:
    """Reads them. Afterwards ``damaged`` is how many were left out, and ``cut``, whether the last is not whole."""

    def __init__(self, source: "IO[bytes]") -> None:
        self._source = source
        self.damaged: int = 0
        self.cut: bool = False

    def __iter__(self) -> "Iterator[tuple[bytes, bytes]]":
        while header := self._source.read(_HEADER):
            if len(header) < _HEADER:
                self.cut = True
                return
            kind, length, checksum = (
                header[:4],
                int.from_bytes(header[4:8], "little"),
                int.from_bytes(header[8:], "little"),
            )
            if kind not in KINDS:
                self.damaged += 1
                self.cut = True
                return
            payload = self._source.read(length)
            if len(payload) < length:
                self.cut = True
                return
            if crc32(payload, crc32(kind)) != checksum:
                self.damaged += 1
            else:
                yield kind, payload
