"""`memory://`: the reference machine in this process. Nothing to install, nothing to run; gone with the process.

All connections of one URL and one prefix share a machine, so `memory://a` and `memory://b` are two engines, and two
clients of `memory://` are like two processes of one server.
"""

from __future__ import annotations

import _thread
from collections import deque
from collections.abc import Callable, Sequence

from interlock.cluster.bell import Bell
from interlock.cluster.engine import Answer, Argument, Engine, Inbox, Settings, Told, Unreachable
from interlock.cluster.machine import Machine, clock


class Store:
    """A machine and the inboxes of its sessions.

    ``fault``: for tests. Called with "before" or "after" and the step, around each; what it raises is raised.
    """

    def __init__(self, now: Callable[[], int] = clock) -> None:
        self.guard: _thread.LockType = _thread.allocate_lock()
        self.inboxes: dict[str, MemoryInbox] = {}
        self.machine: Machine = Machine(self.tell, now)
        self.fault: Callable[[str, str, Sequence[Argument]], object] | None = None

    def tell(self, session: str, waiter: str, value: int) -> None:
        inbox = self.inboxes.get(session)
        if inbox is not None:
            inbox.put(Told(waiter, value))


stores: dict[tuple[str, str], Store] = {}
stores_guard: _thread.LockType = _thread.allocate_lock()


def store_of(settings: Settings) -> Store:
    with stores_guard:
        return stores.setdefault((settings.url, settings.prefix), Store())


class MemoryEngine(Engine):
    def __init__(self, settings: Settings) -> None:
        super().__init__(settings)
        self.store: Store = store_of(settings)
        self.closed: bool = False

    def call(self, op: str, arguments: Sequence[Argument], timeout: float) -> Answer:
        store = self.store
        if self.closed:
            raise Unreachable("closed")
        if store.fault is not None:
            store.fault("before", op, arguments)
        with store.guard:
            answer = store.machine.step(op, arguments)
        if store.fault is not None:
            store.fault("after", op, arguments)
        return answer

    def inbox(self, session: str) -> Inbox:
        return self.store.inboxes.setdefault(session, MemoryInbox(self.store, session))

    def forked(self) -> None:
        # The parent's threads may have been in the middle of a step; what they had is not ours anyway.
        with_new_guard = Store(self.store.machine.clock)
        stores[(self.settings.url, self.settings.prefix)] = self.store = with_new_guard

    def close(self) -> None:
        self.closed = True


class MemoryInbox(Inbox):
    def __init__(self, store: Store, session: str) -> None:
        self.store = store
        self.session = session
        self.told: deque[Told] = deque()
        self.came: Bell = Bell()
        self.first: bool = True
        self.closed: bool = False

    def put(self, told: Told) -> None:
        self.told.append(told)
        self.came.set()

    def read(self, timeout: float) -> list[Told] | None:
        if self.store.fault is not None:
            self.store.fault("before", "read", [self.session])
        if self.first:
            self.first = False
            return None
        self.came.wait(timeout)
        self.came.clear()
        if self.closed:
            raise Unreachable("closed")
        told: list[Told] = []
        while self.told:
            told.append(self.told.popleft())
        return told

    def close(self) -> None:
        self.closed = True
        self.store.inboxes.pop(self.session, None)
        self.came.set()


def make(settings: Settings) -> Engine:
    return MemoryEngine(settings)
