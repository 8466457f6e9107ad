"""One program for each kind of wait of which `interlock run` is to know who could end it, and its twin, which goes on.

In what is to be said, `{W}` stands for the number of the line that ends with the comment `#W`.
"""

from typing import NamedTuple


class Row(NamedTuple):
    """``hang``: a program that never ends, and ``said``: what is to be said of it; ``twin``: one like it that ends, or
    None; ``code``: the exit code of the first."""

    hang: str
    twin: str | None
    said: tuple[str, ...]
    code: int


ROWS: dict[str, Row] = {}


def row(name: str, hang: str, twin: str | None, *said: str, code: int = 3) -> None:
    ROWS[name] = Row(hang, twin, said, code)


row(
    "pool: exception() of a job behind the one who asks",
    """
pool = ThreadPoolExecutor(1, thread_name_prefix="mail")
def send(address): return address
def batch(addresses):
    jobs = [pool.submit(send, each) for each in addresses]  #S
    return [each.exception() for each in jobs]  #W
pool.submit(batch, ["a@b", "c@d"]).result()
""",
    """
pool = ThreadPoolExecutor(2, thread_name_prefix="mail")
def send(address): time.sleep(HOLD); return address
def batch(addresses):
    jobs = [pool.submit(send, each) for each in addresses]
    return [each.exception() for each in jobs]
pool.submit(batch, ["a@b", "c@d"]).result()
""",
    "the result of job send('a@b') in pool 'mail', at prog.py:{W} in",
    "number 1 in the queue of pool 'mail'",
    "the one worker of the pool waits",
    "submitted at prog.py:{S}",
)

row(
    "pool: wait()",
    """
pool = ThreadPoolExecutor(2, thread_name_prefix="scan")
gate = threading.Barrier(2)
def leaf(n): return n
def tree(n):
    gate.wait()
    jobs = [pool.submit(leaf, k) for k in range(n)]  #S
    wait(jobs)  #W
for each in [pool.submit(tree, 2), pool.submit(tree, 2)]: each.result()
""",
    """
pool = ThreadPoolExecutor(3, thread_name_prefix="scan")
def leaf(n): time.sleep(HOLD / 4); return n
def tree(n):
    jobs = [pool.submit(leaf, k) for k in range(n)]
    wait(jobs)
for each in [pool.submit(tree, 2), pool.submit(tree, 2)]: each.result()
""",
    "job leaf(0) in pool 'scan'",
    "prog.py:{W} in tree",
    "both workers of the pool wait",
)

row(
    "pool: as_completed()",
    """
pool = ThreadPoolExecutor(2, thread_name_prefix="scan")
gate = threading.Barrier(2)
def leaf(n): return n
def tree(n):
    gate.wait()
    for each in as_completed([pool.submit(leaf, k) for k in range(n)]):  #W
        each.result()
for each in [pool.submit(tree, 2), pool.submit(tree, 2)]: each.result()
""",
    """
pool = ThreadPoolExecutor(4, thread_name_prefix="scan")
def leaf(n): time.sleep(HOLD / 4); return n
def tree(n):
    for each in as_completed([pool.submit(leaf, k) for k in range(n)]): each.result()
for each in [pool.submit(tree, 2), pool.submit(tree, 2)]: each.result()
""",
    "job leaf(",
    "prog.py:{W} in tree",
    "both workers of the pool wait",
)

row(
    "pool: shutdown() of a pool whose job waits for what comes after it",
    """
pool = ThreadPoolExecutor(1, thread_name_prefix="flush")
closed = threading.Event()
def job(): closed.wait()  #J
pool.submit(job)
pool.shutdown()  #W
closed.set()
""",
    """
pool = ThreadPoolExecutor(1, thread_name_prefix="flush")
closed = threading.Event()
def job(): closed.wait()
pool.submit(job)
threading.Timer(HOLD, closed.set).start()
pool.shutdown()
closed.set()
""",
    "in a cycle",
    "prog.py:{W} in <module>",
    "prog.py:{J} in job",
    "flush_0",
)

row(
    "pools: two that wait for each other's jobs",
    """
left, right = ThreadPoolExecutor(1, thread_name_prefix="left"), ThreadPoolExecutor(1, thread_name_prefix="right")
gate = threading.Barrier(2)
def small(n): return n
def from_left():
    gate.wait()
    return right.submit(small, 1).result()  #L
def from_right():
    gate.wait()
    return left.submit(small, 2).result()  #R
jobs = [left.submit(from_left), right.submit(from_right)]
for each in jobs: each.result()
""",
    """
left, right = ThreadPoolExecutor(1, thread_name_prefix="left"), ThreadPoolExecutor(1, thread_name_prefix="right")
def small(n): time.sleep(HOLD / 2); return n
def from_left(): return right.submit(small, 1).result()
def from_right(): return small(2)
jobs = [left.submit(from_left), right.submit(from_right)]
for each in jobs: each.result()
""",
    "in a cycle",
    "job small(1) in pool 'right', at prog.py:{L} in from_left",
    "job small(2) in pool 'left', at prog.py:{R} in from_right",
)

row(
    "a future that nobody sets any more: its setter died",
    """
from concurrent.futures import Future
class Client:
    def __init__(self): self.replies = {}
    def ask(self, key):
        reply = self.replies[key] = Future()
        return reply
    def read(self):
        for line in ["1=a", "garbage"]:
            key, value = line.split("=")  #D
            self.replies.pop(key).set_result(value)
client = Client()
first, second = client.ask("1"), client.ask("2")
start(client.read, name="reader")
first.result()
second.result()  #W
""",
    """
from concurrent.futures import Future
class Client:
    def __init__(self): self.replies = {}
    def ask(self, key):
        reply = self.replies[key] = Future()
        return reply
    def read(self):
        for line in ["1=a", "2=b"]:
            key, value = line.split("=")
            time.sleep(HOLD / 2)
            self.replies.pop(key).set_result(value)
client = Client()
first, second = client.ask("1"), client.ask("2")
start(client.read, name="reader")
first.result()
second.result()
""",
    "prog.py:{W} in <module>",
    "reader",
    "ValueError: not enough values to unpack",
)

row(
    "loop: jobs of the default executor that wait for the loop's jobs there",
    """
async def main():
    loop = asyncio.get_running_loop()
    loop.set_default_executor(ThreadPoolExecutor(2, thread_name_prefix="io"))
    gate = threading.Barrier(2)
    async def look_up(key): return await asyncio.to_thread(str, key)  #T
    def handle(key):
        gate.wait()
        return asyncio.run_coroutine_threadsafe(look_up(key), loop).result()  #W
    await asyncio.gather(asyncio.to_thread(handle, 1), asyncio.to_thread(handle, 2))
asyncio.run(main())
""",
    """
async def main():
    loop = asyncio.get_running_loop()
    loop.set_default_executor(ThreadPoolExecutor(3, thread_name_prefix="io"))
    async def look_up(key): return await asyncio.to_thread(time.sleep, HOLD / 2)
    def handle(key):
        return asyncio.run_coroutine_threadsafe(look_up(key), loop).result()
    await asyncio.gather(asyncio.to_thread(handle, 1), asyncio.to_thread(handle, 2))
asyncio.run(main())
""",
    "in a cycle",
    "prog.py:{W} in handle",
    "io_0",
    "io_1",
)

row(
    "loop: a thread that asks a loop which waits for it",
    """
loop = asyncio.new_event_loop()
start(loop.run_forever, name="looper")
answer = threading.Event()
async def state(): return 1
def ask():
    asyncio.run_coroutine_threadsafe(state(), loop).result()  #A
    answer.set()
def blocks(): answer.wait()  #B
loop.call_soon_threadsafe(blocks)
time.sleep(0.1)
start(ask, name="asker").join()
""",
    """
loop = asyncio.new_event_loop()
start(loop.run_forever, name="looper")
answer = threading.Event()
async def state(): await asyncio.sleep(HOLD); return 1
def ask():
    asyncio.run_coroutine_threadsafe(state(), loop).result()
    answer.set()
def runs(): pass
loop.call_soon_threadsafe(runs)
start(ask, name="asker").join()
answer.wait()
""",
    "in a cycle",
    "prog.py:{A} in ask",
    "prog.py:{B} in blocks",
    "its loop runs in looper",
    "coroutine state",
)

row(
    "loop: stopped while a coroutine of it is awaited",
    """
loop = asyncio.new_event_loop()
thread = start(loop.run_forever, name="looper")
async def serve(): await asyncio.Event().wait()
def ask(): asyncio.run_coroutine_threadsafe(serve(), loop).result()  #W
asking = start(ask, name="asker")
time.sleep(0.2)
loop.call_soon_threadsafe(loop.stop)
thread.join()
asking.join()
""",
    """
loop = asyncio.new_event_loop()
thread = start(loop.run_forever, name="looper")
async def serve(): await asyncio.sleep(HOLD)
def ask(): asyncio.run_coroutine_threadsafe(serve(), loop).result()
asking = start(ask, name="asker")
asking.join()
loop.call_soon_threadsafe(loop.stop)
thread.join()
""",
    "prog.py:{W} in ask",
    "its loop is not running",
)

row(
    "tasks: a child of a group awaits its parent",
    """
async def main():
    async def beat():
        while True: await asyncio.sleep(0.01)
    beating = asyncio.create_task(beat())
    async def child(): await parent  #C
    async def run():
        async with asyncio.TaskGroup() as group:  #P
            group.create_task(child(), name="child")
    parent = asyncio.create_task(run(), name="parent")
    await asyncio.wait([parent])
asyncio.run(main())
""",
    """
async def main():
    async def child(): await asyncio.sleep(HOLD)
    async def run():
        async with asyncio.TaskGroup() as group:
            group.create_task(child(), name="child")
    parent = asyncio.create_task(run(), name="parent")
    await asyncio.wait([parent])
asyncio.run(main())
""",
    "in a cycle",
    "child -> parent -> child",
    "waits for task parent, at prog.py:{C} in child",
    "waits for task child, at prog.py:{P} in run",
)

row(
    "tasks: through gather, shield and wait_for without a limit",
    """
async def main():
    async def beat():
        while True: await asyncio.sleep(0.01)
    beating = asyncio.create_task(beat())
    tasks = {}
    async def one(): await asyncio.gather(tasks["two"])  #A
    async def two(): await asyncio.shield(tasks["three"])  #B
    async def three(): await asyncio.wait_for(tasks["one"], None)  #C
    for each in (one, two, three): tasks[each.__name__] = asyncio.create_task(each(), name=each.__name__)
    await asyncio.wait(tasks.values())
asyncio.run(main())
""",
    """
async def main():
    tasks = {}
    async def one(): await asyncio.gather(tasks["two"])
    async def two(): await asyncio.shield(tasks["three"])
    async def three(): await asyncio.wait_for(asyncio.sleep(HOLD), None)
    for each in (one, two, three): tasks[each.__name__] = asyncio.create_task(each(), name=each.__name__)
    await asyncio.wait(tasks.values())
asyncio.run(main())
""",
    "in a cycle",
    "prog.py:{A} in one",
    "prog.py:{B} in two",
    "prog.py:{C} in three",
    "waits for task two",
    "waits for task three",
    "waits for task one",
)

row(
    "tasks: a lock that is held while its wanter is awaited",
    """
async def main():
    lock = asyncio.Lock()
    async def beat():
        while True: await asyncio.sleep(0.01)
    beating = asyncio.create_task(beat())
    async def inner():
        async with lock: return 1  #I
    async def outer():
        async with lock:
            return await asyncio.create_task(inner(), name="inner")  #O
    await asyncio.wait([asyncio.create_task(outer(), name="outer")])
asyncio.run(main())
""",
    """
async def main():
    lock = asyncio.Lock()
    async def inner():
        async with lock: return 1
    async def outer():
        async with lock:
            task = asyncio.create_task(inner(), name="inner")
            await asyncio.sleep(HOLD)
        return await task
    await asyncio.wait([asyncio.create_task(outer(), name="outer")])
asyncio.run(main())
""",
    "inner",
    "outer",
    "prog.py:{I} in inner",
    "prog.py:{O} in outer",
)

row(
    "tasks: a future whose setter has ended",
    """
async def main():
    async def beat():
        while True: await asyncio.sleep(0.01)
    beating = asyncio.create_task(beat())
    replies = {1: asyncio.get_running_loop().create_future(), 2: asyncio.get_running_loop().create_future()}
    async def read():
        for key in (1, 3):
            replies[key].set_result("x")  #D
    reader = asyncio.create_task(read(), name="reader")
    await replies[1]
    await replies[2]  #W
asyncio.run(main())
""",
    """
async def main():
    replies = {1: asyncio.get_running_loop().create_future(), 2: asyncio.get_running_loop().create_future()}
    async def read():
        for key in (1, 2):
            await asyncio.sleep(HOLD / 2)
            replies[key].set_result("x")
    reader = asyncio.create_task(read(), name="reader")
    await replies[1]
    await replies[2]
asyncio.run(main())
""",
    "prog.py:{W} in main",
    "KeyError: 3",
    "reader",
)

row(
    "SimpleQueue: get, its producer has ended",
    """
lines = queue.SimpleQueue()
def tail():
    for text in ("a", "b", 3): lines.put(text.upper())  #P
start(tail, name="tail")
def show():
    while True: lines.get()  #W
start(show, name="screen").join()
""",
    """
lines = queue.SimpleQueue()
def tail():
    for text in ("a", "b"):
        time.sleep(HOLD / 2)
        lines.put(text.upper())
    lines.put(None)
start(tail, name="tail")
def show():
    while lines.get() is not None: pass
start(show, name="screen").join()
""",
    "an item of SimpleQueue lines, at prog.py:{W} in show",
    "it is empty",
    "tail put into it 2 times",
    "AttributeError: 'int' object has no attribute 'upper', at prog.py:{P} in tail",
)

row(
    "LifoQueue: put, its consumer has ended",
    """
work = queue.LifoQueue(2)
def consume():
    while True: int(work.get())  #C
def produce():
    for each in ("1", "x", "2", "3", "4", "5", "6"): work.put(each)  #W
start(consume, name="consumer")
start(produce, name="producer").join()
""",
    """
work = queue.LifoQueue(2)
def consume():
    while True: time.sleep(HOLD / 7); int(work.get())
def produce():
    for each in ("1", "0", "2", "3", "4", "5", "6"): work.put(each)
start(consume, name="consumer")
start(produce, name="producer").join()
""",
    "room in LifoQueue work, at prog.py:{W} in produce",
    "it is full: 2 of 2",
    "consumer got from it",
    "ValueError",
    "prog.py:{C} in consume",
)

row(
    "PriorityQueue: join, its worker has ended",
    """
work = queue.PriorityQueue()
def consume():
    while True:
        rank, name = work.get()
        name.strip()  #C
        work.task_done()
start(consume, name="worker")
for each in ((1, "a"), (2, None), (3, "c")): work.put(each)
work.join()  #W
""",
    """
work = queue.PriorityQueue()
def consume():
    while True:
        rank, name = work.get()
        time.sleep(HOLD / 3)
        name.strip()
        work.task_done()
start(consume, name="worker")
for each in ((1, "a"), (2, "b"), (3, "c")): work.put(each)
work.join()
""",
    "all jobs of PriorityQueue work, at prog.py:{W} in <module>",
    "2 unfinished: 1 still in it, 1 taken out without task_done()",
    "worker",
    "AttributeError: 'NoneType' object has no attribute 'strip', at prog.py:{C} in consume",
)

row(
    "asyncio.Queue: join, its workers have ended",
    """
async def main():
    jobs = asyncio.Queue()
    async def beat():
        while True: await asyncio.sleep(0.01)
    beating = asyncio.create_task(beat())
    async def work():
        while True:
            1 / await jobs.get()  #D
            jobs.task_done()
    workers = [asyncio.create_task(work(), name=f"worker-{n}") for n in range(2)]
    for each in (1, 0, 0, 1): jobs.put_nowait(each)
    await jobs.join()  #W
asyncio.run(main())
""",
    """
async def main():
    jobs = asyncio.Queue()
    async def work():
        while True:
            await jobs.get()
            await asyncio.sleep(HOLD / 3)
            jobs.task_done()
    workers = [asyncio.create_task(work(), name=f"worker-{n}") for n in range(2)]
    for each in (1, 0, 0, 1): jobs.put_nowait(each)
    await jobs.join()
asyncio.run(main())
""",
    "all jobs of Queue jobs, at prog.py:{W} in main",
    "3 unfinished: 1 still in it, 2 taken out without task_done()",
    "worker-0",
    "worker-1",
    "ZeroDivisionError",
    "prog.py:{D} in work",
)

row(
    "asyncio.Queue: put, its consumer has ended",
    """
async def main():
    jobs = asyncio.Queue(1)
    async def beat():
        while True: await asyncio.sleep(0.01)
    beating = asyncio.create_task(beat())
    async def consume():
        while True: int(await jobs.get())  #D
    consumer = asyncio.create_task(consume(), name="consumer")
    for each in ("1", "x", "2", "3", "4"): await jobs.put(each)  #W
asyncio.run(main())
""",
    """
async def main():
    jobs = asyncio.Queue(1)
    async def consume():
        while True:
            await asyncio.sleep(HOLD / 5)
            int(await jobs.get())
    consumer = asyncio.create_task(consume(), name="consumer")
    for each in ("1", "0", "2", "3", "4"): await jobs.put(each)
asyncio.run(main())
""",
    "room in Queue jobs, at prog.py:{W} in main",
    "it is full: 1 of 1",
    "consumer",
    "ValueError",
    "prog.py:{D} in consume",
)

row(
    "Semaphore: a permit kept by one that died",
    """
slots = threading.Semaphore(1)
def fetch(url):
    slots.acquire()  #A
    url.encode()  #D
    slots.release()
start(fetch, None, name="fetcher-1").join()
start(fetch, "x", name="fetcher-2").join()
""",
    """
slots = threading.Semaphore(1)
def fetch(url):
    slots.acquire()
    time.sleep(HOLD / 2)
    slots.release()
threads = [start(fetch, None, name="fetcher-1"), start(fetch, "x", name="fetcher-2")]
for each in threads: each.join()
""",
    "Semaphore",
    "no permit is free",
    "fetcher-1 took a permit of it",
    "AttributeError",
    "prog.py:{D} in fetch",
)

row(
    "Semaphore: permits in two semaphores, each wanted by the holder of the other",
    """
readers, writers = threading.Semaphore(1), threading.BoundedSemaphore(1)
gate = threading.Barrier(2)
def copy():
    with readers:  #R
        gate.wait()
        with writers: pass  #V
def move():
    with writers:  #Q
        gate.wait()
        with readers: pass  #U
threads = [start(copy, name="copier"), start(move, name="mover")]
for each in threads: each.join()
""",
    """
readers, writers = threading.Semaphore(1), threading.BoundedSemaphore(1)
def copy():
    with readers:
        time.sleep(HOLD / 2)
        with writers: pass
def move():
    time.sleep(HOLD / 2)
    with readers:
        with writers: time.sleep(HOLD / 2)
threads = [start(copy, name="copier"), start(move, name="mover")]
for each in threads: each.join()
""",
    "in a cycle",
    "copier",
    "mover",
    "mover has a permit, taken at prog.py:{Q} in move",
    "copier has a permit, taken at prog.py:{R} in copy",
    "prog.py:{V} in copy",
    "prog.py:{U} in move",
)

row(
    "Event: a request's, whose worker has died",
    """
requests = queue.Queue()
class Request:
    def __init__(self, text): self.text = text; self.done = threading.Event()
def serve():
    while True:
        request = requests.get()
        request.answer = int(request.text)  #D
        request.done.set()  #G
start(serve, name="server")
def ask(text):
    request = Request(text)
    requests.put(request)
    request.done.wait()  #W
ask("1")
ask("x")
""",
    """
requests = queue.Queue()
class Request:
    def __init__(self, text): self.text = text; self.done = threading.Event()
def serve():
    while True:
        request = requests.get()
        time.sleep(HOLD / 2)
        request.answer = int(request.text)
        request.done.set()
start(serve, name="server")
def ask(text):
    request = Request(text)
    requests.put(request)
    request.done.wait()
ask("1")
ask("2")
""",
    "Event",
    "prog.py:{W} in ask",
    "server",
    "ValueError",
    "prog.py:{D} in serve",
)

row(
    "Condition: wait_for what a dead thread was to bring",
    """
class Cache:
    def __init__(self): self.changed = threading.Condition(); self.value = None
    def fill(self):
        value = {}["price"]  #D
        with self.changed:
            self.value = value
            self.changed.notify_all()
    def get(self):
        with self.changed:
            self.changed.wait_for(lambda: self.value is not None)  #W
cache = Cache()
start(cache.fill, name="filler")
start(cache.get, name="reader").join()
""",
    """
class Cache:
    def __init__(self): self.changed = threading.Condition(); self.value = None
    def fill(self):
        time.sleep(HOLD)
        with self.changed:
            self.value = 1
            self.changed.notify_all()
    def get(self):
        with self.changed:
            self.changed.wait_for(lambda: self.value is not None)
cache = Cache()
start(cache.fill, name="filler")
start(cache.get, name="reader").join()
""",
    "Condition",
    "prog.py:{W} in get",
    "filler could have",
    "KeyError: 'price'",
    "prog.py:{D} in fill",
)

row(
    "Barrier: a party of the earlier generations has ended",
    """
gate = threading.Barrier(3)
def rank(number):
    for step in range(3):
        if number == 2 and step == 1: raise OSError("disk full")  #D
        gate.wait()  #W
threads = [start(rank, n, name=f"rank-{n}") for n in range(3)]
threads[0].join()
""",
    """
gate = threading.Barrier(3)
def rank(number):
    for step in range(3):
        if number == 2: time.sleep(HOLD / 3)
        gate.wait()
threads = [start(rank, n, name=f"rank-{n}") for n in range(3)]
for each in threads: each.join()
""",
    "Barrier",
    "2 of 3 have arrived",
    "prog.py:{W} in rank",
    "rank-2 arrived at it once",
    "OSError: disk full, at prog.py:{D} in rank",
)

row(
    "Latch: a count-down that never comes",
    """
import interlock
ready = interlock.Latch(2)
def load(file):
    len(file)  #D
    ready.count_down()
start(load, "a", name="loader-a"); start(load, None, name="loader-b")
ready.wait()  #W
""",
    """
import interlock
ready = interlock.Latch(2)
def load(file):
    time.sleep(HOLD)
    ready.count_down()
start(load, "a", name="loader-a"); start(load, None, name="loader-b")
ready.wait()
""",
    "Latch",
    "1 count-down is missing",
    "prog.py:{W} in <module>",
    "loader-b",
    "TypeError",
    "prog.py:{D} in load",
)

row(
    "import: two modules that import each other in two threads",
    """
import tempfile
place = tempfile.mkdtemp(); sys.path.insert(0, place)
open(place + "/plug.py", "w").write(
    "import threading, prog_gate\\ndef go():\\n    import plug  # again\\n    plug.x\\n"
    "t = threading.Thread(target=go, name='plugger')\\nt.start()\\nt.join()\\nx = 1\\n"
)
open(place + "/prog_gate.py", "w").write("")
import plug  #W
""",
    """
import tempfile
place = tempfile.mkdtemp(); sys.path.insert(0, place)
open(place + "/slow.py", "w").write(f"import time; time.sleep({HOLD})\\nx = 1\\n")
def go():
    import slow
    slow.x
threads = [start(go) for _ in range(3)]
import slow
for each in threads: each.join()
""",
    "the import of module plug",
    "plugger",
    "plug.py:3 in go",
    "MainThread imports it, and is at",
    "plug.py:7 in <module>",
)

row(
    "a raw lock of _thread that nobody releases",
    """
import _thread
gate = _thread.allocate_lock()
gate.acquire()
def opens():
    {}["key"]  #D
    gate.release()
start(opens, name="opener")
def passes(): gate.acquire()  #W
start(passes, name="visitor").join()
""",
    """
import _thread
gate = _thread.allocate_lock()
gate.acquire()
def opens():
    time.sleep(HOLD)
    gate.release()
start(opens, name="opener")
def passes(): gate.acquire()
start(passes, name="visitor").join()
""",
    "prog.py:{W} in passes",
    "opener could have",
    "KeyError: 'key'",
)

row(
    "Thread.join: two that join each other",
    """
gate = threading.Barrier(2)
threads = {}
def run(other):
    gate.wait()
    threads[other].join()  #W
threads["a"] = threading.Thread(target=run, args=("b",), name="a", daemon=True)
threads["b"] = threading.Thread(target=run, args=("a",), name="b", daemon=True)
for each in threads.values(): each.start()
threads["a"].join()
""",
    """
threads = {}
def run(other):
    if other: threads[other].join()
    time.sleep(HOLD / 2)
threads["a"] = threading.Thread(target=run, args=("b",), name="a", daemon=True)
threads["b"] = threading.Thread(target=run, args=(None,), name="b", daemon=True)
threads["b"].start(); threads["a"].start()
threads["a"].join()
""",
    "DeadlockError: this wait would never end",
    "prog.py:{W} in run",
    code=0,
)

row(
    "Thread.join: of one that waits for what comes after the join",
    """
stop = threading.Event()
def work(): stop.wait()  #A
worker = start(work, name="worker")
worker.join()  #W
stop.set()
""",
    """
stop = threading.Event()
def work(): stop.wait()
worker = start(work, name="worker")
time.sleep(HOLD)
stop.set()
worker.join()
""",
    "in a cycle",
    "the end of worker, at prog.py:{W} in <module>",
    "prog.py:{A} in work",
)

row(
    "a signal handler that cuts into what it wants",
    """
log = threading.Lock()
def reap(number, frame):
    with log: pass  #H
signal.signal(signal.SIGALRM, reap)
signal.setitimer(signal.ITIMER_REAL, 0.05)
end = time.monotonic() + 5
with log:
    while time.monotonic() < end: pass  #L
""",
    """
log = threading.RLock()
def reap(number, frame):
    with log: pass
signal.signal(signal.SIGALRM, reap)
signal.setitimer(signal.ITIMER_REAL, 0.05)
end = time.monotonic() + HOLD
with log:
    while time.monotonic() < end: pass
""",
    "in handler reap of SIGALRM, which cut into prog.py:{L}",
    "prog.py:{H} in reap",
)

row(
    "a finalizer that cuts into what it wants",
    """
registry = threading.Lock()
class Handle:
    def __del__(self):
        with registry: pass  #H
def work():
    handle = Handle()
    with registry:
        del handle  #L
start(work, name="worker").join()
""",
    """
registry = threading.RLock()
class Handle:
    def __del__(self):
        with registry: time.sleep(HOLD)
def work():
    handle = Handle()
    with registry:
        del handle
start(work, name="worker").join()
""",
    "DeadlockError: this wait would never end",
    "worker waits for what it holds itself",
    "prog.py:{H} in __del__",
    code=0,
)

row(
    "Process.join: of a child that waits for what its parent is to send",
    """
import multiprocessing as mp
mp = mp.get_context("fork")
def child(tasks):
    signal.alarm(8)
    tasks.get()
if __name__ == "__main__":
    tasks = mp.Queue()
    process = mp.Process(target=child, args=(tasks,), name="cruncher")
    process.start()
    process.join()  #W
    tasks.put(1)
""",
    None,
    "cruncher",
    "prog.py:{W} in <module>",
    "waits for an item of multiprocessing.Queue tasks",
)

row(
    "a pipe to itself: one thread",
    """
reading, writing = os.pipe()
def fill():
    os.write(writing, b"x" * 1_000_000)  #W
    os.read(reading, 10)
start(fill, name="filler").join()
""",
    """
reading, writing = os.pipe()
def fill(): os.write(writing, b"x" * 200_000)
filler = start(fill, name="filler")
time.sleep(HOLD)
got = 0
while got < 200_000: got += len(os.read(reading, 65536))
filler.join()
""",
    "prog.py:{W} in fill",
    "the pipe is full",
    "as descriptor",
)

row(
    "a pipe to itself: one is joined before the other reads",
    """
reading, writing = os.pipe()
def fill():
    os.write(writing, b"x" * 1_000_000)  #W
filler = start(fill, name="filler")
filler.join()  #J
os.read(reading, 10)
""",
    """
reading, writing = os.pipe()
def fill():
    with os.fdopen(writing, "wb") as out: out.write(b"x" * 200_000)
filler = start(fill, name="filler")
time.sleep(HOLD)
with os.fdopen(reading, "rb") as file:
    for line in file: pass
filler.join()
""",
    "prog.py:{W} in fill",
    "the pipe is full",
    "in a cycle",
    "prog.py:{J}",
)

row(
    "a filter that is fed before it is read",
    """
child = subprocess.Popen(["cat"], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
child.stdin.write(b"x" * 1_000_000)  #W
child.stdin.close()
child.stdout.read()
""",
    """
child = subprocess.Popen(["cat"], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
def read():
    time.sleep(HOLD)
    while child.stdout.read(10000): pass
reader = start(read)
child.stdin.write(b"x" * 1_000_000)
child.stdin.close()
reader.join()
""",
    "prog.py:{W} in <module>",
    "the pipe is full",
    "is to read it, and cannot go on",
)

row(
    "Popen.wait: of a child that reads its stdin",
    """
child = subprocess.Popen(["cat"], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL)
child.wait()  #W
""",
    """
child = subprocess.Popen(["cat"], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL)
threading.Timer(HOLD, child.stdin.close).start()
child.wait()
""",
    "prog.py:{W} in <module>",
    "it reads from its stdin, which is empty",
)

# Nobody has died, and nobody is left: only a heartbeat goes on.

row(
    "a queue into which nobody puts any more, beside a heartbeat",
    """
jobs = queue.Queue()
def produce():
    for number in range(3): jobs.put(number)
start(produce, name="producer")
while True: jobs.get()  #W
""",
    """
jobs = queue.Queue()
def produce():
    for number in range(3): time.sleep(HOLD / 3); jobs.put(number)
start(produce, name="producer")
for _ in range(3): jobs.get()
""",
    "nobody who could end this wait is left: MainThread",
    "an item of Queue jobs, at prog.py:{W} in <module>",
    "producer put into it 3 times",
    "it has ended",
)

row(
    "a queue into which nobody ever put",
    """
jobs = queue.Queue()
jobs.get()  #W
""",
    """
jobs = queue.Queue()
box = [jobs]
def later():
    time.sleep(HOLD)
    box[0].put(1)
start(later)
jobs.get()
""",
    "nobody who could end this wait is left: MainThread",
    "prog.py:{W}",
)

row(
    "consumers without a sentinel, which are joined",
    """
jobs = queue.Queue()
def consume():
    while (job := jobs.get()) is not None: pass  #W
threads = [start(consume, name=f"consumer-{n}") for n in range(2)]
for each in (1, 2, 3, None): jobs.put(each)
for each in threads: each.join()
""",
    """
jobs = queue.Queue()
def consume():
    while (job := jobs.get()) is not None: pass
threads = [start(consume, name=f"consumer-{n}") for n in range(2)]
for each in (1, 2, 3, None): jobs.put(each)
time.sleep(HOLD)
jobs.put(None)
for each in threads: each.join()
""",
    "nobody who could end these waits is left",
    "prog.py:{W} in consume",
    "MainThread put into it 4 times",
)

row(
    "join of a queue whose workers have ended in peace",
    """
jobs = queue.Queue()
def work():
    for _ in range(2): jobs.get(); jobs.task_done()
start(work, name="worker")
for n in range(3): jobs.put(n)
jobs.join()  #W
""",
    """
jobs = queue.Queue()
def work():
    for _ in range(3): time.sleep(HOLD / 3); jobs.get(); jobs.task_done()
start(work, name="worker")
for n in range(3): jobs.put(n)
jobs.join()
""",
    "nobody who could end this wait is left: MainThread",
    "all jobs of Queue jobs",
    "1 unfinished",
    "got from it 2 times",
    "it has ended",
)

row(
    "a barrier of more than come",
    """
gate = threading.Barrier(3)
def party(): gate.wait()  #W
threads = [start(party, name=f"party-{n}") for n in range(2)]
threads[0].join()
""",
    """
gate = threading.Barrier(3)
def party(): gate.wait()
threads = [start(party, name=f"party-{n}") for n in range(2)]
time.sleep(HOLD)
gate.wait()
for each in threads: each.join()
""",
    "2 of 3 have arrived",
    "prog.py:{W} in party",
)
