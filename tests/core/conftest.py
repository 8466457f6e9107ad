"""The parties that the tests of the core are run with.

What a primitive does it must do for parties of every kind: those suites run on all. The rest is about threads, or is
the same code whoever calls, and runs on threads alone; single tests of it are marked `every_kind_of_party`.
"""

import threading
from collections.abc import Iterator
from typing import Any

import pytest
from parties import KINDS, Parties

SUITES = {
    "test_barrier", "test_condition", "test_event", "test_latch", "test_lock", "test_rlock", "test_rwlock",
    "test_queue", "test_semaphore", "test_waitqueue",
}  # fmt: skip

FAILED = pytest.StashKey[bool]()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Iterator[None]:
    report: Any = yield
    item.stash[FAILED] = item.stash.get(FAILED, False) or report.failed
    return report


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "threads_only(why): not for parties that are tasks")
    config.addinivalue_line("markers", "every_kind_of_party: for threads and for tasks")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "parties" not in metafunc.fixturenames:
        return
    marks = {mark.name for mark in metafunc.definition.iter_markers()}
    everybody = metafunc.module.__name__.rpartition(".")[2] in SUITES or "every_kind_of_party" in marks
    kinds = (
        [kind for kind in KINDS if kind != "asyncio and trio"]
        if everybody and "threads_only" not in marks
        else ["threads"]
    )
    metafunc.parametrize("parties", kinds, indirect=True)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """A condition over a lock that a task can't take without blocking its loop is for threads."""
    for item in list(items):
        params = (getattr(item, "callspec", None) and item.callspec.params) or {}  # type: ignore[attr-defined]
        lock = params.get("make_lock")
        if params.get("parties", "threads") != "threads" and lock is not None and is_for_threads(lock):
            items.remove(item)


def is_for_threads(make_lock: Any) -> bool:
    return make_lock in (threading.Lock, threading.RLock) or getattr(make_lock, "for_threads", False)


@pytest.fixture
def parties(request: pytest.FixtureRequest) -> Iterator[Parties]:
    """Makes parties: `a, b = parties(2)`."""
    made = Parties(request.param)
    yield made
    # Whoever a failed test leaves blocked would only hide why it failed.
    if request.node.stash.get(FAILED, False):
        made.dismiss()
    else:
        made.end()
