"""The exceptions of interlock.cluster."""

__all__ = [
    "ClusterError",
    "EngineRestarted",
    "EngineUnavailable",
    "ForkedLock",
    "LeaseLost",
    "NotHeld",
    "SetupNeeded",
    "ShapeError",
]


class ClusterError(Exception):
    """What goes wrong between machines. All errors of interlock.cluster derive from it."""

    __module__ = "interlock"


class EngineUnavailable(ClusterError, ConnectionError):
    """The engine does not answer. Says which one, what was tried, and since when."""

    __module__ = "interlock"


class LeaseLost(ClusterError):
    """What was held may be held by somebody else by now: the lease ran out, or the engine forgot it."""

    __module__ = "interlock"


class EngineRestarted(LeaseLost):
    """The engine came back without what it knew, so what was held there is lost."""

    __module__ = "interlock"


class NotHeld(ClusterError, RuntimeError, ValueError):
    """A release of what the caller does not hold."""

    __module__ = "interlock"


class ForkedLock(NotHeld):
    """A release, in a forked child, of what its parent holds."""

    __module__ = "interlock"


class ShapeError(ClusterError, ValueError):
    """A name is in use as another kind of primitive, or with another capacity."""

    __module__ = "interlock"


class SetupNeeded(ClusterError):
    """The engine lacks what `interlock setup URL` makes, and this user may not make it."""

    __module__ = "interlock"
