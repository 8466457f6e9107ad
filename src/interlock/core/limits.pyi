from interlock.core.task import TaskParty

class Limits:
    def ends(self, party: TaskParty) -> bool: ...
