"""What a queue raises: the standard library's own classes. Loaded when the first is raised or asked for."""

import queue
import sys

Empty = queue.Empty
Full = queue.Full

if sys.version_info >= (3, 13):
    ShutDown = queue.ShutDown
else:

    class ShutDown(Exception):
        """Raised by put and get where the queue has been shut down, and for a get has no item left."""

        __module__ = "interlock"


ERRORS = (Empty, Full, ShutDown)
