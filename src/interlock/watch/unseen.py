"""What the report of a run has not seen, in sentences."""

import _thread
import gc
import os
import sys
from collections.abc import Iterator, Sequence

from interlock.core.kernel.maker import is_of_library
from interlock.watch.reach import names_of
from interlock.watch.words import count, legible

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import ModuleType

    from interlock.cli.outside import Outside

_NAMED = 5
_MOST_OBJECTS = 400_000  # in a program of more nobody waits for raw locks to be looked for
_SLICE = 2_000
_LOCKS = (_thread.LockType, _thread.RLock)
_OURS = "interlock"


def unseen(outside: "Outside") -> list[str]:
    """The sentences, each a line."""
    forked = [f"{name} (pid {pid})" if name else f"pid {pid}" if pid else "" for name, pid in outside.forked]
    programs = [
        f"{name} (pid {pid})" if pid else name
        for pid, words in outside.started
        for command in _commands(words)
        if (name := _python_program(command))
    ]
    locks = sorted(set(_raw_locks(outside.modules)))
    lines = []
    if forked:
        what = count(len(forked), "forked child", "forked children")
        lines.append(f"Not seen: what {what} did{_listed([each for each in forked if each])}.")
    if programs:
        what = count(len(programs), "Python program that was started", "Python programs that were started")
        lines.append(f"Not seen: what happened in {what}{_listed(programs)}.")
    if outside.threads:
        what = count(len(outside.threads), "thread that was", "threads that were")
        lines.append(f"Not seen from its beginning: what {what} there before interlock{_listed(outside.threads)}.")
    if locks:
        what = count(
            len(locks), "lock of _thread, or older than interlock", "locks of _thread, or older than interlock"
        )
        lines.append(f"Not seen: {what}{_listed(locks)}.")
    return lines


def _listed(names: Sequence[str]) -> str:
    if not names:
        return ""
    shown = ", ".join(map(legible, names[:_NAMED]))
    more = f" and {len(names) - _NAMED:,} more" if len(names) > _NAMED else ""
    return f": {shown}{more}"


def _commands(words: list[str]) -> list[list[str]]:
    """The command lines in this one: a shell's are those of its script, as far as they can be told."""
    if len(words) < 3 or os.path.basename(words[0]) not in ("sh", "bash", "dash") or words[1] != "-c":
        return [words]
    import shlex  # only here: a program under `interlock run` is not to see much imported

    script = shlex.shlex(words[2], posix=True, punctuation_chars=True)
    script.whitespace_split = True
    commands: list[list[str]] = [[]]
    try:
        for word in script:
            if not word.strip("();<>|&"):
                commands.append([])
            elif commands[-1] or not (word == "exec" or "=" in word):
                commands[-1].append(word)
    except ValueError:
        return []  # a quote that is not closed
    return commands


def _python_program(words: list[str]) -> str | None:
    """What to call the program that this command line starts; None where it is none of Python's, or says what it sees
    itself."""
    if not words:
        return None
    command = os.path.basename(words[0])
    if not (words[0] == sys.executable or command.startswith(("python", "pypy"))):
        return legible(command) if words[0].endswith(".py") else None
    rest = iter(words[1:])
    for word in rest:
        if word in ("-X", "-W"):
            next(rest, None)
        elif word.startswith("-m"):
            module = word[2:] or next(rest, "")
            return None if module == _OURS else f"-m {module}"
        elif word.startswith("-c"):
            code = word[2:] or next(rest, "")
            if "multiprocessing.resource_tracker" in code:
                return None
            for start in "spawn", "forkserver":
                if f"multiprocessing.{start}" in code:
                    return "a child of multiprocessing" if start == "spawn" else "multiprocessing's forkserver"
            return f"-c {legible(code, 24)}"
        elif not word.startswith("-"):
            return None if os.path.basename(word) == _OURS else legible(os.path.basename(word))
    return "standard input"


# --- raw locks ----------------------------------------------------------------------------------------------------


def _raw_locks(before: frozenset[str]) -> Iterator[str]:
    """The names of the program's locks that are not ours; of the standard library's, those that were there before."""
    # A module in C may show the collector objects that it has freed and keeps for later (asyncio's, in 3.12). To ask
    # for them would free them once more. What a module names stands in its dictionary, which is an object of its own.
    objects = [each for each in gc.get_objects() if not issubclass(type(each), type(sys))]
    if len(objects) > _MOST_OBJECTS:
        return
    modules = {id(vars(module)): module for module in list(sys.modules.values()) if hasattr(module, "__dict__")}
    own: dict[int, object] = {}  # the names of instances, where they stand in a dictionary of their own
    for start in range(0, len(objects), _SLICE):
        some = objects[start : start + _SLICE]
        if not _has_lock(gc.get_referents(*some)):
            continue
        for owner in some:
            if type(owner) in (list, tuple, set) or not _has_lock(gc.get_referents(owner)):
                continue
            if id(owner) in modules:
                yield from _in_module(modules[id(owner)], before)
            elif type(owner) is dict:
                own[id(owner)] = owner
            elif type(names_of(owner)) is dict:
                yield from _in_instance(owner, before)
    if own:
        for start in range(0, len(objects), _SLICE):
            for owner in objects[start : start + _SLICE]:
                if type(owner) is not dict and id(names_of(owner)) in own:
                    yield from _in_instance(owner, before)


def _has_lock(things: Sequence[object]) -> bool:
    return any(type(thing) in _LOCKS for thing in things)


def _in_module(module: "ModuleType", before: frozenset[str]) -> Iterator[str]:
    if _is_told(module.__name__, before):
        for name, value in list(vars(module).items()):
            if type(value) in _LOCKS:
                yield f"{module.__name__}.{name}"


def _in_instance(owner: object, before: frozenset[str]) -> Iterator[str]:
    kind = type(owner)
    if _is_told(kind.__module__, frozenset()):
        names = names_of(owner)
        for name, value in list(names.items()) if type(names) is dict else ():
            if type(value) in _LOCKS:
                where = "" if kind.__module__ == "__main__" else f"{kind.__module__}."
                yield f"{where}{kind.__qualname__}.{name}"


def _is_told(module: str, before: frozenset[str]) -> bool:
    if module.partition(".")[0] in (_OURS, "threading", "importlib", "_frozen_importlib", "weakref"):
        return False
    file = getattr(sys.modules.get(module), "__file__", None)
    if file is None:
        return module == "__main__"
    return module in before or not is_of_library(file)
