"""Who looks through all objects asks none of the program's."""

import asyncio
import io
import threading
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import queues

import pytest

from interlock.core.graph import waitgraph
from interlock.watch import ended, unseen
from interlock.watch.living import living
from interlock.watch.waits import children, loops, pipes

asked: list[str] = []


class Lazy:
    """As proxies are that make what they stand for when somebody asks."""

    def __init__(self, names: dict[str, object]):
        object.__setattr__(self, "names", names)

    def __getattribute__(self, name: str) -> object:
        asked.append(name)
        raise AttributeError("not now")


@pytest.fixture
def proxy() -> Lazy:
    made = Lazy({"lock": threading.Lock()})
    asked.clear()
    return made


def test_by_their_type_and_those_derived_from_it() -> None:
    class Derived(io.StringIO):
        pass

    plain, derived = io.StringIO(), Derived()
    found = living(io.StringIO)
    assert any(each is plain for each in found)
    assert any(each is derived for each in found)
    assert not living(type("Nobody", (), {}))


def test_no_code_of_the_programs_runs(proxy: Lazy) -> None:
    assert not isinstance(proxy, int)
    assert asked == ["__class__"]  # it would be noticed
    asked.clear()
    living(io.StringIO, queues.Queue, ProcessPoolExecutor)
    loops.loops()
    children._queues()
    pipes._files_of({0})
    ended.look_for_tasks()
    waitgraph.primitives()
    list(unseen._raw_locks(frozenset()))
    assert asked == []


def test_the_loops_are_found() -> None:
    loop = asyncio.new_event_loop()
    try:
        assert any(each is loop for each in loops.loops())
    finally:
        loop.close()
