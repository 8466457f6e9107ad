from interlock.core.tasks.task import TaskParty

class TaskLimits:
    def ends(self, party: TaskParty) -> bool: ...
