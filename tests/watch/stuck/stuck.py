"""Programs that never end, with a heartbeat that does: what is to be said of them."""

from legal import HEAD  # noqa: F401

# name: (program, what must be said)
STUCK = {
    "a pool that waits for its own queue": (
        """
pool = ThreadPoolExecutor(2, thread_name_prefix="resize")
ready = threading.Barrier(2)
def part(size): return size
def album(pages):
    ready.wait()
    return [each.result() for each in [pool.submit(part, page) for page in range(pages)]]
for each in [pool.submit(album, 2) for _ in range(2)]: each.result()
""",
        ["both workers of the pool wait for jobs that stand in its own queue", "job part(0) in pool 'resize'"],
    ),
    "two workers that are to be joined, of one job": (
        """
pool = ThreadPoolExecutor(1, thread_name_prefix="one")
def outer(): return pool.submit(int, "1").result()
pool.submit(outer).result()
""",
        ["the one worker of the pool waits for a job that stands in its own queue"],
    ),
    "permits that their holders want more of": (
        """
limit = threading.Semaphore(2)
ready = threading.Barrier(2)
def job():
    with limit:
        ready.wait()
        with limit: pass
threads = [start(job, name=f"job-{n}") for n in range(2)]
for each in threads: each.join()
""",
        ["job-0 has a permit, taken at", "job-1 has a permit, taken at"],
    ),
    "a producer that has ended": (
        """
rows = queue.Queue()
def produce():
    rows.put(1)
    raise ConnectionError("gone")
start(produce, name="producer")
while True: rows.get()
""",
        ["producer could have, at", "ConnectionError: gone", "it is empty"],
    ),
    "a worker that has ended before task_done": (
        """
jobs = queue.Queue()
def work():
    while True:
        1 / jobs.get()
        jobs.task_done()
start(work, name="worker")
jobs.put(0)
jobs.join()
""",
        ["1 unfinished: 0 still in it, 1 taken out without task_done()", "worker could have, at", "ZeroDivisionError"],
    ),
    "a barrier whose party has ended": (
        """
gate = threading.Barrier(3)
def party(number):
    if number == 1: raise MemoryError("too large")
    gate.wait()
for number in range(3): start(party, number, name=f"rank-{number}")
gate2 = [each for each in threading.enumerate() if each.name == "rank-0"][0]
gate2.join()
""",
        ["2 of 3 have arrived", "rank-1 could have, at", "MemoryError: too large"],
    ),
    "an event whose setter has ended": (
        """
class Service:
    def __init__(self): self.ready = threading.Event()
    def load(self):
        open("/no/such/file")
        self.ready.set()
service = Service()
start(service.load, name="loader")
service.ready.wait()
""",
        ["nobody has set it", "loader could have, at", "FileNotFoundError"],
    ),
    "two events, each set after the other": (
        """
a, b = threading.Event(), threading.Event()
def first():
    a.wait()
    b.set()
def second():
    b.wait()
    a.set()
threads = [start(first, name="first"), start(second, name="second")]
for each in threads: each.join()
""",
        ["these wait for each other in a cycle"],
    ),
    "tasks that await each other": (
        """
async def main():
    tasks = {}
    async def flush(): await tasks["close"]
    async def close(): await tasks["flush"]
    async def beat():
        while True: await asyncio.sleep(0.01)
    beating = asyncio.create_task(beat(), name="beat")
    tasks["flush"] = asyncio.create_task(flush(), name="flush")
    tasks["close"] = asyncio.create_task(close(), name="close")
    await asyncio.gather(*tasks.values())
asyncio.run(main())
""",
        [
            "these wait for each other in a cycle",
            "CYCLE: close -> flush -> close",
            "waits for task close",
            "waits for task flush",
        ],
    ),
    "a task that awaits itself through a gather": (
        """
async def main():
    async def beat():
        while True: await asyncio.sleep(0.01)
    beating = asyncio.create_task(beat(), name="beat")
    box = []
    async def inner(): await asyncio.wait(box)
    box.append(asyncio.create_task(inner(), name="inner"))
    await box[0]
asyncio.run(main())
""",
        ["waits for task inner"],
    ),
    "connections that are kept while another is wanted": (
        """
class Pool:
    def __init__(self):
        self.free = queue.LifoQueue()
        for number in range(2): self.free.put(number)
pool = Pool()
ready = threading.Barrier(2)
def fetch(retries):
    connection = pool.free.get()
    if retries:
        ready.wait()
        fetch(retries - 1)
    pool.free.put(connection)
threads = [start(fetch, 1, name=f"crawler-{n}") for n in range(2)]
for each in threads: each.join()
""",
        ["it is empty", "crawler-0", "crawler-1"],
    ),
    "two bounded queues, each full": (
        """
a, b = queue.Queue(1), queue.Queue(1)
a.put(0); b.put(0)
ready = threading.Barrier(2)
def left():
    ready.wait()
    a.put(1)
    b.get()
def right():
    ready.wait()
    b.put(1)
    a.get()
threads = [start(left, name="left"), start(right, name="right")]
for each in threads: each.join()
""",
        ["these wait for each other in a cycle", "it is full: 1 of 1"],
    ),
    "a select that only the dead could end": (
        """
import interlock
jobs, stop = interlock.Queue(), interlock.Event()
def live():
    while True: time.sleep(0.01)
start(live)
def produce():
    if jobs.qsize() == 0: raise ValueError("broken")
    jobs.put(1)
start(produce, name="producer").join()
interlock.select(jobs.getting(), stop.waiting())
""",
        ["an item of Queue jobs or Event"],
    ),
    "two that select from what the other would put": (
        """
import interlock
a, b, c, d = [interlock.Queue() for _ in range(4)]
def live():
    while True: time.sleep(0.01)
start(live)
def left():
    interlock.select(a.getting(), b.getting())
    c.put(1)
def right():
    interlock.select(c.getting(), d.getting())
    a.put(1)
threads = [start(left, name="left"), start(right, name="right")]
for each in threads: each.join()
""",
        ["these wait for each other in a cycle", "an item of Queue a or an item of Queue b"],
    ),
}
