"""The waits that have not ended when a program does, for the report."""

from interlock.core.graph.waitgraph import Wait, holders
from interlock.core.kernel.primitive import Primitive
from interlock.core.kernel.probe import count_open, made_by
from interlock.core.primitives.join import Join
from interlock.watch.dump import is_own, mistake_of, name_of, what_is_missing
from interlock.watch.names import Names
from interlock.watch.view import Someone, View
from interlock.watch.waits import Meaning


class StillWaiting:
    """A party that waits.

    ``party``, ``what``, ``where`` and ``mistake`` (how it came to be held, where that was one) in words;
    ``nanoseconds`` until now, None where that is not known.
    """

    def __init__(self, someone: Someone, names: Names, view: View) -> None:
        wait = self._wait = someone.wait
        meaning = view.meaning(someone)
        self.party: str = f"task {someone.name}" if someone.is_task else someone.name
        if meaning is not None and (wait is None or not _is_of_a_primitive(meaning, wait)):
            self.what: str = f"{meaning.verb} {meaning.what}".removeprefix("waits for ").strip()
        else:
            self.what = "what is not interlock's" if wait is None else _name_of(wait.at, names)
            missing = "" if wait is None else what_is_missing(wait)
            if missing:
                self.what += f": {missing}"
        mistake = None if wait is None else mistake_of(wait, view)
        self.mistake: str = "" if mistake is None else f"{mistake[0]}, at {mistake[1]}"
        self.where: str = "" if someone.place is None else str(someone.place)
        self.nanoseconds: int | None = None if wait is None else max(0, view.now - wait.since)

    def count(self) -> None:
        """Have it counted as a wait of its primitive's. A join is of none that the program has made."""
        wait = self._wait
        if wait is not None and self.nanoseconds is not None and not isinstance(wait.began, Join):
            count_open(wait.began, self.nanoseconds)


def still_waiting(directory: str) -> list[StillWaiting]:
    """All of them, those that have lasted longest first. ``directory``: to which files are relative."""
    names = Names(directory)
    view = View()
    found = []
    if any(someone.wait is not None and holders(someone.wait.at) for someone in view.people):
        view.find_mistakes()
    for someone in view.people:
        wait = someone.wait
        if wait is None and (someone.awaits is None or not _waits(view.meaning(someone))):
            continue
        if wait is None or is_own(wait.at):
            found.append(StillWaiting(someone, names, view))
    return sorted(found, key=lambda still: -(still.nanoseconds or 0))


def _waits(meaning: Meaning | None) -> bool:
    return meaning is not None and meaning.verb != "sleeps"


def _is_of_a_primitive(meaning: Meaning, wait: Wait) -> bool:
    """Whether what is waited for is the primitive itself: then the tables' name for it is the better one."""
    return meaning.target is wait.at


def _name_of(primitive: Primitive, names: Names) -> str:
    """As the tables call it."""
    maker = made_by(primitive)
    made = None if maker is None or primitive.name is not None else names.made(maker)
    return name_of(primitive) if made is None else f"{type(primitive).__name__} {made}"
