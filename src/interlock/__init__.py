"""Synchronization for Python: locks that work fast, know who holds them, and never hang in silence."""

from interlock.core.kernel.party import Party
from interlock.core.primitives.barrier import Barrier
from interlock.core.primitives.condition import Condition
from interlock.core.primitives.event import Event
from interlock.core.primitives.latch import Latch
from interlock.core.primitives.lock import Lock
from interlock.core.primitives.rlock import RLock
from interlock.core.primitives.rwlock import RWLock
from interlock.core.primitives.semaphore import BoundedSemaphore, Semaphore
from interlock.core.primitives.waitqueue import WaitQueue
from interlock.errors import BrokenBarrierError, DeadlockError, LockOrderWarning

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Protocol, TextIO

    from hypothesis.strategies import SearchStrategy

    from interlock.core.primitives.outside import Fd
    from interlock.core.primitives.priority_queue import PriorityQueue
    from interlock.core.primitives.queue import LifoQueue, Queue, SimpleQueue
    from interlock.core.primitives.queue_errors import Empty, Full, ShutDown
    from interlock.core.primitives.select import select, select_async
    from interlock.dropin import install, uninstall
    from interlock.explore import Exploration
    from interlock.keyed import KeyedLock, cached_property, once
    from interlock.watch.order import OrderWatch
    from interlock.watch.recording import Record
    from interlock.watch.snapshot import Snapshot

    class HasFileno(Protocol):
        def fileno(self) -> int: ...


__version__ = "0.2.0"

__all__ = [
    "Barrier",
    "BoundedSemaphore",
    "BrokenBarrierError",
    "Condition",
    "DeadlockError",
    "Empty",
    "Event",
    "Full",
    "KeyedLock",
    "Latch",
    "LifoQueue",
    "Lock",
    "LockOrderWarning",
    "Party",
    "PriorityQueue",
    "Queue",
    "RLock",
    "RWLock",
    "Semaphore",
    "ShutDown",
    "SimpleQueue",
    "WaitQueue",
    "cached_property",
    "dump",
    "dump_on_signal",
    "explore",
    "fd",
    "install",
    "once",
    "record",
    "schedules",
    "select",
    "select_async",
    "snapshot",
    "uninstall",
    "watch_order",
]


# Loaded when first asked for: a program that only wants a lock does not pay for queues, nor for what they need of the
# standard library.
_LATER = {
    "Empty": "core.primitives.queue_errors",
    "Full": "core.primitives.queue_errors",
    "KeyedLock": "keyed",
    "LifoQueue": "core.primitives.queue",
    "PriorityQueue": "core.primitives.priority_queue",
    "Queue": "core.primitives.queue",
    "ShutDown": "core.primitives.queue_errors",
    "SimpleQueue": "core.primitives.queue",
    "cached_property": "keyed",
    "install": "dropin",
    "once": "keyed",
    "select": "core.primitives.select",
    "select_async": "core.primitives.select",
    "uninstall": "dropin",
    # A program that stays on one machine does not know these.
    "ClusterError": "cluster",
    "EngineRestarted": "cluster",
    "EngineUnavailable": "cluster",
    "ForkedLock": "cluster",
    "LeaseLost": "cluster",
    "NotHeld": "cluster",
    "SetupNeeded": "cluster",
    "ShapeError": "cluster",
}


def __getattr__(name: str) -> object:
    from importlib import import_module

    if name == "cluster":
        return import_module("interlock.cluster")
    if name not in _LATER:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    found = globals()[name] = getattr(import_module(f"interlock.{_LATER[name]}"), name)
    return found


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})


# What reads and prints is imported when it is needed: a program that only needs a lock does not load it.


def record(*, events: int = 1_000_000, title: str = "") -> "Record":
    """Record what happens inside a ``with`` block: ``with interlock.record() as recording:``.

    ``events``: how many of the latest events to keep (48 bytes each). ``title``: the title of pages and reports made of
    the recording. Recordings may overlap; each has the events of its own block. A forked child records nothing.

    Returns a context manager whose value is an `interlock.watch.recording.Recording`. It is filled when the block ends.
    """
    from interlock.watch.recording import Record

    return Record(events, title)


def fd(readable: "int | HasFileno") -> "Fd":
    """For `select`: waits until a file descriptor is readable, or its other end is closed.

    ``readable``: the descriptor, or an object with a ``fileno()`` method. One helper thread waits for all descriptors.
    """
    from interlock.core.primitives.outside import Fd

    return Fd(readable)


def snapshot() -> "Snapshot":
    """Return who waits for what and who holds what now, as dicts, lists, strings and numbers.

    The line in which a thread or task acquired what it holds is read from its source code. It is None if the source
    does not show it and neither `watch_order` nor `interlock run` has seen the call. The function looks at every object
    of the program, which takes about 10 ms for a hundred thousand objects.
    """
    from interlock.watch.snapshot import take

    return take()


def dump(file: "TextIO | None" = None) -> None:
    """Print who waits for what and who holds what: cycles first, then long waits, then the rest.

    ``file``: a text file to print to; None means `sys.stderr`.
    """
    from interlock.watch.dump import write

    write(file)


def dump_on_signal(signum: int, file: "TextIO | None" = None) -> None:
    """Print a `dump` whenever the signal ``signum`` arrives. The program continues. Call it in the main thread.

    It works while the main thread is blocked in a primitive of interlock, and wherever else Python handles signals. It
    does not work while a C function neither returns nor can be interrupted. ``file``: a text file to print to; None
    means `sys.stderr`.
    """
    from interlock.watch.dump import write_on_signal

    write_on_signal(signum, file)


def watch_order(report: "Callable[[str], object] | None" = None) -> "OrderWatch":
    """Warn when two locks are acquired in one order in one place and in the opposite order in another place.

    Such places can deadlock, even if they did not in this run. Each pair of places is reported once. Locks created by
    one line count as one lock, except among each other. There is no warning about calls that do not block or have a
    timeout, about orders that are always taken under one common lock, and about locks that are nested in rising order
    by ``with lock.within_order(n):``.

    ``report``: called with the text of each finding, by the thread or task that is about to acquire the second lock. By
    default it issues a `LockOrderWarning`. An exception from ``report`` is raised there, before the lock is acquired.
    So ``-W error`` shows the line.

    Returns a context manager that stops watching at its end. It also has ``stop()`` and ``found``, the texts so far.
    """
    from interlock.watch.order import OrderWatch

    return OrderWatch(report)


def explore(
    function: "Callable[[], object]",
    *,
    schedules: int | None = 1000,
    seconds: float | None = None,
    all: bool = False,
    at: str = "lines",
    seed: int = 0,
    replay: str | None = None,
    strategy: str = "mix",
    pause: float = 1.0,
    order: str = "tasks",
    schedule: list[int] | None = None,
) -> "Exploration":
    """Run ``function()`` in many schedules of its threads and tasks until one fails.

    ``function``: takes no arguments. asyncio runs it if it is asynchronous.
    ``schedules``, ``seconds``: how many schedules to run, and for how long at most. ``all``: run every schedule, except
    those that only repeat another. ``at``: where threads may be switched: at operations of primitives (``"sync"``),
    also before each line of the program (``"lines"``), or also before each access to shared memory (``"bytecodes"``).
    ``seed``: another seed tries other schedules. ``replay``: a token; only its schedule is run. ``strategy``: mix,
    walk, pos, urw, pct or deviation. ``pause``: how many seconds a thread may be delayed while timers of others fire.
    ``order``: the order in which the tasks of an event loop run: any (``"tasks"``), or that of asyncio (``"fifo"``).
    ``schedule``: run only this one; see `schedules`.

    Returns an `interlock.explore.Exploration`. Raises `interlock.explore.ScheduleError` if a schedule fails; it
    describes the schedule and has its token. Raises `interlock.explore.Undecided` if the search is not conclusive.
    """
    # From here on the name stands for the package, which can be called in the same way.
    from interlock.explore.explorer import explore

    return explore(
        function, schedules=schedules, seconds=seconds, all=all, at=at, seed=seed, replay=replay, strategy=strategy,
        pause=pause, order=order, schedule=schedule,
    )  # fmt: skip


def schedules(most: int = 10) -> "SearchStrategy[list[int]]":
    """A strategy of Hypothesis for schedules: ``explore(function, schedule=drawn)`` runs the one that was drawn.

    Hypothesis then searches and shrinks the schedule together with the other arguments of a test. ``most``: in how many
    decisions a schedule differs from the default one. Raises ImportError where Hypothesis is missing.
    """
    from hypothesis.strategies import integers, lists, tuples

    def choices(others: list[tuple[int, int]]) -> list[int]:
        return [each for wait, choice in others for each in [0] * wait + [choice]]

    return lists(tuples(integers(0, 20), integers(1, 3)), max_size=most).map(choices)
