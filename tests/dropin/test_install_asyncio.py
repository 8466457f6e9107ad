"""`install(asyncio=True)`: before and after asyncio is imported. Each program is a process of its own."""

import subprocess
import sys
import textwrap
from collections.abc import Iterator

import pytest

from interlock import aio
from interlock.dropin import ASYNCIO_NAMES, install, uninstall

CLASSES = ["Barrier", "BoundedSemaphore", "Condition", "Event", "Lock", "Semaphore"]

# What each program begins with.
BEGIN = f"""
import sys
import threading
import interlock
from interlock.dropin import _finder, _patchers_finder, _trio_finder, install, uninstall

assert "asyncio" not in sys.modules
before = list(sys.meta_path)

def finders():
    return [finder for finder in sys.meta_path if finder not in (_trio_finder, _patchers_finder)]

def are_ours():
    import asyncio, asyncio.locks
    from interlock import aio
    ours = [
        getattr(module, name) is getattr(aio, name) for module in (asyncio, asyncio.locks) for name in {CLASSES}
    ]
    assert all(ours) or not any(ours), ours
    return all(ours)
"""

PROGRAMS = {
    "before the import": """
        install(asyncio=True)
        assert "asyncio" not in sys.modules
        import asyncio
        assert are_ours()
        assert finders() == before
        assert asyncio.__loader__ is asyncio.__spec__.loader
        assert type(asyncio.__loader__) is type(threading.__loader__)
        uninstall()
        assert not are_ours()
        """,
    "after the import": """
        import asyncio
        install(asyncio=True)
        assert are_ours()
        assert finders() == before
        uninstall()
        assert not are_ours()
        """,
    "without asyncio": """
        import asyncio
        install()
        assert not are_ours()
        install(asyncio=True)
        assert are_ours()
        uninstall()
        install()
        assert not are_ours()
        """,
    "threads only, before the import": """
        install()
        assert finders() == before
        assert not are_ours()
        """,
    "a submodule is imported first": """
        install(asyncio=True)
        import asyncio.locks
        assert are_ours()
        """,
    "from the submodule": """
        install(asyncio=True)
        from asyncio.locks import Lock
        from interlock import aio
        assert Lock is aio.Lock
        """,
    "uninstalled before the import": """
        install(asyncio=True)
        uninstall()
        assert finders() == before
        assert not are_ours()
        install(asyncio=True)
        assert are_ours()
        """,
    "uninstalled in the middle of the import": """
        install(asyncio=True)

        class Meanwhile:
            def find_spec(self, name, path=None, target=None):
                if name == "asyncio.events":
                    uninstall()

        sys.meta_path.insert(0, Meanwhile())
        assert not are_ours()
        install(asyncio=True)
        assert are_ours()
        """,
    "installed in the middle of the import": """
        class Meanwhile:
            def find_spec(self, name, path=None, target=None):
                if name == "asyncio.events":
                    install(asyncio=True)

        sys.meta_path.insert(0, Meanwhile())
        import asyncio
        import wave  # whatever is imported next
        assert are_ours()
        uninstall()
        assert not are_ours()
        """,
    "installed by another thread in the middle of the import": """
        installing = []

        class Meanwhile:
            def find_spec(self, name, path=None, target=None):
                if name == "asyncio.events":
                    thread = threading.Thread(target=install, kwargs={"asyncio": True})
                    installing.append(thread)
                    thread.start()

        sys.meta_path.insert(0, Meanwhile())
        import asyncio
        installing[0].join()
        assert are_ours()
        """,
    "installed again in the middle of the import": """
        install(asyncio=True)

        class Meanwhile:
            def find_spec(self, name, path=None, target=None):
                if name == "asyncio.tasks":
                    uninstall()
                    install(asyncio=True)

        sys.meta_path.insert(0, Meanwhile())
        assert are_ours()
        assert not any(type(finder) is type(_finder) for finder in sys.meta_path)
        """,
    "installed twice": """
        install(asyncio=True)
        install(asyncio=True)
        assert len(finders()) == len(before) + 1
        assert are_ours()
        install(asyncio=True)
        assert are_ours()
        uninstall()
        assert not are_ours()
        """,
    "a block around the import": """
        with install(asyncio=True):
            import asyncio
            assert are_ours()
        assert not are_ours()
        with install(asyncio=True):
            assert are_ours()
        assert not are_ours()
        """,
    "a block that ends before the import": """
        with install(asyncio=True):
            pass
        assert finders() == before
        assert not are_ours()
        """,
    "the import fails and is tried again": """
        install(asyncio=True)

        class Failing:
            failed = False

            def find_spec(self, name, path=None, target=None):
                if name == "asyncio.base_events" and not self.failed:
                    self.failed = True
                    raise ImportError("not now")

        sys.meta_path.insert(0, Failing())
        try:
            import asyncio
        except ImportError as error:
            assert str(error) == "not now"
        else:
            raise AssertionError("it did not fail")
        assert are_ours()
        """,
    "somebody only looks for asyncio": """
        install(asyncio=True)
        import importlib.util
        assert importlib.util.find_spec("asyncio") is not None
        assert are_ours()
        """,
    "asyncio is found by nobody": """
        install(asyncio=True)
        path = sys.path[:]
        sys.path.clear()
        try:
            import asyncio
        except ModuleNotFoundError:
            pass
        else:
            raise AssertionError("it was found")
        sys.path[:] = path
        assert are_ours()
        """,
    "imported by two threads at once": """
        import importlib
        install(asyncio=True)
        sys.setswitchinterval(0.000_01)
        start = threading.Barrier(4)
        found = []

        def load():
            start.wait()
            found.append(importlib.import_module("asyncio").Lock)

        threads = [threading.Thread(target=load) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        from interlock import aio
        assert found == [aio.Lock] * 4
        assert are_ours()
        assert finders() == before
        """,
    "a thread imports while others install and uninstall": """
        end = threading.Event()
        sys.setswitchinterval(0.000_01)

        def change():
            while not end.is_set():
                install(asyncio=True)
                uninstall()

        threads = [threading.Thread(target=change) for _ in range(2)]
        for thread in threads:
            thread.start()
        import asyncio
        end.set()
        for thread in threads:
            thread.join()
        assert not are_ours()
        install(asyncio=True)
        assert are_ours()
        uninstall()
        assert not are_ours()
        assert finders() == before
        """,
    "what is made of it works": """
        install(asyncio=True)
        import asyncio
        from interlock import aio

        async def main():
            line = asyncio.Queue(1)
            assert type(line) is aio.Queue

            async def put():
                for item in range(100):
                    await line.put(item)

            async with asyncio.TaskGroup() as group:
                group.create_task(put())
                assert [await line.get() for _ in range(100)] == list(range(100))
                for _ in range(100):
                    line.task_done()
            await asyncio.wait_for(line.join(), 10)
            async with asyncio.timeout(10):
                async with asyncio.Lock(), asyncio.Condition(), asyncio.Semaphore():
                    pass

        asyncio.run(main())
        with asyncio.Runner() as runner:
            runner.run(main())
        """,
}


@pytest.mark.parametrize("name", PROGRAMS)
def test_program(name: str) -> None:
    process = subprocess.run(
        [sys.executable, "-c", BEGIN + textwrap.dedent(PROGRAMS[name])],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (process.returncode, process.stdout, process.stderr) == (0, "", "")


@pytest.fixture
def put_back() -> Iterator[None]:
    yield
    uninstall()
    assert not any(name.stands_for() is name.ours for name in ASYNCIO_NAMES)


@pytest.mark.usefixtures("put_back")
def test_names() -> None:
    import asyncio
    import asyncio.locks
    import asyncio.queues

    install(asyncio=True)
    names = {(name.module, name.attribute): name.ours for name in ASYNCIO_NAMES}
    expected = {(module, name): getattr(aio, name) for module in (asyncio, asyncio.locks) for name in CLASSES}
    queues = ("LifoQueue", "PriorityQueue", "Queue")
    expected |= {(module, name): getattr(aio, name) for module in (asyncio, asyncio.queues) for name in queues}
    assert names == expected
    assert all(name.stands_for() is name.ours for name in ASYNCIO_NAMES)


@pytest.mark.usefixtures("put_back")
def test_a_patch_over_ours_is_left_alone() -> None:
    import asyncio

    theirs = type("Lock", (), {})
    install(asyncio=True)
    ours = asyncio.Lock
    asyncio.Lock = theirs  # type: ignore[misc, assignment]
    uninstall()
    assert asyncio.Lock is theirs
    asyncio.Lock = ours  # type: ignore[misc]
    uninstall()
    assert asyncio.Lock is not ours
