"""Kills a process after k instructions of one operation, for many k, and looks whether all the others come through.

    python sweep.py OPERATION STRIDE [LAST [SHARE]]
    python sweep.py stopped:OPERATION STRIDE [LAST]
    python sweep.py forked:OPERATION STRIDE [LAST]

With SHARE, it begins after this share of the instructions: 0.6 leaves out the first 60 %.

The victim stops itself, is stepped on by ptrace, and killed. The others are processes that wait in the same primitive.
Prints one line of JSON: how many points there were, and at which somebody was stuck. Exits with 77 and says why where
ptrace is not permitted.

With `stopped:` the victim is left standing there instead, and others come: with a timeout, and to be interrupted; they
must leave while it stands. With `forked:` another thread of the victim forks there: the child has nothing of it, and
uses what there is while the victim stands; after that the victim goes on. This program never waits for what its victim
may hold before that is dead.
"""

import asyncio
import ctypes
import json
import os
import select
import signal
import struct
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress

from interlock import Empty, Full, ShutDown, machine
from interlock.machine import tasks
from interlock.machine.kernel import seen

PTRACE_TRACEME, PTRACE_SINGLESTEP, PTRACE_CONT, PTRACE_DETACH = 0, 9, 7, 17
PATIENCE = float(os.environ.get("INTERLOCK_SWEEP_PATIENCE", "20"))  # seconds; only who is stuck uses them up

libc = ctypes.CDLL(None, use_errno=True)
libc.ptrace.argtypes = [ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p]
libc.ptrace.restype = ctypes.c_long

children: set[int] = set()


def child(work: Callable[[], object], threaded: bool = True) -> int:
    """A process that cannot outlive this one."""
    parent = os.getpid()
    pid = os.fork()
    if pid == 0:
        try:
            libc.prctl(1, signal.SIGKILL)
            if os.getppid() != parent:
                os._exit(9)
            if threaded:  # the main thread looks by itself now and then, which would hide a wake that is missing
                thread = threading.Thread(target=work)
                thread.start()
                thread.join()
            else:
                work()
            os._exit(0)
        except BaseException:
            import traceback

            traceback.print_exc()
            os._exit(1)
    children.add(pid)
    return pid


def until(done: Callable[[], object]) -> bool:
    end = time.monotonic() + PATIENCE
    while not done():
        if time.monotonic() > end:
            return False
        os.sched_yield()
    return True


def ended(pid: int) -> bool:
    if pid in children and os.waitpid(pid, os.WNOHANG)[0]:
        children.discard(pid)
    return pid not in children


def kill(pid: int) -> None:
    if pid in children:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        children.discard(pid)


class Scene:
    """One primitive, those who wait in it, and what the victim does to it."""

    def __init__(self) -> None:
        self.others: list[int] = []

    def begin(self) -> None:
        """By the victim, before the others come."""

    def prepare(self) -> None:
        """By the victim, when the others wait, before the operation."""

    def operate(self) -> None:
        raise NotImplementedError

    def settle(self) -> str:
        """When the victim is dead: what is wrong, or nothing."""
        return ""

    def enter(self, timeout: float | None) -> None:
        """By others, while the victim stands still in its operation: wait for the same thing, and end."""
        raise NotImplementedError

    def pass_by(self) -> str:
        """While the victim stands still: whoever has a timeout leaves when it is over, whoever gets Ctrl-C at once."""

        def with_timeout() -> None:
            self.enter(0.02)

        def interrupted() -> None:
            signal.signal(signal.SIGINT, lambda *_: os._exit(0))
            os.write(told, b".")
            self.enter(None)

        signal.signal(signal.SIGINT, signal.SIG_IGN)  # what comes before it listens is nothing

        ready, told = os.pipe()
        comers = [child(with_timeout, threaded=False), child(with_timeout), child(interrupted, threaded=False)]
        os.read(ready, 1)
        os.close(ready)
        os.close(told)
        wrong = ""
        for pid in comers:

            def gone(pid: int = pid) -> bool:
                if not ended(pid):
                    if pid == comers[2]:
                        os.kill(pid, signal.SIGINT)
                    return False
                return True

            if not until(gone):
                wrong = "Ctrl-C is not heard" if pid == comers[2] else "time is up, and it does not leave"
                kill(pid)
        return wrong

    def use_as_child(self) -> None:
        """By a child that was forked while its parent stands still in its operation."""
        mine = [one for one in seen() for party in one["holders"] + one["waiters"] if party.pid == os.getpid()]
        assert not mine, mine
        for lock in (machine.Lock(), machine.RLock()):
            with lock:
                assert lock.owner.pid == os.getpid()
        event, items = machine.Event(), machine.Queue()
        event.set()
        items.put(event.wait())
        with items.hold() as item:
            assert item
        assert machine.Barrier(1).wait() == 0
        self.come_as_child()

    def come_as_child(self) -> None:
        self.enter(0.02)

    def waiting(self, count: int, of: machine.Lock) -> None:
        if not until(lambda: len(of.waiters) >= count):
            raise AssertionError("those who should wait do not")

    def left(self) -> list[int]:
        return [pid for pid in self.others if not ended(pid)]

    def all_ended(self) -> str:
        return "" if until(lambda: not self.left()) else "somebody is stuck"


class Release(Scene):
    def __init__(self) -> None:
        super().__init__()
        self.lock = machine.Lock()

    def begin(self) -> None:
        self.lock.acquire()

    def start_others(self) -> None:
        def use() -> None:
            with self.lock:
                pass

        self.others = [child(use), child(use)]
        self.waiting(2, self.lock)

    def enter(self, timeout: float | None) -> None:
        self.lock.acquire(timeout=-1 if timeout is None else timeout)

    def operate(self) -> None:
        self.lock.release()

    def settle(self) -> str:
        wrong = self.all_ended()
        if not wrong and not self.lock.acquire(timeout=PATIENCE):
            wrong = "the lock is held by nobody who lives"
        return wrong


class Acquire(Release):
    """Into the queue, and out of it: time is up."""

    def begin(self) -> None:
        pass

    def start_others(self) -> None:
        self.lock.acquire()
        super().start_others()

    def operate(self) -> None:
        self.lock.acquire(timeout=0.0001)

    def settle(self) -> str:
        self.lock.release()
        return super().settle()


class With(Acquire):
    """Takes it, while others come for it."""

    def start_others(self) -> None:
        pass

    def operate(self) -> None:
        with self.lock:
            pass

    def settle(self) -> str:
        return Release.settle(self)


class Give(Scene):
    """Semaphore.release"""

    def __init__(self) -> None:
        super().__init__()
        self.semaphore = machine.Semaphore(0)

    def start_others(self) -> None:
        self.others = [child(self.semaphore.acquire)]
        self.waiting(1, self.semaphore)

    def enter(self, timeout: float | None) -> None:
        self.semaphore.acquire(timeout=timeout)

    def operate(self) -> None:
        self.semaphore.release()

    def settle(self) -> str:
        # Released before it died: the other one comes, and nobody need help.
        before = self.semaphore._value
        if before not in (0, 1):
            return f"value {before}"
        self.semaphore.release()
        wrong = self.all_ended()
        left = self.semaphore._value
        return wrong or ("" if left in (0, 1) else f"value {left}")


class GiveTask(Give):
    """Semaphore.release, and a task waits, whose loop does not look by itself."""

    def start_others(self) -> None:
        def wait() -> None:
            tasks.TICK = 3600.0
            asyncio.run(self.semaphore.acquire_async())

        self.others = [child(wait)]
        self.waiting(1, self.semaphore)

    def settle(self) -> str:
        if not self.semaphore.waiters and not until(lambda: not self.left()):
            return "it has been granted, and not told"
        return super().settle()


class Permits(Scene):
    """`with semaphore`: its permit comes back, exactly once."""

    kind: type[machine.Semaphore] = machine.Semaphore

    def __init__(self) -> None:
        super().__init__()
        self.semaphore = self.kind(2)

    def start_others(self) -> None:
        pass

    def enter(self, timeout: float | None) -> None:
        self.semaphore.acquire(timeout=timeout)

    def operate(self) -> None:
        with self.semaphore:
            pass

    def settle(self) -> str:
        for _ in range(2):
            if not self.semaphore.acquire(timeout=PATIENCE):
                return "a permit is lost"
        if self.semaphore.acquire(blocking=False):
            return "a permit too many"
        self.semaphore.release(2)
        return ""


class Bounded(Permits):
    kind = machine.BoundedSemaphore


class Handed(Permits):
    """Waits for a permit, is given it, gives it back; another one waits behind."""

    def start_others(self) -> None:
        self.semaphore.acquire(permits=2)

        def use() -> None:
            with self.semaphore:
                pass

        self.others = [child(use)]
        self.waiting(1, self.semaphore)

    def operate(self) -> None:
        if self.semaphore.acquire(timeout=0.0001):
            self.semaphore.release()

    def settle(self) -> str:
        self.semaphore.release(2)
        return self.all_ended() or super().settle()


class Set(Scene):
    def __init__(self) -> None:
        super().__init__()
        self.event = machine.Event()

    def start_others(self) -> None:
        self.others = [child(self.event.wait), child(self.event.wait)]
        self.waiting(2, self.event)

    def enter(self, timeout: float | None) -> None:
        self.event.wait(timeout)

    def operate(self) -> None:
        self.event.set()

    def settle(self) -> str:
        if not self.event.is_set():
            self.event.set()
        return self.all_ended()


class CountDown(Scene):
    def __init__(self) -> None:
        super().__init__()
        self.latch = machine.Latch(1)

    def start_others(self) -> None:
        self.others = [child(self.latch.wait)]
        self.waiting(1, self.latch)

    def enter(self, timeout: float | None) -> None:
        self.latch.wait(timeout)

    def operate(self) -> None:
        self.latch.count_down()

    def settle(self) -> str:
        if self.latch.count:
            self.latch.count_down()
        return self.all_ended()


class Notify(Scene):
    def __init__(self) -> None:
        super().__init__()
        self.condition = machine.Condition()

    def prepare(self) -> None:
        self.condition.acquire()

    def start_others(self) -> None:
        def wait() -> None:
            with self.condition:
                self.condition.wait()

        self.others = [child(wait) for _ in range(3)]
        self.waiting(3, self.condition)

    def enter(self, timeout: float | None) -> None:
        self.condition.acquire(timeout=-1 if timeout is None else timeout)

    def operate(self) -> None:
        self.condition.notify_all()
        self.condition.release()

    def settle(self) -> str:
        if not self.condition.acquire(timeout=PATIENCE):
            return "the lock is held by nobody who lives"
        self.condition.notify_all()
        self.condition.release()
        return self.all_ended()


class Wait(Notify):
    def operate(self) -> None:
        self.condition.wait(0.0001)


class Arrive(Scene):
    def __init__(self) -> None:
        super().__init__()
        self.barrier = machine.Barrier(3)

    def start_others(self) -> None:
        def wait() -> None:
            with suppress(machine.BrokenBarrierError):
                self.barrier.wait()

        self.others = [child(wait), child(wait)]
        self.waiting(2, self.barrier)

    def enter(self, timeout: float | None) -> None:
        with suppress(machine.BrokenBarrierError):
            self.barrier.wait(timeout)

    def come_as_child(self) -> None:
        """Not at all: it would be one of those for whom its parent waits."""

    def operate(self) -> None:
        self.barrier.wait()

    def settle(self) -> str:
        if self.left():
            self.barrier.abort()
        return self.all_ended()


class Read(Scene):
    def __init__(self) -> None:
        super().__init__()
        self.lock = machine.RWLock()

    def start_others(self) -> None:
        self.lock.write().acquire()

        def write() -> None:
            with self.lock.write():
                pass

        def read() -> None:
            with self.lock.read():
                pass

        self.others = [child(read), child(write)]
        self.waiting(2, self.lock)
        self.lock.write().release()

    def enter(self, timeout: float | None) -> None:
        self.lock.write().acquire(timeout=timeout)

    def operate(self) -> None:
        with self.lock.read():
            pass

    def settle(self) -> str:
        wrong = self.all_ended()
        if not wrong and not self.lock.write().acquire(timeout=PATIENCE):
            wrong = f"nobody can write: {self.lock!r}"
        return wrong


class Write(Read):
    def operate(self) -> None:
        with self.lock.write():
            pass


class Items(Scene):
    """A queue of two places. What comes out of it goes into another one, so that each item can be counted."""

    places = 2

    def __init__(self) -> None:
        super().__init__()
        before = {one["number"] for one in seen()}
        self.queue = machine.Queue(self.places)
        (self.number,) = {one["number"] for one in seen()} - before
        self.out = machine.Queue()

    def items(self) -> int:
        """How many are in it, seen from outside: nothing is put right by looking."""
        return next(int(one["value"]) for one in seen() if one["number"] == self.number)

    def pass_on(self) -> None:
        self.out.put(self.queue.get())

    def enter(self, timeout: float | None) -> None:
        with suppress(Empty, ShutDown):
            self.queue.get(timeout=timeout)

    def came_out(self) -> list[bytes]:
        return sorted(self.out.get_nowait() for _ in range(self.out.qsize()))


class PutItem(Items):
    """Somebody waits for it."""

    def start_others(self) -> None:
        self.others = [child(self.pass_on)]
        self.waiting(1, self.queue)

    def operate(self) -> None:
        self.queue.put(b"mine")

    def settle(self) -> str:
        if self.items() and not until(lambda: not self.left()):
            return "an item is there, and who waits for it sleeps"
        self.queue.put(b"rest")
        wrong = self.all_ended()
        out = self.came_out() + [self.queue.get_nowait() for _ in range(self.queue.qsize())]
        return wrong or ("" if sorted(out) in ([b"rest"], [b"mine", b"rest"]) else f"came out: {out}")


class GetItem(Items):
    """Somebody waits for its place."""

    places = 1

    def start_others(self) -> None:
        self.queue.put(b"first")
        self.others = [child(lambda: self.queue.put(b"second"))]
        self.waiting(1, self.queue)

    def operate(self) -> None:
        self.queue.get()

    def settle(self) -> str:
        if not self.items() and not until(lambda: not self.left()):
            return "there is room, and who waits for it sleeps"
        out = [self.queue.get(timeout=PATIENCE)]
        if out == [b"first"]:
            out.append(self.queue.get(timeout=PATIENCE))
        wrong = self.all_ended()
        lost = self.queue.lost  # by the victim: this process has ended none of its threads
        right = (out == [b"first", b"second"] and lost == 0) or (out == [b"second"] and lost == 1)
        return wrong or ("" if right else f"came out: {out}, lost: {lost}")


class TimedGet(Items):
    """Into the line, and out of it: time is up. Somebody stands behind."""

    def start_others(self) -> None:
        self.others = [child(self.pass_on)]
        self.waiting(1, self.queue)

    def operate(self) -> None:
        with suppress(Empty):
            self.queue.get(timeout=0.0001)

    def settle(self) -> str:
        self.queue.put(b"one")
        wrong = self.all_ended()
        out = self.came_out()
        return wrong or ("" if out == [b"one"] else f"came out: {out}")


class HoldItem(Items):
    """The whole of a hold: the item is done, or comes back."""

    def start_others(self) -> None:
        self.queue.put(b"one")

    def come_as_child(self) -> None:
        """It does not take the item that its parent is about to hold."""
        with suppress(Full):  # its parent may stand inside
            self.queue.put(b"two", timeout=0.02)

    def operate(self) -> None:
        with self.queue.hold():
            pass

    def settle(self) -> str:
        left = self.queue.unfinished_tasks
        out = []
        with suppress(Empty):
            out = [self.queue.get_nowait()]
        return "" if (left, out) in ((0, []), (1, [b"one"])) else f"unfinished: {left}, came out: {out}"


class LeaveHold(Items):
    """Somebody waits, who gets it if its holder dies before it is done."""

    def begin(self) -> None:
        self.queue.put(b"one")
        self.held = self.queue.hold()
        self.held.__enter__()

    def start_others(self) -> None:
        self.others = [child(self.pass_on)]
        self.waiting(1, self.queue)

    def operate(self) -> None:
        self.held.__exit__()

    def settle(self) -> str:
        if not until(lambda: not self.left() or not self.items()):
            return "it came back, and who waits for it sleeps"
        if self.left():
            self.queue.put(b"two")
        wrong = self.all_ended()
        out = self.came_out()
        return wrong or ("" if out in ([b"one"], [b"two"]) else f"came out: {out}")


class TaskDone(Items):
    """Somebody joins: it goes on, or is told that the item is lost."""

    def prepare(self) -> None:
        self.queue.get()

    def start_others(self) -> None:
        self.queue.put(b"one")

        def join() -> None:
            with suppress(machine.ItemsLost):
                self.queue.join()

        self.others = [child(join)]
        self.waiting(1, self.queue)

    def operate(self) -> None:
        self.queue.task_done()

    def settle(self) -> str:
        return self.all_ended()


class ShutDownIt(Items):
    def start_others(self) -> None:
        def wait() -> None:
            with suppress(ShutDown):
                self.queue.get()

        self.others = [child(wait), child(wait)]
        self.waiting(2, self.queue)

    def operate(self) -> None:
        self.queue.shutdown()

    def settle(self) -> str:
        self.queue.shutdown()
        return self.all_ended()


class OpenNamed(Scene):
    """Makes a primitive with a name that needs a record more, and lets go of it."""

    name = "n" * 60

    def __init__(self) -> None:
        super().__init__()
        self.beside = machine.Event("m" * 60)

    def start_others(self) -> None:
        pass

    def operate(self) -> None:
        machine.Lock(self.name)

    def settle(self) -> str:
        for kind in (machine.Event, machine.Lock, machine.Latch):  # nobody who lives has it: it may be of another kind
            for name in (self.name, self.name[:40], self.name + "n"):
                try:
                    made = kind(name) if kind is not machine.Latch else machine.Latch(1, name=name)
                except ValueError as error:
                    return str(error)
                if made.name != name or self.beside.name != "m" * 60:
                    return f"the names are {made.name!r} and {self.beside.name!r}"
                found = {one["name"]: one["kind"] for one in seen() if set(one["name"] or "") in ({"n"}, {"m"})}
                if found != {name: kind.__name__, self.beside.name: "Event"}:
                    return f"there are {found}"
                del made
        return ""


SCENES: dict[str, type[Scene]] = {
    "release": Release,
    "acquire": Acquire,
    "with": With,
    "give": Give,
    "give_task": GiveTask,
    "permits": Permits,
    "bounded": Bounded,
    "handed": Handed,
    "set": Set,
    "count_down": CountDown,
    "notify": Notify,
    "wait": Wait,
    "arrive": Arrive,
    "read": Read,
    "write": Write,
    "put": PutItem,
    "get": GetItem,
    "get_late": TimedGet,
    "hold": HoldItem,
    "leave": LeaveHold,
    "task_done": TaskDone,
    "shutdown": ShutDownIt,
}
# Only killed: whoever is stopped there is in the guard of the arena, and who would make a primitive waits for it.
KILLED = SCENES | {"open": OpenNamed}


def read(path: str) -> str:
    with suppress(OSError), open(path) as file:
        return file.read()
    return ""


class Forker:
    """A thread of the victim that forks when it is told to."""

    def __init__(self, scene: Scene) -> None:
        self.scene = scene
        self.told, self.tell = os.pipe()
        self.said, self.say = os.pipe()

    def start(self) -> None:
        """By the victim."""
        threading.Thread(target=self.run, daemon=True).start()

    def run(self) -> None:
        os.write(self.say, struct.pack("i", threading.get_native_id()))
        os.read(self.told, 1)
        pid = os.fork()
        if pid == 0:
            code = 1
            try:
                libc.prctl(1, signal.SIGKILL)
                self.scene.use_as_child()
                code = 0
            except BaseException:
                import traceback

                traceback.print_exc()
            finally:
                os._exit(code)
        os.write(self.say, struct.pack("i", os.waitpid(pid, 0)[1]))

    def heard(self) -> int:
        return int(struct.unpack("i", os.read(self.said, 4))[0])

    def fork(self, victim: int) -> str:
        """By the sweep, while the victim stands still. Returns what is wrong."""
        thread = self.heard()
        os.write(self.tell, b".")
        end = time.monotonic() + PATIENCE
        while not select.select([self.said], [], [], 0)[0]:
            if time.monotonic() > end:
                return "the child hangs"
            asleep = read(f"/proc/{victim}/task/{thread}/stat").rpartition(")")[2].startswith(" S")
            if read(f"/proc/{victim}/task/{thread}/children"):
                time.sleep(0.001)
            elif asleep:  # the interpreter is the victim's, until it lets go of it
                step(victim, 1)
            if victim not in children:
                return ""  # it has ended before
        status = self.heard()
        return "" if status == 0 else f"the child ended with {os.waitstatus_to_exitcode(status)}"

    def close(self) -> None:
        for fd in (self.told, self.tell, self.said, self.say):
            os.close(fd)


def victim_of(scene: Scene, forker: Forker | None = None) -> Callable[[], None]:
    def run() -> None:
        operate = scene.operate
        scene.begin()
        if forker is not None:
            forker.start()
        if libc.ptrace(PTRACE_TRACEME, 0, None, None) != 0:
            os._exit(77)
        os.kill(os.getpid(), signal.SIGSTOP)  # the others come
        scene.prepare()
        os.kill(os.getpid(), signal.SIGSTOP)  # from here on instructions are counted
        operate()
        os._exit(0)

    return run


def step(pid: int, count: int) -> int:
    """Step the victim on by so many instructions. Returns how many it really took: fewer when it ended before."""
    for done in range(count):
        libc.ptrace(PTRACE_SINGLESTEP, pid, None, None)
        _, status = os.waitpid(pid, 0)
        if not os.WIFSTOPPED(status):
            children.discard(pid)
            return done
    return count


def point(make: type[Scene], count: int, stopped: bool = False) -> tuple[int, str]:
    """Stop or kill the victim after ``count`` instructions. Returns how many it took, and what is wrong."""
    scene = make()
    pid = child(victim_of(scene), threaded=False)
    _, status = os.waitpid(pid, 0)
    if not os.WIFSTOPPED(status):
        children.discard(pid)
        print("ptrace is not permitted here")
        sys.exit(77)
    scene.start_others()  # type: ignore[attr-defined]
    libc.ptrace(PTRACE_CONT, pid, None, None)
    os.waitpid(pid, 0)
    took = step(pid, count)
    wrong = ""
    try:
        if stopped and took == count:
            wrong = scene.pass_by()
        kill(pid)
        if not stopped:
            wrong = scene.settle()
    finally:
        kill(pid)
        for other in scene.others:
            kill(other)
    return took, wrong


def fork_point(make: type[Scene], count: int) -> tuple[int, str]:
    """Fork after ``count`` instructions of the victim, or as soon after that as it lets its other thread run."""
    scene = make()
    forker = Forker(scene)
    pid = child(victim_of(scene, forker), threaded=False)
    os.waitpid(pid, 0)
    scene.start_others()  # type: ignore[attr-defined]
    libc.ptrace(PTRACE_CONT, pid, None, None)
    os.waitpid(pid, 0)
    wrong = ""
    try:
        took = step(pid, count)
        if took == count:
            wrong = forker.fork(pid)
            if pid in children:
                libc.ptrace(PTRACE_DETACH, pid, None, None)
        if not wrong and not until(lambda: ended(pid)):
            wrong = "its parent does not go on"
    finally:
        kill(pid)
        for other in scene.others:
            kill(other)
        forker.close()
    return took, wrong


def points(make: type[Scene], stride: int, last: int, share: float) -> Iterator[int]:
    first = int(point(make, last)[0] * share) if share else 0
    yield from range(first, last, stride)


def main(operation: str, stride: int, last: int = 1_000_000, share: float = 0.0) -> None:
    how, _, name = operation.rpartition(":")
    make = KILLED[name]
    stuck: list[tuple[int, str]] = []
    took = tried = 0
    for count in points(make, stride, last, share):
        took, wrong = fork_point(make, count) if how == "forked" else point(make, count, how == "stopped")
        tried += 1
        if wrong:
            stuck.append((count, wrong))
            if len(stuck) == 3:
                break
        if took < count:
            break
    print(json.dumps({"operation": operation, "points": tried, "instructions": took, "stuck": stuck}))


if __name__ == "__main__":
    main(sys.argv[1], *map(int, sys.argv[2:4]), *map(float, sys.argv[4:]))
