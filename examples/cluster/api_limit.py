"""A service allows five calls at a time, over all workers of all machines.

    python examples/cluster/api_limit.py [URL]

Each worker is a process elsewhere; here they are loops with a handle of their own. Threads and tasks share the limit.
A worker that dies gives its calls back when its lease is over.
"""

import asyncio
import sys
import threading

import interlock.cluster

URL = sys.argv[1] if len(sys.argv) > 1 else "memory://limit"
LIMIT, WORKERS, CALLS = 5, 4, 10


class Service:
    """Counts how many calls are under way."""

    def __init__(self) -> None:
        self.guard = threading.Lock()
        self.now = self.most = self.calls = 0

    async def call(self) -> None:
        with self.guard:
            self.now += 1
            self.calls += 1
            self.most = max(self.most, self.now)
        await asyncio.sleep(0.005)
        with self.guard:
            self.now -= 1


async def worker(number: int, service: Service) -> None:
    # "grant": a server that has just started may allow some calls too many, instead of none for a while.
    async with interlock.cluster.connect(
        URL, prefix="limit", label=f"worker-{number}", after_restart="grant"
    ) as cluster:
        limit = cluster.Semaphore("calls to the service", LIMIT)

        async def one_call() -> None:
            async with limit:
                await service.call()

        await asyncio.gather(*(one_call() for _ in range(CALLS)))


def main() -> None:
    service = Service()
    workers = [threading.Thread(target=asyncio.run, args=(worker(i, service),)) for i in range(WORKERS)]
    for each in workers:
        each.start()
    for each in workers:
        each.join()
    print(f"{service.calls} calls, at most {service.most} at a time")


if __name__ == "__main__":
    main()
