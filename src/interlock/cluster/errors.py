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
    """The base of all errors of interlock.cluster."""

    __module__ = "interlock"


class EngineUnavailable(ClusterError, ConnectionError):
    """The engine does not answer. The message says which one, what was tried, and since when."""

    __module__ = "interlock"


class LeaseLost(ClusterError):
    """Another process may hold the lock by now: the lease ran out, or the engine forgot it."""

    __module__ = "interlock"


class EngineRestarted(LeaseLost):
    """The engine came back without its data, so all that was held there is lost."""

    __module__ = "interlock"


class NotHeld(ClusterError, RuntimeError, ValueError):
    """A release, or a check, of what the caller does not hold."""

    __module__ = "interlock"


class ForkedLock(NotHeld):
    """A release, or a check, in a forked child, of what its parent holds."""

    __module__ = "interlock"


class ShapeError(ClusterError, ValueError):
    """A name is in use as another kind of primitive, or with another capacity."""

    __module__ = "interlock"


class SetupNeeded(ClusterError):
    """The database lacks the schema that `interlock setup URL` creates, and this user may not create it."""

    __module__ = "interlock"
