"""What `install` and `uninstall` do to the names, in every order."""

import pickle
import queue
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

import interlock
from interlock.dropin import ASYNCIO_NAMES, NAMES, install, uninstall

FOUND = {name: name.stands_for() for name in NAMES}
QUEUES = ["LifoQueue", "PriorityQueue", "Queue", "SimpleQueue"]
PUBLIC = ["Barrier", "BoundedSemaphore", "Condition", "Event", "Lock", "RLock", "Semaphore"]


def is_installed() -> bool:
    """Whether the names are ours. All of them are, or none."""
    ours = [name.stands_for() is name.ours for name in NAMES]
    assert all(ours) or [name.stands_for() for name in NAMES] == list(FOUND.values())
    return all(ours)


@pytest.mark.parametrize("attribute", PUBLIC)
def test_public_names(attribute: str) -> None:
    with install():
        assert issubclass(getattr(threading, attribute), getattr(interlock, attribute))
    assert not isinstance(getattr(threading, attribute), type) or not issubclass(
        getattr(threading, attribute), getattr(interlock, attribute)
    )


@pytest.mark.parametrize("attribute", QUEUES)
def test_queues(attribute: str) -> None:
    with install():
        assert issubclass(getattr(queue, attribute), getattr(interlock, attribute))
    assert not issubclass(getattr(queue, attribute), getattr(interlock, attribute))


def test_a_class_is_pickled_by_its_name() -> None:
    """So it reaches a process that `multiprocessing` spawns: its managers have some."""
    with install(asyncio=True):
        for name in [*NAMES, *ASYNCIO_NAMES]:
            if isinstance(name.ours, type):
                assert pickle.loads(pickle.dumps(name.stands_for())) is name.ours


def test_names_that_threading_uses_inside() -> None:
    names = {name.attribute: name.ours for name in NAMES}
    assert names.keys() == {*PUBLIC, *QUEUES, "_allocate_lock", "_CRLock", "join"}
    assert names["_allocate_lock"] is interlock.Lock
    assert names["_CRLock"] is interlock.RLock


def test_the_package_offers_both() -> None:
    assert (interlock.install, interlock.uninstall) == (install, uninstall)


def test_install_takes_effect_at_the_call_and_lasts() -> None:
    install()
    assert is_installed()
    uninstall()
    assert not is_installed()


def test_both_are_idempotent() -> None:
    uninstall()
    assert not is_installed()
    install()
    install()
    assert is_installed()
    uninstall()
    assert not is_installed()
    uninstall()
    assert not is_installed()


def test_installs_again() -> None:
    for _ in range(3):
        install()
        assert is_installed()
        uninstall()
        assert not is_installed()


def test_with() -> None:
    with install():
        assert is_installed()
    assert not is_installed()


def test_with_uninstalls_when_the_block_raises() -> None:
    with pytest.raises(ZeroDivisionError), install():
        raise ZeroDivisionError
    assert not is_installed()


def test_the_outermost_with_wins() -> None:
    with install():
        with install():
            assert is_installed()
        assert is_installed()
        install()
    assert not is_installed()


def test_with_inside_a_lasting_install() -> None:
    install()
    with install():
        assert is_installed()
    assert is_installed()
    uninstall()
    assert not is_installed()


def test_uninstall_inside_with() -> None:
    with install():
        uninstall()
        assert not is_installed()
    assert not is_installed()


def test_an_installation_can_be_entered_later_and_again() -> None:
    installation = install()
    uninstall()
    for _ in range(2):
        with installation:
            assert is_installed()
        assert not is_installed()


def test_blocks_that_overlap_end_with_the_last() -> None:
    first, second = install(), install()
    first.__enter__()
    second.__enter__()
    first.__exit__(None, None, None)
    assert is_installed()
    second.__exit__(None, None, None)
    assert not is_installed()


# From several threads.


@pytest.fixture
def fast_switching() -> Iterator[None]:
    interval = sys.getswitchinterval()
    sys.setswitchinterval(0.000_01)
    yield
    sys.setswitchinterval(interval)


def all_at_once(*calls: Callable[[], object]) -> None:
    start = threading.Barrier(len(calls))

    def begin(call: Callable[[], object]) -> None:
        start.wait()
        call()

    with ThreadPoolExecutor(len(calls)) as pool:
        for future in [pool.submit(begin, call) for call in calls]:
            future.result()


@pytest.mark.usefixtures("fast_switching")
def test_threads_race_to_install_and_uninstall() -> None:
    def install_often() -> None:
        for _ in range(500):
            install()

    def uninstall_often() -> None:
        for _ in range(500):
            uninstall()

    all_at_once(install_often, uninstall_often, install_often, uninstall_often)
    install()
    assert is_installed()
    uninstall()
    assert not is_installed()


@pytest.mark.usefixtures("fast_switching")
def test_it_is_installed_in_every_block_of_every_thread() -> None:
    def enter_often() -> None:
        for _ in range(500):
            with install():
                assert is_installed()

    all_at_once(*[enter_often] * 4)
    assert not is_installed()


# Beside somebody else who patches the same names.


class Theirs:
    """Somebody's patch of `threading.Lock`: it may call what it has found, and puts that back."""

    def __init__(self) -> None:
        self.found: Any = threading.Lock
        threading.Lock = self

    def __call__(self) -> Any:
        return self.found()

    def undo(self) -> None:
        threading.Lock = self.found


def test_a_patch_from_before_is_put_back() -> None:
    theirs = Theirs()
    with install():
        assert threading.Lock is interlock.Lock
    assert threading.Lock is theirs
    theirs.undo()
    assert not is_installed()


def test_a_patch_undone_under_us_stays_undone() -> None:
    theirs = Theirs()
    with install():
        theirs.undo()
    assert not is_installed()


def test_a_patch_over_ours_and_undone_leaves_no_trace() -> None:
    with install():
        theirs = Theirs()
        theirs.undo()
        assert is_installed()
    assert not is_installed()


def test_a_patch_over_ours_is_left_alone() -> None:
    install()
    theirs = Theirs()
    assert threading.Lock is theirs
    install()
    assert threading.Lock is theirs
    uninstall()
    assert threading.Lock is theirs
    assert isinstance(threading.Lock(), interlock.Lock)
    assert threading.RLock is not interlock.RLock

    theirs.undo()
    assert threading.Lock is interlock.Lock
    uninstall()
    assert not is_installed()


def test_installed_again_after_a_patch_over_ours_was_undone() -> None:
    install()
    theirs = Theirs()
    uninstall()
    theirs.undo()
    with install():
        assert is_installed()
    assert not is_installed()


def test_installed_again_over_a_patch_over_ours() -> None:
    install()
    theirs = Theirs()
    uninstall()
    with install():
        assert is_installed()
    assert threading.Lock is theirs
    theirs.undo()
    uninstall()
    assert not is_installed()


# Names that somebody has imported before.

early_rlock = threading.RLock
early_condition = threading.Condition


def test_the_function_rlock_imported_before() -> None:
    theirs = type(early_rlock())
    with install():
        assert type(early_rlock()) is interlock.RLock
    assert type(early_rlock()) is theirs


def test_a_class_imported_before_is_still_the_standard_librarys() -> None:
    with install():
        condition = early_condition()
        assert type(condition) is early_condition
        assert type(condition._lock) is interlock.RLock
