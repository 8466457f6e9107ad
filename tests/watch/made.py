"""Recordings for tests: written by hand, or taken from a few parties."""

from typing import Any

from interlock.core.record.recorder import HAPPENINGS
from interlock.watch.recording import Party, Primitive, Recording

MS = 1_000_000


def recording(story: str, duration: int | None = None, **attributes: Any) -> Recording:
    """A recording from lines of: milliseconds, party, what happened (`_` for a blank), primitive, and then where they
    matter place, other party and milliseconds waited, `-` for none.

    The kind of a primitive is the beginning of its name: `Lock.orders`. A party called task... is one.
    """
    made = Recording("made up")
    parties: dict[str, int] = {}
    primitives: dict[str, int] = {}
    places: dict[str, int] = {}

    def party(name: str) -> int:
        if name not in parties:
            parties[name] = len(parties)
            kind = "task" if name.startswith("task") else "thread"
            made.parties.append(Party(name, kind, "loop" if kind == "task" else ""))
        return parties[name]

    for line in story.split("\n"):
        if not line.strip():
            continue
        time, who, what, name, *rest = line.split()
        place, other, waited = (*rest, "-", "-", "-")[:3]
        if name not in primitives:
            primitives[name] = len(primitives)
            family = name.partition(".")[0]
            made.primitives.append(Primitive(name.partition(".")[2], family, family, f"{name}.py:1", True))
        if place != "-" and place not in places:
            places[place] = len(places)
            made.places.append(place)
        column = made.columns
        column["time"].append(round(float(time) * MS))
        column["party"].append(party(who))
        column["happening"].append(HAPPENINGS.index(what.replace("_", " ")))
        column["primitive"].append(primitives[name])
        column["place"].append(-1 if place == "-" else places[place])
        column["other"].append(-1 if other == "-" else party(other))
        column["waited"].append(0 if waited == "-" else round(float(waited) * MS))
    made.duration = made.columns["time"][-1] if duration is None else duration * MS
    for attribute, value in attributes.items():
        setattr(made, attribute, value)
    return made


CONTENDED = """
    0   ann  acquired  Lock.orders  shop.py:7
    1   ben  waiting   Lock.orders  shop.py:9
    2   cy   waiting   Lock.orders  shop.py:9
    10  ann  woke      Lock.orders  shop.py:7  ben
    10  ann  released  Lock.orders  shop.py:7
    10  ben  granted   Lock.orders  shop.py:9  -  9
    12  ben  woke      Lock.orders  shop.py:9  cy
    12  ben  released  Lock.orders  shop.py:9
    12  cy   granted   Lock.orders  shop.py:9  -  10
    13  cy   released  Lock.orders  shop.py:9
    14  cy   set       Event.done   shop.py:20
    15  ann  acquired  Lock.quick   shop.py:30
    15  ann  released  Lock.quick   shop.py:30
"""
