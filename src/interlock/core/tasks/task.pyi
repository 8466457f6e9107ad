from typing import Any

from interlock.core.kernel.party import Party

class TaskParty(Party):
    @property
    def loop(self) -> Any: ...
    def __call__(self, reference: object) -> None: ...

def current_party() -> Party: ...
