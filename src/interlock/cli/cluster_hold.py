"""`interlock hold URL NAME`: a lock, a permit or one side of an RWLock on an engine."""

import os
import threading
from argparse import Namespace

from interlock import Event
from interlock.cli.hold import BAD_USE, Hold, refuse
from interlock.cluster import Cluster, ClusterError, LeaseLost, Ticket, connect
from interlock.cluster.permits import Permits
from interlock.cluster.rwlock import RWLock

# In a forked process gRPC starts its threads again, in the few moments until the command takes its place there. They
# find their descriptors closed, and end that process. It reads this when it is first used, and we need none of it.
GRPC_FORKS = "GRPC_ENABLE_FORK_SUPPORT"
GIVEN = os.environ.get(GRPC_FORKS)  # what the command is to find there


class ClusterHold:
    def __init__(self, cluster: Cluster, target: Permits) -> None:
        self.cluster = cluster
        self.target = target
        self.ticket: Ticket | None = None

    def acquire(self, timeout: float | None) -> bool:
        try:
            self.ticket = self.target.enter(timeout)
        except TimeoutError:
            return False
        except ClusterError as error:
            refuse(str(error))
        return True

    def environment(self) -> dict[str, str]:
        assert self.ticket is not None
        os.environ.pop(GRPC_FORKS, None)
        given = {} if GIVEN is None else {GRPC_FORKS: GIVEN}
        return given | {"INTERLOCK_TOKEN": str(self.ticket.value)}

    def on_lost(self, tell: Event) -> None:
        assert self.ticket is not None
        lost = self.ticket.lost

        def watch() -> None:
            lost.wait()
            tell.set()

        threading.Thread(target=watch, name="interlock-hold-lost", daemon=True).start()

    def release(self) -> bool:
        assert self.ticket is not None
        try:
            self.ticket.check()
            self.target.__exit__(None, None, None)
        except LeaseLost:
            return False
        finally:
            self.cluster.close()
        return True


def open_hold(request: Namespace) -> Hold:
    try:
        os.environ[GRPC_FORKS] = "false"
        cluster = connect(request.target, prefix=request.prefix, lease=request.lease, label=request.label)
        if request.semaphore is not None:
            return ClusterHold(cluster, cluster.Semaphore(request.name, request.semaphore))
        rwlock: RWLock | None = cluster.RWLock(request.name) if request.shared or request.exclusive else None
        if rwlock is None:
            return ClusterHold(cluster, cluster.Lock(request.name))
        return ClusterHold(cluster, rwlock.read() if request.shared else rwlock.write())
    except (ValueError, TypeError) as error:
        refuse(str(error), BAD_USE)
    except ClusterError as error:
        refuse(str(error))
