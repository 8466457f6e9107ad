"""When all sleep: a watcher that says so. For `interlock run`.

It looks once a second, from a thread of its own that `threading` does not know, and that is started only once somebody
waits. It says what it finds once:

- that nobody is left: every thread of the program is in a wait without a timeout, or has nothing to do. One that does
  anything else (sleeps, reads, computes) could wake the others, and so could a signal handler of the program;
- with ``--stall SECONDS``, a single wait longer than that;
- a cycle of waits that could not be refused, since it was not certain. That is no stall as long as anybody is awake,
  who may let them go yet.

What it has seen must be the same in two looks, so that nothing is said of parties that are only passing.
"""

import os
import signal
import sys
import threading
from _thread import get_ident, start_new_thread  # the real ones, also where somebody patches them later
from collections.abc import Callable
from time import sleep

from interlock.core.graph.waitgraph import call_at_wait, may_help
from interlock.dropin import call_with_asyncio
from interlock.watch.dump import dump_text, name_of
from interlock.watch.idle import TimerOfOurs, is_idle
from interlock.watch.view import Someone, View, helpers

LOOK = 1.0  # seconds between two looks
STALLED = 3  # the exit code for ``--on-stall=exit``
NOBODY_LEFT = "nobody is left to wake these"
IN_A_CYCLE = "these wait for each other in a cycle"

TYPE_CHECKING = False
if TYPE_CHECKING:
    import asyncio


class Stalls:
    """The watcher. ``longest``: seconds that a single wait may last, None for any. ``report``: told what was found, and
    whether it is a stall."""

    def __init__(self, longest: float | None, report: Callable[[str, bool], None]) -> None:
        self.longest = longest
        self.report = report
        self.running = False
        self.asleep: frozenset[int] = frozenset()  # the waits in which all were at the last look
        self.cycles: set[frozenset[int]] = set()  # likewise, each cycle
        self.told: set[object] = set()
        # Keeps what `told` names by its id from being collected.
        self.kept: list[object] = []

    def start(self) -> None:
        """Begin as soon as somebody waits, or a loop of asyncio's has run for a while."""
        if hasattr(os, "register_at_fork"):
            os.register_at_fork(after_in_child=self._again)
        call_at_wait(self._begin)
        call_with_asyncio(self._call_at_run)

    def _call_at_run(self) -> None:
        """Begin when a loop has run for as long as a look takes: its tasks may wait for what is not ours."""
        from asyncio import events

        set_running = events._set_running_loop

        def watched(loop: "asyncio.AbstractEventLoop | None") -> None:
            if self.running and events._set_running_loop is watched:
                events._set_running_loop = set_running
            set_running(loop)
            if loop is not None and not self.running:
                loop.call_later(LOOK, TimerOfOurs(self._begin))

        events._set_running_loop = watched

    def _again(self) -> None:
        self.running = False
        call_at_wait(self._begin)

    def _begin(self) -> None:
        if not self.running:
            self.running = True
            call_at_wait(None)
            try:
                start_new_thread(self._watch, ())
            except RuntimeError:
                return  # no thread to be had, or the interpreter ends

    def _watch(self) -> None:
        helpers.add(get_ident())
        process = os.getpid()
        while os.getpid() == process:
            sleep(LOOK)
            try:
                self.look()
            except Exception:
                if sys.is_finalizing():
                    return
                raise

    def look(self) -> None:
        """One look."""
        view = View()
        asleep = frozenset(_keys(view.people)) if _all_sleep(view) else frozenset()
        cycles = {frozenset(_keys(cycle.members)) for cycle in view.cycles}
        lasting, self.asleep = asleep if asleep == self.asleep else frozenset(), asleep
        staying, self.cycles = cycles & self.cycles, cycles
        if lasting and self._is_news(("asleep", lasting)):
            self.told.update(staying)  # the dump begins with them
            self._tell(view, NOBODY_LEFT, True)
        elif [cycle for cycle in staying if self._is_news(cycle)]:
            self._tell(view, IN_A_CYCLE, False)
        if self.longest is not None:
            self._look_for_long_waits(view, self.longest)

    def _look_for_long_waits(self, view: View, longest: float) -> None:
        for someone in view.people:
            wait = someone.wait
            if wait is not None and view.seconds(wait) > longest and self._is_news(("long", id(wait.waiter))):
                what = f"{someone.name} has waited for {name_of(wait.at)} for more than {longest:g} s"
                self._tell(view, what, True)

    def _is_news(self, key: object) -> bool:
        fresh = key not in self.told
        self.told.add(key)
        return fresh

    def _tell(self, view: View, what: str, is_stall: bool) -> None:
        self.kept += [someone.wait.waiter if someone.wait else someone.awaits for someone in view.people]
        self.report(dump_text(view.find_held(), what), is_stall)


def _keys(people: list[Someone]) -> list[int]:
    """A wait has a waiter of its own, and a task that waits for what is not ours a future."""
    waiting = [someone.awaits if someone.wait is None else someone.wait.waiter for someone in people]
    return [id(each) for each in waiting if each is not None]


def _all_sleep(view: View) -> bool:
    main = threading.main_thread().ident
    living = [someone for someone in view.people if someone.party is None or not someone.party.ended]
    threads = [someone for someone in living if not someone.is_task]
    if not any(someone.is_waiting_for_ever or someone.awaits is not None for someone in living):
        return False
    for thread in threads:
        if not (thread.is_waiting_for_ever or _ends(thread, main) or (thread.wait is None and is_idle(thread.frames))):
            return False
    return not any(someone.ident == main and not _ends(someone, main) for someone in threads) or not _has_handlers()


def _ends(someone: Someone, main: int | None) -> bool:
    """Whether it is the main thread, through with the program and waiting for the other threads."""
    shutdown = threading._shutdown  # type: ignore[attr-defined]
    return (
        someone.wait is None
        and someone.ident == main
        and any(frame.f_code is shutdown.__code__ for frame in someone.frames)
    )


def _has_handlers() -> bool:
    return any(may_help(signal.getsignal(number)) for number in signal.valid_signals())
