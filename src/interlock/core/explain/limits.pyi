from interlock.core.tasks.task import TaskParty

class Limits:
    def ends(self, party: TaskParty) -> bool: ...
