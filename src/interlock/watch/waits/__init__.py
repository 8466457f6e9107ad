"""What a party really waits for, who could end that, and whether one of them still can.

The wait graph of the core knows locks. People's programs wait for futures, queues, tasks, children, sockets; what the
wait graph has then is a condition inside somebody's class, or nothing at all. So when somebody looks, one adapter
after the other is asked what the frames of a party and the objects in them mean. An adapter is one function in one file
of this folder; the next kind of wait is the next file.

    adapter(someone, view) -> Meaning | None

Nothing is noted while a program runs for what can be found out later. What cannot be is in `watch/ended.py`.
"""

from collections.abc import Callable, Iterable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from interlock.watch.view import Someone, View


class Meaning:
    """What a wait is about.

    Attributes:

    - ``what``: what is waited for, as it stands behind "waits for"; "" where ``lines`` say all.
    - ``lines``: what else is to be said of it, each a sentence without a full stop.
    - ``target`` and ``gives``: the object, and the names of its methods by which code ends such a wait. Whoever
      runs code that names one of them on it may end the wait. ``also``: other objects, each with such names.
    - ``in_hands``: objects; whoever has one of them in hands may end it.
    - ``givers``: parties who may end it, whatever their code says: the owner of a lock, the thread that is to end.
    - ``outside``: it ends by itself, or by what comes from outside the process.
    - ``limited``: a timeout of the task's library ends it.
    - ``child``: it is for a process, which may be stuck itself.
    - ``idle``: the party has nothing to do and hurts nobody by waiting.
    - ``dead``: who was to end it is no more, for certain.
    - ``calm``: one waits so, too, who has nothing to do.
    - ``needed``: nobody waits so who has nothing to do: who is left alone in such a wait is stuck. ``next``: only the
      main thread, or one for whom it waits, is.
    - ``verb``: what the party does about it.
    - ``choices``: where it selects, what each of the alternatives is about; one is enough.
    """

    def __init__(
        self,
        what: str,
        *,
        target: object = None,
        gives: Iterable[str] = (),
        givers: "Iterable[Someone]" = (),
        outside: bool = False,
        idle: bool = False,
        lines: Iterable[str] = (),
        verb: str = "waits for",
    ) -> None:
        self.what = what
        self.target = target
        self.gives: tuple[str, ...] = tuple(gives)
        self.also: list[tuple[object, tuple[str, ...]]] = []
        self.in_hands: list[object] = []
        self.givers: list[Someone] = list(givers)
        self.outside = outside
        self.idle = idle
        self.lines: list[str] = list(lines)
        self.verb = verb
        self.dead = False
        self.calm = False
        self.child = False
        self.limited = False
        self.needed = False
        self.next = False
        self.choices: list[Meaning] = []

    def alone(self) -> "list[Meaning]":
        """Each thing that is waited for by itself: this, where there is no choice."""
        return self.choices or [self]

    def ways(self) -> "list[tuple[object, tuple[str, ...]]]":
        """Each object with the names by which code ends this wait."""
        return [(self.target, self.gives), *self.also] if self.gives else self.also


Adapter = Callable[["Someone", "View"], Meaning | None]


def meaning_of(someone: "Someone", view: "View") -> Meaning | None:
    """What this party waits for; None where it runs, or nobody can tell."""
    for adapter in _adapters():
        try:
            found = adapter(someone, view)
        except (AttributeError, KeyError, IndexError, LookupError, RuntimeError, TypeError, ValueError, OSError):
            continue  # it goes on while we look, or a library keeps things elsewhere in this version
        if found is not None:
            return found
    return None


_known: list[Adapter] = []


def _adapters() -> list[Adapter]:
    if not _known:
        from interlock.watch.waits import (
            children,
            choices,
            futures,
            imports,
            machine,
            outside,
            primitives,
            queues,
            raw,
            starts,
            tasks,
        )

        _known.extend(
            [
                choices.adapter,
                machine.adapter,
                starts.adapter,
                futures.adapter,
                children.adapter,
                queues.adapter,
                imports.adapter,
                primitives.adapter,
                tasks.adapter,
                raw.adapter,
                outside.adapter,
            ]
        )
    return _known
