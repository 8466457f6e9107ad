"""When all sleep: a watcher that says so. For `interlock run`.

It looks once a second, from a thread of its own that `threading` does not know, and that is started only once somebody
waits or a thread is made. What it comes to suspect it says when it has stood unchanged for a while, and once:

    suspicion                                                                  stands for    ends the program with
                                                                                             --on-stall=exit
    nobody is left: every thread of the program is in a wait without a         1 s           yes
    timeout, or has nothing to do. One that does anything else (sleeps,
    reads, computes) could wake the others, and so could a signal handler
    of the program
    a cycle of waits that could not be refused, since it was not certain,      2 s           yes
    or waits whose every giver has ended or is stuck itself, although
    others live: see `watch/stuck.py`
    with ``--stall SECONDS``, a single wait longer than that                   SECONDS       yes

Unchanged: the same parties in the same waits, each of which began when it did.
"""

import os
import signal
import sys
import threading
from _thread import get_ident, start_new_thread  # the real ones, also where somebody patches them later
from collections.abc import Callable
from time import sleep

from interlock.core.graph.waitgraph import call_at_wait, may_help
from interlock.core.kernel.private import starting_threads
from interlock.dropin import call_with_asyncio
from interlock.watch import private, stuck
from interlock.watch.dump import dump_text
from interlock.watch.idle import TimerOfOurs, is_idle
from interlock.watch.polling import Polls
from interlock.watch.view import Someone, View, helpers

LOOK = 1.0  # seconds between two looks
PATIENCE = 2.0  # seconds for which a suspicion stands before it is told; but what nobody can change, for one look
STALLED = 3  # the exit code for ``--on-stall=exit``
NOBODY_LEFT = "nobody is left to wake these"
IN_A_CYCLE = "these wait for each other in a cycle"

TYPE_CHECKING = False
if TYPE_CHECKING:
    import asyncio
    from collections.abc import Iterable


class Suspicion:
    """What may be a stall. ``key``: the same as long as nothing changes; ``patience``: seconds for which it has to
    stand; ``covers``: keys of other suspicions that are told with it."""

    def __init__(self, key: object, title: str, patience: float, covers: "Iterable[object]" = ()) -> None:
        self.key = key
        self.title = title
        self.patience = patience
        self.covers: list[object] = list(covers)


class Stalls:
    """The watcher.

    ``longest``: seconds that a single wait may last, None for any. ``report``: told what was found, as a dump, and
    whether it is a stall. ``each_look``: called at each look, too.
    """

    def __init__(
        self,
        longest: float | None,
        report: Callable[[str, bool], None],
        each_look: Callable[[], None] | None = None,
    ) -> None:
        self.longest = longest
        self.report = report
        self.each_look = each_look
        self.running: bool = False
        self.standing: dict[object, float] = {}  # what was suspected at the last look, and since when
        self.told: set[object] = set()
        self.polls: Polls = Polls()
        self.began: dict[object, int] = {}  # when a wait that is none of our primitives' was first seen, nanoseconds
        self.long: dict[object, set[object]] = {}  # primitive and line -> the long waits there that have been told
        self.shown: object = None  # the waits of the last dump

    def start(self) -> None:
        """Begin as soon as somebody waits, there is a second thread, or a loop of asyncio's has run for a while."""
        if hasattr(os, "register_at_fork"):
            os.register_at_fork(after_in_child=self._again)
        call_at_wait(self._begin)
        private.call_for_threads(made=self._begin)  # which may wait for what is none of our primitives'
        call_with_asyncio(self._call_at_run)
        if self.longest is not None:
            self._begin()  # the program may wait for what is none of our primitives'

    def _call_at_run(self) -> None:
        """Begin when a loop has run for as long as a look takes: its tasks may wait for what is not ours."""

        def begin_later(loop: "asyncio.AbstractEventLoop") -> bool:
            if self.running:
                return False
            loop.call_later(LOOK, TimerOfOurs(self._begin))
            return True

        private.call_when_set_running(begin_later)

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
                return  # no thread can be started, or the interpreter ends

    def _watch(self) -> None:
        helpers.add(get_ident())
        process = os.getpid()
        while os.getpid() == process:
            sleep(LOOK)
            try:
                self.look()
                if self.each_look is not None:
                    self.each_look()
            except Exception:
                if sys.is_finalizing():
                    return
                raise

    def look(self) -> None:
        """One look."""
        view = View()
        now = view.now / 1e9
        suspicions = self._suspicions(view)
        self.standing = {each.key: self.standing.get(each.key, now) for each in suspicions}
        titles = []
        for each in suspicions:
            # A look comes a little early or late.
            if now - self.standing[each.key] > each.patience - LOOK / 2 and each.key not in self.told:
                self.told.add(each.key)
                self.told.update(each.covers)
                titles.append(each.title)
        if self.longest is not None:
            titles += self._long_waits(view, self.longest)
        if titles:
            self._tell(view, titles)

    def _suspicions(self, view: View) -> list[Suspicion]:
        self.polls.look(view)
        found = stuck.find(view, least=LOOK / 2, patience=PATIENCE)
        view.through = found.cycle
        waits = ("stuck", frozenset(map(key_of, found.people)))
        suspicions = []
        if _all_sleep(view):
            # Its dump begins with the cycles.
            suspicions.append(Suspicion(("asleep", frozenset(_keys(view.people))), NOBODY_LEFT, LOOK, [waits]))
        if found.people:
            suspicions.append(Suspicion(waits, _stuck_title(found), PATIENCE))
        return suspicions

    def _long_waits(self, view: View, longest: float) -> list[str]:
        """What to say of waits that have become too long. Those who join others at the same line are no news."""
        waits: dict[object, list[Someone]] = {}
        began: dict[object, int] = {}
        polling = {id(each) for each in stuck.find(view, polling=True).people} if view.polls else set()
        for someone in view.people:
            meaning = view.meaning(someone)
            if meaning is None or meaning.idle or (meaning.outside and not meaning.child):
                continue
            poll = view.polls.get(id(someone))
            if poll is not None:
                if poll.seconds > longest and id(someone) in polling:
                    waits.setdefault((id(meaning.target), "polls"), []).append(someone)
                continue
            key = key_of(someone)
            began[key] = self.began.get(key, view.now) if someone.wait is None else someone.wait.since
            if view.now - began[key] > longest * 1e9:
                line = None if someone.place is None else (someone.place.file, someone.place.line)
                waits.setdefault((id(meaning.target), line), []).append(someone)
        self.began = began
        titles = []
        for where, some in waits.items():
            keys = {each.ident if id(each) in view.polls else key_of(each) for each in some}
            if not keys & self.long.get(where, set()):
                titles.append(_long_title(some, view, longest))
            self.long[where] = keys
        self.long = {where: keys for where, keys in self.long.items() if where in waits}
        return titles

    def _tell(self, view: View, titles: list[str]) -> None:
        waits = frozenset(_keys(view.people))
        if waits == self.shown:
            text = "".join(f"interlock: {title}: the same as above\n" for title in titles)
        else:
            text = dump_text(view.find_held(), *titles)
        self.shown = waits
        self.report(text, True)


def _stuck_title(found: stuck.Stuck) -> str:
    """What was found, in a line."""
    if len(found.cycle) == 1:
        return f"{found.cycle[0].name} waits for what it would have to give itself"
    if found.cycle:
        return IN_A_CYCLE
    names = ", ".join(each.name for each in found.people[:8])
    return f"nobody who could end {'this wait' if len(found.people) == 1 else 'these waits'} is left: {names}"


def _long_title(some: list[Someone], view: View, longest: float) -> str:
    meaning = view.meaning(some[0])
    assert meaning is not None
    others = f" and {len(some) - 1:,} more have" if len(some) > 1 else " has"
    if id(some[0]) in view.polls:
        return f"{some[0].name}{others} come back to a wait for {meaning.what} for more than {longest:g} s"
    return f"{some[0].name}{others} waited for {meaning.what} for more than {longest:g} s"


def key_of(someone: Someone) -> object:
    """One wait is the same as long as it has its waiter, its future, or its place in the code."""
    if someone.wait is not None:
        return id(someone.wait.waiter), someone.wait.since
    if someone.awaits is not None:
        return id(someone.awaits), someone.ident
    frame = someone.frames[0] if someone.frames else None
    return someone.ident, id(frame), None if frame is None else frame.f_lasti


def _keys(people: list[Someone]) -> list[tuple[int, int]]:
    """Of those who wait: the waits. One has a waiter of its own, but another may come to lie where it was, later; a
    task that waits for what is not ours has a future."""
    keys = []
    for someone in people:
        if someone.wait is not None:
            keys.append((id(someone.wait.waiter), someone.wait.since))
        elif someone.awaits is not None:
            keys.append((id(someone.awaits), someone.ident))
    return keys


def _all_sleep(view: View) -> bool:
    main = threading.main_thread().ident
    if starting_threads():
        return False  # a thread that has been started, and has not begun yet
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
    shutdown = private.code_of_shutdown()
    return someone.wait is None and someone.ident == main and any(frame.f_code is shutdown for frame in someone.frames)


def _has_handlers() -> bool:
    return any(may_help(signal.getsignal(number)) for number in signal.valid_signals())
