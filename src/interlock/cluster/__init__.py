"""Synchronization between machines, on the engine that is there: memory, Redis, PostgreSQL, etcd.

    cluster = interlock.cluster.connect("redis://host/0", prefix="shop", label="worker-7")
    lock = cluster.Lock("orders")
    with lock as grant:
        save(fence=grant.token)

The package from the bottom up: `engine.py` is the contract and `machine.py` the reference of what an engine does,
`engines/` has one file for each; `ticket.py` (one wait and its hold), `session.py` (the lease, its renewal, its loss),
`calling.py` (one code for threads and tasks), `client.py` (the handle, outages, forks); then a file for each primitive.
"""

from interlock.cluster.client import Cluster, Remote, Seen, connect
from interlock.cluster.errors import (
    ClusterError,
    EngineRestarted,
    EngineUnavailable,
    ForkedLock,
    LeaseLost,
    NotHeld,
    SetupNeeded,
    ShapeError,
)
from interlock.cluster.ticket import Ticket

__all__ = [
    "Cluster",
    "ClusterError",
    "EngineRestarted",
    "EngineUnavailable",
    "ForkedLock",
    "LeaseLost",
    "NotHeld",
    "Remote",
    "Seen",
    "SetupNeeded",
    "ShapeError",
    "Ticket",
    "connect",
]
