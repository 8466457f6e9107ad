"""The order of locks: taking A then B in one place and B then A in another can deadlock, and one run shows it.

While it is watched, each party's held locks are known. When it is about to wait for another without a timeout, an edge
goes from each lock that it holds to the new one. Edges lie between the lines that made the locks: two objects made by
one line are used by the same code. Only between two that one line made they lie between the objects themselves. An edge
that closes a cycle is reported once, unless each edge of the cycle was always taken under one common lock.

Not reported: a try (it gives up, at once or after a time; `asyncio.wait_for` of an `acquire` is one, too), what is
taken again, and locks that the program has put in order (`within_order`).
"""

import _thread
import os
import sys

import cython
from cython.cimports.interlock.core.kernel.native import interlock_thread_id
from cython.cimports.interlock.core.kernel.primitive import Primitive
from cython.cimports.interlock.core.kernel.probe import Happening, Observed, Sink, unwatch, watch
from cython.cimports.interlock.core.primitives.mutex import Mutex
from cython.cimports.interlock.core.primitives.within import hints
from cython.cimports.interlock.core.tasks.task import caller_id

from interlock.core.explain.places import Place, is_library, is_ours, short

MOST_EDGES = cython.declare(cython.int, 10_000)  # between single objects there could be any number
MOST_STEPS = cython.declare(cython.int, 10_000)  # of one search for a cycle

active: object = None  # the watcher, or None


class Origin:
    """Where a primitive comes from."""


class Held:
    """A lock that a party holds."""


class Edge:
    """B was taken while A was held.

    Attributes: ``names`` of the two; the two places ``first`` and ``then``; ``guards``, which other locks were held
    each time.
    """

    def __init__(self, names: tuple, first: tuple, then: tuple, guards: frozenset):
        self.names = names
        self.first = first
        self.then = then
        self.guards = guards


class OrderSink(Sink):
    """Watches the order. ``report`` is called with each finding, a list of `Edge`s that form a cycle.

    ``apart``: edges lie between the objects themselves, whatever line has made them.
    """

    def __init__(self, report: object, apart: cython.bint = False):
        self.apart = apart
        self.held = {}
        self.guard = _thread.RLock()
        self.after = {}
        self.reported = set()
        self.lines = {}
        self.report = report

    def origin_of(self, what: Observed) -> Origin:
        with cython.critical_section(what):
            found = what.origin
        if isinstance(found, Origin):
            return found
        # Made before anybody watched: a line of its own.
        origin: Origin = Origin.__new__(Origin)
        origin.line = origin
        kind = type(what).__name__
        origin.name = f"{kind} at {id(what):#x}" if what.label is None else f"{kind} {what.label!r}"
        with cython.critical_section(what):
            if what.origin is None:
                what.origin = origin
            found = what.origin
        return found

    def made(self, what: Observed) -> cython.void:
        frame = innermost_frame()
        if frame is None:
            return
        inner = (frame.f_code, frame.f_lineno)
        while frame.f_back is not None and (is_library(frame.f_code.co_filename) or is_ours(frame)):
            frame = frame.f_back
        key = (inner, frame.f_code, frame.f_lineno)
        origin: Origin = Origin.__new__(Origin)
        origin.line = self.lines.setdefault(key, origin)
        kind = type(what).__name__
        if what.label is None:
            origin.name = f"{kind} of {short(frame.f_code.co_filename)}:{frame.f_lineno}"
        else:
            origin.name = f"{kind} {what.label!r}"
        with cython.critical_section(what):
            what.origin = origin

    def held_now(self, id: cython.ulonglong) -> list:
        """What a party holds; without what another has released for it."""
        held = self.held.get(id)
        for each in held or ():
            if not holds(cython.cast(Held, each).what, cython.cast(Held, each).holder):
                held[:] = [each for each in held if holds(cython.cast(Held, each).what, cython.cast(Held, each).holder)]
                break
        return held

    def wanted(self, what: Observed) -> cython.int:
        me: cython.ulonglong = caller_id()
        held = self.held.get(me)
        if not held:
            return 0
        held = self.held_now(me)
        for each in held:
            if cython.cast(Held, each).what is what:
                return 0
        frame = innermost_frame()
        if frame is not None and frame.f_code.co_name == "wait_for" and is_library(frame.f_code.co_filename):
            return 0  # asyncio's way to try for some time; up to Python 3.11 it has a task of its own for that
        origin = self.origin_of(what)
        hint = hints.get(me)
        for each in held:
            self.look(each, cython.cast(Primitive, what), origin, hint, held)
        return 0

    def happened(
        self, happening: Happening, what: Observed, other: cython.ulonglong, waited: cython.longlong
    ) -> cython.void:
        if happening != Happening.ACQUIRED and happening != Happening.GRANTED and happening != Happening.RELEASED:
            return
        primitive: Primitive = cython.cast(Primitive, what)
        if not primitive.has_owners():
            return
        me: cython.ulonglong = caller_id()
        held = self.held.get(me)
        if happening == Happening.RELEASED:
            if held and not self.held_now(me):
                self.held.pop(me, None)
            return
        if held is None:
            held = self.held.setdefault(me, [])
        for each in held:
            if cython.cast(Held, each).what is what:
                return
        frame = innermost_frame()
        taken: Held = Held.__new__(Held)
        taken.what = primitive
        # By `with` it is the thread that takes a lock, by `async with` the task.
        taken.holder = me if holds(primitive, me) else interlock_thread_id()
        taken.origin = self.origin_of(what)
        taken.order = hints.get(me)
        taken.exclusive = isinstance(what, Mutex)
        taken.code = None if frame is None else frame.f_code
        taken.offset = 0 if frame is None else frame.f_lasti
        held.append(taken)

    def look(self, before: Held, what: Primitive, origin: Origin, hint, held: list):
        """The caller holds `before` and wants `what`: is there a way back?"""
        if hint is not None and before.order is not None and before.order < hint:
            return
        first, then = before.origin.line, origin.line
        if first is then or self.apart:
            first, then = before.origin, origin
        guards = frozenset(
            [
                cython.cast(Held, each).origin
                for each in held
                if each is not before and cython.cast(Held, each).exclusive
            ]
        )
        after = self.after.get(first)
        edge: Edge = None if after is None else after.get(then)
        if edge is not None and edge.guards <= guards:
            return
        frame = innermost_frame()
        now = (None, 0) if frame is None else (frame.f_code, frame.f_lasti)
        with self.guard:
            edge = self.after.setdefault(first, {}).get(then)
            if edge is None:
                if self.edges >= MOST_EDGES:
                    return
                self.edges += 1
                edge = Edge(
                    (before.origin.name, origin.name),
                    (before.code, before.offset),
                    now,
                    guards,
                )
                self.after[first][then] = edge
            else:
                edge.guards = edge.guards & guards
            way = self.way_back(then, first, edge.guards)
            if way is None:
                return
            key = frozenset([id(each) for each in [edge, *way]])
            if key in self.reported:
                return
            self.reported.add(key)
        self.report([edge, *way])

    def way_back(self, start, goal, guards: frozenset) -> list | None:
        """Edges from `start` to `goal` that share no guard with each other and `guards`; None where there are none."""
        steps: cython.int = 0
        pending = [(start, [], guards, {start})]
        while pending:
            node, way, common, seen = pending.pop(0)
            for following, edge in self.after.get(node, {}).items():
                steps += 1
                if steps > MOST_STEPS:
                    return None
                left = common & edge.guards
                if following is goal:
                    if not left:
                        return [*way, edge]
                elif following not in seen:
                    pending.append((following, [*way, edge], left, seen | {following}))
        return None

    def locks_of(self, number: int) -> list:
        """What the party with this id holds, as (primitive, `Place`)."""
        held = self.held.get(number) or []
        return [
            (cython.cast(Held, each).what, place_of(cython.cast(Held, each).code, cython.cast(Held, each).offset))
            for each in list(held)
            if holds(cython.cast(Held, each).what, cython.cast(Held, each).holder)
        ]


def innermost_frame():
    """None where C calls, as it does for what is registered with `atexit`."""
    try:
        return sys._getframe()
    except ValueError:
        return None


def holds(what: Primitive, id: cython.ulonglong) -> cython.bint:
    if not isinstance(what, Mutex):
        return id in what.held_by()
    # The usual case, asked thrice for each lock that is taken: without a list of holders.
    with cython.critical_section(what):
        return cython.cast(Mutex, what).holder == id


def place_of(code, offset: int) -> Place:
    if code is None:
        return Place("?", 0, "?")
    line = code.co_firstlineno
    for begin, end, number in code.co_lines():
        if begin <= offset < end and number is not None:
            line = number
    return Place(code.co_filename, line, code.co_name)


def called(primitive: Primitive) -> str | None:
    """The kind of a primitive and the line that made it, where its order was watched then."""
    with cython.critical_section(primitive):
        origin = primitive.origin
    return origin.name if isinstance(origin, Origin) and " at 0x" not in origin.name else None


def start_watching(report: object, apart: cython.bint = False) -> OrderSink:
    """Watch the order from now on, in place of whoever watched it."""
    sink: OrderSink = OrderSink(report, apart)
    resume_watching(sink)
    return sink


def resume_watching(sink: OrderSink) -> None:
    """Let this one watch, in place of whoever does."""
    global active
    active = sink
    watch(sink)


def stop_watching(sink: OrderSink) -> None:
    """Watch no more, where it is this one that watches."""
    global active
    if active is sink:
        unwatch()
        active = None


def _renew_guard():
    if active is not None:
        sink: OrderSink = active
        sink.guard = _thread.RLock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_renew_guard)
