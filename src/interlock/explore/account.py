"""A schedule in words: each switch with who, where and why, and the end in the words of `interlock.dump`."""

import os
import re
import sys
import traceback
from types import FrameType
from typing import Any

from interlock.core.explain.places import locals_of
from interlock.core.kernel.primitive import Primitive
from interlock.core.primitives.join import Join
from interlock.explore.engine.baton import Baton, Strand
from interlock.watch.dump import name_of as name_of_primitive
from interlock.watch.dump import what_is_missing
from interlock.watch.view import Someone, View

LINE, AFTER, STEP, BEGIN, END, PAUSE = range(100, 106)
_BOTTOM = (("interlock.explore.explorer", "_call"), ("interlock.explore.patches", "_run"))  # of a strand's frames
_ADDRESS = re.compile(r" at 0x[0-9a-f]+")  # another in each process
_TASK = re.compile(r"\bTask-(\d+)\b")
_MANY = 20  # held by one
_DOES = {
    0: "before it takes {}",
    1: "before it releases {}",
    2: "before it looks at {}",
    3: "before it sets {}",
    4: "before it clears {}",
    5: "before it waits for {}",
    6: "before it notifies {}",
    7: "before it comes to {}",
    8: "before it starts a thread",
    LINE: "before this line",
    AFTER: "after what it did to {}",
    STEP: "in its event loop",
    END: "at its end",
    PAUSE: "as it looks at the clock",
}


class Teller:
    """Knows which files are the program's, and calls things by their names.

    ``directory``: to which paths are relative.
    """

    def __init__(self, baton: Baton, is_program: Any, directory: str) -> None:
        self.baton = baton
        self.is_program = is_program
        self.directory = directory
        self._names: dict[int, str] = {}
        self._kept: list[object] = []  # so that no other object gets its id

    def forget(self) -> None:
        """Before a schedule that is to be told: what things are called is found out anew."""
        self._names.clear()
        self._kept.clear()

    def short(self, file: str) -> str:
        relative = os.path.relpath(file, self.directory) if os.path.isabs(file) else file
        return file if relative.startswith("..") else relative

    def place_now(self, what: object = None) -> tuple[str, int] | None:
        """The innermost line of the program that the caller is at."""
        frame: FrameType | None = sys._getframe()
        if isinstance(what, Primitive) and what.name is None:
            self._learn(what, frame)
        frame = self.innermost(frame)
        return None if frame is None else (frame.f_code.co_filename, frame.f_lineno)

    def innermost(self, frame: FrameType | None) -> FrameType | None:
        """The innermost frame of the program that leads to `frame`, or that one, in a strand."""
        while frame is not None and not self.is_program(frame.f_code.co_filename):
            frame = None if is_bottom(frame) else frame.f_back
        return frame

    def at(self, place: tuple[str, int] | None) -> str:
        return "" if place is None else f"{self.short(place[0])}:{place[1]}"

    def name(self, number: int) -> str:
        return name_of(self.baton.strands[number])

    def called(self, what: object) -> str:
        if isinstance(what, Strand):
            return f"the end of {self.name(what.number)}"
        if isinstance(what, Primitive):
            return self.primitive(what)
        return "" if what is None else type(what).__name__

    def _learn(self, what: Primitive, frame: FrameType | None) -> None:
        """What the program calls a primitive, in the frames that lead to `frame`."""
        while frame is not None and id(what) not in self._names:
            if self.is_program(frame.f_code.co_filename):
                for name, value in locals_of(frame).items():
                    found = _name_in(name, value, what)
                    # Two that are called the same, each in its frame, are not told apart by that.
                    if found is not None and found not in self._names.values():
                        self._names[id(what)] = found
                        self._kept.append(what)
                        return
            frame = frame.f_back

    def primitive(self, what: Primitive) -> str:
        """Its name, or the line of the program that made it."""
        if isinstance(what, Join):
            return f"the end of {what.thread.name}"
        kind = type(what).__name__
        if what.name is not None:
            return f"{kind} {what.name!r}"
        made = self.baton.maker(what)
        if id(what) in self._names:
            kind = f"{kind} {self._names[id(what)]}"
        elif made is None:
            return name_of_primitive(what)
        return kind if made is None else f"{kind} ({self.short(made[0])}:{made[1]})"

    def tell_switches(self, trace: list[tuple[Any, ...]]) -> list[str]:
        """Each switch in a line."""
        rows: list[tuple[str, str, str]] = []
        for kind, who, to, operation, what, place, _, clock in trace:
            if kind == "timer":
                if place:  # it fired early
                    moment = f"{(clock - 1_000_000_000_000) / 1e9:.6g} s"
                    rows.append((self.name(who), "", f"its time is up, at {moment}: the others are slow"))
                continue
            if kind == "task":
                rows.append((self.name(who), "", f"its event loop runs {what} first"))
                continue
            if kind == "ended":
                reason = "has ended"
            elif kind == "blocked":
                if operation == PAUSE:
                    reason = "sleeps"
                elif who == 0 and operation == END:
                    reason = "has returned; its threads run on"
                else:
                    reason = f"waits for {self.called(what)}" if what is not None else "waits"
                    if what is not None and not isinstance(what, (Primitive, Strand)):
                        reason = "waits in its event loop"
            else:
                reason = "switched away " + _DOES.get(operation, "").format(self.called(what))
            rows.append((self.name(who), self.at(place), f"{reason.rstrip()} -> {self.name(to)}"))
        if not rows:
            return ["  no switch at all: it fails in the order in which it is written"]
        widths = [max(len(row[i]) for row in rows) for i in (0, 1)]
        return [f"  {who:<{widths[0]}}  {place:<{widths[1]}}  {why}" for who, place, why in rows]

    def tell_stuck(self, kind: str) -> str:
        """Who waits for what, now. Called by the party that found that nobody can go on."""
        baton = self.baton
        view = View().find_held()
        for someone in view.people:
            if someone.frames:
                for held in [each for each, _ in someone.holds] + ([someone.wait.at] if someone.wait else []):
                    if held.name is None:
                        self._learn(held, someone.frames[0])
        found = {each.party.id: each for each in view.people if each.party is not None}
        idents = {each.ident for each in view.people if each.party is None}
        lines: list[str] = []
        told: set[int] = set()
        for strand in baton.strands:
            if strand.ended:
                continue
            met = found.get(strand.party)
            name = self.name(strand.number)
            lines.append(f"  {name}")
            lines += self._state(strand, met, kind)
            if met is not None:
                told.add(id(met))
                lines += self._holds(met)
        mine = {strand.ident for strand in baton.strands if not strand.ended}
        parties = {strand.party for strand in baton.strands}
        for someone in view.people:
            if id(someone) not in told and someone.is_task:
                if someone.ident not in mine and someone.ident not in idents:
                    continue
                if self._is_of_the_past(someone):
                    continue
                lines.append(f"  task {someone.name}")
                lines += self._waits(someone) or self._place("is", someone)
                lines += self._holds(someone)
            elif someone.party is not None and someone.party.ended and someone.party.id in parties and someone.holds:
                lines.append(f"  {someone.name} (ended)")
                lines += self._holds(someone)
        return "\n".join(lines)

    def _is_of_the_past(self, someone: Someone) -> bool:
        """Whether it is a task that an earlier schedule has left: nobody has collected it yet."""
        if someone.party is not None and someone.party.ended:
            return True
        if someone.party is not None:
            loop: Any = getattr(someone.party, "loop", None)
        else:
            loop = someone.task.get_loop() if hasattr(someone.task, "get_loop") else None
        if loop is None:
            return someone.party is not None
        ran_in = getattr(loop, "_interlock_schedule", self.baton.schedule)
        return ran_in != self.baton.schedule or (hasattr(loop, "is_closed") and loop.is_closed())

    def _state(self, strand: Strand, someone: Someone | None, kind: str) -> list[str]:
        if is_through(strand):
            return ["      has returned, and waits for its threads to end"]
        if someone is not None and someone.wait is not None:
            return self._waits(someone)
        if strand.awaited is not None and strand.awaited is not strand:
            return [f"      waits for the end of {self.name(strand.awaited.number)}"]
        is_seen = someone is not None and someone.frames and self.innermost(someone.frames[0]) is not None
        where = self._place("is", someone) if is_seen and someone is not None else []
        if kind == "endless" and strand.only_looks:
            return ["      only looks whether something has changed", *where]
        if strand.blocked and strand.pending[1] is not None and not isinstance(strand.pending[1], Primitive):
            return ["      waits in its event loop", *where]
        return where

    def _waits(self, someone: Someone) -> list[str]:
        wait = someone.wait
        if wait is None:
            if someone.awaits is not None:
                return self._place("awaits a future", someone, "at ")
            return []
        ends = " with a timeout" if wait.timed else ""
        lines = self._place(f"waits{ends} for {self.primitive(wait.at)},", someone, "at ")
        missing = what_is_missing(wait)
        return [*lines, f"      {missing}"] if missing else lines

    def _place(self, what: str, someone: Someone, preposition: str = "at ") -> list[str]:
        place = someone.place
        if place is None:
            return [f"      {what.rstrip(',')}"] if what != "is" else []
        lines = [f"      {what} {preposition}{place}"]
        return [*lines, f"          {place.text}"] if place.text else lines

    def _holds(self, someone: Someone) -> list[str]:
        lines = []
        for held, place in someone.holds[:_MANY]:
            lines.append(f"      holds {self.primitive(held)}" + (f", taken at {place}" if place is not None else ""))
            if place is not None and place.text:
                lines.append(f"          {place.text}")
        if len(someone.holds) > _MANY:
            lines.append(f"      and holds {len(someone.holds) - _MANY:,} more")
        return lines

    def tell_error(self, error: BaseException) -> list[str]:
        """The error, with the program's own frames."""
        shown = traceback.TracebackException.from_exception(error)
        own = [frame for frame in shown.stack if self.is_program(frame.filename)]
        if own:
            shown.stack = traceback.StackSummary.from_list(own)
        return [nameless(line.rstrip("\n")) for line in shown.format(chain=False)]


def name_of(strand: Strand) -> str:
    if strand.thread is not None:
        return strand.thread.name
    return "the test" if strand.number == 0 else f"thread {strand.number}"


def is_bottom(frame: FrameType) -> bool:
    """Whether it is below all that the program has called in this strand."""
    return (frame.f_globals.get("__name__"), frame.f_code.co_name) in _BOTTOM


def is_through(strand: Strand) -> bool:
    """Whether it is the first, which has returned and waits for the others to end."""
    return strand.number == 0 and strand.pending[0] == END


def nameless(text: str) -> str:
    """Without the addresses of objects, which differ from process to process."""
    return _ADDRESS.sub("", text)


def number_tasks(text: str) -> str:
    """asyncio counts tasks for as long as the process lives; what is told begins with Task-1."""
    numbers = sorted({int(number) for number in _TASK.findall(text)})
    return _TASK.sub(lambda found: f"Task-{numbers.index(int(found[1])) + 1}", text)


def _name_in(name: str, value: object, what: object) -> str | None:
    """How `value`, a variable called `name`, leads to `what`: itself, an attribute or an item of it."""
    if value is what:
        return name
    if type(value) in (list, tuple):
        for i, item in enumerate(value):  # type: ignore[var-annotated,arg-type]
            if item is what:
                return f"{name}[{i}]"
        return None
    if type(value) is dict:
        for key, item in value.items():
            if item is what and isinstance(key, (str, int)):
                return f"{name}[{key!r}]"
        return None
    attributes = None if isinstance(value, type) else getattr(value, "__dict__", None)
    if type(attributes) is dict:
        for key, item in attributes.items():
            if item is what:
                return f"{name}.{key}"
    return None
