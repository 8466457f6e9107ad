"""What only others have, as an alternative of `select`: a future, a thread, a process, a file descriptor.

Each gets an Event that is set when it is done, and `select` waits for that. A future and a thread say so themselves,
by a callback. A process is a file descriptor, and for those one thread for all sleeps in the system's own `select`: the
only helper there is, started when a file descriptor is first waited for.
"""

import os
import select as _system
import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

from interlock.core.kernel.private import call_at_end, call_at_exit, is_dummy
from interlock.core.primitives.alternative import outside_alternative
from interlock.core.primitives.event import Event

if TYPE_CHECKING:
    from interlock.core.primitives.alternative import Alternative

# Re-entrant, as all locks here: a signal handler may select, too.
_guard = threading.RLock()
_done: "WeakKeyDictionary[Any, Event]" = WeakKeyDictionary()  # of futures and threads that have been waited for


class Outside:
    """An object that is waited for. ``forget``: called when the `select` is over."""

    def __init__(self, waited_for: Any, forget: Callable[[], object] = lambda: None) -> None:
        self.waited_for = waited_for
        self.forget = forget

    def result(self) -> Any:
        """What `select` returns for it."""
        done = self.waited_for
        if isinstance(done, threading.Thread):
            done.join()  # it has said that it ends, and is about to
        elif hasattr(done, "poll"):
            done.poll()  # a process of `subprocess`: now it has its return code
        return done


class Fd:
    """A file descriptor that becomes readable: see `interlock.fd`."""

    def __init__(self, readable: Any) -> None:
        self.readable = readable
        self.number: int | Any = readable if isinstance(readable, int) else readable.fileno()
        if not isinstance(self.number, int) or self.number < 0:
            raise ValueError(f"a file descriptor is 0 or more, not {self.number!r}")

    def __repr__(self) -> str:
        return f"<interlock.fd {self.number}>"


def alternative_of(each: Any) -> "Alternative[Any]":
    """For `select`: to wait for this. Raises TypeError where that cannot be."""
    if isinstance(each, Future):
        return outside_alternative(_event_of(each, _watch_future), Outside(each))
    if isinstance(each, threading.Thread):
        if each is threading.current_thread():
            raise RuntimeError("cannot wait for the end of the current thread")
        if each.ident is None:
            raise RuntimeError(f"{each!r} has not been started: start it before select waits for its end")
        if is_dummy(each):
            raise RuntimeError(f"cannot wait for the end of {each!r}: threading did not start it, nor hears of its end")
        return outside_alternative(_event_of(each, _watch_thread), Outside(each))
    if isinstance(each, Fd):
        return _readable(each.number, each.readable)
    sentinel = getattr(each, "sentinel", None)
    if isinstance(sentinel, int):  # of multiprocessing
        return _readable(sentinel, each)
    pid = getattr(each, "pid", None)
    if isinstance(pid, int) and hasattr(each, "poll") and hasattr(os, "pidfd_open"):  # of subprocess
        return _process(each, pid)
    raise TypeError(
        f"select cannot wait for {each!r}: it takes queue.getting(), queue.putting(item), event.waiting(), "
        "latch.waiting(), lock.acquiring(), rwlock.reading(), a concurrent.futures.Future, a Thread, a Process, fd(...)"
    )


def _event_of(each: Any, watch: Callable[[Any, Event], None]) -> Event:
    """One event for each object: a program that selects in a loop leaves one callback there, not many."""
    with _guard:
        event = _done.get(each)
    if event is None:
        # Known to others only once it is sure to be set: this may be interrupted in the middle.
        event = Event()
        watch(each, event)
        with _guard:
            event = _done.setdefault(each, event)
    return event


def _watch_future(future: "Future[Any]", event: Event) -> None:
    future.add_done_callback(lambda _: event.set())


def _watch_thread(thread: threading.Thread, event: Event) -> None:
    if thread is threading.main_thread():
        call_at_exit(event.set)
    else:
        call_at_end(thread, event.set)


# --- file descriptors ---------------------------------------------------------------------------------------------


class _Watcher:
    """The thread that sleeps for all."""

    def __init__(self) -> None:
        self.guard = threading.RLock()
        self.poll = _system.poll()
        self.events: dict[int, list[Event]] = {}
        self.wake_end, self.other_end = os.pipe()
        os.set_blocking(self.other_end, False)
        self.poll.register(self.wake_end, _system.POLLIN)
        self.thread = threading.Thread(target=self.live, name="interlock.fd", daemon=True)
        self.thread.start()

    def live(self) -> None:
        while True:
            for number, _ in self.poll.poll():
                if number == self.wake_end:
                    os.read(number, 4096)
                    continue
                with self.guard:
                    events = self.events.pop(number, [])
                    if events:
                        self.poll.unregister(number)
                for event in events:
                    event.set()

    def wake(self) -> None:
        try:
            os.write(self.other_end, b"x")
        except BlockingIOError:
            pass  # it has enough to wake up for

    def add(self, number: int, event: Event) -> None:
        with self.guard:
            self.poll.register(number, _system.POLLIN | _system.POLLHUP)
            self.events.setdefault(number, []).append(event)
        self.wake()

    def drop(self, number: int, event: Event) -> None:
        with self.guard:
            events = self.events.get(number, [])
            if event in events:
                events.remove(event)
                if not events:
                    del self.events[number]
                    self.poll.unregister(number)
        self.wake()


_watcher: _Watcher | None = None


def has_nothing_to_do(thread: object) -> bool:
    """Whether it is the one that sleeps for all, and nobody waits for a file descriptor."""
    watcher = _watcher
    return watcher is not None and thread is watcher.thread and not watcher.events


def _forget_watcher() -> None:
    """In a forked child: the thread is not there."""
    global _watcher, _guard
    _watcher = None
    _guard = threading.RLock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_watcher)


def _is_readable(number: int) -> bool:
    poll = _system.poll()
    poll.register(number, _system.POLLIN | _system.POLLHUP)
    return bool(poll.poll(0))


def _readable(number: int, each: Any, close: bool = False) -> "Alternative[Any]":
    global _watcher
    if not hasattr(_system, "poll"):
        raise TypeError("select cannot wait for a file descriptor here: the system has no poll()")
    event = Event()
    if _is_readable(number):
        event.set()
        if close:
            os.close(number)
        return outside_alternative(event, Outside(each))
    with _guard:
        if _watcher is None:
            _watcher = _Watcher()
        watcher = _watcher
    watcher.add(number, event)

    def forget() -> None:
        watcher.drop(number, event)
        if close:
            os.close(number)

    return outside_alternative(event, Outside(each, forget))


def _process(process: Any, pid: int) -> "Alternative[Any]":
    if process.poll() is not None:
        event = Event()
        event.set()
        return outside_alternative(event, Outside(process))
    return _readable(os.pidfd_open(pid), process, close=True)
