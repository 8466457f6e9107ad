"""The lock of a module that another thread imports."""

import sys

from interlock.core.explain.places import Place, is_standard_library
from interlock.watch.waits import Meaning

TYPE_CHECKING = False
if TYPE_CHECKING:
    from interlock.watch.view import Someone, View

_BOOTSTRAP = "<frozen importlib._bootstrap>"


def adapter(someone: "Someone", view: "View") -> Meaning | None:
    """A thread that waits until another has imported a module."""
    for frame in someone.frames[:3]:
        if frame.f_code.co_filename == _BOOTSTRAP and frame.f_code.co_name == "acquire":
            lock = frame.f_locals["self"]
            owner = _owner(lock)
            meaning = Meaning(f"the import of module {lock.name}", target=lock)
            for other in view.people:
                if not other.is_task and other.ident == owner:
                    meaning.givers.append(other)
                    where = _importing(other, lock.name)
                    meaning.lines.append(f"{other.name} imports it" + ("" if where is None else f", and is at {where}"))
            if not meaning.givers:
                meaning.outside = True  # it is being handed over
            return meaning
    return None


def _owner(lock: object) -> object:
    owner = getattr(lock, "owner", None)
    return owner[0] if isinstance(owner, (list, tuple)) and owner else owner


def _importing(someone: "Someone", name: str) -> Place | None:
    module = sys.modules.get(name)
    file = getattr(module, "__file__", None)
    for frame in someone.frames:
        if frame.f_code.co_filename == file and not is_standard_library(file):
            return Place(file, frame.f_lineno, frame.f_code.co_name)
    return someone.place
