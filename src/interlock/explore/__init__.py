"""The schedule explorer. The package can be called: `interlock.explore(function)`."""

import sys
from types import ModuleType

from interlock.explore.engine.baton import Abandon
from interlock.explore.explorer import Exploration, ScheduleError, Undecided, explore
from interlock.explore.token import TokenError

__all__ = ["Abandon", "Exploration", "ScheduleError", "TokenError", "Undecided", "explore"]


class _Callable(ModuleType):
    def __call__(self, *args: object, **kwargs: object) -> Exploration:
        return explore(*args, **kwargs)  # type: ignore[arg-type]


sys.modules[__name__].__class__ = _Callable
