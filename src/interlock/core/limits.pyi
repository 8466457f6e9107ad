from interlock.core.awaiting import TaskWaiter
from interlock.core.task import TaskParty

class Limits:
    def ends(self, party: TaskParty, waiter: TaskWaiter) -> bool: ...
