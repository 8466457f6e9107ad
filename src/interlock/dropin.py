"""The drop-in: `install` puts interlock's classes where the standard library looks for its own.

    interlock.install()              # until uninstall()
    with interlock.install(): ...    # until the block ends
    interlock.install(asyncio=True)  # into asyncio, too

What changes is which class a name in a module stands for. So it holds for whatever is made through that name
afterwards: by user code, by `concurrent.futures`, `logging`, and by `threading` itself for its Thread
and Timer. `NAMES` is the whole list for threads: the public classes of `threading`, the two names by which
`threading` makes locks inside, and `Thread.join`, so that a cycle of waits which leads through a join is found.
`ASYNCIO_NAMES` are the classes of `asyncio` and of `asyncio.locks`, by which
asyncio's own queues make theirs; where the program has not imported asyncio yet, we do not either, and take the
names as soon as it does.

What stays as it is, and works together with ours:

- objects that exist already, such as the locks that `threading` and `logging` made when they were imported
  (`isinstance(lock, threading.Lock)` is false for them while ours stands there);
- the lock of trio's queue of calls from other threads: trio insists on the one in C;
- names that somebody imported before: `from threading import Lock`. (`RLock` imported so is a function of
  `threading` that looks its class up when it is called: it makes ours);
- what uses `_thread` or locks of its own in C: `_queue.SimpleQueue`, `functools`, `tempfile`, the import system,
  and the way in which a Thread knows that it has ended;
- `threading._RLock` (`_PyRLock`): what `threading` falls back on where it has no RLock in C, so never with ours.

Other code may have replaced a name of ours meanwhile. Its object may call what it found there, so taking that away
would break it: `uninstall` leaves such a name alone. Once that code has put back what it had found,
which is ours, another `uninstall` finishes the job.

gevent and eventlet patch `threading` for themselves, and have to: what blocks a thread stops all their greenlets. So
where one of them has done so, `install` takes no name, and where one of them is about to, the names are given back
first. One line on stderr says so.
"""

import _thread
import functools
import os
import queue
import sys
import threading
from types import ModuleType

from interlock.core.kernel.private import is_being_imported
from interlock.core.primitives.join import Join
from interlock.core.primitives.lock import Lock
from interlock.core.primitives.queue import SimpleQueue
from interlock.core.primitives.rlock import RLock
from interlock.substitutes import (
    Barrier,
    BoundedSemaphore,
    Condition,
    Event,
    LifoQueue,
    PriorityQueue,
    Queue,
    Semaphore,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    # Only for annotations: loading `typing` takes longer than loading all the rest of the package.
    from collections.abc import Callable
    from importlib.machinery import ModuleSpec
    from types import TracebackType
    from typing import Any

__all__ = ["Installation", "install", "uninstall"]


class Name:
    """A name in somebody's module or class, and what it stands for while we are installed."""

    def __init__(self, module: ModuleType | type, attribute: str, ours: object) -> None:
        self.module = module
        self.attribute = attribute
        self.ours = ours

    def stands_for(self) -> object:
        return getattr(self.module, self.attribute)

    def set(self, value: object) -> None:
        setattr(self.module, self.attribute, value)


NAMES = [
    Name(threading, attribute, ours)
    for attribute, ours in {
        "Barrier": Barrier,
        "BoundedSemaphore": BoundedSemaphore,
        "Condition": Condition,
        "Event": Event,
        "Lock": Lock,
        "RLock": RLock,
        "Semaphore": Semaphore,
        # Private: what `threading`'s own Condition waits on, and what its function RLock makes. They may go one day.
        "_allocate_lock": Lock,
        "_CRLock": RLock,
    }.items()
    if hasattr(threading, attribute)
]
NAMES += [Name(queue, kind.__name__, kind) for kind in (Queue, LifoQueue, PriorityQueue, SimpleQueue)]

ASYNCIO_NAMES: list[Name] = []  # filled when asyncio is there
_tell_found: "list[Callable[[], object]]" = []  # who wants to know when it is
_ASYNCIO_LOCKS = ("Barrier", "BoundedSemaphore", "Condition", "Event", "Lock", "Semaphore")
_ASYNCIO_QUEUES = ("LifoQueue", "PriorityQueue", "Queue")

# Made before the first install: the standard library's. Re-entrant: a signal handler may uninstall.
_guard = threading.RLock()
# All three are guarded by it. What a name stood for when we took it; several, where somebody's patch is between.
_found: dict[Name, list[object]] = {}
_taken: set[Name] = set()
_holders: set["Installation"] = set()  # while there is one, we are installed
_for_asyncio = False  # whether that goes for asyncio, too

if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_guard.acquire, after_in_parent=_guard.release, after_in_child=_guard.release)


def _join(self: threading.Thread, timeout: float | None = None) -> None:
    found = _found.get(JOIN)
    join = found[-1] if found else _JOIN_OF_THREADING
    assert callable(join)
    # Without a timeout the caller waits for that thread, whatever it waits for itself.
    if timeout is not None or not self.is_alive() or self is threading.current_thread():
        join(self, timeout)
    else:
        with Join(self):
            join(self)


_join.__name__ = "join"
_join.__qualname__ = "Thread.join"
_join.__doc__ = threading.Thread.join.__doc__
_JOIN_OF_THREADING = threading.Thread.join
JOIN = Name(threading.Thread, "join", _join)
NAMES.append(JOIN)


class Installation:
    """What `install` returns. As a context manager it uninstalls at its end. It may also be ignored."""

    def __init__(self, for_asyncio: bool) -> None:
        self.for_asyncio = for_asyncio

    def __enter__(self) -> "Installation":
        with _guard:
            _holders.add(self)
            _take(self.for_asyncio)
        if self.for_asyncio:
            _meet_asyncio()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, traceback: "TracebackType | None"
    ) -> None:
        with _guard:
            _holders.discard(self)
            if not _holders:
                _give_back()


def install(*, asyncio: bool = False) -> Installation:
    """Replace the classes of `threading` and `queue` with interlock's. Any thread may call it.

    ``asyncio``: also replace those of `asyncio`, with the classes of `interlock.aio`.

    If they are installed already, nothing changes. The first call then decides how long they stay installed: until its
    block ends if it was ``with install():``, and otherwise until `uninstall` is called. If several threads have such
    blocks, the last block to end uninstalls.

    Returns a context manager that uninstalls at its end:

        with interlock.install():
            pool = ThreadPoolExecutor()     # its locks, its threads, its futures: on interlock
    """
    installation = Installation(asyncio)
    with _guard:
        if not _holders:
            _holders.add(installation)
        _take(asyncio)
    if asyncio:
        _meet_asyncio()
    return installation


def uninstall() -> None:
    """Restore the classes that `install` replaced. Any thread may call it.

    If nothing is installed, nothing changes. Objects created meanwhile continue to work. A name that other code has
    changed in the meantime is left as it is.
    """
    with _guard:
        _holders.clear()
        _give_back()


def _take(for_asyncio: bool) -> None:
    global _for_asyncio
    _for_asyncio = _for_asyncio or for_asyncio
    if _is_patched():
        return
    _meet_patchers()
    if _TRIO_QUEUE not in sys.modules and _trio_finder not in sys.meta_path:
        sys.meta_path.insert(0, _trio_finder)
    else:
        _spare_trio()
    if _for_asyncio and not ASYNCIO_NAMES and _finder not in sys.meta_path:
        sys.meta_path.insert(0, _finder)
    for name in [*NAMES, *ASYNCIO_NAMES] if _for_asyncio else NAMES:
        if name not in _taken:
            _taken.add(name)
            found = name.stands_for()
            if found is not name.ours:
                _found.setdefault(name, []).append(found)
                name.set(name.ours)


def _give_back() -> None:
    global _for_asyncio
    _for_asyncio = False
    for finder in _finder, _trio_finder, _patchers_finder:
        if finder in sys.meta_path:
            sys.meta_path.remove(finder)
    _taken.clear()
    for name, found in _found.items():
        if found and name.stands_for() is name.ours:
            name.set(found.pop())


# --- asyncio ------------------------------------------------------------------------------------------------------
#
# Nothing is imported under the guard: the import system has locks of its own, and a thread that imports asyncio comes
# here with one of them.


def _meet_asyncio() -> None:
    """Take its names now, if the program has imported it."""
    if "asyncio" in sys.modules and not ASYNCIO_NAMES:
        import asyncio  # noqa: F401  # waits for another thread that is in the middle of it

        if _is_imported():
            _find_asyncio()


def _is_imported() -> bool:
    """Whether asyncio is there, and not only being imported."""
    return "asyncio" in sys.modules and not _is_being_imported("asyncio")


def _is_being_imported(name: str) -> bool:
    module = sys.modules.get(name)
    return module is not None and is_being_imported(module)


def call_with_asyncio(function: "Callable[[], object]") -> None:
    """Have ``function()`` called once, when asyncio has been found or is there already."""
    _tell_found.append(function)
    if ASYNCIO_NAMES:
        _tell_all()


def _tell_all() -> None:
    while _tell_found:
        _tell_found.pop(0)()


def _find_asyncio() -> None:
    """asyncio is there: take its names, if they are still wanted."""
    if not _for_asyncio:
        return
    with _guard:
        # First: what is imported here is not to bring us here again.
        if _finder in sys.meta_path:
            sys.meta_path.remove(_finder)
    import asyncio.locks
    import asyncio.queues

    from interlock import aio

    names = [
        Name(module, attribute, getattr(aio, attribute))
        for module, attributes in ((asyncio.locks, _ASYNCIO_LOCKS), (asyncio.queues, _ASYNCIO_QUEUES))
        for attribute in attributes
    ]
    names += [Name(asyncio, name.attribute, name.ours) for name in names]
    with _guard:
        if not ASYNCIO_NAMES:
            ASYNCIO_NAMES.extend(names)
        if _for_asyncio:
            _take(True)
    _tell_all()


class _Finder:
    """In `sys.meta_path` while we wait for the program to import asyncio. It finds what the others find."""

    def find_spec(self, name: str, path: object = None, target: ModuleType | None = None) -> "ModuleSpec | None":
        if name == "asyncio":
            return _spec_told(self, _find_asyncio, name, path, target)
        if name != "interlock.aio" and _is_imported() and not _is_being_imported("interlock.aio"):
            _find_asyncio()  # somebody had begun to import it when we came
        return None


def _spec_told(
    asking: object, told: "Callable[[], object]", name: str, path: object, target: ModuleType | None
) -> "ModuleSpec | None":
    """What the other finders find, with a loader that calls ``told()`` when it has loaded."""
    for finder in [*sys.meta_path]:
        find = None if finder is asking else getattr(finder, "find_spec", None)
        spec: ModuleSpec | None = None if find is None else find(name, path, target)
        if spec is not None:
            if spec.loader is not None:
                spec.loader = _Loader(spec.loader, told)  # type: ignore[assignment]
            return spec
    return None


def call_when_loaded(name: str, function: "Callable[[], object]") -> None:
    """Have ``function()`` called once, when the program has loaded this module or has it already."""
    if name in sys.modules and not _is_being_imported(name):
        function()
    else:
        sys.meta_path.insert(0, _OnceFinder(name, function))


class _OnceFinder:
    """In `sys.meta_path` until the program imports the module. It finds what the others find."""

    def __init__(self, name: str, function: "Callable[[], object]") -> None:
        self.name = name
        self.function = function

    def find_spec(self, name: str, path: object = None, target: ModuleType | None = None) -> "ModuleSpec | None":
        if name != self.name:
            return None
        sys.meta_path.remove(self)
        return _spec_told(self, self.function, name, path, target)


class _Loader:
    """Loads as the module's own loader does, and says when it has."""

    def __init__(self, loader: "Any", told: "Callable[[], object]") -> None:
        self._loader = loader
        self._told = told

    def create_module(self, spec: "ModuleSpec") -> ModuleType | None:
        created: ModuleType | None = self._loader.create_module(spec)
        return created

    def exec_module(self, module: ModuleType) -> None:
        # It is to look as if we had never been here.
        module.__loader__ = self._loader
        if module.__spec__ is not None:
            module.__spec__.loader = self._loader
        self._loader.exec_module(module)
        self._told()

    def __getattr__(self, name: str) -> "Any":
        return getattr(self._loader, name)


_finder = _Finder()


# --- trio ---------------------------------------------------------------------------------------------------------
#
# The queue by which other threads call into trio's loop asserts that its re-entrant lock is the one of `_thread`, since
# the one in Python is not safe in a signal handler. Ours is, and fails the assertion all the same.

_TRIO_QUEUE = "trio._core._entry_queue"


def _spare_trio() -> None:
    """Let trio's queue have the lock that it insists on. It stays so: that is what it would have without us."""
    queue = getattr(sys.modules.get(_TRIO_QUEUE), "EntryQueue", None)
    if queue is None or hasattr(queue.__init__, "spared"):
        return
    make = queue.__init__

    def init(self: object, *args: object, **kwargs: object) -> None:
        make(self, *args, **kwargs)
        self.lock = _thread.RLock()  # type: ignore[attr-defined]

    init.spared = True  # type: ignore[attr-defined]
    queue.__init__ = init


class _TrioFinder:
    """In `sys.meta_path` until the program imports trio, or uninstalls. It finds what the others find."""

    def find_spec(self, name: str, path: object = None, target: ModuleType | None = None) -> "ModuleSpec | None":
        if name != _TRIO_QUEUE:
            return None
        return _spec_told(self, self._found, name, path, target)

    def _found(self) -> None:
        _spare_trio()
        with _guard:
            if self in sys.meta_path:
                sys.meta_path.remove(self)


_trio_finder = _TrioFinder()


# --- gevent and eventlet --------------------------------------------------------------------------------------------

# The module that patches, the function by which it does, and how to ask whether it has patched `threading`.
_PATCHERS: "dict[str, tuple[str, Callable[[Any], bool]]]" = {
    "gevent.monkey": ("patch_thread", lambda module: module.is_module_patched("threading")),
    "eventlet.patcher": ("monkey_patch", lambda module: module.is_monkey_patched("thread")),
}
patched_by: str | None = None  # who has patched `threading`, once that is known


def _is_patched() -> bool:
    """Whether somebody else's `threading` is there. Says so, the first time."""
    for name, (_, has_patched) in _PATCHERS.items():
        module = sys.modules.get(name)
        if module is not None and not _is_being_imported(name) and has_patched(module):
            _tell_patched(name.partition(".")[0])
            return True
    return False


def _tell_patched(who: str) -> None:
    global patched_by
    if patched_by is None and sys.stderr is not None:
        sys.stderr.write(
            f"interlock: {who} patches threading, so locks and threads are {who}'s; interlock sees only what it made "
            "before that\n"
        )
    patched_by = who


def _meet_patchers() -> None:
    """Be there before one of them patches, now or once it has been imported."""
    for name in _PATCHERS:
        if name in sys.modules and not _is_being_imported(name):
            _stand_before(name)
        elif _patchers_finder not in sys.meta_path:
            sys.meta_path.insert(0, _patchers_finder)


def _stand_before(name: str) -> None:
    """Have the names given back before this module patches. Where nothing is installed, that does nothing."""
    module = sys.modules[name]
    attribute, _ = _PATCHERS[name]
    patch = getattr(module, attribute)
    if hasattr(patch, "stood_before"):
        return

    @functools.wraps(patch)
    def step_aside(*args: object, **kwargs: object) -> object:
        with _guard:
            holders, for_asyncio = set(_holders), _for_asyncio
            _holders.clear()
            _give_back()
        try:
            return patch(*args, **kwargs)
        finally:
            if holders:
                with _guard:
                    # It may have been asked to leave threads alone.
                    if not _is_patched():
                        _holders.update(holders)
                        _take(for_asyncio)

    step_aside.stood_before = True  # type: ignore[attr-defined]
    for place in (module, sys.modules.get(name.partition(".")[0])):
        if place is not None and getattr(place, attribute, None) is patch:
            setattr(place, attribute, step_aside)


class _PatchersFinder:
    """In `sys.meta_path` while we are installed. It finds what the others find."""

    def find_spec(self, name: str, path: object = None, target: ModuleType | None = None) -> "ModuleSpec | None":
        if name not in _PATCHERS:
            return None
        return _spec_told(self, lambda: _stand_before(name), name, path, target)


_patchers_finder = _PatchersFinder()
