from interlock.core.task import TaskParty
from interlock.core.task_waiter import TaskWaiter

class Limits:
    def ends(self, party: TaskParty, waiter: TaskWaiter) -> bool: ...
