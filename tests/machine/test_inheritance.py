"""What a forked child inherits stays, whatever its parent does before the child has come to run."""

from pathlib import Path

from .test_strangers import folder, program

__all__ = ["folder"]  # a fixture

# The child stands still at its first step, until somebody writes to `go`.
SLOW_CHILD = """
import os, sys, gc
slow, go = os.pipe()
os.register_at_fork(after_in_child=lambda read=os.read, slow=slow: read(slow, 1))
import multiprocessing
from interlock import machine
from interlock.machine.kernel import seen
context = multiprocessing.get_context("fork")
machine.Lock("another").acquire()
"""


def test_its_parent_drops_it_at_once(folder: Path) -> None:
    """`Process(args=(Lock(),)).start()`: nobody but the child has it from then on."""
    ran = program(
        folder,
        SLOW_CHILD
        + """
def child(lock, semaphore, said):
    said.send([lock.acquire(timeout=0), lock.acquire(timeout=0), semaphore.acquire(timeout=0), semaphore._value])
    said.send(os.read(slow, 1))

for name in (None, "named"):
    hear, said = context.Pipe()
    other = name and name * 2
    process = context.Process(target=child, args=(machine.Lock(name), machine.Semaphore(5, name=other), said))
    process.start()
    gc.collect()
    held = [machine.Lock() for _ in range(20)]
    for lock in held:
        lock.acquire()
    more = [machine.Semaphore(1) for _ in range(20)]
    os.write(go, b".")
    print(hear.recv(), sum(lock.locked() for lock in held), {one._value for one in more})
    for lock in held:
        lock.release()
    inside = len(seen())
    os.write(go, b".")
    process.join()
    del held, more, lock
print(len(seen()), inside)
""",
    )
    wanted = "[True, False, True, 4] 20 {1}\n"
    assert (ran.stdout, ran.stderr) == (2 * wanted + "2 43\n", "")


def test_its_parent_ends_at_once(folder: Path) -> None:
    """A daemon: whoever opens the name meanwhile meets it, and does not make it anew."""
    ran = program(
        folder,
        SLOW_CHILD
        + """
def work():
    said.send([semaphore._value, semaphore.acquire(timeout=0), semaphore.acquire(timeout=0)])
    os.read(slow, 1)

def daemon():
    global semaphore
    semaphore = machine.BoundedSemaphore(2, name="the daemon's")
    anonymous = machine.Lock()
    if os.fork() == 0:
        work()
    os._exit(0)

hear, said = context.Pipe()
pid = os.fork()
if pid == 0:
    daemon()
os.write(go, b".")
os.waitpid(pid, 0)
mine = machine.BoundedSemaphore(2, name="the daemon's")
assert mine.acquire(timeout=0)
others = [machine.Lock() for _ in range(20)]
os.write(go, b".")
print(hear.recv(), mine.acquire(timeout=0))
os.write(go, b".")
""",
    )
    assert (ran.stdout, ran.stderr) == ("[1, True, False] False\n", "")


def test_a_child_that_never_runs_keeps_nothing_for_long(folder: Path) -> None:
    """It is killed at its first step. What its parent closed in between is gone when somebody looks."""
    ran = program(
        folder,
        "import os; begun, begin = os.pipe(); os.register_at_fork(after_in_child=lambda: os.write(begin, b'.'))"
        + SLOW_CHILD
        + """
import signal
lock = machine.Semaphore(5, name="x")
pid = os.fork()
if pid == 0:
    os._exit(1)
os.read(begun, 1)
del lock
try:
    machine.Semaphore(6, name="x")
except ValueError as error:
    print("kept")
os.kill(pid, signal.SIGKILL)
os.waitpid(pid, 0)
print(machine.Semaphore(6, name="x")._value, len(seen()))
""",
    )
    assert (ran.stdout, ran.stderr) == ("kept\n6 1\n", "")


def test_what_lives_until_the_interpreter_ends_ends_quietly(folder: Path) -> None:
    """An object that only the last garbage collection frees, when the module has no names left."""
    ran = program(
        folder,
        """
        import os
        os.register_at_fork(before=lambda: None)  # keeps the names of this program until the end
        from interlock import machine
        kept = machine.Lock("kept"), machine.Queue(), machine.RWLock(), machine.Condition(), machine.Barrier(1)
        """,
    )
    assert (ran.returncode, ran.stdout, ran.stderr) == (0, "", "")


def test_an_object_dropped_before_the_fork_is_not_inherited(folder: Path) -> None:
    ran = program(
        folder,
        """
        import os
        from interlock import machine
        from interlock.machine.kernel import seen
        kept = machine.Lock("kept")
        dropped = machine.Lock("dropped")
        del dropped
        if os.fork() == 0:
            print([one["name"] for one in seen()], flush=True)
            os._exit(0)
        os.wait()
        """,
    )
    assert (ran.stdout, ran.stderr) == ("['kept']\n", "")


def test_what_killed_processes_leave_behind_is_used_again(folder: Path) -> None:
    """Records, rings and names. What the next one has to learn of is kept: who held a lock, and items."""
    ran = program(
        folder,
        """
        import os, signal
        from interlock import machine
        from interlock.machine.kernel import seen

        def killed(number):
            if os.fork() == 0:
                lock = machine.Lock()
                kept = [machine.Condition(lock), machine.Queue(), machine.RWLock(), machine.Latch(1)]
                kept += [machine.Event("e" * 50 + str(number)), machine.BoundedSemaphore(2, name=f"s{number}")]
                kept[-1].__enter__()
                lock.acquire()
                if number == 7:
                    machine.Lock("held").acquire()
                    machine.Queue(name="full").put(b"item")
                os.kill(os.getpid(), signal.SIGKILL)
            os.wait()

        for number in range(300):
            killed(number)
            assert len(seen()) in (0, 2), seen()
        print(sorted(one["name"] for one in seen()), max(one["number"] for one in seen()))
        kept = [machine.Latch(1) for _ in range(40)]
        print(max(one["number"] for one in seen()))
        lock, queue = machine.Lock("held"), machine.Queue(name="full")
        print(lock.acquire(timeout=0), lock.abandoned is not None, queue.get_nowait())
        """,
    )
    assert ran.stderr == ""
    kept, highest, result = ran.stdout.splitlines()
    assert kept.startswith("['full', 'held'] ")
    assert int(highest) < 70
    assert result == "True True b'item'"
