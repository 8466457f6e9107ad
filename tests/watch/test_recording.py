"""Recordings: taking one, its file, and files that are none."""

import sys
import threading
from pathlib import Path

import pytest
from made import CONTENDED, recording

import interlock
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
    magic, head, columns = (tmp_path / "it").read_bytes().split(b"\n", 2)
    assert magic == b"interlock recording 1"
    assert b'"events":1' in head
    numbers = [1_000_000, 500_000, 0, 0, 0, 1, 2]
    sizes = [8, 8, 4, 4, 4, 4, 1]
    assert columns == b"".join(number.to_bytes(size, "little") for number, size in zip(numbers, sizes, strict=True))


@pytest.mark.parametrize(
    ("data", "complaint"),
    [
        (b"", "not a recording of interlock"),
        (b"\x7fELF" + bytes(99), "not a recording of interlock"),
        (b"interlock recordinx 1\n", "not a recording of interlock"),
        (b"interlock recording 2\n{}\n", "a recording of another version"),
        (b"interlock recording 1\n", "a damaged recording"),
        (b"interlock recording 1\n{}\n", "a damaged recording"),
        (b"interlock recording 1\n[]\n", "a damaged recording"),
        (b"interlock recording 1\n\xff\n", "a damaged recording"),
        (b"interlock recording 1\n" + b"[" * 100_000 + b"\n", "a damaged recording"),
    ],
)
def test_files_that_are_no_recording(tmp_path: Path, data: bytes, complaint: str) -> None:
    (tmp_path / "it").write_bytes(data)
    with pytest.raises(BadRecording) as caught:
        Recording.load(tmp_path / "it")
    assert f"it: {complaint}" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_every_part_of_a_file_is_needed(tmp_path: Path) -> None:
    recording(CONTENDED).save(tmp_path / "it")
    data = (tmp_path / "it").read_bytes()
    for length in range(len(data)):
        (tmp_path / "it").write_bytes(data[:length])
        with pytest.raises(BadRecording):
            Recording.load(tmp_path / "it")
    (tmp_path / "it").write_bytes(data + b"x")
    with pytest.raises(BadRecording):
        Recording.load(tmp_path / "it")


@pytest.mark.parametrize("column", ["party", "primitive", "place", "other", "happening"])
def test_numbers_that_stand_for_nothing(tmp_path: Path, column: str) -> None:
    made = recording(CONTENDED)
    made.columns[column][3] = 99
    made.save(tmp_path / "it")
    with pytest.raises(BadRecording):
        Recording.load(tmp_path / "it")
