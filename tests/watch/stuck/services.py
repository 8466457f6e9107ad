"""More programs that go on, of the kinds that services are made of: nothing may be said of them."""

# Serves for ever; the test ends it.
STOP = """
def stop():
    time.sleep(HOLD)
    os._exit(0)
start(stop, name="stopper")
"""

SERVICES = {
    "run forever: await an unnamed future": STOP
    + """
async def main():
    async def serve(reader, writer): pass
    async with await asyncio.start_server(serve, "127.0.0.1", 0):
        await asyncio.Future()
asyncio.run(main())
""",
    "run forever: await an unnamed future, gathered": STOP
    + """
async def one():
    await asyncio.get_running_loop().create_future()
async def two():
    while True: await asyncio.sleep(0.01)
async def main():
    await asyncio.gather(one(), two())
asyncio.run(main())
""",
    "run forever: an event of asyncio's": STOP
    + """
async def main():
    async def tick():
        while True: await asyncio.sleep(0.01)
    ticking = asyncio.create_task(tick())
    await asyncio.Event().wait()
asyncio.run(main())
""",
    "run forever: an event, one worker has died": STOP
    + """
class App:
    def __init__(self): self.stop = threading.Event(); self.jobs = queue.Queue()
    def work(self):
        while not self.stop.is_set():
            1 / self.jobs.get()
app = App()
threads = [start(app.work) for _ in range(2)]
app.jobs.put(0)
app.stop.wait()
""",
    "run forever: an event that only shutdown() sets, which a signal may call": STOP
    + """
class App:
    def __init__(self): self.stopped = threading.Event(); self.jobs = queue.Queue()
    def shutdown(self, *args): self.stopped.set()
    def work(self):
        self.jobs.get()
        self.broken.value = 1
        self.shutdown()
app = App()
signal.signal(signal.SIGTERM, app.shutdown)
start(app.work)
app.jobs.put(1)
app.stopped.wait()
""",
    "nested executors": """
def leaf(n): time.sleep(HOLD / 8); return n
def branch(n):
    with ThreadPoolExecutor(2) as inner: return sum(inner.map(leaf, range(n)))
with ThreadPoolExecutor(2) as outer: print(sum(outer.map(branch, [3, 3, 3])))
""",
    "a pool whose workers are all busy and have a queue": """
with ThreadPoolExecutor(2) as pool:
    jobs = [pool.submit(time.sleep, HOLD / 3) for _ in range(6)]
    for each in jobs: each.result()
""",
    "a job that submits and does not wait": """
pool = ThreadPoolExecutor(1)
done = threading.Event()
def second(): time.sleep(HOLD); done.set()
def first(): pool.submit(second)
pool.submit(first)
done.wait()
pool.shutdown()
""",
    "a keep-alive server of asyncio's with idle connections": """
async def main():
    async def serve(reader, writer):
        while line := await reader.readline():
            writer.write(line); await writer.drain()
        writer.close()
    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    pairs = [await asyncio.open_connection(*server.sockets[0].getsockname()) for _ in range(3)]
    for reader, writer in pairs:
        writer.write(b"x\\n"); await reader.readline()
    await asyncio.sleep(HOLD)
    for _, writer in pairs: writer.close()
    server.close()
asyncio.run(main())
""",
    "sentinels": """
jobs = queue.Queue()
def work():
    while (job := jobs.get()) is not None: time.sleep(job)
    jobs.put(None)
threads = [start(work) for _ in range(4)]
for _ in range(4): jobs.put(HOLD / 4)
jobs.put(None)
for each in threads: each.join()
""",
    "daemon consumers that nobody feeds any more": """
jobs = queue.Queue(); results = queue.Queue()
def work():
    while True: results.put(jobs.get() * 2)
for _ in range(3): start(work)
for n in range(5): jobs.put(n)
print(sorted(results.get() for _ in range(5)))
time.sleep(HOLD)
""",
    "one of the daemon consumers has died, nothing is left to do": """
threading.excepthook = lambda args: None
jobs = queue.Queue(); results = queue.Queue()
def work():
    while True: results.put(1 / jobs.get())
for _ in range(3): start(work)
for n in (1, 0, 2): jobs.put(n)
results.get(); results.get()
time.sleep(HOLD)
""",
    "a long poll": """
server = socket.create_server(("127.0.0.1", 0))
def serve():
    connection, _ = server.accept()
    time.sleep(HOLD)
    connection.send(b"ok")
start(serve)
client = socket.create_connection(server.getsockname())
assert client.recv(2) == b"ok"
""",
    "a timer that starts itself anew": """
count = [0]; done = threading.Event()
def tick():
    count[0] += 1
    if count[0] == 5: done.set()
    else: threading.Timer(HOLD / 5, tick).start()
tick()
done.wait()
""",
    "sched": """
import sched
done = threading.Event()
scheduler = sched.scheduler()
scheduler.enter(HOLD, 1, done.set)
start(scheduler.run)
done.wait()
""",
    "an import in several threads": """
import tempfile
place = tempfile.mkdtemp(); sys.path.insert(0, place)
open(place + "/heavy.py", "w").write(f"import time\\ntime.sleep({HOLD})\\nx = 1\\n")
def go():
    import heavy
    assert heavy.x
threads = [start(go) for _ in range(4)]
for each in threads: each.join()
""",
    "subprocess: communicate with much data": """
code = f"import sys,time; data=sys.stdin.read(); time.sleep({HOLD}); print(len(data))"
child = subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
print(child.communicate("x" * 1000000))
""",
    "subprocess: a reader thread and wait": """
code = f"import time; print('x'*300000, flush=True); time.sleep({HOLD})"
child = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE)
got = []
def read():
    while data := child.stdout.read1(1000): got.append(len(data)); time.sleep(0.0005)
reader = start(read)
child.wait(); reader.join()
print(sum(got))
""",
    "subprocess: a child that reads its stdin, which another thread closes": """
child = subprocess.Popen(["cat"], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
def feed():
    for _ in range(3): time.sleep(HOLD / 3); child.stdin.write(b"line\\n"); child.stdin.flush()
    child.stdin.close()
start(feed)
print(child.stdout.read())
child.wait()
""",
    "subprocess: an interactive child that answers late": """
code = f"import time\\nfor line in iter(input, 'end'): time.sleep({HOLD}/2); print(line)"
pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
child = subprocess.Popen([sys.executable, "-uc", code], text=True, bufsize=1, **pipes)
for word in ("a", "b"):
    child.stdin.write(word + "\\n")
    assert child.stdout.readline() == word + "\\n"
child.stdin.write("end\\n"); child.stdin.flush()
child.wait()
""",
    "generators that hold a lock over a yield": """
lock = threading.Lock()
def rows():
    with lock:
        for n in range(3): yield n
def walk():
    for each in rows(): time.sleep(HOLD / 6)
threads = [start(walk) for _ in range(2)]
for each in threads: each.join()
""",
    "a task group with a timeout": """
async def main():
    try:
        async with asyncio.timeout(HOLD):
            async with asyncio.TaskGroup() as group:
                box = []
                async def wants(): await box[0]
                async def gives(): await asyncio.Event().wait()
                box.append(group.create_task(gives()))
                group.create_task(wants())
    except TimeoutError: print("late")
asyncio.run(main())
""",
    "wait_for a queue, again and again": """
async def main():
    jobs = asyncio.Queue()
    async def consume():
        for _ in range(20):
            try: return await asyncio.wait_for(jobs.get(), HOLD / 10)
            except TimeoutError: continue
    task = asyncio.create_task(consume())
    await asyncio.sleep(HOLD)
    await jobs.put(1)
    assert await task == 1
asyncio.run(main())
""",
    "to_thread and back with run_coroutine_threadsafe": """
async def main():
    loop = asyncio.get_running_loop()
    async def inner(): await asyncio.sleep(HOLD / 3); return 1
    def job(): return asyncio.run_coroutine_threadsafe(inner(), loop).result()
    print(sum(await asyncio.gather(*[asyncio.to_thread(job) for _ in range(8)])))
asyncio.run(main())
""",
    "run_in_executor with a pool of one": """
async def main():
    loop = asyncio.get_running_loop()
    with ThreadPoolExecutor(1) as pool:
        await asyncio.gather(*[loop.run_in_executor(pool, time.sleep, HOLD / 4) for _ in range(4)])
asyncio.run(main())
""",
    "a signal that interrupts a wait": """
class Late(Exception): pass
def late(number, frame): raise Late
signal.signal(signal.SIGALRM, late)
signal.setitimer(signal.ITIMER_REAL, HOLD)
try: threading.Event().wait()
except Late: print("late")
""",
    "a chain of joined threads": """
def run(before):
    if before: before.join()
    time.sleep(HOLD / 4)
last = None
for n in range(4):
    last = threading.Thread(target=run, args=(last,)); last.start()
last.join()
""",
    "a barrier that is used again": """
gate = threading.Barrier(3)
def party(n):
    for step in range(4):
        if n == step % 3: time.sleep(HOLD / 4)
        gate.wait()
threads = [start(party, n) for n in range(3)]
for each in threads: each.join()
""",
    "a barrier that a late party breaks": """
gate = threading.Barrier(3)
def party(n):
    try: gate.wait()
    except threading.BrokenBarrierError: pass
threads = [start(party, n) for n in range(2)]
def late(): time.sleep(HOLD); gate.abort()
start(late)
for each in threads: each.join()
""",
    "permits that another thread gives": """
permits = threading.Semaphore(0)
def give():
    for _ in range(4): time.sleep(HOLD / 4); permits.release()
start(give)
for _ in range(4): permits.acquire()
""",
    "a rate limiter that a timer refills": """
permits = threading.Semaphore(1)
def refill():
    while True: time.sleep(HOLD / 5); permits.release()
start(refill)
def call():
    permits.acquire()
threads = [start(call) for _ in range(4)]
for each in threads: each.join()
""",
    "multiprocessing: a pool": """
import multiprocessing as mp
def job(n): time.sleep(HOLD / 2); return n
if __name__ == "__main__":
    with mp.get_context("fork").Pool(2) as pool: print(pool.map(job, range(4)))
""",
    "multiprocessing: a queue to a child and back": """
import multiprocessing as mp
def child(tasks, results):
    while (task := tasks.get()) is not None: time.sleep(HOLD / 2); results.put(task)
if __name__ == "__main__":
    mp = mp.get_context("fork")
    tasks, results = mp.Queue(), mp.Queue()
    process = mp.Process(target=child, args=(tasks, results)); process.start()
    for n in range(2): tasks.put(n)
    print(results.get(), results.get())
    time.sleep(HOLD)
    tasks.put(None)
    process.join()
""",
    "multiprocessing: join of a child that reads what a thread sends": """
import multiprocessing as mp
def child(pipe):
    while pipe.recv() is not None: pass
if __name__ == "__main__":
    mp = mp.get_context("fork")
    ours, theirs = mp.Pipe()
    process = mp.Process(target=child, args=(theirs,)); process.start()
    def feed():
        for n in (1, 2, None): time.sleep(HOLD / 3); ours.send(n)
    start(feed)
    process.join()
""",
    "processes: ProcessPoolExecutor": """
from concurrent.futures import ProcessPoolExecutor
import multiprocessing as mp
def job(n): time.sleep(HOLD / 2); return n
if __name__ == "__main__":
    with ProcessPoolExecutor(2, mp_context=mp.get_context("fork")) as pool: print(list(pool.map(job, range(4))))
""",
    "an actor with a mailbox and replies by futures": """
from concurrent.futures import Future
mailbox = queue.Queue()
def actor():
    while True:
        function, reply = mailbox.get()
        try: reply.set_result(function())
        except Exception as error: reply.set_exception(error)
start(actor)
def call(function):
    reply = Future(); mailbox.put((function, reply)); return reply.result()
call(lambda: time.sleep(HOLD / 2))
try: call(lambda: 1 / 0)
except ZeroDivisionError: pass
call(lambda: time.sleep(HOLD / 2))
""",
    "a publisher whose one subscriber has died": """
threading.excepthook = lambda args: None
class Hub:
    def __init__(self): self.queues = []
    def subscribe(self): q = queue.Queue(); self.queues.append(q); return q
    def publish(self, x):
        for q in list(self.queues): q.put(x)
hub = Hub()
def listen(bad):
    q = hub.subscribe()
    while True:
        if q.get() == 3: return
        if bad: raise ValueError
threads = [start(listen, n == 0) for n in range(3)]
time.sleep(0.05)
for n in range(4): time.sleep(HOLD / 4); hub.publish(n)
for each in threads: each.join()
""",
    "a worker that died is replaced by its supervisor": """
threading.excepthook = lambda args: None
jobs, done = queue.Queue(), queue.Queue()
def work():
    while True:
        job = jobs.get()
        if job == "bad": raise ValueError
        done.put(job)
current = start(work)
def supervise():
    global current
    while True:
        time.sleep(HOLD)
        if not current.is_alive(): current = start(work)
start(supervise)
for each in ("a", "bad", "b"): jobs.put(each)
print(done.get(), done.get())
""",
    "a pool that replaces its future: retry after an error": """
with ThreadPoolExecutor(1) as pool:
    def flaky(n):
        if n == 0: raise OSError
        time.sleep(HOLD); return n
    for n in range(2):
        try: print(pool.submit(flaky, n).result())
        except OSError: continue
""",
    "contextvars, local data, and a lock per key": """
import collections
locks = collections.defaultdict(threading.Lock)
def work(key):
    with locks[key]: time.sleep(HOLD / 4)
threads = [start(work, n % 2) for n in range(4)]
for each in threads: each.join()
""",
    "a condition as a turnstile among threads": """
turn = [0]; changed = threading.Condition()
def play(me):
    for _ in range(3):
        with changed:
            changed.wait_for(lambda: turn[0] == me)
            time.sleep(HOLD / 6)
            turn[0] = 1 - me
            changed.notify_all()
threads = [start(play, n) for n in range(2)]
for each in threads: each.join()
""",
    "ping and pong over two queues": """
a, b = queue.Queue(), queue.Queue()
def ping():
    for n in range(4): time.sleep(HOLD / 4); a.put(n); b.get()
def pong():
    for n in range(4): b.put(a.get())
threads = [start(ping), start(pong)]
for each in threads: each.join()
""",
    "async generators and aclosing": """
import contextlib
async def ticks():
    for n in range(4):
        await asyncio.sleep(HOLD / 4)
        yield n
async def main():
    async with contextlib.aclosing(ticks()) as source:
        async for each in source: pass
asyncio.run(main())
""",
    "a task that is cancelled while it waits for a child": """
async def main():
    async def wait_for_ever(): await asyncio.Event().wait()
    child = asyncio.create_task(wait_for_ever())
    task = asyncio.create_task(asyncio.wait([child]))
    await asyncio.sleep(HOLD)
    child.cancel()
    await task
asyncio.run(main())
""",
    "a loop with a signal handler": """
async def main():
    stop = asyncio.get_running_loop().create_future()
    asyncio.get_running_loop().add_signal_handler(signal.SIGALRM, stop.set_result, None)
    signal.setitimer(signal.ITIMER_REAL, HOLD)
    await stop
asyncio.run(main())
""",
    "an interpreter-wide atexit and non-daemon threads": """
import atexit
done = threading.Event()
atexit.register(print, "bye")
def later(): time.sleep(HOLD); done.set()
threading.Thread(target=later).start()
threading.Thread(target=done.wait).start()
""",
    "asyncio subprocess": """
async def main():
    code = f"import time; time.sleep({HOLD}); print('x'*100000)"
    child = await asyncio.create_subprocess_exec(sys.executable, "-c", code, stdout=subprocess.PIPE)
    out, _ = await child.communicate()
    print(len(out))
asyncio.run(main())
""",
    "threads of http.server that serve a slow client": """
import http.server, urllib.request
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        time.sleep(HOLD)
        self.send_response(200); self.send_header("Content-Length", "2"); self.end_headers(); self.wfile.write(b"ok")
    def log_message(self, *args): pass
server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
start(server.serve_forever)
with ThreadPoolExecutor(3) as pool:
    print(list(pool.map(lambda _: urllib.request.urlopen(f"http://127.0.0.1:{server.server_port}/").read(), range(3))))
server.shutdown()
""",
    "a logging queue listener": """
import logging, logging.handlers
records = queue.Queue()
listener = logging.handlers.QueueListener(records, logging.NullHandler())
listener.start()
logging.getLogger().addHandler(logging.handlers.QueueHandler(records))
logging.warning("x")
time.sleep(HOLD)
listener.stop()
""",
    "a child's stdin under another name": """
child = subprocess.Popen(["cat"], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL)
out = child.stdin
def later():
    time.sleep(HOLD)
    out.close()
start(later)
child.wait()
""",
    "a child's stdin by its number": """
child = subprocess.Popen(["cat"], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL)
number = child.stdin.fileno()
def later():
    time.sleep(HOLD)
    os.close(number)
start(later)
child.wait()
os._exit(0)
""",
    "a child that is waited for with a timeout": """
child = subprocess.Popen(["cat"], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL)
try: child.wait(HOLD)
except subprocess.TimeoutExpired: child.kill()
""",
    "a child that another thread kills by its pid": """
child = subprocess.Popen(["cat"], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL)
def later():
    time.sleep(HOLD)
    os.kill(child.pid, 15)
start(later)
child.wait()
""",
    "a child's stdout under another name": """
child = subprocess.Popen([sys.executable,"-c","print('x'*200000)"],stdout=subprocess.PIPE)
out = child.stdout
def later():
    time.sleep(HOLD)
    for line in out: pass
start(later)
child.wait()
""",
    "a full pipe with a timeout": """
child = subprocess.Popen([sys.executable,"-c","print('x'*200000)"],stdout=subprocess.PIPE)
try: child.wait(HOLD)
except subprocess.TimeoutExpired: child.kill()
""",
    "a child that does not read its stdin": """
child = subprocess.Popen([sys.executable,"-c",f"import time; time.sleep({HOLD})"],stdin=subprocess.PIPE)
child.wait()
""",
    "a child that another process kills": """
child = subprocess.Popen(["sh", "-c", f"(sleep {HOLD}; kill $$) & cat"],stdin=subprocess.PIPE)
child.wait()
""",
    "communicate with a child that takes its time": """
pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
child = subprocess.Popen([sys.executable, "-c", f"import time; time.sleep({HOLD}); print(1)"], **pipes)
child.communicate(b"x" * 100000)
""",
    "the main thread takes what a library's thread puts": """
import logging, logging.handlers
records = queue.Queue()
handler = logging.handlers.QueueHandler(records)
def later():
    time.sleep(HOLD)
    handler.handle(logging.LogRecord("x", 20, "x", 1, "x", (), None))
start(later)
records.get()
""",
    "the main thread takes what a signal handler puts": """
jobs = queue.SimpleQueue()
signal.signal(signal.SIGALRM, lambda number, frame: jobs.put(number))
signal.setitimer(signal.ITIMER_REAL, HOLD)
jobs.get()
""",
    "the main thread takes what a callback of a future puts": """
jobs = queue.Queue()
with ThreadPoolExecutor(1) as pool:
    pool.submit(time.sleep, HOLD).add_done_callback(jobs.put)
    jobs.get()
""",
    "the main thread takes what a server's handler puts": """
import http.server, urllib.request
jobs = queue.Queue()
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        jobs.put(self.path)
        self.send_response(204); self.end_headers()
    def log_message(self, *args): pass
server = http.server.HTTPServer(("127.0.0.1", 0), Handler)
start(server.serve_forever)
def later():
    time.sleep(HOLD)
    urllib.request.urlopen(f"http://127.0.0.1:{server.server_port}/")
start(later)
jobs.get()
""",
    "the main thread takes what a task puts": """
jobs = queue.Queue()
async def main():
    await asyncio.sleep(HOLD)
    jobs.put(1)
start(lambda: asyncio.run(main()))
jobs.get()
""",
    "the main thread joins consumers that a timer stops": """
jobs = queue.Queue()
def consume():
    while jobs.get() is not None: pass
    jobs.put(None)
threads = [start(consume) for _ in range(3)]
threading.Timer(HOLD, jobs.put, (None,)).start()
for each in threads: each.join()
""",
    "a watcher of files puts": """
import tempfile
jobs = queue.Queue()
place = tempfile.mkdtemp()
def watch():
    while not os.listdir(place): time.sleep(0.01)
    jobs.put(os.listdir(place))
start(watch)
def later():
    time.sleep(HOLD)
    open(place + "/x", "w").close()
start(later)
jobs.get()
""",
}
