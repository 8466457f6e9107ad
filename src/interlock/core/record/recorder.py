"""The recorder: a sink that writes down each thing that happens, when, to whom and in which line.

An event is 48 bytes in memory of its thread (`ring.pxd` says where, and what is dropped). Names are not in it: of the
primitive it has the number of an `Entry`, of the caller's line the address of a code object and an offset, of the party
the id. What they stand for is kept here, in dictionaries, once for each; so an event costs a clock, a frame and six
stores, and everything else is done when it is read.

    operation           where
    1. time             first, so that what follows does not count
    2. entry            `record` of the primitive; made or numbered at its first event. What is told of the primitive is
                        shared by all of the same line, so what stays of one that is gone is a place in a list, until no
                        event names it
    3. party, line      caches in the slot of the thread, filled from the dictionaries
    4. write            no Python call, so nothing can come between

Each step before the last may run anybody's code (an allocation may collect garbage, and a destructor may release a
lock), which may record events of its own, start a recording or end one. So the slot is asked for again before the
write, and the serial, taken at the start, must still be that of the ring.

There is one ring, and one recorder at a time: who wants to record while somebody does so takes part, and the recording
ends with the last one. The next recording has a recorder of its own, so nothing that one thread reads is replaced by
another: a thread that is late still uses the old one, and keeps it until it is done. A forked child records nothing.
"""

import _thread
import os
import sys

import cython
from cython.cimports.cpython.bytes import PyBytes_FromStringAndSize
from cython.cimports.interlock.core.kernel.maker import Maker, is_library
from cython.cimports.interlock.core.kernel.native import interlock_now
from cython.cimports.interlock.core.kernel.party import Party, meet, party_by_id
from cython.cimports.interlock.core.kernel.probe import (
    Counter,
    Entry,
    Happening,
    Observed,
    Record,
    Sink,
    Tally,
    active,
    counts,
)
from cython.cimports.interlock.core.kernel.probe import start as start_probe
from cython.cimports.interlock.core.kernel.probe import stop as stop_probe
from cython.cimports.interlock.core.record.ring import (
    INTERLOCK_FRAMES_UP,
    interlock_code_place,
    interlock_event,
    interlock_find_caller,
    interlock_forget_first,
    interlock_is_marked,
    interlock_party_place,
    interlock_ring_begin,
    interlock_ring_clear,
    interlock_ring_copy,
    interlock_ring_copy_news,
    interlock_ring_in_child,
    interlock_ring_mark,
    interlock_ring_now,
    interlock_ring_setup,
    interlock_slot,
    interlock_slot_claim,
    interlock_slot_get,
    interlock_slot_write,
)
from cython.cimports.interlock.core.tasks.task import caller_id
from cython.cimports.libc.stdlib import calloc, free

# What the lower 8 bits of an event's last field say, by number.
HAPPENINGS = (
    "acquired",
    "waiting",
    "granted",
    "timed out",
    "cancelled",
    "released",
    "woke",
    "notified",
    "requeued",
    "set",
    "cleared",
    "arrived",
    "tripped",
    "broken",
    "counted down",
    "let go",
)
# An event as `struct` spells it: time, party, other party, waited, code, primitive, offset << 8 | happening.
LAYOUT = "=qQQqQII"

CODES_KEPT = cython.declare(cython.Py_ssize_t, 65_536)  # lines of more than these are not known
PARTIES_KEPT = cython.declare(cython.Py_ssize_t, 65_536)  # names of more than these are not known
ENTRIES_KEPT = cython.declare(cython.Py_ssize_t, 65_536)  # from here on those are dropped that no event names
TOLD_KEPT = cython.declare(cython.Py_ssize_t, 16_384)  # a program may give each lock a name of its own
LAST_NUMBER = cython.declare(cython.size_t, 0xFFFFFFFF)
OFFSET_UNKNOWN = cython.declare(cython.uint, 0xFFFFFF)

if not interlock_ring_setup():
    raise ImportError("the system has no thread-local storage left")


class Recorder(Sink):
    """Takes what happens and writes it down."""

    def __init__(self, *args: object, **kwargs: object):
        raise TypeError("use start_recording()")

    def made(self, what: Observed, maker: Maker | None) -> cython.void:
        mine: Record = Record.__new__(Record)
        mine.entry = self.entry_of(type(what), what.label, maker, False)
        counter: Counter = self.counter
        if counter is not None:
            mine.tally = counter.tally_made(what, maker)
        with cython.critical_section(what):
            what.record = mine

    def happened(
        self, happening: Happening, what: Observed, other: cython.ulonglong, waited: cython.longlong
    ) -> cython.void:
        time: cython.longlong = interlock_ring_now()
        serial: cython.uint = self.serial
        mine: Record
        with cython.critical_section(what):
            record = what.record
        if isinstance(record, Record):
            mine = record
            if mine.serial != serial or mine.purges != self.purges or mine.entry.type is not type(what):
                mine = self.numbered(what, record)
        else:
            mine = self.numbered(what, record)

        party: cython.ulonglong = caller_id()
        slot: cython.pointer(interlock_slot) = interlock_slot_get(serial)
        code: cython.p_void = cython.NULL
        offset: cython.int = -1
        if slot != cython.NULL:
            if interlock_party_place(slot, party)[0] != party:
                self.know_party(serial, party)
            if not interlock_find_caller(slot, cython.address(code), cython.address(offset)):
                self.find_caller(serial, cython.address(code), cython.address(offset))
            spot: cython.uint = OFFSET_UNKNOWN if offset < 0 or offset > 0xFFFFFE else offset
            self.write(what, mine, time, party, other, waited, code, spot << 8 | cython.cast(cython.uint, happening))
        counter: Counter = self.counter
        if counter is not None and counts(happening):
            with cython.critical_section(what):
                tally: Tally = mine.tally
            if tally is None:
                tally = counter.tally(what, None)
                with cython.critical_section(what):
                    mine.tally = tally
            counter.count(tally, happening, waited)

    def happened_at(
        self,
        happening: Happening,
        what: Observed,
        other: cython.ulonglong,
        waited: cython.longlong,
        code,
        offset: cython.int,
    ) -> cython.ulonglong:
        """The same, at this instruction of this code, wherever the caller is. Returns the id of the calling party."""
        time: cython.longlong = interlock_ring_now()
        serial: cython.uint = self.serial
        with cython.critical_section(what):
            record = what.record
        mine: Record = None
        if isinstance(record, Record):
            mine = record
        if mine is None or mine.serial != serial or mine.purges != self.purges:
            mine = self.numbered(what, record)
        address: cython.size_t = cython.cast(cython.size_t, cython.cast(cython.p_void, code))
        codes: dict = self.codes
        if address not in codes and len(codes) < CODES_KEPT:
            codes.setdefault(address, (code, is_library(code.co_filename)))
        party: cython.ulonglong = caller_id()
        slot: cython.pointer(interlock_slot) = interlock_slot_get(serial)
        if slot != cython.NULL and interlock_party_place(slot, party)[0] != party:
            self.know_party(serial, party)
        if slot != cython.NULL:
            spot: cython.uint = OFFSET_UNKNOWN if offset < 0 or offset > 0xFFFFFE else offset
            where: cython.p_void = cython.cast(cython.p_void, code)
            self.write(what, mine, time, party, other, waited, where, spot << 8 | cython.cast(cython.uint, happening))
        return party

    def write(
        self,
        what: Observed,
        mine: Record,
        time: cython.longlong,
        party: cython.ulonglong,
        other: cython.ulonglong,
        waited: cython.longlong,
        code: cython.p_void,
        spot: cython.uint,
    ) -> cython.void:
        while True:
            slot: cython.pointer(interlock_slot) = interlock_slot_get(self.serial)
            if slot == cython.NULL:
                return
            # Since it was numbered somebody may have found that no event names it, and forgotten it: this one does not
            # yet. From the claim on nobody forgets it.
            interlock_slot_claim(slot, mine.number)
            if mine.purges == self.purges:
                interlock_slot_write(slot, time, party, other, waited, code, mine.number, spot)
                return
            mine = self.numbered(what, mine)

    # What is looked up seldom.

    def entry_of(self, kind: type, label: str | None, maker: Maker | None, inner: cython.bint) -> Entry:
        # The entry keeps the class and the maker, so no other comes to have their addresses.
        key = (
            cython.cast(cython.size_t, cython.cast(cython.p_void, kind)),
            label,
            cython.cast(cython.size_t, cython.cast(cython.p_void, maker)),
            inner,
        )
        found = self.told.get(key)
        if found is None:
            entry: Entry = Entry.__new__(Entry)
            entry.type = kind
            entry.kind = kind.__name__
            entry.label = label
            entry.maker = maker
            entry.inner = inner
            if len(self.told) >= TOLD_KEPT:
                self.told.clear()
            found = self.told.setdefault(key, entry)
        return found

    def numbered(self, what: Observed, record) -> Record:
        """The record of `what`, with a number that this recording knows it by."""
        mine: Record = None
        known: Record = None
        if isinstance(record, Record):
            known = record
        if known is not None and known.entry.type is type(what):
            mine = known
        else:
            mine = Record.__new__(Record)
            maker: Maker = None
            if known is not None:
                # A condition has given its record to the lock that it has made.
                maker = known.entry.maker
                with cython.critical_section(what):
                    mine.tally = known.tally
            elif isinstance(record, Tally):
                mine.tally = record
                maker = mine.tally.maker
            mine.entry = self.entry_of(type(what), what.label, maker, known is not None)
            with cython.critical_section(what):
                what.record = mine
        young: cython.Py_ssize_t
        with cython.critical_section(self):
            # Nothing here runs anybody's code: no object that the collector tracks is made, and none goes.
            # While numbers are being forgotten it is too late to claim one of them. See `purges`.
            if mine.serial != self.serial or self.purges & 1 or not self.knows(mine.number):
                young = len(self.young)
                mine.number = 0
                if cython.cast(cython.size_t, young) < LAST_NUMBER - self.first:
                    mine.number = self.first + cython.cast(cython.uint, young)
                    self.young.append(mine.entry)
                mine.serial = self.serial
            mine.purges = self.purges
            young = len(self.young)
        if young >= self.purge_at:
            self.purge()
        return mine

    def knows(self, number: cython.uint) -> cython.bint:
        return (self.first <= number < self.first + len(self.young)) or number in self.old

    def purge(self) -> cython.int:
        """Forget the numbers that no event names any more; who is still in use gets a new one with its next event.

        Those before the first that is named go, and what few are among them into a dictionary: at most one in eight.
        """
        old: list = list(self.old)
        named: cython.size_t = 0
        number: cython.size_t
        upto: cython.size_t
        with cython.critical_section(self):
            numbers: cython.size_t = self.first + cython.cast(cython.size_t, len(self.young))
            used: cython.p_uchar = cython.cast(cython.p_uchar, calloc(numbers // 8 + 1, 1))
            if used != cython.NULL and len(self.young) >= self.purge_at and not self.purges & 1:
                # Before the look at who uses what: see `interlock_slot_claim`.
                self.purges += 1
                interlock_ring_mark(self.serial, used, numbers)
                upto = self.first
                for number in range(self.first, numbers):
                    named += interlock_is_marked(used, number)
                    if 8 * named <= number + 1 - self.first:
                        upto = number + 1
                for number in range(self.first, upto):
                    if interlock_is_marked(used, number):
                        self.old[number] = self.young[number - self.first]
                interlock_forget_first(self.young, upto - self.first)
                self.first = cython.cast(cython.uint, upto)
                for key in old:
                    if not interlock_is_marked(used, key):
                        self.old.pop(key, None)
                self.purge_at = max(ENTRIES_KEPT, len(self.young) + len(self.young) // 4)
                self.purges += 1
        free(used)
        return 0

    def entries_from(self, number: cython.uint) -> dict:
        """The entries of all numbers from this one on."""
        found: dict = {each: entry for each, entry in list(self.old.items()) if each >= number}
        at: cython.size_t = number
        while True:
            entry = None
            with cython.critical_section(self):
                if at < self.first:
                    at = self.first
                if at < self.first + cython.cast(cython.size_t, len(self.young)):
                    entry = self.young[at - self.first]
            if entry is None:
                return found
            found[at] = entry
            at += 1

    def find_caller(self, serial: cython.uint, caller: cython.pp_void, offset: cython.p_int) -> cython.int:
        """What `interlock_find_caller` does, by Python's means, and tell this thread's slot what it did not know."""
        codes: dict = self.codes
        frame = sys._getframe()
        library: cython.bint = True
        innermost: cython.bint = True
        up: cython.int = INTERLOCK_FRAMES_UP
        slot: cython.pointer(interlock_slot)
        while frame is not None and library and up > 0:
            code = frame.f_code
            address: cython.size_t = cython.cast(cython.size_t, cython.cast(cython.p_void, code))
            known = codes.get(address)
            if known is None:
                if len(codes) >= CODES_KEPT:
                    return 0
                known = codes.setdefault(address, (code, is_library(code.co_filename)))
            library = known[1]
            if innermost or not library:
                caller[0] = cython.cast(cython.p_void, code)
                offset[0] = frame.f_lasti
                innermost = False
            slot = interlock_slot_get(serial)
            if slot != cython.NULL:
                interlock_code_place(slot, cython.cast(cython.p_void, code))[0] = address | library
            frame = frame.f_back
            up -= 1
        return 0

    def know_party(self, serial: cython.uint, id: cython.ulonglong) -> cython.int:
        parties: dict = self.parties
        if id not in parties and len(parties) < PARTIES_KEPT:
            me: Party = meet()
            party: Party = party_by_id(id)
            party.note_name()  # for when its task or thread is no more
            parties[id] = (party, me.id)
            parties.setdefault(me.id, (me, me.id))
        slot: cython.pointer(interlock_slot) = interlock_slot_get(serial)
        if slot != cython.NULL:
            interlock_party_place(slot, id)[0] = id
        return 0


class Awaited(Observed):
    """What a task waits for that is none of our primitives. ``label``: what to call it."""

    def __init__(self, label: str):
        self.label = label


def note_await(what: Awaited, began: bool, other: int, waited: int, code: object, offset: int) -> int:
    """The calling task begins to wait, or has waited for so many nanoseconds, at this instruction of this code. Returns
    the id by which the task is known; 0 where nothing records. ``other``: it has let that one go on, instead."""
    sink: Sink = active()
    if not isinstance(sink, Recorder):
        return 0
    happening: Happening = Happening.WAITING if began else Happening.GRANTED
    if other:
        happening = Happening.WOKE
    return cython.cast(Recorder, sink).happened_at(happening, what, other, waited, code, offset)


# Re-entrant: a signal handler may start a recording, too. `threading`'s own, also where ours stand in its place.
_guard = _thread.RLock()
# Both guarded by it. The recorder of the recording that is under way, in a list of one, or of none.
_recorder: list = []
_takers: dict = {}  # token -> when it began


class Taken:
    """What a recording has come to, as the core has it: see `LAYOUT` and `HAPPENINGS`.

    Attributes: ``events`` (bytes, in no order), ``began`` and ``ended`` (monotonic nanoseconds), ``dropped`` (events
    that there was no room for), ``complete_from`` (the time from which on there are all), ``entries`` (number ->
    `Entry`), ``codes`` (address -> code object) and ``parties`` (id -> (name, whether it is a task, id of its thread)).
    """


def start_recording(events: int = 1_000_000) -> object:
    """Record what every primitive does from now on. Returns a token for `stop_recording`.

    ``events``: how many to keep, the youngest, 340 or more. Where a recording is under way already, it goes on as it
    is.
    """
    token = object()
    with _guard:
        if not _takers:
            begin(events)
        _takers[token] = interlock_now()
    return token


def begin(events: cython.ulonglong):
    before: Sink = active()
    recorder: Recorder = Recorder.__new__(Recorder)
    recorder.told = {}
    recorder.young = []
    recorder.first = 1
    recorder.old = {}
    recorder.codes = {}
    recorder.parties = {}
    recorder.purge_at = ENTRIES_KEPT
    recorder.before = before
    recorder.counter = before if isinstance(before, Counter) else None
    recorder.serial = interlock_ring_begin(events)
    _recorder[:] = [recorder]
    start_probe(recorder)


def stop_recording(token: object) -> Taken:
    """Return what was recorded since the token was given out. The recording ends with the last token."""
    with _guard:
        ended = interlock_now()
        began = _takers.pop(token, ended)
        if not _takers:
            put_back()
        taken = take(began, ended)
        if not _takers:
            forget()
    return taken


def put_back():
    """Leave the probe as it was found, unless somebody else has taken it meanwhile."""
    recorder: Recorder = _recorder[0]
    if active() is recorder:
        if recorder.before is None:
            stop_probe()
        else:
            start_probe(recorder.before)


def take(began, ended) -> Taken:
    recorder: Recorder = _recorder[0]
    events: cython.size_t = 0
    dropped: cython.ulonglong = 0
    complete_from: cython.longlong = 0
    copy: cython.pointer(interlock_event) = interlock_ring_copy(
        recorder.serial, cython.address(events), cython.address(dropped), cython.address(complete_from)
    )
    taken: Taken = Taken.__new__(Taken)
    taken.began = began
    taken.ended = ended
    taken.dropped = dropped
    taken.complete_from = complete_from
    try:
        taken.events = PyBytes_FromStringAndSize(
            cython.cast(cython.p_char, copy), events * cython.sizeof(interlock_event)
        )
    finally:
        free(copy)
    taken.entries = recorder.entries_from(0)
    take_names(taken)
    return taken


def take_news(everything: bool, known: int) -> Taken | None:
    """Return what has been recorded since the last call, or ``everything`` that is kept; None while nothing records.

    ``known``: the number of the last entry that the caller has seen: the younger ones are given, and all codes and
    parties. ``dropped`` is how many events no call has returned, of those that were due now.
    """
    with _guard:
        if not _takers:
            return None
        recorder: Recorder = _recorder[0]
        events: cython.size_t = 0
        missed: cython.ulonglong = 0
        missed_until: cython.longlong = 0
        copy: cython.pointer(interlock_event) = interlock_ring_copy_news(
            recorder.serial, everything, cython.address(events), cython.address(missed), cython.address(missed_until)
        )
        taken: Taken = Taken.__new__(Taken)
        taken.began = min(_takers.values())
        taken.ended = interlock_now()
        taken.dropped = missed
        taken.complete_from = missed_until
        try:
            taken.events = PyBytes_FromStringAndSize(
                cython.cast(cython.p_char, copy), events * cython.sizeof(interlock_event)
            )
        finally:
            free(copy)
        taken.entries = recorder.entries_from(known + 1)
        take_names(taken)
    return taken


def take_names(taken: Taken):
    recorder: Recorder = _recorder[0]
    taken.codes = {address: known[0] for address, known in list(recorder.codes.items())}
    taken.parties = {id: (known[0].name, bool(id >> 63), known[1]) for id, known in list(recorder.parties.items())}


def forget():
    """A thread that is in the middle of an event finds, when it comes to write it, that the ring has gone on."""
    interlock_ring_clear()
    _recorder.clear()


def _after_fork_in_child():
    interlock_ring_in_child()
    if _recorder:
        put_back()
        forget()
    _takers.clear()
    _guard.release()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_guard.acquire, after_in_parent=_guard.release, after_in_child=_after_fork_in_child)
