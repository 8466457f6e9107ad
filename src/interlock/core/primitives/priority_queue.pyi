from typing import TypeVar

from interlock.core.primitives.queue import Queue

_T = TypeVar("_T")

class PriorityQueue(Queue[_T]):
    def __init__(self, maxsize: int = 0, *, name: str | None = None) -> None: ...
