"""A thread or task that waits between processes: the holder may be any process of this machine.

What such a wait is about stands in the shared memory, so nothing is noted while it waits. Another process may end it at
any moment, for all this one knows: it is never called stuck.
"""

import sys
import time

from interlock.core.kernel.private import listed_thread
from interlock.watch.waits import Meaning

TYPE_CHECKING = False
if TYPE_CHECKING:
    from interlock.machine.kernel import Blocked
    from interlock.watch.view import Someone, View


def adapter(someone: "Someone", view: "View") -> Meaning | None:
    blocked = wait_of(someone)
    if blocked is None:
        return None
    seconds = max(0.0, time.monotonic() - blocked.since / 1e9)
    timed = " with a timeout" if blocked.timed else ""
    meaning = Meaning(str(blocked), outside=True, verb=f"has waited {seconds:.1f} s{timed} for")
    meaning.child = True  # it may be stuck itself
    return meaning


def wait_of(someone: "Someone") -> "Blocked | None":
    """The wait of this party between processes, or None."""
    kernel = sys.modules.get("interlock.machine.kernel")
    if kernel is None or someone.wait is not None:
        return None
    found: Blocked | None
    if someone.is_task:
        found = sys.modules["interlock.machine.tasks"].wait_of_task(someone.task)
        return found
    native = getattr(listed_thread(someone.ident), "native_id", None)
    found = None if native is None else kernel.wait_of_thread(native)
    return found
