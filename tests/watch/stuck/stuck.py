"""Programs that never end, with a heartbeat that does: what is to be said of them."""

import sys

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
    "a future whose setter has ended": (
        """
from concurrent.futures import Future
f=Future()
def dies(): {}["k"]; f.set_result(1)
start(dies,name="setter")
def w(): f.result()
start(w,name="asker").join()
""",
        ["a future", "setter could have"],
    ),
    "a condition whose notifier has ended": (
        """
c=threading.Condition()
def n():
    open("/nonexist")
    with c: c.notify()
start(n,name="notifier")
def w():
    with c: c.wait()
start(w,name="sleeper").join()
""",
        ["no notify() has reached this wait", "notifier could have"],
    ),
    "a full queue whose consumer has ended": (
        """
q=queue.Queue(1)
def c(): q.get(); raise ValueError("consumer")
start(c,name="consumer")
def p():
    while True: q.put(1)
start(p,name="producer").join()
""",
        ["room in Queue q", "full: 1 of 1", "consumer could have"],
    ),
    "a child with a full pipe": (
        """
p=subprocess.Popen([sys.executable,"-c","print('x'*200000)"],stdout=subprocess.PIPE)
p.wait()
""",
        ["full pipe"],
    ),
    "a process that cannot put all": (
        """
import multiprocessing as mp
def c(q):
    signal.alarm(8)  # its parent ends before it, and nobody else would end it
    q.put("x"*1000000)
if __name__=="__main__":
    q=mp.Queue(); p=mp.Process(target=c,args=(q,)); p.start(); p.join()
""",
        ["pipe of", "full"],
    ),
    "a queue of asyncio's whose producer has ended": (
        """
async def main():
    q=asyncio.Queue()
    async def prod():
        await q.put(1); 1/0; await q.put(2)
    async def cons():
        while True: await q.get()
    async def beat():
        while True: await asyncio.sleep(.1)
    a=asyncio.create_task(prod(),name="prod"); b=asyncio.create_task(cons(),name="cons"); asyncio.create_task(beat())
    await b
asyncio.run(main())
""",
        ["an item of Queue q", "prod", "ZeroDivisionError"],
    ),
    "a future that nobody else knows": (
        """
async def main():
    async def w(): await asyncio.get_running_loop().create_future()
    await asyncio.create_task(w(),name="w")
asyncio.run(main())
""",
        ["nobody can set it"],
    ),
    "a future that nobody else knows, in a loop that lives": (
        """
async def main():
    async def beat():
        while True: await asyncio.sleep(.1)
    beating = asyncio.create_task(beat())
    async def w():
        reply = asyncio.get_running_loop().create_future()
        await reply
    await asyncio.create_task(w(),name="w")
asyncio.run(main())
""",
        ["nobody can set it"],
    ),
    "a loop that nobody runs": (
        """
loop=asyncio.new_event_loop()
async def c(): return 1
def w(): asyncio.run_coroutine_threadsafe(c(),loop).result()
start(w,name="asker").join()
""",
        ["not running"],
    ),
    "a loop that is closed": (
        """
loop=asyncio.new_event_loop()
async def c(): await asyncio.sleep(100)
t=start(loop.run_forever)
f=asyncio.run_coroutine_threadsafe(c(),loop)
loop.call_soon_threadsafe(loop.stop); t.join(); loop.close()
def w(): f.result()
start(w,name="asker").join()
""",
        ["closed"],
    ),
    "a loop that a call has stopped": (
        """
loop=asyncio.new_event_loop()
start(loop.run_forever,name="looper")
async def c(): return 1
async def outer(): return await asyncio.to_thread(lambda: asyncio.run_coroutine_threadsafe(c(),loop).result())
lock=threading.Lock(); lock.acquire()
def blocks(): lock.acquire()
loop.call_soon_threadsafe(blocks)
time.sleep(.1)
def w(): asyncio.run_coroutine_threadsafe(c(),loop).result(); lock.release()
start(w,name="asker").join()
""",
        ["looper"],
    ),
    "permits that tasks want more of": (
        """
async def main():
    s=asyncio.Semaphore(2)
    async def w():
        async with s:
            await asyncio.sleep(.05)
            async with s: pass
    async def beat():
        while True: await asyncio.sleep(.1)
    b=asyncio.create_task(beat())
    await asyncio.gather(*[asyncio.create_task(w(),name=f"w{i}") for i in range(2)])
asyncio.run(main())
""",
        ["has a permit"],
    ),
    "a map within a pool": (
        """
pool=ThreadPoolExecutor(2,thread_name_prefix="nest")
r=threading.Barrier(2)
def leaf(x): return x
def f(x): r.wait(); return list(pool.map(leaf,[x]))
list(pool.map(f,[1,2]))
""",
        ["both workers of the pool", "leaf"],
    ),
    "a task and a thread": (
        """
async def main():
    loop=asyncio.get_running_loop(); f=loop.create_future()
    ev=threading.Event()
    async def setter():
        await asyncio.to_thread(ev.wait)
        f.set_result(1)
    async def waiter():
        await f
        ev.set()
    await asyncio.gather(asyncio.create_task(setter(),name="setter"),asyncio.create_task(waiter(),name="waiter"))
asyncio.run(main())
""",
        ["setter", "waiter"],
    ),
    "an import that waits for a thread that imports": (
        """
import tempfile
d=tempfile.mkdtemp(); sys.path.insert(0,d)
open(d+"/ma.py","w").write("import threading,time\\ndef f():\\n    import mb\\nt=threading.Thread(target=f)\\n"
    "t.start(); time.sleep(.2)\\nt.join()\\n")
open(d+"/mb.py","w").write("import ma\\nma.x\\n")
import ma
""",
        ["module ma"],
    ),
}
if sys.version_info < (3, 12):
    STUCK["a cached property that waits for itself"] = (
        """
class Page:
    @functools.cached_property
    def text(self):
        getter = start(lambda: self.text, name="getter")
        getter.join()
        return ""
Page().text
""",
        ["the value of cached property Page.text", "MainThread computes it"],
    )
