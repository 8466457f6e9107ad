"""What a queue raises: the standard library's own classes. Loaded when the first is raised or asked for."""

import queue

Empty = queue.Empty
Full = queue.Full
ShutDown: type[Exception]

if hasattr(queue, "ShutDown"):
    ShutDown = queue.ShutDown
else:

    class ShutDown(Exception):  # type: ignore[no-redef]  # Python 3.13 has it
        """Raised by put and get where the queue has been shut down, and for a get has no item left."""

        __module__ = "interlock"


ERRORS = (Empty, Full, ShutDown)
