"""Recordings: taking one, its file, and files that are none."""

import json
import struct
import sys
import threading
import zlib
from pathlib import Path
from typing import Any

import pytest
from made import CONTENDED, recording

import interlock
import interlock.watch.recording
from interlock.watch.recording import BadRecording, Event, Party, Primitive, Recording


def test_record() -> None:
    lock = interlock.Lock(name="lock")

    def work() -> None:
        with lock:
            pass

    with interlock.record(title="a test") as made:
        thread = threading.Thread(target=work, name="worker")
        thread.start()
        thread.join()
        assert len(made) == 0
    assert len(made) == 2
    assert made.title == "a test"
    assert made.parties == [Party("worker", "thread", "")]
    assert made.primitives == [Primitive("lock", "Lock", "Lock", "", True)]
    first, last = made.events()
    assert isinstance(first, Event)
    assert (first.happening, last.happening, first.party, first.primitive) == ("acquired", "released", 0, 0)
    assert 0 <= first.time <= last.time <= made.duration
    assert made.places[first.place].startswith("tests/watch/test_recording.py:") or sys.platform == "win32"
    assert made.places[first.place].endswith(" in work")


def test_what_is_raised_comes_out_and_is_recorded() -> None:
    lock = interlock.Lock()
    record = interlock.record()
    made = record.__enter__()
    with pytest.raises(ZeroDivisionError), lock:
        raise ZeroDivisionError
    record.__exit__(None, None, None)
    assert [event.happening for event in made.events()] == ["acquired", "released"]


def test_a_recording_in_a_recording_has_its_part() -> None:
    event = interlock.Event()
    with interlock.record() as outer:
        event.set()
        with interlock.record() as inner:
            event.clear()
        event.set()
    assert [each.happening for each in outer.events()] == ["set", "cleared", "set"]
    assert [each.happening for each in inner.events()] == ["cleared"]


def test_record_is_for_once() -> None:
    with pytest.raises(ValueError, match="events must be 1 or more, not 0"):
        interlock.record(events=0)
    record = interlock.record()
    with record:
        pass
    with pytest.raises(RuntimeError, match="call record"), record:
        pass


def chunk(kind: bytes, payload: bytes) -> bytes:
    return struct.pack("<4sII", kind, len(payload), zlib.crc32(kind + payload)) + payload


def test_what_was_made_before_is_called_as_its_module_or_object_calls_it(tmp_path: Path) -> None:
    file = tmp_path / "prog.py"
    file.write_text(
        "from interlock import Lock\n"
        "class Shop:\n"
        "    def __init__(self): self.orders = Lock()\n"
        "    def serve(self):\n"
        "        mine = self.orders\n"
        "        with mine: pass\n"
        "def work(first):\n"
        "    with first: pass\n"
        "guard, other, shop = Lock(), Lock(), Shop()\n"
        "def use():\n"
        "    work(guard); work(other); shop.serve()\n"
        "    with guard: pass\n"
    )
    names: dict[str, Any] = {"__name__": "prog"}
    exec(compile(file.read_text(), str(file), "exec"), names)
    with interlock.record() as made:
        names["use"]()
    assert [primitive.name for primitive in made.primitives] == ["guard", "first", "Shop.orders"]


def test_the_file(tmp_path: Path) -> None:
    made = recording(CONTENDED, title="shop é", dropped=3, complete_from=7)
    made.save(tmp_path / "it")
    again = Recording.load(tmp_path / "it")
    assert vars(again) == vars(made)
    assert repr(again) == "<interlock recording of 13 events in 0.015 s>"
    Recording().save(tmp_path / "it")
    assert vars(Recording.load(tmp_path / "it")) == vars(Recording())


def test_the_file_is_as_documented(tmp_path: Path) -> None:
    recording("1 ann granted Lock.a x:1 ben 0.5").save(tmp_path / "it")
    magic, chunks = (tmp_path / "it").read_bytes().split(b"\n", 1)
    assert magic == b"interlock recording 2"
    payloads = {}
    while chunks:
        kind, length, checksum = struct.unpack("<4sII", chunks[:12])
        payloads[kind] = chunks[12 : 12 + length]
        assert checksum == zlib.crc32(kind + payloads[kind])
        chunks = chunks[12 + length :]
    assert list(payloads) == [b"head", b"rows", b"end "]
    assert json.loads(payloads[b"head"])["events"] == 1
    numbers = [1_000_000, 500_000, 0, 0, 0, 1, 2]
    sizes = [8, 8, 4, 4, 4, 4, 1]
    columns = b"".join(number.to_bytes(size, "little") for number, size in zip(numbers, sizes, strict=True))
    assert payloads[b"rows"] == columns
    assert payloads[b"end "] == b""


@pytest.mark.parametrize(
    ("data", "complaint"),
    [
        (b"", "not a recording of interlock"),
        (b"\x7fELF" + bytes(99), "not a recording of interlock"),
        (b"interlock recordinx 1\n", "not a recording of interlock"),
        (b"interlock recording 1\n{}\n", "a recording of another version"),
        (b"interlock recording 2\n", "a damaged recording"),
        (b"interlock recording 2\n{}\n", "a damaged recording"),
        (b"interlock recording 2\n" + chunk(b"head", b"{}"), "a damaged recording"),
        (b"interlock recording 2\n" + chunk(b"head", b"[]"), "a damaged recording"),
        (b"interlock recording 2\n" + chunk(b"head", b"\xff"), "a damaged recording"),
        (b"interlock recording 2\n" + chunk(b"head", b"[" * 100_000), "a damaged recording"),
        (b"interlock recording 2\n" + chunk(b"live", b"["), "a damaged recording"),
        (b"interlock recording 2\n" + chunk(b"live", b"f()"), "a damaged recording"),
    ],
)
def test_files_that_are_no_recording(tmp_path: Path, data: bytes, complaint: str) -> None:
    (tmp_path / "it").write_bytes(data)
    with pytest.raises(BadRecording) as caught:
        Recording.load(tmp_path / "it")
    assert f"it: {complaint}" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_what_a_damaged_file_has_lost_is_told(tmp_path: Path) -> None:
    """Wherever it is cut, and whatever byte is wrong: never less in silence, never something else."""
    whole = recording(CONTENDED)
    whole.save(tmp_path / "it")
    data = (tmp_path / "it").read_bytes()
    cut = [data[:length] for length in range(len(data))]
    wrong = [data[:at] + bytes([data[at] ^ 0x41]) + data[at + 1 :] for at in range(len(data))]
    read = 0
    for damaged in [*cut, *wrong, data + b"x", data + data]:
        (tmp_path / "it").write_bytes(damaged)
        try:
            found = Recording.load(tmp_path / "it")
        except BadRecording:
            continue
        read += 1
        assert found.damage.startswith("damaged, "), damaged
        assert set(found.rows()) <= set(whole.rows())
        assert found.dropped == len(whole) - len(found)
    assert read > 100


def test_what_is_whole_of_a_damaged_file_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(interlock.watch.recording, "_IN_CHUNK", 4)
    whole = recording(CONTENDED)
    whole.save(tmp_path / "it")
    data = bytearray((tmp_path / "it").read_bytes())
    second = data.index(b"rows", data.index(b"rows") + 4)
    data[second + 20] ^= 1
    (tmp_path / "it").write_bytes(data)
    found = Recording.load(tmp_path / "it")
    rows = list(whole.rows())
    assert list(found.rows()) == [*rows[:4], *rows[8:]]
    assert found.complete_from == rows[8][0]  # nothing is known for certain of what was before
    assert found.damage == "damaged, a checksum is wrong: 4 of its 13 events lost"


@pytest.mark.parametrize("column", ["party", "primitive", "place", "other", "happening"])
def test_numbers_that_stand_for_nothing(tmp_path: Path, column: str) -> None:
    made = recording(CONTENDED)
    made.columns[column][3] = 99
    made.save(tmp_path / "it")
    with pytest.raises(BadRecording):
        Recording.load(tmp_path / "it")
