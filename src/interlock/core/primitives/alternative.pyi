from typing import Any, Generic, TypeVar, final

from interlock.core.kernel.primitive import Primitive

_T_co = TypeVar("_T_co", covariant=True)

@final
class Alternative(Generic[_T_co]):
    def __init__(self) -> None: ...

def with_outside(made: Alternative[Any], outside: object) -> Alternative[Any]: ...
def outside_alternative(event: Primitive, outside: object) -> Alternative[Any]: ...

WORDS: tuple[str, ...]
