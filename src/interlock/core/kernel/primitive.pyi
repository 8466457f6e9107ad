from typing import Any, NoReturn, SupportsIndex

from interlock.core.kernel.probe import Observed

class Primitive(Observed):
    @property
    def name(self) -> str | None: ...
    @property
    def waiters(self) -> tuple[Any, ...]: ...
    def __reduce_ex__(self, protocol: SupportsIndex) -> NoReturn: ...
