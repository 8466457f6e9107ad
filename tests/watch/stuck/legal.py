"""Programs that look stuck for a while and go on: nothing may be said of them.

Each keeps its waits for at least `HOLD` seconds, which is many looks of the watcher in these tests.
"""

HEAD = """
import threading, time, queue, asyncio, signal, os, sys, functools, socket, subprocess
from concurrent.futures import ThreadPoolExecutor, wait, as_completed
HOLD = 0.5
def start(target, *args, name=None, daemon=True):
    thread = threading.Thread(target=target, args=args, name=name, daemon=daemon)
    thread.start()
    return thread
def beat():
    while True: time.sleep(0.01)
start(beat, name="heartbeat")
"""

LEGAL = {
    "an event that a living thread sets": """
done = threading.Event()
def later():
    time.sleep(HOLD)
    done.set()
start(later)
done.wait()
""",
    "an event that is set through a helper": """
done = threading.Event()
def finish(): done.set()
def later():
    time.sleep(HOLD)
    finish()
start(later)
done.wait()
""",
    "an event that is set through a table of functions": """
done = threading.Event()
table = {"finish": lambda: done.set()}
def later():
    time.sleep(HOLD)
    table["finish"]()
start(later)
done.wait()
""",
    "an event that is set by a name that is put together": """
done = threading.Event()
def later():
    time.sleep(HOLD)
    getattr(done, "set")()
start(later)
done.wait()
""",
    "an event that an object of a class sets": """
class Job:
    def __init__(self): self.done = threading.Event()
    def run(self):
        time.sleep(HOLD)
        self.finish()
    def finish(self): self.done.set()
job = Job()
start(job.run)
job.done.wait()
""",
    "an event handed on as an argument": """
done = threading.Event()
def later(event):
    time.sleep(HOLD)
    event.set()
start(later, done)
done.wait()
""",
    "an event handed on as a bound method": """
done = threading.Event()
def later(call):
    time.sleep(HOLD)
    call()
start(later, done.set)
done.wait()
""",
    "an event that a timer sets": """
done = threading.Event()
threading.Timer(HOLD, done.set).start()
done.wait()
""",
    "an event that a signal handler sets": """
done = threading.Event()
signal.signal(signal.SIGALRM, lambda number, frame: done.set())
signal.setitimer(signal.ITIMER_REAL, HOLD)
done.wait()
""",
    "an event that is kept under a changing attribute": """
class Slot:
    def __init__(self): self.current = None; self.all = []
    def next(self):
        self.current = self.all.pop()
        self.current.set()
slot = Slot()
done = threading.Event()
slot.all.append(done)
slot.current = threading.Event()
def later():
    time.sleep(HOLD)
    slot.next()
start(later)
done.wait()
""",
    "a thread that a supervisor starts again": """
gate = threading.Barrier(2)
def work(fails):
    if fails: raise ValueError("first try")
    gate.wait()
def supervise():
    thread = start(work, True)
    thread.join()
    time.sleep(HOLD)
    start(work, False)
threading.excepthook = lambda args: None
start(supervise)
gate.wait()
""",
    "a pool whose worker is slow": """
with ThreadPoolExecutor(1) as pool:
    first = pool.submit(time.sleep, HOLD)
    second = pool.submit(int, "3")
    assert second.result() == 3
""",
    "a full pool whose waiters wait for another pool": """
outer, inner = ThreadPoolExecutor(2), ThreadPoolExecutor(1)
def job(): return inner.submit(time.sleep, HOLD / 2).result()
for each in [outer.submit(job) for _ in range(2)]: each.result()
outer.shutdown(); inner.shutdown()
""",
    "idle workers of a pool": """
pool = ThreadPoolExecutor(3)
list(pool.map(time.sleep, [0.01] * 3))
time.sleep(HOLD)
pool.shutdown()
""",
    "as_completed": """
with ThreadPoolExecutor(2) as pool:
    jobs = [pool.submit(time.sleep, HOLD), pool.submit(time.sleep, 0)]
    for each in as_completed(jobs): each.result()
""",
    "consumers that have nothing to do": """
jobs = queue.Queue()
def consume():
    while True:
        job = jobs.get()
        if job is None: return
        jobs.task_done()
workers = [start(consume) for _ in range(3)]
for number in range(10): jobs.put(number)
jobs.join()
time.sleep(HOLD)
for _ in workers: jobs.put(None)
for each in workers: each.join()
""",
    "crawlers that feed themselves, when all is crawled": """
pages = queue.Queue()
def crawl():
    while True:
        depth = pages.get()
        if depth:
            pages.put(depth - 1)
        pages.task_done()
for number in range(3): start(crawl)
pages.put(3)
pages.join()
time.sleep(HOLD)
""",
    "crawlers that feed themselves, one of which has ended": """
pages = queue.Queue()
def crawl():
    while True:
        depth = pages.get()
        if depth == 2: pages.task_done(); raise ValueError("a bad page")
        if depth: pages.put(depth - 1)
        pages.task_done()
threading.excepthook = lambda args: None
for number in range(3): start(crawl)
pages.put(2); pages.put(1)
pages.join()
time.sleep(HOLD)
""",
    "a pipeline that is idle while a server waits": """
first, second = queue.Queue(), queue.Queue()
def one():
    while True: second.put(first.get())
def two():
    while True:
        item = second.get()
        if item == "again": first.put("done")
start(one); start(two)
server = socket.create_server(("127.0.0.1", 0))
server.settimeout(HOLD)
try: server.accept()
except TimeoutError: pass
""",
    "a server whose handler feeds the workers": """
import socketserver
jobs = queue.Queue()
done = threading.Event()
class Handler(socketserver.BaseRequestHandler):
    def handle(self): jobs.put(self.request.recv(10))
def work():
    jobs.get()
    done.set()
with socketserver.TCPServer(("127.0.0.1", 0), Handler) as server:
    start(server.serve_forever)
    start(work)
    threading.Timer(HOLD, lambda: socket.create_connection(server.server_address).send(b"x")).start()
    done.wait()
    server.shutdown()
""",
    "a loop in a thread that is called later": """
loop = asyncio.new_event_loop()
start(loop.run_forever)
async def main():
    await asyncio.sleep(0.01)
    return 1
time.sleep(HOLD / 2)
def call(): print(asyncio.run_coroutine_threadsafe(main(), loop).result())
thread = start(call)
thread.join()
time.sleep(HOLD / 2)
loop.call_soon_threadsafe(loop.stop)
""",
    "tasks that wait for a task that sleeps": """
async def main():
    async def slow(): await asyncio.sleep(HOLD)
    task = asyncio.create_task(slow())
    await asyncio.gather(*[asyncio.wait({task}) for _ in range(3)])
asyncio.run(main())
""",
    "tasks that wait for each other under a timeout": """
async def main():
    tasks = {}
    async def a(): await asyncio.wait([tasks["b"]])
    async def b(): await asyncio.wait([tasks["a"]])
    tasks["a"], tasks["b"] = asyncio.create_task(a()), asyncio.create_task(b())
    try: await asyncio.wait_for(asyncio.gather(*tasks.values()), HOLD)
    except (TimeoutError, asyncio.TimeoutError, asyncio.CancelledError): pass
asyncio.run(main())
""",
    "tasks that wait for each other until a third cancels": """
async def main():
    tasks = {}
    async def a(): await asyncio.wait([tasks["b"]])
    async def b(): await asyncio.wait([tasks["a"]])
    tasks["a"], tasks["b"] = asyncio.create_task(a()), asyncio.create_task(b())
    async def reap():
        await asyncio.sleep(HOLD)
        for each in tasks.values(): each.cancel()
    reaper = asyncio.create_task(reap())
    await asyncio.wait(tasks.values())
    await reaper
asyncio.run(main())
""",
    "a future that a callback sets later": """
async def main():
    loop = asyncio.get_running_loop()
    reply = loop.create_future()
    loop.call_later(HOLD, reply.set_result, 1)
    await reply
asyncio.run(main())
""",
    "a future that a thread sets later": """
async def main():
    loop = asyncio.get_running_loop()
    reply = loop.create_future()
    def later():
        time.sleep(HOLD)
        loop.call_soon_threadsafe(reply.set_result, 1)
    start(later)
    await reply
asyncio.run(main())
""",
    "to_thread": """
async def main():
    await asyncio.to_thread(time.sleep, HOLD)
asyncio.run(main())
""",
    "a task that reads from a socket": """
async def main():
    async def serve(reader, writer):
        await asyncio.sleep(HOLD)
        writer.write(b"x"); writer.close()
    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
    await reader.read()
    writer.close(); server.close()
asyncio.run(main())
""",
    "permits that their holders give back": """
limit = threading.Semaphore(2)
def work():
    with limit: time.sleep(HOLD / 2)
threads = [start(work) for _ in range(4)]
for each in threads: each.join()
""",
    "a lock that another thread releases": """
lock = threading.Lock()
lock.acquire()
def later():
    time.sleep(HOLD)
    lock.release()
start(later)
lock.acquire()
""",
    "two locks taken with acquire that a third thread releases": """
a, b = threading.Lock(), threading.Lock()
ready = threading.Barrier(3)
def first(): a.acquire(); ready.wait(); b.acquire()
def second(): b.acquire(); ready.wait(); a.acquire()
threads = [start(first), start(second)]
def release():
    ready.wait()
    time.sleep(HOLD)
    a.release(); b.release()
start(release)
for each in threads: each.join()
""",
    "a child process that takes its time": """
subprocess.run([sys.executable, "-c", f"import time; time.sleep({HOLD})"], check=True)
""",
    "a condition whose notifier sleeps": """
shelf = threading.Condition()
items = []
def later():
    time.sleep(HOLD)
    with shelf:
        items.append(1)
        shelf.notify()
start(later)
with shelf: shelf.wait_for(lambda: items)
""",
    "a bounded queue whose consumer is slow": """
jobs = queue.Queue(1)
def consume():
    for _ in range(3):
        time.sleep(HOLD / 3)
        jobs.get()
thread = start(consume)
for number in range(3): jobs.put(number)
thread.join()
""",
    "polling with a limit of its own": """
jobs = queue.Queue()
end = time.monotonic() + HOLD
while time.monotonic() < end:
    try: jobs.get(timeout=0.02)
    except queue.Empty: continue
""",
    "callbacks that are registered": """
callbacks = []
done = threading.Event()
callbacks.append(done.set)
def later():
    time.sleep(HOLD)
    for each in callbacks: each()
start(later)
done.wait()
""",
    "a coroutine driven from another thread's queue": """
import queue as q
calls = q.Queue()
def run():
    while True:
        call = calls.get()
        if call is None: return
        call()
thread = start(run)
done = threading.Event()
def later():
    time.sleep(HOLD)
    calls.put(done.set)
start(later)
done.wait()
calls.put(None); thread.join()
""",
    "a select whose second alternative comes late": """
import interlock
jobs, stop = interlock.Queue(), interlock.Event()
def later():
    time.sleep(HOLD)
    stop.set()
start(later)
assert interlock.select(jobs.getting(), stop.waiting()) == (1, True)
""",
    "a select after one of its givers has died": """
import interlock
jobs, stop = interlock.Queue(), interlock.Event()
def produce():
    if jobs.qsize() == 0: raise ValueError
    jobs.put(1)
start(produce).join()
def later():
    time.sleep(HOLD)
    stop.set()
start(later)
assert interlock.select(jobs.getting(), stop.waiting()) == (1, True)
""",
    "a select for a child process": """
import interlock, subprocess, sys
child = subprocess.Popen([sys.executable, "-c", f"import time; time.sleep({HOLD})"])
never = interlock.Event()
assert interlock.select(never.waiting(), child)[0] == 1
""",
    "a select for a lock in a cycle and one that is let go": """
import interlock
a, b, c = interlock.Lock(), interlock.Lock(), interlock.Lock()
b.acquire()
ready = interlock.Event()
def other():
    b.acquire(False)
    with c:
        ready.set()
        time.sleep(HOLD)
start(other); ready.wait()
assert interlock.select(b.acquiring(), c.acquiring())[0] == 1
""",
}
