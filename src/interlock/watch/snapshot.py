"""`interlock.snapshot`: who waits for what, as plain data."""

import time
from typing import TypedDict

from interlock.core.explain.order import called
from interlock.core.explain.places import Place
from interlock.core.graph.waitgraph import holders
from interlock.core.kernel.primitive import Primitive
from interlock.watch import deeds, elsewhere, ended
from interlock.watch.dump import past_of
from interlock.watch.view import Cycle, Someone, View
from interlock.watch.waits.machine import wait_of


class PlaceData(TypedDict):
    """A line of code. ``text`` is the line itself, or '' if the file cannot be read."""

    file: str
    line: int
    function: str
    text: str


class PrimitiveData(TypedDict):
    """A primitive. ``id`` as `id()` gives it; ``made``: what made it, where that was watched; ``state``: its `repr`."""

    id: int
    kind: str
    name: str | None
    made: str | None
    state: str


class HoldData(TypedDict):
    """What a party holds, and where it was taken, as far as that is known."""

    primitive: PrimitiveData
    at: PlaceData | None


class ChoiceData(TypedDict):
    """One of the things that a party selects from. ``owners``: the ids of those who hold the primitive."""

    primitive: PrimitiveData
    owners: list[int]


class DeedData(TypedDict):
    """What a party has done to a primitive, as far as `interlock run` has noted it.

    ``party``: its id. ``did``: as in "put into it". ``times``: how often; the rest is of the last time. ``ended``: the
    party is no more. ``exception``: what has ended it, as a traceback's last line has it, or None.
    """

    party: int
    name: str
    did: str
    times: int
    seconds_ago: float
    at: PlaceData | None
    ended: bool
    exception: str | None


class WaitData(TypedDict):
    """What a party waits for. ``timed``: it ends by itself. ``owners``: the ids of those who hold the primitive.

    ``choices``: where it selects, each of the things of which one is enough; else empty. ``lately``: who has done what
    to the primitive, the last first. ``elsewhere``: who holds it on whatever machine, where that is known.
    """

    primitive: PrimitiveData
    seconds: float
    timed: bool
    owners: list[int]
    choices: list[ChoiceData]
    lately: list[DeedData]
    elsewhere: "ElsewhereData | None"


class ProcessData(TypedDict):
    """A thread of a process of this machine. ``at``: the line where it took what it holds; "" if nobody watched it."""

    pid: int
    program: str
    thread: str
    at: str


class MachineWaitData(TypedDict):
    """A wait for what `interlock.machine` shares between processes. ``owners``: who holds it, in any process."""

    kind: str
    name: str | None
    seconds: float
    timed: bool
    owners: list[ProcessData]


class ElsewhereData(TypedDict):
    """The one holder of a lock between machines, as the engine has said ``seconds_ago``. ``at``: the line, as text."""

    host: str
    pid: int
    label: str
    thread: str
    at: str
    seconds_ago: float


class PartyData(TypedDict):
    """A thread or a task. ``id`` is None for a thread that has never waited or held anything; ``at``: where it is."""

    id: int | None
    name: str
    kind: str
    ident: int
    ended: bool
    at: PlaceData | None
    waits: WaitData | None
    machine: MachineWaitData | None
    holds: list[HoldData]


class CycleData(TypedDict):
    """Ids of parties each of which waits for the next. ``certain``: none of them can be helped by another."""

    parties: list[int]
    certain: bool


class EndedData(TypedDict):
    """A thread or task that an exception has ended under `interlock run`, and what it had done, in sentences."""

    name: str
    kind: str
    exception: str
    at: PlaceData | None
    had: list[str]


class Snapshot(TypedDict):
    """What `interlock.snapshot` returns: who waits for what at one moment."""

    parties: list[PartyData]
    cycles: list[CycleData]
    ended: list[EndedData]


def take() -> Snapshot:
    """Who waits for what and who holds what, now."""
    view = View().find_held()
    return {
        "parties": [_party(someone, view) for someone in view.people],
        "cycles": [_cycle(cycle) for cycle in view.cycles],
        "ended": [
            {
                "name": each.name,
                "kind": "task" if each.is_task else "thread",
                "exception": each.what,
                "at": _place(each.place),
                "had": past_of(each),
            }
            for each in ended.parties()
        ],
    }


def _party(someone: Someone, view: View) -> PartyData:
    wait = someone.wait
    return {
        "id": None if someone.party is None else someone.party.id,
        "name": someone.name,
        "kind": "task" if someone.is_task else "thread",
        "ident": someone.ident,
        "ended": someone.party is not None and someone.party.ended,
        "at": _place(someone.place),
        "waits": None
        if wait is None
        else {
            "primitive": _primitive(wait.at),
            "seconds": view.seconds(wait),
            "timed": wait.timed,
            "owners": [party.id for party in holders(wait.at)],
            "choices": [
                {"primitive": _primitive(each.at), "owners": [party.id for party in holders(each.at)]}
                for each in wait.alternatives or ()
            ],
            "lately": [_deed(done, view) for done in deeds.to(wait.at, deeds.IT)],
            "elsewhere": _elsewhere(wait.at),
        },
        "machine": _between(someone),
        "holds": [{"primitive": _primitive(held), "at": _place(place)} for held, place in someone.holds],
    }


def _elsewhere(primitive: Primitive) -> ElsewhereData | None:
    told = elsewhere.told(primitive)
    if told is None or not told.host:
        return None
    return {
        "host": told.host,
        "pid": told.pid,
        "label": told.label,
        "thread": told.thread,
        "at": told.where,
        "seconds_ago": max(0, time.monotonic_ns() - told.at) / 1e9,
    }


def _between(someone: Someone) -> MachineWaitData | None:
    blocked = wait_of(someone)
    if blocked is None:
        return None
    return {
        "kind": blocked.kind,
        "name": blocked.name,
        "seconds": max(0.0, time.monotonic() - blocked.since / 1e9),
        "timed": blocked.timed,
        "owners": [
            {"pid": party.pid, "program": party.program, "thread": party.thread, "at": place}
            for party, place in blocked.holders
        ],
    }


def _deed(done: deeds.Done, view: View) -> DeedData:
    exception = next((each.what for each in ended.parties() if each.party == done.party), None)
    return {
        "party": done.party,
        "name": done.name,
        "did": done.verb.format(deeds.IT),
        "times": done.times,
        "seconds_ago": max(0, view.now - done.time) / 1e9,
        "at": _place(done.place),
        "ended": exception is not None or view.has_ended(done.party),
        "exception": exception,
    }


def _cycle(cycle: Cycle) -> CycleData:
    ids = [member.party.id for member in cycle.members if member.party is not None]
    return {"parties": ids, "certain": cycle.certain}


def _primitive(primitive: Primitive) -> PrimitiveData:
    return {
        "id": id(primitive),
        "kind": type(primitive).__name__,
        "name": primitive.name,
        "made": called(primitive),
        "state": repr(primitive),
    }


def _place(place: Place | None) -> PlaceData | None:
    if place is None:
        return None
    return {"file": place.file, "line": place.line, "function": place.function, "text": place.text}
