"""What a report does not see, noted while it can be: processes that were started, threads and modules that were there
before us. `watch/unseen.py` says it.
"""

import _thread
import os
import sys
import threading

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Any


class Outside:
    """Attributes: ``forked`` ((name or '', pid or 0) of each forked child), ``started`` ((pid or 0, arguments) of each
    program that `subprocess`, `multiprocessing` or `os.system` started), ``threads`` (names) and ``modules`` that were
    there before.
    """

    def __init__(self) -> None:
        self.forked: list[tuple[str, int]] = []
        self.started: list[tuple[int, list[str]]] = []
        self.threads: list[str] = [each.name for each in threading.enumerate() if each is not threading.main_thread()]
        self.modules: frozenset[str] = frozenset(sys.modules)

    def watch(self) -> None:
        """Begin to note."""
        if not hasattr(os, "register_at_fork"):
            return
        os.register_at_fork(after_in_parent=self._after_fork)
        try:
            import _posixsubprocess
        except ImportError:
            return
        fork_exec = _posixsubprocess.fork_exec

        def noted(arguments: "Sequence[Any]", *others: "Any") -> int:
            pid = fork_exec(arguments, *others)
            self.started.append((pid, [os.fsdecode(each) for each in arguments]))
            return pid

        _posixsubprocess.fork_exec = noted  # type: ignore[assignment]
        subprocess = sys.modules.get("subprocess")
        if getattr(subprocess, "_fork_exec", None) is fork_exec:
            subprocess._fork_exec = noted  # type: ignore[union-attr]

        # `subprocess` starts programs by this where the system can close descriptors for it, from Python 3.13 on.
        for name in "posix_spawn", "posix_spawnp":
            spawn = getattr(os, name, None)
            if spawn is not None:
                setattr(os, name, self._noting(spawn))

        system = os.system

        def noted_system(command: "Any") -> int:
            if isinstance(command, (str, bytes)):
                self.started.append((0, ["sh", "-c", os.fsdecode(command)]))
            return system(command)

        noted_system.__name__ = "system"
        os.system = noted_system

    def _noting(self, spawn: "Callable[..., int]") -> "Callable[..., int]":
        def noted(path: "Any", arguments: "Sequence[Any]", *others: "Any", **keywords: "Any") -> int:
            pid = spawn(path, arguments, *others, **keywords)
            self.started.append((pid, [os.fsdecode(each) for each in arguments]))
            return pid

        noted.__name__ = spawn.__name__
        return noted

    def _after_fork(self) -> None:
        self.forked.append((_name_of_child(), _youngest_child()))


def _name_of_child() -> str:
    """What `multiprocessing` calls the child that has been forked just now, or ''."""
    frame = sys._getframe()
    for _ in range(6):
        if frame.f_back is None:
            break
        frame = frame.f_back
        if frame.f_code.co_name == "_launch" and frame.f_globals.get("__name__") == "multiprocessing.popen_fork":
            return str(frame.f_locals["process_obj"].name)
    return ""


def _youngest_child() -> int:
    """The pid of the child that this thread has forked just now; 0 where the system does not tell."""
    try:
        with open(f"/proc/self/task/{_thread.get_native_id()}/children", "rb") as children:
            return int(children.read().split()[-1])
    except (OSError, ValueError, IndexError):
        return 0
