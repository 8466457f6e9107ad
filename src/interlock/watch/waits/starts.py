"""A thread that waits until the one that it has started has begun. The system lets it begin."""

from interlock.watch.waits import Meaning
from interlock.watch.waits.frames import frame_in

TYPE_CHECKING = False
if TYPE_CHECKING:
    from interlock.watch.view import Someone, View


def adapter(someone: "Someone", view: "View") -> Meaning | None:
    """A thread in `Thread.start`."""
    if someone.is_task:
        return None
    frame = frame_in(someone.frames[:2], "threading", "Thread", "start")
    return None if frame is None else Meaning(f"the start of {frame.f_locals['self'].name}", outside=True)
