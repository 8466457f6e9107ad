"""Who has done what to a primitive, in words: who put and who got lately, who set, notified, arrived.

The facts are those that `core/explain/deeds.py` notes while the order of locks is watched, as under `interlock run`.
Without that there are none, and then nothing is said.
"""

from collections.abc import Iterable

from interlock.core.explain import order
from interlock.core.explain.deeds import Deed
from interlock.core.explain.places import Place
from interlock.core.kernel.primitive import Primitive
from interlock.core.primitives.queue_base import QueueBase
from interlock.core.record.recorder import HAPPENINGS
from interlock.watch.words import duration

# What it means that this happens to a primitive that is no queue: after the name of the party.
_VERBS = {
    "acquired": "took a permit of {}",
    "granted": "took a permit of {}",
    "released": "released a permit of {}",
    "set": "set {}",
    "cleared": "cleared {}",
    "notified": "notified {}",
    "arrived": "arrived at {}",
    "tripped": "arrived at {}",
    "broken": "broke {}",
    "counted down": "counted {} down",
}
IT = "it"
GOT, PUT, DONE = "got from {}", "put into {}", "called task_done() of {}"
_OF_QUEUES = {"acquired": GOT, "released": PUT, "counted down": DONE, "set": "shut {} down"}


class Done:
    """What one party has done to one primitive, by one verb.

    Attributes: ``party`` (its id), ``name``, ``verb`` (with a {} for the primitive), ``primitive`` (what to call that),
    ``times``, ``time`` (monotonic nanoseconds, of the last) and ``place`` (of the last, or None).
    """

    def __init__(self, party: int, name: str, verb: str, primitive: str, deed: Deed) -> None:
        self.party = party
        self.name = name
        self.verb = verb
        self.primitive = primitive
        self.times: int = 0
        self.time: int = deed.time
        self.place: Place | None = None if deed.code is None else order.place_of(deed.code, deed.offset)

    def said(self, what: str, now: int) -> str:
        """``put into it 3 times, the last time 2.0 s ago, at jobs.py:12 in work``, without the party."""
        ago = f"{duration(max(0, now - self.time))} ago"
        often = f"once, {ago}" if self.times == 1 else f"{self.times:,} times, the last time {ago}"
        where = "" if self.place is None else f", at {self.place}"
        comma = "" if what == IT else ","
        return f"{self.verb.format(what)}{comma} {often}{where}"


def to(primitive: Primitive, name: str) -> list[Done]:
    """What has been done to a primitive, the last first. ``name``: what to call it."""
    return _merged((name, isinstance(primitive, QueueBase), deed) for deed in order.deeds_of(primitive))


def by(party: int) -> list[Done]:
    """What the party with this id has done, the last first."""
    watcher = order.active
    if watcher is None:
        return []
    return _merged((name, kind.endswith("Queue"), deed) for name, kind, deed in watcher.deeds_by(party))


def held_by(party: int) -> list[tuple[Primitive, Place]]:
    """The locks that this party holds, and where it took them."""
    watcher = order.active
    return [] if watcher is None else watcher.locks_of(party)


def _merged(deeds: Iterable[tuple[str, bool, Deed]]) -> list[Done]:
    """One for each party, verb and primitive: several lines are one, with the last of them."""
    listed = list(deeds)
    found: dict[tuple[int, str, str], Done] = {}
    for name, is_queue, deed in listed:
        others = [other for known, _, other in listed if known == name and other is not deed]
        verb = _verb(is_queue, deed, others)
        if verb is None:
            continue
        party = deed.name or "a party that was not known yet"
        if deed.party >> 63:
            party = f"task {party}"
        done = found.setdefault((deed.party, verb, name), Done(deed.party, party, verb, name, deed))
        done.times += deed.times
    return list(found.values())


def _verb(is_queue: bool, deed: Deed, others: list[Deed]) -> str | None:
    what = HAPPENINGS[deed.happening]
    if not is_queue:
        return _VERBS.get(what)
    if what != "granted":
        return _OF_QUEUES.get(what)
    # After a wait it may have been any of them. Where the line has gone without waiting, too, that tells.
    for other in others:
        if other.party == deed.party and other.code is deed.code and other.offset == deed.offset:
            verb = _OF_QUEUES.get(HAPPENINGS[other.happening])
            if verb in (GOT, PUT):
                return verb
    if deed.code is None:
        return None
    from interlock.watch.names import Names

    call = Names().call(deed.code, deed.offset) or ""
    return GOT if call.startswith("get") else PUT if call.startswith("put") else None
