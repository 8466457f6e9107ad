"""A select: what each of its alternatives waits for. One of them is enough."""

import copy
from threading import Thread

from interlock.core.graph.waitgraph import Wait
from interlock.core.primitives.select import Choice
from interlock.watch.waits import Meaning, futures, primitives, queues

TYPE_CHECKING = False
if TYPE_CHECKING:
    from interlock.watch.view import Someone, View


def adapter(someone: "Someone", view: "View") -> Meaning | None:
    """A party in `interlock.select` or `select_async`."""
    wait = someone.wait
    if wait is None or wait.alternatives is None or not isinstance(wait.at, Choice):
        return None
    from interlock.core.primitives.outside import Outside  # which imports more than a program has that selects nothing

    choices = []
    for each in wait.alternatives:
        outside = wait.at.outside_of(each.at)
        choices.append(
            _of_outside(outside.waited_for, someone, view)
            if isinstance(outside, Outside)
            else _of_primitive(each, someone, view)
        )
    meaning = Meaning(" or ".join(dict.fromkeys(each.what for each in choices)), target=wait.at)
    meaning.choices = choices
    meaning.also = [way for each in choices for way in each.ways()]
    meaning.lines = list(dict.fromkeys(f"{each.what}: {line}" for each in choices for line in each.lines))
    meaning.givers = list({id(giver): giver for each in choices for giver in each.givers}.values())
    meaning.outside = any(each.outside for each in choices)
    meaning.child = any(each.child for each in choices)
    meaning.dead = bool(choices) and all(each.dead for each in choices)
    meaning.calm = any(each.calm for each in choices)
    return meaning


def _of_primitive(wait: Wait, someone: "Someone", view: "View") -> Meaning:
    alone = copy.copy(someone)
    alone.wait = wait
    alone.place = None  # that line names several
    found = queues.adapter(alone, view) or primitives.adapter(alone, view)
    assert found is not None
    return found


def _of_outside(waited_for: object, someone: "Someone", view: "View") -> Meaning:
    if isinstance(waited_for, Thread):
        givers = [each for each in view.people if not each.is_task and each.ident == waited_for.ident]
        return Meaning(f"the end of {waited_for.name}", givers=givers, outside=not givers)
    if hasattr(waited_for, "add_done_callback"):
        return futures.of_future(waited_for, view, someone)
    pid = getattr(waited_for, "pid", None)
    found = Meaning("data from outside" if pid is None else f"child process {pid}", outside=True)
    found.child = pid is not None
    return found
