"""What a recording tells: who held what from when to when, who waited for it, and who ended that wait.

The events of a party are in its order; those of two parties are in the order of their clocks, which may differ from
that of the primitive by the time between a deed and its writing down. So a lock may look taken before it looks
released. Where the kind of a primitive says that this cannot be, the later event is believed and the earlier one cut
short. And events may be missing: those before the recording began, and those that were dropped.

    family                   a hold                                    who made a party wait
    Lock, RLock              from acquire to release; one at a time    who held it longest during the wait
    RWLock                   the same, one for each party              the same
    Semaphore, Bounded...    each permit; ended by its own party, or   the same
                             else the oldest one; none at all where
                             no party ever gives back what it took
    all others               none                                      who woke it
"""

from bisect import bisect_left, bisect_right
from collections import Counter, defaultdict
from collections.abc import Iterable
from itertools import accumulate
from typing import NamedTuple

from interlock.core.record.recorder import HAPPENINGS
from interlock.watch.recording import Primitive, Progress, Recording, unseen

ACQUIRED, WAITING, GRANTED, TIMED_OUT, CANCELLED, RELEASED, WOKE, NOTIFIED, REQUEUED = range(9)
LET_GO = HAPPENINGS.index("let go")
_MARKS = {
    RELEASED: "release",
    NOTIFIED: "notify",
    HAPPENINGS.index("set"): "set",
    HAPPENINGS.index("cleared"): "clear",
    HAPPENINGS.index("arrived"): "arrive",
    HAPPENINGS.index("tripped"): "trip",
    HAPPENINGS.index("broken"): "broken",
    HAPPENINGS.index("counted down"): "count down",
}
_SEMAPHORES = ("Semaphore", "BoundedSemaphore")
HELD = ("Lock", "RLock", "RWLock", *_SEMAPHORES)
_TOLD_APART = 16  # objects that share name and line; of more than these, nobody wants to read one by one

GRANTED_TO, GAVE_UP, WAS_CANCELLED, WAITS_STILL = range(4)  # outcomes


class Hold(NamedTuple):
    """``primitive``: a number in `Story.primitives`; ``object``: the one in the recording, which is one of many where
    very many share a name."""

    primitive: int
    party: int
    start: int
    end: int
    place: int
    open: int
    object: int = -1


class Wait(NamedTuple):
    """``holder``: the party that held the object longest during the wait, for ``held`` nanoseconds of it;
    ``others``: how many other parties held it during the wait, the one that waits not counted."""

    primitive: int
    party: int
    start: int
    end: int
    place: int
    outcome: int
    waker: int
    wake_time: int
    holder: int
    holder_place: int
    waker_place: int
    held: int = 0
    others: int = 0
    object: int = -1


class Mark(NamedTuple):
    time: int
    party: int
    primitive: int
    kind: str
    place: int


class Story:
    """Sense made of a recording.

    Attributes: ``recording``; ``primitives`` (those of the recording that are the program's, with names that tell
    them apart; very many of one name are one); ``holds``, ``waits`` and ``marks``, each in the order of their
    beginnings; ``acquired`` (how often, by primitive, place and party), ``blamed`` (nanoseconds of waiting, by
    primitive and the place that made them wait) and ``hidden`` (how many objects are not the program's).
    """

    def __init__(self, recording: Recording, progress: Progress = unseen, internals: bool = False) -> None:
        """``internals``: those of the standard library are there, too."""
        self.recording = recording
        self._progress = progress
        self._internals = internals
        self.primitives: list[Primitive] = []
        self.hidden: int = 0
        self._group = self._group_primitives()
        self.marks: list[Mark] = []
        self.acquired: Counter[tuple[int, int, int]] = Counter()
        # Of single objects, until they are put together with their group.
        self._holds: list[Hold] = []
        self._waits: list[Wait] = []
        self._read()
        self.blamed: Counter[tuple[int, int]] = Counter()
        self._find_holders()
        group = self._group
        self.holds: list[Hold] = sorted(
            (hold._replace(primitive=group[hold.primitive], object=hold.primitive) for hold in self._holds), key=_start
        )
        self.waits: list[Wait] = [
            wait._replace(primitive=group[wait.primitive], object=wait.primitive) for wait in self._waits
        ]
        del self._holds, self._waits

    def _group_primitives(self) -> list[int]:
        """For each primitive of the recording its number in `primitives`, or -1."""
        alike: dict[Primitive, list[int]] = defaultdict(list)
        for number, primitive in enumerate(self.recording.primitives):
            if primitive.own or self._internals:
                alike[primitive].append(number)
            else:
                self.hidden += 1
        group = [-1] * len(self.recording.primitives)
        for primitive, numbers in alike.items():
            if len(numbers) > _TOLD_APART:
                for number in numbers:
                    group[number] = len(self.primitives)
                self.primitives.append(primitive._replace(name=f"{primitive.name} ×{len(numbers):,}"))
            else:
                for which, number in enumerate(numbers, 1):
                    group[number] = len(self.primitives)
                    name = f"{primitive.name} #{which}" if len(numbers) > 1 else primitive.name
                    self.primitives.append(primitive._replace(name=name))
        return group

    def _read(self) -> None:
        recording, group = self.recording, self._group
        exclusive, reentrant, shared = _Exclusive(self, False), _Exclusive(self, True), _Shared(self)
        permits, nothing = _Permits(self), _Keeper(self)
        by_family: dict[str, _Keeper] = {"Lock": exclusive, "RLock": reentrant, "RWLock": shared}
        by_family |= dict.fromkeys(_SEMAPHORES, permits)
        ledgers = [by_family.get(primitive.family, nothing) for primitive in recording.primitives]
        # party, primitive -> since when, place, and who it is for those who wake it: for a task that blocks its thread,
        # that thread
        waiting: dict[tuple[int, int], tuple[int, int, int]] = {}
        known: dict[int, int] = {}  # party -> the same, at its last wait
        woken: dict[tuple[int, int], tuple[int, int, int]] = {}  # party, primitive -> by whom, when, place
        moved: dict[int, tuple[int, int]] = {}  # party -> by whom, when: notified, and then got the lock
        notified: dict[tuple[int, int], int] = {}  # party, primitive -> place
        last_notified: dict[int, tuple[int, int, int]] = {}  # primitive -> by whom, when, place
        rows = self._progress("reading what happened", recording.rows(), len(recording))
        for time, what, party, primitive, place, other, waited in rows:
            which = group[primitive]
            if which < 0:
                continue
            ledger = ledgers[primitive]
            if what == ACQUIRED:
                self.acquired[which, place, party] += 1
                ledger.take(primitive, party, time, place)
            elif what == RELEASED:
                ledger.give(primitive, party, time, place)
            elif what == WAITING:
                known[party] = party if other < 0 else other
                waiting[party, primitive] = time, place, known[party]
            elif what == WOKE:
                woken[other, primitive] = party, time, place
            elif what in (GRANTED, TIMED_OUT, CANCELLED):
                if other >= 0:
                    party = other
                unknown = max(0, time - waited), place, party
                start, place_of_wait, known_as = waiting.pop((party, primitive), unknown)
                woke_by, wake_time, waker_place = woken.pop((known_as, primitive), (-1, -1, -1))
                end = time
                mover, move_time = moved.pop(party, (-1, -1))
                if recording.primitives[primitive].family == "Condition" and move_time >= start:
                    end = move_time  # from there on it waited for the lock
                    if mover >= 0:
                        woke_by, wake_time, waker_place = mover, move_time, notified.get((mover, primitive), -1)
                if woke_by < 0 and what == GRANTED:
                    # Who woke it did so by the condition's lock, which may not be shown.
                    woke_by, wake_time, waker_place = last_notified.get(primitive, (-1, -1, -1))
                outcome = GRANTED_TO if what == GRANTED else GAVE_UP if what == TIMED_OUT else WAS_CANCELLED
                self._wait(primitive, party, start, end, place_of_wait, outcome, woke_by, wake_time, waker_place)
                if what == GRANTED:
                    self.acquired[which, place, party] += 1
                    ledger.take(primitive, party, time, place)
            elif what == LET_GO:
                ledger.let_go(primitive, party, time)
            elif what == REQUEUED:
                start = max(0, time - waited)
                moved[party] = other, start
                if waited:
                    waker = woken.pop((known.get(party, party), primitive), (-1, -1, -1))
                    self._wait(primitive, party, start, time, place, GRANTED_TO, *waker)
                ledger.take(primitive, party, time, place)
            else:
                if what == NOTIFIED:
                    notified[party, primitive] = place
                    last_notified[primitive] = party, time, place
                self.mark(time, party, primitive, what, place)
        for (party, primitive), (start, place, _) in waiting.items():
            self._wait(primitive, party, start, recording.duration, place, WAITS_STILL, -1, -1, -1)
        for ledger in exclusive, reentrant, shared, permits:
            ledger.end(recording.duration)
        self.marks.sort()

    def _wait(
        self,
        primitive: int,
        party: int,
        start: int,
        end: int,
        place: int,
        outcome: int,
        waker: int,
        wake_time: int,
        waker_place: int,
    ) -> None:
        if wake_time < start:  # of an earlier wait
            waker = wake_time = waker_place = -1
        end = max(start, end)
        self._waits.append(Wait(primitive, party, start, end, place, outcome, waker, wake_time, -1, -1, waker_place))

    def hold(self, primitive: int, party: int, start: int, end: int, place: int, open: int = 0) -> None:
        if self._group[primitive] >= 0:
            self._holds.append(Hold(primitive, party, start, max(start, end), place, open))

    def mark(self, time: int, party: int, primitive: int, what: int, place: int) -> None:
        if self._group[primitive] >= 0 and what in _MARKS:
            self.marks.append(Mark(time, party, self._group[primitive], _MARKS[what], place))

    def _find_holders(self) -> None:
        """Say for each wait who held what was waited for longest, and charge it to the lines that held it."""
        held: dict[int, list[Hold]] = defaultdict(list)
        for hold in self._holds:
            held[hold.primitive].append(hold)
        turns = {primitive: _Turns(holds) for primitive, holds in held.items()}
        lines: dict[int, dict[int, _Line]] = {}
        self._waits.sort(key=_start)
        for number, wait in enumerate(self._progress("finding who made them wait", self._waits, len(self._waits))):
            group = self._group[wait.primitive]
            charged = 0
            if wait.primitive in turns:
                self._waits[number] = turns[wait.primitive].blame(wait)
                if wait.primitive not in lines:
                    lines[wait.primitive] = _lines(held[wait.primitive])
                charged = self._charge(wait, group, lines[wait.primitive])
            if charged == 0 and wait.waker_place >= 0:
                self.blamed[group, wait.waker_place] += wait.end - wait.start

    def _charge(self, wait: Wait, group: int, lines: "dict[int, _Line]") -> int:
        shares = {place: line.held(wait.start, wait.end) for place, line in lines.items()}
        total = sum(shares.values())
        duration = wait.end - wait.start
        for place, share in shares.items():
            if share:
                # Several may hold at a time: together they are not to blame for more than there was.
                self.blamed[group, place] += share * duration // total if total > duration else share
        return total


class _Turns:
    """Who held an object during a wait. It is asked for the waits in the order of their beginnings.

    Where many wait in a line, each waits for as many turns as there are waiters, and its turns are nearly those of the
    wait before it. So the sums are kept, of the turns that begin during the wait, and only changed at both ends.
    """

    def __init__(self, holds: list[Hold]) -> None:
        self.turns = sorted(_merged(holds), key=_start)
        self.starts = [turn.start for turn in self.turns]
        self.reach = list(accumulate((turn.end for turn in self.turns), max))  # the latest end so far
        self.under_way: list[Hold] = []  # had begun when the wait began, and not ended
        self.began = self.last = 0  # the sums are of the turns from `began` to before `last`
        self.sums: dict[int, int] = {}  # party: nanoseconds; none is 0

    def blame(self, wait: Wait) -> Wait:
        self._move(wait)
        # What of these turns lies outside of the wait does not count, what of those under way lies in it does.
        changes = [(turn.party, _overlap(turn, wait)) for turn in self.under_way]
        number = self.last - 1
        while number >= self.began and self.reach[number] > wait.end:
            turn = self.turns[number]
            if turn.end > wait.end:
                changes.append((turn.party, wait.end - turn.end))
            number -= 1
        own = self.sums.get(wait.party, 0)
        changes.append((wait.party, -own - sum(change for party, change in changes if party == wait.party)))
        for party, change in changes:
            self._add(party, change)
        if self.sums:
            holder = max(self.sums, key=self.sums.__getitem__)
            wait = wait._replace(
                holder=holder,
                holder_place=self._longest(holder, wait).place,
                held=self.sums[holder],
                others=len(self.sums) - 1,
            )
        for party, change in changes:
            self._add(party, -change)
        return wait

    def _move(self, wait: Wait) -> None:
        began = bisect_right(self.starts, wait.start, self.began)
        last = bisect_left(self.starts, wait.end, began)
        for turn in self.turns[self.began : min(began, self.last)]:
            self._add(turn.party, turn.start - turn.end)
        for turn in self.turns[max(began, last) : self.last]:
            self._add(turn.party, turn.start - turn.end)
        for turn in self.turns[max(began, self.last) : last]:
            self._add(turn.party, turn.end - turn.start)
        self.under_way += self.turns[self.began : began]
        self.under_way = [turn for turn in self.under_way if turn.end > wait.start]
        self.began, self.last = began, last

    def _add(self, party: int, nanoseconds: int) -> None:
        held = self.sums.get(party, 0) + nanoseconds
        if held:
            self.sums[party] = held
        else:
            self.sums.pop(party, None)

    def _longest(self, holder: int, wait: Wait) -> Hold:
        its = [turn for turn in (*self.under_way, *self.turns[self.began : self.last]) if turn.party == holder]
        return max(its, key=lambda turn: _overlap(turn, wait))


def _merged(holds: list[Hold]) -> Iterable[Hold]:
    """One who has several permits at a time holds it once."""
    by_party: dict[int, Hold] = {}
    for hold in sorted(holds, key=_start):
        before = by_party.get(hold.party)
        if before is not None and hold.start < before.end:
            by_party[hold.party] = before._replace(end=max(before.end, hold.end))
        else:
            if before is not None:
                yield before
            by_party[hold.party] = hold
    yield from by_party.values()


def _overlap(hold: Hold, wait: Wait) -> int:
    return min(hold.end, wait.end) - max(hold.start, wait.start)


class _Line:
    """For how long a line has held a primitive, up to any time: a sum of its holds, which may overlap."""

    def __init__(self, holds: list[Hold]) -> None:
        changes = sorted([(hold.start, 1) for hold in holds] + [(hold.end, -1) for hold in holds])
        self.times: list[int] = []
        self.sums: list[int] = []
        self.slopes: list[int] = []
        last = total = slope = 0
        for time, change in changes:
            total += slope * (time - last)
            slope += change
            last = time
            self.times.append(time)
            self.sums.append(total)
            self.slopes.append(slope)

    def held(self, start: int, end: int) -> int:
        return self._until(end) - self._until(start)

    def _until(self, time: int) -> int:
        at = bisect_right(self.times, time) - 1
        return 0 if at < 0 else self.sums[at] + self.slopes[at] * (time - self.times[at])


def _lines(holds: list[Hold]) -> dict[int, _Line]:
    by_place: dict[int, list[Hold]] = defaultdict(list)
    for hold in holds:
        by_place[hold.place].append(hold)
    return {place: _Line(some) for place, some in by_place.items()}


def _start(span: Hold | Wait) -> int:
    return span.start


# --- who holds ----------------------------------------------------------------------------------------------------


class _Keeper:
    """Keeps track of nothing: for what is not held."""

    def __init__(self, story: Story) -> None:
        self.story = story

    def take(self, primitive: int, party: int, time: int, place: int) -> None:
        pass

    def give(self, primitive: int, party: int, time: int, place: int) -> None:
        self.story.mark(time, party, primitive, RELEASED, place)

    def let_go(self, primitive: int, party: int, time: int) -> None:
        pass

    def end(self, duration: int) -> None:
        pass


class _Held:
    """A hold that goes on."""

    __slots__ = ("depth", "party", "place", "start")

    def __init__(self, party: int, start: int, place: int, depth: int = 1) -> None:
        self.party = party
        self.start = start
        self.place = place
        self.depth = depth


class _Exclusive(_Keeper):
    """Lock and RLock."""

    def __init__(self, story: Story, reentrant: bool) -> None:
        super().__init__(story)
        self.reentrant = reentrant
        self.held: dict[int, _Held] = {}
        self.depths: dict[tuple[int, int], int] = {}  # party, primitive -> how deep it had been when it let go
        self.late: dict[
            int, list[int]
        ] = {}  # primitive -> parties whose release is to come, though others have it already
        self.met: set[int] = set()

    def take(self, primitive: int, party: int, time: int, place: int) -> None:
        self.met.add(primitive)
        held = self.held.get(primitive)
        if held is not None:
            if self.reentrant and held.party == party:
                held.depth += 1
                return
            self.close(primitive, held, time)
            if held.party != party:
                self.late.setdefault(primitive, []).append(held.party)
        self.held[primitive] = _Held(party, time, place, self.depths.pop((party, primitive), 1))

    def give(self, primitive: int, party: int, time: int, place: int) -> None:
        held = self.held.get(primitive)
        late = self.late.get(primitive)
        if late and party in late and (held is None or held.party != party):
            late.remove(party)
        elif held is None:
            if primitive not in self.met:
                self.met.add(primitive)
                # Held since before the recording began, or since the events about it were dropped.
                self.story.hold(primitive, party, min(time, self.story.recording.complete_from), time, -1)
        elif not self.reentrant or held.party == party:
            held.depth -= 1
            if held.depth <= 0:
                self.close(primitive, held, time)

    def let_go(self, primitive: int, party: int, time: int) -> None:
        held = self.held.get(primitive)
        if held is not None and held.party == party:
            self.depths[party, primitive] = held.depth
            held.depth = 1
        self.give(primitive, party, time, -1)

    def close(self, primitive: int, held: _Held, time: int) -> None:
        self.story.hold(primitive, held.party, held.start, time, held.place)
        del self.held[primitive]

    def end(self, duration: int) -> None:
        for primitive, held in self.held.items():
            self.story.hold(primitive, held.party, held.start, duration, held.place, 1)


class _Shared(_Keeper):
    """RWLock: each party has its own hold, and may go in deeper."""

    def __init__(self, story: Story) -> None:
        super().__init__(story)
        self.held: dict[tuple[int, int], _Held] = {}

    def take(self, primitive: int, party: int, time: int, place: int) -> None:
        held = self.held.get((primitive, party))
        if held is not None:
            held.depth += 1
        else:
            self.held[primitive, party] = _Held(party, time, place)

    def give(self, primitive: int, party: int, time: int, place: int) -> None:
        held = self.held.get((primitive, party))
        if held is not None:
            held.depth -= 1
            if held.depth == 0:
                del self.held[primitive, party]
                self.story.hold(primitive, party, held.start, time, held.place)

    def end(self, duration: int) -> None:
        for (primitive, party), held in self.held.items():
            self.story.hold(primitive, party, held.start, duration, held.place, 1)


class _Permits(_Keeper):
    """Semaphores. Whether permits are held or only passed on shows at the end."""

    def __init__(self, story: Story) -> None:
        super().__init__(story)
        self.held: dict[int, list[_Held]] = defaultdict(list)
        self.ended: dict[int, list[tuple[_Held, int]]] = defaultdict(list)
        self.gifts: dict[int, list[tuple[int, int, int]]] = defaultdict(list)  # releases by others than the taker
        self.returned: set[int] = set()  # primitives of which some party gave back what it had taken

    def take(self, primitive: int, party: int, time: int, place: int) -> None:
        self.held[primitive].append(_Held(party, time, place))

    def give(self, primitive: int, party: int, time: int, place: int) -> None:
        held = self.held[primitive]
        own = [number for number, each in enumerate(held) if each.party == party]
        if own:
            self.returned.add(primitive)
            self.ended[primitive].append((held.pop(own[-1]), time))
            return
        self.gifts[primitive].append((time, party, place))
        if held:
            self.ended[primitive].append((held.pop(0), time))

    def end(self, duration: int) -> None:
        for primitive in {*self.held, *self.gifts}:
            signal = bool(self.gifts[primitive]) and primitive not in self.returned
            if signal:
                for time, party, place in self.gifts[primitive]:
                    self.story.mark(time, party, primitive, RELEASED, place)
                continue
            for held, time in self.ended[primitive]:
                self.story.hold(primitive, held.party, held.start, time, held.place)
            for held in self.held[primitive]:
                self.story.hold(primitive, held.party, held.start, duration, held.place, 1)
