from typing import Any, TypeVar, final, overload

from interlock.core.kernel.primitive import Primitive
from interlock.core.primitives.alternative import Alternative

HOPELESS: object

_T = TypeVar("_T")

NOT_READY: object

@final
class Case: ...

@final
class Choice(Primitive):
    @property
    def name(self) -> str: ...
    @property
    def alternatives(self) -> tuple[Primitive, ...]: ...
    def outside_of(self, target: object) -> object: ...

@overload
def select(alternative: Alternative[_T], /, *, timeout: float | None = None) -> tuple[int, _T]: ...
@overload
def select(*alternatives: Any, timeout: float | None = None) -> tuple[int, Any]: ...
async def select_async(*alternatives: Any, timeout: float | None = None) -> tuple[int, Any]: ...
