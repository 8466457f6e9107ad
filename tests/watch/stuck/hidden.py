"""Programs in which the one that was to end a wait has died, and another ends it later by a way that is hard to see.

Nothing may be said of them. Each is one way; several in a program would hide each other.
"""

DIED = """
done = threading.Event()
def dies():
    1 / 0
    done.set()
threading.excepthook = lambda args: None
start(dies).join()
"""
WAIT = """
start(lambda: done.wait()).join()
"""

HIDDEN = {
    "a finalizer": DIED
    + """
import weakref
class Thing: pass
box = [Thing()]
weakref.finalize(box[0], done.set)
def later():
    time.sleep(HOLD); box.clear()
start(later)
"""
    + WAIT,
    "a property's setter": DIED
    + """
class Box:
    @property
    def value(self): return 1
    @value.setter
    def value(self, x): done.set()
box = Box()
def later():
    time.sleep(HOLD); box.value = 3
start(later)
"""
    + WAIT,
    "exec": DIED
    + """
def later():
    time.sleep(HOLD); exec("done.set()", globals())
start(later)
"""
    + WAIT,
    "a cached function": DIED
    + """
@functools.lru_cache
def finish(): done.set()
def later():
    time.sleep(HOLD); finish()
start(later)
"""
    + WAIT,
    "a function of many types": DIED
    + """
@functools.singledispatch
def finish(x): pass
@finish.register
def _(x: int): done.set()
def later():
    time.sleep(HOLD); finish(1)
start(later)
"""
    + WAIT,
    "a deque of functions": DIED
    + """
from collections import deque
callbacks = deque([done.set])
def later():
    time.sleep(HOLD); callbacks.popleft()()
start(later)
"""
    + WAIT,
    "a defaultdict of functions": DIED
    + """
from collections import defaultdict
callbacks = defaultdict(list)
callbacks["x"].append(lambda: done.set())
def later():
    time.sleep(HOLD); callbacks["x"][0]()
start(later)
"""
    + WAIT,
    "a table of tables": DIED
    + """
table = {"a": {"b": {"c": {"d": lambda: done.set()}}}}
def later():
    time.sleep(HOLD); table["a"]["b"]["c"]["d"]()
start(later)
"""
    + WAIT,
    "a name put together": DIED
    + """
def finish(): done.set()
def later():
    time.sleep(HOLD); globals()["fin" + "ish"]()
start(later)
"""
    + WAIT,
    "a method's name in a table": DIED
    + """
NAMES = {"op": "set"}
events = [done]
def later(op="op"):
    time.sleep(HOLD); getattr(events[0], NAMES[op])()
start(later)
"""
    + WAIT,
    "a proxy": DIED
    + """
class Proxy:
    def __init__(self, inner): self._inner = inner
    def __getattr__(self, name): return getattr(self._inner, name)
proxy = Proxy(done)
def later():
    time.sleep(HOLD); proxy.set()
start(later)
"""
    + WAIT,
    "a weak proxy": DIED
    + """
import weakref
proxy = weakref.proxy(done)
def later():
    time.sleep(HOLD); proxy.set()
start(later)
"""
    + WAIT,
    "a handler of logging": DIED
    + """
import logging
class H(logging.Handler):
    def emit(self, record): done.set()
logging.getLogger().addHandler(H())
def later():
    time.sleep(HOLD); logging.warning("x")
start(later)
"""
    + WAIT,
    "an excepthook": DIED
    + """
threading.excepthook = lambda args: done.set()
def later():
    time.sleep(HOLD); raise KeyError
start(later)
"""
    + WAIT,
    "a module imported late": DIED
    + """
import tempfile
d = tempfile.mkdtemp(); sys.path.insert(0, d)
open(d + "/plug_in_x.py", "w").write("def finish(e): e.set()\\n")
def later():
    time.sleep(HOLD)
    import plug_in_x
    plug_in_x.finish(done)
start(later)
"""
    + WAIT,
    "a descriptor": DIED
    + """
class D:
    def __get__(self, obj, kind=None): done.set(); return 1
class Box: d = D()
box = Box()
def later():
    time.sleep(HOLD); box.d
start(later)
"""
    + WAIT,
    "a cached property": DIED
    + """
class Box:
    @functools.cached_property
    def d(self): done.set(); return 1
box = Box()
def later():
    time.sleep(HOLD); print(box.d)
start(later)
"""
    + WAIT,
    "a callback of the garbage collector": DIED
    + """
import gc
gc.callbacks.append(lambda phase, info: done.set())
def later():
    time.sleep(HOLD); gc.collect()
gc.disable()
start(later)
"""
    + WAIT,
    "a __del__": DIED
    + """
class Thing:
    def __del__(self): done.set()
box = {"t": Thing()}
def later():
    time.sleep(HOLD); box.pop("t")
start(later)
"""
    + WAIT,
    "a Thread's attribute": DIED
    + """
class W(threading.Thread):
    def __init__(self, e): super().__init__(daemon=True); self.e = e
    def run(self):
        time.sleep(HOLD); self.e.set()
W(done).start()
"""
    + WAIT,
    "a generator": DIED
    + """
def gen():
    yield
    done.set()
    yield
g = gen(); next(g)
def later():
    time.sleep(HOLD); next(g)
start(later)
"""
    + WAIT,
    "a context manager made of a generator": DIED
    + """
import contextlib
@contextlib.contextmanager
def cm():
    yield
    done.set()
def later():
    with cm(): time.sleep(HOLD)
start(later)
"""
    + WAIT,
    "an exit stack": DIED
    + """
import contextlib
def later():
    with contextlib.ExitStack() as s:
        s.callback(done.set)
        time.sleep(HOLD)
start(later)
"""
    + WAIT,
    "a callback of a future": DIED
    + """
pool = ThreadPoolExecutor(1)
f = pool.submit(time.sleep, HOLD)
f.add_done_callback(lambda f: done.set())
"""
    + WAIT,
    "a callback of a pool of processes": DIED
    + """
import multiprocessing as mp
if __name__ == "__main__":
    with mp.Pool(1) as pool:
        pool.apply_async(time.sleep, (HOLD,), callback=lambda r: done.set())
        start(lambda: done.wait()).join()
""",
    "a scheduler": DIED
    + """
import sched
s = sched.scheduler()
s.enter(HOLD, 1, done.set)
start(s.run)
"""
    + WAIT,
    "a handler of HTTP": DIED
    + """
import http.server, urllib.request
class H(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        done.set(); self.send_response(200); self.end_headers()
    def log_message(self, *a): pass
srv = http.server.ThreadingHTTPServer(("127.0.0.1", 0), H)
start(srv.serve_forever)
def later():
    time.sleep(HOLD); urllib.request.urlopen("http://127.0.0.1:%d/" % srv.server_port).read()
start(later)
"""
    + WAIT,
    "a weak method": DIED
    + """
import weakref
class T:
    def go(self): done.set()
t = T(); wm = weakref.WeakMethod(t.go)
def later():
    time.sleep(HOLD); wm()()
start(later)
"""
    + WAIT,
    "a weak set": DIED
    + """
import weakref
class T:
    def go(self): done.set()
t = T(); ws = weakref.WeakSet([t])
def later():
    time.sleep(HOLD)
    for x in ws: x.go()
start(later)
"""
    + WAIT,
    "a metaclass": DIED
    + """
class M(type):
    def __call__(cls, *a): done.set(); return 1
class T(metaclass=M): pass
def later():
    time.sleep(HOLD); T()
start(later)
"""
    + WAIT,
    "a base class": DIED
    + """
class B:
    def __init_subclass__(cls): done.set()
def later():
    time.sleep(HOLD)
    class C(B): pass
start(later)
"""
    + WAIT,
    "a method caller": DIED
    + """
import operator
OP = operator.methodcaller("set")
def later():
    time.sleep(HOLD); OP(done)
start(later)
"""
    + WAIT,
    "a partial method": DIED
    + """
class T:
    def _fin(self, a): done.set()
    fin = functools.partialmethod(_fin, 1)
t = T()
def later():
    time.sleep(HOLD); t.fin()
start(later)
"""
    + WAIT,
    "a method of the class": DIED
    + """
def later():
    time.sleep(HOLD); list(map(threading.Event.set, [done]))
start(later)
"""
    + WAIT,
    "a trace function": DIED
    + """
def later():
    time.sleep(HOLD)
    sys.settrace(lambda *a: done.set())
    (lambda: 0)()
    sys.settrace(None)
start(later)
"""
    + WAIT,
    "a thread's local": DIED
    + """
class T:
    def go(self): done.set()
class L(threading.local):
    def __init__(self): self.t = T()
tl = L()
def later():
    time.sleep(HOLD); tl.t.go()
start(later)
"""
    + WAIT,
    "a context variable": DIED
    + """
import contextvars
class T:
    def go(self): done.set()
cv = contextvars.ContextVar("cv", default=T())
def later():
    time.sleep(HOLD); cv.get().go()
start(later)
"""
    + WAIT,
    "an object of a dataclass": DIED
    + """
import dataclasses, types
@dataclasses.dataclass
class C: cb: object
x = types.SimpleNamespace(c=C(done.set))
def later():
    time.sleep(HOLD); x.c.cb()
start(later)
"""
    + WAIT,
    "a format method": DIED
    + """
class F:
    def __format__(self, s): done.set(); return ""
f = F()
def later():
    time.sleep(HOLD); print(f"{f}")
start(later)
"""
    + WAIT,
    "an encoder": DIED
    + """
import json
class X: pass
def dflt(o): done.set(); return 1
enc = json.JSONEncoder(default=dflt)
def later():
    time.sleep(HOLD); enc.encode(X())
start(later)
"""
    + WAIT,
    "a comparison": DIED
    + """
class X:
    def __lt__(self, o): done.set(); return True
xs = [X(), X()]
def later():
    time.sleep(HOLD); xs.sort()
start(later)
"""
    + WAIT,
    "a file that stands for stdout": DIED
    + """
class W:
    def __init__(self, o): self.o = o
    def write(self, s): done.set(); return self.o.write(s)
    def flush(self): self.o.flush()
sys.stdout = W(sys.stdout)
def later():
    time.sleep(HOLD); print("x")
start(later)
"""
    + WAIT,
    "an import function": DIED
    + """
import builtins
real = builtins.__import__
def imp(name, *a, **k):
    if name == "colorsys": done.set()
    return real(name, *a, **k)
builtins.__import__ = imp
def later():
    time.sleep(HOLD)
    import colorsys
start(later)
"""
    + WAIT,
    "a function handed to C": DIED
    + """
import ctypes
CB = ctypes.CFUNCTYPE(None)
cb = CB(lambda: done.set())
def later():
    time.sleep(HOLD); cb()
start(later)
"""
    + WAIT,
    "a protocol of a loop's": DIED
    + """
class P(asyncio.Protocol):
    def data_received(self, data): done.set()
async def main():
    loop = asyncio.get_running_loop()
    server = await loop.create_server(P, "127.0.0.1", 0)
    addr.append(server.sockets[0].getsockname())
    await asyncio.sleep(3600)
addr = []
start(asyncio.run, main())
time.sleep(0.2)
def later():
    time.sleep(HOLD)
    socket.create_connection(addr[0]).send(b"x")
    time.sleep(5)
start(later)
"""
    + WAIT,
}

# With other waits.
HIDDEN["a handler of logging that feeds a queue"] = """
import logging, logging.handlers
jobs = queue.Queue()
def dies():
    1 / 0
    jobs.put(1)
threading.excepthook = lambda args: None
start(dies).join()
log = logging.getLogger("a")
log.addHandler(logging.handlers.QueueHandler(jobs))
def later():
    time.sleep(HOLD)
    log.warning("x")
start(later)
start(lambda: jobs.get()).join()
"""
HIDDEN["an operator of an object that is not known"] = """
changed = threading.Condition()
items = []
def dies():
    1 / 0
    with changed: changed.notify()
threading.excepthook = lambda args: None
start(dies).join()
class Shelf:
    def push(self, item):
        with changed:
            items.append(item)
            changed.notify_all()
    def __iadd__(self, item):
        self.push(item)
        return self
shelf = Shelf()
def later():
    global shelf
    time.sleep(HOLD)
    shelf += 1
start(later)
def consume():
    with changed: changed.wait_for(lambda: items)
start(consume).join()
"""
HIDDEN["a party that is started by its name"] = """
gate = threading.Barrier(2)
def party(fails):
    if fails: raise ValueError
    gate.wait()
threading.excepthook = lambda args: None
start(party, True).join()
def later():
    time.sleep(HOLD)
    start(globals()["par" + "ty"], False)
start(later)
start(lambda: gate.wait()).join()
"""
HIDDEN["a name that another thread gives another object"] = """
class Slot:
    def __init__(self): self.current = threading.Event()
slot = Slot()
done = threading.Event()
def dies():
    1 / 0
    done.set()
threading.excepthook = lambda args: None
start(dies).join()
def change():
    time.sleep(HOLD / 2)
    slot.current = done
def later():
    time.sleep(HOLD)
    slot.current.set()
start(change)
start(later)
start(lambda: done.wait()).join()
"""
HIDDEN["a name that is given another object further on"] = """
done = threading.Event()
def dies():
    1 / 0
    done.set()
threading.excepthook = lambda args: None
start(dies).join()
def later():
    event = threading.Event()
    time.sleep(HOLD)
    event = list(events)[0]
    event.set()
events = [done]
start(later)
start(lambda: done.wait()).join()
"""
HIDDEN["two functions that one line made"] = """
done, other = threading.Event(), threading.Event()
def dies():
    1 / 0
    done.set()
threading.excepthook = lambda args: None
start(dies).join()
def setter(event):
    def run():
        time.sleep(HOLD)
        event.set()
    return run
start(setter(other))
start(setter(done))
start(lambda: done.wait()).join()
"""
# Of the kinds that programs are full of; the others are tried by `make test-all`.
USUAL = (
    "a cached function",
    "a deque of functions",
    "a handler of logging",
    "a handler of logging that feeds a queue",
    "a property's setter",
    "a callback of a future",
    "a proxy",
    "a finalizer",
    "a name that another thread gives another object",
    "two functions that one line made",
)
