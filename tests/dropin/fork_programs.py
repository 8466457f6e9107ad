"""Programs that fork with the drop-in installed: `python fork_programs.py NAME`. `test_fork_installed.py` runs them.

Each is a process of its own, because forking a process with threads is what Python warns about.
"""

import interlock
from interlock.dropin import NAMES, install, uninstall

install()

import faulthandler  # noqa: E402
import logging  # noqa: E402
import multiprocessing  # noqa: E402
import os  # noqa: E402
import queue  # noqa: E402
import signal  # noqa: E402
import sys  # noqa: E402
import threading  # noqa: E402
import traceback  # noqa: E402
from collections.abc import Callable  # noqa: E402
from concurrent.futures import ThreadPoolExecutor  # noqa: E402

from parties import blocked  # noqa: E402

# Seconds after which a process that hangs is ended, with the stacks of its threads: the child first.
CHILD_PATIENCE, PARENT_PATIENCE = 30, 60


class ChildFailed(Exception):
    pass


def in_child(check: Callable[[], object], *, end_normally: bool = False) -> None:
    """Fork, and call `check` in the child. `end_normally`: through everything that Python does at the end."""
    pid = os.fork()
    if pid == 0:
        signal.alarm(CHILD_PATIENCE)
        try:
            check()
        except BaseException:
            traceback.print_exc()
            os._exit(1)
        if not end_normally:
            os._exit(0)
        sys.exit()
    _, status = os.waitpid(pid, 0)
    if status != 0:
        raise ChildFailed(f"status {status}")


class Holder:
    """A thread that holds a lock until told to release it, and one that waits for that lock."""

    def __init__(self, lock: interlock.Lock | interlock.RLock):
        self.lock = lock
        self.held = threading.Event()
        self.end = threading.Event()
        self.threads = [threading.Thread(target=self.hold), threading.Thread(target=self.wait)]

    def hold(self) -> None:
        with self.lock:
            self.held.set()
            self.end.wait()

    def wait(self) -> None:
        with self.lock:
            pass

    def __enter__(self) -> None:
        self.threads[0].start()
        self.held.wait()
        self.threads[1].start()
        blocked(self.lock, 1)

    def __exit__(self, *_: object) -> None:
        self.end.set()
        for thread in self.threads:
            thread.join()


def logging_handler_lock_held_by_another_thread() -> None:
    handler = logging.StreamHandler(sys.stdout)
    logger = logging.Logger("fork")
    logger.addHandler(handler)
    lock = handler.lock
    assert type(lock) is interlock.RLock

    def check() -> None:
        assert handler.lock is lock
        assert not lock.locked()
        assert lock.waiters == ()
        logger.error("from the child")
        thread = threading.Thread(target=logger.error, args=("from a thread of the child",))
        thread.start()
        thread.join()

    with Holder(lock):
        in_child(check)
        in_child(check, end_normally=True)
    logger.error("from the parent")


def logging_in_use_by_other_threads() -> None:
    assert type(logging._lock) is interlock.RLock

    def use() -> None:
        while not end.is_set():
            logging.getLogger("parent").setLevel(logging.INFO)

    end = threading.Event()
    threads = [threading.Thread(target=use) for _ in range(2)]
    for thread in threads:
        thread.start()
    for _ in range(20):
        in_child(lambda: logging.getLogger("child").setLevel(logging.INFO))
    end.set()
    for thread in threads:
        thread.join()


def threads_alive() -> None:
    end = threading.Event()
    waiting = threading.Thread(target=end.wait)
    waiting.start()
    blocked(end, 1)

    def check() -> None:
        assert threading.enumerate() == [threading.main_thread()] == [threading.current_thread()]
        assert not waiting.is_alive()
        waiting.join()
        assert end.waiters == ()
        thread = threading.Thread(target=end.wait)
        thread.start()
        assert issubclass(type(thread._started), interlock.Event)
        blocked(end, 1)
        end.set()
        thread.join()
        assert threading.enumerate() == [threading.main_thread()]

    in_child(check)
    in_child(check, end_normally=True)
    assert waiting.is_alive()
    end.set()
    waiting.join()


def fork_in_a_thread() -> None:
    errors: list[BaseException] = []

    def run() -> None:
        def check() -> None:
            assert threading.current_thread() is thread is threading.main_thread()
            started = threading.Thread(target=threading.enumerate)
            started.start()
            started.join()

        try:
            in_child(check)
        except Exception as error:
            errors.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    assert not errors, errors


def thread_starting() -> None:
    """A thread is listed, or about to be, while another one forks."""
    end = threading.Event()

    def start() -> None:
        while not end.is_set():
            thread = threading.Thread()
            thread.start()
            thread.join()

    def check() -> None:
        thread = threading.Thread()
        thread.start()
        thread.join()

    starters = [threading.Thread(target=start) for _ in range(2)]
    for starter in starters:
        starter.start()
    for _ in range(50):
        in_child(check)
    end.set()
    for starter in starters:
        starter.join()


def thread_pool_at_work() -> None:
    end = threading.Event()
    pool = ThreadPoolExecutor(2)
    futures = [pool.submit(end.wait) for _ in range(4)]
    blocked(end, 2)

    def check() -> None:
        with ThreadPoolExecutor(2) as another:
            assert list(another.map(abs, [-1, -2])) == [1, 2]

    in_child(check)
    in_child(check, end_normally=True)
    end.set()
    assert all(future.result() for future in futures)
    pool.shutdown()


def queue_with_a_getter() -> None:
    line: queue.Queue[int] = queue.Queue()
    getter = threading.Thread(target=line.get)
    getter.start()
    blocked(line.not_empty, 1)

    def check() -> None:
        assert line.not_empty.waiters == ()
        got: list[int] = []
        mine = threading.Thread(target=lambda: got.append(line.get()))
        mine.start()
        blocked(line.not_empty, 1)
        line.put(1)
        mine.join()
        assert got == [1]

    in_child(check)
    line.put(1)
    getter.join()


def lock_of_a_thread_that_stayed_behind() -> None:
    """The standard library would hang."""
    line: queue.Queue[int] = queue.Queue()

    def check() -> None:
        try:
            line.put(1)
        except interlock.DeadlockError:
            pass
        else:
            raise AssertionError("put() got a lock that another thread holds")

    with Holder(line.mutex):
        in_child(check)
    line.put(1)


def multiprocessing_queue_and_locks() -> None:
    context = multiprocessing.get_context("fork")
    line = context.Queue()
    end = threading.Event()
    waiting = threading.Thread(target=end.wait)
    waiting.start()
    line.put(1)  # starts the thread that feeds it
    assert line.get() == 1

    def work() -> None:
        with context_lock:
            line.put(2)

    context_lock = context.RLock()
    process = context.Process(target=work)
    process.start()
    assert line.get() == 2
    process.join()
    assert process.exitcode == 0
    end.set()
    waiting.join()


def another_thread_installs_and_uninstalls() -> None:
    end = threading.Event()

    def change() -> None:
        while not end.is_set():
            uninstall()
            install()

    def check() -> None:
        assert len({name.stands_for() is name.ours for name in NAMES}) == 1
        install()
        assert all(name.stands_for() is name.ours for name in NAMES)
        uninstall()
        assert not any(name.stands_for() is name.ours for name in NAMES)

    sys.setswitchinterval(0.000_01)
    changer = threading.Thread(target=change)
    changer.start()
    for _ in range(50):
        in_child(check)
    end.set()
    changer.join()


if __name__ == "__main__":
    faulthandler.register(signal.SIGALRM, chain=True)
    signal.alarm(PARENT_PATIENCE)
    try:
        globals()[sys.argv[1]]()
    except Exception:
        # Whoever failed has not told his threads to end.
        traceback.print_exc()
        os._exit(1)
