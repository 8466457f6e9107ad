"""The order of locks: taking A then B in one place and B then A in another can deadlock, and one run shows it.

While it is watched, each party's held locks are known. When it is about to wait for another without a timeout, an edge
goes from each lock that it holds to the new one. Edges lie between the lines that made the locks: two objects made by
one line are used by the same code. Only between two that one line made they lie between the objects themselves. An edge
that closes a cycle is reported once, unless each edge of the cycle was always taken under one common lock (its guards).

Not reported: a try (it gives up, at once or after a time; `asyncio.wait_for` of an `acquire` is one, too), what is
taken again, and locks that the program has put in order (`within_order`).

What it costs, which every lock that is taken pays:

    an operation                             what is done
    take, with nothing held                  one look into the caller's own hands
    take, with something held                for each: one look into a small table of pairs without guards (`seen.pxd`)
      and the pair is not in that            the edge is looked up, and whether its guards are all held (`is_news`)
      and that would be news                 the graph, under the guard of the sink, and a search for cycles (`look`)
    taken                                    the frame of the caller is noted in its hands
    given back                               it is taken out of the caller's hands

The hands of a party are its own and go with it. A lock is kept by nobody's hands: they have its `Origin`, an object of
ours which knows it weakly. So hands may name what is not held any more, since another has released it or it is gone.
That does no harm as long as there is no news; before news is believed, each lock is asked who has it (`look_closer`).

What has no owners has no order. Of that this sink notes what has been done to it, and by whom (`deeds.py`).
"""

import _thread
import os
import sys
from itertools import count

import cython
from cython.cimports.cpython.mem import PyMem_RawFree, PyMem_RawRealloc
from cython.cimports.cpython.weakref import PyWeakref_NewRef
from cython.cimports.interlock.core.explain.deeds import Deed, Deeds
from cython.cimports.interlock.core.explain.seen import (
    INTERLOCK_PAIRS,
    interlock_drop_hold,
    interlock_fill_hold,
    interlock_hands_known,
    interlock_hold,
    interlock_know_hands,
    interlock_next_serial,
    interlock_pair,
    interlock_pair_seen,
    interlock_see_pair,
)
from cython.cimports.interlock.core.kernel.maker import Maker
from cython.cimports.interlock.core.kernel.native import (
    interlock_referent,
    interlock_thread_id,
    interlock_version_of,
)
from cython.cimports.interlock.core.kernel.party import Party, departed, living, party_by_id
from cython.cimports.interlock.core.kernel.primitive import Primitive
from cython.cimports.interlock.core.kernel.probe import Happening, Observed, Sink, unwatch, watch
from cython.cimports.interlock.core.primitives.mutex import Mutex
from cython.cimports.interlock.core.primitives.queue_base import QueueBase
from cython.cimports.interlock.core.primitives.semaphore import Semaphore
from cython.cimports.interlock.core.primitives.within import hints
from cython.cimports.interlock.core.tasks.task import caller, caller_id
from cython.cimports.libc.stdlib import calloc, free
from cython.cimports.libc.string import memmove

from interlock.core.explain.places import Place, is_standard_library, short
from interlock.core.kernel.maker import is_of_library

MOST_EDGES = cython.declare(cython.int, 10_000)  # between single objects there could be any number
MOST_STEPS = cython.declare(cython.int, 10_000)  # of one search for a cycle
MOST_DONE_TO = cython.declare(cython.int, 16)  # primitives whose deeds are found again from a party

active: object = None  # the watcher, or None
_next_sink = count(1)


class Node:
    """What an edge begins or ends with."""


class Line(Node):
    """The node of all that one line made."""


class Origin(Node):
    """Where a primitive comes from; and the node of this one among those of its line."""

    @property
    def name(self) -> str:
        """What to call the primitive."""
        if self.label is not None:
            return f"{self.kind} {self.label!r}"
        if self.line is None or self.line.where is None:
            return f"{self.kind} at {self.address:#x}"
        return f"{self.kind} of {self.line.where}"

    def its_lock(self):
        """The lock, as long as there is one that has been taken; or None."""
        with cython.critical_section(self):
            reference = self.lock
        return None if reference is None else interlock_referent(reference)


class Edge:
    """B was taken while A was held.

    Attributes: ``names`` of the two; the two places ``first`` and ``then``; ``guards``, which other locks were held
    each time.
    """


class Held:
    """A lock that a party holds, looked at closely."""


class Hands:
    """What a party holds."""

    def __dealloc__(self):
        for index in range(self.count):
            interlock_drop_hold(cython.address(self.holds[index]))
        PyMem_RawFree(self.holds)

    def find(self, origin: Origin) -> cython.int:
        """Where it lies, the youngest first, or -1. For the party itself."""
        index: cython.int = self.count - 1
        while index >= 0 and self.holds[index].origin != cython.cast(cython.p_void, origin):
            index -= 1
        return index

    def has(self, origin: Origin) -> cython.bint:
        return self.find(origin) >= 0

    def has_still(self, origin: Origin) -> cython.bint:
        """Also by what its lock says."""
        index: cython.int = self.find(origin)
        if index < 0:
            return False
        holder: cython.ulonglong = self.holds[index].holder
        lock = origin.its_lock()
        return lock is not None and holds(cython.cast(Primitive, lock), holder)

    def add(self, origin: Origin, holder: cython.ulonglong, order):
        """The caller has taken it, in the innermost Python frame."""
        hold: interlock_hold
        interlock_fill_hold(cython.address(hold), origin, order)
        hold.holder = holder
        room: cython.int
        more: cython.p_void
        added: cython.bint = True
        with cython.critical_section(self):
            if self.count == self.room:
                room = 2 * self.room if self.room else 4
                more = PyMem_RawRealloc(self.holds, room * cython.sizeof(interlock_hold))
                added = more != cython.NULL
                if added:
                    self.holds = cython.cast(cython.pointer(interlock_hold), more)
                    self.room = room
            if added:
                self.holds[self.count] = hold
                self.count += 1
        if not added:
            interlock_drop_hold(cython.address(hold))

    def remove(self, index: cython.int):
        hold: interlock_hold
        with cython.critical_section(self):
            hold = self.holds[index]
            self.count -= 1
            if index < self.count:
                memmove(
                    cython.address(self.holds[index]),
                    cython.address(self.holds[index + 1]),
                    (self.count - index) * cython.sizeof(interlock_hold),
                )
        interlock_drop_hold(cython.address(hold))

    def copy(self) -> list:
        """As `Held`s, each of which keeps its lock; without those whose lock is gone or held by another."""
        copied: list = []
        room: cython.int = self.count
        for _ in range(room):  # made first: nothing is allocated inside
            copied.append(Held.__new__(Held))
        length: cython.int = 0
        held: Held
        with cython.critical_section(self):
            while length < room and length < self.count:
                held = cython.cast(Held, copied[length])
                held.holder = self.holds[length].holder
                held.origin = cython.cast(Origin, self.holds[length].origin)
                held.offset = self.holds[length].offset
                if self.holds[length].code != cython.NULL:
                    held.code = cython.cast(object, self.holds[length].code)
                if self.holds[length].order != cython.NULL:
                    held.order = cython.cast(object, self.holds[length].order)
                length += 1
        found: list = []
        for each in copied[:length]:
            held = each
            lock = held.origin.its_lock()
            if lock is not None and holds(cython.cast(Primitive, lock), held.holder):
                held.what = cython.cast(Primitive, lock)
                found.append(held)
        return found


class OrderSink(Sink):
    """Watches the order. ``report`` is called with each finding, a list of `Edge`s that form a cycle.

    ``apart``: edges lie between the objects themselves, whatever line has made them.
    """

    def __cinit__(self, *args: object):
        self.seen = cython.cast(
            cython.pointer(cython.ulonglong), calloc(INTERLOCK_PAIRS, cython.sizeof(cython.ulonglong))
        )
        if self.seen == cython.NULL:
            raise MemoryError

    def __init__(self, report: object, apart: cython.bint = False):
        self.apart = apart
        self.serial = self.turn = next(_next_sink)
        self.guard = _thread.RLock()
        self.after = {}
        self.reported = set()
        self.lines = {}
        self.of_late = []
        self.report = report

    def __dealloc__(self):
        free(self.seen)

    # What is made.

    def line_of(self, maker: Maker, what: Observed) -> Line:
        with cython.critical_section(maker):
            known = maker.node
        line: Line
        if known is not None and cython.cast(Line, known).sink == self.serial:
            return known
        # The innermost line outside the library, be it that of a constructor.
        code, number = maker.first_code, maker.first_line
        if maker.outer_code is not None:
            code, number = maker.outer_code, maker.outer_line
        elif is_of_library(code.co_filename):
            code, number = maker.code, maker.line
        line = Line.__new__(Line)
        line.sink = self.serial
        line.where = f"{short(code.co_filename)}:{number}"
        line.kind = type(what).__name__
        line.version = interlock_version_of(type(what))
        line.internal = is_of_library(maker.code.co_filename)
        line = self.lines.setdefault((maker.first_code, maker.first_line, code, number), line)
        with cython.critical_section(maker):
            known = maker.node
            maker.node = line
        known = None  # here and not inside, where it could be the last reference
        return line

    def made(self, what: Observed, maker: Maker | None) -> cython.void:
        if maker is None:
            return
        origin: Origin = Origin.__new__(Origin)
        line: Line = self.line_of(maker, what)
        origin.line = line
        origin.label = what.label
        if line.version != 0 and line.version == interlock_version_of(type(what)):
            origin.kind = line.kind
        else:
            origin.kind = type(what).__name__
        with cython.critical_section(what):
            what.origin = origin

    def origin_of(self, what: Observed) -> Origin:
        with cython.critical_section(what):
            found = what.origin
        if found is not None:
            return found
        # Made before anybody watched: a line of its own.
        origin: Origin = Origin.__new__(Origin)
        origin.line = Line.__new__(Line)
        origin.kind = type(what).__name__
        origin.label = what.label
        origin.address = cython.cast(cython.size_t, cython.cast(cython.p_void, what))
        with cython.critical_section(what):
            if what.origin is None:
                what.origin = origin
            found = what.origin
        return found

    # What happens.

    def hands_of_caller(self, me: cython.ulonglong) -> Hands:
        turn: cython.uint = self.turn
        known: cython.p_void = interlock_hands_known(me, turn)
        hands: Hands
        if known != cython.NULL:
            hands = cython.cast(Hands, known)
        else:
            party: Party = caller()
            if party.id != me:
                return Hands.__new__(Hands)  # it has come to be another meanwhile
            with cython.critical_section(party):
                found = party.hands
            if found is None or cython.cast(Hands, found).turn != turn:
                # Of this party alone, so nobody else is at the same.
                hands = Hands.__new__(Hands)
                hands.turn = turn
                with cython.critical_section(party):
                    party.hands = hands
            else:
                hands = found
            interlock_know_hands(me, turn, cython.cast(cython.p_void, hands))
        return hands

    def wanted(self, what: Observed) -> cython.int:
        me: cython.ulonglong = caller_id()
        hands: Hands = self.hands_of_caller(me)
        if hands.count == 0:
            return 0
        origin: Origin = self.origin_of(what)
        if not hands.has(origin) and self.is_news(hands, origin):
            self.look_closer(hands, cython.cast(Primitive, what), origin, me)
        return 0

    def happened(
        self, happening: Happening, what: Observed, other: cython.ulonglong, waited: cython.longlong
    ) -> cython.void:
        primitive: Primitive = cython.cast(Primitive, what)
        if happening != Happening.ACQUIRED and happening != Happening.GRANTED and happening != Happening.RELEASED:
            if happening == Happening.NOTIFIED or Happening.SET <= happening <= Happening.COUNTED_DOWN:
                self.done(happening, primitive)
            return
        if not primitive.has_owners():
            if isinstance(primitive, (QueueBase, Semaphore)):
                self.done(happening, primitive)
            return
        me: cython.ulonglong = caller_id()
        hands: Hands = self.hands_of_caller(me)
        if happening != Happening.RELEASED:
            self.taken(hands, primitive, me)
        elif hands.count != 0:
            self.given(hands, primitive)

    def taken(self, hands: Hands, what: Primitive, me: cython.ulonglong):
        origin: Origin = self.origin_of(what)
        if hands.count != 0 and hands.has(origin):
            return
        if origin.lock is None:
            # It may be another's first take, too: all write the same.
            reference = PyWeakref_NewRef(what, None)
            with cython.critical_section(origin):
                if origin.lock is None:
                    origin.exclusive = isinstance(what, Mutex)
                    origin.lock = reference
        # By `with` it is the thread that takes a lock, by `async with` the task.
        holder: cython.ulonglong = me
        thread: cython.ulonglong = interlock_thread_id()
        if thread != me and not holds(what, me):
            holder = thread
        hands.add(origin, holder, hints.get(me) if len(hints) != 0 else None)

    def given(self, hands: Hands, what: Primitive):
        with cython.critical_section(what):
            found = what.origin
        if found is None:
            return
        index: cython.int = hands.find(cython.cast(Origin, found))
        if index >= 0 and not holds(what, hands.holds[index].holder):
            # Once more: what was called may have collected garbage, and that may have used locks.
            index = hands.find(cython.cast(Origin, found))
            if index >= 0:
                hands.remove(index)

    def done(self, happening: Happening, what: Primitive):
        """The caller has done something to what has no owners."""
        origin: Origin = self.origin_of(what)
        if origin.line.internal:
            return
        deeds: Deeds
        with cython.critical_section(origin):
            deeds = origin.deeds
        if deeds is None:
            deeds = Deeds.__new__(Deeds)
            with cython.critical_section(origin):
                if origin.deeds is None:
                    origin.deeds = deeds
                deeds = origin.deeds
        me: cython.ulonglong = caller_id()
        if not deeds.note(happening, me):
            return
        # The party's own list: nobody else writes to it, and who reads it takes a copy.
        hands: Hands = self.hands_of_caller(me)
        if hands.done_to is None:
            hands.done_to = []
        for each in hands.done_to:
            if each is origin:
                return
        hands.done_to.append(origin)
        if len(hands.done_to) > MOST_DONE_TO:
            del hands.done_to[0]

    # What is news.

    def is_news(self, hands: Hands, origin: Origin) -> cython.bint:
        """Whether taking this one now says anything that is not known: without a guard, and nothing is allocated."""
        index: cython.int
        first: Node
        then: Node
        before: Origin
        for index in range(hands.count):
            before = cython.cast(Origin, hands.holds[index].origin)
            first = before.line
            then = origin.line
            if first is then or self.apart:
                first = before
                then = origin
            if (
                first.serial != 0
                and then.serial != 0
                and interlock_pair_seen(self.seen, interlock_pair(first.serial, then.serial))
            ):
                continue
            known = self.after.get(first)
            if known is not None:
                known = cython.cast(dict, known).get(then)
            if known is None:
                return True
            with cython.critical_section(cython.cast(Edge, known)):
                guards = cython.cast(Edge, known).guards
            if not guards:
                with self.guard:
                    self.note(first, then)
            for guard in guards:
                if guard is before or not hands.has_still(cython.cast(Origin, guard)):
                    return True
        return False

    def note(self, first: Node, then: Node):
        """An edge without guards leads from `first` to `then`. Under the guard."""
        if first.serial == 0:
            first.serial = interlock_next_serial()
        if then.serial == 0:
            then.serial = interlock_next_serial()
        if first.serial != 0 and then.serial != 0:
            interlock_see_pair(self.seen, interlock_pair(first.serial, then.serial))

    def look_closer(self, hands: Hands, what: Primitive, origin: Origin, me: cython.ulonglong) -> cython.int:
        held: list = hands.copy()
        self.let_go(hands, held)
        frame = innermost_frame()
        if frame is not None and frame.f_code.co_name == "wait_for" and is_standard_library(frame.f_code.co_filename):
            return 0  # asyncio's way to try for some time; up to Python 3.11 it has a task of its own for that
        hint = hints.get(me)
        for each in held:
            if cython.cast(Held, each).what is what:
                return 0
        for each in held:
            self.look(cython.cast(Held, each), origin, hint, held)
        return 0

    def let_go(self, hands: Hands, held: list):
        """Have no more in the hands than what is held."""
        index: cython.int = hands.count - 1
        while index >= 0:
            if index < hands.count:
                for each in held:
                    if cython.cast(cython.p_void, cython.cast(Held, each).origin) == hands.holds[index].origin:
                        break
                else:
                    hands.remove(index)
            index -= 1

    def look(self, before: Held, origin: Origin, hint, held: list) -> cython.int:
        """The caller holds `before` and wants what is of `origin`: is there a way back?"""
        if hint is not None and before.order is not None and before.order < hint:
            return 0
        first: Node = before.origin.line
        then: Node = origin.line
        if first is then or self.apart:
            first, then = before.origin, origin
        guards = frozenset(
            [
                cython.cast(Held, each).origin
                for each in held
                if each is not before and cython.cast(Held, each).origin.exclusive
            ]
        )
        after = self.after.get(first)
        edge: Edge = None if after is None else after.get(then)
        if edge is not None:
            with cython.critical_section(edge):
                kept = edge.guards
            if kept <= guards:
                return 0
        frame = innermost_frame()
        now = (None, 0) if frame is None else (frame.f_code, frame.f_lasti)
        with self.guard:
            edge = self.after.setdefault(first, {}).get(then)
            if edge is None:
                if self.edges >= MOST_EDGES:
                    if self.refused % MOST_EDGES == 0:
                        self.forget_dead()
                    self.refused += 1
                    if self.edges >= MOST_EDGES:
                        return 0
                self.edges += 1
                edge = Edge.__new__(Edge)
                edge.number = next(_next_edge)
                edge.names = (before.origin.name, origin.name)
                edge.first = (before.code, before.offset)
                edge.then = now
                edge.guards = guards
                self.after.setdefault(first, {})[then] = edge
            else:
                fewer = edge.guards & guards
                with cython.critical_section(edge):
                    kept = edge.guards
                    edge.guards = fewer
                del kept  # here and not inside, where it could be the last reference
            way = self.way_back(then, first, edge.guards)
            if not edge.guards:
                self.note(first, then)
            if way is None:
                return 0
            key = frozenset([cython.cast(Edge, each).number for each in [edge, *way]])
            if key in self.reported:
                return 0
            self.reported.add(key)
        self.report([edge, *way])
        return 0

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

    def forget_dead(self):
        """Make room: no edge of a single object that is gone can be taken again. Under the guard."""
        for first, after in list(self.after.items()):
            gone = [then for then in after if not is_there(first) or not is_there(then)]
            for then in gone:
                after.pop(then)
            self.edges -= len(gone)
            if not after:
                self.after.pop(first)

    def take_hands(self):
        """Nobody watches any more: what the parties hold is no concern of theirs. It is kept as long as the sink, which
        whoever is late still has.
        """
        for party in [*living.values(), *departed.values()]:
            one: Party = party
            with cython.critical_section(one):
                found = one.hands
                if found is not None and cython.cast(Hands, found).turn == self.turn:
                    one.hands = None
                else:
                    found = None
            if found is not None:
                self.of_late.append(found)

    def locks_of(self, number: int) -> list:
        """What the party with this id holds, as (primitive, `Place`)."""
        party: Party = party_by_id(number)
        with cython.critical_section(party):
            found = party.hands
        if found is None or cython.cast(Hands, found).turn != self.turn:
            return []
        return [
            (cython.cast(Held, each).what, place_of(cython.cast(Held, each).code, cython.cast(Held, each).offset))
            for each in cython.cast(Hands, found).copy()
        ]

    def deeds_by(self, number: int) -> list:
        """What the party with this id has done to what has no owners, as (name of the primitive, its kind, `Deed`), the
        last first."""
        party: Party = party_by_id(number)
        with cython.critical_section(party):
            found = party.hands
        if found is None or cython.cast(Hands, found).turn != self.turn or cython.cast(Hands, found).done_to is None:
            return []
        by: list = []
        for each in list(cython.cast(Hands, found).done_to):
            origin: Origin = each
            with cython.critical_section(origin):
                deeds: Deeds = origin.deeds
            for deed in deeds.read():
                if cython.cast(Deed, deed).party == number:
                    by.append((origin.name, origin.kind, deed))
        return sorted(by, key=time_of_last, reverse=True)


def time_of_last(one) -> int:
    deed: Deed = one[2]
    return deed.time


_next_edge = count(1)


def is_there(node) -> cython.bint:
    if not isinstance(node, Origin):
        return True
    return cython.cast(Origin, node).its_lock() is not None


def innermost_frame():
    """None where C calls, as it does for what is registered with `atexit`."""
    try:
        return sys._getframe()
    except ValueError:
        return None


def holds(what: Primitive, id: cython.ulonglong) -> cython.bint:
    if not isinstance(what, Mutex):
        return id in what.held_by()
    # The usual case, asked for each lock that is given back: without a list of holders.
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
        found = primitive.origin
    if found is None:
        return None
    origin: Origin = found
    return None if origin.label is None and origin.line.where is None else origin.name


def deeds_of(primitive: Primitive) -> list:
    """What has been done to a primitive without owners while somebody watched, as `Deed`s, the last first."""
    with cython.critical_section(primitive):
        found = primitive.origin
    if found is None:
        return []
    with cython.critical_section(cython.cast(Origin, found)):
        deeds: Deeds = cython.cast(Origin, found).deeds
    return [] if deeds is None else deeds.read()


def start_watching(report: object, apart: cython.bint = False) -> OrderSink:
    """Watch the order from now on, in place of the present watcher."""
    global active
    sink: OrderSink = OrderSink(report, apart)
    active = sink
    watch(sink)
    return sink


def resume_watching(sink: OrderSink) -> None:
    """Let this one watch again, in place of the present watcher. It has not seen what was acquired meanwhile."""
    global active
    sink.turn = next(_next_sink)  # what it knew of the parties' hands has gone as others came
    active = sink
    watch(sink)


def stop_watching(sink: OrderSink) -> None:
    """Watch no more, where it is this one that watches."""
    global active
    if active is sink:
        unwatch()
        active = None
        sink.take_hands()


def _renew_guard():
    if active is not None:
        sink: OrderSink = active
        sink.guard = _thread.RLock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_renew_guard)
