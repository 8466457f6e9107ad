from typing import final

from interlock.core.kernel.party import _Someone
from interlock.core.kernel.primitive import Primitive

@final
class Mark: ...

@final
class Line(Primitive): ...

class QueueBase(Primitive):
    @property
    def getters(self) -> tuple[_Someone, ...]: ...

def rename(queue: type, errors: tuple[type[Exception], type[Exception], type[Exception]]) -> None: ...
