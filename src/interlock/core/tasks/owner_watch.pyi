from typing import final

@final
class LoopWatch:
    def __call__(self) -> None: ...
