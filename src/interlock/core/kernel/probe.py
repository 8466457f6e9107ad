"""The probe: the one point that every operation passes.

`probing` is a C flag. Off, which is how it starts, it costs each operation one branch that is never taken. On,
what happened is handed to the sink: by the party to which it happened, after the fact, outside every critical
section. There is one sink at a time; `Counter` below is the one that `interlock run` uses, `core/record/recorder.py`
has the other, which counts as well where it has taken a counter's place. Beside it there may be one watcher, which is
asked before a lock is taken as well (`core/explain/order.py`). Other code that wants to know what happens writes a
`Sink`, not a second mechanism.
"""

from itertools import count

import cython
from cython.cimports.interlock.core.kernel.control import Controller, after, controlling, set_controller
from cython.cimports.interlock.core.kernel.maker import Maker, forget_makers, maker_of
from cython.cimports.interlock.core.kernel.native import interlock_version_of

probing = False
_counting = cython.declare(cython.bint, False)
_watching = cython.declare(cython.bint, False)

_next_counter = count(1)


class Observed:
    """What the probe may know of a primitive; every primitive is one."""


class Sink:
    """Takes what happens, from any thread, and from several at once where there is no GIL."""

    def wanted(self, what: Observed) -> cython.int:
        """The caller is about to take `what`, without a timeout. May raise."""
        return 0

    def made(self, what: Observed, maker: Maker | None) -> cython.void:
        """A primitive was made. ``maker``: by whom, None where no line of Python did."""

    def happened(
        self, happening: Happening, what: Observed, other: cython.ulonglong, waited: cython.longlong
    ) -> cython.void:
        """`other`: the id of the other party, or 0. `waited`: nanoseconds, where a wait has ended."""


# One each: who is asked now, or one that does nothing. In a list, because a caller that takes it out of there has a
# reference of its own, also where another thread puts a new one in at this very moment.
_sinks: list = [Sink()]
_watchers: list = [Sink()]


def made(what: Observed) -> cython.void:
    if not _counting and not _watching:
        return
    maker: Maker = maker_of(type(what))
    if _counting:
        cython.cast(Sink, _sinks[0]).made(what, maker)
    if _watching:
        cython.cast(Sink, _watchers[0]).made(what, maker)


def happened(happening: Happening, what: Observed, other: cython.ulonglong, waited: cython.longlong) -> cython.void:
    if _counting:
        cython.cast(Sink, _sinks[0]).happened(happening, what, other, waited)
    if _watching:
        cython.cast(Sink, _watchers[0]).happened(happening, what, other, waited)
    if controlling and (
        happening == Happening.RELEASED
        or happening == Happening.SET
        or happening == Happening.CLEARED
        or happening == Happening.NOTIFIED
    ):
        after(what)


def wanted(what: Observed) -> cython.int:
    if _watching:
        cython.cast(Sink, _watchers[0]).wanted(what)
    return 0


def start(to: Sink) -> cython.void:
    global probing, _counting
    _sinks[0] = to
    _counting = True
    probing = True


def stop() -> cython.void:
    global probing, _counting
    _counting = False
    _sinks[0] = Sink()
    probing = _watching or controlling
    if not probing:
        forget_makers()


def watch(to: Sink) -> cython.void:
    global probing, _watching
    _watchers[0] = to
    _watching = True
    probing = True


def unwatch() -> cython.void:
    global probing, _watching
    _watching = False
    _watchers[0] = Sink()
    probing = _counting or controlling
    if not probing:
        forget_makers()


def control(controller: Controller | None):
    """Let `controller` decide who goes on; None: nobody. It needs the points that only a probed operation passes."""
    global probing
    set_controller(controller)
    probing = controlling or _counting or _watching


def active() -> Sink:
    return _sinks[0] if _counting else None


class Entry:
    """What a recorder knows of a primitive, and of all of which it knows the same.

    Attributes: ``kind`` (the name of its class), ``label`` (its name, or None), ``maker`` (a `Maker`, or None where
    it was made before anybody watched), ``inner`` (it is the lock that a condition has made for itself) and ``giver``
    (the code that ends waits for it, where that is known).
    """

    def __init__(self, *args: object, **kwargs: object):
        raise TypeError("entries are made by a recorder")

    @property
    def family(self) -> str:
        """The name of the class of ours that the primitive's class is or derives from."""
        for kind in self.type.__mro__:
            if kind.__module__.startswith("interlock.core."):
                return kind.__name__
        return self.kind


class Record:
    """What a recorder keeps about one primitive."""


def name_entry(what: Observed, label: str, giver: object) -> None:
    """Have recordings call ``what`` by this name, and charge the waits for it to this code."""
    with cython.critical_section(what):
        record = what.record
    if isinstance(record, Record):
        known: Record = record
        before: Entry = known.entry
        entry: Entry = Entry.__new__(Entry)
        entry.type = before.type
        entry.kind = before.kind
        entry.label = label
        entry.maker = before.maker
        entry.inner = before.inner
        entry.giver = giver
        mine: Record = Record.__new__(Record)
        mine.entry = entry
        mine.tally = known.tally
        with cython.critical_section(what):
            what.record = mine


# --- counting ----------------------------------------------------------------------------------------------------


class Tally:
    """What the primitives of one kind that share a name, or the line that made them, have done.

    Attributes: ``kind``, ``name`` or None, ``file``, ``line`` and ``maker`` (None where a primitive was made before
    the counting began), ``outer`` (file and line outside the standard library, where ``file`` is in it, or None),
    ``made`` (how many there were), ``acquired`` (operations that got what they asked for),
    ``waited`` (operations that had to wait for it, also those that then gave up), ``waited_ns`` and
    ``longest_ns`` (nanoseconds).
    """


def counts(happening: Happening) -> cython.bint:
    """Whether something has been got, or a wait has ended."""
    return (
        happening == Happening.ACQUIRED
        or happening == Happening.GRANTED
        or happening == Happening.TIMED_OUT
        or happening == Happening.CANCELLED
    )


class Counter(Sink):
    """Counts per name or line."""

    def __init__(self):
        self.serial = next(_next_counter)
        self.tallies = {}

    def tally(self, what: Observed, maker: Maker | None) -> Tally:
        kind = type(what).__name__
        fresh: Tally = Tally.__new__(Tally)
        fresh.kind = kind
        fresh.name = what.label
        fresh.maker = maker
        fresh.counter = self.serial
        fresh.version = interlock_version_of(type(what))
        if maker is not None:
            fresh.file = maker.code.co_filename
            fresh.line = maker.line
            if maker.outer_code is not None:
                fresh.outer = (maker.outer_code.co_filename, maker.outer_line)
        # Two that one line made may have two names.
        spot = None
        if maker is not None:
            spot = (maker.offset, maker.outer_offset)
        return self.tallies.setdefault((kind, what.label, fresh.file, fresh.line, fresh.outer, spot), fresh)

    def tally_made(self, what: Observed, maker: Maker | None) -> Tally:
        # A primitive made inside another (the lock of a condition) counts for the outer one's line.
        tally: Tally = None
        if maker is not None and what.label is None:
            # Mostly the one that this line made before is of the same class.
            with cython.critical_section(maker):
                known = maker.tally
            if known is not None:
                tally = known
                if (
                    tally.counter != self.serial
                    or tally.version == 0
                    or tally.version != interlock_version_of(type(what))
                ):
                    tally = None
        if tally is None:
            tally = self.tally(what, maker)
            if maker is not None and what.label is None:
                with cython.critical_section(maker):
                    known = maker.tally
                    maker.tally = tally
                known = None  # here and not inside, where it could be the last reference
        with cython.critical_section(tally):
            tally.made += 1
        return tally

    def made(self, what: Observed, maker: Maker | None) -> cython.void:
        tally = self.tally_made(what, maker)
        with cython.critical_section(what):
            what.record = tally

    def happened(
        self, happening: Happening, what: Observed, other: cython.ulonglong, waited: cython.longlong
    ) -> cython.void:
        if not counts(happening):
            return
        with cython.critical_section(what):
            record = what.record
        tally: Tally = None
        if isinstance(record, Tally):
            tally = record
        elif isinstance(record, Record):
            # A recording has come and gone.
            with cython.critical_section(what):
                tally = cython.cast(Record, record).tally
        if tally is None:
            tally = self.tally(what, None)
            with cython.critical_section(what):
                if isinstance(record, Record):
                    cython.cast(Record, record).tally = tally
                else:
                    what.record = tally
        self.count(tally, happening, waited)

    def count(self, tally: Tally, happening: Happening, waited: cython.longlong) -> cython.void:
        with cython.critical_section(tally):
            if happening == Happening.ACQUIRED or happening == Happening.GRANTED:
                tally.acquired += 1
            if happening != Happening.ACQUIRED:
                tally.waited += 1
                tally.waited_ns += waited
                if waited > tally.longest_ns:
                    tally.longest_ns = waited


def made_by(what: Observed) -> Maker | None:
    """The line that made ``what``, where somebody counted or recorded then."""
    with cython.critical_section(what):
        record = what.record
    if isinstance(record, Tally):
        return cython.cast(Tally, record).maker
    return cython.cast(Record, record).entry.maker if isinstance(record, Record) else None


def count_open(what: Observed, waited: int) -> None:
    """Count a wait for ``what`` that goes on still, as if it ended now. ``waited``: nanoseconds until now."""
    sink = active()
    if isinstance(sink, Counter):
        cython.cast(Counter, sink).happened(Happening.CANCELLED, what, 0, waited)


def start_counting() -> None:
    """Count what every primitive does from now on, from zero."""
    start(Counter())


def stop_counting() -> list[Tally]:
    """Stop counting. Return the tallies, in the order in which their first primitives were made."""
    sink: Sink = active()
    stop()
    return list(cython.cast(Counter, sink).tallies.values()) if isinstance(sink, Counter) else []
