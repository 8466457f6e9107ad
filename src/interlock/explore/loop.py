"""asyncio's loop under control: one callback at a time, and which one is a decision.

The loop stays what it is; `_run_once`, which every loop of asyncio's own has, is done anew for strands. Each step runs
one callback of those that are ready: the first one of any task, or the first of all others, which stay in their order;
or the next timer fires. Where nothing is ready the loop's thread waits like any other party, for `call_soon_threadsafe`
or for the clock. Real files are looked at in each step, without waiting; where nobody else can go on either, they are
waited for, and that counts as an event from outside.
"""

import asyncio
import heapq
import sys
from collections.abc import Callable
from typing import Any

from interlock.explore.engine.baton import Abandon, Baton

STEP = 102
_OUTSIDE_SLICE = 0.02  # seconds


def patch_loops(baton: Baton, replace: Callable[[Any, str, object], None]) -> None:
    """Take over the loops that strands run."""
    from asyncio import base_events, selector_events

    base = base_events.BaseEventLoop
    run_once_there = base._run_once  # type: ignore[attr-defined]
    write_there = selector_events.BaseSelectorEventLoop._write_to_self  # type: ignore[attr-defined]

    def _run_once(self: Any) -> None:
        if not baton.is_strand():
            run_once_there(self)
            return
        try:
            _step(self, baton)
        except Abandon:
            _silence(self)
            raise

    def _write_to_self(self: Any) -> None:
        sleeper = self.__dict__.get("_interlock_sleeper")
        if sleeper is not None:
            baton.rouse(sleeper)
        elif not baton.is_strand():
            write_there(self)

    replace(base, "_run_once", _run_once)
    replace(selector_events.BaseSelectorEventLoop, "_write_to_self", _write_to_self)
    uvloop = sys.modules.get("uvloop")
    if uvloop is not None:
        # It has no step of Python's, so nothing of it can be decided here.
        def refuse(*_: object, **__: object) -> Any:
            if baton.is_strand():
                raise RuntimeError("interlock explore cannot run uvloop's loops: let the test use asyncio's own")
            return loop_there()

        loop_there = uvloop.Loop
        replace(uvloop, "new_event_loop", refuse)


def _step(loop: Any, baton: Baton) -> None:
    baton.poke(STEP, loop)
    ready = loop._ready
    loop._interlock_schedule = baton.schedule
    seen: dict[int, int] = loop.__dict__.setdefault("_interlock_seen", {})
    while True:
        _drop_cancelled_timers(loop)
        now = baton.clock / 1e9
        while loop._scheduled and loop._scheduled[0]._when <= now + loop._clock_resolution:
            _make_ready(loop, heapq.heappop(loop._scheduled))
        if _has_files(loop):
            loop._process_events(loop._selector.select(0))
        if loop._stopping and not ready:
            return
        if ready:
            break
        deadline = _when(loop, baton)
        loop._interlock_sleeper = baton.own_strand()
        try:
            if _has_files(loop) and deadline is None:
                _wait_for_files(loop, baton)
            else:
                baton.wait_here(loop, deadline)
        finally:
            loop._interlock_sleeper = None
    options = _options(ready)
    for handle in options:
        seen.setdefault(id(handle), baton.clock)
    timer = _when(loop, baton)
    early = timer is not None and baton.may_advance(timer, min(seen.get(id(each), baton.clock) for each in options))
    choice = baton.pick(len(options) + early)
    if choice == len(options):
        assert timer is not None
        baton.advance(timer)
        _make_ready(loop, heapq.heappop(loop._scheduled))
        return
    handle = options[choice]
    if choice and baton.trace is not None:
        task = _task_of(handle)
        name = task.get_name() if hasattr(task, "get_name") else "a callback"
        number = baton.own_strand().number
        baton.trace.append(("task", number, number, None, name, None, baton.count, baton.clock))
    ready.remove(handle)
    seen.pop(id(handle), None)
    if not handle._cancelled:
        handle._run()


def _options(ready: Any) -> list[Any]:
    """What may run next: the first callback of each task, and the first of the others."""
    found: list[Any] = []
    whose: set[int] = set()
    for handle in ready:
        task = _task_of(handle)
        key = id(task) if task is not None else 0
        if key not in whose:
            whose.add(key)
            found.append(handle)
    return found


def _task_of(handle: Any) -> object | None:
    """The task of which this callback is a step or a wake-up."""
    callback = getattr(handle, "_callback", None)
    owner = getattr(callback, "__self__", None)
    if asyncio.isfuture(owner):
        return owner
    bed = getattr(owner, "_callback", None)  # of our own waiters, whose callback is a method of their bed
    owner = getattr(bed, "__self__", None)
    return owner if asyncio.isfuture(owner) else None


def _drop_cancelled_timers(loop: Any) -> None:
    while loop._scheduled and loop._scheduled[0]._cancelled:
        handle = heapq.heappop(loop._scheduled)
        handle._scheduled = False
        loop._timer_cancelled_count -= 1


def _make_ready(loop: Any, handle: Any) -> None:
    handle._scheduled = False
    loop._ready.append(handle)


def _when(loop: Any, baton: Baton) -> int | None:
    """When its next timer is due, in nanoseconds of the clock."""
    _drop_cancelled_timers(loop)
    return max(baton.clock, int(loop._scheduled[0]._when * 1e9)) if loop._scheduled else None


def _has_files(loop: Any) -> bool:
    """Whether it waits for files of the program's; it always has one of its own, by which other threads wake it."""
    selector = getattr(loop, "_selector", None)
    registered = selector.get_map() if selector is not None else None
    if not registered:
        return False
    own = getattr(loop, "_ssock", None)
    return len(registered) > (1 if own is not None and own.fileno() in registered else 0)


def _wait_for_files(loop: Any, baton: Baton) -> None:
    """Let the others go on, and look at the files now and then."""
    if baton.others_can_go_on():
        baton.wait_here(loop, baton.clock + 1_000_000)
        return
    baton.note_outside()
    events = loop._selector.select(_OUTSIDE_SLICE)
    loop._process_events(events)
    if not events:
        baton.poke(STEP, None)


def _silence(loop: Any) -> None:
    """The schedule is over: nobody is to hear of the tasks that are dropped."""
    loop.set_exception_handler(lambda *_: None)
    for task in asyncio.all_tasks(loop):
        task._log_destroy_pending = False  # type: ignore[attr-defined]
