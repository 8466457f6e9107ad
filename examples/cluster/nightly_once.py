"""A nightly job that must run once, however many machines try.

    python examples/cluster/nightly_once.py [URL]

Three workers come at midnight, each with a handle of its own, as three machines would have. Whoever gets the lock does
the job if nobody has done it for this night. The table that it writes to checks the token: a worker that was paused in
the middle, and whose lock went to another meanwhile, comes too late to do harm.

`memory://` needs no server; try redis://localhost/0, postgresql://localhost/db or etcd://localhost with real machines.
"""

import sys
import threading

import interlock.cluster

URL = sys.argv[1] if len(sys.argv) > 1 else "memory://nightly"
NIGHT = "2026-01-31"


class Table:
    """What the job writes to. It takes no write with a token below the last; in SQL: UPDATE ... WHERE fence <= %s"""

    def __init__(self) -> None:
        self.done_for = ""
        self.fence = 0
        self.guard = threading.Lock()

    def write(self, night: str, fence: int) -> bool:
        with self.guard:
            if fence < self.fence:
                return False
            self.fence, self.done_for = fence, night
            return True


def worker(name: str, table: Table) -> None:
    with (
        interlock.cluster.connect(URL, prefix="nightly", label=name) as cluster,
        cluster.Lock("report") as grant,
    ):
        if table.done_for == NIGHT:
            print(f"{name}: done already")
            return
        # ... the work itself, which may ask grant.check() now and then ...
        written = table.write(NIGHT, fence=grant.token)
        print(f"{name}: did the job, written: {written}")


def main() -> None:
    table = Table()
    workers = [threading.Thread(target=worker, args=(f"host-{i}", table)) for i in (1, 2, 3)]
    for each in workers:
        each.start()
    for each in workers:
        each.join()
    # Somebody who held the lock before all of them, was paused, and wakes up now.
    print(f"late writer with an old token, written: {table.write('2026-01-30', fence=1)}")


if __name__ == "__main__":
    main()
