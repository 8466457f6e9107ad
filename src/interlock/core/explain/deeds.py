"""Who has put, got, set, notified, arrived: what cannot be found out later of a wait that nobody ends.

While the order of locks is watched, as under `interlock run`, each primitive that has no owners keeps a small table of
what has been done to it: one entry for each party, line and kind of thing, with how often that was and when last. The
entry that is oldest makes room where the table is full. A loop that puts a million items changes one entry a million
times: it costs the caller's frame, a clock and a look through the table, and allocates nothing.

What the standard library has made for itself (the condition in a future) has no table: its waits have names of their
own.
"""

import cython
from cython.cimports.cpython.mem import PyMem_RawFree, PyMem_RawRealloc
from cython.cimports.interlock.core.kernel.maker import is_in_library
from cython.cimports.interlock.core.kernel.native import (
    interlock_code_of,
    interlock_frame,
    interlock_frame_below,
    interlock_lasti_of,
    interlock_now,
)
from cython.cimports.interlock.core.kernel.party import Party, party_by_id
from cython.cimports.interlock.core.kernel.probe import Happening

MOST = cython.declare(cython.int, 32)  # entries; of more parties than these nobody would read
FRAMES_UP = cython.declare(cython.int, 12)  # from where we are called to the program, through the library


class Deed:
    """What a party has done to a primitive in one line.

    Attributes: ``party`` (its id), ``name`` (what it was called then, or None), ``happening`` (a number of the probe's
    `Happening`), ``code`` and ``offset`` (the line, a code of None where it is not known), ``times`` and ``time``
    (monotonic nanoseconds, of the last one).
    """

    def __init__(self, *args: object, **kwargs: object):
        raise TypeError("deeds are noted while the order of locks is watched")


class Deeds:
    """The table of one primitive."""

    def __dealloc__(self):
        for index in range(self.count):
            interlock_drop_deed(cython.address(self.deeds[index]))
        PyMem_RawFree(self.deeds)

    def again(
        self,
        party: cython.ulonglong,
        happening: Happening,
        code: cython.p_void,
        offset: cython.int,
        now: cython.longlong,
    ) -> cython.bint:
        """Count it once more where there is an entry for it. Returns whether there is."""
        index: cython.int
        with cython.critical_section(self):
            index = self.count - 1
            while index >= 0:
                if (
                    self.deeds[index].party == party
                    and self.deeds[index].offset == offset
                    and self.deeds[index].code == code
                    and self.deeds[index].happening == cython.cast(cython.int, happening)
                ):
                    self.deeds[index].times += 1
                    self.deeds[index].time = now
                    break
                index -= 1
        return index >= 0

    def note(self, happening: Happening, me: cython.ulonglong) -> cython.bint:
        """The calling party has done this. Returns whether the table had no such entry."""
        code = None
        offset: cython.int = -1
        up: cython.int = 0
        now: cython.longlong = interlock_now()
        frame = interlock_frame()
        if frame is not None:
            # Mostly it is done again where it was done before, without the library between.
            code = interlock_code_of(frame)
            offset = interlock_lasti_of(frame)
            if self.again(me, happening, cython.cast(cython.p_void, code), offset, now):
                return False
        while frame is not None and up < FRAMES_UP:
            here = interlock_code_of(frame)
            inside: cython.bint = is_in_library(here)
            if up == 0 or not inside:
                code = here
                offset = interlock_lasti_of(frame)
            if not inside:
                break
            frame = interlock_frame_below(frame)
            up += 1
        address: cython.p_void = cython.NULL if code is None else cython.cast(cython.p_void, code)
        if self.again(me, happening, address, offset, now):
            return False
        party: Party = party_by_id(me)
        party.note_name()
        with cython.critical_section(party):
            name = party.last_name
        deed: interlock_deed
        interlock_begin_deed(cython.address(deed), code, name)
        deed.party = me
        deed.happening = happening
        deed.offset = offset
        deed.time = now
        deed.times = 1
        dropped: interlock_deed = deed  # what there is no room for
        room: cython.int
        index: cython.int
        oldest: cython.int = 0
        more: cython.p_void
        with cython.critical_section(self):
            if self.count == self.room and self.room < MOST:
                room = 2 * self.room if self.room else 2
                more = PyMem_RawRealloc(self.deeds, room * cython.sizeof(interlock_deed))
                if more != cython.NULL:
                    self.deeds = cython.cast(cython.pointer(interlock_deed), more)
                    self.room = room
            if self.count < self.room:
                self.deeds[self.count] = deed
                self.count += 1
                dropped.code = dropped.name = cython.NULL
            elif self.count != 0:
                for index in range(1, self.count):
                    if self.deeds[index].time < self.deeds[oldest].time:
                        oldest = index
                dropped = self.deeds[oldest]
                self.deeds[oldest] = deed
        interlock_drop_deed(cython.address(dropped))
        return True

    def read(self) -> list:
        """As `Deed`s, the last first."""
        found: list = []
        room: cython.int = self.count
        for _ in range(room):  # made first: nothing is allocated inside
            found.append(Deed.__new__(Deed))
        length: cython.int = 0
        deed: Deed
        with cython.critical_section(self):
            while length < room and length < self.count:
                deed = cython.cast(Deed, found[length])
                deed.party = self.deeds[length].party
                deed.happening = self.deeds[length].happening
                deed.offset = self.deeds[length].offset
                deed.times = self.deeds[length].times
                deed.time = self.deeds[length].time
                if self.deeds[length].code != cython.NULL:
                    deed.code = cython.cast(object, self.deeds[length].code)
                if self.deeds[length].name != cython.NULL:
                    deed.name = cython.cast(object, self.deeds[length].name)
                length += 1
        del found[length:]
        return sorted(found, key=time_of, reverse=True)


def time_of(deed) -> int:
    return cython.cast(Deed, deed).time
