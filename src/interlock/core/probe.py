"""The probe: the one point that every operation passes.

`probing` is a C flag. Off, which is how it starts, it costs each operation one branch that is never taken. On,
what happened is handed to the sink: by the party to which it happened, after the fact, outside every critical
section. There is one sink at a time; `Counter` below is the one that `interlock run` uses. Whoever else wants
to know what happens writes a `Sink`, not a second mechanism.
"""

import sys

import cython

probing = False
_sinks: list = []  # every sink there ever was: a late caller may still be inside a stopped one


class Observed:
    """What the probe may know of a primitive; every primitive is one."""


class Sink:
    """Takes what happens, from any thread, and from several at once where there is no GIL."""

    def made(self, what: Observed) -> cython.void:
        """A primitive was made by the innermost Python frame."""

    def happened(
        self, happening: Happening, what: Observed, other: cython.ulonglong, waited: cython.longlong
    ) -> cython.void:
        """`other`: the id of the other party, or 0. `waited`: nanoseconds, where a wait has ended."""


def made(what: Observed) -> cython.void:
    sink: Sink = _sinks[-1]
    sink.made(what)


def happened(happening: Happening, what: Observed, other: cython.ulonglong, waited: cython.longlong) -> cython.void:
    sink: Sink = _sinks[-1]
    sink.happened(happening, what, other, waited)


def start(to: Sink) -> cython.void:
    global probing
    _sinks.append(to)
    probing = True


def stop() -> cython.void:
    global probing
    probing = False


class Tally:
    """What the primitives of one kind that share a name, or the line that made them, have done.

    Attributes: ``kind``, ``name`` or None, ``file`` and ``line`` (None where a primitive was made before the
    counting began), ``made`` (how many there were), ``acquired`` (operations that got what they asked for),
    ``waited`` (operations that had to wait for it, also those that then gave up), ``waited_ns`` and
    ``longest_ns`` (nanoseconds).
    """


class Counter(Sink):
    """Counts per name or line."""

    def __init__(self):
        self.tallies = {}

    def tally(self, what: Observed, frame) -> Tally:
        kind = type(what).__name__
        file = line = None
        if frame is not None:
            file = frame.f_code.co_filename
            line = frame.f_lineno
        fresh: Tally = Tally.__new__(Tally)
        fresh.kind = kind
        fresh.name = what.label
        fresh.file = file
        fresh.line = line
        return self.tallies.setdefault((kind, what.label, file, line), fresh)

    def made(self, what: Observed) -> cython.void:
        # A primitive made inside another (the lock of a condition) counts for the outer one's line.
        frame = sys._getframe()
        # interlock.aio's classes are made through a Python frame of their own.
        while frame.f_globals.get("__name__") == "interlock.aio" and frame.f_back is not None:
            frame = frame.f_back
        tally = self.tally(what, frame)
        with cython.critical_section(tally):
            tally.made += 1
        with cython.critical_section(what):
            what.record = tally

    def happened(
        self, happening: Happening, what: Observed, other: cython.ulonglong, waited: cython.longlong
    ) -> cython.void:
        if (
            happening != Happening.ACQUIRED
            and happening != Happening.GRANTED
            and happening != Happening.TIMED_OUT
            and happening != Happening.CANCELLED
        ):
            return
        with cython.critical_section(what):
            record = what.record
        tally: Tally
        if isinstance(record, Tally):
            tally = record
        else:
            tally = self.tally(what, None)
            with cython.critical_section(what):
                what.record = tally
        with cython.critical_section(tally):
            if happening == Happening.ACQUIRED or happening == Happening.GRANTED:
                tally.acquired += 1
            if happening != Happening.ACQUIRED:
                tally.waited += 1
                tally.waited_ns += waited
                if waited > tally.longest_ns:
                    tally.longest_ns = waited


def start_counting() -> None:
    """Count what every primitive does from now on, from zero."""
    start(Counter())


def stop_counting() -> list[Tally]:
    """Stop counting. Return the tallies, in the order in which their first primitives were made."""
    stop()
    if not _sinks or not isinstance(_sinks[-1], Counter):
        return []
    counter: Counter = _sinks[-1]
    return list(counter.tallies.values())
