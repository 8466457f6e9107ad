from typing import NoReturn, SupportsIndex

from interlock.core.kernel.party import _Someone
from interlock.core.kernel.probe import Observed

class Primitive(Observed):
    @property
    def name(self) -> str | None: ...
    @property
    def waiters(self) -> tuple[_Someone, ...]: ...
    def __reduce_ex__(self, protocol: SupportsIndex) -> NoReturn: ...
