"""The chunks of which a recording's file is made: each has its length and a checksum, so a reader knows what is whole.

    interlock recording 2\\n
    chunks, each: kind (4 bytes), length of the payload (4 bytes), CRC-32 of kind and payload (4 bytes), payload

All numbers are little-endian. `recording.py` and `live.py` say which kinds there are. A chunk whose checksum is wrong
is left out; where a header makes no sense, so is everything after it.
"""

import struct
import zlib

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import IO

MAGIC = b"interlock recording "
VERSION = b"2\n"
KINDS = (b"head", b"rows", b"end ", b"live", b"more")
MOST = 1 << 24  # bytes of a payload, about: a writer begins another chunk
_HEADER = struct.Struct("<4sII")


def write_start(out: "IO[bytes]") -> None:
    out.write(MAGIC + VERSION)


def write_chunk(out: "IO[bytes]", kind: bytes, payload: bytes) -> None:
    out.write(_HEADER.pack(kind, len(payload), zlib.crc32(payload, zlib.crc32(kind))))
    out.write(payload)


class Chunks:
    """Reads them. Afterwards ``damaged`` is how many were left out, and ``cut``, whether the last is not whole."""

    def __init__(self, source: "IO[bytes]") -> None:
        self._source = source
        self.damaged = 0
        self.cut = False

    def __iter__(self) -> "Iterator[tuple[bytes, bytes]]":
        while header := self._source.read(_HEADER.size):
            if len(header) < _HEADER.size:
                self.cut = True
                return
            kind, length, checksum = _HEADER.unpack(header)
            if kind not in KINDS:
                self.damaged += 1
                self.cut = True
                return
            payload = self._source.read(length)
            if len(payload) < length:
                self.cut = True
                return
            if zlib.crc32(payload, zlib.crc32(kind)) != checksum:
                self.damaged += 1
            else:
                yield kind, payload
