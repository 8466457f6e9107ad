"""Who shares the machine in unusual ways: exec, namespaces, other users, files closed, removed or full underneath."""

import asyncio
import gc
import os
import subprocess
import sys
import tempfile
import textwrap
import threading
from collections.abc import Callable, Coroutine, Generator
from contextlib import suppress
from pathlib import Path
from queue import Empty
from typing import Any

import pytest

from interlock import machine
from interlock.machine import files, kernel

from .conftest import PATIENCE, Others, until

IS_ROOT = os.geteuid() == 0


def program(folder: Path | str, text: str, *before: str) -> subprocess.CompletedProcess[str]:
    """Run a program in an arena of its own."""
    return subprocess.run(
        [*before, sys.executable, "-c", textwrap.dedent(text)],
        env=os.environ | {"INTERLOCK_MACHINE_DIR": str(folder)},
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )


def may_unshare(*flags: str) -> bool:
    try:
        return subprocess.run(["unshare", *flags, "true"], capture_output=True, check=False).returncode == 0
    except FileNotFoundError:
        return False


needs_namespaces = pytest.mark.skipif(
    not (IS_ROOT and may_unshare("-p", "-f") and may_unshare("-m")), reason="this user must not make namespaces"
)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    tmp_path.chmod(0o700)
    return tmp_path


# --- exec -----------------------------------------------------------------------------------------------------------

TAKES: dict[str, Callable[[], tuple[Callable[[], object], Callable[[], bool], Callable[[], object]]]] = {}


def lock_case(kind: type) -> Callable[[], tuple[Callable[[], object], Callable[[], bool], Callable[[], object]]]:
    def make() -> tuple[Callable[[], object], Callable[[], bool], Callable[[], object]]:
        lock = kind()
        return lock.acquire, lambda: bool(lock.acquire(blocking=False)), lock.__enter__

    return make


def reader_case() -> tuple[Callable[[], object], Callable[[], bool], Callable[[], object]]:
    lock = machine.RWLock()
    write = lock.write()
    return lock.read().acquire, lambda: bool(write.acquire(blocking=False)), write.__enter__


def writer_case() -> tuple[Callable[[], object], Callable[[], bool], Callable[[], object]]:
    lock = machine.RWLock()
    read = lock.read()
    return lock.write().acquire, lambda: bool(read.acquire(blocking=False)), read.__enter__


def queue_case() -> tuple[Callable[[], object], Callable[[], bool], Callable[[], object]]:
    queue = machine.Queue()
    queue.put(b"it")

    def poll() -> bool:
        try:
            return bool(queue.get(block=False) == b"it")
        except Empty:
            return False

    return queue.hold().__enter__, poll, queue.get


CASES = {
    "Lock": lock_case(machine.Lock),
    "RLock": lock_case(machine.RLock),
    "BoundedSemaphore": lock_case(machine.BoundedSemaphore),
    "reader": reader_case,
    "writer": writer_case,
    "Queue": queue_case,
}


def execs_in_thread(others: Others, take: Callable[[], object], go: machine.Event) -> int:
    """A process whose second thread takes, and when told becomes another program."""
    taken = machine.Event()

    def work() -> None:
        def run() -> None:
            take()
            taken.set()
            go.wait()
            os.execv("/bin/sleep", ["sleep", "600"])

        thread = threading.Thread(target=run)
        thread.start()
        thread.join()

    pid = others.start(work)
    assert taken.wait(PATIENCE)
    return pid


def is_sleep(pid: int) -> bool:
    return Path(f"/proc/{pid}/cmdline").read_bytes().startswith(b"sleep")


@pytest.mark.parametrize("case", CASES)
def test_exec_in_a_thread_that_is_not_the_main_one(others: Others, case: str) -> None:
    """The thread has the id of the main one by the time when the kernel looks for it in its life word, so that stays
    as it was: who waited for what it held waited for ever."""
    take, poll, _wait = CASES[case]()
    go = machine.Event()
    pid = execs_in_thread(others, take, go)
    assert not poll()
    go.set()
    until(lambda: is_sleep(pid))
    assert poll()


@pytest.mark.parametrize("case", CASES)
def test_exec_in_a_thread_while_others_wait(others: Others, case: str) -> None:
    take, _, wait = CASES[case]()
    go, waiting = machine.Event(), machine.Event()
    execs_in_thread(others, take, go)

    def work() -> None:
        waiting.set()
        wait()

    waiters = [others.start(work)]
    assert waiting.wait(PATIENCE)
    until(lambda: any(record["waiters"] for record in kernel.seen()))
    go.set()
    assert others.end(waiters[0]) == 0


def test_exec_in_a_thread_while_a_task_waits(others: Others) -> None:
    lock, permits, go = machine.Lock(), machine.BoundedSemaphore(), machine.Event()
    execs_in_thread(others, lambda: (lock.acquire(), permits.acquire()), go)

    async def main() -> None:
        waits = asyncio.gather(lock.acquire_async(PATIENCE), permits.acquire_async(PATIENCE))
        while not (lock.waiters and permits.waiters):
            await asyncio.sleep(0.001)
        go.set()
        assert await waits == [True, True]

    asyncio.run(main())
    lock.release()


def test_exec_in_a_thread_breaks_a_barrier(others: Others) -> None:
    """A task has come; its loop runs in another thread than the main one, and calls exec."""
    barrier, go = machine.Barrier(3), machine.Event()

    async def main() -> None:
        came = asyncio.ensure_future(barrier.wait_async())
        await asyncio.sleep(0)
        go.wait()
        os.execv("/bin/sleep", ["sleep", "600"])
        await came

    def work() -> None:
        thread = threading.Thread(target=asyncio.run, args=(main(),))
        thread.start()
        thread.join()

    def wait() -> None:
        with pytest.raises(machine.BrokenBarrierError):
            barrier.wait(PATIENCE)

    others.start(work)
    waiter = others.start(wait)
    until(lambda: barrier.n_waiting == 2)
    go.set()
    assert others.end(waiter) == 0


def test_another_program_has_nothing_open(others: Others) -> None:
    """The start of a process stays the same over exec, and so what it had open stayed open."""

    def work() -> None:
        kept = machine.Semaphore("execs", 3)
        opened.set()
        os.execv("/bin/sleep", ["sleep", str(600 * kept._value)])

    opened = machine.Event()
    pid = others.start(work)
    assert opened.wait(PATIENCE)
    until(lambda: is_sleep(pid))
    assert machine.Semaphore("execs", 5)._value == 5


def test_slots_of_threads_that_have_called_exec_come_back(others: Others, folder: Path) -> None:
    """The kernel does not say that such a thread has ended; slots would be used up."""
    told = program(
        folder,
        """
        import os, threading
        from interlock import machine
        from interlock.machine import kernel

        def run():
            machine.Lock().acquire(timeout=0)
            os.execv("/bin/true", ["true"])

        for _ in range(40):
            if os.fork() == 0:
                threading.Thread(target=run).start()
                threading.Event().wait()
            os.wait()
        """,
    )
    assert told.returncode == 0, told.stderr
    with (folder / "arena.4").open("rb") as file:
        slots = int.from_bytes(file.read(92)[88:], "little")
    assert 1 <= slots <= 8


# --- namespaces -----------------------------------------------------------------------------------------------------


@needs_namespaces
def test_a_child_in_another_namespace_of_process_ids(folder: Path) -> None:
    """Its thread numbers are others: in a guard they would be taken for those of somebody else."""
    told = program(
        folder,
        """
        import ctypes, gc, os
        from interlock import machine

        lock, named = machine.Lock(), machine.Lock("n")
        named.acquire()
        assert ctypes.CDLL(None).unshare(0x20000000) == 0
        if os.fork() == 0:
            for use in (lock.acquire, lock.__enter__, named.release, lambda: machine.Event("e"), lambda: lock.owner):
                try:
                    print(use(), flush=True)
                except OSError as error:
                    print("namespace" in str(error), flush=True)
            del lock, named, use
            gc.collect()
            os._exit(0)
        os.wait()
        print(lock.acquire(timeout=0), named.locked())
        """,
    )
    assert told.stdout.split() == ["True", "True", "True", "True", "None", "True", "True"], told.stderr


@needs_namespaces
def test_where_proc_shows_another_namespace(folder: Path) -> None:
    """/proc/PID is another process there, or none: who has a name open seemed to have ended, and it was made anew."""
    told = program(
        folder,
        """
        import os, subprocess, sys
        with open("/proc/sys/kernel/ns_last_pid", "w") as file:
            file.write("31000")
        if os.fork() == 0:
            from interlock import machine
            permits = machine.Semaphore("p", 2)
            permits.acquire()
            subprocess.run([sys.executable, "-c", '''if True:
                from interlock import machine
                permits = machine.Semaphore("p", 2)
                print(permits._value)
            '''])
            os._exit(0)
        os.wait()
        """,
        "unshare",
        "-p",
        "-f",
    )
    assert told.stdout == "1\n", told.stderr


@needs_namespaces
def test_a_container_is_refused_and_does_not_remove_what_is_in_use(folder: Path) -> None:
    use = "from interlock import machine; machine.Lock('n').acquire(); print('held')"
    stay = "; import time; print(flush=True); time.sleep(600)"
    with subprocess.Popen(
        ["unshare", "-p", "-f", "--kill-child", sys.executable, "-c", use + stay],
        env=os.environ | {"INTERLOCK_MACHINE_DIR": str(folder)},
        stdout=subprocess.PIPE,
    ) as there:
        assert there.stdout is not None
        assert there.stdout.readline() == b"held\n"
        clean = "from interlock.cli import main; main(['clean'])"
        refused = program(folder, use, "unshare", "-p", "-f")
        assert "another namespace of process ids" in refused.stderr
        assert "`interlock clean`" in refused.stderr
        refused = program(folder, clean, "unshare", "-p", "-f", "--mount-proc")
        assert "in use by a process that cannot be seen from here" in refused.stderr
        assert (folder / "arena.4").exists()
        there.kill()
    # Its child, which held the lock, is killed with it.
    until(lambda: program(folder, clean, "unshare", "-p", "-f", "--mount-proc").returncode == 0)
    assert program(folder, use).stdout == "held\n"


@needs_namespaces
def test_clean_removes_nothing_of_a_busy_container(folder: Path) -> None:
    """Nobody outside sees its processes: the memory, and the FIFO of a loop whose task waits there."""
    text = """if True:
        import asyncio
        from interlock import machine

        lock = machine.Lock("n")

        async def main():
            lock.acquire()
            waiting = asyncio.ensure_future(lock.acquire_async())
            while not lock.waiters:
                await asyncio.sleep(0)
            print("waits", flush=True)
            await asyncio.get_running_loop().run_in_executor(None, input)
            lock.release()
            print(await waiting, flush=True)

        asyncio.run(main())
        """
    clean = "from interlock.cli import main; main(['clean'])"
    with subprocess.Popen(
        ["unshare", "-p", "-f", "--kill-child", sys.executable, "-c", text],
        env=os.environ | {"INTERLOCK_MACHINE_DIR": str(folder)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as there:
        assert there.stdin is not None
        assert there.stdout is not None
        assert there.stdout.readline() == b"waits\n"
        before = sorted(os.listdir(folder))
        assert [name for name in before if name.startswith("mail-")]
        for how in ([], ["unshare", "-p", "-f"], ["unshare", "-p", "-f", "--mount-proc"]):
            refused = program(folder, clean, *how)
            assert "in use by" in refused.stderr, (how, refused.stdout)
            assert refused.returncode != 0
            assert sorted(os.listdir(folder)) == before
        there.stdin.write(b"go on\n")
        there.stdin.flush()
        assert there.stdout.readline() == b"True\n"


# --- the folder, the file, the disk -----------------------------------------------------------------------------------


@needs_namespaces
def test_a_full_disk_is_an_error(folder: Path) -> None:
    """Never a SIGBUS, wherever it becomes full."""
    told = program(
        folder,
        """
        import asyncio, os, subprocess, sys
        from interlock import machine

        folder = os.environ["INTERLOCK_MACHINE_DIR"]

        def use():
            kept = []
            kinds = [machine.Lock, machine.RLock, machine.Semaphore, machine.BoundedSemaphore, machine.Event,
                machine.Condition, machine.RWLock, machine.Queue]
            for number in range(4):
                for kind in kinds:
                    kept.append(kind(f"{kind.__name__}{number}"))
            for number in range(64):
                kept.append(machine.Lock(f"more{number}"))
            kept[7].put(b"x" * 20000)
            kept[2].acquire()
            kept[2].acquire(timeout=0.01)
            with kept[6].read(), kept[3]:
                asyncio.run(kept[4].wait_async(0.01))

        for pages in (1, 2, 8, *range(15, 32), 34, 36, 38, 40, 44, 64):
            subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={pages * 4}k,mode=700", "t", folder], check=True)
            if os.fork() == 0:
                try:
                    use()
                except (OSError, MemoryError) as error:
                    print(error, file=sys.stderr, flush=True)
                    os._exit(1)
                os._exit(0)
            print(os.waitstatus_to_exitcode(os.wait()[1]), flush=True)
            subprocess.run(["umount", folder], check=True)
        """,
        "unshare",
        "-m",
    )
    codes = told.stdout.split()
    assert set(codes) == {"0", "1"}, told.stdout + told.stderr
    assert codes[0] == "1"
    assert codes[-1] == "0"
    assert "No space left on device" in told.stderr


def test_only_that_very_file_is_removed(folder: Path) -> None:
    """Two find at the same time that an arena is from before the boot. The second must not remove what the first has
    made since: two arenas for one name, and a lock that two hold."""
    path = folder / "arena"
    path.write_text("old")
    old = os.open(path, os.O_RDWR)
    files.unlink_file(str(path), old)
    assert not path.exists()
    path.write_text("new")
    files.unlink_file(str(path), old)
    assert path.read_text() == "new"
    os.close(old)


def test_an_arena_from_before_the_boot_is_made_anew(folder: Path) -> None:
    assert program(folder, "from interlock import machine; machine.Lock('n')").returncode == 0

    def head() -> bytes:
        with (folder / "arena.4").open("rb") as file:  # the rest is 4 GiB of nothing
            return file.read(128)

    boot = Path("/proc/sys/kernel/random/boot_id").read_bytes().strip()
    at = head().index(boot)
    with (folder / "arena.4").open("r+b") as file:
        file.seek(at)
        file.write(b"0" * len(boot))
    told = program(folder, "from interlock import machine; print(machine.Lock('n').acquire(timeout=0))")
    assert told.stdout == "True\n", told.stderr
    assert boot in head()


def test_a_truncated_file_is_refused_and_cleaned(folder: Path) -> None:
    assert program(folder, "from interlock import machine; machine.Lock('n')").returncode == 0
    os.truncate(folder / "arena.4", 100)
    told = program(folder, "from interlock import machine; machine.Lock('n')")
    assert "`interlock clean` removes it" in told.stderr
    assert "removed" in program(folder, "from interlock.cli import main; main(['clean'])").stdout
    assert program(folder, "from interlock import machine; machine.Lock('n')").returncode == 0


def test_a_relative_folder_stays_where_it_was(folder: Path) -> None:
    """A daemon changes to another directory: the file seemed to have been removed."""
    told = subprocess.run(
        [
            sys.executable,
            "-W",
            "error",
            "-c",
            "import os; from interlock import machine; machine.Lock('a'); os.chdir('/'); machine.Lock('b')",
        ],
        env=os.environ | {"INTERLOCK_MACHINE_DIR": "."},
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )
    assert told.returncode == 0, told.stderr


# --- files closed behind our back -------------------------------------------------------------------------------------


def closes_all_files(keep: Path) -> list[int]:
    """As a daemon does; and opens its own, under all the numbers that were free."""
    last = max(map(int, os.listdir("/proc/self/fd")))
    os.closerange(3, 65536)
    return [os.open(keep, os.O_RDWR | os.O_CREAT) for _ in range(3, last + 10)]


def test_mail_goes_into_no_other_file(others: Others, folder: Path) -> None:
    """Who wakes a task keeps its FIFO open. Its number may be that of a file of the program by now."""
    lock, go, came = machine.Lock(), machine.Event(), machine.Event()
    keep = folder / "data"

    def wake() -> None:
        with lock:
            go.set()
            until(lambda: lock.waiters)
        came.wait()
        opened = closes_all_files(keep)
        lock.acquire()
        came.clear()
        until(lambda: lock.waiters)
        lock.release()
        came.wait()
        assert keep.read_bytes() == b""
        for number in opened:
            os.close(number)  # all are still open

    async def main() -> None:
        assert await lock.acquire_async(PATIENCE)
        lock.release()
        came.set()
        while came.is_set():
            await asyncio.sleep(0.001)
        assert await lock.acquire_async(PATIENCE)
        lock.release()
        came.set()

    pid = others.start(wake)
    assert go.wait(PATIENCE)
    asyncio.run(main())
    assert others.end(pid) == 0


def test_the_fifo_of_a_parent_is_no_other_file(others: Others, folder: Path) -> None:
    """A child drops the FIFOs of its parent's loops: under their numbers it may have files of its own."""
    lock = machine.Lock()

    async def wait() -> bool:
        return await lock.acquire_async(0.01)

    def work() -> None:
        opened = closes_all_files(folder / "data")
        asyncio.run(wait())
        gc.collect()
        for number in opened:
            os.close(number)  # all are still open

    with lock:
        asyncio.run(wait())
        assert others.end(others.start(work)) == 0


def test_fifos_of_killed_processes_are_removed(others: Others) -> None:
    lock = machine.Lock()

    async def wait(timeout: float) -> None:
        await lock.acquire_async(timeout)

    def work() -> None:
        asyncio.run(wait(PATIENCE * 10))

    def fifos(pid: int) -> list[str]:
        return [name for name in os.listdir(files.folder()) if name.startswith(f"mail-{pid}-")]

    with lock:
        pid = others.start(work)
        until(lambda: lock.waiters)
        assert fifos(pid)
        others.kill(pid)
        asyncio.run(wait(0.01))
    assert not fifos(pid)


# --- older kernels, filters -------------------------------------------------------------------------------------------


def test_a_filter_that_forbids_futex_waitv(folder: Path) -> None:
    """Some answer EPERM to what they do not know, and not ENOSYS. Whoever waited came back at once, for ever."""
    told = program(
        folder,
        """
        import ctypes, os, platform, resource, struct, threading
        # if the call is 449: EPERM; else go on
        code = [(0x20, 0, 0, 0), (0x15, 0, 1, 449), (0x06, 0, 0, 0x00050001), (0x06, 0, 0, 0x7fff0000)]
        raw = b"".join(struct.pack("HBBI", *line) for line in code)
        buffer = ctypes.create_string_buffer(raw)
        class Program(ctypes.Structure):
            _fields_ = [("len", ctypes.c_ushort), ("filter", ctypes.c_void_p)]
        libc = ctypes.CDLL(None, use_errno=True)
        assert libc.prctl(38, 1, 0, 0, 0) == 0
        assert libc.prctl(22, 2, ctypes.byref(Program(len(code), ctypes.addressof(buffer)))) == 0
        from interlock import machine
        lock, held, let_go = machine.Lock(), threading.Event(), threading.Event()
        def hold():
            with lock:
                held.set()
                let_go.wait()
        thread = threading.Thread(target=hold)
        thread.start()
        held.wait()
        before = resource.getrusage(resource.RUSAGE_SELF).ru_nvcsw
        print(lock.acquire(timeout=1.0))
        usage = resource.getrusage(resource.RUSAGE_SELF)
        print(usage.ru_nvcsw - before > 3, usage.ru_utime + usage.ru_stime)
        let_go.set()
        thread.join()
        """,
    )
    words = told.stdout.split()
    assert words[:2] == ["False", "True"], told.stderr
    assert float(words[2]) < 0.9


# --- coroutines that are closed ---------------------------------------------------------------------------------------


class Loop:
    """Tasks as plain coroutines, which can be closed at their `await`."""

    def __init__(self) -> None:
        self.loop = asyncio.new_event_loop()

    def run_once(self) -> None:
        self.loop.call_soon(self.loop.stop)
        self.loop.run_forever()


@pytest.mark.parametrize("kind", [machine.Lock, machine.RLock])
@pytest.mark.parametrize("state", ["waits", "notified", "held by another"])
def test_a_closed_coroutine_leaves_a_condition(
    kind: type[machine.Lock], state: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """It cannot wait for the lock, does not have it then, and its notification is for the next one."""
    condition = machine.Condition(kind())
    told: list[str] = []

    async def wait(name: str) -> None:
        async with condition:
            await condition.wait_async()
            told.append(name)

    async def closing() -> None:
        first = wait("first")
        asyncio.current_task()
        step(first)
        second = asyncio.ensure_future(wait("second"))
        while len(condition.waiters) < 2:
            await asyncio.sleep(0)
        if state == "waits":
            first.close()
            assert len(condition.waiters) == 1
            with condition:
                condition.notify()
        else:
            condition.acquire()
            condition.notify()
            if state == "held by another":
                first.close()
                assert condition.locked()
                condition.release()
            else:
                condition.release()  # hands the lock to the first one, whose coroutine does not run
                first.close()
        await asyncio.wait_for(second, PATIENCE)

    def step(coroutine: object) -> None:
        coroutine.send(None)  # type: ignore[attr-defined]

    asyncio.run(closing())
    assert told == ["second"]
    assert not condition.locked()
    assert condition.acquire(timeout=0)
    condition.release()
    assert "ignored" not in capsys.readouterr().err


def by_hand(lock: machine.Lock, condition: machine.Condition) -> Coroutine[Any, Any, None]:
    async def wait() -> None:
        condition.acquire()
        try:
            await condition.wait_async()
        finally:
            condition.release()

    return wait()


def by_hand_of_a_task(lock: machine.Lock, condition: machine.Condition) -> Coroutine[Any, Any, None]:
    async def wait() -> None:
        await condition.acquire_async()
        try:
            await condition.wait_async()
        finally:
            (lock.release_async if isinstance(lock, machine.RLock) else lock.release)()

    return wait()


def by_helpers(lock: machine.Lock, condition: machine.Condition) -> Coroutine[Any, Any, None]:
    async def take() -> None:
        condition.acquire()

    async def sleep() -> None:
        await condition.wait_async()

    def give() -> None:
        condition.release()

    async def wait() -> None:
        await take()
        try:
            await sleep()
        finally:
            give()

    return wait()


def in_a_block(lock: machine.Lock, condition: machine.Condition) -> Coroutine[Any, Any, None]:
    async def wait() -> None:
        async with condition:
            await condition.wait_async()

    return wait()


def in_a_plain_block(lock: machine.Lock, condition: machine.Condition) -> Coroutine[Any, Any, None]:
    async def wait() -> None:
        with condition:
            await condition.wait_async()

    return wait()


def that_goes_on(lock: machine.Lock, condition: machine.Condition) -> Coroutine[Any, Any, None]:
    async def wait() -> None:
        async with condition:
            with suppress(GeneratorExit):
                await condition.wait_async()

    return wait()


def without_release(lock: machine.Lock, condition: machine.Condition) -> Coroutine[Any, Any, None]:
    async def wait() -> None:
        condition.acquire()
        await condition.wait_async()
        condition.release()

    return wait()


CLOSED = [by_hand, by_hand_of_a_task, by_helpers, in_a_block, in_a_plain_block, that_goes_on, without_release]


class Pause:
    """Where a coroutine stops."""

    def __await__(self) -> Generator[None, None, None]:
        yield


@pytest.mark.parametrize("closed", CLOSED)
@pytest.mark.parametrize("hold", ["in a block", "by hand", "in another process"])
@pytest.mark.parametrize("kind", [machine.Lock, machine.RLock])
def test_a_closed_coroutine_leaves_the_hold_of_others(
    kind: type[machine.Lock], hold: str, closed: Callable[[machine.Lock, machine.Condition], Any], others: Others
) -> None:
    """It has lost its own when it waited. What it would release is that of another coroutine of the thread now."""
    lock = kind()
    condition = machine.Condition(lock)
    over, taken = machine.Event(), machine.Event()

    async def in_block() -> None:
        async with lock:
            await Pause()

    async def hand() -> None:
        lock.acquire()
        try:
            await Pause()
        finally:
            lock.release()

    def elsewhere() -> None:
        lock.acquire()
        taken.set()
        over.wait()
        lock.release()

    async def main() -> None:
        first, second = closed(lock, condition), closed(lock, condition)
        first.send(None)
        second.send(None)
        assert len(condition.waiters) == 2
        if hold == "in another process":
            holder = others.start(elsewhere)
            assert taken.wait(PATIENCE)
            first.close()
            second.close()
            assert lock.locked()
            over.set()
            assert others.end(holder) == 0
        else:
            other = in_block() if hold == "in a block" else hand()
            other.send(None)
            first.close()
            assert lock.locked()
            second.close()
            assert lock.locked()
            other.close()  # leaves what it has
        assert not lock.locked()
        assert not condition.waiters
        third = asyncio.ensure_future(closed(lock, condition))  # likely at the place in memory of the first
        while not condition.waiters:
            await asyncio.sleep(0)
        with condition:
            condition.notify()
        await asyncio.wait_for(third, PATIENCE)
        assert not lock.locked()

    asyncio.run(main())


def test_a_closed_coroutine_leaves_all_that_it_had_entered() -> None:
    lock = machine.RLock()
    condition = machine.Condition(lock)

    async def deep() -> None:
        async with lock, condition:
            await condition.wait_async()

    async def main() -> None:
        first = deep()
        first.send(None)
        assert not lock.locked()
        lock.acquire()
        first.close()
        assert lock.locked()
        lock.release()
        assert not lock.locked()

    asyncio.run(main())


def test_a_coroutine_dropped_in_another_thread_gives_back_what_it_got() -> None:
    lock = machine.Lock()
    lock.acquire()
    coroutines = []
    ready, over = threading.Event(), threading.Event()

    def work() -> None:
        async def main() -> None:
            coroutine = lock.acquire_async()
            coroutine.send(None)
            coroutines.append(coroutine)

        asyncio.run(main())
        ready.set()
        over.wait()

    thread = threading.Thread(target=work)
    thread.start()
    ready.wait()
    assert len(lock.waiters) == 1
    lock.release()  # to the task, which never runs again
    coroutines.pop().close()
    assert lock.acquire(timeout=PATIENCE)
    lock.release()
    over.set()
    thread.join()


def test_a_child_does_not_end_the_waits_of_its_parent(others: Others) -> None:
    """It has its parent's coroutines, and drops them."""
    barrier, condition = machine.Barrier(2), machine.Condition()

    async def main() -> None:
        async def wait() -> None:
            async with condition:
                await condition.wait_async()

        coroutines = [barrier.wait_async(), wait()]
        for coroutine in coroutines:
            coroutine.send(None)
        assert (barrier.n_waiting, len(condition.waiters)) == (1, 1)

        def work() -> None:
            for coroutine in coroutines:
                coroutine.close()

        assert others.end(others.start(work)) == 0
        assert (barrier.n_waiting, len(condition.waiters)) == (1, 1)
        for coroutine in coroutines:
            coroutine.close()
        assert (barrier.n_waiting, len(condition.waiters)) == (0, 0)

    asyncio.run(main())


# --- another user -----------------------------------------------------------------------------------------------------


@pytest.mark.skipif(not IS_ROOT, reason="only root can become another user")
def test_users_of_a_group_meet_and_others_do_not() -> None:
    with tempfile.TemporaryDirectory() as name:  # pytest's are for this user alone
        folder = Path(name)
        folder.chmod(0o755)
        group = folder / "group"
        group.mkdir()
        os.chown(group, 0, 4242)
        group.chmod(0o2770)
        users_of_a_group(group)


def users_of_a_group(group: Path) -> None:
    told = program(
        group,
        """
        import asyncio, os, signal, time
        from interlock import machine

        def user(number, group, work):
            if os.fork() == 0:
                code = 1
                try:
                    os.setgroups([])
                    os.setgid(group)
                    os.setuid(number)
                    os.umask(0o077)
                    work()
                    code = 0
                except OSError as error:
                    print(type(error).__name__, flush=True)
                finally:
                    os._exit(code)
            return os.waitstatus_to_exitcode(os.wait()[1])

        def die():
            machine.Lock("l").acquire()
            os.kill(os.getpid(), signal.SIGKILL)

        def next_one():
            lock = machine.Lock("l")
            print(lock.acquire(timeout=0), lock.abandoned is None, flush=True)

        print(user(1001, 4242, die), user(1002, 4242, next_one), user(1003, 4343, next_one), flush=True)
        """,
    )
    # Nobody has it open when the second user comes, who is told of the death all the same.
    assert told.stdout.split() == ["True", "False", "PermissionError", "-9", "0", "1"], told.stderr


AS_ANOTHER_USER = """
import asyncio, os
from interlock import machine

def become(user):
    if os.geteuid() == 0:
        os.setgroups([])
        os.setgid(user)
        os.setuid(user)
"""


def test_the_umask_takes_no_rights_from_the_user_itself() -> None:
    """Neither of the folder nor of the arena nor of the FIFO of a loop. Who comes later can open them."""
    with tempfile.TemporaryDirectory() as theirs:  # pytest's own folders are closed to others
        if IS_ROOT:
            os.chown(theirs, 1001, 1001)
        ran = program(
            theirs + "/arena",
            AS_ANOTHER_USER
            + """
machine.Lock, machine.Semaphore, machine.tasks  # imported here: another user need not be able to read them

async def use():
    return await machine.Semaphore(0).acquire_async(timeout=0.001)

def work():
    with machine.Lock("x"):
        print(asyncio.run(use()), flush=True)

for mask in (0o777, 0o022):
    if os.fork() == 0:
        become(1001)
        os.umask(mask)
        work()
        os._exit(0)
    print(os.wait()[1], flush=True)
""",
        )
    assert (ran.stdout.split(), ran.stderr) == (["False", "0", "False", "0"], "")


@pytest.mark.skipif(not IS_ROOT, reason="only root can become another user")
def test_a_process_that_may_no_longer_see_the_file_is_not_told_that_it_was_removed(folder: Path) -> None:
    ran = program(
        folder,
        AS_ANOTHER_USER
        + """
lock = machine.Lock("x")
become(1001)
with lock, machine.Lock("another"):
    if os.fork() == 0:
        print(lock.locked(), lock.acquire(timeout=0), machine.Lock("a third").acquire(), flush=True)
        os._exit(0)
    os.wait()
""",
    )
    assert (ran.stdout, ran.stderr) == ("True False True\n", "")


def test_a_writer_that_died_is_told_of_after_all_have_let_go(folder: Path) -> None:
    """The lock was abandoned, its next writer could not repair that, and nobody has it open any more."""
    ran = program(
        folder,
        """
        import os, signal
        from interlock import machine

        for kind in (machine.Lock, machine.RLock, machine.RWLock):
            side = lambda lock: lock.write() if kind is machine.RWLock else lock
            if os.fork() == 0:
                side(kind("x" + kind.__name__)).acquire()
                os.kill(os.getpid(), signal.SIGKILL)
            os.wait()
            try:
                side(kind("x" + kind.__name__, recover=lambda died: 1 / 0)).acquire()
            except ZeroDivisionError:
                print(kind.__name__, end=" ")
            lock = kind("x" + kind.__name__)
            with side(lock):
                print(lock.abandoned is not None, end=" ")
            with side(lock):
                print(lock.abandoned is not None)
        """,
    )
    assert ran.stdout.split() == ["Lock", "True", "False", "RLock", "True", "False", "RWLock", "True", "False"]
    assert ran.stderr == ""
