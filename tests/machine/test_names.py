"""Names of all lengths, what so many of them cost, and who a dead holder was."""

import os
import tempfile
import threading
from pathlib import Path

import pytest

from interlock import machine
from interlock.machine.kernel import seen

from .test_strangers import folder, program

__all__ = ["folder"]  # a fixture

LENGTHS = [1, 30, 31, 32, 33, 34, 64, 94, 95]  # a record has room for 31 bytes, and with another one for 95


@pytest.mark.parametrize("length", LENGTHS)
def test_a_name_of_any_length(length: int) -> None:
    name = (f"{length}-" + "name" * 30)[:length]
    one = machine.Semaphore(3, name=name)
    assert one.name == name
    assert f"name={name!r}" in repr(one)
    assert [found["value"] for found in seen() if found["name"] == name] == [3]
    other = machine.Semaphore(3, name=name)
    one.acquire()
    assert other._value == 2
    one.release()


def test_names_that_differ_at_the_end_are_others() -> None:
    names = ["x" * length for length in LENGTHS] + ["x" * 40 + "y", "x" * 94 + "y", "x" * 31 + "y"]
    kept = [machine.Lock(name) for name in names]
    for lock in kept:
        assert lock.acquire(blocking=False)
    assert [lock.name for lock in kept] == names
    for lock in reversed(kept):
        lock.release()


@pytest.mark.parametrize(
    "name", ["é" * 47, "日本" * 15 + "日", "a\udcff" + "é" * 40, "🔒" * 23, "x" * 31 + "é", "x" * 30 + "é"]
)
def test_a_letter_may_lie_across_the_end_of_a_record(name: str) -> None:
    lock = machine.Lock(name)
    assert lock.name == name
    assert machine.Lock(name).acquire(blocking=False)
    assert lock.locked()
    lock.release()


@pytest.mark.parametrize("name", ["", "x" * 96, "é" * 48, "a\0b", "x" * 10_000])
def test_a_name_that_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match="1 to 95 bytes"):
        machine.Lock(name)


def test_records_of_long_names_come_back(folder: Path) -> None:
    ran = program(
        folder,
        """
        from interlock import machine
        from interlock.machine.kernel import seen

        def highest():
            kept = [machine.Lock("n" * 60 + str(number)) for number in range(50)]
            anonymous = [machine.Lock() for number in range(50)]
            return max(one["number"] for one in seen())

        first = highest()
        print(first, {highest() for _ in range(20)} <= set(range(first + 1)), len(seen()))
        """,
    )
    assert (ran.stdout.split(), ran.stderr) == (["150", "True", "0"], "")


def test_a_thousand_names_take_no_more_than_300_kib() -> None:
    """Records, the sheets that say who has them open, and the objects."""
    with tempfile.TemporaryDirectory(dir="/dev/shm") as folder:  # elsewhere files have pages of several sizes
        ran = program(
            folder,
            """
        import os
        from interlock import machine

        def kept():
            with open("/proc/self/smaps_rollup") as file:
                return sum(int(line.split()[1]) for line in file if line.startswith(("Pss_Anon:", "Pss_Shmem:")))

        machine.Lock("the first of them")
        before, files = kept(), len(os.listdir("/proc/self/fd"))
        held = [machine.Lock(f"name {number}") for number in range(1000)]
        made = kept()
        for lock in held:
            lock.acquire()
        print(made - before, kept() - before, len(os.listdir("/proc/self/fd")) - files)
        """,
        )
    made, held, files = map(int, ran.stdout.split())
    assert made <= held <= 300, ran.stdout
    assert files == 0


def test_who_held_it_last_is_known_by_program() -> None:
    def die(lock: machine.Lock) -> None:
        thread = threading.Thread(target=lock.acquire)
        thread.start()
        thread.join()

    first = machine.Lock()
    die(first)
    assert first.acquire()
    died = first.abandoned
    assert died is not None
    assert died.pid == os.getpid()
    assert died.program != ""
    others = machine.Lock()
    for _ in range(1024):
        die(others)
        assert others.acquire()
        others.release()
    forgotten = first.abandoned
    assert forgotten is not None
    assert (forgotten.pid, forgotten.when) == (died.pid, died.when)
    assert forgotten.program == ""  # of the last 1024 deaths it is known
    first.release()
