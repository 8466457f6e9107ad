"""The messages of etcd's API that are needed here, written and read by hand.

Generated stubs register their file as `rpc.proto`, and two packages that do so cannot be imported into one process. A
message is a dict of field numbers: Only varints and byte strings occur.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

Message = bytes


def varint(number: int) -> bytes:
    number &= (1 << 64) - 1
    out = bytearray()
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    out.append(number)
    return bytes(out)


def pack(*fields: tuple[int, int | bytes]) -> Message:
    """A message of fields in order. What is 0 or empty is its default, and left out."""
    out = bytearray()
    for number, value in fields:
        if isinstance(value, int):
            if value:
                out += varint(number << 3) + varint(value)
        elif value:
            out += varint(number << 3 | 2) + varint(len(value)) + value
    return bytes(out)


def nested(number: int, message: Message) -> bytes:
    """A field that is a message, also where that is empty."""
    return varint(number << 3 | 2) + varint(len(message)) + message


def read_varint(data: bytes, at: int) -> tuple[int, int]:
    number = shift = 0
    while True:
        byte = data[at]
        at += 1
        number |= (byte & 0x7F) << shift
        if byte < 0x80:
            return number, at
        shift += 7


def unpack(data: bytes) -> dict[int, list[Any]]:
    """All fields by number, each a list of what came: ints and bytes."""
    fields: dict[int, list[Any]] = {}
    at = 0
    while at < len(data):
        tag, at = read_varint(data, at)
        kind = tag & 7
        value: int | bytes
        if kind == 0:
            value, at = read_varint(data, at)
            if value >= 1 << 63:
                value -= 1 << 64
        elif kind == 2:
            size, at = read_varint(data, at)
            value = data[at : at + size]
            at += size
        elif kind in (1, 5):
            size = 8 if kind == 1 else 4
            value = data[at : at + size]
            at += size
        else:
            raise ValueError(f"not a message of etcd: wire type {kind}")
        fields.setdefault(tag >> 3, []).append(value)
    return fields


def number(fields: dict[int, list[Any]], which: int) -> int:
    value: int = fields.get(which, [0])[-1]
    return value


def text(fields: dict[int, list[Any]], which: int) -> bytes:
    value: bytes = fields.get(which, [b""])[-1]
    return value


# --- requests -------------------------------------------------------------------------------------------------------


def range_op(key: bytes, end: bytes = b"") -> bytes:
    return nested(1, pack((1, key), (2, end)))


def put_op(key: bytes, value: bytes, lease: int = 0) -> bytes:
    return nested(2, pack((1, key), (2, value), (3, lease)))


def delete_op(key: bytes) -> bytes:
    return nested(3, pack((1, key)))


def mod_is(key: bytes, revision: int) -> bytes:
    """That a key was last changed at a revision; 0: that it is not there."""
    return pack((2, 2), (3, key)) + varint(6 << 3) + varint(revision)


def is_there(key: bytes) -> bytes:
    return pack((1, 1), (2, 1), (3, key)) + varint(5 << 3) + varint(0)


def txn(compares: Iterable[bytes], success: Iterable[bytes], failure: Iterable[bytes]) -> Message:
    return b"".join(
        nested(field, each) for field, all_of in ((1, compares), (2, success), (3, failure)) for each in all_of
    )


def watch(key: bytes, end: bytes, start: int, watch_id: int, deletes_only: bool) -> Message:
    created = pack((1, key), (2, end), (3, start), (7, watch_id)) + (b"\x2a\x01\x00" if deletes_only else b"")
    return nested(1, created)


def unwatch(watch_id: int) -> Message:
    return nested(2, pack((1, watch_id)))


def after(prefix: bytes) -> bytes:
    """The end of the range of all keys that begin with a prefix."""
    return prefix[:-1] + bytes([prefix[-1] + 1])


# --- answers --------------------------------------------------------------------------------------------------------


class KeyValue:
    __slots__ = ("key", "mod", "value")

    def __init__(self, data: bytes) -> None:
        fields = unpack(data)
        self.key: bytes = text(fields, 1)
        self.mod: int = number(fields, 3)
        self.value: bytes = text(fields, 5)


def read_txn(data: bytes) -> tuple[bool, int, list[list[KeyValue]]]:
    """Whether it succeeded, its revision, and for each op what a range has found."""
    fields = unpack(data)
    revision = number(unpack(text(fields, 1)), 3)
    found = []
    for response in fields.get(3, []):
        op = unpack(response)
        found.append([KeyValue(kv) for kv in unpack(op[1][0]).get(2, [])] if 1 in op else [])
    return bool(number(fields, 2)), revision, found
