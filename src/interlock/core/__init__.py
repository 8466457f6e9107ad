"""What is compiled: waiting, and everything that waits.

Its rooms, from the bottom up; each imports only from those before it:

kernel      what waiting is: parties, waiters, the queue of a primitive, timeouts, the probe
tasks       which task calls, a task's waiter, what it awaits
graph       who waits for whom, and what of that is certain
primitives  one file for each primitive
record      the ring of events and what writes it (imports kernel and tasks only)
explain     places, stories, the order of locks: loaded when something was found or is watched

In a wheel for Linux all of it is one file, `compiled.cpython-*.so` (setup.py says why), and so is what is compiled of
`interlock.machine`. Then their modules are found by `_InOneFile`.
"""

import sys
from _imp import extension_suffixes

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from importlib.machinery import ModuleSpec
    from types import ModuleType

_SUFFIX = extension_suffixes()[0]
_PACKAGE = __path__[0][: -len("core")]


class _InOneFile:
    """Finds modules that are linked into one file. The last finder: asked only for names without a file."""

    @staticmethod
    def find_spec(
        name: str, path: "Sequence[str] | None" = None, target: "ModuleType | None" = None
    ) -> "ModuleSpec | None":
        if not name.startswith(("interlock.core.", "interlock.machine.", "interlock.explore.engine.")):
            return None
        from importlib.machinery import ExtensionFileLoader, ModuleSpec

        room = "machine" if name.startswith("interlock.machine.") else "core"
        file = f"{_PACKAGE}{room}/compiled{_SUFFIX}"
        # Its function for this module is found by the last part of the name.
        spec = ModuleSpec(name, ExtensionFileLoader(name, file), origin=file)
        spec.has_location = True
        return spec


def _is_in_one_file() -> bool:
    from os.path import isfile

    return isfile(f"{_PACKAGE}core/compiled{_SUFFIX}")


if _is_in_one_file():
    sys.meta_path.append(_InOneFile)
