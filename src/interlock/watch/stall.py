"""When all sleep: a watcher that says so. For `interlock run`.

It looks once a second, from a thread of its own that `threading` does not know, and that is started only once somebody
waits. It says what it finds once:

- a circle of waits that could not be refused, since it was not certain;
- that nobody is left: every thread of the program is in a wait without a timeout. One that does anything else (sleeps,
  reads, computes) could wake the others, and so could a signal handler of the program;
- with ``--stall SECONDS``, a single wait longer than that.

What it has seen must be the same in two looks, so that nothing is said of parties that are only passing.
"""

import _thread
import os
import signal
import sys
import threading
import time
from collections.abc import Callable

from interlock.core.owner_watch import LoopWatch
from interlock.core.waitgraph import call_at_wait, loop_of, may_help
from interlock.watch.dump import dump_text, name_of
from interlock.watch.view import Someone, View, helpers

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

LOOK = 1.0  # seconds between two looks
STALLED = 3  # the exit code for ``--on-stall=exit``
NOBODY_LEFT = "nobody is left to wake these"


class Stalls:
    """The watcher. ``longest``: seconds that a single wait may last, None for any. ``report``: told what was found."""

    def __init__(self, longest: float | None, report: Callable[[str], None]) -> None:
        self.longest = longest
        self.report = report
        self.running = False
        self.asleep: frozenset[int] = frozenset()  # the waits in which all were at the last look
        self.circles: set[frozenset[int]] = set()  # likewise, each circle
        self.told: set[object] = set()
        # Keeps what `told` names by its id from being collected.
        self.kept: list[object] = []

    def start(self) -> None:
        """Begin as soon as somebody waits."""
        if hasattr(os, "register_at_fork"):
            os.register_at_fork(after_in_child=self._again)
        call_at_wait(self._begin)

    def _again(self) -> None:
        self.running = False
        call_at_wait(self._begin)

    def _begin(self) -> None:
        if not self.running:
            self.running = True
            call_at_wait(None)
            try:
                _thread.start_new_thread(self._watch, ())
            except RuntimeError:
                return  # no thread to be had, or the interpreter ends

    def _watch(self) -> None:
        helpers.add(_thread.get_ident())
        process = os.getpid()
        while os.getpid() == process:
            time.sleep(LOOK)
            try:
                self.look()
            except Exception:
                if sys.is_finalizing():
                    return
                raise

    def look(self) -> None:
        """One look."""
        view = View()
        self._look_for_circles(view)
        self._look_whether_all_sleep(view)
        if self.longest is not None:
            self._look_for_long_waits(view, self.longest)

    def _look_for_circles(self, view: View) -> None:
        circles = {frozenset(_keys(circle.members)) for circle in view.circles}
        lasting = circles & self.circles
        self.circles = circles
        if any(self._is_news(circle) for circle in lasting):
            self._keep(view)
            self.report(dump_text(view, "these wait for each other in a circle"))

    def _look_whether_all_sleep(self, view: View) -> None:
        asleep = frozenset(_keys(view.people)) if _all_sleep(view) else frozenset()
        lasting = asleep if asleep == self.asleep else frozenset()
        self.asleep = asleep
        if lasting and self._is_news(("asleep", lasting)):
            self._keep(view)
            self.report(dump_text(view, NOBODY_LEFT))

    def _look_for_long_waits(self, view: View, longest: float) -> None:
        for someone in view.people:
            wait = someone.wait
            if wait is not None and view.seconds(wait) > longest and self._is_news(("long", id(wait.waiter))):
                self._keep(view)
                what = f"{someone.name} has waited for {name_of(wait.at)} for more than {longest:g} s"
                self.report(dump_text(view, what))

    def _is_news(self, key: object) -> bool:
        fresh = key not in self.told
        self.told.add(key)
        return fresh

    def _keep(self, view: View) -> None:
        self.kept += [someone.wait.waiter for someone in view.people if someone.wait is not None]


def _keys(people: list[Someone]) -> list[int]:
    """A wait has a waiter of its own."""
    return [id(someone.wait.waiter) for someone in people if someone.wait is not None]


def _all_sleep(view: View) -> bool:
    main = threading.main_thread().ident
    living = [someone for someone in view.people if someone.party is None or not someone.party.ended]
    if not any(someone.is_waiting_for_ever for someone in living):
        return False
    loops = {someone.ident: loop_of(someone.party) for someone in living if someone.party and someone.is_task}
    for thread in living:
        if not thread.is_task and not (thread.is_waiting_for_ever or _ends(thread, main) or _idles(thread, loops)):
            return False
    return not any(someone.ident == main and not _ends(someone, main) for someone in living) or not _has_handlers()


def _ends(someone: Someone, main: int | None) -> bool:
    """Whether it is the main thread, through with the program and waiting for the other threads."""
    shutdown = threading._shutdown  # type: ignore[attr-defined]
    return (
        someone.wait is None
        and someone.ident == main
        and any(frame.f_code is shutdown.__code__ for frame in someone.frames)
    )


def _idles(thread: Someone, loops: "dict[int, Any]") -> bool:
    """Whether it runs a loop of asyncio's own that has nothing to do, no timer, and nothing to read or write.

    Then only another thread could wake its tasks. Of other loops this is not known: they count as awake.
    """
    loop = loops.get(thread.ident)
    if loop is None or not thread.frames or thread.frames[0].f_code.co_name != "select":
        return False
    try:
        timers = [timer for timer in loop._scheduled if not timer._cancelled and type(timer._callback) is not LoopWatch]
        # One file is the loop's own, by which threads wake it.
        return not loop._ready and not timers and len(loop._selector.get_map()) <= 1
    except (AttributeError, RuntimeError, TypeError):
        return False


def _has_handlers() -> bool:
    return any(may_help(signal.getsignal(number)) for number in signal.valid_signals())
